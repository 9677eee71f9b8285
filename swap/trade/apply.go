package trade

import (
	"fmt"
	"slices"

	"photon/contracts"
)

// Apply takes in what happened and returns the trade as it is from now on and
// the messages to send once it is stored. The version rises exactly when there
// is something to store. A refused event changes nothing.
//
// Errors: ErrStatus, ErrSecret, contracts.ErrTerms; of Left, those of MayLeave.
func (t Trade) Apply(e Event) (Trade, []Effect, error) {
	n, effects, err := t.take(e)
	if err != nil {
		return t, nil, err
	}
	n, more := n.decide()
	if broken := n.broken(t); broken != "" {
		n, more, effects = t.facts(e), nil, nil
		n.Frozen = broken
	}
	n = n.owing()
	if !n.same(t) {
		n.Version++
	}
	return n, append(effects, more...), nil
}

// facts takes in what a chain or a clock says and nothing else: a trade that is
// frozen must still know when to refund.
func (t Trade) facts(e Event) Trade {
	switch e := e.(type) {
	case Sighted:
		return t.sighted(e)
	case Ticked:
		t.Now = max(t.Now, e.Now)
	}
	return t
}

// take notes an event; decide acts on it.
func (t Trade) take(e Event) (Trade, []Effect, error) {
	switch e := e.(type) {
	case Accepted:
		return t.accepted(e)
	case Reached:
		t.Reached = t.Reached || t.Role == Second
		return t, nil, nil
	case Declined:
		return t.declined(e)
	case Sighted, Ticked:
		return t.facts(e), nil, nil
	case Shown:
		return t.shown(e)
	case LockFailed:
		return t.lockFailed(e)
	case LeftByPartner:
		return t.leftByPartner(), nil, nil
	case RefundAsked:
		return t.refundAsked()
	case RefundSigned:
		return t.refundSigned()
	case Missed:
		return t.missed()
	case Left:
		return t.left()
	}
	panic(fmt.Sprintf("trade: event %T", e))
}

// decide is the next move of our role, or none.
func (t Trade) decide() (Trade, []Effect) {
	if t.Role == First {
		return t.first()
	}
	return t.second()
}

// accepted fills in the maker's parties. The same word again changes nothing.
func (t Trade) accepted(e Accepted) (Trade, []Effect, error) {
	if t.Role != First {
		return t, nil, fmt.Errorf("%w: we made the offer", ErrStatus)
	}
	if t.Status != Proposed {
		if string(e.Redeemer) == string(t.Ours.Terms.Redeemer) && string(e.Refunder) == string(t.Theirs.Terms.Refunder) {
			return t, nil, nil
		}
		return t, nil, fmt.Errorf("%w: accepted while %s", ErrStatus, t.Status)
	}
	t.Ours.Terms.Redeemer, t.Theirs.Terms.Refunder = e.Redeemer, e.Refunder
	if err := t.Ours.Terms.Check(); err != nil {
		return t, nil, err
	}
	if err := t.Theirs.Terms.Check(); err != nil {
		return t, nil, err
	}
	if t.Now > t.LockBy() {
		return t.rest(Cancelled, "the answer came too late"), []Effect{Tell{Abandon{t.ID}}}, nil
	}
	t.Status = Locking
	return t, nil, nil
}

func (t Trade) declined(e Declined) (Trade, []Effect, error) {
	if t.Status != Proposed {
		return t, nil, fmt.Errorf("%w: refused while %s", ErrStatus, t.Status)
	}
	return t.rest(Cancelled, "refused: %s", e.Reason), nil, nil
}

// sighted notes what a chain says. Second learns the secret here, from whatever
// spent his lock, mined or not: it is valid wherever it was seen.
func (t Trade) sighted(e Sighted) Trade {
	leg := t.Leg(e.Side)
	leg.Head = e.Head
	if e.Fate != nil && !e.Fate.same(leg.Fate) {
		leg.Fate = *e.Fate
	}
	if end := leg.Fate.End; end != nil && end.Secret != nil && end.Secret.Hash() == t.ID {
		t.Secret = end.Secret
	}
	return t
}

// shown is the secret from the partner's own mouth. It counts once we have
// locked; before that it would only tempt us.
func (t Trade) shown(e Shown) (Trade, []Effect, error) {
	if e.Secret.Hash() != t.ID {
		return t, nil, fmt.Errorf("%w: %s", ErrSecret, e.Secret.Hash())
	}
	if t.Role == First || !slices.Contains([]Status{Locking, Refunding, Redeeming, Completed}, t.Status) {
		return t, nil, fmt.Errorf("%w: secret shown while %s", ErrStatus, t.Status)
	}
	t.Secret = &e.Secret
	return t, nil, nil
}

