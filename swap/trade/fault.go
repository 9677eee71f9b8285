package trade

// A Fault is what a partner did in a trade that cost us: coins bound for nothing,
// or fees. "" is none. It is found only where the trade's own facts show that he
// could have moved and had the time to: a chain that stood still, and hours in
// which we did not look, are no fault of his. Who redeems late what he has bought
// costs us nothing, and who never answers neither.
type Fault string

// The faults.
const (
	NeverRedeemed Fault = "never_redeemed" // as Second: both locks counted, and First let them run out; he had a choice, we had not
	NeverLocked   Fault = "never_locked"   // as First: our lock counted, and Second never made his, or when it served nobody any more
	GivenUp       Fault = "given_up"       // one of these, but he signed our refund: it cost us fees and little time
	Late          Fault = "late"           // as Second: First redeemed, but when his time to begin was long over
	NeverBegun    Fault = "never_begun"    // as Second: First had our answer and locked nothing; only our promise was bound
)

// Faults are all faults, the worst first.
var Faults = []Fault{NeverRedeemed, NeverLocked, GivenUp, Late, NeverBegun}

// Weight is how much a fault counts against its partner: by whether our coins
// lay locked until their time, or no more than fees and patience were lost.
func (f Fault) Weight() uint64 {
	switch f {
	case NeverRedeemed, NeverLocked:
		return 3
	case GivenUp, Late, NeverBegun:
		return 1
	}
	return 0
}

// Fault is what the partner did wrong in t, once it is at rest. Nothing counts
// that we had a part in: our user's leaving, a trade that we froze.
func (t Trade) Fault() Fault {
	end, missing := t.Ours.Fate.End, t.Theirs.Fate.Lock == nil
	switch {
	case t.Left || t.Frozen != "":
	case t.Status == Cancelled && t.Owed == NeverBegun && missing:
		return NeverBegun
	case t.Status == Refunded && end != nil && (t.Owed == NeverRedeemed || (t.Owed == NeverLocked && (missing || t.Overdue))):
		if end.Kind == ByBoth {
			return GivenUp
		}
		return t.Owed
	case t.Status == Completed && t.Overdue:
		return Late
	}
	return ""
}

// owing notes what the partner owes us now, and that it is overdue. Both are seen
// while they are so, by what both chains say: afterwards nobody could tell them
// from an outage of ours.
func (t Trade) owing() Trade {
	if t.Status.AtRest() || t.Frozen != "" || !t.awake() {
		return t
	}
	if f := t.due(); f != "" {
		t.Owed = f
	}
	switch t.Owed {
	case NeverLocked:
		t.Overdue = t.Overdue || (t.Theirs.Fate.Lock == nil && t.Theirs.Head.Time > t.RevealBy())
	case NeverRedeemed:
		t.Overdue = t.Overdue || (t.Secret == nil && t.Ours.Fate.End == nil && t.Ours.Head.Time > t.overdueFrom())
	}
	return t
}

// due is the fault that it will be if the partner never makes the move that is his
// now. He is given as many blocks again as it takes him to see that it is, and
// these show that the chains go on. Times end well before his own do, so that
// clocks may differ.
func (t Trade) due() Fault {
	soon := t.clock() <= t.part(20) // he may lock until LockBy, 25 %
	switch {
	case t.givenUp():
	case t.Status == Agreed && t.Reached && t.Theirs.Fate.Lock == nil && soon && t.clock() > t.part(12):
		return NeverBegun // Theirs is sent as soon as he has our answer, and seen before it is mined
	case t.Status != Locking:
	case t.Role == First && t.Ours.twice() && t.Theirs.Fate.Lock == nil && t.Theirs.Head.Time > t.Start && soon:
		return NeverLocked
	case t.Role == Second && t.Ours.twice() && t.Theirs.twice() && t.clock()+t.life()/10 <= t.RevealBy():
		return NeverRedeemed
	}
	return ""
}

// leftByPartner notes that he goes no further. As First, who has locked, we have
// paid for it, unless he says so because it is too late.
func (t Trade) leftByPartner() Trade {
	if t.Status.AtRest() {
		return t
	}
	if t.Role == First && t.Status == Locking && t.awake() && t.Ours.locked() > 0 && t.Theirs.Fate.Lock == nil && t.clock() <= t.part(20) {
		t.Owed = NeverLocked
	}
	t.Abandoned = true
	return t
}

// awake reports whether we know the time and what both chains say.
func (t Trade) awake() bool { return t.Now > 0 && t.Ours.told() && t.Theirs.told() }

// twice reports whether the lock is twice as deep as it needs to be to count, and
// not spent.
func (l Leg) twice() bool { return l.secure() && l.locked() >= 2*l.Confirmations }
