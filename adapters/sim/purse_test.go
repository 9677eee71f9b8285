package sim

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// A bank is a chain of outputs on which alice has locked a million for bob.
type bank struct {
	*testing.T
	chain      *Outputs
	alice, bob *Purse
	order      trade.Order // bob's, to redeem it
}

// inBank runs a test in a bank of its own, under fake time.
func inBank(t *testing.T, test func(bank)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := bank{T: t, chain: NewOutputs(contracts.BTC, 10*time.Minute, 5000)}
		b.chain.Give("alice", contracts.Units(10_000_000), 3)
		b.alice, b.bob = b.chain.Purse(NewLife(t.Context(), "alice", nil)), b.chain.Purse(NewLife(t.Context(), "bob", nil))
		alice, bob := party(t, b.alice), party(t, b.bob)
		b.order = trade.Order{ID: goodSecret.Hash(), Number: 1, Purpose: trade.Lock, Terms: contracts.Terms{
			Asset: contracts.Native(contracts.BTC), Amount: contracts.Units(1_000_000), Hash: goodSecret.Hash(),
			Expiry: uint64(time.Now().Unix()) + 3600, Redeemer: bob, Refunder: alice, Form: contracts.P2TR}}
		txs, err := b.alice.Prepare(t.Context(), b.order)
		if err == nil {
			err = b.alice.Send(t.Context(), txs[0])
		}
		if err != nil {
			t.Fatal(err)
		}
		b.chain.Mine()
		b.order.Purpose, b.order.Secret = trade.Redeem, &goodSecret
		b.order.Spot = b.chain.Fate(trade.Watch{Terms: b.order.Terms}).Lock
		test(b)
	})
}

