package evm_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"photon/contracts"
	"photon/swap/trade"
)

func decode(t *testing.T, tx trade.Tx) *types.Transaction {
	t.Helper()
	var d types.Transaction
	if err := d.UnmarshalBinary(tx.Raw); err != nil {
		t.Fatal(err)
	}
	return &d
}

// lockOrder is Alice's lock number n.
func (w *world) lockOrder(asset contracts.Asset, n byte) trade.Order {
	terms := w.terms(asset, w.alice, w.bob, contracts.Secret{n, 77})
	return trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms}
}

func (p *person) prepare(t *testing.T, o trade.Order) trade.Tx {
	t.Helper()
	txs, err := p.Prepare(bg, o)
	if err != nil {
		t.Fatal(err)
	}
	return txs[len(txs)-1]
}

// Nonces are given out once, given back by Release, and the lowest free one is
// taken first.
func TestNonces(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	var txs []trade.Tx
	for n := byte(1); n <= 3; n++ {
		txs = append(txs, w.alice.prepare(t, w.lockOrder(w.native(), n)))
	}
	first := decode(t, txs[0]).Nonce()
	for i, tx := range txs {
		if got := decode(t, tx).Nonce(); got != first+uint64(i) {
			t.Errorf("transaction %d has nonce %d, want %d", i, got, first+uint64(i))
		}
	}
	w.alice.Release(txs[1])
	if got := decode(t, w.alice.prepare(t, w.lockOrder(w.native(), 4))).Nonce(); got != first+1 {
		t.Errorf("after a release: nonce %d, want %d", got, first+1)
	}
	again := w.person(w.alice.key, w.gate.URL)
	if err := again.Resume(bg, []trade.Tx{txs[2], txs[0]}); err != nil {
		t.Fatal(err)
	}
	if got := decode(t, again.prepare(t, w.lockOrder(w.native(), 5))).Nonce(); got != first+1 {
		t.Errorf("after a restart: nonce %d, want %d, which was never stored", got, first+1)
	}
	if err := w.bob.Resume(bg, txs); err == nil {
		t.Error("Bob resumed Alice's transactions")
	}
}

// A transaction waits behind a nonce that nobody uses. Hasten fills it.
func TestGapIsFilled(t *testing.T) {
	for _, kind := range []contracts.Chain{contracts.ETH, contracts.SMT} {
		w := newWorld(t, kind)
		lost := w.alice.prepare(t, w.lockOrder(w.native(), 1))
		o := w.lockOrder(w.native(), 2)
		w.follow(o.Terms)
		stuck := w.alice.prepare(t, o)
		w.alice.Release(lost)
		if err := w.alice.Send(bg, stuck); err != nil {
			t.Fatal(err)
		}
		w.sim.Commit()
		fill, err := w.alice.Hasten(bg, o, stuck)
		if err != nil {
			t.Fatal(err)
		}
		if decode(t, fill).Nonce()+1 != decode(t, stuck).Nonce() || decode(t, fill).Value().Sign() != 0 {
			t.Fatalf("filled with %+v", decode(t, fill))
		}
		if err := w.alice.Send(bg, fill); err != nil {
			t.Fatal(err)
		}
		w.sim.Commit()
		w.bob.await(t, trade.Theirs, "stuck lock", lockedAt(w.height()))
		// Asked for the filler, which is mined, Hasten looks at the lock itself.
		if _, err := w.alice.Hasten(bg, o, fill); !errors.Is(err, trade.ErrNotYet) {
			t.Errorf("hasten what is mined: %v", err)
		}
	}
}

// dear makes the endpoint name prices so many times as high.
func (w *world) dear(times int64) {
	w.gate.set(false, func(method string, _ []json.RawMessage) (any, error, bool) {
		switch method {
		case "eth_maxPriorityFeePerGas":
			return "0x" + big.NewInt(times*params.GWei).Text(16), nil, true
		case "eth_gasPrice":
			return "0x" + big.NewInt(times*20*params.GWei).Text(16), nil, true
		}
		return nil, nil, false
	})
}

