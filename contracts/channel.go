package contracts

import (
	"bytes"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// A ChannelName names a channel on one chain: its token, its two parties, and the
// block of its opening. Make it with [NameChannel].
//
// Source: Channels.sol, Name.
type ChannelName struct {
	Token  Address // zero is the native coin
	First  Address // the lower address
	Second Address
	Opened uint64 // block height
}

// NameChannel names the channel of two parties, in either order.
func NameChannel(token, a, b Address, opened uint64) ChannelName {
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	return ChannelName{token, a, b, opened}
}

// ID is the Keccak-256 of the name; the contract knows the channel by it.
func (n ChannelName) ID() Hash {
	return Hash(crypto.Keccak256Hash(addressWord(n.Token), addressWord(n.First), addressWord(n.Second), word(Units(n.Opened))))
}

// A BalanceProof is what a party has said last of all it has sent to the other.
// Signed, it is evidence.
//
// Source: Channels.sol, Proof.
type BalanceProof struct {
	Nonce       uint64 // from 1 on; the greater, the newer
	Transferred Amount // sum of all that was sent, it never falls
	Locks       Hash   // LocksRoot of the promises that are open
}

// A Lock promises Amount to the partner if the secret of Hash is registered at or
// before block Expiry.
//
// Source: Channels.sol, Lock.
type Lock struct {
	Amount Amount // token's smallest unit
	Expiry uint64 // block height; a secret that is registered later comes too late
	Hash   Hash   // SHA-256 of the 32-byte secret
}

// append adds to b what the contract hashes of the lock: three words.
func (l Lock) append(b []byte) []byte {
	amount, expiry := l.Amount.n.Bytes32(), uint256.NewInt(l.Expiry).Bytes32()
	return append(append(append(b, amount[:]...), expiry[:]...), l.Hash[:]...)
}

// ID is the Keccak-256 of the lock. Who disposes of a lock signs it.
func (l Lock) ID() Hash { return Hash(crypto.Keccak256Hash(l.append(make([]byte, 0, 96)))) }

// LocksRoot is the Keccak-256 of a list of locks, and zero of an empty one.
func LocksRoot(locks []Lock) Hash {
	if len(locks) == 0 {
		return Hash{}
	}
	list := make([]byte, 0, 96*len(locks))
	for _, l := range locks {
		list = l.append(list)
	}
	return Hash(crypto.Keccak256Hash(list))
}

// A Claim is what the contract keeps of one party's proof after a channel was
// closed. The zero Claim is that of a party that has said nothing.
//
// Source: Channels.sol, Claim.
type Claim struct {
	Transferred Amount
	Locks       Hash
	Unlocked    Amount // sum of the locks that were paid out
	Taken       Bits   // which of the list
}

// ID is how the contract keeps the claim of a party whose word was brought, even when
// it says zero; of any other it keeps the zero hash.
func (c Claim) ID() Hash {
	return Hash(crypto.Keccak256Hash(word(c.Transferred), c.Locks[:], word(c.Unlocked), word(Amount(c.Taken))))
}

// Bits are a set of places in a list of locks. In JSON they are a decimal string.
type Bits struct{ n uint256.Int }

// BitsOf is the set of these places, each below 256.
func BitsOf(places ...int) (b Bits) {
	for _, i := range places {
		if i < 0 || i > 255 {
			panic(fmt.Sprintf("contracts: place %d of a list of locks", i))
		}
		b.n.Or(&b.n, new(uint256.Int).Lsh(uint256.NewInt(1), uint(i)))
	}
	return b
}

// Has reports whether place i is in the set.
func (b Bits) Has(i int) bool {
	if i < 0 || i > 255 {
		return false
	}
	one := BitsOf(i)
	return !one.n.And(&one.n, &b.n).IsZero()
}

// Or is the union.
func (b Bits) Or(c Bits) (all Bits) {
	all.n.Or(&b.n, &c.n)
	return all
}

// MarshalText prints the number whose bit i is place i, in decimal.
func (b Bits) MarshalText() ([]byte, error) { return Amount(b).MarshalText() }

// UnmarshalText reads what MarshalText prints. Errors: ErrAmount.
func (b *Bits) UnmarshalText(text []byte) error { return (*Amount)(b).UnmarshalText(text) }

// Divide is what each party gets at settlement: what it has put in and been sent,
// less what it has sent. It saturates at nothing and at all there is, always divides
// all of it, and favours neither.
//
// Source: Channels.sol, _divide.
func Divide(firstDeposit, secondDeposit Amount, first, second Claim) (a, b Amount) {
	total := firstDeposit.Plus(secondDeposit)
	received := saturated(second.Transferred, second.Unlocked)
	sent := saturated(first.Transferred, first.Unlocked)
	if !received.Less(sent) {
		a = saturated(firstDeposit, received.Minus(sent))
	} else if less := sent.Minus(received); less.Less(firstDeposit) {
		a = firstDeposit.Minus(less)
	}
	if total.Less(a) {
		a = total
	}
	return a, total.Minus(a)
}

// saturated is the sum, or the greatest number when it is beyond.
func saturated(a, b Amount) (sum Amount) {
	if _, over := sum.n.AddOverflow(&a.n, &b.n); over {
		sum.n.SetAllOne()
	}
	return sum
}
