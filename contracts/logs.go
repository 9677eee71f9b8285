package contracts

import "fmt"

// A HashLockKind is what an event of HashLock.sol tells.
type HashLockKind string

// The kinds.
const (
	LegLocked   HashLockKind = "locked"
	LegRedeemed HashLockKind = "redeemed"
	LegRefunded HashLockKind = "refunded"
)

// A HashLockEvent is what happened to one leg. Key is that of [Swap.Key].
type HashLockEvent struct {
	Kind   HashLockKind
	Key    Hash
	Hash   Hash    // of LegLocked: SHA-256 of the secret
	Secret *Secret // of LegRedeemed: it is public
}

// The first topics of the events.
var (
	topicLocked   = hashLock.topic("Locked")
	topicRedeemed = hashLock.topic("Redeemed")
	topicRefunded = hashLock.topic("Refunded")
)

// HashLockTopics are the first topics to filter logs by. The second is the key.
func HashLockTopics() []Hash { return []Hash{topicLocked, topicRedeemed, topicRefunded} }

// ReadHashLockLog reads a log that the contract wrote; whether it was this
// contract, the caller checks by the log's address. Errors: ErrAnswer.
func ReadHashLockLog(topics []Hash, data []byte) (HashLockEvent, error) {
	if len(topics) != 2 {
		return HashLockEvent{}, fmt.Errorf("%w: log of %d topics, want 2", ErrAnswer, len(topics))
	}
	e, words := HashLockEvent{Key: topics[1]}, 0
	switch topics[0] {
	case topicLocked:
		e.Kind, words = LegLocked, 6
	case topicRedeemed:
		e.Kind, words = LegRedeemed, 1
	case topicRefunded:
		e.Kind = LegRefunded
	default:
		return HashLockEvent{}, fmt.Errorf("%w: log of topic %s", ErrAnswer, topics[0])
	}
	if len(data) != 32*words {
		return HashLockEvent{}, fmt.Errorf("%w: log %s of %d bytes, want %d", ErrAnswer, e.Kind, len(data), 32*words)
	}
	switch e.Kind {
	case LegLocked:
		e.Hash = Hash(data[:32])
	case LegRedeemed:
		secret := Secret(data)
		e.Secret = &secret
	}
	return e, nil
}
