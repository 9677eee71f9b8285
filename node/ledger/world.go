package ledger

import (
	"fmt"
	"slices"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// heard takes a message of a partner to its channel.
func (d *draft) heard(e Heard) error {
	key := e.Message.About()
	if c, is := d.channel(key); !is || c.Partner() != e.From {
		return fmt.Errorf("%w: %s with %s", ErrChannel, key, e.From)
	}
	if u, is := e.Message.(message.Update); is {
		why, culprit := d.objection(u)
		return d.tell(key, channel.Heard{Message: u, Reason: why, Culprit: culprit})
	}
	return d.tell(key, channel.Heard{Message: e.Message})
}

// objection is why we do not want a payment that a partner makes, and which.
func (d *draft) objection(u message.Update) (why message.Reason, culprit contracts.Hash) {
	for _, x := range u.Changes {
		if x.Pay == nil {
			continue
		}
		c, _ := d.channel(u.Channel)
		if d.age(c.Chain) > d.l.cfg.Chains[c.Chain].DirectFor {
			return message.Stale, contracts.Hash{}
		}
		if v, is := d.demand(x.Pay.Invoice); x.Pay.Invoice.IsZero() || is && v.payable(c.Asset(), d.time()) {
			continue
		}
		return message.Refused, x.Pay.ID
	}
	return "", contracts.Hash{}
}

// want asks a channel for what needs the chain.
func (d *draft) want(e Want) error {
	c, is := d.channel(e.Channel)
	if !is {
		return fmt.Errorf("%w: %s", ErrChannel, e.Channel)
	}
	if d.stale(c.Chain) {
		return fmt.Errorf("%w: newest block of %s is %d seconds old", ErrStale, c.Chain, d.age(c.Chain))
	}
	return d.tell(e.Channel, channel.Ask{Wish: e.Wish})
}

// flush sends what waits. It asks only channels in which something does.
func (d *draft) flush() error {
	for key := range d.l.queued.all {
		if err := d.tell(key, channel.Flush{}); err != nil {
			return err
		}
	}
	return nil
}

// met lets the channels with a partner say where they stand.
func (d *draft) met(e Met) error {
	set(&d.c.reach, e.Partner, true)
	for _, key := range d.l.partners[e.Partner] {
		if err := d.tell(key, channel.Meet{}); err != nil {
			return err
		}
	}
	return nil
}

// clock lets time pass for what goes by seconds.
func (d *draft) clock(e Clock) error {
	d.c.now = e.Now
	for id, p := range d.l.payments.all {
		switch {
		case !p.waits():
		case p.Deadline != 0 && p.Deadline <= d.time():
			d.advance(p, message.NoRoute)
		case !d.l.sought[id]:
			d.seek(p)
		}
	}
	for hash, o := range d.l.offers.all {
		if o.Expiry <= d.time() {
			set(&d.c.offers, hash, nil)
		}
	}
	d.waitAll()
	return nil
}

// waitAll looks at all demands.
func (d *draft) waitAll() {
	for hash, v := range d.l.demands.all {
		if now, is := d.demand(hash); is {
			v = now
		}
		if v.rests(d.time()) {
			d.c.putDemand(v)
		} else {
			d.wait(v)
		}
	}
}

// news takes what a chain tells, and lets its blocks pass.
func (d *draft) news(e News) error {
	terms, known := d.l.cfg.Chains[e.Chain]
	if !known {
		return fmt.Errorf("%w: on %q", ErrPayment, e.Chain)
	}
	before := d.through(e.Chain)
	if _, heard := d.l.blank[e.Chain]; !heard && e.Head.Height > 0 {
		set(&d.c.blank, e.Chain, e.Head.Height)
	}
	if e.Through > before {
		set(&d.c.Through, e.Chain, e.Through)
	}
	if head := d.head(e.Chain); e.Head.Height > head.Height || e.Head.Time > head.Time {
		set(&d.c.Heads, e.Chain, e.Head)
	}
	for _, h := range e.Events {
		if h.Block <= before {
			continue
		}
		if err := d.happened(e.Chain, terms, h); err != nil {
			return err
		}
	}
	if err := d.registered(e.Chain, before, e.Secrets); err != nil {
		return err
	}
	if err := d.tick(e.Chain); err != nil {
		return err
	}
	d.lapse(e.Chain)
	d.waitAll()
	return nil
}

// happened takes an event of the contract to its channel, or makes the channel.
func (d *draft) happened(chain contracts.Chain, terms Terms, h channel.Happened) error {
	key := terms.Contract.Key(h.ID)
	c, is := d.channel(key)
	switch {
	case !is && h.Kind != contracts.ChannelOpened, is && h.Kind == contracts.ChannelOpened:
		return nil // of a channel that is over, or told again
	case !is:
		c, err := channel.New(terms.Contract, chain, terms.Rules, d.l.cfg.Self, h)
		if err != nil {
			return err
		}
		// A channel from before this run may be one of which we have lost all, with the
		// database or since a backup, and be told of in any run after that: the partner is
		// asked before a word is said in it.
		c.Behind = h.Block <= max(d.l.blank[chain], d.c.blank[chain])
		d.put(channel.Channel{}, c)
		d.effect(Notice{ChannelMoved, key, string(c.Status)})
		if d.there(c.Partner()) {
			return d.tell(key, channel.Meet{}) // he may have known of it before us
		}
		return nil
	}
	if err := d.tell(key, h); err != nil {
		return err
	}
	now, _ := d.channel(key)
	if now.Status != c.Status {
		d.effect(Notice{ChannelMoved, key, string(now.Status)})
	}
	if now.Status == channel.Settled {
		d.divided(now)
	}
	return nil
}

// divided ends what was locked for us in a channel that is settled: the chain has
// paid it if its secret was known.
func (d *draft) divided(c channel.Channel) {
	var links []Link
	for _, t := range d.l.transfers.all {
		links = append(links, t.In)
	}
	for _, v := range d.l.demands.all {
		links = append(links, v.Links...)
	}
	for _, link := range links {
		if link.Channel != c.Key {
			continue
		}
		if n := noteOn(c.Them.Notes, link.Lock); n != nil && n.Secret != nil && n.Disposed == "" {
			d.earned(link, *n.Secret)
		} else {
			d.missed(link)
		}
	}
}

// lapse frees what we have promised and nobody can claim any more: its time is over,
// and the chain, as far as it is confirmed, knows no secret. So a partner who says
// nothing holds up no payment.
func (d *draft) lapse(chain contracts.Chain) {
	var links []Link
	for _, t := range d.l.transfers.all {
		links = append(links, t.Out)
	}
	for _, p := range d.l.payments.all {
		for _, part := range p.Parts {
			if part.Status == Pending {
				links = append(links, part.Link)
			}
		}
	}
	for _, link := range links {
		c, _ := d.channel(link.Channel)
		if c.Chain != chain || d.through(chain) < link.Lock.Expiry+c.Rules.Grace {
			continue
		}
		if n := noteOn(c.Us.Notes, link.Lock); n == nil || n.Secret == nil {
			d.freed(link, message.Expiry)
		}
	}
}

// registered dates secrets in the channels that have locks of theirs.
func (d *draft) registered(chain contracts.Chain, before uint64, secrets []channel.Registered) error {
	dated := map[contracts.Hash]channel.Registered{}
	for _, r := range secrets {
		if r.Block > before {
			hash := r.Secret.Hash()
			dated[hash] = r
			d.c.Dated = append(d.c.Dated, Dated{chain, hash, r.Block})
		}
	}
	if len(dated) == 0 {
		return nil
	}
	for key := range d.l.channels.all {
		c, _ := d.channel(key)
		if c.Chain != chain {
			continue
		}
		told := map[contracts.Hash]bool{}
		for _, notes := range [][]channel.Note{c.Us.Notes, c.Them.Notes} {
			for _, n := range notes {
				r, is := dated[n.Lock.Hash]
				if !is || told[n.Lock.Hash] {
					continue
				}
				told[n.Lock.Hash] = true
				if err := d.tell(key, r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// dated reports whether a chain has dated the secret of hash. The registry tells of
// a secret once: a lock that is promised under it later could be claimed by who it
// is promised to, and the channel would not hear of it.
func (d *draft) dated(chain contracts.Chain, hash contracts.Hash) bool {
	return d.l.dated[Dated{Chain: chain, Hash: hash}] ||
		slices.ContainsFunc(d.c.Dated, func(s Dated) bool { return s.Chain == chain && s.Hash == hash })
}

// tick lets blocks pass in the channels on chain that wait for one, and asks for
// lists that are missing.
func (d *draft) tick(chain contracts.Chain) error {
	now := d.at(chain)
	for key := range d.l.channels.all {
		c, _ := d.channel(key)
		if c.Chain != chain {
			continue
		}
		if c.Due(now) {
			if err := d.tell(key, channel.Tick{}); err != nil {
				return err
			}
			c, _ = d.channel(key)
		}
		if root, is := c.Sought(); is {
			d.effect(Seek{key, c.Epoch, root})
		}
	}
	return nil
}
