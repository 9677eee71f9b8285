package evm

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"photon/contracts"
	"photon/swap/trade"
)

// Gas that is reserved where it cannot be estimated, because an approval is not
// mined yet or an estimate would show a secret to the endpoint. What is not used
// costs nothing, so there is room for rules under which storage is dearer.
const (
	gasApprove     = 200_000
	gasLock        = 80_000
	gasLockToken   = 350_000
	gasRedeem      = 90_000
	gasRedeemToken = 200_000
	gasPay         = 21_000
)

// reserveTimes is how many times the present price of gas is kept back for the
// redeems and refunds that are still to come.
const reserveTimes = 2

// Prepare makes and signs what o asks for and reserves its nonces. Nothing is
// broadcast. A redeem is checked by what the contract says of the leg, not by
// trying it: trying would show the secret to the endpoint.
// Errors: trade.ErrShort, trade.ErrNotYet, trade.ErrTooLate when a redeem's time
// is over, trade.ErrSpent when the leg was locked before or has ended, ErrLeg,
// ErrRefused, ErrDown, contracts.ErrTerms, contracts.ErrAddress.
func (c *Chain) Prepare(ctx context.Context, o trade.Order) ([]trade.Tx, error) {
	if err := c.take(ctx); err != nil {
		return nil, err
	}
	defer c.give()
	txs, err := c.prepare(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", o.Terms.Asset.Chain, o.Purpose, err)
	}
	return txs, nil
}

// take waits for the turn to prepare a transaction, give ends it.
func (c *Chain) take(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Chain) give() { <-c.turn }

func (c *Chain) prepare(ctx context.Context, o trade.Order) ([]trade.Tx, error) {
	switch o.Purpose {
	case trade.Send:
		return c.preparePay(ctx, o)
	case trade.Lock, trade.Redeem, trade.Refund:
		s, err := c.swap(o.Terms)
		if err != nil {
			return nil, err
		}
		switch o.Purpose {
		case trade.Lock:
			return c.prepareLock(ctx, o, s)
		case trade.Redeem:
			return c.prepareRedeem(ctx, o, s)
		}
		return c.prepareRefund(ctx, o, s)
	}
	return nil, fmt.Errorf("%w: no transaction is made for %q", ErrLeg, o.Purpose)
}

// An account is what we have at the newest block.
type account struct {
	head    header
	count   uint64 // nonces used
	balance contracts.Amount
	waiting []signed // of ours, not mined
	price   Price
}

// free is what no waiting transaction takes.
func (a account) free() contracts.Amount { return less(a.balance, outlay(a.waiting)) }

// look asks for our account, and the other questions with it.
func (c *Chain) look(ctx context.Context, qs ...*question) (account, error) {
	head := &question{method: "eth_getBlockByNumber", args: []any{"latest", false}}
	count := &question{method: "eth_getTransactionCount", args: []any{c.account, "latest"}}
	balance := &question{method: "eth_getBalance", args: []any{c.account, "latest"}}
	all := append([]*question{head, count, balance}, qs...)
	if _, err := c.pool.ask(ctx, all...); err != nil {
		return account{}, err
	}
	for _, q := range all {
		if q.err != nil {
			return account{}, q.err
		}
	}
	var a account
	var err error
	if a.head, err = readHeader(head.answer); err != nil {
		return account{}, err
	}
	if a.count, err = readNumber(count.answer); err != nil {
		return account{}, err
	}
	if a.balance, err = readAmount(balance.answer); err != nil {
		return account{}, err
	}
	if a.price, err = c.price(ctx); err != nil {
		return account{}, err
	}
	a.waiting = c.lane.waiting(a.count)
	return a, nil
}

// callFields are the fields of a call: its bytes both as data, which every node
// reads, and as input, which newer ones prefer and Spectrum ignores.
func (c *Chain) callFields(to *contracts.Address, data []byte, value contracts.Amount) map[string]any {
	f := map[string]any{"from": c.account, "data": hexutil.Bytes(data), "input": hexutil.Bytes(data)}
	if to != nil {
		f["to"] = *to
	}
	if !value.IsZero() {
		f["value"] = (*hexutil.Big)(value.Uint256().ToBig())
	}
	return f
}

// read is the question for a call that changes nothing.
func (c *Chain) read(to contracts.Address, data []byte) *question {
	return &question{method: "eth_call", args: []any{c.callFields(&to, data, contracts.Amount{}), "latest"}}
}

