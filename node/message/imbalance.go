package message

import (
	"errors"
	"fmt"

	"github.com/holiman/uint256"

	"photon/contracts"
)

// curvePoints is how many points the default curve has, in a channel that is
// large enough.
const curvePoints = 21

// maxImbalance is the most that the default curve may ask, in ppm of capacity.
const maxImbalance = 50_000

// errGrid is a grid of fewer than two points, or one that falls.
var errGrid = errors.New("not a grid")

// Imbalance returns the default curve of a channel: a U that is zero at half of
// capacity and ppm/1e6 of it at both ends,
//
//	c * (|x-o|/o)^b   with c = capacity*ppm/1e6, o = capacity/2, b = min(50000/ppm, 10)
//
// at 21 balances (all, if capacity is below 20), each penalty rounded half to
// even. Without capacity or ppm it is the zero Curve. Peers exchange the points,
// never ppm. Errors: ErrImbalance, ErrTooLarge.
//
// The power is irrational at most points. It is found in fixed point, to better
// than one in 2^110, and so is the same on every machine.
func Imbalance(capacity contracts.Amount, ppm uint32) (Curve, error) {
	size := capacity.Uint256()
	switch {
	case ppm > maxImbalance:
		return Curve{}, fmt.Errorf("%w: %d", ErrImbalance, ppm)
	case size.BitLen() > 128:
		return Curve{}, fmt.Errorf("%w: capacity %s", ErrTooLarge, capacity)
	case ppm == 0 || size.IsZero():
		return Curve{}, nil
	}
	n := curvePoints
	if size.LtUint64(curvePoints) {
		n = int(size.Uint64()) + 1
	}
	balances, err := grid(contracts.Amount{}, capacity, n)
	if err != nil {
		return Curve{}, err
	}
	// 50000/ppm, at most 10.
	num, den := uint64(maxImbalance), uint64(ppm)
	if num > 10*den {
		num, den = 10, 1
	}
	roots := halvings()
	points := make([]Point, n)
	for i, b := range balances {
		off := new(uint256.Int).Lsh(b.Uint256(), 1)
		off.Sub(off, size)
		off.Abs(off)
		p := penalty(size, uint64(ppm), power(off, size, num, den, &roots))
		points[i] = Point{b, contracts.AmountOf(&p)}
	}
	return NewCurve(points)
}

// grid returns n numbers from start to stop in equal steps, each rounded half to
// even. stop may be at most 2^250.
func grid(start, stop contracts.Amount, n int) ([]contracts.Amount, error) {
	if n < 2 || stop.Less(start) {
		return nil, fmt.Errorf("%w: %d from %s to %s", errGrid, n, start, stop)
	}
	steps, all := uint256.NewInt(uint64(n-1)), make([]contracts.Amount, n)
	for i := range all {
		q, r := mulDiv(stop.Minus(start).Uint256(), uint256.NewInt(uint64(i)), steps)
		q = halfEven(&q, &r, steps, false)
		all[i] = start.Plus(contracts.AmountOf(&q))
	}
	return all, nil
}

// fixed is how many bits a fraction has here: 1 is 1<<fixed. A square fits in
// 256 bits. logBits is how many bits of a logarithm are found.
const (
	fixed   = 127
	logBits = 120
)

// halvings returns 2^(-1/2), 2^(-1/4), 2^(-1/8), … in fixed point.
func halvings() (roots [logBits]uint256.Int) {
	root := new(uint256.Int).Lsh(uint256.NewInt(1), fixed-1)
	for i := range roots {
		root.Sqrt(root.Lsh(root, fixed))
		roots[i] = *root
	}
	return roots
}

// power returns (n/d)^(num/den) in fixed point, for n <= d < 2^129.
func power(n, d *uint256.Int, num, den uint64, roots *[logBits]uint256.Int) (r uint256.Int) {
	if n.IsZero() {
		return r
	}
	// d/n = 2^exponent * m, with m from 1 to 2; the bits of m's logarithm by squaring.
	exponent := d.BitLen() - n.BitLen()
	m := new(uint256.Int).Lsh(d, uint(fixed-exponent))
	if m.Div(m, n); m.BitLen() <= fixed {
		exponent--
		m.Div(m.Lsh(d, uint(fixed-exponent)), n)
	}
	log := uint256.NewInt(uint64(exponent))
	for range logBits {
		log.Lsh(log, 1)
		m.Rsh(m.Mul(m, m), fixed)
		if m.BitLen() > fixed+1 {
			m.Rsh(m, 1)
			log.AddUint64(log, 1)
		}
	}
	log.Div(log.Mul(log, uint256.NewInt(num)), uint256.NewInt(den))
	r.Lsh(uint256.NewInt(1), fixed)
	for i := range roots {
		if log[(logBits-1-i)/64]>>((logBits-1-i)%64)&1 == 1 {
			r.Rsh(r.Mul(&r, &roots[i]), fixed)
		}
	}
	log.Rsh(log, logBits)
	r.Rsh(&r, uint(log.Uint64()))
	return r
}

// penalty returns size * ppm/1e6 * share, share in fixed point, rounded half to
// even. What lies closer to a tie than share is known is a tie.
func penalty(size *uint256.Int, ppm uint64, share uint256.Int) uint256.Int {
	most := new(uint256.Int).Mul(size, uint256.NewInt(ppm))
	d := new(uint256.Int).Lsh(uint256.NewInt(million), fixed)
	q, r := mulDiv(most, &share, d)
	half := new(uint256.Int).Rsh(d, 1)
	off := new(uint256.Int).Sub(&r, half)
	if off.Abs(off); off.Lt(most.Lsh(most, 16)) {
		r = *half
	}
	return halfEven(&q, &r, d, false)
}
