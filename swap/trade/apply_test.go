package trade

import (
	"errors"
	"reflect"
	"testing"

	"photon/contracts"
)

// A change is one row: one change to a good trade, or to what happens to it.
type change struct {
	name  string
	of    func(*Trade)
	event Event // nil: the table's
	want  Status
	err   error // nil: accepted
	says  bool  // tells the partner something
}

// check runs rows: each changes the good trade once, gives it its event and
// looks at the status after it. What is refused changes nothing.
func check(t *testing.T, good Trade, e Event, rows []change) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			before := good
			if row.of != nil {
				row.of(&before)
			}
			event := e
			if row.event != nil {
				event = row.event
			}
			now, effects, err := before.Apply(event)
			if !errors.Is(err, row.err) || (err != nil) != (row.err != nil) {
				t.Fatalf("error %v, want %v", err, row.err)
			}
			if err != nil {
				unchanged(t, before, now, effects)
				return
			}
			if now.Status != row.want || (len(effects) > 0) != row.says {
				t.Errorf("%s after %s, tells %v, because %q; want %s", now.Status, before.Status, effects, now.Reason, row.want)
			}
			if now.Frozen != before.Frozen {
				t.Errorf("frozen: %s", now.Frozen)
			}
			if moved := now.Status != before.Status; moved && now.Version != before.Version+1 {
				t.Errorf("version %d after %d", now.Version, before.Version)
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	good := Accepted{bob.Theirs, bob.Ours}
	check(t, proposed(), good, []change{
		{name: "good", want: Locking},
		{name: "last second to lock", of: func(t *Trade) { t.Now = lockBy }, want: Locking},
		{name: "one second late", of: func(t *Trade) { t.Now = lockBy + 1 }, want: Cancelled, says: true},
		{name: "no redeemer", event: Accepted{nil, bob.Ours}, err: contracts.ErrTerms},
		{name: "no refunder", event: Accepted{bob.Theirs, nil}, err: contracts.ErrTerms},
		{name: "our refunder to redeem", event: Accepted{alice.Ours, bob.Ours}, err: contracts.ErrTerms},
		{name: "our redeemer to refund", event: Accepted{bob.Theirs, alice.Theirs}, err: contracts.ErrTerms},
		{name: "half a key", event: Accepted{bob.Theirs[:32], bob.Ours}, err: contracts.ErrTerms},
		{name: "as Second", of: func(t *Trade) { *t = agreed() }, err: ErrStatus},
	})
	check(t, in(First, Locking), good, []change{
		{name: "said again", want: Redeeming}, // it decides on what it holds
		{name: "said otherwise", event: Accepted{bob.Ours, bob.Ours}, err: ErrStatus},
		{name: "after the end", of: func(t *Trade) { t.Status = Completed }, want: Completed},
	})
}

func TestDeclined(t *testing.T) {
	check(t, proposed(), Declined{"no"}, []change{
		{name: "good", want: Cancelled},
		{name: "once locking", of: func(t *Trade) { t.Status = Locking }, err: ErrStatus},
		{name: "as Second", of: func(t *Trade) { *t = agreed() }, err: ErrStatus},
		{name: "once cancelled", of: func(t *Trade) { t.Status = Cancelled }, err: ErrStatus},
	})
}

func TestNoAnswer(t *testing.T) {
	check(t, proposed(), Ticked{lockBy}, []change{
		{name: "last second to lock", want: Proposed},
		{name: "one second late", event: Ticked{lockBy + 1}, want: Cancelled},
		{name: "the clock goes back", of: func(t *Trade) { t.Now = lockBy }, event: Ticked{start}, want: Proposed},
		{name: "the partner left", event: LeftByPartner{}, want: Cancelled},
		{name: "we left", event: Left{}, want: Cancelled, says: true},
		{name: "the partner takes back what he never locked", event: RefundAsked{}, want: Cancelled},
	})
}

