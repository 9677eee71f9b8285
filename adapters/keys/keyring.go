// Package keys derives everything that a node must keep secret from one BIP-39
// mnemonic, and keeps the mnemonic encrypted in one file.
//
//	mnemonic ─▶ m/84'/0'/0'          wallet of BTC            Wallet
//	            m/84'/2'/0'          wallet of LTC            Wallet
//	            m/44'/60'/0'/0/0     account on ETH and SMT   Account, SignDigest
//	            m/photon'/0'         identity of the node     Identity, Sign
//	            m/photon'/1'         secrets of trades        Secret
//	            m/photon'/2'/chain'/…  swap keys              SwapKey
//	            m/photon'/3'         seal of the rescue log   SealLog, OpenLog
//	            m/photon'/4'         secrets of invoices      InvoiceSecret
//
// photon' is 1885892468', the letters "phot". BIP-32, BIP-39 without a further
// passphrase, BIP-44, BIP-84.
//
// The one rule: the same mnemonic gives the same keys for ever, so no path here
// ever changes, and nothing that can spend is ever printed.
//
// Start reading at [New], [Create] and [Open]; then [Keyring].
package keys

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"

	"github.com/btcsuite/btcd/btcec/v2"
	signing "github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/btcsuite/btcd/btcutil/v2/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/ethereum/go-ethereum/crypto"

	"photon/contracts"
)

// Elements of our paths. They never change.
const (
	hardened = hdkeychain.HardenedKeyStart
	photon   = hardened + 0x70686f74 // "phot"

	forIdentity = hardened + 0
	forSecrets  = hardened + 1
	forSwaps    = hardened + 2
	forLog      = hardened + 3
	forInvoices = hardened + 4
)

// inPath is the element of a chain in paths: its coin type of SLIP-44, and for
// SMT, which has none, its chain id.
var inPath = map[contracts.Chain]uint32{contracts.BTC: 0, contracts.LTC: 2, contracts.ETH: 60, contracts.SMT: 20180430}

// A Keyring is every key of a node. It is safe for use by many goroutines. It
// prints as the public key of its identity.
type Keyring struct {
	identity *btcec.PrivateKey
	account  *ecdsa.PrivateKey
	wallets  *hdkeychain.ExtendedKey                     // m/84'
	swaps    map[contracts.Chain]*hdkeychain.ExtendedKey // m/photon'/2'/chain'
	secrets  []byte                                      // key of HMAC-SHA-256
	invoices []byte                                      // as secrets
	log      logSeal
}

// keyring derives what is asked for most from a seed of BIP-39.
func keyring(seed []byte) (*Keyring, error) {
	master, err := hdkeychain.NewMaster(seed, &chaincfg.MainNetParams)
	if err != nil {
		return nil, fmt.Errorf("keys: master key: %w", err)
	}
	d := deriver{}
	k := &Keyring{
		identity: d.private(master, photon, forIdentity),
		account:  d.account(master, hardened+44, hardened+60, hardened+0, 0, 0),
		wallets:  d.child(master, hardened+84),
		swaps:    map[contracts.Chain]*hdkeychain.ExtendedKey{},
		secrets:  d.private(master, photon, forSecrets).Serialize(),
		invoices: d.private(master, photon, forInvoices).Serialize(),
		log:      sealOf(d.private(master, photon, forLog).Serialize()),
	}
	for _, c := range contracts.Chains {
		k.swaps[c] = d.child(master, photon, forSwaps, hardened+inPath[c])
	}
	if d.err != nil {
		return nil, fmt.Errorf("keys: derive: %w", d.err)
	}
	return k, nil
}

// A deriver walks paths and keeps the first error, after which its keys are
// worthless. An error means a path without a key: one of 2^127 has none.
type deriver struct{ err error }

// child walks the path below k. What it returns can derive in many goroutines:
// its public key, which derivation would write, is computed by now.
func (d *deriver) child(k *hdkeychain.ExtendedKey, path ...uint32) *hdkeychain.ExtendedKey {
	for _, element := range path {
		next, err := k.Derive(element)
		if err == nil {
			_, err = next.ECPubKey()
		}
		if err != nil {
			d.err = err
			return k
		}
		k = next
	}
	return k
}

func (d *deriver) private(k *hdkeychain.ExtendedKey, path ...uint32) *btcec.PrivateKey {
	key, err := d.child(k, path...).ECPrivKey()
	if err != nil {
		d.err = err
		key, _ = btcec.PrivKeyFromBytes([]byte{1})
	}
	return key
}

