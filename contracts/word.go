package contracts

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// ErrSignature is why a signature is refused.
var ErrSignature = errors.New("not a signature")

// Channels is the contract Channels.sol at one address of one chain. Its methods
// say what is signed for it, and what is called.
type Channels struct {
	ChainID uint64
	At      Address
}

// A Signature is 65 bytes: r, s in the lower half, and v of 27 or 28. It is the
// one form that the contract takes.
type Signature [65]byte

// ParseSignature takes the form of the contract, and that of v 0 or 1. Errors:
// ErrSignature.
func ParseSignature(b []byte) (s Signature, err error) {
	if len(b) != len(s) {
		return s, fmt.Errorf("%w: %d bytes, want %d", ErrSignature, len(b), len(s))
	}
	copy(s[:], b)
	if s[64] < 27 {
		s[64] += 27
	}
	r, half := new(uint256.Int).SetBytes(s[:32]), new(uint256.Int).SetBytes(s[32:64])
	if s[64] > 28 || !crypto.ValidateSignatureValues(s[64]-27, r.ToBig(), half.ToBig(), true) {
		return Signature{}, fmt.Errorf("%w: not in the form that the contract takes", ErrSignature)
	}
	return s, nil
}

// Signer is who has signed digest. Errors: ErrSignature.
func (s Signature) Signer(digest Hash) (Address, error) {
	if _, err := ParseSignature(s[:]); err != nil {
		return Address{}, err
	}
	raw := bytes.Clone(s[:])
	raw[64] -= 27
	key, err := crypto.SigToPub(digest[:], raw)
	if err != nil {
		return Address{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return crypto.PubkeyToAddress(*key), nil
}

// MarshalText prints 130 lower-case hex digits.
func (s Signature) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText reads what MarshalText prints of a signature in the form of the
// contract, or of the zero Signature, which stands for none. Errors: ErrSignature.
func (s *Signature) UnmarshalText(text []byte) error {
	var raw Signature
	if len(text) != hex.EncodedLen(len(raw)) || bytes.ContainsAny(text, "ABCDEF") {
		return fmt.Errorf("%w: %d characters, want %d lower-case hex digits", ErrSignature, len(text), hex.EncodedLen(len(raw)))
	}
	if _, err := hex.Decode(raw[:], text); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if raw != (Signature{}) {
		if parsed, err := ParseSignature(raw[:]); err != nil {
			return err
		} else if parsed != raw {
			return fmt.Errorf("%w: v is %d, want 27 or 28", ErrSignature, raw[64])
		}
	}
	*s = raw
	return nil
}

// A Word is something that a party signs for the contract: a kind, and what it
// says. Two words of different kinds, chains, contracts, channels or epochs never
// have the same digest.
type Word struct {
	kind   string // the EIP-712 type
	fields [][]byte
}

// Key is by what nodes know a channel of this contract: other than its id, no
// channel of another contract or chain has the same.
func (c Channels) Key(id Hash) Hash {
	return Hash(crypto.Keccak256Hash(word(Units(c.ChainID)), addressWord(c.At), id[:]))
}

// The words about one channel. Each is good in one epoch.

// ProofWord is a balance proof, signed by whose money it gives away.
func ProofWord(channel Hash, epoch uint64, p BalanceProof) Word {
	return Word{"Proof(bytes32 channel,uint256 epoch,uint64 nonce,uint256 transferred,bytes32 locks)", proofFields(channel, epoch, p)}
}

// UpdateWord lets anyone bring a proof to the contract; signed by who gets its
// money.
func UpdateWord(channel Hash, epoch uint64, p BalanceProof) Word {
	return Word{"Update(bytes32 channel,uint256 epoch,uint64 nonce,uint256 transferred,bytes32 locks)", proofFields(channel, epoch, p)}
}

func proofFields(channel Hash, epoch uint64, p BalanceProof) [][]byte {
	return [][]byte{channel[:], word(Units(epoch)), word(Units(p.Nonce)), word(p.Transferred), p.Locks[:]}
}

// UnlockWord lets anyone unlock the locks in take of the list with this root, as far
// as their secrets are registered, and no other choice of them; signed by who gets
// them. Whoever has the word can have its signer
// punished if one of these locks is disposed of later: take only locks whose secret
// is known, and dispose of none of them.
func UnlockWord(channel Hash, epoch uint64, locks Hash, take Bits) Word {
	return Word{"Unlock(bytes32 channel,uint256 epoch,bytes32 locks,uint256 take)",
		[][]byte{channel[:], word(Units(epoch)), locks[:], word(Amount(take))}}
}

// DisposeWord gives up a lock, signed by who would get it. Who unlocks it
// nevertheless loses the channel. It speaks of each lock that is the same, in every
// list of the epoch: a lock that was disposed of must not be taken on again, nor the
// same lock twice in one list.
func DisposeWord(channel Hash, epoch uint64, l Lock) Word {
	id := l.ID()
	return Word{"Dispose(bytes32 channel,uint256 epoch,bytes32 lock)", [][]byte{channel[:], word(Units(epoch)), id[:]}}
}

// AnswerWord tells the other party what has become of its proofs: all up to nonce
// are heard, and the one that stands has the nonce stands. Nobody brings it to the
// contract; it is evidence between the two.
func AnswerWord(channel Hash, epoch, nonce, stands uint64) Word {
	return Word{"Answer(bytes32 channel,uint256 epoch,uint64 nonce,uint64 stands)",
		[][]byte{channel[:], word(Units(epoch)), word(Units(nonce)), word(Units(stands))}}
}

// A Withdrawal takes money out of a channel without closing it. Balances are what
// each has before, all there is together.
type Withdrawal struct {
	Until                       uint64 // block height: the last in which it is good
	FirstBalance, SecondBalance Amount
	FirstTakes, SecondTakes     Amount
}

// WithdrawWord is signed by both.
func WithdrawWord(channel Hash, epoch uint64, w Withdrawal) Word {
	return Word{"Withdraw(bytes32 channel,uint256 epoch,uint256 until,uint256 firstBalance,uint256 secondBalance,uint256 firstTakes,uint256 secondTakes)",
		[][]byte{channel[:], word(Units(epoch)), word(Units(w.Until)), word(w.FirstBalance), word(w.SecondBalance), word(w.FirstTakes), word(w.SecondTakes)}}
}

// An Ending ends a channel at once.
type Ending struct {
	Until                       uint64 // block height: the last in which it is good
	FirstBalance, SecondBalance Amount // what each gets, all there is together
}

// CloseTogetherWord is signed by both.
func CloseTogetherWord(channel Hash, epoch uint64, e Ending) Word {
	return Word{"CloseTogether(bytes32 channel,uint256 epoch,uint256 until,uint256 firstBalance,uint256 secondBalance)",
		[][]byte{channel[:], word(Units(epoch)), word(Units(e.Until)), word(e.FirstBalance), word(e.SecondBalance)}}
}

// An Opening is a party's order to open a channel in its name.
type Opening struct {
	Token   Address
	By      Address
	Partner Address
	Window  uint64  // blocks from close until nobody may answer any more
	Opener  Address // who may; zero is anyone
	Until   uint64  // block height: the last in which it is good
}

// OpenWord is signed by o.By.
func OpenWord(o Opening) Word {
	return Word{"Open(address token,address by,address partner,uint256 window,address opener,uint256 until)",
		[][]byte{addressWord(o.Token), addressWord(o.By), addressWord(o.Partner), word(Units(o.Window)), addressWord(o.Opener), word(Units(o.Until))}}
}

// Digest is what is signed, by EIP-712.
func (c Channels) Digest(w Word) Hash {
	domain := c.domain()
	said := crypto.Keccak256(append([][]byte{typeHash(w.kind)}, w.fields...)...)
	return Hash(crypto.Keccak256Hash([]byte("\x19\x01"), domain[:], said))
}

func (c Channels) domain() Hash {
	return Hash(crypto.Keccak256Hash(
		typeHash("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
		crypto.Keccak256([]byte("Photon Channels")), crypto.Keccak256([]byte("1")), word(Units(c.ChainID)), addressWord(c.At)))
}
