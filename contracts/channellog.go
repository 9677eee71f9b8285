package contracts

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/holiman/uint256"
)

// A ChannelEvent is what happened to one channel. ID, First and Second are in
// each; the kinds below say what else there is.
type ChannelEvent struct {
	Kind          ChannelKind
	ID            Hash
	First, Second Address
	Epoch         uint64

	Token    Address // of ChannelOpened
	Window   uint64  // of ChannelOpened: blocks
	ByFirst  bool    // whose deposit, closing, word or locks they are; of ChannelPunished: who was
	Total    Amount  // of ChannelDeposited: what that party has put in
	Proof    BalanceProof
	Unlocked Amount // of ChannelUnlocked: so far
	Taken    Bits   // of ChannelUnlocked: so far
	// Of ChannelWithdrawn, what is left of each in it; of ChannelSettled, what each got.
	FirstAmount, SecondAmount Amount
}

// A ChannelKind is what an event of Channels.sol tells.
type ChannelKind string

// The kinds.
const (
	ChannelOpened    ChannelKind = "opened"
	ChannelDeposited ChannelKind = "deposited"
	ChannelWithdrawn ChannelKind = "withdrawn" // Epoch is the new one
	ChannelClosed    ChannelKind = "closed"    // Proof is of the other; ByFirst is who closed
	ChannelUpdated   ChannelKind = "updated"   // Proof is of the one who closed
	ChannelUnlocked  ChannelKind = "unlocked"
	ChannelPunished  ChannelKind = "punished"
	ChannelSettled   ChannelKind = "settled" // always the last
)

// channelEvents are the events by name, with the words of their data.
var channelEvents = map[Hash]struct {
	kind  ChannelKind
	words int
}{
	channels.topic("Opened"):    {ChannelOpened, 2},
	channels.topic("Deposited"): {ChannelDeposited, 3},
	channels.topic("Withdrawn"): {ChannelWithdrawn, 3},
	channels.topic("Closed"):    {ChannelClosed, 5},
	channels.topic("Updated"):   {ChannelUpdated, 5},
	channels.topic("Unlocked"):  {ChannelUnlocked, 4},
	channels.topic("Punished"):  {ChannelPunished, 2},
	channels.topic("Settled"):   {ChannelSettled, 3},
}

// ChannelTopics are the first topics to filter logs by, in the order of their bytes. The second is
// the channel's id; the third and fourth are its parties.
func ChannelTopics() []Hash {
	return slices.SortedFunc(maps.Keys(channelEvents), func(a, b Hash) int { return bytes.Compare(a[:], b[:]) })
}

// PartyTopic is how a party stands in the third or fourth topic.
func PartyTopic(a Address) Hash { return Hash(addressWord(a)) }

var registeredTopic = secretRegistry.topic("Registered")

// RegisteredTopic is the first topic of what SecretRegistry writes; the second is the
// secret's hash.
func RegisteredTopic() Hash { return registeredTopic }

// ReadRegisteredLog reads a log that SecretRegistry wrote; whether it was ours, the
// caller checks by the log's address. Errors: ErrAnswer.
func ReadRegisteredLog(topics []Hash, data []byte) (Secret, error) {
	if len(topics) != 2 || topics[0] != registeredTopic || len(data) != 32 {
		return Secret{}, fmt.Errorf("%w: log of %d topics with %d bytes", ErrAnswer, len(topics), len(data))
	}
	s := Secret(data)
	if s.Hash() != topics[1] {
		return Secret{}, fmt.Errorf("%w: secret of %s for %s", ErrAnswer, s.Hash(), topics[1])
	}
	return s, nil
}

// ReadChannelLog reads a log that the contract wrote about a channel; whether it
// was this contract, the caller checks by the log's address. Errors: ErrAnswer.
func ReadChannelLog(topics []Hash, data []byte) (e ChannelEvent, err error) {
	if len(topics) != 4 {
		return e, fmt.Errorf("%w: log of %d topics", ErrAnswer, len(topics))
	}
	known, is := channelEvents[topics[0]]
	if !is || len(data) != 32*known.words {
		return e, fmt.Errorf("%w: log of topic %s with %d bytes", ErrAnswer, topics[0], len(data))
	}
	r := words{data: data}
	e.Kind, e.ID, e.First, e.Second = known.kind, topics[1], r.address(topics[2]), r.address(topics[3])
	if e.Kind != ChannelOpened {
		e.Epoch = r.number(32) // an opened one is in its first, 0
	}
	switch e.Kind {
	case ChannelOpened:
		e.Token, e.Window = r.address(r.next()), r.number(32)
	case ChannelDeposited:
		e.ByFirst, e.Total = r.bit(), r.amount()
	case ChannelWithdrawn, ChannelSettled:
		e.FirstAmount, e.SecondAmount = r.amount(), r.amount()
	case ChannelClosed, ChannelUpdated:
		e.ByFirst, e.Proof = r.bit(), BalanceProof{r.number(64), r.amount(), Hash{}}
		e.Proof.Locks = r.next()
	case ChannelUnlocked:
		e.ByFirst, e.Unlocked = r.bit(), r.amount()
		e.Taken = Bits(r.amount())
	case ChannelPunished:
		e.ByFirst = r.bit()
	}
	if r.err != nil {
		return ChannelEvent{}, r.err
	}
	return e, nil
}

// words reads 32-byte words one after the other, and remembers what was wrong.
type words struct {
	data []byte
	err  error
}

func (r *words) next() (w Hash) {
	copy(w[:], r.data[:32])
	r.data = r.data[32:]
	return w
}

func (r *words) amount() Amount {
	w := r.next()
	return AmountOf(new(uint256.Int).SetBytes(w[:]))
}

// number is a word of at most so many bits, 64 or less.
func (r *words) number(bits int) uint64 {
	a := r.amount()
	if a.n.BitLen() > bits {
		r.err = fmt.Errorf("%w: %s is beyond %d bits", ErrAnswer, a, bits)
	}
	return a.n.Uint64()
}

func (r *words) bit() bool { return r.number(1) == 1 }

func (r *words) address(w Hash) Address {
	if Hash(addressWord(Address(w[12:]))) != w {
		r.err = fmt.Errorf("%w: %s is no address", ErrAnswer, w)
	}
	return Address(w[12:])
}
