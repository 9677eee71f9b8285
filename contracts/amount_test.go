package contracts_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"photon/contracts"
)

// most is 2^256-1, the largest amount, and above it 2^256.
const (
	most  = "115792089237316195423570985008687907853269984665640564039457584007913129639935"
	above = "115792089237316195423570985008687907853269984665640564039457584007913129639936"
)

func largest(t testing.TB) contracts.Amount {
	t.Helper()
	a, err := contracts.ParseAmount(most)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestParseAmount(t *testing.T) {
	for _, s := range []string{"0", "1", "10", "18446744073709551615", "18446744073709551616", most} {
		if a, err := contracts.ParseAmount(s); err != nil || a.String() != s {
			t.Errorf("%s: %s, %v", s, a, err)
		}
	}
	for _, s := range []string{
		"", " ", "-1", "+1", "00", "01", "1 ", " 1", "1.0", "1e3", "0x1", "1_000", "١", "1\x00", above, "1" + most, strings.Repeat("0", 79), strings.Repeat("9", 1000),
	} {
		if a, err := contracts.ParseAmount(s); !errors.Is(err, contracts.ErrAmount) || !a.IsZero() || len(err.Error()) > 500 {
			t.Errorf("%q: %s, %v", s, a, err)
		}
	}
}

func TestParseDecimal(t *testing.T) {
	rows := []struct {
		s        string
		decimals int
		want     string
		err      error
	}{
		{"0.5", 8, "50000000", nil},
		{"0", 8, "0", nil},
		{"0.0", 8, "0", nil},
		{"00.10", 8, "10000000", nil},
		{"0.00000001", 8, "1", nil},
		{"0.000000001", 8, "", contracts.ErrDecimals},
		{"1.000000000", 8, "", contracts.ErrDecimals}, // zeros, too, are refused
		{"21000000", 8, "2100000000000000", nil},
		{"0.000000000000000001", 18, "1", nil},
		{"1.5", 6, "1500000", nil},
		{"5", 0, "5", nil},
		{"5.0", 0, "", contracts.ErrDecimals},
		{most, 0, most, nil},
		{above, 0, "", contracts.ErrAmount},
		{most, 1, "", contracts.ErrAmount},
		{"", 8, "", contracts.ErrAmount},
		{".", 8, "", contracts.ErrAmount},
		{".5", 8, "", contracts.ErrAmount},
		{"5.", 8, "", contracts.ErrAmount},
		{"-1", 8, "", contracts.ErrAmount},
		{"+1", 8, "", contracts.ErrAmount},
		{"1,5", 8, "", contracts.ErrAmount},
		{"1.2.3", 8, "", contracts.ErrAmount},
		{"1e3", 8, "", contracts.ErrAmount},
		{"0x1", 8, "", contracts.ErrAmount},
		{" 1", 8, "", contracts.ErrAmount},
		{"1.-5", 8, "", contracts.ErrAmount},
		{"0.-0", 8, "", contracts.ErrAmount},
	}
	for _, row := range rows {
		a, err := contracts.ParseDecimal(row.s, row.decimals)
		if !errors.Is(err, row.err) || (err != nil) != (row.err != nil) || (err == nil && a.String() != row.want) {
			t.Errorf("%q of %d decimals: %s, %v; want %s, %v", row.s, row.decimals, a, err, row.want, row.err)
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, row := range []struct {
		units    uint64
		decimals int
		want     string
	}{
		{0, 8, "0"}, {0, 0, "0"}, {1, 8, "0.00000001"}, {100_000_000, 8, "1"}, {150_000_000, 8, "1.5"}, {10, 0, "10"},
		{99_999_999, 8, "0.99999999"}, {1_000_000_000_000_000_000, 18, "1"}, {1, 18, "0.000000000000000001"}, {1_234_567, 6, "1.234567"},
	} {
		if got := contracts.Units(row.units).Decimal(row.decimals); got != row.want {
			t.Errorf("%d of %d decimals: %q, want %q", row.units, row.decimals, got, row.want)
		}
	}
}

func anyAmount(r *rapid.T, name string) contracts.Amount {
	raw := rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(r, name)
	return contracts.AmountOf(new(uint256.Int).SetBytes(raw))
}

func bigOf(a contracts.Amount) *big.Int { return a.Uint256().ToBig() }

// Amounts count as numbers do, and every text that they print is read back.
func TestAmountsCount(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		a, b, c := anyAmount(r, "a"), anyAmount(r, "b"), anyAmount(r, "c")
		x, y, z := bigOf(a), bigOf(b), bigOf(c)
		if a.Cmp(b) != x.Cmp(y) || a.Less(b) != (x.Cmp(y) < 0) || a.IsZero() != (x.Sign() == 0) || a.String() != x.String() {
			r.Fatalf("%s and %s", a, b)
		}
		if n, ok := a.Uint64(); ok != x.IsUint64() || (ok && n != x.Uint64()) {
			r.Fatalf("%s is %d, %v", a, n, ok)
		}
		if sum := new(big.Int).Add(x, y); panics(func() { _ = a.Plus(b) }) != (sum.BitLen() > 256) {
			r.Fatalf("%s + %s", a, b)
		} else if sum.BitLen() <= 256 && bigOf(a.Plus(b)).Cmp(sum) != 0 {
			r.Fatalf("%s + %s = %s", a, b, a.Plus(b))
		}
		if panics(func() { _ = a.Minus(b) }) != a.Less(b) {
			r.Fatalf("%s - %s", a, b)
		} else if !a.Less(b) && a.Minus(b).Plus(b) != a {
			r.Fatalf("%s - %s = %s", a, b, a.Minus(b))
		}
		q, ok := a.Times(b, c)
		if z.Sign() == 0 {
			if ok {
				r.Fatal("divided by nothing")
			}
		} else if want := new(big.Int).Div(new(big.Int).Mul(x, y), z); ok != (want.BitLen() <= 256) || (ok && bigOf(q).Cmp(want) != 0) {
			r.Fatalf("%s * %s / %s = %s, %v", a, b, c, q, ok)
		}
		decimals := rapid.SampledFrom([]int{0, 1, 6, 8, 18, 77}).Draw(r, "decimals")
		if back, err := contracts.ParseDecimal(a.Decimal(decimals), decimals); err != nil || back != a {
			r.Fatalf("%s of %d decimals came back as %s, %v", a.Decimal(decimals), decimals, back, err)
		}
		raw, err := json.Marshal(a)
		if err != nil {
			r.Fatal(err)
		}
		var back contracts.Amount
		if err := json.Unmarshal(raw, &back); err != nil || back != a || string(raw) != `"`+a.String()+`"` {
			r.Fatalf("%s came back as %s, %v", raw, back, err)
		}
	})
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// What an amount gives away does not lead back into it.
func TestAmountIsAValue(t *testing.T) {
	n := uint256.NewInt(5)
	a := contracts.AmountOf(n)
	n.SetUint64(6)
	a.Uint256().SetUint64(7)
	if a != contracts.Units(5) {
		t.Errorf("it became %s", a)
	}
	if !panics(func() { _ = largest(t).Plus(contracts.Units(1)) }) || !panics(func() { _ = contracts.Units(0).Minus(contracts.Units(1)) }) {
		t.Error("an amount wrapped around")
	}
}

// An amount is never a bare number in JSON: readers would round it.
func TestAmountJSONIsText(t *testing.T) {
	for _, raw := range []string{`5`, `5.0`, `"5.0"`, `"-5"`, `""`, `true`, `{}`, `["5"]`} {
		a := contracts.Units(9)
		if err := json.Unmarshal([]byte(raw), &a); err == nil {
			t.Errorf("%s gives %s", raw, a)
		}
	}
}

func FuzzParseAmount(f *testing.F) {
	for _, s := range []string{"0", "1", "01", "-1", most, above, "1e3", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := contracts.ParseAmount(s); err == nil && a.String() != s {
			t.Fatalf("%q reads as %s", s, a)
		} else if err != nil && !errors.Is(err, contracts.ErrAmount) {
			t.Fatal(err)
		}
	})
}

func FuzzParseDecimal(f *testing.F) {
	f.Add("0.5", uint8(8))
	f.Add("0.000000000000000001", uint8(18))
	f.Add("00.10", uint8(2))
	f.Add("1.-5", uint8(8))
	f.Add("0.", uint8(0))
	f.Add(most, uint8(0))
	f.Fuzz(func(t *testing.T, s string, n uint8) {
		decimals := int(n % 78)
		a, err := contracts.ParseDecimal(s, decimals)
		if err != nil {
			if !errors.Is(err, contracts.ErrAmount) && !errors.Is(err, contracts.ErrDecimals) {
				t.Fatal(err)
			}
			return
		}
		want, ok := new(big.Rat).SetString(s)
		if !ok || strings.ContainsAny(s, "/eEpPxX_+-") {
			t.Fatalf("%q reads as %s", s, a)
		}
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
		if got := new(big.Rat).SetFrac(bigOf(a), scale); got.Cmp(want) != 0 {
			t.Fatalf("%q of %d decimals reads as %s", s, decimals, a)
		}
	})
}