// estimate asks what gas k needs and adds a quarter, because the state may change
// before it is mined. Errors: ErrRefused when it would revert.
func (c *Chain) estimate(ctx context.Context, k call) (uint64, error) {
	raw, err := c.pool.one(ctx, "eth_estimateGas", c.callFields(k.to, k.data, k.value))
	if err != nil {
		return 0, named(err)
	}
	n, err := readNumber(raw)
	if err != nil {
		return 0, err
	}
	return n + n/4, nil
}

// named puts the name of our contract's error, if that is what it is, before err.
func named(err error) error {
	if name := revertName(err); name != "" {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// state is what the contract says of a leg.
func state(raw json.RawMessage) (contracts.SwapState, error) {
	b, err := readBytes(raw)
	if err != nil {
		return contracts.SwapState{}, err
	}
	return contracts.ReadState(b)
}

// tokens is what a token says of a balance or an allowance.
func tokens(raw json.RawMessage) (contracts.Amount, error) {
	b, err := readBytes(raw)
	if err != nil {
		return contracts.Amount{}, err
	}
	return contracts.ReadTokens(b)
}

// prepareLock makes the lock, after an approval where tokens need one.
func (c *Chain) prepareLock(ctx context.Context, o trade.Order, s contracts.Swap) ([]trade.Tx, error) {
	if contracts.Address(o.Terms.Refunder) != c.account {
		return nil, fmt.Errorf("%w: refunder %s, we are %s", ErrLeg, o.Terms.Refunder, c.account)
	}
	held := c.read(c.cfg.Contract, s.StateCall())
	asked := []*question{held}
	token := o.Terms.Asset.Token
	if !o.Terms.Asset.IsNative() {
		asked = append(asked, c.allowance(token, c.cfg.Contract)...)
	}
	a, err := c.look(ctx, asked...)
	if err != nil {
		return nil, err
	}
	was, err := state(held.answer)
	if err != nil {
		return nil, err
	}
	if err := c.lockedBefore(o, was, a); err != nil {
		return nil, err
	}
	data, value := s.LockCall()
	lock := call{to: &c.cfg.Contract, value: value, data: data, gas: gasLock}
	calls := []call{lock}
	if !o.Terms.Asset.IsNative() {
		if calls, err = c.tokenLock(ctx, o, lock, a, asked[1].answer, asked[2].answer); err != nil {
			return nil, err
		}
	}
	price, kept := a.price.times(eighths(o.Deadline, c.now())), c.reserve(leg{o.ID, o.Side}, a.price, 1)
	if err := c.affords(a, calls, price, kept); err != nil {
		return nil, err
	}
	if len(calls) == 1 && (len(a.waiting) == 0 || o.Terms.Asset.IsNative()) { // nothing has to be mined before it
		if calls[0].gas, err = c.estimate(ctx, lock); err != nil {
			return nil, err
		}
		if err := c.affords(a, calls, price, kept); err != nil {
			return nil, err
		}
	}
	return c.seal(o, calls, price, a, !o.Terms.Asset.IsNative())
}

// lockedBefore refuses a second lock of one leg.
func (c *Chain) lockedBefore(o trade.Order, was contracts.SwapState, a account) error {
	if was.Locked {
		return fmt.Errorf("%w: locked in block %d", trade.ErrSpent, was.Block)
	}
	c.mu.Lock()
	n := c.book.legs[leg{o.ID, o.Side}]
	if n != nil && n.scanned && (n.fate.Lock != nil || n.fate.End != nil) {
		c.mu.Unlock()
		return fmt.Errorf("%w: locked before", trade.ErrSpent)
	}
	c.mu.Unlock()
	for _, w := range a.waiting {
		if w.ID == o.ID && w.Side == o.Side && w.Purpose == trade.Lock {
			return fmt.Errorf("%w: lock %s waits to be mined", trade.ErrSpent, w.TxID)
		}
	}
	return nil
}

// allowance asks what a spender may take of our tokens, and what there is.
func (c *Chain) allowance(token, spender contracts.Address) []*question {
	return []*question{c.read(token, contracts.AllowanceCall(c.account, spender)), c.read(token, contracts.BalanceCall(c.account))}
}

// tokenLock is the lock of tokens and the approvals before it.
func (c *Chain) tokenLock(ctx context.Context, o trade.Order, lock call, a account, allowed, held json.RawMessage) ([]call, error) {
	token := o.Terms.Asset.Token
	lock.gas = gasLockToken
	return c.allowed(ctx, lock, token, o.Terms.Amount, a, allowed, held)
}

// allowed is a call whose contract takes an amount of our tokens, and the approvals
// before it. An allowance that is too small is taken back first: some tokens change
// none that is not zero.
func (c *Chain) allowed(ctx context.Context, k call, token contracts.Address, amount contracts.Amount, a account, may, held json.RawMessage) ([]call, error) {
	allowance, err := tokens(may)
	if err != nil {
		return nil, fmt.Errorf("allowance of %s: %w", token, err)
	}
	balance, err := tokens(held)
	if err != nil {
		return nil, fmt.Errorf("balance of %s: %w", token, err)
	}
	promised, allowance := c.promised(a.waiting, token, *k.to, allowance)
	if less(balance, promised).Less(amount) {
		asset := contracts.Asset{Chain: c.cfg.Chain, Token: token}
		return nil, fmt.Errorf("%w: %s of %s, %s promised, want %s", trade.ErrShort, balance, asset, promised, amount)
	}
	if !allowance.Less(amount) {
		return []call{k}, nil
	}
	approve := func(x contracts.Amount) call {
		return call{to: &token, data: contracts.ApproveCall(*k.to, x), gas: gasApprove}
	}
	calls := []call{approve(amount), k}
	if !allowance.IsZero() {
		calls = append([]call{approve(contracts.Amount{})}, calls...)
	}
	// Only the first can be estimated: the others find what it has changed.
	calls[0].gas, err = c.estimate(ctx, calls[0])
	if err != nil {
		return nil, fmt.Errorf("approve %s: %w", token, err)
	}
	return calls, nil
}

// prepareRedeem takes a leg with its secret.
func (c *Chain) prepareRedeem(ctx context.Context, o trade.Order, s contracts.Swap) ([]trade.Tx, error) {
	if o.Secret == nil || o.Secret.Hash() != o.Terms.Hash {
		return nil, fmt.Errorf("%w: %s", trade.ErrSecret, o.ID)
	}
	held := c.read(c.cfg.Contract, s.StateCall())
	a, err := c.look(ctx, held)
	if err != nil {
		return nil, err
	}
	if err := c.open(o, a, held.answer); err != nil {
		return nil, err
	}
	if a.head.Time >= o.Terms.Expiry {
		return nil, fmt.Errorf("%w: block time %d, redeemable before %d", trade.ErrTooLate, a.head.Time, o.Terms.Expiry)
	}
	k := call{to: &c.cfg.Contract, gas: gasRedeem, data: s.RedeemCallFrom(c.account, *o.Secret)}
	if !o.Terms.Asset.IsNative() {
		k.gas = gasRedeemToken
	}
	return c.sealOne(o, k, a)
}

// prepareRefund takes a leg back whose time has come.
func (c *Chain) prepareRefund(ctx context.Context, o trade.Order, s contracts.Swap) ([]trade.Tx, error) {
	held := c.read(c.cfg.Contract, s.StateCall())
	a, err := c.look(ctx, held)
	if err != nil {
		return nil, err
	}
	if err := c.open(o, a, held.answer); err != nil {
		return nil, err
	}
	if a.head.Time < o.Terms.Expiry {
		return nil, fmt.Errorf("%w: block time %d, refundable from %d", trade.ErrNotYet, a.head.Time, o.Terms.Expiry)
	}
	k := call{to: &c.cfg.Contract, data: s.RefundCall()}
	if k.gas, err = c.estimate(ctx, k); err != nil {
		return nil, err
	}
	return c.sealOne(o, k, a)
}

// open checks that the contract holds the leg. One that it does not hold has
// ended if its lock was seen mined, and is yet to come otherwise.
func (c *Chain) open(o trade.Order, a account, raw json.RawMessage) error {
	now, err := state(raw)
	if err != nil {
		return err
	}
	if now.Locked {
		return nil
	}
	c.mu.Lock()
	n := c.book.legs[leg{o.ID, o.Side}]
	ended := n != nil && n.scanned && n.fate.End != nil
	c.mu.Unlock()
	if ended || (o.Spot != nil && o.Spot.Height > 0 && o.Spot.Height <= a.head.Number) {
		return fmt.Errorf("%w: the leg is not locked at height %d", trade.ErrSpent, a.head.Number)
	}
	return fmt.Errorf("%w: the leg is not locked at height %d", trade.ErrNotYet, a.head.Number)
}

// sealOne makes a redeem or refund. Of a native coin, it offers no more than what
// is at stake.
func (c *Chain) sealOne(o trade.Order, k call, a account) ([]trade.Tx, error) {
	price := a.price.times(eighths(o.Deadline, c.now()))
	if o.Terms.Asset.IsNative() {
		price = price.under(o.Terms.Amount, k.gas, a.price)
	}
	if err := c.affords(a, []call{k}, price, contracts.Amount{}); err != nil {
		return nil, err
	}
	return c.seal(o, []call{k}, price, a, false)
}

// preparePay pays o.To from the wallet.
func (c *Chain) preparePay(ctx context.Context, o trade.Order) ([]trade.Tx, error) {
	if o.Terms.Asset.Chain != c.cfg.Chain {
		return nil, fmt.Errorf("%w: %s, this is %s", ErrLeg, o.Terms.Asset, c.cfg.Chain)
	}
	to, err := c.payee(o.To)
	if err != nil {
		return nil, err
	}
	k := call{to: &to, value: o.Terms.Amount, gas: gasPay}
	var asked []*question
	token := o.Terms.Asset.Token
	if !o.Terms.Asset.IsNative() {
		if to == token {
			return nil, fmt.Errorf("%w: %s is the token itself", contracts.ErrAddress, to)
		}
		k = call{to: &token, data: contracts.TransferCall(to, o.Terms.Amount), gas: gasApprove}
		asked = append(asked, c.read(token, contracts.BalanceCall(c.account)))
	}
	a, err := c.look(ctx, asked...)
	if err != nil {
		return nil, err
	}
	if !o.Terms.Asset.IsNative() {
		balance, err := tokens(asked[0].answer)
		if err != nil {
			return nil, fmt.Errorf("balance of %s: %w", token, err)
		}
		if promised, _ := c.promised(a.waiting, token, c.cfg.Contract, balance); less(balance, promised).Less(o.Terms.Amount) {
			return nil, fmt.Errorf("%w: %s of %s, %s promised, want %s", trade.ErrShort, balance, o.Terms.Asset, promised, o.Terms.Amount)
		}
	}
	price, kept := a.price.times(eighths(o.Deadline, c.now())), c.reserve(leg{}, a.price, 0)
	if err := c.affords(a, []call{k}, price, kept); err != nil {
		return nil, err
	}
	if k.gas, err = c.estimate(ctx, k); err != nil {
		return nil, err
	}
	if err := c.affords(a, []call{k}, price, kept); err != nil {
		return nil, err
	}
	return c.seal(o, []call{k}, price, a, !o.Terms.Asset.IsNative())
}

// reserve is what must stay for the redeems and refunds of the legs that are
// watched and open, and of more that are about to be. Leg but is not counted.
func (c *Chain) reserve(but leg, p Price, more uint64) contracts.Amount {
	c.mu.Lock()
	for l, n := range c.book.legs {
		if l != but && n.fate.End == nil && (n.fate.Lock != nil || l.Side == trade.Theirs) {
			more++
		}
	}
	c.mu.Unlock()
	return p.times(8 * reserveTimes).fee(more * gasRedeemToken)
}

// affords checks that the account pays for calls and keeps the reserve.
// Errors: trade.ErrShort.
func (c *Chain) affords(a account, calls []call, p Price, reserve contracts.Amount) error {
	need := reserve
	for _, k := range calls {
		need = need.Plus(k.cost(p))
	}
	if a.free().Less(need) {
		return fmt.Errorf("%w: %s wei, %s of it promised, need %s with %s kept for redeems and refunds",
			trade.ErrShort, a.balance, outlay(a.waiting), need, reserve)
	}
	return nil
}

// seal gives calls their nonces and signs them. The last has o's purpose, those
// before are approvals. Whatever counts on the order of what waits is put on top;
// anything else fills a gap first.
func (c *Chain) seal(o trade.Order, calls []call, p Price, a account, onTop bool) ([]trade.Tx, error) {
	var txs []trade.Tx
	for i, k := range calls {
		purpose := trade.Approve
		if i == len(calls)-1 {
			purpose = o.Purpose
		}
		t, err := c.reserveOne(k, c.lane.free(a.count, onTop), p, trade.Tx{ID: o.ID, Side: o.Side, Purpose: purpose})
		if err != nil {
			for _, t := range txs {
				c.Release(t)
			}
			return nil, err
		}
		txs = append(txs, t)
	}
	return txs, nil
}

// reserveOne signs a call and holds its nonce.
func (c *Chain) reserveOne(k call, nonce uint64, p Price, t trade.Tx) (trade.Tx, error) {
	tx, err := c.sign(k, nonce, p)
	if err != nil {
		return trade.Tx{}, err
	}
	if t.Raw, err = tx.MarshalBinary(); err != nil {
		return trade.Tx{}, err
	}
	t.Chain = c.cfg.Chain
	t.TxID = contracts.Hash(tx.Hash())
	t.Fee = p.fee(k.gas)
	t.Made = uint64(c.now().Unix())
	c.lane.hold(signed{Tx: t, tx: tx, since: c.now()})
	return t, nil
}
