package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"photon/adapters/keys"
	"photon/contracts"
	"photon/swap/trade"
	"photon/web/api"
)

func (a *asker) rescueCommand() *cobra.Command {
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
			return a.rescue(cmd, cfg, text)
		},
	}
	configFlags(cmd.Flags())
	return cmd
}

// rescue runs a node on the journal until nothing is left to do.
func (a *asker) rescue(cmd *cobra.Command, cfg config, text []byte) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	joined := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- runNode(ctx, cfg, cmd.ErrOrStderr(), func(j *keys.Journal) error {
			// The folder is ours now: an address in it is of a node that is gone.
			if err := os.Remove(filepath.Join(cfg.Data, addressFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("forget the old address: %w", err)
			}
			n, err := j.Join(text)
			if err != nil {
				return fmt.Errorf("journal: %w", err)
			}
			if n == 0 {
				return fmt.Errorf("%w: the journal is empty: no swap of it came as far as a lock", errRefused)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d records read\n", n)
			close(joined)
			return nil
		})
	}()
	select {
	case err := <-ended:
		return err
	case <-joined:
	}
	here := asker{data: cfg.Data, json: a.json, timeout: time.Minute}
	shown := map[contracts.Hash][]byte{}
	for {
		select {
		case err := <-ended:
			return err
		case <-time.After(time.Second):
		}
		swaps, err := here.rescued(ctx)
		if err != nil {
			continue // the node is not up yet; if it ends, ended says why
		}
		for _, s := range swaps {
			if shown[s.Id], err = here.changed(cmd, fmt.Sprintf("%.8s  ", s.Id), s, shown[s.Id]); err != nil {
				return err
			}
		}
		if over, stranded := tally(swaps); over {
			cancel()
			return errors.Join(<-ended, stranded)
		}
	}
}

// rescued is the swaps of the node, when it is ready.
func (a *asker) rescued(ctx context.Context) ([]api.Swap, error) {
	c, err := a.client()
	if err != nil {
		return nil, err
	}
	if err := c.Ready(ctx); err != nil {
		return nil, err
	}
	return allSwaps(ctx, a, c)
}

// tally reports whether nothing more will happen to any swap, and which of them
// need a person.
func tally(swaps []api.Swap) (over bool, stranded error) {
	var errs []error
	for _, s := range swaps {
		switch {
		case s.Status == trade.Stranded:
			errs = append(errs, fmt.Errorf("swap %s: %w: %s", s.Id, errStranded, s.Reason))
		case !s.Status.AtRest():
			return false, nil
		}
	}
	return true, errors.Join(errs...)
}
