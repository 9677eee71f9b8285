package evm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"photon/contracts"
	"photon/swap/trade"
)

// Send broadcasts a stored transaction. One that the chain has, or whose effect
// it has, is no error. Errors: trade.ErrSpent when its nonce was used otherwise
// or it reverted, trade.ErrShort, ErrRefused, ErrDown.
func (c *Chain) Send(ctx context.Context, t trade.Tx) error {
	s, err := c.decode(t)
	if err != nil {
		return err
	}
	c.lane.hold(s)
	err = c.broadcast(ctx, t.Raw)
	switch refused(err) {
	case known:
		err = nil
	case nonceLow:
		return c.after(ctx, s, err)
	case underpriced:
		if v := c.lane.versions(s.tx.Nonce()); v[len(v)-1].TxID != s.TxID {
			return nil // a better paid one of ours is on its way
		}
	case short:
		return fmt.Errorf("%w: %w", trade.ErrShort, err)
	}
	if err != nil {
		return err
	}
	c.note(s)
	return nil
}

// tellTime is how long an endpoint may take that is told of a transaction after
// another has it.
const tellTime = 2 * time.Second

// broadcast gives a transaction to an endpoint, whose answer counts, and then to
// all others that are well: one alone might drop it.
func (c *Chain) broadcast(ctx context.Context, raw []byte) error {
	q := &question{method: "eth_sendRawTransaction", args: []any{hexutil.Bytes(raw)}}
	by, err := c.pool.ask(ctx, q)
	if err != nil {
		return err
	}
	for n, e := range c.pool.all {
		if n == by || e.resting(time.Now()) {
			continue
		}
		soon, cancel := context.WithTimeout(ctx, tellTime)
		again := &question{method: q.method, args: q.args}
		if err := e.ask(soon, []*question{again}); err != nil {
			c.log.Debug("did not take a transaction", "endpoint", e.host, "err", err)
		}
		cancel()
	}
	return q.err
}

// after finds out what became of a transaction whose nonce was used.
func (c *Chain) after(ctx context.Context, s signed, cause error) error {
	for _, v := range c.lane.versions(s.tx.Nonce()) {
		r, mined, err := c.receipt(ctx, v.TxID)
		if err != nil {
			return err
		}
		if mined && !r.Failed && sameEffect(v.tx, s.tx) {
			return nil
		}
	}
	done, err := c.done(ctx, s)
	if err != nil {
		return err
	}
	if done {
		return nil
	}
	return fmt.Errorf("%w: nonce %d was used: %w", trade.ErrSpent, s.tx.Nonce(), cause)
}

// sameEffect reports whether two transactions do the same.
func sameEffect(a, b *types.Transaction) bool {
	return (a.To() == nil) == (b.To() == nil) && (a.To() == nil || *a.To() == *b.To()) &&
		a.Value().Cmp(b.Value()) == 0 && string(a.Data()) == string(b.Data())
}

// done reports whether what s should do with a watched leg was done by whatever
// transaction: anyone may redeem or refund.
func (c *Chain) done(ctx context.Context, s signed) (bool, error) {
	c.mu.Lock()
	n := c.book.legs[leg{s.ID, s.Side}]
	var w trade.Watch
	var key contracts.Hash
	var b branch
	if n != nil {
		w, key, b = n.watch, n.key, c.branch
	}
	c.mu.Unlock()
	if n == nil || s.Purpose == trade.Approve {
		return false, nil
	}
	head, _, err := c.latest(ctx)
	if err != nil {
		return false, err
	}
	topics := []any{contractHashes(contracts.HashLockTopics()), contractHashes([]contracts.Hash{key})}
	seen := watched{watch: w}
	for from := w.From; from <= head.Number; from += c.cfg.LogRange {
		events, err := c.logPage(ctx, from, min(head.Number, from+c.cfg.LogRange-1), topics, b)
		if err != nil {
			return false, err
		}
		for _, e := range events {
			seen.apply(e)
		}
	}
	lock, end := seen.fate.Lock, seen.fate.End
	switch s.Purpose {
	case trade.Lock:
		return lock != nil, nil
	case trade.Redeem:
		return end != nil && end.Kind == trade.BySecret, nil
	case trade.Refund:
		return end != nil && end.Kind == trade.ByTime, nil
	}
	return false, nil
}

// note remembers what was broadcast, so that Follow shows it before it is mined.
func (c *Chain) note(s signed) {
	c.mu.Lock()
	n := c.book.legs[leg{s.ID, s.Side}]
	if n == nil || s.tx.To() == nil || *s.tx.To() != c.cfg.Contract {
		c.mu.Unlock()
		return
	}
	x := sent{txid: s.TxID, nonce: s.tx.Nonce(), fee: s.Fee}
	if data := s.tx.Data(); s.Purpose == trade.Redeem && len(data) >= 36 {
		if secret := contracts.Secret(data[4:36]); secret.Hash() == n.watch.Terms.Hash {
			x.secret = &secret
		}
	}
	n.sent[s.Purpose] = x
	c.mu.Unlock()
	c.poke()
}

