package sim

import (
	"errors"
	"testing"

	"photon/contracts"
	"photon/node/channel"
	"photon/swap/trade"
)

// A call that waits is paid better in its place, within what there is and is at
// stake, and is not made again once it is done.
func TestHastenCall(t *testing.T) {
	onBench(t, func(b *bench) {
		o := b.opening()
		txs := b.sent(b.alice, o)
		last := txs[len(txs)-1]
		hastened := func(what string, o channel.Order, tx channel.Tx, want bool) channel.Tx {
			faster, ok, err := b.alice.HastenCall(b.Context(), o, tx)
			if ok != want || err != nil {
				b.Fatalf("%s: hastened %v: %v", what, ok, err)
			}
			return faster
		}
		hastened("well paid", o, last, false)
		b.chain.Ask(40_000_000_000)
		for _, tx := range txs[:len(txs)-1] { // its approval holds it up as well
			if err := b.alice.SendCall(b.Context(), hastened("approval", o, tx, true)); err != nil {
				b.Fatal(err)
			}
		}
		faster := hastened("cheap", o, last, true)
		if faster.Fee != last.Fee.Plus(last.Fee) || faster.Order != o.ID || faster.Step != 0 {
			b.Errorf("%+v after %+v", faster, last)
		}
		hastened("hastened already", o, last, false)
		if err := b.alice.SendCall(b.Context(), faster); err != nil {
			b.Fatal(err)
		}
		b.chain.Ask(4_000_000_000_000_000)
		if _, _, err := b.alice.HastenCall(b.Context(), o, faster); !errors.Is(err, channel.ErrShort) {
			b.Errorf("hastened beyond all that there is: %v", err)
		}
		small := o
		small.Stake = faster.Fee
		hastened("more than is at stake", small, faster, false)
		b.chain.Ask(40_000_000_000)
		b.chain.Mine()
		if buried, done, err := b.alice.CallBuried(b.Context(), faster); buried != 1 || !done || err != nil {
			b.Errorf("%d blocks, done %v: %v", buried, done, err)
		}
		if buried, done, err := b.alice.CallBuried(b.Context(), last); buried != 1 || !done || err != nil {
			b.Errorf("what was replaced by it has %d blocks, done %v: %v", buried, done, err)
		}
		hastened("mined", o, last, false)
		if err := b.alice.SendCall(b.Context(), faster); err != nil {
			b.Errorf("sent again: %v", err)
		}
		if again, err := b.alice.PrepareCall(b.Context(), o); err != nil || len(again) != 1 || again[0].ID != faster.ID {
			b.Errorf("made again when it is done: %+v: %v", again, err)
		}
	})
}

// Each row is one change to a good order, alice's opening, and what is said of it.
func TestAccountRefusesCalls(t *testing.T) {
	for _, r := range []struct {
		name   string
		change func(b *bench, o *channel.Order)
		want   error
	}{
		{"good", func(*bench, *channel.Order) {}, nil},
		{"more than she has", func(b *bench, o *channel.Order) {
			data, value := contracts.OpenCall(b.asset.Token, b.bob.address(), window, contracts.Units(2_000_000_000_000_000_000))
			*o = b.paid(data, value, contracts.Units(2_000_000_000_000_000_000))
		}, channel.ErrShort},
		{"fees are more than she has", func(b *bench, _ *channel.Order) { b.chain.Ask(40_000_000_000_000) }, channel.ErrShort},
		{"fees are more than is at stake", func(_ *bench, o *channel.Order) { o.Stake = contracts.Units(1) }, channel.ErrShort},
		{"refused by the contract", func(b *bench, o *channel.Order) {
			data, value := contracts.OpenCall(b.asset.Token, b.bob.address(), window-1, contracts.Units(100))
			*o = b.paid(data, value, contracts.Units(100))
		}, ErrRefused},
		{"less gas than it takes", func(_ *bench, o *channel.Order) { o.Gas = 60_000 }, ErrRefused},
		{"enough gas", func(_ *bench, o *channel.Order) { o.Gas = 200_000 }, nil},
		{"endpoint is down", func(b *bench, _ *channel.Order) { b.chain.Endpoint("alice").Fail() }, ErrDown},
		{"node is stopped", func(b *bench, _ *channel.Order) { b.alice.life.Stop() }, ErrStopped},
	} {
		t.Run(r.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				o := b.opening()
				r.change(b, &o)
				if _, err := b.alice.PrepareCall(b.Context(), o); !errors.Is(err, r.want) || (err == nil) != (r.want == nil) {
					b.Errorf("%v, want %v", err, r.want)
				}
			})
		})
	}
}

