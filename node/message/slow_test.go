package message

import "math/big"

// slowFee is the rule as it is written, in rationals: the independent judge of
// the arithmetic.
func slowFee(in, out *End, w, x *big.Rat) (*big.Rat, bool) {
	a, is := slowSide(in, w, 1)
	b, also := slowSide(out, x, -1)
	if !is || !also {
		return nil, false
	}
	if a.Add(a, b); in.Fees.Cap && a.Sign() < 0 {
		a.SetInt64(0)
	}
	return a, true
}

func slowSide(e *End, size *big.Rat, sign int64) (*big.Rat, bool) {
	b := new(big.Rat).SetInt(whole(e.Balance))
	after := new(big.Rat).Add(b, new(big.Rat).Mul(size, big.NewRat(sign, 1)))
	from, is := slowCurve(e.Fees.Imbalance, b)
	to, also := slowCurve(e.Fees.Imbalance, after)
	if !is || !also {
		return nil, false
	}
	fee := new(big.Rat).Mul(size, big.NewRat(int64(e.Fees.Proportional), million))
	fee.Add(fee, new(big.Rat).SetInt(whole(e.Fees.Flat)))
	return fee.Add(fee, to.Sub(to, from)), true
}

func slowCurve(points []Point, x *big.Rat) (*big.Rat, bool) {
	if len(points) == 0 {
		return new(big.Rat), true
	}
	for i := 1; i < len(points); i++ {
		x0, x1 := new(big.Rat).SetInt(whole(points[i-1].Balance)), new(big.Rat).SetInt(whole(points[i].Balance))
		if x.Cmp(x0) < 0 || x.Cmp(x1) > 0 {
			continue
		}
		y0, y1 := new(big.Rat).SetInt(points[i-1].Penalty.big()), new(big.Rat).SetInt(points[i].Penalty.big())
		part := new(big.Rat).Quo(new(big.Rat).Sub(x, x0), new(big.Rat).Sub(x1, x0))
		return y0.Add(y0, part.Mul(part, y1.Sub(y1, y0))), true
	}
	return nil, false
}
