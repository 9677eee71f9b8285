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
	"time"

	"github.com/spf13/cobra"

	"photon/contracts"
	"photon/web"
)

// An asker is what every command that asks a node has: where the node is, and
// how to print.
type asker struct {
	data    string
	json    bool
	yes     bool
	timeout time.Duration // that one answer of the node may take
	in      *bufio.Reader // what a person types; one reader, or what it read ahead is lost
}

func (a *asker) flags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&a.data, "data", dataFolder(), "data folder of the node that is asked")
	f.BoolVar(&a.json, "json", false, "print JSON, one object a line")
	f.BoolVar(&a.yes, "yes", false, "do not ask before money moves")
	f.DurationVar(&a.timeout, "timeout", time.Minute, "the longest that one answer of the node may take")
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
		if a.timeout <= 0 {
			return fmt.Errorf("%w: --timeout %s is no time", errUsage, a.timeout)
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		return f(cmd, c, args)
	}
}

// ask waits for one answer of the node, not longer than --timeout.
func ask[T any](ctx context.Context, a *asker, question func(context.Context) (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	answer, err := question(bounded)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the node gave no answer within %s: %w", a.timeout, context.DeadlineExceeded)
	}
	return answer, err
}

// once asks for what moves money, under one key. When the line breaks before the
// answer is there, it asks again under the same key, and the node does it once.
// When it is not known what became of it, the error says so, and look how to see.
func once[T any](ctx context.Context, a *asker, look string, question func(ctx context.Context, key string) (T, error)) (T, error) {
	key := web.NewKey()
	asked := func() (T, error) {
		return ask(ctx, a, func(ctx context.Context) (T, error) { return question(ctx, key) })
	}
	answer, err := asked()
	unsure := perhapsDone(err)
	if first := err; errors.Is(first, web.ErrUnreachable) {
		if answer, err = asked(); err != nil && !errors.Is(err, web.ErrUnreachable) {
			err = fmt.Errorf("%w (asked a second time: %w)", first, err) // the refusal is not of the first
		}
	}
	if err != nil && unsure {
		err = fmt.Errorf("%w\nIt may have happened all the same. Before you try again, look: %s", err, look)
	}
	return answer, err
}

// perhapsDone reports whether what was asked may have happened in spite of err.
func perhapsDone(err error) bool {
	var problem *web.Problem
	if errors.As(err, &problem) {
		return problem.Status == http.StatusInternalServerError || problem.Status == http.StatusGatewayTimeout
	}
	return err != nil
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

// printAll writes each of all as a line of JSON, or hands a table to rows.
func printAll[T any](a *asker, cmd *cobra.Command, all []T, rows func(w io.Writer)) error {
	if !a.json {
		return a.print(cmd, nil, rows)
	}
	for _, v := range all {
		if err := a.print(cmd, v, nil); err != nil {
			return err
		}
	}
	return nil
}

// maxTyped is the longest answer of a person, in bytes.
const maxTyped = 4096

// say asks a person and returns the line that is typed, "" at the end of input.
// An interruption ends the waiting.
func (a *asker) say(cmd *cobra.Command, question string) (string, error) {
	if a.in == nil {
		a.in = bufio.NewReader(io.LimitReader(cmd.InOrStdin(), maxTyped))
	}
	fmt.Fprint(cmd.ErrOrStderr(), question, " ")
	type typed struct {
		line string
		err  error
	}
	answer := make(chan typed, 1)
	go func() {
		line, err := a.in.ReadString('\n')
		answer <- typed{line, err}
	}()
	select {
	case <-cmd.Context().Done():
		return "", cmd.Context().Err()
	case t := <-answer:
		if t.err != nil {
			fmt.Fprintln(cmd.ErrOrStderr()) // nobody pressed Enter
		}
		if t.err != nil && !errors.Is(t.err, io.EOF) {
			return "", fmt.Errorf("read answer: %w", t.err)
		}
		return strings.TrimSpace(t.line), nil
	}
}

// errNothing is how a command ends that a person did not confirm.
var errNothing = errors.New("nothing was done")

// confirm asks a person before money moves.
func (a *asker) confirm(cmd *cobra.Command, question string) error {
	if a.yes {
		return nil
	}
	answer, err := a.say(cmd, question+" [y/N]")
	if err != nil {
		return err
	}
	if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
		return errNothing
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
