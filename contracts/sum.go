package contracts

import (
	"fmt"
	"strings"
)

// A Sum is an amount and what it is an amount of. It is written with its unit:
// "0.5btc", "12smt", "1000wei", "250ETH:0x…" (a token's smallest units).
type Sum struct {
	Asset  Asset
	Amount Amount
}

// units are the names of parts of a coin, and how many decimals each has.
var units = []struct {
	name     string
	chain    Chain
	decimals int
}{
	{"btc", BTC, 8}, {"sat", BTC, 0}, {"ltc", LTC, 8}, {"litoshi", LTC, 0},
	{"eth", ETH, 18}, {"gwei", ETH, 9}, {"wei", ETH, 0}, {"smt", SMT, 18},
}

// ParseSum reads what String prints and every other unit, in any case. More
// decimals than the unit has are refused. Errors: ErrAmount, ErrDecimals,
// ErrChain, ErrAddress.
func ParseSum(s string) (Sum, error) {
	cut := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if cut <= 0 {
		return Sum{}, fmt.Errorf("%w: %.90q wants a number and a unit, such as 0.5btc", ErrAmount, s)
	}
	number, unit := s[:cut], strings.TrimSpace(s[cut:])
	for _, u := range units {
		if strings.EqualFold(unit, u.name) {
			a, err := ParseDecimal(number, u.decimals)
			return Sum{Native(u.chain), a}, err
		}
	}
	asset, err := ParseAsset(unit)
	if err != nil {
		return Sum{}, err
	}
	a, err := ParseDecimal(number, 0) // how many decimals a token has only its contract says
	return Sum{asset, a}, err
}

// String prints whole coins, or a token's smallest units.
func (s Sum) String() string {
	if !s.Asset.IsNative() {
		return s.Amount.String() + s.Asset.String()
	}
	return s.Amount.Decimal(s.Asset.Chain.Decimals()) + strings.ToLower(string(s.Asset.Chain))
}
