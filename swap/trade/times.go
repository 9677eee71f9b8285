package trade

import (
	"fmt"

	"photon/contracts"
)

// A Profile says how long the legs of a trade may last. All in seconds.
type Profile struct {
	Name      string
	First     uint64                     // from the start to the first leg's expiry; see Times
	Second    uint64                     // from the start to the second leg's expiry
	Outage    uint64                     // that Second may be away and still redeem in time
	Lag       map[contracts.Chain]uint64 // how late a refund opens: median time past behind the clock, at 99 %
	Inclusion map[contracts.Chain]uint64 // until a transaction is seen, mined and confirmed, at 99.99 %
	Skew      uint64                     // that the two clocks may differ
}

// The parts, of a hundred, of the second leg's life by which things are done at the
// latest: the locks made, the secret's showing decided on, the secret shown.
const (
	lockPart   = 25
	revealPart = 60
	alonePart  = 70
)

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

// Margin is the time before a lock on c opens for its refunder in which a redeem
// of it, sent now, may come too late. It is 0 on a chain that is mined at will.
func (p Profile) Margin(c contracts.Chain) uint64 {
	if p.Inclusion[c] == 0 {
		return 0
	}
	return p.Inclusion[c] + p.Skew
}

// Need is the least time between the expiries of a first leg on chain a and a
// second leg on chain b. The last moment at which First can show the secret is the
// one before Second's refund is final, and that opens late. Then Second, perhaps
// after an outage, must redeem and have it confirmed before First's refund opens.
// Source: testdata/honest_second.pml.
func (p Profile) Need(a, b contracts.Chain) uint64 {
	return p.Lag[b] + p.Inclusion[b] + p.Outage + p.Margin(a)
}

// Times are how long the two legs of an offer last that wants a and gives b, in
// seconds: as the profile says, or longer where b is so slow that First would have
// no time to reveal in, see Check.
func (p Profile) Times(a, b contracts.Chain) (first, second uint64) {
	minutes := func(x, n uint64) uint64 { return (x*100 + 60*n - 1) / (60 * n) * 60 } // the fewest of which n of 100 parts are x
	deep := p.Inclusion[b]
	second = max(p.Second,
		minutes(deep, revealPart-lockPart),
		minutes(deep+p.Margin(b), 100-lockPart-(alonePart-revealPart)))
	return max(p.First, second+p.Need(a, b)), second
}

// Check refuses times that are too short or too long for p: for Second to redeem
// before First can refund; for First to redeem before Second can refund, with time
// left before that in which Second's lock, made at the last moment, becomes deep.
// Errors: ErrOffer.
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
	deep := o.SecondTime*lockPart/100 + p.Inclusion[o.Give.Chain]
	if by := p.RevealBy(o); by < deep {
		return fmt.Errorf("%w: second leg of %d s, its lock counts after %d and the secret may be shown until %d", ErrOffer, o.SecondTime, deep, by)
	}
	return nil
}

// RevealBy is until how many seconds after the start of a trade on o First may
// decide to give the secret away.
func (p Profile) RevealBy(o Offer) uint64 {
	reveal, _ := limits(o.SecondTime, p.Margin(o.Give.Chain))
	return reveal
}

// secondLeg is the leg that Second locks, whoever we are.
func (t Trade) secondLeg() Leg {
	if t.Role == Second {
		return t.Ours
	}
	return t.Theirs
}

// LockBy is the last Unix second at which a lock may be made: 25 % of the second
// leg's life.
func (t Trade) LockBy() uint64 { return t.part(lockPart) }

// RevealBy is the last Unix second at which First may decide to give the secret
// away: 60 % of the second leg's life, or a tenth of it before the last moment at
// which a redeem is still final in time, if that is sooner.
func (t Trade) RevealBy() uint64 {
	reveal, _ := limits(t.life(), t.Margin)
	return t.Start + reveal
}

// AloneBy is the last Unix second at which First gives the secret away at all;
// from then on he redeems by the script and waits for nobody's signature. It is
// 70 % of the second leg's life, or the last moment at which a redeem is still
// final in time, if that is sooner.
func (t Trade) AloneBy() uint64 {
	_, alone := limits(t.life(), t.Margin)
	return t.Start + alone
}

// part is the time at which n of 100 parts of the second leg's life are over.
func (t Trade) part(n uint64) uint64 { return t.Start + t.life()*n/100 }

// life is for how many seconds the second leg lasts.
func (t Trade) life() uint64 { return t.secondLeg().Terms.Expiry - t.Start }

// limits are RevealBy and AloneBy in seconds after the start of a second leg that
// lasts life seconds, when a redeem needs margin of them. Source:
// testdata/honest_first.pml.
func limits(life, margin uint64) (reveal, alone uint64) {
	last := life - min(margin, life)
	gap := life * (alonePart - revealPart) / 100
	return min(life*revealPart/100, last-min(gap, last)), min(life*alonePart/100, last)
}

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
