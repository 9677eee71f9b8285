package message

import (
	"math/bits"

	"github.com/holiman/uint256"
)

// A part is a proper fraction num/den, 0 <= num < den < 2^130.
type part struct{ num, den uint256.Int }

// An exact is a number: whole, signed in two's complement, and the sum of its
// parts, none of which is zero. A fee adds at most four fractions of unlike
// denominators; they are kept side by side, and multiplied out only where the
// whole does not already decide.
type exact struct {
	whole uint256.Int
	parts [4]part
	n     int // parts in use
}

// one is the denominator of what is no fraction.
var one = part{den: uint256.Int{1}}

// add adds whole + p.
func (e *exact) add(whole *uint256.Int, p *part) {
	e.whole.Add(&e.whole, whole)
	if !p.num.IsZero() {
		e.parts[e.n] = *p
		e.n++
	}
}

// sub takes whole + p away: -p is 1-p less one.
func (e *exact) sub(whole *uint256.Int, p *part) {
	e.whole.Sub(&e.whole, whole)
	if !p.num.IsZero() {
		e.whole.SubUint64(&e.whole, 1)
		e.parts[e.n].num.Sub(&p.den, &p.num)
		e.parts[e.n].den = p.den
		e.n++
	}
}

// sign is -1, 0 or 1.
func (e *exact) sign() int { return e.cmp(new(uint256.Int), &one) }

// cmp is -1, 0 or 1 as e is less than, equal to or more than whole + p.
func (e *exact) cmp(whole *uint256.Int, p *part) int {
	var k uint256.Int
	if k.Sub(whole, &e.whole).Sign() < 0 {
		return 1
	}
	if e.n == 0 {
		if k.IsZero() && p.num.IsZero() {
			return 0
		}
		return -1
	}
	if !k.IsUint64() || k[0] >= uint64(e.n) {
		return -1 // the parts are less than one each
	}
	return e.cmpParts(k[0], p)
}

// cmpParts compares the sum of the parts with k + p, over their common
// denominator: at most 4*130 + 132 bits.
func (e *exact) cmpParts(k uint64, p *part) int {
	var left, right wide
	for i := range e.parts[:e.n] {
		term := wide{1}
		term.mul(&e.parts[i].num)
		for j := range e.parts[:e.n] {
			if j != i {
				term.mul(&e.parts[j].den)
			}
		}
		term.mul(&p.den)
		left.add(&term)
	}
	var top uint256.Int
	top.Mul(&p.den, uint256.NewInt(k))
	top.Add(&top, &p.num)
	right = wide{1}
	right.mul(&top)
	for i := range e.parts[:e.n] {
		right.mul(&e.parts[i].den)
	}
	return left.cmp(&right)
}

// A wide is a number below 2^704, least limb first.
type wide [11]uint64

func (w *wide) mul(by *uint256.Int) {
	var out wide
	for i, x := range w {
		if x == 0 {
			continue
		}
		var carry uint64
		for j := 0; i+j < len(out); j++ {
			if j >= len(by) && carry == 0 {
				break
			}
			var y uint64
			if j < len(by) {
				y = by[j]
			}
			hi, lo := bits.Mul64(x, y)
			var c uint64
			lo, c = bits.Add64(lo, carry, 0)
			hi += c
			out[i+j], c = bits.Add64(out[i+j], lo, 0)
			carry = hi + c
		}
	}
	*w = out
}

func (w *wide) add(v *wide) {
	var carry uint64
	for i := range w {
		w[i], carry = bits.Add64(w[i], v[i], carry)
	}
}

func (w *wide) cmp(v *wide) int {
	for i := len(w) - 1; i >= 0; i-- {
		if w[i] != v[i] {
			if w[i] < v[i] {
				return -1
			}
			return 1
		}
	}
	return 0
}

// mulDiv returns x*y/d rounded down and the rest. The quotient must be below
// 2^256, and d not zero.
func mulDiv(x, y, d *uint256.Int) (q, r uint256.Int) {
	if x.BitLen()+y.BitLen() > 256 {
		q.MulDivOverflow(x, y, d)
		r.Mul(x, y) // the low 256 bits are enough: the rest is below d
		var taken uint256.Int
		r.Sub(&r, taken.Mul(&q, d))
		return q, r
	}
	r.Mul(x, y)
	if !d.IsUint64() {
		q.DivMod(&r, d, &r)
		return q, r
	}
	r[0] = divide(&q, &r, 0, d[0])
	r[1], r[2], r[3] = 0, 0, 0
	return q, r
}

// divide sets q to (high*2^256 + n)/d rounded down and returns the rest; high is
// below d. One limb is what mostly is divided by, and then this is fast.
func divide(q, n *uint256.Int, high, d uint64) (rest uint64) {
	rest = high
	for i := 3; i >= 0; i-- {
		switch limb := n[i]; {
		case rest != 0:
			q[i], rest = bits.Div64(rest, limb, d)
		case limb < d:
			q[i], rest = 0, limb
		default:
			q[i], rest = limb/d, limb%d
		}
	}
	return rest
}

// halfEven rounds q + r/d to the nearest, a tie to the even one. odd says whether
// what q is added to is odd.
func halfEven(q, r, d *uint256.Int, odd bool) uint256.Int {
	var rest uint256.Int
	rest.Sub(d, r) // r against d-r is 2r against d, and does not overflow
	c := r.Cmp(&rest)
	if c > 0 || (c == 0 && (q[0]&1 == 1) != odd) {
		rest.AddUint64(q, 1)
		return rest
	}
	return *q
}
