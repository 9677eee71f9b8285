package contracts

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// Why a name of an asset or address is refused.
var (
	ErrChain   = errors.New("unknown chain")
	ErrAddress = errors.New("not an address of this chain")
)

// A Chain is a ledger on which a leg can lie.
type Chain string

// The chains. Each is also the name of its native coin.
const (
	BTC Chain = "BTC" // Bitcoin; smallest unit 1 satoshi = 10^-8
	LTC Chain = "LTC" // Litecoin; smallest unit 1 litoshi = 10^-8
	ETH Chain = "ETH" // Ethereum; smallest unit 1 wei = 10^-18
	SMT Chain = "SMT" // Spectrum; smallest unit 1 wei = 10^-18
)

// Chains is every chain, in the order in which people see them.
var Chains = []Chain{BTC, LTC, ETH, SMT}

// ParseChain reads a chain's name in any case. Errors: ErrChain.
func ParseChain(s string) (Chain, error) {
	for _, c := range Chains {
		if strings.EqualFold(s, string(c)) {
			return c, nil
		}
	}
	return "", fmt.Errorf("%w: %.20q", ErrChain, s)
}

// EVM reports whether legs on c are held by HashLock.sol; otherwise they are
// outputs.
func (c Chain) EVM() bool { return c == ETH || c == SMT }

// Decimals of the native coin.
func (c Chain) Decimals() int {
	if c.EVM() {
		return 18
	}
	return 8
}

// An Address is an account or contract on ETH or SMT.
type Address = common.Address

// ParseAddress reads 0x and 40 hex digits. Digits in mixed case must carry the
// right EIP-55 checksum. Errors: ErrAddress.
func ParseAddress(s string) (Address, error) {
	if !common.IsHexAddress(s) || !strings.HasPrefix(s, "0x") {
		return Address{}, fmt.Errorf("%w: %.60q", ErrAddress, s)
	}
	a, digits := common.HexToAddress(s), s[2:]
	if digits != strings.ToLower(digits) && digits != strings.ToUpper(digits) && a.Hex() != s {
		return Address{}, fmt.Errorf("%w: %s has a wrong checksum", ErrAddress, s)
	}
	return a, nil
}

// An Asset is what a leg moves: the native coin of a chain, or a token there.
// It is written "BTC", "ETH", "SMT:0x5aAe…".
type Asset struct {
	Chain Chain
	Token Address // zero is the native coin; always zero on BTC and LTC
}

// Native returns the coin of c.
func Native(c Chain) Asset { return Asset{Chain: c} }

// ParseAsset reads what String prints, the chain in any case.
// Errors: ErrChain, ErrAddress.
func ParseAsset(s string) (Asset, error) {
	name, token, has := strings.Cut(s, ":")
	c, err := ParseChain(name)
	if err != nil {
		return Asset{}, err
	}
	if !has {
		return Asset{Chain: c}, nil
	}
	a, err := ParseAddress(token)
	if err != nil {
		return Asset{}, err
	}
	if !c.EVM() || a == (Address{}) {
		return Asset{}, fmt.Errorf("%w: %s has no token %s", ErrAddress, c, token)
	}
	return Asset{c, a}, nil
}

// IsNative reports whether a is the chain's own coin.
func (a Asset) IsNative() bool { return a.Token == (Address{}) }

// String is "BTC" or "SMT:0x…" with the checksum in the address.
func (a Asset) String() string {
	if a.IsNative() {
		return string(a.Chain)
	}
	return string(a.Chain) + ":" + a.Token.Hex()
}

// MarshalText prints String.
func (a Asset) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText prints.
func (a *Asset) UnmarshalText(b []byte) (err error) {
	*a, err = ParseAsset(string(b))
	return err
}
