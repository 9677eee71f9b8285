package message

import (
	"encoding/json"
	"errors"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"photon/contracts"
)

func drawSchedule(t *rapid.T, cap bool) Schedule {
	s := Schedule{Flat: contracts.Units(rapid.Uint64Range(0, 100).Draw(t, "flat")),
		Proportional: rapid.Uint32Range(0, 50_000).Draw(t, "ppm"), Cap: cap}
	if rapid.Bool().Draw(t, "curve") {
		n := rapid.IntRange(2, 20).Draw(t, "points")
		for i := range n {
			size := rapid.Int64Range(-3000, 3000).Draw(t, "penalty")
			s.Imbalance = append(s.Imbalance, Point{contracts.Units(uint64(i) * 200_000 / uint64(n-1)),
				Delta{size < 0, contracts.Units(uint64(max(size, -size)))}})
		}
	}
	return s
}

func drawEnds(t *rapid.T) (in, out End) {
	cap := rapid.Bool().Draw(t, "cap")
	mine := rapid.Uint64Range(0, 200_000).Draw(t, "balance in")
	in = End{drawSchedule(t, cap), contracts.Units(mine), contracts.Units(200_000 - mine)}
	out = End{drawSchedule(t, cap), contracts.Units(rapid.Uint64Range(0, 200_000).Draw(t, "balance out")), contracts.Amount{}}
	return in, out
}

// What is solved fulfils the written rule, but for the rounding: the gap changes
// its sign, or is 0, within half a unit. A capped mediator never pays.
func TestSolutionFulfilsTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, out := drawEnds(t)
		known := contracts.Units(rapid.Uint64Range(1, 200_000).Draw(t, "amount"))
		forward := rapid.Bool().Draw(t, "forward")
		f, top := Backward, in.Receivable
		if forward {
			f, top = Forward, out.Balance
		}
		x, err := f(known, &in, &out)
		if err != nil {
			if !errors.Is(err, ErrNoAmount) {
				t.Fatal(err)
			}
			return
		}
		if top.Less(x) || (in.Fees.Cap && (forward && known.Less(x) || !forward && x.Less(known))) {
			t.Fatalf("%s for %s", x, known)
		}
		gap := func(x *big.Rat) int {
			w, a := new(big.Rat).SetInt(whole(known)), x
			if !forward {
				w, a = x, w
			}
			fee, is := slowFee(&in, &out, w, a)
			if !is {
				return 0 // half a unit beyond the curve's end
			}
			return fee.Add(fee, a).Cmp(w)
		}
		at, half := new(big.Rat).SetInt(whole(x)), big.NewRat(1, 2)
		low, high := gap(new(big.Rat).Sub(at, half)), gap(new(big.Rat).Add(at, half))
		if mid := gap(at); low*high > 0 && mid != 0 && mid*low > 0 {
			t.Fatalf("no crossing at %s for %s", x, known)
		}
	})
}

// Backward, then forward, gives the amount but for one unit of rounding.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, out := drawEnds(t)
		in.Fees.Imbalance, out.Fees.Imbalance = nil, nil
		amount := contracts.Units(rapid.Uint64Range(1, 100_000).Draw(t, "amount"))
		w, err := Backward(amount, &in, &out)
		if err != nil {
			return
		}
		again, err := Forward(w, &in, &out)
		if err != nil {
			if amount.Plus(contracts.Units(1)).Less(out.Balance) && amount != contracts.Units(1) {
				t.Fatal(err)
			}
			return
		}
		if d := Difference(again, amount); contracts.Units(1).Less(d.size) {
			t.Fatalf("%s after %s, off by %s", again, amount, d)
		}
	})
}

