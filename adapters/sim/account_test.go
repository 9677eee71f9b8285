package sim

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// A court is a chain of contracts with alice, who locks, and bob, who redeems.
type court struct {
	*testing.T
	chain      *Contracts
	usd        contracts.Asset
	alice, bob *Account
}

// inCourt runs a test in a court of its own, under fake time.
func inCourt(t *testing.T, test func(court)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		chain, err := NewContracts(contracts.ETH, 12*time.Second, 20_000_000_000, PunishBlocks)
		if err != nil {
			t.Fatal(err)
		}
		token, err := chain.Token("usd", 6)
		if err != nil {
			t.Fatal(err)
		}
		c := court{T: t, chain: chain, usd: contracts.Asset{Chain: contracts.ETH, Token: token}}
		for _, k := range []Keys{"alice", "bob"} {
			whole := contracts.Units(1_000_000_000_000_000_000)
			if err := errors.Join(chain.Give(k, contracts.Native(contracts.ETH), whole), chain.Give(k, c.usd, contracts.Units(1000))); err != nil {
				t.Fatal(err)
			}
		}
		c.alice, c.bob = c.account("alice"), c.account("bob")
		test(c)
	})
}

// account is a person's hold on the chain that knows of nothing made before.
func (c court) account(name string) *Account { return c.chain.Account(NewLife(c.Context(), name, nil)) }

var goodSecret = contracts.Secret{7}

// order is alice's, to lock for bob.
func (c court) order(asset contracts.Asset) trade.Order {
	alice, bob := c.alice.address(), c.bob.address()
	return trade.Order{ID: goodSecret.Hash(), Number: 1, Side: trade.Ours, Purpose: trade.Lock, Terms: contracts.Terms{
		Asset: asset, Amount: contracts.Units(400), Hash: goodSecret.Hash(), Expiry: uint64(time.Now().Unix()) + 1800,
		Redeemer: bob[:], Refunder: alice[:], Form: contracts.Contract, Contract: c.chain.HashLock()}}
}

// redeem is bob's, for what alice's order locks.
func (c court) redeem(o trade.Order) trade.Order {
	o.Side, o.Purpose, o.Secret = trade.Theirs, trade.Redeem, &goodSecret
	o.Spot = c.chain.Fate(trade.Watch{Terms: o.Terms}).Lock
	return o
}

func (c court) send(a *Account, o trade.Order) []trade.Tx {
	c.Helper()
	txs, err := a.Prepare(c.Context(), o)
	for _, tx := range txs {
		err = errors.Join(err, a.Send(c.Context(), tx))
	}
	if err != nil {
		c.Fatal(err)
	}
	return txs
}

// locked is o once its lock is mined.
func (c court) locked(o trade.Order) trade.Order {
	c.Helper()
	c.send(c.alice, o)
	c.chain.Mine()
	return o
}

// mineAt makes a block at a time, in Unix seconds.
func (c court) mineAt(at uint64) {
	time.Sleep(time.Until(time.Unix(int64(at), 0)))
	c.chain.Mine()
}

// otherwise uses the next nonce of a person for a payment, behind the back of
// whoever holds it.
func (c court) otherwise(name string) {
	c.Helper()
	c.send(c.account(name), trade.Order{ID: contracts.Hash{9}, Side: trade.Ours, Purpose: trade.Send, To: "carol.eth",
		Terms: contracts.Terms{Asset: contracts.Native(contracts.ETH), Amount: contracts.Units(1)}})
	c.chain.Mine()
}