// Bob has agreed and alice's lock has one confirmation less than he asks; then
// its third block comes.
func TestSecondLocks(t *testing.T) {
	good := in(Second, Agreed)
	good.Theirs.Fate.Lock = spot(2, 98)
	good.Theirs.Head.Height = 99
	check(t, good, Sighted{Side: Theirs, Head: at(start + 3600)}, []change{
		{name: "good", want: Locking},
		{name: "one confirmation short", of: func(t *Trade) { t.Theirs.Fate.Lock = spot(2, 99) }, want: Agreed},
		{name: "not mined", of: func(t *Trade) { t.Theirs.Fate.Lock = spot(2, 0) }, want: Agreed},
		{name: "mined above the head", of: func(t *Trade) { t.Theirs.Fate.Lock = spot(2, 101) }, want: Agreed},
		{name: "no lock", of: func(t *Trade) { t.Theirs.Fate.Lock = nil }, want: Agreed},
		{name: "a reorganisation takes it back", event: Sighted{Theirs, at(start + 3600), &Fate{}}, want: Agreed},
		{name: "spent, not mined", of: func(t *Trade) { t.Theirs.Fate.End = end(ByTime, 0) }, want: Agreed},
		{name: "more asked", of: func(t *Trade) { t.Theirs.Confirmations = 4 }, want: Agreed},
		{name: "none asked counts as one", of: func(t *Trade) { t.Theirs.Confirmations, t.Theirs.Fate.Lock = 0, spot(2, 100) }, want: Locking},
		{name: "last second", of: func(t *Trade) { t.Now = lockBy }, want: Locking},
		{name: "one second late", of: func(t *Trade) { t.Now = lockBy + 1 }, want: Cancelled, says: true},
		{name: "late by their chain", event: Sighted{Side: Theirs, Head: at(lockBy + 1)}, want: Cancelled, says: true},
		{name: "late by our chain", of: func(t *Trade) { t.Ours.Head.Time = lockBy + 1 }, want: Cancelled, says: true},
		{name: "the time is not known yet", of: func(t *Trade) { t.Now = 0 }, want: Agreed},
		{name: "the partner left", of: func(t *Trade) { t.Abandoned = true }, want: Cancelled},
		{name: "we left", event: Left{}, want: Cancelled, says: true},
		{name: "the partner takes his lock back", event: RefundAsked{}, want: Cancelled},
		{name: "refund given", of: func(t *Trade) { t.GaveRefund = true }, want: Agreed},
		{name: "frozen", of: func(t *Trade) { t.Frozen = "broken" }, want: Agreed},
		{name: "rescued", of: func(t *Trade) { t.Rescued = true }, want: Agreed},
	})
}

// Both legs are locked: alice's with the 3 confirmations that were asked, bob's
// with 6 less one; then its sixth block comes.
func TestFirstReveals(t *testing.T) {
	good := in(First, Locking)
	good.Ours.Fate.Lock, good.Theirs.Fate.Lock = spot(1, 98), spot(2, 95)
	good.Theirs.Head.Height = 99
	check(t, good, Sighted{Side: Theirs, Head: at(start + 3600)}, []change{
		{name: "good", want: Redeeming},
		{name: "theirs one confirmation short", of: func(t *Trade) { t.Theirs.Fate.Lock = spot(2, 96) }, want: Locking},
		{name: "ours one confirmation short", of: func(t *Trade) { t.Ours.Fate.Lock = spot(1, 99) }, want: Locking},
		{name: "ours taken back", of: func(t *Trade) { t.Ours.Fate.Lock = spot(1, 0) }, want: Locking},
		{name: "theirs taken back", event: Sighted{Theirs, at(start + 3600), &Fate{Lock: spot(2, 0)}}, want: Locking},
		{name: "theirs is being refunded", of: func(t *Trade) { t.Theirs.Fate.End = end(ByTime, 0) }, want: Locking},
		{name: "last second", of: func(t *Trade) { t.Now = revealBy }, want: Redeeming},
		{name: "one second late", of: func(t *Trade) { t.Now = revealBy + 1 }, want: Locking},
		{name: "last second by their chain", event: Sighted{Side: Theirs, Head: at(revealBy)}, want: Redeeming},
		{name: "late by their chain", event: Sighted{Side: Theirs, Head: at(revealBy + 1)}, want: Locking},
		{name: "late by our chain", of: func(t *Trade) { t.Ours.Head.Time = revealBy + 1 }, want: Locking},
		{name: "the time is not known yet", of: func(t *Trade) { t.Now = 0 }, want: Locking},
		{name: "refund given", of: func(t *Trade) { t.GaveRefund = true }, want: Locking},
		{name: "we left", of: func(t *Trade) { t.Left = true }, want: Locking},
		{name: "the partner left, but locked", of: func(t *Trade) { t.Abandoned = true }, want: Redeeming},
		{name: "frozen", of: func(t *Trade) { t.Frozen = "broken" }, want: Locking},
		{name: "rescued", of: func(t *Trade) { t.Rescued = true }, want: Redeeming},
	})
}

