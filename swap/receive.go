package swap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// Receive takes in a message of another node and returns the answer, which is
// empty when there is nothing to say. The same message again changes nothing
// more. Its errors are told to the sender: they hold nothing of ours.
//
// Errors: trade.ErrMessage, trade.ErrUnknown, trade.ErrStatus, trade.ErrSecret.
func (d *Desk) Receive(ctx context.Context, from string, raw []byte) ([]byte, error) {
	m, err := trade.Decode(raw)
	if err != nil {
		return nil, err
	}
	var answer trade.Message
	switch m := m.(type) {
	case trade.Take:
		answer, err = d.taken(ctx, from, m)
	case trade.Accept:
		err = d.accepted(ctx, from, m)
	case trade.Refuse:
		err = d.heard(ctx, from, m.ID, trade.Declined{Reason: m.Reason})
	case trade.Abandon:
		err = d.heard(ctx, from, m.ID, trade.LeftByPartner{})
	case trade.CosignRequest:
		answer, err = d.cosign(ctx, from, m)
	case trade.OffersRequest:
		answer, err = d.ownOffers(ctx, m)
	default:
		err = fmt.Errorf("%w: %T was not asked for", trade.ErrMessage, m)
	}
	if err != nil || answer == nil {
		return nil, err
	}
	return trade.Encode(answer), nil
}

// heard gives a partner's word to the trade that it is about.
func (d *Desk) heard(ctx context.Context, from string, id contracts.Hash, e trade.Event) error {
	return d.do(ctx, func() (c trade.Change, err error) {
		t, known := d.trades[id]
		if !known || t.Partner != from {
			return c, fmt.Errorf("trade %s: %w", id, trade.ErrUnknown)
		}
		return c, d.apply(&c, t, e)
	}, nil)
}

// taken answers a taker. What is wrong with his wish is said in a Refuse; our
// own faults are an error, and he asks again.
func (d *Desk) taken(ctx context.Context, from string, q trade.Take) (trade.Message, error) {
	again, used, err := d.tookBefore(ctx, from, q)
	if err != nil || again {
		return nil, err // asked again: the answer is on its way
	}
	if used {
		return trade.Refuse{ID: q.First.Hash, Reason: "hash was used before"}, nil
	}
	t, effects, allow, err := d.consider(ctx, from, q)
	if err == nil {
		err = d.begin(ctx, t, effects, allow, nil)
	}
	if err == nil {
		return nil, nil
	}
	// Whatever the reason: another copy of the same wish may have been quicker.
	if again, _, failed := d.tookBefore(ctx, from, q); failed != nil || again {
		return nil, failed
	}
	switch {
	case errors.Is(err, trade.ErrOffer), errors.Is(err, contracts.ErrTerms), errors.Is(err, trade.ErrUnknown), errors.Is(err, trade.ErrClosed),
		errors.Is(err, trade.ErrStanding), errors.Is(err, trade.ErrMany):
		return trade.Refuse{ID: q.First.Hash, Reason: err.Error()}, nil
	case errors.Is(err, trade.ErrShort):
		return trade.Refuse{ID: q.First.Hash, Reason: trade.ErrShort.Error()}, nil // how much we have is not his business
	}
	d.Log.Warn("could not answer a taker", "partner", from, "err", err)
	return nil, errors.New("not able to answer now")
}

// tookBefore reports whether the same taker had the same wish before, and whether
// its hash was in any trade.
func (d *Desk) tookBefore(ctx context.Context, from string, q trade.Take) (again, used bool, err error) {
	t, known, used, err := d.live(ctx, q.First.Hash)
	again = known && t.Partner == from && t.Role == trade.Second && t.Offer == q.Offer && t.Start == q.Start
	return again, used, err
}

// consider makes the trade that a taker of our offer asks for, and what refuses it
// when he is not to have one more, or we cannot fund it. He is looked at first:
// whom we refuse costs us no question to a chain.
func (d *Desk) consider(ctx context.Context, from string, q trade.Take) (t trade.Trade, effects []trade.Effect, allow func() error, err error) {
	if d.RefundOnly {
		return t, nil, nil, trade.ErrClosed
	}
	o, err := d.offer(ctx, q.Offer)
	if err != nil {
		return t, nil, nil, err
	}
	if o.Maker != d.Peer.Self() || from == o.Maker {
		return t, nil, nil, fmt.Errorf("%w: not ours to answer", trade.ErrOffer)
	}
	now := time.Now()
	var number uint64
	err = d.do(ctx, func() (trade.Change, error) { number = d.nextNumber(now); return trade.Change{}, d.admits(from) }, nil)
	if err != nil {
		return t, nil, nil, err
	}
	fee, _, _, err := d.Ledgers[o.Give.Chain].Fees(ctx, o.Give)
	if err != nil {
		return t, nil, nil, err
	}
	affords, err := d.afford(ctx, o.Give, q.Second.Amount, fee)
	if err != nil {
		return t, nil, nil, err
	}
	me, err := d.parties(ctx, number, o.Give.Chain, o.Want.Chain)
	if err != nil {
		return t, nil, nil, err
	}
	t, effects, err = trade.Consider(o, q, from, number, me, unix(now), d.Profile)
	allow = func() error {
		if err := d.admits(from); err != nil {
			return err
		}
		return affords()
	}
	return t, effects, allow, err
}

// accepted takes in the maker's parties. The legs are whole from then on, and
// watched before our lock can be ordered.
func (d *Desk) accepted(ctx context.Context, from string, a trade.Accept) error {
	t, known, _, err := d.live(ctx, a.ID)
	if err != nil {
		return err
	}
	if !known || t.Partner != from {
		return fmt.Errorf("trade %s: %w", a.ID, trade.ErrUnknown)
	}
	e := trade.Accepted{Redeemer: a.Redeemer, Refunder: a.Refunder}
	whole, _, err := t.Apply(e)
	if err != nil {
		return err
	}
	if whole.Status == trade.Locking {
		if err := d.watch(ctx, whole); err != nil {
			return err
		}
	}
	return d.heard(ctx, from, a.ID, e)
}
