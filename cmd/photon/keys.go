package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"photon/adapters/keys"
)

// keyFile is the name of the key file in the data folder.
const keyFile = "keys.age"

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "The one mnemonic from which all keys come"}
	var data, password string
	var fast bool
	cmd.PersistentFlags().StringVar(&data, "data", defaults()["data"].(string), "folder for the key file")
	cmd.PersistentFlags().StringVar(&password, "password-file", "", "file with the password (default: ask, or data/password)")
	cmd.PersistentFlags().BoolVar(&fast, "fast-unlock", false, "a weak password hash, for dev only")
	create := func(cmd *cobra.Command, mnemonic string) error {
		if err := os.MkdirAll(data, 0o700); err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
		phrase, err := readPassword(data, password)
		if err != nil {
			return err
		}
		var options []keys.Option
		if fast {
			options = append(options, keys.FastUnlock())
		}
		if _, err := keys.Create(filepath.Join(data, keyFile), mnemonic, phrase, options...); err != nil {
			return err
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "key file written to", filepath.Join(data, keyFile))
		return nil
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "new", Short: "makes a new mnemonic, shows it once, and keeps it encrypted", Args: exactly(0, "no arguments"),
			RunE: func(cmd *cobra.Command, _ []string) error {
				mnemonic, err := keys.New()
				if err != nil {
					return err
				}
				if err := create(cmd, mnemonic); err != nil {
					return err
				}
				fmt.Fprintln(cmd.ErrOrStderr(), "Write these words down, in order. Whoever has them has your money; without them a lost disk is lost money.")
				fmt.Fprintln(cmd.OutOrStdout(), mnemonic)
				return nil
			},
		},
		&cobra.Command{
			Use: "restore", Short: "reads a mnemonic from standard input and keeps it encrypted", Args: exactly(0, "the mnemonic on standard input, not as an argument"),
			RunE: func(cmd *cobra.Command, _ []string) error {
				line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 1024)).ReadString('\n')
				if err != nil && !errors.Is(err, io.EOF) {
					return fmt.Errorf("read mnemonic: %w", err)
				}
				return create(cmd, strings.TrimSpace(line))
			},
		})
	return cmd
}

// readPassword takes the password from a file, or asks for it.
func readPassword(data, path string) (string, error) {
	if path == "" {
		path = filepath.Join(data, "password")
	}
	raw, err := os.ReadFile(path)
	if err == nil {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			return "", fmt.Errorf("%w: %s can be read by others: chmod 600 it", errUsage, path)
		}
		return strings.TrimRight(string(raw), "\r\n"), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("password file: %w", err)
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return "", fmt.Errorf("%w: no password: put it in %s, mode 0600", errUsage, path)
	}
	fmt.Fprint(os.Stderr, "Password: ")
	phrase, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return string(phrase), nil
}
