package utxo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
	"pgregory.net/rapid"

	"photon/contracts"
	"photon/swap/trade"
)

func (b *bench) holds(have, soon int64) {
	b.t.Helper()
	b.step()
	gotHave, gotSoon, err := b.Balance(b.t.Context(), contracts.Native(b.coin.Chain))
	if err != nil || sum(gotHave) != have || sum(gotSoon) != soon {
		b.t.Fatalf("has %s and %s on its way, %v; want %d and %d", gotHave, gotSoon, err, have, soon)
	}
}

func (b *bench) lockOrder(number uint64) trade.Order {
	w := b.leg(number)
	return trade.Order{ID: w.ID, Number: number, Side: trade.Ours, Purpose: trade.Lock, Terms: w.Terms}
}

func (b *bench) prepare(o trade.Order) []trade.Tx {
	b.t.Helper()
	txs, err := b.Prepare(b.t.Context(), o)
	if err != nil {
		b.t.Fatal(err)
	}
	return txs
}

func (b *bench) sends(tx trade.Tx) *wire.MsgTx {
	b.t.Helper()
	if err := b.Send(b.t.Context(), tx); err != nil {
		b.t.Fatal(err)
	}
	msg, err := parse(tx)
	if err != nil {
		b.t.Fatal(err)
	}
	return msg
}

// Coins come, ripen, are undone.
func TestBalance(t *testing.T) {
	b := newBench(t, contracts.BTC)
	if _, _, err := b.Balance(t.Context(), contracts.Native(contracts.BTC)); !errors.Is(err, trade.ErrNotYet) {
		t.Fatalf("balance before a look: %v", err)
	}
	if _, _, err := b.Balance(t.Context(), contracts.Native(contracts.LTC)); !errors.Is(err, contracts.ErrTerms) {
		t.Fatalf("balance of another coin: %v", err)
	}
	script := b.receive()
	b.node.mine(script)
	b.node.mineEmpty(coinbaseDepth - 2)
	b.holds(0, 50e8)
	b.node.mineEmpty(1)
	b.holds(50e8, 0)
	if bytes.Equal(b.receive(), script) {
		t.Fatal("an address that was paid is given again")
	}
	paid := b.funding(script, 7) // the old address still counts
	b.node.pool = append(b.node.pool, paid)
	b.holds(50e8, 7)
	b.node.mine(opTrue)
	b.holds(50e8+7, 0)
	b.node.rewind(1, true)
	b.node.mineEmpty(1)
	b.holds(50e8, 7)
	b.node.pool = nil
	b.holds(50e8, 0)
}

// An address far ahead is found, and those behind it in the same block.
func TestLookahead(t *testing.T) {
	b := newBench(t, contracts.BTC)
	at := func(index uint32) []byte {
		for script, p := range b.wallet.paths {
			if p == (path{receive, index}) {
				return []byte(script)
			}
		}
		key, err := b.wallet.key(path{receive, index})
		if err != nil {
			t.Fatal(err)
		}
		return keyScript(hash160(key))
	}
	b.node.mineEmpty(3)
	b.node.mine(opTrue, b.funding(at(2*lookahead-1), 2), b.funding(at(lookahead-1), 1))
	b.holds(3, 0)
	b.node.mine(opTrue, b.funding(at(4*lookahead), 4))
	b.holds(3, 0) // a gap too wide
}

// A lock is one output of exactly the terms, change, and a refund that waits.
func TestLock(t *testing.T) {
	for _, form := range []contracts.Form{contracts.P2TR, contracts.P2WSH} {
		b := newBench(t, contracts.BTC).rich(1)
		o := b.lockOrder(1)
		o.Terms.Form = form
		txs := b.prepare(o)
		lock := b.sends(txs[0])
		if len(txs) != 2 || !txs[1].Held || txs[0].Held || txs[0].Chain != contracts.BTC || txs[1].Purpose != trade.Refund {
			t.Fatalf("prepared %+v", txs)
		}
		if size := contracts.VSize(lock); size < contracts.LockVSize-1 || size > contracts.LockVSize {
			t.Errorf("%s: lock of %d vB, want %d", form, size, contracts.LockVSize)
		}
		paid, change := int64(50e8), int64(0)
		for _, out := range lock.TxOut {
			if paid -= out.Value; !bytes.Equal(out.PkScript, outputOf(t, o.Terms)) {
				change += out.Value
			} else if out.Value != 1_000_000 {
				t.Errorf("locked %d", out.Value)
			}
		}
		if sum(txs[0].Fee) != paid || paid != 1530 {
			t.Errorf("fee %s said, %d paid, want 1530", txs[0].Fee, paid)
		}
		if err := b.Send(t.Context(), txs[1]); !errors.Is(err, trade.ErrNotYet) {
			t.Errorf("refund sent at once: %v", err)
		}
		b.holds(0, change)
		b.node.mine(opTrue)
		b.holds(change, 0)
	}
}

