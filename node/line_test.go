package node

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"photon/contracts"
	"photon/node/ledger"
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
