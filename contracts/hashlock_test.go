package contracts_test

import (
	"bytes"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"

	"photon/contracts"
)

// A lockArgs is what a call of lockBatch says of one leg, good or bad.
type lockArgs struct {
	Hash     [32]byte
	Amount   *big.Int
	Token    contracts.Address
	Time     *big.Int
	Redeemer contracts.Address
}

func goodLock() lockArgs {
	return lockArgs{secret(1).Hash(), ether("0.5").Uint256().ToBig(), nobody, big.NewInt(expiry), bob}
}

// Each row is one change to a good lock of half a coin at the block time start+12:
// alone, and as the second of a batch of two.
func TestLockRefuses(t *testing.T) {
	const now = start + 12
	rows := []struct {
		name   string
		change func(*lockArgs)
		want   string
	}{
		{"good", func(l *lockArgs) {}, ""},
		{"zero hash", func(l *lockArgs) { l.Hash = [32]byte{} }, "BadHash"},
		{"hash of the zero secret", func(l *lockArgs) { l.Hash = contracts.Secret{}.Hash() }, "BadHash"},
		{"amount 0", func(l *lockArgs) { l.Amount = new(big.Int) }, "BadAmount"},
		{"amount 1", func(l *lockArgs) { l.Amount = big.NewInt(1) }, ""},
		{"no redeemer", func(l *lockArgs) { l.Redeemer = nobody }, "BadParty"},
		{"time of this block", func(l *lockArgs) { l.Time = big.NewInt(now) }, "BadTime"},
		{"a second later", func(l *lockArgs) { l.Time = big.NewInt(now + 1) }, ""},
		{"last time", func(l *lockArgs) { l.Time = big.NewInt(contracts.MaxExpiry) }, ""},
		{"after the last time", func(l *lockArgs) { l.Time = big.NewInt(contracts.MaxExpiry + 1) }, "BadTime"},
		{"token without code", func(l *lockArgs) { l.Token = carol }, "BadToken"},
		{"token that is the contract", func(l *lockArgs) { l.Token = crypto.CreateAddress(miner, 0) }, "BadToken"},
		{"token that is a precompile", func(l *lockArgs) { l.Token = contracts.Address{19: 4} }, "BadToken"},
	}
	c := artifact(t, "HashLock")
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, g *ground) {
				l := goodLock()
				row.change(&l)
				value := contracts.Amount{}
				data := c.pack(t, "lockToken", l.Hash, l.Amount, l.Token, l.Time, l.Redeemer)
				if l.Token == nobody {
					value = amount(l.Amount)
					data = c.pack(t, "lock", l.Hash, l.Time, l.Redeemer)
				}
				g.time = now
				before := g.picture()
				g.refused(g.send(alice, g.lock, value, data), row.want)
				first := goodLock()
				first.Hash[0], l.Redeemer = 0, redeemerOr(l.Redeemer)
				if bytes.Compare(l.Hash[:], first.Hash[:]) <= 0 {
					return // the order of hashes refuses it before
				}
				g.time = now
				r := g.send(alice, g.lock, value.Plus(ether("0.5")), c.pack(t, "lockBatch", []lockArgs{first, l}))
				g.refused(r, row.want)
				if row.want != "" && g.picture() != before {
					t.Error("a refused lock changed something")
				}
			})
		})
	}
}

// redeemerOr is carol in place of bob, so that a good leg is not locked twice.
func redeemerOr(a contracts.Address) contracts.Address {
	if a == bob {
		return carol
	}
	return a
}

func amount(n *big.Int) contracts.Amount {
	a, err := contracts.ParseAmount(n.String())
	if err != nil {
		panic(err)
	}
	return a
}

// No coin is locked through the door for tokens, and no token with coins sent.
func TestLockTokenTakesNoCoins(t *testing.T) {
	c := artifact(t, "HashLock")
	onBoth(t, func(t *testing.T, g *ground) {
		l, token := goodLock(), g.token("10")
		before := g.picture()
		g.refused(g.send(alice, g.lock, noCoins, c.pack(t, "lockToken", l.Hash, l.Amount, nobody, l.Time, bob)), "BadToken")
		data := c.pack(t, "lockToken", l.Hash, l.Amount, token, l.Time, bob)
		if r := g.send(alice, g.lock, contracts.Units(1), data); r.err == nil {
			t.Error("took a coin with a token")
		}
		if g.picture() != before {
			t.Error("a refused lock changed something")
		}
		g.must(g.send(alice, g.lock, noCoins, data))
	})
}

