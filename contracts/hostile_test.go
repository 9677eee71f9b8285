package contracts_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/core/tracing"

	"photon/contracts"
)

// What Hostile.sol can be told.
const (
	honest = iota
	takesFee
	takesFeeFromPayer
	saysFalse
	saysTwo
	saysNothing
	movesNothing
	burnsGas
	reenters
	inflates
)

const (
	accepts = iota
	refuses
	partyBurnsGas
	partyReenters
	partyInflates
)

// hostileToken is a token that alice has and HashLock may take without end.
func (g *ground) hostileToken() contracts.Address {
	g.Helper()
	token := g.deploy(artifact(g, "HostileToken").pack(g, "", ether("1000").Uint256().ToBig()))
	g.must(g.send(miner, token, noCoins, contracts.TransferCall(alice, ether("1000"))))
	g.must(g.send(alice, token, noCoins, contracts.ApproveCall(g.lock, endless)))
	return token
}

func (g *ground) hostileParty() contracts.Address {
	g.Helper()
	return g.deploy(artifact(g, "HostileParty").pack(g, ""))
}

// tell calls a hostile contract. HostileToken and HostileParty share what they
// are told by.
func (g *ground) tell(at contracts.Address, method string, args ...any) {
	g.Helper()
	g.must(g.send(miner, at, noCoins, artifact(g, "HostileToken").pack(g, method, args...)))
}

// entered is how often a hostile contract came back in without being refused.
func (g *ground) entered(at contracts.Address) uint64 {
	g.Helper()
	n, err := contracts.ReadTokens(g.call(at, artifact(g, "HostileToken").pack(g, "entered")))
	if err != nil {
		g.Fatal(err)
	}
	count, _ := n.Uint64()
	return count
}

// What arrives at a lock must be the amount to the unit, whatever the token says.
func TestHostileTokenLock(t *testing.T) {
	for _, row := range []struct {
		name string
		mood uint8
		want string
	}{
		{"honest", honest, ""},
		{"fee out of the amount", takesFee, "BadToken"},
		{"fee on top of it", takesFeeFromPayer, ""},
		{"says false", saysFalse, "BadToken"},
		{"says two", saysTwo, "BadToken"},
		{"says nothing", saysNothing, ""},
		{"moves nothing", movesNothing, "BadToken"},
		{"a megabyte of true", inflates, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, g *ground) {
				token := g.hostileToken()
				g.tell(token, "setMood", row.mood)
				s := g.sample(1, of(token))
				data, value := s.LockCall()
				g.refused(g.send(alice, g.lock, value, data), row.want)
				batch, value := contracts.LockBatchCall([]contracts.Swap{g.sample(2, of(token)), g.sample(3, of(token))})
				g.refused(g.send(alice, g.lock, value, batch), row.want)
				if held := g.holds(s); held != (row.want == "") {
					t.Errorf("held %v", held)
				}
				g.tell(token, "setMood", uint8(honest))
				if got, want := g.tokens(token, g.lock), ether("1.5"); row.want == "" && got != want || row.want != "" && !got.IsZero() {
					t.Errorf("holds %s tokens", got)
				}
			})
		})
	}
}

// A token without allowance is refused, and so is more than there is.
func TestTokenLackingIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		token := g.token("1")
		poor := g.sample(1, of(token), func(t *contracts.Terms) { t.Amount = ether("1").Plus(contracts.Units(1)) })
		data, value := poor.LockCall()
		g.refused(g.send(alice, g.lock, value, data), "BadToken")
		g.must(g.send(alice, token, noCoins, contracts.ApproveCall(g.lock, ether("0.5").Minus(contracts.Units(1)))))
		data, value = g.sample(1, of(token)).LockCall()
		g.refused(g.send(alice, g.lock, value, data), "BadToken")
		g.must(g.send(alice, token, noCoins, contracts.ApproveCall(g.lock, ether("0.5"))))
		g.must(g.send(alice, g.lock, value, data))
		left, err := contracts.ReadTokens(g.call(token, contracts.AllowanceCall(alice, g.lock)))
		if err != nil || !left.IsZero() {
			t.Errorf("allowance left: %s, %v", left, err)
		}
	})
}