// A lock opens when its own chain's time is past the expiry. No other clock
// counts.
func TestRefundWhenDue(t *testing.T) {
	for role, expiry := range map[Role]uint64{First: firstT, Second: secondT} {
		good := in(role, Locking)
		good.Theirs.Fate.Lock, good.Now = nil, revealBy+1
		check(t, good, Sighted{Side: Ours, Head: at(expiry + 1)}, []change{
			{name: "good", want: Refunding},
			{name: "at the expiry", event: Sighted{Side: Ours, Head: at(expiry)}, want: Locking},
			{name: "by our clock alone", event: Ticked{expiry + 90_000}, want: Locking},
			{name: "by the other chain alone", event: Sighted{Side: Theirs, Head: at(expiry + 9_000)}, want: Locking},
			{name: "lock not mined", of: func(t *Trade) { t.Ours.Fate.Lock = spot(1, 0) }, want: Locking},
			{name: "lock never made", of: func(t *Trade) { t.Ours.Fate.Lock = nil }, want: Locking},
			{name: "never made, its life passed twice", of: func(t *Trade) { t.Ours.Fate.Lock = nil }, event: Sighted{Side: Ours, Head: at(2*expiry - start)}, want: Locking},
			{name: "and a second more", of: func(t *Trade) { t.Ours.Fate.Lock = nil }, event: Sighted{Side: Ours, Head: at(2*expiry - start + 1)}, want: Cancelled},
			{name: "refunded by another hand", of: func(t *Trade) { t.Ours.Fate.End = end(ByTime, 99) }, want: Refunding},
			{name: "frozen", of: func(t *Trade) { t.Frozen = "broken" }, want: Refunding},
		})
	}
}

func TestFirstEnds(t *testing.T) {
	good := in(First, Redeeming)
	good.Theirs.Fate.End = end(BySecret, 95)
	lost := func(t *Trade) { t.Theirs = ended(t.Theirs, ByTime) }
	due := Sighted{Side: Ours, Head: at(firstT + 1)}
	check(t, good, tick(good), []change{
		{name: "good", want: Completed},
		{name: "one confirmation short", of: func(t *Trade) { t.Theirs.Fate.End = end(BySecret, 96) }, want: Redeeming},
		{name: "not mined", of: func(t *Trade) { t.Theirs.Fate.End = end(BySecret, 0) }, want: Redeeming},
		{name: "together", of: func(t *Trade) { t.Theirs.Fate.End = end(ByBoth, 95) }, want: Completed},
		{name: "the partner was faster", of: lost, want: Redeeming},
		{name: "and our time has come", of: lost, event: due, want: Refunding},
		{name: "and it is refunded already", of: func(t *Trade) { lost(t); t.Ours.Fate.End = end(ByTime, 100) }, want: Refunding},
		{name: "and he has ours, too", of: func(t *Trade) { lost(t); t.Ours = ended(t.Ours, BySecret) }, want: Stranded},
		{name: "with our signature", of: func(t *Trade) { lost(t); t.Ours = ended(t.Ours, ByBoth) }, want: Stranded},
		{name: "not yet deep", of: func(t *Trade) { lost(t); t.Ours.Fate.End = end(BySecret, 100) }, event: due, want: Redeeming},
		{name: "not mined, and our time has not come", of: func(t *Trade) { lost(t); t.Ours.Fate.End = end(BySecret, 0) }, want: Redeeming},
		{name: "not mined, and our time has come", of: func(t *Trade) { lost(t); t.Ours.Fate.End = end(BySecret, 0) }, event: due, want: Refunding},
		{name: "our time has come, theirs is open", of: func(t *Trade) { t.Theirs.Fate.End = nil }, event: due, want: Redeeming},
		{name: "their lock is gone for good", of: func(t *Trade) {
			t.Theirs.Fate, t.Theirs.Head = Fate{}, at(2*secondT-start+1)
			t.Ours.Head = at(firstT + 1)
		}, want: Refunding},
	})
	missed := in(First, Redeeming)
	missed.Missed = true
	check(t, missed, due, []change{
		{name: "missed", want: Refunding},
		{name: "missed, at the expiry", event: Sighted{Side: Ours, Head: at(firstT)}, want: Redeeming},
		{name: "missed, but the secret is out", event: Sighted{Ours, at(firstT + 1), &Fate{spot(1, 90), end(BySecret, 100)}}, want: Redeeming},
		{name: "missed, and our lock is gone for good", of: func(t *Trade) { t.Ours.Fate = Fate{} }, event: Sighted{Side: Ours, Head: at(2*firstT - start + 1)}, want: Refunding},
	})
	refunding := in(First, Refunding)
	refunding.Ours = ended(refunding.Ours, ByTime)
	check(t, refunding, tick(refunding), []change{
		{name: "refunded", want: Refunded},
		{name: "one confirmation short", of: func(t *Trade) { t.Ours.Fate.End = end(ByTime, 99) }, want: Refunding},
		{name: "just deep", of: func(t *Trade) { t.Ours.Fate.End = end(ByTime, 98) }, want: Refunded},
		{name: "together", of: func(t *Trade) { t.Ours = ended(t.Ours, ByBoth) }, want: Refunded},
		{name: "redeemed", of: func(t *Trade) { t.Ours = ended(t.Ours, BySecret) }, want: Stranded},
		{name: "the lock is gone for good", of: func(t *Trade) { t.Ours.Fate, t.Ours.Head = Fate{}, at(2*firstT-start+1) }, want: Refunded},
		{name: "the lock is gone", of: func(t *Trade) { t.Ours.Fate, t.Ours.Head = Fate{}, at(2*firstT-start) }, want: Refunding},
	})
}

