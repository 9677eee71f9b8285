package channel

import (
	"slices"

	"photon/contracts"
	"photon/node/message"
)

// How much may be on its way at a time, and in one update. An update of this many
// payments with the longest texts still fits a packet.
const (
	maxFlight  = 16
	maxChanges = 512
)

// say queues a payment or a promise of ours.
func (c Channel) say(now Now, x message.Change) (Channel, []Effect, error) {
	if err := c.mayPromise(); err != nil {
		return c.refuse(err, "%s, frozen %q", c.Status, c.Frozen)
	}
	var amount contracts.Amount
	switch {
	case x.Pay != nil:
		amount = x.Pay.Amount
	case x.Promise != nil:
		amount = x.Promise.Lock.Amount
		if err := c.mayLock(now, x.Promise.Lock); err != nil {
			return c, nil, err
		}
	default:
		return c.refuse(ErrMessage, "not ours to say")
	}
	if amount.IsZero() {
		return c.refuse(ErrAmount, "nothing")
	}
	if has := c.Sendable(); has.Less(amount) {
		return c.refuse(ErrShort, "%s, has %s", amount, has)
	}
	// A channel is one value with one owner, so what is appended here no other sees.
	c.Us.Queue, c.Us.Queued = append(c.Us.Queue, x), c.Us.Queued.Plus(amount)
	return c.with()
}

// mayPromise is nil when we may begin something new.
func (c Channel) mayPromise() error {
	switch {
	case c.Status != Open || c.Behind:
		return ErrStatus
	case c.Frozen != "":
		return ErrFrozen
	case c.Wish != nil && c.Wish.Kind == Ending, c.Accord != nil && c.Accord.Ending != nil && c.Accord.binds():
		return ErrBusy
	}
	return nil
}

// mayLock refuses a lock that the partner could not live with: that he has to
// register too soon, that outlives a window which begins now, or one that he may
// have disposed of.
func (c Channel) mayLock(now Now, l contracts.Lock) error {
	_, locks := c.tip()
	pending := len(locks)
	for _, x := range c.Us.Queue {
		if x.Promise == nil {
			continue
		}
		if pending++; x.Promise.Lock == l {
			_, _, err := c.refuse(ErrRepeated, "lock %s is queued", l.ID())
			return err
		}
	}
	var err error
	switch soonest, latest := now.Height+c.Rules.Reveal, now.Height+c.Window-c.Rules.Reveal; {
	case l.Hash.Degenerate():
		_, _, err = c.refuse(ErrLock, "hash %s", l.Hash)
	case pending >= message.MaxLocks:
		_, _, err = c.refuse(ErrFull, "%d", pending)
	case l.Expiry < soonest || l.Expiry > latest:
		_, _, err = c.refuse(ErrExpiry, "block %d, not from %d to %d", l.Expiry, soonest, latest)
	case note(c.Us.Notes, l.ID()) >= 0:
		_, _, err = c.refuse(ErrRepeated, "lock %s", l.ID())
	}
	return err
}

// maySpeak reports whether updates may go out.
func (c Channel) maySpeak() bool {
	return c.Status == Open && c.Frozen == "" && !c.Behind && (c.Accord == nil || !c.Accord.binds() && c.Wish == nil)
}

// flush signs what is queued. While our user wishes a withdrawal or an ending, only
// what ends locks goes out, so that the channel comes to rest.
func (c Channel) flush(now Now) (Channel, []Effect, error) {
	var effects []Effect
	was := len(c.Us.Flight)
	for c.maySpeak() && len(c.Us.Flight) < maxFlight {
		batch, left := c.Us.Queue, []message.Change(nil)
		if c.Wish != nil {
			batch, left = ends(batch)
		}
		if len(batch) > maxChanges {
			batch, left = batch[:maxChanges:maxChanges], append(batch[maxChanges:len(batch):len(batch)], left...)
		}
		if len(batch) == 0 {
			break
		}
		var more []Effect
		c, more = c.fly(batch)
		c.Us.Queue = left
		effects = append(effects, more...)
	}
	if len(c.Us.Flight) == was {
		return c, nil, nil
	}
	return c.with(effects...)
}