// Fees rise while a lock waits. Hasten pays more for the same nonce, by at least
// an eighth; the first transaction is then no error, and well paid is well paid.
func TestFeeIsRaised(t *testing.T) {
	for _, kind := range []contracts.Chain{contracts.ETH, contracts.SMT} {
		w := newWorld(t, kind)
		o := w.lockOrder(w.native(), 1)
		w.follow(o.Terms)
		slow := w.alice.make(t, o)[0]
		if _, err := w.alice.Hasten(bg, o, slow); !errors.Is(err, trade.ErrNotYet) {
			t.Fatalf("well paid: %v", err)
		}
		w.dear(5)
		w.alice = w.person(w.alice.key, w.gate.URL) // as after a restart: no price remembered
		if err := w.alice.Resume(bg, []trade.Tx{slow}); err != nil {
			t.Fatal(err)
		}
		fast, err := w.alice.Hasten(bg, o, slow)
		if err != nil {
			t.Fatal(err)
		}
		a, b := decode(t, slow), decode(t, fast)
		least := func(x *big.Int) *big.Int { return new(big.Int).Div(new(big.Int).Mul(x, big.NewInt(9)), big.NewInt(8)) }
		if a.Nonce() != b.Nonce() || b.GasFeeCap().Cmp(least(a.GasFeeCap())) < 0 || b.GasTipCap().Cmp(least(a.GasTipCap())) < 0 {
			t.Fatalf("%s: raised from %s/%s to %s/%s", kind, a.GasFeeCap(), a.GasTipCap(), b.GasFeeCap(), b.GasTipCap())
		}
		for _, tx := range []trade.Tx{fast, slow} { // the slow one: replaced in the pool
			if err := w.alice.Send(bg, tx); err != nil {
				t.Fatalf("%s: send: %v", kind, err)
			}
		}
		if _, err := w.alice.Hasten(bg, o, fast); !errors.Is(err, trade.ErrNotYet) {
			t.Errorf("%s: raised again at once: %v", kind, err)
		}
		w.sim.Commit()
		f := w.bob.await(t, trade.Theirs, "lock", lockedAt(w.height()))
		if f.Lock.TxID != fast.TxID {
			t.Errorf("%s: mined %s, want %s", kind, f.Lock.TxID, fast.TxID)
		}
		if err := w.alice.Send(bg, slow); err != nil { // its nonce is used, its effect there
			t.Errorf("%s: send what was replaced: %v", kind, err)
		}
	}
}

// As the deadline nears, more is offered.
func TestDeadlineRaisesFee(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	o := w.lockOrder(w.native(), 1)
	o.Deadline = uint64(time.Now().Add(24 * time.Hour).Unix())
	calm := w.alice.make(t, o)[0]
	o.Deadline = uint64(time.Now().Add(4 * time.Minute).Unix())
	fast, err := w.alice.Hasten(bg, o, calm)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := decode(t, calm).GasFeeCap(), decode(t, fast).GasFeeCap(); b.Cmp(new(big.Int).Mul(a, big.NewInt(2))) < 0 {
		t.Errorf("offered %s, then %s", a, b)
	}
}

// An old transaction of another trade holds ours up: it is the one to be raised.
func TestRaisesWhatIsInTheWay(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	old := w.alice.make(t, w.lockOrder(w.native(), 1))[0]
	w.dear(7)
	p := w.person(w.alice.key, w.gate.URL)
	if err := p.Resume(bg, []trade.Tx{old}); err != nil {
		t.Fatal(err)
	}
	o := w.lockOrder(w.native(), 2)
	ours := p.make(t, o)[0]
	faster, err := p.Hasten(bg, o, ours)
	if err != nil {
		t.Fatal(err)
	}
	if faster.ID != old.ID || decode(t, faster).Nonce() != decode(t, old).Nonce() {
		t.Errorf("raised %s with nonce %d", faster.ID, decode(t, faster).Nonce())
	}
}

