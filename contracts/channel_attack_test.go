package contracts_test

import (
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/core/tracing"

	"photon/contracts"
)

// meanwhile runs something and leaves the chain as it was.
func (h *hall) meanwhile(do func()) {
	h.Helper()
	kept := *h.ground
	h.state = h.state.Copy()
	do()
	*h.ground = kept
}

// The kinds of words, and a good one of each about the hall's channel.
var kinds = []string{"open", "proof", "update", "unlock", "dispose", "withdraw", "together"}

type wordsOfHall struct {
	o     contracts.Opening
	p     contracts.BalanceProof
	locks []contracts.Lock
	w     contracts.Withdrawal
	e     contracts.Ending
}

func (h *hall) words() wordsOfHall {
	locks := []contracts.Lock{promise(1, 5, 1000)}
	far := h.height + 1000
	return wordsOfHall{
		contracts.Opening{Token: h.token, By: bob, Partner: alice, Window: window, Opener: carol, Until: far},
		pay(3, 40, locks...), locks,
		contracts.Withdrawal{Until: far, FirstBalance: units(70), SecondBalance: units(80)},
		contracts.Ending{Until: far, FirstBalance: units(70), SecondBalance: units(80)},
	}
}

func (w wordsOfHall) of(h *hall, kind string) contracts.Word {
	id := h.n.ID()
	switch kind {
	case "open":
		return contracts.OpenWord(w.o)
	case "proof":
		return contracts.ProofWord(id, h.epoch, w.p)
	case "update":
		return contracts.UpdateWord(id, h.epoch, w.p)
	case "unlock":
		return contracts.UnlockWord(id, h.epoch, w.p.Locks, all)
	case "dispose":
		return contracts.DisposeWord(id, h.epoch, w.locks[0])
	case "withdraw":
		return contracts.WithdrawWord(id, h.epoch, w.w)
	}
	return contracts.CloseTogetherWord(id, h.epoch, w.e)
}

// A place is where a call takes a signature.
type place struct {
	name, kind string
	by         contracts.Address
	send       func(*hall, wordsOfHall, contracts.Signature) receipt
}

// places are all of them. Those that need a closed channel close it.
func places() []place {
	none := contracts.Signature{}
	good := func(h *hall, w wordsOfHall, by contracts.Address, kind string) contracts.Signature {
		return h.signed(by, w.of(h, kind))
	}
	withAlicesWord := func(h *hall, w wordsOfHall) contracts.Claim {
		h.registered(secret(1))
		h.closed(bob, w.p)
		return claim(w.p)
	}
	return []place{
		{"openSigned", "open", bob, func(h *hall, w wordsOfHall, s contracts.Signature) receipt {
			data, _ := contracts.OpenSignedCall(w.o, s, units(0))
			return h.do(carol, data)
		}},
		{"close", "proof", alice, func(h *hall, w wordsOfHall, s contracts.Signature) receipt {
			return h.do(bob, contracts.CloseCall(h.n, w.p, s))
		}},
		{"update", "proof", alice, func(h *hall, w wordsOfHall, s contracts.Signature) receipt {
			h.closed(alice, contracts.BalanceProof{})
			return h.do(bob, contracts.UpdateCall(h.n, w.p, s, none))
		}},
		{"update, mandate", "update", bob, func(h *hall, w wordsOfHall, s contracts.Signature) receipt {
			h.closed(alice, contracts.BalanceProof{})
			return h.do(carol, contracts.UpdateCall(h.n, w.p, good(h, w, alice, "proof"), s))
		}},
		{"unlock, mandate", "unlock", bob, func(h *hall, w wordsOfHall, s contracts.Signature) receipt {
			return h.do(carol, contracts.UnlockCall(h.n, false, withAlicesWord(h, w), w.locks, all, s))
		}},
		{"punish", "dispose", bob, func(h *hall, w wordsOfHall, s contracts.Signature) receipt {
			c := h.unlocked(alice, withAlicesWord(h, w), w.locks...)
			return h.do(carol, contracts.PunishCall(h.n, false, c, w.locks, 0, s))
		}},
		{"withdraw, bob", "withdraw", bob, func(h *hall, w wordsOfHall, s contracts.Signature) receipt {
			return h.do(carol, contracts.WithdrawCall(h.n, w.w, s, good(h, w, alice, "withdraw")))
		}},
		{"withdraw, alice", "withdraw", alice, func(h *hall, w wordsOfHall, s contracts.Signature) receipt {
			return h.do(carol, contracts.WithdrawCall(h.n, w.w, good(h, w, bob, "withdraw"), s))
		}},
		{"closeTogether, bob", "together", bob, func(h *hall, w wordsOfHall, s contracts.Signature) receipt {
			return h.do(carol, contracts.CloseTogetherCall(h.n, w.e, s, good(h, w, alice, "together")))
		}},
		{"closeTogether, alice", "together", alice, func(h *hall, w wordsOfHall, s contracts.Signature) receipt {
			return h.do(carol, contracts.CloseTogetherCall(h.n, w.e, good(h, w, bob, "together"), s))
		}},
	}
}

