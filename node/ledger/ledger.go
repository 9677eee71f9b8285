// Package ledger is all channels of a node and the payments across them. It
// decides; it never acts.
//
//	            direct                        one channel, no lock
//	initiator ─────────▶ payee
//	            promise        promise        the hash is the payee's
//	initiator ─────────▶ mediator ─────────▶ payee
//	          ◀───────── mediator ◀─────────  secret, or the lock is disposed of
//
// A payment's hash comes from the payee's invoice, so nobody but him can open it,
// and he does so only when at least what he asked for is locked for him. What a
// mediator earns is the difference of its two locks.
//
// The one rule: a mediator's outgoing lock ends before its incoming one, by what it
// needs to register a secret; and it never pays without a secret in hand.
//
// Start reading at [Ledger], then [Ledger.Apply]. The chapters: initiator.go,
// mediator.go, target.go (what each does), exchange.go (two tokens, both or
// neither).
package ledger

import (
	"errors"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// Why Apply refuses an event. Each is wrapped with the figures that decided it;
// errors of package channel come through.
var (
	ErrConflict = errors.New("stored by another")
	ErrNoRoute  = errors.New("no route")
	ErrPayment  = errors.New("not a payment that can be made")
	ErrReused   = errors.New("the same id for another payment")
	ErrInvoice  = errors.New("not an invoice that can be paid")
	ErrFee      = errors.New("fees above the limit")
	ErrChannel  = errors.New("no such channel")
	ErrStale    = errors.New("our view of the chain is too old")
)

// A Status is how a payment ended, or that it has not.
type Status string

// The statuses.
const (
	Pending Status = "pending"
	Done    Status = "done"
	Failed  Status = "failed"
)

// A Payment is one that we made or got.
type Payment struct {
	ID       contracts.Hash    `json:"id"`   // a direct one's is its payer's choice; another's is the invoice's hash
	Ours     bool              `json:"ours"` // we pay
	Asset    contracts.Asset   `json:"asset"`
	Partner  contracts.Address `json:"partner"` // payee, or payer of a direct one; zero is not known
	Amount   contracts.Amount  `json:"amount"`  // that the payee gets
	Fee      contracts.Amount  `json:"fee"`     // beside it
	MaxFee   contracts.Amount  `json:"maxFee"`
	Invoice  *message.Invoice  `json:"invoice,omitempty"`
	Text     string            `json:"text,omitempty"`
	Status   Status            `json:"status"` // of a direct one: Pending only while it is queued, see Channel
	Reason   message.Reason    `json:"reason,omitempty"`
	Channel  contracts.Hash    `json:"channel"` // of a direct one: it is done once the update Nonce stands
	Epoch    uint64            `json:"epoch"`
	Nonce    uint64            `json:"nonce"`
	Secret   *contracts.Secret `json:"secret,omitempty"` // with the invoice, the receipt
	Parts    []Part            `json:"parts,omitempty"`
	Routes   []Route           `json:"routes,omitempty"` // that are left to try
	Made     uint64            `json:"made"`             // Unix seconds
	Ended    uint64            `json:"ended"`            // Unix seconds
	Deadline uint64            `json:"deadline"`         // Unix seconds: no new try after it
}

// A Part is one try of a mediated payment, or one of several parts.
type Part struct {
	Link
	Route  Route          `json:"route"`
	Status Status         `json:"status"`
	Reason message.Reason `json:"reason,omitempty"`
}

// A Link is a lock in a channel.
type Link struct {
	Channel contracts.Hash `json:"channel"`
	Lock    contracts.Lock `json:"lock"`
}

// A Route is a way to the payee through others.
type Route struct {
	Nodes  []contracts.Address `json:"nodes"`  // after us; the payee last
	Sent   contracts.Amount    `json:"sent"`   // what enters it
	Amount contracts.Amount    `json:"amount"` // what arrives
}

// A Query asks for routes.
type Query struct {
	Asset  contracts.Asset
	To     contracts.Address
	Amount contracts.Amount
	Most   int              // routes
	Avoid  []contracts.Hash // channels
}

// A Transfer is a payment of others that we pass on.
type Transfer struct {
	ID     contracts.Hash   `json:"id"` // of the incoming lock
	In     Link             `json:"in"`
	Out    Link             `json:"out"`
	Status Status           `json:"status"`
	Fee    contracts.Amount `json:"fee"`  // earned when done
	Made   uint64           `json:"made"` // Unix seconds
}

// A Demand is an invoice of ours, and what has come for it.
type Demand struct {
	Invoice message.Invoice   `json:"invoice"`
	Number  uint64            `json:"number"` // its secret is derived from it; 0 is of somebody else
	Hold    bool              `json:"hold"`   // the secret is not shown before the user says so
	Status  DemandStatus      `json:"status"`
	Secret  *contracts.Secret `json:"secret,omitempty"` // once it may be shown
	Links   []Link            `json:"links,omitempty"`
	Made    uint64            `json:"made"`
}

// A DemandStatus is how far an invoice of ours is.
type DemandStatus string

// The statuses.
const (
	Asked     DemandStatus = "open"
	Held      DemandStatus = "held" // all that was asked is locked for us
	Settling  DemandStatus = "paid"
	Withdrawn DemandStatus = "cancelled"
	Lapsed    DemandStatus = "expired"
)

// A Change is what one or more events have changed: it is stored whole, then
// committed, then acted on.
type Change struct {
	Channels  []channel.Channel
	Payments  []Payment
	Transfers []Transfer
	Demands   []Demand
	Said      []Said                     // appended to the logs of channels
	Through   map[contracts.Chain]uint64 // position of each chain that has moved
	Rest      []contracts.Hash           // orders that need nothing more, done or not
	Effects   []Effect
}

// A Said is a record of a channel's log.
type Said struct {
	Channel contracts.Hash
	Epoch   uint64
	channel.Record
}

// Loaded is what a store has kept: all that is not at rest.
type Loaded struct {
	Channels  []channel.Channel
	Payments  []Payment // ours that are pending
	Transfers []Transfer
	Demands   []Demand
	Through   map[contracts.Chain]uint64
}

// An Effect is what the node does after a change is stored.
type Effect interface{ effect() }

// A Tell is a message for a partner.
type Tell struct {
	To      contracts.Address
	Message message.Message
}

// A Notice tells our user what has happened.
type Notice struct {
	Kind string
	ID   contracts.Hash
	Text string
}

func (Tell) effect()   {}
func (Notice) effect() {}