// lockFailed ends a trade whose lock could not be made: the shell says so only
// when nothing was stored, so nothing can have been sent.
func (t Trade) lockFailed(e LockFailed) (Trade, []Effect, error) {
	if t.Status != Locking || t.Ours.Fate.Lock != nil {
		return t, nil, fmt.Errorf("%w: lock failed while %s", ErrStatus, t.Status)
	}
	return t.rest(Cancelled, "could not lock: %s", e.Reason), []Effect{Tell{Abandon{t.ID}}}, nil
}

// refundAsked gives up our claim to the partner's lock, so that he need not wait
// for his time. From then on we neither lock nor reveal: one guard for both.
func (t Trade) refundAsked() (Trade, []Effect, error) {
	allowed := []Status{Agreed, Cancelled, Refunded} // Second: nothing of ours is out
	if t.Role == First {
		allowed = []Status{Proposed, Locking, Refunding, Refunded, Cancelled} // First: the secret is not out
	}
	if !slices.Contains(allowed, t.Status) {
		return t, nil, fmt.Errorf("%w: refund asked while %s", ErrStatus, t.Status)
	}
	if t.Role == Second && t.Ours.Fate.Lock != nil && t.Status != Refunded {
		return t, nil, fmt.Errorf("%w: refund asked while our lock is out", ErrStatus)
	}
	t.GaveRefund = true
	if t.Status == Agreed || t.Status == Proposed {
		t = t.rest(Cancelled, "the partner took his lock back")
	}
	return t, nil, nil
}

// missed notes that the secret was not given away. Who took the trade up from the
// journal cannot know that while it still may serve him.
func (t Trade) missed() (Trade, []Effect, error) {
	if t.Role != First || t.Status != Redeeming || t.Theirs.Fate.End != nil || (t.Rescued && !t.Theirs.expired()) {
		return t, nil, fmt.Errorf("%w: missed while %s", ErrStatus, t.Status)
	}
	t.Missed = true
	return t, nil, nil
}

// refundSigned: the partner signed our refund, which is stored and now sent.
func (t Trade) refundSigned() (Trade, []Effect, error) {
	if t.Status != Locking && t.Status != Refunding {
		return t, nil, fmt.Errorf("%w: refund signed while %s", ErrStatus, t.Status)
	}
	t.Status = Refunding
	return t, nil, nil
}

// MayCosign says whether we may sign half of the partner's spend together. To his
// redeeming of our lock: once the secret is shown, he could take it anyway. To
// his refund: once we gave up our claim, see RefundAsked. First, who has decided to
// reveal, may not have done so yet: whoever signs must see the secret in the
// request besides. Errors: ErrStatus.
func (t Trade) MayCosign(p Purpose) error {
	revealed := t.Secret != nil
	if t.Role == First {
		revealed = !t.Missed && (t.Status == Redeeming || t.Status == Completed)
	}
	if (p == Redeem && revealed) || (p == Refund && t.GaveRefund) {
		return nil
	}
	return fmt.Errorf("%w: will not sign a %s while %s", ErrStatus, p, t.Status)
}

// broken names the invariant that n breaks, having come from t.
func (n Trade) broken(t Trade) string {
	if n.Status != t.Status && !slices.Contains(moves[n.Role][t.Status], n.Status) {
		return fmt.Sprintf("moved from %s to %s", t.Status, n.Status)
	}
	if n.Role == First && n.GaveRefund && n.Status == Redeeming {
		return "revealed after giving a refund"
	}
	if n.Role == Second && n.GaveRefund && (n.Status == Locking || n.Status == Redeeming) {
		return "locked after giving a refund"
	}
	if n.Role == Second && n.Status == Redeeming && n.Status != t.Status && n.Secret == nil && !n.redeemed() {
		return "redeeming without the secret"
	}
	return ""
}

// same reports whether n and t are equal in all that is stored.
func (n Trade) same(t Trade) bool {
	return n.Status == t.Status && (n.Secret == nil) == (t.Secret == nil) &&
		n.GaveRefund == t.GaveRefund && n.Abandoned == t.Abandoned && n.Left == t.Left && n.Missed == t.Missed &&
		n.Reached == t.Reached && n.Owed == t.Owed && n.Overdue == t.Overdue &&
		n.Reason == t.Reason && n.Frozen == t.Frozen &&
		string(n.Ours.Terms.Redeemer) == string(t.Ours.Terms.Redeemer) &&
		n.Ours.Fate.same(t.Ours.Fate) && n.Theirs.Fate.same(t.Theirs.Fate)
}

