package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"photon/contracts"
	"photon/scenario/stage"
)

// A demo is everything that `photon demo` shows: real chains, four people, and
// the swaps between them.
type demo struct {
	options demoOptions
	dir     string
	stage   *stage.Stage
	board   *board

	alice, bob  *stage.Person // swap all day
	carol, dave *stage.Person // tell the story of the refund
}

// demoOptions are what a person can ask of a demo.
type demoOptions struct {
	once  bool
	json  bool
	pairs []pair // pay, get
	only  []string
	dir   string
	ltcd  bool
}

// The kinds of story that the demo tells.
const (
	kindSwap   = "swap"
	kindToken  = "token"
	kindCrash  = "crash"
	kindRefund = "refund"
)

// A pair is what the taker pays and gets.
type pair struct{ pay, get contracts.Asset }

// String is such as BTC-ETH.
func (p pair) String() string { return short(p.pay) + "-" + short(p.get) }

// short is an asset's name for a table.
func short(a contracts.Asset) string {
	if a.IsNative() {
		return string(a.Chain)
	}
	return string(a.Chain) + ".token"
}

func demoCommand() *cobra.Command {
	var o demoOptions
	var pairs, only string
	cmd := &cobra.Command{
		Use: "demo", Short: "shows every swap on real chain nodes on this machine", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.pairs, err = readPairs(pairs); err != nil {
				return err
			}
			if o.only, err = readKinds(only); err != nil {
				return err
			}
			return runDemo(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.once, "once", false, "end after the last swap")
	f.BoolVar(&o.json, "json", false, "print one JSON object a swap, and a summary")
	f.StringVar(&pairs, "pairs", "", "only these, such as BTC-ETH,LTC-SMT (default: all twelve)")
	f.StringVar(&only, "only", "", "only these of channel,mediated,forced,swap,token,refund,crash (default: all)")
	f.StringVar(&o.dir, "dir", "", "folder for chains and nodes (default: a new one, removed at the end)")
	f.BoolVar(&o.ltcd, "ltcd", false, "run Litecoin on ltcd even where litecoind is installed")
	return cmd
}

// readPairs reads BTC-ETH,… or gives all twelve.
func readPairs(text string) ([]pair, error) {
	var all []pair
	if text == "" {
		for _, pay := range contracts.Chains {
			for _, get := range contracts.Chains {
				if pay != get {
					all = append(all, pair{contracts.Native(pay), contracts.Native(get)})
				}
			}
		}
		return all, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		from, to, ok := strings.Cut(word, "-")
		pay, err := contracts.ParseChain(from)
		if err != nil {
			return nil, fmt.Errorf("%w: --pairs: %w", errUsage, err)
		}
		get, err := contracts.ParseChain(to)
		if err != nil || !ok || pay == get {
			return nil, fmt.Errorf("%w: --pairs: %q is not such as BTC-ETH", errUsage, word)
		}
		all = append(all, pair{contracts.Native(pay), contracts.Native(get)})
	}
	return all, nil
}

func readKinds(text string) ([]string, error) {
	all := []string{kindChannel, kindMediated, kindForced, kindSwap, kindToken, kindCrash, kindRefund}
	if text == "" {
		return all, nil
	}
	only := strings.Split(text, ",")
	for _, k := range only {
		if !slices.Contains(all, k) {
			return nil, fmt.Errorf("%w: --only: %q is not one of %s", errUsage, k, strings.Join(all, ","))
		}
	}
	return only, nil
}

// runDemo sets the stage, tells the stories and clears up.
func runDemo(ctx context.Context, o demoOptions) error {
	started := time.Now()
	d := &demo{options: o, dir: o.dir, board: newBoard(os.Stdout, o.json)}
	if d.dir == "" {
		dir, err := os.MkdirTemp("", "photon-demo-")
		if err != nil {
			return fmt.Errorf("demo folder: %w", err)
		}
		d.dir = dir
		defer os.RemoveAll(dir)
	}
	defer d.close()
	if err := d.open(ctx); err != nil {
		return err
	}
	ready := time.Since(started)
	reports, err := d.tell(ctx)
	if err != nil {
		return err
	}
	s := summarise(reports, ready, time.Since(started))
	if err := d.board.summary(s, reports); err != nil {
		return err
	}
	if !s.Good {
		return errors.New("not every swap ended as it must")
	}
	if o.once || o.json {
		return nil
	}
	d.board.next(d.alice, d.bob)
	<-ctx.Done()
	return nil
}

// open starts the chains and the people, and gives them money.
func (d *demo) open(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find myself: %w", err)
	}
	d.board.say("starting btcd, litecoind, geth and an SMT chain")
	d.stage, err = stage.Open(ctx, stage.Config{
		Dir: d.dir, Program: self, Ltcd: d.options.ltcd, Say: func(s string) { d.board.say("%s", s) },
	})
	if err != nil {
		return err
	}
	if err := d.stage.Mine(time.Second); err != nil {
		return err
	}
	d.board.say("starting the nodes of Alice, Bob, Carol and Dave")
	people := []struct {
		at      **stage.Person
		name    string
		profile string
	}{{&d.alice, "alice", longTimes}, {&d.bob, "bob", longTimes}, {&d.carol, "carol", shortTimes}, {&d.dave, "dave", shortTimes}}
	g, starting := errgroup.WithContext(ctx)
	for _, p := range people {
		if (p.name == "carol" || p.name == "dave") && !d.tells(kindRefund, kindMediated, kindForced) {
			continue
		}
		g.Go(func() (err error) {
			*p.at, err = d.stage.Person(starting, p.name, p.profile)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	d.board.say("giving them money")
	if err := d.stage.Fund(ctx); err != nil {
		return err
	}
	d.board.say("everything runs; API of Alice at %s, of Bob at %s", d.alice.Base, d.bob.Base)
	return nil
}

// The times of the demo's swaps: the long ones leave a slow machine room, the
// short ones let one wait for a refund.
const (
	longTimes  = "dev:240"
	shortTimes = "dev:60"
)

// tell runs every story that was asked for. The refund, which is mostly waiting,
// is told beside the others.
func (d *demo) tell(ctx context.Context) ([]report, error) {
	var mu sync.Mutex
	var reports []report
	add := func(r report) {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, r)
		d.board.done(r)
	}
	last, err := d.tellChannels(ctx, add)
	if err != nil {
		return reports, err
	}
	g, ctx := errgroup.WithContext(ctx)
	if d.tells(kindForced) {
		g.Go(func() error {
			add(d.forced(ctx, last))
			return ctx.Err()
		})
	}
	if d.tells(kindRefund) {
		g.Go(func() error {
			add(d.refundStory(ctx))
			return ctx.Err()
		})
	}
	g.Go(func() error {
		for _, s := range d.program() {
			add(d.swapStory(ctx, s.pair, s.kind))
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return nil
	})
	err = g.Wait()
	return reports, err
}

// tells reports whether any of these kinds was asked for.
func (d *demo) tells(kinds ...string) bool {
	return slices.ContainsFunc(kinds, func(k string) bool { return slices.Contains(d.options.only, k) })
}

// tellChannels tells of channels, before the swaps: those hold every balance to the
// unit. It returns Carol's channel with Dave, which stays open.
func (d *demo) tellChannels(ctx context.Context, add func(report)) (last contracts.Hash, err error) {
	if d.tells(kindChannel) {
		add(d.neighbours(ctx, contracts.Native(contracts.SMT)))
		add(d.neighbours(ctx, d.stage.Tokens[contracts.ETH]))
	}
	if d.tells(kindMediated, kindForced) {
		var r report
		r, last = d.mediated(ctx)
		add(r)
	}
	return last, ctx.Err()
}

// A story is one swap to be told.
type story struct {
	pair pair
	kind string
}

// program is what Alice and Bob do, in order.
func (d *demo) program() []story {
	var all []story
	if d.tells(kindSwap) {
		for _, p := range d.options.pairs {
			all = append(all, story{p, kindSwap})
		}
	}
	if d.tells(kindToken) {
		all = append(all, story{pair{contracts.Native(contracts.BTC), d.stage.Tokens[contracts.ETH]}, kindToken},
			story{pair{d.stage.Tokens[contracts.SMT], contracts.Native(contracts.LTC)}, kindToken})
	}
	if d.tells(kindCrash) {
		all = append(all, story{pair{contracts.Native(contracts.LTC), contracts.Native(contracts.ETH)}, kindCrash})
	}
	return all
}

func (d *demo) close() {
	if d.stage == nil {
		return
	}
	if err := d.stage.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "photon: close the stage:", err)
	}
}

// A summary is the last line of a demo.
type summary struct {
	Good      bool    `json:"good"`
	Completed int     `json:"completed"`
	Refunded  int     `json:"refunded"`
	Failed    int     `json:"failed"`
	Ready     float64 `json:"ready_seconds"`
	Seconds   float64 `json:"seconds"`
}

func summarise(reports []report, ready, whole time.Duration) summary {
	s := summary{Good: true, Ready: seconds(ready), Seconds: seconds(whole)}
	for _, r := range reports {
		switch r.Status {
		case "completed":
			s.Completed++
		case "refunded":
			s.Refunded++
		default:
			s.Failed++
		}
		s.Good = s.Good && r.good()
	}
	return s
}

// seconds rounds to a tenth.
func seconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Millisecond).Milliseconds()) / 1000
}

// encode prints one JSON object a line.
func encode(w interface{ Write([]byte) (int, error) }, v any) error {
	return json.NewEncoder(w).Encode(v)
}