// C13, C12: what is reserved is not spent twice; what is released can be.
func TestReservation(t *testing.T) {
	b := newBench(t, contracts.BTC).rich(1)
	one := b.prepare(b.lockOrder(1))
	if _, err := b.Prepare(t.Context(), b.lockOrder(2)); !errors.Is(err, trade.ErrShort) {
		t.Fatalf("the same coin twice: %v", err)
	}
	b.Release(one[0])
	two := b.prepare(b.lockOrder(2))
	b.Release(one[0]) // of one, not of two
	if _, err := b.Prepare(t.Context(), b.lockOrder(1)); !errors.Is(err, trade.ErrShort) {
		t.Fatalf("released another's coin: %v", err)
	}
	// After a restart what was stored is reserved again.
	again := benchOn(t, b.node, b.coin)
	if err := again.Resume(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	again.step()
	if _, err := again.Prepare(t.Context(), again.lockOrder(1)); !errors.Is(err, trade.ErrShort) {
		t.Fatalf("spent what a stored lock spends: %v", err)
	}
	bad := two[0]
	bad.TxID[0] ^= 1
	if err := again.Resume(t.Context(), []trade.Tx{bad}); !errors.Is(err, errDecode) {
		t.Fatalf("resumed bytes of another transaction: %v", err)
	}
}

// Change that waits is spent, what others pay us is not until it is mined.
func TestWaitingMoney(t *testing.T) {
	b := newBench(t, contracts.BTC).rich(1)
	for number := range uint64(maxChain) {
		b.sends(b.prepare(b.lockOrder(number + 1))[0])
	}
	if _, err := b.Prepare(t.Context(), b.lockOrder(99)); !errors.Is(err, trade.ErrShort) {
		t.Fatalf("a chain longer than nodes take: %v", err)
	}
	b.node.pool = append(b.node.pool, b.funding(b.receive(), 5e8))
	b.step()
	if _, err := b.Prepare(t.Context(), b.lockOrder(99)); !errors.Is(err, trade.ErrShort) {
		t.Fatalf("spent what may never come: %v", err)
	}
	b.node.mine(opTrue)
	b.step()
	b.sends(b.prepare(b.lockOrder(99))[0])
}

// C14: change below dust goes to the miner. A lock of 1,000,000 from one coin;
// rows are what the coin holds above it.
func TestDustChange(t *testing.T) {
	for _, r := range []struct {
		chain  contracts.Chain
		above  int64
		change int64 // 0: none; -1: refused
	}{
		{contracts.BTC, 1530 + 294, 294},
		{contracts.BTC, 1530 + 293, 0},
		{contracts.BTC, 1530 + 0, 0},
		{contracts.BTC, 1000, -1},
		{contracts.LTC, 7650 + 2940, 2940},
		{contracts.LTC, 7650 + 2939, 0},
	} {
		t.Run(fmt.Sprintf("%s %d", r.chain, r.above), func(t *testing.T) {
			b := newBench(t, r.chain)
			b.node.mineEmpty(10)
			b.node.mine(opTrue, b.funding(b.receive(), 1_000_000+r.above))
			b.step()
			txs, err := b.Prepare(t.Context(), b.lockOrder(1))
			if r.change < 0 {
				if !errors.Is(err, trade.ErrShort) {
					t.Fatalf("prepared %+v, %v", txs, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			msg := b.sends(txs[0])
			change := int64(-1_000_000)
			for _, out := range msg.TxOut {
				change += out.Value
			}
			if change != r.change || sum(txs[0].Fee) != r.above-r.change || (r.change == 0) != (len(msg.TxOut) == 1) {
				t.Fatalf("change %d of %d outputs, fee %s; want %d", change, len(msg.TxOut), txs[0].Fee, r.change)
			}
		})
	}
}

// A run begins where the last one was; what happened between is seen; a snapshot
// that is damaged or of another wallet is left aside.
func TestSnapshot(t *testing.T) {
	book := memory{}
	f := newFake(t)
	coin := testCoin(contracts.BTC, f)
	with := func(c *Config) { c.Book = book }
	b := benchOn(t, f, coin, with).rich(3)
	b.sends(b.prepare(b.lockOrder(1))[0])
	f.mine(opTrue)
	b.step()
	want := sum(must(b.Balance(t.Context(), contracts.Native(contracts.BTC))))
	f.rewind(1, true)
	f.mineEmpty(1)
	f.mine(b.receive())
	f.fetched = 0
	again := benchOn(t, f, coin, with)
	again.holds(want, 50e8) // the change is mined anew, and a reward ripens
	if f.fetched != 3 {     // one to find that the branches part
		t.Errorf("%d blocks read, want 3", f.fetched)
	}
	for key, raw := range book {
		book[key] = raw[:len(raw)/2]
	}
	f.fetched = 0
	benchOn(t, f, coin, with).holds(want, 50e8)
	if f.fetched < 100 {
		t.Errorf("%d blocks read after damage, want all", f.fetched)
	}
	other := benchOn(t, f, coin, with, func(c *Config) { c.Keys = named("carol") })
	other.holds(0, 0)
}

func must(have, _ contracts.Amount, err error) contracts.Amount {
	if err != nil {
		panic(err)
	}
	return have
}

// A wallet that sees and un-sees the same things ends where it was, and its
// balance is what a plain list of outputs says.
func TestWalletAgainstAList(t *testing.T) {
	f := newFake(t)
	for range 60 {
		f.mineEmpty(1)
	}
	base := *f
	rapid.Check(t, func(r *rapid.T) {
		node := base
		node.active = append([]chainhash.Hash(nil), base.active...)
		node.blocks = map[chainhash.Hash]*wire.MsgBlock{}
		for h, b := range base.blocks {
			node.blocks[h] = b
		}
		b := benchOn(t, &node, testCoin(contracts.BTC, &node))
		b.step()
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			switch rapid.IntRange(0, 4).Draw(r, "what") {
			case 0:
				node.pool = append(node.pool, b.funding(b.receive(), rapid.Int64Range(1e6, 9e6).Draw(r, "value")))
			case 1:
				node.mine(opTrue)
			case 2:
				n := rapid.IntRange(1, 3).Draw(r, "depth")
				if len(node.active) > 60 {
					node.rewind(n, true)
					node.mineEmpty(n + 1)
				}
			case 3:
				if txs, err := b.Prepare(t.Context(), b.lockOrder(uint64(rapid.IntRange(1, 3).Draw(r, "leg")))); err == nil {
					b.sends(txs[0])
				} else if !errors.Is(err, trade.ErrShort) {
					r.Fatal(err)
				}
			case 4:
				b.step()
			}
		}
		b.step()
		var want int64
		for _, out := range node.outputs(true) {
			if _, ours := b.wallet.paths[string(out.PkScript)]; ours {
				want += out.Value
			}
		}
		have, soon, err := b.Balance(t.Context(), contracts.Native(contracts.BTC))
		if err != nil || sum(have)+sum(soon) != want {
			r.Fatalf("has %s and %s on its way, %v; the chain says %d", have, soon, err, want)
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	b := newBench(f, contracts.BTC).rich(2)
	raw, err := json.Marshal(b.snapshot())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"blocks":[{"height":-1}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := decodeSnapshot(raw)
		if err != nil {
			if !errors.Is(err, errSnapshot) {
				t.Fatal(err)
			}
			return
		}
		if s.Next[receive] > 1000 || s.Next[change] > 1000 {
			return // deriving them takes long
		}
		fresh := newBench(t, contracts.BTC)
		if err := fresh.resume(s); err != nil {
			t.Fatal(err)
		}
		if have, soon := fresh.wallet.balance(fresh.tip()); have < 0 || soon < 0 {
			t.Fatalf("has %d and %d", have, soon)
		}
	})
}

// Every input of ours is segwit, so that nobody else can change a lock's id.
func TestOnlySegwit(t *testing.T) {
	b := newBench(t, contracts.BTC).rich(3)
	o := b.lockOrder(1)
	o.Terms.Amount = contracts.Units(120e8)
	msg := b.sends(b.prepare(o)[0])
	if len(msg.TxIn) != 3 {
		t.Fatalf("%d inputs, want 3", len(msg.TxIn))
	}
	for _, in := range msg.TxIn {
		if len(in.SignatureScript) != 0 || len(in.Witness) != 2 || in.Sequence != replaceable {
			t.Errorf("input %+v", in)
		}
		if c := b.wallet.coins[in.PreviousOutPoint]; !txscript.IsPayToWitnessPubKeyHash(c.script) {
			t.Errorf("spends %x", c.script)
		}
	}
}