// Whatever became of a lock, no second one is made of the same leg, neither for
// the asking nor as what is to hasten the first.
func TestNoSecondLock(t *testing.T) {
	for _, r := range []struct {
		name     string
		token    bool
		befalls  func(c court, o trade.Order)
		prepared error // again
		hastened error
	}{
		{"waits", false, func(c court, o trade.Order) { c.send(c.alice, o) }, trade.ErrSpent, trade.ErrNotYet},
		{"mined", false, func(c court, o trade.Order) { c.locked(o) }, trade.ErrSpent, trade.ErrNotYet},
		{"redeemed", false, func(c court, o trade.Order) {
			c.send(c.bob, c.redeem(c.locked(o)))
			c.chain.Mine()
		}, trade.ErrSpent, trade.ErrNotYet},
		{"displaced", false, func(c court, o trade.Order) {
			if _, err := c.alice.Prepare(c.Context(), o); err != nil {
				c.Fatal(err)
			}
			c.otherwise("alice")
		}, nil, trade.ErrSpent},
		{"reverted, its approval displaced", true, func(c court, o trade.Order) {
			txs, err := c.alice.Prepare(c.Context(), o)
			if err != nil {
				c.Fatal(err)
			}
			c.otherwise("alice")
			if err := c.alice.Send(c.Context(), txs[1]); err != nil {
				c.Fatal(err)
			}
			c.chain.Mine()
			if err := c.alice.Send(c.Context(), txs[1]); !errors.Is(err, trade.ErrSpent) {
				c.Errorf("sent what has reverted: %v", err)
			}
		}, nil, trade.ErrSpent},
	} {
		t.Run(r.name, func(t *testing.T) {
			inCourt(t, func(c court) {
				o := c.order(contracts.Native(contracts.ETH))
				if r.token {
					o = c.order(c.usd)
				}
				r.befalls(c, o)
				if tx, err := c.alice.Hasten(c.Context(), o, trade.Tx{}); !errors.Is(err, r.hastened) {
					c.Errorf("hastened by a %s: %v, want %v", tx.Purpose, err, r.hastened)
				}
				if r.prepared == nil {
					return // nobody asks: see the desk
				}
				if _, err := c.alice.Prepare(c.Context(), o); !errors.Is(err, r.prepared) {
					c.Errorf("prepared again: %v, want %v", err, r.prepared)
				}
			})
		})
	}
}

// A redeem that was displaced is made once more, and not again while that waits.
func TestDisplacedRedeemIsMadeOnce(t *testing.T) {
	inCourt(t, func(c court) {
		o := c.order(contracts.Native(contracts.ETH))
		r := c.redeem(c.locked(o))
		lost, err := c.bob.Prepare(c.Context(), r)
		if err != nil {
			c.Fatal(err)
		}
		c.otherwise("bob")
		again, err := c.bob.Hasten(c.Context(), r, lost[0])
		if err != nil {
			c.Fatal(err)
		}
		if _, err := c.bob.Hasten(c.Context(), r, again); !errors.Is(err, trade.ErrNotYet) {
			c.Errorf("made a third time: %v", err)
		}
		if err := c.bob.Send(c.Context(), again); err != nil {
			c.Fatal(err)
		}
		c.chain.Mine()
		if end := c.chain.Fate(trade.Watch{Terms: o.Terms}).End; end == nil || end.TxID != again.TxID {
			c.Errorf("ended %+v", end)
		}
		if _, err := c.bob.Hasten(c.Context(), r, again); !errors.Is(err, trade.ErrNotYet) {
			c.Errorf("made again once it is mined: %v", err)
		}
	})
}

// What waits is raised to what miners ask, within what there is and is at stake.
func TestRaise(t *testing.T) {
	inCourt(t, func(c court) {
		o := c.order(contracts.Native(contracts.ETH))
		first := c.send(c.alice, o)[0]
		c.chain.Ask(40_000_000_000)
		faster, err := c.alice.Hasten(c.Context(), o, first)
		if err != nil || faster.Fee != first.Fee.Plus(first.Fee) {
			c.Fatalf("fee %s after %s: %v", faster.Fee, first.Fee, err)
		}
		c.chain.Ask(40_000_000_000_000)
		if _, err := c.alice.Hasten(c.Context(), o, faster); !errors.Is(err, trade.ErrShort) {
			c.Errorf("raised above all that there is: %v", err)
		}
		c.chain.Ask(20_000_000_000)
		if err := c.alice.Send(c.Context(), faster); err != nil {
			c.Fatal(err)
		}
		c.chain.Mine()
		r := c.redeem(o)
		redeem := c.send(c.bob, r)[0]
		c.chain.Ask(40_000_000_000)
		if _, err := c.bob.Hasten(c.Context(), r, redeem); !errors.Is(err, trade.ErrNotYet) {
			c.Errorf("paid more than is at stake: %v", err)
		}
	})
}

