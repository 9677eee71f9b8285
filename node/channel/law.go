package channel

import (
	"slices"

	"photon/contracts"
	"photon/node/message"
)

// happened is what the contract tells of this channel.
func (c Channel) happened(now Now, e Happened) (Channel, []Effect, error) {
	if e.ID != c.Name.ID() {
		return c.refuse(ErrEvent, "it is of %s", e.ID)
	}
	mine := e.ByFirst == c.First
	switch e.Kind {
	case contracts.ChannelDeposited:
		if mine {
			c.Us.Deposit = e.Total
		} else {
			c.Them.Deposit = e.Total
		}
		c.Accord = nil // its balances are no more all there is, so the contract takes it no more
		return c.with()
	case contracts.ChannelWithdrawn:
		return c.renewed(e)
	case contracts.ChannelClosed:
		return c.closed(e, mine)
	case contracts.ChannelUpdated:
		if c.Law == nil {
			return c.refuse(ErrEvent, "update of a channel that is %s", c.Status)
		}
		l := *c.Law
		l.Nonce = e.Proof.Nonce
		if claim := (contracts.Claim{Transferred: e.Proof.Transferred, Locks: e.Proof.Locks}); mine {
			l.Ours, l.Said, l.Locks = claim, e.Proof.Nonce, nil
		} else {
			l.Theirs = claim
		}
		c.Law = &l
		return c.listed().with()
	case contracts.ChannelUnlocked:
		if c.Law == nil {
			return c.refuse(ErrEvent, "unlock in a channel that is %s", c.Status)
		}
		l := *c.Law
		if mine {
			l.Ours.Unlocked, l.Ours.Taken = e.Unlocked, e.Taken
		} else {
			l.Theirs.Unlocked, l.Theirs.Taken = e.Unlocked, e.Taken
		}
		c.Law = &l
		return c.with()
	case contracts.ChannelPunished:
		return c.with() // Settled says how it ends
	case contracts.ChannelSettled:
		return c.settled(e)
	}
	return c.refuse(ErrEvent, "%s", e.Kind)
}

// renewed begins a new epoch: both balances are deposits now, and whatever was said
// is void. Nothing was pending, or who signed the withdrawal has given it up.
func (c Channel) renewed(e Happened) (Channel, []Effect, error) {
	if e.Epoch <= c.Epoch {
		return c.refuse(ErrEpoch, "withdrawn into epoch %d, we are in %d", e.Epoch, c.Epoch)
	}
	var effects []Effect
	if w := c.Wish; w != nil && w.Kind == Withdrawing && c.Accord != nil && c.Accord.Ours {
		c.Wish, c.Wished = nil, w.ID
		effects = append(effects, Ended{Wish: *w})
	}
	for _, n := range c.Us.Notes {
		if n.Returned && n.Disposal == nil && n.Secret == nil {
			effects = append(effects, Lapsed{n.Lock, true})
		}
	}
	c.Epoch, c.Accord = e.Epoch, nil
	queue, _ := begins(c.Us.Queue)
	c.Us = Ours{Queue: queue, Queued: c.Us.Queued}
	c.Them = Theirs{Party: c.Them.Party}
	if c.Us.Deposit, c.Them.Deposit = e.FirstAmount, e.SecondAmount; !c.First {
		c.Us.Deposit, c.Them.Deposit = e.SecondAmount, e.FirstAmount
	}
	c.Behind = false
	return c.with(append(effects, Tell{c.where(false)})...)
}

// begins separates what begins something from what ends locks.
func begins(queue []message.Change) (begins, rest []message.Change) {
	rest, begins = ends(queue)
	return begins, rest
}

// closed begins the end. What was not said can be said no more; what was is for the
// contract to weigh.
func (c Channel) closed(e Happened, mine bool) (Channel, []Effect, error) {
	if c.Status != Open {
		return c.refuse(ErrStatus, "closed when it was %s", c.Status)
	}
	effects := c.unsaid()
	for _, x := range c.Us.Queue {
		if i := note(c.Us.Notes, x.Subject()); i >= 0 && x.Promise != nil { // it was on its way before, and signed
			c.Us.Notes = changed(c.Us.Notes, i, func(n *Note) { n.Returned = true })
		}
	}
	l := Law{ByUs: mine, End: e.Block + c.Window}
	claim := contracts.Claim{Transferred: e.Proof.Transferred, Locks: e.Proof.Locks}
	if mine {
		l.Theirs = claim
	} else {
		l.Ours, l.Said = claim, e.Proof.Nonce
	}
	c.Status, c.Law, c.Accord, c.Us.Queue, c.Us.Queued = Closed, &l, nil, nil, contracts.Amount{}
	return c.listed().with(effects...)
}

