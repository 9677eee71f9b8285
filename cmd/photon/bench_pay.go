package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// A payBench measures payments: node processes on this machine that speak over
// loopback, each with its own database.
type payBench struct {
	folder  string
	profile string // folder for profiles; empty is none
	lasts   time.Duration
	quick   bool
}

func benchPayCommand() *cobra.Command {
	var asJSON bool
	var seconds int
	var b payBench
	var folder string
	cmd := &cobra.Command{
		Use: "pay", Short: "payments a second, delay, a node with many channels, and a kill in mid-run, beside limits",
		Long: "Each node is a process of this program with real keys, signatures, messages, connections and database. Their chain is\n" +
			"a stand-in that tells a written history. A payment is done when both ends have it on the disk.",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if seconds < 1 || seconds > 3600 {
				return fmt.Errorf("%w: --seconds %d is not 1 to 3600", errUsage, seconds)
			}
			b.lasts = time.Duration(seconds) * time.Second
			if b.folder, err = os.MkdirTemp(folder, "photon-bench-"); err != nil {
				return fmt.Errorf("folder for the nodes: %w", err)
			}
			defer func() { err = errors.Join(err, os.RemoveAll(b.folder)) }()
			p := newFigurePrinter(cmd.OutOrStdout(), asJSON)
			for _, chapter := range []func(context.Context) ([]figure, error){b.direct, b.mediated, b.many, b.killed} {
				figures, err := chapter(cmd.Context())
				if err != nil {
					return err
				}
				if err := p.print(b.judge(figures)); err != nil {
					return err
				}
			}
			if p.missed > 0 {
				return fmt.Errorf("%w: %d are not", errMissed, p.missed)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "print JSON, one object a line")
	f.IntVar(&seconds, "seconds", 60, "how long each stream of payments lasts")
	f.BoolVar(&b.quick, "quick", false, "short and small, to see that it works; no limit is held")
	f.StringVar(&b.profile, "profile", "", "folder for CPU profiles of the node processes")
	f.StringVar(&folder, "folder", os.TempDir(), "where the nodes' data folders are made, and removed; on the disk that is to be measured")
	return cmd
}

// judge takes the limits from figures of a run that is too short for them.
func (b *payBench) judge(figures []figure) []figure {
	if b.quick {
		for i := range figures {
			figures[i].Limit, figures[i].Least = 0, 0
		}
	}
	return figures
}

// stream is how long payments are streamed.
func (b *payBench) stream() time.Duration {
	if b.quick {
		return 500 * time.Millisecond
	}
	return b.lasts
}

// config is that of a node in a folder of its own.
func (b *payBench) config(chapter, name string, with ...string) payNodeConfig {
	return payNodeConfig{
		Name: name, Folder: filepath.Join(b.folder, chapter, name), Listen: "/ip4/127.0.0.1/tcp/0", With: with, Profile: b.profile,
	}
}

// A payCast is node processes that know each other's addresses.
type payCast []*payProcess

// cast starts nodes; each is told where the one before is.
func cast(ctx context.Context, configs ...payNodeConfig) (c payCast, err error) {
	for i, cfg := range configs {
		p, err := startPayNode(ctx, cfg)
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		c = append(c, p)
		if i == 0 {
			continue
		}
		if _, err := p.ask(ctx, order{Do: "connect", At: c[i-1].at}); err != nil {
			return nil, errors.Join(err, c.stop())
		}
	}
	return c, nil
}

func (c payCast) stop() error {
	var errs []error
	for _, p := range c {
		errs = append(errs, p.stop())
	}
	return errors.Join(errs...)
}

// counts are those of all.
func (c payCast) counts(ctx context.Context) ([]payCounts, error) {
	all, errs := make([]payCounts, len(c)), make([]error, len(c))
	for i, p := range c {
		all[i], errs[i] = p.counts(ctx)
	}
	return all, errors.Join(errs...)
}

// spent is what each node has done since before.
func (c payCast) spent(ctx context.Context, before []payCounts) ([]payCounts, error) {
	now, err := c.counts(ctx)
	for i := range now {
		now[i] = now[i].minus(before[i])
	}
	return now, err
}

// payCallers is how many direct payments are under way at a time, and idlePays how
// many are made one after the other.
const (
	payCallers = 160
	idlePays   = 200
)

// direct measures payments through one channel, one way.
func (b *payBench) direct(ctx context.Context) (_ []figure, err error) {
	c, err := cast(ctx, b.config("direct", "payer", "payee"), b.config("direct", "payee", "payer"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	if _, err := c[0].ask(ctx, order{Do: "pay", To: "payee", Callers: 1, Count: 20}); err != nil {
		return nil, err
	}
	idle, err := c[0].ask(ctx, order{Do: "pay", To: "payee", Callers: 1, Count: idlePays})
	if err != nil {
		return nil, err
	}
	before, err := c.counts(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	busy, err := c[0].ask(ctx, order{Do: "pay", To: "payee", Callers: payCallers, For: b.stream()})
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	spent, err := c.spent(ctx, before)
	if err != nil {
		return nil, err
	}
	figures := []figure{
		{Name: "direct payments", Value: float64(len(busy.Took)) / took.Seconds(), Unit: "/s", Least: 10_000, Note: fmt.Sprintf("%d in %.1f s, %d under way; durable at both ends: %s", len(busy.Took), took.Seconds(), payCallers, payDurability)},
		{Name: "direct payment at that load, half of them", Value: millis(percentile(busy.Took, 50)), Unit: "ms", Limit: 20},
		{Name: "direct payment at that load, 99 %", Value: millis(percentile(busy.Took, 99)), Unit: "ms"},
		{Name: "direct payment, alone, half of them", Value: millis(percentile(idle.Took, 50)), Unit: "ms", Limit: 5},
		{Name: "direct payment, alone, 99 %", Value: millis(percentile(idle.Took, 99)), Unit: "ms"},
	}
	return append(figures, costs("direct", c, spent, len(busy.Took))...), nil
}

// payDurability is how the store was set while all this was measured.
const payDurability = "SQLite with journal_mode(WAL), synchronous(FULL), fullfsync(1)"

// costs are what payments cost each node.
func costs(kind string, c payCast, spent []payCounts, payments int) (all []figure) {
	n := float64(max(payments, 1))
	for i, s := range spent {
		of := fmt.Sprintf("%s, %s: ", kind, c[i].cfg.Name)
		all = append(all,
			figure{Name: of + "CPU of a payment", Value: float64(s.CPU.Microseconds()) / n, Unit: "µs", Note: "user and system"},
			figure{Name: of + "payments stored at once", Value: n / float64(max(s.Saves, 1)), Unit: "",
				Note: fmt.Sprintf("%d times, %.1f ms each", s.Saves, millis(s.Saving)/float64(max(s.Saves, 1)))})
		if s.Updates > 0 {
			all = append(all, figure{Name: of + "changes in an update", Value: float64(s.Changes) / float64(s.Updates), Unit: "", Note: fmt.Sprintf("%d updates", s.Updates)})
		}
	}
	return all
}

// Mediated payments are made by so many streams of so many payments at a time:
// together less than the locks that a channel holds. Each stream asks for invoices
// for some rounds together.
const (
	payStreams = 8
	payStream  = 16
	payRounds  = 8
)

// mediated measures payments over one hop.
func (b *payBench) mediated(ctx context.Context) (_ []figure, err error) {
	c, err := cast(ctx, b.config("mediated", "payer", "mediator"), b.config("mediated", "mediator", "payer", "payee"), b.config("mediated", "payee", "mediator"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	if _, err := c.settle(ctx, 20, 1); err != nil {
		return nil, err
	}
	idle, err := c.settle(ctx, idlePays, 1)
	if err != nil {
		return nil, err
	}
	before, err := c.counts(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	rounds := payRounds
	if b.quick {
		rounds = 1
	}
	busy, err := c.settleFor(ctx, b.stream(), rounds*payStream)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	spent, err := c.spent(ctx, before)
	if err != nil {
		return nil, err
	}
	figures := []figure{
		{Name: "mediated payments", Value: float64(len(busy)) / took.Seconds(), Unit: "/s", Least: 1000, Note: fmt.Sprintf("over one hop, %d in %.1f s, %d under way; invoices included", len(busy), took.Seconds(), payStreams*payStream)},
		{Name: "mediated payment at that load, half of them", Value: millis(percentile(busy, 50)), Unit: "ms"},
		{Name: "mediated payment at that load, 99 %", Value: millis(percentile(busy, 99)), Unit: "ms"},
		{Name: "mediated payment, alone, half of them", Value: millis(percentile(idle, 50)), Unit: "ms", Limit: 25},
		{Name: "mediated payment, alone, 99 %", Value: millis(percentile(idle, 99)), Unit: "ms"},
	}
	return append(figures, costs("mediated", c, spent, len(busy))...), nil
}

// settle has the last of three ask for so many payments, and the first make them,
// some at a time.
func (c payCast) settle(ctx context.Context, count, callers int) ([]time.Duration, error) {
	asked, err := c[2].ask(ctx, order{Do: "invoice", Count: count})
	if err != nil {
		return nil, err
	}
	paid, err := c[0].ask(ctx, order{Do: "settle", Via: "mediator", Callers: callers, Invoices: asked.Invoices})
	return paid.Took, err
}

// settleFor settles so many invoices in each stream, again and again for a time.
func (c payCast) settleFor(ctx context.Context, lasts time.Duration, count int) ([]time.Duration, error) {
	var work sync.WaitGroup
	all, errs := make([][]time.Duration, payStreams), make([]error, payStreams)
	until := time.Now().Add(lasts)
	for i := range all {
		work.Go(func() {
			for time.Now().Before(until) && errs[i] == nil {
				var took []time.Duration
				took, errs[i] = c.settle(ctx, count, payStream)
				all[i] = append(all[i], took...)
			}
		})
	}
	work.Wait()
	var took []time.Duration
	for _, t := range all {
		took = append(took, t...)
	}
	return took, errors.Join(errs...)
}

// cutPeer separates a multiaddr from the identity at its end.
func cutPeer(at string) (addr, identity string, found bool) { return strings.Cut(at, "/p2p/") }
