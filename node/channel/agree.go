package channel

import (
	"photon/contracts"
	"photon/node/message"
)

// binds reports whether somebody may bring the accord to the contract.
func (a *Accord) binds() bool { return !a.Ours || a.Theirs != nil }

func (a *Accord) until() uint64 {
	if a.Withdrawal != nil {
		return a.Withdrawal.Until
	}
	return a.Ending.Until
}

// accordBlocks is how long an accord is good: two reveal windows, in which a
// transaction is mined even when blocks are full. So long the channel is silent.
func (c Channel) accordBlocks() uint64 { return 2 * c.Rules.Reveal }

// ask notes what our user wishes. It is proposed once the channel has come to rest.
func (c Channel) ask(now Now, w Wish) (Channel, []Effect, error) {
	if !w.ID.IsZero() && (w.ID == c.Wished || c.Wish != nil && w.ID == c.Wish.ID && (c.Wish.Alone || !w.Alone)) {
		return c, nil, nil // asked before, and done or under way
	}
	switch {
	case w.Kind != Ending && w.Alone || w.Kind == Ending && !w.Take.IsZero():
		return c.refuse(ErrEvent, "wish %q of %s, alone %t", w.Kind, w.Take, w.Alone)
	case c.Status != Open || c.Behind && !w.Alone: // a partner who is silent must not hold us for ever
		return c.refuse(ErrStatus, "%s", c.Status)
	case c.Wish != nil && (c.Wish.Kind != Ending || w.Kind != Ending || !w.Alone):
		return c.refuse(ErrBusy, "%s is wished already", c.Wish.Kind)
	case c.Wish == nil && c.Accord != nil && c.Accord.binds() && !w.Alone:
		return c.refuse(ErrBusy, "until block %d", c.Accord.until())
	case w.Kind == Withdrawing && w.Take.IsZero():
		return c.refuse(ErrAmount, "nothing to withdraw")
	case w.Kind == Withdrawing && c.Sendable().Less(w.Take):
		return c.refuse(ErrShort, "%s, has %s", w.Take, c.Sendable())
	case w.Kind != Withdrawing && w.Kind != Ending:
		return c.refuse(ErrEvent, "wish %q", w.Kind)
	}
	c.Wish = &w
	return c.with()
}

// atRest reports whether both sides have said all: no locks, nothing on its way.
func (c Channel) atRest() bool {
	return len(c.Us.Flight)+len(c.Us.Locks)+len(c.Them.Locks) == 0 && c.Us.Answered == c.Us.Used
}

// propose proposes what is wished, once nothing is in its way.
func (c Channel) propose(now Now) (Channel, []Effect) {
	if c.Wish == nil || c.Accord != nil || c.Status != Open || c.Frozen != "" || c.Wish.Alone || now.Stale || !c.atRest() {
		return c, nil
	}
	until := now.Height + c.accordBlocks()
	mine, theirs := c.shares()
	if c.Wish.Kind == Ending {
		c.Accord = &Accord{Ours: true, Ending: &contracts.Ending{Until: until, FirstBalance: mine, SecondBalance: theirs}}
		if !c.First {
			c.Accord.Ending.FirstBalance, c.Accord.Ending.SecondBalance = theirs, mine
		}
		return c, c.proposal()
	}
	if mine.Less(c.Wish.Take.Plus(c.Us.Queued)) {
		w := *c.Wish
		c.Wish, c.Wished = nil, w.ID
		return c, []Effect{Ended{w, message.Capacity}}
	}
	w := contracts.Withdrawal{Until: until, FirstBalance: mine, SecondBalance: theirs, FirstTakes: c.Wish.Take}
	if !c.First {
		w = contracts.Withdrawal{Until: until, FirstBalance: theirs, SecondBalance: mine, SecondTakes: c.Wish.Take}
	}
	c.Accord = &Accord{Ours: true, Withdrawal: &w}
	return c, c.proposal()
}

// shares are both balances of a channel at rest: all there is.
func (c Channel) shares() (mine, theirs contracts.Amount) {
	return c.Us.Deposit.Plus(c.Them.Proof.Transferred).Minus(c.Us.Proof.Transferred),
		c.Them.Deposit.Plus(c.Us.Proof.Transferred).Minus(c.Them.Proof.Transferred)
}

// proposal is what we say of the accord: that we propose it, or agree to it.
func (c Channel) proposal() []Effect {
	switch a := c.Accord; {
	case a.Ours && a.Theirs != nil:
		return nil // the chain has the word
	case a.Withdrawal != nil:
		return []Effect{Tell{message.Withdraw{Channel: c.Key, Epoch: c.Epoch, Withdrawal: *a.Withdrawal, Agreed: !a.Ours}}}
	default:
		return []Effect{Tell{message.End{Channel: c.Key, Epoch: c.Epoch, Ending: *a.Ending, Agreed: !a.Ours}}}
	}
}

