package utxo_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"photon/adapters/utxo"
	"photon/contracts"
	"photon/swap/trade"
)

// walletless asks for a wallet where the program has none.
func (w *world) walletless(coin utxo.Coin) {
	w.t.Helper()
	for _, name := range []person{"", "savings"} {
		w.funds = true
		c, err := utxo.New(w.config(coin, name))
		w.funds = false
		if err != nil {
			w.t.Fatal(err)
		}
		if err := c.Check(w.t.Context()); !errors.Is(err, utxo.ErrNoWallet) {
			w.t.Fatalf("wallet %q: %v", name, err)
		}
	}
}

// The same stories as with our own wallet, paid from wallets of litecoind and
// back to them.
func TestRealLitecoindWallet(t *testing.T) {
	w := ltcWorld(t, true)
	w.fundLitecoin()
	tell(w)
	w.unfit()
	w.leftBehind()
	w.passphrase()
}

// holds is what a side has, and nothing is on its way.
func (w *world) holds(s *side) contracts.Amount {
	w.t.Helper()
	have, soon, err := s.Balance(w.t.Context(), contracts.Native(w.coin))
	if err != nil || !soon.IsZero() {
		w.t.Fatalf("%s has %s, %s on its way, %v", s.who, have, soon, err)
	}
	return have
}

// unfit pays alice's wallet in ways that cannot fund a lock.
func (w *world) unfit() {
	before := w.holds(w.alice)
	w.wallet = "/wallet/alice"
	var legacy, mweb string
	w.call(&legacy, "getnewaddress", "", "legacy")
	w.call(&mweb, "getnewaddress", "", "mweb")
	w.wallet = "/wallet/miner"
	w.call(nil, "sendtoaddress", legacy, 2)
	w.call(nil, "sendtoaddress", mweb, 3)
	w.mine(1)
	if got := w.holds(w.alice); got != before {
		w.t.Fatalf("counts %s, had %s", got, before)
	}
	order := trade.Order{ID: contracts.Hash{2}, Side: trade.Ours, Purpose: trade.Send, To: w.address(w.bob),
		Terms: contracts.Terms{Asset: contracts.Native(w.coin), Amount: before}}
	if _, err := w.alice.Prepare(w.t.Context(), order); !errors.Is(err, trade.ErrShort) || !strings.Contains(err.Error(), "500000000 more cannot fund") {
		w.t.Fatalf("spent what cannot fund a lock: %v", err)
	}
}

