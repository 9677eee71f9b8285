package message

import (
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"photon/contracts"
)

// properties are statements of the rows, with random input.
var properties = map[string]func(*testing.T){
	"PRP-001": roundTrips,
	"PRP-003": roundTripsOfOneSchedule,
	"PRP-004": endsAskNothing,
	"PRP-006": forthAndBack,
	"PRP-007": cappedTakesNoLoss,
	"PRP-009": backwardRises,
}

// amount draws a number up to most.
func amount(r *rapid.T, name string, most contracts.Amount) contracts.Amount {
	raw := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 40, 40).Draw(r, name))
	raw.Rsh(raw, uint(rapid.IntRange(0, 320).Draw(r, name+" bits")))
	raw.Mod(raw, new(big.Int).Add(bigOf(most), big.NewInt(1)))
	n, _ := uint256.FromBig(raw)
	return contracts.AmountOf(n)
}

// curve draws a curve over all balances up to top, whose slopes are at most
// steep ppm.
func curve(r *rapid.T, name string, top contracts.Amount, steep uint64) Curve {
	n := rapid.IntRange(0, 6).Draw(r, name)
	balances := []contracts.Amount{{}, top}
	for range n {
		balances = append(balances, amount(r, name+" balance", top))
	}
	slices.SortFunc(balances, contracts.Amount.Cmp)
	balances = slices.Compact(balances)
	if len(balances) < 2 || rapid.IntRange(0, 3).Draw(r, name+" none") == 0 {
		return Curve{}
	}
	// Downhill first, so that nothing falls below zero.
	high, _ := top.Times(contracts.Units(steep), contracts.Units(million))
	points := []Point{{Penalty: high}}
	for i, b := range balances[1:] {
		last := points[i]
		most, _ := b.Minus(last.Balance).Times(contracts.Units(steep), contracts.Units(million))
		step := most
		if rapid.Bool().Draw(r, name+" less") {
			step = amount(r, name+" step", most)
		}
		p := last.Penalty.Plus(step)
		if rapid.Bool().Draw(r, name+" falls") && !last.Penalty.Less(step) {
			p = last.Penalty.Minus(step)
		}
		points = append(points, Point{b, p})
	}
	c, err := NewCurve(points)
	if err != nil {
		r.Fatal(err)
	}
	return c
}

// A draw of a mediator.
type draw struct {
	top   contracts.Amount // of both channels' capacities
	steep uint64           // ppm
	ppm   uint32           // at most
}

func (d draw) hop(r *rapid.T) Hop {
	capped := rapid.Bool().Draw(r, "cap")
	side := func(name string) (*Schedule, contracts.Amount, contracts.Amount) {
		size := amount(r, name+" capacity", d.top)
		owns := amount(r, name+" owns", size)
		s := &Schedule{Proportional: rapid.Uint32Range(0, d.ppm).Draw(r, name+" ppm"), Cap: capped}
		s.Flat = amount(r, name+" flat", contracts.AmountOf(new(uint256.Int).Rsh(size.Uint256(), 3)))
		s.Imbalance = curve(r, name+" curve", size, d.steep)
		if s.Flat.Uint256().BitLen() > 128 {
			s.Flat = contracts.Units(7)
		}
		return s, owns, size.Minus(owns)
	}
	var h Hop
	h.In, h.Owns, h.Receivable = side("in")
	h.Out, h.Sendable, _ = side("out")
	return h
}

var (
	small = draw{contracts.Units(300), 1_500_000, 400_000}
	coins = draw{contracts.AmountOf(uint256.MustFromDecimal("100000000000000000000")), 400_000, 90_000}
	huge  = draw{contracts.AmountOf(new(uint256.Int).Lsh(uint256.NewInt(1), 126)), 900_000, 50_000} // penalties reach twice 0.9 of it
	flat  = draw{contracts.AmountOf(new(uint256.Int).SetAllOne()), 0, 999_999}                      // no curve fits: see plainHop
)

// plainHop has no curves, and so any amounts.
func plainHop(r *rapid.T) Hop {
	s := func(name string) *Schedule {
		flat128 := contracts.AmountOf(new(uint256.Int).SubUint64(new(uint256.Int).Lsh(uint256.NewInt(1), 128), 1))
		return &Schedule{Flat: amount(r, name+" flat", flat128), Proportional: rapid.Uint32Range(0, flat.ppm).Draw(r, name)}
	}
	return Hop{s("in"), s("out"), amount(r, "owns", flat.top), amount(r, "receivable", flat.top), amount(r, "sendable", flat.top)}
}

// none reports errors that say that no amount is right.
func none(err error) bool {
	return errors.Is(err, ErrCapacity) || errors.Is(err, ErrNothing) || errors.Is(err, ErrUncovered)
}