// What is sent must be the sum of the coins to the unit, sums do not wrap, and no
// hash is twice in a batch.
func TestLockBatchRefuses(t *testing.T) {
	half, one := ether("0.5"), contracts.Units(1)
	max := endless.Uint256().ToBig()
	rows := []struct {
		name   string
		value  contracts.Amount
		change func(a, b *lockArgs)
		want   string
	}{
		{"good", half.Plus(half), func(a, b *lockArgs) {}, ""},
		{"one wei short", half.Plus(half).Minus(one), func(a, b *lockArgs) {}, "BadValue"},
		{"one wei more", half.Plus(half).Plus(one), func(a, b *lockArgs) {}, "BadValue"},
		{"nothing sent", noCoins, func(a, b *lockArgs) {}, "BadValue"},
		{"hash twice", half.Plus(half), func(a, b *lockArgs) { b.Hash, b.Redeemer = a.Hash, carol }, "BadOrder"},
		{"leg twice", half.Plus(half), func(a, b *lockArgs) { *b = *a }, "BadOrder"},
		{"hashes fall", half.Plus(half), func(a, b *lockArgs) { *a, *b = *b, *a }, "BadOrder"},
		{"coins wrap to 1", one, func(a, b *lockArgs) { a.Amount, b.Amount = max, big.NewInt(2) }, "overflow"},
	}
	c := artifact(t, "HashLock")
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, g *ground) {
				a, b := goodLock(), goodLock()
				a.Hash[0], b.Hash[0] = 1, 2
				row.change(&a, &b)
				before := g.picture()
				r := g.send(alice, g.lock, row.value, c.pack(t, "lockBatch", []lockArgs{a, b}))
				if row.want == "overflow" { // the compiler's own panic 0x11
					if !strings.HasSuffix(r.refusal(), "11") {
						t.Errorf("refused: %s, want an overflow", r.refusal())
					}
				} else {
					g.refused(r, row.want)
				}
				if row.want != "" && g.picture() != before {
					t.Error("a refused batch changed something")
				}
			})
		})
	}
}

// At every block time exactly one of redeem and refund is possible, in each of
// their forms.
func TestWindow(t *testing.T) {
	for _, row := range []struct {
		name   string
		time   uint64
		redeem bool
	}{{"T-1", expiry - 1, true}, {"T", expiry, false}, {"T+1", expiry + 1, false}} {
		t.Run(row.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, g *ground) {
				s := g.locked(g.sample(1))
				late, soon := "TooLate", "TooSoon"
				lateBatch, soonBatch := "NothingPaid", "NothingPaid"
				if row.redeem {
					late, lateBatch = "", ""
				} else {
					soon, soonBatch = "", ""
				}
				c := contracts.SignedClaim{Swap: s, To: carol, Deadline: expiry + 100}
				signed, err := c.Call(secret(1), sign(2, c.Digest(g.chainID)))
				if err != nil {
					t.Fatal(err)
				}
				for _, try := range []struct {
					name string
					from contracts.Address
					data []byte
					want string
				}{
					{"redeem", bob, s.RedeemCallFrom(bob, secret(1)), late},
					{"redeemFor", carol, s.RedeemCall(secret(1)), late},
					{"redeemSigned", carol, signed, late},
					{"redeemBatch", carol, contracts.RedeemBatchCall([]contracts.Swap{s}, []contracts.Secret{secret(1)}), lateBatch},
					{"refund", carol, s.RefundCall(), soon},
					{"refundTo", alice, s.RefundToCall(carol), soon},
					{"refundBatch", carol, contracts.RefundBatchCall([]contracts.Swap{s}), soonBatch},
				} {
					kept := *g
					g.state, g.time = g.state.Copy(), row.time
					if r := g.send(try.from, g.lock, noCoins, try.data); r.refusal() != try.want {
						t.Errorf("%s: %q, want %q", try.name, r.refusal(), try.want)
					}
					if held := g.holds(s); held != (try.want != "") {
						t.Errorf("%s: held %v", try.name, held)
					}
					*g = kept
				}
			})
		})
	}
}

