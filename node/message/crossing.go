package message

import "github.com/holiman/uint256"

// reach is beyond every amount that a curve can meet: balances, penalties and
// flat fees are below 2^128 and a proportional fee leaves at least a millionth.
const reach = 160 // bits

// A walk is the channel on which the amount x is still to be found. In
// millionths of a unit it makes of x
//
//	worth(x) = rate*x - penalty(start+x)   on the incoming channel (up)
//	worth(x) = rate*x + penalty(start-x)   on the outgoing one
//
// and x is right where this crosses a number that is known.
type walk struct {
	rate  uint64
	curve *Curve // nil: no penalty
	start uint256.Int
	up    bool
}

// balance is what the node owns when x has passed.
func (w *walk) balance(x *uint256.Int) (b uint256.Int) {
	if w.up {
		b.Add(&w.start, x)
	} else {
		b.Sub(&w.start, x)
	}
	return b
}

// line is the line that x is on; 0 without a curve and -1 outside of it.
func (w *walk) line(x *uint256.Int) int {
	if w.curve == nil {
		return 0
	}
	b := w.balance(x)
	return w.curve.line(&b)
}

// worth is worth(x) on line i, in millionths.
func (w *walk) worth(x *uint256.Int, i int) (whole uint256.Int, p part) {
	whole = uint256.Int{w.rate}
	whole.Mul(&whole, x)
	if w.curve == nil {
		return whole, one
	}
	b := w.balance(x)
	y, p := w.curve.at(i, &b)
	if !w.up {
		whole.Add(&whole, &y)
		return whole, p
	}
	whole.Sub(&whole, &y)
	if !p.num.IsZero() {
		whole.SubUint64(&whole, 1)
		p.num.Sub(&p.den, &p.num)
	}
	return whole, p
}

// penalty takes the penalty at x from e, or adds it.
func (w *walk) penalty(e *exact, x *uint256.Int, i int, take bool) {
	if w.curve == nil {
		return
	}
	b := w.balance(x)
	whole, p := w.curve.at(i, &b)
	if take {
		e.sub(&whole, &p)
	} else {
		e.add(&whole, &p)
	}
}

// knotAhead returns where the line ends, and worth there, which is whole.
func (w *walk) knotAhead(i int) (x, worth uint256.Int) {
	rate := uint256.Int{w.rate}
	if w.up {
		k := &w.curve.knots[i+1]
		x.Sub(&k.x, &w.start)
		worth.Sub(worth.Mul(&x, &rate), &k.y)
		return x, worth
	}
	k := &w.curve.knots[i]
	x.Sub(&w.start, &k.x)
	worth.Add(worth.Mul(&x, &rate), &k.y)
	return x, worth
}

// A search looks for the first x where worth(x) is what is known.
type search struct {
	walk  *walk
	known *exact
	x     uint256.Int // where it is, on this line
	line  int
	gap   exact // what is known less worth(x)
	end   uint256.Int
}

// crossing returns the first x after s.x and up to s.end where worth(x) is what
// is known, rounded half to even. The gap at s.x must not be zero.
// Errors: ErrUncovered, ErrCapacity when there is none up to the end.
func (s *search) crossing() (uint256.Int, error) {
	w, way := s.walk, s.gap.sign()
	var start uint256.Int // worth(s.x), once a knot is passed
	for knots := 0; ; knots++ {
		var stop, worth uint256.Int
		p, last := one, true
		if w.curve != nil {
			stop, worth = w.knotAhead(s.line)
			last = s.end.Lt(&stop)
		}
		if last {
			stop = s.end
			worth, p = w.worth(&stop, s.line)
		}
		if s.known.cmp(&worth, &p) != way {
			if knots > 0 {
				s.gap = *s.known
				s.gap.whole.Sub(&s.gap.whole, &start)
			}
			return s.root(&stop, way), nil
		}
		if last || stop.Eq(&s.end) {
			return uint256.Int{}, ErrCapacity
		}
		s.x, start = stop, worth
		if w.up {
			s.line++
		} else {
			s.line--
		}
		if s.line < 0 || s.line > len(w.curve.knots)-2 {
			return uint256.Int{}, ErrUncovered
		}
	}
}

// root returns x where the line meets what is known, at or before stop:
// s.x + gap/slope, and slope is steep/run.
func (s *search) root(stop *uint256.Int, way int) (x uint256.Int) {
	w := s.walk
	run, steep := uint256.Int{1}, uint256.Int{w.rate}
	if w.curve != nil {
		k := &w.curve.knots[s.line]
		run = k.width
		steep.Mul(&steep, &run)
		if k.falls {
			steep.Add(&steep, &k.rise)
		} else {
			steep.Sub(&steep, &k.rise)
			steep.Abs(&steep)
		}
	}
	odd := s.x[0]&1 == 1
	// The gap without sign is from low to low+n: so narrow that q mostly is certain.
	n := uint256.Int{uint64(s.gap.n)}
	low := s.gap.whole
	if way < 0 {
		low.Neg(&low)
		low.Sub(&low, &n)
	}
	if low.Sign() < 0 {
		low.Clear()
	}
	q, r := mulDiv(&low, &run, &steep)
	if s.gap.n == 0 {
		q = halfEven(&q, &r, &steep, odd)
		return *x.Add(&s.x, &q)
	}
	var most, twice uint256.Int
	twice.Lsh(&r, 1)
	most.Lsh(most.Add(&r, most.Mul(&n, &run)), 1)
	if most.Lt(&steep) {
		return *x.Add(&s.x, &q)
	}
	var third uint256.Int
	third.Mul(&steep, &uint256.Int{3})
	if steep.Lt(&twice) && most.Lt(&third) {
		q.AddUint64(&q, 1)
		return *x.Add(&s.x, &q)
	}
	most.Sub(stop, &s.x)
	q = s.gap.nearest(q, most, &run, &steep, odd, way)
	return *x.Add(&s.x, &q)
}

// nearest rounds |e|*run/steep half to even, where the result is between low and
// high: bisection, each step of which is exact.
func (e *exact) nearest(low, high uint256.Int, run, steep *uint256.Int, odd bool, way int) uint256.Int {
	for low.Lt(&high) {
		var mid uint256.Int
		mid.Rsh(mid.Add(&low, &high), 1)
		switch c := e.cmpHalf(&mid, run, steep, way); {
		case c > 0 || (c == 0 && (mid[0]&1 == 1) != odd):
			low.AddUint64(&mid, 1)
		default:
			high = mid
		}
	}
	return low
}

// cmpHalf compares |e|*run/steep with m + 1/2; that is |e| with
// (2m+1)*steep / (2*run).
func (e *exact) cmpHalf(m, run, steep *uint256.Int, way int) int {
	var p part
	var odd uint256.Int
	odd.AddUint64(odd.Lsh(m, 1), 1)
	p.den.Lsh(run, 1)
	q, r := mulDiv(&odd, steep, &p.den)
	p.num = r
	if way > 0 {
		return e.cmp(&q, &p)
	}
	q.Neg(&q)
	if !r.IsZero() {
		q.SubUint64(&q, 1)
		p.num.Sub(&p.den, &r)
	}
	return -e.cmp(&q, &p)
}
