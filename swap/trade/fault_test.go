package trade

import (
	"slices"
	"testing"

	"photon/contracts"
)

// A moment is a good trade just before the partner owes us his move: its next
// second says whether he does.
func moment(r Role, s Status) Trade {
	t := in(r, s)
	t.Now, t.Reached = start+4400, true // 12 % of the second leg's life are over at start+4320
	t.Ours.Head.Height, t.Theirs.Head.Height = 101, 101
	if r == First {
		t.Theirs.Fate = Fate{}
	}
	return t
}

// back is t once our lock has ended, at the end of our time unless it ended
// before.
func back(t Trade, k Kind) Trade {
	lock := *t.Ours.Fate.Lock
	if k == ByTime {
		t = after(t, Sighted{Ours, Head{Height: 300, Time: t.Ours.Terms.Expiry + 1}, nil})
	} else {
		t = after(t, RefundSigned{})
	}
	return after(t, Sighted{Ours, Head{Height: 320, Time: t.Ours.Terms.Expiry + 2}, &Fate{&lock, end(k, 301)}})
}

// A lapse is one change to a trade in which the partner never does what is his.
type lapse struct {
	name string
	of   func(*Trade)
	then []Event // before it ends; the clock goes on in any case
	want Fault
}

// judge runs rows: a second passes, then happens what a row says, then finish
// ends the trade.
func judge(t *testing.T, good func() Trade, finish func(Trade) Trade, rows []lapse) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			now := good()
			if row.of != nil {
				row.of(&now)
			}
			now = after(now, Ticked{now.Now + 1})
			if f := now.Fault(); f != "" {
				t.Errorf("%s while it is %s", f, now.Status)
			}
			now = finish(restarted(t, after(now, row.then...)))
			if !now.Status.AtRest() {
				t.Fatalf("it is %s", now.Status)
			}
			if f := restarted(t, now).Fault(); f != row.want {
				t.Errorf("%q, want %q; owed %q, overdue %v", f, row.want, now.Owed, now.Overdue)
			}
		})
	}
}

// Bob, who makes offers, promised litecoin to Alice, and she never locks.
func TestFaultNeverBegun(t *testing.T) {
	late := func(b Trade) Trade { return after(b, Ticked{lockBy + 1}) }
	judge(t, func() Trade { return moment(Second, Agreed) }, late, []lapse{
		{"never", nil, nil, NeverBegun},
		{"our answer never reached her", func(b *Trade) { b.Reached = false }, nil, ""},
		{"her lock is seen, but not mined", func(b *Trade) { b.Theirs.Fate.Lock = spot(2, 0) }, nil, ""},
		{"her lock comes at last, too late", nil, []Event{Ticked{lockBy + 1}, Sighted{Theirs, at(lockBy + 9), &Fate{Lock: spot(2, 0)}}}, ""},
		{"we did not look before it was late", func(b *Trade) { b.Now = lockBy }, nil, ""},
		{"last second in which it counts", func(b *Trade) { b.Now = start + 7199 }, nil, NeverBegun},
		{"one second later", func(b *Trade) { b.Now = start + 7200 }, nil, ""},
		{"a chain is silent since we started", func(b *Trade) { b.Theirs.Head = Head{} }, nil, ""},
		{"she says so in good time", func(b *Trade) { b.Now = start + 4319 }, []Event{LeftByPartner{}}, ""},
		{"one second after that", func(b *Trade) { b.Now = start + 4320 }, []Event{LeftByPartner{}}, NeverBegun},
		{"our user leaves", nil, []Event{Left{}}, ""},
	})
}

