package message

import (
	"fmt"
	"math/big"

	"photon/contracts"
)

// A Hop is a mediator of a route.
type Hop struct{ In, Out End }

// BackwardRoute returns what passes each channel of a route, from the payer's to
// the target's, that gets amount. Errors: those of Backward.
func BackwardRoute(amount contracts.Amount, hops []Hop) ([]contracts.Amount, error) {
	all := make([]contracts.Amount, len(hops)+1)
	all[len(hops)] = amount
	for i := len(hops) - 1; i >= 0; i-- {
		var err error
		if all[i], err = Backward(all[i+1], &hops[i].In, &hops[i].Out); err != nil {
			return nil, fmt.Errorf("mediator %d: %w", i, err)
		}
	}
	return all, nil
}

// ForwardRoute returns what passes each channel of a route when amount is sent.
// Errors: those of Forward.
func ForwardRoute(amount contracts.Amount, hops []Hop) ([]contracts.Amount, error) {
	all := append(make([]contracts.Amount, 0, len(hops)+1), amount)
	for i := range hops {
		next, err := Forward(all[i], &hops[i].In, &hops[i].Out)
		if err != nil {
			return nil, fmt.Errorf("mediator %d: %w", i, err)
		}
		all = append(all, next)
	}
	return all, nil
}

// PerChannelPPM turns a share per mediation p into the share q of each of both
// channels: 1+p = 1+q+q(1+p), rounded half to even.
func PerChannelPPM(perHop uint32) uint32 {
	p := uint64(perHop)
	num, den := p*million, 2*million+p
	q, r := num/den, num%den
	if 2*r > den || (2*r == den && q&1 == 1) {
		q++
	}
	return uint32(q)
}

// PerChannelFlat is half of a flat fee per mediation, rounded down.
func PerChannelFlat(perHop contracts.Amount) contracts.Amount {
	u := words(&perHop)
	u.Rsh(&u, 1)
	return contracts.AmountOf(&u)
}

// SafeAmount is what a payer sends for amount at an estimated fee: both, and where
// the fee is not 0 a margin of 3% of it and 0.05% of amount, rounded up.
// Errors: ErrTooBig, ErrNoAmount.
func SafeAmount(amount contracts.Amount, fee Delta) (contracts.Amount, error) {
	if tooBig(&amount) || tooBig(&fee.size) {
		return contracts.Amount{}, ErrTooBig
	}
	sum := whole(amount)
	if !fee.size.IsZero() {
		margin := new(big.Int).Mul(whole(fee.size), big.NewInt(300))
		margin.Add(margin, new(big.Int).Mul(sum, big.NewInt(5)))
		margin.Add(margin, big.NewInt(9999)).Div(margin, big.NewInt(10000))
		sum.Add(sum, fee.big()).Add(sum, margin)
	}
	return ratio{sum, big.NewInt(1)}.rounded()
}

// CheckFee refuses to send more than a fifth above amount. Errors: ErrFeeLimit,
// ErrTooBig.
func CheckFee(amount, sent contracts.Amount) error {
	if tooBig(&amount) || tooBig(&sent) {
		return ErrTooBig
	}
	fifth, _ := amount.Times(contracts.Units(1), contracts.Units(5))
	if limit := amount.Plus(fifth); limit.Less(sent) {
		return fmt.Errorf("%w: %s for %s, at most %s", ErrFeeLimit, sent, amount, limit)
	}
	return nil
}

// grid is num whole numbers from start to stop in even steps.
// Errors: ErrGrid.
func grid(start, stop *big.Int, num int) ([]*big.Int, error) {
	if num < 2 || stop.Cmp(start) < 0 {
		return nil, fmt.Errorf("%w: %d from %s to %s", ErrGrid, num, start, stop)
	}
	all := make([]*big.Int, num)
	span, den := new(big.Int).Sub(stop, start), big.NewInt(int64(num-1))
	for i := range all {
		step := ratio{new(big.Int).Mul(span, big.NewInt(int64(i))), den}.half()
		all[i] = step.Add(step, start)
	}
	return all, nil
}

// curvePoints is how many points ImbalanceCurve has at most.
const curvePoints = 21

// maxImbalance is the steepest curve, in ppm of the capacity.
const maxImbalance = 50_000

// ImbalanceCurve is the U that draws a channel to its middle: c·(|x-o|/o)^b, where
// o is half of the capacity, c is ppm of it and b = min(50000/ppm, 10). It is nil
// where either is 0. Errors: ErrTooBig.
func ImbalanceCurve(capacity contracts.Amount, ppm uint32) ([]Point, error) {
	if tooBig(&capacity) || ppm > maxImbalance {
		return nil, fmt.Errorf("%w: capacity %s, or more than %d ppm: %d", ErrTooBig, capacity, maxImbalance, ppm)
	}
	if capacity.IsZero() || ppm == 0 {
		return nil, nil
	}
	num := curvePoints
	if n, small := capacity.Uint64(); small && n < curvePoints {
		num = int(n) + 1
	}
	c := whole(capacity)
	xs, err := grid(new(big.Int), c, num)
	if err != nil {
		return nil, err
	}
	points := make([]Point, num)
	for i, x := range xs {
		away := new(big.Int).Lsh(x, 1)
		away.Sub(away, c).Abs(away)
		y := power(away, c, ppm)
		y.Mul(y, c).Mul(y, big.NewInt(int64(ppm)))
		if points[i].Balance, err = amountOf(x); err != nil {
			return nil, err
		}
		height := ratio{y, new(big.Int).Lsh(big.NewInt(million), fraction)}.half()
		if points[i].Penalty.size, err = amountOf(height); err != nil {
			return nil, err
		}
	}
	return points, nil
}

// fraction is how many binary digits power carries: 208 for the capacity, and enough
// beyond for every digit of its product to be true.
const fraction = 640

// power is (num/den)^min(50000/ppm, 10) for num at most den, in units of 2^-fraction:
// whole powers by multiplication, the rest by square roots for each bit of the
// exponent's fraction.
func power(num, den *big.Int, ppm uint32) *big.Int {
	base := new(big.Int).Lsh(num, fraction)
	base.Div(base, den)
	n, d := uint64(maxImbalance), uint64(ppm)
	if n > 10*d {
		n, d = 10, 1
	}
	y := new(big.Int).Lsh(big.NewInt(1), fraction)
	if num.Sign() == 0 {
		return new(big.Int)
	}
	if n%d == 0 && num.Cmp(den) == 0 {
		return y
	}
	for range n / d {
		y.Mul(y, base).Rsh(y, fraction)
	}
	root := base
	for rest, i := n%d, 0; rest != 0 && i < fraction; i++ {
		root.Sqrt(root.Lsh(root, fraction))
		if rest *= 2; rest >= d {
			rest -= d
			y.Mul(y, root).Rsh(y, fraction)
		}
	}
	return y
}
