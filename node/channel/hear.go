package channel

import (
	"slices"

	"photon/contracts"
	"photon/node/message"
)

// maxNotes bounds what a partner can make us remember of locks that are over: they
// are forgotten when their time is.
const maxNotes = 4096

// update takes the partner's update, or refuses it. Either way it is heard, and
// answered; only what he did not sign is as if it had never come.
func (c Channel) update(now Now, u message.Update, objection message.Reason, culprit contracts.Hash) (Channel, []Effect, error) {
	switch {
	case u.Epoch != c.Epoch:
		return c, []Effect{Tell{c.where(true)}}, nil // one of us does not know yet of a withdrawal
	case u.Proof.Nonce <= c.Them.Heard:
		return c, []Effect{Tell{c.answer()}}, nil // told before
	case u.Proof.Nonce != c.Them.Heard+1 && u.After != c.Them.Proof.Nonce:
		return c, []Effect{Tell{c.where(false)}}, nil // what it builds on was lost; what it passes over fell with a refused one
	case !c.signed(u.Signature, contracts.ProofWord(c.Name.ID(), u.Epoch, u.Proof)):
		return c.refuse(ErrSignature, "update %d", u.Proof.Nonce)
	}
	c.Them.Heard = u.Proof.Nonce
	if why, who := c.unwelcome(now, u, objection, culprit); why != "" {
		return c.reject(now, u, why, who)
	}
	d, effects, why, who := c.read(now, u)
	if why != "" {
		return c.reject(now, u, why, who)
	}
	d.Them.Proof, d.Them.Signature, d.Them.Reason, d.Them.Culprit = u.Proof, u.Signature, "", contracts.Hash{}
	if d.Accord != nil && !d.Accord.binds() {
		d.Accord = nil // the balances are others now; it is proposed again
	}
	return d.with(append([]Effect{Tell{d.answer()}}, effects...)...)
}

// unwelcome is why an update is refused whatever is in it.
func (c Channel) unwelcome(now Now, u message.Update, objection message.Reason, culprit contracts.Hash) (message.Reason, contracts.Hash) {
	fresh := slices.ContainsFunc(u.Changes, func(x message.Change) bool { return x.Pay != nil || x.Promise != nil })
	promises := slices.ContainsFunc(u.Changes, func(x message.Change) bool { return x.Promise != nil })
	switch {
	case u.After != c.Them.Proof.Nonce:
		return message.Base, contracts.Hash{}
	case c.Status != Open || c.Behind || c.Frozen != "":
		return message.Closing, contracts.Hash{}
	case c.Accord != nil && c.Accord.binds():
		return message.Busy, contracts.Hash{}
	case c.Wish != nil && c.Wish.Kind == Ending && (fresh || c.Wish.Alone): // the word that we close with is his last
		return message.Closing, contracts.Hash{}
	case promises && now.Stale:
		return message.Stale, contracts.Hash{}
	case objection != "":
		return objection, culprit
	}
	return "", contracts.Hash{}
}

// read follows the changes of an update. A reason other than empty says why it
// cannot stand, and for which change.
func (c Channel) read(now Now, u message.Update) (Channel, []Effect, message.Reason, contracts.Hash) {
	has, sent, locks := c.Receivable(), c.Them.Proof.Transferred, slices.Clone(c.Them.Locks)
	if slices.ContainsFunc(u.Changes, func(x message.Change) bool { return x.Pay == nil }) {
		c.Them.Notes = append(make([]Note, 0, len(c.Them.Notes)+len(u.Changes)), c.Them.Notes...) // ours, to be changed
	}
	var effects []Effect
	for _, x := range u.Changes {
		switch {
		case x.Pay != nil:
			if x.Pay.Amount.IsZero() {
				return c, nil, message.Unfit, x.Pay.ID
			}
			if has.Less(x.Pay.Amount) {
				return c, nil, message.Capacity, x.Pay.ID
			}
			has, sent = has.Minus(x.Pay.Amount), sent.Plus(x.Pay.Amount)
			effects = append(effects, Got{*x.Pay})
		case x.Promise != nil:
			l := x.Promise.Lock
			if why := c.acceptable(now, l, locks, has); why != "" {
				return c, nil, why, l.ID()
			}
			has, locks = has.Minus(l.Amount), append(locks, l)
			c.Them.Notes = append(c.Them.Notes, Note{Lock: l, ID: l.ID()})
			effects = append(effects, Pledged{*x.Promise})
		default:
			i := find(locks, c.Them.Notes, x.Subject())
			if i < 0 {
				return c, nil, message.Unfit, x.Subject()
			}
			l, at := locks[i], note(c.Them.Notes, x.Subject())
			if x.Unlock != nil {
				if x.Unlock.Secret.Hash() != l.Hash {
					return c, nil, message.Unfit, x.Subject()
				}
				sent = sent.Plus(l.Amount)
				effects = append(effects, Earned{l, x.Unlock.Secret})
			} else {
				if why := c.undue(now, x.Subject()); why != "" {
					return c, nil, why, x.Subject()
				}
				has = has.Plus(l.Amount)
				if c.Them.Notes[at].Disposed == "" {
					effects = append(effects, Lapsed{l, false})
				}
			}
			if c.Them.Notes[at].Disposed == "" { // what we have signed away must not come back
				c.Them.Notes = slices.Delete(c.Them.Notes, at, at+1)
			}
			locks = slices.Delete(locks, i, i+1)
		}
	}
	if len(u.Changes) == 0 || u.Proof.Transferred != sent || u.Proof.Locks != contracts.LocksRoot(locks) {
		return c, nil, message.Unfit, contracts.Hash{}
	}
	c.Them.Locks = locks
	return c, effects, "", contracts.Hash{}
}