func (d *deriver) account(k *hdkeychain.ExtendedKey, path ...uint32) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(d.private(k, path...).Serialize())
	if err != nil {
		d.err = err
	}
	return key
}

// Secret is the secret of the trade with this number, which we begin as First:
// HMAC-SHA-256 under the key m/photon'/1' of the number in 8 bytes, big endian.
func (k Keyring) Secret(number uint64) contracts.Secret {
	return contracts.Secret(mac(k.secrets, binary.BigEndian.AppendUint64(nil, number)))
}

// InvoiceSecret is the secret of our invoice with this number: as Secret, under the
// key m/photon'/4'.
func (k Keyring) InvoiceSecret(number uint64) contracts.Secret {
	return contracts.Secret(mac(k.invoices, binary.BigEndian.AppendUint64(nil, number)))
}

// SwapKey is our key for one leg on chain of the trade with this number. Its path
// is m/photon'/2'/chain'/a'/b'/c', where a is the number's upper 2 bits, b the
// next 31 and c the lower 31; chain is 0 for BTC, 2 for LTC, 60 for ETH, 20180430
// for SMT. It panics for any other chain.
func (k Keyring) SwapKey(chain contracts.Chain, number uint64) *btcec.PrivateKey {
	const low = 1<<31 - 1
	d := deriver{}
	key := d.private(known(k.swaps, chain), hardened+uint32(number>>62), hardened+uint32(number>>31&low), hardened+uint32(number&low))
	return d.must(key)
}

// Wallet is the account of BIP-84 on BTC or LTC: m/84'/0'/0' or m/84'/2'/0'. Each
// call returns a new key, whose version bytes are those of Bitcoin's main
// network. It panics for any other chain.
func (k Keyring) Wallet(chain contracts.Chain) *hdkeychain.ExtendedKey {
	if chain.EVM() {
		panic(fmt.Sprintf("keys: no wallet of outputs on %s", chain)) // our code asks only for UTXO chains
	}
	known(inPath, chain)
	d := deriver{}
	account := d.child(k.wallets, hardened+inPath[chain], hardened+0)
	if d.err != nil {
		panic("keys: " + d.err.Error()) // one of 2^127
	}
	return account
}

// Account is the key of our account on ETH and SMT, m/44'/60'/0'/0/0, one for
// both. It panics for any other chain.
func (k Keyring) Account(chain contracts.Chain) *ecdsa.PrivateKey {
	if !chain.EVM() {
		panic(fmt.Sprintf("keys: no account on %s", chain)) // our code asks only for EVM chains
	}
	return k.account
}

// Identity is the node's private key on secp256k1, 32 bytes.
func (k Keyring) Identity() []byte { return k.identity.Serialize() }

// Sign signs digest with the identity. libp2p's Secp256k1PublicKey verifies the
// signature with the digest's 32 bytes as its message: it is ECDSA over the
// SHA-256 of the digest, in DER, with a low S.
func (k Keyring) Sign(digest contracts.Hash) ([]byte, error) {
	hash := sha256.Sum256(digest[:])
	return signing.Sign(k.identity, hash[:]).Serialize(), nil
}

// SignDigest signs digest with the account, in the one form that our contracts
// take.
func (k Keyring) SignDigest(digest contracts.Hash) (contracts.Signature, error) {
	raw, err := crypto.Sign(digest[:], k.account)
	if err != nil {
		return contracts.Signature{}, fmt.Errorf("keys: sign: %w", err)
	}
	return contracts.ParseSignature(raw)
}

// Format prints the public key of the identity in place of the keys, whatever
// the verb.
func (k Keyring) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.text()) }

// LogValue prints the public key of the identity in place of the keys.
func (k Keyring) LogValue() slog.Value { return slog.StringValue(k.text()) }

func (k Keyring) text() string {
	if k.identity == nil {
		return "empty keyring"
	}
	return "keyring of " + hex.EncodeToString(k.identity.PubKey().SerializeCompressed())
}

// must returns key unless its path has none.
func (d *deriver) must(key *btcec.PrivateKey) *btcec.PrivateKey {
	if d.err != nil {
		panic("keys: " + d.err.Error()) // one of 2^127
	}
	return key
}

// known returns what a table holds for a chain.
func known[T any](table map[contracts.Chain]T, chain contracts.Chain) T {
	v, ok := table[chain]
	if !ok {
		panic(fmt.Sprintf("keys: unknown chain %q", chain)) // chains are parsed before they come here
	}
	return v
}

func mac(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}