// slow evaluates the written rule with fractions.
type slow struct {
	h       Hop
	amount  *big.Int
	forward bool
}

// penaltyOf is Imbalance at a balance; false where it is undefined.
func penaltyOf(c Curve, balance *big.Int) (*big.Rat, bool) {
	points := c.Points()
	if len(points) == 0 {
		return new(big.Rat), true
	}
	for i := 1; i < len(points); i++ {
		x0, x1 := bigOf(points[i-1].Balance), bigOf(points[i].Balance)
		if balance.Cmp(x0) < 0 || balance.Cmp(x1) > 0 {
			continue
		}
		y0, y1 := bigOf(points[i-1].Penalty), bigOf(points[i].Penalty)
		y := new(big.Rat).SetFrac(new(big.Int).Sub(balance, x0), new(big.Int).Sub(x1, x0))
		y.Mul(y, new(big.Rat).SetInt(new(big.Int).Sub(y1, y0)))
		return y.Add(y, new(big.Rat).SetInt(y0)), true
	}
	return nil, false
}

// channelFee is what one channel asks for d, from balance to balance+d or -d.
func channelFee(s *Schedule, balance, d *big.Int, in bool) (*big.Rat, bool) {
	if s == nil {
		return new(big.Rat), true
	}
	after := new(big.Int).Add(balance, d)
	if !in {
		after.Sub(balance, d)
	}
	p0, ok := penaltyOf(s.Imbalance, balance)
	p1, ok1 := penaltyOf(s.Imbalance, after)
	if !ok || !ok1 {
		return nil, false
	}
	fee := new(big.Rat).SetFrac(new(big.Int).Mul(d, big.NewInt(int64(s.Proportional))), big.NewInt(million))
	fee.Add(fee, new(big.Rat).SetInt(bigOf(s.Flat)))
	return fee.Add(fee, p1.Sub(p1, p0)), true
}

// gap is what x is beyond right: x - amount + fee forwards, x - amount - fee
// backwards. free is it without the cap.
func (s slow) gap(x *big.Int) (gap, free *big.Rat, ok bool) {
	in, out := s.amount, x
	if !s.forward {
		in, out = x, s.amount
	}
	a, ok := channelFee(s.h.In, bigOf(s.h.Owns), in, true)
	b, ok1 := channelFee(s.h.Out, bigOf(s.h.Sendable), out, false)
	if !ok || !ok1 {
		return nil, nil, false
	}
	fee := a.Add(a, b)
	if !s.forward {
		fee.Neg(fee)
	}
	off := new(big.Rat).SetInt(new(big.Int).Sub(x, s.amount))
	free = new(big.Rat).Add(off, fee)
	gap = free
	if s.h.In.Cap && fee.Sign() < 0 == s.forward {
		gap = off
	}
	return gap, free, true
}

// between is the rounded solution in (x, x+1]: all is straight from unit to unit
// but for the cap, which bends where the solution is whole.
func (s slow) between(x *big.Int) *big.Int {
	next := new(big.Int).Add(x, big.NewInt(1))
	_, g0, _ := s.gap(x)
	_, g1, _ := s.gap(next)
	if g0.Sign()*g1.Sign() >= 0 || (!s.forward && s.h.In.Cap && next.Cmp(s.amount) == 0) {
		return next // it is the cap that ends the gap
	}
	at := new(big.Rat).Quo(g0, new(big.Rat).Sub(g0, g1))
	c := at.Cmp(big.NewRat(1, 2))
	if c > 0 || (c == 0 && x.Bit(0) == 1) {
		return next
	}
	return x
}

// solve finds the first unit after which the sign of the gap is another: by
// steps, or by halves where the gap is known to rise.
func (s slow) solve(rises bool) (*big.Int, bool) {
	end, limit := bigOf(s.h.Receivable), bigOf(s.h.Sendable)
	if s.forward {
		end, limit = limit, end
	}
	first, _, ok := s.gap(new(big.Int))
	if s.amount.Cmp(limit) > 0 || !ok || first.Sign() == 0 {
		return nil, false
	}
	crossed := func(x *big.Int) (yes, ok bool) {
		g, _, ok := s.gap(x)
		return ok && g.Sign() != first.Sign(), ok
	}
	low := new(big.Int)
	for !rises {
		if low.Cmp(end) == 0 {
			return nil, false
		}
		yes, ok := crossed(new(big.Int).Add(low, big.NewInt(1)))
		if !ok {
			return nil, false
		}
		if yes {
			break
		}
		low.Add(low, big.NewInt(1))
	}
	for high := new(big.Int).Set(end); rises; {
		if yes, _ := crossed(end); !yes {
			return nil, false
		}
		mid := new(big.Int).Add(low, high)
		if mid.Rsh(mid, 1).Cmp(low) == 0 {
			break
		}
		if yes, _ := crossed(mid); yes {
			high = mid
		} else {
			low = mid
		}
	}
	x := s.between(low)
	return x, x.Sign() > 0
}

