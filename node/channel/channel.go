// Package channel is the life of one payment channel between two parties, as one
// of them knows it. It decides; it never acts.
//
//	Opened        Closed                     window, punish time
//	──────▶ open ────────▶ closed ──────────────────────────────▶ settled
//	         │ ▲             │          Settled                      ▲
//	         └─┘ Withdrawn   └────────────── Punished ───────────────┤
//	         └────────────────────────────── closed together ────────┘
//
// Each side has said something: one number that only grows, what it has sent, and
// the locks it has promised. It says more in updates, which the other answers in
// order, each once: it stands, or it is refused and as if it had never been. Some
// updates may be on their way at a time (the flight); what is still to be said waits
// (the queue) and goes into the next one together.
//
// The one rule: nothing that was signed is ever worth less to us than what we show.
// What the partner signed we keep; what we signed he may bring to the contract, and
// so a lock that he refuses he must also dispose of.
//
// Start reading at [Channel], then [Channel.Apply]. The chapters: say.go (our
// updates), hear.go (the partner's), lock.go (secrets, disposals, expiries), sync.go
// (breaks and lost data), agree.go (withdraw, close together), law.go (what the
// chain says), wants.go (what we want of the chain).
package channel

import (
	"errors"
	"fmt"
	"slices"

	"photon/contracts"
	"photon/node/message"
)

// Why Apply refuses an event. Each is wrapped with the figures that decided it.
var (
	ErrStatus    = errors.New("not possible in this status")
	ErrShort     = errors.New("not enough in the channel")
	ErrAmount    = errors.New("no amount")
	ErrFull      = errors.New("too many locks are pending")
	ErrExpiry    = errors.New("expiry too near or too far")
	ErrLock      = errors.New("no such lock")
	ErrRepeated  = errors.New("a lock that was there before")
	ErrSignature = errors.New("not signed by the partner")
	ErrEpoch     = errors.New("of another epoch")
	ErrMessage   = errors.New("message that does not fit")
	ErrBusy      = errors.New("a withdrawal or an ending is under way")
	ErrFrozen    = errors.New("channel is frozen")
	ErrEvent     = errors.New("not an event of this channel")
	ErrPartner   = errors.New("not a partner for a channel")
	ErrWindow    = errors.New("settle window too short or too long")
)

// Status is as the chain has it.
type Status string

// The statuses.
const (
	Open    Status = "open"
	Closed  Status = "closed"  // one side has begun the end alone
	Settled Status = "settled" // it is over, and paid
)

// moves lists where each status may lead. status.mmd is drawn from it.
var moves = map[Status][]Status{
	Open:   {Closed, Settled},
	Closed: {Settled},
}

// Rules are numbers that a node keeps for all its channels on one chain, in blocks.
type Rules struct {
	Reveal uint64 `json:"reveal"` // what we need to register a secret, and to answer on the chain
	Punish uint64 `json:"punish"` // of the contract: between window and settlement
	Grace  uint64 `json:"grace"`  // after an expiry, before we drop our lock: the partner's view may be behind ours
}

// A Channel is one channel as one of its two parties knows it.
type Channel struct {
	Key      contracts.Hash        `json:"key"`
	Contract contracts.Channels    `json:"contract"`
	Chain    contracts.Chain       `json:"chain"`
	Name     contracts.ChannelName `json:"name"`
	First    bool                  `json:"first"`  // we are
	Window   uint64                `json:"window"` // blocks
	Rules    Rules                 `json:"rules"`
	Status   Status                `json:"status"`
	Epoch    uint64                `json:"epoch"`
	Us       Ours                  `json:"us"`
	Them     Theirs                `json:"them"`
	Wish     *Wish                 `json:"wish,omitempty"`   // what our user wants done with it
	Wished   contracts.Hash        `json:"wished"`           // id of the last wish that has ended
	Accord   *Accord               `json:"accord,omitempty"` // a withdrawal or an ending under way
	Law      *Law                  `json:"law,omitempty"`    // since it was closed
	Paid     [2]contracts.Amount   `json:"paid,omitempty"`   // at settlement: us, them
	Behind   bool                  `json:"behind,omitempty"` // we have lost data: nothing is said before the partner has told us where we stood
	Frozen   string                `json:"frozen,omitempty"` // the broken invariant: no new promise, defence goes on
	Version  uint64                `json:"version"`          // counts changes; saving compares it
}

