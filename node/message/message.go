package message

import "photon/contracts"

// A Message is what one party of a channel tells the other. It is evidence where
// it is signed, and a hint where it is not.
type Message interface {
	// About is the channel's key: [contracts.Channels.Key].
	About() contracts.Hash
}

// An Update changes what its sender has said in one direction of a channel: all
// of Changes, in order, and Proof is what comes of them. Every update is answered
// once, in order.
type Update struct {
	Channel   contracts.Hash
	Epoch     uint64
	After     uint64 // nonce of the sender's update that this one builds on; zero is none
	Changes   []Change
	Proof     contracts.BalanceProof // its nonce is the update's: one more than the last that was signed, whatever became of that
	Signature contracts.Signature    // of the sender, over contracts.ProofWord
}

// A Change is one step of an [Update]: exactly one of its fields is set.
type Change struct {
	Pay     *Pay     `json:"pay,omitempty"`
	Promise *Promise `json:"promise,omitempty"`
	Unlock  *Unlock  `json:"unlock,omitempty"`
	Drop    *Drop    `json:"drop,omitempty"`
}

// Subject is the payment's id or the lock's: what a refusal names.
func (c Change) Subject() contracts.Hash {
	switch {
	case c.Pay != nil:
		return c.Pay.ID
	case c.Promise != nil:
		return c.Promise.Lock.ID()
	case c.Unlock != nil:
		return c.Unlock.Lock
	default:
		return c.Drop.Lock
	}
}

// A Pay gives Amount to the partner.
type Pay struct {
	ID      contracts.Hash // of the payment, chosen by its payer
	Amount  contracts.Amount
	Invoice contracts.Hash // ID of the invoice that is paid; zero is none
	Text    string         // at most MaxText bytes
}

// A Promise adds Lock to the list, as the last. It asks the partner to promise the
// rest, less his fee, to the first of Route; with no Route it is meant for him.
type Promise struct {
	Lock  contracts.Lock
	Route []contracts.Address // what is left of it, the payee last; at most MaxRoute
}

// An Unlock pays a lock of the list to the partner: it leaves the list, and its
// amount is transferred.
type Unlock struct {
	Lock   contracts.Hash // contracts.Lock.ID
	Secret contracts.Secret
}

// A Drop takes a lock from the list and pays nothing: its time is over and its
// secret was not registered, or the partner has disposed of it.
type Drop struct{ Lock contracts.Hash }

// An Answer ends the wait for every update up to Nonce. When Stands is Nonce they
// hold, but for those refused before; when it is less, the update Nonce is refused
// for Reason, and Stands is the last that holds.
type Answer struct {
	Channel   contracts.Hash
	Epoch     uint64
	Nonce     uint64
	Stands    uint64
	Reason    Reason              // empty when it holds
	Culprit   contracts.Hash      // of the change that is to blame: a payment's id or a lock's; zero is none, the changes may come again
	Signature contracts.Signature // of the one who answers, over contracts.AnswerWord
}

// A Reveal shows the secret of a lock that its receiver wants paid.
type Reveal struct {
	Channel contracts.Hash
	Secret  contracts.Secret
}

// A Dispose gives up a lock of the partner's list. Who has signed it and unlocks
// the lock nevertheless loses the channel.
type Dispose struct {
	Channel   contracts.Hash
	Epoch     uint64
	Lock      contracts.Lock
	Reason    Reason
	Signature contracts.Signature // over contracts.DisposeWord
}

// A Sync tells where its sender stands, after a break or when something does not
// fit. Who gets one sends again what is not answered, and, unless it was an Echo,
// a Sync of its own.
type Sync struct {
	Channel contracts.Hash
	Epoch   uint64
	Sent    uint64 // nonce of the newest update that the sender has signed
	Answer  Answer // the sender's newest; all zero when it never answered one
	Echo    bool   // it answers a Sync
}

// A State is both sides of a channel as its sender has them, for a partner whose
// Sync shows that he has lost his data.
type State struct {
	Channel contracts.Hash
	Epoch   uint64
	Mine    Said   // what the sender has said, and the partner has accepted
	Yours   Said   // what the partner has said
	Sent    uint64 // nonce of the newest update that the sender has signed
	Heard   uint64 // nonce of the partner's newest update that was answered
}

