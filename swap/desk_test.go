package swap

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// Two requests with one id at once pay once, whichever is answered.
func TestSendTwiceAtOncePaysOnce(t *testing.T) {
	run(t, func(k *kit) { k.btc.slow = time.Second }, func(k *kit) {
		var wait sync.WaitGroup
		for range 2 {
			wait.Go(func() {
				_, err := k.Send(k.t.Context(), contracts.Hash{7}, contracts.Native(contracts.BTC), "bob", contracts.Units(5), contracts.Amount{})
				if err != nil && !errors.Is(err, trade.ErrConflict) {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if got := k.btc.did(trade.Send); len(got) != 1 {
			t.Errorf("paid %d times", len(got))
		}
		if _, err := k.Send(k.t.Context(), contracts.Hash{7}, contracts.Native(contracts.BTC), "bob", contracts.Units(5), contracts.Amount{}); err != nil {
			t.Errorf("asked again: %v", err)
		}
		if got := k.btc.did(trade.Send); len(got) != 1 {
			t.Errorf("paid %d times", len(got))
		}
	})
}

// Alice has a million and is asked for half of it, with the fee, three times at
// once: she promises it once, so that no taker locks for nothing.
func TestWhatIsPromisedIsNotPromisedAgain(t *testing.T) {
	run(t, nil, func(k *kit) {
		o := offerOf("alice")
		if err := k.disk.SaveOffer(k.t.Context(), o); err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		var mu sync.Mutex
		refused := 0
		for n := range uint64(3) {
			wait.Go(func() {
				raw, err := k.Receive(k.t.Context(), "bob", trade.Encode(takeOf(o, n+1)))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if len(raw) > 0 {
					refused++
				}
			})
		}
		wait.Wait()
		if all, err := k.Trades(k.t.Context(), true); err != nil || len(all) != 1 || refused != 2 {
			t.Errorf("%d trades, %d refused, %v", len(all), refused, err)
		}
	})
}

// As taker she cannot promise it twice either.
func TestTakesAreNotPromisedTwice(t *testing.T) {
	run(t, nil, func(k *kit) {
		o := offerOf("bob")
		if err := k.disk.SaveOffer(k.t.Context(), o); err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for range 3 {
			q, err := k.Quote(k.t.Context(), o.Digest(), contracts.Units(500_000), false)
			if err != nil {
				t.Fatal(err)
			}
			wait.Go(func() {
				if _, err := k.Take(k.t.Context(), q.ID); err != nil && !errors.Is(err, trade.ErrShort) {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if all, err := k.Trades(k.t.Context(), true); err != nil || len(all) != 1 {
			t.Errorf("%d trades, %v", len(all), err)
		}
		k.after(100 * time.Second) // past the quotes' time
		if len(k.quotes) != 1 {
			t.Errorf("%d quotes are kept, one was taken", len(k.quotes))
		}
		k.after(keepTaken * time.Second)
		if len(k.quotes) != 0 {
			t.Errorf("%d quotes are kept for ever", len(k.quotes))
		}
	})
}

// Bob's node has lost one trade and refuses all that is said of it. The others
// are told of theirs.
func TestDeadLetterHoldsUpNoOther(t *testing.T) {
	var dead, live trade.Trade
	run(t, func(k *kit) {
		dead, live = second(1, false), second(2, false)
		k.disk.put(dead)
		k.disk.put(live)
		k.bob.answer = func(m trade.Message) ([]byte, error) {
			if a, is := m.(trade.Abandon); is && a.ID == dead.ID {
				return nil, trade.ErrUnknown
			}
			return nil, nil
		}
	}, func(k *kit) {
		for _, id := range []contracts.Hash{dead.ID, live.ID} {
			if err := k.Leave(k.t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		k.after(2 * time.Second)
		if len(k.bob.heard) != 1 {
			t.Errorf("told Bob %v", k.bob.heard)
		}
	})
}

// A refusal that comes when we have given up ourselves is the end of asking.
func TestRefusalTooLateEndsTheAsking(t *testing.T) {
	asked := 0
	run(t, nil, func(k *kit) {
		o := offerOf("bob")
		if err := k.disk.SaveOffer(k.t.Context(), o); err != nil {
			t.Fatal(err)
		}
		k.bob.answer = func(m trade.Message) ([]byte, error) {
			if q, is := m.(trade.Take); is {
				asked++
				time.Sleep(5 * time.Second)
				return trade.Encode(trade.Refuse{ID: q.First.Hash, Reason: "no"}), nil
			}
			return nil, nil
		}
		q, err := k.Quote(k.t.Context(), o.Digest(), contracts.Units(500_000), false)
		if err != nil {
			t.Fatal(err)
		}
		a, err := k.Take(k.t.Context(), q.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Leave(k.t.Context(), a.ID); err != nil {
			t.Fatal(err)
		}
		k.after(5 * time.Minute)
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// A head that comes while another change of the trade waits to be stored counts.
func TestHeadIsNotLostBehindAnEvent(t *testing.T) {
	var a trade.Trade
	run(t, func(k *kit) {
		a = first(1, true)
		k.disk.put(a)
	}, func(k *kit) {
		var wait sync.WaitGroup
		held, go_ := make(chan struct{}), make(chan struct{})
		wait.Go(func() { // holds the loop, so that what follows is one batch
			k.do(k.t.Context(), func() (trade.Change, error) { close(held); <-go_; return trade.Change{}, nil }, nil)
		})
		<-held
		wait.Go(func() { k.heard(k.t.Context(), "bob", a.ID, trade.LeftByPartner{}) })
		time.Sleep(time.Millisecond)
		k.btc.mine()
		time.Sleep(time.Millisecond)
		close(go_)
		wait.Wait()
		k.after(10 * time.Millisecond)
		if got, want := k.now(a.ID).Ours.Head.Height, k.btc.height; got != want {
			t.Errorf("head %d, want %d", got, want)
		}
	})
}

// Whoever asks a desk that has stopped is told, and not kept waiting.
func TestAskedAfterTheEnd(t *testing.T) {
	run(t, nil, func(k *kit) {
		k.end()
		ctx, cancel := context.WithTimeout(k.t.Context(), time.Hour)
		defer cancel()
		for range 300 {
			if _, err := k.Heads(ctx); !errors.Is(err, errEnded) {
				t.Fatal(err)
			}
		}
	})
}

// Old takes, said again by whoever, do not make us read all that is stored.
func TestOldTakeIsRefusedFromMemory(t *testing.T) {
	run(t, func(k *kit) {
		b := second(1, false)
		b.Status = trade.Cancelled
		k.disk.put(b)
		time.Sleep(2 * time.Hour) // it is over
	}, func(k *kit) {
		before := k.disk.reads
		for range 10 {
			for _, from := range []string{"bob", "mallory"} {
				raw, err := k.Receive(k.t.Context(), from, trade.Encode(takeOf(offerOf("alice"), 1)))
				if m, _ := trade.Decode(raw); err != nil || m != (trade.Refuse{ID: secrets{}.Secret(1).Hash(), Reason: "hash was used before"}) {
					t.Errorf("%v, %v", m, err)
				}
			}
			if _, err := k.Receive(k.t.Context(), "bob", trade.Encode(trade.Accept{ID: secrets{}.Secret(1).Hash()})); !errors.Is(err, trade.ErrUnknown) {
				t.Error(err)
			}
		}
		if k.disk.reads != before {
			t.Errorf("read all trades %d times", k.disk.reads-before)
		}
	})
}