// Ours is our side: what we have put in, and what we have said of it.
type Ours struct {
	Deposit  contracts.Amount       `json:"deposit"`
	Proof    contracts.BalanceProof `json:"proof"`  // what stands; zero when nothing does
	Locks    []contracts.Lock       `json:"locks"`  // of Proof
	Listed   uint64                 `json:"listed"` // nonce of the last record that led to Locks
	Flight   []Flown                `json:"flight"`
	Queue    []message.Change       `json:"queue"`
	Queued   contracts.Amount       `json:"queued"`   // sum of what the queue pays and promises
	Used     uint64                 `json:"used"`     // nonce of the newest update that we signed
	Answered uint64                 `json:"answered"` // nonce of the newest that was answered
	Rest     uint64                 `json:"rest"`     // the height at which something was refused that may come again later
	Notes    []Note                 `json:"notes"`    // on our locks
}

// A Flown is an update of ours that is not answered, with what comes of it.
type Flown struct {
	After   uint64                 `json:"after"`
	Changes []message.Change       `json:"changes"`
	Proof   contracts.BalanceProof `json:"proof"`
	Locks   []contracts.Lock       `json:"locks"`
	Listed  uint64                 `json:"listed"`
	Freed   contracts.Amount       `json:"freed"` // sum of what it drops
}

// Theirs is the partner's side, as far as he has told us.
type Theirs struct {
	Party     contracts.Address      `json:"party"`
	Deposit   contracts.Amount       `json:"deposit"`
	Proof     contracts.BalanceProof `json:"proof"` // what stands
	Signature contracts.Signature    `json:"signature"`
	Locks     []contracts.Lock       `json:"locks"`
	Heard     uint64                 `json:"heard"`            // nonce of the newest update that we have answered
	Reason    message.Reason         `json:"reason,omitempty"` // of that answer
	Culprit   contracts.Hash         `json:"culprit"`          // of that answer
	Notes     []Note                 `json:"notes"`            // on his locks
}

// A Note is what is known of a lock, from when it is promised until its time is
// over, whether it is still in a list or not: what was signed stays worth something.
type Note struct {
	Lock     contracts.Lock       `json:"lock"`
	ID       contracts.Hash       `json:"id"`
	Secret   *contracts.Secret    `json:"secret,omitempty"`   // once known
	Dated    uint64               `json:"dated,omitempty"`    // block in which the secret was registered
	Disposed message.Reason       `json:"disposed,omitempty"` // why it was, by whom it was promised to
	Disposal *contracts.Signature `json:"disposal,omitempty"` // of our lock: what the partner signed
	Returned bool                 `json:"returned,omitempty"` // our promise was refused, and is in no list of ours that stands
}

// Now is the time that comes in with an event.
type Now struct {
	Height  uint64 // of the newest block that we know
	Through uint64 // of the newest whose events we have
	Stale   bool   // so old that nobody may promise anything on its word
}

// New makes a channel of its Opened event. Errors: ErrEvent.
func New(contract contracts.Channels, chain contracts.Chain, rules Rules, self contracts.Address, e Happened) (Channel, error) {
	name := contracts.NameChannel(e.Token, e.First, e.Second, e.Block)
	if e.Kind != contracts.ChannelOpened || name.First != e.First || name.ID() != e.ID || (self != e.First && self != e.Second) {
		return Channel{}, fmt.Errorf("%w: %s of %s, opened in block %d", ErrEvent, e.Kind, e.ID, e.Block)
	}
	c := Channel{
		Key: contract.Key(e.ID), Contract: contract, Chain: chain, Name: name, First: self == e.First, Window: e.Window,
		Rules: rules, Status: Open, Epoch: e.Epoch, Version: 1,
	}
	if c.Them.Party = e.First; c.First {
		c.Them.Party = e.Second
	}
	return c, nil
}

// Apply lets e happen. Errors, after which c is as it was: those that e names.
func (c Channel) Apply(now Now, e Event) (Channel, []Effect, error) {
	d, effects, err := c.apply(now, e)
	if err != nil || d.Version == c.Version {
		return d, effects, err
	}
	d, more := d.propose(now)
	broken := d.check(c)
	if d.Status != c.Status && !slices.Contains(moves[c.Status], d.Status) {
		broken = fmt.Sprintf("%s became %s", c.Status, d.Status)
	}
	if broken != "" && d.Frozen == "" {
		d.Frozen = broken
	}
	return d, append(effects, more...), nil
}

