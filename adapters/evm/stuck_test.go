package evm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// later moves a person's clock from the real time on.
func (p *person) later(d time.Duration) {
	p.SetClock(func() time.Time { return time.Now().Add(d) })
}

// free asks Hasten for a transaction again and again, as the desk does, and sends
// and mines what it gives, all but the last time.
func (w *world) free(p *person, o trade.Order, tx trade.Tx) (made []trade.Tx) {
	w.t.Helper()
	for range 5 {
		next, err := p.Hasten(bg, o, tx)
		if errors.Is(err, trade.ErrNotYet) {
			return made
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if made = append(made, next); p.Send(bg, next) != nil {
			w.t.Fatalf("send %s: %v", next.Purpose, p.Send(bg, next))
		}
		w.sim.Commit()
	}
	w.t.Fatalf("no end: %d transactions", len(made))
	return nil
}

// pass lets the chain's time pass the expiry of every leg.
func (w *world) pass() {
	w.t.Helper()
	if err := w.sim.AdjustTime(2 * time.Hour); err != nil {
		w.t.Fatal(err)
	}
}

// A lock was stored and never sent; its trade may have been given up. The lock
// behind it gets its nonce freed, in one run or after a restart, and the first
// never gets in.
func TestUnsentLockHoldsUpNothing(t *testing.T) {
	for _, kind := range []contracts.Chain{contracts.ETH, contracts.SMT} {
		for _, restart := range []bool{false, true} {
			w := newWorld(t, kind)
			first := w.alice.prepare(t, w.lockOrder(w.native(), 1))
			o := w.lockOrder(w.native(), 2)
			second := w.alice.make(t, o)[0]
			w.sim.Commit()
			p := w.alice
			if restart {
				p = w.person(p.key, w.gate.URL)
				if err := p.Resume(bg, []trade.Tx{second, first}); err != nil {
					t.Fatal(err)
				}
			}
			p.later(50 * time.Second)
			if made := w.free(p, o, second); len(made) > 0 {
				t.Fatalf("gave away the nonce of a lock that may be on its way: %+v", made)
			}
			p.later(61 * time.Second)
			made := w.free(p, o, second)
			if len(made) != 1 || made[0].TxID == first.TxID || made[0].Purpose != trade.Send {
				t.Fatalf("restart %t: made %+v", restart, made)
			}
			fill, lock := decode(t, made[0]), decode(t, first)
			if fill.Nonce() != lock.Nonce() || len(fill.Data()) > 0 || fill.Value().Sign() != 0 || 8*fill.GasPrice().Int64() < 9*lock.GasPrice().Int64() {
				t.Errorf("filled with %+v", fill)
			}
			w.mined(made[0], second)
			if err := p.Send(bg, first); !errors.Is(err, trade.ErrSpent) {
				t.Errorf("the lock that was given up: %v", err)
			}
		}
	}
}

// Once its nonce is given away the lock stays in, even if that is not out yet.
func TestGivenUpLockIsNotSent(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	first := w.alice.prepare(t, w.lockOrder(w.native(), 1))
	o := w.lockOrder(w.native(), 2)
	second := w.alice.make(t, o)[0]
	w.alice.later(61 * time.Second)
	fill, err := w.alice.Hasten(bg, o, second)
	if err != nil {
		t.Fatal(err)
	}
	again := w.person(w.alice.key, w.gate.URL)
	if err := again.Resume(bg, []trade.Tx{first, second, fill}); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*person{w.alice, again} {
		if err := p.Send(bg, first); !errors.Is(err, trade.ErrSpent) {
			t.Errorf("the lock that was given up: %v", err)
		}
	}
	if made := w.free(again, o, second); len(made) != 1 || made[0].TxID != fill.TxID {
		t.Errorf("what was stored and not sent is to be sent again: %+v", made)
	}
	w.mined(fill, second)
}

// What one endpoint has lost another may hold: then it is not lost. Nor when the
// endpoints cannot be asked.
func TestLostIsWhatNobodyKnows(t *testing.T) {
	for name, fault := range map[string]fault{
		"lost":    only("eth_getTransactionByHash", nil, nil),
		"unasked": only("eth_getTransactionByHash", nil, saying{Code: -32601, Message: "method not found"}),
	} {
		w := newWorld(t, contracts.ETH)
		first := w.alice.make(t, w.lockOrder(w.native(), 1))[0]
		o := w.lockOrder(w.native(), 2)
		second := w.alice.make(t, o)[0]
		bad := newGate(t, w.back, false)
		bad.set(false, fault)
		p := w.person(w.alice.key, bad.URL, w.gate.URL)
		if name == "unasked" {
			p = w.person(w.alice.key, bad.URL)
		}
		if err := p.Resume(bg, []trade.Tx{first, second}); err != nil {
			t.Fatal(err)
		}
		p.later(time.Hour)
		if made, err := p.Hasten(bg, o, second); !errors.Is(err, trade.ErrNotYet) {
			t.Errorf("%s: made %+v, %v", name, made, err)
		}
	}
}

// A redeem, a refund and an approval that were never sent are sent as they are. A
// redeem whose lock has gone is not: it would only show the secret.
func TestUnsentIsSentAgain(t *testing.T) {
	for _, row := range []struct {
		name  string
		what  trade.Purpose
		ended bool // the leg, before anybody asks
		again bool
	}{
		{"approval", trade.Approve, false, true},
		{"refund", trade.Refund, false, true},
		{"redeem", trade.Redeem, false, true},
		{"redeem of what was taken back", trade.Redeem, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, contracts.ETH)
			secret := contracts.Secret{9}
			terms := w.terms(w.native(), w.bob, w.alice, secret)
			side := trade.Theirs
			if row.what == trade.Refund {
				terms = w.terms(w.native(), w.alice, w.bob, secret)
				side = trade.Ours
			}
			locker := map[bool]*person{true: w.alice, false: w.bob}[side == trade.Ours]
			w.alice.follow(t, trade.Watch{ID: terms.Hash, Side: side, Terms: terms})
			locker.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms})
			w.sim.Commit()
			w.alice.await(t, side, "lock", lockedAt(w.height()))
			if row.what == trade.Refund {
				w.pass()
			}
			var unsent trade.Tx
			if row.what == trade.Approve {
				txs, err := w.alice.Prepare(bg, w.lockOrder(w.tokens(), 1))
				if err != nil {
					t.Fatal(err)
				}
				w.alice.Release(txs[1])
				unsent = txs[0]
			} else {
				unsent = w.alice.prepare(t, trade.Order{ID: terms.Hash, Side: side, Purpose: row.what, Terms: terms, Secret: &secret})
			}
			if row.ended {
				w.pass()
				w.bob.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Refund, Terms: terms})
				w.sim.Commit()
				w.alice.await(t, side, "refund", func(_ trade.Head, f trade.Fate) bool { return f.End != nil && f.End.Height > 0 })
			}
			o := w.lockOrder(w.native(), 2)
			o.Terms.Expiry += 24 * 3600
			stuck := w.alice.make(t, o)[0]
			w.alice.later(61 * time.Second)
			made := w.free(w.alice, o, stuck)
			if len(made) != 1 || bytes.Equal(made[0].Raw, unsent.Raw) != row.again || decode(t, made[0]).Nonce() != decode(t, unsent).Nonce() {
				t.Fatalf("made %+v", made)
			}
			w.mined(made[0], stuck)
		})
	}
}

