package contracts_test

import (
	"testing"

	"photon/contracts"
)

type closeCall struct {
	from contracts.Address
	n    contracts.ChannelName
	p    contracts.BalanceProof
	s    contracts.Signature
}

// maxNonce is the last nonce that the contract takes.
const maxNonce = 1<<64 - 1

// Bob closes with alice's third word.
func TestCloseRefuses(t *testing.T) {
	good := func(h *hall) closeCall {
		p := pay(3, 40, promise(1, 5, 1000))
		return closeCall{bob, h.n, p, h.said(alice, p)}
	}
	send := func(h *hall, c closeCall) receipt { return h.do(c.from, contracts.CloseCall(c.n, c.p, c.s)) }
	says := func(change func(*contracts.BalanceProof)) func(*hall, *closeCall) {
		return func(h *hall, c *closeCall) { change(&c.p); c.s = h.said(alice, c.p) }
	}
	none := func(change func(*contracts.BalanceProof)) func(*hall, *closeCall) {
		return func(h *hall, c *closeCall) {
			c.p, c.s = contracts.BalanceProof{}, contracts.Signature{}
			change(&c.p)
		}
	}
	tried(t, good, send, []row[closeCall]{
		{"by alice, with her own word", func(h *hall, c *closeCall) { c.from = alice }, "BadSignature"},
		{"by alice, with bob's", func(h *hall, c *closeCall) { c.from, c.s = alice, h.said(bob, c.p) }, ""},
		{"by a third", func(h *hall, c *closeCall) { c.from = carol }, "BadSender"},
		{"with no word", none(func(p *contracts.BalanceProof) {}), ""},
		{"no word that says something", none(func(p *contracts.BalanceProof) { p.Transferred = units(1) }), "BadNonce"},
		{"no word that promises something", none(func(p *contracts.BalanceProof) { p.Locks[0] = 1 }), "BadNonce"},
		{"a word that says nothing", says(func(p *contracts.BalanceProof) { *p = pay(1, 0) }), ""},
		{"last nonce", says(func(p *contracts.BalanceProof) { p.Nonce = maxNonce }), ""},
		{"greatest sum", says(func(p *contracts.BalanceProof) { p.Transferred = endless }), ""},
		{"other nonce", func(h *hall, c *closeCall) { c.p.Nonce++ }, "BadSignature"},
		{"other sum", func(h *hall, c *closeCall) { c.p.Transferred = units(41) }, "BadSignature"},
		{"other locks", func(h *hall, c *closeCall) { c.p.Locks[0]++ }, "BadSignature"},
		{"other epoch", func(h *hall, c *closeCall) { h.epoch = 1; c.s = h.said(alice, c.p) }, "BadSignature"},
		{"no such channel", func(h *hall, c *closeCall) { c.n.Opened-- }, "NoChannel"},
		{"closed by him", func(h *hall, c *closeCall) { h.closed(bob, contracts.BalanceProof{}) }, "AlreadyClosed"},
		{"closed by her", func(h *hall, c *closeCall) { h.closed(alice, contracts.BalanceProof{}) }, "AlreadyClosed"},
		{"ended", func(h *hall, c *closeCall) { h.together(0) }, "NoChannel"},
	})
}

// A nonce beyond the last is no argument of the contract.
func TestNonceBeyondTheLast(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		p := pay(maxNonce, 1)
		data := contracts.CloseCall(h.n, p, h.said(alice, p))
		data[4+4*32+32-9] = 1 // bit 64 of the nonce
		if r := h.do(bob, data); r.err == nil || h.channel().End != 0 {
			t.Error("taken")
		}
	})
}

type updateCall struct {
	from       contracts.Address
	n          contracts.ChannelName
	p          contracts.BalanceProof
	s, mandate contracts.Signature
}