// A call for a leg that differs in anything from the one that is locked finds
// none; a right one pays the rightful party, whoever sends it.
func TestRedeem(t *testing.T) {
	fake := contracts.Address{1}
	rows := []struct {
		name   string
		change func(*contracts.Terms)
		secret contracts.Secret
		want   string
	}{
		{"good", func(*contracts.Terms) {}, secret(1), ""},
		{"wrong secret", func(*contracts.Terms) {}, secret(2), "NotLocked"},
		{"zero secret", func(*contracts.Terms) {}, contracts.Secret{}, "NotLocked"},
		{"the hash for the secret", func(*contracts.Terms) {}, contracts.Secret(secret(1).Hash()), "NotLocked"},
		{"other redeemer", to(carol), secret(1), "NotLocked"},
		{"other refunder", from(carol), secret(1), "NotLocked"},
		{"other token", of(fake), secret(1), "NotLocked"},
		{"one wei more", func(t *contracts.Terms) { t.Amount = t.Amount.Plus(contracts.Units(1)) }, secret(1), "NotLocked"},
		{"a second later", func(t *contracts.Terms) { t.Expiry++ }, secret(1), "NotLocked"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, g *ground) {
				s := g.locked(g.sample(1))
				before, coins := g.picture(), g.coins(bob)
				r := g.send(carol, g.lock, noCoins, g.sample(1, row.change).RedeemCall(row.secret))
				g.refused(r, row.want)
				if row.want != "" {
					if g.picture() != before || !g.holds(s) {
						t.Error("a refused redeem changed something")
					}
					return
				}
				if got := g.coins(bob).Minus(coins); got != ether("0.5") {
					t.Errorf("bob got %s", got)
				}
				if e := g.events(r); len(e) != 1 || e[0].Kind != contracts.LegRedeemed || e[0].Key != s.Key() || *e[0].Secret != secret(1) {
					t.Errorf("events %+v", e)
				}
				g.refused(g.send(carol, g.lock, noCoins, s.RedeemCall(secret(1))), "NotLocked")
				g.time = expiry
				g.refused(g.send(alice, g.lock, noCoins, s.RefundCall()), "NotLocked")
			})
		})
	}
}

// Only the redeemer himself can send the short form: nobody else is paid by it,
// and nobody else is a refunder's stand-in either.
func TestOwnFormsAreForTheSender(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		s := g.locked(g.sample(1))
		g.refused(g.send(carol, g.lock, noCoins, s.RedeemCallFrom(bob, secret(1))), "NotLocked")
		if !bytes.Equal(s.RedeemCallFrom(carol, secret(1)), s.RedeemCall(secret(1))) {
			t.Error("carol is given the redeemer's form")
		}
		g.time = expiry
		g.refused(g.send(carol, g.lock, noCoins, s.RefundToCall(carol)), "NotLocked")
		g.refused(g.send(bob, g.lock, noCoins, s.RefundToCall(bob)), "NotLocked")
		g.refused(g.send(alice, g.lock, noCoins, s.RefundToCall(nobody)), "BadParty")
		before := g.coins(carol)
		g.must(g.send(alice, g.lock, noCoins, s.RefundToCall(carol)))
		if got := g.coins(carol).Minus(before); got != ether("0.5") {
			t.Errorf("carol got %s", got)
		}
	})
}

// In the block of its lock a leg cannot be redeemed in any form; in the next it
// can.
func TestNotInTheBlockOfTheLock(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		s := g.locked(g.sample(1))
		before := g.picture()
		g.refused(g.again(bob, g.lock, noCoins, s.RedeemCallFrom(bob, secret(1))), "TooSoon")
		g.refused(g.again(bob, g.lock, noCoins, s.RedeemCall(secret(1))), "TooSoon")
		batch := contracts.RedeemBatchCall([]contracts.Swap{s}, []contracts.Secret{secret(1)})
		g.refused(g.again(bob, g.lock, noCoins, batch), "NothingPaid")
		if g.picture() != before {
			t.Error("a refused redeem changed something")
		}
		g.must(g.send(bob, g.lock, noCoins, s.RedeemCall(secret(1))))
	})
}

