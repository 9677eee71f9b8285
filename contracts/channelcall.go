package contracts

import (
	"bytes"
	"fmt"
	"math/big"

	"github.com/holiman/uint256"
)

// The structs of Channels.sol, in its words.
type (
	channelName struct {
		Token  Address
		First  Address
		Second Address
		Opened *big.Int
	}
	channelProof struct {
		Nonce       uint64
		Transferred *big.Int
		Locks       [32]byte
	}
	channelLock struct {
		Amount *big.Int
		Expiry *big.Int
		Hash   [32]byte
	}
	channelClaim struct {
		Transferred *big.Int
		Locks       [32]byte
		Unlocked    *big.Int
		Taken       *big.Int
	}
	channelSig struct {
		R [32]byte
		S [32]byte
		V uint8
	}
)

func (n ChannelName) pack() channelName {
	return channelName{n.Token, n.First, n.Second, height(n.Opened)}
}

func (p BalanceProof) pack() channelProof {
	return channelProof{p.Nonce, p.Transferred.n.ToBig(), p.Locks}
}

func (c Claim) pack() channelClaim {
	return channelClaim{c.Transferred.n.ToBig(), c.Locks, c.Unlocked.n.ToBig(), c.Taken.n.ToBig()}
}

func (s Signature) pack() channelSig { return channelSig{[32]byte(s[:32]), [32]byte(s[32:64]), s[64]} }

func packLocks(locks []Lock) []channelLock {
	packed := make([]channelLock, len(locks))
	for i, l := range locks {
		packed[i] = channelLock{l.Amount.n.ToBig(), height(l.Expiry), l.Hash}
	}
	return packed
}

func height(n uint64) *big.Int { return new(big.Int).SetUint64(n) }

func pair(a, b Amount) [2]*big.Int { return [2]*big.Int{a.n.ToBig(), b.n.ToBig()} }

// OpenCall opens a channel of the sender with partner and puts amount into it;
// value is what the call must carry.
func OpenCall(token, partner Address, window uint64, amount Amount) (data []byte, value Amount) {
	return channels.call("open", token, partner, height(window), amount.n.ToBig()), carried(token, amount)
}

// OpenSignedCall opens a channel by o, signed by o.By. The sender's amount is
// o.By's deposit.
func OpenSignedCall(o Opening, s Signature, amount Amount) (data []byte, value Amount) {
	return channels.call("openSigned", o.Token, o.By, o.Partner, height(o.Window), o.Opener, height(o.Until), s.pack(), amount.n.ToBig()),
		carried(o.Token, amount)
}

// carried is what a call must carry to pay an amount.
func carried(token Address, amount Amount) Amount {
	if token == (Address{}) {
		return amount
	}
	return Amount{}
}

// DepositCall adds an amount of the sender to what a party has in the channel.
func DepositCall(n ChannelName, byFirst bool, amount Amount) (data []byte, value Amount) {
	return channels.call("deposit", n.pack(), byFirst, amount.n.ToBig()), carried(n.Token, amount)
}

// ReadSpend tells what a call of Channels takes of its sender's tokens: of an
// opening and a deposit. ok is false for any other call, and for the native coin.
func ReadSpend(call []byte) (token Address, amount Amount, ok bool) {
	for _, k := range spends {
		if len(call) != 4+32*k.words || [4]byte(call) != k.selector {
			continue
		}
		copy(token[:], call[4+12:])
		amount = AmountOf(new(uint256.Int).SetBytes(call[4+32*k.amount:][:32]))
		return token, amount, token != (Address{})
	}
	return token, amount, false
}

// spends are the calls that take tokens, whose first word is the token.
var spends = []struct {
	selector      [4]byte
	words, amount int // how many there are, and which is the amount
}{
	{channels.selector("open"), 4, 3},
	{channels.selector("openSigned"), 10, 9},
	{channels.selector("deposit"), 6, 5},
	{channels.selector("depositPermit"), 10, 5},
}

// DepositPermitCall is DepositCall for tokens that the sender has permitted by a
// signature (EIP-2612), good until a Unix second.
func DepositPermitCall(n ChannelName, byFirst bool, amount Amount, deadline uint64, s Signature) []byte {
	return channels.call("depositPermit", n.pack(), byFirst, amount.n.ToBig(), height(deadline), s.pack())
}

