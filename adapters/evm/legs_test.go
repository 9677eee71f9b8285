package evm_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

var bg = context.Background()

// both runs a story on each kind of chain, with coins and with tokens.
func both(t *testing.T, story func(*testing.T, *world, contracts.Asset)) {
	for _, kind := range []contracts.Chain{contracts.ETH, contracts.SMT} {
		for _, token := range []bool{false, true} {
			name := string(kind)
			if token {
				name += " token"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, kind)
				asset := w.native()
				if token {
					asset = w.tokens()
				}
				story(t, w, asset)
			})
		}
	}
}

// Alice locks, Bob sees it, all endpoints agree, Bob redeems with the secret, and
// Alice learns it. What they paid is what Follow says.
func TestLockAndRedeem(t *testing.T) {
	both(t, func(t *testing.T, w *world, asset contracts.Asset) {
		secret := contracts.Secret{1}
		terms := w.terms(asset, w.alice, w.bob, secret)
		w.follow(terms)
		before := w.alice.holds(t, w.native())
		o := trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms}
		txs := w.alice.make(t, o)
		waiting := w.alice.await(t, trade.Ours, "waiting lock", func(_ trade.Head, f trade.Fate) bool { return f.Lock != nil })
		if waiting.Lock.Height != 0 || waiting.Lock.TxID != txs[len(txs)-1].TxID {
			t.Fatalf("before it is mined: %+v", waiting.Lock)
		}
		w.sim.Commit()
		at := w.height()
		seen := w.bob.await(t, trade.Theirs, "lock", lockedAt(at))
		w.alice.await(t, trade.Ours, "lock with its fee", func(_ trade.Head, f trade.Fate) bool {
			return f.Lock != nil && f.Lock.Height == at && !f.Lock.Fee.IsZero()
		})
		if err := w.bob.Agree(bg, trade.Watch{ID: terms.Hash, Side: trade.Theirs, Terms: terms}, seen); err != nil {
			t.Fatal(err)
		}
		w.bob.make(t, trade.Order{ID: terms.Hash, Side: trade.Theirs, Purpose: trade.Redeem, Terms: terms, Spot: seen.Lock, Secret: &secret})
		w.sim.Commit()
		end := w.bob.await(t, trade.Theirs, "redeem", ended(trade.BySecret))
		told := w.alice.await(t, trade.Ours, "secret", func(_ trade.Head, f trade.Fate) bool { return f.End != nil && f.End.Secret != nil })
		if *told.End.Secret != secret || told.End.Height != w.height() || !told.End.Fee.IsZero() {
			t.Fatalf("Alice sees %+v", told.End)
		}
		if asset.IsNative() {
			paid := before.Minus(w.alice.holds(t, asset)).Minus(terms.Amount)
			if paid.Cmp(told.Lock.Fee) != 0 {
				t.Errorf("Alice paid %s, Follow says %s", paid, told.Lock.Fee)
			}
			return
		}
		if got := w.bob.holds(t, asset); got.Cmp(terms.Amount) != 0 || end.End.Fee.IsZero() {
			t.Errorf("Bob has %s tokens, fee %s", got, end.End.Fee)
		}
	})
}

// Bob never redeems. Alice cannot refund early, and can in time.
func TestRefund(t *testing.T) {
	both(t, func(t *testing.T, w *world, asset contracts.Asset) {
		secret := contracts.Secret{2}
		terms := w.terms(asset, w.alice, w.bob, secret)
		w.follow(terms)
		o := trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms}
		w.alice.make(t, o)
		w.sim.Commit()
		seen := w.alice.await(t, trade.Ours, "lock", lockedAt(w.height()))
		back := o
		back.Purpose, back.Spot = trade.Refund, seen.Lock
		if _, err := w.alice.Prepare(bg, back); !errors.Is(err, trade.ErrNotYet) {
			t.Fatalf("early refund: %v", err)
		}
		if err := w.sim.AdjustTime(2 * time.Hour); err != nil {
			t.Fatal(err)
		}
		late := trade.Order{ID: terms.Hash, Side: trade.Theirs, Purpose: trade.Redeem, Terms: terms, Spot: seen.Lock, Secret: &secret}
		if _, err := w.bob.Prepare(bg, late); !errors.Is(err, trade.ErrTooLate) {
			t.Fatalf("late redeem: %v", err)
		}
		w.alice.make(t, back)
		w.sim.Commit()
		w.alice.await(t, trade.Ours, "refund", ended(trade.ByTime))
		if _, err := w.alice.Prepare(bg, back); !errors.Is(err, trade.ErrSpent) {
			t.Errorf("second refund: %v", err)
		}
		if _, err := w.alice.Prepare(bg, o); !errors.Is(err, trade.ErrSpent) {
			t.Errorf("second lock: %v", err)
		}
		if !asset.IsNative() && w.alice.holds(t, asset).Cmp(contracts.Units(1_000_000)) != 0 {
			t.Errorf("Alice has %s tokens", w.alice.holds(t, asset))
		}
	})
}
