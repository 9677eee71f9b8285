package utxo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// Prepare makes and signs what o asks for and reserves the coins it spends.
//
//	Lock    the lock, and the refund of it, Held
//	Redeem  by the secret        Refund  by the time
//	Send    to an address
//
// Errors: trade.ErrShort; trade.ErrNotYet for a refund before its time, and with
// ErrLocked for what a node's wallet must sign; ErrWallet; trade.ErrSecret; ErrUneconomic; contracts.ErrTerms, ErrAddress, ErrDust.
func (c *Chain) Prepare(ctx context.Context, o trade.Order) ([]trade.Tx, error) {
	if err := c.native(o.Terms.Asset); err != nil {
		return nil, err
	}
	switch o.Purpose {
	case trade.Lock:
		return c.lock(ctx, o)
	case trade.Redeem, trade.Refund:
		tx, err := c.spend(ctx, o)
		if err != nil {
			return nil, err
		}
		return []trade.Tx{tx}, nil
	case trade.Send:
		return c.pay(ctx, o)
	}
	return nil, fmt.Errorf("%w: %s has no %q", trade.ErrStatus, c.coin.Chain, o.Purpose)
}

// lock makes the lock and its refund. The refund is signed before the lock can
// be sent: it waits for its time only.
func (c *Chain) lock(ctx context.Context, o trade.Order) ([]trade.Tx, error) {
	script, err := contracts.NewScript(o.Terms)
	if err != nil {
		return nil, err
	}
	p := c.price(ctx, o.Deadline)
	msg, fee, err := c.fund(ctx, o, wire.NewTxOut(sum(o.Terms.Amount), script.Output()), p)
	if err != nil {
		return nil, err
	}
	lock := c.record(o, msg, fee)
	refund := o
	refund.Purpose, refund.Deadline = trade.Refund, 0
	for i, out := range msg.TxOut {
		if bytes.Equal(out.PkScript, script.Output()) {
			refund.Spot = &trade.Spot{TxID: lock.TxID, Index: uint32(i), Amount: o.Terms.Amount}
		}
	}
	held, err := c.claim(ctx, refund, p)
	if err != nil {
		c.Release(lock)
		return nil, err
	}
	held.Held = true
	return []trade.Tx{lock, held}, nil
}

// fund pays output from the purse and reserves what it spends. One at a time, so
// that no coin is chosen twice.
func (c *Chain) fund(ctx context.Context, o trade.Order, output *wire.TxOut, p price) (*wire.MsgTx, int64, error) {
	if err := contracts.CheckPayout(c.coin.Chain, output.Value, output.PkScript, 0); err != nil {
		return nil, 0, err
	}
	c.funding.Lock()
	defer c.funding.Unlock()
	s, err := c.purse.stock(ctx)
	if err != nil {
		return nil, 0, err
	}
	// The rate at which a lock of usual size pays the fee that its stake allows.
	rate := c.coin.fee(p, contracts.LockVSize, output.Value) * 1000 / contracts.LockVSize
	msg, ins, fee, err := c.coin.author(s, output, rate, func() ([]byte, error) { return c.payee(ctx, o) })
	if err != nil {
		return nil, 0, notYet(err)
	}
	return msg, fee, notYet(c.finish(ctx, c.purse, msg, ins))
}

// pay sends to an address.
func (c *Chain) pay(ctx context.Context, o trade.Order) ([]trade.Tx, error) {
	to, err := c.coin.Script(o.To)
	if err != nil {
		return nil, err
	}
	if n, ok := o.Terms.Amount.Uint64(); !ok || n > maxMoney {
		return nil, fmt.Errorf("%w: %s: %s is above the supply", contracts.ErrTerms, c.coin.Chain, o.Terms.Amount)
	}
	msg, fee, err := c.fund(ctx, o, wire.NewTxOut(sum(o.Terms.Amount), to), c.price(ctx, o.Deadline))
	if err != nil {
		return nil, err
	}
	return []trade.Tx{c.record(o, msg, fee)}, nil
}

