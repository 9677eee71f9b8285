package trade

import "fmt"

// left is our user's wish to stop. Before the lock it ends the trade; after it,
// the partner is asked for a refund, and the time lock is waited for.
func (t Trade) left() (Trade, []Effect, error) {
	if err := t.MayLeave(); err != nil {
		return t, nil, err
	}
	switch {
	case t.Status == Proposed || t.Status == Agreed:
		t.Left = true
		return t.rest(Cancelled, "cancelled"), []Effect{Tell{Abandon{t.ID}}}, nil
	case t.Left:
		return t, nil, nil // the refund is under way
	}
	t.Left = true
	return t, []Effect{Tell{Abandon{t.ID}}}, nil
}

// MayLeave says why there is nothing to cancel or to take back in t, or nothing
// more to do about it. Errors: ErrNoLock, ErrRefunded, ErrSpent, ErrRevealed,
// ErrNotYet, ErrStatus.
func (t Trade) MayLeave() error {
	end := t.Ours.Fate.End
	switch {
	case t.Status == Proposed || t.Status == Agreed:
		return nil
	case t.TookBack():
		return fmt.Errorf("%w: by %s on %s, block %d", ErrRefunded, end.TxID, t.Ours.Terms.Asset.Chain, end.Height)
	case end != nil:
		return fmt.Errorf("%w: the partner redeemed our lock by %s on %s, block %d", ErrSpent, end.TxID, t.Ours.Terms.Asset.Chain, end.Height)
	case t.Status == Cancelled, t.Status == Refunded:
		return fmt.Errorf("%w: the swap is %s: %s", ErrNoLock, t.Status, t.Reason)
	case t.Status == Completed, t.Status == Redeeming && !t.unrevealed():
		return fmt.Errorf("%w: the swap is %s, and what we locked is the partner's", ErrRevealed, t.Status)
	case t.Status == Redeeming, t.Status == Locking && t.Left:
		return fmt.Errorf("%w: the refund comes by itself from %d on, the time on %s is %d", ErrNotYet, t.Ours.Terms.Expiry, t.Ours.Terms.Asset.Chain, t.Ours.Head.Time)
	case t.Status == Locking, t.Status == Refunding:
		return nil
	}
	return fmt.Errorf("%w: the swap is %s: %s", ErrStatus, t.Status, t.Reason)
}

// TookBack reports whether what spent our lock, mined or not, gave it back to us.
// A lock that both spent went back to us when we refund, and to the partner
// otherwise.
func (t Trade) TookBack() bool {
	end := t.Ours.Fate.End
	switch {
	case end == nil:
		return false
	case end.Kind == ByBoth:
		return t.Status == Refunding || t.Status == Refunded
	}
	return end.Kind == ByTime
}

// MayStop reports whether our node may be stopped: while nothing of ours is
// locked, or all is over. Otherwise what we are to receive must be redeemed before
// the partner can take it back, and a node that was stopped must run again well
// before backBy, in Unix seconds. It is 0 for First who refunds: he has nothing to
// redeem and no time to lose.
func (t Trade) MayStop() (may bool, backBy uint64) {
	switch {
	case t.Status.AtRest(), t.Status == Proposed, t.Status == Agreed:
		return true, 0
	case t.Role == First && t.Status == Refunding:
		return false, 0
	}
	return false, t.Theirs.Terms.Expiry
}
