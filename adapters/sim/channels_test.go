package sim

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"photon/contracts"
	"photon/node/channel"
)

// A listener is what one was told of his channels.
type listener struct {
	news []channel.News
	err  error
	stop context.CancelFunc
}

// listen follows the channels of an account from a block.
func (b *bench) listen(who *Account, from uint64) *listener {
	ctx, cancel := context.WithCancel(b.Context())
	l := &listener{stop: cancel}
	go func() {
		l.err = who.FollowChannels(ctx, from, func(_ context.Context, n channel.News) error {
			l.news = append(l.news, n)
			return nil
		})
	}()
	synctest.Wait()
	return l
}

// heard is all events so far, and through which block.
func (l *listener) heard() (kinds []contracts.ChannelKind, through uint64) {
	synctest.Wait()
	for _, n := range l.news {
		for _, e := range n.Events {
			kinds = append(kinds, e.Kind)
		}
		through = n.Through
	}
	return kinds, through
}

// secrets is how many were told of.
func (l *listener) secrets() (n int) {
	for _, news := range l.news {
		n += len(news.Secrets)
	}
	return n
}

var opened = []contracts.ChannelKind{contracts.ChannelOpened, contracts.ChannelDeposited}

// A channel's life is told to both parties, each event once and in order, whatever
// way it ends, and over a restart.
func TestChannelLife(t *testing.T) {
	before := []contracts.ChannelKind{"opened", "deposited", "deposited", "withdrawn"}
	for _, r := range []struct {
		name    string
		end     func(*bench)
		want    []contracts.ChannelKind
		secrets int
		alice   uint64 // of 1000 tokens at first; she has put in 70
	}{
		{"together", (*bench).together, []contracts.ChannelKind{"settled"}, 0, 930 + 50},
		{"alone", (*bench).settle, []contracts.ChannelKind{"closed", "updated", "unlocked", "settled"}, 1, 930 + 60 + 5 - 20 - 7},
		{"punished", (*bench).punish, []contracts.ChannelKind{"closed", "updated", "unlocked", "punished", "settled"}, 1, 930 + 120},
	} {
		t.Run(r.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				alice, bob := b.listen(b.alice, 0), b.listen(b.bob, 0)
				b.open()
				b.withdraw()
				b.mine(depth - 2) // the withdrawal is not confirmed
				some, through := bob.heard()
				bob.stop()
				r.end(b)
				again := b.listen(b.account("bob"), through)
				b.mine(depth - 2)
				if kinds, _ := alice.heard(); slices.Equal(kinds, append(slices.Clone(before), r.want...)) {
					b.Errorf("alice is told of what is not confirmed")
				}
				b.mine(1)
				rest, _ := again.heard()
				all, _ := alice.heard()
				for who, kinds := range map[string][]contracts.ChannelKind{"alice": all, "bob": append(some, rest...)} {
					if want := append(slices.Clone(before), r.want...); !slices.Equal(kinds, want) {
						b.Errorf("%s was told %v, want %v", who, kinds, want)
					}
				}
				if alice.secrets() != r.secrets || again.secrets() != r.secrets {
					b.Errorf("%d and %d secrets, want %d", alice.secrets(), again.secrets(), r.secrets)
				}
				if len(some) == 0 || slices.Contains(some, contracts.ChannelWithdrawn) {
					b.Errorf("bob was told %v before he stopped", some)
				}
				if b.asset.IsNative() {
					return
				}
				if has := b.chain.Balance("alice", b.usd); has != contracts.Units(r.alice) {
					b.Errorf("alice has %s, want %d", has, r.alice)
				}
				if has := b.chain.Balance("bob", b.usd); has != contracts.Units(2000-r.alice) {
					b.Errorf("bob has %s, want %d", has, 2000-r.alice)
				}
			})
		})
	}
}

// What a stranger's channel does is nobody else's news; secrets are everybody's.
func TestOthersChannels(t *testing.T) {
	onBench(t, func(b *bench) {
		carol := b.listen(b.account("carol"), 0)
		b.open()
		b.alone()
		b.mine(depth)
		if kinds, _ := carol.heard(); len(kinds) > 0 || carol.secrets() != 1 {
			b.Errorf("carol was told %v, and of %d secrets", kinds, carol.secrets())
		}
	})
}

// A reorganisation above what is confirmed shows in nothing but the block; one below
// ends the following.
func TestReorganisedChannels(t *testing.T) {
	onBench(t, func(b *bench) {
		l := b.listen(b.alice, 0)
		b.done(b.alice, b.opening())
		b.mine(depth - 2)
		b.chain.Reorg(depth-1, false)
		b.mine(depth)
		if kinds, _ := l.heard(); !slices.Equal(kinds, opened) {
			b.Errorf("told %v", kinds)
		}
		heights := map[uint64]bool{}
		for _, n := range l.news {
			if heights[n.Head.Height] {
				b.Errorf("head %d is told twice", n.Head.Height)
			}
			heights[n.Head.Height] = true
		}
		b.chain.Reorg(depth, true)
		synctest.Wait()
		if !errors.Is(l.err, channel.ErrRewritten) {
			b.Errorf("rewritten: %v", l.err)
		}
	})
}

// Nobody is told twice, or of what the endpoint made up, or ahead of it.
func TestEndpointOfChannels(t *testing.T) {
	for _, r := range []struct {
		name          string
		fail          func(b *bench, e *Endpoint)
		heads, events bool
	}{
		{"good", func(*bench, *Endpoint) {}, true, true},
		{"down", func(_ *bench, e *Endpoint) { e.Fail() }, false, false},
		{"stale", func(b *bench, e *Endpoint) { e.Freeze(b.chain.Height()) }, false, false},
		{"lies", func(_ *bench, e *Endpoint) { e.Lie() }, true, false},
	} {
		t.Run(r.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				b.mine(1)
				l := b.listen(b.alice, 0)
				now := len(l.news)
				e := b.chain.Endpoint("alice")
				txs, err := b.alice.PrepareCall(b.Context(), b.opening())
				for _, tx := range txs {
					err = errors.Join(err, b.alice.SendCall(b.Context(), tx))
				}
				if err != nil {
					b.Fatal(err)
				}
				r.fail(b, e)
				b.mine(depth)
				kinds, _ := l.heard()
				if heads := len(l.news) > now; heads != r.heads || (len(kinds) > 0) != r.events {
					b.Errorf("heads %v, events %v", heads, kinds)
				}
				if h, err := b.alice.Tip(b.Context()); r.name == "good" && (err != nil || h.Height != b.chain.Height()) || r.name == "down" && !errors.Is(err, ErrDown) {
					b.Errorf("head %+v: %v", h, err)
				}
				e.Heal()
				if kinds, _ := l.heard(); !slices.Equal(kinds, opened) {
					b.Errorf("told %v once it is healed", kinds)
				}
			})
		})
	}
}