// maxMoney is above the supply of every coin here: 84 million coins.
const maxMoney = 84e14

// spend redeems or refunds one lock by its script.
func (c *Chain) spend(ctx context.Context, o trade.Order) (trade.Tx, error) {
	if o.Purpose == trade.Refund {
		head, err := c.Head(ctx)
		if err != nil {
			return trade.Tx{}, err
		}
		if head.Time <= o.Terms.Expiry {
			return trade.Tx{}, fmt.Errorf("%w: %s: refund from %d on, median time past is %d", trade.ErrNotYet, c.coin.Chain, o.Terms.Expiry, head.Time)
		}
	}
	return c.claim(ctx, o, c.price(ctx, o.Deadline))
}

// claim redeems or refunds o's lock at the price, whether or not a block can
// hold it yet, to the payee of o.
func (c *Chain) claim(ctx context.Context, o trade.Order, p price) (trade.Tx, error) {
	value, err := c.worth(o)
	if err != nil {
		return trade.Tx{}, err
	}
	size := claimSize(o)
	fee, err := c.coin.payout(p, size, value, keyScript(make([]byte, 20)))
	if err != nil {
		return trade.Tx{}, err
	}
	to, err := c.payee(ctx, o)
	if err != nil {
		return trade.Tx{}, err
	}
	return c.claimWith(o, value, to, fee)
}

// claimSize is the virtual size of o's spend by its script to P2WPKH, in vB.
func claimSize(o trade.Order) int64 {
	size := map[contracts.Form][2]int64{
		contracts.P2TR:  {contracts.RedeemVSize, contracts.RefundVSize},
		contracts.P2WSH: {contracts.WitnessRedeemVSize, contracts.WitnessRefundVSize},
	}[o.Terms.Form]
	if o.Purpose == trade.Redeem {
		return size[0]
	}
	return size[1] + int64(o.Terms.Expiry>>31) // the year 2038 needs a byte more
}

// claimWith makes and signs the spend with exactly this fee and runs it.
func (c *Chain) claimWith(o trade.Order, value int64, to []byte, fee int64) (trade.Tx, error) {
	script, err := contracts.NewScript(o.Terms)
	if err != nil {
		return trade.Tx{}, err
	}
	if err := contracts.CheckPayout(c.coin.Chain, value, to, fee); err != nil {
		return trade.Tx{}, err
	}
	out, key := c.outpoint(o), c.key(o)
	prevs := txscript.NewCannedPrevOutputFetcher(script.Output(), value)
	var msg *wire.MsgTx
	if o.Purpose == trade.Redeem {
		if o.Secret == nil {
			return trade.Tx{}, fmt.Errorf("%w: %s: redeem without it", trade.ErrSecret, c.coin.Chain)
		}
		msg = script.Redeem(out, value, to, fee)
		err = script.SignRedeem(msg, 0, prevs, key, *o.Secret)
	} else {
		msg = script.Refund(out, value, to, fee)
		err = script.SignRefund(msg, 0, prevs, key)
	}
	if err != nil {
		return trade.Tx{}, fmt.Errorf("%s: sign %s: %w", c.coin.Chain, o.Purpose, err)
	}
	if err := execute(msg, prevs); err != nil {
		return trade.Tx{}, fmt.Errorf("%s: %s: %w", c.coin.Chain, o.Purpose, err)
	}
	return c.record(o, msg, fee), nil
}

// worth is the value of o's lock. Errors: trade.ErrStatus when o names none.
func (c *Chain) worth(o trade.Order) (int64, error) {
	if o.Spot == nil {
		return 0, fmt.Errorf("%w: %s: %s of a lock that nobody named", trade.ErrStatus, c.coin.Chain, o.Purpose)
	}
	if n, ok := o.Spot.Amount.Uint64(); !ok || n > maxMoney {
		return 0, fmt.Errorf("%w: %s: a lock of %s is above the supply", contracts.ErrTerms, c.coin.Chain, o.Spot.Amount)
	}
	return sum(o.Spot.Amount), nil
}