// A token that turns bad while it is locked keeps the leg locked, by redeem and
// by refund; when it turns good again, both are possible.
func TestHostileTokenPayment(t *testing.T) {
	for _, row := range []struct {
		name string
		mood uint8
		want string
	}{
		{"honest", honest, ""},
		{"says false", saysFalse, "PaymentFailed"},
		{"says two", saysTwo, "PaymentFailed"},
		{"says nothing", saysNothing, ""},
		{"a megabyte of true", inflates, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, g *ground) {
				token := g.hostileToken()
				g.locked(g.sample(1, of(token)), g.sample(2, of(token)))
				g.tell(token, "setMood", row.mood)
				first, second := g.sample(1, of(token)), g.sample(2, of(token))
				g.refused(g.send(carol, g.lock, noCoins, first.RedeemCall(secret(1))), row.want)
				if held := g.holds(first); held != (row.want != "") {
					t.Errorf("redeem: held %v", held)
				}
				if row.want != "" {
					g.tell(token, "setMood", uint8(honest))
					g.must(g.send(carol, g.lock, noCoins, first.RedeemCall(secret(1))))
					g.tell(token, "setMood", row.mood)
				}
				g.time = expiry
				g.refused(g.send(carol, g.lock, noCoins, second.RefundCall()), row.want)
				g.tell(token, "setMood", uint8(honest))
				if row.want != "" {
					g.must(g.send(carol, g.lock, noCoins, second.RefundCall()))
				}
				if got := g.tokens(token, bob); got != ether("0.5") {
					t.Errorf("bob has %s", got)
				}
				if got := g.tokens(token, alice); got != ether("999.5") {
					t.Errorf("alice has %s", got)
				}
			})
		})
	}
}

// A token whose code is gone says nothing and moves nothing: that is no payment.
func TestTokenThatIsGone(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		token := g.hostileToken()
		s := g.locked(g.sample(1, of(token)))
		g.state.SetCode(token, nil, tracing.CodeChangeUnspecified)
		g.refused(g.send(bob, g.lock, noCoins, s.RedeemCall(secret(1))), "PaymentFailed")
		batch := contracts.RedeemBatchCall([]contracts.Swap{s}, []contracts.Secret{secret(1)})
		g.refused(g.send(bob, g.lock, noCoins, batch), "NothingPaid")
		if !g.holds(s) {
			t.Error("the leg ended unpaid")
		}
	})
}

// A party whom the token blocks is not paid, and loses nothing by it: the redeemer
// signs for another destination, the refunder names one.
func TestBlockedParty(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		token := g.hostileToken()
		first, second := g.sample(1, of(token)), g.sample(2, of(token))
		g.locked(first, second)
		g.tell(token, "setBlocked", bob, true)
		g.tell(token, "setBlocked", alice, true)
		g.refused(g.send(bob, g.lock, noCoins, first.RedeemCallFrom(bob, secret(1))), "PaymentFailed")
		batch := contracts.RedeemBatchCall([]contracts.Swap{first}, []contracts.Secret{secret(1)})
		g.refused(g.send(bob, g.lock, noCoins, batch), "NothingPaid")
		c := contracts.SignedClaim{Swap: first, To: carol, Deadline: expiry}
		data, err := c.Call(secret(1), sign(2, c.Digest(g.chainID)))
		if err != nil {
			t.Fatal(err)
		}
		g.must(g.send(bob, g.lock, noCoins, data))
		g.time = expiry
		g.refused(g.send(alice, g.lock, noCoins, second.RefundCall()), "PaymentFailed")
		g.must(g.send(alice, g.lock, noCoins, second.RefundToCall(carol)))
		if got := g.tokens(token, carol); got != ether("1") {
			t.Errorf("carol has %s", got)
		}
	})
}

