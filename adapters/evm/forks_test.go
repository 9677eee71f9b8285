package evm_test

import (
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"photon/contracts"
	"photon/swap/trade"
)

// fork makes a longer branch from the block at a height, without what waited to
// be mined.
func (w *world) fork(height uint64) {
	w.t.Helper()
	last := w.height()
	at, err := w.sim.Client().HeaderByNumber(bg, new(big.Int).SetUint64(height))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.sim.Fork(at.Hash()); err != nil {
		w.t.Fatal(err)
	}
	w.sim.Rollback()
	for w.height() <= last {
		w.sim.Commit()
	}
}

func unlocked(_ trade.Head, f trade.Fate) bool { return f.Lock == nil && f.End == nil }

// The block with the lock is undone. Bob no longer sees it, Alice sees it wait;
// sent again, it lies in a later block of the new branch.
func TestForkTakesLockBack(t *testing.T) {
	both(t, func(t *testing.T, w *world, asset contracts.Asset) {
		terms := w.terms(asset, w.alice, w.bob, contracts.Secret{3})
		w.follow(terms)
		txs := w.alice.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms})
		w.sim.Commit()
		first := w.height()
		w.bob.await(t, trade.Theirs, "lock", lockedAt(first))
		w.sim.Commit()
		w.fork(first - 1)
		w.bob.await(t, trade.Theirs, "lock undone", unlocked)
		w.alice.await(t, trade.Ours, "lock waits", lockedAt(0))
		for _, tx := range txs {
			if err := w.alice.Send(bg, tx); err != nil {
				t.Fatal(err)
			}
		}
		w.sim.Commit()
		w.bob.await(t, trade.Theirs, "lock again", lockedAt(w.height()))
	})
}

// The redeem is undone: the secret that was seen stays known to the trade, the
// fate says what the branch says. It is then mined again at another height.
func TestForkTakesRedeemBack(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	secret := contracts.Secret{4}
	terms := w.terms(w.native(), w.alice, w.bob, secret)
	w.follow(terms)
	w.alice.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms})
	w.sim.Commit()
	at := w.height()
	w.bob.await(t, trade.Theirs, "lock", lockedAt(at))
	txs := w.bob.make(t, trade.Order{ID: terms.Hash, Side: trade.Theirs, Purpose: trade.Redeem, Terms: terms, Secret: &secret})
	w.sim.Commit()
	w.alice.await(t, trade.Ours, "redeem", func(_ trade.Head, f trade.Fate) bool { return f.End != nil })
	w.fork(at)
	w.alice.await(t, trade.Ours, "redeem undone", lockedAt(at))
	if err := w.bob.Send(bg, txs[0]); err != nil {
		t.Fatal(err)
	}
	w.sim.Commit()
	f := w.alice.await(t, trade.Ours, "redeem again", func(_ trade.Head, f trade.Fate) bool { return f.End != nil })
	if f.End.Height != w.height() || *f.End.Secret != secret {
		t.Errorf("redeemed at %d with %v, chain is at %d", f.End.Height, f.End.Secret, w.height())
	}
}

// The lock's nonce is used by another transaction on the new branch. The lock is
// missing, also to Alice. No second one is made: another fork may bring the first
// back.
func TestForkDisplacesLock(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	terms := w.terms(w.native(), w.alice, w.bob, contracts.Secret{5})
	w.follow(terms)
	o := trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms}
	lock := w.alice.make(t, o)[0]
	w.sim.Commit()
	at := w.height()
	w.bob.await(t, trade.Theirs, "lock", lockedAt(at))
	parent, err := w.sim.Client().HeaderByNumber(bg, new(big.Int).SetUint64(at-1))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.sim.Fork(parent.Hash()); err != nil {
		t.Fatal(err)
	}
	w.sim.Rollback()
	w.other(w.alice, lock)
	for w.height() <= at {
		w.sim.Commit()
	}
	w.bob.await(t, trade.Theirs, "lock missing", unlocked)
	w.alice.await(t, trade.Ours, "lock missing to Alice", unlocked)
	if err := w.alice.Send(bg, lock); !errors.Is(err, trade.ErrSpent) {
		t.Fatalf("send displaced lock: %v", err)
	}
	if second, err := w.alice.Hasten(bg, o, lock); !errors.Is(err, trade.ErrSpent) {
		t.Fatalf("a second lock: %+v, %v", second, err)
	}
}

// Both the approval and the lock of tokens are displaced. Neither is made anew,
// whichever is asked for.
func TestForkDisplacesApproval(t *testing.T) {
	w := newWorld(t, contracts.SMT)
	o := w.lockOrder(w.tokens(), 6)
	w.follow(o.Terms)
	parent, err := w.sim.Client().HeaderByNumber(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	txs := w.alice.make(t, o)
	w.sim.Commit()
	w.bob.await(t, trade.Theirs, "lock", lockedAt(w.height()))
	if err := w.sim.Fork(parent.Hash()); err != nil {
		t.Fatal(err)
	}
	w.sim.Rollback()
	for _, tx := range txs {
		w.other(w.alice, tx)
	}
	w.sim.Commit()
	w.sim.Commit()
	w.bob.await(t, trade.Theirs, "lock missing", unlocked)
	w.alice.await(t, trade.Ours, "lock missing to Alice", unlocked)
	for _, tx := range txs {
		if second, err := w.alice.Hasten(bg, o, tx); !errors.Is(err, trade.ErrSpent) {
			t.Errorf("%s anew: %+v, %v", tx.Purpose, second, err)
		}
	}
}

// A payment counts its depth from the block that holds it; one that a fork has
// undone is not mined.
func TestBuried(t *testing.T) {
	w := newWorld(t, contracts.SMT)
	o := trade.Order{ID: contracts.Hash{9}, Side: trade.Ours, Purpose: trade.Send, To: w.bob.Account().Hex(),
		Terms: contracts.Terms{Asset: w.native(), Amount: contracts.Units(5)}}
	tx := w.alice.make(t, o)[0]
	depth := func(want uint64) {
		t.Helper()
		if got, err := w.alice.Buried(bg, tx); err != nil || got != want {
			t.Fatalf("depth %d, %v; want %d", got, err, want)
		}
	}
	depth(0)
	w.sim.Commit()
	at := w.height()
	depth(1)
	w.sim.Commit()
	depth(2)
	w.fork(at - 1)
	depth(0)
}

// other uses the nonce of tx for something else.
func (w *world) other(p *person, tx trade.Tx) {
	w.t.Helper()
	var old types.Transaction
	if err := old.UnmarshalBinary(tx.Raw); err != nil {
		w.t.Fatal(err)
	}
	to := p.Account()
	signed, err := types.SignNewTx(p.key, types.NewEIP155Signer(big.NewInt(simID)), &types.LegacyTx{
		Nonce: old.Nonce(), To: &to, Gas: 100_000, GasPrice: big.NewInt(100 * params.GWei),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.sim.Client().SendTransaction(bg, signed); err != nil {
		w.t.Fatal(err)
	}
}

// A fork that is deeper than the headers kept makes everything be read anew.
func TestForkDeeperThanKept(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	terms := w.terms(w.native(), w.alice, w.bob, contracts.Secret{6})
	w.alice.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms})
	w.sim.Commit()
	at := w.height()
	for range 40 {
		w.sim.Commit()
	}
	w.follow(terms) // keeps fewer headers
	w.bob.await(t, trade.Theirs, "lock", lockedAt(at))
	w.fork(at - 1)
	w.bob.await(t, trade.Theirs, "lock undone", unlocked)
}
