package trade

import (
	"fmt"

	"photon/contracts"
)

// Parties are who we are on the two legs of a trade, and what the desk knows of
// their chains.
type Parties struct {
	Ours, Theirs         contracts.Party // refunder of our leg, redeemer of theirs
	OursFrom, TheirsFrom uint64          // height of the first block that can hold each lock
	Confirmations        uint64          // that we ask of their leg at least
}

// Propose begins a trade as First: it takes give of o at o's rate. hash is of the
// secret that our number derives, now is the start in Unix seconds. The offer's
// times must be good by p.
// Errors: ErrOffer, contracts.ErrTerms.
func Propose(o Offer, give contracts.Amount, number uint64, hash contracts.Hash, me Parties, now uint64, p Profile) (Trade, []Effect, error) {
	if now > o.Expires {
		return Trade{}, nil, fmt.Errorf("%w: expired %d s ago", ErrOffer, now-o.Expires)
	}
	if err := p.Check(o); err != nil {
		return Trade{}, nil, err
	}
	first, second, err := o.terms(give, hash, now)
	if err != nil {
		return Trade{}, nil, err
	}
	first.Refunder, second.Redeemer = me.Ours, me.Theirs
	t := Trade{
		ID: hash, Protocol: Protocol, Number: number, Role: First, Partner: o.Maker, Offer: o.Digest(), Status: Proposed, Start: now, Margin: p.Margin(o.Give.Chain), Now: now,
		Ours:    Leg{Terms: first, Confirmations: o.WantConfirmations, From: me.OursFrom},
		Theirs:  Leg{Terms: second, Confirmations: max(o.GiveConfirmations, me.Confirmations), From: me.TheirsFrom},
		Version: 1,
	}
	return t, []Effect{Tell{Take{Offer: t.Offer, Start: now, First: first, Second: second}}}, nil
}

// Consider begins a trade as Second: it answers a taker of our offer o. The
// taker's terms must be exactly what o says, and its times good by p: they may have
// been good by another profile when we made it.
// Errors: ErrOffer, contracts.ErrTerms.
func Consider(o Offer, q Take, partner string, number uint64, me Parties, now uint64, p Profile) (Trade, []Effect, error) {
	if now > o.Expires {
		return Trade{}, nil, fmt.Errorf("%w: expired %d s ago", ErrOffer, now-o.Expires)
	}
	if q.Start+p.Skew < now || q.Start > now+p.Skew {
		return Trade{}, nil, fmt.Errorf("%w: starts at %d, our clock says %d and allows %d", ErrOffer, q.Start, now, p.Skew)
	}
	if err := p.Check(o); err != nil {
		return Trade{}, nil, err
	}
	first, second, err := o.terms(q.Second.Amount, q.First.Hash, q.Start)
	if err != nil {
		return Trade{}, nil, err
	}
	first.Refunder, second.Redeemer = q.First.Refunder, q.Second.Redeemer
	if !same(first, q.First) || !same(second, q.Second) {
		return Trade{}, nil, fmt.Errorf("%w: terms are not those of the offer", ErrOffer)
	}
	first.Redeemer, second.Refunder = me.Theirs, me.Ours
	if err := first.Check(); err != nil {
		return Trade{}, nil, err
	}
	if err := second.Check(); err != nil {
		return Trade{}, nil, err
	}
	t := Trade{
		ID: first.Hash, Protocol: Protocol, Number: number, Role: Second, Partner: partner, Offer: o.Digest(), Status: Agreed, Start: q.Start, Margin: p.Margin(o.Give.Chain), Now: now,
		Ours:    Leg{Terms: second, Confirmations: o.GiveConfirmations, From: me.OursFrom},
		Theirs:  Leg{Terms: first, Confirmations: max(o.WantConfirmations, me.Confirmations), From: me.TheirsFrom},
		Version: 1,
	}
	return t, []Effect{Tell{Accept{ID: t.ID, Redeemer: me.Theirs, Refunder: me.Ours}}}, nil
}

// terms are both legs of a trade on o that gives give and starts at start, with
// the taker's and the maker's parties still empty.
func (o Offer) terms(give contracts.Amount, hash contracts.Hash, start uint64) (first, second contracts.Terms, err error) {
	cost, err := o.Cost(give)
	if err != nil {
		return first, second, err
	}
	first = contracts.Terms{
		Asset: o.Want, Amount: cost, Hash: hash, Expiry: start + o.FirstTime,
		Form: o.formOn(o.Want.Chain), Contract: o.WantContract,
	}
	second = contracts.Terms{
		Asset: o.Give, Amount: give, Hash: hash, Expiry: start + o.SecondTime,
		Form: o.formOn(o.Give.Chain), Contract: o.GiveContract,
	}
	return first, second, nil
}

func (o Offer) formOn(c contracts.Chain) contracts.Form {
	if c.EVM() {
		return contracts.Contract
	}
	return o.Form
}

// same compares what an offer decides and the parties given so far.
func same(a, b contracts.Terms) bool {
	return a.Asset == b.Asset && a.Amount == b.Amount && a.Hash == b.Hash && a.Expiry == b.Expiry && a.Form == b.Form &&
		a.Contract == b.Contract && string(a.Redeemer) == string(b.Redeemer) && string(a.Refunder) == string(b.Refunder)
}
