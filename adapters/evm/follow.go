package evm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"photon/contracts"
	"photon/swap/trade"
)

// waitMax is the longest pause between two questions while nothing answers.
const waitMax = 10 * time.Second

// Watch adds legs to those whose fates Follow delivers. Their terms say exactly
// which lock counts: its key is the hash of all of them.
// Errors: contracts.ErrTerms, ErrLeg.
func (c *Chain) Watch(_ context.Context, legs ...trade.Watch) error {
	swaps := make([]contracts.Swap, len(legs))
	for i, w := range legs {
		s, err := c.swap(w.Terms)
		if err != nil {
			return err
		}
		swaps[i] = s
	}
	c.mu.Lock()
	for i, w := range legs {
		c.book.add(w, swaps[i])
	}
	c.mu.Unlock()
	c.poke()
	return nil
}

// Forget ends the watch of legs.
func (c *Chain) Forget(legs ...trade.Watch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range legs {
		c.book.drop(leg{w.ID, w.Side})
	}
}

// swap is t in our contract. Errors: contracts.ErrTerms, ErrLeg.
func (c *Chain) swap(t contracts.Terms) (contracts.Swap, error) {
	s, err := contracts.NewSwap(t)
	if err != nil {
		return contracts.Swap{}, err
	}
	if t.Asset.Chain != c.cfg.Chain || t.Contract != c.cfg.Contract {
		return contracts.Swap{}, fmt.Errorf("%w: %s at %s, this is %s at %s",
			ErrLeg, t.Asset.Chain, t.Contract, c.cfg.Chain, c.cfg.Contract)
	}
	return s, nil
}

// Follow delivers news in order until ctx ends, whose error it then returns, or
// deliver fails. Only one may run.
func (c *Chain) Follow(ctx context.Context, deliver func(context.Context, trade.News) error) error {
	if !c.swaps.following.TryLock() {
		return fmt.Errorf("%s is followed already", c.cfg.Chain)
	}
	defer c.swaps.following.Unlock()
	f := follower{climber: c.climb(&c.swaps)}
	for wait := c.cfg.Poll; ; {
		failed := f.step(ctx)
		if err := f.tell(ctx, deliver); err != nil {
			return err
		}
		if failed == nil { // only now: what is known waits for no endpoint that is doubted
			f.extras(ctx)
			if err := f.tell(ctx, deliver); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wake := f.wake
		if wait = f.rest(wait, failed); failed != nil {
			wake = nil
		}
		if err := f.pause(ctx, wait, wake); err != nil {
			return err
		}
	}
}

// tell delivers what there is to say.
func (f *follower) tell(ctx context.Context, deliver func(context.Context, trade.News) error) error {
	news, ok := f.news()
	if !ok {
		return nil
	}
	if err := deliver(ctx, news); err != nil {
		return err
	}
	f.say(news)
	return nil
}

// A follower is one run of Follow.
type follower struct {
	climber
	said contracts.Hash // block delivered last
	soft string         // the last failure that matters little
}

// A stem is the newest blocks as Follow has them, or FollowChannels: each has its
// own, so that neither waits for who is told by the other.
type stem struct {
	following sync.Mutex // held by whoever follows
	branch    branch     // guarded by Chain.mu, as leader
	leader    int        // endpoint that gave the branch's tip
}

// A climber brings one stem up to date.
type climber struct {
	*Chain
	*stem
	behind int       // answers in a row that were behind the branch
	grew   time.Time // when the branch last changed, or another endpoint was tried
}

func (c *Chain) climb(s *stem) climber { return climber{Chain: c, stem: s, grew: c.now()} }

// rest is how long to wait after an attempt, when it was so long before it.
func (f *climber) rest(wait time.Duration, failed error) time.Duration {
	if failed == nil {
		return f.cfg.Poll
	}
	wait = min(2*wait, max(waitMax, f.cfg.Poll))
	f.log.Warn("will retry", "err", failed, "wait", wait)
	return wait
}

// pause waits for its time or to be woken.
func (f *climber) pause(ctx context.Context, wait time.Duration, wake <-chan struct{}) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	case <-wake:
	}
	return nil
}

