package evm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"photon/contracts"
	"photon/node/channel"
)

// A heard is all that a listener has delivered.
type heard struct {
	news    []channel.News
	refuses error // of deliver
}

func (d *heard) deliver(_ context.Context, n channel.News) error {
	if d.refuses == nil {
		d.news = append(d.news, n)
	}
	return d.refuses
}

func (d *heard) last() channel.News { return d.news[len(d.news)-1] }

// all is what was delivered, as text: events in their order, then secrets in theirs.
func (d *heard) all() (lines []string) {
	for _, n := range d.news {
		for _, e := range n.Events {
			lines = append(lines, fmt.Sprintf("%d %s %s", e.Block, e.Kind, e.Total))
		}
	}
	for _, n := range d.news {
		for _, s := range n.Secrets {
			lines = append(lines, fmt.Sprintf("%d secret %s", s.Block, s.Secret.Hash()))
		}
	}
	return lines
}

const paperDepth = 3

// newListener listens to the paper chain by pages of 4 blocks.
func newListener(tb testing.TB, from uint64, urls ...string) (*listener, *heard) {
	tb.Helper()
	c, err := New(Config{
		Chain: contracts.ETH, ChainID: 1, Endpoints: urls, Channels: testChannels.At, Registry: testRegistry, Key: listenKey,
		LogRange: 4, Depth: paperDepth,
		Policy: Policy{Depth: 12, Price: func(context.Context, Ask) (Price, error) { return Price{}, errors.New("no price here") }},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	d := &heard{}
	return c.listen(from, d.deliver), d
}

// settle steps until nothing is left to tell, and returns the last error.
func (l *listener) settle(t interface {
	Helper()
	Fatal(...any)
}) error {
	t.Helper()
	for same := 0; same < 3; {
		through, said := l.through, l.said
		_, err := l.step(context.Background())
		if l.ended != nil {
			return l.ended
		}
		if errors.Is(err, ErrDisagree) {
			return err
		}
		if same++; l.through != through || l.said != said {
			same = 0
		}
		if err != nil && same == 3 {
			return err
		}
	}
	return nil
}

// What is confirmed is told once, in the chain's order, with the right blocks, from
// wherever the reader was; what is of others is not.
func TestEventsInOrder(t *testing.T) {
	for _, from := range []uint64{0, 1, 13, 26, 27, 28, 29} {
		p := busy(t, 29)
		l, d := newListener(t, from, p.url)
		if err := l.settle(t); err != nil {
			t.Fatal(err)
		}
		if want := p.confirmed(from, paperDepth); !slices.Equal(d.all(), want) {
			t.Errorf("from %d: %q, want %q", from, d.all(), want)
		}
		if from == 0 && len(d.all()) != 7*2+7+7*2 {
			t.Errorf("%d told", len(d.all()))
		}
		through := from
		for _, n := range d.news {
			if n.Through < through || n.Through > max(through+4, from) || n.Head != (channel.Head{Height: 29, Time: 1029}) {
				t.Errorf("from %d: %d told through %d, after %d", from, n.Head.Height, n.Through, through)
			}
			for _, e := range n.Events {
				if e.Block <= through || e.Block > n.Through {
					t.Errorf("event of %d in news of %d to %d", e.Block, through+1, n.Through)
				}
			}
			through = n.Through
		}
		if through != max(27, from) {
			t.Errorf("from %d: told through %d", from, through)
		}
	}
}

// An endpoint that shows more than it was asked for, and the same twice, changes
// nothing.
func TestLooseFilters(t *testing.T) {
	p := busy(t, 20)
	p.loose = 3
	l, d := newListener(t, 0, p.url)
	if err := l.settle(t); err != nil || !slices.Equal(d.all(), p.confirmed(0, paperDepth)) {
		t.Errorf("told %q, %v", d.all(), err)
	}
}

// Every new head is told, with events or without, and no head twice.
func TestEveryHeadIsTold(t *testing.T) {
	p := busy(t, 5)
	l, d := newListener(t, 0, p.url)
	for height := uint64(5); height < 12; height++ {
		if err := l.settle(t); err != nil {
			t.Fatal(err)
		}
		if n := d.last(); n.Head.Height != height || n.Through != height+1-paperDepth {
			t.Errorf("at %d: told %d through %d", height, n.Head.Height, n.Through)
		}
		before := len(d.news)
		if err := l.settle(t); err != nil || len(d.news) != before {
			t.Errorf("told again at %d: %v", height, err)
		}
		p.mu.Lock()
		p.mine()
		p.mu.Unlock()
	}
	if n, want := len(d.news), 7; n != want {
		t.Errorf("%d news, want %d", n, want)
	}
}

// A fork that leaves what was told is not seen; one that takes a block of it is
// the end. The chain is at 20, told through 18.
func TestForkOfConfirmed(t *testing.T) {
	for _, row := range []struct {
		name string
		keep int // blocks
		more int // on top of the 21 there were
		want error
	}{
		{"the tip", 20, 1, nil},
		{"all that was not told", 19, 1, nil},
		{"all that was not told, by far more", 19, 400, nil},
		{"the last block that was told", 18, 1, channel.ErrRewritten},
		{"much more", 5, 1, channel.ErrRewritten},
		{"all, and the branch kept", 1, 600, channel.ErrRewritten},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := busy(t, 20)
			l, d := newListener(t, 0, p.url)
			if err := l.settle(t); err != nil || d.last().Through != 18 {
				t.Fatalf("through %d, %v", d.last().Through, err)
			}
			before := p.confirmed(0, paperDepth)
			p.mu.Lock()
			p.blocks = p.blocks[:row.keep:row.keep]
			for len(p.blocks) < 21+row.more {
				p.note(registered(byte(len(p.blocks))), deposited(uint64(len(p.blocks)), us, above))
			}
			p.mu.Unlock()
			if err := l.settle(t); !errors.Is(err, row.want) || (row.want == nil) != (err == nil) {
				t.Fatalf("%v, want %v", err, row.want)
			}
			want := p.confirmed(0, paperDepth)
			if row.want != nil {
				want = before // nothing of the other chain was told
			}
			if !slices.Equal(d.all(), want) {
				t.Errorf("told %q, want %q", d.all(), want)
			}
		})
	}
}

