package contracts

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// ErrHash is why a hash or secret is refused.
var ErrHash = errors.New("not 32 bytes in hex")

// A Hash is 32 bytes that name something: a secret (by SHA-256), a transaction,
// a block. It prints as lower-case hex. For BTC and LTC transactions and blocks
// it is in the order that people see, the reverse of the wire's.
type Hash [32]byte

// ParseHash reads 64 hex digits, with or without 0x. Errors: ErrHash.
func ParseHash(s string) (h Hash, err error) {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil || len(b) != len(h) {
		return Hash{}, fmt.Errorf("%w: %.70q", ErrHash, s)
	}
	return Hash(b), nil
}

// String is 64 hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h names nothing.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText prints 64 hex digits.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText prints.
func (h *Hash) UnmarshalText(b []byte) (err error) {
	*h, err = ParseHash(string(b))
	return err
}

// Degenerate reports whether anybody can know a secret of h, or whether h is a
// value that stands for something else: the zero hash, the hash of the zero
// secret. Such a hash locks nothing.
//
// Source: HashLock.sol, BadHash.
func (h Hash) Degenerate() bool { return h.IsZero() || h == Secret{}.Hash() }

// A Secret opens every lock under its hash. It is exactly 32 bytes on every
// chain. It prints as its hash, so that no log or error can show it; only
// [Secret.Reveal] gives it in text.
type Secret [32]byte

// Hash is the SHA-256 of the secret.
func (s Secret) Hash() Hash { return sha256.Sum256(s[:]) }

// Reveal is the secret as 64 hex digits, for the one who may know it.
func (s Secret) Reveal() string { return hex.EncodeToString(s[:]) }

// ParseSecret reads what Reveal gives. Its error does not repeat the input.
func ParseSecret(text string) (s Secret, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(s) {
		return Secret{}, fmt.Errorf("secret: %w", ErrHash)
	}
	return Secret(b), nil
}

// MarshalText is Reveal, for the messages and stores of those who were shown the
// secret. Whoever made it derives it anew and stores nothing.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.Reveal()), nil }

// UnmarshalText reads what MarshalText gives.
func (s *Secret) UnmarshalText(b []byte) (err error) {
	*s, err = ParseSecret(string(b))
	return err
}

// Format prints the secret's hash in place of the secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.text()) }

// LogValue prints the secret's hash in place of the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.text()) }

func (s Secret) text() string { return "secret of " + s.Hash().String() }