// receipt asks whether a transaction is mined.
func (c *Chain) receipt(ctx context.Context, id contracts.Hash) (receipt, bool, error) {
	raw, err := c.pool.one(ctx, "eth_getTransactionReceipt", hash(id))
	if err != nil {
		return receipt{}, false, err
	}
	return readReceipt(raw)
}

// Hasten makes what brings t closer to being mined: the same transaction for a
// higher fee or, when a nonce before it holds it up, that one for a higher fee,
// or one that does nothing in a nonce that nobody uses. What was displaced or
// reverted is made anew. Every replacement offers at least an eighth more, as
// nodes want a tenth.
// Errors: trade.ErrNotYet when all are well paid, mined, or cannot be paid better
// within what is at stake; as Prepare for what is made anew; trade.ErrShort,
// ErrDown.
func (c *Chain) Hasten(ctx context.Context, o trade.Order, t trade.Tx) (trade.Tx, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return trade.Tx{}, ctx.Err()
	}
	s, err := c.decode(t)
	if err != nil {
		return trade.Tx{}, err
	}
	c.lane.hold(s)
	a, err := c.look(ctx)
	if err != nil {
		return trade.Tx{}, err
	}
	last, ok := lastOf(a.waiting, s, o.Purpose)
	if !ok {
		return c.anew(ctx, o, s)
	}
	want := a.price.times(eighths(o.Deadline, c.now()))
	if gap := c.lane.free(a.count, false); gap < last.tx.Nonce() {
		fill := call{to: &c.account, gas: gasPay}
		if err := c.affords(a, []call{fill}, want, contracts.Amount{}); err != nil {
			return trade.Tx{}, err
		}
		return c.reserveOne(fill, gap, want, trade.Tx{ID: t.ID, Side: t.Side, Purpose: t.Purpose})
	}
	for _, w := range a.waiting {
		if w.tx.Nonce() <= last.tx.Nonce() && !priceOf(w.tx).covers(want) {
			return c.raise(o, w, want, a)
		}
	}
	return trade.Tx{}, fmt.Errorf("%w: offers %s wei per gas, usual is %s", trade.ErrNotYet, priceOf(last.tx).Cap, want.Cap)
}

// anew makes again what was displaced or reverted. Where more than one is
// needed, it gives the first; the next time, the next.
func (c *Chain) anew(ctx context.Context, o trade.Order, s signed) (trade.Tx, error) {
	var err error
	if s.Purpose == trade.Approve { // it may be mined: what it was for counts
		s.Purpose = o.Purpose
		var done bool
		if done, err = c.done(ctx, s); err == nil && !done {
			err = trade.ErrSpent
		}
	} else {
		err = c.after(ctx, s, errors.New("not by it"))
	}
	if err == nil {
		return trade.Tx{}, fmt.Errorf("%w: what %s does is done", trade.ErrNotYet, s.TxID)
	}
	if !errors.Is(err, trade.ErrSpent) {
		return trade.Tx{}, err
	}
	txs, err := c.prepare(ctx, o)
	if err != nil {
		return trade.Tx{}, err
	}
	for _, t := range txs[1:] {
		c.Release(t)
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

// raise makes the replacement of w.
func (c *Chain) raise(o trade.Order, w signed, want Price, a account) (trade.Tx, error) {
	old := priceOf(w.tx)
	least := old.times(9)
	p := want.over(least)
	k := call{to: w.tx.To(), value: amountOf(w.tx.Value()), data: w.tx.Data(), gas: w.tx.Gas()}
	native := o.Terms.Asset.IsNative() && w.ID == o.ID
	if native && (o.Purpose == trade.Redeem || o.Purpose == trade.Refund) {
		if p = p.under(o.Terms.Amount, k.gas, a.price); !p.covers(least) {
			return trade.Tx{}, fmt.Errorf("%w: %s wei at stake, the next fee is %s", trade.ErrNotYet, o.Terms.Amount, least.fee(k.gas))
		}
	}
	more := less(p.fee(k.gas), old.fee(k.gas))
	if a.free().Less(more) {
		return trade.Tx{}, fmt.Errorf("%w: %s wei, %s of it promised, need %s more", trade.ErrShort, a.balance, outlay(a.waiting), more)
	}
	return c.reserveOne(k, w.tx.Nonce(), p, trade.Tx{ID: w.ID, Side: w.Side, Purpose: w.Purpose})
}