// step brings the branch and the book up to date. What it reached before an
// error stays.
func (f *follower) step(ctx context.Context) error {
	g, err := f.grow(ctx)
	if err != nil {
		return err
	}
	if g.moved {
		var events []event
		tip, _ := g.branch.tip()
		if !g.reset && f.watching() {
			if events, err = f.logs(ctx, f.anyone, g.fork+1, tip.Number, nil, g.branch); err != nil {
				f.pool.pass(g.by)
				return err
			}
		}
		f.mu.Lock()
		if g.reset {
			f.book.stale()
		} else {
			f.book.undo(g.fork)
			f.book.apply(events)
		}
		f.branch, f.leader = g.branch, g.by
		f.mu.Unlock()
		f.grew = f.now()
	}
	return f.scan(ctx)
}

// extras looks for what was hidden, and looks up what is only shown. It is tried
// again at the next step; a failure is told when it is another than before.
func (f *follower) extras(ctx context.Context) {
	err := errors.Join(f.audit(ctx), f.payments(ctx), f.displaced(ctx))
	if err == nil {
		f.soft = ""
		return
	}
	if f.soft != err.Error() && ctx.Err() == nil {
		f.soft = err.Error()
		f.log.Warn("will retry", "err", err)
	}
}

// watching reports whether any leg is up to date and so needs the new events.
func (c *Chain) watching() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.book.legs {
		if n.scanned {
			return true
		}
	}
	return false
}

// news is what there is to say, if anything.
func (f *follower) news() (trade.News, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	tip, ok := f.branch.tip()
	if !ok {
		return trade.News{}, false
	}
	n := trade.News{Chain: f.cfg.Chain, Head: tip.head(), Sightings: f.book.sightings()}
	return n, len(n.Sightings) > 0 || n.Head.Hash != f.said
}

func (f *follower) say(n trade.News) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = n.Head.Hash
	f.book.say(n.Sightings)
}

// A growth is the branch as it will be: blocks up to fork stay.
type growth struct {
	branch branch
	fork   uint64
	by     int  // endpoint
	moved  bool // there is a new tip
	reset  bool // nothing of the branch before is left
}

// grow asks for the newest block and links it to the branch. An endpoint whose
// newest block lies on our branch below its tip, or below all that is kept, is
// behind and changes nothing; so does one that did not give us the tip and knows
// a lower block elsewhere.
func (f *climber) grow(ctx context.Context) (growth, error) {
	head, by, err := f.latest(ctx)
	if err != nil {
		return growth{}, err
	}
	f.mu.Lock()
	b, leader := f.branch, f.leader
	f.mu.Unlock()
	tip, ok := b.tip()
	if ok && head.Hash == tip.Hash {
		f.behind = 0
		f.quiet(by)
		return growth{}, nil
	}
	if ok && (b.below(head) || b.holds(head) || (by != leader && head.Number < tip.Number)) {
		if f.behind++; f.behind >= 5 {
			f.behind = 0
			f.pool.pass(by)
		}
		f.quiet(by)
		return growth{}, nil
	}
	f.behind = 0
	if !ok || head.Number > tip.Number+branchLength/2 {
		if err := f.believe(ctx, head, by); err != nil {
			f.pool.pass(by)
			return growth{}, err
		}
		return f.begin(ctx, head, by)
	}
	g, err := f.link(ctx, b, head, by)
	if err != nil {
		f.pool.pass(by) // it may not have the blocks below its head
	}
	return g, err
}

// quiet tries another endpoint when no block came for long: this one may have
// stopped.
func (f *climber) quiet(by int) {
	if block := f.cfg.Policy.Block; block > 0 && f.now().Sub(f.grew) > 3*block {
		f.grew = f.now()
		f.pool.pass(by)
	}
}

// link fetches the blocks between the branch and head, and below its tip where
// the chain forked.
func (c *Chain) link(ctx context.Context, b branch, head header, by int) (growth, error) {
	tip, _ := b.tip()
	up := []header{head}
	for {
		if joined, fork, ok := b.join(up); ok {
			return growth{branch: joined, fork: fork, by: by, moved: true}, nil
		}
		low, oldest := up[0].Number, b.blocks[0].Number
		if low <= oldest {
			c.log.Warn("fork is deeper than the blocks kept", "height", head.Number, "oldest", oldest)
			return c.begin(ctx, head, by)
		}
		from := tip.Number + 1
		if low <= from {
			from = max(oldest, low-min(low, 16))
		}
		below, err := c.headers(ctx, from, low-1)
		if err != nil {
			return growth{}, err
		}
		up = append(below, up...)
		if err := linked(up); err != nil {
			return growth{}, err
		}
		for len(up) > 1 && b.holds(up[0]) {
			up = up[1:]
		}
	}
}