// ends separates what ends locks from what begins something.
func ends(queue []message.Change) (ends, rest []message.Change) {
	for _, x := range queue {
		if x.Unlock != nil || x.Drop != nil {
			ends = append(ends, x)
		} else {
			rest = append(rest, x)
		}
	}
	return ends, rest
}

// fly makes one update of batch and adds it to the flight.
func (c Channel) fly(batch []message.Change) (Channel, []Effect) {
	proof, locks := c.tip()
	locks = slices.Clone(locks)
	f := Flown{After: proof.Nonce, Changes: batch}
	var pays []message.Pay
	var said []message.Change
	c.Us.Notes = room(c.Us.Notes, batch)
	for _, x := range batch {
		if x.Pay != nil {
			pays = append(pays, *x.Pay)
			proof.Transferred = proof.Transferred.Plus(x.Pay.Amount)
			c.Us.Queued = c.Us.Queued.Minus(x.Pay.Amount)
			continue
		}
		said = append(said, x)
		if x.Promise != nil {
			l := x.Promise.Lock
			locks = append(locks, l)
			c.Us.Queued = c.Us.Queued.Minus(l.Amount)
			if i := note(c.Us.Notes, l.ID()); i >= 0 { // it was on its way before
				c.Us.Notes = changed(c.Us.Notes, i, func(n *Note) { n.Returned = false })
			} else {
				c.Us.Notes = append(c.Us.Notes, Note{Lock: l, ID: l.ID()})
			}
			continue
		}
		i := find(locks, c.Us.Notes, x.Subject())
		if x.Unlock != nil {
			proof.Transferred = proof.Transferred.Plus(locks[i].Amount)
		} else {
			f.Freed = f.Freed.Plus(locks[i].Amount)
		}
		locks = slices.Delete(locks, i, i+1)
	}
	c.Us.Used++
	proof.Nonce, proof.Locks = c.Us.Used, contracts.LocksRoot(locks)
	f.Proof, f.Locks, f.Listed = proof, locks, c.Us.Listed
	if n := len(c.Us.Flight); n > 0 {
		f.Listed = c.Us.Flight[n-1].Listed
	}
	before := f.Listed
	if len(said) > 0 {
		f.Listed = proof.Nonce
	}
	c.Us.Flight = append(slices.Clip(c.Us.Flight), f)
	var effects []Effect
	if len(pays) > 0 {
		effects = append(effects, Flew{pays, proof.Nonce})
	}
	if len(said) > 0 {
		effects = append(effects, Record{proof.Nonce, before, said})
	}
	return c, append(effects, Tell{c.updateOf(f)})
}

func (c Channel) updateOf(f Flown) message.Update {
	return message.Update{Channel: c.Key, Epoch: c.Epoch, After: f.After, Changes: f.Changes, Proof: f.Proof}
}

