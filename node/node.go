package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
)

// ErrEnded is the answer to whoever asks a node that has ended.
var ErrEnded = errors.New("the node has ended")

// A Config is all that a node needs. Every field is required but where said.
type Config struct {
	Ledger  ledger.Config
	Chains  map[contracts.Chain]Ledger
	Peer    Peer
	Store   Store
	Secrets Secrets
	Routes  Routes              // may be nil: then payments go only where the user says
	Notify  func(ledger.Notice) // may be nil
	Log     *slog.Logger
}

// A Node is one payment node. Make it with New, then Run it.
type Node struct {
	Config
	inbox   chan *call
	ended   chan struct{}
	end     func()        // closes ended
	ready   chan struct{} // closed once every chain has told its head
	carries map[contracts.Chain]*carrier

	mu     sync.Mutex // guards what follows
	lines  map[contracts.Address]*line
	waits  map[contracts.Hash][]chan ledger.Payment // for the end of a payment
	last   uint64                                   // number of the newest invoice
	silent map[contracts.Chain]bool                 // whose head was never told

	// The loop owns what follows.
	ledger *ledger.Ledger
}

// A call is something that the loop is asked: to let events happen, or to look.
type call struct {
	events []ledger.Event
	look   func(*ledger.Ledger)
	rest   []contracts.Hash // orders that are done
	errs   []error          // beside events
	done   chan struct{}    // closed once what came of it is stored
}

// How the loop works: how many calls it takes in before it stores, and how often
// time passes.
const (
	mostCalls = 1024
	tickEvery = time.Second
)

// New returns a node that has not begun.
func New(cfg Config) *Node {
	n := &Node{
		Config: cfg, inbox: make(chan *call, mostCalls), ended: make(chan struct{}), ready: make(chan struct{}),
		carries: map[contracts.Chain]*carrier{}, lines: map[contracts.Address]*line{},
		waits: map[contracts.Hash][]chan ledger.Payment{}, ledger: ledger.New(cfg.Ledger), silent: map[contracts.Chain]bool{},
	}
	for chain, c := range cfg.Chains {
		n.carries[chain] = newCarrier(n, chain, c)
		n.silent[chain] = true
	}
	n.end = sync.OnceFunc(func() { close(n.ended) })
	if n.Notify == nil {
		n.Notify = func(ledger.Notice) {}
	}
	return n
}

// Ready is closed once every chain has told its head.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// Run loads what was under way and runs the node until ctx ends or the store fails.
// A store that fails ends every promise: the error is returned.
func (n *Node) Run(ctx context.Context) error {
	defer n.end()
	ctx, stop := context.WithCancel(ctx)
	defer stop() // also what an early error leaves running
	kept, err := n.Store.LoadLedger(ctx)
	if err != nil {
		return unlessStopped(ctx, fmt.Errorf("load the ledger: %w", err))
	}
	n.ledger.Load(kept)
	txs, err := n.Store.CallTxs(ctx)
	if err != nil {
		return unlessStopped(ctx, fmt.Errorf("load transactions: %w", err))
	}
	for _, c := range n.carries {
		if err := c.resume(ctx, txs); err != nil {
			return unlessStopped(ctx, err)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	// The first thing that the ledger hears is the time: what may still be shown hangs
	// on it.
	if err := n.handle(ctx, g, []*call{{events: []ledger.Event{n.clock()}}}); err != nil {
		return unlessStopped(ctx, err)
	}
	for chain, c := range n.Chains {
		from := kept.Through[chain]
		g.Go(func() error { return c.FollowChannels(ctx, from, n.news(chain)) })
		g.Go(func() error { return n.carries[chain].run(ctx) })
	}
	for _, c := range kept.Channels {
		n.line(ctx, c.Partner())
	}
	g.Go(func() error { return n.meet(ctx) })
	g.Go(func() error {
		defer n.end()
		return n.loop(ctx, g)
	})
	return unlessStopped(ctx, g.Wait())
}

// unlessStopped is err, but nil when it is only that ctx ended: to be told to stop
// is no failure, however early.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// loop decides, stores, commits and acts. It takes in all that waits before it
// stores, so that what comes together is stored together.
func (n *Node) loop(ctx context.Context, g *errgroup.Group) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		var batch []*call
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			batch = append(batch, &call{events: []ledger.Event{n.clock()}})
		case c := <-n.inbox:
			batch = append(batch, c)
		}
		batch = n.gather(batch)
		if err := n.handle(ctx, g, batch); err != nil {
			return err
		}
	}
}

// gather adds to a batch all that waits. Those who were woken by the last one are
// given the time to come with their next call: to store once for all of them is less
// work than to be quick for the first.
func (n *Node) gather(batch []*call) []*call {
	for before := 0; len(batch) > before && len(batch) < mostCalls; {
		before = len(batch)
		for waits := len(n.inbox); waits > 0 && len(batch) < mostCalls; waits-- {
			batch = append(batch, <-n.inbox)
		}
		runtime.Gosched()
	}
	return batch
}

