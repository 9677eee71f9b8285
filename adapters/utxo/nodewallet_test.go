package utxo

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// A lock and its refund from a node's wallet and back, to the unit. The keeper
// says 7 of a reward that ripens.
func TestNodeWalletRound(t *testing.T) {
	for _, chain := range []contracts.Chain{contracts.BTC, contracts.LTC} {
		b, k := nodeBench(t, chain, 3e8)
		b.holds(3e8, 7)
		o := b.lockOrder(1)
		o.Terms.Expiry = epoch
		b.watch(trade.Watch{ID: o.ID, Side: o.Side, Terms: o.Terms, From: 1})
		txs := b.prepare(o)
		b.holds(3e8, 7) // reserved, not spent; nothing was broadcast
		if len(b.node.pool) != 0 || len(txs) != 2 || !txs[1].Held || k.paths[0] != "/wallet/savings" {
			t.Fatalf("prepared %+v; %d wait; asked at %s", txs, len(b.node.pool), k.paths[0])
		}
		b.sends(txs[0])
		left := 3e8 - 1_000_000 - sum(txs[0].Fee)
		b.holds(0, left+7)
		b.node.mine(opTrue)
		b.holds(left, 7)
		if l := b.told[o.ID].Lock; l == nil || l.Fee != txs[0].Fee {
			t.Fatalf("lock %+v, fee %s", l, txs[0].Fee)
		}
		b.sends(txs[1])
		b.node.mine(opTrue)
		b.holds(left+1_000_000-sum(txs[1].Fee), 7)
		if have, soon := b.wallet.balance(b.tip()); have != 0 || soon != 0 {
			t.Errorf("our own wallet has %d and %d", have, soon)
		}
	}
}

// unfunded is the value of the one coin of a row of stockRows.
const unfunded = 50_000_000

// stockRows are a wallet with one coin each, made by coin or said by change.
var stockRows = []struct {
	name   string
	coin   func(*bench, *keeper)
	change func(map[string]any) // of what listunspent says
	fits   bool
	unfit  bool // it is said how much cannot be used
}{
	{"P2WPKH", segwitCoin, nil, true, false},
	{"P2TR", func(b *bench, k *keeper) { k.paid(b, taprootScript, unfunded) }, nil, true, false},
	{"legacy", func(b *bench, k *keeper) { k.paid(b, legacyScript, unfunded) }, nil, false, true},
	{"waits, from others", func(b *bench, k *keeper) {
		b.node.pool = append(b.node.pool, b.funding(k.key(witnessScript), unfunded))
	}, nil, false, false},
	{"watched only", segwitCoin, func(c map[string]any) { c["spendable"] = false }, false, false},
	{"not solvable", segwitCoin, func(c map[string]any) { c["solvable"] = false }, false, false},
	{"an old wallet says nothing of solvable", segwitCoin, func(c map[string]any) { delete(c, "solvable") }, true, false},
	{"in the extension block", segwitCoin, func(c map[string]any) { delete(c, "vout"); delete(c, "scriptPubKey") }, false, true},
	{"reserved by others", func(b *bench, k *keeper) {
		segwitCoin(b, k)
		for out, txOut := range b.node.outputs(false) {
			if k.keys[string(txOut.PkScript)] != nil {
				k.reserve[heldAs(out)] = true
			}
		}
	}, nil, false, false},
}

func segwitCoin(b *bench, k *keeper) { k.paid(b, witnessScript, unfunded) }

