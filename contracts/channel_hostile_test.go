package contracts_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/tracing"

	"photon/contracts"
)

// solvent fails the test unless the contract has of the token at least what it
// holds for others, and holds exactly what is in the hall's channel and owed.
func (h *hall) solvent() {
	h.Helper()
	held, err := contracts.ReadTokens(h.call(h.lock, artifact(h, "Channels").pack(h, "held", h.token)))
	if err != nil {
		h.Fatal(err)
	}
	s := h.channel()
	want := s.FirstDeposit.Plus(s.SecondDeposit).Plus(h.owed(alice)).Plus(h.owed(bob)).Plus(h.owed(carol))
	if held != want || h.has(h.lock).Less(held) {
		h.Errorf("has %s, holds %s, owes %s", h.has(h.lock), held, want)
	}
}

// What has arrived is credited, whatever the token says; what has not is refused.
// Alice puts 200 of her 900 in.
func TestHostileTokenDeposit(t *testing.T) {
	for _, row := range []struct {
		name   string
		mood   uint8
		credit uint64
		want   string
	}{
		{"honest", honest, 200, ""},
		{"fee out of the amount", takesFee, 198, ""},
		{"fee on top of it", takesFeeFromPayer, 200, ""},
		{"says false", saysFalse, 0, "BadToken"},
		{"says two", saysTwo, 0, "BadToken"},
		{"says nothing", saysNothing, 200, ""},
		{"moves nothing", movesNothing, 0, "BadToken"},
		{"a megabyte of true", inflates, 200, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			inHall(t, func(t *testing.T, h *hall) {
				h.tell(h.token, "setMood", row.mood)
				data, _ := contracts.DepositCall(h.n, false, units(200))
				h.refused(h.do(alice, data), row.want)
				if s := h.channel(); s.SecondDeposit != units(100+row.credit) {
					t.Errorf("credited %s", s.SecondDeposit.Minus(units(100)))
				}
				h.solvent()
			})
		})
	}
}

// A token that takes more from the contract than was paid leaves its own users
// short by that, and no others. No deposit is credited with what is not there.
func TestTokenThatTakesMoreThanIsPaid(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		h.deposited(h.n, alice, 200)
		h.tell(h.token, "setMood", uint8(takesFeeFromPayer))
		w := contracts.Withdrawal{Until: h.height, FirstBalance: units(50), SecondBalance: units(300), SecondTakes: units(200)}
		word := contracts.WithdrawWord(h.n.ID(), 0, w)
		h.must(h.do(carol, contracts.WithdrawCall(h.n, w, h.signed(bob, word), h.signed(alice, word))))
		h.tell(h.token, "setMood", uint8(honest))
		if h.has(h.lock) != units(148) {
			t.Fatalf("has %s", h.has(h.lock))
		}
		data, _ := contracts.DepositCall(h.n, true, units(2))
		h.refused(h.do(bob, data), "BadToken")
		h.deposited(h.n, bob, 12)
		if s := h.channel(); s.FirstDeposit != units(60) {
			t.Errorf("bob has %s in it", s.FirstDeposit)
		}
		h.solvent()
	})
}

// A token that says yes to everything, and whose balance cannot be asked, brings
// nothing.
func TestTokenWithoutBalance(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		// Reverts when it is called with 36 bytes, and says 1 to anything else.
		h.state.SetCode(h.token, common.FromHex("36602414601157600160005260206000f35b60006000fd"), tracing.CodeChangeUnspecified)
		data, _ := contracts.DepositCall(h.n, true, units(5))
		h.refused(h.do(bob, data), "BadToken")
	})
}

// One who cannot be paid has a claim, and the other is paid: at a withdrawal, at an
// agreed end and at a settlement.
func TestFrozenPartyHoldsUpNobody(t *testing.T) {
	ends := map[string]func(*hall){
		"withdraw": func(h *hall) {
			w := contracts.Withdrawal{Until: h.height, FirstBalance: units(70), SecondBalance: units(80), FirstTakes: units(70), SecondTakes: units(80)}
			word := contracts.WithdrawWord(h.n.ID(), 0, w)
			h.must(h.do(carol, contracts.WithdrawCall(h.n, w, h.signed(bob, word), h.signed(alice, word))))
		},
		"together": func(h *hall) { h.together(80) },
		"settle": func(h *hall) {
			p := pay(1, 20)
			h.closed(bob, p)
			h.settled(contracts.Claim{}, claim(p))
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			inHall(t, func(t *testing.T, h *hall) {
				for _, frozen := range []contracts.Address{alice, bob} {
					h.meanwhile(func() {
						h.tell(h.token, "setBlocked", frozen, true)
						end(h)
						h.solvent()
						amounts := map[contracts.Address]uint64{alice: 80, bob: 70}
						before := map[contracts.Address]uint64{alice: 900, bob: 950}
						if other := h.other(frozen); h.owed(frozen) != units(amounts[frozen]) || !h.owed(other).IsZero() || h.has(other) != units(before[other]+amounts[other]) {
							t.Errorf("owed %s, the other has %s", h.owed(frozen), h.has(h.other(frozen)))
						}
						h.tell(h.token, "setBlocked", frozen, false)
						h.must(h.do(carol, contracts.CollectCall(h.token, frozen, frozen)))
						h.wants(frozen, before[frozen]+amounts[frozen])
						h.solvent()
					})
				}
			})
		})
	}
}