// inEachPlace runs an attack on every place that takes a signature. The attack says
// what is signed and by which error it fails.
func inEachPlace(t *testing.T, attack func(*testing.T, *hall, wordsOfHall, place)) {
	inHall(t, func(t *testing.T, h *hall) {
		for _, p := range places() {
			t.Run(p.name, func(t *testing.T) {
				h.TB = t
				h.meanwhile(func() { attack(t, h, h.words(), p) })
			})
		}
	})
}

// No word is taken for one of another kind, in no place. An end that both had
// agreed on could be played as a balance proof, and who was owed 500 got nothing.
func TestNoWordIsAnother(t *testing.T) {
	inEachPlace(t, func(t *testing.T, h *hall, w wordsOfHall, p place) {
		for _, kind := range kinds {
			h.meanwhile(func() {
				want := "BadSignature"
				if kind == p.kind {
					want = ""
				}
				h.refused(p.send(h, w, h.signed(p.by, w.of(h, kind))), want)
			})
		}
	})
}

// No word of another contract, chain, channel or epoch is taken, in no place.
func TestNoWordFromElsewhere(t *testing.T) {
	inEachPlace(t, func(t *testing.T, h *hall, w wordsOfHall, p place) {
		word := w.of(h, p.kind)
		for _, c := range []contracts.Channels{
			{ChainID: h.chainID, At: h.registry}, {ChainID: h.chainID + 1, At: h.lock},
		} {
			h.meanwhile(func() { h.refused(p.send(h, w, signedFor(t, c, p.by, word)), "BadSignature") })
		}
		if p.kind == "open" {
			return // of no channel yet
		}
		n, epoch := h.n, h.epoch
		for _, change := range []func(){
			func() { h.n.Opened++ }, func() { h.n.Token = nobody }, func() { h.n.First = carol }, func() { h.epoch++ },
		} {
			change()
			word := w.of(h, p.kind)
			h.n, h.epoch = n, epoch
			h.meanwhile(func() { h.refused(p.send(h, w, h.signed(p.by, word)), "BadSignature") })
		}
	})
}

// A signature has one form: not its mirror, no v of 0 or 1, and zeros sign for
// nobody.
func TestMalleableSignatures(t *testing.T) {
	order, _ := new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
	forms := map[string]func(contracts.Signature) contracts.Signature{
		"mirror": func(s contracts.Signature) contracts.Signature {
			new(big.Int).Sub(order, new(big.Int).SetBytes(s[32:64])).FillBytes(s[32:64])
			s[64] ^= 27 ^ 28
			return s
		},
		"mirror, same v": func(s contracts.Signature) contracts.Signature {
			new(big.Int).Sub(order, new(big.Int).SetBytes(s[32:64])).FillBytes(s[32:64])
			return s
		},
		"v of 0":      func(s contracts.Signature) contracts.Signature { s[64] -= 27; return s },
		"other v":     func(s contracts.Signature) contracts.Signature { s[64] ^= 27 ^ 28; return s },
		"v of 29":     func(s contracts.Signature) contracts.Signature { s[64] = 29; return s },
		"r of zero":   func(s contracts.Signature) contracts.Signature { clear(s[:32]); return s },
		"s of zero":   func(s contracts.Signature) contracts.Signature { clear(s[32:64]); return s },
		"all zero":    func(s contracts.Signature) contracts.Signature { return contracts.Signature{} },
		"r beyond it": func(s contracts.Signature) contracts.Signature { order.FillBytes(s[:32]); return s },
	}
	inEachPlace(t, func(t *testing.T, h *hall, w wordsOfHall, p place) {
		for _, form := range forms {
			h.meanwhile(func() {
				h.refused(p.send(h, w, form(h.signed(p.by, w.of(h, p.kind)))), "BadSignature")
			})
		}
	})
}

