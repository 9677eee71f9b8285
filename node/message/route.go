package message

import (
	"fmt"

	"github.com/holiman/uint256"

	"photon/contracts"
)

// Quote returns what passes each channel of a route for amount to reach the
// target, in order of travel: the first is what the initiator sends, the last is
// amount. route holds the mediators in the same order; what initiator and target
// ask is no part of it. Errors: as of Hop.Backward, with the mediator's place.
func Quote(route []Hop, amount contracts.Amount) ([]contracts.Amount, error) {
	sums := make([]contracts.Amount, len(route)+1)
	sums[len(route)] = amount
	for i := len(route) - 1; i >= 0; i-- {
		in, err := route[i].Backward(sums[i+1])
		if err != nil {
			return nil, fmt.Errorf("mediator %d of %d, to send %s: %w", i+1, len(route), sums[i+1], err)
		}
		sums[i] = in
	}
	return sums, nil
}

// Pass returns what passes each channel of a route when sent enters it. The last
// is what the target receives. Errors: as of Hop.Forward, with the mediator's place.
func Pass(route []Hop, sent contracts.Amount) ([]contracts.Amount, error) {
	sums := make([]contracts.Amount, len(route)+1)
	sums[0] = sent
	for i := range route {
		out, err := route[i].Forward(sums[i])
		if err != nil {
			return nil, fmt.Errorf("mediator %d of %d, of %s: %w", i+1, len(route), sums[i], err)
		}
		sums[i+1] = out
	}
	return sums, nil
}

// WithMargin returns what an initiator sends for amount to arrive when quoted is
// what Quote said: quoted and, if there is any fee, 3% of it (with no sign) and
// 0.05% of amount above, rounded up. That is for balances that have moved since.
// Errors: ErrCapacity above 2^256-1.
func WithMargin(amount, quoted contracts.Amount) (contracts.Amount, error) {
	if quoted == amount {
		return amount, nil
	}
	fee := new(uint256.Int).Sub(quoted.Uint256(), amount.Uint256())
	if quoted.Less(amount) {
		fee.Neg(fee)
	}
	// 300*fee + 5*amount over 10,000, each with its rest.
	const whole = 10_000
	d := uint256.NewInt(whole)
	q, r := mulDiv(fee, uint256.NewInt(300), d)
	p, s := mulDiv(amount.Uint256(), uint256.NewInt(5), d)
	q.Add(&q, &p)
	q.AddUint64(&q, (r.Uint64()+s.Uint64()+whole-1)/whole)
	sum, over := new(uint256.Int).AddOverflow(quoted.Uint256(), &q)
	if over {
		return contracts.Amount{}, fmt.Errorf("%w: %s and a margin of %s", ErrCapacity, quoted, q.Dec())
	}
	return contracts.AmountOf(sum), nil
}

// CheckFee refuses to send so much more than amount that fees and margin are
// above a fifth of it, rounded down. Errors: ErrFee.
func CheckFee(amount, sent contracts.Amount) error {
	if !amount.Less(sent) {
		return nil
	}
	limit := contracts.AmountOf(new(uint256.Int).Div(amount.Uint256(), uint256.NewInt(5)))
	if fee := sent.Minus(amount); limit.Less(fee) {
		return fmt.Errorf("%w: %s for %s, at most %s", ErrFee, fee, amount, limit)
	}
	return nil
}

// PerChannel returns the proportional fee of each of a mediator's two channels,
// in ppm, that makes perHop ppm of what the target gets: q with
// 1+p = (1+q)/(1-q), rounded half to even. It is always below a million.
func PerChannel(perHop uint32) uint32 {
	n, d := uint64(perHop)*million, uint64(perHop)+2*million
	q, r := n/d, n%d
	if 2*r > d || (2*r == d && q&1 == 1) {
		q++
	}
	return uint32(q)
}

// FlatPerChannel returns the flat fee of each of a mediator's two channels that
// makes perHop, or one unit less if that is odd.
func FlatPerChannel(perHop contracts.Amount) contracts.Amount {
	return contracts.AmountOf(new(uint256.Int).Rsh(perHop.Uint256(), 1))
}
