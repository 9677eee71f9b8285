package contracts_test

import (
	"slices"

	"pgregory.net/rapid"

	"photon/contracts"
)

// The steps of the model by which a channel ends.

// bothSign is whether both have signed a word truly.
func (m *channelModel) bothSign(t *rapid.T, c *modelChannel, word func(uint64) contracts.Word) (first, second contracts.Signature, good bool) {
	first, one := m.sign(t, c.n.First, c.epoch, word)
	second, two := m.sign(t, c.n.Second, c.epoch, word)
	return first, second, one && two
}

// shares are both balances, most often all there is.
func (c *modelChannel) shares(t *rapid.T) (a, b uint64, all bool) {
	a = rapid.Uint64Range(0, c.total()).Draw(t, "of first")
	b = c.total() - a
	if sometimes(t, 3) {
		return a + 1, b, false
	}
	return a, b, true
}

func (m *channelModel) stepWithdraw(t *rapid.T) {
	c, _ := m.pick(t, isOpen)
	a, b, all := c.shares(t)
	takes := [2]uint64{rapid.Uint64Range(0, a+1).Draw(t, "first takes"), rapid.Uint64Range(0, b).Draw(t, "second takes")}
	w := contracts.Withdrawal{
		Until: m.height + rapid.Uint64Range(0, 3).Draw(t, "until") - 1, FirstBalance: units(a), SecondBalance: units(b),
		FirstTakes: units(takes[0]), SecondTakes: units(takes[1]),
	}
	first, second, signed := m.bothSign(t, c, func(epoch uint64) contracts.Word { return contracts.WithdrawWord(c.n.ID(), epoch, w) })
	good := c.open() && signed && all && w.Until >= m.height && takes[0] <= a
	r := m.do(modelPeople[throw(t, 2)], contracts.WithdrawCall(c.n, w, first, second))
	if !good {
		m.agree(r, false)
		return
	}
	c.epoch++
	c.deposit = [2]uint64{a - takes[0], b - takes[1]}
	e := c.event(contracts.ChannelWithdrawn)
	e.FirstAmount, e.SecondAmount = units(c.deposit[0]), units(c.deposit[1])
	m.agree(r, true, e)
	m.pay(c.n.Token, c.n.First, takes[0])
	m.pay(c.n.Token, c.n.Second, takes[1])
}

// ended pays both in the model and is the last event.
func (m *channelModel) ended(c *modelChannel, a, b uint64) contracts.ChannelEvent {
	c.gone = true
	m.pay(c.n.Token, c.n.First, a)
	m.pay(c.n.Token, c.n.Second, b)
	e := c.event(contracts.ChannelSettled)
	e.FirstAmount, e.SecondAmount = units(a), units(b)
	return e
}

func (m *channelModel) stepTogether(t *rapid.T) {
	if !sometimes(t, 2) {
		return // channels should live
	}
	c, _ := m.pick(t, func(c *modelChannel, _ int) bool { return !c.gone })
	a, b, all := c.shares(t)
	e := contracts.Ending{Until: m.height + rapid.Uint64Range(0, 3).Draw(t, "until") - 1, FirstBalance: units(a), SecondBalance: units(b)}
	first, second, signed := m.bothSign(t, c, func(epoch uint64) contracts.Word { return contracts.CloseTogetherWord(c.n.ID(), epoch, e) })
	good := !c.gone && signed && all && e.Until >= m.height && m.height != c.n.Opened
	r := m.do(modelPeople[throw(t, 2)], contracts.CloseTogetherCall(c.n, e, first, second))
	if !good {
		m.agree(r, false)
		return
	}
	m.agree(r, true, m.ended(c, a, b))
}

// word draws what a party says: a sum, and promises under few secrets that end
// soon or late.
func (m *channelModel) word(t *rapid.T) (contracts.BalanceProof, []contracts.Lock) {
	var locks []contracts.Lock
	for range throw(t, 2) {
		locks = append(locks, promise(byte(throw(t, 2)), rapid.Uint64Range(0, 30).Draw(t, "amount"),
			m.height+[]uint64{500, 60, 2, 0}[throw(t, 2)]))
	}
	return pay(rapid.Uint64Range(1, 5).Draw(t, "nonce"), rapid.Uint64Range(0, 200).Draw(t, "sent"), locks...), locks
}

// keep is what the contract keeps of a party's word.
func (c *modelChannel) keep(side int, p contracts.BalanceProof, locks []contracts.Lock) {
	sent, _ := p.Transferred.Uint64()
	c.said[side], c.sent[side], c.locks[side], c.unlocked[side], c.taken[side] = true, sent, locks, 0, nil
}

func (m *channelModel) stepClose(t *rapid.T) {
	c, side := m.pick(t, isOpen)
	sender := c.party(side)
	if sometimes(t, 4) {
		sender = mallory
	}
	p, locks := m.word(t)
	s, signed := m.sign(t, c.party(1-side), c.epoch, func(epoch uint64) contracts.Word { return contracts.ProofWord(c.n.ID(), epoch, p) })
	silent := sometimes(t, 2)
	if silent {
		p, s, signed = contracts.BalanceProof{}, contracts.Signature{}, true
	}
	good := c.open() && sender != mallory && signed && m.height != c.n.Opened
	height := m.height
	r := m.do(sender, contracts.CloseCall(c.n, p, s))
	if !good {
		m.agree(r, false)
		return
	}
	c.end, c.closedBy = height+c.window, side
	if !silent {
		c.keep(1-side, p, locks)
	}
	e := c.event(contracts.ChannelClosed)
	e.ByFirst, e.Proof = side == 0, p
	m.agree(r, true, e)
}