func (c *Chain) outpoint(o trade.Order) wire.OutPoint {
	return wire.OutPoint{Hash: onWire(o.Spot.TxID), Index: o.Spot.Index}
}

func (c *Chain) key(o trade.Order) *btcec.PrivateKey {
	return c.keys.SwapKey(c.coin.Chain, o.Number)
}

// sum is an amount known to be below the supply, in smallest units.
func sum(a contracts.Amount) int64 {
	n, _ := a.Uint64()
	return int64(n)
}

// record is msg as it is stored. Its fee is remembered.
func (c *Chain) record(o trade.Order, msg *wire.MsgTx, fee int64) trade.Tx {
	var raw bytes.Buffer
	if err := msg.Serialize(&raw); err != nil {
		panic(fmt.Sprintf("utxo: write to memory: %v", err))
	}
	c.mu.Lock()
	c.index.paid[msg.TxHash()] = fee
	c.mu.Unlock()
	return trade.Tx{ID: o.ID, Chain: c.coin.Chain, Side: o.Side, Purpose: o.Purpose, TxID: display(msg.TxHash()), Raw: raw.Bytes(),
		Fee: contracts.Units(uint64(fee)), Made: uint64(c.now().Unix())}
}

// Send broadcasts tx to every node; one that takes it is enough.
// Errors: trade.ErrSpent, trade.ErrNotYet, trade.ErrShort for too small a fee,
// ErrRefused, ErrDown.
func (c *Chain) Send(ctx context.Context, tx trade.Tx) error {
	msg, err := parse(tx)
	if err != nil {
		return err
	}
	err = c.nodes.send(ctx, msg)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && errors.Is(err, trade.ErrShort) && c.outbid(msg) {
		return fmt.Errorf("%w: by one that pays more: %w", trade.ErrSpent, err)
	}
	if err != nil {
		return err
	}
	id := msg.TxHash()
	if w := c.waiting.byID[id]; w == nil || w.tx == nil {
		if err := c.hear([]chainhash.Hash{id}, []*wire.MsgTx{msg}); err != nil {
			return err
		}
	}
	c.poke()
	return nil
}

// Buried is how many blocks that were looked through hold tx or stand on the one
// that does, by the coins of our wallet that it spends or makes; 0 when it waits,
// or is too deep to be remembered, or a node's wallet paid it.
// Errors: errDecode in words.
func (c *Chain) Buried(_ context.Context, tx trade.Tx) (depth uint64, err error) {
	msg, err := parse(tx)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id, at := msg.TxHash(), int64(0)
	for _, in := range msg.TxIn {
		if m := c.wallet.coins[in.PreviousOutPoint]; m != nil && m.spentBy == id {
			at = max(at, m.spentAt)
		}
	}
	for i := range msg.TxOut {
		if m := c.wallet.coins[wire.OutPoint{Hash: id, Index: uint32(i)}]; m != nil {
			at = max(at, m.height)
		}
	}
	if at == 0 {
		return 0, nil
	}
	return uint64(c.tip() - at + 1), nil
}

// outbid reports whether another transaction that we saw spends what msg spends.
// c.mu is held.
func (c *Chain) outbid(msg *wire.MsgTx) bool {
	id := msg.TxHash()
	for _, in := range msg.TxIn {
		if k := c.index.locks[in.PreviousOutPoint]; k != nil && slices.ContainsFunc(k.ends, func(e end) bool { return e.id != id }) {
			return true
		}
		if m := c.wallet.coins[in.PreviousOutPoint]; m != nil && m.spentBy != id && m.spentBy != (chainhash.Hash{}) {
			return true
		}
	}
	return false
}
