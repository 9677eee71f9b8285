package message

import (
	"math/big"
	"testing"

	"github.com/holiman/uint256"
	"pgregory.net/rapid"
)

// anyPart draws a fraction, mostly of few units so that ties are met, and as
// large as they come.
func anyPart(r *rapid.T, name string) (p part) {
	d := rapid.Uint64Range(1, 12).Draw(r, name+" den")
	p.den.SetUint64(d)
	p.num.SetUint64(rapid.Uint64Range(0, d-1).Draw(r, name+" num"))
	if rapid.IntRange(0, 3).Draw(r, name+" large") == 0 {
		k := new(uint256.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(r, name+" times"))
		k.Rsh(k.AddUint64(k, 1), 5)
		k.AddUint64(k, 1)
		p.num.Mul(&p.num, k)
		p.den.Mul(&p.den, k)
	}
	return p
}

// anyExact draws a number and says what it is.
func anyExact(r *rapid.T) (e exact) {
	e.whole.SetUint64(rapid.Uint64Range(0, 9).Draw(r, "whole"))
	for range rapid.IntRange(0, 4).Draw(r, "parts") {
		p := anyPart(r, "part")
		if rapid.Bool().Draw(r, "taken") {
			e.sub(uint256.NewInt(rapid.Uint64Range(0, 5).Draw(r, "less")), &p)
		} else {
			e.add(uint256.NewInt(rapid.Uint64Range(0, 5).Draw(r, "more")), &p)
		}
	}
	return e
}

func fraction(p part) *big.Rat { return new(big.Rat).SetFrac(p.num.ToBig(), p.den.ToBig()) }

func TestExactCompares(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		e, p := anyExact(r), anyPart(r, "with")
		with := rapid.IntRange(-12, 30).Draw(r, "with whole")
		whole := uint256.NewInt(uint64(max(with, -with)))
		if with < 0 {
			whole.Neg(whole)
		}
		want := ratOf(&e).Cmp(new(big.Rat).Add(fraction(p), big.NewRat(int64(with), 1)))
		if got := e.cmp(whole, &p); got != want {
			r.Fatalf("%s against %d + %s: %d, want %d", ratOf(&e), with, fraction(p), got, want)
		}
	})
}

func TestExactAdds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		e, p := anyExact(r), anyPart(r, "p")
		if e.n == len(e.parts) {
			return
		}
		n := rapid.Uint64Range(0, 9).Draw(r, "n")
		want := new(big.Rat).Add(fraction(p), new(big.Rat).SetInt64(int64(n)))
		sum, rest := e, e
		sum.add(uint256.NewInt(n), &p)
		rest.sub(uint256.NewInt(n), &p)
		if got := ratOf(&sum); got.Cmp(new(big.Rat).Add(ratOf(&e), want)) != 0 {
			r.Fatalf("%s + %s = %s", ratOf(&e), want, got)
		}
		if got := ratOf(&rest); got.Cmp(new(big.Rat).Sub(ratOf(&e), want)) != 0 {
			r.Fatalf("%s - %s = %s", ratOf(&e), want, got)
		}
	})
}

// A root is its gap by its slope, rounded, however level the line is.
func TestRoot(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		k := knot{falls: rapid.Bool().Draw(r, "falls")}
		rate := rapid.Uint64Range(1, 20).Draw(r, "rate")
		width := rapid.Uint64Range(1, 50).Draw(r, "width")
		rise := rapid.Uint64Range(0, 20*50).Draw(r, "rise")
		slope := int64(rate*width) - int64(rise)
		if k.falls {
			slope = int64(rate*width + rise)
		}
		k.width.SetUint64(width)
		k.rise.SetUint64(rise)
		s := search{walk: &walk{rate: rate, curve: &Curve{[]knot{k}}}, gap: anyExact(r)}
		s.x.SetUint64(rapid.Uint64Range(0, 3).Draw(r, "x"))
		if rapid.Bool().Draw(r, "negative") {
			s.gap.whole.SubUint64(&s.gap.whole, rapid.Uint64Range(0, 30).Draw(r, "below"))
		}
		gap := ratOf(&s.gap)
		way := gap.Sign()
		if slope == 0 || way == 0 {
			return
		}
		y := gap.Mul(gap.Abs(gap), new(big.Rat).SetFrac64(int64(width), max(slope, -slope)))
		// Half to even of x + y.
		y.Add(y, new(big.Rat).SetInt(s.x.ToBig()))
		want := new(big.Int).Quo(y.Num(), y.Denom())
		over := new(big.Rat).Sub(y, new(big.Rat).SetInt(want))
		if c := over.Cmp(big.NewRat(1, 2)); c > 0 || (c == 0 && want.Bit(0) == 1) {
			want.Add(want, big.NewInt(1))
		}
		if got := s.root(uint256.NewInt(1<<40), way); got.ToBig().Cmp(want) != 0 {
			r.Fatalf("%s, want %s, which is %s rounded", got.Dec(), want, y)
		}
	})
}
