package trade

import (
	"errors"
	"strings"
	"testing"
)

func TestLeft(t *testing.T) {
	alone := func(t *Trade) { t.Theirs.Fate = Fate{} }
	check(t, in(First, Locking), Left{}, []change{
		{name: "good", of: alone, want: Locking, says: true},
		{name: "said again", of: func(t *Trade) { alone(t); t.Left = true }, err: ErrNotYet},
		{name: "refunding", of: func(t *Trade) { alone(t); t.Status = Refunding }, want: Refunding, says: true},
		{name: "refunding, said again", of: func(t *Trade) { alone(t); t.Status, t.Left = Refunding, true }, want: Refunding},
		{name: "before the answer", of: func(t *Trade) { *t = proposed() }, want: Cancelled, says: true},
		{name: "before our lock", of: func(t *Trade) { *t = agreed() }, want: Cancelled, says: true},
		{name: "revealed", of: func(t *Trade) { t.Status = Redeeming }, err: ErrRevealed},
		{name: "stranded", of: func(t *Trade) { t.Status = Stranded }, err: ErrStatus},
	})
}

// Each row is a swap that cannot be taken back, or not yet, and the words that a
// person is told.
func TestMayLeave(t *testing.T) {
	for _, row := range []struct {
		name string
		role Role
		s    Status
		of   func(*Trade)
		err  error
		says string
	}{
		{"asked", First, Proposed, nil, nil, ""},
		{"agreed", Second, Agreed, nil, nil, ""},
		{"locked", First, Locking, nil, nil, ""},
		{"refunding", Second, Refunding, nil, nil, ""},
		{"too early", First, Locking, func(t *Trade) { t.Left = true }, ErrNotYet, "from 1800086400 on, the time on BTC is 1800003600"},
		{"too early, the last second", Second, Locking, func(t *Trade) { t.Left, t.Ours.Head.Time = true, secondT }, ErrNotYet, "from 1800036000 on, the time on LTC is 1800036000"},
		{"decided to reveal, and did not", First, Redeeming, func(t *Trade) { t.Missed = true }, ErrNotYet, "comes by itself"},
		{"never sent", First, Cancelled, func(t *Trade) { t.Ours.Fate, t.Reason = Fate{}, "could not lock: no funds" }, ErrNoLock, "cancelled: could not lock: no funds"},
		{"never mined", First, Refunded, func(t *Trade) { t.Ours.Fate, t.Reason = Fate{}, "our lock was never mined" }, ErrNoLock, "never mined"},
		{"the secret is given away", First, Redeeming, nil, ErrRevealed, "the swap is redeeming"},
		{"the secret is known", Second, Redeeming, nil, ErrRevealed, "the swap is redeeming"},
		{"completed, they have not redeemed", First, Completed, nil, ErrRevealed, "the swap is completed"},
		{"they redeem, not mined", First, Redeeming, func(t *Trade) { t.Ours.Fate.End = end(BySecret, 0) }, ErrSpent, "on BTC, block 0"},
		{"they have redeemed", Second, Redeeming, func(t *Trade) { t.Ours = ended(t.Ours, BySecret) }, ErrSpent, "on LTC, block 91"},
		{"both spent it for them", Second, Completed, func(t *Trade) { t.Ours = ended(t.Ours, ByBoth) }, ErrSpent, "on LTC"},
		{"redeemed while we refund", First, Refunding, func(t *Trade) { t.Ours = ended(t.Ours, BySecret) }, ErrSpent, "on BTC"},
		{"we take it back, not mined", First, Refunding, func(t *Trade) { t.Ours.Fate.End = end(ByTime, 0) }, ErrRefunded, "on BTC, block 0"},
		{"we took it back", First, Refunded, func(t *Trade) { t.Ours = ended(t.Ours, ByTime) }, ErrRefunded, "on BTC, block 91"},
		{"both gave it back", Second, Refunded, func(t *Trade) { t.Ours = ended(t.Ours, ByBoth) }, ErrRefunded, "on LTC"},
		{"taken back while we redeem", Second, Redeeming, func(t *Trade) { t.Ours = ended(t.Ours, ByTime) }, ErrRefunded, "on LTC"},
		{"stranded", First, Stranded, func(t *Trade) { t.Reason = "lost the race" }, ErrStatus, "stranded: lost the race"},
	} {
		trade := in(row.role, row.s)
		if row.of != nil {
			row.of(&trade)
		}
		err := trade.MayLeave()
		if !errors.Is(err, row.err) || (err != nil && !strings.Contains(err.Error(), row.says)) {
			t.Errorf("%s: %v, want %v with %q", row.name, err, row.err, row.says)
		}
		if now, effects, refused := trade.Apply(Left{}); row.err != nil {
			if !errors.Is(refused, row.err) {
				t.Errorf("%s: Left is refused by %v, want %v", row.name, refused, row.err)
			}
			unchanged(t, trade, now, effects)
		}
	}
}

// Who may be stopped, status by status, as either role.
func TestMayStop(t *testing.T) {
	for _, row := range []struct {
		role   Role
		s      Status
		may    bool
		backBy uint64
	}{
		{First, Proposed, true, 0}, {Second, Agreed, true, 0},
		{First, Locking, false, secondT}, {Second, Locking, false, firstT},
		{First, Redeeming, false, secondT}, {Second, Redeeming, false, firstT},
		{First, Refunding, false, 0}, {Second, Refunding, false, firstT},
		{First, Completed, true, 0}, {Second, Refunded, true, 0}, {First, Cancelled, true, 0}, {First, Stranded, false, secondT},
	} {
		if may, backBy := in(row.role, row.s).MayStop(); may != row.may || backBy != row.backBy {
			t.Errorf("%s %s: %t, back by %d", row.role, row.s, may, backBy)
		}
	}
}
