package sim

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// latency is how long a message takes one way.
const latency = 40 * time.Millisecond

// A Board is the network: it carries questions and answers between nodes.
type Board struct {
	mu       sync.Mutex
	lines    map[string]*Line
	couriers map[contracts.Address]*Courier
	cuts     map[[2]string]bool
	noise    Noise
	count    map[string]uint64
	moved    chan struct{} // closed when somebody may be reached who was not
}

// Noise is what the network does to messages, chosen by seed for each.
type Noise struct {
	Seed   uint64
	Double bool          // one in three comes twice, the second time later
	Delay  time.Duration // each takes up to this longer, and so overtakes others
	Lose   bool          // one in five is lost, or its answer is
}

// NewBoard returns a network without nodes.
func NewBoard() *Board {
	return &Board{lines: map[string]*Line{}, couriers: map[contracts.Address]*Courier{}, cuts: map[[2]string]bool{},
		count: map[string]uint64{}, moved: make(chan struct{})}
}

// Disturb sets the noise from now on.
func (b *Board) Disturb(n Noise) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noise = n
}

// Cut parts two nodes until Join. An empty name is everybody.
func (b *Board) Cut(x, y string) { b.set(x, y, true) }

// Join ends a Cut.
func (b *Board) Join(x, y string) { b.set(x, y, false) }

// Heal joins all and ends the noise.
func (b *Board) Heal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noise = Noise{}
	clear(b.cuts)
	b.introduce()
}

func (b *Board) set(x, y string, cut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cuts[pair(x, y)] = cut
	b.introduce()
}

// parted reports whether two nodes are cut from each other. b.mu is held.
func (b *Board) parted(x, y string) bool {
	return b.cuts[pair(x, y)] || b.cuts[pair("", x)] || b.cuts[pair("", y)]
}

func pair(x, y string) [2]string {
	p := []string{x, y}
	slices.Sort(p)
	return [2]string(p)
}

// A Line is a node's hold on the network.
type Line struct {
	board   *Board
	life    *Life
	receive func(ctx context.Context, from string, raw []byte) ([]byte, error)
}

// Line connects a node for one life. receive may be nil while it only asks.
func (b *Board) Line(l *Life, receive func(ctx context.Context, from string, raw []byte) ([]byte, error)) *Line {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := &Line{b, l, receive}
	b.lines[l.Node] = line
	return line
}

// Answer sets what answers.
func (l *Line) Answer(receive func(ctx context.Context, from string, raw []byte) ([]byte, error)) {
	l.board.mu.Lock()
	defer l.board.mu.Unlock()
	l.receive = receive
}

// Self is the node's name.
func (l *Line) Self() string { return l.life.Node }

// Reach is nothing: here a name is enough.
func (l *Line) Reach() []string { return nil }

// Learn has nothing to note.
func (l *Line) Learn(context.Context, string, []string) error { return nil }

// Ask carries body to a node and its answer back. It tries once.
func (l *Line) Ask(ctx context.Context, to string, body []byte) (answer []byte, err error) {
	of := "?"
	if m, err := trade.Decode(body); err == nil {
		of = strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", m), "trade."))
	}
	err = l.life.pass(Point{What: "ask", Of: of, To: to, Body: body}, func() error {
		answer, err = l.board.carry(ctx, l.life, to, body, func(ctx context.Context) ([]byte, error) { return l.board.deliver(ctx, l.Self(), to, body) })
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// carry is one question of a node and its answer, and what the noise makes of it.
// deliver hands it over.
func (b *Board) carry(ctx context.Context, l *Life, to string, body []byte, deliver func(context.Context) ([]byte, error)) ([]byte, error) {
	dice := b.dice(l.Node, to, body)
	noise := dice.noise
	if err := sleep(ctx, latency+dice.upTo(0, noise.Delay)); err != nil {
		return nil, err
	}
	if noise.Double && dice.one(1, 3) {
		late := dice.upTo(2, noise.Delay+5*time.Second)
		go func() { // a copy on its own way; nobody waits for its answer
			if sleep(l.ctx, late) == nil {
				_, _ = deliver(l.ctx)
			}
		}()
	}
	if noise.Lose && dice.one(3, 10) {
		return nil, fmt.Errorf("%s: %w", to, ErrDown)
	}
	answer, err := deliver(ctx)
	if err != nil {
		return nil, err
	}
	if err := sleep(ctx, latency+dice.upTo(4, noise.Delay)); err != nil {
		return nil, err
	}
	if noise.Lose && dice.one(5, 10) {
		return nil, fmt.Errorf("%s: %w", to, ErrLost)
	}
	return answer, nil
}

// deliver gives body to a node that is there.
func (b *Board) deliver(ctx context.Context, from, to string, body []byte) ([]byte, error) {
	b.mu.Lock()
	line, cut := b.lines[to], b.parted(from, to)
	var receive func(context.Context, string, []byte) ([]byte, error)
	if line != nil {
		receive = line.receive
	}
	b.mu.Unlock()
	if receive == nil || cut || line.life.Alive() != nil {
		return nil, fmt.Errorf("%s: %w", to, ErrDown)
	}
	ctx, cancel := line.life.Bind(ctx)
	defer cancel()
	return receive(ctx, from, slices.Clone(body))
}

// Dice are drawn for one message from the seed and from what it is, so that they
// do not depend on which of two comes first.
type dice struct {
	noise Noise
	sum   [32]byte
}

func (b *Board) dice(from, to string, body []byte) dice {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := from + to + string(body)
	b.count[key]++
	raw := binary.BigEndian.AppendUint64(nil, b.noise.Seed)
	raw = binary.BigEndian.AppendUint64(raw, b.count[key])
	return dice{b.noise, sha256.Sum256(append(raw, key...))}
}

func (d dice) number(i int) uint64 { return uint64(binary.BigEndian.Uint32(d.sum[4*i:])) }

func (d dice) one(i int, in uint64) bool { return d.number(i)%in == 0 }

func (d dice) upTo(i int, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(d.number(i)) * time.Microsecond % most
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