// Alice has locked bitcoin, and Bob never locks.
func TestFaultNeverLocked(t *testing.T) {
	good := func() Trade { return moment(First, Locking) }
	rows := []lapse{
		{"never", nil, nil, NeverLocked},
		{"he locks in time", nil, []Event{Sighted{Theirs, at(start + 5000), &Fate{Lock: spot(2, 0)}}}, ""},
		{"he locks when it serves nobody", nil, []Event{Sighted{Side: Theirs, Head: at(revealBy + 1)}, Sighted{Theirs, at(revealBy + 9), &Fate{Lock: spot(2, 100)}}}, NeverLocked},
		{"he locks in the last second that serves", nil, []Event{Sighted{Side: Theirs, Head: at(revealBy)}, Sighted{Theirs, at(revealBy), &Fate{Lock: spot(2, 0)}}}, ""},
		{"our lock counted late", func(a *Trade) { a.Ours.Fate.Lock.Height = 97 }, nil, ""},
		{"just in time", func(a *Trade) { a.Ours.Fate.Lock.Height = 96 }, nil, NeverLocked},
		{"late by the clock", func(a *Trade) { a.Now = start + 7200 }, nil, ""},
		{"just in time by the clock", func(a *Trade) { a.Now = start + 7199 }, nil, NeverLocked},
		{"his chain has had no block since we began", func(a *Trade) { a.Theirs.Head.Time = start }, nil, ""},
		{"his chain does not answer", func(a *Trade) { a.Theirs.Head = Head{} }, nil, ""},
		{"our user leaves", nil, []Event{Left{}}, ""},
		{"he says so before our lock is mined", func(a *Trade) { a.Ours.Fate.Lock.Height = 0 },
			[]Event{LeftByPartner{}, Sighted{Ours, at(start + 5000), &Fate{Lock: spot(1, 100)}}}, ""},
		{"he says so once it is", func(a *Trade) { a.Ours.Fate.Lock.Height = 101 }, []Event{LeftByPartner{}}, NeverLocked},
		{"he says so because it is late", func(a *Trade) { a.Ours.Fate.Lock.Height, a.Now = 101, start+7200 }, []Event{LeftByPartner{}}, ""},
	}
	judge(t, good, func(a Trade) Trade { return back(a, ByTime) }, rows)
	t.Run("signed", func(t *testing.T) {
		for i := range rows {
			if rows[i].want != "" {
				rows[i].want = GivenUp // he signs our refund: we need not wait
			}
		}
		judge(t, good, func(a Trade) Trade { return back(a, ByBoth) }, rows)
	})
}

// Both have locked, and Alice, who knows the secret, lets it be.
func TestFaultNeverRedeemed(t *testing.T) {
	good := func() Trade { return moment(Second, Locking) }
	judge(t, good, func(b Trade) Trade { return back(b, ByTime) }, []lapse{
		{"never", nil, nil, NeverRedeemed},
		{"our lock was one block short of it", func(b *Trade) { b.Ours.Fate.Lock.Height = 91 }, nil, ""},
		{"theirs was", func(b *Trade) { b.Theirs.Fate.Lock.Height = 97 }, nil, ""},
		{"a reorganisation took theirs back", func(b *Trade) { b.Theirs.Fate.Lock.Height = 0 }, nil, ""},
		{"the chains stood still until half of the time was over", func(b *Trade) { b.Now = start + 18_000 }, nil, ""},
		{"last second before", func(b *Trade) { b.Now = start + 17_999 }, nil, NeverRedeemed},
		{"our user leaves", nil, []Event{Left{}}, ""},
		{"she said so before she could redeem", func(b *Trade) { b.Abandoned = true }, nil, ""},
	})
	t.Run("signed", func(t *testing.T) {
		judge(t, good, func(b Trade) Trade { return back(b, ByBoth) }, []lapse{{"given up", nil, []Event{LeftByPartner{}}, GivenUp}})
	})
}

// Both have locked, and Alice redeems. Bob, away until his own time is almost
// over, redeems then: that costs her nothing.
func TestFaultLate(t *testing.T) {
	redeemed := func(b Trade) Trade {
		b = after(b, Sighted{Ours, Head{Height: 320, Time: secondT}, &Fate{b.Ours.Fate.Lock, end(BySecret, 301)}})
		return after(b, Sighted{Theirs, Head{Height: 320, Time: firstT - 1}, &Fate{b.Theirs.Fate.Lock, end(BySecret, 301)}})
	}
	judge(t, func() Trade { return moment(Second, Locking) }, redeemed, []lapse{
		{"in time", nil, nil, ""},
		{"last second that is not late", nil, []Event{Sighted{Side: Ours, Head: at(start + 30_600)}}, ""},
		{"late", nil, []Event{Sighted{Side: Ours, Head: at(start + 30_601)}}, Late},
		{"late by our clock only", nil, []Event{Ticked{start + 30_601}}, ""},
		{"late, but it was in no block only", nil, []Event{Sighted{Ours, at(start + 30_601), &Fate{spot(1, 90), end(BySecret, 0)}}}, ""},
		{"late, but the secret was shown", nil, []Event{Shown{goodSecret}, Sighted{Side: Ours, Head: at(start + 30_601)}}, ""},
		{"late, but she could not before", func(b *Trade) { b.Ours.Fate.Lock.Height = 91 }, []Event{Sighted{Side: Ours, Head: at(start + 30_601)}}, ""},
	})
	a := moment(First, Locking)
	a = after(a, Sighted{Theirs, a.Theirs.Head, &Fate{Lock: spot(2, 90)}}, tick(a))
	a = after(a, Sighted{Theirs, Head{Height: 320, Time: secondT - 9}, &Fate{spot(2, 90), end(BySecret, 301)}})
	a = after(a, Sighted{Ours, Head{Height: 320, Time: firstT - 1}, &Fate{spot(1, 90), end(BySecret, 301)}})
	if a.Status != Completed || a.Fault() != "" {
		t.Errorf("she blames him for %q, %s", a.Fault(), a.Status)
	}
}

