package ledger

import (
	"fmt"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// A draft is one event being decided: the ledger as it is, and what changes.
type draft struct {
	l    *Ledger
	c    Change
	todo []told // effects of channels that are still to be followed, in order
}

// A told is what a channel has told.
type told struct {
	channel contracts.Hash
	effect  channel.Effect
}

func (d *draft) channel(key contracts.Hash) (channel.Channel, bool) {
	if c, is := find(d.c.Channels, d.c.at.channels, key); is {
		return c, true
	}
	return d.l.channels.get(key)
}

func (d *draft) payment(id contracts.Hash) (Payment, bool) {
	if p, is := find(d.c.Payments, d.c.at.payments, id); is {
		return p, true
	}
	return d.l.payments.get(id)
}

func (d *draft) transfer(id contracts.Hash) (Transfer, bool) {
	if t, is := find(d.c.Transfers, d.c.at.transfers, id); is {
		return t, true
	}
	return d.l.transfers.get(id)
}

// transferOut is the transfer whose outgoing lock is at link.
func (d *draft) transferOut(link Link) (Transfer, bool) {
	id, is := d.l.outs[link.ID()]
	if !is {
		return Transfer{}, false
	}
	return d.transfer(id)
}

func (d *draft) demand(hash contracts.Hash) (Demand, bool) {
	if v, is := find(d.c.Demands, d.c.at.demands, hash); is {
		return v, true
	}
	return d.l.demands.get(hash)
}

func (d *draft) effect(e Effect) { d.c.Effects = append(d.c.Effects, e) }

// alarm tells that something could not be done that must be possible.
func (d *draft) alarm(key contracts.Hash, err error) {
	d.effect(Notice{Alarm, key, err.Error()})
}

// time is the newest Unix second that we heard of.
func (d *draft) time() uint64 { return max(d.l.now, d.c.now) }

func (d *draft) head(chain contracts.Chain) channel.Head {
	if h, is := d.c.Heads[chain]; is {
		return h
	}
	return d.l.heads[chain]
}

func (d *draft) through(chain contracts.Chain) uint64 {
	if n, is := d.c.Through[chain]; is {
		return n
	}
	return d.l.through[chain]
}

// age is how many seconds old the newest block is that we know.
func (d *draft) age(chain contracts.Chain) uint64 {
	return d.time() - min(d.time(), d.head(chain).Time)
}

// stale reports whether our view of chain is too old to promise anything on it.
func (d *draft) stale(chain contracts.Chain) bool {
	return d.age(chain) > d.l.cfg.Chains[chain].StaleAfter
}

// at is the time for channels on chain.
func (d *draft) at(chain contracts.Chain) channel.Now {
	through := d.through(chain)
	return channel.Now{Height: max(d.head(chain).Height, through), Through: through, Stale: d.stale(chain)}
}

func (d *draft) there(party contracts.Address) bool {
	if there, is := d.c.reach[party]; is {
		return there
	}
	return d.l.reach[party]
}

// tell has a channel decide e. What it tells comes later, after all that it has told
// before. Errors: ErrChannel, the channel's.
func (d *draft) tell(key contracts.Hash, e channel.Event) error {
	before, is := d.channel(key)
	if !is {
		return fmt.Errorf("%w: %s", ErrChannel, key)
	}
	after, effects, err := before.Apply(d.at(before.Chain), e)
	if err != nil {
		return err
	}
	for _, effect := range effects {
		d.todo = append(d.todo, told{key, effect})
	}
	if after.Version == before.Version {
		return nil
	}
	d.put(before, after)
	if len(after.Us.Flight) < len(before.Us.Flight) && len(after.Us.Queue) > len(before.Us.Queue) {
		d.requeued(after)
	}
	return nil
}

// put keeps what a channel has become.
func (d *draft) put(before, after channel.Channel) {
	if _, is := d.c.From[after.Key]; !is {
		set(&d.c.From, after.Key, before.Version)
	}
	d.c.putChannel(after)
}

// follow does what comes of all that channels have told.
func (d *draft) follow() error {
	for len(d.todo) > 0 {
		next := d.todo[0]
		d.todo = d.todo[1:]
		c, is := d.channel(next.channel)
		if !is {
			return fmt.Errorf("%w: %s told %T", ErrChannel, next.channel, next.effect)
		}
		d.took(c, next.effect)
	}
	return nil
}

// took sends to its chapter what channel c has told.
func (d *draft) took(c channel.Channel, e channel.Effect) {
	switch e := e.(type) {
	case channel.Tell:
		d.effect(Tell{c.Partner(), e.Message})
	case channel.Record:
		d.c.Said = append(d.c.Said, Said{c.Key, c.Epoch, e})
	case channel.Got:
		d.got(c, e.Pay)
	case channel.Flew:
		d.flew(c, e)
	case channel.Accepted:
		d.accepted(c, e.Nonce)
	case channel.Returned:
		switch change := e.Change; {
		case change.Pay != nil:
			d.returned(c, *change.Pay, e.Reason)
		case change.Promise != nil:
			d.bounced(c, change.Promise.Lock, e.Reason)
		}
	case channel.Pledged:
		d.pledged(c, e.Promise)
	case channel.Learned:
		d.learned(Link{c.Key, e.Lock}, e.Secret)
	case channel.GaveUp:
		d.freed(Link{c.Key, e.Lock}, e.Reason)
	case channel.Lapsed:
		if e.Ours {
			d.freed(Link{c.Key, e.Lock}, message.Expiry)
		} else {
			d.missed(Link{c.Key, e.Lock})
		}
	case channel.Earned:
		d.earned(Link{c.Key, e.Lock}, e.Secret)
	case channel.Ended:
		d.effect(Notice{WishEnded, e.Wish.ID, string(e.Reason)})
	default:
		panic(fmt.Sprintf("ledger: a channel told %T", e))
	}
}

// pledged takes on a promise of a partner: for us, or to be passed on.
func (d *draft) pledged(c channel.Channel, p message.Promise) {
	if len(p.Route) == 0 {
		d.arrived(c, p.Lock)
	} else {
		d.relay(c, p)
	}
}

// bounced is a promise of ours that was refused. If it was signed it can still be
// claimed, until the partner has disposed of it or its time is over.
func (d *draft) bounced(c channel.Channel, lock contracts.Lock, why message.Reason) {
	if n := noteOn(c.Us.Notes, lock); n == nil || n.Disposal != nil {
		d.freed(Link{c.Key, lock}, onward(why))
	}
}

// noteOn is what is known of a lock; nil is nothing.
func noteOn(notes []channel.Note, lock contracts.Lock) *channel.Note {
	for i := range notes {
		if notes[i].Lock == lock {
			return &notes[i]
		}
	}
	return nil
}

// onward is the reason that the payer is told when a partner of ours has refused an
// update for why.
func onward(why message.Reason) message.Reason {
	switch why {
	case message.Capacity, message.Full:
		return message.Short
	case message.Unfit, message.Base, message.Busy, message.Closing, message.Disposed:
		return message.NoRoute
	}
	return why
}

// freed is a lock of ours that nobody will claim any more.
func (d *draft) freed(link Link, why message.Reason) {
	if t, is := d.transferOut(link); is {
		d.relayFailed(t, why)
	} else if p, is := d.payment(link.Lock.Hash); is && p.Ours && !p.direct() {
		d.partFailed(p, link, why)
	}
}

// learned is the secret of a lock of ours.
func (d *draft) learned(link Link, s contracts.Secret) {
	if t, is := d.transferOut(link); is {
		t.Secret = &s
		d.c.putTransfer(t)
		d.know(t.In, s)
	} else if p, is := d.payment(link.Lock.Hash); is && p.Ours && !p.direct() {
		d.partPaid(p, link, s)
	}
}

// know shows the secret of a lock that a partner has promised.
func (d *draft) know(link Link, s contracts.Secret) {
	if s.Hash() != link.Lock.Hash {
		d.alarm(link.Channel, fmt.Errorf("%s does not open a lock of %s", s, link.Lock.Hash))
		return
	}
	if err := d.tell(link.Channel, channel.Know{Secret: s}); err != nil {
		d.alarm(link.Channel, err)
	}
}

// giveUp disposes of a lock that a partner has promised.
func (d *draft) giveUp(link Link, why message.Reason) {
	if c, is := d.channel(link.Channel); is {
		if n := noteOn(c.Them.Notes, link.Lock); n != nil && n.Secret != nil {
			return // he has promised twice with one hash, and we know its secret: it is ours
		}
	}
	if err := d.tell(link.Channel, channel.GiveUp{Lock: link.Lock.ID(), Reason: why}); err != nil {
		d.alarm(link.Channel, err)
	}
}

// earned is a lock that a partner has paid.
func (d *draft) earned(link Link, s contracts.Secret) {
	if t, is := d.transfer(link.ID()); is && t.Status == Pending {
		d.relayPaid(t)
	} else if v, is := d.demand(link.Lock.Hash); is {
		d.linkPaid(v, link, s)
	}
}

// missed is a lock of a partner whose time is over.
func (d *draft) missed(link Link) {
	if t, is := d.transfer(link.ID()); is && t.Status == Pending {
		d.relayMissed(t)
	} else if v, is := d.demand(link.Lock.Hash); is {
		d.linkMissed(v, link)
	}
}

// guard freezes the channels of a transfer that breaks the one rule: then this
// program is wrong, and must promise nothing more there.
func (d *draft) guard() {
	for _, t := range d.c.Transfers {
		in, _ := d.channel(t.In.Channel)
		out, _ := d.channel(t.Out.Channel)
		err := t.check(in, out)
		if err == nil {
			continue
		}
		for _, c := range []channel.Channel{in, out} {
			if c.Frozen == "" {
				frozen := c
				frozen.Frozen, frozen.Version = err.Error(), c.Version+1
				d.put(c, frozen)
				d.alarm(c.Key, err)
			}
		}
	}
}
