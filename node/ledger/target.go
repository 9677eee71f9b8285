package ledger

import (
	"fmt"
	"slices"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// request opens a demand.
func (d *draft) request(e Request) error {
	i := e.Invoice
	if _, known := d.l.cfg.Chains[i.Asset.Chain]; i.Payee != d.l.cfg.Self || !known || large(i.Amount) {
		return fmt.Errorf("%w: %s %s for %s", message.ErrInvoice, i.Amount, i.Asset, i.Payee)
	}
	if err := i.Check(d.time()); err != nil {
		return err
	}
	if v, is := d.demand(i.Hash); is {
		if v.Invoice == i && v.Number == e.Number {
			return nil
		}
		return fmt.Errorf("%w: hash %s", ErrReused, i.Hash)
	}
	if err := d.open(len(d.l.demands.rows)); err != nil {
		return err
	}
	d.c.putDemand(Demand{Invoice: i, Number: e.Number, Hold: e.Hold, Status: Asked, Made: d.time()})
	return nil
}

// release takes the secret of a demand. It is shown when enough is locked for us,
// and not before.
func (d *draft) release(e Release) error {
	v, is := d.demand(e.Secret.Hash())
	switch {
	case !is:
		return fmt.Errorf("%w: none has the hash %s", message.ErrInvoice, e.Secret.Hash())
	case v.Status == Settling:
		return nil
	case v.Status != Asked && v.Status != Held:
		return fmt.Errorf("%w: %s is %s", message.ErrInvoice, v.Invoice.Hash, v.Status)
	}
	v.Secret, v.Hold = &e.Secret, false
	d.settle(v)
	return nil
}

// cancel withdraws a demand.
func (d *draft) cancel(e Cancel) error {
	v, is := d.demand(e.Hash)
	switch {
	case !is:
		return fmt.Errorf("%w: none has the hash %s", message.ErrInvoice, e.Hash)
	case v.Status == Withdrawn:
		return nil
	case v.Status != Asked && v.Status != Held:
		return fmt.Errorf("%w: %s is %s", message.ErrInvoice, v.Invoice.Hash, v.Status)
	}
	v.Status = Withdrawn
	d.refuseAll(v, message.Cancelled)
	return nil
}

// arrived takes on a lock that is meant for us, or gives it up.
func (d *draft) arrived(c channel.Channel, lock contracts.Lock) {
	link := Link{c.Key, lock}
	if d.dated(c.Chain, lock.Hash) {
		d.giveUp(link, message.Paid)
		return
	}
	if o, is := d.l.offers.get(lock.Hash); is {
		if gone, was := d.c.offers[lock.Hash]; !was || gone != nil {
			d.exchange(c, lock, o)
			return
		}
	}
	v, is := d.demand(lock.Hash)
	if why := d.unwanted(c, v, is, lock); why != "" {
		d.giveUp(link, why)
		return
	}
	v.Links = append(slices.Clone(v.Links), link)
	d.settle(v)
}

// unwanted says why a lock is nothing that demand v waits for.
func (d *draft) unwanted(c channel.Channel, v Demand, is bool, lock contracts.Lock) message.Reason {
	twice := v.Invoice.Amount.Plus(v.Invoice.Amount)
	switch {
	case !is || v.Invoice.Asset != c.Asset():
		return message.Unknown
	case v.Status == Withdrawn:
		return message.Cancelled
	case v.Status == Settling || v.Status == Lapsed || v.Invoice.Expiry <= d.time():
		return message.Paid
	case lock.Expiry <= d.soon(c.Chain):
		return message.Expiry
	case twice.Less(v.sum().Plus(lock.Amount)):
		return message.Amount
	}
	return ""
}

// late reports whether a lock for v is so near to its end that there might not be
// the time any more to register the secret.
func (d *draft) late(v Demand) bool { return v.first() <= d.soon(v.Invoice.Asset.Chain) }

// soon is the last block that is too near for a secret to be shown that must be
// registered by then. When we have not heard of the chain for long, blocks have come
// meanwhile.
func (d *draft) soon(chain contracts.Chain) uint64 {
	t := d.l.cfg.Chains[chain]
	return d.at(chain).Height + d.age(chain)/max(t.Block, 1) + t.Rules.Reveal
}

// settle looks whether enough is locked for v, and whether its secret may be shown;
// then it is, on all links at once.
func (d *draft) settle(v Demand) {
	switch {
	case v.sum().Less(v.Invoice.Amount):
	case v.Secret != nil && d.late(v):
		v.Status = Asked
		d.refuseAll(v, message.Expiry)
		return
	case v.Secret != nil:
		v.Status = Settling
		d.c.putDemand(v)
		for _, link := range v.Links {
			d.know(link, *v.Secret)
		}
		return
	case v.Status == Asked:
		v.Status = Held
		if v.Hold {
			d.effect(Notice{GotHold, v.Invoice.Hash, ""})
		}
	}
	d.c.putDemand(v)
	d.askSecret(v)
}

// askSecret has the secret of a demand shown that waits for nothing else.
func (d *draft) askSecret(v Demand) {
	if v.Status == Held && !v.Hold && v.Number != 0 {
		d.effect(Show{v.Invoice.Hash, v.Number})
	}
}

// payable reports whether v may be paid with asset now.
func (v Demand) payable(asset contracts.Asset, now uint64) bool {
	return (v.Status == Asked || v.Status == Held) && v.Invoice.Asset == asset && now < v.Invoice.Expiry
}

// refuseAll gives up all that is locked for v.
func (d *draft) refuseAll(v Demand, why message.Reason) {
	links := v.Links
	v.Links = nil
	d.c.putDemand(v)
	for _, link := range links {
		d.giveUp(link, why)
	}
}

// paidDirectly ends a demand that was paid through a channel, without a lock.
func (d *draft) paidDirectly(v Demand, amount contracts.Amount) {
	if v.Got = v.Got.Plus(amount); v.Got.Less(v.Invoice.Amount) {
		d.c.putDemand(v)
		return
	}
	v.Status = Settling
	d.refuseAll(v, message.Paid)
}

// linkPaid writes what has come for a demand; with the last link it is a payment.
func (d *draft) linkPaid(v Demand, link Link, s contracts.Secret) {
	i := slices.Index(v.Links, link)
	if i < 0 {
		return
	}
	v.Links = slices.Delete(slices.Clone(v.Links), i, i+1)
	v.Got, v.Status, v.Secret = v.Got.Plus(link.Lock.Amount), Settling, &s
	d.c.putDemand(v)
	d.linkEnded(v)
}

// linkMissed strikes a lock whose time is over.
func (d *draft) linkMissed(v Demand, link Link) {
	i := slices.Index(v.Links, link)
	if i < 0 {
		return
	}
	if v.Links = slices.Delete(slices.Clone(v.Links), i, i+1); v.Status == Held {
		v.Status = Asked
	}
	d.c.putDemand(v)
	d.linkEnded(v)
}

// linkEnded writes the payment, when the last lock of a demand is at rest.
func (d *draft) linkEnded(v Demand) {
	if v.Status != Settling || len(v.Links) > 0 || v.Got.IsZero() {
		return
	}
	p := Payment{
		ID: v.Invoice.Hash, Asset: v.Invoice.Asset, Amount: v.Got, Invoice: &v.Invoice, Text: v.Invoice.Text,
		Status: Done, Secret: v.Secret, Made: v.Made, Ended: d.time(),
	}
	d.c.putPayment(p)
	d.effect(Notice{GotPayment, p.ID, ""})
}

// wait looks at the clock and the height for a demand: what is locked for it and
// comes to nothing is given back in time.
func (d *draft) wait(v Demand) {
	late := d.late(v)
	switch {
	case v.Status == Asked && late:
		d.refuseAll(v, message.Amount)
	case v.Status == Held && late:
		v.Status = Asked
		d.refuseAll(v, message.Expiry)
	case v.Status == Asked && len(v.Links) == 0 && v.Invoice.Expiry <= d.time():
		v.Status = Lapsed
		d.c.putDemand(v)
	default:
		d.askSecret(v)
	}
}

// lateFor is how many seconds after its expiry a demand is remembered, so that who
// pays late is told why he cannot.
const lateFor = 3600

// rests reports whether nothing can come of a demand any more.
func (v Demand) rests(now uint64) bool {
	return v.AtRest() && v.Invoice.Expiry+lateFor <= now
}
