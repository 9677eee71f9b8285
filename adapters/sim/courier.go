package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"photon/contracts"
	"photon/node/message"
)

// How long a courier waits before he tries again: from first, doubled each time, to
// most, or until somebody can be reached who could not.
const (
	againFirst = 250 * time.Millisecond
	againMost  = 30 * time.Second
)

// A Courier is a payment node's hold on the network: he carries messages between
// accounts. The board's cuts and noise are his as they are a Line's.
type Courier struct {
	board   *Board
	life    *Life
	account contracts.Address
	receive func(ctx context.Context, from contracts.Address, body []byte) ([]byte, error)
	met     chan contracts.Address

	stirs chan struct{}                  // there is news
	sees  map[contracts.Address]*Courier // whom he can reach; board.mu is held for it

	mu   sync.Mutex
	last map[contracts.Address]chan struct{} // closed when what was sent last is answered
	news []contracts.Address                 // whom he has met and not said so
}

// Courier connects a node for one life. receive may be nil until Answer.
func (b *Board) Courier(l *Life, receive func(ctx context.Context, from contracts.Address, body []byte) ([]byte, error)) *Courier {
	c := &Courier{board: b, life: l, account: Keys(l.Node).Account(), receive: receive, met: make(chan contracts.Address),
		last: map[contracts.Address]chan struct{}{}, sees: map[contracts.Address]*Courier{}, stirs: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.couriers[c.account] = c
	b.introduce()
	go c.announce()
	return c
}

// Answer sets what answers.
func (c *Courier) Answer(receive func(ctx context.Context, from contracts.Address, body []byte) ([]byte, error)) {
	c.board.mu.Lock()
	defer c.board.mu.Unlock()
	c.receive = receive
	c.board.introduce()
}

// introduce tells all who can reach each other now and could not. b.mu is held.
func (b *Board) introduce() {
	order := func(x, y contracts.Address) int { return bytes.Compare(x[:], y[:]) }
	accounts := slices.SortedFunc(maps.Keys(b.couriers), order)
	for _, at := range accounts {
		for _, other := range accounts {
			x, y := b.couriers[at], b.couriers[other]
			switch can := x != y && b.reaches(x, y) && x.receive != nil; {
			case !can:
				delete(x.sees, y.account)
			case x.sees[y.account] != y: // or only another life of him
				x.sees[y.account] = y
				x.meet(y.account)
			}
		}
	}
	close(b.moved)
	b.moved = make(chan struct{})
}

// reaches reports whether y is there and not cut from x. b.mu is held.
func (b *Board) reaches(x, y *Courier) bool {
	return y != nil && y.receive != nil && y.life.Alive() == nil && !b.parted(x.life.Node, y.life.Node)
}

// meet notes whom he can reach.
func (c *Courier) meet(who contracts.Address) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.news, who) {
		c.news = append(c.news, who)
	}
	select {
	case c.stirs <- struct{}{}:
	default:
	}
}

// announce says whom he has met, as long as he lives.
func (c *Courier) announce() {
	for {
		c.mu.Lock()
		news := c.news
		c.news = nil
		c.mu.Unlock()
		for _, who := range news {
			select {
			case c.met <- who:
			case <-c.life.ctx.Done():
				return
			}
		}
		select {
		case <-c.stirs:
		case <-c.life.ctx.Done():
			return
		}
	}
}

// Met delivers the accounts of nodes as they become reachable.
func (c *Courier) Met() <-chan contracts.Address { return c.met }

// Tell sends body to the node of an account and returns once that node has taken it.
// Errors: as of Ask.
func (c *Courier) Tell(ctx context.Context, to contracts.Address, body []byte) error {
	_, err := c.exchange(ctx, "tell", to, body)
	return err
}

// Ask sends body to the node of an account and returns the answer. It tries until ctx
// ends. Errors: what the other says of it, ErrStopped, and ctx's.
func (c *Courier) Ask(ctx context.Context, to contracts.Address, body []byte) ([]byte, error) {
	return c.exchange(ctx, "ask", to, body)
}

