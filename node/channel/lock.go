package channel

import (
	"slices"

	"photon/contracts"
	"photon/node/message"
)

// note is the place of the note on a lock, or -1.
func note(notes []Note, id contracts.Hash) int {
	return slices.IndexFunc(notes, func(n Note) bool { return n.ID == id })
}

// find is the place of a lock in a list, or -1. Notes, which know the ids of all
// that are listed, save that many are hashed.
func find(locks []contracts.Lock, notes []Note, id contracts.Hash) int {
	if i := note(notes, id); i >= 0 {
		return slices.Index(locks, notes[i].Lock)
	}
	return slices.IndexFunc(locks, func(l contracts.Lock) bool { return l.ID() == id })
}

// noteOn is the place of the note on a lock, or -1. It is looked for from a place
// on: lists and notes are mostly in one order.
func noteOn(notes []Note, l contracts.Lock, from int) int {
	for i := range notes {
		if at := (from + i) % len(notes); notes[at].Lock == l {
			return at
		}
	}
	return -1
}

// takesOut reports whether x takes a lock out of its list.
func takesOut(x message.Change, lock contracts.Hash) bool {
	return x.Unlock != nil && x.Unlock.Lock == lock || x.Drop != nil && x.Drop.Lock == lock
}

// changed is a copy of notes in which the one at i is as change makes it.
func changed(notes []Note, i int, change func(*Note)) []Note {
	notes = slices.Clone(notes)
	change(&notes[i])
	return notes
}

// room is a copy of notes with room for one on each promise of an update, or notes
// itself when there is none.
func room(notes []Note, of []message.Change) []Note {
	n := 0
	for _, x := range of {
		if x.Promise != nil {
			n++
		}
	}
	if n == 0 {
		return notes
	}
	return append(make([]Note, 0, len(notes)+n), notes...)
}

// know shows the partner the secret of what he has promised us.
func (c Channel) know(s contracts.Secret) (Channel, []Effect, error) {
	hash, found := s.Hash(), false
	for i, n := range c.Them.Notes {
		if n.Lock.Hash != hash || n.Disposed != "" || !slices.Contains(c.Them.Locks, n.Lock) {
			continue
		}
		found = true
		if n.Secret == nil {
			c.Them.Notes = changed(c.Them.Notes, i, func(n *Note) { n.Secret = &s })
		}
	}
	if !found {
		return c.refuse(ErrLock, "of hash %s", hash)
	}
	return c.with(Tell{message.Reveal{Channel: c.Key, Secret: s}})
}

// giveUp disposes of what the partner has promised us.
func (c Channel) giveUp(e GiveUp) (Channel, []Effect, error) {
	i := note(c.Them.Notes, e.Lock)
	if i < 0 || !slices.Contains(c.Them.Locks, c.Them.Notes[i].Lock) {
		return c.refuse(ErrLock, "%s", e.Lock)
	}
	switch n := c.Them.Notes[i]; {
	case n.Secret != nil:
		return c.refuse(ErrLock, "%s is ours to take", e.Lock)
	case n.Disposed != "":
		return c, []Effect{Tell{c.disposal(n.Lock, n.Disposed)}}, nil
	}
	c.Them.Notes = changed(c.Them.Notes, i, func(n *Note) { n.Disposed = e.Reason })
	return c.with(Tell{c.disposal(c.Them.Notes[i].Lock, e.Reason)})
}

// reveal is the partner's secret of locks that we promised. After their time he must
// have registered it, and the chain tells us.
func (c Channel) reveal(now Now, s contracts.Secret) (Channel, []Effect, error) {
	hash, found := s.Hash(), false
	var effects []Effect
	for i, n := range c.Us.Notes {
		if n.Lock.Hash != hash {
			continue
		}
		found = true
		if n.Secret == nil && n.Disposal == nil && !n.Returned && now.Height <= n.Lock.Expiry {
			c.Us.Notes = changed(c.Us.Notes, i, func(n *Note) { n.Secret = &s })
			effects = append(effects, Learned{n.Lock, s})
		}
	}
	if !found {
		return c.refuse(ErrLock, "of hash %s", hash)
	}
	if len(effects) == 0 {
		return c, nil, nil // known, given up, or too late
	}
	return c.tend(now).with(effects...)
}

// disposed is the partner's word that he takes nothing of a lock that we promised.
func (c Channel) disposed(now Now, m message.Dispose) (Channel, []Effect, error) {
	if m.Epoch != c.Epoch {
		return c.refuse(ErrEpoch, "disposal of epoch %d, ours is %d", m.Epoch, c.Epoch)
	}
	i := note(c.Us.Notes, m.Lock.ID())
	if i < 0 {
		return c.refuse(ErrLock, "%s", m.Lock.ID())
	}
	if c.Us.Notes[i].Disposal != nil {
		return c, nil, nil
	}
	if !c.signed(m.Signature, contracts.DisposeWord(c.Name.ID(), m.Epoch, m.Lock)) {
		return c.refuse(ErrSignature, "disposal of %s", m.Lock.ID())
	}
	learned := c.Us.Notes[i].Secret != nil
	c.Us.Notes = changed(c.Us.Notes, i, func(n *Note) { n.Disposal, n.Disposed = &m.Signature, m.Reason })
	if learned {
		return c.with() // he has it in hand; that he signs it away now changes nothing for others
	}
	return c.tend(now).with(GaveUp{m.Lock, m.Reason})
}