// answered takes the partner's answer to updates of ours: those up to Stands hold,
// those after it up to Nonce are refused, and what was built on a refused one falls
// with it.
func (c Channel) answered(now Now, a message.Answer) (Channel, []Effect, error) {
	if a.Epoch != c.Epoch {
		return c.refuse(ErrEpoch, "answer of epoch %d, ours is %d", a.Epoch, c.Epoch)
	}
	if a.Nonce <= c.Us.Answered {
		return c, nil, nil // told before
	}
	if a.Nonce > c.Us.Used || a.Stands > a.Nonce || a.Stands < c.Us.Proof.Nonce {
		return c.refuse(ErrMessage, "answer to %d, %d stands; we have signed %d, and %d stood", a.Nonce, a.Stands, c.Us.Used, c.Us.Proof.Nonce)
	}
	if !c.signed(a.Signature, contracts.AnswerWord(c.Name.ID(), a.Epoch, a.Nonce, a.Stands)) {
		return c.refuse(ErrSignature, "answer to %d", a.Nonce)
	}
	held := slices.IndexFunc(c.Us.Flight, func(f Flown) bool { return f.Proof.Nonce > a.Stands })
	if held < 0 {
		held = len(c.Us.Flight)
	}
	if a.Stands != c.Us.Proof.Nonce && (held == 0 || c.Us.Flight[held-1].Proof.Nonce != a.Stands) {
		return c.refuse(ErrMessage, "%d stands, which is not on its way", a.Stands)
	}
	c.Us.Answered = a.Nonce
	flight := c.Us.Flight
	var effects []Effect
	if held > 0 {
		last := flight[held-1]
		c.Us.Proof, c.Us.Locks, c.Us.Listed = last.Proof, last.Locks, last.Listed
		effects = append(effects, Accepted{last.Proof.Nonce})
		for _, f := range flight[:held] {
			var more []Effect
			c, more = c.over(f)
			effects = append(effects, more...)
		}
	}
	c.Us.Flight = flight[held:]
	if a.Stands < a.Nonce && len(c.Us.Flight) > 0 && c.Us.Flight[0].Proof.Nonce <= a.Nonce {
		var more []Effect
		c, more = c.fall(now, a)
		effects = append(effects, more...)
	}
	return c.with(effects...)
}

// over forgets what is known of locks that an update has ended, and tells of those
// whose time was over. What the partner has signed away we remember: he may still
// bring a list that holds it.
func (c Channel) over(f Flown) (Channel, []Effect) {
	var effects []Effect
	own := false
	for _, x := range f.Changes {
		i := -1
		if x.Unlock != nil || x.Drop != nil {
			i = note(c.Us.Notes, x.Subject())
		}
		if i < 0 || c.Us.Notes[i].Disposal != nil {
			continue
		}
		if x.Drop != nil {
			effects = append(effects, Lapsed{c.Us.Notes[i].Lock, true})
		}
		if !own {
			c.Us.Notes, own = slices.Clone(c.Us.Notes), true
		}
		c.Us.Notes = slices.Delete(c.Us.Notes, i, i+1)
	}
	return c, effects
}

// fall undoes the whole flight. What is to blame comes back to the ledger, or all
// that was new when no one change is; the rest is queued again, in its order, before
// what waits. What ends locks follows from the notes again, with the next block, so
// that a partner who refuses it does not have it again at once.
func (c Channel) fall(now Now, a message.Answer) (Channel, []Effect) {
	var again []message.Change
	var effects []Effect
	for _, f := range c.Us.Flight {
		blamed := f.Proof.Nonce == a.Nonce && a.Reason != message.Base
		for _, x := range f.Changes {
			switch fresh := x.Pay != nil || x.Promise != nil; {
			case !fresh:
				if !blamed {
					again = append(again, x)
				}
			case blamed && (a.Culprit.IsZero() || a.Culprit == x.Subject()):
				if x.Promise != nil {
					i := note(c.Us.Notes, x.Subject())
					c.Us.Notes = changed(c.Us.Notes, i, func(n *Note) { n.Returned = true })
				}
				effects = append(effects, Returned{x, a.Reason})
			default:
				again = append(again, x)
			}
		}
	}
	c.Us.Flight, c.Us.Rest = nil, now.Height
	c.Us.Queue = append(again, c.Us.Queue...) // a slice of its own
	c.Us.Queued = contracts.Amount{}
	for _, x := range c.Us.Queue {
		if x.Pay != nil {
			c.Us.Queued = c.Us.Queued.Plus(x.Pay.Amount)
		} else if x.Promise != nil {
			c.Us.Queued = c.Us.Queued.Plus(x.Promise.Lock.Amount)
		}
	}
	return c.unmoor(), effects
}

// unmoor takes from the queue what ends locks that are in no list now, because their
// promise fell in the same flight. It follows from the notes again once they are.
func (c Channel) unmoor() Channel {
	_, locks := c.tip()
	c.Us.Queue = slices.DeleteFunc(c.Us.Queue, func(x message.Change) bool {
		return x.Pay == nil && x.Promise == nil && find(locks, c.Us.Notes, x.Subject()) < 0
	})
	return c
}