// again is alice after a restart, with what was stored.
func (w *world) again(book utxo.Book, stored ...trade.Tx) *side {
	w.t.Helper()
	cfg := w.config(ltcRegtest, w.alice.who)
	cfg.Book = book
	c, err := utxo.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	s := &side{Chain: c, who: w.alice.who, fates: map[contracts.Hash]trade.Fate{}}
	if err := c.Resume(w.t.Context(), stored); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// reserved is how many coins alice's wallet has reserved.
func (w *world) reserved() int {
	w.t.Helper()
	w.wallet = "/wallet/alice"
	defer func() { w.wallet = "/wallet/miner" }()
	var all []any
	w.call(&all, "listlockunspent")
	return len(all)
}

// leftBehind stops alice between the making of a lock and its storing: what the
// node reserved is given back at the next start, and a coin that the node forgot
// to reserve is reserved again.
func (w *world) leftBehind() {
	before, book := w.holds(w.alice), &shelf{rows: map[string][]byte{}}
	w.number++
	var secret contracts.Secret
	secret[0], secret[1] = 7, byte(w.number)
	terms := w.terms(contracts.P2TR, secret, w.far())
	order := trade.Order{ID: secret.Hash(), Number: w.number, Side: trade.Ours, Purpose: trade.Lock, Terms: terms}
	first := w.again(book)
	stored, err := first.Prepare(w.t.Context(), order)
	if err != nil {
		w.t.Fatal(err)
	}
	order.ID[0] ^= 1
	if _, err := first.Prepare(w.t.Context(), order); err != nil {
		w.t.Fatal(err)
	}
	if n := w.reserved(); n != 2 {
		w.t.Fatalf("%d coins reserved for two locks", n)
	}
	if got := w.holds(first); got != before {
		w.t.Fatalf("has %s, had %s before it reserved some", got, before)
	}
	second := w.again(book, stored...)
	w.follow(second)
	w.until("one reservation to be given back", func() bool { return w.reserved() == 1 })
	w.wallet = "/wallet/alice"
	w.call(nil, "lockunspent", true) // all, as a restart of the node does
	w.wallet = "/wallet/miner"
	w.until("the other to be made again", func() bool { return w.reserved() == 1 })
	second.Release(stored[0])
	w.until("no reservation", func() bool { return w.reserved() == 0 })
	if got := w.holds(second); got != before {
		w.t.Fatalf("has %s, had %s before all that", got, before)
	}
}

// passphrase locks alice's wallet between her lock and her refund, and restarts
// her: the refund pays where it was signed to pay.
func (w *world) passphrase() {
	before := w.holds(w.alice)
	s := w.locked(contracts.P2TR, w.far()).mined()
	if got := w.holds(w.alice); got != before.Minus(s.terms.Amount).Minus(s.lock.Fee) {
		w.t.Fatalf("has %s after a lock at fee %s, had %s", got, s.lock.Fee, before)
	}
	if l := w.alice.fate(s.id).Lock; l.Fee != s.lock.Fee {
		w.t.Fatalf("lock seen with fee %s, paid %s", l.Fee, s.lock.Fee)
	}
	w.wallet = "/wallet/alice"
	w.call(nil, "encryptwallet", "hush")
	w.wallet = "/wallet/miner"
	if _, err := w.alice.Prepare(w.t.Context(), s.order(w.alice, trade.Lock)); !errors.Is(err, utxo.ErrLocked) || !errors.Is(err, trade.ErrNotYet) {
		w.t.Fatalf("lock from a locked wallet: %v", err)
	}
	alice := w.again(nil, s.lock, s.held)
	w.follow(alice)
	if err := alice.Check(w.t.Context()); err != nil {
		w.t.Fatalf("a locked wallet is no reason not to start: %v", err)
	}
	if err := alice.Watch(w.t.Context(), trade.Watch{ID: s.id, Side: trade.Ours, Terms: s.terms, From: w.alice.fate(s.id).Lock.Height}); err != nil {
		w.t.Fatal(err)
	}
	w.until("the lock after a restart", func() bool { return alice.fate(s.id).Lock != nil })
	w.passes(s.terms.Expiry, alice)
	refund := s.prepare(alice, trade.Refund)[0]
	if got, want := destination(w.t, refund), destination(w.t, s.held); !bytes.Equal(got, want) {
		w.t.Fatalf("refunds to %x, it was to be %x", got, want)
	}
	s.send(alice, refund)
	s.ends(trade.ByTime, false)
	w.mine(1)
	s.ends(trade.ByTime, true)
	if got, want := w.holds(alice), before.Minus(s.lock.Fee).Minus(refund.Fee); got != want {
		w.t.Fatalf("has %s after the refund, want %s", got, want)
	}
	w.wallet = "/wallet/alice"
	w.call(nil, "walletpassphrase", "hush", 600)
	w.wallet = "/wallet/miner"
	s = w.locked(contracts.P2WSH, w.far()).mined()
	s.send(w.bob, s.prepare(w.bob, trade.Redeem)[0])
	w.mine(1)
	s.ends(trade.BySecret, true)
}

// destination is the script of tx's only output.
func destination(t *testing.T, tx trade.Tx) []byte {
	t.Helper()
	var msg wire.MsgTx
	if err := msg.Deserialize(bytes.NewReader(tx.Raw)); err != nil || len(msg.TxOut) != 1 {
		t.Fatalf("%d outputs, %v", len(msg.TxOut), err)
	}
	return msg.TxOut[0].PkScript
}

// A shelf is a book in memory.
type shelf struct {
	mu   sync.Mutex
	rows map[string][]byte
}

func (s *shelf) Get(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[key], nil
}

func (s *shelf) Put(_ context.Context, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[key] = slices.Clone(value)
	return nil
}
