package message

import (
	"math/big"

	"photon/contracts"
)

// A ratio is num/den, with den above 0.
type ratio struct{ num, den *big.Int }

// penalty is the curve's value at balance: 0 where there is no curve, and false
// outside of it.
func penalty(curve []Point, balance *big.Int) (ratio, bool) {
	one := big.NewInt(1)
	if len(curve) == 0 {
		return ratio{new(big.Int), one}, balance.Sign() >= 0
	}
	for i := range curve {
		x1 := whole(curve[i].Balance)
		switch c := balance.Cmp(x1); {
		case c == 0:
			return ratio{curve[i].Penalty.big(), one}, true
		case c < 0 && i == 0:
			return ratio{}, false
		case c < 0:
			x0, y0 := whole(curve[i-1].Balance), curve[i-1].Penalty.big()
			rise, run := new(big.Int).Sub(curve[i].Penalty.big(), y0), x1.Sub(x1, x0)
			rise.Mul(rise, new(big.Int).Sub(balance, x0))
			return ratio{rise.Add(rise, y0.Mul(y0, run)), run}, true
		}
	}
	return ratio{}, false
}

// change is the fee of one channel whose balance goes from b to b+d, but for
// the proportional part, in units of 1/den. It is false outside of the curve.
func change(e *End, d *big.Int) (ratio, bool) {
	b := whole(e.Balance)
	from, is := penalty(e.Fees.Imbalance, b)
	to, also := penalty(e.Fees.Imbalance, b.Add(b, d))
	if !is || !also {
		return ratio{}, false
	}
	num := to.num.Mul(to.num, from.den)
	num.Sub(num, from.num.Mul(from.num, to.den))
	den := new(big.Int).Mul(from.den, to.den)
	flat := whole(e.Fees.Flat)
	return ratio{num.Add(num, flat.Mul(flat, den)), den}, true
}

// A walk goes along the unknown amount x from 0 from break to break. Fees are in
// units of 1/scale, which makes them whole at every break, because balances are.
type walk struct {
	forward     bool
	scale       *big.Int
	known       *big.Int // the other amount
	fixed       *big.Int // the fee but for what depends on x
	ppm         *big.Int // scale/1e6 · Proportional of the channel that x changes
	capped      bool
	x, fee, gap *big.Int // the last break, and there the fee and what misses to the equation
}

// curved solves the equation where a curve is.
func curved(known contracts.Amount, in, out *End, forward bool) (contracts.Amount, error) {
	k, fix, free, top := whole(known), in, out, whole(out.Balance)
	d := new(big.Int).Set(k)
	if !forward {
		fix, free, top = out, in, whole(in.Receivable)
		d.Neg(d)
		if b := whole(out.Balance); b.Cmp(top) < 0 { // a curve is followed no further (DER-083)
			top = b
		}
	}
	paid, is := change(fix, d)
	start, also := penalty(free.Fees.Imbalance, whole(free.Balance))
	if !is || !also {
		return none("a balance is outside of its curve")
	}
	unit := new(big.Int).Mul(paid.den, start.den)
	scale := new(big.Int).Mul(unit, big.NewInt(million))
	w := walk{forward: forward, scale: scale, known: k, capped: in.Fees.Cap}
	share := new(big.Int).Mul(unit, big.NewInt(int64(fix.Fees.Proportional)))
	w.ppm = new(big.Int).Mul(unit, big.NewInt(int64(free.Fees.Proportional)))
	w.fixed = paid.num.Mul(paid.num, new(big.Int).Div(scale, paid.den))
	w.fixed.Add(w.fixed, share.Mul(share, k))
	flat := whole(free.Fees.Flat)
	w.fixed.Add(w.fixed, flat.Mul(flat, scale))
	w.fixed.Sub(w.fixed, start.num.Mul(start.num, new(big.Int).Div(scale, start.den)))

	// At x = 0 the curve's value is start, which the scale makes whole too.
	w.x = new(big.Int)
	w.fee = new(big.Int).Add(w.fixed, start.num)
	w.gap = w.gapAt(w.x, w.fee)
	root, found := w.first(free, top)
	if !found || new(big.Int).Mul(top, root.den).Cmp(root.num) < 0 {
		return none("no amount at most %s fulfils the fee for %s", top, known)
	}
	return root.rounded()
}