// OpenOrder is what a payer says to a token that pays and calls in one (ERC223,
// ERC1363, approveAndCall): open a channel of his with partner.
func OpenOrder(partner Address, window uint64) []byte {
	return append(addressWord(partner), word(Units(window))...)
}

// DepositOrder says: add to what a party has in the channel.
func DepositOrder(n ChannelName, byFirst bool) []byte {
	data := append(append(append(addressWord(n.Token), addressWord(n.First)...), addressWord(n.Second)...), word(Units(n.Opened))...)
	if byFirst {
		return append(data, word(Units(1))...)
	}
	return append(data, word(Units(0))...)
}

// WithdrawCall takes money out. Anybody may send it.
func WithdrawCall(n ChannelName, w Withdrawal, first, second Signature) []byte {
	return channels.call("withdraw", n.pack(), height(w.Until), pair(w.FirstBalance, w.SecondBalance), pair(w.FirstTakes, w.SecondTakes), first.pack(), second.pack())
}

// CloseTogetherCall ends the channel. Anybody may send it.
func CloseTogetherCall(n ChannelName, e Ending, first, second Signature) []byte {
	return channels.call("closeTogether", n.pack(), height(e.Until), pair(e.FirstBalance, e.SecondBalance), first.pack(), second.pack())
}

// CloseCall begins the end, with the partner's newest proof; the zero proof is
// none. A party must send it.
func CloseCall(n ChannelName, p BalanceProof, s Signature) []byte {
	return channels.call("close", n.pack(), p.pack(), s.pack())
}

// UpdateCall brings a newer proof of the party that closed. The other sends it, or
// anybody with its mandate; to it, the mandate may be zero.
func UpdateCall(n ChannelName, p BalanceProof, s, mandate Signature) []byte {
	return channels.call("update", n.pack(), p.pack(), s.pack(), mandate.pack())
}

// UnlockCall pays out those locks of take whose secrets are registered in time.
// byFirst says whose locks they are. The other sends it, or anybody with its
// mandate for take; to it, the mandate may be zero.
func UnlockCall(n ChannelName, byFirst bool, c Claim, locks []Lock, take Bits, mandate Signature) []byte {
	return channels.call("unlock", n.pack(), byFirst, c.pack(), packLocks(locks), take.n.ToBig(), mandate.pack())
}

// PunishCall shows that lock i was paid out though it had been disposed of. The list
// of the party that closed is not punished before the window is over.
func PunishCall(n ChannelName, byFirst bool, c Claim, locks []Lock, i int, disposed Signature) []byte {
	return channels.call("punish", n.pack(), byFirst, c.pack(), packLocks(locks), big.NewInt(int64(i)), disposed.pack())
}

// SettleCall pays both. Anybody may send it.
func SettleCall(n ChannelName, first, second Claim) []byte {
	return channels.call("settle", n.pack(), first.pack(), second.pack())
}

// CollectCall pays what a failed payment has left to its owner. Anybody may send
// it when to is the owner, and he himself whatever it is.
func CollectCall(token, owner, to Address) []byte {
	return channels.call("collect", token, owner, to)
}

// OwedCall asks what a failed payment has left to its owner; [ReadTokens] reads the
// answer.
func OwedCall(token, owner Address) []byte { return channels.call("owed", token, owner) }

// RegisterCall registers secrets.
func RegisterCall(secrets ...Secret) []byte {
	if len(secrets) == 1 {
		return secretRegistry.call("register", [32]byte(secrets[0]))
	}
	all := make([][32]byte, len(secrets))
	for i, s := range secrets {
		all[i] = s
	}
	return secretRegistry.call("registerBatch", all)
}

// SinceCall asks in which block the secret of a hash was registered; [ReadSince]
// reads the answer, 0 when it was not.
func SinceCall(h Hash) []byte { return secretRegistry.call("since", [32]byte(h)) }