// bobs is a trade of Bob's as Second that began on a day and ended so.
func bobs(n byte, day uint64, s Status, f Fault) Trade {
	t := Trade{ID: contracts.Hash{n}, Role: Second, Status: s, Start: day * dayLong, Owed: f}
	if s == Refunded {
		t.Ours.Fate.End = end(ByTime, 91)
	}
	return t
}

// Three trades that were never redeemed are too many, until the first of them is
// a month old; completed ones make up for them while they are remembered.
func TestStanding(t *testing.T) {
	const day = dayLong
	bad := []Trade{bobs(1, 1, Refunded, NeverRedeemed), bobs(2, 2, Refunded, NeverRedeemed), bobs(3, 3, Refunded, NeverRedeemed)}
	for _, row := range []struct {
		name  string
		more  []Trade
		now   uint64
		until uint64
	}{
		{"three", nil, 4 * day, 31 * day},
		{"last second", nil, 31*day - 1, 31 * day},
		{"a month later", nil, 31 * day, 0},
		{"four", []Trade{bobs(4, 4, Refunded, NeverRedeemed)}, 5 * day, 32 * day},
		{"one completed", []Trade{bobs(4, 3, Completed, "")}, 4 * day, 0},
		{"completed before", []Trade{bobs(4, 0, Completed, "")}, 4 * day, 0},
		{"completed before, last second", []Trade{bobs(4, 0, Completed, "")}, 31*day - 1, 0},
		{"what made up for it is forgotten first", []Trade{bobs(4, 4, Refunded, NeverRedeemed), bobs(5, 0, Completed, ""), bobs(6, 0, Completed, ""), bobs(7, 0, Completed, "")}, 5 * day, 32 * day},
		{"completed, and others never begun", []Trade{bobs(4, 3, Completed, ""), bobs(5, 3, Cancelled, NeverBegun)}, 4 * day, 31 * day},
		{"refunded without fault", []Trade{bobs(4, 3, Refunded, "")}, 4 * day, 31 * day},
	} {
		t.Run(row.name, func(t *testing.T) {
			all := append(slices.Clone(bad), row.more...)
			for range len(all) { // in any order
				all = append(all[1:], all[0])
				r := NewRecord()
				for _, b := range all {
					r.Note(Trade{}, b)
				}
				if s := r.Standing(row.now); s.Until != row.until {
					t.Fatalf("refused until %d, want %d: %+v", s.Until, row.until, s)
				}
			}
		})
	}
	r := NewRecord()
	for _, b := range bad[:2] {
		r.Note(Trade{}, b)
	}
	if s := r.Standing(4 * day); s.Until != 0 || s.Lately != 2 || !slices.Equal(s.Faults, []Count{{NeverRedeemed, 2}}) {
		t.Errorf("two are not borne with: %+v", s)
	}
}

// A record is kept up as trades go on, and forgets what it may.
func TestRecord(t *testing.T) {
	r := NewRecord()
	open := bobs(1, 1, Locking, NeverRedeemed)
	r.Note(Trade{}, open)
	r.Note(open, open)
	if s := r.Standing(dayLong); s.Open != 1 || s.Lately != 0 || len(s.Faults) != 0 {
		t.Errorf("under way: %+v", s)
	}
	over := bobs(1, 1, Refunded, NeverRedeemed)
	r.Note(open, over)
	r.Note(over, over)
	if s := r.Standing(dayLong); s.Open != 0 || s.Lately != 1 || !slices.Equal(s.Faults, []Count{{NeverRedeemed, 1}}) {
		t.Errorf("refunded: %+v", s)
	}
	never := bobs(2, 1, Cancelled, NeverBegun)
	r.Note(Trade{}, never)
	seen := never
	seen.Theirs.Fate.Lock = spot(1, 0)
	if r.Note(never, seen); len(r.faults) != 1 {
		t.Errorf("blamed for what a chain has shown since: %+v", r.faults)
	}
	ours := Trade{ID: contracts.Hash{3}, Role: First, Status: Locking}
	r.Note(Trade{}, ours)
	if s := r.Standing(dayLong); s.Open != 0 {
		t.Errorf("what we took of him is counted as his: %+v", s)
	}
	r.Note(Trade{}, bobs(5, 1, Stranded, ""))
	if s := r.Standing(dayLong); s.Open != 0 {
		t.Errorf("what nothing can be done about is counted as under way: %+v", s)
	}
	r.Note(Trade{}, bobs(4, 1, Completed, ""))
	if s := r.Standing(40 * dayLong); s.Completed != 1 || s.Lately != 0 || len(s.Faults) != 0 || len(r.faults)+len(r.days) != 0 {
		t.Errorf("after a month: %+v of %+v", s, r)
	}
}
