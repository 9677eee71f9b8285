package contracts

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/btcsuite/btcd/btcec/v2"
)

// ErrTerms is why terms are refused.
var ErrTerms = errors.New("terms of a leg")

// A Party is who may redeem or refund a leg: a compressed public key of 33 bytes
// on BTC and LTC, an address of 20 bytes on ETH and SMT. It prints as hex.
type Party []byte

// String is hex.
func (p Party) String() string { return hex.EncodeToString(p) }

// MarshalText prints hex.
func (p Party) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads hex of at most 33 bytes.
func (p *Party) UnmarshalText(b []byte) error {
	if len(b) > 66 {
		return fmt.Errorf("%w: a party of %d hex digits", ErrTerms, len(b))
	}
	raw, err := hex.DecodeString(string(b))
	if err != nil {
		return fmt.Errorf("%w: a party that is not hex", ErrTerms)
	}
	*p = raw
	return nil
}

// A Form is how a leg lies on its chain.
type Form string

// The forms.
const (
	P2TR     Form = "p2tr"     // Taproot: MuSig2 of both, redeem leaf, refund leaf
	P2WSH    Form = "p2wsh"    // one witness script with both branches
	Contract Form = "contract" // HashLock.sol
)

// MinExpiry is the least time lock: below it Bitcoin and Litecoin read a lock
// time as a block height. MaxExpiry keeps it in 32 bits of a transaction.
//
// Source: Bitcoin Core, LOCKTIME_THRESHOLD.
const (
	MinExpiry = 500_000_000
	MaxExpiry = 1<<32 - 1
)

// Terms are one leg of a swap as both sides agreed it: the Redeemer takes Amount
// with the secret of Hash; from Expiry on the Refunder can take it back.
type Terms struct {
	Asset    Asset
	Amount   Amount // smallest unit
	Hash     Hash   // SHA-256 of the 32-byte secret
	Redeemer Party
	Refunder Party
	Expiry   uint64  // Unix seconds, compared with the chain's own time
	Form     Form    // P2TR or P2WSH on BTC and LTC, Contract on ETH and SMT
	Contract Address // HashLock on ETH and SMT, zero elsewhere
}

// Check reports what would make the leg worthless or ambiguous, whoever asks for
// it. Errors: ErrTerms.
func (t Terms) Check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: %s", ErrTerms, t.Asset.Chain, fmt.Sprintf(format, args...))
	}
	if _, err := ParseChain(string(t.Asset.Chain)); err != nil {
		return err
	}
	if t.Amount.IsZero() {
		return bad("amount 0")
	}
	if t.Hash.Degenerate() {
		return bad("degenerate hash %s", t.Hash)
	}
	if t.Expiry < MinExpiry || t.Expiry > MaxExpiry {
		return bad("expiry %d is not a time", t.Expiry)
	}
	if string(t.Redeemer) == string(t.Refunder) {
		return bad("redeemer and refunder are the same")
	}
	if t.Asset.Chain.EVM() {
		return t.checkContract(bad)
	}
	return t.checkOutput(bad)
}

func (t Terms) checkContract(bad func(string, ...any) error) error {
	if t.Form != Contract || t.Contract == (Address{}) {
		return bad("form %q at contract %s", t.Form, t.Contract)
	}
	for _, p := range []Party{t.Redeemer, t.Refunder} {
		if len(p) != len(Address{}) || Address(p) == (Address{}) {
			return bad("party %s is no address", p)
		}
	}
	return nil
}

func (t Terms) checkOutput(bad func(string, ...any) error) error {
	if t.Form != P2TR && t.Form != P2WSH {
		return bad("form %q", t.Form)
	}
	if t.Contract != (Address{}) || !t.Asset.IsNative() {
		return bad("contract or token on a chain that has none")
	}
	if n, ok := t.Amount.Uint64(); !ok || n > 84e14 {
		return bad("amount %s is above the supply", t.Amount)
	}
	for _, p := range []Party{t.Redeemer, t.Refunder} {
		if len(p) != btcec.PubKeyBytesLenCompressed {
			return bad("party of %d bytes is no compressed key", len(p))
		}
		if _, err := btcec.ParsePubKey(p); err != nil {
			return bad("party %s is no key: %v", p, err)
		}
	}
	// The leaves hold x-only keys: two that differ in parity only are one key.
	if string(t.Redeemer[1:]) == string(t.Refunder[1:]) {
		return bad("redeemer and refunder are the same")
	}
	return nil
}