// Alice has closed; bob had brought her second word, and carol brings the third
// with his mandate.
func TestUpdateRefuses(t *testing.T) {
	good := func(h *hall) updateCall {
		h.closed(alice, contracts.BalanceProof{})
		h.updated(pay(2, 30))
		p := pay(3, 40)
		return updateCall{carol, h.n, p, h.said(alice, p), h.mandate(bob, p)}
	}
	send := func(h *hall, c updateCall) receipt {
		return h.do(c.from, contracts.UpdateCall(c.n, c.p, c.s, c.mandate))
	}
	says := func(nonce uint64) func(*hall, *updateCall) {
		return func(h *hall, c *updateCall) {
			c.p.Nonce = nonce
			c.s, c.mandate = h.said(alice, c.p), h.mandate(bob, c.p)
		}
	}
	at := func(blocks uint64) func(*hall, *updateCall) {
		return func(h *hall, c *updateCall) { h.height = h.channel().End + blocks }
	}
	tried(t, good, send, []row[updateCall]{
		{"by bob, no mandate", func(h *hall, c *updateCall) { c.from, c.mandate = bob, contracts.Signature{} }, ""},
		{"by carol, no mandate", func(h *hall, c *updateCall) { c.mandate = contracts.Signature{} }, "BadSignature"},
		{"by alice, no mandate", func(h *hall, c *updateCall) { c.from, c.mandate = alice, contracts.Signature{} }, "BadSignature"},
		{"by alice, bob's mandate", func(h *hall, c *updateCall) { c.from = alice }, ""},
		{"alice's mandate", func(h *hall, c *updateCall) { c.mandate = h.mandate(alice, c.p) }, "BadSignature"},
		{"mandate for another word", func(h *hall, c *updateCall) { c.mandate = h.mandate(bob, pay(3, 39)) }, "BadSignature"},
		{"word by bob", func(h *hall, c *updateCall) { c.s = h.said(bob, c.p) }, "BadSignature"},
		{"nonce before", says(1), "BadNonce"},
		{"same nonce", says(2), "BadNonce"},
		{"last nonce", says(maxNonce), ""},
		{"other sum", func(h *hall, c *updateCall) { c.p.Transferred = units(41) }, "BadSignature"},
		{"other locks", func(h *hall, c *updateCall) { c.p.Locks[0]++ }, "BadSignature"},
		{"other epoch", func(h *hall, c *updateCall) { h.epoch = 1; c.s, c.mandate = h.said(alice, c.p), h.mandate(bob, c.p) }, "BadSignature"},
		{"last block of the window", at(0), ""},
		{"after the window", at(1), "TooLate"},
		{"no such channel", func(h *hall, c *updateCall) { c.n.Opened-- }, "NoChannel"},
		{"ended", func(h *hall, c *updateCall) { h.together(0) }, "NoChannel"},
	})
}

// Before anybody has closed there is nothing to bring, unlock, punish or settle.
func TestNotClosed(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		lock, none := promise(1, 5, 1000), contracts.Signature{}
		locks, p := []contracts.Lock{lock}, pay(1, 1, lock)
		h.refused(h.do(bob, contracts.UpdateCall(h.n, p, h.said(alice, p), none)), "NotClosed")
		h.refused(h.do(bob, contracts.UnlockCall(h.n, false, claim(p), locks, all, none)), "NotClosed")
		h.refused(h.do(bob, contracts.PunishCall(h.n, false, claim(p), locks, 0, none)), "NotClosed")
		h.refused(h.do(bob, contracts.SettleCall(h.n, contracts.Claim{}, contracts.Claim{})), "NotClosed")
	})
}

type unlockCall struct {
	from    contracts.Address
	n       contracts.ChannelName
	byFirst bool
	c       contracts.Claim
	locks   []contracts.Lock
	take    contracts.Bits
	mandate contracts.Signature
}

func (c *unlockCall) sign(h *hall, by contracts.Address) {
	c.mandate = h.signed(by, contracts.UnlockWord(h.n.ID(), h.epoch, c.c.Locks, c.take))
}