// beginLength is how many blocks below the first head are kept, so that an
// endpoint that is a little behind is not taken for a fork.
const beginLength = 32

// begin starts a branch anew.
func (c *Chain) begin(ctx context.Context, head header, by int) (growth, error) {
	up := []header{head}
	if head.Number > 0 {
		below, err := c.headers(ctx, head.Number-min(head.Number, beginLength), head.Number-1)
		if err != nil {
			return growth{}, err
		}
		up = append(below, up...)
	}
	if err := linked(up); err != nil {
		return growth{}, err
	}
	return growth{branch: branch{up}, by: by, moved: true, reset: true}, nil
}

// linked checks that every block is the parent of the next. Errors: ErrForked.
func linked(up []header) error {
	for i := 1; i < len(up); i++ {
		if up[i].Parent != up[i-1].Hash || up[i].Number != up[i-1].Number+1 {
			return fmt.Errorf("%w: block %d is not the parent of %d", ErrForked, up[i-1].Number, up[i].Number)
		}
	}
	return nil
}

// latest is the newest block and the endpoint that told it.
func (c *Chain) latest(ctx context.Context) (header, int, error) {
	q := &question{method: "eth_getBlockByNumber", args: []any{"latest", false}}
	by, err := c.pool.ask(ctx, q)
	if err == nil {
		err = q.err
	}
	if err != nil {
		return header{}, -1, err
	}
	h, err := readHeader(q.answer)
	if err != nil {
		c.pool.pass(by)
	}
	return h, by, err
}

// headers are the blocks from a height to another.
func (c *Chain) headers(ctx context.Context, from, to uint64) ([]header, error) {
	var qs []*question
	for n := from; n <= to; n++ {
		qs = append(qs, byNumber(n))
	}
	if _, err := c.pool.ask(ctx, qs...); err != nil {
		return nil, err
	}
	all := make([]header, len(qs))
	for i, q := range qs {
		if q.err != nil {
			return nil, q.err
		}
		h, err := readHeader(q.answer)
		if err != nil {
			return nil, err
		}
		if h.Number != from+uint64(i) {
			return nil, fmt.Errorf("%w: block %d for %d", ErrAnswer, h.Number, from+uint64(i))
		}
		all[i] = h
	}
	return all, nil
}

func byNumber(n uint64) *question {
	return &question{method: "eth_getBlockByNumber", args: []any{hexutil.Uint64(n), false}}
}

// believe checks a head that nothing links to what we know: the endpoint must
// know its parent too, and some other endpoint that answers must be near it.
// Errors: ErrHead.
func (c *Chain) believe(ctx context.Context, h header, by int) error {
	if h.Number > 0 {
		q := byNumber(h.Number - 1)
		if err := c.pool.all[by].ask(ctx, []*question{q}); err != nil {
			return err
		}
		parent, err := readHeader(q.answer)
		if err != nil || parent.Number != h.Number-1 || parent.Hash != h.Parent {
			return fmt.Errorf("%w: block %d of %s has no parent", ErrHead, h.Number, c.pool.all[by].host)
		}
	}
	var others []uint64
	for n, e := range c.pool.all {
		if n == by {
			continue
		}
		q := &question{method: "eth_getBlockByNumber", args: []any{"latest", false}}
		if e.ask(ctx, []*question{q}) != nil || q.err != nil {
			continue // one that is down says nothing
		}
		if o, err := readHeader(q.answer); err == nil {
			others = append(others, o.Number)
		}
	}
	if len(others) > 0 && slices.Max(others)+branchLength < h.Number {
		return fmt.Errorf("%w: %s is at %d, others at most at %d", ErrHead, c.pool.all[by].host, h.Number, slices.Max(others))
	}
	return nil
}
