package ledger

import (
	"errors"
	"fmt"
	"slices"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// relay promises onward what a partner has promised us, or gives it up at once.
func (d *draft) relay(in channel.Channel, p message.Promise) {
	link := Link{in.Key, p.Lock}
	out, why := d.passOn(in, p)
	if why != "" {
		d.giveUp(link, why)
		return
	}
	d.c.putTransfer(Transfer{ID: link.ID(), In: link, Out: out, Status: Pending, Made: d.time()})
}

// passOn promises the rest of p, less our fee, to the next node.
func (d *draft) passOn(in channel.Channel, p message.Promise) (Link, message.Reason) {
	next := p.Route[0]
	switch {
	case !d.l.cfg.Relay:
		return Link{}, message.NoRelay
	case d.stale(in.Chain):
		return Link{}, message.Stale
	case d.loops(in, p.Route) || p.Lock.Hash.Degenerate():
		return Link{}, message.NoRoute
	}
	out := d.with(in.Asset(), next, quiet)
	if len(out) == 0 {
		return Link{}, message.NoRoute
	}
	if !d.there(next) {
		return Link{}, message.Offline
	}
	slices.SortStableFunc(out, func(a, b channel.Channel) int { return a.Sendable().Cmp(b.Sendable()) })
	var why message.Reason
	for _, c := range out {
		link, not := d.passOnBy(in, c, p)
		if not == "" {
			return link, ""
		}
		why = not
	}
	return Link{}, why
}

// loops reports whether a route comes back to us, to the partner from whom it came,
// or to any node twice.
func (d *draft) loops(in channel.Channel, route []contracts.Address) bool {
	for i, node := range route {
		if node == d.l.cfg.Self || node == in.Partner() || slices.Contains(route[:i], node) {
			return true
		}
	}
	return false
}

// passOnBy promises onward in one channel with the next node.
func (d *draft) passOnBy(in, out channel.Channel, p message.Promise) (Link, message.Reason) {
	hop := message.Hop{
		In: d.fee(in), Out: d.fee(out),
		Owns: in.Sendable(), Receivable: in.Receivable().Plus(p.Lock.Amount), Sendable: out.Sendable(),
	}
	amount, err := hop.Forward(p.Lock.Amount)
	switch {
	case errors.Is(err, message.ErrCapacity), errors.Is(err, message.ErrUncovered):
		return Link{}, message.Short
	case err != nil:
		return Link{}, message.Fee
	case d.crowded(in, out, amount):
		return Link{}, message.Crowded
	}
	now, reveal := d.at(in.Chain).Height, in.Rules.Reveal
	expiry := min(p.Lock.Expiry, now+in.Window)
	lock := contracts.Lock{Amount: amount, Expiry: expiry - min(expiry, reveal), Hash: p.Lock.Hash}
	lock.Expiry = min(lock.Expiry, d.longest(out))
	if lock, err = d.say(out, lock, now+2*reveal, p.Route[1:]); err != nil {
		return Link{}, reasonOf(err)
	}
	return Link{out.Key, lock}, ""
}

// fee is what we ask in a channel.
func (d *draft) fee(c channel.Channel) *message.Schedule {
	if f, is := d.l.fees[c.Key]; is {
		return f
	}
	return d.l.cfg.Chains[c.Chain].Fee
}

// setFee says what we ask in a channel.
func (d *draft) setFee(e SetFee) error {
	if _, is := d.channel(e.Channel); !is {
		return fmt.Errorf("%w: %s", ErrChannel, e.Channel)
	}
	if err := e.Schedule.Check(); err != nil {
		return err
	}
	d.c.putFee(e.Fee)
	return nil
}

// A lane is from a partner into one of our channels; what fills it is a load.
type lane struct {
	from contracts.Address
	into contracts.Hash
}

type load struct {
	locks int
	sum   contracts.Amount
}

// crowded reports whether a partner would have more pending in a channel of ours
// than one may: so he jams that channel for others no further than that.
func (d *draft) crowded(in, out channel.Channel, amount contracts.Amount) bool {
	at := lane{in.Partner(), out.Key}
	l := d.l.loads[at]
	for _, t := range d.c.Transfers {
		if c, _ := d.channel(t.In.Channel); t.Out.Channel != out.Key || c.Partner() != at.from {
			continue
		}
		if before, was := d.l.transfers.get(t.ID); was {
			l.locks, l.sum = l.locks-1, l.sum.Minus(before.Out.Lock.Amount)
		}
		if t.Status == Pending {
			l.locks, l.sum = l.locks+1, l.sum.Plus(t.Out.Lock.Amount)
		}
	}
	if l.locks >= d.l.cfg.Limits.Locks {
		return true
	}
	most, ok := out.Balance().Times(contracts.Units(uint64(d.l.cfg.Limits.Share)), contracts.Units(1_000_000))
	return ok && most.Less(l.sum.Plus(amount))
}

// weigh adds a pending transfer to what its payer's partner occupies, or takes it
// away.
func (l *Ledger) weigh(t Transfer, by int) {
	in, _ := l.channels.get(t.In.Channel)
	at := lane{in.Partner(), t.Out.Channel}
	w := l.loads[at]
	if w.locks += by; by > 0 {
		w.sum = w.sum.Plus(t.Out.Lock.Amount)
	} else {
		w.sum = w.sum.Minus(t.Out.Lock.Amount)
	}
	if w.locks == 0 {
		delete(l.loads, at)
	} else {
		l.loads[at] = w
	}
}

// relayFailed gives up the incoming lock, as nobody can claim the outgoing one.
func (d *draft) relayFailed(t Transfer, why message.Reason) {
	if t.Status != Pending || t.Secret != nil {
		return
	}
	t.Status, t.Reason = Failed, why
	d.c.putTransfer(t)
	d.giveUp(t.In, why)
}

// relayPaid ends a transfer: the partner has paid its incoming lock.
func (d *draft) relayPaid(t Transfer) {
	if t.Status = Done; t.Offer == nil && t.Out.Lock.Amount.Less(t.In.Lock.Amount) {
		t.Fee = t.In.Lock.Amount.Minus(t.Out.Lock.Amount)
	}
	d.c.putTransfer(t)
	d.effect(Notice{PassedOn, t.ID, ""})
}

// relayMissed ends a transfer whose incoming lock's time is over.
func (d *draft) relayMissed(t Transfer) {
	t.Status, t.Reason = Failed, message.Expiry
	d.c.putTransfer(t)
}

// check holds t against the one rule. On two chains only exchange.go can.
func (t Transfer) check(in, out channel.Channel) error {
	switch {
	case t.Status != Pending:
		return nil
	case t.Secret != nil && t.Secret.Hash() != t.In.Lock.Hash:
		return fmt.Errorf("transfer %s: it has the %s", t.ID, t.Secret)
	case t.In.Lock.Hash != t.Out.Lock.Hash:
		return fmt.Errorf("transfer %s: hash %s in and %s out", t.ID, t.In.Lock.Hash, t.Out.Lock.Hash)
	case in.Chain == out.Chain && t.Out.Lock.Expiry+in.Rules.Reveal > t.In.Lock.Expiry:
		return fmt.Errorf("transfer %s: out until block %d, in until %d, %d must lie between",
			t.ID, t.Out.Lock.Expiry, t.In.Lock.Expiry, in.Rules.Reveal)
	}
	return nil
}
