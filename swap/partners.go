package swap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"photon/swap/trade"
)

// DefaultAtOnce is a good [Config.AtOnce]: a stranger seldom has use for more.
const DefaultAtOnce = 4

// note takes a trade that is stored into the record of its partner. Only who was
// ever in a trade with us has one.
func (d *Desk) note(old, t trade.Trade) {
	r := d.partners[t.Partner]
	if r == nil {
		r = trade.NewRecord()
		d.partners[t.Partner] = r
	}
	r.Note(old, t)
}

// standing is how a partner stands with us now. The loop asks.
func (d *Desk) standing(partner string) trade.Standing {
	s := trade.Standing{Faults: []trade.Count{}}
	if r := d.partners[partner]; r != nil {
		s = r.Standing(unix(time.Now()))
	}
	s.Partner = partner
	return s
}

// Partners returns how everybody stands with whom we were ever in a trade, those
// whom we refuse first.
func (d *Desk) Partners(ctx context.Context) (all []trade.Standing, err error) {
	err = d.do(ctx, func() (c trade.Change, err error) {
		for partner := range d.partners {
			all = append(all, d.standing(partner))
		}
		return c, nil
	}, nil)
	slices.SortFunc(all, func(a, b trade.Standing) int {
		return cmp.Or(cmp.Compare(b.Until, a.Until), cmp.Compare(a.Partner, b.Partner))
	})
	return all, err
}

// bears refuses a new trade with a partner who has let us down too often of late.
// It is asked about new trades only: one that is under way goes on with anybody.
// The loop asks. Errors: trade.ErrStanding.
func (d *Desk) bears(partner string) error {
	s := d.standing(partner)
	if s.Until == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s; again on %s", trade.ErrStanding, faultsText(s), time.Unix(int64(s.Until), 0).UTC().Format("2006-01-02 15:04 MST"))
}

// admits refuses one more take by a partner whom we do not bear with, or who has
// as many open as we let him bind: few before he has completed one, ever more
// after. The loop asks. Errors: trade.ErrStanding, trade.ErrMany.
func (d *Desk) admits(partner string) error {
	if err := d.bears(partner); err != nil {
		return err
	}
	s := d.standing(partner)
	if most := d.AtOnce * (1 + s.Completed); s.Open >= most {
		return fmt.Errorf("%w: you have %d open with %d completed, and may have %d", trade.ErrMany, s.Open, s.Completed, most)
	}
	return nil
}

// faultWords say of a swap what its fault was.
var faultWords = map[trade.Fault]string{
	trade.NeverRedeemed: "never redeemed", trade.NeverLocked: "never locked", trade.GivenUp: "given up",
	trade.Late: "redeemed late", trade.NeverBegun: "never begun",
}

// faultsText tells of faults as in "3 of the last 4 swaps were never redeemed, 1
// never begun".
func faultsText(s trade.Standing) string {
	var parts []string
	for i, f := range s.Faults {
		of := ""
		if i == 0 {
			of = fmt.Sprintf(" of the last %d swaps were", s.Lately)
		}
		parts = append(parts, fmt.Sprintf("%d%s %s", f.Times, of, faultWords[f.Fault]))
	}
	return strings.Join(parts, ", ")
}

// reached is the change once a partner has taken in a letter of ours.
func (d *Desk) reached(l letter) (c trade.Change, err error) {
	c.Done = []int64{l.effect}
	t, known := d.trades[l.trade]
	if _, is := l.body.(trade.Accept); !is || !known {
		return c, nil
	}
	return c, d.apply(&c, t, trade.Reached{})
}