// A token that does not pay leaves claims, not a channel that cannot end; when it
// pays again, they are paid.
func TestHostileTokenPayout(t *testing.T) {
	for _, row := range []struct {
		name string
		mood uint8
		paid bool
	}{
		{"honest", honest, true},
		{"says nothing", saysNothing, true},
		{"a megabyte of true", inflates, false}, // more than a payment's gas can hold
		{"says false", saysFalse, false},
		{"burns gas", burnsGas, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			inHall(t, func(t *testing.T, h *hall) {
				h.tell(h.token, "setMood", row.mood)
				h.gas = 1_000_000
				h.together(80)
				h.tell(h.token, "setMood", uint8(honest))
				h.solvent()
				if !row.paid {
					h.must(h.do(carol, contracts.CollectCall(h.token, alice, alice)))
					h.must(h.do(carol, contracts.CollectCall(h.token, bob, bob)))
				}
				h.wants(alice, 980)
				h.wants(bob, 1020)
				h.solvent()
			})
		})
	}
}

// A token whose code is gone has paid nobody.
func TestChannelOfTokenThatIsGone(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		h.state.SetCode(h.token, nil, tracing.CodeChangeUnspecified)
		h.together(80)
		if h.owed(alice) != units(80) || h.owed(bob) != units(70) {
			t.Errorf("owed %s and %s", h.owed(alice), h.owed(bob))
		}
		h.refused(h.do(bob, contracts.CollectCall(h.token, bob, bob)), "BadToken")
	})
}

// A token that comes back in while it pays finds nothing to take a second time, in
// no call; what it calls that is another's good right is done once.
func TestReentrantTokenOfChannel(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		w := h.words()
		withdraw, end := w.of(h, "withdraw"), w.of(h, "together")
		again := map[string][]byte{
			"together": contracts.CloseTogetherCall(h.n, w.e, h.signed(bob, end), h.signed(alice, end)),
			"withdraw": contracts.WithdrawCall(h.n, w.w, h.signed(bob, withdraw), h.signed(alice, withdraw)),
			"settle":   contracts.SettleCall(h.n, contracts.Claim{}, contracts.Claim{}),
			"collect":  contracts.CollectCall(h.token, alice, alice),
		}
		deposit, _ := contracts.DepositCall(h.n, true, units(10))
		again["deposit"] = deposit
		// What is about to leave has not come, whatever the token says of it.
		n, come := h.opened(carol, bob, 10), units(70).Uint256().ToBig()
		channels, order := artifact(t, "Channels"), contracts.DepositOrder(n, n.First == carol)
		again["tokenFallback"] = channels.pack(t, "tokenFallback", carol, come, order)
		again["tokenReceived"] = channels.pack(t, "tokenReceived", carol, come, order)
		again["onTransferReceived"] = channels.pack(t, "onTransferReceived", carol, carol, come, order)
		h.tell(h.token, "setMood", uint8(reenters))
		for name, inner := range again {
			h.tell(h.token, "setCall", h.lock, inner)
			h.meanwhile(func() {
				h.together(80)
				if h.entered(h.token) != 0 || h.has(h.lock) != units(10) {
					t.Errorf("%s inside an end: came in %d times, %s left", name, h.entered(h.token), h.has(h.lock))
				}
			})
		}
	})
}

// A deposit inside a deposit is counted once: the token, a payer itself, pays in 30
// while alice pays in 20.
func TestDepositInsideDeposit(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		h.must(h.send(miner, h.token, noCoins, contracts.MintCall(h.token, units(30))))
		h.must(h.send(miner, h.token, noCoins, artifact(t, "CallingToken").pack(t, "say", h.token, contracts.ApproveCall(h.lock, endless))))
		inner, _ := contracts.DepositCall(h.n, true, units(30))
		h.tell(h.token, "setMood", uint8(reenters))
		h.tell(h.token, "setCall", h.lock, inner)
		outer, _ := contracts.DepositCall(h.n, false, units(20))
		h.gas = 3_000_000
		r := h.do(alice, outer)
		h.tell(h.token, "setMood", uint8(honest))
		s, total := h.channel(), h.has(h.lock)
		if got := s.FirstDeposit.Plus(s.SecondDeposit); got != total {
			t.Errorf("%s credited of %s, %v", got, total, r.err)
		}
		h.solvent()
	})
}

