package peer

import (
	"crypto/ecdsa"
	"fmt"

	ethcrypto "github.com/ethereum/go-ethereum/crypto"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/crypto/pb"
	"github.com/libp2p/go-libp2p/core/peer"

	"photon/contracts"
)

// identityKey reads the 32 bytes of a secp256k1 private key. Errors:
// ErrIdentity.
func identityKey(b []byte) (crypto.PrivKey, error) {
	// libp2p takes numbers that are no private key; go-ethereum does not.
	if _, err := ethcrypto.ToECDSA(b); err != nil {
		return nil, fmt.Errorf("%w: %d bytes are no secp256k1 key", ErrIdentity, len(b))
	}
	key, err := crypto.UnmarshalSecp256k1PrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %d bytes are no secp256k1 key", ErrIdentity, len(b))
	}
	return key, nil
}

// parseIdentity reads an identity in its one spelling, and the public key in
// it. Errors: ErrIdentity.
func parseIdentity(s string) (peer.ID, crypto.PubKey, error) {
	if len(s) > 100 {
		return "", nil, fmt.Errorf("%w: %d letters", ErrIdentity, len(s))
	}
	id, err := peer.Decode(s)
	if err != nil || id.String() != s {
		return "", nil, fmt.Errorf("%w: %q", ErrIdentity, s)
	}
	key, err := id.ExtractPublicKey()
	if err != nil || key.Type() != pb.KeyType_Secp256k1 {
		return "", nil, fmt.Errorf("%w: %s holds no secp256k1 key", ErrIdentity, s)
	}
	return id, key, nil
}

// Identity is the name of the node with these 32 bytes of a secp256k1 private
// key. Errors: ErrIdentity.
func Identity(key []byte) (string, error) {
	k, err := identityKey(key)
	if err != nil {
		return "", err
	}
	id, err := peer.IDFromPrivateKey(k)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	return id.String(), nil
}

// Sign signs a digest with the 32 bytes of an identity's private key: ECDSA over
// the SHA-256 of the digest, in DER, as libp2p signs. Errors: ErrIdentity.
func Sign(key []byte, digest contracts.Hash) ([]byte, error) {
	k, err := identityKey(key)
	if err != nil {
		return nil, err
	}
	return k.Sign(digest[:])
}

// Verify checks what Sign gives by the public key in an identity. Errors:
// ErrIdentity, ErrSignature.
func Verify(identity string, digest contracts.Hash, signature []byte) error {
	_, key, err := parseIdentity(identity)
	if err != nil {
		return err
	}
	if ok, err := key.Verify(digest[:], signature); err != nil || !ok {
		return fmt.Errorf("%w: %d bytes by %s over %s", ErrSignature, len(signature), identity, digest)
	}
	return nil
}

// bindingDigest is what an account signs to say that a node speaks for it.
//
// Source: EIP-191, version 0x45, so that the signature is of no use as a
// transaction.
func bindingDigest(id peer.ID) []byte {
	text := "photon identity" + id.String()
	return ethcrypto.Keccak256(fmt.Appendf(nil, "\x19Ethereum Signed Message:\n%d%s", len(text), text))
}

// bind signs for id with an account.
func bind(account *ecdsa.PrivateKey, id peer.ID) (greeting, error) {
	signature, err := ethcrypto.Sign(bindingDigest(id), account)
	if err != nil {
		return greeting{}, fmt.Errorf("sign for %s: %w", id, err)
	}
	return greeting{account: ethcrypto.PubkeyToAddress(account.PublicKey), signature: [65]byte(signature)}, nil
}

// checkBinding reports whether id is an identity and g's account signed for it.
// Errors: ErrBinding.
func checkBinding(id peer.ID, g greeting) error {
	if _, _, err := parseIdentity(id.String()); err != nil {
		return fmt.Errorf("%w: %w", ErrBinding, err)
	}
	key, err := ethcrypto.SigToPub(bindingDigest(id), g.signature[:])
	if err != nil {
		return fmt.Errorf("%w: %s for %s: %w", ErrBinding, g.account, id, err)
	}
	if by := ethcrypto.PubkeyToAddress(*key); by != g.account {
		return fmt.Errorf("%w: %s for %s: signed by %s", ErrBinding, g.account, id, by)
	}
	return nil
}
