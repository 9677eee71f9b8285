package evm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"photon/contracts"
	"photon/node/channel"
	"photon/swap/trade"
)

// The calls of channels use the nonces that swaps use. In the lane, what a channel
// orders is a [trade.Order], and what is made for it a [trade.Tx] of this side:
//
//	channel.Tx, Step     purpose in the lane
//	0  the order itself  calling
//	1  what it needs     trade.Approve
//	2  what is in its    trade.Send, as what fills a nonce for a swap; what the lane
//	   way               knows as another's it still knows so
const (
	ofChannels trade.Side    = "channels"
	calling    trade.Purpose = "call"
)

// steps are the purposes of a channel's transactions, by their step.
var steps = []trade.Purpose{calling, trade.Approve, trade.Send}

// gasCall is reserved for a call that names no limit and cannot be estimated, as its
// approval is not mined yet. There is room for chains on which storage is dearer.
const gasCall = 900_000

// inLane is t as the lane knows it.
func (c *Chain) inLane(t channel.Tx) (trade.Tx, error) {
	if t.Step < 0 || t.Step >= len(steps) {
		return trade.Tx{}, fmt.Errorf("transaction %s: no step %d of an order", t.ID, t.Step)
	}
	return trade.Tx{
		ID: t.Order, Chain: t.Chain, Side: ofChannels, Purpose: steps[t.Step], TxID: t.ID, Raw: t.Raw, Fee: t.Fee, Made: t.Made,
	}, nil
}

// ofOrder is t as the channels know it, made for an order or in its way.
func ofOrder(order contracts.Hash, t trade.Tx) channel.Tx {
	made := channel.Tx{Order: order, Chain: t.Chain, ID: t.TxID, Raw: t.Raw, Fee: t.Fee, Made: t.Made, Step: 2}
	if t.Side != ofChannels {
		return made
	}
	made.Order = t.ID
	for step, p := range steps {
		if t.Purpose == p {
			made.Step = step
		}
	}
	return made
}

// errand is o as the lane knows it, at this head.
func (c *Chain) errand(o channel.Order, head header) trade.Order {
	e := trade.Order{
		ID: o.ID, Side: ofChannels, Purpose: calling,
		Terms: contracts.Terms{Asset: contracts.Native(c.cfg.Chain), Amount: o.Stake},
	}
	if o.Deadline != 0 {
		blocks := min(less64(o.Deadline, head.Number), uint64(time.Hour*24*365/max(c.cfg.Policy.Block, time.Second)))
		e.Deadline = uint64(c.now().Add(time.Duration(blocks) * c.cfg.Policy.Block).Unix())
	}
	return e
}

// PrepareCall makes and signs what o asks for and reserves its nonces: an approval
// first where the contract may not take enough of our tokens. Nothing is broadcast.
// An order that was carried out, or whose transaction waits, is not made again: that
// one is returned. Errors: channel.ErrShort, ErrRefused when the call would fail
// now, ErrDear when the usual price is more than is at stake, ErrDown.
func (c *Chain) PrepareCall(ctx context.Context, o channel.Order) ([]channel.Tx, error) {
	if err := c.take(ctx); err != nil {
		return nil, err
	}
	defer c.give()
	txs, err := c.prepareCall(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("order %s on %s: %w", o.ID, c.cfg.Chain, lacking(err))
	}
	made := make([]channel.Tx, len(txs))
	for i, t := range txs {
		made[i] = ofOrder(o.ID, t)
	}
	return made, nil
}

// lacking says in the words of channels that funds are lacking.
func lacking(err error) error {
	if errors.Is(err, trade.ErrShort) || refused(err) == short {
		return fmt.Errorf("%w: %w", channel.ErrShort, err)
	}
	return err
}

func (c *Chain) prepareCall(ctx context.Context, o channel.Order) ([]trade.Tx, error) {
	tokens := !o.Spends.IsZero()
	var asked []*question
	if tokens {
		asked = c.allowance(o.Token, o.To)
	}
	a, err := c.look(ctx, asked...)
	if err != nil {
		return nil, err
	}
	if made, err := c.madeBefore(ctx, o.ID, a); err != nil || len(made) > 0 {
		return made, err
	}
	e := c.errand(o, a.head)
	k := call{to: &o.To, value: o.Value, data: o.Data, gas: o.Gas}
	if k.gas == 0 {
		k.gas = gasCall
	}
	calls := []call{k}
	if tokens {
		if calls, err = c.allowed(ctx, k, o.Token, o.Spends, a, asked[0].answer, asked[1].answer); err != nil {
			return nil, err
		}
	}
	last := &calls[len(calls)-1]
	if len(calls) == 1 && (len(a.waiting) == 0 || !tokens) { // nothing has to be mined before it
		if last.gas, err = c.try(ctx, k, o.Gas); err != nil {
			return nil, err
		}
	}
	price := a.price.times(eighths(e.Deadline, c.now()))
	if !o.Stake.IsZero() {
		if fee := a.price.fee(last.gas); o.Stake.Less(fee) {
			return nil, fmt.Errorf("%w: %s wei at most, %s at stake", ErrDear, fee, o.Stake)
		}
		price = price.under(o.Stake, last.gas, a.price)
	}
	var kept contracts.Amount
	if tokens || !o.Value.IsZero() { // what defends a channel is as urgent as a redeem
		kept = c.reserve(leg{}, a.price, 0)
	}
	if err := c.affords(a, calls, price, kept); err != nil {
		return nil, err
	}
	return c.seal(e, calls, price, a, tokens)
}