// withdraw is the partner's proposal to take money out, or his signature under ours.
func (c Channel) withdraw(now Now, m message.Withdraw) (Channel, []Effect, error) {
	w := m.Withdrawal
	if m.Agreed {
		if c.Accord == nil || !c.Accord.Ours || c.Accord.Withdrawal == nil || *c.Accord.Withdrawal != w {
			return c, nil, nil // of one that we have given up: he is free again after its time
		}
		return c.agreed(m.Epoch, m.Signature, contracts.WithdrawWord(c.Name.ID(), m.Epoch, w))
	}
	first, second := c.shares()
	takes := w.FirstTakes
	if !c.First {
		first, second, takes = second, first, w.SecondTakes
	}
	same := c.Accord != nil && !c.Accord.Ours && c.Accord.Withdrawal != nil && *c.Accord.Withdrawal == w
	return c.consent(now, m.Epoch, &Accord{Withdrawal: &w}, same,
		w.FirstBalance == first && w.SecondBalance == second && takes.IsZero() && !w.FirstBalance.Less(w.FirstTakes) && !w.SecondBalance.Less(w.SecondTakes))
}

// end is the partner's proposal to close together, or his signature under ours.
func (c Channel) end(now Now, m message.End) (Channel, []Effect, error) {
	if m.Agreed {
		if c.Accord == nil || !c.Accord.Ours || c.Accord.Ending == nil || *c.Accord.Ending != m.Ending {
			return c, nil, nil
		}
		return c.agreed(m.Epoch, m.Signature, contracts.CloseTogetherWord(c.Name.ID(), m.Epoch, m.Ending))
	}
	first, second := c.shares()
	if !c.First {
		first, second = second, first
	}
	same := c.Accord != nil && !c.Accord.Ours && c.Accord.Ending != nil && *c.Accord.Ending == m.Ending
	return c.consent(now, m.Epoch, &Accord{Ending: &m.Ending}, same, m.Ending.FirstBalance == first && m.Ending.SecondBalance == second)
}

// agreed takes the partner's signature under what we proposed.
func (c Channel) agreed(epoch uint64, s contracts.Signature, word contracts.Word) (Channel, []Effect, error) {
	if epoch != c.Epoch || !c.signed(s, word) {
		return c.refuse(ErrSignature, "agreement")
	}
	if c.Accord.Theirs != nil || c.Accord.Declined != "" {
		return c, nil, nil // what he has declined we forget, so it must never have our signature
	}
	a := *c.Accord
	a.Theirs = &s
	c.Accord = &a
	return c.with()
}

// consent signs what the partner proposes, if it is what we have and nothing is in
// its way. When both propose at once, the first party's goes before.
func (c Channel) consent(now Now, epoch uint64, a *Accord, same, fair bool) (Channel, []Effect, error) {
	why := message.Reason("")
	switch until := a.until(); {
	case same:
		return c, c.proposal(), nil
	case epoch != c.Epoch:
		return c, []Effect{Tell{c.where(true)}}, nil
	case c.Status != Open || c.Behind || c.Frozen != "":
		why = message.Closing
	case now.Stale:
		why = message.Stale
	case c.Accord != nil && (c.Accord.binds() || c.First), !c.atRest():
		why = message.Busy
	case !fair:
		why = message.Amount
	case until <= now.Height || until > now.Height+2*c.accordBlocks():
		why = message.Expiry
	}
	if why != "" {
		return c, []Effect{Tell{message.Decline{Channel: c.Key, Epoch: c.Epoch, Until: a.until(), Reason: why}}}, nil
	}
	c.Accord = a
	return c.with(c.proposal()...)
}

// declined gives up a proposal of ours, and is free to make another with the next
// block.
func (c Channel) declined(m message.Decline) (Channel, []Effect, error) {
	if a := c.Accord; m.Epoch != c.Epoch || a == nil || a.binds() || a.until() != m.Until {
		return c, nil, nil
	}
	c.Accord = &Accord{Ours: true, Withdrawal: c.Accord.Withdrawal, Ending: c.Accord.Ending, Declined: m.Reason}
	return c.with()
}

// patience ends accords that are good no more, and wishes that have waited too long.
func (c Channel) patience(now Now) (Channel, []Effect) {
	if a := c.Accord; a != nil && (a.Declined != "" || a.until() < now.Through || !a.binds() && a.until() <= now.Height) {
		c.Accord = nil
	}
	w := c.Wish
	if w == nil || now.Height < w.Until || c.Accord != nil && c.Accord.binds() || w.Alone {
		return c, nil
	}
	if w.Kind == Withdrawing {
		c.Wish, c.Wished, c.Accord = nil, w.ID, nil
		return c, []Effect{Ended{*w, message.Offline}}
	}
	alone := *w
	alone.Alone = true
	c.Wish, c.Accord = &alone, nil
	return c, nil
}