func TestSecondEnds(t *testing.T) {
	good := in(Second, Redeeming)
	good.Ours, good.Theirs = ended(good.Ours, BySecret), ended(good.Theirs, BySecret)
	good.Theirs.Fate.End.Height = 98
	lost := func(t *Trade) { t.Theirs = ended(t.Theirs, ByTime) }
	gone := func(t *Trade) { t.Theirs.Fate, t.Theirs.Head = Fate{}, at(2*firstT-start+1) }
	check(t, good, tick(good), []change{
		{name: "good", want: Completed},
		{name: "one confirmation short", of: func(t *Trade) { t.Theirs.Fate.End = end(BySecret, 99) }, want: Redeeming},
		{name: "together", of: func(t *Trade) { t.Theirs, t.Ours = ended(t.Theirs, ByBoth), ended(t.Ours, ByBoth) }, want: Completed},
		{name: "ours is open", of: func(t *Trade) { t.Ours.Fate.End = nil }, want: Redeeming},
		{name: "ours is not deep", of: func(t *Trade) { t.Ours.Fate.End = end(BySecret, 96) }, want: Redeeming},
		{name: "ours just deep", of: func(t *Trade) { t.Ours.Fate.End = end(BySecret, 95) }, want: Completed},
		{name: "ours was never redeemed, we took it back", of: func(t *Trade) { t.Ours = ended(t.Ours, ByTime) }, want: Completed},
		{name: "ours was never made", of: func(t *Trade) { t.Ours.Fate = Fate{} }, want: Completed},
		{name: "both refunded", of: func(t *Trade) { lost(t); t.Ours = ended(t.Ours, ByTime) }, want: Refunded},
		{name: "he took both", of: lost, want: Stranded},
		{name: "he took both, one with our signature", of: func(t *Trade) { lost(t); t.Ours = ended(t.Ours, ByBoth) }, want: Stranded},
		{name: "his is back, ours is open", of: func(t *Trade) { lost(t); t.Ours.Fate.End = nil }, want: Redeeming},
		{name: "his is back, ours was never made", of: func(t *Trade) { lost(t); t.Ours.Fate, t.Ours.Head = Fate{}, at(2*secondT-start+1) }, want: Refunded},
		{name: "his lock is gone for good, ours redeemed", of: gone, want: Stranded},
		{name: "his lock is gone for good, ours taken back", of: func(t *Trade) { gone(t); t.Ours = ended(t.Ours, ByTime) }, want: Refunded},
		{name: "his lock is gone", of: func(t *Trade) { gone(t); t.Theirs.Head.Time-- }, want: Redeeming},
	})
	refunding := in(Second, Refunding)
	refunding.Ours = ended(refunding.Ours, ByTime)
	check(t, refunding, tick(refunding), []change{
		{name: "refunded", want: Refunded},
		{name: "one confirmation short", of: func(t *Trade) { t.Ours.Fate.End = end(ByTime, 96) }, want: Refunding},
		{name: "just deep", of: func(t *Trade) { t.Ours.Fate.End = end(ByTime, 95) }, want: Refunded},
		{name: "together", of: func(t *Trade) { t.Ours = ended(t.Ours, ByBoth) }, want: Refunded},
		{name: "the lock is gone for good", of: func(t *Trade) { t.Ours.Fate, t.Ours.Head = Fate{}, at(2*secondT-start+1) }, want: Refunded},
		{name: "the secret comes", of: func(t *Trade) { t.Ours.Fate.End = end(ByTime, 0) }, event: Shown{goodSecret}, want: Redeeming},
	})
}