// partyHall is a hall of coins in which a contract has put 100 into a channel with
// a partner, and has closed it.
func partyHall(t *testing.T, g *ground, partner contracts.Address) (h *hall, p contracts.Address) {
	h = newHall(t, g, nobody)
	p = h.hostileParty()
	run := artifact(t, "HostileParty")
	h.n = contracts.NameChannel(nobody, p, partner, h.height)
	data, value := contracts.OpenCall(nobody, partner, window, units(100))
	h.must(h.send(carol, p, value, run.pack(t, "run", h.lock, data)))
	h.deposited(h.n, partner, 60)
	h.must(h.send(carol, p, noCoins, run.pack(t, "run", h.lock, contracts.CloseCall(h.n, contracts.BalanceProof{}, contracts.Signature{}))))
	h.height = h.channel().End + punishBlocks + 1
	return h, p
}

// A party that refuses coins, burns gas or returns a megabyte has a claim, and the
// other is paid; later it names another who is paid for it.
func TestHostilePartyOfChannel(t *testing.T) {
	for _, mood := range []uint8{refuses, partyBurnsGas, partyInflates} {
		onBoth(t, func(t *testing.T, g *ground) {
			h, p := partyHall(t, g, alice)
			h.tell(p, "setMood", mood)
			before := h.coins(alice)
			h.gas = 1_000_000
			h.must(h.do(carol, contracts.SettleCall(h.n, contracts.Claim{}, contracts.Claim{})))
			if h.coins(alice) != before.Plus(units(60)) || h.owed(p) != units(100) {
				t.Errorf("alice has %s more, %s is owed", h.coins(alice).Minus(before), h.owed(p))
			}
			collect := contracts.CollectCall(nobody, p, carol)
			h.refused(h.do(carol, collect), "BadSender")
			had := h.coins(carol)
			h.must(h.send(carol, p, noCoins, artifact(t, "HostileParty").pack(t, "run", h.lock, collect)))
			if h.coins(carol) != had.Plus(units(100)) {
				t.Errorf("carol has %s", h.coins(carol))
			}
		})
	}
}

// A party that comes back in while it is paid gets nothing twice.
func TestReentrantPartyOfChannel(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		h, p := partyHall(t, g, alice)
		settle := contracts.SettleCall(h.n, contracts.Claim{}, contracts.Claim{})
		h.tell(p, "setMood", uint8(partyReenters))
		for _, inner := range [][]byte{settle, contracts.CollectCall(nobody, p, p), contracts.CloseCall(h.n, contracts.BalanceProof{}, contracts.Signature{})} {
			h.tell(p, "setCall", h.lock, inner)
			h.meanwhile(func() {
				before := h.coins(h.lock)
				h.must(h.do(carol, settle))
				if h.entered(p) != 0 || h.coins(h.lock) != before.Minus(units(160)) {
					t.Errorf("came in %d times, %s left", h.entered(p), h.coins(h.lock))
				}
			})
		}
	})
}

// One who collects and comes back in collects once.
func TestReentrantCollect(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		h, p := partyHall(t, g, alice)
		h.tell(p, "setMood", uint8(refuses))
		h.must(h.do(carol, contracts.SettleCall(h.n, contracts.Claim{}, contracts.Claim{})))
		collect := contracts.CollectCall(nobody, p, p)
		h.tell(p, "setMood", uint8(partyReenters))
		h.tell(p, "setCall", h.lock, collect)
		h.opened(alice, bob, 1000) // what there is to steal
		before := h.coins(h.lock)
		h.must(h.do(carol, collect))
		if h.entered(p) != 0 || h.coins(h.lock) != before.Minus(units(100)) {
			t.Errorf("came in %d times, %s left", h.entered(p), h.coins(h.lock))
		}
	})
}

// Whatever gas its caller gives: a settlement is refused, or everybody is paid. The
// party uses as much gas as a payment has: it registers secrets, as many as it can.
func TestNoGasIsWithheldFromAPayment(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		h, p := partyHall(t, g, carol)
		if p != h.n.Second {
			t.Fatal("the party is paid first: what it lacks would be lacking to the next, too")
		}
		h.registered(secret(0))
		h.tell(p, "setMood", uint8(partyReenters))
		settle := contracts.SettleCall(h.n, contracts.Claim{}, contracts.Claim{})
		served := func(gas uint64) (paid, served bool) {
			h.meanwhile(func() {
				h.gas = gas
				r := h.do(carol, settle)
				h.gas = 16_000_000
				paid, served = r.err == nil, h.entered(p) == 1 && h.owed(p).IsZero()
			})
			return paid, served
		}
		var most []byte
		secrets := []contracts.Secret{secret(101), secret(102), secret(103), secret(104), secret(105)}
		for ; ; secrets = append(secrets, secret(0)) { // is registered: little work
			call := contracts.RegisterCall(secrets...)
			h.tell(p, "setCall", h.registry, call)
			if _, ok := served(16_000_000); !ok {
				break
			}
			most = call
		}
		h.tell(p, "setCall", h.registry, most)
		refused, paid := 0, 0
		for gas := uint64(200_000); gas < 400_000; gas += 1000 {
			switch ok, fully := served(gas); {
			case !ok:
				refused++
			case fully:
				paid++
			default:
				t.Fatalf("%d gas: paid, and gas was withheld", gas)
			}
		}
		if refused == 0 || paid == 0 {
			t.Errorf("refused %d times, paid %d times", refused, paid)
		}
	})
}
