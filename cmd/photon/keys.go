package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
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
	cmd.PersistentFlags().StringVar(&data, "data", dataFolder(), "folder for the key file")
	cmd.PersistentFlags().StringVar(&password, "password-file", "", "file with the password (default: ask, or data/password)")
	cmd.PersistentFlags().BoolVar(&fast, "fast-unlock", false, "a weak password hash, for dev only")
	create := func(cmd *cobra.Command, mnemonic string) error {
		if err := os.MkdirAll(data, 0o700); err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
		path := filepath.Join(data, keyFile)
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%w: %s is there already, and keys are never overwritten", errRefused, path)
		}
		phrase, err := choosePassword(data, password)
		if err != nil {
			return err
		}
		var options []keys.Option
		if fast {
			options = append(options, keys.FastUnlock())
		}
		if _, err := keys.Create(path, mnemonic, phrase, options...); err != nil {
			return err
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "key file written to", path)
		return nil
	}
	cmd.AddCommand(newKeysCommand(create), restoreKeysCommand(create))
	return cmd
}

func newKeysCommand(create func(*cobra.Command, string) error) *cobra.Command {
	return &cobra.Command{
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
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), mnemonic); err != nil {
				return fmt.Errorf("the words could not be shown: delete the key file and begin anew: %w", err)
			}
			return nil
		},
	}
}

// maxMnemonic is more than 24 words can have, in bytes.
const maxMnemonic = 2 << 10

func restoreKeysCommand(create func(*cobra.Command, string) error) *cobra.Command {
	return &cobra.Command{
		Use: "restore", Short: "reads a mnemonic from standard input and keeps it encrypted",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 { // not repeated: they are words of the mnemonic
				return fmt.Errorf("%w: give the mnemonic on standard input: what is on the command line, others can see", errUsage)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in, is := cmd.InOrStdin().(*os.File); is && term.IsTerminal(int(in.Fd())) {
				fmt.Fprint(cmd.ErrOrStderr(), "Mnemonic, on one line: ")
			}
			line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), maxMnemonic)).ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read mnemonic: %w", err)
			}
			if _, err := keys.Restore(line); err != nil { // before a password is asked for
				return err
			}
			return create(cmd, strings.TrimSpace(line))
		},
	}
}

// choosePassword is readPassword for a key file that is new: what is typed, and
// not seen, is typed twice.
func choosePassword(data, path string) (string, error) {
	phrase, typed, err := givenPassword(data, path)
	if err != nil || !typed {
		return phrase, err
	}
	again, err := typePassword("Once more: ")
	if err != nil {
		return "", err
	}
	if again != phrase {
		return "", fmt.Errorf("%w: the two passwords differ", errUsage)
	}
	return phrase, nil
}

// readPassword takes the password from a file, or asks for it.
func readPassword(data, path string) (string, error) {
	phrase, _, err := givenPassword(data, path)
	return phrase, err
}

// givenPassword is the password, and whether a person typed it.
func givenPassword(data, path string) (phrase string, typed bool, err error) {
	if path == "" {
		path = filepath.Join(data, "password")
	}
	raw, err := os.ReadFile(path)
	if err == nil {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
			return "", false, fmt.Errorf("%w: %s can be read by others: chmod 600 it", errRefused, path)
		}
		return strings.TrimRight(string(raw), "\r\n"), false, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", false, fmt.Errorf("password file: %w", err)
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return "", false, fmt.Errorf("%w: no password: put it in %s, mode 0600", errUsage, path)
	}
	phrase, err = typePassword("Password: ")
	return phrase, true, err
}

// typePassword asks at the terminal, without showing what is typed. While it
// waits, an interruption ends the program as if nobody caught it.
func typePassword(prompt string) (string, error) {
	stdin := int(os.Stdin.Fd())
	before, err := term.GetState(stdin)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	interrupted, over := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(interrupted, os.Interrupt)
	defer signal.Stop(interrupted)
	defer close(over)
	go func() {
		select {
		case <-interrupted:
			// The read cannot be ended; the terminal must show again what is typed.
			fmt.Fprintln(os.Stderr)
			if term.Restore(stdin, before) != nil {
				fmt.Fprintln(os.Stderr, "the terminal may hide what you type: run stty echo")
			}
			os.Exit(exitFailed)
		case <-over:
		}
	}()
	fmt.Fprint(os.Stderr, prompt)
	phrase, err := term.ReadPassword(stdin)
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return string(phrase), nil
}
