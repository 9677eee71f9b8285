package message

import (
	"testing"

	"photon/contracts"
)

// benchHops are mediators with 100 coins of 18 decimals on each side.
func benchHops(b testing.TB) map[string]Hop {
	b.Helper()
	half, _ := coins.top.Times(contracts.Units(1), contracts.Units(2))
	curve, err := Imbalance(coins.top, 20_000)
	if err != nil {
		b.Fatal(err)
	}
	plain := &Schedule{Flat: contracts.Units(500_000_000_000), Proportional: 1996, Cap: true}
	curved := &Schedule{Flat: plain.Flat, Proportional: plain.Proportional, Imbalance: curve, Cap: true}
	return map[string]Hop{
		"plain":     {plain, plain, half, half, half},
		"curve in":  {curved, plain, half, half, half},
		"two":       {curved, curved, half, half, half},
		"two, long": {curved, curved, half, half, half}, // over ten of the curve's lines
	}
}

func BenchmarkFee(b *testing.B) {
	small := contracts.Units(1_000_000_000_000_000_000)
	long := amountOf(b, "45000000000000000000")
	for _, name := range []string{"plain", "curve in", "two", "two, long"} {
		h := benchHops(b)[name]
		a := small
		if name == "two, long" {
			a = long
		}
		for direction, find := range map[string]func(contracts.Amount) (contracts.Amount, error){"forward": h.Forward, "backward": h.Backward} {
			b.Run(name+"/"+direction, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := find(a); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// The common path allocates nothing.
func TestNothingIsAllocated(t *testing.T) {
	for name, h := range benchHops(t) {
		a := contracts.Units(1_000_000_000_000_000_000)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := h.Forward(a); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Backward(a); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
