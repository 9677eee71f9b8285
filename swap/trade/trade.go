// Package trade is the life of one atomic swap, as one of its two parties knows
// it. It decides; it never acts.
//
//	            Accepted           both locks deep, in time      theirs redeemed, deep
//	proposed ─────────▶ agreed ─▶ locking ───────────▶ redeeming ───────────▶ completed
//	     └───────┬────────┘          │ time passed, or both agree
//	         cancelled               └────▶ refunding ─▶ refunded        stranded: needs a person
//
// A trade knows its two legs by their facts only: what was agreed
// ([contracts.Terms]) and what the chain says of it ([Fate]). It knows nothing of
// chains, so every ordered pair is this one machine. Status is what we committed
// ourselves to and never goes backwards; facts may, and what a reorganisation
// undoes is wanted again.
//
// The one rule: First never gives the secret away when Second could refund
// before First has redeemed, and nobody locks what he could not take back alone.
//
// Start reading at [Trade], then [Trade.Apply] and [Trade.Wants]. The chapters:
// offer.go and propose.go (how it begins), first.go and second.go (what each
// role decides), leave.go (who may go), times.go (the deadlines), fault.go and
// standing.go (how a partner behaved), steps.go (what a person sees), protocol.go
// (whose rules).
package trade

import (
	"fmt"

	"photon/contracts"
)

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
	Fate          Fate            `json:"fate"`
	Head          Head            `json:"-"` // newest block; told anew after a restart
}

// A Trade is one atomic swap as one of the two sees it.
type Trade struct {
	ID       contracts.Hash `json:"id"`       // hash of the secret
	Protocol int            `json:"protocol"` // its rules, see [Protocol]; 0 is the first, too
	Number   uint64         `json:"number"`   // our keys and, as First, the secret are derived from it: Unix milliseconds, never used twice
	Role     Role           `json:"role"`
	Partner  string         `json:"partner"` // the other node's identity
	Offer    contracts.Hash `json:"offer"`
	Status   Status         `json:"status"`
	Start    uint64         `json:"start"`            // Unix seconds at which the times of both legs begin
	Margin   uint64         `json:"margin,omitempty"` // seconds before the second leg's expiry from which the secret is shown no more, by our profile; 0 in old trades
	Now      uint64         `json:"-"`                // newest Unix second we heard of
	Ours     Leg            `json:"ours"`
	Theirs   Leg            `json:"theirs"`

	Secret     *contracts.Secret `json:"secret,omitempty"`  // known once First has shown it, by message or on chain
	GaveRefund bool              `json:"gaveRefund"`        // we agreed to the partner's refund: never lock, never reveal
	Abandoned  bool              `json:"abandoned"`         // the partner said that he goes no further
	Left       bool              `json:"left"`              // our user wants to go no further
	Missed     bool              `json:"missed"`            // as First: decided to reveal, and did not in time
	Reached    bool              `json:"reached,omitempty"` // as Second: the partner has taken in our answer
	Owed       Fault             `json:"owed,omitempty"`    // what it will be if the partner does not move: he could, and had the time to
	Overdue    bool              `json:"overdue,omitempty"` // he had not moved when his time for it was over
	Reason     string            `json:"reason"`            // why it was cancelled or is stranded, for a person
	Frozen     string            `json:"frozen"`            // the broken invariant: no new promise, defence goes on
	Rescued    bool              `json:"rescued"`           // taken up from the journal: what we had signed is lost, so never lock anew
	Version    uint64            `json:"version"`           // counts changes; saving compares it
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

// moves lists where each status may lead, by role. status.mmd is drawn from it.
// The roles differ in one thing: First, who has revealed, may still have to
// refund; Second, who refunds, may still learn the secret.
var moves = map[Role]map[Status][]Status{
	First: {
		Proposed:  {Locking, Cancelled},
		Locking:   {Redeeming, Refunding, Cancelled},
		Redeeming: {Completed, Refunding, Stranded},
		Refunding: {Refunded, Stranded},
	},
	Second: {
		Agreed:    {Locking, Cancelled},
		Locking:   {Redeeming, Refunding, Cancelled},
		Refunding: {Redeeming, Refunded},
		Redeeming: {Completed, Refunded, Stranded},
	},
}

// AtRest reports whether nothing more will happen.
func (s Status) AtRest() bool { return s == Completed || s == Refunded || s == Cancelled }

// Leg returns the leg on side s.
func (t *Trade) Leg(s Side) *Leg {
	if s == Ours {
		return &t.Ours
	}
	return &t.Theirs
}

// Watches are the two legs as a chain is asked for them.
func (t Trade) Watches() [2]Watch {
	return [2]Watch{
		{t.ID, Ours, t.Ours.Terms, t.Ours.From},
		{t.ID, Theirs, t.Theirs.Terms, t.Theirs.From},
	}
}

// locked counts the confirmations of the leg's lock; 0 while it is not mined.
func (l Leg) locked() uint64 {
	if l.Fate.Lock == nil {
		return 0
	}
	return depth(l.Head.Height, l.Fate.Lock.Height)
}

// ended counts the confirmations of the leg's end; 0 while it is not mined.
func (l Leg) ended() uint64 {
	if l.Fate.End == nil {
		return 0
	}
	return depth(l.Head.Height, l.Fate.End.Height)
}

// deep reports whether the leg ended in one of these ways, deep enough to count.
func (l Leg) deep(kinds ...Kind) bool {
	if l.ended() < max(l.Confirmations, 1) {
		return false
	}
	for _, k := range kinds {
		if l.Fate.End.Kind == k {
			return true
		}
	}
	return false
}

// secure reports whether the lock is deep enough to count and not spent.
func (l Leg) secure() bool {
	return l.locked() >= max(l.Confirmations, 1) && l.Fate.End == nil
}

// expired reports whether the chain lets the refunder take the lock back. A time
// lock opens when the chain's own time is past it, not when it is reached.
func (l Leg) expired() bool { return l.Head.Time > l.Terms.Expiry }

func depth(head, at uint64) uint64 {
	if at == 0 || head < at {
		return 0
	}
	return head - at + 1
}

// told reports whether the leg's chain has said anything since we started. Before
// that, what it stores may be old.
func (l Leg) told() bool { return l.Head != (Head{}) }

// gone reports whether the leg's lock, once its life has passed a second time, is
// still not there: it will never be.
func (l Leg) gone(start uint64) bool {
	return l.Fate.Lock == nil && l.Head.Time > l.Terms.Expiry+(l.Terms.Expiry-start)
}

// rest moves to a status in which nothing more is promised.
func (t Trade) rest(s Status, format string, args ...any) Trade {
	t.Status, t.Reason = s, fmt.Sprintf(format, args...)
	return t
}