func party(t *testing.T, p *Purse) contracts.Party {
	t.Helper()
	who, err := p.Party(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return who
}

// Each row is one change to what bob asks of alice, or to what she answers: half
// of a signature that redeems her lock.
func TestCosign(t *testing.T) {
	for _, r := range []struct {
		name   string
		ask    func(*trade.CosignRequest)
		answer func(*trade.CosignAnswer)
		want   error
	}{
		{"good", nil, nil, nil},
		{"another trade", func(q *trade.CosignRequest) { q.ID[0] ^= 1 }, nil, trade.ErrStatus},
		{"another chain", func(q *trade.CosignRequest) { q.Chain = contracts.LTC }, nil, trade.ErrStatus},
		{"another lock", func(q *trade.CosignRequest) { q.TxID[0] ^= 1 }, nil, trade.ErrStatus},
		{"another output", func(q *trade.CosignRequest) { q.Index++ }, nil, trade.ErrStatus},
		{"another purpose", func(q *trade.CosignRequest) { q.Purpose = trade.Send }, nil, trade.ErrStatus},
		{"no secret", func(q *trade.CosignRequest) { q.Secret = "" }, nil, trade.ErrSecret},
		{"wrong secret", func(q *trade.CosignRequest) { q.Secret = contracts.Secret{1}.Reveal() }, nil, trade.ErrSecret},
		{"fee of all but dust", func(q *trade.CosignRequest) { q.Fee = contracts.Units(1_000_000 - 293) }, nil, contracts.ErrDust},
		{"fee above all", func(q *trade.CosignRequest) { q.Fee = contracts.Units(1<<64 - 1) }, nil, contracts.ErrDust},
		{"strange destination", func(q *trade.CosignRequest) { q.To = []byte{0x51} }, nil, contracts.ErrOutput},
		{"nonce cut", func(q *trade.CosignRequest) { q.Nonce = q.Nonce[:65] }, nil, contracts.ErrNonce},
		{"nonce of nothing", func(q *trade.CosignRequest) { q.Nonce = make([]byte, 66) }, nil, contracts.ErrNonce},
		{"half cut", nil, func(a *trade.CosignAnswer) { a.Partial = a.Partial[:31] }, contracts.ErrPartial},
		{"half turned", nil, func(a *trade.CosignAnswer) { a.Partial[31] ^= 1 }, contracts.ErrPartial},
		{"answer's nonce cut", nil, func(a *trade.CosignAnswer) { a.Nonce = nil }, contracts.ErrNonce},
	} {
		t.Run(r.name, func(t *testing.T) {
			inBank(t, func(b bank) {
				s, err := b.bob.Propose(b.Context(), b.order)
				if err != nil {
					b.Fatal(err)
				}
				q := s.Request()
				if r.ask != nil {
					r.ask(&q)
				}
				a, err := b.alice.Cosign(b.Context(), b.order, q)
				if r.ask != nil {
					if !errors.Is(err, r.want) {
						b.Errorf("cosigned: %v, want %v", err, r.want)
					}
					return
				}
				if err != nil {
					b.Fatal(err)
				}
				if r.answer != nil {
					r.answer(&a)
				}
				tx, err := s.Finish(a)
				if !errors.Is(err, r.want) || (err == nil) != (r.want == nil) {
					b.Fatalf("finish: %v, want %v", err, r.want)
				}
				if err != nil {
					return
				}
				if err := b.bob.Send(b.Context(), tx); err != nil {
					b.Fatal(err)
				}
				if end := b.chain.Fate(trade.Watch{Terms: b.order.Terms}).End; end == nil || end.Kind != trade.ByBoth {
					b.Errorf("ended %+v", end)
				}
			})
		})
	}
}

// Each row is one change to bob's good order to redeem; so are the orders to
// propose a joint signature refused.
func TestPurseRefuses(t *testing.T) {
	for _, r := range []struct {
		name     string
		change   func(*trade.Order)
		want     error
		proposed error
	}{
		{"good", func(*trade.Order) {}, nil, nil},
		{"no lock named", func(o *trade.Order) { o.Spot = nil }, trade.ErrStatus, trade.ErrStatus},
		{"no secret", func(o *trade.Order) { o.Secret = nil }, trade.ErrSecret, trade.ErrSecret},
		{"another secret", func(o *trade.Order) { o.Secret = &contracts.Secret{1} }, contracts.ErrSecret, trade.ErrSecret},
		{"another's keys", func(o *trade.Order) { o.Number = 2 }, contracts.ErrKey, contracts.ErrKey},
		{"another chain", func(o *trade.Order) { o.Terms.Asset = contracts.Native(contracts.LTC) }, contracts.ErrTerms, nil},
		{"no joint form", func(o *trade.Order) { o.Terms.Form = contracts.P2WSH }, nil, contracts.ErrTerms},
		{"absurd lock", func(o *trade.Order) { s := *o.Spot; s.Amount = contracts.Units(1 << 63); o.Spot = &s }, contracts.ErrTerms, contracts.ErrTerms},
		{"just worth it", func(o *trade.Order) { s := *o.Spot; s.Amount = contracts.Units(587); o.Spot = &s }, nil, nil},
		{"dust is left", func(o *trade.Order) { s := *o.Spot; s.Amount = contracts.Units(586); o.Spot = &s }, contracts.ErrDust, contracts.ErrDust},
		{"a purpose of EVM", func(o *trade.Order) { o.Purpose = trade.Approve }, trade.ErrStatus, nil},
		{"send dust", func(o *trade.Order) { o.Purpose, o.To, o.Terms.Amount = trade.Send, "alice.btc", contracts.Units(293) }, contracts.ErrDust, nil},
		{"send too much", func(o *trade.Order) {
			o.Purpose, o.To, o.Terms.Amount = trade.Send, "alice.btc", contracts.Units(1<<63)
		}, contracts.ErrTerms, nil},
		{"send what is not there", func(o *trade.Order) { o.Purpose, o.To = trade.Send, "alice.btc" }, trade.ErrShort, nil},
	} {
		t.Run(r.name, func(t *testing.T) {
			inBank(t, func(b bank) {
				o := b.order
				r.change(&o)
				if _, err := b.bob.Prepare(b.Context(), o); !errors.Is(err, r.want) || (err == nil) != (r.want == nil) {
					b.Errorf("%v, want %v", err, r.want)
				}
				if _, err := b.bob.Propose(b.Context(), o); r.proposed != nil && !errors.Is(err, r.proposed) {
					b.Errorf("proposed: %v, want %v", err, r.proposed)
				}
			})
		})
	}
}

// A lock whose refund cannot be signed is not made, and its coins stay free.
func TestNoLockWithoutRefund(t *testing.T) {
	inBank(t, func(b bank) {
		before, _, err := b.alice.Balance(b.Context(), b.order.Terms.Asset)
		if err != nil {
			b.Fatal(err)
		}
		o := b.order
		o.Purpose, o.Terms.Hash, o.Number = trade.Lock, contracts.Secret{5}.Hash(), 2
		if _, err := b.alice.Prepare(b.Context(), o); !errors.Is(err, contracts.ErrKey) {
			b.Fatalf("locked: %v", err)
		}
		if after, _, err := b.alice.Balance(b.Context(), o.Terms.Asset); err != nil || after != before {
			b.Errorf("free are %s after %s: %v", after, before, err)
		}
	})
}

// Each row is one change to the lock that all endpoints see.
func TestAgree(t *testing.T) {
	for _, r := range []struct {
		name   string
		change func(b bank, f *trade.Fate)
		want   error
	}{
		{"good", func(bank, *trade.Fate) {}, nil},
		{"no lock", func(_ bank, f *trade.Fate) { f.Lock = nil }, trade.ErrNotYet},
		{"not mined", func(_ bank, f *trade.Fate) { f.Lock.Height = 0 }, trade.ErrNotYet},
		{"another transaction", func(_ bank, f *trade.Fate) { f.Lock.TxID[0]++ }, ErrDown},
		{"another output", func(_ bank, f *trade.Fate) { f.Lock.Index++ }, ErrDown},
		{"another height", func(_ bank, f *trade.Fate) { f.Lock.Height-- }, ErrDown},
		{"undone", func(b bank, _ *trade.Fate) { b.chain.Reorg(1, false) }, ErrDown},
		{"being spent", func(b bank, _ *trade.Fate) { b.redeems() }, ErrDown},
		{"spent, as is known", func(b bank, f *trade.Fate) { b.redeems(); f.End = b.chain.Fate(trade.Watch{Terms: b.order.Terms}).End }, nil},
	} {
		t.Run(r.name, func(t *testing.T) {
			inBank(t, func(b bank) {
				w := trade.Watch{Terms: b.order.Terms}
				f := b.chain.Fate(w)
				r.change(b, &f)
				if err := b.bob.Agree(b.Context(), w, f); !errors.Is(err, r.want) || (err == nil) != (r.want == nil) {
					b.Errorf("%v, want %v", err, r.want)
				}
			})
		})
	}
}

// redeems lets bob redeem, as far as the pool.
func (b bank) redeems() {
	b.Helper()
	txs, err := b.bob.Prepare(b.Context(), b.order)
	if err == nil {
		err = b.bob.Send(b.Context(), txs[0])
	}
	if err != nil {
		b.Fatal(err)
	}
}
