// Package swap is the swap desk of a node: it makes and takes offers, runs the
// trades that come of them to their end, and finds them again after a crash.
//
//	       offers, quotes           messages            news of the chains
//	user ────────────────▶ ┌──────────────────┐ ◀──────────────────────────
//	                       │ decide           │
//	                       │ store            │  one goroutine, one loop
//	                       │ commit           │
//	                       └───────┬──────────┘
//	                     act: tell.go (messages), carry.go (transactions)
//
// The one rule: nothing is sent that is not stored, and nothing is done twice.
// What a trade tells its partner waits in the store's outbox; what it wants on a
// chain follows from its state, so a restart takes up both where they were.
//
// Start reading at [Desk.Run]; then [trade.Trade], which decides. The chapters:
// offers.go (maker), boards.go (offers where everybody sees them), take.go
// (taker), receive.go (messages in), tell.go (messages out), carry.go and
// cosign.go (transactions), journal.go (what survives a lost disk), pay.go
// (payments from the wallet), book.go (what people ask), partners.go (with whom we
// deal), alarm.go (what people must see).
package swap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"photon/contracts"
	"photon/swap/trade"
)

// A Config is all that a desk needs. Every field is required but where said.
type Config struct {
	Ledgers       map[contracts.Chain]Ledger
	Contracts     map[contracts.Chain]contracts.Address // HashLock on ETH and SMT
	Confirmations map[contracts.Chain]uint64            // that we ask at least
	Peer          Peer
	Store         Store
	Offers        Offers
	Journal       Journal
	Secrets       Secrets
	Verify        trade.Verify
	Profile       trade.Profile
	Boards        []Board            // where our offers are put up and others' are read; may be empty
	Assets        []contracts.Asset  // whose offers are looked for on boards
	Realm         string             // "main", "test" or "dev"
	AtOnce        uint64             // trades that a partner may have open by taking our offers, before he has completed one; as many again for each that he has
	RefundOnly    bool               // no new offers and trades; what is under way goes on
	Notify        func(trade.Notice) // may be nil
	Log           *slog.Logger
}

// A Desk runs the trades of one node. Make it with New, then Run it.
type Desk struct {
	Config
	inbox chan call
	told  chan struct{} // the outbox has something new
	ready chan struct{} // closed once every chain has told its head
	ended chan struct{} // closed once nobody is asked any more

	failed chan error // a store that failed outside of the loop

	boards []chan struct{} // beside Boards: something of ours has changed

	taking sync.Mutex // one new trade at a time counts what is promised
	paying sync.Map   // ids of the payments under way

	// The loop owns what follows; everybody else asks it through do.
	trades map[contracts.Hash]trade.Trade // not at rest, and those whose partner may still ask
	used   map[contracts.Hash]bool        // every hash that was ever in a trade
	alien  map[contracts.Hash]error       // trades that are left alone, and why
	quotes map[contracts.Hash]quote
	posted map[string][]trade.Offer // by board, as it was read last: checked, none of ours
	heads  map[contracts.Chain]trade.Head
	spoke  map[contracts.Chain]uint64 // Unix second of its last news, or of our start
	alarms map[alarm]bool             // that are on
	number uint64                     // last number given to a trade

	partners map[string]*trade.Record // everybody with whom we were ever in a trade

	works map[contracts.Chain]*work
}

// New returns a desk that has not begun.
func New(cfg Config) *Desk {
	d := &Desk{
		Config: cfg, inbox: make(chan call, 256), told: make(chan struct{}, 1), ready: make(chan struct{}), ended: make(chan struct{}),
		failed: make(chan error, 1),
		trades: map[contracts.Hash]trade.Trade{}, used: map[contracts.Hash]bool{}, alien: map[contracts.Hash]error{},
		quotes: map[contracts.Hash]quote{}, posted: map[string][]trade.Offer{}, heads: map[contracts.Chain]trade.Head{},
		spoke: map[contracts.Chain]uint64{}, alarms: map[alarm]bool{},
		works: map[contracts.Chain]*work{}, partners: map[string]*trade.Record{},
	}
	for c := range cfg.Ledgers {
		d.works[c] = newWork()
	}
	for range cfg.Boards {
		d.boards = append(d.boards, make(chan struct{}, 1))
	}
	if d.Notify == nil {
		d.Notify = func(trade.Notice) {}
	}
	return d
}

