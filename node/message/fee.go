// Package message is what parties say to each other off chain. So far it holds
// what a mediator asks for passing a payment on: the fee arithmetic.
//
//	        amountIn                 amountOut
//	payer ───────────▶ mediator ───────────────▶ payee
//	            in: End            out: End
//
//	[Forward]  the mediator: amountIn is known, amountOut is sought
//	[Backward] the path finder: amountOut is known, amountIn is sought
//
// Both solve one equation, amountIn - amountOut = fee(amountIn, amountOut),
// exactly, and round once, half to even. No floating point is in it.
//
// Start reading at [Schedule], then [Forward]. fee.go has the rule and its
// closed form, curve.go the equation with curves, schedule.go what is said and
// checked, price.go what operators and payers compute from it.
package message

import (
	"fmt"
	"math/bits"

	"github.com/holiman/uint256"

	"photon/contracts"
)

// million is the denominator of Proportional.
const million = 1_000_000

// An End is one channel of a mediator, as he sees it.
type End struct {
	Fees       Schedule
	Balance    contracts.Amount // what he owns in it
	Receivable contracts.Amount // what his partner can still send him; of no meaning where he sends
}

// Forward returns what a mediator passes on of amountIn: the smallest x above 0
// with x = amountIn - fee(amountIn, x), at most out.Balance.
// Errors: ErrNoAmount, ErrTooBig, ErrCap.
func Forward(amountIn contracts.Amount, in, out *End) (contracts.Amount, error) {
	if err := passable(amountIn, in.Receivable, in, out); err != nil {
		return contracts.Amount{}, err
	}
	if len(in.Fees.Imbalance)+len(out.Fees.Imbalance) > 0 {
		return curved(amountIn, in, out, true)
	}
	// x·(1e6+po) = w·1e6 - flats·1e6 - w·pi
	num, less := scaled(amountIn, million), scaled(amountIn, uint64(in.Fees.Proportional))
	flats := flatsOf(in, out)
	less.Add(&less, &flats)
	if num.Lt(&less) {
		return none("the fee exceeds the amount %s", amountIn)
	}
	num.Sub(&num, &less)
	return bounded(&num, million+uint64(out.Fees.Proportional), out.Balance)
}

// Backward returns what a mediator must be sent to pass amountOut on: the
// smallest x above 0 with x = amountOut + fee(x, amountOut), at most
// in.Receivable and, where a curve is, at most out.Balance.
// Errors: ErrNoAmount, ErrTooBig, ErrCap.
func Backward(amountOut contracts.Amount, in, out *End) (contracts.Amount, error) {
	if err := passable(amountOut, out.Balance, in, out); err != nil {
		return contracts.Amount{}, err
	}
	if len(in.Fees.Imbalance)+len(out.Fees.Imbalance) > 0 {
		return curved(amountOut, in, out, false)
	}
	// x·(1e6-pi) = a·(1e6+po) + flats·1e6
	if in.Fees.Proportional >= million {
		return none("a fee of %d ppm leaves nothing", in.Fees.Proportional)
	}
	num, flats := scaled(amountOut, million+uint64(out.Fees.Proportional)), flatsOf(in, out)
	num.Add(&num, &flats)
	return bounded(&num, million-uint64(in.Fees.Proportional), in.Receivable)
}

// passable checks what both directions ask of the amount that is known.
func passable(known, top contracts.Amount, in, out *End) error {
	if in.Fees.Cap != out.Fees.Cap {
		return fmt.Errorf("%w: in %t, out %t", ErrCap, in.Fees.Cap, out.Fees.Cap)
	}
	if tooBig(&known) || tooBig(&in.Balance) || tooBig(&in.Receivable) || tooBig(&out.Balance) ||
		tooBig(&in.Fees.Flat) || tooBig(&out.Fees.Flat) {
		return ErrTooBig
	}
	if top.Less(known) {
		return fmt.Errorf("%w: %s exceeds the channel's %s", ErrNoAmount, known, top)
	}
	return nil
}

// none is the refusal of an amount, with the figures that decided.
func none(format string, args ...any) (contracts.Amount, error) {
	return contracts.Amount{}, fmt.Errorf("%w: "+format, append([]any{ErrNoAmount}, args...)...)
}

// scaled is a·n. It cannot overflow: a is below 2^208 and n below 2^34.
func scaled(a contracts.Amount, n uint64) (z uint256.Int) {
	u := words(&a)
	var f uint256.Int
	f.SetUint64(n)
	z.Mul(&u, &f)
	return z
}

// flatsOf is the sum of both flat fees in millionths.
func flatsOf(in, out *End) uint256.Int {
	a, b := scaled(in.Fees.Flat, million), scaled(out.Fees.Flat, million)
	a.Add(&a, &b)
	return a
}

// bounded is num/den, rounded half to even, where the exact quotient is at most top
// and what is rounded is above 0.
func bounded(num *uint256.Int, den uint64, top contracts.Amount) (contracts.Amount, error) {
	if limit := scaled(top, den); num.Gt(&limit) {
		return none("more than the channel's %s", top)
	}
	// One word of the divisor: schoolbook, a word at a time.
	var q uint256.Int
	var rest uint64
	for i := 3; i >= 0; i-- {
		if num[i]|rest != 0 {
			q[i], rest = bits.Div64(rest, num[i], den)
		}
	}
	if twice := 2 * rest; twice > den || (twice == den && q[0]&1 == 1) {
		q.AddUint64(&q, 1)
	}
	if q.IsZero() {
		return none("nothing is left")
	}
	return contracts.AmountOf(&q), nil
}