// exchange sends body once all that was sent to the account before is answered.
func (c *Courier) exchange(ctx context.Context, what string, to contracts.Address, body []byte) ([]byte, error) {
	done := make(chan struct{})
	c.mu.Lock()
	before := c.last[to]
	c.last[to] = done
	c.mu.Unlock()
	ctx, cancel := c.life.Bind(ctx)
	defer cancel()
	if before != nil {
		select {
		case <-before:
		case <-ctx.Done():
			go func() { // what comes behind waits for both
				<-before
				close(done)
			}()
			return nil, fmt.Errorf("%s %s: %w", what, to, ctx.Err())
		}
	}
	defer close(done)
	return c.untilAnswered(ctx, what, to, body)
}

func (c *Courier) untilAnswered(ctx context.Context, what string, to contracts.Address, body []byte) ([]byte, error) {
	for wait := againFirst; ; wait = min(2*wait, againMost) {
		moved := c.board.next()
		answer, err := c.try(ctx, what, to, body)
		passing := errors.Is(err, ErrDown) || errors.Is(err, ErrLost) || (errors.Is(err, ErrStopped) && c.life.Alive() == nil)
		if err == nil || ctx.Err() != nil || !passing {
			return answer, err
		}
		select {
		case <-time.After(wait):
		case <-moved:
			wait = againFirst
		case <-ctx.Done():
			return nil, fmt.Errorf("%s %s: %w: %w", what, to, ctx.Err(), err)
		}
	}
}

// next is closed when somebody may be reached who was not.
func (b *Board) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.moved
}

// try sends body once. Where nobody can be reached, nothing was sent.
func (c *Courier) try(ctx context.Context, what string, to contracts.Address, body []byte) (answer []byte, err error) {
	c.board.mu.Lock()
	other := c.board.couriers[to]
	there := c.board.reaches(c, other)
	c.board.mu.Unlock()
	if !there {
		return nil, errors.Join(c.life.Alive(), fmt.Errorf("%s: %w", to, ErrDown))
	}
	name := other.life.Node
	err = c.life.pass(Point{What: what, Of: talkOf(body), To: name, Body: body}, func() error {
		answer, err = c.board.carry(ctx, c.life, name, body, func(ctx context.Context) ([]byte, error) { return c.board.hand(ctx, c, to, body) })
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// talkOf is what a packet says, for a reader: such as "answer, promise".
func talkOf(body []byte) string {
	all, err := message.Decode(body)
	if err != nil {
		return "?"
	}
	var words []string
	add := func(word string) {
		if !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	for _, m := range all {
		u, is := m.(message.Update)
		if !is {
			add(strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", m), "message.")))
		}
		for _, c := range u.Changes {
			switch {
			case c.Pay != nil:
				add("pay")
			case c.Promise != nil:
				add("promise")
			case c.Unlock != nil:
				add("unlock")
			default:
				add("drop")
			}
		}
	}
	return strings.Join(words, ", ")
}

// hand gives body to the node of an account, if it is there.
func (b *Board) hand(ctx context.Context, from *Courier, to contracts.Address, body []byte) ([]byte, error) {
	b.mu.Lock()
	c := b.couriers[to]
	if !b.reaches(from, c) {
		b.mu.Unlock()
		return nil, fmt.Errorf("%s: %w", to, ErrDown)
	}
	receive := c.receive
	b.mu.Unlock()
	ctx, cancel := c.life.Bind(ctx)
	defer cancel()
	answer, err := receive(ctx, from.account, slices.Clone(body))
	if fell := c.life.Alive(); fell != nil {
		return nil, fmt.Errorf("%s: %w", to, ErrLost) // nobody learns what he would have said
	}
	return answer, err
}

// Trust does nothing: here everybody may say as much as he likes.
func (c *Courier) Trust(contracts.Address, bool) {}