// A redeem that runs out of gas has shown the secret, and has changed nothing: it
// is sent again with more.
func TestOutOfGas(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		s := g.locked(g.sample(1))
		before := g.picture()
		enough := g.gas
		for gas := uint64(30_000); gas < 42_000; gas += 500 {
			g.gas = gas
			if r := g.send(bob, g.lock, noCoins, s.RedeemCall(secret(1))); r.err == nil {
				break
			}
			if g.picture() != before || !g.holdsWith(s, enough) {
				t.Fatalf("with %d gas the call failed and changed something", gas)
			}
		}
		g.gas = enough
		if r := g.send(bob, g.lock, noCoins, s.RedeemCall(secret(1))); g.holds(s) {
			t.Errorf("not redeemed: %s", r.refusal())
		}
	})
}

func (g *ground) holdsWith(s contracts.Swap, gas uint64) bool {
	g.Helper()
	defer func(before uint64) { g.gas = before }(g.gas)
	g.gas = gas
	return g.holds(s)
}

// A key is locked once at a time. After its end the same refunder can lock it
// again, although its secret is public: that is why a node must never take a
// second lock of a key for a new one. Nobody else can.
func TestRelock(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		s := g.locked(g.sample(1))
		data, value := s.LockCall()
		g.refused(g.send(alice, g.lock, value, data), "AlreadyLocked")
		g.must(g.send(bob, g.lock, noCoins, s.RedeemCall(secret(1))))
		g.must(g.send(carol, g.lock, value, data))
		if g.holds(s) {
			t.Fatal("carol has locked the key of alice")
		}
		g.must(g.send(alice, g.lock, value, data))
		g.must(g.send(bob, g.lock, noCoins, s.RedeemCall(secret(1))))
		g.time = expiry
		g.refused(g.send(alice, g.lock, value, data), "BadTime")
	})
}

// Somebody who locks first under the same hash occupies nothing.
func TestNobodyOccupiesAKey(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		squatter := g.locked(g.sample(1, from(carol), func(t *contracts.Terms) { t.Amount = contracts.Units(1) }))
		s := g.locked(g.sample(1))
		g.must(g.send(bob, g.lock, noCoins, s.RedeemCall(secret(1))))
		if !g.holds(squatter) {
			t.Error("the other leg of the hash is gone")
		}
	})
}

// A refund pays the refunder, whoever sends it, and once.
func TestRefund(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		s := g.locked(g.sample(1))
		g.time = expiry + 1_000_000
		for _, change := range []func(*contracts.Terms){to(carol), from(carol), of(carol), func(t *contracts.Terms) { t.Expiry++ },
			func(t *contracts.Terms) { t.Amount = contracts.Units(1) }, func(t *contracts.Terms) { t.Hash[0]++ }} {
			g.refused(g.send(carol, g.lock, noCoins, g.sample(1, change).RefundCall()), "NotLocked")
		}
		before := g.coins(alice)
		r := g.must(g.send(carol, g.lock, noCoins, s.RefundCall()))
		if got := g.coins(alice).Minus(before); got != ether("0.5") {
			t.Errorf("alice got %s", got)
		}
		if e := g.events(r); len(e) != 1 || e[0].Kind != contracts.LegRefunded || e[0].Key != s.Key() {
			t.Errorf("events %+v", e)
		}
		g.refused(g.send(carol, g.lock, noCoins, s.RefundCall()), "NotLocked")
	})
}

