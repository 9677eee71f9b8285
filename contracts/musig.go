package contracts

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/schnorr/musig2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// Why a joint signature does not come about.
var (
	ErrNonce   = errors.New("not a nonce")
	ErrPartial = errors.New("not the partner's half of this signature")
	ErrUsed    = errors.New("session has been used")
)

// A KeySession makes one joint signature of both parties, by which P2TR is spent
// as if one person held it.
//
//	ours     Nonce ─────────▶ theirs     both then Sign the same transaction,
//	         Nonce ◀─────────            each as he builds it himself
//	one's    Sign  ─────────▶ other's    Combine
//
// It signs once, ever, or not at all: a nonce used twice gives away the key. It
// is never stored; after a restart, or when the partner is silent, it is thrown
// away and the next attempt has a session of its own. One goroutine may use it.
//
// Source: BIP-327.
type KeySession struct {
	script Script
	key    *btcec.PrivateKey
	theirs *btcec.PublicKey
	nonces *musig2.Nonces // the secret half is zero once used; copies share it
	signed *signed        // nil until Sign has succeeded
}

// signed is what Combine needs of Sign.
type signed struct {
	digest     [32]byte
	nonce      [66]byte // of both
	theirNonce [66]byte
	half       *musig2.PartialSignature
}

// NewSession begins a session for the holder of key, who is one of the leg's
// parties. random comes fresh from the machine's generator: it is never derived
// and never used again. Errors: ErrTerms when the form is not P2TR, ErrKey,
// ErrNonce when random is zero.
func (s Script) NewSession(key *btcec.PrivateKey, random [32]byte) (*KeySession, error) {
	if s.terms.Form != P2TR {
		return nil, fmt.Errorf("%w: form %q has no joint signature", ErrTerms, s.terms.Form)
	}
	if random == ([32]byte{}) {
		return nil, fmt.Errorf("%w: made without randomness", ErrNonce)
	}
	k := &KeySession{script: s, key: key}
	keys := s.terms.keys()
	switch pub := key.PubKey(); {
	case pub.IsEqual(keys[0]):
		k.theirs = keys[1]
	case pub.IsEqual(keys[1]):
		k.theirs = keys[0]
	default:
		return nil, fmt.Errorf("%w: key of %x, want %s or %s", ErrKey, pub.SerializeCompressed(), s.terms.Redeemer, s.terms.Refunder)
	}
	var err error
	k.nonces, err = musig2.GenNonces(
		musig2.WithCustomRand(bytes.NewReader(random[:])),
		musig2.WithPublicKey(key.PubKey()),
		musig2.WithNonceSecretKeyAux(key),
		musig2.WithNonceCombinedKeyAux(s.outputKey()),
	)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNonce, err)
	}
	return k, nil
}

// Nonce is what the partner needs to sign.
func (k *KeySession) Nonce() [66]byte { return k.nonces.PubNonce }

// Sign returns our half of the signature for input index of tx. tx must be one
// that we built ourselves; nobody else's hash is ever signed. The first call
// uses the session up, whether or not it succeeds.
// Errors: ErrUsed, ErrOutput, ErrNonce.
func (k *KeySession) Sign(tx *wire.MsgTx, index int, prevs txscript.PrevOutputFetcher, theirNonce [66]byte) ([32]byte, error) {
	secret := k.nonces.SecNonce
	k.nonces.SecNonce = [musig2.SecNonceSize]byte{}
	if secret == ([musig2.SecNonceSize]byte{}) {
		return [32]byte{}, fmt.Errorf("%w: leg of hash %s", ErrUsed, k.script.terms.Hash)
	}
	if _, err := k.script.prev(tx, index, prevs); err != nil {
		return [32]byte{}, err
	}
	for _, point := range [][]byte{theirNonce[:33], theirNonce[33:]} {
		if _, err := btcec.ParsePubKey(point); err != nil {
			return [32]byte{}, fmt.Errorf("%w: %x: %v", ErrNonce, point, err)
		}
	}
	done := signed{theirNonce: theirNonce}
	hash, err := txscript.CalcTaprootSignatureHash(txscript.NewTxSigHashes(tx, prevs), txscript.SigHashDefault, tx, index, prevs)
	if err != nil {
		return [32]byte{}, fmt.Errorf("%w: input %d: %v", ErrOutput, index, err)
	}
	done.digest = [32]byte(hash)
	if done.nonce, err = musig2.AggregateNonces([][66]byte{k.nonces.PubNonce, theirNonce}); err != nil {
		return [32]byte{}, fmt.Errorf("%w: %v", ErrNonce, err)
	}
	// Sign checks its own result too, so that a fault of the machine gives nothing away.
	done.half, err = musig2.Sign(secret, k.key, done.nonce, k.keys(), done.digest, musig2.WithSortedKeys(), musig2.WithTaprootSignTweak(k.script.root))
	if err != nil {
		return [32]byte{}, fmt.Errorf("%w: %v", ErrNonce, err)
	}
	k.signed = &done
	return done.half.S.Bytes(), nil
}

// Combine checks the partner's half and returns the witness of the input that
// Sign signed. After a wrong half it may be asked again with the right one.
// Errors: ErrUsed when Sign has not succeeded, ErrPartial.
func (k *KeySession) Combine(theirPartial [32]byte) (wire.TxWitness, error) {
	if k.signed == nil {
		return nil, fmt.Errorf("%w: it has not signed, so there is nothing to combine", ErrUsed)
	}
	var their musig2.PartialSignature
	if err := their.Decode(bytes.NewReader(theirPartial[:])); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrPartial, err)
	}
	d := k.signed
	if !their.Verify(d.theirNonce, d.nonce, k.keys(), k.theirs, d.digest, musig2.WithSortedKeys(), musig2.WithTaprootSignTweak(k.script.root)) {
		return nil, fmt.Errorf("%w: of %x over %x", ErrPartial, k.theirs.SerializeCompressed(), d.digest)
	}
	sig := musig2.CombineSigs(d.half.R, []*musig2.PartialSignature{d.half, &their},
		musig2.WithTaprootTweakedCombine(d.digest, k.keys(), k.script.root, true))
	return wire.TxWitness{sig.Serialize()}, nil
}

func (k *KeySession) keys() []*btcec.PublicKey { return k.script.terms.keys() }
