package trade

import (
	"fmt"

	"photon/contracts"
)

// A Profile says how long the legs of a trade may last. All in seconds.
type Profile struct {
	Name      string
	First     uint64                     // from the start to the first leg's expiry
	Second    uint64                     // from the start to the second leg's expiry
	Outage    uint64                     // that Second may be away and still redeem in time
	Lag       map[contracts.Chain]uint64 // how late a refund opens: median time past behind the clock, at 99 %
	Inclusion map[contracts.Chain]uint64 // until a transaction is seen, mined and confirmed, at 99.99 %
	Skew      uint64                     // that the two clocks may differ
}

// The main networks' waiting times. Source: block intervals as measured, see the
// table "Time" of the protocol's description.
var (
	lag       = map[contracts.Chain]uint64{contracts.BTC: 131 * 60, contracts.LTC: 33 * 60}
	inclusion = map[contracts.Chain]uint64{contracts.BTC: 139 * 60, contracts.LTC: 49 * 60, contracts.ETH: 20 * 60, contracts.SMT: 8 * 60}
)

// Safe is the default on main networks. Fast is for those whom a delegate
// guards.
var (
	Safe = Profile{"safe", 24 * 3600, 10 * 3600, 6 * 3600, lag, inclusion, 600}
	Fast = Profile{"fast", 10 * 3600, 4 * 3600, 1800, lag, inclusion, 600}
)

// Dev returns a profile of minutes for chains that are mined at will: the second
// leg lasts second seconds, the first twice that.
func Dev(second uint64) Profile {
	return Profile{"dev", 2 * second, second, second / 2, nil, nil, 120}
}

// Need is the least time between the expiries of a first leg on chain a and a
// second leg on chain b. The last moment at which First can show the secret is the
// one before Second's refund is mined, and that opens late. Then Second, perhaps
// after an outage, must redeem and have it confirmed.
func (p Profile) Need(a, b contracts.Chain) uint64 {
	return p.Lag[b] + p.Inclusion[b] + p.Outage + p.Inclusion[a]
}

// Check refuses times that are too short or too long for p. Errors: ErrOffer.
func (p Profile) Check(o Offer) error {
	if o.SecondTime < p.Second/2 || o.SecondTime > 2*p.Second {
		return fmt.Errorf("%w: second leg of %d s, %s allows %d to %d", ErrOffer, o.SecondTime, p.Name, p.Second/2, 2*p.Second)
	}
	if o.FirstTime > 2*p.First {
		return fmt.Errorf("%w: first leg of %d s, %s allows %d", ErrOffer, o.FirstTime, p.Name, 2*p.First)
	}
	need := p.Need(o.Want.Chain, o.Give.Chain)
	if o.FirstTime < o.SecondTime+need {
		return fmt.Errorf("%w: first leg of %d s, need %d and %d", ErrOffer, o.FirstTime, o.SecondTime, need)
	}
	return nil
}

// secondLeg is the leg that Second locks, whoever we are.
func (t Trade) secondLeg() Leg {
	if t.Role == Second {
		return t.Ours
	}
	return t.Theirs
}

// part is the time at which n of 100 parts of the second leg's life are over.
func (t Trade) part(n uint64) uint64 {
	return t.Start + (t.secondLeg().Terms.Expiry-t.Start)*n/100
}

// LockBy is the last Unix second at which a lock may be made: 25 % of the second
// leg's life.
func (t Trade) LockBy() uint64 { return t.part(25) }

// RevealBy is the last Unix second at which First may give the secret away: 60 %
// of the second leg's life.
func (t Trade) RevealBy() uint64 { return t.part(60) }

// AloneBy is the Unix second from which First redeems by the script and waits
// for nobody's signature: 70 % of the second leg's life.
func (t Trade) AloneBy() uint64 { return t.part(70) }

// overdueFrom is the Unix second from which a redeem that First has not begun is
// overdue: halfway between AloneBy and the second leg's expiry.
func (t Trade) overdueFrom() uint64 { return t.part(85) }

// clock is the latest that it can be: our clock, or a chain's if that is ahead.
func (t Trade) clock() uint64 { return max(t.Now, t.Ours.Head.Time, t.Theirs.Head.Time) }

// givenUp reports whether we locked and will never go on: then the partner may
// as well sign our refund now.
func (t Trade) givenUp() bool {
	if t.Left || t.Abandoned || t.GaveRefund {
		return true
	}
	return t.Role == First && t.clock() > t.RevealBy()
}
