package swap

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// quoteFor is how long a quote stands, in seconds.
const quoteFor = 60

// keepTaken is for how many seconds more a quote that was taken is known.
const keepTaken = 24 * 3600

// maxQuotes bounds the quotes that wait to be taken.
const maxQuotes = 10_000

// A quote is one that was given, and the trade that came of it.
type quote struct {
	trade.Quote
	trade   contracts.Hash
	despite bool // the maker's standing
}

// Quote says what taking an offer costs, for get of what its maker gives.
// Whose maker has let us down too often is refused, unless it is to be had despite
// that. Errors: trade.ErrUnknown, trade.ErrClosed, trade.ErrOffer,
// trade.ErrStanding.
func (d *Desk) Quote(ctx context.Context, offer contracts.Hash, get contracts.Amount, despite bool) (trade.Quote, error) {
	if d.RefundOnly {
		return trade.Quote{}, trade.ErrClosed
	}
	o, err := d.offerAnywhere(ctx, offer)
	if err != nil {
		return trade.Quote{}, err
	}
	if o.Maker == d.Peer.Self() {
		return trade.Quote{}, fmt.Errorf("%w: it is our own", trade.ErrOffer)
	}
	if err := d.Profile.Check(o); err != nil {
		return trade.Quote{}, err
	}
	pay, err := o.Cost(get)
	if err != nil {
		return trade.Quote{}, err
	}
	lock, _, refund, err := d.Ledgers[o.Want.Chain].Fees(ctx, o.Want)
	if err != nil {
		return trade.Quote{}, fmt.Errorf("fees of %s: %w", o.Want.Chain, err)
	}
	_, redeem, _, err := d.Ledgers[o.Give.Chain].Fees(ctx, o.Give)
	if err != nil {
		return trade.Quote{}, fmt.Errorf("fees of %s: %w", o.Give.Chain, err)
	}
	if !o.Give.Chain.EVM() && !redeem.Less(get) {
		return trade.Quote{}, fmt.Errorf("%w: %s is not worth the fee %s of redeeming it", trade.ErrOffer, get, redeem)
	}
	now := time.Now()
	q := trade.Quote{
		Offer: offer, Pay: o.Want, PayAmount: pay, Get: o.Give, GetAmount: get, LockFee: lock, RefundFee: refund, RedeemFee: redeem,
		RefundFrom: unix(now) + o.FirstTime, RedeemBy: unix(now) + d.Profile.RevealBy(o), Expires: min(unix(now)+quoteFor, o.Expires),
	}
	err = d.do(ctx, func() (c trade.Change, err error) {
		if len(d.quotes) >= maxQuotes {
			return c, fmt.Errorf("%w: %d quotes wait", trade.ErrClosed, len(d.quotes))
		}
		if err := d.bears(o.Maker); err != nil && !despite {
			return c, err
		}
		q.Maker = d.standing(o.Maker)
		// The number of the trade to be makes the quote's id unique, too.
		q.ID = sha256.Sum256(fmt.Appendf(nil, "quote %s %s %d", offer, get, d.nextNumber(now)))
		d.quotes[q.ID] = quote{Quote: q, despite: despite}
		return c, nil
	}, nil)
	return q, err
}

// Take begins a trade on a quote. The same quote again gives the same trade.
// Errors: trade.ErrUnknown, trade.ErrClosed, trade.ErrTooLate, trade.ErrOffer,
// trade.ErrStanding, trade.ErrShort, contracts.ErrTerms.
func (d *Desk) Take(ctx context.Context, id contracts.Hash) (trade.Trade, error) {
	if d.RefundOnly {
		return trade.Trade{}, trade.ErrClosed
	}
	now := time.Now()
	var q quote
	var number uint64
	err := d.do(ctx, func() (c trade.Change, err error) {
		known := false
		if q, known = d.quotes[id]; !known {
			return c, fmt.Errorf("quote %s: %w", id, trade.ErrUnknown)
		}
		if q.trade.IsZero() && unix(now) > q.Expires {
			return c, fmt.Errorf("%w: the quote expired at %d", trade.ErrTooLate, q.Expires)
		}
		number = d.nextNumber(now)
		return c, nil
	}, nil)
	if err != nil {
		return trade.Trade{}, err
	}
	if !q.trade.IsZero() {
		return d.find(ctx, q.trade)
	}
	o, err := d.offerAnywhere(ctx, q.Offer)
	if err != nil {
		return trade.Trade{}, err
	}
	if err := d.Peer.Learn(ctx, o.Maker, o.At); err != nil {
		d.Log.Warn("addresses not kept", "partner", o.Maker, "err", err) // it may be known by others
	}
	affords, err := d.afford(ctx, q.Pay, q.PayAmount, q.LockFee)
	if err != nil {
		return trade.Trade{}, err
	}
	me, err := d.parties(ctx, number, o.Want.Chain, o.Give.Chain)
	if err != nil {
		return trade.Trade{}, err
	}
	t, effects, err := trade.Propose(o, q.GetAmount, number, d.Secrets.Secret(number).Hash(), me, unix(now), d.Profile)
	if err != nil {
		return trade.Trade{}, err
	}
	err = d.begin(ctx, t, effects, func() error {
		// Asked twice at once: the first has it.
		if first := d.quotes[id].trade; !first.IsZero() {
			return fmt.Errorf("%w: the quote is taken", trade.ErrConflict)
		}
		if err := d.bears(o.Maker); err != nil && !q.despite {
			return err
		}
		return affords()
	}, func() { q.trade = t.ID; d.quotes[id] = q })
	return t, err
}