// madeBefore is what was made for an order and waits, or what has carried it out.
func (c *Chain) madeBefore(ctx context.Context, id contracts.Hash, a account) (txs []trade.Tx, err error) {
	waits := false
	for _, w := range a.waiting {
		if w.ID == id && w.Side == ofChannels && (w.Purpose == calling || w.Purpose == trade.Approve) {
			txs = append(txs, w.Tx)
			waits = waits || w.Purpose == calling
		}
	}
	if waits {
		return txs, nil
	}
	for _, s := range c.lane.used(id, ofChannels, calling, a.count) {
		r, mined, err := c.receipt(ctx, s.TxID)
		if err != nil {
			return nil, err
		}
		if mined && !r.Failed {
			return []trade.Tx{s.Tx}, nil
		}
	}
	return nil, nil
}

// try makes a call at the newest block, which changes nothing, and returns the gas
// that it is to have: limit, or an estimate when that is 0. Errors: ErrRefused when
// it fails.
func (c *Chain) try(ctx context.Context, k call, limit uint64) (gas uint64, err error) {
	fields := c.callFields(k.to, k.data, k.value)
	if limit != 0 {
		fields["gas"] = hexutil.Uint64(limit)
	}
	raw, err := c.pool.one(ctx, "eth_call", fields, "latest")
	if err != nil {
		return 0, named(err)
	}
	said, err := readBytes(raw)
	if err != nil {
		return 0, err
	}
	// Where a revert looks like a success, its data are seen by their length: an
	// error's four bytes come before words, and an answer is of words alone.
	if len(said)%32 == 4 {
		name, ok := contracts.ReadRevert(said)
		if !ok {
			name = hexutil.Encode(said[:4])
		}
		return 0, fmt.Errorf("%w: eth_call: reverted: %s", ErrRefused, name)
	}
	if limit != 0 {
		return limit, nil
	}
	return c.estimate(ctx, k)
}

// SendCall broadcasts a stored transaction. One that the chain knows, or that is
// mined, is no error. Errors: channel.ErrShort, ErrRefused, ErrDown; another when
// its nonce was used otherwise, which CallBuried tells as well.
func (c *Chain) SendCall(ctx context.Context, tx channel.Tx) error {
	t, err := c.inLane(tx)
	if err != nil {
		return err
	}
	return lacking(c.Send(ctx, t))
}

// CallBuried is how many blocks hold tx, or a better paid version of it, or stand on
// the one that does, 0 while it waits; and whether it has done what it should. It
// has not when it reverted, or when a confirmed block has used its nonce otherwise:
// it may be prepared again. Errors: ErrDown.
func (c *Chain) CallBuried(ctx context.Context, tx channel.Tx) (depth uint64, done bool, err error) {
	t, err := c.inLane(tx)
	if err != nil {
		return 0, false, err
	}
	s, err := c.decode(t)
	if err != nil {
		return 0, false, err
	}
	head, err := c.newest(ctx, &c.channels)
	if err != nil {
		return 0, false, err
	}
	depth, failed, err := c.buried(ctx, s, &c.channels, head)
	if err != nil || depth > 0 {
		return depth, depth > 0 && !failed, err
	}
	// The newest block is asked first: only for the older one a node may lack the state.
	for _, at := range []uint64{head.Number, less64(head.Number+1, c.cfg.Depth)} {
		raw, err := c.pool.one(ctx, "eth_getTransactionCount", c.account, hexutil.Uint64(at))
		if err != nil {
			return 0, false, fmt.Errorf("nonce at %d: %w", at, err)
		}
		if used, err := readNumber(raw); err != nil || used <= s.tx.Nonce() {
			return 0, false, err
		}
	}
	return c.cfg.Depth, false, nil
}

// HastenCall makes what brings tx closer to being mined: the same call for a higher
// fee, or what frees a nonce that holds it up, see Hasten. ok is false when all are
// well paid, mined, or cannot be paid better within what is at stake; or when tx can
// never be mined, which CallBuried tells. Errors: channel.ErrShort, ErrDown.
func (c *Chain) HastenCall(ctx context.Context, o channel.Order, tx channel.Tx) (faster channel.Tx, ok bool, err error) {
	if err := c.take(ctx); err != nil {
		return channel.Tx{}, false, err
	}
	defer c.give()
	t, err := c.inLane(tx)
	if err != nil {
		return channel.Tx{}, false, err
	}
	s, a, err := c.waits(ctx, t)
	if err != nil {
		return channel.Tx{}, false, err
	}
	next, err := c.hasten(ctx, c.errand(o, a.head), s, a)
	switch {
	case errors.Is(err, trade.ErrNotYet), errors.Is(err, trade.ErrSpent):
		return channel.Tx{}, false, nil
	case err != nil:
		return channel.Tx{}, false, fmt.Errorf("hasten order %s on %s: %w", o.ID, c.cfg.Chain, lacking(err))
	}
	return ofOrder(o.ID, next), true, nil
}

// ResumeCalls reserves the nonces of stored transactions.
func (c *Chain) ResumeCalls(ctx context.Context, txs []channel.Tx) error {
	for _, tx := range txs {
		t, err := c.inLane(tx)
		if err != nil {
			return err
		}
		if err := c.Resume(ctx, []trade.Tx{t}); err != nil {
			return err
		}
	}
	return nil
}