// Swaps and channels of an account share its nonces, over a restart too, and what was
// made of an order is found again.
func TestOneLane(t *testing.T) {
	onBench(t, func(b *bench) {
		o, swap := b.opening(), b.court.order(b.asset)
		made, err := b.alice.PrepareCall(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		locked, err := b.alice.Prepare(b.Context(), swap)
		if err != nil {
			b.Fatal(err)
		}
		b.alice = b.account("alice")
		if err := errors.Join(b.alice.Resume(b.Context(), locked), b.alice.ResumeCalls(b.Context(), made)); err != nil {
			b.Fatal(err)
		}
		again, err := b.alice.PrepareCall(b.Context(), o)
		if err != nil || len(again) != len(made) || again[0].ID != made[0].ID {
			b.Fatalf("made %+v, and after a restart %+v: %v", made, again, err)
		}
		data, value := contracts.OpenCall(b.asset.Token, b.account("carol").address(), window, contracts.Units(10))
		other, err := b.alice.PrepareCall(b.Context(), b.paid(data, value, contracts.Units(10)))
		if err != nil {
			b.Fatal(err)
		}
		for _, tx := range append(again, other...) {
			err = errors.Join(err, b.alice.SendCall(b.Context(), tx))
		}
		for _, tx := range locked {
			err = errors.Join(err, b.alice.Send(b.Context(), tx))
		}
		if err != nil {
			b.Fatal(err)
		}
		b.chain.Mine()
		for _, tx := range append(again, other...) {
			if _, done, err := b.alice.CallBuried(b.Context(), tx); !done || err != nil {
				b.Errorf("opening is not done: %v", err)
			}
		}
		if b.chain.Fate(trade.Watch{Terms: swap.Terms}).Lock == nil {
			b.Error("swap is not locked")
		}
	})
}

// What the contract refuses once it is mined is buried and not done.
func TestFailedCall(t *testing.T) {
	onBench(t, func(b *bench) {
		b.open()
		data, value := contracts.DepositCall(b.name, b.first(b.alice), contracts.Units(10))
		o := b.paid(data, value, contracts.Units(10))
		txs, err := b.alice.PrepareCall(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.sent(b.bob, b.order(contracts.CloseCall(b.name, contracts.BalanceProof{}, contracts.Signature{})))
		for range 2 { // a failed one is known too
			for _, tx := range txs {
				if err := b.alice.SendCall(b.Context(), tx); err != nil {
					b.Fatal(err)
				}
			}
			b.chain.Mine()
		}
		if buried, done, err := b.alice.CallBuried(b.Context(), txs[len(txs)-1]); buried != 2 || done || err != nil {
			b.Errorf("%d blocks, done %v: %v", buried, done, err)
		}
		if _, err := b.alice.PrepareCall(b.Context(), o); !errors.Is(err, ErrRefused) {
			b.Errorf("made again: %v", err)
		}
	})
}

// A transaction whose nonce was used behind our back has failed for good once that is
// confirmed, and not before, and its order is made again.
func TestDisplacedCall(t *testing.T) {
	onBench(t, func(b *bench) {
		o := b.opening()
		txs, err := b.alice.PrepareCall(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.otherwise("alice")
		if _, ok, err := b.alice.HastenCall(b.Context(), o, txs[0]); ok || err != nil {
			b.Errorf("hastened %v: %v", ok, err)
		}
		for blocks := range uint64(depth) {
			buried, done, err := b.alice.CallBuried(b.Context(), txs[0])
			if want := []uint64{0, 0, depth}[blocks]; buried != want || done || err != nil {
				b.Errorf("%d blocks later: %d blocks, done %v: %v", blocks, buried, done, err)
			}
			b.chain.Mine()
		}
		if len(txs) == 1 { // an approval that is lost leaves the rest waiting
			b.done(b.alice, o)
		}
		if err := b.alice.SendCall(b.Context(), txs[0]); !errors.Is(err, trade.ErrSpent) {
			b.Errorf("sent: %v", err)
		}
	})
}

// Every broadcast passes the life's hook, under a name.
func TestCallsPassTheHook(t *testing.T) {
	onBench(t, func(b *bench) {
		var points []string
		verdict := Pass
		life := NewLife(b.Context(), "alice", func(p Point) Verdict {
			points = append(points, p.String())
			return verdict
		})
		b.alice = b.chain.Account(life)
		txs := b.sent(b.alice, b.opening())
		if got := points[len(points)-1]; got != "alice send ETH open" || len(points) != len(txs) {
			b.Errorf("points %q", points)
		}
		verdict = StopBefore
		if err := b.alice.SendCall(b.Context(), txs[0]); !errors.Is(err, ErrStopped) {
			b.Errorf("sent when stopped: %v", err)
		}
	})
}

func TestSignDigest(t *testing.T) {
	digest := contracts.Hash{1, 2, 3}
	s, err := Keys("alice").SignDigest(digest)
	if err != nil {
		t.Fatal(err)
	}
	if who, err := s.Signer(digest); err != nil || who != Keys("alice").Account() {
		t.Errorf("signed by %s, want %s: %v", who, Keys("alice").Account(), err)
	}
	if Keys("alice").InvoiceSecret(1) == Keys("alice").InvoiceSecret(2) || Keys("alice").InvoiceSecret(1) == Keys("alice").Secret(1) {
		t.Error("one secret for two")
	}
}
