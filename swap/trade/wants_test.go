package trade

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"photon/contracts"
)

// brief is what t wants in a line, such as "redeem theirs together".
func brief(t Trade) string {
	var parts []string
	for _, w := range t.Wants() {
		s := fmt.Sprintf("%s %s", w.Purpose, w.Side)
		if w.Together {
			s += " together"
		}
		if w.Only {
			s += " only"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

// Each row is one change to a good trade of a role in a status.
func TestWants(t *testing.T) {
	ordered := func(t *Trade) { t.Ours.Fate.Lock = nil }
	witness := func(t *Trade) { t.Ours.Terms.Form, t.Theirs.Terms.Form = contracts.P2WSH, contracts.P2WSH }
	both := func(fs ...func(*Trade)) func(*Trade) {
		return func(t *Trade) {
			for _, f := range fs {
				f(t)
			}
		}
	}
	rows := []struct {
		role Role
		s    Status
		name string
		of   func(*Trade)
		want string
	}{
		{First, Proposed, "good", nil, ""},
		{Second, Agreed, "good", nil, ""},

		{First, Locking, "good", ordered, "lock ours"},
		{First, Locking, "waits to be mined", func(t *Trade) { t.Ours.Fate.Lock = spot(1, 0) }, "lock ours"},
		{First, Locking, "mined", nil, ""},
		{First, Locking, "chain not heard of", both(ordered, func(t *Trade) { t.Ours.Head = Head{} }), ""},
		{First, Locking, "mined, chain not heard of", func(t *Trade) { t.Ours.Head = Head{} }, ""},
		{First, Locking, "rescued", both(ordered, func(t *Trade) { t.Rescued = true }), ""},
		{First, Locking, "refund given", both(ordered, func(t *Trade) { t.GaveRefund = true }), ""},
		{First, Locking, "we left", both(ordered, func(t *Trade) { t.Left = true }), ""},
		{First, Locking, "the partner left", both(ordered, func(t *Trade) { t.Abandoned = true }), ""},
		{First, Locking, "frozen", both(ordered, func(t *Trade) { t.Frozen = "broken" }), ""},
		{First, Locking, "too late to reveal", both(ordered, func(t *Trade) { t.Now = revealBy + 1 }), ""},
		{First, Locking, "theirs is not there yet", both(ordered, func(t *Trade) { t.Theirs.Fate = Fate{} }), "lock ours"},
		{Second, Locking, "good", ordered, "lock ours"},
		{Second, Locking, "theirs taken back", both(ordered, func(t *Trade) { t.Theirs.Fate.Lock = spot(2, 0) }), ""},
		{Second, Locking, "theirs has one confirmation less", both(ordered, func(t *Trade) { t.Theirs.Fate.Lock = spot(2, 99) }), ""},
		{Second, Locking, "theirs is spent", both(ordered, func(t *Trade) { t.Theirs.Fate.End = end(ByTime, 0) }), ""},
		{Second, Locking, "their chain not heard of", both(ordered, func(t *Trade) { t.Theirs.Head = Head{} }), ""},
		{Second, Locking, "rescued", both(ordered, func(t *Trade) { t.Rescued = true }), ""},

		{First, Locking, "mined and we left", func(t *Trade) { t.Left = true }, "refund ours together only"},
		{First, Locking, "mined and the partner left", func(t *Trade) { t.Abandoned = true }, "refund ours together only"},
		{First, Locking, "mined and refund given", func(t *Trade) { t.GaveRefund = true }, "refund ours together only"},
		{First, Locking, "last second to reveal", func(t *Trade) { t.Now = revealBy }, ""},
		{First, Locking, "one second late", func(t *Trade) { t.Now = revealBy + 1 }, "refund ours together only"},
		{Second, Locking, "too late to reveal is not his to judge", func(t *Trade) { t.Now = revealBy + 1 }, ""},
		{First, Locking, "no signature of two", both(witness, func(t *Trade) { t.Left = true }), ""},
		{First, Locking, "refund under way", func(t *Trade) { t.Left = true; t.Ours.Fate.End = end(ByBoth, 0) }, ""},

		{First, Refunding, "good", nil, "refund ours"},
		{First, Refunding, "waits to be mined", func(t *Trade) { t.Ours.Fate.End = end(ByTime, 0) }, "refund ours"},
		{First, Refunding, "mined", func(t *Trade) { t.Ours.Fate.End = end(ByTime, 100) }, ""},
		{First, Refunding, "no lock", ordered, ""},
		{First, Refunding, "chain not heard of", func(t *Trade) { t.Ours.Head = Head{} }, ""},
		{First, Refunding, "frozen", func(t *Trade) { t.Frozen = "broken" }, "refund ours"},
		{First, Refunding, "rescued", func(t *Trade) { t.Rescued = true }, "refund ours"},
		{Second, Refunding, "good", nil, "refund ours"},

		{First, Redeeming, "good", nil, "redeem theirs together"},
		{First, Redeeming, "no signature of two", witness, "redeem theirs"},
		{First, Redeeming, "theirs taken back", func(t *Trade) { t.Theirs.Fate.Lock = spot(2, 0) }, ""},
		{First, Redeeming, "theirs taken back, secret out", func(t *Trade) { t.Theirs.Fate.Lock = spot(2, 0); t.Secret = &goodSecret }, "redeem theirs together"},
		{First, Redeeming, "waits to be mined", func(t *Trade) { t.Theirs.Fate.End = end(BySecret, 0) }, "redeem theirs together"},
		{First, Redeeming, "mined", func(t *Trade) { t.Theirs.Fate.End = end(BySecret, 100) }, ""},
		{First, Redeeming, "missed", func(t *Trade) { t.Missed = true }, ""},
		{First, Redeeming, "missed, but the secret is out", func(t *Trade) { t.Missed = true; t.Secret = &goodSecret }, "redeem theirs together"},
		{First, Redeeming, "chain not heard of", func(t *Trade) { t.Theirs.Head = Head{} }, ""},
		{First, Redeeming, "frozen", func(t *Trade) { t.Frozen = "broken" }, "redeem theirs together"},
		{First, Redeeming, "rescued", func(t *Trade) { t.Rescued = true }, "redeem theirs together"},
		{Second, Redeeming, "good", nil, "redeem theirs together"},
		{Second, Redeeming, "theirs waits to be mined again", func(t *Trade) { t.Theirs.Fate.Lock = spot(2, 0) }, "redeem theirs together"},
		{Second, Redeeming, "no lock", func(t *Trade) { t.Theirs.Fate = Fate{} }, ""},
		{Second, Redeeming, "without the secret", func(t *Trade) { t.Secret = nil }, ""},
		{Second, Redeeming, "at their expiry", func(t *Trade) { t.Ours.Head.Time = firstT }, "redeem theirs together"},
		{Second, Redeeming, "after it", func(t *Trade) { t.Ours.Head.Time = firstT + 1 }, "redeem theirs together, refund ours"},
		{Second, Redeeming, "after it, ours redeemed", func(t *Trade) { t.Ours.Head.Time = firstT + 1; t.Ours.Fate.End = end(BySecret, 100) }, "redeem theirs together"},
		{Second, Redeeming, "after it, ours not mined", func(t *Trade) { t.Ours.Head.Time = firstT + 1; t.Ours.Fate.Lock = spot(1, 0) }, "redeem theirs together"},
		{First, Stranded, "good", nil, ""},

		{First, Completed, "final", func(t *Trade) { t.Theirs = ended(t.Theirs, BySecret) }, ""},
		{First, Completed, "taken back", nil, "redeem theirs together"},
		{First, Refunded, "final", func(t *Trade) { t.Ours = ended(t.Ours, ByTime) }, ""},
		{First, Refunded, "taken back", nil, "refund ours"},
		{First, Refunded, "chain not heard of", func(t *Trade) { t.Ours.Head = Head{} }, ""},
		{First, Cancelled, "whatever is there", nil, ""},
	}
	for _, row := range rows {
		trade := in(row.role, row.s)
		if row.of != nil {
			row.of(&trade)
		}
		if got := brief(trade); got != row.want {
			t.Errorf("%s %s, %s: wants %q, not %q", row.role, row.s, row.name, got, row.want)
		}
	}
}

// What was ordered and is no longer wanted is given up; what was seen, or may have
// been sent before a disk was lost, is not.
func TestGaveUpLock(t *testing.T) {
	rows := []struct {
		name string
		of   func(*Trade)
		want bool
	}{
		{"wanted", func(*Trade) {}, false},
		{"we left", func(t *Trade) { t.Left = true }, true},
		{"the partner left", func(t *Trade) { t.Abandoned = true }, true},
		{"refund given", func(t *Trade) { t.GaveRefund = true }, true},
		{"last second that serves", func(t *Trade) { t.Now = revealBy }, false},
		{"one second late", func(t *Trade) { t.Now = revealBy + 1 }, true},
		{"the time is not known yet", func(t *Trade) { t.Left, t.Now = true, 0 }, false},
		{"chain not heard of", func(t *Trade) { t.Left, t.Ours.Head = true, Head{} }, false},
		{"seen", func(t *Trade) { t.Left = true; t.Ours.Fate.Lock = spot(1, 0) }, false},
		{"rescued", func(t *Trade) { t.Left, t.Rescued = true, true }, false},
		{"redeeming", func(t *Trade) { t.Left = true; t.Status = Redeeming }, false},
	}
	for _, role := range []Role{First, Second} {
		for _, row := range rows {
			trade := in(role, Locking)
			trade.Ours.Fate.Lock = nil
			row.of(&trade)
			if trade.GaveUpLock() != row.want {
				t.Errorf("%s, %s: %v", role, row.name, !row.want)
			}
			if row.want && strings.Contains(brief(trade), "lock") {
				t.Errorf("%s, %s: given up and wanted", role, row.name)
			}
		}
	}
}

// First looks again before he shows the secret.
func TestStillCounts(t *testing.T) {
	check := map[string]func(*Trade){
		"ours taken back":                func(t *Trade) { t.Ours.Fate.Lock = spot(1, 0) },
		"ours one confirmation less":     func(t *Trade) { t.Ours.Fate.Lock = spot(1, 99) },
		"theirs one confirmation less":   func(t *Trade) { t.Theirs.Fate.Lock = spot(2, 96) },
		"theirs is being spent":          func(t *Trade) { t.Theirs.Fate.End = end(ByTime, 0) },
		"our chain has said nothing yet": func(t *Trade) { t.Ours.Head = Head{} },
	}
	if err := in(First, Redeeming).StillCounts(); err != nil {
		t.Error(err)
	}
	for name, of := range check {
		trade := in(First, Redeeming)
		of(&trade)
		if err := trade.StillCounts(); !errors.Is(err, ErrNotYet) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDeadlines(t *testing.T) {
	a := in(First, Locking)
	if a.LockBy() != lockBy || a.RevealBy() != revealBy || a.AloneBy() != aloneBy {
		t.Errorf("%d %d %d", a.LockBy(), a.RevealBy(), a.AloneBy())
	}
	if b := in(Second, Locking); b.LockBy() != lockBy || b.RevealBy() != revealBy || b.AloneBy() != aloneBy {
		t.Errorf("of Second: %d %d %d", b.LockBy(), b.RevealBy(), b.AloneBy())
	}
	lock, redeem, refund := in(First, Locking), in(First, Redeeming), in(First, Refunding)
	lock.Ours.Fate.Lock = nil
	for _, row := range []struct {
		of   Trade
		want uint64
	}{
		{lock, lockBy}, {redeem, secondT}, {in(Second, Redeeming), firstT},
		{refund, firstT + 86_400/4}, {in(Second, Refunding), secondT + 36_000/4},
	} {
		if got := row.of.Wants()[0].Deadline; got != row.want {
			t.Errorf("%s %s: %d, want %d", row.of.Role, row.of.Status, got, row.want)
		}
	}
}

// Whoever was away long pays no more for a refund that nobody races. First is
// raced once his secret may be out, Second once First has his own lock back.
func TestDeadlineOfLateRefund(t *testing.T) {
	const of1, of2 = 86_400 / 4, 36_000 / 4
	for _, row := range []struct {
		name string
		role Role
		now  uint64
		of   func(*Trade)
		want uint64
	}{
		{"at his expiry", First, firstT, nil, firstT + of1},
		{"a second later", First, firstT + 1, nil, firstT + 1 + of1},
		{"after two days", First, firstT + 172_800, nil, firstT + 172_800 + of1},
		{"after two days, the secret is out", First, firstT + 172_800, func(t *Trade) { t.Secret = &goodSecret }, firstT + of1},
		{"after two days, the secret may be out", First, firstT + 172_800, func(t *Trade) { t.Missed = true }, firstT + of1},
		{"after two days, rescued", First, firstT + 172_800, func(t *Trade) { t.Rescued = true }, firstT + of1},
		{"at his expiry", Second, secondT, nil, secondT + of2},
		{"some hours later", Second, secondT + 3600, nil, secondT + 3600 + of2},
		{"before First can refund", Second, firstT - of2, nil, firstT},
		{"shortly before it", Second, firstT - 1, nil, firstT},
		{"after two days", Second, firstT + 172_800, nil, firstT},
		{"the secret is out", Second, secondT + 3600, func(t *Trade) { t.Secret = &goodSecret }, secondT + of2},
	} {
		late := in(row.role, Refunding)
		late.Now = row.now
		if row.of != nil {
			row.of(&late)
		}
		if got := late.Wants()[0].Deadline; got != row.want {
			t.Errorf("%s, %s: %d, want %d", row.role, row.name, got, row.want)
		}
	}
}

// After a restart nothing is wanted of a chain that has said nothing yet: what is
// stored may be old, and a lock would be made twice.
func TestRestartWaitsForTheChains(t *testing.T) {
	for _, role := range []Role{First, Second} {
		for _, s := range []Status{Locking, Redeeming, Refunding} {
			for _, lock := range []*Spot{nil, spot(1, 90)} {
				before := in(role, s)
				before.Ours.Fate.Lock = lock
				back := after(restarted(t, before), Ticked{start + 3601})
				if len(back.Wants()) > 0 || back.Status != s {
					t.Errorf("%s %s: %s, wants %s", role, s, back.Status, brief(back))
				}
				heard := after(back, Sighted{Side: Ours, Head: before.Ours.Head}, Sighted{Side: Theirs, Head: before.Theirs.Head})
				if want := brief(after(before, Ticked{start + 3601})); brief(heard) != want {
					t.Errorf("%s %s: wants %q after the restart, %q before", role, s, brief(heard), want)
				}
			}
		}
	}
}

// A trade taken up from the journal may be older than what was done, and what was
// signed is lost. The chains are told anew; each row is what they say.
func TestRescued(t *testing.T) {
	open, none := Fate{Lock: spot(1, 90)}, Fate{}
	fate := func(k Kind) Fate { return Fate{spot(1, 90), end(k, 91)} }
	late := uint64(2*firstT - start + 1) // both lives have passed twice
	rows := []struct {
		name         string
		role         Role
		s            Status
		ours, theirs Fate
		time         uint64
		want         []Status // in this order, from s on
		wants        string   // then
	}{
		{"never locked", First, Locking, none, none, start + 3600, []Status{Locking}, ""},
		{"never locked, much later", First, Locking, none, none, late, []Status{Locking, Cancelled}, ""},
		{"as Second never locked", Second, Locking, none, open, start + 3600, []Status{Locking}, ""},
		{"as Second never locked, much later", Second, Locking, none, fate(ByTime), late, []Status{Locking, Cancelled}, ""},
		{"locked, the partner never", First, Locking, open, none, firstT + 1, []Status{Locking, Refunding}, "refund ours"},
		{"both locked in time", First, Locking, open, open, start + 3600, []Status{Locking, Redeeming}, "redeem theirs together"},
		{"both locked, too late", First, Locking, open, open, revealBy + 1, []Status{Locking}, "refund ours together only"},
		{"redeemed already", First, Locking, open, fate(BySecret), revealBy + 1, []Status{Locking, Redeeming, Completed}, ""},
		{"redeemed together already", First, Locking, open, fate(ByBoth), revealBy + 1, []Status{Locking, Redeeming, Completed}, ""},
		{"all is done", First, Locking, fate(BySecret), fate(BySecret), late, []Status{Locking, Redeeming, Completed}, ""},
		{"all is done together", First, Locking, fate(ByBoth), fate(ByBoth), late, []Status{Locking, Redeeming, Completed}, ""},
		{"the partner has ours, his is open", First, Locking, fate(BySecret), open, aloneBy, []Status{Locking, Redeeming}, "redeem theirs together"},
		{"the partner has both", First, Locking, fate(BySecret), fate(ByTime), late, []Status{Locking, Redeeming, Stranded}, ""},
		{"refunded already", First, Locking, fate(ByTime), fate(ByTime), late, []Status{Locking, Refunding, Refunded}, ""},
		{"refunded together already", First, Locking, fate(ByBoth), none, start + 3600, []Status{Locking, Refunding, Refunded}, ""},
		{"revealing", First, Redeeming, open, open, aloneBy, []Status{Redeeming}, "redeem theirs together"},
		{"revealed", First, Redeeming, open, fate(BySecret), aloneBy, []Status{Redeeming, Completed}, ""},
		{"refunding", First, Refunding, open, none, firstT + 1, []Status{Refunding}, "refund ours"},
		{"as Second before his lock", Second, Agreed, none, open, start + 3600, []Status{Agreed}, ""},
		{"as Second before his lock, too late", Second, Agreed, none, open, lockBy + 1, []Status{Agreed, Cancelled}, ""},
		{"as Second, the journal is older than his lock", Second, Agreed, open, open, lockBy + 1, []Status{Agreed, Locking}, ""},
		{"as Second, and than the secret", Second, Agreed, fate(BySecret), open, revealBy, []Status{Agreed, Locking, Redeeming}, "redeem theirs together"},
		{"as Second locked", Second, Locking, open, open, start + 3600, []Status{Locking}, ""},
		{"as Second finds the secret", Second, Locking, fate(BySecret), open, revealBy, []Status{Locking, Redeeming}, "redeem theirs together"},
		{"as Second finds it while refunding", Second, Refunding, fate(BySecret), open, secondT + 1, []Status{Refunding, Redeeming}, "redeem theirs together"},
		{"as Second redeemed already", Second, Locking, fate(BySecret), fate(BySecret), late, []Status{Locking, Redeeming, Completed}, ""},
		{"as Second redeemed together", Second, Locking, open, fate(ByBoth), revealBy, []Status{Locking, Redeeming}, ""},
		{"as Second, all done together", Second, Locking, fate(ByBoth), fate(ByBoth), revealBy, []Status{Locking, Redeeming, Completed}, ""},
		{"as Second refunded already", Second, Locking, fate(ByTime), open, secondT + 9_000, []Status{Locking, Refunding, Refunded}, ""},
		{"as Second, the partner has both", Second, Locking, fate(BySecret), fate(ByTime), late, []Status{Locking, Redeeming, Stranded}, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := in(row.role, row.s)
			r.Ours.Fate, r.Theirs.Fate, r.Secret = Fate{}, Fate{}, nil
			if r.Role == Second && r.Status == Redeeming {
				r.Secret = &goodSecret
			}
			r.Rescued = true
			r = restarted(t, r)
			path := []Status{r.Status}
			note := func(e Event) {
				r = after(r, e)
				if r.Status != path[len(path)-1] {
					path = append(path, r.Status)
				}
				if w := r.Wants(); slices.ContainsFunc(w, func(w Want) bool { return w.Purpose == Lock }) {
					t.Errorf("locks anew: %v", w)
				}
			}
			note(Ticked{row.time}) // before any chain has spoken
			if len(path) > 1 {
				t.Errorf("moved before any chain has spoken: %v", path)
			}
			head := Head{Height: 200, Time: row.time}
			note(Sighted{Theirs, head, &row.theirs})
			note(Sighted{Ours, head, &row.ours})
			for range 3 {
				note(Ticked{row.time})
			}
			if !slices.Equal(path, row.want) || brief(r) != row.wants || r.Frozen != "" {
				t.Errorf("%v, wants %q, frozen %q; want %v and %q", path, brief(r), r.Frozen, row.want, row.wants)
			}
		})
	}
}