// A batch of coins and tokens is locked whole, and its events name each leg.
func TestBatches(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		token, other := g.token("10"), g.token("10")
		var swaps []contracts.Swap
		var secrets []contracts.Secret
		for n := range byte(12) {
			asset := []contracts.Address{nobody, token, other}[n/2%3]
			swaps = append(swaps, g.sample(n, of(asset), to([]contracts.Address{bob, carol}[n%2])))
			secrets = append(secrets, secret(n))
		}
		data, value := contracts.LockBatchCall(swaps)
		if value != ether("2") {
			t.Fatalf("value %s", value)
		}
		for _, e := range g.events(g.must(g.send(alice, g.lock, value, data))) {
			i := slices.IndexFunc(swaps, func(s contracts.Swap) bool { return s.Key() == e.Key })
			if i < 0 || e.Kind != contracts.LegLocked || e.Hash != secrets[i].Hash() {
				t.Errorf("event %+v", e)
			}
		}
		if coins, tokens := g.coins(g.lock), g.tokens(token, g.lock); coins != ether("2") || tokens != ether("2") {
			t.Fatalf("holds %s and %s", coins, tokens)
		}
		wrong := slices.Clone(secrets)
		wrong[3], wrong[4] = secret(90), secret(91)
		r := g.must(g.send(miner, g.lock, noCoins, contracts.RedeemBatchCall(swaps, wrong)))
		if n := len(g.events(r)); n != 10 || !g.holds(swaps[3]) || !g.holds(swaps[4]) {
			t.Fatalf("%d redeemed, want all but two", n)
		}
		r = g.must(g.send(miner, g.lock, noCoins, contracts.RedeemBatchCall(swaps, secrets)))
		if n := len(g.events(r)); n != 2 {
			t.Fatalf("%d redeemed, want the two", n)
		}
		if !g.coins(g.lock).IsZero() || !g.tokens(token, g.lock).IsZero() || !g.tokens(other, g.lock).IsZero() {
			t.Error("something is left")
		}
		if got := g.tokens(token, bob); got != ether("1") {
			t.Errorf("bob has %s", got)
		}
		g.refused(g.send(miner, g.lock, noCoins, contracts.RedeemBatchCall(swaps, secrets)), "NothingPaid")
		g.refused(g.send(miner, g.lock, noCoins, contracts.RefundBatchCall(nil)), "NothingPaid")
	})
}

// The code on the chain is the code that the node expects there, for that chain
// and no other; nothing in it can end it, change it or ask who began the
// transaction, and Byzantium knows every instruction.
func TestRuntime(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		code := g.state.GetCode(g.lock)
		if !bytes.Equal(code, contracts.HashLockRuntime(g.chainID)) {
			t.Error("the code is not HashLockRuntime")
		}
		if bytes.Equal(code, contracts.HashLockRuntime(g.chainID+1)) {
			t.Error("the code of another chain is the same")
		}
		if len(code) > 24_576 || len(contracts.HashLockDeploy(1)) > 32_000 {
			t.Errorf("%d bytes", len(code))
		}
		for pc := 0; pc < len(code); pc++ {
			switch op := vm.OpCode(code[pc]); {
			case op.IsPush():
				pc += int(op - vm.PUSH0)
			case slices.Contains(forbidden, op):
				t.Errorf("%s at %d", op, pc)
			}
		}
	})
}

var forbidden = []vm.OpCode{
	vm.SELFDESTRUCT, vm.DELEGATECALL, vm.CALLCODE, vm.CREATE, vm.CREATE2, vm.ORIGIN, vm.PUSH0, vm.CHAINID, vm.BASEFEE,
	vm.SELFBALANCE, vm.SHL, vm.SHR, vm.SAR, vm.EXTCODEHASH, vm.MCOPY, vm.TLOAD, vm.TSTORE, vm.BLOBHASH,
}

// Coins that nobody locked are refused: they would be lost.
func TestTakesNoGift(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		s := g.sample(1)
		for name, data := range map[string][]byte{"none": nil, "unknown": {1, 2, 3, 4}, "redeem": s.RedeemCall(secret(1)), "refund": s.RefundCall()} {
			if r := g.send(alice, g.lock, contracts.Units(1), data); r.err == nil {
				t.Errorf("%s: took a coin", name)
			}
		}
	})
}

func TestNewSwapRefuses(t *testing.T) {
	g := newGround(t, osaka)
	good := g.sample(1).Terms()
	for _, row := range []struct {
		name   string
		change func(*contracts.Terms)
		want   error
	}{
		{"good", func(*contracts.Terms) {}, nil},
		{"on SMT", func(t *contracts.Terms) { t.Asset.Chain = contracts.SMT }, nil},
		{"on BTC", func(t *contracts.Terms) { t.Asset.Chain = contracts.BTC }, contracts.ErrTerms},
		{"other form", func(t *contracts.Terms) { t.Form = contracts.P2TR }, contracts.ErrTerms},
		{"no contract", func(t *contracts.Terms) { t.Contract = nobody }, contracts.ErrTerms},
		{"degenerate hash", func(t *contracts.Terms) { t.Hash = contracts.Secret{}.Hash() }, contracts.ErrTerms},
	} {
		terms := good
		row.change(&terms)
		if _, err := contracts.NewSwap(terms); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}
