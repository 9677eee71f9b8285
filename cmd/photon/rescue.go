package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"photon/adapters/keys"
	"photon/web"
	"photon/web/api"
)

func rescueCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rescue JOURNAL", Short: "finds swaps of a lost node by mnemonic and journal, and finishes or refunds them",
		Long: "Restore the mnemonic first (photon keys restore), then give a copy of the lost node's journal.\n" +
			"A node is run, which takes no new swaps, until every swap of the journal is at rest.",
		Args: exactly(1, "a copy of a journal"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := readConfig(cmd.Flags())
			if err != nil {
				return err
			}
			cfg.RefundOnly = true
			text, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("%w: journal: %w", errUsage, err)
			}
			return rescue(cmd, cfg, text)
		},
	}
	configFlags(cmd.Flags())
	return cmd
}

// rescue runs a node on the journal until nothing is left to do.
func rescue(cmd *cobra.Command, cfg config, text []byte) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	if err := os.Remove(filepath.Join(cfg.Data, addressFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget the old address: %w", err)
	}
	joined := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- runNode(ctx, cfg, func(j *keys.Journal) error {
			defer close(joined)
			n, err := j.Join(text)
			if err == nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d records read\n", n)
			}
			return err
		})
	}()
	select {
	case err := <-ended:
		return err
	case <-joined:
	}
	a := asker{data: cfg.Data}
	last := ""
	for {
		select {
		case err := <-ended:
			return err
		case <-time.After(time.Second):
		}
		line, open, err := a.rescued(ctx)
		if err != nil {
			continue // the node is not up yet; if it ends, ended says why
		}
		if line != last {
			fmt.Fprintln(cmd.OutOrStdout(), line)
			last = line
		}
		if open == 0 {
			cancel()
			return <-ended
		}
	}
}

// rescued is where the swaps are, and how many are not at rest.
func (a *asker) rescued(ctx context.Context) (line string, open int, err error) {
	c, err := a.client()
	if err != nil {
		return "", 0, err
	}
	if err := c.Ready(ctx); err != nil {
		return "", 0, err
	}
	under, err := c.Swaps(ctx, web.Query{State: "open", Limit: rescuedShown})
	if err != nil {
		return "", 0, err
	}
	page, err := c.Swaps(ctx, web.Query{Limit: rescuedShown})
	if err != nil {
		return "", 0, err
	}
	lines := make([]string, len(page.Swaps))
	for i, s := range page.Swaps {
		lines[i] = rescuedLine(s)
	}
	return strings.Join(lines, "\n"), len(under.Swaps), nil
}

// rescuedShown is how many swaps are shown, newest first.
const rescuedShown = 100

func rescuedLine(s api.Swap) string { return fmt.Sprintf("%.8s  %s", s.Id, progress(s)) }
