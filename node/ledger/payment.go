package ledger

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/crypto"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
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
	ID       contracts.Hash    `json:"id"`   // the invoice's hash; of a direct one of ours, our user's choice
	His      contracts.Hash    `json:"his"`  // of a direct one that we got, its payer's choice
	Ours     bool              `json:"ours"` // we pay
	Asset    contracts.Asset   `json:"asset"`
	Partner  contracts.Address `json:"partner"` // payee, or payer of a direct one; zero is not known
	Amount   contracts.Amount  `json:"amount"`  // that the payee gets
	Fee      contracts.Amount  `json:"fee"`     // beside it
	MaxFee   contracts.Amount  `json:"maxFee"`
	Invoice  *message.Invoice  `json:"invoice,omitempty"`
	Offer    *message.Offer    `json:"offer,omitempty"` // of which it is our part, as its taker
	Text     string            `json:"text,omitempty"`
	Status   Status            `json:"status"` // of a direct one of ours: Pending only while it is queued, see Stands
	Reason   message.Reason    `json:"reason,omitempty"`
	Channel  contracts.Hash    `json:"channel"` // of a direct one: it is done once the update Nonce stands
	Epoch    uint64            `json:"epoch"`
	Nonce    uint64            `json:"nonce"`
	Secret   *contracts.Secret `json:"secret,omitempty"` // with the invoice, the receipt
	Parts    []Part            `json:"parts,omitempty"`
	Routes   []Route           `json:"routes,omitempty"` // that are left to try
	Made     uint64            `json:"made"`             // Unix seconds
	Ended    uint64            `json:"ended"`            // Unix seconds
	Deadline uint64            `json:"deadline"`         // Unix seconds: no new try from it on; 0 is none
}

// key is what a payment is kept by in memory: of an exchange, there is one of each
// side with one id.
func (p Payment) key() contracts.Hash {
	if p.Ours {
		return p.ID
	}
	return contracts.Hash(crypto.Keccak256Hash([]byte("got"), p.ID[:]))
}

// gotID makes an id for a payment that came in a partner's update: his is of his
// choice, and may be anybody's.
func gotID(second uint64, c channel.Channel, his contracts.Hash) contracts.Hash {
	at := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, c.Epoch), c.Them.Proof.Nonce)
	return PaymentID(second*1000, [24]byte(crypto.Keccak256(c.Key[:], at, his[:])))
}

// direct reports whether it goes through one channel and no lock.
func (p Payment) direct() bool { return !p.Channel.IsZero() }

// Stands reports whether p, which is direct and ours, is done for good; c is its
// channel.
func (p Payment) Stands(c channel.Channel) bool { return p.In(c.Epoch, c.Us.Proof.Nonce) == Done }

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

// ID names the link: two channels may hold the same lock.
func (l Link) ID() contracts.Hash {
	lock := l.Lock.ID()
	return contracts.Hash(crypto.Keccak256Hash(l.Channel[:], lock[:]))
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

// A Transfer is a payment of others that we pass on, or an exchange of which we are
// the maker.
type Transfer struct {
	ID     contracts.Hash    `json:"id"` // of In: Link.ID
	In     Link              `json:"in"`
	Out    Link              `json:"out"`
	Offer  *message.Offer    `json:"offer,omitempty"` // of an exchange
	Status Status            `json:"status"`          // Done when the incoming lock is paid
	Reason message.Reason    `json:"reason,omitempty"`
	Fee    contracts.Amount  `json:"fee"`              // earned when done
	Secret *contracts.Secret `json:"secret,omitempty"` // the outgoing lock is paid for it, or will be
	Made   uint64            `json:"made"`             // Unix seconds
}

// A Demand is an invoice of ours, and what has come for it.
type Demand struct {
	Invoice message.Invoice   `json:"invoice"`
	Number  uint64            `json:"number"` // its secret is derived from it; 0 is of somebody else
	Hold    bool              `json:"hold"`   // the secret is not shown before the user says so
	Status  DemandStatus      `json:"status"`
	Secret  *contracts.Secret `json:"secret,omitempty"` // once it may be shown
	Links   []Link            `json:"links,omitempty"`
	Got     contracts.Amount  `json:"got"` // what was paid for it so far
	Made    uint64            `json:"made"`
}

// A DemandStatus is how far an invoice of ours is.
type DemandStatus string

// The statuses.
const (
	Asked     DemandStatus = "open"
	Held      DemandStatus = "held" // all that was asked is locked for us
	Settling  DemandStatus = "paid" // the secret is shown, or it was paid directly
	Withdrawn DemandStatus = "cancelled"
	Lapsed    DemandStatus = "expired"
)

// sum of what is locked for it.
func (d Demand) sum() (all contracts.Amount) {
	for _, l := range d.Links {
		all = all.Plus(l.Lock.Amount)
	}
	return all
}

// first is the earliest expiry of what is locked for it.
func (d Demand) first() uint64 {
	first := ^uint64(0)
	for _, l := range d.Links {
		first = min(first, l.Lock.Expiry)
	}
	return first
}

// A Fee is what we ask in one of our channels.
type Fee struct {
	Channel  contracts.Hash   `json:"channel"`
	Schedule message.Schedule `json:"schedule"`
}