// PRP-001: with U curves as operators have them, uncapped, adding then removing
// fees returns the amount within 1.
func TestRoundTripOverU(t *testing.T) {
	const e16 = 10_000_000_000_000_000
	capacity, _ := contracts.Units(e16).Times(contracts.Units(10_000), contracts.Units(1))
	rapid.Check(t, func(t *rapid.T) {
		curve, err := ImbalanceCurve(capacity, rapid.Uint32Range(0, 50_000).Draw(t, "imbalance"))
		if err != nil {
			t.Fatal(err)
		}
		s := Schedule{Flat: contracts.Units(rapid.Uint64Range(0, 50).Draw(t, "flat")),
			Proportional: PerChannelPPM(rapid.Uint32Range(0, 10_000).Draw(t, "ppm")), Imbalance: curve}
		part := contracts.Units(rapid.Uint64Range(10, 990).Draw(t, "balance"))
		mine, _ := capacity.Times(part, contracts.Units(1000))
		in, out := End{s, capacity.Minus(mine), mine}, End{s, mine, contracts.Amount{}}
		amount := contracts.Units(rapid.Uint64Range(1, 9*e16).Draw(t, "amount"))
		w, err := Backward(amount, &in, &out)
		if err != nil {
			return
		}
		again, err := Forward(w, &in, &out)
		if err != nil {
			return
		}
		if d := Difference(again, amount); contracts.Units(1).Less(d.size) {
			t.Fatalf("%s after %s, off by %s", again, amount, d)
		}
	})
}

func FuzzParseSchedule(f *testing.F) {
	f.Add([]byte(`{"flat":"1","proportional_ppm":2,"imbalance_penalty":[["0","1"],["5","-2"]],"cap_fees":true}`))
	f.Add([]byte(`{"flat":"1","proportional_ppm":2,"imbalance_penalty":null,"cap_fees":false}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSchedule(b)
		if err != nil {
			return
		}
		if again, err := json.Marshal(s); err != nil || string(again) != string(b) {
			t.Fatalf("%s, %v after %s", again, err, b)
		}
		end := End{s, contracts.Units(50), contracts.Units(50)}
		if _, err := Forward(contracts.Units(10), &end, &end); err != nil && !errors.Is(err, ErrNoAmount) {
			t.Fatal(err)
		}
	})
}

func bench(b *testing.B, f func(contracts.Amount, *End, *End) (contracts.Amount, error), curve bool) {
	const e18 = 1_000_000_000_000_000_000
	s := Schedule{Flat: contracts.Units(100), Proportional: 4975, Cap: true}
	if curve {
		var err error
		if s.Imbalance, err = ImbalanceCurve(contracts.Units(2*e18), 20_000); err != nil {
			b.Fatal(err)
		}
	}
	end := End{s, contracts.Units(e18), contracts.Units(e18)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f(contracts.Units(e18/3), &end, &end); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkForward(b *testing.B)       { bench(b, Forward, false) }
func BenchmarkBackward(b *testing.B)      { bench(b, Backward, false) }
func BenchmarkForwardCurve(b *testing.B)  { bench(b, Forward, true) }
func BenchmarkBackwardCurve(b *testing.B) { bench(b, Backward, true) }

// PRP-006: moving a channel forth and back costs the negative of the first fee.
func TestForthAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := End{Fees: Schedule{Imbalance: drawSchedule(t, false).Imbalance}}
		from, to := rapid.Uint64Range(0, 200_000).Draw(t, "from"), rapid.Uint64Range(0, 200_000).Draw(t, "to")
		d := new(big.Int).SetInt64(int64(to) - int64(from))
		e.Balance = contracts.Units(from)
		forth, is := change(&e, d)
		e.Balance = contracts.Units(to)
		back, also := change(&e, d.Neg(d))
		if !is || !also {
			t.Fatal("outside of the curve")
		}
		sum := new(big.Rat).SetFrac(forth.num, forth.den)
		if sum.Add(sum, new(big.Rat).SetFrac(back.num, back.den)).Sign() != 0 {
			t.Fatalf("forth and back costs %s", sum)
		}
	})
}

// PRP-009: where ppm and slopes are below a half, more to pass on costs more.
func TestBackwardAscends(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, out := drawEnds(t)
		if max(len(in.Fees.Imbalance), len(out.Fees.Imbalance)) > 10 {
			t.Skip("too steep") // at most 6000 in a ninth of 200,000
		}
		a := rapid.Uint64Range(1, 100_000).Draw(t, "amount")
		b := rapid.Uint64Range(a, 100_001).Draw(t, "more")
		less, err := Backward(contracts.Units(a), &in, &out)
		more, also := Backward(contracts.Units(b), &in, &out)
		if err == nil && also == nil && more.Less(less) {
			t.Fatalf("%d costs %s, %d costs %s", a, less, b, more)
		}
	})
}
