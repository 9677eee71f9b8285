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

// Each row is a second leg of the times of Fast and how long it may last: from the
// moment at which a lock counts that was made at the last moment, First must have
// time to reveal.
func TestProfileLeavesTimeToReveal(t *testing.T) {
	rows := []struct {
		name   string
		p      Profile
		give   contracts.Chain
		second uint64
		good   bool
	}{
		{"bitcoin in four hours", Fast, contracts.BTC, Fast.Second, false},
		{"a second too short", Fast, contracts.BTC, 26_582, false},
		{"as short as may be", Fast, contracts.BTC, 26_583, true},
		{"litecoin, a second too short", Fast, contracts.LTC, 9_966, false},
		{"litecoin, as short as may be", Fast, contracts.LTC, 9_967, true},
		{"ether, as short as the profile allows", Fast, contracts.ETH, Fast.Second / 2, true},
		{"bitcoin in half of ten hours", Safe, contracts.BTC, Safe.Second / 2, false},
		{"bitcoin in ten hours", Safe, contracts.BTC, Safe.Second, true},
	}
	for _, row := range rows {
		o := Offer{Want: contracts.Native(contracts.SMT), Give: contracts.Native(row.give), FirstTime: 2 * row.p.First, SecondTime: row.second}
		if err := row.p.Check(o); (err == nil) != row.good || (err != nil && !errors.Is(err, ErrOffer)) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// Each row is the second leg of a trade and when First may decide to show the
// secret and show it, in minutes after the start.
func TestLimits(t *testing.T) {
	rows := []struct {
		name          string
		life, margin  uint64
		reveal, alone uint64
	}{
		{"stored before there was a margin", 240, 0, 144, 168},
		{"safe, bitcoin", 600, 149, 360, 420},
		{"fast, bitcoin", 444, 149, 250, 295},
		{"margin as wide as the last three tenths", 240, 72, 144, 168},
		{"a minute wider", 240, 73, 143, 167},
		{"no time to decide", 240, 216, 0, 24},
		{"no time at all", 240, 241, 0, 0},
	}
	for _, row := range rows {
		trade := in(First, Locking)
		trade.Theirs.Terms.Expiry, trade.Margin = start+row.life*60, row.margin*60
		reveal, alone := (trade.RevealBy()-start)/60, (trade.AloneBy()-start)/60
		if reveal != row.reveal || alone != row.alone {
			t.Errorf("%s: decides until %d, shows until %d", row.name, reveal, alone)
		}
	}
}

// First decides to reveal while a redeem is still final before Second's refund
// opens, and not a second later; Second's lock is sent again until then. Both know
// it after a restart, each by his own profile.
func TestMarginDecides(t *testing.T) {
	o := goodOffer()
	o.Give, o.Want, o.SecondTime, o.FirstTime = o.Want, o.Give, 26_640, 2*Fast.First
	a, effects, err := Propose(o, contracts.Units(5_000_000), 7, goodSecret.Hash(), alice, start, Fast)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := Consider(o, effects[0].(Tell).Message.(Take), "alice", 8, bob, start, Fast)
	if err != nil {
		t.Fatal(err)
	}
	last := uint64(start + 26_640 - (139+10)*60 - 2_664)
	for now, good := range map[uint64]bool{last: true, last + 1: false} {
		a := restarted(t, after(a, Accepted{bob.Theirs, bob.Ours}))
		a.Ours.Fate.Lock, a.Theirs.Fate.Lock = spot(1, 90), spot(2, 90)
		a = after(a, Sighted{Ours, at(start), nil}, Sighted{Theirs, at(start), nil}, Ticked{now})
		b := restarted(t, b)
		b.Status, b.Theirs.Fate.Lock = Locking, spot(2, 90)
		b = after(b, Sighted{Ours, at(start), nil}, Sighted{Theirs, at(start), nil}, Ticked{now})
		if (a.Status == Redeeming) != good || b.mayLock() != good {
			t.Errorf("%d s after the last moment: First is %s, Second locks: %v", now-last, a.Status, b.mayLock())
		}
	}
	slow := Fast
	slow.Inclusion = map[contracts.Chain]uint64{contracts.BTC: 150 * 60, contracts.LTC: 49 * 60}
	if _, _, err := Propose(o, contracts.Units(5_000_000), 7, goodSecret.Hash(), alice, start, slow); !errors.Is(err, ErrOffer) {
		t.Errorf("taken by a profile that needs longer: %v", err)
	}
	if _, _, err := Consider(o, effects[0].(Tell).Message.(Take), "alice", 8, bob, start, slow); !errors.Is(err, ErrOffer) {
		t.Errorf("answered by a profile that needs longer: %v", err)
	}
}

// Every profile allows its own times between every two chains, and they are those
// that it names unless the second leg is on Bitcoin and the swap in a hurry.
func TestProfilesAllowTheirOwnTimes(t *testing.T) {
	for _, p := range []Profile{Safe, Fast, Dev(60), Dev(600)} {
		for _, a := range contracts.Chains {
			for _, b := range contracts.Chains {
				if a == b && !a.EVM() {
					continue // never both legs there
				}
				first, second := p.Times(a, b)
				if longer := p.Name == "fast" && b == contracts.BTC; (first > p.First) != longer || (second > p.Second) != longer {
					t.Errorf("%s %s for %s lasts %d and %d s", p.Name, a, b, first, second)
				}
				o := Offer{Want: contracts.Native(a), Give: contracts.Native(b), FirstTime: first, SecondTime: second}
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