// Each row is one change to a good order: alice's lock of 400, or bob's redeem.
func TestAccountRefuses(t *testing.T) {
	for _, r := range []struct {
		name   string
		change func(c court, o *trade.Order)
		want   error
	}{
		{"good", func(court, *trade.Order) {}, nil},
		{"another chain", func(_ court, o *trade.Order) { o.Terms.Asset.Chain = contracts.SMT }, contracts.ErrTerms},
		{"another contract", func(_ court, o *trade.Order) { o.Terms.Contract[0]++ }, contracts.ErrTerms},
		{"another refunder", func(c court, o *trade.Order) {
			carol := c.account("carol").address()
			o.Terms.Refunder = carol[:]
		}, contracts.ErrTerms},
		{"an approval", func(_ court, o *trade.Order) { o.Purpose = trade.Approve }, trade.ErrStatus},
		{"tokens, all of them", func(c court, o *trade.Order) { o.Terms.Asset, o.Terms.Amount = c.usd, contracts.Units(1000) }, nil},
		{"one token more", func(c court, o *trade.Order) { o.Terms.Asset, o.Terms.Amount = c.usd, contracts.Units(1001) }, trade.ErrShort},
		{"tokens that wait to be sent", func(c court, o *trade.Order) {
			c.send(c.alice, trade.Order{ID: contracts.Hash{8}, Purpose: trade.Send, To: "bob.eth", Terms: contracts.Terms{Asset: c.usd, Amount: contracts.Units(601)}})
			o.Terms.Asset = c.usd
		}, trade.ErrShort},
		{"tokens without gas", func(c court, o *trade.Order) { c.chain.Ask(10_000_000_000_000); o.Terms.Asset = c.usd }, trade.ErrShort},
		{"redeem before the lock", func(c court, o *trade.Order) { *o = c.redeem(*o) }, trade.ErrNotYet},
		{"redeem", func(c court, o *trade.Order) { *o = c.redeem(c.locked(*o)) }, nil},
		{"redeem without the secret", func(c court, o *trade.Order) { *o = c.redeem(c.locked(*o)); o.Secret = nil }, trade.ErrSecret},
		{"redeem with another secret", func(c court, o *trade.Order) {
			*o = c.redeem(c.locked(*o))
			o.Secret = &contracts.Secret{1}
		}, trade.ErrSecret},
		{"redeem of a lock that is undone", func(c court, o *trade.Order) { *o = c.redeem(c.locked(*o)); c.chain.Reorg(1, true) }, trade.ErrSpent},
		{"redeem of what is redeemed", func(c court, o *trade.Order) { *o = c.redeem(c.locked(*o)); c.send(c.bob, *o); c.chain.Mine() }, trade.ErrSpent},
		{"redeem without gas", func(c court, o *trade.Order) { *o = c.redeem(c.locked(*o)); c.chain.Ask(10_000_000_000_000) }, trade.ErrShort},
		{"redeem in the last second", func(c court, o *trade.Order) { *o = c.redeem(c.locked(*o)); c.mineAt(o.Terms.Expiry - 1) }, nil},
		{"redeem a second later", func(c court, o *trade.Order) { *o = c.redeem(c.locked(*o)); c.mineAt(o.Terms.Expiry) }, trade.ErrTooLate},
		{"refund a second early", func(c court, o *trade.Order) {
			c.locked(*o)
			o.Purpose = trade.Refund
			c.mineAt(o.Terms.Expiry - 1)
		}, trade.ErrNotYet},
		{"refund in the first second", func(c court, o *trade.Order) {
			c.locked(*o)
			o.Purpose = trade.Refund
			c.mineAt(o.Terms.Expiry)
		}, nil},
	} {
		t.Run(r.name, func(t *testing.T) {
			inCourt(t, func(c court) {
				o := c.order(contracts.Native(contracts.ETH))
				r.change(c, &o)
				who := c.alice
				if o.Purpose == trade.Redeem {
					who = c.bob
				}
				if _, err := who.Prepare(c.Context(), o); !errors.Is(err, r.want) || (err == nil) != (r.want == nil) {
					c.Errorf("%v, want %v", err, r.want)
				}
			})
		})
	}
}

// What HashLock may take already is taken back before it may take more.
func TestAllowanceIsTakenBackFirst(t *testing.T) {
	inCourt(t, func(c court) {
		o := c.order(c.usd)
		if txs := c.send(c.alice, o); len(txs) != 2 {
			c.Fatalf("%d transactions, want an approval and the lock", len(txs))
		}
		next := o
		next.ID, next.Terms.Hash = contracts.Secret{8}.Hash(), contracts.Secret{8}.Hash()
		txs, err := c.alice.Prepare(c.Context(), next) // the first lock takes all that it is allowed
		if err != nil || len(txs) != 2 {
			c.Fatalf("%d transactions, want an approval and the lock: %v", len(txs), err)
		}
		c.alice.Release(txs[1]) // the approval stays
		third := o
		third.ID, third.Terms.Hash = contracts.Secret{9}.Hash(), contracts.Secret{9}.Hash()
		third.Terms.Amount = contracts.Units(500)
		if txs, err = c.alice.Prepare(c.Context(), third); err != nil || len(txs) != 3 {
			c.Fatalf("%d transactions, want two approvals and the lock: %v", len(txs), err)
		}
	})
}
