package swap

import (
	"context"
	"errors"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// pays asks for a payment of five satoshi.
func (k *kit) pays() (trade.Tx, error) {
	return k.Send(k.t.Context(), contracts.Hash{7}, contracts.Native(contracts.BTC), "bob", contracts.Units(5), contracts.Amount{})
}

// A payment that is stored is a promise, whatever the node says at first. It is
// sent again, ever more slowly, also after a restart, and never made twice.
func TestStoredPaymentIsSentAgain(t *testing.T) {
	run(t, func(k *kit) {
		k.btc.refuse = func(trade.Tx) error { return errors.New("down") }
	}, func(k *kit) {
		tx, err := k.pays()
		if err != nil || tx.TxID.IsZero() {
			t.Fatalf("reported as failed: %v", err)
		}
		if again, err := k.pays(); err != nil || again.TxID != tx.TxID {
			t.Errorf("asked again: %s, %v", again.TxID, err)
		}
		k.after(10 * time.Minute)
		if n := k.btc.count("tried"); n < 8 || n > 30 {
			t.Errorf("tried %d times in ten minutes", n)
		}
		k = k.again(nil)
		k.after(5 * time.Second)
		if got := k.btc.did(trade.Send); len(got) != 1 || got[0] != tx.TxID || k.btc.count("made") > 0 {
			t.Errorf("after a restart: sent %v, made %d", got, k.btc.count("made"))
		}
		before := k.btc.count("tried")
		k.after(24 * time.Hour)
		if n := k.btc.count("tried") - before; n < 20 || n > 40 { // a pool may have dropped it
			t.Errorf("sent %d times more in a day", n)
		}
		k.after(14 * 24 * time.Hour)
		before = k.btc.count("tried")
		k.after(24 * time.Hour)
		if n := k.btc.count("tried") - before; n > 0 {
			t.Errorf("sent %d times more after two weeks", n)
		}
		k.end()
	})
}

// Once what it spends is spent, by itself or not, a payment is over. If that is
// the first that we hear, it has failed.
func TestSpentPaymentIsOver(t *testing.T) {
	spent := func(trade.Tx) error { return trade.ErrSpent }
	run(t, func(k *kit) { k.btc.refuse = spent }, func(k *kit) {
		if _, err := k.pays(); !errors.Is(err, trade.ErrSpent) {
			t.Errorf("a payment that can never be: %v", err)
		}
		k.after(time.Hour)
		if n := k.btc.count("tried"); n != 1 {
			t.Errorf("tried %d times", n)
		}
	})
	run(t, nil, func(k *kit) {
		if _, err := k.pays(); err != nil {
			t.Fatal(err)
		}
		k.btc.mu.Lock()
		k.btc.refuse = spent
		k.btc.mu.Unlock()
		k.after(time.Hour)
		if n := k.btc.count("tried"); n != 2 {
			t.Errorf("tried %d times", n)
		}
		if _, err := k.pays(); err != nil {
			t.Errorf("asked again, as it was paid: %v", err)
		}
	})
}

// A payment that is mined is not sent again, unless a reorganisation undoes it;
// once it is deep, it is over, whatever comes.
func TestMinedPaymentRests(t *testing.T) {
	run(t, nil, func(k *kit) {
		if _, err := k.pays(); err != nil {
			t.Fatal(err)
		}
		tried := func(depth uint64) int {
			k.btc.mu.Lock()
			k.btc.buried = depth
			k.btc.mu.Unlock()
			before := k.btc.count("tried")
			k.after(3 * time.Hour)
			return k.btc.count("tried") - before
		}
		for _, r := range []struct {
			depth uint64
			again bool
		}{{1, false}, {payDeep*2 - 1, false}, {0, true}, {payDeep * 2, false}, {0, false}} {
			if n := tried(r.depth); (n > 0) != r.again {
				t.Errorf("at depth %d: sent %d times", r.depth, n)
			}
		}
	})
}

// Payments do not crowd out trades: a few are sent in a second.
func TestManyPaymentsAreSentLittleByLittle(t *testing.T) {
	run(t, func(k *kit) {
		for n := range byte(100) {
			tx := trade.Tx{ID: contracts.Hash{1, n}, Chain: contracts.BTC, Side: trade.Ours, Purpose: trade.Send, TxID: contracts.Hash{2, n}, Made: unix(time.Now())}
			if err := k.disk.SaveTxs(context.Background(), tx); err != nil {
				t.Fatal(err)
			}
		}
	}, func(k *kit) {
		before := len(k.btc.did(trade.Send))
		k.after(5 * time.Second)
		if n := len(k.btc.did(trade.Send)) - before; n < 5 || n > 6*paysAtOnce {
			t.Errorf("sent %d in five seconds", n)
		}
		k.after(time.Minute)
		if n := len(k.btc.did(trade.Send)); n != 100 {
			t.Errorf("sent %d of 100", n)
		}
	})
}

// A store that fails a payment ends the desk, as any that fails. Whoever asks and
// goes away ends nothing.
func TestStoreThatFailsAPaymentEndsTheDesk(t *testing.T) {
	full := errors.New("disk is full")
	run(t, nil, func(k *kit) {
		ctx, cancel := context.WithCancel(k.t.Context())
		k.btc.slow = time.Second
		time.AfterFunc(time.Millisecond, cancel)
		if _, err := k.Send(ctx, contracts.Hash{8}, contracts.Native(contracts.BTC), "bob", contracts.Units(5), contracts.Amount{}); err != nil {
			t.Errorf("gone while it was made: %v", err)
		}
		k.disk.fails = full
		if _, err := k.pays(); !errors.Is(err, full) {
			t.Fatalf("paid without a store: %v", err)
		}
		if err := <-k.done; !errors.Is(err, full) {
			t.Errorf("the desk ended with %v", err)
		}
		if len(k.btc.did(trade.Send)) != 1 || len(k.btc.released) != 0 { // it may be stored all the same
			t.Errorf("sent %v, released %d", k.btc.did(trade.Send), len(k.btc.released))
		}
		k.stop()
		k.stop = nil
	})
}
