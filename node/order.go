package node

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/core/types"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
)

// An order of our user is kept by its transaction alone: what was ordered is read
// from it again, after a restart and when the same id comes another time.

// asked are the calls that only our user orders. All others follow from channels.
var asked = []string{"open", "deposit"}

// readOrder is what t asks for, when it is a call of an order.
func readOrder(t channel.Tx) (o channel.Order, err error) {
	var tx types.Transaction
	if err := tx.UnmarshalBinary(t.Raw); err != nil {
		return o, fmt.Errorf("stored transaction %s: %w", t.ID, err)
	}
	if tx.To() == nil {
		return o, fmt.Errorf("stored transaction %s: it calls nobody", t.ID)
	}
	value, err := contracts.ParseAmount(tx.Value().String())
	if err != nil {
		return o, fmt.Errorf("stored transaction %s: %w", t.ID, err)
	}
	o = channel.Order{ID: t.Order, To: contracts.Address(*tx.To()), Data: tx.Data(), Value: value, Gas: tx.Gas()}
	if token, amount, ok := contracts.ReadSpend(o.Data); ok {
		o.Token, o.Spends = token, amount
	}
	return o, nil
}

// recall takes up the order of our user that t is of, if it is of one.
func (c *carrier) recall(t channel.Tx) error {
	if t.Step != 0 {
		return nil
	}
	o, err := readOrder(t)
	if err == nil && slices.Contains(asked, contracts.MethodOf(o.Data)) {
		c.take(o)
	}
	return err
}

// take adds an order to those of our user, with what was made for it.
func (c *carrier) take(o channel.Order, txs ...channel.Tx) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.ContainsFunc(c.orders, func(x channel.Order) bool { return x.ID == o.ID }) {
		c.orders = append(c.orders, o)
	}
	c.fresh = append(c.fresh, txs...)
}

// done ends an order of our user, if it is one.
func (c *carrier) done(id contracts.Hash) (was bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.orders)
	c.orders = slices.DeleteFunc(c.orders, func(x channel.Order) bool { return x.ID == id })
	return len(c.orders) < before
}

// order takes an order of our user: its transaction is stored when it returns, and
// carried on from then, whatever happens. Errors: ledger.ErrReused when its id was
// another order's, channel.ErrShort, and why the contract would refuse it.
func (c *carrier) order(ctx context.Context, o channel.Order) ([]channel.Tx, error) {
	o = limited(o)
	txs, done, err := c.before(ctx, o)
	if err != nil || done {
		return txs, err
	}
	if txs, err = c.at.PrepareCall(ctx, o); err != nil {
		return nil, err
	}
	if err := c.same(o, txs); err != nil { // the same id came twice at a time
		return nil, err
	}
	if err := c.node.Store.SaveCallTxs(ctx, txs...); err != nil {
		return nil, fmt.Errorf("save transactions: %w", err)
	}
	c.take(o, txs...)
	c.poke()
	return txs, nil
}

// before is what is stored of an order, and whether it is done. What waits is taken
// up, so that PrepareCall returns it; what has failed for good may be made anew.
func (c *carrier) before(ctx context.Context, o channel.Order) (txs []channel.Tx, done bool, err error) {
	if txs, err = c.node.Store.OrderTxs(ctx, o.ID); err != nil {
		return nil, false, fmt.Errorf("order %s: %w", o.ID, err)
	}
	call, is := (&job{txs: txs}).call()
	if !is {
		return nil, false, nil
	}
	if err := c.same(o, txs); err != nil {
		return nil, false, err
	}
	depth, done, err := c.at.CallBuried(ctx, call)
	if err != nil || done { // what is done and not yet confirmed is among our orders
		return txs, done, err
	}
	if depth == 0 {
		err = c.at.ResumeCalls(ctx, txs)
	}
	return nil, false, err
}

// same refuses transactions that do something else than o. Errors: ledger.ErrReused.
func (c *carrier) same(o channel.Order, txs []channel.Tx) error {
	t, is := (&job{txs: txs}).call()
	if !is {
		return nil
	}
	was, err := readOrder(t)
	if err != nil {
		return err
	}
	if t.Chain != c.chain || was.To != o.To || !bytes.Equal(was.Data, o.Data) || was.Value != o.Value {
		return fmt.Errorf("%w: order %s", ledger.ErrReused, o.ID)
	}
	return nil
}
