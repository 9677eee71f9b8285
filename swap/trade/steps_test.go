package trade

import (
	"strings"
	"testing"
)

// line is the steps of t in a line: what is done, *what is under way*, what (waits),
// and what is left out.
func line(t Trade) string {
	var parts []string
	for _, s := range t.Steps() {
		switch s.State {
		case "done":
			parts = append(parts, s.Name)
		case "doing":
			parts = append(parts, "*"+s.Name+"*")
		case "waiting":
			parts = append(parts, "("+s.Name+")")
		}
	}
	return strings.Join(parts, " ")
}

// Each row is a trade in a status and what a person reads of it.
func TestSteps(t *testing.T) {
	rows := []struct {
		name  string
		role  Role
		s     Status
		of    func(*Trade)
		want  string
		actor string
		by    uint64
	}{
		{"asked", First, Proposed, nil, "*agreed* (first_lock) (second_lock) (your_receipt) (their_receipt)", "both", lockBy},
		{"ordered", First, Locking, func(t *Trade) { t.Ours.Fate, t.Theirs.Fate = Fate{}, Fate{} }, "agreed *first_lock* (second_lock) (your_receipt) (their_receipt)", "you", lockBy},
		{"one confirmation short", First, Locking, func(t *Trade) { t.Ours.Fate.Lock, t.Theirs.Fate = spot(1, 99), Fate{} }, "agreed *first_lock* (second_lock) (your_receipt) (their_receipt)", "you", lockBy},
		{"locked", First, Locking, func(t *Trade) { t.Ours.Fate.Lock, t.Theirs.Fate = spot(1, 98), Fate{} }, "agreed first_lock *second_lock* (your_receipt) (their_receipt)", "them", lockBy},
		{"both locked", First, Locking, nil, "agreed first_lock second_lock *your_receipt* (their_receipt)", "you", revealBy},
		{"too late, theirs never came", First, Locking, func(t *Trade) { t.Theirs.Fate, t.Now = Fate{}, revealBy+1 }, "agreed first_lock *refund*", "you", firstT},
		{"we left", First, Locking, func(t *Trade) { t.Left = true }, "agreed first_lock second_lock *refund*", "you", firstT},
		{"we left before our lock", First, Locking, func(t *Trade) { t.Ours.Fate, t.Theirs.Fate, t.Left = Fate{}, Fate{}, true }, "agreed *refund*", "you", firstT},
		{"redeeming", First, Redeeming, nil, "agreed first_lock second_lock *your_receipt* (their_receipt)", "you", revealBy},
		{"redeeming, our lock taken back", First, Redeeming, func(t *Trade) { t.Ours.Fate.Lock = spot(1, 0) }, "agreed second_lock *your_receipt* (their_receipt)", "you", revealBy},
		{"missed", First, Redeeming, func(t *Trade) { t.Missed = true }, "agreed first_lock second_lock *refund*", "you", firstT},
		{"refunding", First, Refunding, func(t *Trade) { t.Theirs.Fate = Fate{} }, "agreed first_lock *refund*", "you", firstT},
		{"refunding, and they have redeemed", First, Refunding, func(t *Trade) { t.Theirs.Fate, t.Ours.Fate.End = Fate{}, end(BySecret, 100) }, "agreed first_lock *their_receipt*", "them", firstT},
		{"refunding, the refund is mined", First, Refunding, func(t *Trade) { t.Theirs.Fate, t.Ours.Fate.End = Fate{}, end(ByTime, 100) }, "agreed first_lock *refund*", "you", firstT},
		{"completed", First, Completed, func(t *Trade) { t.Theirs = ended(t.Theirs, BySecret) }, "agreed first_lock second_lock your_receipt", "", 0},
		{"completed, and they", First, Completed, func(t *Trade) { t.Theirs, t.Ours = ended(t.Theirs, BySecret), ended(t.Ours, ByBoth) }, "agreed first_lock second_lock your_receipt their_receipt", "", 0},
		{"refunded", First, Refunded, func(t *Trade) { t.Theirs.Fate, t.Ours = Fate{}, ended(t.Ours, ByTime) }, "agreed first_lock refund", "", 0},
		{"refunded together", First, Refunded, func(t *Trade) { t.Theirs.Fate, t.Ours = Fate{}, ended(t.Ours, ByBoth) }, "agreed first_lock refund", "", 0},
		{"cancelled", First, Cancelled, func(t *Trade) { t.Ours.Fate, t.Theirs.Fate = Fate{}, Fate{} }, "", "", 0},

		{"agreed", Second, Agreed, nil, "agreed *first_lock* (second_lock) (their_receipt) (your_receipt)", "them", lockBy},
		{"theirs locked", Second, Agreed, func(t *Trade) { t.Theirs.Fate.Lock = spot(2, 90) }, "agreed first_lock *second_lock* (their_receipt) (your_receipt)", "you", lockBy},
		{"both locked", Second, Locking, nil, "agreed first_lock second_lock *their_receipt* (your_receipt)", "them", secondT},
		{"told", Second, Redeeming, nil, "agreed first_lock second_lock *their_receipt* (your_receipt)", "them", secondT},
		{"seen", Second, Redeeming, func(t *Trade) { t.Ours = ended(t.Ours, BySecret) }, "agreed first_lock second_lock their_receipt *your_receipt*", "you", firstT},
		{"told, our lock was never made", Second, Redeeming, func(t *Trade) { t.Ours.Fate = Fate{} }, "agreed first_lock *your_receipt*", "you", firstT},
		{"told, our lock is back", Second, Redeeming, func(t *Trade) { t.Ours = ended(t.Ours, ByTime) }, "agreed first_lock second_lock *your_receipt*", "you", firstT},
		{"refunding", Second, Refunding, nil, "agreed first_lock second_lock *refund*", "you", secondT},
		{"refunding, theirs gone", Second, Refunding, func(t *Trade) { t.Theirs.Fate = Fate{} }, "agreed second_lock *refund*", "you", secondT},
		{"completed", Second, Completed, func(t *Trade) { t.Theirs, t.Ours = ended(t.Theirs, BySecret), ended(t.Ours, BySecret) }, "agreed first_lock second_lock their_receipt your_receipt", "", 0},
	}
	for _, row := range rows {
		trade := in(row.role, row.s)
		if row.of != nil {
			row.of(&trade)
		}
		actor, by := trade.Next()
		if got := line(trade); got != row.want || actor != row.actor || by != row.by {
			t.Errorf("%s %s:\n%q by %q until %d; want\n%q by %q until %d", row.role, row.name, got, actor, by, row.want, row.actor, row.by)
		}
	}
}

