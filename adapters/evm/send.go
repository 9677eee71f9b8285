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
// it has, is no error. One whose nonce Hasten gave to another use is not sent any
// more. Errors: trade.ErrSpent when its nonce was used or given otherwise or it
// reverted, trade.ErrShort, ErrRefused, ErrDown.
func (c *Chain) Send(ctx context.Context, t trade.Tx) error {
	s, err := c.decode(t)
	if err != nil {
		return err
	}
	c.lane.hold(s)
	v := c.lane.versions(s.tx.Nonce())
	newest := v[len(v)-1]
	if !sameEffect(newest.tx, s.tx) {
		return c.after(ctx, s, fmt.Errorf("given to %s", newest.TxID))
	}
	err = c.broadcast(ctx, t.Raw)
	switch refused(err) {
	case known:
		err = nil
	case nonceLow:
		return c.after(ctx, s, err)
	case underpriced:
		if newest.TxID != s.TxID {
			return nil // a better paid one of ours is on its way
		}
		c.lane.refused(s)
	case short:
		c.lane.barred(s)
		return fmt.Errorf("%w: %w", trade.ErrShort, err)
	default:
		if errors.Is(err, ErrRefused) {
			c.lane.barred(s)
		}
	}
	if err != nil {
		return err
	}
	c.lane.took(s, c.now())
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

// after finds out what became of a transaction whose nonce was used or given
// otherwise.
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
	return fmt.Errorf("%w: nonce %d was used otherwise: %w", trade.ErrSpent, s.tx.Nonce(), cause)
}

// Buried is how many blocks hold t, or a better paid version of it, or stand on
// the one that does; 0 when none holds it, it reverted, or its block is not of the
// branch that we follow. Errors: ErrDown, ErrAnswer.
func (c *Chain) Buried(ctx context.Context, t trade.Tx) (depth uint64, err error) {
	s, err := c.decode(t)
	if err != nil {
		return 0, err
	}
	head, err := c.newest(ctx, &c.swaps)
	if err != nil {
		return 0, err
	}
	depth, failed, err := c.buried(ctx, s, &c.swaps, head)
	if failed {
		depth = 0
	}
	return depth, err
}

// buried is how many blocks hold s, or a better paid version of it, or stand on the
// one that does, and whether it reverted. Where the stem is known, that block is of
// it.
func (c *Chain) buried(ctx context.Context, s signed, of *stem, head header) (depth uint64, failed bool, err error) {
	ids := []contracts.Hash{s.TxID}
	for _, v := range c.lane.versions(s.tx.Nonce()) {
		if v.TxID != s.TxID && sameEffect(v.tx, s.tx) {
			ids = append(ids, v.TxID)
		}
	}
	for _, id := range ids {
		r, mined, err := c.receipt(ctx, id)
		if err != nil {
			return 0, false, err
		}
		c.mu.Lock()
		kept, is := of.branch.at(r.Height)
		c.mu.Unlock()
		if mined && r.TxID == id && r.Height <= head.Number && (!is || kept.Hash == r.Block) {
			return head.Number - r.Height + 1, r.Failed, nil
		}
	}
	return 0, false, nil
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
		w, key, b = n.watch, n.key, c.swaps.branch
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
		events, err := c.logPage(ctx, c.anyone, from, min(head.Number, from+c.cfg.LogRange-1), topics, b)
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
