package utxo

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

func hash160(key *btcec.PrivateKey) []byte {
	return address.Hash160(key.PubKey().SerializeCompressed())
}

// The curve of fees: BTC, a redeem of 143 vB at 10,000 for 1,000 vB; blocks take
// ten minutes.
func TestPrice(t *testing.T) {
	for _, r := range []struct {
		left  time.Duration // to the deadline; -1: none
		stake int64
		want  int64
	}{
		{-1, 1e8, 1430},
		{24 * time.Hour, 1e8, 1430},
		{4 * time.Hour, 1e8, 1430},
		{2 * time.Hour, 1e8, 2 * 1430},
		{time.Hour, 1e8, 4 * 1430},
		{20 * time.Minute, 1e8, 12 * 1430},
		{10 * time.Minute, 1e8, 16 * 1430},
		{0, 1e8, 16 * 1430},
		{time.Hour, 40_000, 4 * 1250}, // 4/32 of the stake
		{0, 40_000, 16 * 1250},
		{0, 1000, 1430}, // never below the plain estimate
	} {
		t.Run(fmt.Sprintf("%v %d", r.left, r.stake), func(t *testing.T) {
			b := newBench(t, contracts.BTC)
			deadline := uint64(epoch) + uint64(r.left/time.Second)
			if r.left < 0 {
				deadline = 0
			}
			if got := b.coin.fee(b.price(t.Context(), deadline), 143, r.stake); got != r.want {
				t.Errorf("%d, want %d", got, r.want)
			}
		})
	}
}

// A chain with faster blocks leaves more of them until the deadline.
func TestPriceOfAFastChain(t *testing.T) {
	b := newBench(t, contracts.BTC)
	b.node.mineEmpty(20) // a minute apart
	b.step()
	if p := b.price(t.Context(), epoch+24*60); p.urge != 1 {
		t.Errorf("24 blocks left: %d times", p.urge)
	}
	if p := b.price(t.Context(), epoch+12*60); p.urge != 2 {
		t.Errorf("12 blocks left: %d times", p.urge)
	}
}

// F18: an estimate that is none, or absurd, or below what relays.
func TestEstimateBounds(t *testing.T) {
	b := newBench(t, contracts.BTC)
	for _, r := range []struct{ said, want int64 }{
		{0, 10_000}, // nothing yet: the fallback
		{5_000, 5_000},
		{0, 5_000}, // the last good
		{2_000_001, 5_000},
		{2_000_000, 2_000_000},
		{-7, 2_000_000},
		{999, 1_000},
	} {
		b.node.rates = []int64{r.said}
		if got := b.price(t.Context(), 0).rate; got != r.want {
			t.Errorf("said %d: %d, want %d", r.said, got, r.want)
		}
	}
	lock, redeem, refund, err := b.Fees(t.Context(), contracts.Native(contracts.BTC))
	if err != nil || sum(lock) != 153 || sum(redeem) != 143 || sum(refund) != 131 {
		t.Errorf("fees %s %s %s, %v", lock, redeem, refund, err)
	}
	if _, _, _, err := b.Fees(t.Context(), contracts.Native(contracts.ETH)); !errors.Is(err, contracts.ErrTerms) {
		t.Errorf("fees of another coin: %v", err)
	}
}

// locked is a mined lock of alice for bob, who has a chain on the same node.
func locked(t *testing.T, chain contracts.Chain, change ...func(*trade.Order)) (alice, bob *bench, o trade.Order, held trade.Tx) {
	t.Helper()
	alice = newBench(t, chain).rich(1)
	bob = benchOn(t, alice.node, alice.coin, func(c *Config) { c.Keys = named("bob") })
	o = alice.lockOrder(1)
	for _, c := range change {
		c(&o)
	}
	w := trade.Watch{ID: o.ID, Side: o.Side, Terms: o.Terms, From: 1}
	alice.watch(w)
	bob.watch(w)
	txs := alice.prepare(o)
	alice.sends(txs[0])
	alice.node.mine(opTrue)
	alice.step()
	bob.step()
	o.Spot, o.Secret = bob.told[o.ID].Lock, &goodSecret
	return alice, bob, o, txs[1]
}

