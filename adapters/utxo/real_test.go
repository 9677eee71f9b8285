package utxo_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// terms are a new leg that alice locks for bob.
func (w *world) terms(form contracts.Form, secret contracts.Secret, expiry uint64) contracts.Terms {
	w.t.Helper()
	redeemer, err := w.bob.Party(w.t.Context(), w.number)
	if err != nil {
		w.t.Fatal(err)
	}
	refunder, err := w.alice.Party(w.t.Context(), w.number)
	if err != nil {
		w.t.Fatal(err)
	}
	return contracts.Terms{Asset: contracts.Native(w.coin), Amount: contracts.Units(2_000_000), Hash: secret.Hash(), Redeemer: redeemer,
		Refunder: refunder, Expiry: expiry, Form: form}
}

// A story is one lock of alice for bob.
type story struct {
	*world
	id     contracts.Hash
	secret contracts.Secret
	terms  contracts.Terms
	held   trade.Tx
	lock   trade.Tx
}

// locked begins a story: alice's lock is sent, and both see it.
func (w *world) locked(form contracts.Form, expiry uint64) *story {
	w.t.Helper()
	w.number++
	s := &story{world: w, secret: sha256.Sum256(fmt.Appendf(nil, "secret %d", w.number))}
	s.terms, s.id = w.terms(form, s.secret, expiry), s.secret.Hash()
	head, err := w.alice.Head(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range []*side{w.alice, w.bob} {
		if err := p.Watch(w.t.Context(), trade.Watch{ID: s.id, Side: trade.Ours, Terms: s.terms, From: head.Height}); err != nil {
			w.t.Fatal(err)
		}
	}
	txs := s.prepare(w.alice, trade.Lock)
	if len(txs) != 2 || txs[0].Held || !txs[1].Held {
		w.t.Fatalf("a lock is %d transactions", len(txs))
	}
	s.lock, s.held = txs[0], txs[1]
	s.send(w.alice, s.lock)
	w.until("a lock in the mempool", func() bool { l := w.bob.fate(s.id).Lock; return l != nil && l.Height == 0 })
	return s
}

// mined lets the lock be mined and seen.
func (s *story) mined() *story {
	s.t.Helper()
	s.mine(1)
	for _, p := range []*side{s.alice, s.bob} {
		s.until("a lock in a block", func() bool { l := p.fate(s.id).Lock; return l != nil && l.Height > 0 })
	}
	return s
}

func (s *story) order(p *side, purpose trade.Purpose) trade.Order {
	return trade.Order{ID: s.id, Number: s.number, Side: trade.Ours, Purpose: purpose, Terms: s.terms, Spot: p.fate(s.id).Lock, Secret: &s.secret,
		Deadline: uint64(time.Now().Add(48 * time.Hour).Unix())}
}

func (s *story) prepare(p *side, purpose trade.Purpose) []trade.Tx {
	s.t.Helper()
	txs, err := p.Prepare(s.t.Context(), s.order(p, purpose))
	if err != nil {
		s.t.Fatalf("%s: %v", purpose, err)
	}
	return txs
}

func (s *story) send(p *side, tx trade.Tx) {
	s.t.Helper()
	for range 2 { // again is no error
		if err := p.Send(s.t.Context(), tx); err != nil {
			s.t.Fatalf("send %s: %v", tx.Purpose, err)
		}
	}
}

// ends waits until both see how the lock ended, at this height or in any block.
func (s *story) ends(kind trade.Kind, inBlock bool) {
	s.t.Helper()
	for _, p := range []*side{s.alice, s.bob} {
		s.until(fmt.Sprintf("an end by %s, in a block %t", kind, inBlock), func() bool {
			e := p.fate(s.id).End
			return e != nil && e.Kind == kind && (e.Height > 0) == inBlock && (kind != trade.BySecret || *e.Secret == s.secret)
		})
	}
}

// far is a time that does not come, unless the clock is moved.
func (w *world) far() uint64 { return uint64(time.Now().Add(w.clock + 24*time.Hour).Unix()) }

func TestRealBtcd(t *testing.T) {
	w := simnetWorld(t, "github.com/btcsuite/btcd", btcSimnet)
	w.walletless(btcSimnet)
	tell(w)
	w.undone()
}

func TestRealLtcd(t *testing.T) {
	w := simnetWorld(t, "github.com/ltcsuite/ltcd", ltcSimnet)
	w.walletless(ltcSimnet)
	tell(w)
}

func TestRealLitecoind(t *testing.T) {
	w := ltcWorld(t, false)
	w.fundLitecoin()
	tell(w)
	w.undone()
	w.hogEx()
}

// fundLitecoin pays alice from the node's own wallet.
func (w *world) fundLitecoin() {
	for range 8 {
		w.call(nil, "sendtoaddress", w.address(w.alice), 1)
	}
	w.mine(1)
}

// tell plays every way in which a lock can go.
func tell(w *world) {
	t := w.t
	w.until("alice's coins", func() bool {
		have, _, err := w.alice.Balance(t.Context(), contracts.Native(w.coin))
		return err == nil && !have.Less(contracts.Units(8e8))
	})
	if err := w.alice.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, form := range []contracts.Form{contracts.P2TR, contracts.P2WSH} {
		w.redeemed(form)
		w.refunded(form)
	}
	w.together(trade.Redeem)
	w.together(trade.Refund)
	w.hastened()
	w.sent()
}

func (w *world) redeemed(form contracts.Form) {
	s := w.locked(form, w.far()).mined()
	w.early(s)
	f := w.bob.fate(s.id)
	watch := trade.Watch{ID: s.id, Side: trade.Ours, Terms: s.terms}
	if err := w.bob.Agree(w.t.Context(), watch, f); err != nil {
		w.t.Fatal(err)
	}
	before, _, err := w.bob.Balance(w.t.Context(), contracts.Native(w.coin))
	if err != nil {
		w.t.Fatal(err)
	}
	tx := s.prepare(w.bob, trade.Redeem)[0]
	s.send(w.bob, tx)
	s.ends(trade.BySecret, false)
	if err := w.bob.Agree(w.t.Context(), watch, f); err == nil {
		w.t.Fatal("agreed on a lock that is being spent")
	}
	w.mine(1)
	s.ends(trade.BySecret, true)
	want := before.Plus(s.terms.Amount).Minus(tx.Fee)
	if got, _, err := w.bob.Balance(w.t.Context(), contracts.Native(w.coin)); err != nil || got != want {
		w.t.Fatalf("bob has %s, %v; want %s", got, err, want)
	}
	if e := w.alice.fate(s.id).End; e.Fee != tx.Fee {
		w.t.Fatalf("alice sees fee %s, bob paid %s", e.Fee, tx.Fee)
	}
	// A refund after the redeem finds nothing.
	if err := w.alice.Send(w.t.Context(), s.held); !errors.Is(err, trade.ErrSpent) && !errors.Is(err, trade.ErrNotYet) {
		w.t.Fatalf("refund of what is redeemed: %v", err)
	}
}

// refunded takes a lock back. btcd and ltcd make blocks by the wall clock, which
// median time past has overtaken here, so that their lock is one whose time has
// come; on litecoind the clock is moved.
func (w *world) refunded(form contracts.Form) {
	expiry := uint64(time.Now().Add(-time.Minute).Unix())
	if w.mock {
		expiry = w.far()
	}
	s := w.locked(form, expiry).mined()
	if w.mock {
		w.early(s)
		w.passes(expiry, w.alice)
	}
	s.send(w.alice, s.prepare(w.alice, trade.Refund)[0])
	s.ends(trade.ByTime, false)
	w.mine(1)
	s.ends(trade.ByTime, true)
}

// passes moves the clock until a refund of expiry can be mined, as p sees it.
func (w *world) passes(expiry uint64, p *side) {
	w.t.Helper()
	w.clock += 25 * time.Hour
	w.call(nil, "setmocktime", time.Now().Add(w.clock).Unix())
	w.mine(6)
	w.until("the time", func() bool {
		head, err := p.Head(w.t.Context())
		return err == nil && head.Time > expiry
	})
}

// early tries to refund before the time: neither we nor the node allow it.
func (w *world) early(s *story) {
	if _, err := w.alice.Prepare(w.t.Context(), s.order(w.alice, trade.Refund)); !errors.Is(err, trade.ErrNotYet) {
		w.t.Fatalf("refund before its time: %v", err)
	}
	if err := w.alice.Send(w.t.Context(), s.held); !errors.Is(err, trade.ErrNotYet) {
		w.t.Fatalf("refund sent before its time: %v", err)
	}
}

func (w *world) together(purpose trade.Purpose) {
	s := w.locked(contracts.P2TR, w.far()).mined()
	asks, answers := w.bob, w.alice
	if purpose == trade.Refund {
		asks, answers = w.alice, w.bob
	}
	session, err := asks.Propose(w.t.Context(), s.order(asks, purpose))
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := answers.Cosign(w.t.Context(), s.order(answers, purpose), session.Request())
	if err != nil {
		w.t.Fatal(err)
	}
	tx, err := session.Finish(a)
	if err != nil {
		w.t.Fatal(err)
	}
	s.send(asks, tx)
	w.mine(1)
	s.ends(trade.ByBoth, true)
}

// hastened raises the fees of a lock and of its redeem while both wait.
func (w *world) hastened() {
	s := w.locked(contracts.P2TR, w.far())
	soon := s.order(w.alice, trade.Lock)
	if _, err := w.alice.Hasten(w.t.Context(), soon, s.lock); !errors.Is(err, trade.ErrNotYet) {
		w.t.Fatalf("hastened what is well paid: %v", err)
	}
	soon.Deadline = uint64(time.Now().Unix())
	child, err := w.alice.Hasten(w.t.Context(), soon, s.lock)
	if err != nil {
		w.t.Fatal(err)
	}
	s.send(w.alice, child)
	s.mined()
	redeem := s.prepare(w.bob, trade.Redeem)[0]
	s.send(w.bob, redeem)
	s.ends(trade.BySecret, false)
	soon = s.order(w.bob, trade.Redeem)
	soon.Deadline = uint64(time.Now().Unix())
	faster, err := w.bob.Hasten(w.t.Context(), soon, redeem)
	if err != nil {
		w.t.Fatal(err)
	}
	s.send(w.bob, faster)
	if w.coin == contracts.BTC {
		w.until("the old redeem to be outbid", func() bool { return errors.Is(w.bob.Send(w.t.Context(), redeem), trade.ErrSpent) })
	} else {
		s.send(w.bob, redeem)
	}
	w.mine(1)
	s.ends(trade.BySecret, true)
	want := redeem.TxID
	if w.coin == contracts.BTC {
		want = faster.TxID
	}
	if got := w.alice.fate(s.id).End.TxID; got != want {
		w.t.Fatalf("mined %s, want %s", got, want)
	}
}

// sent pays bob from alice's wallet, and more than she has.
func (w *world) sent() {
	order := trade.Order{ID: contracts.Hash{1}, Side: trade.Ours, Purpose: trade.Send, To: w.address(w.bob),
		Terms: contracts.Terms{Asset: contracts.Native(w.coin), Amount: contracts.Units(150_000_000)}}
	txs, err := w.alice.Prepare(w.t.Context(), order)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.alice.Send(w.t.Context(), txs[0]); err != nil {
		w.t.Fatal(err)
	}
	w.mine(1)
	w.until("bob to be paid", func() bool {
		have, _, err := w.bob.Balance(w.t.Context(), contracts.Native(w.coin))
		return err == nil && !have.Less(order.Terms.Amount)
	})
	order.Terms.Amount = contracts.Units(20_000_000e8 - 1)
	if _, err := w.alice.Prepare(w.t.Context(), order); !errors.Is(err, trade.ErrShort) {
		w.t.Fatalf("paid more than there is: %v", err)
	}
}

// undone takes the block with a lock out of the chain: the lock waits again and
// is mined anew.
func (w *world) undone() {
	s := w.locked(contracts.P2TR, w.far()).mined()
	was := w.bob.fate(s.id).Lock.Height
	var block string
	w.call(&block, "getblockhash", was)
	w.call(nil, "invalidateblock", block)
	if w.mock { // else the new block is the old one
		w.clock += time.Minute
		w.call(nil, "setmocktime", time.Now().Add(w.clock).Unix())
	}
	w.mine(2)
	w.until("the lock in the new branch", func() bool {
		w.bob.mu.Lock()
		head := w.bob.head
		w.bob.mu.Unlock()
		l := w.bob.fate(s.id).Lock
		return head.Height == was+1 && l != nil && l.Height >= was
	})
	if err := w.bob.Agree(w.t.Context(), trade.Watch{ID: s.id, Side: trade.Ours, Terms: s.terms}, w.bob.fate(s.id)); err != nil {
		w.t.Fatal(err)
	}
	s.send(w.bob, s.prepare(w.bob, trade.Redeem)[0])
	w.mine(1)
	s.ends(trade.BySecret, true)
}

// hogEx pays alice out of the extension block: the coins are hers six blocks
// later.
func (w *world) hogEx() {
	before, _, err := w.alice.Balance(w.t.Context(), contracts.Native(w.coin))
	if err != nil {
		w.t.Fatal(err)
	}
	w.wallet = "/wallet/hidden"
	w.call(nil, "sendtoaddress", w.address(w.alice), 3)
	w.wallet = "/wallet/miner"
	for depth := 1; depth <= 6; depth++ {
		w.mine(1)
		var height uint64
		w.call(&height, "getblockcount")
		w.until("the block", func() bool { h, err := w.alice.Head(w.t.Context()); return err == nil && h.Height == height })
		have, soon, err := w.alice.Balance(w.t.Context(), contracts.Native(w.coin))
		if err != nil {
			w.t.Fatal(err)
		}
		if got, ripe := !have.Less(before.Plus(contracts.Units(3e8))), depth == 6; got != ripe || (!ripe && soon != contracts.Units(3e8)) {
			w.t.Fatalf("%d deep: has %s, %s on its way, had %s", depth, have, soon, before)
		}
	}
}
