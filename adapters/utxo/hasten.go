package utxo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// childSize is the virtual size of a spend of one P2WPKH output to another, vB.
const childSize = 110

// Hasten makes what raises the fee of tx to the price of o's deadline. Where
// nodes replace, a redeem or refund is made anew with the same destination;
// otherwise, and for a lock or send, whose id others rely on, a child of an
// output of ours pays for both.
// Errors: trade.ErrNotYet when tx is well paid or mined, or needs a child and no
// node knows it; trade.ErrShort when nothing of ours can pay more, ErrUneconomic
// when it costs more than is left, ErrDown.
func (c *Chain) Hasten(ctx context.Context, o trade.Order, tx trade.Tx) (trade.Tx, error) {
	msg, err := parse(tx)
	if err != nil {
		return trade.Tx{}, err
	}
	if c.isMined(msg) {
		return trade.Tx{}, fmt.Errorf("%w: %s: %s is mined", trade.ErrNotYet, c.coin.Chain, tx.TxID)
	}
	size, paid, p := contracts.VSize(msg), sum(tx.Fee), c.price(ctx, o.Deadline)
	want := c.coin.fee(p, size, c.stake(o, msg))
	if want <= paid+paid/20 { // a twentieth more is not worth the traffic
		return trade.Tx{}, fmt.Errorf("%w: %s: %s pays %d, the price is %d", trade.ErrNotYet, c.coin.Chain, tx.TxID, paid, want)
	}
	if c.coin.Replace && o.Spot != nil && len(msg.TxIn) == 1 && msg.TxIn[0].PreviousOutPoint == c.outpoint(o) {
		again, err := c.replace(ctx, o, msg, paid, p)
		if !errors.Is(err, trade.ErrNotYet) {
			return again, err
		}
		// A joint refund before its time has no script to fall back to.
	}
	if err := c.known(ctx, msg); err != nil {
		return trade.Tx{}, err
	}
	return c.child(ctx, o, msg, paid, want)
}

// known asks all nodes for msg: nobody relays the child of what nobody knows.
// Errors: trade.ErrNotYet when none has it, as it must be sent first; ErrDown when
// none answers.
func (c *Chain) known(ctx context.Context, msg *wire.MsgTx) error {
	id, missing := msg.TxHash(), false
	_, errs := each(ctx, c.nodes, func(n Node) (*wire.MsgTx, error) { return n.Tx(ctx, id) })
	for _, err := range errs {
		if err == nil {
			return nil
		}
		missing = missing || errors.Is(err, ErrMissing)
	}
	if missing {
		return fmt.Errorf("%w: %s: no node knows %s", trade.ErrNotYet, c.coin.Chain, display(id))
	}
	return fmt.Errorf("%s: ask for %s: %w", c.coin.Chain, display(id), errors.Join(errs...))
}

// stake is what is lost when tx is late.
func (c *Chain) stake(o trade.Order, msg *wire.MsgTx) int64 {
	if o.Spot != nil {
		return sum(o.Spot.Amount)
	}
	if o.Purpose == trade.Lock || o.Purpose == trade.Send {
		return sum(o.Terms.Amount)
	}
	return msg.TxOut[0].Value
}

// isMined reports whether a block that was looked through holds msg, by what it
// spends or makes.
func (c *Chain) isMined(msg *wire.MsgTx) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := msg.TxHash()
	for _, in := range msg.TxIn {
		if k := c.index.locks[in.PreviousOutPoint]; k != nil && slices.ContainsFunc(k.ends, func(e end) bool { return e.id == id && e.place.height != 0 }) {
			return true
		}
	}
	for i := range msg.TxOut {
		at := wire.OutPoint{Hash: id, Index: uint32(i)}
		if m := c.wallet.coins[at]; m != nil && m.height != 0 {
			return true
		}
		if k := c.index.locks[at]; k != nil && k.place.height != 0 {
			return true
		}
	}
	return false
}

// replace makes msg anew with a higher fee, by the script whatever msg used.
func (c *Chain) replace(ctx context.Context, o trade.Order, msg *wire.MsgTx, paid int64, p price) (trade.Tx, error) {
	value, err := c.worth(o)
	if err != nil {
		return trade.Tx{}, err
	}
	head, err := c.Head(ctx)
	if err != nil {
		return trade.Tx{}, err
	}
	if o.Purpose == trade.Refund && head.Time <= o.Terms.Expiry {
		return trade.Tx{}, fmt.Errorf("%w: %s: refund from %d on, median time past is %d", trade.ErrNotYet, c.coin.Chain, o.Terms.Expiry, head.Time)
	}
	to, size := msg.TxOut[0].PkScript, claimSize(o)
	fee, err := c.coin.payout(p, size, value, to)
	if err != nil {
		return trade.Tx{}, err
	}
	// A replacement pays for itself and for what it pushes out, at a rate that is
	// higher too.
	least := max(paid+atRate(increment, size), atRate(paid*1000/contracts.VSize(msg)+increment, size))
	fee = max(fee, least)
	if err := contracts.CheckPayout(c.coin.Chain, value, to, fee); err != nil {
		return trade.Tx{}, fmt.Errorf("%w: %w", ErrUneconomic, err)
	}
	return c.claimWith(o, value, to, fee)
}

// child spends an output of msg that is ours, so that both together pay want for
// msg and as much for each vB of the child.
func (c *Chain) child(ctx context.Context, o trade.Order, msg *wire.MsgTx, paid, want int64) (trade.Tx, error) {
	c.funding.Lock()
	defer c.funding.Unlock()
	from, coin, err := c.lever(ctx, msg)
	if err != nil {
		return trade.Tx{}, err
	}
	rate := want * 1000 / contracts.VSize(msg)
	fee := max(want-paid+atRate(rate, childSize), atRate(c.coin.MinRate, childSize))
	if err := contracts.CheckPayout(c.coin.Chain, coin.value, keyScript(make([]byte, 20)), fee); err != nil {
		return trade.Tx{}, fmt.Errorf("%w: %w", ErrUneconomic, err)
	}
	to, err := from.script(ctx, forChange)
	if err != nil {
		return trade.Tx{}, err
	}
	child := wire.NewMsgTx(2)
	child.AddTxIn(&wire.TxIn{PreviousOutPoint: coin.out, Sequence: replaceable})
	child.AddTxOut(wire.NewTxOut(coin.value-fee, to))
	if err := c.finish(ctx, from, child, []*money{coin}); err != nil {
		return trade.Tx{}, fmt.Errorf("child of %s: %w", display(coin.out.Hash), err)
	}
	return c.record(o, child, fee), nil
}

// lever is the output of msg to pay more with, and whose it is.
// Errors: trade.ErrShort when there is none, trade.ErrNotYet when msg is mined.
func (c *Chain) lever(ctx context.Context, msg *wire.MsgTx) (purse, *money, error) {
	var errs []error
	for _, p := range c.purses() {
		coin, err := p.lever(ctx, msg)
		switch {
		case err != nil:
			errs = append(errs, err)
		case coin != nil && coin.height != 0:
			return nil, nil, fmt.Errorf("%w: %s: %s is mined", trade.ErrNotYet, c.coin.Chain, display(coin.out.Hash))
		case coin != nil:
			return p, coin, nil
		}
	}
	if len(errs) > 0 {
		return nil, nil, errors.Join(errs...)
	}
	return nil, nil, fmt.Errorf("%w: %s: %s has no output of ours left to pay more with", trade.ErrShort, c.coin.Chain, display(msg.TxHash()))
}