func (m *channelModel) stepUpdate(t *rapid.T) {
	c, _ := m.pick(t, isClosed)
	by, to := c.party(c.closedBy), c.party(1-c.closedBy)
	p, locks := m.word(t)
	s, signed := m.sign(t, by, c.epoch, func(epoch uint64) contracts.Word { return contracts.ProofWord(c.n.ID(), epoch, p) })
	mandate, allowed := m.sign(t, to, c.epoch, func(epoch uint64) contracts.Word { return contracts.UpdateWord(c.n.ID(), epoch, p) })
	sender := modelPeople[throw(t, 2)]
	good := !c.gone && c.end != 0 && m.height <= c.end && signed && (allowed || sender == to) && p.Nonce > c.nonce
	r := m.do(sender, contracts.UpdateCall(c.n, p, s, mandate))
	if !good {
		m.agree(r, false)
		return
	}
	c.nonce = p.Nonce
	c.keep(c.closedBy, p, locks)
	e := c.event(contracts.ChannelUpdated)
	e.ByFirst, e.Proof = c.closedBy == 0, p
	m.agree(r, true, e)
}

func (m *channelModel) stepUnlock(t *rapid.T) {
	c, side := m.pick(t, hasLocks)
	places := [][]int{{0, 1, 2}, {1, 3}, {0}, {2}}
	take := places[throw(t, 2)]
	named := take
	if sometimes(t, 3) {
		named = places[throw(t, 2)]
	}
	claim, locks, to := c.claim(side), slices.Clone(c.locks[side]), c.party(1-side)
	mandate, signed := m.sign(t, to, c.epoch, func(epoch uint64) contracts.Word {
		return contracts.UnlockWord(c.n.ID(), epoch, claim.Locks, contracts.BitsOf(named...))
	})
	signed = signed && slices.Equal(take, named)
	sender := []contracts.Address{to, to, c.party(side), mallory}[throw(t, 2)]
	good := !c.gone && c.end != 0 && m.height <= c.end && c.said[side] && len(locks) > 0 && (signed || sender == to)
	if sometimes(t, 3) && len(locks) > 0 {
		locks[0].Amount, good = locks[0].Amount.Plus(units(1)), false
	}
	sum, taken := c.unlocked[side], slices.Clone(c.taken[side])
	for i, l := range locks {
		since := m.since[l.Hash]
		if slices.Contains(take, i) && !slices.Contains(taken, i) && since != 0 && since <= l.Expiry {
			amount, _ := l.Amount.Uint64()
			sum, taken = sum+amount, append(taken, i)
		}
	}
	good = good && len(taken) > len(c.taken[side])
	r := m.do(sender, contracts.UnlockCall(c.n, side == 0, claim, locks, contracts.BitsOf(take...), mandate))
	if !good {
		m.agree(r, false)
		return
	}
	c.unlocked[side], c.taken[side] = sum, taken
	e := c.event(contracts.ChannelUnlocked)
	e.ByFirst, e.Unlocked, e.Taken = side == 0, units(sum), contracts.BitsOf(taken...)
	m.agree(r, true, e)
}

func (m *channelModel) stepPunish(t *rapid.T) {
	c, side := m.pick(t, hasTaken)
	i, locks := throw(t, 2), c.locks[side]
	signs := promise(1, 1, 1)
	if i < len(locks) {
		signs = locks[i]
	}
	disposed, signed := m.sign(t, c.party(1-side), c.epoch, func(epoch uint64) contracts.Word { return contracts.DisposeWord(c.n.ID(), epoch, signs) })
	good := !c.gone && c.end != 0 && signed && slices.Contains(c.taken[side], i)
	good = good && (side != c.closedBy || m.height > c.end)
	r := m.do(modelPeople[throw(t, 2)], contracts.PunishCall(c.n, side == 0, c.claim(side), locks, i, disposed))
	if !good {
		m.agree(r, false)
		return
	}
	e, gets := c.event(contracts.ChannelPunished), [2]uint64{}
	e.ByFirst, gets[side] = side == 1, c.total()
	m.agree(r, true, e, m.ended(c, gets[0], gets[1]))
}

func (m *channelModel) stepSettle(t *rapid.T) {
	c, _ := m.pick(t, isClosed)
	first, second := c.claim(0), c.claim(1)
	if throw(t, 1) == 0 {
		m.height = max(m.height, c.end+punishBlocks+uint64(throw(t, 1)))
	}
	good := !c.gone && c.end != 0 && m.height > c.end+punishBlocks
	if sometimes(t, 3) {
		second.Transferred, good = second.Transferred.Plus(units(1)), false
	}
	r := m.do(modelPeople[throw(t, 2)], contracts.SettleCall(c.n, first, second))
	if !good {
		m.agree(r, false)
		return
	}
	a, b := contracts.Divide(units(c.deposit[0]), units(c.deposit[1]), first, second)
	// What first has, below zero or beyond all there is, and in plain numbers.
	plain := int64(c.deposit[0]+c.sent[1]+c.unlocked[1]) - int64(c.sent[0]+c.unlocked[0])
	plain = max(0, min(plain, int64(c.total())))
	if a != units(uint64(plain)) || b != units(c.total()-uint64(plain)) {
		t.Fatalf("divided into %s and %s; the model says %d of %d", a, b, plain, c.total())
	}
	m.agree(r, true, m.ended(c, uint64(plain), c.total()-uint64(plain)))
}