// A chain that is shorter than what was told is waited for: it may come back.
func TestSetBack(t *testing.T) {
	p := busy(t, 20)
	l, d := newListener(t, 0, p.url)
	if err := l.settle(t); err != nil {
		t.Fatal(err)
	}
	told, all := len(d.news), p.blocks
	p.mu.Lock()
	p.blocks = all[:10:10]
	p.mine()
	p.mu.Unlock()
	if _, err := l.step(context.Background()); !errors.Is(err, ErrHead) || len(d.news) != told {
		t.Fatalf("%d news, %v", len(d.news)-told, err)
	}
	p.mu.Lock()
	p.blocks = all
	p.mine()
	p.mu.Unlock()
	if err := l.settle(t); err != nil || !slices.Equal(d.all(), p.confirmed(0, paperDepth)) {
		t.Errorf("told %q, %v", d.all(), err)
	}
}

// A listener that sees any sequence of blocks and forks that leave what is confirmed,
// while answers change under its hands, and that is stopped and begun again at any
// page, tells what a reader of the whole chain tells, each once.
func TestListenAgainstFullRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newPaper(t) // a new one each time: a draw may panic while it is locked
		p.grow(rt, rapid.IntRange(0, 30).Draw(rt, "old"))
		l, d := newListener(t, 0, p.url)
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			p.mu.Lock()
			p.shallow(rt)
			now := p.blocks
			p.shallow(rt)
			later := p.blocks
			p.blocks = now
			countdown := rapid.IntRange(0, 8).Draw(rt, "changes at answer")
			p.before = func() {
				if countdown--; countdown == 0 {
					p.blocks = later
				}
			}
			p.mu.Unlock()
			for range rapid.IntRange(0, 4).Draw(rt, "pages") {
				_, _ = l.step(context.Background()) // what fails is tried again
			}
			p.mu.Lock()
			p.before, p.blocks = nil, later
			p.mu.Unlock()
			if rapid.Bool().Draw(rt, "restart") {
				before := d.news
				l, d = newListener(t, l.through.Number, p.url)
				d.news = before
				l.deliver = d.deliver
			}
		}
		if err := l.settle(rt); err != nil {
			rt.Fatal(err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if want := p.confirmed(0, paperDepth); !slices.Equal(d.all(), want) {
			rt.Fatalf("told %q, want %q", d.all(), want)
		}
	})
}