// Second takes the secret from wherever he sees it, mined or not.
func TestSecondLearns(t *testing.T) {
	seen := Sighted{Ours, at(start + 3600), &Fate{spot(1, 90), end(BySecret, 0)}}
	other := *end(BySecret, 0)
	other.Secret = &contracts.Secret{1}
	check(t, in(Second, Locking), seen, []change{
		{name: "good", want: Redeeming},
		{name: "while refunding", of: func(t *Trade) { t.Status = Refunding }, want: Redeeming},
		{name: "told", event: Shown{goodSecret}, want: Redeeming},
		{name: "told another", event: Shown{contracts.Secret{1}}, err: ErrSecret},
		{name: "told before we locked", of: func(t *Trade) { t.Status = Agreed }, event: Shown{goodSecret}, err: ErrStatus},
		{name: "told after we refunded", of: func(t *Trade) { t.Status = Refunded }, event: Shown{goodSecret}, err: ErrStatus},
		{name: "told after we completed", of: func(t *Trade) { t.Status = Completed }, event: Shown{goodSecret}, want: Completed},
		{name: "told to First", of: func(t *Trade) { *t = in(First, Locking) }, event: Shown{goodSecret}, err: ErrStatus},
		{name: "a secret of another hash", event: Sighted{Ours, at(start + 3600), &Fate{spot(1, 90), &other}}, want: Refunding},
	})
	b := after(in(Second, Locking), seen, Sighted{Ours, at(start + 3600), &Fate{Lock: spot(1, 90)}})
	if b.Secret == nil || *b.Secret != goodSecret || b.Status != Redeeming {
		t.Errorf("a reorganisation took the secret back: %s", b.Status)
	}
}

func TestMissed(t *testing.T) {
	check(t, in(First, Redeeming), Missed{}, []change{
		{name: "good", want: Redeeming},
		{name: "theirs is ending", of: func(t *Trade) { t.Theirs.Fate.End = end(BySecret, 0) }, err: ErrStatus},
		{name: "not decided yet", of: func(t *Trade) { t.Status = Locking }, err: ErrStatus},
		{name: "as Second", of: func(t *Trade) { *t = in(Second, Redeeming) }, err: ErrStatus},
		{name: "rescued", of: func(t *Trade) { t.Rescued = true }, err: ErrStatus},
		{name: "rescued, at their expiry", of: func(t *Trade) { t.Rescued = true; t.Theirs.Head.Time = secondT }, err: ErrStatus},
		{name: "rescued, after it", of: func(t *Trade) { t.Rescued = true; t.Theirs.Head.Time = secondT + 1 }, want: Redeeming},
	})
}

func TestLockFailed(t *testing.T) {
	good := in(First, Locking)
	good.Ours.Fate, good.Theirs.Fate = Fate{}, Fate{}
	check(t, good, LockFailed{"short"}, []change{
		{name: "good", want: Cancelled, says: true},
		{name: "but it is there", of: func(t *Trade) { t.Ours.Fate.Lock = spot(1, 0) }, err: ErrStatus},
		{name: "not ordered", of: func(t *Trade) { t.Status = Proposed }, err: ErrStatus},
	})
}