// Sizes, fees and ends of every spend, in both forms.
func TestSpends(t *testing.T) {
	for _, r := range []struct {
		form    contracts.Form
		purpose trade.Purpose
		size    int64
		kind    trade.Kind
	}{
		{contracts.P2TR, trade.Redeem, contracts.RedeemVSize, trade.BySecret},
		{contracts.P2TR, trade.Refund, contracts.RefundVSize, trade.ByTime},
		{contracts.P2WSH, trade.Redeem, contracts.WitnessRedeemVSize, trade.BySecret},
		{contracts.P2WSH, trade.Refund, contracts.WitnessRefundVSize, trade.ByTime},
	} {
		t.Run(fmt.Sprint(r.form, r.purpose), func(t *testing.T) {
			alice, bob, o, _ := locked(t, contracts.BTC, func(o *trade.Order) { o.Terms.Form, o.Terms.Expiry = r.form, epoch })
			o.Purpose = r.purpose
			who := map[trade.Purpose]*bench{trade.Redeem: bob, trade.Refund: alice}[r.purpose]
			tx := who.prepare(o)[0]
			msg := who.sends(tx)
			if got := contracts.VSize(msg); got > r.size || got < r.size-1 {
				t.Errorf("%d vB, want %d", got, r.size)
			}
			if got := sum(o.Spot.Amount) - msg.TxOut[0].Value; got != sum(tx.Fee) || got != r.size*10 {
				t.Errorf("fee %s said, %d paid, want %d", tx.Fee, got, r.size*10)
			}
			if again := who.prepare(o)[0]; again.TxID != tx.TxID && r.form == contracts.P2WSH {
				t.Errorf("the same order gives %s, then %s", tx.TxID, again.TxID)
			}
			alice.node.mine(opTrue)
			who.step()
			if e := who.told[o.ID].End; e == nil || e.Kind != r.kind || e.TxID != tx.TxID || e.Fee != tx.Fee {
				t.Errorf("ended %+v", e)
			}
			if have, _, err := who.Balance(t.Context(), contracts.Native(contracts.BTC)); err != nil || sum(have)%1e8 == 0 {
				t.Errorf("has %s, %v", have, err)
			}
		})
	}
}

// Each row is a good redeem of bob's with one thing changed.
func TestRefusedOrders(t *testing.T) {
	for _, r := range []struct {
		name   string
		change func(*trade.Order)
		want   error
	}{
		{"good", func(*trade.Order) {}, nil},
		{"no lock named", func(o *trade.Order) { o.Spot = nil }, trade.ErrStatus},
		{"no secret", func(o *trade.Order) { o.Secret = nil }, trade.ErrSecret},
		{"another secret", func(o *trade.Order) { o.Secret = &contracts.Secret{1} }, contracts.ErrSecret},
		{"another's keys", func(o *trade.Order) { o.Number = 2 }, contracts.ErrKey},
		{"another chain", func(o *trade.Order) { o.Terms.Asset = contracts.Native(contracts.LTC) }, contracts.ErrTerms},
		{"a purpose of EVM", func(o *trade.Order) { o.Purpose = trade.Approve }, trade.ErrStatus},
		{"refund before its time", func(o *trade.Order) { o.Purpose = trade.Refund }, trade.ErrNotYet},
		{"absurd lock", func(o *trade.Order) { s := *o.Spot; s.Amount = contracts.Units(1 << 63); o.Spot = &s }, contracts.ErrTerms},
		{"dear", func(o *trade.Order) { s := *o.Spot; s.Amount = contracts.Units(143 + 293); o.Spot = &s }, ErrUneconomic}, // C4
		{"just worth it", func(o *trade.Order) { s := *o.Spot; s.Amount = contracts.Units(143 + 294); o.Spot = &s }, nil},
		{"send to nowhere", func(o *trade.Order) { o.Purpose, o.To = trade.Send, "bc1" }, contracts.ErrAddress},
		{"send dust", func(o *trade.Order) {
			o.Purpose, o.To, o.Terms.Amount = trade.Send, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", contracts.Units(293)
		}, contracts.ErrDust},
		{"send too much", func(o *trade.Order) {
			o.Purpose, o.To, o.Terms.Amount = trade.Send, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", contracts.Units(1<<63)
		}, contracts.ErrTerms},
		{"send what is not there", func(o *trade.Order) {
			o.Purpose, o.To = trade.Send, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
		}, trade.ErrShort},
	} {
		t.Run(r.name, func(t *testing.T) {
			_, bob, o, _ := locked(t, contracts.BTC)
			o.Purpose = trade.Redeem
			r.change(&o)
			txs, err := bob.Prepare(t.Context(), o)
			if !errors.Is(err, r.want) || (err == nil) != (r.want == nil) || (err == nil) != (len(txs) == 1) {
				t.Fatalf("%+v, %v; want %v", txs, err, r.want)
			}
		})
	}
}