// H3: what may fund a lock.
func TestNodeWalletStock(t *testing.T) {
	for _, r := range stockRows {
		t.Run(r.name, func(t *testing.T) {
			b, k := nodeBench(t, contracts.BTC)
			r.coin(b, k)
			if r.change != nil {
				list := k.unspent(true)
				r.change(list[0])
				raw, err := json.Marshal(map[string]any{"result": list})
				if err != nil {
					t.Fatal(err)
				}
				k.says["listunspent"] = string(raw)
			}
			txs, err := b.Prepare(t.Context(), b.lockOrder(1))
			if !r.fits {
				if !errors.Is(err, trade.ErrShort) || strings.Contains(fmt.Sprint(err), fmt.Sprintf("%d more cannot fund", unfunded)) != r.unfit {
					t.Fatalf("prepared %+v, %v", txs, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, in := range b.sends(txs[0]).TxIn {
				if len(in.SignatureScript) != 0 || len(in.Witness) == 0 || in.Sequence != replaceable {
					t.Errorf("input %+v", in)
				}
			}
		})
	}
}

// The change of our own locks is spent while it waits, as long as nodes take it;
// once mined, the count begins anew.
func TestNodeWalletWaitingChange(t *testing.T) {
	b, _ := nodeBench(t, contracts.BTC, 3e8)
	for round := range uint64(2) {
		for number := range uint64(maxChain) {
			b.sends(b.prepare(b.lockOrder(100*round + number + 2))[0])
		}
		if _, err := b.Prepare(t.Context(), b.lockOrder(99)); !errors.Is(err, trade.ErrShort) {
			t.Fatalf("a chain longer than nodes take: %v", err)
		}
		b.node.mine(opTrue)
	}
}

// Reserved here and at the node; released at both; put right when the node
// forgot; and what a run before reserved and did not store is given back.
func TestNodeWalletReservation(t *testing.T) {
	b, k := nodeBench(t, contracts.BTC)
	book := memory{}
	e := b.purse.(*nodeWallet).rpc.node.endpoint
	e.URL = strings.TrimSuffix(e.URL, "/wallet/savings")
	with := func(c *Config) { c.Book = book }
	b = k.bench(e, with)
	k.paid(b, witnessScript, 3e6)
	k.paid(b, witnessScript, 2e6)
	b.step()
	one := b.prepare(b.lockOrder(1))
	two := b.prepare(b.lockOrder(2))
	if _, err := b.Prepare(t.Context(), b.lockOrder(3)); !errors.Is(err, trade.ErrShort) || len(k.reserve) != 2 {
		t.Fatalf("a third lock from two coins: %v; %d reserved", err, len(k.reserve))
	}
	b.Release(one[0])
	b.Release(one[0]) // twice is once
	b.holds(5e6, 7)
	if err := b.Check(t.Context()); err != nil || len(k.reserve) != 1 {
		t.Fatalf("%v; %d reserved after a release", err, len(k.reserve))
	}
	clear(k.reserve) // the node starts anew
	b.holds(5e6, 7)
	if err := b.Check(t.Context()); err != nil || len(k.reserve) != 1 {
		t.Fatalf("%v; %d reserved after the node forgot", err, len(k.reserve))
	}
	b.prepare(b.lockOrder(1)) // this one is never stored
	again := k.bench(e, with)
	if err := again.Resume(t.Context(), two); err != nil || len(k.reserve) != 2 {
		t.Fatalf("%v; %d reserved", err, len(k.reserve))
	}
	if err := again.Check(t.Context()); err != nil || len(k.reserve) != 1 {
		t.Fatalf("%v; %d reserved after a restart", err, len(k.reserve))
	}
	three := again.prepare(again.lockOrder(3))
	if _, err := again.Prepare(t.Context(), again.lockOrder(4)); !errors.Is(err, trade.ErrShort) {
		t.Fatalf("spent what a stored lock spends: %v", err)
	}
	again.sends(two[0])
	again.sends(three[0])
	k.calls = nil
	for range 3 {
		if err := again.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(slices.DeleteFunc(k.calls, func(m string) bool { return m != "lockunspent" })); n != 2 {
		t.Errorf("asked %d times to reserve two coins that are spent", n)
	}
}

// A damaged note is left aside; a store that fails reserves nothing.
func TestNodeWalletNote(t *testing.T) {
	b, k := nodeBench(t, contracts.BTC, 3e6)
	n := b.purse.(*nodeWallet)
	book := memory{n.key: []byte(`[{"txid":"12","vout":0}]`)}
	n.book = book
	if err := b.Resume(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	n.book = full{book}
	if _, err := b.Prepare(t.Context(), b.lockOrder(1)); !errors.Is(err, errFull) || len(k.reserve) != 0 || len(n.held) != 0 {
		t.Fatalf("%v; %d reserved, %d held", err, len(k.reserve), len(n.held))
	}
	n.book = book
	b.prepare(b.lockOrder(1))
}

// A full book takes nothing.
type full struct{ memory }

var errFull = errors.New("disk is full")

func (full) Put(_ context.Context, _ string, _ []byte) error { return errFull }

// E21: the wallet is locked. Nothing can be funded, and why is said; a redeem
// finds an address, and when none is left our own wallet takes it; the refund
// pays where it was fixed to pay, after a restart too.
func TestNodeWalletLocked(t *testing.T) {
	b, k := nodeBench(t, contracts.BTC, 3e8)
	o := b.lockOrder(1)
	o.Terms.Expiry = epoch
	w := trade.Watch{ID: o.ID, Side: o.Side, Terms: o.Terms, From: 1}
	b.watch(w)
	txs := b.prepare(o)
	b.sends(txs[0])
	b.node.mine(opTrue)
	b.step()
	k.locked, k.left = true, 1
	if _, err := b.Prepare(t.Context(), b.lockOrder(2)); !errors.Is(err, trade.ErrNotYet) || !errors.Is(err, ErrLocked) || len(k.reserve) != 0 {
		t.Fatalf("locked: %v; %d reserved", err, len(k.reserve))
	}
	if _, err := b.Prepare(t.Context(), b.lockOrder(3)); !errors.Is(err, trade.ErrNotYet) || !errors.Is(err, ErrLocked) {
		t.Fatalf("locked and without an address: %v", err)
	}
	if _, err := b.Address(t.Context()); !errors.Is(err, ErrLocked) {
		t.Fatalf("address: %v", err)
	}
	again := k.bench(b.purse.(*nodeWallet).rpc.node.endpoint)
	if err := again.Resume(t.Context(), txs); err != nil {
		t.Fatal(err)
	}
	again.watch(w)
	again.step()
	o.Spot, o.Purpose = again.told[o.ID].Lock, trade.Refund
	refund := again.prepare(o)[0]
	held, err := parse(txs[1])
	if err != nil {
		t.Fatal(err)
	}
	if msg := again.sends(refund); !bytes.Equal(msg.TxOut[0].PkScript, held.TxOut[0].PkScript) || k.keys[string(msg.TxOut[0].PkScript)] == nil {
		t.Fatalf("refund to %x, fixed was %x", msg.TxOut[0].PkScript, held.TxOut[0].PkScript)
	}
	// Another trade's redeem: nobody ever asked for its address.
	bob := benchOn(t, b.node, b.coin, func(c *Config) { c.Keys = named("bob") })
	bob.purse = again.purse
	o.Purpose, o.Secret = trade.Redeem, &goodSecret
	redeem, err := parse(bob.prepare(o)[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, ours := bob.wallet.paths[string(redeem.TxOut[0].PkScript)]; !ours {
		t.Fatalf("redeems to %x", redeem.TxOut[0].PkScript)
	}
}

// An address is the same until it was paid, and always of this chain.
func TestNodeWalletAddress(t *testing.T) {
	b, k := nodeBench(t, contracts.BTC)
	script := b.receive()
	if !bytes.Equal(b.receive(), script) || !txscript.IsPayToWitnessPubKeyHash(script) {
		t.Fatal("another address")
	}
	b.node.pool = append(b.node.pool, b.funding(script, 5))
	if bytes.Equal(b.receive(), script) {
		t.Fatal("an address that was paid is given again")
	}
	for _, address := range []string{"ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9", "3P14159f73E4gFr7JterCCQh9QjiTjiZrG", ""} {
		k.says["getnewaddress"] = fmt.Sprintf(`{"result":%q}`, address)
		if _, err := b.purse.script(t.Context(), forPayout); !errors.Is(err, ErrDown) {
			t.Errorf("took address %q: %v", address, err)
		}
	}
}

// A child of what waits pays more: of a lock's change, and of a redeem.
func TestNodeWalletHasten(t *testing.T) {
	b, k := nodeBench(t, contracts.LTC, 3e8)
	o := b.lockOrder(1)
	tx := b.prepare(o)[0]
	o.Deadline = epoch
	if _, err := b.Hasten(t.Context(), o, tx); !errors.Is(err, trade.ErrNotYet) {
		t.Fatalf("the node has not heard of it: %v", err)
	}
	msg := b.sends(tx)
	k.locked = true
	if _, err := b.Hasten(t.Context(), o, tx); !errors.Is(err, ErrLocked) || errors.Is(err, trade.ErrNotYet) {
		t.Fatalf("locked: %v", err)
	}
	k.locked = false
	child := b.sends(must1(b.Hasten(t.Context(), o, tx)))
	if child.TxIn[0].PreviousOutPoint.Hash != msg.TxHash() || k.keys[string(child.TxOut[0].PkScript)] == nil {
		t.Fatalf("the child is %+v", child)
	}
	if _, err := b.Hasten(t.Context(), o, tx); !errors.Is(err, trade.ErrShort) {
		t.Errorf("a second child: %v", err)
	}
	b.node.mine(opTrue)
	if _, err := b.Hasten(t.Context(), o, tx); err == nil {
		t.Error("hastened what is mined")
	}
	// A lock without change has no lever.
	b, _ = nodeBench(t, contracts.LTC, 1_000_000+8_000)
	o = b.lockOrder(1)
	tx = b.prepare(o)[0]
	b.sends(tx)
	o.Deadline = epoch
	if _, err := b.Hasten(t.Context(), o, tx); !errors.Is(err, trade.ErrShort) {
		t.Errorf("no change: %v", err)
	}
}

func must1(tx trade.Tx, err error) trade.Tx {
	if err != nil {
		panic(err)
	}
	return tx
}

// A wallet that signs something else, or not all, gives no lock and reserves
// nothing.
func TestNodeWalletSignsWrong(t *testing.T) {
	other := wire.NewMsgTx(2)
	other.AddTxIn(&wire.TxIn{})
	other.AddTxOut(wire.NewTxOut(1, opTrue))
	var raw bytes.Buffer
	if err := other.Serialize(&raw); err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		name, says string
		want       error
	}{
		{"a part", `{"complete":false,"hex":"","errors":[{"txid":"ab","vout":1,"error":"Unable to sign input"}]}`, ErrWallet},
		{"a part, in silence", `{"complete":false}`, ErrWallet},
		{"not hex", `{"complete":true,"hex":"zz"}`, ErrDown},
		{"no transaction", `{"complete":true,"hex":"00"}`, ErrDown},
		{"another", `{"complete":true,"hex":"` + hex.EncodeToString(raw.Bytes()) + `"}`, ErrDown},
	} {
		b, k := nodeBench(t, contracts.BTC, 3e8)
		k.says["signrawtransactionwithwallet"] = `{"result":` + r.says + `}`
		if _, err := b.Prepare(t.Context(), b.lockOrder(1)); !errors.Is(err, r.want) || len(k.reserve) != 0 {
			t.Errorf("%s: %v, want %v; %d reserved", r.name, err, r.want, len(k.reserve))
		}
	}
	b, k := nodeBench(t, contracts.BTC, 3e8)
	k.lazy = true
	if txs, err := b.Prepare(t.Context(), b.lockOrder(1)); err == nil || len(k.reserve) != 0 {
		t.Errorf("no signature: %+v; %d reserved", txs, len(k.reserve))
	}
}

// What New and Check refuse.
func TestNodeWalletConfig(t *testing.T) {
	f := newFake(t)
	good := Config{Coin: testCoin(contracts.BTC, f), Keys: named("alice"), Endpoints: []Endpoint{{URL: "http://127.0.0.1:1"}}, Funds: NodeWallet}
	for _, r := range []struct {
		name   string
		change func(*Config)
		want   error
	}{
		{"the only one", func(*Config) {}, nil},
		{"by name", func(c *Config) { c.Wallet = "savings of/alice" }, nil},
		{"longest name", func(c *Config) { c.Wallet = strings.Repeat("x", maxName) }, nil},
		{"name too long", func(c *Config) { c.Wallet = strings.Repeat("x", maxName+1) }, ErrWallet},
		{"name of two lines", func(c *Config) { c.Wallet = "a\nb" }, ErrWallet},
		{"a name, but our own wallet", func(c *Config) { c.Funds, c.Wallet = OwnWallet, "savings" }, ErrWallet},
		{"no such funds", func(c *Config) { c.Funds = 2 }, ErrWallet},
		{"no endpoint", func(c *Config) { c.Endpoints, c.Nodes = nil, []Node{f} }, ErrWallet},
	} {
		c := good
		r.change(&c)
		if _, err := New(c); !errors.Is(err, r.want) || (err == nil) != (r.want == nil) {
			t.Errorf("%s: %v, want %v", r.name, err, r.want)
		}
	}
	b, k := nodeBench(t, contracts.BTC)
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
	k.says["listlockunspent"] = refused(-1, "This implementation does not implement wallet commands")
	if err := b.Check(t.Context()); !errors.Is(err, ErrNoWallet) {
		t.Errorf("btcd: %v", err)
	}
}