// What was said before a withdrawal is void after it, and a word about the channel
// that was is none about the one that is.
func TestReplays(t *testing.T) {
	inEachPlace(t, func(t *testing.T, h *hall, w wordsOfHall, p place) {
		old := h.signed(p.by, w.of(h, p.kind))
		if p.kind == "open" {
			return // it opens another channel; until limits it
		}
		h.meanwhile(func() {
			withdrawal := w.of(h, "withdraw")
			h.must(h.do(carol, contracts.WithdrawCall(h.n, w.w, h.signed(bob, withdrawal), h.signed(alice, withdrawal))))
			h.epoch = 1
			h.refused(p.send(h, w, old), "BadSignature")
			h.epoch = 0
		})
		n := h.n
		h.together(0)
		h.n = h.opened(bob, alice, 50)
		h.deposited(h.n, alice, 100)
		h.refused(p.send(h, w, old), "BadSignature")
		h.n = n
	})
}

// A deposit that is mined between the signing and the withdrawal or the end is
// nobody else's: the old words are refused. It was credited to the partner, and
// Alice lost 710.
func TestDepositBetweenSigningAndEnd(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		w := h.words()
		withdraw, end := w.of(h, "withdraw"), w.of(h, "together")
		h.deposited(h.n, alice, 710)
		h.refused(h.do(bob, contracts.WithdrawCall(h.n, w.w, h.signed(bob, withdraw), h.signed(alice, withdraw))), "BadSum")
		data := contracts.CloseTogetherCall(h.n, w.e, h.signed(bob, end), h.signed(alice, end))
		h.refused(h.do(bob, data), "BadSum")
		h.together(80 + 710)
		h.wants(alice, 980)
	})
}

// A stranger who deposits a unit to disturb an end cannot do so once one of the two
// has closed: then they end it with what is there.
func TestDepositCannotHoldUpTheEnd(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		data, _ := contracts.DepositCall(h.n, true, units(1))
		h.must(h.do(carol, data))
		h.closed(alice, contracts.BalanceProof{})
		h.refused(h.do(carol, data), "AlreadyClosed")
		h.together(80)
		h.wants(bob, 950+71)
	})
}

// Nobody opens a channel of others: not himself, not by an order that was not
// signed, and not with another's allowance.
func TestStrangerOpensNothing(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		o := contracts.Opening{Token: h.token, By: alice, Partner: bob, Window: 100800, Until: h.height + 10}
		data, _ := contracts.OpenSignedCall(o, h.signed(carol, contracts.OpenWord(o)), units(1))
		h.refused(h.do(carol, data), "BadSignature")
		h.must(h.send(alice, h.token, noCoins, contracts.ApproveCall(carol, units(1))))
		token := artifact(t, "CallingToken")
		for _, order := range [][]byte{contracts.OpenOrder(bob, 100800), contracts.DepositOrder(h.n, true)} {
			h.refused(h.send(carol, h.token, noCoins, token.pack(t, "transferFromAndCall", alice, h.lock, big.NewInt(1), order)), "BadSender")
		}
		h.must(h.do(bob, contracts.CloseCall(h.n, contracts.BalanceProof{}, contracts.Signature{})))
		h.opened(alice, bob, 10) // whatever is open or closing, another is possible
	})
}

// An allowance of alice is nobody's deposit: not by a call of one who is no token,
// not by a token that speaks of another, and not by one that has moved nothing.
func TestAllowanceIsNotStolen(t *testing.T) {
	channels, token := artifact(t, "Channels"), artifact(t, "CallingToken")
	inHall(t, func(t *testing.T, h *hall) {
		evil := h.deploy(token.pack(t, "", big.NewInt(1000), new(big.Int)))
		n, five := h.opened(carol, bob, 10), big.NewInt(5)
		order := contracts.DepositOrder(n, n.First == carol)
		before := h.has(alice)
		for name, data := range map[string][]byte{
			"receiveApproval":    channels.pack(t, "receiveApproval", alice, five, h.token, order),
			"tokenFallback":      channels.pack(t, "tokenFallback", alice, five, order),
			"tokenReceived":      channels.pack(t, "tokenReceived", alice, five, order),
			"onTransferReceived": channels.pack(t, "onTransferReceived", alice, alice, five, order),
		} {
			h.refused(h.do(carol, data), "BadSender")
			h.refused(h.send(carol, evil, noCoins, token.pack(t, "say", h.lock, data)), "BadSender")
			if name != "receiveApproval" {
				h.refused(h.send(carol, h.token, noCoins, token.pack(t, "say", h.lock, data)), "BadToken")
			}
		}
		own := channels.pack(t, "receiveApproval", alice, five, evil, order)
		h.refused(h.send(carol, evil, noCoins, token.pack(t, "say", h.lock, own)), "BadSender")
		if h.has(alice) != before || h.channelOf(n).SecondDeposit.Plus(h.channelOf(n).FirstDeposit) != units(10) {
			t.Error("something was credited")
		}
	})
}

