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
// Start reading at [Ledger], then [Ledger.Apply]. The chapters: payment.go (the
// things), event.go (what a ledger is told, and what it wants done), draft.go (how
// one event is decided), direct.go, initiator.go, mediator.go, target.go (what each
// does), exchange.go (two assets, both or neither), world.go (chains, time, partners),
// change.go (what is stored), view.go.
package ledger

import (
	"errors"
	"fmt"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// Why Apply refuses an event. Each is wrapped with the figures that decided it;
// errors of packages channel and message come through.
var (
	ErrConflict = errors.New("stored by another")
	ErrNoRoute  = errors.New("no route")
	ErrPayment  = errors.New("not a payment that can be made")
	ErrReused   = errors.New("the same id for another payment")
	ErrFee      = errors.New("fees above the limit")
	ErrChannel  = errors.New("no such channel")
	ErrStale    = errors.New("our view of the chain is too old")
	ErrOffline  = errors.New("partner is not there")
	ErrDated    = errors.New("the secret is on the chain already")
	ErrFull     = errors.New("too many are under way")
)

// A Config is what a ledger is made with.
type Config struct {
	Self   contracts.Address
	Chains map[contracts.Chain]Terms
	Relay  bool // pass on payments of others
	Limits Limits
}

// Terms are what holds for all channels on one chain.
type Terms struct {
	Contract   contracts.Channels
	Rules      channel.Rules
	Block      uint64            // seconds from one to the next, as a rule
	StaleAfter uint64            // seconds after the newest block's time, from which nothing is promised or opened
	DirectFor  uint64            // seconds after it, until which direct payments go on
	Fee        *message.Schedule // in channels for which no other was set; nil asks nothing
}

// Limits bound what others, and our user, may have under way with us.
type Limits struct {
	Locks int    // that one partner may have pending in one of our other channels, of payments that we pass on for him
	Share uint32 // of what we have in that channel, that they may be worth, in millionths
	Open  int    // payments of ours at a time, and demands
}

// A Ledger is all channels of a node, and the payments that are not at rest.
type Ledger struct {
	cfg     Config
	now     uint64 // Unix second
	heads   map[contracts.Chain]channel.Head
	dated   map[Dated]bool             // with no block
	blank   map[contracts.Chain]uint64 // see Change
	through map[contracts.Chain]uint64
	reach   map[contracts.Address]bool

	channels  book[channel.Channel]
	payments  book[Payment] // ours that are pending, or direct and on their way
	transfers book[Transfer]
	demands   book[Demand]
	fees      map[contracts.Hash]*message.Schedule
	offers    book[message.Offer] // of exchanges that we are bound to

	partners map[contracts.Address][]contracts.Hash // channels with each, in order of their opening
	queued   book[struct{}]                         // channels that have something to say
	flown    map[contracts.Hash][]flown             // by channel, in order
	outs     map[contracts.Hash]contracts.Hash      // by Transfer.Out: transfers
	loads    map[lane]load
	sought   map[contracts.Hash]bool // payments for which the path finder was asked
	ended    [2]map[contracts.Hash]terms
	turned   uint64 // Unix second at which ended was turned
}

// A flown is a direct payment on its way.
type flown struct {
	id    contracts.Hash
	nonce uint64
}

// New returns a ledger without channels.
func New(cfg Config) *Ledger {
	return &Ledger{
		cfg: cfg, heads: map[contracts.Chain]channel.Head{}, dated: map[Dated]bool{}, blank: map[contracts.Chain]uint64{}, through: map[contracts.Chain]uint64{},
		reach: map[contracts.Address]bool{}, fees: map[contracts.Hash]*message.Schedule{},
		partners: map[contracts.Address][]contracts.Hash{}, flown: map[contracts.Hash][]flown{},
		outs: map[contracts.Hash]contracts.Hash{}, loads: map[lane]load{}, sought: map[contracts.Hash]bool{},
		ended: [2]map[contracts.Hash]terms{{}, {}},
	}
}

// Load takes in what was stored, into a ledger that is new. A Clock must be the next
// that it hears.
func (l *Ledger) Load(kept Loaded) {
	direct, locked := map[contracts.Hash]Payment{}, []Payment(nil)
	for _, p := range kept.Payments {
		if p.direct() {
			direct[p.ID] = p
		} else {
			locked = append(locked, p)
		}
	}
	l.Commit(Change{
		Channels: kept.Channels, Payments: locked, Transfers: kept.Transfers,
		Demands: kept.Demands, Fees: kept.Fees, Through: kept.Through, Heads: kept.Heads, Dated: kept.Dated,
	})
	for _, c := range kept.Channels {
		for _, f := range c.Us.Flight {
			for _, change := range f.Changes {
				if change.Pay != nil {
					l.remember(direct, c, *change.Pay, f.Proof.Nonce)
				}
			}
		}
		for _, change := range c.Us.Queue {
			if change.Pay != nil {
				l.remember(direct, c, *change.Pay, 0)
			}
		}
	}
}

// Apply decides what e leads to, and changes nothing. Errors: those of e.
func (l *Ledger) Apply(e Event) (Change, error) {
	d := draft{l: l}
	if err := d.apply(e); err != nil {
		return Change{}, err
	}
	if err := d.follow(); err != nil {
		return Change{}, err
	}
	d.guard()
	return d.c, nil
}

func (d *draft) apply(e Event) error {
	switch e := e.(type) {
	case Pay:
		return d.pay(e)
	case Routed:
		return d.routed(e)
	case Request:
		return d.request(e)
	case Release:
		return d.release(e)
	case Cancel:
		return d.cancel(e)
	case Quote:
		return d.quote(e)
	case Take:
		return d.take(e)
	case SetFee:
		return d.setFee(e)
	case Want:
		return d.want(e)
	case Heard:
		return d.heard(e)
	case News:
		return d.news(e)
	case Clock:
		return d.clock(e)
	case Met:
		return d.met(e)
	case Parted:
		set(&d.c.reach, e.Partner, false)
		return nil
	case Flush:
		return d.flush()
	case Found:
		return d.tell(e.Channel, channel.Found{Locks: e.Locks})
	}
	panic(fmt.Sprintf("ledger: event %T", e))
}

// Commit takes in what Apply has decided. Changes are committed in the order in
// which they were applied.
func (l *Ledger) Commit(c Change) {
	l.now = max(l.now, c.now)
	for chain, head := range c.Heads {
		l.heads[chain] = head
	}
	for chain, through := range c.Through {
		l.through[chain] = through
	}
	for chain, height := range c.blank {
		l.blank[chain] = height
	}
	for _, s := range c.Dated {
		l.dated[Dated{Chain: s.Chain, Hash: s.Hash}] = true
	}
	for party, there := range c.reach {
		l.reach[party] = there
	}
	for hash, o := range c.offers {
		if o == nil {
			l.offers.drop(hash)
		} else {
			l.offers.put(hash, *o)
		}
	}
	for i := range c.Fees {
		l.fees[c.Fees[i].Channel] = &c.Fees[i].Schedule
	}
	for _, p := range c.Payments {
		l.commitPayment(p)
	}
	for _, v := range c.Channels {
		l.commitChannel(v)
	}
	for _, t := range c.Transfers {
		l.commitTransfer(t)
	}
	for _, d := range c.Demands {
		if d.rests(l.now) {
			l.demands.drop(d.Invoice.Hash)
		} else {
			l.demands.put(d.Invoice.Hash, d)
		}
	}
	for _, e := range c.Effects {
		if e, is := e.(Find); is {
			l.sought[e.ID] = true
		}
	}
}

func (l *Ledger) commitChannel(c channel.Channel) {
	if _, is := l.channels.get(c.Key); !is {
		l.partners[c.Partner()] = append(l.partners[c.Partner()], c.Key)
	}
	l.channels.put(c.Key, c)
	if len(c.Us.Queue) > 0 {
		l.queued.put(c.Key, struct{}{})
	} else {
		l.queued.drop(c.Key)
	}
	flying := l.flown[c.Key]
	for len(flying) > 0 {
		p, is := l.payments.get(flying[0].id)
		if is && p.Nonce == flying[0].nonce {
			if !p.Stands(c) {
				break
			}
			l.end(p)
		}
		flying = flying[1:]
	}
	l.flown[c.Key] = flying
	if len(flying) == 0 {
		delete(l.flown, c.Key)
	}
}

func (l *Ledger) commitPayment(p Payment) {
	switch {
	case !p.Ours:
	case p.Status == Pending || p.under():
		l.payments.put(p.ID, p)
	case p.Status == Done && p.direct():
		l.payments.put(p.ID, p)
		l.flown[p.Channel] = append(l.flown[p.Channel], flown{p.ID, p.Nonce})
	default:
		l.end(p)
	}
}

// end forgets a payment, but for what would tell whether it comes again.
func (l *Ledger) end(p Payment) {
	l.payments.drop(p.ID)
	delete(l.sought, p.ID)
	if l.now >= l.turned+endedFor {
		l.ended[0], l.ended[1], l.turned = map[contracts.Hash]terms{}, l.ended[0], l.now
	}
	l.ended[0][p.ID] = termsOf(p)
}

// endedFor is how many seconds at least an ended payment is remembered: longer than
// it lies between asking the store for its id and applying it.
const endedFor = 10

func (l *Ledger) commitTransfer(t Transfer) {
	before, was := l.transfers.get(t.ID)
	if was {
		l.weigh(before, -1)
	}
	if t.Status != Pending {
		l.transfers.drop(t.ID)
		delete(l.outs, t.Out.ID())
		return
	}
	l.weigh(t, 1)
	l.transfers.put(t.ID, t)
	l.outs[t.Out.ID()] = t.ID
}
