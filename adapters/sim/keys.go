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

// AccountKey is the key of the account on ETH and SMT, one for both.
func (k Keys) AccountKey() *ecdsa.PrivateKey {
	b := k.derive("account")
	key, err := crypto.ToECDSA(b[:])
	if err != nil {
		panic(fmt.Sprintf("sim: key of %s: %v", string(k), err)) // one of 2^127
	}
	return key
}

// Account is the account on ETH and SMT.
func (k Keys) Account() contracts.Address { return crypto.PubkeyToAddress(k.AccountKey().PublicKey) }

// InvoiceSecret is the secret of the invoice with this number.
func (k Keys) InvoiceSecret(number uint64) contracts.Secret { return k.derive("invoice", number) }

// SignDigest signs with the account's key.
func (k Keys) SignDigest(digest contracts.Hash) (contracts.Signature, error) {
	raw, err := crypto.Sign(digest[:], k.AccountKey())
	if err != nil {
		return contracts.Signature{}, fmt.Errorf("sign as %s: %w", string(k), err)
	}
	return contracts.ParseSignature(raw)
}
