package trade

// first is what First decides. Guards stand in the order in which a reader of
// the protocol would check them.
func (t Trade) first() (Trade, []Effect) {
	switch t.Status {
	case Proposed:
		if t.Abandoned {
			return t.rest(Cancelled, "the partner left"), nil
		}
		if t.Now > t.LockBy() {
			return t.rest(Cancelled, "no answer"), nil
		}
	case Locking:
		if t.mayReveal() {
			t.Status = Redeeming
			return t, nil
		}
		return t.refundWhenDue(), nil
	case Redeeming:
		return t.firstRedeeming(), nil
	case Refunding:
		switch {
		case t.Ours.deep(ByTime, ByBoth):
			return t.rest(Refunded, ""), nil
		case t.Ours.deep(BySecret):
			return t.rest(Stranded, "the partner redeemed our lock and refunded his"), nil
		}
	}
	return t, nil
}

// mayReveal is the point of no return: both locks count, there is time left by
// the latest clock, and nothing of ours was given up. The secret being public
// already, by whatever mishap, leaves nothing to guard.
func (t Trade) mayReveal() bool {
	if t.Secret != nil && t.Theirs.locked() > 0 && t.Theirs.Fate.End == nil {
		return !t.GaveRefund
	}
	return t.Theirs.secure() && t.Ours.secure() && t.clock() <= t.RevealBy() &&
		!t.GaveRefund && !t.Left && t.Frozen == ""
}

// firstRedeeming waits for what we bought to be ours. If the partner's refund won
// the race, our own lock may still be there.
func (t Trade) firstRedeeming() Trade {
	if t.Theirs.deep(BySecret, ByBoth) {
		return t.rest(Completed, "")
	}
	if t.Missed {
		return t.refundWhenDue()
	}
	if !t.Theirs.deep(ByTime) {
		return t
	}
	if t.Ours.deep(BySecret, ByBoth) {
		return t.rest(Stranded, "the partner refunded before we redeemed, and redeemed our lock")
	}
	if t.Ours.expired() && t.Ours.Fate.End == nil {
		t.Status = Refunding
	}
	return t
}

// refundWhenDue orders our refund once the chain allows it. A lock that was never
// mined long after its time ends the trade.
func (t Trade) refundWhenDue() Trade {
	if !t.Ours.expired() || t.Ours.Fate.End != nil {
		return t
	}
	if t.Ours.locked() > 0 {
		t.Status = Refunding
		return t
	}
	if t.Ours.Fate.Lock == nil && t.Ours.Head.Time > t.Ours.Terms.Expiry+(t.Ours.Terms.Expiry-t.Start) {
		return t.rest(Cancelled, "our lock was never mined")
	}
	return t
}
