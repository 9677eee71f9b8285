package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"photon/node/channel"
	"photon/node/ledger"
	"photon/swap/trade"
)

// Why the world does not answer.
var (
	ErrStopped = errors.New("node is stopped")
	ErrLost    = errors.New("answer was lost")
	ErrDown    = errors.New("does not answer")
	ErrRefused = errors.New("refused by the chain")
)

// A Point is one thing that a node does to the world outside itself.
type Point struct {
	Node   string
	What   string        // "save", "keep", "send", "ask", "tell" or "offer"
	Of     string        // what is saved, sent, asked or told, for a reader
	To     string        // whom is asked or told
	Body   []byte        // of an ask or a tell
	Txs    []trade.Tx    // of a keep or a send, for a swap
	Diff   trade.Change  // of a save, of swaps
	Calls  []channel.Tx  // of a keep or a send, for a channel
	Ledger ledger.Change // of a save, of a ledger
}

// String is such as "bob send BTC redeem".
func (p Point) String() string { return fmt.Sprintf("%s %s %s", p.Node, p.What, p.Of) }

// A Verdict says what becomes of a point.
type Verdict int

// The verdicts.
const (
	Pass       Verdict = iota // it happens
	StopBefore                // the node stops, and it does not happen
	StopAfter                 // it happens, and the node stops before it learns of it
	LoseAnswer                // it happens, and the node is told that it failed
)

// A Hook judges every point, in the order in which they come.
type Hook func(Point) Verdict

// A Life is one run of a node, from its start to its stop. After that none of
// its parts does anything.
type Life struct {
	Node string
	hook Hook
	ctx  context.Context
	end  context.CancelFunc

	mu   sync.Mutex
	dead bool
}

// NewLife begins a life. hook may be nil.
func NewLife(ctx context.Context, node string, hook Hook) *Life {
	ctx, end := context.WithCancel(ctx)
	if hook == nil {
		hook = func(Point) Verdict { return Pass }
	}
	return &Life{Node: node, hook: hook, ctx: ctx, end: end}
}

// Context ends with the life.
func (l *Life) Context() context.Context { return l.ctx }

// Bind returns a context that ends with ctx and with the life.
func (l *Life) Bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// Stop ends the life at once, as a lost process does.
func (l *Life) Stop() {
	l.mu.Lock()
	l.dead = true
	l.mu.Unlock()
	l.end()
}

// Alive returns ErrStopped once the life has ended.
func (l *Life) Alive() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return fmt.Errorf("%s: %w", l.Node, ErrStopped)
	}
	return nil
}

// pass lets p happen, or not, as the hook says.
func (l *Life) pass(p Point, do func() error) error {
	if err := l.Alive(); err != nil {
		return err
	}
	p.Node = l.Node
	switch l.hook(p) {
	case StopBefore:
		l.Stop()
		return l.Alive()
	case StopAfter:
		err := do()
		l.Stop()
		return errors.Join(l.Alive(), err)
	case LoseAnswer:
		if err := do(); err != nil {
			return err
		}
		return fmt.Errorf("%s: %w", p, ErrLost)
	}
	return do()
}
