package trade

import "photon/contracts"

// A Role says who locks first.
type Role string

// The roles.
const (
	First  Role = "first"  // took an offer; knows the secret; locks first, with the longer time
	Second Role = "second" // made the offer; locks second, with the shorter time
)

// A Leg is one leg of a trade: what was agreed and what its chain says.
type Leg struct {
	Terms         contracts.Terms `json:"terms"`
	Confirmations uint64          `json:"confirmations"` // that a transaction of this leg needs to count
	From          uint64          `json:"from"`          // height of the first block that can hold the lock
	Head          Head            `json:"head"`
	Fate          Fate            `json:"fate"`
}

// A Trade is one atomic swap as one of the two sees it.
type Trade struct {
	ID      contracts.Hash `json:"id"`     // hash of the secret
	Number  uint64         `json:"number"` // our keys and, as First, the secret are derived from it: Unix milliseconds, never used twice
	Role    Role           `json:"role"`
	Partner string         `json:"partner"` // the other node's identity
	Offer   contracts.Hash `json:"offer"`
	Status  Status         `json:"status"`
	Start   uint64         `json:"start"` // Unix seconds at which the times of both legs begin
	Now     uint64         `json:"now"`   // newest Unix second we heard of
	Ours    Leg            `json:"ours"`
	Theirs  Leg            `json:"theirs"`

	Secret     *contracts.Secret `json:"secret,omitempty"` // as Second: known once First has shown it, and then public
	GaveRefund bool              `json:"gaveRefund"`       // we agreed to the partner's cooperative refund: never lock or redeem
	Abandoned  bool              `json:"abandoned"`        // the partner said that he goes no further
	Reason     string            `json:"reason"`           // why it was cancelled or is stranded, for a person
	Frozen     string            `json:"frozen"`           // the broken invariant: no new promise, defence goes on
	Version    uint64            `json:"version"`          // counts changes; saving compares it
}

// Status is how far we have committed ourselves. It never goes backwards: see
// moves. What the chains say may go back, and is kept in the legs.
type Status string

// The statuses.
const (
	Proposed  Status = "proposed"  // First asked; the partner has not answered
	Agreed    Status = "agreed"    // both know the terms; nothing of ours is at stake
	Locking   Status = "locking"   // our lock is ordered
	Redeeming Status = "redeeming" // First: the secret is given away; Second: the secret is known
	Refunding Status = "refunding" // our refund is ordered
	Completed Status = "completed" // what we bought is ours, deep in its chain
	Refunded  Status = "refunded"  // what we locked is ours again, deep in its chain
	Cancelled Status = "cancelled" // ended before we locked
	Stranded  Status = "stranded"  // needs a person
)
