package trade

// second is what Second decides.
func (t Trade) second() (Trade, []Effect) {
	if (t.Secret != nil || t.redeemed()) && (t.Status == Locking || t.Status == Refunding) {
		t.Status = Redeeming
		return t, nil
	}
	switch t.Status {
	case Agreed:
		return t.secondAgreed()
	case Locking:
		return t.refundWhenDue(), nil
	case Refunding:
		if t.Ours.deep(ByTime, ByBoth) {
			return t.rest(Refunded, ""), nil
		}
		if t.Ours.gone(t.Start) {
			return t.rest(Refunded, "our lock was never mined"), nil
		}
	case Redeeming:
		return t.secondRedeeming(), nil
	}
	return t, nil
}

// redeemed reports whether their lock was spent with our signature, which is our
// redeeming: we sign away no lock once we have locked. This copy of the trade may
// have lost the secret.
func (t Trade) redeemed() bool {
	end := t.Theirs.Fate.End
	return !t.GaveRefund && end != nil && end.Kind == ByBoth
}

// secondAgreed locks once the partner's lock counts, or lets go when it is late.
func (t Trade) secondAgreed() (Trade, []Effect) {
	if t.Rescued && (!t.Ours.told() || t.Ours.Fate.Lock != nil) {
		// What we took up may be older than what we did.
		if t.Ours.Fate.Lock != nil {
			t.Status = Locking
		}
		return t, nil
	}
	if t.Abandoned {
		return t.rest(Cancelled, "the partner left"), nil
	}
	if t.clock() > t.LockBy() {
		return t.rest(Cancelled, "the partner's lock came too late or never"), []Effect{Tell{Abandon{t.ID}}}
	}
	if t.Theirs.secure() && t.Now > 0 && !t.GaveRefund && !t.Left && !t.Rescued && t.Frozen == "" {
		t.Status = Locking
	}
	return t, nil
}

// secondRedeeming waits until what we bought is ours and our own lock has ended,
// whichever way: told the secret by message, we may find it never redeemed.
func (t Trade) secondRedeeming() Trade {
	paid := t.Ours.Fate.Lock == nil || t.Ours.deep(BySecret, ByBoth, ByTime)
	lost := t.Theirs.deep(ByTime) || t.Theirs.gone(t.Start)
	switch {
	case t.Theirs.deep(BySecret, ByBoth) && paid:
		return t.rest(Completed, "")
	case lost && (t.Ours.deep(ByTime) || t.Ours.gone(t.Start)):
		return t.rest(Refunded, "")
	case lost && t.Ours.deep(BySecret, ByBoth):
		return t.rest(Stranded, "the partner redeemed, and took his own lock back after its time")
	}
	return t
}