func (c Channel) apply(now Now, e Event) (Channel, []Effect, error) {
	switch e := e.(type) {
	case Say:
		return c.say(now, e.Change)
	case Flush:
		return c.flush(now)
	case Know:
		return c.know(e.Secret)
	case GiveUp:
		return c.giveUp(e)
	case Ask:
		return c.ask(now, e.Wish)
	case Tick:
		return c.tick(now)
	case Heard:
		return c.heard(now, e)
	case Meet:
		return c.meet()
	case Happened:
		return c.happened(now, e)
	case Registered:
		return c.registered(now, e)
	case Found:
		return c.found(e.Locks)
	}
	return c.refuse(ErrEvent, "%T", e)
}

// heard is a message of the partner. Those of an older epoch are void; one of a
// newer says that our view of the chain is behind, and he will hear so.
func (c Channel) heard(now Now, e Heard) (Channel, []Effect, error) {
	if e.Message.About() != c.Key {
		return c.refuse(ErrMessage, "it is about %s", e.Message.About())
	}
	switch m := e.Message.(type) {
	case message.Update:
		return c.update(now, m, e.Reason, e.Culprit)
	case message.Answer:
		return c.answered(now, m)
	case message.Reveal:
		return c.reveal(now, m.Secret)
	case message.Dispose:
		return c.disposed(now, m)
	case message.Sync:
		return c.sync(now, m)
	case message.State:
		return c.restore(m)
	case message.Withdraw:
		return c.withdraw(now, m)
	case message.End:
		return c.end(now, m)
	case message.Decline:
		return c.declined(m)
	}
	return c.refuse(ErrMessage, "%T", e.Message)
}

// with is c changed, with effects.
func (c Channel) with(effects ...Effect) (Channel, []Effect, error) {
	c.Version++
	return c, effects, nil
}

// Us and them, in words.

// Partner is who the other party is.
func (c Channel) Partner() contracts.Address { return c.Them.Party }

// Self is who we are.
func (c Channel) Self() contracts.Address {
	if c.First {
		return c.Name.First
	}
	return c.Name.Second
}

// Asset is what the channel holds.
func (c Channel) Asset() contracts.Asset { return contracts.Asset{Chain: c.Chain, Token: c.Name.Token} }

// Sendable is what we could send or promise now. What is to be withdrawn is none of
// it.
func (c Channel) Sendable() contracts.Amount {
	bound := c.bound()
	if c.Wish != nil {
		bound = bound.Plus(c.Wish.Take)
	}
	return rest(c.Us.Deposit.Plus(c.Them.Proof.Transferred), bound)
}

// bound is what we have said and promised, and what is still to be said. What a drop
// frees that is on its way counts until it is answered: refused, all comes back.
func (c Channel) bound() contracts.Amount {
	proof, locks := c.tip()
	all := proof.Transferred.Plus(sum(locks)).Plus(c.Us.Queued)
	for _, f := range c.Us.Flight {
		all = all.Plus(f.Freed)
	}
	return all
}

// Receivable is what the partner could send or promise, as far as we know.
func (c Channel) Receivable() contracts.Amount {
	return rest(c.Them.Deposit.Plus(c.Us.Proof.Transferred), c.Them.Proof.Transferred.Plus(sum(c.Them.Locks)))
}

// Balance is what we have, with what is locked: all that stands.
func (c Channel) Balance() contracts.Amount {
	return rest(c.Us.Deposit.Plus(c.Them.Proof.Transferred), c.Us.Proof.Transferred)
}

// rest is a-b, or nothing.
func rest(a, b contracts.Amount) contracts.Amount {
	if a.Less(b) {
		return contracts.Amount{}
	}
	return a.Minus(b)
}

// sum of the locks. No list holds more than a channel, which is below 2^129.
func sum(locks []contracts.Lock) (all contracts.Amount) {
	for _, l := range locks {
		all = all.Plus(l.Amount)
	}
	return all
}

// tip is our side as it is when all that is on its way will stand.
func (c Channel) tip() (contracts.BalanceProof, []contracts.Lock) {
	if n := len(c.Us.Flight); n > 0 {
		return c.Us.Flight[n-1].Proof, c.Us.Flight[n-1].Locks
	}
	return c.Us.Proof, c.Us.Locks
}

// refuse says why an event changes nothing.
func (c Channel) refuse(why error, format string, args ...any) (Channel, []Effect, error) {
	return c, nil, fmt.Errorf("channel %s: %w: %s", c.Key, why, fmt.Sprintf(format, args...))
}