// One who cannot be paid, or a token that does not pay, keeps its own legs locked
// and no others: in a batch of redeems and in one of refunds.
func TestBatchIsNotPoisoned(t *testing.T) {
	type poison func(g *ground) (contracts.Swap, contracts.Swap) // two legs of one who cannot be paid
	party := func(mood uint8) poison {
		return func(g *ground) (contracts.Swap, contracts.Swap) {
			p := g.hostileParty()
			s, other := g.sample(10, to(p)), g.sample(11, to(p))
			g.locked(s, other)
			g.tell(p, "setMood", mood)
			return s, other
		}
	}
	token := func(mood uint8) poison {
		return func(g *ground) (contracts.Swap, contracts.Swap) {
			at := g.hostileToken()
			s, other := g.sample(10, of(at)), g.sample(11, of(at))
			g.locked(s, other)
			g.tell(at, "setMood", mood)
			return s, other
		}
	}
	for name, p := range map[string]poison{
		"refuses": party(refuses), "burns gas": party(partyBurnsGas), "returns a megabyte": party(partyInflates),
		"token says false": token(saysFalse), "token burns gas": token(burnsGas),
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, g *ground) {
				a, b := p(g)
				before, after := g.sample(1), g.sample(2)
				g.locked(before, after)
				coins := g.coins(bob)
				g.gas = 1_000_000
				r := g.must(g.send(carol, g.lock, noCoins, contracts.RedeemBatchCall(
					[]contracts.Swap{before, a, b, after}, []contracts.Secret{secret(1), secret(10), secret(11), secret(2)})))
				if got := g.coins(bob).Minus(coins); got != ether("1") {
					t.Errorf("bob got %s", got)
				}
				if len(g.events(r)) != 2 || !g.holds(a) || !g.holds(b) || g.holds(before) || g.holds(after) {
					t.Errorf("%d events; the poisoned legs are held: %v %v", len(g.events(r)), g.holds(a), g.holds(b))
				}
			})
		})
	}
}

// As before, for refunds: the refunder is a contract that refuses, and later
// names another destination.
func TestRefundBatchIsNotPoisoned(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		p := g.hostileParty()
		bad, good := g.sample(2, from(p)), g.sample(1)
		g.locked(good)
		run := artifact(t, "HostileParty")
		data, value := bad.LockCall()
		g.must(g.send(alice, p, value, run.pack(t, "run", g.lock, data)))
		g.time = expiry
		for _, mood := range []uint8{refuses, partyBurnsGas, partyInflates} {
			g.tell(p, "setMood", mood)
			g.refused(g.send(carol, g.lock, noCoins, contracts.RefundBatchCall([]contracts.Swap{bad})), "NothingPaid")
		}
		r := g.must(g.send(carol, g.lock, noCoins, contracts.RefundBatchCall([]contracts.Swap{bad, good})))
		if len(g.events(r)) != 1 || !g.holds(bad) || g.holds(good) {
			t.Fatalf("%d refunded; held: bad %v, good %v", len(g.events(r)), g.holds(bad), g.holds(good))
		}
		g.must(g.send(alice, p, noCoins, run.pack(t, "run", g.lock, bad.RefundToCall(carol))))
		if g.holds(bad) || !g.coins(g.lock).IsZero() {
			t.Error("the refusing refunder could not name another")
		}
	})
}

// One who is paid and comes back in gets nothing twice: not his own leg, not by
// another form, not in a batch.
func TestReentrantParty(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		p := g.hostileParty()
		g.tell(p, "setMood", uint8(partyReenters))
		mine, others := g.sample(1, to(p)), g.sample(2, to(bob))
		leg := []contracts.Swap{mine}
		for name, back := range map[string][]byte{
			"redeem": mine.RedeemCallFrom(p, secret(1)), "redeemFor": mine.RedeemCall(secret(1)), "refund": mine.RefundCall(),
			"redeemBatch": contracts.RedeemBatchCall(leg, []contracts.Secret{secret(1)}), "refundBatch": contracts.RefundBatchCall(leg),
		} {
			g.tell(p, "setCall", g.lock, back)
			for form, call := range map[string][]byte{
				"redeemFor":   mine.RedeemCall(secret(1)),
				"redeemBatch": contracts.RedeemBatchCall(leg, []contracts.Secret{secret(1)}),
			} {
				g.locked(mine, others)
				before := g.coins(p)
				g.must(g.send(carol, g.lock, noCoins, call))
				if got := g.coins(p).Minus(before); got != ether("0.5") {
					t.Errorf("%s inside %s: got %s", name, form, got)
				}
				if g.entered(p) != 0 {
					t.Errorf("%s inside %s was not refused", name, form)
				}
				g.must(g.send(carol, g.lock, noCoins, others.RedeemCall(secret(2))))
			}
		}
		if !g.coins(g.lock).IsZero() {
			t.Errorf("%s left", g.coins(g.lock))
		}
	})
}