// Both halves make a key-path spend; each row changes the request or the answer.
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
		{"fee of all", func(q *trade.CosignRequest) { q.Fee = contracts.Units(1_000_000 - 293) }, nil, contracts.ErrDust},
		{"fee above all", func(q *trade.CosignRequest) { q.Fee = contracts.Units(1<<64 - 1) }, nil, contracts.ErrDust},
		{"strange destination", func(q *trade.CosignRequest) { q.To = opTrue }, nil, contracts.ErrOutput},
		{"nonce cut", func(q *trade.CosignRequest) { q.Nonce = q.Nonce[:65] }, nil, contracts.ErrNonce},
		{"nonce of nothing", func(q *trade.CosignRequest) { q.Nonce = make([]byte, 66) }, nil, contracts.ErrNonce},
		{"other fee than ours", func(q *trade.CosignRequest) { q.Fee = q.Fee.Plus(contracts.Units(1)) }, func(*trade.CosignAnswer) {}, contracts.ErrPartial},
		{"half cut", nil, func(a *trade.CosignAnswer) { a.Partial = a.Partial[:31] }, contracts.ErrPartial},
		{"half turned", nil, func(a *trade.CosignAnswer) { a.Partial[31] ^= 1 }, contracts.ErrPartial},
		{"answer's nonce cut", nil, func(a *trade.CosignAnswer) { a.Nonce = nil }, contracts.ErrNonce},
	} {
		t.Run(r.name, func(t *testing.T) { cosignRow(t, r.ask, r.answer, r.want) })
	}
}