func TestRefundAsked(t *testing.T) {
	for _, row := range []struct {
		role Role
		s    Status
		lock bool // ours is out
		err  error
	}{
		{First, Proposed, false, nil}, {First, Locking, true, nil}, {First, Locking, false, nil}, {First, Refunding, true, nil},
		{First, Refunded, true, nil}, {First, Cancelled, false, nil},
		{First, Redeeming, true, ErrStatus}, {First, Completed, true, ErrStatus}, {First, Stranded, true, ErrStatus},
		{Second, Agreed, false, nil}, {Second, Cancelled, false, nil}, {Second, Refunded, true, nil},
		{Second, Agreed, true, ErrStatus}, {Second, Cancelled, true, ErrStatus}, // an old copy of the trade
		{Second, Locking, true, ErrStatus}, {Second, Locking, false, ErrStatus}, {Second, Redeeming, true, ErrStatus},
		{Second, Refunding, true, ErrStatus}, {Second, Completed, true, ErrStatus}, {Second, Stranded, true, ErrStatus},
	} {
		before := in(row.role, row.s)
		before.Theirs.Fate.Lock, before.Ours.Fate.Lock = nil, nil
		if row.lock {
			before.Ours.Fate.Lock = spot(1, 90)
		}
		now, effects, err := before.Apply(RefundAsked{})
		if !errors.Is(err, row.err) || (err != nil) != (row.err != nil) {
			t.Errorf("%s %s, lock %v: %v", row.role, row.s, row.lock, err)
		}
		if err != nil {
			unchanged(t, before, now, effects)
		}
		if now.GaveRefund != (err == nil) || (now.MayCosign(Refund) == nil) != (err == nil) {
			t.Errorf("%s %s, lock %v: gave %v, signs: %v", row.role, row.s, row.lock, now.GaveRefund, now.MayCosign(Refund))
		}
	}
}

func TestRefundSigned(t *testing.T) {
	for _, role := range []Role{First, Second} {
		for _, s := range []Status{Proposed, Agreed, Locking, Redeeming, Refunding, Completed, Refunded, Cancelled, Stranded} {
			if (role == First) == (s == Agreed) && s != Locking && (s == Agreed || s == Proposed) {
				continue // not of this role
			}
			before := in(role, s)
			before.Theirs.Fate = Fate{}
			now, effects, err := before.Apply(RefundSigned{})
			if allowed := s == Locking || s == Refunding; (err == nil) != allowed || (allowed && now.Status != Refunding) {
				t.Errorf("%s %s: %s, %v", role, s, now.Status, err)
			}
			if err != nil {
				unchanged(t, before, now, effects)
			}
		}
	}
}

// Our half of his redeeming is given once the secret is out, and not before.
func TestMayCosignRedeem(t *testing.T) {
	for _, row := range []struct {
		name string
		of   Trade
		may  bool
	}{
		{"First locking", in(First, Locking), false},
		{"First redeeming", in(First, Redeeming), true},
		{"First completed", in(First, Completed), true},
		{"First missed", func() Trade { t := in(First, Redeeming); t.Missed = true; return t }(), false},
		{"First refunding", in(First, Refunding), false},
		{"Second locking", in(Second, Locking), false},
		{"Second redeeming", in(Second, Redeeming), true},
		{"Second refunding", in(Second, Refunding), false},
	} {
		if err := row.of.MayCosign(Redeem); (err == nil) != row.may || (err != nil && !errors.Is(err, ErrStatus)) {
			t.Errorf("%s: %v", row.name, err)
		}
		for _, p := range []Purpose{Lock, Approve, Send, "", Refund} {
			if row.of.MayCosign(p) == nil {
				t.Errorf("%s: signs a %q", row.name, p)
			}
		}
	}
}