func (f Fate) same(g Fate) bool {
	if (f.Lock == nil) != (g.Lock == nil) || (f.End == nil) != (g.End == nil) {
		return false
	}
	if f.Lock != nil && *f.Lock != *g.Lock {
		return false
	}
	if f.End == nil {
		return true
	}
	a, b := *f.End, *g.End
	a.Secret, b.Secret = nil, nil
	return a == b && (f.End.Secret == nil) == (g.End.Secret == nil)
}

// A Want is a transaction that the trade needs on a chain and does not see mined
// there. It is derived from the state anew whenever it is asked for, so a crash
// loses none; the shell sends what is stored already, or makes it.
type Want struct {
	Side     Side
	Purpose  Purpose
	Together bool   // ask the partner to sign first; fall back to the script in good time
	Only     bool   // only together: alone it is not possible yet
	Deadline uint64 // Unix seconds by which it must be mined
}

// Wants is every transaction that t needs now. A trade at rest needs one again
// when a reorganisation, deeper than we counted with, has taken its end back.
func (t Trade) Wants() []Want {
	var wants []Want
	taproot := func(s Side) bool { return t.Leg(s).Terms.Form == contracts.P2TR }
	switch {
	case t.mayLock():
		wants = append(wants, Want{Side: Ours, Purpose: Lock, Deadline: t.LockBy()})
	case t.Status == Locking && t.Ours.Fate.End == nil && t.Ours.locked() > 0 && t.givenUp() && taproot(Ours):
		wants = append(wants, Want{Side: Ours, Purpose: Refund, Together: true, Only: true, Deadline: t.Ours.Terms.Expiry})
	case (t.Status == Refunding || t.Status == Refunded) && t.Ours.told() && t.Ours.Fate.Lock != nil && t.Ours.ended() == 0:
		wants = append(wants, Want{Side: Ours, Purpose: Refund, Deadline: t.refundBy()})
	}
	if (t.Status != Redeeming && t.Status != Completed) || t.unrevealed() {
		return wants
	}
	if t.mayRedeem() {
		wants = append(wants, Want{Side: Theirs, Purpose: Redeem, Together: taproot(Theirs), Deadline: t.Theirs.Terms.Expiry})
	}
	if t.Role == Second && t.Ours.locked() > 0 && t.Ours.ended() == 0 && t.Ours.Head.Time > t.Theirs.Terms.Expiry {
		// First told us the secret and never redeemed: our lock is still ours.
		wants = append(wants, Want{Side: Ours, Purpose: Refund, Deadline: t.Theirs.Terms.Expiry + t.slack()})
	}
	return wants
}

// mayLock reports whether our lock is to be made, or sent again: it is not there,
// nobody has given up, and as Second, theirs still counts. A lock that was stored
// and never sent is not sent late either: First could take both.
func (t Trade) mayLock() bool {
	return t.Status == Locking && t.Ours.told() && t.Ours.locked() == 0 && t.Ours.Fate.End == nil && t.inTime() &&
		!t.givenUp() && !t.Rescued && t.Frozen == "" && (t.Role == First || t.Theirs.secure())
}

// GaveUpLock reports whether our lock was ordered, is not seen, and is no longer
// wanted. If none was made, LockFailed ends the trade at once.
func (t Trade) GaveUpLock() bool {
	return t.Status == Locking && t.Ours.told() && t.Ours.Fate.Lock == nil && t.Now > 0 && !t.Rescued && (t.givenUp() || !t.inTime())
}

// inTime reports whether a lock may still serve: First may still reveal. Before
// we know the time, it may not.
func (t Trade) inTime() bool { return t.Now > 0 && t.clock() <= t.RevealBy() }

// mayRedeem reports whether their lock is there to be redeemed. First shows the
// secret to no lock that a reorganisation has taken back, unless it is out.
func (t Trade) mayRedeem() bool {
	if !t.Theirs.told() || t.Theirs.Fate.Lock == nil || t.Theirs.ended() > 0 {
		return false
	}
	return t.Secret != nil || (t.Role == First && t.Theirs.locked() > 0)
}

// refundBy is the Unix second by which our refund should be mined: slack after it
// opens. Later, it is in no more of a hurry while nobody can race it: First's as
// long as the secret is certainly not out, Second's until First can have his own
// lock back and this one too.
func (t Trade) refundBy() uint64 {
	by, calm := t.Ours.Terms.Expiry+t.slack(), t.clock()+t.slack()
	switch {
	case t.Secret != nil || t.Missed || t.Rescued:
		return by
	case t.Role == Second:
		calm = min(calm, t.Theirs.Terms.Expiry)
	}
	return max(by, calm)
}

// slack is how long a refund, which nobody races but a late secret, may take
// before its fee must grow.
func (t Trade) slack() uint64 { return max((t.Ours.Terms.Expiry-t.Start)/4, 1) }
