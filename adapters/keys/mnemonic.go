package keys

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tyler-smith/go-bip39"
)

// Why a mnemonic is refused. The errors name places in it, never its words.
var (
	ErrWords    = errors.New("number of words")
	ErrWord     = errors.New("not a word of the English BIP-39 list")
	ErrChecksum = errors.New("the words do not belong together: one is wrong, or two changed places")
)

// maxMnemonic is more bytes than 24 words of the list can have, with room for
// careless spacing.
const maxMnemonic = 1 << 10

// New returns a new mnemonic of 24 words. Whoever knows it owns everything.
func New() (string, error) {
	entropy, err := bip39.NewEntropy(256)
	if err != nil {
		return "", fmt.Errorf("keys: no randomness: %w", err)
	}
	return bip39.NewMnemonic(entropy)
}

// Restore derives the keys of a mnemonic of 12, 15, 18, 21 or 24 words, in any
// case and spacing. Errors: ErrWords, ErrWord with the word's position,
// ErrChecksum.
func Restore(mnemonic string) (*Keyring, error) {
	mnemonic, err := tidy(mnemonic)
	if err != nil {
		return nil, err
	}
	return keyring(bip39.NewSeed(mnemonic, ""))
}

// tidy checks a mnemonic and gives it the spelling from which the seed is made.
// Errors: as Restore.
func tidy(mnemonic string) (string, error) {
	if len(mnemonic) > maxMnemonic {
		return "", fmt.Errorf("mnemonic: %w: far too many, in %d bytes", ErrWords, len(mnemonic))
	}
	words := strings.Fields(strings.ToLower(mnemonic))
	if n := len(words); n < 12 || n > 24 || n%3 != 0 {
		return "", fmt.Errorf("mnemonic: %w: %d, want 12, 15, 18, 21 or 24", ErrWords, n)
	}
	for i, w := range words {
		if _, ok := bip39.GetWordIndex(w); !ok {
			return "", fmt.Errorf("mnemonic: word %d of %d: %w", i+1, len(words), ErrWord)
		}
	}
	mnemonic = strings.Join(words, " ")
	if _, err := bip39.EntropyFromMnemonic(mnemonic); err != nil {
		return "", fmt.Errorf("mnemonic: %w", ErrChecksum)
	}
	return mnemonic, nil
}