func (n *Node) clock() ledger.Event { return ledger.Clock{Now: unix(time.Now())} }

func unix(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) }

// handle lets a batch of calls happen as one change.
func (n *Node) handle(ctx context.Context, g *errgroup.Group, batch []*call) error {
	var all ledger.Change
	var ends []ledger.Payment
	for _, c := range batch {
		c.errs = make([]error, len(c.events))
		for i, e := range c.events {
			change, err := n.decide(e)
			if c.errs[i] = err; errors.Is(err, channel.ErrSignature) {
				break // who forges a word is not heard out: each costs much to refuse
			} else if err != nil {
				continue
			}
			ends = append(ends, change.ends...)
			all.Add(change.Change)
		}
		all.Rest = append(all.Rest, c.rest...)
	}
	change, err := n.decide(ledger.Flush{})
	if err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	ends = append(ends, change.ends...)
	all.Add(change.Change)
	if !all.Empty() {
		if err := n.Store.SaveLedger(ctx, all); err != nil {
			return fmt.Errorf("save the ledger: %w", err)
		}
	}
	for _, c := range batch {
		if c.look != nil {
			c.look(n.ledger)
		}
		if c.done != nil {
			close(c.done)
		}
	}
	n.wake(ends)
	n.act(ctx, g, all)
	return nil
}

// A decision is what came of one event: a change that the ledger has taken in, and
// the payments that it has ended, as it has ended them.
type decision struct {
	ledger.Change
	ends []ledger.Payment
}

// decide lets an event happen in the ledger. A secret of ours that is to be shown is
// given at once, so that it is stored with what it is shown for.
func (n *Node) decide(e ledger.Event) (d decision, err error) {
	if d.Change, err = n.ledger.Apply(e); err != nil {
		return d, err
	}
	d.ends = n.ending(d.Change)
	n.ledger.Commit(d.Change)
	for _, effect := range d.Effects {
		show, is := effect.(ledger.Show)
		if !is {
			continue
		}
		more, err := n.decide(ledger.Release{Secret: n.Secrets.InvoiceSecret(show.Number)})
		if err != nil {
			n.Log.Debug("passed over", "invoice", show.Hash, "err", err) // it is not wanted any more
			continue
		}
		d.Add(more.Change)
		d.ends = append(d.ends, more.ends...)
	}
	return d, nil
}

// ending are the payments that a change ends. It is asked before that is committed,
// as the ledger then forgets them.
func (n *Node) ending(c ledger.Change) (ends []ledger.Payment) {
	for _, e := range c.Effects {
		over, is := e.(ledger.Over)
		if !is {
			continue
		}
		p, known := n.ledger.Payment(over.ID)
		if i := slices.IndexFunc(c.Payments, func(p ledger.Payment) bool { return p.Ours && p.ID == over.ID }); i >= 0 {
			p, known = c.Payments[i], true
		}
		if p.Status = over.Status; known {
			ends = append(ends, p)
		}
	}
	return ends
}

// act carries out what was decided, now that it is stored.
func (n *Node) act(ctx context.Context, g *errgroup.Group, all ledger.Change) {
	for _, e := range all.Effects {
		switch e := e.(type) {
		case ledger.Tell:
			c, known := n.ledger.Channel(e.Message.About())
			if !known {
				n.Log.Error("message about no channel", "channel", e.Message.About(), "partner", e.To)
				continue
			}
			n.line(ctx, e.To).say(saying{c, e.Message})
		case ledger.Find:
			g.Go(func() error { return n.find(ctx, e) })
		case ledger.Seek:
			g.Go(func() error { return n.seek(ctx, e) })
		case ledger.Notice:
			n.Notify(e)
		}
	}
	for chain := range all.Through {
		n.carries[chain].poke()
	}
	for _, c := range all.Channels {
		n.line(ctx, c.Partner()) // a channel that was just opened begins it
		// Most changes are payments, of which no chain hears. One that is no longer
		// configured hears nothing at all.
		if carrier := n.carries[c.Chain]; carrier != nil && len(c.Wants(n.ledger.Now(c.Chain))) > 0 {
			carrier.poke()
		}
	}
}

// post hands events to the loop and waits until what came of them is stored. It
// returns why each was refused.
func (n *Node) post(ctx context.Context, c *call) error {
	c.done = make(chan struct{})
	select {
	case n.inbox <- c:
	case <-n.ended:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-c.done:
		return nil
	case <-n.ended:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// do lets one event happen.
func (n *Node) do(ctx context.Context, e ledger.Event) error {
	c := &call{events: []ledger.Event{e}}
	if err := n.post(ctx, c); err != nil {
		return err
	}
	return c.errs[0]
}