// Bob signs a lock away. Alice, who knows the secret, can neither unlock it in his
// name nor have him punished for it.
func TestDisposedLockIsNoTrap(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		w := h.words()
		disposed := h.signed(bob, w.of(h, "dispose"))
		h.closed(alice, contracts.BalanceProof{})
		h.updated(w.p)
		h.registered(secret(1))
		for _, s := range []contracts.Signature{{}, h.signed(alice, w.of(h, "unlock")), disposed} {
			h.refused(h.do(alice, contracts.UnlockCall(h.n, false, claim(w.p), w.locks, all, s)), "BadSignature")
		}
		h.refused(h.do(alice, contracts.PunishCall(h.n, false, claim(w.p), w.locks, 0, disposed)), "NotTaken")
		h.settled(contracts.Claim{}, claim(w.p))
		h.wants(bob, 950+90)
	})
}

// Alice, who pays, has got hold of old mandates of bob. She closes, brings the old
// list, and unlocks in his name what he has signed away since: she cannot have him
// punished while he may bring what counts, and then it is no more.
func TestOldMandatesFrameNobody(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		w := h.words()
		disposed := h.signed(bob, w.of(h, "dispose"))
		update := h.signed(bob, contracts.UpdateWord(h.n.ID(), 0, w.p))
		unlock := h.signed(bob, contracts.UnlockWord(h.n.ID(), 0, w.p.Locks, all))
		h.registered(secret(1))
		h.closed(alice, contracts.BalanceProof{})
		h.must(h.do(alice, contracts.UpdateCall(h.n, w.p, h.said(alice, w.p), update)))
		h.must(h.do(alice, contracts.UnlockCall(h.n, false, claim(w.p), w.locks, all, unlock)))
		c := claim(w.p)
		c.Unlocked, c.Taken = w.locks[0].Amount, contracts.BitsOf(0)
		h.refused(h.do(alice, contracts.PunishCall(h.n, false, c, w.locks, 0, disposed)), "TooSoon")
		newer := pay(w.p.Nonce+1, 95)
		h.updated(newer)
		h.height = h.channel().End + 1
		h.refused(h.do(alice, contracts.PunishCall(h.n, false, c, w.locks, 0, disposed)), "BadClaim")
	})
}

// Who has seen bob's mandate cannot unlock some of his locks, so that the call of
// another for all of them fails; and not more of them, either.
func TestMandateGivesNoChoice(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		locks := []contracts.Lock{promise(1, 5, 1000), promise(2, 7, 1000), promise(3, 11, 1000)}
		p := pay(3, 40, locks...)
		h.registered(secret(1), secret(2), secret(3))
		h.closed(alice, contracts.BalanceProof{})
		h.updated(p)
		two := contracts.BitsOf(0, 1)
		m := h.signed(bob, contracts.UnlockWord(h.n.ID(), 0, p.Locks, two))
		unlock := func(take contracts.Bits) receipt {
			return h.do(miner, contracts.UnlockCall(h.n, false, claim(p), locks, take, m))
		}
		for _, take := range []contracts.Bits{{}, contracts.BitsOf(0), contracts.BitsOf(1), contracts.BitsOf(0, 1, 2), contracts.BitsOf(0, 1, 3), all} {
			h.refused(unlock(take), "BadSignature")
		}
		if e := h.events(h.must(unlock(two)))[0]; e.Unlocked != units(12) || e.Taken != two {
			t.Errorf("unlocked %+v", e)
		}
	})
}

// Everybody knows the secret zero: it dates nothing.
func TestZeroSecretIsRefused(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		for _, secrets := range [][]contracts.Secret{{{}}, {secret(1), {}}} {
			h.refused(h.send(carol, h.registry, noCoins, contracts.RegisterCall(secrets...)), "BadSecret")
		}
	})
}

