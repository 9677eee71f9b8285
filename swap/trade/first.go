package trade

import "fmt"

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
		if t.revealed() || t.mayReveal() {
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
		case t.Ours.gone(t.Start):
			return t.rest(Refunded, "our lock was never mined"), nil
		}
	}
	return t, nil
}

// mayReveal is the point of no return: both locks count, there is time left by
// the latest clock, which must have been told, and nothing of ours was given up.
func (t Trade) mayReveal() bool {
	return t.Theirs.secure() && t.Ours.secure() && t.Now > 0 && t.clock() <= t.RevealBy() &&
		!t.GaveRefund && !t.Left && t.Frozen == ""
}

// StillCounts refuses to give the secret away for the first time unless both
// locks count now, too: a reorganisation may have undone what was decided on, or a
// node have lied. Errors: ErrNotYet.
func (t Trade) StillCounts() error {
	for _, l := range []Leg{t.Ours, t.Theirs} {
		if !l.secure() {
			return fmt.Errorf("%w: lock on %s has %d of %d confirmations", ErrNotYet, l.Terms.Asset.Chain, l.locked(), l.Confirmations)
		}
	}
	return nil
}

// revealed reports whether the chains show more than this copy of the trade
// remembers: the secret is public, or their lock was spent with our signature,
// which is our redeeming unless we signed their refund. There is nothing left to
// guard.
func (t Trade) revealed() bool {
	end := t.Theirs.Fate.End
	return !t.GaveRefund && (t.Secret != nil || (end != nil && end.Kind == ByBoth))
}

// firstRedeeming waits for what we bought to be ours. If the partner's refund won
// the race, our own lock may still be there.
func (t Trade) firstRedeeming() Trade {
	if t.Theirs.deep(BySecret, ByBoth) {
		return t.rest(Completed, "")
	}
	if t.unrevealed() {
		return t.refundWhenDue()
	}
	if !t.Theirs.deep(ByTime) && !t.Theirs.gone(t.Start) {
		return t
	}
	if t.Ours.deep(BySecret, ByBoth) {
		return t.rest(Stranded, "the partner refunded before we redeemed, and redeemed our lock")
	}
	if end := t.Ours.Fate.End; end != nil && end.Kind != ByTime && (end.Height > 0 || !t.Ours.expired()) {
		return t // not deep yet; one that only waits may be overtaken by our refund
	}
	return t.refundWhenDue()
}

// unrevealed reports whether First decided to reveal and did not, and nobody else
// has.
func (t Trade) unrevealed() bool { return t.Missed && t.Secret == nil }

// refundWhenDue orders our refund once the chain allows it, or takes note of one
// that this copy of the trade does not know of: a delegate's, or our own from
// before a disk was lost. A lock that was never mined ends the trade.
func (t Trade) refundWhenDue() Trade {
	switch {
	case t.Ours.Fate.End != nil, t.Ours.expired() && t.Ours.locked() > 0:
		t.Status = Refunding
	case t.Ours.gone(t.Start) && t.Status == Locking:
		return t.rest(Cancelled, "our lock was never mined")
	case t.Ours.gone(t.Start):
		t.Status = Refunding
	}
	return t
}
