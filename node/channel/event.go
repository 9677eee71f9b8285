package channel

import (
	"photon/contracts"
	"photon/node/message"
)

// An Event is what a channel is told.
type Event interface{ event() }

// From our ledger.

// A Say queues changes of ours: payments and promises. They go out with the next
// [Flush]. Errors: ErrShort, ErrFull, ErrExpiry, ErrRepeated, ErrStatus.
type Say struct{ Change message.Change }

// A Flush puts what is queued into updates, as far as the window of the flight
// allows.
type Flush struct{}

// A Know gives the secret of a lock that the partner has promised us: he is shown
// it, until the lock is paid.
type Know struct{ Secret contracts.Secret }

// A GiveUp disposes of a lock that the partner has promised us. Errors: ErrLock
// when there is none, or its secret is known and it is ours to take.
type GiveUp struct {
	Lock   contracts.Hash // ID
	Reason message.Reason
}

// An Ask asks for a withdrawal or an ending. Errors: ErrStatus, ErrBusy, ErrShort.
type Ask struct{ Wish Wish }

// A Tick lets time pass.
type Tick struct{}

// A Heard is a message of the partner. Who has sent it is proved; what is signed in
// it is not. Errors: ErrSignature, ErrMessage, ErrLock, after which nothing has
// changed.
type Heard struct {
	Message message.Message
	Reason  message.Reason // why the ledger does not want an update, for its Culprit; empty is no objection
	Culprit contracts.Hash
}

// A Meet says that the partner can be reached (again): where we stand is told, and
// what is not answered comes again.
type Meet struct{}

// From the chain, confirmed.

// A Happened is an event of the contract about this channel. Opened makes a channel
// and is no event of one: see [New].
type Happened struct {
	contracts.ChannelEvent
	Block uint64
}

// A Registered dates a secret. The chain tells of each once; of one that was
// registered before its lock was promised only who asks for it hears, and whoever runs
// a channel must ask: else the partner has locks that are claimed, and signed away,
// without our ever seeing it.
type Registered struct {
	Secret contracts.Secret
	Block  uint64
}

// A Found is the list of locks behind a root that the partner has brought as our
// word: see [ListWith].
type Found struct{ Locks []contracts.Lock }

func (Say) event()        {}
func (Flush) event()      {}
func (Know) event()       {}
func (GiveUp) event()     {}
func (Ask) event()        {}
func (Tick) event()       {}
func (Heard) event()      {}
func (Meet) event()       {}
func (Happened) event()   {}
func (Registered) event() {}
func (Found) event()      {}

// An Effect is what a channel wants done, after it is stored.
type Effect interface{ effect() }

// A Tell sends a message to the partner. Where [Channel.Word] says so, it is signed
// on the way out; a lost one follows from the state again, at the next [Meet].
type Tell struct{ Message message.Message }

// A Record appends what we have said in an update to the log of the channel, from
// which a list of locks is found again: see [ListWith].
type Record struct {
	Nonce   uint64
	After   uint64           // nonce of the record that it builds on; 0 is none
	Changes []message.Change // without payments
}

// What the ledger is told.

// A Got is a payment of the partner's, for good.
type Got struct{ Pay message.Pay }

// A Flew says in which update a payment of ours went out.
type Flew struct {
	Pays  []message.Pay
	Nonce uint64
}

// An Accepted says that our updates up to Nonce are answered and stand; of those
// between, what was refused came as Returned before.
type Accepted struct{ Nonce uint64 }

// A Returned is a payment or a promise of ours that was refused.
type Returned struct {
	Change message.Change
	Reason message.Reason
}

// A Pledged is a promise of the partner's that stands.
type Pledged struct{ Promise message.Promise }

// A Learned is the secret of a lock that we promised: it is or will be paid.
type Learned struct {
	Lock   contracts.Lock
	Secret contracts.Secret
}

// A GaveUp says that the partner has disposed of a lock that we promised: it can be
// promised elsewhere.
type GaveUp struct {
	Lock   contracts.Lock
	Reason message.Reason
}

// A Lapsed says that a lock's time is over and nobody gets it.
type Lapsed struct {
	Lock contracts.Lock
	Ours bool // we had promised it
}

// An Earned says that the partner has paid a lock that he had promised.
type Earned struct {
	Lock   contracts.Lock
	Secret contracts.Secret
}

// An Ended says that a withdrawal or an ending that our user wished is done, or why
// it will not be.
type Ended struct {
	Wish   Wish
	Reason message.Reason // empty when it is done
}

func (Tell) effect()     {}
func (Record) effect()   {}
func (Got) effect()      {}
func (Flew) effect()     {}
func (Accepted) effect() {}
func (Returned) effect() {}
func (Pledged) effect()  {}
func (Learned) effect()  {}
func (GaveUp) effect()   {}
func (Lapsed) effect()   {}
func (Earned) effect()   {}
func (Ended) effect()    {}

// A Wish is what our user wants of the channel, that needs the partner or the
// chain.
type Wish struct {
	ID    contracts.Hash   `json:"id"`
	Kind  WishKind         `json:"kind"`
	Take  contracts.Amount `json:"take"`            // of Withdrawing: what we take out
	Until uint64           `json:"until"`           // block: when both have not agreed by then, a withdrawal is given up and an ending is done alone
	Alone bool             `json:"alone,omitempty"` // of Ending: without asking the partner
}

// A WishKind is what is wished.
type WishKind string

// The kinds.
const (
	Withdrawing WishKind = "withdraw"
	Ending      WishKind = "end"
)

// An Accord is a withdrawal or an ending that one side has proposed. The other signs
// first, and from then on it may be brought to the contract until it is good no
// more: so long nothing else is said.
type Accord struct {
	Withdrawal *contracts.Withdrawal `json:"withdrawal,omitempty"`
	Ending     *contracts.Ending     `json:"ending,omitempty"`
	Ours       bool                  `json:"ours"`               // we proposed it
	Theirs     *contracts.Signature  `json:"theirs,omitempty"`   // the partner's, once we have it
	Declined   message.Reason        `json:"declined,omitempty"` // why he does not; another is proposed with the next block
}

// Law is what the contract holds of the channel since it was closed.
type Law struct {
	ByUs   bool             `json:"byUs"`  // we closed
	End    uint64           `json:"end"`   // last block of the window
	Nonce  uint64           `json:"nonce"` // of what the one who closed has said
	Said   uint64           `json:"said"`  // nonce of our claim
	Ours   contracts.Claim  `json:"ours"`  // what we have said
	Theirs contracts.Claim  `json:"theirs"`
	Locks  []contracts.Lock `json:"locks"` // of our claim, once found
}