// registered is a secret that the chain has dated. Whoever registered it, a lock of
// that hash is as good as paid if it was in time and nobody has given it up.
func (c Channel) registered(now Now, e Registered) (Channel, []Effect, error) {
	hash := e.Secret.Hash()
	var effects []Effect
	var touched bool
	for i, n := range c.Us.Notes {
		if n.Lock.Hash != hash || n.Dated != 0 {
			continue
		}
		touched = true
		inTime := e.Block <= n.Lock.Expiry
		if inTime && n.Secret == nil && n.Disposal == nil {
			effects = append(effects, Learned{n.Lock, e.Secret})
		}
		c.Us.Notes = changed(c.Us.Notes, i, func(n *Note) {
			if n.Dated = e.Block; inTime {
				n.Secret = &e.Secret
			}
		})
	}
	for i, n := range c.Them.Notes {
		if n.Lock.Hash != hash || n.Dated != 0 {
			continue
		}
		touched = true
		inTime := e.Block <= n.Lock.Expiry && n.Disposed == ""
		c.Them.Notes = changed(c.Them.Notes, i, func(n *Note) {
			if n.Dated = e.Block; inTime {
				n.Secret = &e.Secret
			}
		})
		if inTime && c.Status == Open && slices.Contains(c.Them.Locks, n.Lock) {
			effects = append(effects, Tell{message.Reveal{Channel: c.Key, Secret: e.Secret}})
		}
	}
	if !touched {
		return c, nil, nil
	}
	return c.tend(now).with(effects...)
}

// Due reports whether time has something to do here.
func (c Channel) Due(now Now) bool {
	return len(c.Us.Notes)+len(c.Them.Notes)+len(c.Us.Queue) > 0 || c.Wish != nil || c.Accord != nil || c.Law != nil && c.Status != Settled
}

// tick lets time pass: what must end is queued, what is over is forgotten, and what
// was wished for too long is given up.
func (c Channel) tick(now Now) (Channel, []Effect, error) {
	d, effects := c.tend(now).forget(now)
	d, more := d.patience(now)
	effects = append(effects, more...)
	if len(effects) == 0 && len(d.Us.Queue) == len(c.Us.Queue) && len(d.Us.Notes) == len(c.Us.Notes) &&
		len(d.Them.Notes) == len(c.Them.Notes) && d.Accord == c.Accord && d.Wish == c.Wish {
		return c, nil, nil
	}
	return d.with(effects...)
}

// tend queues the end of every lock of ours that has come to it. A lock whose secret
// was shown is paid, one that was disposed of is dropped, and one whose time is over,
// with nobody having registered its secret, is dropped some blocks later.
func (c Channel) tend(now Now) Channel {
	if c.Status != Open || c.Us.Rest != 0 && now.Height <= c.Us.Rest {
		return c
	}
	_, locks := c.tip()
	i := -1
	for _, l := range locks {
		if i = noteOn(c.Us.Notes, l, i+1); i < 0 {
			continue
		}
		n := c.Us.Notes[i]
		over := n.Disposal != nil || n.Secret != nil || now.Through >= l.Expiry+c.Rules.Grace
		if id := n.ID; !over || slices.ContainsFunc(c.Us.Queue, func(x message.Change) bool { return takesOut(x, id) }) {
			continue
		}
		switch id := n.ID; {
		case n.Disposal != nil:
			c.Us.Queue = append(c.Us.Queue, message.Change{Drop: &message.Drop{Lock: id}})
		case n.Secret != nil:
			c.Us.Queue = append(c.Us.Queue, message.Change{Unlock: &message.Unlock{Lock: id, Secret: *n.Secret}})
		default:
			c.Us.Queue = append(c.Us.Queue, message.Change{Drop: &message.Drop{Lock: id}})
		}
	}
	return c
}

// forget drops notes on locks that are in no list and can be worth nothing any more:
// their time is over and the secret was not registered in it. What the partner
// disposed of and somebody registered stays, to punish him.
func (c Channel) forget(now Now) (Channel, []Effect) {
	var effects []Effect
	ours := c.Us.Notes[:0:0]
	for _, n := range c.Us.Notes {
		claimable := n.Dated != 0 && n.Dated <= n.Lock.Expiry
		if claimable || now.Through < n.Lock.Expiry || c.pending(n.Lock) {
			ours = append(ours, n)
		} else if n.Returned && n.Disposal == nil && n.Secret == nil {
			effects = append(effects, Lapsed{n.Lock, true})
		}
	}
	theirs := c.Them.Notes[:0:0]
	for _, n := range c.Them.Notes {
		if now.Through < n.Lock.Expiry || slices.Contains(c.Them.Locks, n.Lock) {
			theirs = append(theirs, n)
		}
	}
	if c.Us.Notes, c.Them.Notes = ours, theirs; len(ours) == 0 {
		c.Us.Notes = nil
	}
	if len(theirs) == 0 {
		c.Them.Notes = nil
	}
	return c, effects
}

// pending reports whether a lock of ours is in a list that stands or may stand, or
// waits to be in one.
func (c Channel) pending(l contracts.Lock) bool {
	return slices.Contains(c.Us.Locks, l) || slices.ContainsFunc(c.Us.Flight, func(f Flown) bool { return slices.Contains(f.Locks, l) }) ||
		slices.ContainsFunc(c.Us.Queue, func(x message.Change) bool { return x.Promise != nil && x.Promise.Lock == l })
}