// unsaid returns what waits in the queue to the ledger.
func (c Channel) unsaid() (effects []Effect) {
	queue, _ := begins(c.Us.Queue)
	for _, x := range queue {
		effects = append(effects, Returned{x, message.Closing})
	}
	return effects
}

// listed fills in the locks of our claim where they are at hand.
func (c Channel) listed() Channel {
	if c.Law == nil || c.Law.Ours.Locks.IsZero() || len(c.Law.Locks) > 0 {
		return c
	}
	lists := [][]contracts.Lock{c.Us.Locks}
	for _, f := range c.Us.Flight {
		lists = append(lists, f.Locks)
	}
	for _, locks := range lists {
		if contracts.LocksRoot(locks) == c.Law.Ours.Locks {
			l := *c.Law
			l.Locks, c.Law = locks, &l
			break
		}
	}
	return c
}

// Sought is the root of a list of ours that the partner has brought and that only
// the log of the channel can tell: [Found] brings it.
func (c Channel) Sought() (root contracts.Hash, ok bool) {
	if c.Status != Closed || c.Law.Ours.Locks.IsZero() || len(c.Law.Locks) > 0 {
		return root, false
	}
	return c.Law.Ours.Locks, slices.ContainsFunc(c.Us.Notes, func(n Note) bool { return n.Disposal != nil })
}

func (c Channel) found(locks []contracts.Lock) (Channel, []Effect, error) {
	if c.Law == nil || contracts.LocksRoot(locks) != c.Law.Ours.Locks {
		return c.refuse(ErrLock, "not the list that was brought")
	}
	l := *c.Law
	l.Locks, c.Law = locks, &l
	return c.with()
}

// ListWith replays the log of an epoch, oldest first, to the list with this root.
func ListWith(log []Record, root contracts.Hash) (locks []contracts.Lock, ok bool) {
	lists := map[uint64][]contracts.Lock{}
	for _, r := range log {
		locks := slices.Clone(lists[r.After])
		for _, x := range r.Changes {
			if x.Promise != nil {
				locks = append(locks, x.Promise.Lock)
			} else if i := find(locks, nil, x.Subject()); i >= 0 {
				locks = slices.Delete(locks, i, i+1)
			}
		}
		if contracts.LocksRoot(locks) == root {
			return locks, true
		}
		lists[r.Nonce] = locks
	}
	return nil, false
}

// settled ends the channel: what the contract has counted is what was paid.
func (c Channel) settled(e Happened) (Channel, []Effect, error) {
	if c.Status == Settled {
		return c.refuse(ErrStatus, "settled twice")
	}
	effects := c.unsaid()
	stands := c.Us.Proof.Nonce
	if c.Law != nil {
		stands = max(stands, c.Law.Said)
	}
	for _, f := range c.Us.Flight {
		if f.Proof.Nonce <= stands {
			effects = append(effects, Accepted{f.Proof.Nonce})
			c.Us.Proof, c.Us.Locks = f.Proof, f.Locks
			continue
		}
		for _, x := range f.Changes {
			if x.Pay != nil || x.Promise != nil {
				effects = append(effects, Returned{x, message.Closing})
			}
		}
	}
	for _, n := range c.Us.Notes {
		if n.Secret == nil && n.Disposal == nil {
			effects = append(effects, Lapsed{n.Lock, true})
		}
	}
	for _, n := range c.Them.Notes {
		if n.Disposed == "" && n.Secret == nil && slices.Contains(c.Them.Locks, n.Lock) {
			effects = append(effects, Lapsed{n.Lock, false})
		}
	}
	if w := c.Wish; w != nil {
		why := message.Reason("")
		if w.Kind == Withdrawing {
			why = message.Closing
		}
		effects = append(effects, Ended{*w, why})
	}
	if c.Paid = [2]contracts.Amount{e.FirstAmount, e.SecondAmount}; !c.First {
		c.Paid[0], c.Paid[1] = e.SecondAmount, e.FirstAmount
	}
	c.Status, c.Wish, c.Accord, c.Us.Flight, c.Us.Queue, c.Us.Queued = Settled, nil, nil, nil, nil, contracts.Amount{}
	return c.with(effects...)
}
