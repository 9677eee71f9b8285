package evm

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// lostAfter is how long a lock, or a payment that was refused, may stay unknown to
// all endpoints before its nonce is used otherwise, so that what waits behind it is
// mined. Whoever still wants it sends it again and again meanwhile.
const lostAfter = time.Minute

// Hasten makes what brings t closer to being mined: the same transaction for a
// higher fee or, when a nonce before it holds it up, what frees that nonce; see
// [Chain.next]. A redeem or refund that was displaced or reverted is made anew.
// A lock never is: nobody can be sure that the first will never be mined, and the
// trade ends by its time. Nor is an approval whose nonce was used otherwise: the
// lock that counts on it comes before any new one. Every replacement offers at
// least an eighth more, as nodes want a tenth.
// Errors: trade.ErrNotYet when all are well paid, mined, or cannot be paid better
// within what is at stake; trade.ErrSpent for a lock or payment that is lost; as
// Prepare for what is made anew; trade.ErrShort, ErrDown.
func (c *Chain) Hasten(ctx context.Context, o trade.Order, t trade.Tx) (trade.Tx, error) {
	if err := c.take(ctx); err != nil {
		return trade.Tx{}, err
	}
	defer c.give()
	s, a, err := c.waits(ctx, t)
	if err != nil {
		return trade.Tx{}, err
	}
	next, err := c.hasten(ctx, o, s, a)
	if next.Side == ofChannels { // to the caller it is one more thing in the way
		next.ID, next.Side, next.Purpose = o.ID, o.Side, trade.Send
	}
	return next, err
}

// waits holds t and looks at our account.
func (c *Chain) waits(ctx context.Context, t trade.Tx) (signed, account, error) {
	s, err := c.decode(t)
	if err != nil {
		return signed{}, account{}, err
	}
	c.lane.hold(s)
	a, err := c.look(ctx)
	return s, a, err
}

// hasten is Hasten, for an order of either kind.
func (c *Chain) hasten(ctx context.Context, o trade.Order, s signed, a account) (trade.Tx, error) {
	last, ok := lastOf(a.waiting, s, o.Purpose)
	if !ok {
		return c.anew(ctx, o, s)
	}
	want := a.price.times(eighths(o.Deadline, c.now()))
	if gap := c.lane.free(a.count, false); gap < last.tx.Nonce() {
		return c.fill(o, gap, want, a)
	}
	var ahead []signed
	for _, w := range a.waiting {
		if w.tx.Nonce() <= last.tx.Nonce() && len(ahead) < batchSize {
			ahead = append(ahead, w)
		}
	}
	knows, err := c.known(ctx, ahead)
	if err != nil {
		return trade.Tx{}, err
	}
	for i, w := range ahead {
		next, made, err := c.next(o, w, knows[i], want, a)
		if made || err != nil {
			return next, err
		}
	}
	return trade.Tx{}, fmt.Errorf("%w: offers %s wei per gas, usual is %s", trade.ErrNotYet, priceOf(last.tx).Cap, want.Cap)
}

// next makes what frees the nonce of w, if anything is to be done:
//
//	w is ours to send, or the chain knows it     more fee, when it pays too little
//	unknown, and nobody is hurt when it is mined  w itself, to be sent again
//	unknown, any other                            in time, a payment of nothing to ourselves at its nonce
//
// An old lock is never sent again: its trade may have been given up. What takes its
// nonce offers an eighth more than w, whose bytes may be out.
func (c *Chain) next(o trade.Order, w signed, k knowledge, want Price, a account) (t trade.Tx, made bool, err error) {
	cheap := !priceOf(w.tx).covers(want)
	old := c.now().Sub(w.since) >= lostAfter
	switch {
	case serves(w, o):
		cheap = cheap || w.refused // its owner sends it again
	case k.newest:
	case k.older, c.harmless(w, a):
		if cheap = cheap || w.refused; !cheap && (!w.taken || old) {
			return w.Tx, true, nil
		}
	case old:
		c.log.Warn("gives the nonce of what was never sent to nothing", "trade", w.ID, "purpose", w.Purpose, "txid", w.TxID, "nonce", w.tx.Nonce())
		t, err = c.fill(o, w.tx.Nonce(), want.over(priceOf(w.tx).times(9)), a)
		return t, true, err
	default:
		return t, false, nil
	}
	if cheap {
		t, err = c.raise(o, w, want, a)
		return t, true, err
	}
	return t, false, nil
}

// serves reports whether w is what o asks for, or the approval before it.
func serves(w signed, o trade.Order) bool {
	approves := w.Purpose == trade.Approve && (o.Purpose == trade.Lock || o.Purpose == calling)
	return w.ID == o.ID && w.Side == o.Side && (w.Purpose == o.Purpose || approves)
}

