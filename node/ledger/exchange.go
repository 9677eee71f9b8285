package ledger

import (
	"fmt"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// Two partners exchange two assets, with nobody between them:
//
//	taker ── promises what he gives, for long ──▶ maker
//	taker ◀── promises what he gets, for less ── maker    same hash
//	taker ── shows the secret: it is his ───────▶ maker   shows it on the first: it is his
//
// To the taker it is a demand and a payment of one hash, and to the maker a transfer
// whose locks are of two assets; so what holds for these makes it both or neither. An
// offer lives in memory only: who dies before he is taken at his word gives the
// taker's lock up, and neither has moved anything.

// skew is by how much blocks of one chain may come faster, and those of the other
// slower, than they should: together at most this factor.
const skew = 2

// mostOffers is how many offers to one taker may be open at a time.
const mostOffers = 16

// quote binds us to an offer.
func (d *draft) quote(e Quote) error {
	o := e.Offer
	if err := d.agreeable(o, d.l.cfg.Self, o.Maker, o.Taker); err != nil {
		return err
	}
	open := 0
	for hash, before := range d.l.offers.all {
		switch {
		case hash == o.Hash && before == o:
			return nil
		case before.Taker == o.Taker:
			open++
		}
	}
	if d.known(o.Hash) {
		return fmt.Errorf("%w: %s", ErrReused, o.Hash)
	}
	if open >= mostOffers {
		return fmt.Errorf("%w: %d offers to %s", ErrFull, open, o.Taker)
	}
	if _, err := d.fit(o.Get.Asset, o.Taker, o.Get.Amount, quiet); err != nil {
		return err
	}
	set(&d.c.offers, o.Hash, &o)
	return nil
}

// known reports whether a hash has a meaning for us already.
func (d *draft) known(hash contracts.Hash) bool {
	_, offered := d.l.offers.get(hash)
	_, asked := d.demand(hash)
	_, paid := termsOfBefore(d, Pay{ID: hash})
	return offered || asked || paid
}

// agreeable refuses what is no offer between us and a partner, or not one that we
// could keep. Errors: message.ErrOffer, ErrStale, ErrOffline.
func (d *draft) agreeable(o message.Offer, us, we, partner contracts.Address) error {
	if err := o.Check(d.time()); err != nil {
		return err
	}
	x, is := d.l.cfg.Chains[o.Give.Asset.Chain]
	y, are := d.l.cfg.Chains[o.Get.Asset.Chain]
	switch {
	case us != we || !is || !are || large(o.Give.Amount) || large(o.Get.Amount):
		return fmt.Errorf("%w: %s for %s, by %s to %s", message.ErrOffer, o.Give.Asset, o.Get.Asset, o.Maker, o.Taker)
	case x.Block == 0 || y.Block == 0:
		return fmt.Errorf("%w: nobody knows how fast blocks come", message.ErrOffer)
	case d.stale(o.Give.Asset.Chain) || d.stale(o.Get.Asset.Chain):
		return fmt.Errorf("%w: of %s or %s", ErrStale, o.Give.Asset.Chain, o.Get.Asset.Chain)
	case !d.there(partner):
		return fmt.Errorf("%w: %s", ErrOffline, partner)
	}
	return nil
}

// take promises what an offer asks of us, and waits for what it offers.
func (d *draft) take(e Take) error {
	o := e.Offer
	want := terms{o.Give.Asset, o.Maker, o.Give.Amount, contracts.Hash{}, false, ""}
	if before, was := termsOfBefore(d, Pay{ID: o.Hash}); was && before != want {
		return fmt.Errorf("%w: %s", ErrReused, o.Hash)
	} else if was {
		return nil
	}
	if err := d.agreeable(o, d.l.cfg.Self, o.Taker, o.Maker); err != nil {
		return err
	}
	if d.known(o.Hash) {
		return fmt.Errorf("%w: %s", ErrReused, o.Hash)
	}
	if err := d.open(max(len(d.l.payments.rows), len(d.l.demands.rows))); err != nil {
		return err
	}
	if err := d.room(o); err != nil {
		return err
	}
	c, err := d.fit(o.Give.Asset, o.Maker, o.Give.Amount, quiet)
	if err != nil {
		return err
	}
	lock := contracts.Lock{Amount: o.Give.Amount, Expiry: d.at(c.Chain).Height + d.span(o), Hash: o.Hash}
	if lock, err = d.say(c, lock, lock.Expiry, nil); err != nil {
		return err
	}
	d.c.putDemand(Demand{
		Invoice: message.Invoice{Asset: o.Get.Asset, Payee: o.Taker, Amount: o.Get.Amount, Hash: o.Hash, Expiry: o.Expiry + lateFor},
		Number:  e.Number, Status: Asked, Made: d.time(),
	})
	d.c.putPayment(Payment{
		ID: o.Hash, Ours: true, Asset: o.Give.Asset, Partner: o.Maker, Amount: o.Give.Amount, Offer: &o, Status: Pending,
		Parts: []Part{{Link{c.Key, lock}, Route{[]contracts.Address{o.Maker}, lock.Amount, lock.Amount}, Pending, ""}}, Made: d.time(),
	})
	return nil
}

// room refuses an offer that its maker has no channel for. Errors: channel.ErrShort.
func (d *draft) room(o message.Offer) error {
	var most contracts.Amount
	for _, c := range d.with(o.Get.Asset, o.Maker, quiet) {
		if r := c.Receivable(); most.Less(r) {
			most = r
		}
	}
	if most.Less(o.Get.Amount) {
		return fmt.Errorf("%w: %s can send us %s, offers %s", channel.ErrShort, o.Maker, most, o.Get.Amount)
	}
	return nil
}

// span is for how many blocks the taker promises: as long as the maker will, then
// what the maker needs to register the secret, and as much again for what is on its
// way.
func (d *draft) span(o message.Offer) uint64 {
	x, y := d.l.cfg.Chains[o.Give.Asset.Chain], d.l.cfg.Chains[o.Get.Asset.Chain]
	back := 2 * y.Rules.Reveal
	if o.Give.Asset.Chain != o.Get.Asset.Chain {
		back = back*y.Block*skew/x.Block + 1
	}
	return back + 2*x.Rules.Reveal
}

// exchange keeps our word: what the taker of an offer has promised is locked for us,
// and now we promise our part, or give his up.
func (d *draft) exchange(in channel.Channel, lock contracts.Lock, o message.Offer) {
	link := Link{in.Key, lock}
	out, why := d.giveBack(in, lock, o)
	if why != "" {
		d.giveUp(link, why)
		return
	}
	set(&d.c.offers, o.Hash, nil)
	d.c.putTransfer(Transfer{ID: link.ID(), In: link, Out: out, Offer: &o, Status: Pending, Made: d.time()})
}

// giveBack promises what o offers, if lock is what it asks.
func (d *draft) giveBack(in channel.Channel, lock contracts.Lock, o message.Offer) (Link, message.Reason) {
	switch {
	case in.Partner() != o.Taker || in.Asset() != o.Give.Asset:
		return Link{}, message.Unknown
	case o.Expiry <= d.time():
		return Link{}, message.Paid
	case lock.Amount.Less(o.Give.Amount):
		return Link{}, message.Amount
	case d.stale(in.Chain) || d.stale(o.Get.Asset.Chain):
		return Link{}, message.Stale
	}
	out, err := d.fit(o.Get.Asset, o.Taker, o.Get.Amount, quiet)
	if err != nil {
		return Link{}, reasonOf(err)
	}
	expiry := d.at(out.Chain).Height + 2*out.Rules.Reveal
	back := contracts.Lock{Amount: o.Get.Amount, Expiry: expiry, Hash: o.Hash}
	if !d.apart(in, out, lock, back) {
		return Link{}, message.Expiry
	}
	if back, err = d.say(out, back, expiry, nil); err != nil {
		return Link{}, reasonOf(err)
	}
	return Link{out.Key, back}, ""
}

// apart reports whether the lock that comes in outlives the one that goes out by
// what we need to register its secret, however fast the blocks of its chain come.
func (d *draft) apart(in, out channel.Channel, takes, gives contracts.Lock) bool {
	reveal := in.Rules.Reveal
	if in.Chain == out.Chain {
		return gives.Expiry+reveal <= takes.Expiry
	}
	left := takes.Expiry - min(takes.Expiry, d.at(in.Chain).Height+reveal)
	span := gives.Expiry - min(gives.Expiry, d.at(out.Chain).Height)
	return span*d.l.cfg.Chains[out.Chain].Block*skew <= left*d.l.cfg.Chains[in.Chain].Block
}

// broken withdraws the demand of an exchange whose payment has failed.
func (d *draft) broken(p Payment) {
	v, is := d.demand(p.ID)
	if p.Offer == nil || !is || v.Status != Asked && v.Status != Held {
		return
	}
	v.Status = Withdrawn
	d.refuseAll(v, message.Cancelled)
}