// Somebody else redeems for Bob first. Bob's own transaction then reverts, and
// that is no error: its effect is there.
func TestRedeemedByAnother(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	secret := contracts.Secret{9}
	terms := w.terms(w.native(), w.alice, w.bob, secret)
	w.follow(terms)
	w.alice.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms})
	w.sim.Commit()
	w.bob.await(t, trade.Theirs, "lock", lockedAt(w.height()))
	o := trade.Order{ID: terms.Hash, Side: trade.Theirs, Purpose: trade.Redeem, Terms: terms, Secret: &secret}
	w.alice.make(t, o) // to Bob
	mine := w.bob.prepare(t, o)
	w.sim.Commit()
	if err := w.bob.Send(bg, mine); err != nil {
		t.Fatal(err)
	}
	w.sim.Commit()
	if err := w.bob.Send(bg, mine); err != nil {
		t.Errorf("what another did: %v", err)
	}
	f := w.bob.await(t, trade.Theirs, "redeem", func(_ trade.Head, f trade.Fate) bool { return f.End != nil && f.End.Height > 0 })
	if f.End.TxID == mine.TxID || *f.End.Secret != secret {
		t.Errorf("ended by %+v", f.End)
	}
	if _, err := w.bob.Hasten(bg, o, mine); !errors.Is(err, trade.ErrNotYet) {
		t.Errorf("hasten what another did: %v", err)
	}
	if _, err := w.bob.Prepare(bg, o); !errors.Is(err, trade.ErrSpent) {
		t.Errorf("redeem again: %v", err)
	}
}

// An allowance that is too small is taken back before a larger one is given.
func TestApprovals(t *testing.T) {
	w := newWorld(t, contracts.SMT)
	first := w.lockOrder(w.tokens(), 1)
	one := w.alice.make(t, first)
	if len(one) != 2 || one[0].Purpose != trade.Approve || one[1].Purpose != trade.Lock {
		t.Fatalf("first lock: %d transactions", len(one))
	}
	second := w.lockOrder(w.tokens(), 2) // while the first waits: what is approved is promised
	two := w.alice.make(t, second)
	if len(two) != 2 {
		t.Fatalf("second lock: %d transactions", len(two))
	}
	w.sim.Commit()
	w.mined(append(one, two...)...)
	some := contracts.Units(400)
	w.call(w.alice, w.token, contracts.ApproveCall(w.lock, some))
	w.sim.Commit()
	third := w.lockOrder(w.tokens(), 3)
	txs := w.alice.make(t, third)
	if len(txs) != 3 {
		t.Fatalf("third lock: %d transactions", len(txs))
	}
	if got := decode(t, txs[0]).Data(); string(got) != string(contracts.ApproveCall(w.lock, contracts.Amount{})) {
		t.Errorf("the allowance was not taken back first: %x", got)
	}
	w.sim.Commit()
	w.mined(txs...)
	w.call(w.alice, w.token, contracts.ApproveCall(w.lock, contracts.Units(5000)))
	w.sim.Commit()
	four := w.alice.make(t, w.lockOrder(w.tokens(), 4))
	if len(four) != 1 {
		t.Fatalf("fourth lock: %d transactions", len(four))
	}
	w.sim.Commit()
	w.mined(four...)
	if got := w.alice.holds(t, w.tokens()); got.Cmp(contracts.Units(996_000)) != 0 {
		t.Errorf("after four locks: %s", got)
	}
	poor := w.lockOrder(w.tokens(), 5)
	poor.Terms.Amount = contracts.Units(996_001)
	if _, err := w.alice.Prepare(bg, poor); !errors.Is(err, trade.ErrShort) {
		t.Errorf("one unit more than there is: %v", err)
	}
}