// harmless reports whether w may be sent again whatever became of its trade. A
// redeem shows the secret: only while it can still succeed. A payment was promised
// to whoever asked for it: unless no endpoint takes it.
func (c *Chain) harmless(w signed, a account) bool {
	switch {
	case c.fills(w), w.Purpose == trade.Approve, w.Purpose == trade.Refund:
		return true
	case w.Purpose == trade.Send:
		return !w.barred
	case w.Purpose != trade.Redeem:
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.book.legs[leg{w.ID, w.Side}]
	return n != nil && n.scanned && n.fate.Lock != nil && n.fate.End == nil && a.head.Time < n.watch.Terms.Expiry
}

// fills reports whether w does nothing.
func (c *Chain) fills(w signed) bool {
	to := w.tx.To()
	return to != nil && *to == c.account && w.tx.Value().Sign() == 0 && len(w.tx.Data()) == 0
}

// fill makes what uses up a nonce and does nothing else. It is a payment to
// ourselves, under the id of what waits behind it.
func (c *Chain) fill(o trade.Order, nonce uint64, p Price, a account) (trade.Tx, error) {
	a.waiting = slices.DeleteFunc(slices.Clone(a.waiting), func(w signed) bool { return w.tx.Nonce() == nonce })
	nothing := call{to: &c.account, gas: gasPay}
	if err := c.affords(a, []call{nothing}, p, contracts.Amount{}); err != nil {
		return trade.Tx{}, err
	}
	return c.reserveOne(nothing, nonce, p, trade.Tx{ID: o.ID, Side: o.Side, Purpose: trade.Send})
}

// A knowledge is what the endpoints know of one nonce of ours.
type knowledge struct {
	newest bool // the newest transaction of it
	older  bool // one before
}

// known asks the endpoints for waiting transactions. One that any of them knows
// is known; so is one for which they cannot be asked. Errors: ErrDown.
func (c *Chain) known(ctx context.Context, ahead []signed) ([]knowledge, error) {
	knows, left := make([]knowledge, len(ahead)), make([]int, len(ahead))
	for i := range left {
		left[i] = i
	}
	look := func(ask func(...*question) error) error {
		var qs []*question
		var of []func()
		for _, i := range left {
			for _, v := range c.lane.versions(ahead[i].tx.Nonce()) {
				qs = append(qs, &question{method: "eth_getTransactionByHash", args: []any{hash(v.TxID)}})
				of = append(of, func() {
					if v.TxID == ahead[i].TxID {
						knows[i].newest = true
					} else {
						knows[i].older = true
					}
				})
			}
		}
		if err := ask(qs...); err != nil {
			return err
		}
		for n, q := range qs {
			if q.err != nil || !missing(q.answer) {
				of[n]()
			}
		}
		left = slices.DeleteFunc(left, func(i int) bool { return knows[i].newest })
		return nil
	}
	var by int
	if err := look(func(qs ...*question) (err error) { by, err = c.pool.ask(ctx, qs...); return err }); err != nil {
		return nil, err
	}
	for n, e := range c.pool.all {
		if n == by || len(left) == 0 || e.resting(time.Now()) {
			continue
		}
		soon, cancel := context.WithTimeout(ctx, tellTime)
		if err := look(func(qs ...*question) error { return e.ask(soon, qs) }); err != nil {
			c.log.Debug("was not asked for transactions", "endpoint", e.host, "err", err)
		}
		cancel()
	}
	return knows, nil
}

// anew makes again a redeem or refund that was displaced or reverted.
func (c *Chain) anew(ctx context.Context, o trade.Order, s signed) (trade.Tx, error) {
	var err error
	if s.Purpose == trade.Approve { // it may be mined: what it was for counts
		s.Purpose = o.Purpose
		var done bool
		if done, err = c.done(ctx, s); err == nil && !done {
			err = fmt.Errorf("%w: %s is of no use any more", trade.ErrSpent, s.TxID)
		}
	} else {
		err = c.after(ctx, s, errors.New("not by it"))
	}
	if err == nil {
		return trade.Tx{}, fmt.Errorf("%w: what %s does is done", trade.ErrNotYet, s.TxID)
	}
	if !errors.Is(err, trade.ErrSpent) || (o.Purpose != trade.Redeem && o.Purpose != trade.Refund) {
		return trade.Tx{}, err
	}
	txs, err := c.prepare(ctx, o)
	if err != nil {
		return trade.Tx{}, err
	}
	return txs[0], nil
}

// lastOf finds the last waiting transaction with the nonce of s, or of its leg
// and for this purpose.
func lastOf(waiting []signed, s signed, p trade.Purpose) (last signed, ok bool) {
	for _, w := range waiting {
		if w.tx.Nonce() == s.tx.Nonce() || (w.ID == s.ID && w.Side == s.Side && w.Purpose == p) {
			last, ok = w, true
		}
	}
	return last, ok
}

// stakeOf is the coins that o is about, when no more than them is paid for w.
func stakeOf(o trade.Order, w signed) (stake contracts.Amount, is bool) {
	if w.ID != o.ID || !o.Terms.Asset.IsNative() {
		return stake, false
	}
	limited := o.Purpose == calling && !o.Terms.Amount.IsZero()
	return o.Terms.Amount, limited || o.Purpose == trade.Redeem || o.Purpose == trade.Refund
}

// raise makes the replacement of w.
func (c *Chain) raise(o trade.Order, w signed, want Price, a account) (trade.Tx, error) {
	old := priceOf(w.tx)
	least := old.times(9)
	p := want.over(least)
	k := call{to: w.tx.To(), value: amountOf(w.tx.Value()), data: w.tx.Data(), gas: w.tx.Gas()}
	if stake, is := stakeOf(o, w); is {
		floor := a.price
		if o.Purpose == calling { // what is not worth it is not made either
			floor = Price{Cap: new(big.Int)}
		}
		if p = p.under(stake, k.gas, floor); !p.covers(least) {
			return trade.Tx{}, fmt.Errorf("%w: %s wei at stake, the next fee is %s", trade.ErrNotYet, stake, least.fee(k.gas))
		}
	}
	more := less(p.fee(k.gas), old.fee(k.gas))
	if a.free().Less(more) {
		return trade.Tx{}, fmt.Errorf("%w: %s wei, %s of it promised, need %s more", trade.ErrShort, a.balance, outlay(a.waiting), more)
	}
	return c.reserveOne(k, w.tx.Nonce(), p, trade.Tx{ID: w.ID, Side: w.Side, Purpose: w.Purpose})
}