// A trade at rest keeps its status whatever happens, and hears no farewell.
func TestAtRest(t *testing.T) {
	events := []Event{
		Accepted{bob.Theirs, bob.Ours}, Declined{"no"}, Ticked{firstT * 2}, Shown{goodSecret}, LockFailed{"no"}, LeftByPartner{}, RefundAsked{},
		RefundSigned{}, Missed{}, Left{}, Sighted{Ours, at(firstT * 2), &Fate{}}, Sighted{Theirs, at(firstT * 2), &Fate{spot(2, 90), end(ByTime, 91)}},
		Sighted{Ours, at(firstT * 2), &Fate{spot(1, 90), end(BySecret, 91)}},
	}
	for _, role := range []Role{First, Second} {
		for _, s := range []Status{Completed, Refunded, Cancelled} {
			for _, e := range events {
				before := in(role, s)
				before.Ours, before.Theirs = ended(before.Ours, ByBoth), ended(before.Theirs, ByBoth)
				now, effects, _ := before.Apply(e)
				if now.Status != s || now.Abandoned || now.Frozen != "" || len(effects) > 0 || len(now.Wants()) > 0 {
					t.Errorf("%s %s after %T: %+v, %v, wants %v", role, s, e, now, effects, now.Wants())
				}
			}
		}
	}
}

// A broken invariant freezes: no move, but what the chains say is still noted, so
// that the refund comes in its time.
func TestFrozen(t *testing.T) {
	b := in(Second, Locking)
	b.GaveRefund = true // must never be
	b.Theirs.Fate, b.Ours.Fate = Fate{}, Fate{}
	b = after(b, Sighted{Ours, at(start + 4000), &Fate{Lock: spot(1, 95)}})
	if b.Frozen == "" || b.Status != Locking || b.Ours.Fate.Lock == nil || b.Ours.Head.Time != start+4000 {
		t.Fatalf("%+v", b)
	}
	if len(b.Wants()) > 0 && b.Wants()[0].Purpose == Lock {
		t.Error("a frozen trade locks")
	}
	b = after(b, Ticked{secondT}, Sighted{Side: Ours, Head: at(secondT + 1)})
	if wants := b.Wants(); b.Status != Refunding || len(wants) != 1 || wants[0].Purpose != Refund {
		t.Errorf("%s, wants %v", b.Status, wants)
	}
}

// The version rises exactly when there is something to store.
func TestVersion(t *testing.T) {
	a := in(First, Locking)
	a.Theirs.Fate = Fate{}
	owing := after(a, tick(a))
	if owing.Owed == "" || owing.Version != a.Version+1 {
		t.Errorf("owed %q, version %d after %d", owing.Owed, owing.Version, a.Version)
	}
	a = owing
	for _, row := range []struct {
		name  string
		event Event
		rises bool
	}{
		{"the time", Ticked{start + 4000}, false},
		{"a head", Sighted{Side: Ours, Head: at(start + 4000)}, false},
		{"the same fate", Sighted{Ours, at(start + 4000), &Fate{Lock: spot(1, 90)}}, false},
		{"another height", Sighted{Ours, at(start + 4000), &Fate{Lock: spot(1, 91)}}, true},
		{"no lock", Sighted{Ours, at(start + 4000), &Fate{}}, true},
		{"their lock", Sighted{Theirs, at(start + 4000), &Fate{Lock: spot(2, 100)}}, true},
		{"an end", Sighted{Ours, at(start + 4000), &Fate{spot(1, 90), end(ByTime, 0)}}, true},
		{"a farewell", LeftByPartner{}, true},
		{"a refund asked", RefundAsked{}, true},
		{"our wish", Left{}, true},
		{"an answer, which was none of ours", Reached{}, false},
	} {
		now := after(a, row.event)
		if (now.Version > a.Version) != row.rises {
			t.Errorf("%s: version %d after %d", row.name, now.Version, a.Version)
		}
		if back := restarted(t, now); back.Version != now.Version || !back.same(now) {
			t.Errorf("%s: a restart changes it", row.name)
		}
		if again, _, _ := now.Apply(row.event); again.Version != now.Version {
			t.Errorf("%s: said again, version %d after %d", row.name, again.Version, now.Version)
		}
	}
	stored := restarted(t, a)
	stored.Now, stored.Ours.Head, stored.Theirs.Head = a.Now, a.Ours.Head, a.Theirs.Head
	if !reflect.DeepEqual(stored, a) {
		t.Errorf("stored %+v\nof %+v", stored, a)
	}
}
