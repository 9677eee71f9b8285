package ledger

import (
	"fmt"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// terms are what makes two payments the same.
type terms struct {
	asset   contracts.Asset
	to      contracts.Address
	amount  contracts.Amount
	invoice contracts.Hash
	plain   bool
	text    string
}

func (e Pay) terms() terms {
	t := terms{e.Asset, e.To, e.Amount, contracts.Hash{}, e.plain(), e.Text}
	if e.Invoice != nil {
		t.invoice = e.Invoice.Hash
	}
	return t
}

func termsOf(p Payment) terms {
	t := terms{p.Asset, p.Partner, p.Amount, contracts.Hash{}, p.direct(), p.Text}
	if p.Invoice != nil {
		t.invoice = p.Invoice.Hash
	}
	return t
}

// plain reports whether e needs no lock.
func (e Pay) plain() bool { return e.Invoice == nil || e.Plain }

// pay begins a payment, or finds that it is one that was begun before.
func (d *draft) pay(e Pay) error {
	if !e.plain() {
		if !e.ID.IsZero() && e.ID != e.Invoice.Hash {
			return fmt.Errorf("%w: its id %s is not the invoice's %s", ErrPayment, e.ID, e.Invoice.Hash)
		}
		e.ID = e.Invoice.Hash
	}
	before, was := termsOfBefore(d, e)
	if was && before != e.terms() {
		return fmt.Errorf("%w: %s", ErrReused, e.ID)
	} else if was {
		return nil // even when it could not be begun any more
	}
	if err := d.payable(e); err != nil {
		return err
	}
	if err := d.open(len(d.l.payments.rows)); err != nil {
		return err
	}
	if e.plain() {
		return d.payDirectly(e)
	}
	return d.payLocked(e)
}

// open refuses one more of what our user has under way. Errors: ErrFull.
func (d *draft) open(n int) error {
	if n >= d.l.cfg.Limits.Open {
		return fmt.Errorf("%w: %d", ErrFull, n)
	}
	return nil
}

// termsOfBefore are what is known of a payment with the id of e.
func termsOfBefore(d *draft, e Pay) (terms, bool) {
	if p, is := d.payment(e.ID); is {
		return termsOf(p), true
	}
	for _, known := range d.l.ended {
		if t, is := known[e.ID]; is {
			return t, true
		}
	}
	if e.Before != nil {
		return termsOf(*e.Before), true
	}
	return terms{}, false
}

// payable refuses what nobody can pay.
func (d *draft) payable(e Pay) error {
	_, known := d.l.cfg.Chains[e.Asset.Chain]
	switch {
	case e.ID.IsZero():
		return fmt.Errorf("%w: it has no id", ErrPayment)
	case e.Amount.IsZero():
		return fmt.Errorf("%w: of nothing", ErrPayment)
	case e.To == d.l.cfg.Self || e.To == (contracts.Address{}):
		return fmt.Errorf("%w: to %s", ErrPayment, e.To)
	case !known:
		return fmt.Errorf("%w: in %s, on a chain that is not ours", ErrPayment, e.Asset)
	case large(e.Amount) || large(e.MaxFee):
		return fmt.Errorf("%w: of %s, with fees of %s", ErrPayment, e.Amount, e.MaxFee)
	case len(e.Text) > message.MaxText:
		return fmt.Errorf("%w: text of %d bytes, at most %d", ErrPayment, len(e.Text), message.MaxText)
	case e.Deadline != 0 && e.Deadline <= d.time():
		return fmt.Errorf("%w: its deadline %d is past, now %d", ErrPayment, e.Deadline, d.time())
	}
	if i := e.Invoice; i == nil {
		return nil
	} else if i.Payee != e.To || i.Asset != e.Asset || i.Amount != e.Amount {
		return fmt.Errorf("%w: it asks %s %s for %s", message.ErrInvoice, i.Amount, i.Asset, i.Payee)
	} else {
		return i.Check(d.time())
	}
}

// large reports whether no channel can hold a.
func large(a contracts.Amount) bool { return a.Uint256().BitLen() > 128 }

// payDirectly queues a payment in a channel with the payee.
func (d *draft) payDirectly(e Pay) error {
	if age, most := d.age(e.Asset.Chain), d.l.cfg.Chains[e.Asset.Chain].DirectFor; age > most {
		return fmt.Errorf("%w: newest block of %s is %d seconds old, at most %d", ErrStale, e.Asset.Chain, age, most)
	}
	c, err := d.fit(e.Asset, e.To, e.Amount, able)
	if err != nil {
		return err
	}
	if !d.there(e.To) {
		return fmt.Errorf("%w: %s", ErrOffline, e.To)
	}
	pay := message.Pay{ID: e.ID, Amount: e.Amount, Text: e.Text}
	if e.Invoice != nil {
		pay.Invoice = e.Invoice.Hash
	}
	if err := d.tell(c.Key, channel.Say{Change: message.Change{Pay: &pay}}); err != nil {
		return err
	}
	d.c.putPayment(Payment{
		ID: e.ID, Ours: true, Asset: e.Asset, Partner: e.To, Amount: e.Amount, Invoice: e.Invoice, Text: e.Text,
		Status: Pending, Channel: c.Key, Epoch: c.Epoch, Made: d.time(), Deadline: e.Deadline,
	})
	return nil
}

// able reports whether a payment can be queued in c.
func able(c channel.Channel) bool { return c.Status == channel.Open && c.Frozen == "" && !c.Behind }

// quiet reports whether a promise goes out from c soon: it must not wait for a
// withdrawal.
func quiet(c channel.Channel) bool { return able(c) && c.Wish == nil && c.Accord == nil }

// with are the channels of asset with a partner that are fit, in order of their
// opening.
func (d *draft) with(asset contracts.Asset, partner contracts.Address, fit func(channel.Channel) bool) (all []channel.Channel) {
	for _, key := range d.l.partners[partner] {
		c, _ := d.channel(key)
		if c.Asset() == asset && fit(c) {
			all = append(all, c)
		}
	}
	return all
}

// fit is the channel with a partner that has least left when amount is taken from
// it. Errors: ErrNoRoute, channel.ErrShort.
func (d *draft) fit(asset contracts.Asset, partner contracts.Address, amount contracts.Amount, can func(channel.Channel) bool) (best channel.Channel, err error) {
	var most contracts.Amount
	found := false
	all := d.with(asset, partner, can)
	for _, c := range all {
		has := c.Sendable()
		if most.Less(has) {
			most = has
		}
		if !has.Less(amount) && (!found || has.Less(best.Sendable())) {
			best, found = c, true
		}
	}
	switch {
	case len(all) == 0:
		return best, fmt.Errorf("%w: no channel of %s with %s", ErrNoRoute, asset, partner)
	case !found:
		return best, fmt.Errorf("%w: %s, asked %s", channel.ErrShort, most, amount)
	}
	return best, nil
}

// flew writes in which update payments are on their way: they are done once it
// stands, which nobody needs to write.
func (d *draft) flew(c channel.Channel, e channel.Flew) {
	for _, pay := range e.Pays {
		p, is := d.payment(pay.ID)
		if !is {
			p = recalled(c, pay)
		}
		p.Status, p.Epoch, p.Nonce, p.Ended = Done, c.Epoch, e.Nonce, d.time()
		d.c.putPayment(p)
	}
}

// recalled is a payment of which only its channel knows.
func recalled(c channel.Channel, pay message.Pay) Payment {
	return Payment{
		ID: pay.ID, Ours: true, Asset: c.Asset(), Partner: c.Partner(), Amount: pay.Amount, Text: pay.Text,
		Status: Pending, Channel: c.Key, Epoch: c.Epoch,
	}
}

// remember takes up a payment that is on its way in c, after a restart; nonce is
// zero when it is queued. known are those that the store has told of.
func (l *Ledger) remember(known map[contracts.Hash]Payment, c channel.Channel, pay message.Pay, nonce uint64) {
	p, is := known[pay.ID]
	if !is {
		p = recalled(c, pay)
	}
	if p.Status, p.Nonce, p.Epoch = Pending, nonce, c.Epoch; nonce != 0 {
		p.Status = Done
	}
	l.commitPayment(p)
}

// accepted tells those who wait which payments are done.
func (d *draft) accepted(c channel.Channel, nonce uint64) {
	for _, f := range d.l.flown[c.Key] {
		if f.nonce > nonce {
			return
		}
		if p, is := d.payment(f.id); is && p.Nonce == f.nonce && p.Status == Done {
			d.effect(Over{p.ID, Done, ""})
		}
	}
}

// requeued takes back what was written of payments that were on their way and wait
// again.
func (d *draft) requeued(c channel.Channel) {
	for _, change := range c.Us.Queue {
		if change.Pay == nil {
			continue
		}
		if p, is := d.payment(change.Pay.ID); is && p.Nonce != 0 {
			p.Status, p.Nonce, p.Ended = Pending, 0, 0
			d.c.putPayment(p)
		}
	}
}

// returned ends a payment that the payee refused.
func (d *draft) returned(c channel.Channel, pay message.Pay, why message.Reason) {
	p, is := d.payment(pay.ID)
	if !is {
		p = recalled(c, pay)
	}
	d.fail(p, why)
}

// fail ends a payment of ours.
func (d *draft) fail(p Payment, why message.Reason) {
	p.Status, p.Reason, p.Ended, p.Routes = Failed, why, d.time(), nil
	d.c.putPayment(p)
	d.effect(Over{p.ID, Failed, why})
	d.broken(p)
}

// got writes a payment of a partner.
func (d *draft) got(c channel.Channel, pay message.Pay) {
	p := Payment{
		ID: gotID(d.time(), c, pay.ID), His: pay.ID, Asset: c.Asset(), Partner: c.Partner(), Amount: pay.Amount, Text: pay.Text, Status: Done,
		Channel: c.Key, Epoch: c.Epoch, Nonce: c.Them.Proof.Nonce, Made: d.time(), Ended: d.time(),
	}
	if before, is := find(d.c.Payments, d.c.at.payments, p.key()); is {
		p.Amount = p.Amount.Plus(before.Amount) // one id twice in one update
	}
	if v, is := d.demand(pay.Invoice); is && v.payable(p.Asset, d.time()) {
		p.Invoice = &v.Invoice
		d.paidDirectly(v, pay.Amount)
	}
	d.c.putPayment(p)
	d.effect(Notice{GotPayment, p.ID, ""})
}