// against compares both directions with the slow evaluation.
func against(r *rapid.T, h Hop, a contracts.Amount, rises bool) {
	for _, forward := range []bool{true, false} {
		find := h.Backward
		if forward {
			find = h.Forward
		}
		got, err := find(a)
		want, is := slow{h, bigOf(a), forward}.solve(rises)
		if is != (err == nil) || (is && bigOf(got).Cmp(want) != 0) || (err != nil && !none(err)) {
			r.Fatalf("forward %v of %s: %s, %v; want %s, %v\n%+v %+v\n%+v", forward, a, got, err, want, is, h.In, h.Out, h)
		}
	}
}

// Of few units, with curves as steep as one likes: every unit is tried.
func TestAgainstEveryUnit(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := small.hop(r)
		a := contracts.Units(rapid.Uint64Range(1, 300).Draw(r, "amount"))
		against(r, h, a, false)
	})
}

// Of large sums, where the gap rises: by bisection on whole units.
func TestAgainstBisection(t *testing.T) {
	for name, d := range map[string]draw{"coins": coins, "huge": huge} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				h := d.hop(r)
				a := amount(r, "amount", h.Sendable)
				if a.IsZero() {
					return
				}
				// A curve does not reach beyond its channel; without one, let no end be undefined.
				if !h.In.Imbalance.IsZero() && h.Receivable.Plus(h.Owns) != lastBalance(h.In.Imbalance) {
					r.Fatal("not the whole channel")
				}
				against(r, h, a, true)
			})
		})
	}
}

func lastBalance(c Curve) contracts.Amount {
	points := c.Points()
	return points[len(points)-1].Balance
}

// Without curves, for all 256 bits.
func TestAgainstBisectionWithoutCurves(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := plainHop(r)
		if a := amount(r, "amount", flat.top); !a.IsZero() {
			against(r, h, a, true)
		}
	})
}

// A slope that almost cancels the amount: the fractions decide by far more than a unit.
func TestAlmostLevel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		width := rapid.Uint64Range(1<<40, 1<<62).Draw(r, "width")
		rise := width - rapid.Uint64Range(1, 3).Draw(r, "less")
		level, err := NewCurve([]Point{{Balance: contracts.Units(0)}, {contracts.Units(width), contracts.Units(rise)}})
		if err != nil {
			r.Fatal(err)
		}
		third, err := NewCurve([]Point{{Penalty: contracts.Units(1)}, {Balance: contracts.Units(1 << 62)}})
		if err != nil {
			r.Fatal(err)
		}
		owns := contracts.Units(rapid.Uint64Range(0, width-1).Draw(r, "owns"))
		h := Hop{
			&Schedule{Imbalance: level, Cap: true}, &Schedule{Imbalance: third, Cap: true},
			owns, contracts.Units(width).Minus(owns), contracts.Units(1 << 61),
		}
		against(r, h, contracts.Units(rapid.Uint64Range(1, 4).Draw(r, "amount")), true)
	})
}

// within reports whether a and b differ by at most n units.
func within(a, b contracts.Amount, n int64) bool {
	diff := new(big.Int).Sub(bigOf(a), bigOf(b))
	return diff.Abs(diff).Cmp(big.NewInt(n)) <= 0
}

// conserves holds that a fee is what came in less what went out, by the rule.
func conserves(r *rapid.T, h Hop, in, out contracts.Amount) {
	a, ok := channelFee(h.In, bigOf(h.Owns), bigOf(in), true)
	b, ok1 := channelFee(h.Out, bigOf(h.Sendable), bigOf(out), false)
	if !ok || !ok1 {
		r.Fatalf("%s to %s is outside of the curves", in, out)
	}
	fee := a.Add(a, b)
	if h.In.Cap && fee.Sign() < 0 {
		fee.SetInt64(0)
	}
	kept := new(big.Rat).SetInt(new(big.Int).Sub(bigOf(in), bigOf(out)))
	// Half a unit of rounding, and what fees make of it.
	if off := fee.Sub(fee, kept); off.Abs(off).Cmp(big.NewRat(1, 1)) > 0 {
		r.Fatalf("%s in, %s out, and the fee is %s beside", in, out, off.FloatString(3))
	}
}