// Bob has closed with alice's word, which promises 5 and 7; carol unlocks both with
// his mandate. The first's secret was registered in the very block of its expiry.
func TestUnlockRefuses(t *testing.T) {
	good := func(h *hall) unlockCall {
		locks := []contracts.Lock{promise(1, 5, h.height), promise(2, 7, h.height+1)}
		h.registered(secret(1), secret(2))
		p := pay(3, 40, locks...)
		h.closed(bob, p)
		c := unlockCall{carol, h.n, false, claim(p), locks, contracts.BitsOf(0, 1), contracts.Signature{}}
		c.sign(h, bob)
		return c
	}
	send := func(h *hall, c unlockCall) receipt {
		return h.do(c.from, contracts.UnlockCall(c.n, c.byFirst, c.c, c.locks, c.take, c.mandate))
	}
	at := func(blocks uint64) func(*hall, *unlockCall) {
		return func(h *hall, c *unlockCall) { h.height = h.channel().End + blocks }
	}
	bits := contracts.BitsOf
	tried(t, good, send, []row[unlockCall]{
		{"by bob, no mandate", func(h *hall, c *unlockCall) { c.from, c.mandate = bob, contracts.Signature{} }, ""},
		{"by alice, no mandate", func(h *hall, c *unlockCall) { c.from, c.mandate = alice, contracts.Signature{} }, "BadSignature"},
		{"alice's mandate", func(h *hall, c *unlockCall) { c.sign(h, alice) }, "BadSignature"},
		{"mandate for one", func(h *hall, c *unlockCall) { c.take = bits(1); c.sign(h, bob) }, ""},
		{"mandate for one, takes both", func(h *hall, c *unlockCall) { c.take = bits(0); c.sign(h, bob); c.take = bits(0, 1) }, "BadSignature"},
		{"mandate for both, takes one", func(h *hall, c *unlockCall) { c.take = bits(0) }, "BadSignature"},
		{"mandate for both, takes none", func(h *hall, c *unlockCall) { c.take = bits() }, "BadSignature"},
		{"mandate for none of the list", func(h *hall, c *unlockCall) { c.take = bits(2, 255); c.sign(h, bob) }, "NothingToUnlock"},
		{"by bob, whatever the mandate", func(h *hall, c *unlockCall) { c.from, c.take = bob, all }, ""},
		{"mandate of another epoch", func(h *hall, c *unlockCall) { h.epoch = 1; c.sign(h, bob) }, "BadSignature"},
		{"none taken", func(h *hall, c *unlockCall) { c.from, c.take = bob, bits() }, "NothingToUnlock"},
		{"beyond the list", func(h *hall, c *unlockCall) { c.from, c.take = bob, bits(2, 255) }, "NothingToUnlock"},
		{"one taken", func(h *hall, c *unlockCall) { c.from, c.take = bob, bits(1) }, ""},
		{"of the other's list", func(h *hall, c *unlockCall) { c.byFirst = true }, "BadClaim"},
		{"part of the list", func(h *hall, c *unlockCall) { c.locks = c.locks[:1] }, "BadLocks"},
		{"none of the list", func(h *hall, c *unlockCall) { c.locks = nil }, "BadLocks"},
		{"one more", func(h *hall, c *unlockCall) { c.locks = append(c.locks, promise(1, 5, 1000)) }, "BadLocks"},
		{"other order", func(h *hall, c *unlockCall) { c.locks[0], c.locks[1] = c.locks[1], c.locks[0] }, "BadLocks"},
		{"other amount", func(h *hall, c *unlockCall) { c.locks[0].Amount = units(6) }, "BadLocks"},
		{"other expiry", func(h *hall, c *unlockCall) { c.locks[0].Expiry++ }, "BadLocks"},
		{"other hash", func(h *hall, c *unlockCall) { c.locks[0].Hash = secret(2).Hash() }, "BadLocks"},
		{"claims to have sent more", func(h *hall, c *unlockCall) { c.c.Transferred = units(41) }, "BadClaim"},
		{"claims other locks", func(h *hall, c *unlockCall) { c.c.Locks[0]++ }, "BadClaim"},
		{"claims to have unlocked", func(h *hall, c *unlockCall) { c.c.Unlocked = units(1) }, "BadClaim"},
		{"claims to have taken", func(h *hall, c *unlockCall) { c.c.Taken = bits(1) }, "BadClaim"},
		{"last block of the window", at(0), ""},
		{"after the window", at(1), "TooLate"},
		{"twice, the old claim", func(h *hall, c *unlockCall) { h.unlocked(alice, c.c, c.locks...) }, "BadClaim"},
		{"twice, the new claim", func(h *hall, c *unlockCall) { c.c = h.unlocked(alice, c.c, c.locks...) }, "NothingToUnlock"},
		{"no such channel", func(h *hall, c *unlockCall) { c.n.Opened-- }, "NoChannel"},
		{"ended", func(h *hall, c *unlockCall) { h.together(0) }, "NoChannel"},
	})
}

