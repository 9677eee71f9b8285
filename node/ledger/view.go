package ledger

import (
	"errors"
	"fmt"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// What follows is for those who look: what they get is theirs to read, and as it was
// at the last Commit.

// Channels are all channels, in the order of their opening.
func (l *Ledger) Channels() (all []channel.Channel) {
	for _, c := range l.channels.all {
		all = append(all, c)
	}
	return all
}

// Channel is the one with this key.
func (l *Ledger) Channel(key contracts.Hash) (channel.Channel, bool) { return l.channels.get(key) }

// Payment is one of ours that is under way.
func (l *Ledger) Payment(id contracts.Hash) (Payment, bool) { return l.payments.get(id) }

// Payments are all of ours that are under way.
func (l *Ledger) Payments() (all []Payment) {
	for _, p := range l.payments.all {
		all = append(all, p)
	}
	return all
}

// Transfers are all payments of others that are under way.
func (l *Ledger) Transfers() (all []Transfer) {
	for _, t := range l.transfers.all {
		all = append(all, t)
	}
	return all
}

// Demand is that of the invoice with this hash.
func (l *Ledger) Demand(hash contracts.Hash) (Demand, bool) { return l.demands.get(hash) }

// Demands are all invoices of ours that can be paid, or are being paid.
func (l *Ledger) Demands() (all []Demand) {
	for _, d := range l.demands.all {
		all = append(all, d)
	}
	return all
}

// Offers are all exchanges that we are bound to.
func (l *Ledger) Offers() (all []message.Offer) {
	for _, o := range l.offers.all {
		all = append(all, o)
	}
	return all
}

// Fee is what we ask in a channel; nil is nothing.
func (l *Ledger) Fee(key contracts.Hash) *message.Schedule {
	c, is := l.channels.get(key)
	if !is {
		return nil
	}
	return (&draft{l: l}).fee(c)
}

// Now is the time for channels on chain.
func (l *Ledger) Now(chain contracts.Chain) channel.Now { return (&draft{l: l}).at(chain) }

// Fresh refuses what must not be begun on an old view of the chain. Errors: ErrStale.
func (l *Ledger) Fresh(chain contracts.Chain) error {
	if d := (draft{l: l}); d.stale(chain) {
		return fmt.Errorf("%w: newest block of %s is %d seconds old", ErrStale, chain, d.age(chain))
	}
	return nil
}

// There reports whether a partner can be reached.
func (l *Ledger) There(partner contracts.Address) bool { return l.reach[partner] }

// Calls are all that is wanted of chain.
func (l *Ledger) Calls(chain contracts.Chain) (all []channel.Call) {
	now := l.Now(chain)
	for _, c := range l.channels.all {
		if c.Chain == chain {
			all = append(all, c.Wants(now)...)
		}
	}
	return all
}

// Check holds the ledger against what must always be true. It is what tests call;
// Apply freezes the channels of what breaks it.
func (l *Ledger) Check() error {
	var errs []error
	for _, t := range l.transfers.all {
		in, is := l.channels.get(t.In.Channel)
		out, _ := l.channels.get(t.Out.Channel) // which may be over
		if !is {
			errs = append(errs, fmt.Errorf("transfer %s: %w: %s", t.ID, ErrChannel, t.In.Channel))
		}
		errs = append(errs, t.check(in, out))
	}
	for _, v := range l.demands.all {
		if v.Secret != nil && v.Secret.Hash() != v.Invoice.Hash {
			errs = append(errs, fmt.Errorf("demand %s: it has the %s", v.Invoice.Hash, v.Secret))
		}
	}
	for _, c := range l.channels.all {
		if c.Frozen != "" {
			errs = append(errs, fmt.Errorf("channel %s: %w: %s", c.Key, channel.ErrFrozen, c.Frozen))
		}
	}
	return errors.Join(errs...)
}