// Bob unlocks what he has signed away and holds a newer word of alice in reserve. In
// the window he may bring it before she shows his fault, but then he has unlocked
// nothing; after it he cannot, and she has the punish time.
func TestNewerWordIsNoWayOut(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		w := h.words()
		disposed := h.signed(bob, w.of(h, "dispose"))
		h.closed(alice, contracts.BalanceProof{})
		h.updated(w.p)
		h.registered(secret(1))
		c := h.unlocked(alice, claim(w.p), w.locks...)
		punish, newer := contracts.PunishCall(h.n, false, c, w.locks, 0, disposed), pay(4, 40)
		h.meanwhile(func() {
			h.updated(newer)
			h.refused(h.do(carol, punish), "BadClaim")
			h.settled(contracts.Claim{}, claim(newer))
			h.wants(bob, 950+90)
		})
		h.height = h.channel().End + 1
		h.refused(h.do(bob, contracts.UpdateCall(h.n, newer, h.said(alice, newer), contracts.Signature{})), "TooLate")
		h.must(h.do(carol, punish))
		h.wants(alice, 1050)
	})
}

// Whatever is sent to the contract without a call changes nothing.
func TestForcedMoney(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		h := newHall(t, g, nobody)
		h.state.AddBalance(h.lock, ether("1").Uint256(), tracing.BalanceChangeUnspecified)
		if r := h.send(alice, h.lock, units(1), nil); r.err == nil {
			t.Error("took coins without a call")
		}
		data, _ := contracts.DepositCall(h.n, true, units(5))
		h.refused(h.do(carol, data), "BadAmount")
		h.together(150)
		if h.coins(h.lock) != ether("1") {
			t.Errorf("%s left", h.coins(h.lock))
		}
	})
	inHall(t, func(t *testing.T, h *hall) {
		h.must(h.send(carol, h.token, noCoins, contracts.TransferCall(h.lock, units(500))))
		h.deposited(h.n, bob, 5)
		if s := h.channel(); s.FirstDeposit != units(55) {
			t.Errorf("bob has %s in it", s.FirstDeposit)
		}
		h.together(0)
		if h.has(h.lock) != units(500) {
			t.Errorf("%s left", h.has(h.lock))
		}
	})
}

// The longest list of locks is unlocked and punished within two fifths of a small
// block, of eight million gas.
func TestLongestList(t *testing.T) {
	const most = 8_000_000 * 2 / 5
	inHall(t, func(t *testing.T, h *hall) {
		var locks []contracts.Lock
		var secrets []contracts.Secret
		for n := range byte(160) {
			locks, secrets = append(locks, promise(n, 1, 1<<63)), append(secrets, secret(n))
		}
		for ; len(secrets) > 0; secrets = secrets[40:] {
			h.registered(secrets[:40]...)
		}
		p := pay(1, 0, locks...)
		disposed := h.signed(bob, contracts.DisposeWord(h.n.ID(), 0, locks[159]))
		h.closed(bob, p)
		m := h.signed(bob, contracts.UnlockWord(h.n.ID(), 0, p.Locks, all))
		r := h.must(h.do(carol, contracts.UnlockCall(h.n, false, claim(p), locks, all, m)))
		e := h.events(r)[0]
		if r.gas > most || e.Unlocked != units(160) {
			t.Errorf("unlock: %d gas, %s unlocked", r.gas, e.Unlocked)
		}
		c := claim(p)
		c.Unlocked, c.Taken = e.Unlocked, e.Taken
		r = h.must(h.do(carol, contracts.PunishCall(h.n, false, c, locks, 159, disposed)))
		if r.gas > most {
			t.Errorf("punish: %d gas", r.gas)
		}
	})
}

// Nobody owns the contracts: there is no call but those of a channel's life, and
// each is answered for by the tests here.
func TestNobodyHasPower(t *testing.T) {
	for name, calls := range map[string][]string{
		"Channels": {"close", "closeTogether", "collect", "deposit", "depositPermit", "onTransferReceived", "open", "openSigned",
			"punish", "receiveApproval", "settle", "tokenFallback", "tokenReceived", "unlock", "update", "withdraw"},
		"SecretRegistry": {"register", "registerBatch"},
	} {
		c := artifact(t, name)
		var got []string
		for method, m := range c.ABI.Methods {
			if !m.IsConstant() {
				got = append(got, method)
			}
		}
		if slices.Sort(got); !slices.Equal(got, calls) || c.ABI.HasFallback() || c.ABI.HasReceive() {
			t.Errorf("%s: %v, fallback %v, receive %v", name, got, c.ABI.HasFallback(), c.ABI.HasReceive())
		}
	}
}