// What is too late, unknown or of no channel's size does not hold up the rest.
func TestUnlockTakesWhatIsInTime(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		huge := promise(5, 0, h.height+1000)
		huge.Amount = endless
		locks := []contracts.Lock{
			promise(1, 1, h.height),   // registered in its last block
			promise(1, 2, h.height-1), // a block late
			promise(2, 4, 1<<63),      // never registered
			promise(3, 8, 1<<63),      // registered again later
			promise(1, 16, 1<<63),     // the same secret
			huge,
		}
		h.registered(secret(1), secret(3))
		h.registered(secret(3), secret(3), secret(1))
		p := pay(1, 0, locks...)
		h.closed(bob, p)
		c := h.unlocked(alice, claim(p), locks...)
		if c.Unlocked != units(25) || c.Taken != contracts.BitsOf(0, 3, 4) {
			t.Fatalf("%+v", c)
		}
		h.registered(secret(5))
		if c = h.unlocked(alice, c, locks...); c.Unlocked != endless {
			t.Errorf("%+v", c)
		}
		h.settled(contracts.Claim{}, c)
		h.wants(bob, 1100)
	})
}

// A list has at most as many locks as a word has bits.
func TestLocksBeyondTheBits(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		var locks []contracts.Lock
		for range 257 {
			locks = append(locks, promise(1, 1, 1<<60))
		}
		h.registered(secret(1))
		for _, row := range []struct {
			locks []contracts.Lock
			want  string
		}{{locks[:256], ""}, {locks, "BadLocks"}} {
			h.meanwhile(func() {
				p := pay(1, 0, row.locks...)
				h.closed(bob, p)
				h.refused(h.do(bob, contracts.UnlockCall(h.n, false, claim(p), row.locks, all, contracts.Signature{})), row.want)
			})
		}
	})
}

type punishCall struct {
	n       contracts.ChannelName
	byFirst bool
	c       contracts.Claim
	locks   []contracts.Lock
	i       int
	s       contracts.Signature
}

// Alice has promised 5 and 7; bob has signed the second away and unlocked both.
func TestPunishRefuses(t *testing.T) {
	good := func(h *hall) punishCall {
		locks := []contracts.Lock{promise(1, 5, 1000), promise(2, 7, 1000), promise(3, 9, 1000)}
		h.registered(secret(1), secret(2))
		p := pay(3, 40, locks...)
		h.closed(bob, p)
		c := h.unlocked(alice, claim(p), locks...)
		return punishCall{h.n, false, c, locks, 1, h.signed(bob, contracts.DisposeWord(h.n.ID(), 0, locks[1]))}
	}
	send := func(h *hall, c punishCall) receipt {
		return h.do(carol, contracts.PunishCall(c.n, c.byFirst, c.c, c.locks, c.i, c.s))
	}
	disposed := func(by contracts.Address, i int) func(*hall, *punishCall) {
		return func(h *hall, c *punishCall) {
			c.s = h.signed(by, contracts.DisposeWord(h.n.ID(), h.epoch, c.locks[i]))
		}
	}
	tried(t, good, send, []row[punishCall]{
		{"before the settlement", func(h *hall, c *punishCall) { h.height = h.channel().End + punishBlocks + 100 }, ""},
		{"another was disposed", disposed(bob, 0), "BadSignature"},
		{"disposed by alice", disposed(alice, 1), "BadSignature"},
		{"in another epoch", func(h *hall, c *punishCall) { h.epoch = 1; disposed(bob, 1)(h, c) }, "BadSignature"},
		{"disposed, not unlocked", func(h *hall, c *punishCall) { c.i = 2; disposed(bob, 2)(h, c) }, "NotTaken"},
		{"beyond the list", func(h *hall, c *punishCall) { c.i = 3 }, "NotTaken"},
		{"beyond a word", func(h *hall, c *punishCall) { c.i = 256 + 1 }, "NotTaken"},
		{"in the other's list", func(h *hall, c *punishCall) { c.byFirst = true }, "BadClaim"},
		{"claims before the unlock", func(h *hall, c *punishCall) { c.c.Unlocked, c.c.Taken = units(0), contracts.Bits{} }, "BadClaim"},
		{"part of the list", func(h *hall, c *punishCall) { c.locks = c.locks[:2] }, "BadLocks"},
		{"no such channel", func(h *hall, c *punishCall) { c.n.Opened-- }, "NoChannel"},
		{"settled", func(h *hall, c *punishCall) { h.settled(contracts.Claim{}, c.c) }, "NoChannel"},
	})
}

