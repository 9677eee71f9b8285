package swap

import (
	"context"
	"fmt"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// cosignWithin is how long a partner may take to sign.
const cosignWithin = 10 * time.Second

// together asks the partner for half of a signature that spends a leg. To redeem,
// it shows him the secret: the caller has stored that decision.
func (d *Desk) together(ctx context.Context, l Ledger, t trade.Trade, o trade.Order) (trade.Tx, error) {
	c, can := l.(Cosigner)
	if !can || o.Terms.Form != contracts.P2TR {
		return trade.Tx{}, fmt.Errorf("%s has no signature of two", o.Terms.Asset.Chain)
	}
	session, err := c.Propose(ctx, o)
	if err != nil {
		return trade.Tx{}, fmt.Errorf("propose: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, cosignWithin)
	defer cancel()
	raw, err := d.Peer.Ask(ctx, t.Partner, trade.Encode(session.Request()))
	if err != nil {
		return trade.Tx{}, fmt.Errorf("ask to cosign: %w", err)
	}
	m, err := trade.Decode(raw)
	if err != nil {
		return trade.Tx{}, err
	}
	a, is := m.(trade.CosignAnswer)
	if !is {
		return trade.Tx{}, fmt.Errorf("%w: %T in answer to a cosign request", trade.ErrMessage, m)
	}
	return session.Finish(a)
}

// cosign answers a partner's request. What he shows or asks is stored as an event
// before anything is signed; then the trade says whether it may be.
func (d *Desk) cosign(ctx context.Context, from string, q trade.CosignRequest) (trade.Message, error) {
	var t trade.Trade
	err := d.do(ctx, func() (c trade.Change, err error) {
		known := false
		if t, known = d.trades[q.ID]; !known || t.Partner != from {
			return c, fmt.Errorf("trade %s: %w", q.ID, trade.ErrUnknown)
		}
		switch q.Purpose {
		case trade.Refund:
			return c, d.apply(&c, t, trade.RefundAsked{})
		case trade.Redeem:
			if t.Role == trade.First {
				return c, nil
			}
			secret, err := contracts.ParseSecret(q.Secret)
			if err != nil {
				return c, err
			}
			return c, d.apply(&c, t, trade.Shown{Secret: secret})
		}
		return c, fmt.Errorf("%w: cosign a %.10q", trade.ErrMessage, q.Purpose)
	}, nil)
	if err != nil {
		return nil, err
	}
	if t, err = d.find(ctx, q.ID); err != nil {
		return nil, err
	}
	if err := t.MayCosign(q.Purpose); err != nil {
		return nil, err
	}
	side := trade.Ours // he redeems what we locked
	if q.Purpose == trade.Refund {
		side = trade.Theirs // he refunds what he locked
	}
	leg := t.Leg(side)
	c, can := d.Ledgers[leg.Terms.Asset.Chain].(Cosigner)
	if !can || leg.Terms.Asset.Chain != q.Chain || leg.Fate.Lock == nil || leg.Fate.End != nil {
		return nil, fmt.Errorf("%w: no lock of %s to sign for", trade.ErrStatus, q.Chain)
	}
	return c.Cosign(ctx, trade.Order{
		ID: t.ID, Number: t.Number, Side: side, Purpose: q.Purpose, Terms: leg.Terms, Spot: leg.Fate.Lock, Deadline: leg.Terms.Expiry,
	}, q)
}
