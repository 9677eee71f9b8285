package ledger

import (
	"errors"
	"fmt"
	"slices"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// payLocked begins a payment under locks.
func (d *draft) payLocked(e Pay) error {
	if d.stale(e.Asset.Chain) {
		return fmt.Errorf("%w: newest block of %s is %d seconds old", ErrStale, e.Asset.Chain, d.age(e.Asset.Chain))
	}
	for _, r := range e.Routes {
		if err := d.checkRoute(r, e.To); err != nil {
			return err
		}
	}
	p := Payment{
		ID: e.ID, Ours: true, Asset: e.Asset, Partner: e.To, Amount: e.Amount, MaxFee: e.MaxFee, Invoice: e.Invoice,
		Text: e.Text, Status: Pending, Routes: slices.Clone(e.Routes), Made: d.time(), Deadline: e.Deadline,
	}
	if len(p.Routes) == 0 {
		if _, err := d.fit(e.Asset, e.To, e.Amount, quiet); err == nil && d.there(e.To) {
			p.Routes = []Route{{[]contracts.Address{e.To}, e.Amount, e.Amount}}
		}
	}
	if len(p.Routes) == 0 {
		d.seek(p)
		return nil
	}
	p, why := d.try(p)
	if !p.under() {
		if why == message.Fee {
			return fmt.Errorf("%w: no route for %s at most", ErrFee, e.MaxFee)
		}
		return fmt.Errorf("%w: %s", ErrNoRoute, why)
	}
	d.c.putPayment(p)
	return nil
}

// checkRoute refuses a way that does not lead to the payee, or not straight.
// Errors: ErrNoRoute.
func (d *draft) checkRoute(r Route, to contracts.Address) error {
	n := len(r.Nodes)
	if n == 0 || n > message.MaxRoute || r.Nodes[n-1] != to || r.Sent.IsZero() || r.Amount.IsZero() || large(r.Sent) || large(r.Amount) {
		return fmt.Errorf("%w: one of %d nodes does not bring anything to %s", ErrNoRoute, n, to)
	}
	for i, node := range r.Nodes {
		if node == d.l.cfg.Self || slices.Contains(r.Nodes[:i], node) {
			return fmt.Errorf("%w: it comes by %s twice", ErrNoRoute, node)
		}
	}
	return nil
}

// mostRoutes is how many routes the path finder is asked for.
const mostRoutes = 5

// seek has the path finder look for routes.
func (d *draft) seek(p Payment) {
	d.c.putPayment(p)
	d.effect(Find{p.ID, Query{Asset: p.Asset, To: p.Partner, Amount: p.Amount, Most: mostRoutes}})
}

// waits reports whether a payment waits for the path finder.
func (p Payment) waits() bool {
	return p.Status == Pending && !p.direct() && len(p.Parts) == 0 && len(p.Routes) == 0
}

// routed takes what the path finder has found. What fits no payment is late, and
// nothing.
func (d *draft) routed(e Routed) error {
	p, is := d.payment(e.ID)
	if !is || !p.waits() {
		return nil
	}
	for _, r := range e.Routes {
		if d.checkRoute(r, p.Partner) == nil {
			p.Routes = append(p.Routes, r)
		}
	}
	d.advance(p, message.NoRoute)
	return nil
}

// under reports whether anything of a payment is under way.
func (p Payment) under() bool {
	return slices.ContainsFunc(p.Parts, func(part Part) bool { return part.Status == Pending })
}

// live is what arrives and what is sent in all parts that are under way or paid.
func (p Payment) live() (arrives, sent contracts.Amount) {
	for _, part := range p.Parts {
		if part.Status != Failed {
			arrives, sent = arrives.Plus(part.Route.Amount), sent.Plus(part.Route.Sent)
		}
	}
	return arrives, sent
}

// advance tries what is left to try of a payment, and ends it when nothing is; why
// is what went wrong last.
func (d *draft) advance(p Payment, why message.Reason) {
	if p.Deadline == 0 || d.time() < p.Deadline {
		var now message.Reason
		if p, now = d.try(p); now != "" {
			why = now
		}
	}
	if !p.under() {
		d.fail(p, why)
		return
	}
	d.c.putPayment(p)
}

// try promises along the routes that are left until all is under way that the payee
// asks. It says what went wrong when it is not.
func (d *draft) try(p Payment) (Payment, message.Reason) {
	if d.stale(p.Asset.Chain) {
		return p, message.Stale
	}
	var why message.Reason
	p.Parts = slices.Clone(p.Parts)
	for {
		if arrives, _ := p.live(); !arrives.Less(p.Amount) {
			return p, ""
		}
		plan, rest, not := p.plan()
		if plan == nil {
			if why == "" {
				why = not
			}
			return p, why
		}
		p.Routes = rest
		for _, r := range plan {
			part, not := d.promise(p, r)
			if not != "" {
				why = not
				continue
			}
			p.Parts = append(p.Parts, part)
		}
	}
}

// plan chooses routes, the first first, that together bring what is missing for at
// most the fee that our user allows, or none and
// why, if there are routes left.
func (p Payment) plan() (plan, rest []Route, why message.Reason) {
	arrives, sent := p.live()
	most := p.Amount.Plus(p.MaxFee)
	for i, r := range p.Routes {
		if most.Less(sent.Plus(r.Sent)) {
			rest, why = append(rest, r), message.Fee
			continue
		}
		plan = append(plan, r)
		arrives, sent = arrives.Plus(r.Amount), sent.Plus(r.Sent)
		if !arrives.Less(p.Amount) {
			return plan, append(rest, p.Routes[i+1:]...), ""
		}
	}
	if why == "" && len(p.Routes) > 0 {
		why = message.Amount
	}
	return nil, nil, why
}

// promise locks what enters a route, so long that every node on it has its time,
// and one time more for blocks that come meanwhile.
func (d *draft) promise(p Payment, r Route) (Part, message.Reason) {
	first, hops := r.Nodes[0], uint64(len(r.Nodes))
	if !d.there(first) {
		return Part{}, message.Offline
	}
	c, err := d.fit(p.Asset, first, r.Sent, quiet)
	if err != nil {
		return Part{}, reasonOf(err)
	}
	now, reveal := d.at(c.Chain).Height, c.Rules.Reveal
	least := now + reveal*(hops+1)
	lock := contracts.Lock{Amount: r.Sent, Expiry: min(least+reveal, d.longest(c)), Hash: p.ID}
	if lock, err = d.say(c, lock, least, r.Nodes[1:]); err != nil {
		return Part{}, reasonOf(err)
	}
	return Part{Link: Link{c.Key, lock}, Route: r, Status: Pending}, ""
}

// longest is the last block that a lock may last to in c: when c is closed now, it
// must end a time before the window does.
func (d *draft) longest(c channel.Channel) uint64 {
	return d.at(c.Chain).Height + c.Window - min(c.Window, c.Rules.Reveal)
}

// say promises lock in c, or one that is a little shorter when the same was there
// before, down to least. Errors: ErrDated, those of channel.Say.
func (d *draft) say(c channel.Channel, lock contracts.Lock, least uint64, route []contracts.Address) (contracts.Lock, error) {
	if d.dated(c.Chain, lock.Hash) {
		return lock, fmt.Errorf("%w: %s of %s", ErrDated, lock.Hash, c.Chain)
	}
	if lock.Expiry < least {
		return lock, fmt.Errorf("%w: block %d, at least %d", channel.ErrExpiry, lock.Expiry, least)
	}
	for {
		err := d.tell(c.Key, channel.Say{Change: message.Change{Promise: &message.Promise{Lock: lock, Route: route}}})
		if !errors.Is(err, channel.ErrRepeated) || lock.Expiry <= least {
			return lock, err
		}
		lock.Expiry--
	}
}

// reasonOf says in a word why nothing could be promised.
func reasonOf(err error) message.Reason {
	switch {
	case errors.Is(err, channel.ErrShort), errors.Is(err, channel.ErrFull):
		return message.Short
	case errors.Is(err, channel.ErrExpiry), errors.Is(err, channel.ErrRepeated):
		return message.Expiry
	case errors.Is(err, ErrDated):
		return message.Paid
	}
	return message.NoRoute
}

// part is where in p a link is, if it is under way.
func (p Payment) part(link Link) int {
	return slices.IndexFunc(p.Parts, func(q Part) bool { return q.Link == link && q.Status == Pending })
}

// partFailed tries what is left, when a part is free to be promised anew.
func (d *draft) partFailed(p Payment, link Link, why message.Reason) {
	i := p.part(link)
	if i < 0 {
		return
	}
	p.Parts = slices.Clone(p.Parts)
	p.Parts[i].Status, p.Parts[i].Reason = Failed, why
	if p.Status == Done { // by other parts
		p.Fee = p.paid()
		d.c.putPayment(p)
		return
	}
	d.advance(p, why)
}

// paid is what is sent beside what the payee asked, with all that is under way.
func (p Payment) paid() (fee contracts.Amount) {
	if _, sent := p.live(); p.Amount.Less(sent) {
		fee = sent.Minus(p.Amount)
	}
	return fee
}

// partPaid ends a payment: its secret is the receipt. The payee shows it only when
// all is locked for him that he asked. He may have had enough before the last part
// came, and give that up.
func (d *draft) partPaid(p Payment, link Link, s contracts.Secret) {
	i := p.part(link)
	if i < 0 {
		return
	}
	p.Parts = slices.Clone(p.Parts)
	p.Parts[i].Status = Done
	if p.Fee = p.paid(); p.Status == Pending {
		p.Status, p.Secret, p.Ended, p.Routes = Done, &s, d.time(), nil
		d.effect(Over{p.ID, Done, ""})
	}
	d.c.putPayment(p)
}
