package contracts_test

import (
	"testing"

	"photon/contracts"
)

// A channel of alice and bob lives and ends as both agree, and what was signed in
// Go is what the contract takes. Alice has 1000 and puts in 100, bob 50.
func TestChannelEndsTogether(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		if s, want := h.channel(), (contracts.ChannelState{Window: window, FirstDeposit: units(50), SecondDeposit: units(100)}); s != want {
			t.Fatalf("%+v, want %+v", s, want)
		}
		events := h.events(h.together(70))
		want := contracts.ChannelEvent{Kind: contracts.ChannelSettled, ID: h.n.ID(), First: bob, Second: alice, FirstAmount: units(80), SecondAmount: units(70)}
		if len(events) != 1 || events[0] != want {
			t.Errorf("%+v", events)
		}
		h.wants(alice, 970)
		h.wants(bob, 1030)
		if h.channel() != (contracts.ChannelState{}) {
			t.Error("the channel is still there")
		}
	})
}

// Also after one has closed, both may end it at once.
func TestChannelEndsTogetherAfterClose(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		h.closed(alice, pay(1, 20))
		h.together(0)
		h.wants(alice, 900)
		h.wants(bob, 1100)
	})
}

// All may be one's, and a withdrawal of everything leaves a channel that ends.
func TestChannelAfterAllWasWithdrawn(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		w := contracts.Withdrawal{Until: h.height, FirstBalance: units(150), FirstTakes: units(150)}
		word := contracts.WithdrawWord(h.n.ID(), 0, w)
		r := h.must(h.do(carol, contracts.WithdrawCall(h.n, w, h.signed(bob, word), h.signed(alice, word))))
		if e := h.events(r)[0]; e.Epoch != 1 || !e.FirstAmount.IsZero() || !e.SecondAmount.IsZero() {
			t.Errorf("%+v", e)
		}
		h.wants(bob, 1100)
		h.epoch = 1
		h.deposited(h.n, bob, 7)
		h.together(7)
		h.wants(alice, 907)
		h.wants(bob, 1093)
	})
}

// Alice closes with what bob has sent; bob brings what she has sent, unlocks what
// she has promised in two steps, and each gets his own.
func TestChannelEndsAlone(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		far := h.height + 1000
		locks := []contracts.Lock{promise(1, 5, far), promise(2, 7, far), promise(3, 11, far)}
		his, old, hers := pay(3, 10, promise(4, 2, far)), pay(4, 30), pay(5, 40, locks...)
		if e := h.events(h.closed(alice, his))[0]; e.Kind != contracts.ChannelClosed || e.ByFirst || e.Proof != his {
			t.Errorf("%+v", e)
		}
		h.updated(old)
		if e := h.events(h.updated(hers))[0]; e.Kind != contracts.ChannelUpdated || e.ByFirst || e.Proof != hers {
			t.Errorf("%+v", e)
		}
		s := h.channel()
		if s.SecondClaim != claim(hers).ID() || s.FirstClaim != claim(his).ID() || s.Nonce != 5 || s.ClosedByFirst {
			t.Errorf("%+v", s)
		}
		h.registered(secret(1), secret(4))
		a := h.unlocked(alice, claim(hers), locks...)
		h.registered(secret(3))
		a = h.unlocked(alice, a, locks...)
		if a.Unlocked != units(16) || a.Taken != contracts.BitsOf(0, 2) {
			t.Errorf("%+v", a)
		}
		b := h.unlocked(bob, claim(his), promise(4, 2, far))
		r := h.settled(b, a)
		if e := h.events(r)[0]; e.Kind != contracts.ChannelSettled || e.FirstAmount != units(94) || e.SecondAmount != units(56) {
			t.Errorf("%+v", e)
		}
		h.wants(bob, 950+94)
		h.wants(alice, 900+56)
		if held := h.has(h.lock); !held.IsZero() {
			t.Errorf("%s left", held)
		}
	})
}

// One who has heard nothing closes with nothing; the other says nothing either.
func TestChannelEndsInSilence(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		h.closed(bob, contracts.BalanceProof{})
		h.settled(contracts.Claim{}, contracts.Claim{})
		h.wants(alice, 1000)
		h.wants(bob, 1000)
	})
}

// A word that gives nothing, as after a lock that was disposed of, is kept like
// others, and is not silence.
func TestWordOfNothingIsKept(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		h.closed(bob, pay(2, 0))
		if s := h.channel(); s.SecondClaim != (contracts.Claim{}).ID() || !s.FirstClaim.IsZero() {
			t.Errorf("%+v", s)
		}
		h.settled(contracts.Claim{}, contracts.Claim{})
		h.wants(alice, 1000)
		h.wants(bob, 1000)
	})
}