// A payment is a promise: what nobody has is sent. Only when no endpoint takes it
// either, its nonce is used otherwise.
func TestUnsentPayment(t *testing.T) {
	for _, takes := range []bool{true, false} {
		w := newWorld(t, contracts.SMT)
		pay := w.alice.prepare(t, trade.Order{ID: contracts.Hash{1}, Side: trade.Ours, Purpose: trade.Send, To: w.bob.Account().Hex(),
			Terms: contracts.Terms{Asset: w.native(), Amount: contracts.Units(5)}})
		o := w.lockOrder(w.native(), 2)
		stuck := w.alice.make(t, o)[0]
		p := w.person(w.alice.key, w.gate.URL)
		if err := p.Resume(bg, []trade.Tx{pay, stuck}); err != nil {
			t.Fatal(err)
		}
		p.later(61 * time.Second)
		if !takes {
			again, err := p.Hasten(bg, o, stuck)
			if err != nil || again.TxID != pay.TxID {
				t.Fatalf("not tried: %+v, %v", again, err)
			}
			w.gate.set(false, only("eth_sendRawTransaction", nil, saying{Code: -32000, Message: "insufficient funds for gas * price + value"}))
			if err := p.Send(bg, again); !errors.Is(err, trade.ErrShort) {
				t.Fatal(err)
			}
			w.gate.set(false, nil)
		}
		made := w.free(p, o, stuck)
		if len(made) != 1 || (made[0].TxID == pay.TxID) != takes {
			t.Fatalf("taken %t: made %+v", takes, made)
		}
		w.mined(made[0], stuck)
	}
}

// An endpoint that takes a transaction and says that it does not know it does not
// keep us from raising its fee.
func TestUnknownAfterItWasTaken(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	approve, err := w.alice.Prepare(bg, w.lockOrder(w.tokens(), 1))
	if err != nil {
		t.Fatal(err)
	}
	w.alice.Release(approve[1])
	o := w.lockOrder(w.native(), 2)
	stuck := w.alice.make(t, o)[0]
	w.gate.set(false, func(method string, _ []json.RawMessage) (any, error, bool) {
		return nil, nil, method == "eth_getTransactionByHash"
	})
	again, err := w.alice.Hasten(bg, o, stuck)
	if err != nil || again.TxID != approve[0].TxID {
		t.Fatalf("sent again: %+v, %v", again, err)
	}
	if err := w.alice.Send(bg, again); err != nil {
		t.Fatal(err)
	}
	if more, err := w.alice.Hasten(bg, o, stuck); !errors.Is(err, trade.ErrNotYet) {
		t.Fatalf("again at once: %+v, %v", more, err)
	}
	o.Deadline = uint64(time.Now().Add(4 * time.Minute).Unix())
	if raised, err := w.alice.Hasten(bg, o, stuck); err != nil || raised.TxID == again.TxID || decode(t, raised).Nonce() != decode(t, again).Nonce() {
		t.Errorf("raised %+v, %v", raised, err)
	}
}