type settleCall struct {
	n             contracts.ChannelName
	first, second contracts.Claim
}

// Bob has closed with what alice has sent; she has brought nothing of his.
func TestSettleRefuses(t *testing.T) {
	good := func(h *hall) settleCall {
		lock := promise(1, 5, 1000)
		h.registered(secret(1))
		hers := pay(3, 40, lock)
		h.closed(bob, hers)
		a := h.unlocked(alice, claim(hers), lock)
		h.height = h.channel().End + punishBlocks + 1
		return settleCall{h.n, contracts.Claim{}, a}
	}
	send := func(h *hall, c settleCall) receipt {
		return h.do(carol, contracts.SettleCall(c.n, c.first, c.second))
	}
	tried(t, good, send, []row[settleCall]{
		{"last block of the punish time", func(h *hall, c *settleCall) { h.height-- }, "TooSoon"},
		{"in the window", func(h *hall, c *settleCall) { h.height -= punishBlocks + 1 }, "TooSoon"},
		{"a word that was not brought", func(h *hall, c *settleCall) { c.first = claim(pay(1, 30)) }, "BadClaim"},
		{"silence has locks", func(h *hall, c *settleCall) { c.first.Locks[0] = 1 }, "BadClaim"},
		{"silence has unlocked", func(h *hall, c *settleCall) { c.first.Unlocked = units(1) }, "BadClaim"},
		{"silence has taken", func(h *hall, c *settleCall) { c.first.Taken = contracts.BitsOf(0) }, "BadClaim"},
		{"less sent", func(h *hall, c *settleCall) { c.second.Transferred = units(39) }, "BadClaim"},
		{"less unlocked", func(h *hall, c *settleCall) { c.second.Unlocked = units(4) }, "BadClaim"},
		{"other locks", func(h *hall, c *settleCall) { c.second.Locks[0]++ }, "BadClaim"},
		{"other locks taken", func(h *hall, c *settleCall) { c.second.Taken = contracts.BitsOf(0, 1) }, "BadClaim"},
		{"the wrong way round", func(h *hall, c *settleCall) { c.first, c.second = c.second, c.first }, "BadClaim"},
		{"no such channel", func(h *hall, c *settleCall) { c.n.Opened-- }, "NoChannel"},
		{"settled", func(h *hall, c *settleCall) { send(h, *c) }, "NoChannel"},
	})
}

// A claim is collected once, by anyone for its owner, and by the owner for whom he
// names.
func TestCollect(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		h.refused(h.do(bob, contracts.CollectCall(h.token, bob, bob)), "NothingOwed")
		h.tell(h.token, "setBlocked", bob, true)
		h.tell(h.token, "setBlocked", alice, true)
		h.together(70)
		h.refused(h.do(carol, contracts.CollectCall(h.token, bob, bob)), "BadToken")
		h.refused(h.do(carol, contracts.CollectCall(h.token, bob, carol)), "BadSender")
		h.must(h.do(bob, contracts.CollectCall(h.token, bob, carol)))
		h.wants(carol, 1080)
		h.tell(h.token, "setBlocked", alice, false)
		h.must(h.do(carol, contracts.CollectCall(h.token, alice, alice)))
		h.wants(alice, 970)
		for _, who := range []contracts.Address{alice, bob} {
			h.refused(h.do(who, contracts.CollectCall(h.token, who, who)), "NothingOwed")
		}
	})
}

// Secrets are dated by their first registration, alone or with others.
func TestSecretRegistry(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		since := func(n byte) uint64 {
			at, err := contracts.ReadSince(h.call(h.registry, contracts.SinceCall(secret(n).Hash())))
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
		first := h.height
		one := h.registered(secret(1))
		many := h.registered(secret(1), secret(2), secret(3), secret(2))
		if since(1) != first || since(2) != first+1 || since(3) != first+1 || since(4) != 0 {
			t.Errorf("%d %d %d %d", since(1), since(2), since(3), since(4))
		}
		if len(one.logs) != 1 || len(many.logs) != 2 {
			t.Errorf("%d and %d events", len(one.logs), len(many.logs))
		}
		if again := h.registered(secret(1)); len(again.logs) != 0 {
			t.Error("registered twice")
		}
	})
}
