package sim

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"photon/contracts"
	"photon/swap/trade"
)

// An Endpoint is one node's way to a chain, and what is wrong with it. It
// outlives the node.
type Endpoint struct {
	mu    sync.Mutex
	down  bool          // answers nothing
	stale bool          // shows nothing newer than asOf
	asOf  uint64        // height
	lies  bool          // shows locks that are not there
	lose  bool          // takes transactions and passes none on
	moved chan struct{} // closed when there is something new to see
}

// A view is what a lookout sees of a chain.
type view interface {
	// head is the newest block, not above upTo.
	head(upTo uint64) trade.Head
	// fate is what the chain says of a leg, up to this height.
	fate(w trade.Watch, upTo uint64) trade.Fate
	name() contracts.Chain
}

func newEndpoint() *Endpoint { return &Endpoint{moved: make(chan struct{})} }

// poke makes all who follow look again.
func (e *Endpoint) poke() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.moved)
	e.moved = make(chan struct{})
}

// next is closed at the next poke. Take it before looking.
func (e *Endpoint) next() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.moved
}

func (e *Endpoint) set(change func()) {
	e.mu.Lock()
	change()
	e.mu.Unlock()
	e.poke()
}

// Heal makes all well again.
func (e *Endpoint) Heal() {
	e.set(func() { e.down, e.stale, e.lies, e.lose = false, false, false, false })
}

// Fail makes it answer nothing.
func (e *Endpoint) Fail() { e.set(func() { e.down = true }) }

// Freeze makes it show nothing above this height.
func (e *Endpoint) Freeze(height uint64) { e.set(func() { e.stale, e.asOf = true, height }) }

// Lie makes it show the partner's lock of a swap where there is none. Of channels it
// tells nothing then: others do not confirm what it says.
func (e *Endpoint) Lie() { e.set(func() { e.lies = true }) }

// Lose makes it take transactions and pass none on.
func (e *Endpoint) Lose() { e.set(func() { e.lose = true }) }

func (e *Endpoint) answers(c contracts.Chain) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return fmt.Errorf("%s: %w", c, ErrDown)
	}
	return nil
}

func (e *Endpoint) loses() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lose
}

func (e *Endpoint) tellsLies() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lies
}

func (e *Endpoint) upTo() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stale {
		return e.asOf
	}
	return 1 << 62
}

// A lookout tells one life of a node the fates of its legs.
type lookout struct {
	chain    view
	endpoint *Endpoint
	life     *Life

	mu      sync.Mutex
	watches map[legKey]trade.Watch
	said    map[legKey]trade.Fate
	at      trade.Head
}

type legKey struct {
	id   contracts.Hash
	side trade.Side
}

func newLookout(chain view, e *Endpoint, l *Life) *lookout {
	return &lookout{chain: chain, endpoint: e, life: l, watches: map[legKey]trade.Watch{}, said: map[legKey]trade.Fate{}}
}

// ask fails when the life has ended or the endpoint is down.
func (l *lookout) ask() error {
	if err := l.life.Alive(); err != nil {
		return err
	}
	return l.endpoint.answers(l.chain.name())
}

// Head returns the newest block.
func (l *lookout) Head(context.Context) (trade.Head, error) {
	if err := l.ask(); err != nil {
		return trade.Head{}, err
	}
	return l.chain.head(l.endpoint.upTo()), nil
}

// Watch adds legs.
func (l *lookout) Watch(_ context.Context, legs ...trade.Watch) error {
	l.mu.Lock()
	for _, w := range legs {
		l.watches[legKey{w.ID, w.Side}] = w
	}
	l.mu.Unlock()
	l.endpoint.poke()
	return nil
}

// Forget ends the watch of legs.
func (l *lookout) Forget(legs ...trade.Watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range legs {
		delete(l.watches, legKey{w.ID, w.Side})
		delete(l.said, legKey{w.ID, w.Side})
	}
}

// Follow delivers news until ctx ends.
func (l *lookout) Follow(ctx context.Context, deliver func(context.Context, trade.News) error) error {
	for {
		next := l.endpoint.next()
		if err := l.life.Alive(); err != nil {
			return err
		}
		if l.ask() == nil {
			if n, is := l.news(); is {
				if err := deliver(ctx, n); err != nil {
					return err
				}
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-next:
		}
	}
}

// news is what has changed since it was last asked.
func (l *lookout) news() (trade.News, bool) {
	upTo := l.endpoint.upTo()
	l.mu.Lock()
	defer l.mu.Unlock()
	n := trade.News{Chain: l.chain.name(), Head: l.chain.head(upTo)}
	for key, w := range l.watches {
		f := l.see(w, upTo)
		if last, said := l.said[key]; said && sameFate(f, last) {
			continue
		}
		l.said[key] = f
		n.Sightings = append(n.Sightings, trade.Sighting{ID: w.ID, Side: w.Side, Fate: f})
	}
	slices.SortFunc(n.Sightings, func(a, b trade.Sighting) int {
		return slices.Compare([]byte(a.ID.String()+string(a.Side)), []byte(b.ID.String()+string(b.Side)))
	})
	moved := n.Head != l.at
	l.at = n.Head
	return n, moved || len(n.Sightings) > 0
}

// see is a leg's fate as the endpoint shows it.
func (l *lookout) see(w trade.Watch, upTo uint64) trade.Fate {
	f := l.chain.fate(w, upTo)
	if l.endpoint.tellsLies() && w.Side == trade.Theirs && f.Lock == nil {
		height := l.chain.head(upTo).Height
		f.Lock = &trade.Spot{TxID: contracts.Hash{0xfa, 0x15, 0xe}, Amount: w.Terms.Amount, Height: height - 20}
	}
	return f
}

// Agree compares f with what the other endpoints say, who do not lie.
// Errors: trade.ErrNotYet while the lock is not mined, ErrDown.
func (l *lookout) Agree(_ context.Context, w trade.Watch, f trade.Fate) error {
	if err := l.ask(); err != nil {
		return err
	}
	if f.Lock == nil || f.Lock.Height == 0 {
		return fmt.Errorf("%w: %s: the lock is not mined", trade.ErrNotYet, l.chain.name())
	}
	truth := l.chain.fate(w, 1<<62)
	if at := truth.Lock; at == nil || f.Lock.TxID != at.TxID || f.Lock.Index != at.Index || f.Lock.Height != at.Height {
		return fmt.Errorf("%w: %s: others see no such lock", ErrDown, l.chain.name())
	}
	if f.End == nil && truth.End != nil {
		return fmt.Errorf("%w: %s: others see that the lock is spent", ErrDown, l.chain.name())
	}
	return nil
}

// sameFate compares all but the pointers.
func sameFate(a, b trade.Fate) bool {
	if (a.Lock == nil) != (b.Lock == nil) || (a.End == nil) != (b.End == nil) {
		return false
	}
	if a.Lock != nil && *a.Lock != *b.Lock {
		return false
	}
	if a.End == nil {
		return true
	}
	x, y := *a.End, *b.End
	x.Secret, y.Secret = nil, nil
	return x == y && (a.End.Secret == nil) == (b.End.Secret == nil)
}
