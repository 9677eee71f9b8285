package evm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// Address is where this wallet is paid, with its checksum.
func (c *Chain) Address(context.Context) (string, error) { return c.account.Hex(), nil }

// CheckAddress reports why nothing should be paid to s. Errors:
// contracts.ErrAddress.
func (c *Chain) CheckAddress(s string) error {
	_, err := c.payee(s)
	return err
}

// payee reads an address that may be paid.
func (c *Chain) payee(s string) (contracts.Address, error) {
	to, err := contracts.ParseAddress(s)
	if err != nil {
		return contracts.Address{}, err
	}
	if to == (contracts.Address{}) || to == c.cfg.Contract || to == c.cfg.Channels || to == c.cfg.Registry {
		return contracts.Address{}, fmt.Errorf("%w: what is paid to %s is lost", contracts.ErrAddress, to)
	}
	return to, nil
}

// Balance is what we have of an asset at the newest block, less what waiting
// transactions of ours take at most. Pending is always nothing: an account
// receives only what is mined. Errors: ErrLeg, ErrDown, contracts.ErrAnswer.
func (c *Chain) Balance(ctx context.Context, asset contracts.Asset) (confirmed, pending contracts.Amount, err error) {
	if asset.Chain != c.cfg.Chain {
		return confirmed, pending, fmt.Errorf("%w: %s, this is %s", ErrLeg, asset, c.cfg.Chain)
	}
	count := &question{method: "eth_getTransactionCount", args: []any{c.account, "latest"}}
	held := &question{method: "eth_getBalance", args: []any{c.account, "latest"}}
	read := readAmount
	if !asset.IsNative() {
		held, read = c.read(asset.Token, contracts.BalanceCall(c.account)), tokens
	}
	if _, err := c.pool.ask(ctx, count, held); err != nil {
		return confirmed, pending, err
	}
	if err := errors.Join(count.err, held.err); err != nil {
		return confirmed, pending, err
	}
	used, err := readNumber(count.answer)
	if err != nil {
		return confirmed, pending, err
	}
	all, err := read(held.answer)
	if err != nil {
		return confirmed, pending, fmt.Errorf("balance of %s: %w", asset, err)
	}
	waiting := c.lane.waiting(used)
	if asset.IsNative() {
		return less(all, outlay(waiting)), pending, nil
	}
	promised, _ := c.promised(waiting, asset.Token, c.cfg.Contract, all)
	return less(all, promised), pending, nil
}

// Decimals of a token; of the native coin when token is zero.
// Errors: ErrDown, ErrRefused, contracts.ErrAnswer.
func (c *Chain) Decimals(ctx context.Context, token contracts.Address) (int, error) {
	if token == (contracts.Address{}) {
		return c.cfg.Chain.Decimals(), nil
	}
	c.mu.Lock()
	n, ok := c.decimals[token]
	c.mu.Unlock()
	if ok {
		return n, nil
	}
	raw, err := c.asked(ctx, c.read(token, contracts.DecimalsCall()))
	if err != nil {
		return 0, err
	}
	if n, err = contracts.ReadDecimals(raw); err != nil {
		return 0, fmt.Errorf("token %s: %w", token, err)
	}
	c.mu.Lock()
	c.decimals[token] = n
	c.mu.Unlock()
	return n, nil
}

// asked is the bytes that answer a call.
func (c *Chain) asked(ctx context.Context, q *question) ([]byte, error) {
	if _, err := c.pool.ask(ctx, q); err != nil {
		return nil, err
	}
	if q.err != nil {
		return nil, q.err
	}
	return readBytes(q.answer)
}

// Gas that things usually use, for quotes.
const (
	usualLock      = 56_000
	usualLockToken = 150_000 // with its approval
	usualEnd       = 45_000  // a redeem or a refund
	usualEndToken  = 65_000
)

// Fees estimates what it costs to lock, redeem and refund asset at the price that
// would be offered now, in wei. Errors: ErrDown, ErrLeg.
func (c *Chain) Fees(ctx context.Context, asset contracts.Asset) (lock, redeem, refund contracts.Amount, err error) {
	if asset.Chain != c.cfg.Chain {
		return lock, redeem, refund, fmt.Errorf("%w: %s, this is %s", ErrLeg, asset, c.cfg.Chain)
	}
	p, err := c.price(ctx)
	if err != nil {
		return lock, redeem, refund, err
	}
	if asset.IsNative() {
		return p.fee(usualLock), p.fee(usualEnd), p.fee(usualEnd), nil
	}
	return p.fee(usualLockToken), p.fee(usualEndToken), p.fee(usualEndToken), nil
}

// Deploy sends the transaction that creates a contract, at once and without the
// caller's store: a contract that was lost on the way is made again. It waits
// until it is mined. Errors: trade.ErrShort, ErrRefused, ErrDown.
func (c *Chain) Deploy(ctx context.Context, init []byte) (contracts.Address, error) {
	t, err := c.prepareDeploy(ctx, init)
	if err != nil {
		return contracts.Address{}, err
	}
	if err := c.Send(ctx, t); err != nil {
		return contracts.Address{}, err
	}
	r, err := c.mined(ctx, t.TxID)
	if err != nil {
		return contracts.Address{}, err
	}
	if r.Created == (contracts.Address{}) {
		return contracts.Address{}, fmt.Errorf("%w: %s made no contract", ErrRefused, t.TxID)
	}
	return r.Created, nil
}

func (c *Chain) prepareDeploy(ctx context.Context, init []byte) (trade.Tx, error) {
	if err := c.take(ctx); err != nil {
		return trade.Tx{}, err
	}
	defer c.give()
	a, err := c.look(ctx)
	if err != nil {
		return trade.Tx{}, err
	}
	k := call{data: init}
	if k.gas, err = c.estimate(ctx, k); err != nil {
		return trade.Tx{}, err
	}
	if err := c.affords(a, []call{k}, a.price, contracts.Amount{}); err != nil {
		return trade.Tx{}, err
	}
	return c.reserveOne(k, c.lane.free(a.count, false), a.price, trade.Tx{Purpose: trade.Send})
}

// patience is how long endpoints may fail while we wait for a transaction.
const patience = 30 * time.Second

// Mined waits until a transaction is mined. Errors: ErrRefused when it reverted,
// ErrDown when no endpoint answers for long.
func (c *Chain) Mined(ctx context.Context, id contracts.Hash) error {
	_, err := c.mined(ctx, id)
	return err
}

func (c *Chain) mined(ctx context.Context, id contracts.Hash) (receipt, error) {
	for answered := c.now(); ; {
		r, ok, err := c.receipt(ctx, id)
		switch {
		case err != nil && c.now().Sub(answered) > patience:
			return receipt{}, err
		case ok && r.Failed:
			return receipt{}, fmt.Errorf("%w: %s reverted in block %d", ErrRefused, id, r.Height)
		case ok:
			return r, nil
		case err == nil:
			answered = c.now()
		}
		select {
		case <-ctx.Done():
			return receipt{}, fmt.Errorf("%s is not mined: %w", id, ctx.Err())
		case <-time.After(c.cfg.Poll):
		}
	}
}