// One who comes back in to take the leg that the batch would pay next does no
// harm: it is paid once, to whom it belongs.
func TestReentrantPartyTakesTheNext(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		p := g.hostileParty()
		mine, next := g.sample(1, to(p)), g.sample(2)
		g.locked(mine, next)
		g.tell(p, "setMood", uint8(partyReenters))
		g.tell(p, "setCall", g.lock, next.RedeemCall(secret(2)))
		before := g.coins(bob)
		r := g.must(g.send(carol, g.lock, noCoins, contracts.RedeemBatchCall([]contracts.Swap{mine, next}, []contracts.Secret{secret(1), secret(2)})))
		if got := g.coins(bob).Minus(before); got != ether("0.5") || g.entered(p) != 1 || len(g.events(r)) != 2 {
			t.Errorf("bob got %s, %d events", got, len(g.events(r)))
		}
	})
}

// A token that comes back in while it moves gets nothing twice, and a lock inside
// a lock is not counted twice.
func TestReentrantToken(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		token := g.hostileToken()
		s, other := g.sample(1, of(token)), g.sample(2, of(token))
		g.locked(s, other)
		g.tell(token, "setMood", uint8(reenters))
		for _, back := range [][]byte{s.RedeemCall(secret(1)), s.RefundCall(), contracts.RedeemBatchCall([]contracts.Swap{s}, []contracts.Secret{secret(1)})} {
			g.tell(token, "setCall", g.lock, back)
			kept := *g
			g.state = g.state.Copy()
			g.must(g.send(carol, g.lock, noCoins, s.RedeemCall(secret(1))))
			if g.entered(token) != 0 || g.tokens(token, g.lock) != ether("0.5") {
				t.Errorf("came back in %d times, %s left", g.entered(token), g.tokens(token, g.lock))
			}
			*g = kept
		}
		// The token is refunder of its own leg, may pull from itself, and locks that
		// leg while alice's lock pulls: what arrives is then not alice's amount.
		inner := g.sample(3, of(token), from(token))
		g.must(g.send(miner, token, noCoins, contracts.MintCall(token, ether("10"))))
		g.tell(token, "setCall", token, contracts.ApproveCall(g.lock, endless))
		g.must(g.send(alice, token, noCoins, contracts.TransferCall(alice, ether("1"))))
		data, _ := inner.LockCall()
		g.tell(token, "setCall", g.lock, data)
		outer := g.sample(4, of(token))
		data, value := outer.LockCall()
		g.refused(g.send(alice, g.lock, value, data), "BadToken")
		g.tell(token, "setMood", uint8(honest))
		if g.holds(inner) || g.holds(outer) || g.tokens(token, g.lock) != ether("1") {
			t.Errorf("holds %s for two legs of 0.5", g.tokens(token, g.lock))
		}
	})
}

// A token that lies about sums beyond a word keeps a batch from nothing.
func TestSumBeyondAWord(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		liar := g.deploy(artifact(t, "LyingToken").pack(t, ""))
		huge := func(t *contracts.Terms) { t.Amount = endless }
		a, b, coin := g.sample(1, of(liar), huge), g.sample(2, of(liar), huge), g.sample(3)
		g.locked(a, b, coin)
		kept := *g
		g.state = g.state.Copy()
		r := g.must(g.send(carol, g.lock, noCoins, contracts.RedeemBatchCall(
			[]contracts.Swap{a, b, coin}, []contracts.Secret{secret(1), secret(2), secret(3)})))
		if len(g.events(r)) != 3 || g.holds(coin) {
			t.Errorf("%d redeemed, want 3", len(g.events(r)))
		}
		*g = kept
		g.time = expiry
		r = g.must(g.send(carol, g.lock, noCoins, contracts.RefundBatchCall([]contracts.Swap{a, b, coin})))
		if len(g.events(r)) != 3 || g.holds(coin) {
			t.Errorf("%d refunded, want 3", len(g.events(r)))
		}
	})
}

// The struct encodings of the Go twin are the ABI's, whoever packs them.
func TestLockBatchEncoding(t *testing.T) {
	g := newGround(t, osaka)
	s := g.sample(1)
	got, _ := contracts.LockBatchCall([]contracts.Swap{s})
	want := artifact(t, "HashLock").pack(t, "lockBatch", []lockArgs{{secret(1).Hash(), ether("0.5").Uint256().ToBig(), nobody, big.NewInt(expiry), bob}})
	if !bytes.Equal(got, want) {
		t.Errorf("%x\nwant %x", got, want)
	}
}
