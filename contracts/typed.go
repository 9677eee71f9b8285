package contracts

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// A SignedClaim is how a redeemer without gas lets others redeem for him: he
// signs where the amount goes and what the one who brings it keeps. It is good
// for one leg at one contract on one chain, before Deadline and the leg's expiry.
//
// Source: HashLock.sol, redeemSigned.
type SignedClaim struct {
	Swap     Swap
	To       Address // where the rest of the amount goes
	Fee      Amount  // kept out of the amount, less than all of it
	FeeTo    Address // who gets Fee; zero is whoever sends the call
	Deadline uint64  // Unix seconds: the last block time at which it is good
}

// Check reports what the contract would refuse. Errors: ErrTerms.
func (c SignedClaim) Check() error {
	if c.To == (Address{}) {
		return fmt.Errorf("%w: signed claim to nobody", ErrTerms)
	}
	if amount := c.Swap.terms.Amount; !c.Fee.Less(amount) {
		return fmt.Errorf("%w: fee %s of an amount of %s leaves nothing", ErrTerms, c.Fee, amount)
	}
	return nil
}

// Digest is what the redeemer signs, by EIP-712, for the chain with this id.
func (c SignedClaim) Digest(chainID uint64) Hash {
	domain := crypto.Keccak256(
		typeHash("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
		crypto.Keccak256([]byte("Photon HashLock")), crypto.Keccak256([]byte("1")),
		word(Units(chainID)), addressWord(c.Swap.terms.Contract))
	key := c.Swap.Key()
	claim := crypto.Keccak256(
		typeHash("Redeem(bytes32 key,address to,uint256 fee,address feeTo,uint256 deadline)"),
		key[:], addressWord(c.To), word(c.Fee), addressWord(c.FeeTo), word(Units(c.Deadline)))
	return Hash(crypto.Keccak256Hash([]byte("\x19\x01"), domain, claim))
}

// Call redeems by the redeemer's signature of Digest: 65 bytes r, s, v with v 0
// or 1, or 27 or 28. Anybody may send it. Errors: ErrTerms.
func (c SignedClaim) Call(secret Secret, signature []byte) ([]byte, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if len(signature) != crypto.SignatureLength {
		return nil, fmt.Errorf("%w: signature of %d bytes, want %d", ErrTerms, len(signature), crypto.SignatureLength)
	}
	v := signature[64]
	if v < 27 {
		v += 27
	}
	return hashLock.call("redeemSigned", c.Swap.claim(secret), c.To, c.Fee.n.ToBig(), c.FeeTo,
		new(big.Int).SetUint64(c.Deadline), v, [32]byte(signature[:32]), [32]byte(signature[32:64])), nil
}

func typeHash(t string) []byte { return crypto.Keccak256([]byte(t)) }

// word is a number as the contract hashes it.
func word(a Amount) []byte {
	b := a.n.Bytes32()
	return b[:]
}

func addressWord(a Address) []byte {
	b := new(uint256.Int).SetBytes(a[:]).Bytes32()
	return b[:]
}
