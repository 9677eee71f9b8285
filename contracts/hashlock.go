package contracts

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// ErrAnswer is why what a chain node returned is refused: it is not what the
// contract can have said.
var ErrAnswer = errors.New("not an answer of this contract")

// A Swap is a leg as HashLock.sol holds it on Ethereum or Spectrum. Make it with
// [NewSwap].
type Swap struct{ terms Terms }

// NewSwap returns the form on an EVM chain of a leg. Errors: ErrTerms, ErrChain.
func NewSwap(t Terms) (Swap, error) {
	if err := t.Check(); err != nil {
		return Swap{}, err
	}
	if t.Form != Contract {
		return Swap{}, fmt.Errorf("%w: %s: form %q is no contract", ErrTerms, t.Asset.Chain, t.Form)
	}
	t.Redeemer, t.Refunder = bytes.Clone(t.Redeemer), bytes.Clone(t.Refunder)
	return Swap{t}, nil
}

// Terms are what the swap was made of.
func (s Swap) Terms() Terms { return s.terms }

// Key names the leg in the contract, in its events, and is the storage slot of
// its state: the Keccak-256 of hash, amount, token, refunder, time and redeemer.
//
// Source: HashLock.sol, Leg.
func (s Swap) Key() Hash {
	t := s.terms
	amount, time := t.Amount.n.Bytes32(), uint256.NewInt(t.Expiry).Bytes32()
	var pad [12]byte
	return Hash(crypto.Keccak256Hash(t.Hash[:], amount[:], pad[:], t.Asset.Token[:],
		pad[:], t.Refunder, time[:], pad[:], t.Redeemer))
}

// leg, lock, claim and ownClaim are the structs of HashLock.sol, in its words.
type (
	leg struct {
		Hash     [32]byte
		Amount   *big.Int
		Token    Address
		Refunder Address
		Time     *big.Int
		Redeemer Address
	}
	lock struct {
		Hash     [32]byte
		Amount   *big.Int
		Token    Address
		Time     *big.Int
		Redeemer Address
	}
	ownClaim struct {
		Secret   [32]byte
		Amount   *big.Int
		Token    Address
		Refunder Address
		Time     *big.Int
	}
	claim struct {
		Secret   [32]byte
		Amount   *big.Int
		Token    Address
		Refunder Address
		Time     *big.Int
		Redeemer Address
	}
)

func (s Swap) leg() leg {
	t := s.terms
	return leg{t.Hash, t.Amount.n.ToBig(), t.Asset.Token, Address(t.Refunder), new(big.Int).SetUint64(t.Expiry), Address(t.Redeemer)}
}

func (s Swap) lock() lock {
	l := s.leg()
	return lock{l.Hash, l.Amount, l.Token, l.Time, l.Redeemer}
}

func (s Swap) claim(secret Secret) claim {
	l := s.leg()
	return claim{secret, l.Amount, l.Token, l.Refunder, l.Time, l.Redeemer}
}

// LockCall locks the leg. Its sender becomes the refunder, whatever the terms
// say: send it from Terms().Refunder and from nobody else. Value is what the call
// must carry: the amount of a native coin, nothing for a token, which must be
// approved before.
func (s Swap) LockCall() (data []byte, value Amount) {
	l := s.leg()
	if s.terms.Asset.IsNative() {
		return hashLock.call("lock", l.Hash, l.Time, l.Redeemer), s.terms.Amount
	}
	return hashLock.call("lockToken", l.Hash, l.Amount, l.Token, l.Time, l.Redeemer), Amount{}
}

// RedeemCall redeems the leg to its redeemer. Anybody may send it.
func (s Swap) RedeemCall(secret Secret) []byte {
	return hashLock.call("redeemFor", s.claim(secret))
}

// RedeemCallFrom is RedeemCall for this sender: it costs less gas when the
// redeemer himself sends it, and then it must be he, for from anybody else it
// reverts and has shown the secret.
func (s Swap) RedeemCallFrom(sender Address, secret Secret) []byte {
	c := s.claim(secret)
	if sender != c.Redeemer {
		return s.RedeemCall(secret)
	}
	return hashLock.call("redeem", ownClaim{c.Secret, c.Amount, c.Token, c.Refunder, c.Time})
}

// RefundCall gives the leg back to its refunder. Anybody may send it.
func (s Swap) RefundCall() []byte { return hashLock.call("refund", s.leg()) }