// cosignRow lets bob ask and alice answer, each changed by the row.
func cosignRow(t *testing.T, ask func(*trade.CosignRequest), answer func(*trade.CosignAnswer), want error) {
	alice, bob, o, _ := locked(t, contracts.BTC)
	o.Purpose = trade.Redeem
	s, err := bob.Propose(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	q := s.Request()
	if ask != nil {
		ask(&q)
	}
	a, err := alice.Cosign(t.Context(), o, q)
	if ask != nil && answer == nil {
		if !errors.Is(err, want) {
			t.Fatalf("cosigned: %v, want %v", err, want)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if answer != nil {
		answer(&a)
	}
	tx, err := s.Finish(a)
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Fatalf("finish: %v, want %v", err, want)
	}
	if err != nil {
		return
	}
	if msg := bob.sends(tx); contracts.VSize(msg) != contracts.TogetherVSize || sum(tx.Fee) != 990 {
		t.Errorf("%d vB, fee %s", contracts.VSize(msg), tx.Fee)
	}
	alice.step()
	if e := alice.told[o.ID].End; e == nil || e.Kind != trade.ByBoth || e.Secret != nil {
		t.Errorf("ended %+v", e)
	}
	if _, err := s.Finish(a); !errors.Is(err, contracts.ErrUsed) {
		t.Errorf("finished twice: %v", err)
	}
}

func TestProposeNeedsTwoKeys(t *testing.T) {
	_, bob, o, _ := locked(t, contracts.BTC, func(o *trade.Order) { o.Terms.Form = contracts.P2WSH })
	o.Purpose = trade.Redeem
	if _, err := bob.Propose(t.Context(), o); !errors.Is(err, contracts.ErrTerms) {
		t.Fatalf("P2WSH: %v", err)
	}
	_, bob, o, _ = locked(t, contracts.BTC)
	o.Purpose, o.Secret = trade.Redeem, nil
	if _, err := bob.Propose(t.Context(), o); !errors.Is(err, trade.ErrSecret) {
		t.Fatalf("no secret: %v", err)
	}
}

// C2: a redeem that lingers. BTC replaces it; LTC adds a child, and no second
// one while the first is enough.
func TestHasten(t *testing.T) {
	for _, chain := range []contracts.Chain{contracts.BTC, contracts.LTC} {
		t.Run(string(chain), func(t *testing.T) {
			_, bob, o, _ := locked(t, chain)
			o.Purpose = trade.Redeem
			tx := bob.prepare(o)[0]
			if _, err := bob.Hasten(t.Context(), o, tx); !errors.Is(err, trade.ErrNotYet) {
				t.Fatalf("well paid: %v", err)
			}
			msg := bob.sends(tx)
			o.Deadline = epoch + 2*60 // two blocks: 12 times
			want := 12 * sum(tx.Fee)
			if most := int64(12 * (1_000_000 / stakePart)); want > most {
				want = most
			}
			faster, err := bob.Hasten(t.Context(), o, tx)
			if err != nil {
				t.Fatal(err)
			}
			again, err := parse(faster)
			if err != nil {
				t.Fatal(err)
			}
			replaces := again.TxIn[0].PreviousOutPoint == msg.TxIn[0].PreviousOutPoint
			if replaces != (chain == contracts.BTC) || faster.Purpose != trade.Redeem {
				t.Fatalf("hastened by %+v", again)
			}
			if replaces {
				if sum(faster.Fee) != want || again.TxOut[0].Value != sum(o.Spot.Amount)-want {
					t.Errorf("fee %s, want %d", faster.Fee, want)
				}
				return
			}
			bob.sends(faster)
			both := contracts.VSize(msg) + contracts.VSize(again)
			if paid := sum(faster.Fee) + sum(tx.Fee); paid*contracts.VSize(msg) < want*both {
				t.Errorf("both pay %d for %d vB, want the rate of %d for %d", paid, both, want, contracts.VSize(msg))
			}
			if _, err := bob.Hasten(t.Context(), o, faster); !errors.Is(err, trade.ErrNotYet) {
				t.Errorf("the child is well paid: %v", err)
			}
			for range 2 { // reserved; and, when that is given back, still spent by what waits
				if _, err := bob.Hasten(t.Context(), o, tx); !errors.Is(err, trade.ErrShort) {
					t.Errorf("nothing is left to pay with: %v", err)
				}
				bob.Release(faster)
			}
		})
	}
}

// A lock is hastened by its change only: its id stands. Once mined, not at all.
func TestHastenLock(t *testing.T) {
	b := newBench(t, contracts.BTC).rich(1)
	o := b.lockOrder(1)
	tx := b.prepare(o)[0]
	msg := b.sends(tx)
	o.Deadline = epoch
	child, err := b.Hasten(t.Context(), o, tx)
	if err != nil {
		t.Fatal(err)
	}
	spends := b.sends(child).TxIn[0].PreviousOutPoint
	if spends.Hash != msg.TxHash() {
		t.Fatalf("the child spends %v", spends)
	}
	b.node.mine(opTrue)
	b.step()
	if _, err := b.Hasten(t.Context(), o, tx); !errors.Is(err, trade.ErrNotYet) {
		t.Errorf("mined: %v", err)
	}
}

// Nobody relays a child whose parent no node knows: the parent is to be sent
// first. Nodes that do not answer know nothing; if none does, that is told.
func TestNoChildOfWhatNoNodeKnows(t *testing.T) {
	for _, chain := range []contracts.Chain{contracts.BTC, contracts.LTC} {
		b := newBench(t, chain).rich(1)
		o := b.lockOrder(1)
		tx := b.prepare(o)[0]
		msg := b.sends(tx)
		o.Deadline = epoch
		b.node.unpool(msg.TxHash()) // evicted
		empty := newFake(t)
		empty.down = ErrDown
		for _, nodes := range [][]Node{{b.node}, {empty, b.node}, {b.node, empty}} {
			b.Chain.nodes = newPool(b.coin, nodes, b.Chain.nodes.log)
			if child, err := b.Hasten(t.Context(), o, tx); !errors.Is(err, trade.ErrNotYet) {
				t.Errorf("%s: child %v, %v", chain, child.TxID, err)
			}
		}
		b.Chain.nodes = newPool(b.coin, []Node{b.node}, b.Chain.nodes.log)
		b.node.down = ErrDown
		if child, err := b.Hasten(t.Context(), o, tx); !errors.Is(err, ErrDown) {
			t.Errorf("%s: child %v, %v", chain, child.TxID, err)
		}
		b.node.down = nil
		b.sends(tx)
		if _, err := b.Hasten(t.Context(), o, tx); err != nil {
			t.Errorf("%s: once it is sent again: %v", chain, err)
		}
	}
}

// Sent again, and outbid by our own replacement.
func TestSend(t *testing.T) {
	_, bob, o, held := locked(t, contracts.BTC)
	o.Purpose = trade.Redeem
	tx := bob.prepare(o)[0]
	for range 2 {
		bob.sends(tx)
	}
	if err := bob.Send(t.Context(), held); !errors.Is(err, trade.ErrSpent) {
		t.Errorf("spent: %v", err)
	}
	bob.node.pool[len(bob.node.pool)-1] = wire.NewMsgTx(2) // another came in its place
	bob.Chain.nodes.nodes = []Node{stingy{bob.node}}
	if err := bob.Send(t.Context(), tx); !errors.Is(err, trade.ErrShort) {
		t.Errorf("too little: %v", err)
	}
	bob.index.locks[bob.outpoint(o)].ends[0].id[0] ^= 1
	if err := bob.Send(t.Context(), tx); !errors.Is(err, trade.ErrSpent) {
		t.Errorf("outbid: %v", err)
	}
	bad := tx
	bad.Raw = bad.Raw[1:]
	if err := bob.Send(t.Context(), bad); !errors.Is(err, errDecode) {
		t.Errorf("damaged: %v", err)
	}
}

// A payment counts its depth from the block that holds it; what a reorganisation
// undid is not mined.
func TestBuried(t *testing.T) {
	b := newBench(t, contracts.BTC).rich(1)
	to, err := b.Address(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	txs, err := b.Prepare(t.Context(), trade.Order{Side: trade.Ours, Purpose: trade.Send, To: to,
		Terms: contracts.Terms{Asset: contracts.Native(contracts.BTC), Amount: contracts.Units(5_000_000)}})
	if err != nil {
		t.Fatal(err)
	}
	depth := func(want uint64) {
		t.Helper()
		b.step()
		if got, err := b.Buried(t.Context(), txs[0]); err != nil || got != want {
			t.Fatalf("depth %d, %v; want %d", got, err, want)
		}
	}
	depth(0)
	b.sends(txs[0])
	depth(0)
	b.node.mine(opTrue)
	depth(1)
	b.node.mineEmpty(2)
	depth(3)
	b.node.rewind(3, true)
	b.node.mineEmpty(4)
	depth(0)
	b.node.mine(opTrue)
	depth(1)
}