// tickEvery is how often trades are told the time and work left undone is tried
// again.
const tickEvery = time.Second

// Run loads what was under way and runs the desk until ctx ends or the store
// fails. A store that fails ends every promise: the error is returned.
func (d *Desk) Run(ctx context.Context) error {
	if err := d.load(ctx); err != nil {
		return unlessStopped(ctx, err)
	}
	g, ctx := errgroup.WithContext(ctx)
	for c, ledger := range d.Ledgers {
		g.Go(func() error {
			return ledger.Follow(ctx, func(ctx context.Context, n trade.News) error { return d.news(ctx, n) })
		})
		for range workersPerChain {
			g.Go(func() error { return d.worker(ctx, c) })
		}
	}
	for i, b := range d.Boards {
		g.Go(func() error { return d.followBoard(ctx, b, d.boards[i]) })
	}
	g.Go(func() error { return d.tellAll(ctx) })
	g.Go(func() error { return d.loop(ctx) })
	g.Go(func() error {
		select {
		case err := <-d.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
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

// Ready is closed once every chain has told its head.
func (d *Desk) Ready() <-chan struct{} { return d.ready }

// load takes up what the last run left: trades, what their transactions reserve,
// and the watch on both legs of each.
func (d *Desk) load(ctx context.Context) error {
	if err := d.recover(ctx); err != nil {
		return err
	}
	all, err := d.Store.Trades(ctx, true)
	if err != nil {
		return fmt.Errorf("load trades: %w", err)
	}
	watches, now := map[contracts.Chain][]trade.Watch{}, unix(time.Now())
	for _, t := range all {
		d.used[t.ID] = true
		d.number = max(d.number, t.Number)
		if d.leftAlone(t) {
			continue // nobody knows with whom it is
		}
		d.note(trade.Trade{}, t)
		if over(t, now) {
			continue
		}
		d.trades[t.ID] = t
		if len(t.Ours.Terms.Redeemer) == 0 || len(t.Theirs.Terms.Refunder) == 0 {
			continue // watched once the maker's parties are known
		}
		for _, w := range t.Watches() {
			watches[w.Terms.Asset.Chain] = append(watches[w.Terms.Asset.Chain], w)
		}
	}
	txs, err := d.Store.Txs(ctx, contracts.Hash{})
	if err != nil {
		return fmt.Errorf("load transactions: %w", err)
	}
	for c, ledger := range d.Ledgers {
		d.spoke[c] = now
		var mine []trade.Tx
		for _, tx := range txs {
			if tx.Chain != c {
				continue
			}
			if mine = append(mine, tx); tx.Purpose == trade.Send {
				d.payment(tx)
			}
		}
		if err := ledger.Resume(ctx, mine); err != nil {
			return fmt.Errorf("resume %s: %w", c, err)
		}
		if err := ledger.Watch(ctx, watches[c]...); err != nil {
			return fmt.Errorf("watch %s: %w", c, err)
		}
	}
	d.Log.Info("loaded", "trades", len(d.trades))
	return nil
}

// leftAlone reports whether t is of rules that we do not know. Then nothing of it is
// touched, and a person is told once a start; the other trades go on.
func (d *Desk) leftAlone(t trade.Trade) bool {
	err := t.Known()
	if err != nil && d.alien[t.ID] == nil {
		d.used[t.ID], d.number = true, max(d.number, t.Number)
		d.alien[t.ID] = fmt.Errorf("trade %s: %w", t.ID, err)
		d.Log.Error("alarm", "trade", t.ID, "what", "protocol", "err", err)
		d.Notify(trade.Notice{Kind: "alarm", Text: fmt.Sprintf("swap %s is left alone: %v; run the program that began it", t.ID, err)})
	}
	return err != nil
}

// A call is a question or an event for the loop. decide reads the desk's state,
// changes nothing stored, and returns what is to be stored; then runs after that
// was stored.
type call struct {
	decide func() (trade.Change, error)
	then   func()
	wide   bool // takes over every trade: what waits is stored before it
	reply  chan error
}

// errEnded is the answer of a desk that has stopped.
var errEnded = errors.New("the desk has stopped")

// do runs decide in the loop and returns when its change is stored, or refused.
func (d *Desk) do(ctx context.Context, decide func() (trade.Change, error), then func()) error {
	return d.ask(ctx, call{decide: decide, then: then, reply: make(chan error, 1)})
}

func (d *Desk) ask(ctx context.Context, c call) error {
	select {
	case d.inbox <- c:
	case <-ctx.Done():
		return ctx.Err()
	case <-d.ended:
		return errEnded
	}
	select {
	case err := <-c.reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-d.ended:
		return errEnded
	}
}

// loop is the one goroutine that owns the state: decide, store, commit.
func (d *Desk) loop(ctx context.Context) error {
	defer close(d.ended)
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-d.inbox:
			if err := d.batch(ctx, c); err != nil {
				return err
			}
		case now := <-tick.C:
			c := call{decide: func() (trade.Change, error) { return d.applyAll(trade.Ticked{Now: unix(now)}), nil }, wide: true, reply: make(chan error, 1)}
			if err := d.batch(ctx, c); err != nil {
				return err
			}
			d.sweep(unix(now))
		}
	}
}

// batch stores the changes of c and of all that waits behind it in one
// transaction. A call that changes a trade which an earlier one has changed
// waits for that to be stored first.
func (d *Desk) batch(ctx context.Context, c call) error {
	var sum trade.Change
	var waiting []call
	touched := map[contracts.Hash]bool{}
	flush := func() error {
		if err := d.store(ctx, sum); err != nil {
			for _, w := range waiting {
				w.reply <- err
			}
			return err
		}
		for _, w := range waiting {
			if w.then != nil {
				w.then()
			}
			w.reply <- nil
		}
		sum, waiting = trade.Change{}, nil
		clear(touched)
		return nil
	}
	for {
		if c.wide {
			if err := flush(); err != nil {
				return err
			}
		}
		change, err := c.decide()
		if err == nil && overlaps(change, touched) {
			if err := flush(); err != nil {
				return err
			}
			change, err = c.decide()
		}
		if err != nil {
			c.reply <- err // refused: nothing has changed
		} else {
			sum.Trades = append(sum.Trades, change.Trades...)
			sum.Effects = append(sum.Effects, change.Effects...)
			sum.Done = append(sum.Done, change.Done...)
			for _, t := range change.Trades {
				touched[t.ID] = true
			}
			waiting = append(waiting, c)
		}
		select {
		case c = <-d.inbox:
			continue
		default:
		}
		return flush()
	}
}

func overlaps(c trade.Change, touched map[contracts.Hash]bool) bool {
	for _, t := range c.Trades {
		if touched[t.ID] {
			return true
		}
	}
	return false
}

// store saves a change and commits it. Only what is stored counts.
func (d *Desk) store(ctx context.Context, c trade.Change) error {
	if len(c.Trades)+len(c.Effects)+len(c.Done) == 0 {
		return nil
	}
	if err := d.journal(c.Trades); err != nil {
		return err
	}
	if err := d.Store.Save(ctx, c); err != nil {
		return fmt.Errorf("save %d trades: %w", len(c.Trades), err)
	}
	for _, t := range c.Trades {
		d.commit(t)
	}
	if len(c.Effects) > 0 {
		select {
		case d.told <- struct{}{}:
		default:
		}
	}
	return nil
}

// commit takes over a trade that is stored, and does what follows from it.
func (d *Desk) commit(t trade.Trade) {
	old := d.trades[t.ID]
	d.trades[t.ID], d.used[t.ID] = t, true
	d.note(old, t)
	if old.Status != t.Status {
		d.Log.Info("moved", "trade", t.ID, "role", t.Role, "from", old.Status, "to", t.Status, "reason", t.Reason)
	}
	if t.Frozen != "" && old.Frozen == "" {
		d.Log.Error("frozen", "trade", t.ID, "broken", t.Frozen)
		d.Notify(trade.Notice{Kind: "alarm", Trade: &t, Text: t.Frozen})
	}
	d.want(t, unix(time.Now()))
	d.Notify(trade.Notice{Kind: "trade", Trade: &t})
}

// applyAll gives e to every trade. Trades in which nothing stored has changed
// are taken over at once.
func (d *Desk) applyAll(e trade.Event) trade.Change {
	var c trade.Change
	for id := range d.trades {
		d.apply(&c, d.trades[id], e)
	}
	return c
}

// apply gives e to t and adds to c what is to be stored. A refusal is the
// caller's to judge.
func (d *Desk) apply(c *trade.Change, t trade.Trade, e trade.Event) error {
	n, effects, err := t.Apply(e)
	if err != nil {
		return err
	}
	if n.Version == t.Version {
		d.trades[t.ID] = n
		return nil
	}
	c.Trades = append(c.Trades, n)
	for _, effect := range effects {
		c.Effects = append(c.Effects, trade.Pending{Trade: t.ID, Effect: effect})
	}
	return nil
}

// tell is apply for one trade by its id, through the loop.
func (d *Desk) tell(ctx context.Context, id contracts.Hash, e trade.Event) error {
	return d.do(ctx, func() (c trade.Change, err error) {
		t, known := d.trades[id]
		if !known {
			return c, fmt.Errorf("trade %s: %w", id, trade.ErrUnknown)
		}
		return c, d.apply(&c, t, e)
	}, nil)
}

// news takes in a new head of a chain and what it changed.
func (d *Desk) news(ctx context.Context, n trade.News) error {
	return d.ask(ctx, call{wide: true, reply: make(chan error, 1), decide: func() (c trade.Change, err error) {
		seen := make(map[contracts.Hash]*[2]*trade.Fate, len(n.Sightings))
		for i := range n.Sightings {
			s := &n.Sightings[i]
			if seen[s.ID] == nil {
				seen[s.ID] = new([2]*trade.Fate)
			}
			seen[s.ID][index(s.Side)] = &s.Fate
		}
		for id, t := range d.trades {
			after, moved, effects := t, false, []trade.Effect(nil)
			for _, side := range []trade.Side{trade.Ours, trade.Theirs} {
				if t.Leg(side).Terms.Asset.Chain != n.Chain {
					continue
				}
				e := trade.Sighted{Side: side, Head: n.Head}
				if fates := seen[id]; fates != nil {
					e.Fate = fates[index(side)]
				}
				next, more, err := after.Apply(e)
				if err != nil {
					return c, fmt.Errorf("trade %s: %w", id, err)
				}
				moved = moved || next.Version != after.Version
				next.Version = t.Version // one row, one version, however many legs
				after, effects = next, append(effects, more...)
			}
			if !moved {
				d.trades[id] = after
				continue
			}
			after.Version++
			c.Trades = append(c.Trades, after)
			for _, effect := range effects {
				c.Effects = append(c.Effects, trade.Pending{Trade: id, Effect: effect})
			}
		}
		return c, nil
	}, then: func() {
		d.heads[n.Chain], d.spoke[n.Chain] = n.Head, unix(time.Now())
		if len(d.heads) == len(d.Ledgers) {
			select {
			case <-d.ready:
			default:
				close(d.ready)
			}
		}
		d.sweep(unix(time.Now()))
		d.Notify(trade.Notice{Kind: "head", Chain: n.Chain, Head: &n.Head})
	}})
}

func index(s trade.Side) int {
	if s == trade.Ours {
		return 0
	}
	return 1
}

// sweep looks at everything for work that is still to be done, and lets go of
// trades with which nobody can have business any more.
func (d *Desk) sweep(now uint64) {
	for id, t := range d.trades {
		if over(t, now) {
			delete(d.trades, id)
			maps.DeleteFunc(d.alarms, func(a alarm, _ bool) bool { return a.trade == id })
			for _, w := range t.Watches() {
				d.Ledgers[w.Terms.Asset.Chain].Forget(w)
				d.works[w.Terms.Asset.Chain].forget(id)
			}
			continue
		}
		d.want(t, now)
		d.watchOver(t, now)
	}
	d.payments(now)
	for id, q := range d.quotes {
		if now > q.Expires && (q.trade.IsZero() || now > q.Expires+keepTaken) {
			delete(d.quotes, id)
		}
	}
}

// over reports whether nobody can have business with t any more: it is at rest,
// and the partner has nothing left to ask of us or to hear.
func over(t trade.Trade, now uint64) bool {
	return t.Status.AtRest() && now > t.Ours.Terms.Expiry && now > t.Theirs.Terms.Expiry
}

// nextNumber gives the number of a new trade: Unix milliseconds, so that not
// even a store restored from an old copy gives one twice.
func (d *Desk) nextNumber(now time.Time) uint64 {
	d.number = max(d.number+1, uint64(now.UnixMilli()))
	return d.number
}

func unix(t time.Time) uint64 { return uint64(t.Unix()) }

// A work is what one chain has to do for trades: each thing once at a time.
type work struct {
	mu    sync.Mutex
	jobs  map[jobKey]*job
	queue chan *job
}