// ReadSince reads the answer to SinceCall. Errors: ErrAnswer.
func ReadSince(answer []byte) (uint64, error) {
	a, err := readWord(answer)
	if err != nil {
		return 0, err
	}
	n, ok := a.Uint64()
	if !ok {
		return 0, fmt.Errorf("%w: registered in block %s", ErrAnswer, a)
	}
	return n, nil
}

// A ChannelState is what the contract knows of a channel. The zero state is that
// of none: one that ended is as one that never was.
type ChannelState struct {
	Window        uint64 // blocks
	End           uint64 // last block of the window; 0 is not closed
	Epoch         uint64
	ClosedByFirst bool
	Nonce         uint64 // of what the one who closed has said; the other's word is final
	FirstDeposit  Amount
	SecondDeposit Amount
	FirstClaim    Hash // of the Claim
	SecondClaim   Hash
}

// ChannelCall asks for the state of a channel; [ReadChannel] reads the answer.
func ChannelCall(id Hash) []byte { return channels.call("channel", [32]byte(id)) }

// ReadChannel reads the answer to ChannelCall. Errors: ErrAnswer.
func ReadChannel(answer []byte) (s ChannelState, err error) {
	const words = 9
	if len(answer) != 32*words {
		return s, fmt.Errorf("%w: %d bytes, want %d", ErrAnswer, len(answer), 32*words)
	}
	var w [words]uint256.Int
	for i := range w {
		w[i].SetBytes(answer[32*i : 32*i+32])
	}
	for _, f := range []struct {
		at   int
		bits int
		to   *uint64
	}{{0, 32, &s.Window}, {1, 64, &s.End}, {2, 32, &s.Epoch}, {4, 64, &s.Nonce}} {
		if w[f.at].BitLen() > f.bits {
			return ChannelState{}, fmt.Errorf("%w: word %d is %s", ErrAnswer, f.at, w[f.at].Hex())
		}
		*f.to = w[f.at].Uint64()
	}
	if w[3].GtUint64(1) || w[5].BitLen() > 128 || w[6].BitLen() > 128 {
		return ChannelState{}, fmt.Errorf("%w: not a channel", ErrAnswer)
	}
	s.ClosedByFirst = !w[3].IsZero()
	s.FirstDeposit, s.SecondDeposit = AmountOf(&w[5]), AmountOf(&w[6])
	s.FirstClaim, s.SecondClaim = Hash(w[7].Bytes32()), Hash(w[8].Bytes32())
	return s, nil
}

// SecretRegistryDeploy is the code that creates a SecretRegistry.
func SecretRegistryDeploy() []byte { return secretRegistry.deploy() }

// ChannelsDeploy is the code that creates Channels on the chain with this id, with
// a registry, and so many blocks after a window in which an unlock can be punished.
func ChannelsDeploy(chainID uint64, registry Address, punishBlocks uint64) []byte {
	return channels.deploy(height(chainID), registry, height(punishBlocks))
}

// SecretRegistryRuntime is the code that then lies on any chain.
func SecretRegistryRuntime() []byte { return secretRegistry.deployed() }

// ChannelsRuntime is the code of c, deployed with this registry and punish time. A
// contract with any other code is not ours, whoever names its address.
func ChannelsRuntime(c Channels, registry Address, punishBlocks uint64) []byte {
	domain := c.domain()
	return channels.deployed(domain[:], addressWord(registry), word(Units(punishBlocks)))
}

// ReadChannelsRuntime checks that code is that of c with this registry, and returns
// its punish time. Errors: ErrAnswer.
func ReadChannelsRuntime(code []byte, c Channels, registry Address) (punishBlocks uint64, err error) {
	at := channels.immutables[2][0]
	if len(code) != len(channels.runtime) {
		return 0, fmt.Errorf("%w: %d bytes of code, want %d", ErrAnswer, len(code), len(channels.runtime))
	}
	r := words{data: code[at : at+32]}
	if punishBlocks = r.number(64); r.err != nil {
		return 0, r.err
	}
	if !bytes.Equal(code, ChannelsRuntime(c, registry, punishBlocks)) {
		return 0, fmt.Errorf("%w: code of another contract, chain or registry", ErrAnswer)
	}
	return punishBlocks, nil
}
