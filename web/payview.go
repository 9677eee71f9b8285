package web

import (
	"strings"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/web/api"
)

// viewChannel is a channel as callers see it: neither proofs nor secrets.
func viewChannel(c sight) api.Channel {
	view := api.Channel{
		Id: c.Key, Chain: c.Chain, Asset: c.Asset(), Partner: c.Partner().Hex(), There: c.there, Status: c.Status,
		Ours: c.Balance(), Theirs: rest(c), Sendable: c.Sendable(), Receivable: c.Receivable(),
		LockedOut: promised(c.Us.Locks), LockedIn: promised(c.Them.Locks), Window: c.Window, Height: c.now.Height,
		Next: viewMove(c), Behind: c.Behind, Frozen: c.Frozen,
	}
	if c.Status != channel.Open {
		view.Sendable, view.Receivable = contracts.Amount{}, contracts.Amount{}
	}
	if c.Status == channel.Settled {
		view.Ours, view.Theirs = c.Paid[0], c.Paid[1]
		view.LockedOut, view.LockedIn = contracts.Amount{}, contracts.Amount{}
	}
	if w := c.Wish; w != nil {
		view.Wish = &api.Wish{Id: w.ID, Kind: api.WishKind(w.Kind), Until: w.Until, Alone: w.Alone}
		if w.Kind == channel.Withdrawing {
			view.Wish.Amount = &w.Take
		}
	}
	if a := c.Accord; a != nil {
		view.Accord = &api.Accord{Kind: api.AccordKindEnd, Ours: a.Ours, Agreed: !a.Ours || a.Theirs != nil, Declined: string(a.Declined)}
		if a.Withdrawal != nil {
			view.Accord.Kind, view.Accord.Until = api.AccordKindWithdraw, a.Withdrawal.Until
		} else {
			view.Accord.Until = a.Ending.Until
		}
	}
	return view
}

// rest is what a channel holds beside our balance.
func rest(c sight) (theirs contracts.Amount) {
	if all := c.Us.Deposit.Plus(c.Them.Deposit); !all.Less(c.Balance()) {
		theirs = all.Minus(c.Balance())
	}
	return theirs
}

func promised(locks []contracts.Lock) (all contracts.Amount) {
	for _, l := range locks {
		all = all.Plus(l.Amount)
	}
	return all
}

// viewMove is who moves next in a channel: we at the chain, or whoever holds up
// what is wished, or whoever can open the lock that ends first.
func viewMove(c sight) *api.Move {
	if calls := c.Wants(c.now); len(calls) > 0 {
		k := calls[0]
		return &api.Move{Actor: api.MoveActorYou, Step: api.MoveStep(strings.ReplaceAll(string(k.Kind), " ", "_")), From: k.At, By: k.Deadline}
	}
	switch a, w := c.Accord, c.Wish; {
	case c.Status != channel.Open:
		return nil
	case a != nil && a.Ours:
		return &api.Move{Actor: api.MoveActorThem, Step: api.MoveStepAgree, By: accordUntil(a)}
	case a != nil && a.Withdrawal != nil:
		return &api.Move{Actor: api.MoveActorThem, Step: api.MoveStepWithdraw, By: accordUntil(a)}
	case a != nil:
		return &api.Move{Actor: api.MoveActorThem, Step: api.MoveStepCloseTogether, By: accordUntil(a)}
	case w != nil:
		return &api.Move{Actor: api.MoveActorBoth, Step: api.MoveStepFinish, By: w.Until}
	}
	var next *api.Move
	first := func(actor api.MoveActor, locks []contracts.Lock) {
		for _, l := range locks {
			if next == nil || l.Expiry < next.By {
				next = &api.Move{Actor: actor, Step: api.MoveStepOpenLock, By: l.Expiry}
			}
		}
	}
	first(api.MoveActorYou, c.Them.Locks)
	first(api.MoveActorThem, c.Us.Locks)
	return next
}

func accordUntil(a *channel.Accord) uint64 {
	if a.Withdrawal != nil {
		return a.Withdrawal.Until
	}
	return a.Ending.Until
}

// viewPayment is a payment as callers see it. The secret of one that we made is the
// receipt, once it is done; no other is shown.
func viewPayment(p ledger.Payment) api.Payment {
	view := api.Payment{
		Id: p.ID, Way: api.PaymentWayGot, Asset: p.Asset, Amount: p.Amount, Fee: p.Fee, Status: p.Status,
		Reason: string(p.Reason), Text: p.Text, Made: p.Made, Ended: p.Ended,
	}
	if p.Partner != (contracts.Address{}) {
		view.Partner = p.Partner.Hex()
	}
	if !p.Channel.IsZero() {
		view.Channel = &p.Channel
	}
	if !p.Ours {
		return view
	}
	view.Way = api.PaymentWaySent
	for _, t := range p.Parts {
		try := api.Try{Sent: t.Route.Sent, Status: t.Status, Reason: string(t.Reason)}
		for _, n := range t.Route.Nodes {
			try.Nodes = append(try.Nodes, n.Hex())
		}
		view.Tries = append(view.Tries, try)
	}
	if p.Status == ledger.Done && p.Secret != nil && p.Invoice != nil {
		view.Receipt = &api.Receipt{Invoice: p.Invoice.String(), Secret: contracts.Hash(*p.Secret)}
	}
	return view
}

// viewInvoice is an invoice of ours as callers see it, without its secret.
func viewInvoice(d ledger.Demand) api.Invoice {
	i := d.Invoice
	return api.Invoice{
		Id: i.Hash, Text: i.String(), Asset: i.Asset, Amount: i.Amount, Expires: i.Expiry, Says: i.Text,
		Status: d.Status, Hold: d.Hold, Got: d.Got, Made: d.Made,
	}
}