// Whatever the chains say: while a trade is open exactly one step is under way
// and has an actor and a deadline; nothing waits before it. At rest none is.
func TestOneStepIsUnderWay(t *testing.T) {
	locks := []*Spot{nil, spot(1, 0), spot(1, 99), spot(1, 90)}
	ends := []*End{nil, end(BySecret, 0), end(BySecret, 91), end(ByTime, 91), end(ByBoth, 91), end(ByTime, 100)}
	statuses := map[Role][]Status{
		First:  {Proposed, Locking, Redeeming, Refunding, Completed, Refunded, Cancelled, Stranded},
		Second: {Agreed, Locking, Redeeming, Refunding, Completed, Refunded, Cancelled, Stranded},
	}
	for role, all := range statuses {
		for _, s := range all {
			for n := range len(locks) * len(locks) * len(ends) * len(ends) * 4 {
				trade := in(role, s)
				pick := func(of int) int { i := n % of; n /= of; return i }
				trade.Ours.Fate = Fate{locks[pick(len(locks))], ends[pick(len(ends))]}
				trade.Theirs.Fate = Fate{locks[pick(len(locks))], ends[pick(len(ends))]}
				trade.Left, trade.Missed = n&1 == 1, n&2 == 2
				trade = after(trade, tick(trade))
				doing, waits := 0, false
				for _, step := range trade.Steps() {
					switch {
					case step.State == "doing" && !waits:
						doing++
					case step.State == "waiting":
						waits = true
					case step.State == "doing", step.State == "done" && waits && step.Name == "first_lock":
						t.Fatalf("%s %s: %s", role, trade.Status, line(trade))
					}
				}
				actor, by := trade.Next()
				if open := !trade.Status.AtRest() && trade.Status != Stranded; open && (doing != 1 || actor == "" || by == 0) {
					t.Fatalf("%s %s %+v %+v: %s, by %q until %d", role, trade.Status, trade.Ours.Fate, trade.Theirs.Fate, line(trade), actor, by)
				} else if trade.Status.AtRest() && (doing > 0 || waits || actor != "" || by != 0) {
					t.Fatalf("%s %s: %s, by %q until %d", role, trade.Status, line(trade), actor, by)
				}
			}
		}
	}
}