// RefundToCall gives the leg back to an address that the refunder, who must send
// it, names: for a refunder whom the token refuses to pay.
func (s Swap) RefundToCall(to Address) []byte {
	l := s.leg()
	return hashLock.call("refundTo", l.Hash, l.Amount, l.Token, l.Time, l.Redeemer, to)
}

// LockBatchCall locks all swaps or none; their refunder must send it. It sorts
// them by hash, as the contract wants; two of one hash are refused by it. Value is
// the sum of the native coins.
func LockBatchCall(swaps []Swap) (data []byte, value Amount) {
	sorted := slices.Clone(swaps)
	slices.SortFunc(sorted, func(a, b Swap) int { return bytes.Compare(a.terms.Hash[:], b.terms.Hash[:]) })
	locks := make([]lock, len(sorted))
	for i, s := range sorted {
		locks[i] = s.lock()
		if s.terms.Asset.IsNative() {
			value = value.Plus(s.terms.Amount)
		}
	}
	return hashLock.call("lockBatch", locks), value
}

// RedeemBatchCall redeems each swap that can be redeemed with its secret and
// leaves the rest; only the events tell which. Anybody may send it. Neighbours of
// one redeemer and token cost least. It panics unless there is a secret a swap.
func RedeemBatchCall(swaps []Swap, secrets []Secret) []byte {
	if len(swaps) != len(secrets) {
		panic(fmt.Sprintf("contracts: %d secrets for %d swaps", len(secrets), len(swaps)))
	}
	claims := make([]claim, len(swaps))
	for i, s := range swaps {
		claims[i] = s.claim(secrets[i])
	}
	return hashLock.call("redeemBatch", claims)
}

// RefundBatchCall refunds each swap whose time has come and leaves the rest; only
// the events tell which. Anybody may send it.
func RefundBatchCall(swaps []Swap) []byte {
	legs := make([]leg, len(swaps))
	for i, s := range swaps {
		legs[i] = s.leg()
	}
	return hashLock.call("refundBatch", legs)
}

// A SwapState is what the contract still knows of a leg. One that ended is as
// one that never was: only the events tell them apart.
type SwapState struct {
	Locked bool
	Block  uint64 // height of the lock; redeemable from the next block on
}

// StateCall asks for the state; [ReadState] reads the answer.
func (s Swap) StateCall() []byte { return hashLock.call("state", [32]byte(s.Key())) }

// ReadState reads the answer to StateCall. Errors: ErrAnswer.
func ReadState(answer []byte) (SwapState, error) {
	n, err := readWord(answer)
	if err != nil {
		return SwapState{}, err
	}
	block, ok := n.Uint64()
	if !ok {
		return SwapState{}, fmt.Errorf("%w: locked in block %s", ErrAnswer, n)
	}
	return SwapState{Locked: block != 0, Block: block}, nil
}

// readWord reads an answer of one number: exactly 32 bytes, so that neither the
// empty answer of an account without code nor a revert is taken for it.
func readWord(answer []byte) (Amount, error) {
	if len(answer) != 32 {
		return Amount{}, fmt.Errorf("%w: %d bytes, want 32", ErrAnswer, len(answer))
	}
	return AmountOf(new(uint256.Int).SetBytes(answer)), nil
}

// ReadRevert returns the name of the error of one of our contracts in the
// data of a revert, such as "TooLate", and false for anything else.
func ReadRevert(data []byte) (name string, ok bool) {
	if len(data) != 4 {
		return "", false
	}
	for _, a := range []artifact{hashLock, channels, secretRegistry} {
		if e, err := a.abi.ErrorByID([4]byte(data)); err == nil {
			return e.Name, true
		}
	}
	return "", false
}

// MethodOf returns the name of the method that a call of one of our contracts, or of
// a token, is of, such as "closeTogether". It is empty for anything else.
func MethodOf(data []byte) string {
	for _, a := range []artifact{hashLock, channels, secretRegistry, testToken} {
		if m, err := a.abi.MethodById(data); err == nil {
			return m.Name
		}
	}
	return ""
}

// HashLockDeploy is the code that creates a HashLock on the chain with this id.
func HashLockDeploy(chainID uint64) []byte {
	return hashLock.deploy(new(big.Int).SetUint64(chainID))
}

// HashLockRuntime is the code that then lies on that chain. A contract with any
// other code is not ours, whoever names its address.
func HashLockRuntime(chainID uint64) []byte { return hashLock.deployed(word(Units(chainID))) }
