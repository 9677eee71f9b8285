package contracts

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holiman/uint256"
)

// Why an amount is refused.
var (
	ErrAmount   = errors.New("not an amount")
	ErrDecimals = errors.New("more decimals than the asset has")
)

// An Amount is a sum of one asset in its smallest unit (satoshi, litoshi, wei,
// a token's unit). It is never negative and at most 2^256-1.
//
// In JSON and SQL it is a decimal string.
type Amount struct{ n uint256.Int }

// Units returns n smallest units.
func Units(n uint64) Amount { return Amount{*uint256.NewInt(n)} }

// AmountOf returns n smallest units.
func AmountOf(n *uint256.Int) Amount { return Amount{*n} }

// ParseAmount reads a decimal number of smallest units: digits only, no sign,
// no leading zero. Errors: ErrAmount.
func ParseAmount(s string) (Amount, error) {
	if s == "" || len(s) > 78 || strings.Trim(s, "0123456789") != "" || (len(s) > 1 && s[0] == '0') {
		return Amount{}, fmt.Errorf("%w: %.80q", ErrAmount, s)
	}
	var a Amount
	if err := a.n.SetFromDecimal(s); err != nil {
		return Amount{}, fmt.Errorf("%w: %q is above 2^256-1", ErrAmount, s)
	}
	return a, nil
}

// ParseDecimal reads a sum in whole coins, such as "0.5", of an asset with this
// many decimals. Digits beyond them are refused, never rounded.
// Errors: ErrAmount, ErrDecimals.
func ParseDecimal(s string, decimals int) (Amount, error) {
	whole, part, dotted := strings.Cut(s, ".")
	if whole == "" || (dotted && part == "") {
		return Amount{}, fmt.Errorf("%w: %.80q", ErrAmount, s)
	}
	if len(part) > decimals {
		return Amount{}, fmt.Errorf("%w: %.80q has %d, the asset %d", ErrDecimals, s, len(part), decimals)
	}
	digits := strings.TrimLeft(whole+part+strings.Repeat("0", decimals-len(part)), "0")
	if digits == "" && strings.Trim(whole+part, "0") == "" {
		return Amount{}, nil
	}
	return ParseAmount(digits)
}

// Decimal prints a in whole coins of an asset with this many decimals, without
// trailing zeros: ParseDecimal reads it back.
func (a Amount) Decimal(decimals int) string {
	s := a.n.Dec()
	if decimals == 0 {
		return s
	}
	if len(s) <= decimals {
		s = strings.Repeat("0", decimals-len(s)+1) + s
	}
	whole, part := s[:len(s)-decimals], strings.TrimRight(s[len(s)-decimals:], "0")
	if part == "" {
		return whole
	}
	return whole + "." + part
}

// String prints smallest units in decimal.
func (a Amount) String() string { return a.n.Dec() }

// Uint256 returns a copy of the number.
func (a Amount) Uint256() *uint256.Int { return a.n.Clone() }

// Uint64 returns the number, and false when it is above 2^64-1.
func (a Amount) Uint64() (uint64, bool) { return a.n.Uint64(), a.n.IsUint64() }

// IsZero reports whether a is nothing.
func (a Amount) IsZero() bool { return a.n.IsZero() }

// Cmp is -1, 0 or 1 as a is less than, equal to or more than b.
func (a Amount) Cmp(b Amount) int { return a.n.Cmp(&b.n) }

// Less reports whether a is less than b.
func (a Amount) Less(b Amount) bool { return a.n.Lt(&b.n) }

// Plus returns a+b. It panics above 2^256-1: no supply is that large, so the
// sum is a bug in this program, never an input to it.
func (a Amount) Plus(b Amount) (sum Amount) {
	if _, over := sum.n.AddOverflow(&a.n, &b.n); over {
		panic(fmt.Sprintf("contracts: %s + %s overflows", a, b))
	}
	return sum
}

// Minus returns a-b. It panics when b exceeds a: compare first, because a
// negative balance is a bug in this program, never an input to it.
func (a Amount) Minus(b Amount) (rest Amount) {
	if _, under := rest.n.SubOverflow(&a.n, &b.n); under {
		panic(fmt.Sprintf("contracts: %s - %s is below zero", a, b))
	}
	return rest
}

// Times returns a*num/den rounded down, and false when the product does not fit
// 512 bits' quotient into 2^256-1 or den is zero.
func (a Amount) Times(num, den Amount) (Amount, bool) {
	if den.IsZero() {
		return Amount{}, false
	}
	var q Amount
	_, over := q.n.MulDivOverflow(&a.n, &num.n, &den.n)
	return q, !over
}

// MarshalText prints smallest units in decimal.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.n.Dec()), nil }

// UnmarshalText reads what MarshalText prints.
func (a *Amount) UnmarshalText(b []byte) (err error) {
	*a, err = ParseAmount(string(b))
	return err
}
