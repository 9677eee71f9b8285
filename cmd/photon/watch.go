package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"photon/contracts"
	"photon/swap/trade"
	"photon/web"
	"photon/web/api"
)

// A vigil is how a swap is watched.
type vigil struct {
	every  time.Duration // between two questions
	within time.Duration // given up after this long; 0: never
}

func (v *vigil) flags(f *pflag.FlagSet) {
	f.DurationVar(&v.every, "every", time.Second, "time between two looks at the swap")
	f.DurationVar(&v.within, "within", 0, "stop watching after this long (default: watch to the end)")
}

// check refuses times that are none.
func (v vigil) check() error {
	if v.every < time.Millisecond || v.within < 0 {
		return fmt.Errorf("%w: --every %s and --within %s: no such times", errUsage, v.every, v.within)
	}
	return nil
}

// errStranded is how watching ends when the node can do nothing more.
var errStranded = errors.New("this swap needs a person")

func (a *asker) watchCommand() *cobra.Command {
	var v vigil
	cmd := &cobra.Command{
		Use: "watch SWAP", Short: "follows a swap to its end", Args: exactly(1, "a swap's id"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			id, err := readID(args[0])
			if err != nil {
				return err
			}
			if err := v.check(); err != nil {
				return err
			}
			return a.watch(cmd, c, id, v)
		}),
	}
	v.flags(cmd.Flags())
	return cmd
}

// watch prints a line whenever something about the swap changes, until it is at
// rest or stranded. What ends the watching does not end the swap, and it says so. A node that
// is away for less than --timeout, to be started anew, is waited for.
func (a *asker) watch(cmd *cobra.Command, c *web.Client, id contracts.Hash, v vigil) error {
	ctx := cmd.Context()
	if v.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, v.within)
		defer cancel()
	}
	var shown []byte
	var away time.Time // since when the node is, zero while it is there
	for first := true; ; first = false {
		s, err := ask(ctx, a, func(ctx context.Context) (api.Swap, error) { return c.Swap(ctx, id) })
		switch {
		case ctx.Err() != nil:
			return unwatched(cmd, id, v)
		case err == nil:
			away = time.Time{}
			if shown, err = a.changed(cmd, "", s, shown); err != nil {
				return err
			}
			if s.Status.AtRest() {
				return nil
			}
			if s.Status == trade.Stranded {
				return fmt.Errorf("%w: %s", errStranded, s.Reason)
			}
		case first || !errors.Is(err, web.ErrUnreachable):
			return err
		case away.IsZero():
			away = time.Now()
			fmt.Fprintln(cmd.ErrOrStderr(), "the node is away; the swap goes on when it is back")
		case time.Since(away) > a.timeout:
			return err
		default:
			if again, err := a.client(); err == nil {
				c = again // it may be back at another address
			}
		}
		select {
		case <-ctx.Done():
			return unwatched(cmd, id, v)
		case <-time.After(v.every):
		}
	}
}

// changed prints s unless it looks as what was shown last, and returns how it
// looks: all of it to a program, a line behind a name to a person.
func (a *asker) changed(cmd *cobra.Command, name string, s api.Swap, shown []byte) ([]byte, error) {
	look := []byte(name + progress(s))
	if a.json {
		var err error
		if look, err = json.Marshal(s); err != nil {
			return nil, fmt.Errorf("print swap: %w", err)
		}
	}
	if bytes.Equal(look, shown) {
		return shown, nil
	}
	return look, a.print(cmd, s, func(w io.Writer) { fmt.Fprintln(w, string(look)) })
}

// unwatched says that only the watching ended.
func unwatched(cmd *cobra.Command, id contracts.Hash, v vigil) error {
	goesOn := fmt.Sprintf("the swap goes on as long as the node runs; look with: photon swap watch %s", id)
	if err := cmd.Context().Err(); err != nil {
		return fmt.Errorf("no longer watching (%w): %s", err, goesOn)
	}
	return fmt.Errorf("not over within %s (%w): %s", v.within, context.DeadlineExceeded, goesOn)
}