// acceptable is why a lock cannot be in the partner's list; empty is that it can. It
// says nothing of whether we want it. One that would be remembered for longer than a
// window lasts is no lock that an honest partner makes.
func (c Channel) acceptable(now Now, l contracts.Lock, locks []contracts.Lock, has contracts.Amount) message.Reason {
	switch {
	case l.Amount.IsZero() || l.Hash.Degenerate() || l.Expiry > now.Height+c.Window:
		return message.Unfit
	case note(c.Them.Notes, l.ID()) >= 0:
		return message.Disposed
	case l.Expiry <= now.Through: // we may have forgotten that we disposed of it
		return message.Expiry
	case len(locks) >= message.MaxLocks || len(c.Them.Notes) >= maxNotes:
		return message.Full
	case has.Less(l.Amount):
		return message.Capacity
	}
	return ""
}

// undue is why the partner may not drop a lock: we could still be paid.
func (c Channel) undue(now Now, id contracts.Hash) message.Reason {
	n := c.Them.Notes[note(c.Them.Notes, id)]
	switch {
	case n.Disposed != "":
		return ""
	case n.Dated != 0 && n.Dated <= n.Lock.Expiry:
		return message.Registered
	case now.Through < n.Lock.Expiry:
		return message.Early
	}
	return ""
}

// reject answers that an update does not stand. Locks of it that the partner will
// not promise again as they are we dispose of, because he has signed for them.
func (c Channel) reject(now Now, u message.Update, why message.Reason, who contracts.Hash) (Channel, []Effect, error) {
	c.Them.Reason, c.Them.Culprit = why, who
	effects := []Effect{Tell{c.answer()}}
	if why == message.Base || why == message.Unfit || why == message.Disposed {
		return c.with(effects...)
	}
	for _, x := range u.Changes {
		if x.Promise == nil || (!who.IsZero() && x.Subject() != who) || len(c.Them.Notes) >= maxNotes {
			continue
		}
		l := x.Promise.Lock
		if note(c.Them.Notes, l.ID()) < 0 && l.Expiry <= now.Height+c.Window { // what lasts longer no honest partner promises
			c.Them.Notes = append(slices.Clip(c.Them.Notes), Note{Lock: l, ID: l.ID(), Disposed: why})
			effects = append(effects, Tell{c.disposal(l, why)})
		}
	}
	return c.with(effects...)
}

// answer is our newest.
func (c Channel) answer() message.Answer {
	return message.Answer{
		Channel: c.Key, Epoch: c.Epoch, Nonce: c.Them.Heard, Stands: c.Them.Proof.Nonce, Reason: c.Them.Reason, Culprit: c.Them.Culprit,
	}
}

func (c Channel) disposal(l contracts.Lock, why message.Reason) message.Dispose {
	return message.Dispose{Channel: c.Key, Epoch: c.Epoch, Lock: l, Reason: why}
}

// signed reports whether the partner has signed word.
func (c Channel) signed(s contracts.Signature, word contracts.Word) bool {
	by, err := s.Signer(c.Contract.Digest(word))
	return err == nil && by == c.Them.Party
}

// Word is what our signature in a message of ours is over; ok is false when it
// carries none.
func (c Channel) Word(m message.Message) (word contracts.Word, ok bool) {
	id := c.Name.ID()
	switch m := m.(type) {
	case message.Update:
		return contracts.ProofWord(id, m.Epoch, m.Proof), true
	case message.Answer:
		return contracts.AnswerWord(id, m.Epoch, m.Nonce, m.Stands), true
	case message.Dispose:
		return contracts.DisposeWord(id, m.Epoch, m.Lock), true
	case message.Sync:
		return contracts.AnswerWord(id, m.Epoch, m.Answer.Nonce, m.Answer.Stands), m.Answer.Nonce > 0
	case message.State:
		return contracts.ProofWord(id, m.Epoch, m.Mine.Proof), m.Mine.Proof.Nonce > 0
	case message.Withdraw:
		return contracts.WithdrawWord(id, m.Epoch, m.Withdrawal), m.Agreed
	case message.End:
		return contracts.CloseTogetherWord(id, m.Epoch, m.Ending), m.Agreed
	}
	return contracts.Word{}, false
}

// Signed is m with our signature over its word.
func Signed(m message.Message, s contracts.Signature) message.Message {
	switch m := m.(type) {
	case message.Update:
		m.Signature = s
		return m
	case message.Answer:
		m.Signature = s
		return m
	case message.Dispose:
		m.Signature = s
		return m
	case message.Sync:
		m.Answer.Signature = s
		return m
	case message.State:
		m.Mine.Signature = s
		return m
	case message.Withdraw:
		m.Signature = s
		return m
	case message.End:
		m.Signature = s
		return m
	}
	return m
}
