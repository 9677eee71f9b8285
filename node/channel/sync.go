package channel

import (
	"slices"

	"photon/contracts"
	"photon/node/message"
)

// meet tells the partner where we stand, and again all that he has not answered.
func (c Channel) meet() (Channel, []Effect, error) {
	return c, append([]Effect{Tell{c.where(false)}}, c.again()...), nil
}

// where we stand.
func (c Channel) where(echo bool) message.Sync {
	s := message.Sync{Channel: c.Key, Epoch: c.Epoch, Sent: c.Us.Used, Echo: echo}
	if c.Them.Heard > 0 {
		s.Answer = c.answer()
	}
	return s
}

// again is all that waits for an answer of the partner. It follows from the state,
// so no message of ours is kept anywhere else.
func (c Channel) again() (effects []Effect) {
	if c.Status != Open || c.Behind {
		return nil
	}
	for _, f := range c.Us.Flight {
		effects = append(effects, Tell{c.updateOf(f)})
	}
	for _, n := range c.Them.Notes {
		in := slices.Contains(c.Them.Locks, n.Lock)
		if n.Disposed != "" {
			effects = append(effects, Tell{c.disposal(n.Lock, n.Disposed)})
		} else if n.Secret != nil && in {
			effects = append(effects, Tell{message.Reveal{Channel: c.Key, Secret: *n.Secret}})
		}
	}
	if c.Accord != nil {
		effects = append(effects, c.proposal()...)
	}
	return effects
}

// sync hears where the partner stands. He may have lost what was on its way, or all
// he had; or we have.
func (c Channel) sync(now Now, m message.Sync) (Channel, []Effect, error) {
	var reply []Effect
	if !m.Echo {
		reply = append(reply, Tell{c.where(true)})
	}
	if m.Epoch != c.Epoch || c.Status != Open {
		return c, reply, nil
	}
	switch {
	case m.Answer.Nonce > c.Us.Used:
		return c, reply, nil // he claims to have heard more than we remember: our reply makes him prove it
	case m.Sent < c.Them.Heard || m.Answer.Nonce < c.Us.Answered:
		return c, append(reply, Tell{c.state()}), nil
	}
	d, effects := c, []Effect(nil)
	if c.Behind && m.Sent == c.Them.Heard && m.Answer.Nonce == c.Us.Used {
		d.Behind, d.Version = false, c.Version+1 // nothing was lost, or nothing was ever said
	}
	if m.Answer.Nonce > 0 {
		m.Answer.Channel, m.Answer.Epoch = m.Channel, m.Epoch
		var err error
		if d, effects, err = d.answered(now, m.Answer); err != nil {
			return c, nil, err
		}
	}
	return d, append(append(effects, reply...), d.again()...), nil
}

// state is both sides as we have them, for a partner who has lost them.
func (c Channel) state() message.State {
	return message.State{
		Channel: c.Key, Epoch: c.Epoch, Sent: c.Us.Used, Heard: c.Them.Heard,
		Mine:  message.Said{Proof: c.Us.Proof, Locks: c.Us.Locks},
		Yours: message.Said{Proof: c.Them.Proof, Locks: c.Them.Locks, Signature: c.Them.Signature},
	}
}

// restore takes the partner's word for where we stood, as far as both signatures
// prove it. He may show an older state of his own side: that we cannot know. What he
// shows of ours only binds us to what we have signed.
func (c Channel) restore(m message.State) (Channel, []Effect, error) {
	if m.Epoch != c.Epoch || !c.Behind && m.Yours.Proof.Nonce <= c.Us.Used {
		return c, nil, nil // we have lost nothing
	}
	id := c.Name.ID()
	by, err := m.Yours.Signature.Signer(c.Contract.Digest(contracts.ProofWord(id, m.Epoch, m.Yours.Proof)))
	switch {
	case m.Yours.Proof.Nonce > 0 && (err != nil || by != c.Self()):
		return c.refuse(ErrSignature, "what we said last, by %s", by)
	case m.Mine.Proof.Nonce > 0 && !c.signed(m.Mine.Signature, contracts.ProofWord(id, m.Epoch, m.Mine.Proof)):
		return c.refuse(ErrSignature, "what the partner said last")
	case contracts.LocksRoot(m.Yours.Locks) != m.Yours.Proof.Locks || contracts.LocksRoot(m.Mine.Locks) != m.Mine.Proof.Locks:
		return c.refuse(ErrMessage, "locks that do not fit what was said")
	case m.Yours.Proof.Nonce < c.Us.Proof.Nonce || m.Mine.Proof.Nonce < c.Them.Proof.Nonce:
		return c.refuse(ErrMessage, "older than what we have: %d and %d, ours %d and %d",
			m.Yours.Proof.Nonce, m.Mine.Proof.Nonce, c.Us.Proof.Nonce, c.Them.Proof.Nonce)
	case m.Heard < m.Yours.Proof.Nonce || m.Sent < m.Mine.Proof.Nonce || m.Heard > mostHeard:
		return c.refuse(ErrMessage, "nonces that do not fit")
	case m.Mine.Proof.Transferred.Less(c.Them.Proof.Transferred) || !c.holds(m.Yours, m.Mine):
		return c.refuse(ErrMessage, "the partner has sent %s, we have sent %s", m.Mine.Proof.Transferred, m.Yours.Proof.Transferred)
	}
	c.Us = Ours{Deposit: c.Us.Deposit, Proof: m.Yours.Proof, Locks: m.Yours.Locks, Used: m.Heard, Answered: m.Heard, Notes: notesOf(c.Us.Notes, m.Yours.Locks)}
	c.Them.Proof, c.Them.Locks, c.Them.Signature = m.Mine.Proof, m.Mine.Locks, m.Mine.Signature
	c.Them.Heard, c.Them.Notes, c.Them.Reason = max(m.Mine.Proof.Nonce, c.Them.Heard), notesOf(c.Them.Notes, m.Mine.Locks), ""
	c.Behind = false
	d, effects, err := c.with()
	return d, append(effects, Tell{d.where(false)}), err
}

// mostHeard is how high a nonce we believe to have used: as many are left.
const mostHeard = 1 << 63

// holds reports whether a channel could hold what we, and what the partner is said to
// have said. What has no nonce nobody has signed, and it says nothing.
func (c Channel) holds(ours, theirs message.Said) bool {
	for _, s := range []message.Said{ours, theirs} {
		if s.Proof.Nonce == 0 && s.Proof != (contracts.BalanceProof{}) {
			return false
		}
	}
	// Ours we have signed, so it is no more than there is. His may be any number.
	return fits(theirs, c.Them.Deposit.Plus(ours.Proof.Transferred)) && fits(ours, c.Us.Deposit.Plus(theirs.Proof.Transferred))
}

// fits reports whether a side that has so much could have said s.
func fits(s message.Said, has contracts.Amount) bool {
	if has.Less(s.Proof.Transferred) {
		return false
	}
	has = has.Minus(s.Proof.Transferred)
	for i, l := range s.Locks {
		if has.Less(l.Amount) || slices.Contains(s.Locks[:i], l) {
			return false
		}
		has = has.Minus(l.Amount)
	}
	return true
}

// notesOf adds to notes what locks need that have none.
func notesOf(notes []Note, locks []contracts.Lock) []Note {
	notes = notes[:len(notes):len(notes)]
	for _, l := range locks {
		if id := l.ID(); note(notes, id) < 0 {
			notes = append(notes, Note{Lock: l, ID: id})
		}
	}
	return notes
}