func roundTrips(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		size := coins.top
		side := func(name string) *Schedule {
			c, err := Imbalance(size, rapid.Uint32Range(0, 50_000).Draw(r, name+" imbalance"))
			if err != nil {
				r.Fatal(err)
			}
			return &Schedule{contracts.Units(rapid.Uint64Range(0, 100).Draw(r, name+" flat")), PerChannel(rapid.Uint32Range(0, 10_000).Draw(r, name+" ppm")), c, false}
		}
		h := Hop{In: side("in"), Out: side("out"), Receivable: amount(r, "receivable", size), Sendable: amount(r, "sendable", size)}
		h.Owns = size.Minus(h.Receivable)
		a := contracts.Units(rapid.Uint64Range(1, 90_000_000_000_000_000).Draw(r, "amount"))
		roundTrip(r, h, a)
	})
}

func roundTrip(r *rapid.T, h Hop, a contracts.Amount) {
	in, err := h.Backward(a)
	if err != nil {
		if !none(err) {
			r.Fatal(err)
		}
		return
	}
	conserves(r, h, in, a)
	out, err := h.Forward(in)
	if none(err) { // rounded, it may just not be enough for a unit, or not fit
		return
	}
	if err != nil || !within(out, a, 1) {
		r.Fatalf("%s wants %s, which forwards %s, %v", a, in, out, err)
	}
	conserves(r, h, in, out)
	more, err := h.Forward(in.Plus(contracts.Units(1)))
	if err == nil && more.Less(a) {
		r.Fatalf("%s wants %s, and one more forwards %s", a, in, more)
	}
}

func roundTripsOfOneSchedule(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c, err := Imbalance(coins.top, rapid.Uint32Range(0, 50_000).Draw(r, "imbalance"))
		if err != nil {
			r.Fatal(err)
		}
		s := &Schedule{contracts.Units(rapid.Uint64Range(0, 100).Draw(r, "flat")), PerChannel(rapid.Uint32Range(0, 10_000).Draw(r, "ppm")), c, rapid.Bool().Draw(r, "cap")}
		h := Hop{In: s, Out: s, Receivable: amount(r, "receivable", coins.top), Sendable: amount(r, "sendable", coins.top)}
		h.Owns = coins.top.Minus(h.Receivable)
		a := amount(r, "amount", contracts.AmountOf(uint256.MustFromDecimal("90000000000000000000")))
		if !a.IsZero() {
			roundTrip(r, h, a)
		}
	})
}

// What the ends ask has no place to be said: a quote over no mediator is the amount.
func endsAskNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		a := amount(r, "amount", flat.top)
		if sums, err := Quote(nil, a); err != nil || len(sums) != 1 || sums[0] != a {
			r.Fatalf("%v, %v", sums, err)
		}
	})
}

// A payment and then the same amounts back, uncapped and with curves alone, cost nothing.
func forthAndBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := draw{coins.top, 400_000, 0}.hop(r)
		h.In.Cap, h.Out.Cap = false, false
		h.In.Flat, h.Out.Flat = contracts.Amount{}, contracts.Amount{}
		in := amount(r, "amount", h.Receivable)
		out, err := h.Forward(in)
		if err != nil || h.Owns.Less(contracts.Units(2)) { // room for what rounding adds on the way back
			return
		}
		back := Hop{h.Out, h.In, h.Sendable.Minus(out), out, h.Owns.Plus(in)}
		if again, err := back.Forward(out); err != nil || !within(again, in, 1) {
			r.Fatalf("%s went as %s and came back as %s, %v", in, out, again, err)
		}
	})
}

func cappedTakesNoLoss(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := rapid.SampledFrom([]draw{small, coins, huge}).Draw(r, "scale").hop(r)
		h.In.Cap, h.Out.Cap = true, true
		a := amount(r, "amount", h.Sendable)
		if in, err := h.Backward(a); err == nil && in.Less(a) {
			r.Fatalf("%s in for %s", in, a)
		}
		if out, err := h.Forward(a); err == nil && a.Less(out) {
			r.Fatalf("%s out of %s", out, a)
		}
	})
}

// More wanted is never less asked; more given is never less forwarded.
func backwardRises(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := draw{coins.top, 400_000, 90_000}.hop(r)
		a, b := amount(r, "a", h.Sendable), amount(r, "b", h.Sendable)
		if b.Less(a) {
			a, b = b, a
		}
		for name, find := range map[string]func(contracts.Amount) (contracts.Amount, error){"backward": h.Backward, "forward": h.Forward} {
			x, err := find(a)
			y, err1 := find(b)
			if err == nil && err1 == nil && y.Less(x) {
				r.Fatalf("%s: %s for %s, %s for %s", name, x, a, y, b)
			}
		}
	})
}