// begin stores a new trade and starts its watch. allow is asked in the loop.
func (d *Desk) begin(ctx context.Context, t trade.Trade, effects []trade.Effect, allow func() error, then func()) error {
	if t.Role == trade.Second { // First watches once he knows the maker's parties
		if err := d.watch(ctx, t); err != nil {
			return err
		}
	}
	d.taking.Lock()
	defer d.taking.Unlock()
	return d.do(ctx, func() (c trade.Change, err error) {
		if err := allow(); err != nil {
			return c, err
		}
		if d.used[t.ID] {
			return c, fmt.Errorf("%w: hash %s was in a trade before", trade.ErrOffer, t.ID)
		}
		// A lock is made once its chain has told its head: we may know that already.
		t.Ours.Head, t.Theirs.Head = d.heads[t.Ours.Terms.Asset.Chain], d.heads[t.Theirs.Terms.Asset.Chain]
		c.Trades = []trade.Trade{t}
		for _, e := range effects {
			c.Effects = append(c.Effects, trade.Pending{Trade: t.ID, Effect: e})
		}
		return c, nil
	}, then)
}

// watch asks the chains for the fates of both legs.
func (d *Desk) watch(ctx context.Context, t trade.Trade) error {
	for _, w := range t.Watches() {
		if err := d.Ledgers[w.Terms.Asset.Chain].Watch(ctx, w); err != nil {
			return fmt.Errorf("watch %s: %w", w.Terms.Asset.Chain, err)
		}
	}
	return nil
}

// parties are who we are in the trade with this number, and where its legs can
// begin.
func (d *Desk) parties(ctx context.Context, number uint64, ours, theirs contracts.Chain) (p trade.Parties, err error) {
	if p.Ours, p.OursFrom, err = d.party(ctx, number, ours); err != nil {
		return p, err
	}
	p.Theirs, p.TheirsFrom, err = d.party(ctx, number, theirs)
	p.Confirmations = d.Confirmations[theirs]
	return p, err
}

func (d *Desk) party(ctx context.Context, number uint64, c contracts.Chain) (contracts.Party, uint64, error) {
	l := d.Ledgers[c]
	if l == nil {
		return nil, 0, fmt.Errorf("%w: no node of %s is configured", trade.ErrOffer, c)
	}
	p, err := l.Party(ctx, number)
	if err != nil {
		return nil, 0, fmt.Errorf("our party on %s: %w", c, err)
	}
	head, err := l.Head(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("head of %s: %w", c, err)
	}
	return p, head.Height - min(head.Height, mayUnmake*max(d.Confirmations[c], 3)), nil
}

// mayUnmake is how many times the confirmations that we ask a reorganisation may
// go back: the lock may then lie below what is the newest block now.
const mayUnmake = 2

// afford asks for our balance and returns what refuses a lock that we could not
// fund beside those that we have promised and not made yet; it is asked in the
// loop. Whoever answers us locks first and would wait for his time.
// Errors: trade.ErrShort.
func (d *Desk) afford(ctx context.Context, a contracts.Asset, amount, fee contracts.Amount) (func() error, error) {
	have, _, err := d.Ledgers[a.Chain].Balance(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("balance of %s: %w", a, err)
	}
	return func() error {
		need, promised := amount, 0
		for _, t := range d.trades {
			if (t.Status == trade.Proposed || t.Status == trade.Agreed) && t.Ours.Terms.Asset == a {
				need = need.Plus(t.Ours.Terms.Amount)
				promised++
			}
		}
		for range promised + 1 {
			if a.IsNative() {
				need = need.Plus(fee)
			}
		}
		if have.Less(need) {
			return fmt.Errorf("%w: have %s of %s, need %s with %d locks promised", trade.ErrShort, have, a, need, promised)
		}
		return nil
	}, nil
}
