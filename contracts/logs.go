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

// HashLockTopics are the first topics to filter logs by. The second is the key;
// the third, of a lock only, is the hash of the secret.
func HashLockTopics() []Hash { return []Hash{topicLocked, topicRedeemed, topicRefunded} }

// ReadHashLockLog reads a log that the contract wrote; whether it was this
// contract, the caller checks by the log's address. Errors: ErrAnswer.
func ReadHashLockLog(topics []Hash, data []byte) (HashLockEvent, error) {
	if len(topics) < 2 {
		return HashLockEvent{}, fmt.Errorf("%w: log of %d topics", ErrAnswer, len(topics))
	}
	e, wantTopics, wantBytes := HashLockEvent{Key: topics[1]}, 2, 0
	switch topics[0] {
	case topicLocked:
		e.Kind, wantTopics = LegLocked, 3
	case topicRedeemed:
		e.Kind, wantBytes = LegRedeemed, 32
	case topicRefunded:
		e.Kind = LegRefunded
	default:
		return HashLockEvent{}, fmt.Errorf("%w: log of topic %s", ErrAnswer, topics[0])
	}
	if len(topics) != wantTopics || len(data) != wantBytes {
		return HashLockEvent{}, fmt.Errorf("%w: log %s of %d topics and %d bytes, want %d and %d",
			ErrAnswer, e.Kind, len(topics), len(data), wantTopics, wantBytes)
	}
	switch e.Kind {
	case LegLocked:
		e.Hash = topics[2]
	case LegRedeemed:
		secret := Secret(data)
		e.Secret = &secret
	}
	return e, nil
}
