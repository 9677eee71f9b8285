package trade

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"photon/contracts"
)

// Each row is one change to an offer with the times of Safe, which gives LTC for
// BTC.
func TestProfileCheck(t *testing.T) {
	need := Safe.Need(contracts.BTC, contracts.LTC)
	rows := []struct {
		name string
		of   func(*Offer)
		good bool
	}{
		{"good", func(*Offer) {}, true},
		{"second leg as short as may be", func(o *Offer) { o.SecondTime = Safe.Second / 2 }, true},
		{"shorter", func(o *Offer) { o.SecondTime = Safe.Second/2 - 1 }, false},
		{"second leg as long as may be", func(o *Offer) { o.SecondTime, o.FirstTime = 2*Safe.Second, 2*Safe.First }, true},
		{"longer", func(o *Offer) { o.SecondTime, o.FirstTime = 2*Safe.Second+1, 2*Safe.First }, false},
		{"first leg as long as may be", func(o *Offer) { o.FirstTime = 2 * Safe.First }, true},
		{"first leg longer", func(o *Offer) { o.FirstTime = 2*Safe.First + 1 }, false},
		{"first leg at the end of time", func(o *Offer) { o.FirstTime = 1<<64 - 1 }, false},
		{"second leg at the end of time", func(o *Offer) { o.SecondTime = 1<<64 - 1 }, false},
		{"margin as short as may be", func(o *Offer) { o.FirstTime = o.SecondTime + need }, true},
		{"margin shorter", func(o *Offer) { o.FirstTime = o.SecondTime + need - 1 }, false},
		{"first leg ends first", func(o *Offer) { o.FirstTime = o.SecondTime - 1 }, false},
		{"no times", func(o *Offer) { o.FirstTime, o.SecondTime = 0, 0 }, false},
	}
	for _, row := range rows {
		o := goodOffer()
		row.of(&o)
		if err := Safe.Check(o); (err == nil) != row.good || (err != nil && !errors.Is(err, ErrOffer)) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// Every profile allows its own times between every two chains.
func TestProfilesAllowTheirOwnTimes(t *testing.T) {
	for _, p := range []Profile{Safe, Fast, Dev(60), Dev(600)} {
		for _, a := range contracts.Chains {
			for _, b := range contracts.Chains {
				if a == b && !a.EVM() {
					continue // never both legs there
				}
				o := Offer{Want: contracts.Native(a), Give: contracts.Native(b), FirstTime: p.First, SecondTime: p.Second}
				if err := p.Check(o); err != nil {
					t.Errorf("%s %s for %s: %v", p.Name, a, b, err)
				}
			}
		}
	}
}

// Second's worst case, minute by minute: First redeems in the last moment, which
// is the one before Second's refund is mined; that refund opens late and is
// mined late; then Second is away, comes back, redeems, and is mined late. It
// must be deep before First's refund can open.
func TestNeedCoversTheWorstCase(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := rapid.SampledFrom([]Profile{Safe, Fast, Dev(600)}).Draw(r, "profile")
		a := rapid.SampledFrom(contracts.Chains).Draw(r, "first leg")
		b := rapid.SampledFrom(contracts.Chains).Draw(r, "second leg")
		upTo := func(name string, most uint64) uint64 { return rapid.Uint64Range(0, most).Draw(r, name) }
		lag, mined := upTo("lag", p.Lag[b]), upTo("refund mined after", p.Inclusion[b])
		away, redeemed := upTo("away", p.Outage), upTo("redeem mined after", p.Inclusion[a])
		secondExpiry := start + p.Second
		firstExpiry := secondExpiry + p.Need(a, b)
		var refundSent, seen, sent, done uint64
		for now := uint64(start); done == 0; now += 60 {
			if refundSent == 0 && now > secondExpiry+lag {
				refundSent = now
			}
			if seen == 0 && refundSent > 0 && now+60 > refundSent+mined {
				seen = now // First's redeem is mined in place of the refund
			}
			if sent == 0 && seen > 0 && now >= seen+away {
				sent = now
			}
			if sent > 0 && now >= sent+redeemed {
				done = now
			}
		}
		// Each of the four waits may begin up to a minute after the last has ended.
		if done > firstExpiry+4*60 {
			r.Fatalf("%s %s for %s: redeemed %d s after First could refund", p.Name, a, b, done-firstExpiry)
		}
	})
}