// A reader that stops between any two pages, or whose store fails, goes on where it
// was.
func TestRestartInCatchUp(t *testing.T) {
	for pages := range 8 {
		p := busy(t, 29)
		l, d := newListener(t, 0, p.url)
		for range pages {
			if _, err := l.step(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		full := errors.New("disk full")
		d.refuses = full
		if _, err := l.step(context.Background()); pages < 7 && (!errors.Is(err, full) || !errors.Is(l.ended, full)) {
			t.Errorf("after %d pages: %v", pages, err)
		}
		from := uint64(0)
		if pages > 0 {
			from = d.last().Through
		}
		if want := min(4*uint64(pages), 27); from != want {
			t.Errorf("after %d pages: through %d, want %d", pages, from, want)
		}
		again, rest := newListener(t, from, p.url)
		if err := again.settle(t); err != nil {
			t.Fatal(err)
		}
		if d.news = append(d.news, rest.news...); !slices.Equal(d.all(), p.confirmed(0, paperDepth)) {
			t.Errorf("after %d pages: %q", pages, d.all())
		}
	}
}

// FollowChannels waits for an endpoint that is down, and ends with its context or
// with whom it tells.
func TestFollowChannels(t *testing.T) {
	p := busy(t, 9)
	l, d := newListener(t, 0, p.url)
	c := l.Chain
	c.cfg.Poll = time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	p.down = 3
	err := c.FollowChannels(ctx, 0, func(ctx context.Context, n channel.News) error {
		if err := c.FollowChannels(ctx, 0, d.deliver); err == nil || errors.Is(err, context.Canceled) {
			t.Error("two follow at a time")
		}
		if n.Through == 7 {
			cancel()
		}
		return d.deliver(ctx, n)
	})
	if !errors.Is(err, context.Canceled) || !slices.Equal(d.all(), p.confirmed(0, paperDepth)) {
		t.Errorf("told %q, %v", d.all(), err)
	}
	full := errors.New("disk full")
	if err := c.FollowChannels(context.Background(), 0, func(context.Context, channel.News) error { return full }); !errors.Is(err, full) {
		t.Errorf("deliver fails: %v", err)
	}
	if tip, err := c.Tip(context.Background()); err != nil || tip != (channel.Head{Height: 9, Time: 1009}) {
		t.Errorf("tip %+v, %v", tip, err)
	}
	none := newFollower(t, p.url)
	if err := none.FollowChannels(context.Background(), 0, d.deliver); !errors.Is(err, ErrConfig) {
		t.Errorf("no contract: %v", err)
	}
}

// A thousand events of ours in one block.
func BenchmarkChannelBlock(b *testing.B) {
	p := newPaper(b)
	l, d := newListener(b, 0, p.url)
	l.cfg.Depth = 1
	notes := make([]entry, 1000)
	for i := range notes {
		notes[i] = deposited(uint64(i), us, above)
	}
	for b.Loop() {
		p.mu.Lock()
		p.note(notes...)
		p.mu.Unlock()
		if _, err := l.step(context.Background()); err != nil {
			b.Fatal(err)
		}
		if n := d.last(); len(n.Events) != 1000 {
			b.Fatalf("%d events", len(n.Events))
		}
		d.news = d.news[:0]
	}
}