// call sends a call of a contract from p, outside of its lane.
func (w *world) call(p *person, to contracts.Address, data []byte) {
	w.t.Helper()
	n, err := w.sim.Client().NonceAt(bg, p.Account(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	tx, err := types.SignNewTx(p.key, types.NewEIP155Signer(big.NewInt(simID)), &types.LegacyTx{
		Nonce: n, To: &to, Gas: 500_000, GasPrice: big.NewInt(30 * params.GWei), Data: data,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.sim.Client().SendTransaction(bg, tx); err != nil {
		w.t.Fatal(err)
	}
}

// Each row asks for one payment; all of Alice's coins are 100.
func TestPay(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	bob := w.bob.Account().Hex()
	coin := func(n int64) contracts.Amount {
		a, err := contracts.ParseDecimal(big.NewInt(n).String(), 18)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, row := range []struct {
		name   string
		to     string
		asset  contracts.Asset
		amount contracts.Amount
		want   error
	}{
		{"coins", bob, w.native(), coin(1), nil},
		{"tokens", bob, w.tokens(), contracts.Units(5), nil},
		{"all but the fee", bob, w.native(), coin(100), trade.ErrShort},
		{"too many tokens", bob, w.tokens(), contracts.Units(1_000_001), trade.ErrShort},
		{"wrong checksum", strings.Replace(bob, bob[2:4], swapCase(bob[2:4]), 1), w.native(), coin(1), contracts.ErrAddress},
		{"to nobody", "0x0000000000000000000000000000000000000000", w.native(), coin(1), contracts.ErrAddress},
		{"to the contract", w.lock.Hex(), w.native(), coin(1), contracts.ErrAddress},
		{"to the token", w.token.Hex(), w.tokens(), contracts.Units(1), contracts.ErrAddress},
		{"of Bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", w.native(), coin(1), contracts.ErrAddress},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := trade.Order{Purpose: trade.Send, To: row.to, Terms: contracts.Terms{Asset: row.asset, Amount: row.amount}}
			txs, err := w.alice.Prepare(bg, o)
			if !errors.Is(err, row.want) || (row.want == nil && err != nil) {
				t.Fatalf("got %v, want %v", err, row.want)
			}
			if row.want != nil {
				return
			}
			before := w.bob.holds(t, row.asset)
			if err := w.alice.Send(bg, txs[0]); err != nil {
				t.Fatal(err)
			}
			w.sim.Commit()
			if got := w.bob.holds(t, row.asset); got.Cmp(before.Plus(row.amount)) != 0 {
				t.Errorf("Bob has %s, had %s", got, before)
			}
		})
	}
}

// swapCase makes a checksum wrong; digits give way to a letter.
func swapCase(s string) string {
	out := []byte(s)
	for i, c := range out {
		switch {
		case c >= 'a' && c <= 'f':
			out[i] = c - 32
		case c >= 'A' && c <= 'F':
			out[i] = c + 32
		default:
			out[i] = 'b'
		}
	}
	return string(out)
}

// What waits to be mined is no longer there to be spent; what is given back is.
func TestBalanceOfWaiting(t *testing.T) {
	both(t, func(t *testing.T, w *world, asset contracts.Asset) {
		before := w.alice.holds(t, asset)
		txs, err := w.alice.Prepare(bg, w.lockOrder(asset, 1))
		if err != nil {
			t.Fatal(err)
		}
		want := before.Minus(contracts.Units(1000))
		if asset.IsNative() {
			want = want.Minus(txs[0].Fee)
		}
		if got := w.alice.holds(t, asset); got.Cmp(want) != 0 {
			t.Errorf("while it waits: %s, want %s", got, want)
		}
		for _, tx := range txs {
			w.alice.Release(tx)
		}
		if got := w.alice.holds(t, asset); got.Cmp(before) != 0 {
			t.Errorf("given back: %s, want %s", got, before)
		}
	})
}

// A lock must leave enough to take it back; a payment must leave enough for the
// legs that are open.
func TestReserve(t *testing.T) {
	w := newWorld(t, contracts.SMT)
	o := w.lockOrder(w.native(), 1)
	have := w.alice.holds(t, w.native())
	lock, _, _, err := w.alice.Fees(bg, w.native())
	if err != nil {
		t.Fatal(err)
	}
	o.Terms.Amount = have.Minus(lock) // pays the lock itself, to the last unit
	if _, err := w.alice.Prepare(bg, o); !errors.Is(err, trade.ErrShort) {
		t.Errorf("lock without a refund's fee: %v", err)
	}
	w.follow(o.Terms)
	w.alice.await(t, trade.Ours, "head", func(h trade.Head, _ trade.Fate) bool { return h.Height > 0 })
	theirs := w.lockOrder(w.native(), 2)
	theirs.Terms.Redeemer, theirs.Terms.Refunder = theirs.Terms.Refunder, theirs.Terms.Redeemer
	all := trade.Order{Purpose: trade.Send, To: w.bob.Account().Hex(), Terms: contracts.Terms{Asset: w.native(), Amount: have.Minus(lock)}}
	if _, err := w.alice.Prepare(bg, all); err != nil {
		t.Errorf("pay all but a fee while nothing is open: %v", err)
	}
	if err := w.alice.Watch(bg, trade.Watch{ID: theirs.ID, Side: trade.Theirs, Terms: theirs.Terms}); err != nil {
		t.Fatal(err)
	}
	again := w.person(w.alice.key, w.gate.URL)
	if err := again.Watch(bg, trade.Watch{ID: theirs.ID, Side: trade.Theirs, Terms: theirs.Terms}); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Prepare(bg, all); !errors.Is(err, trade.ErrShort) {
		t.Errorf("pay what a redeem will need: %v", err)
	}
}