// A delegate opens for alice, funds, updates and unlocks, all with her signed word.
func TestChannelByDelegate(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		o := contracts.Opening{Token: h.token, By: alice, Partner: bob, Window: window, Opener: carol, Until: h.height}
		h.n = contracts.NameChannel(h.token, bob, alice, h.height)
		data, value := contracts.OpenSignedCall(o, h.signed(alice, contracts.OpenWord(o)), units(10))
		events := h.events(h.must(h.send(carol, h.lock, value, data)))
		if len(events) != 2 || events[0].Kind != contracts.ChannelOpened || events[0].Token != h.token || events[0].Window != window ||
			events[1].Kind != contracts.ChannelDeposited || events[1].ByFirst || events[1].Total != units(10) {
			t.Fatalf("%+v", events)
		}
		h.deposited(h.n, bob, 20)
		lock := promise(1, 4, h.height+1000)
		p := pay(9, 6, lock)
		h.closed(bob, contracts.BalanceProof{})
		h.must(h.do(carol, contracts.UpdateCall(h.n, p, h.said(bob, p), h.mandate(alice, p))))
		h.registered(secret(1))
		take := contracts.BitsOf(0)
		m := h.signed(alice, contracts.UnlockWord(h.n.ID(), 0, p.Locks, take))
		r := h.must(h.do(carol, contracts.UnlockCall(h.n, true, claim(p), []contracts.Lock{lock}, take, m)))
		if e := h.events(r)[0]; e.Unlocked != units(4) || e.Taken != take || !e.ByFirst {
			t.Errorf("%+v", e)
		}
		b := claim(p)
		b.Unlocked, b.Taken = units(4), take
		h.settled(b, contracts.Claim{})
		h.wants(alice, 900+10+6+4)
		h.wants(carol, 990)
	})
}

// Alice promises 7, bob signs it away and yet unlocks it: she gets all there is, by
// anybody's hand, until the settlement.
func TestChannelPunished(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		lock := promise(1, 7, h.height+1000)
		hers := pay(1, 0, lock)
		disposed := h.signed(bob, contracts.DisposeWord(h.n.ID(), 0, lock))
		h.closed(bob, hers)
		h.registered(secret(1))
		a := h.unlocked(alice, claim(hers), lock)
		h.height = h.channel().End + punishBlocks + 7
		events := h.events(h.must(h.do(carol, contracts.PunishCall(h.n, false, a, []contracts.Lock{lock}, 0, disposed))))
		if len(events) != 2 || events[0].Kind != contracts.ChannelPunished || !events[0].ByFirst ||
			events[1].Kind != contracts.ChannelSettled || events[1].SecondAmount != units(150) {
			t.Errorf("%+v", events)
		}
		h.wants(alice, 1050)
		h.wants(bob, 950)
	})
}

// The native coin is a token like others.
func TestChannelOfCoins(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		before := []contracts.Amount{g.coins(alice), g.coins(bob)}
		h := newHall(t, g, nobody)
		if h.coins(h.lock) != units(150) {
			t.Errorf("holds %s", h.coins(h.lock))
		}
		h.closed(alice, pay(1, 5))
		h.updated(pay(1, 25))
		h.settled(claim(pay(1, 5)), claim(pay(1, 25)))
		if h.coins(alice) != before[0].Minus(units(20)) || h.coins(bob) != before[1].Plus(units(20)) || !h.coins(h.lock).IsZero() {
			t.Errorf("alice %s, bob %s", h.coins(alice), h.coins(bob))
		}
	})
}

// Tokens pay and call in one, in every spelling, to open and to deposit; one who
// has signed a permit needs no approval.
func TestDepositInEveryWay(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		token := artifact(t, "CallingToken")
		for _, way := range []string{"approveAndCall", "transferFallback", "transferReceived", "transferAndCall"} {
			n := contracts.NameChannel(h.token, alice, carol, h.height)
			h.must(h.send(carol, h.token, noCoins, token.pack(t, way, h.lock, units(5).Uint256().ToBig(), contracts.OpenOrder(alice, window))))
			h.must(h.send(carol, h.token, noCoins, token.pack(t, way, h.lock, units(6).Uint256().ToBig(), contracts.DepositOrder(n, true))))
			h.must(h.send(bob, h.token, noCoins, token.pack(t, way, h.lock, units(7).Uint256().ToBig(), contracts.DepositOrder(n, false))))
			if s := h.channelOf(n); s.FirstDeposit != units(11) || s.SecondDeposit != units(7) {
				t.Errorf("%s: %+v", way, s)
			}
		}
		h.must(h.send(alice, h.token, noCoins, contracts.ApproveCall(h.lock, noCoins)))
		h.must(h.do(alice, contracts.DepositPermitCall(h.n, false, units(30), start+99999, h.permit(30))))
		// Somebody has brought the permit first: what he can do is pay her gas.
		h.must(h.send(alice, h.token, noCoins, contracts.ApproveCall(h.lock, units(8))))
		h.must(h.do(alice, contracts.DepositPermitCall(h.n, false, units(8), start+99999, contracts.Signature{})))
		if s := h.channel(); s.SecondDeposit != units(138) {
			t.Errorf("%+v", s)
		}
	})
}

// permit is alice's permit to take so much, her first to the token.
func (h *hall) permit(amount uint64) contracts.Signature {
	h.Helper()
	s, err := contracts.ParseSignature(sign(1, permitDigest(h, amount)))
	if err != nil {
		h.Fatal(err)
	}
	return s
}
