package sim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/ethereum/go-ethereum/crypto"

	"photon/contracts"
)

// Keys are all keys and secrets of a node, made of its name. They are for
// stories and guard nothing.
type Keys string

// derive is 32 bytes of a name and a path.
func (k Keys) derive(path ...any) [32]byte {
	m := hmac.New(sha256.New, []byte(k))
	fmt.Fprintln(m, path...)
	return [32]byte(m.Sum(nil))
}

// Secret is the secret of the trade with this number.
func (k Keys) Secret(number uint64) contracts.Secret { return k.derive("secret", number) }

// Sign signs a digest as the node.
func (k Keys) Sign(digest contracts.Hash) ([]byte, error) {
	sum := k.derive("signature", digest)
	return sum[:], nil
}

// Verify checks what Sign made.
func Verify(identity string, digest contracts.Hash, signature []byte) error {
	if want, err := Keys(identity).Sign(digest); err != nil || !bytes.Equal(want, signature) {
		return errors.Join(err, fmt.Errorf("not signed by %s", identity))
	}
	return nil
}

// SwapKey is the key of one leg on BTC or LTC.
func (k Keys) SwapKey(c contracts.Chain, number uint64) *btcec.PrivateKey {
	return k.outputKey("swap", c, number)
}

func (k Keys) walletKey(c contracts.Chain) *btcec.PrivateKey { return k.outputKey("wallet", c) }

func (k Keys) outputKey(path ...any) *btcec.PrivateKey {
	b := k.derive(path...)
	key, _ := btcec.PrivKeyFromBytes(b[:])
	return key
}

// AccountKey is the key of the account on ETH and SMT.
func (k Keys) AccountKey(c contracts.Chain) *ecdsa.PrivateKey {
	b := k.derive("account", c)
	key, err := crypto.ToECDSA(b[:])
	if err != nil {
		panic(fmt.Sprintf("sim: key of %s: %v", string(k), err)) // one of 2^127
	}
	return key
}
