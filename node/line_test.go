package node

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"testing/synctest"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

// Of what a partner asks for faster than he takes it, only so much is kept.
func TestLineIsBounded(t *testing.T) {
	l := &line{work: make(chan struct{}, 1)}
	for range mostWaiting {
		l.say(saying{})
	}
	if l.broken || len(l.queue) != mostWaiting {
		t.Fatalf("%d wait, broken %t", len(l.queue), l.broken)
	}
	l.say(saying{})
	if !l.broken || len(l.queue) != 0 {
		t.Errorf("one more: %d wait, broken %t", len(l.queue), l.broken)
	}
	l.say(saying{})
	if len(l.queue) != 0 {
		t.Error("a broken line keeps what it is told")
	}
	l.mend()
	l.say(saying{})
	if len(l.queue) != 1 {
		t.Error("a line that was met again keeps nothing")
	}
}

// A lost is a store of which nothing can be read.
type lost struct{ Store }

var errLost = errors.New("lost")

func (lost) LoadLedger(context.Context) (ledger.Loaded, error) { return ledger.Loaded{}, errLost }

// Who asks a node that could not begin is told so.
func TestNodeThatCouldNotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Store: lost{}, Log: slog.New(slog.DiscardHandler)})
		if err := n.Run(t.Context()); !errors.Is(err, errLost) {
			t.Fatal(err)
		}
		if _, err := n.Channel(t.Context(), contracts.Hash{}); !errors.Is(err, ErrEnded) {
			t.Errorf("it says %v", err)
		}
	})
}

// However often a packet says where a partner stands, it is answered once a channel.
func TestWithoutOldSyncs(t *testing.T) {
	sync := func(channel byte, sent uint64) message.Message {
		return message.Sync{Channel: contracts.Hash{channel}, Sent: sent}
	}
	reveal := message.Reveal{Channel: contracts.Hash{1}}
	got := withoutOldSyncs([]message.Message{sync(1, 1), reveal, sync(2, 1), sync(1, 2), reveal, sync(1, 3)})
	if want := []message.Message{reveal, sync(2, 1), reveal, sync(1, 3)}; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Who forges a word in a packet is not heard out.
func TestForgedPacket(t *testing.T) {
	self, partner := contracts.Address{1}, contracts.Address{2}
	name := contracts.NameChannel(contracts.Address{}, self, partner, 50)
	key := at.Key(name.ID())
	n := New(Config{
		Ledger: ledger.Config{Self: self, Chains: map[contracts.Chain]ledger.Terms{contracts.SMT: {Contract: at, StaleAfter: 3600}}},
		Store:  &desk{}, Log: slog.New(slog.DiscardHandler),
	})
	opened := ledger.News{Chain: contracts.SMT, News: channel.News{
		Head: channel.Head{Height: 40}, Through: 40}}
	later := ledger.News{Chain: contracts.SMT, News: channel.News{
		Head: channel.Head{Height: 60}, Through: 60, Events: []channel.Happened{{Block: 50, ChannelEvent: contracts.ChannelEvent{
			Kind: contracts.ChannelOpened, ID: name.ID(), First: name.First, Second: name.Second, Window: 600}}}}}
	forged := ledger.Heard{From: partner, Message: message.Update{Channel: key, Proof: contracts.BalanceProof{Nonce: 1}}}
	unknown := ledger.Heard{From: partner, Message: message.Sync{}}
	for _, row := range []struct {
		name   string
		events []ledger.Event
		want   []error
	}{
		{"a stray message", []ledger.Event{unknown, forged}, []error{ledger.ErrChannel, channel.ErrSignature}},
		{"a forged one", []ledger.Event{forged, unknown, forged}, []error{channel.ErrSignature, nil, nil}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &call{events: row.events}
			for _, e := range []ledger.Event{opened, later} {
				if _, err := n.decide(e); err != nil {
					t.Fatal(err)
				}
			}
			if err := n.handle(t.Context(), nil, []*call{c}); err != nil {
				t.Fatal(err)
			}
			for i, want := range row.want {
				if !errors.Is(c.errs[i], want) {
					t.Errorf("message %d: %v, want %v", i, c.errs[i], want)
				}
			}
		})
	}
}