// first is the first crossing on the way that free's curve draws.
func (w *walk) first(free *End, top *big.Int) (ratio, bool) {
	curve, b := free.Fees.Imbalance, whole(free.Balance)
	if len(curve) == 0 {
		return w.to(top, new(big.Int))
	}
	for n := range curve {
		i := n
		if w.forward {
			i = len(curve) - 1 - n
		}
		x := whole(curve[i].Balance)
		x.Sub(x, b)
		if w.forward {
			x.Neg(x)
		}
		if x.Sign() <= 0 {
			continue
		}
		if root, found := w.to(x, curve[i].Penalty.big()); found || x.Cmp(top) >= 0 {
			return root, found
		}
	}
	return ratio{}, false
}

// to goes on to the break at x, where the curve has this penalty, and returns the
// first crossing on the way.
func (w *walk) to(x, penalty *big.Int) (root ratio, found bool) {
	fee := penalty.Mul(penalty, w.scale)
	fee.Add(fee, w.fixed)
	fee.Add(fee, new(big.Int).Mul(w.ppm, x))
	gap := w.gapAt(x, fee)
	run := new(big.Int).Sub(x, w.x)
	if w.gap.Sign()*gap.Sign() <= 0 {
		root = ratio{new(big.Int).Set(w.x), big.NewInt(1)}
		if w.gap.Sign() != 0 { // x0 + run·gap0/(gap0-gap1)
			root.den = new(big.Int).Sub(w.gap, gap)
			root.num.Mul(root.num, root.den).Add(root.num, new(big.Int).Mul(run, w.gap))
			if root.den.Sign() < 0 {
				root.den.Neg(root.den)
				root.num.Neg(root.num)
			}
		}
		// Capped, a crossing counts only where the fee is not below 0.
		side := root.num.Cmp(new(big.Int).Mul(w.known, root.den))
		found = !w.capped || side == 0 || (side < 0) == w.forward
	}
	if !found && w.capped && w.x.Cmp(w.known) <= 0 && w.known.Cmp(x) <= 0 {
		found, root = w.free(fee, run), ratio{w.known, big.NewInt(1)}
	} else if found && w.capped && !w.forward && w.x.Cmp(w.known) <= 0 && w.known.Cmp(x) <= 0 && w.free(fee, run) {
		root = ratio{w.known, big.NewInt(1)}
	}
	w.x, w.fee, w.gap = x, fee, gap
	return root, found
}

// free reports whether the fee is at most 0 where x is the known amount.
func (w *walk) free(fee, run *big.Int) bool {
	at := new(big.Int).Mul(w.fee, run)
	rise := new(big.Int).Sub(fee, w.fee)
	at.Add(at, rise.Mul(rise, new(big.Int).Sub(w.known, w.x)))
	return at.Sign() <= 0
}

// gapAt is x + fee - known (forward) or x - fee - known: 0 at a crossing.
func (w *walk) gapAt(x, fee *big.Int) *big.Int {
	gap := new(big.Int).Sub(x, w.known)
	gap.Mul(gap, w.scale)
	if w.forward {
		return gap.Add(gap, fee)
	}
	return gap.Sub(gap, fee)
}

// half rounds half to even.
func (r ratio) half() *big.Int {
	q, rest := new(big.Int).DivMod(r.num, r.den, new(big.Int))
	if c := rest.Lsh(rest, 1).Cmp(r.den); c > 0 || (c == 0 && q.Bit(0) == 1) {
		q.Add(q, big.NewInt(1))
	}
	return q
}

// rounded is the amount, which must be above 0.
func (r ratio) rounded() (contracts.Amount, error) {
	q := r.half()
	if q.Sign() <= 0 {
		return none("nothing is left")
	}
	return amountOf(q)
}
