package trade

// second is what Second decides.
func (t Trade) second() (Trade, []Effect) {
	if t.Secret != nil && (t.Status == Locking || t.Status == Refunding) {
		t.Status = Redeeming
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
	case Redeeming:
		return t.secondRedeeming(), nil
	}
	return t, nil
}

// secondAgreed locks once the partner's lock counts, or lets go when it is late.
func (t Trade) secondAgreed() (Trade, []Effect) {
	if t.Abandoned {
		return t.rest(Cancelled, "the partner left"), nil
	}
	if t.clock() > t.LockBy() {
		return t.rest(Cancelled, "the partner's lock came too late or never"), []Effect{Tell{Abandon{t.ID}}}
	}
	if t.Theirs.secure() && !t.GaveRefund && !t.Left && t.Frozen == "" {
		t.Status = Locking
	}
	return t, nil
}

// secondRedeeming waits until what we bought is ours and our own lock has ended,
// whichever way: told the secret by message, we may find it never redeemed.
func (t Trade) secondRedeeming() Trade {
	paid := t.Ours.Fate.Lock == nil || t.Ours.deep(BySecret, ByBoth, ByTime)
	switch {
	case t.Theirs.deep(BySecret, ByBoth) && paid:
		return t.rest(Completed, "")
	case t.Theirs.deep(ByTime) && t.Ours.deep(ByTime):
		return t.rest(Refunded, "")
	case t.Theirs.deep(ByTime) && t.Ours.deep(BySecret, ByBoth):
		return t.rest(Stranded, "the partner redeemed, and took his own lock back after its time")
	}
	return t
}
