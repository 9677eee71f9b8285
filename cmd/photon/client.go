package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"photon/contracts"
	"photon/web"
)

// An asker is what every command that asks a node has: where the node is, and
// how to print.
type asker struct {
	data string
	json bool
	yes  bool
}

func (a *asker) flags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&a.data, "data", defaults()["data"].(string), "data folder of the node that is asked")
	f.BoolVar(&a.json, "json", false, "print JSON, one object a line")
	f.BoolVar(&a.yes, "yes", false, "do not ask before money moves")
}

// client finds the node of the data folder.
func (a *asker) client() (*web.Client, error) {
	base, err := os.ReadFile(filepath.Join(a.data, addressFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: no node ever ran on %s", web.ErrUnreachable, a.data)
	}
	if err != nil {
		return nil, fmt.Errorf("node's address: %w", err)
	}
	token, err := os.ReadFile(filepath.Join(a.data, tokenFile))
	if err != nil {
		return nil, fmt.Errorf("node's token: %w", err)
	}
	return web.NewClient(strings.TrimSpace(string(base)), strings.TrimSpace(string(token)))
}

// run makes a command that asks a node.
func (a *asker) run(f func(cmd *cobra.Command, c *web.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		return f(cmd, c, args)
	}
}

// print writes v as JSON, or hands a table to rows.
func (a *asker) print(cmd *cobra.Command, v any, rows func(w io.Writer)) error {
	if a.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	rows(w)
	return w.Flush()
}

// confirm asks a person before money moves.
func (a *asker) confirm(cmd *cobra.Command, question string) error {
	if a.yes {
		return nil
	}
	fmt.Fprint(cmd.ErrOrStderr(), question, " [y/N] ")
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read answer: %w", err)
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}

// sum prints an amount with its unit.
func sum(asset contracts.Asset, amount contracts.Amount) string {
	return contracts.Sum{Asset: asset, Amount: amount}.String()
}

// readSum reads an amount with its unit, as a usage error.
func readSum(text string) (contracts.Sum, error) {
	s, err := contracts.ParseSum(text)
	if err != nil {
		return s, fmt.Errorf("%w: %w", errUsage, err)
	}
	return s, nil
}

// readID reads a swap's, offer's or quote's id, as a usage error.
func readID(text string) (contracts.Hash, error) {
	h, err := contracts.ParseHash(text)
	if err != nil {
		return h, fmt.Errorf("%w: id: %w", errUsage, err)
	}
	return h, nil
}

// exitCode tells programs how a command ended.
func exitCode(err error) int {
	var problem *web.Problem
	switch {
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, web.ErrUnreachable):
		return exitUnreachable
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	case errors.As(err, &problem):
		switch {
		case problem.Status == http.StatusGatewayTimeout:
			return exitTimeout
		case problem.Status >= http.StatusInternalServerError:
			return exitFailed
		}
		return exitRefused
	}
	return exitFailed
}