// A Said is what one side of a channel has said, with its signature.
type Said struct {
	Proof     contracts.BalanceProof
	Locks     []contracts.Lock // of Proof.Locks
	Signature contracts.Signature
}

// A Withdraw proposes to take money out of the channel, or agrees to it: the other
// side answers with the same, signed by itself, or with a Decline.
type Withdraw struct {
	Channel    contracts.Hash
	Epoch      uint64
	Withdrawal contracts.Withdrawal
	Agreed     bool                // an answer
	Signature  contracts.Signature // over contracts.WithdrawWord
}

// An End proposes to close the channel together, or agrees to it.
type End struct {
	Channel   contracts.Hash
	Epoch     uint64
	Ending    contracts.Ending
	Agreed    bool                // an answer
	Signature contracts.Signature // over contracts.CloseTogetherWord
}

// A Decline refuses a Withdraw or an End.
type Decline struct {
	Channel contracts.Hash
	Epoch   uint64
	Until   uint64 // of what is refused
	Reason  Reason
}

func (m Update) About() contracts.Hash   { return m.Channel }
func (m Answer) About() contracts.Hash   { return m.Channel }
func (m Reveal) About() contracts.Hash   { return m.Channel }
func (m Dispose) About() contracts.Hash  { return m.Channel }
func (m Sync) About() contracts.Hash     { return m.Channel }
func (m State) About() contracts.Hash    { return m.Channel }
func (m Withdraw) About() contracts.Hash { return m.Channel }
func (m End) About() contracts.Hash      { return m.Channel }
func (m Decline) About() contracts.Hash  { return m.Channel }

// Limits of what a message may hold.
const (
	MaxChanges = 1024 // of an update
	MaxLocks   = 160  // pending in one direction
	MaxRoute   = 20   // nodes
	MaxText    = 256  // bytes of UTF-8
)

// Limits of what is sent at once.
const (
	MaxUpdate   = 128 << 10 // bytes of an update by its Size: its sender puts no more into one
	MaxPacket   = 256 << 10 // bytes
	MaxMessages = 2048      // of a packet
)

// A Reason is why something is refused, for a program to read.
type Reason string

// The reasons for which an update is refused. It is as if it had not been sent.
const (
	Unfit      Reason = "unfit"      // it breaks a rule; that its proof does not come of its changes, too
	Base       Reason = "base"       // it builds on an update that does not stand
	Capacity   Reason = "capacity"   // more than its sender has, as far as we know
	Full       Reason = "full"       // too many locks, or too much in them
	Early      Reason = "early"      // drops a lock whose time is not over, as far as we know
	Registered Reason = "registered" // drops a lock whose secret was registered in time
	Disposed   Reason = "disposed"   // a lock that was disposed of in this epoch, or is there already
	Busy       Reason = "busy"       // a withdrawal or an ending is under way
	Closing    Reason = "closing"    // the channel is closed, or about to be
	Stale      Reason = "stale"      // our view of the chain is too old
	Unknown    Reason = "unknown"    // no such channel, lock or invoice
	Refused    Reason = "refused"    // the payee does not want this payment
)

// The reasons for which a lock is disposed of, beside those above.
const (
	NoRoute   Reason = "no route"  // the next node is no partner of ours, or the route comes back to one
	Short     Reason = "short"     // we do not have as much in the next channel
	Offline   Reason = "offline"   // the next node is not there
	Fee       Reason = "fee"       // what is left for us is too little
	Expiry    Reason = "expiry"    // too near, or too far
	Amount    Reason = "amount"    // not what the invoice asks
	Paid      Reason = "paid"      // the invoice is paid, or no longer open
	NoRelay   Reason = "no relay"  // we pass on no payments
	Crowded   Reason = "crowded"   // the payer's partner has too much pending with us
	Cancelled Reason = "cancelled" // by the payee
)

// reasons are all of them: any other is refused where a message is read.
var reasons = [...]Reason{
	Unfit, Base, Capacity, Full, Early, Registered, Disposed, Busy, Closing, Stale, Unknown, Refused,
	NoRoute, Short, Offline, Fee, Expiry, Amount, Paid, NoRelay, Crowded, Cancelled,
}
