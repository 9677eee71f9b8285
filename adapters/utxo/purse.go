package utxo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/swap/trade"
)

// Funds say whose wallet pays for locks and is paid by redeems and refunds. The
// keys of hash locks are ours in any case.
type Funds int

// The two.
const (
	OwnWallet  Funds = iota // ours, from the mnemonic
	NodeWallet              // that of the first endpoint: Bitcoin Core's or Litecoin Core's
)

// A purse is a wallet that pays for locks and is paid by them: ours ([own]) or a
// node's ([nodeWallet]). Its methods may ask a node; none is called while c.mu is
// held.
type purse interface {
	// script gives out a P2WPKH output script.
	script(ctx context.Context, u use) ([]byte, error)
	// stock is what can be spent, in the order in which it should be. Every coin
	// is segwit, so that nobody else can change the id of what spends it; and it
	// is mined, or the change of a transaction of ours.
	stock(ctx context.Context) (stock, error)
	// lever is the largest output of tx that can be spent; nil when there is none.
	lever(ctx context.Context, tx *wire.MsgTx) (*money, error)
	// sign puts a witness into every input of tx; ins are what they spend.
	sign(ctx context.Context, tx *wire.MsgTx, ins []*money) error
	// reserve keeps all that tx spends for it.
	reserve(ctx context.Context, tx *wire.MsgTx) error
	// resume reserves, after a restart, what stored transactions spend, and
	// nothing else any longer.
	resume(ctx context.Context, txs []*wire.MsgTx) error
	// release undoes reserve.
	release(tx *wire.MsgTx)
	// balance is what is mined and can be spent, and what is on its way.
	balance(ctx context.Context) (confirmed, pending int64, err error)
	// check reports why the purse cannot be used, and mends its reservations.
	check(ctx context.Context) error
}

// A use is what an output script is for.
type use int

const (
	forChange  use = iota // the rest of what we pay
	forPayout             // a redeem or a refund
	forReceive            // people: the same one until it was paid
)

// A stock is what a purse can spend.
type stock struct {
	coins []*money
	unfit int64 // value of other coins, which cannot fund a lock
}

// value is the sum of all coins.
func (s stock) value() (sum int64) {
	for _, c := range s.coins {
		sum += c.value
	}
	return sum
}

// byUse orders coins: mined before waiting, large before small, so that few
// inputs do.
func byUse(a, b *money) int {
	if (a.height == 0) != (b.height == 0) {
		return cmp.Compare(b.height, 0)*2 - 1
	}
	return cmp.Or(cmp.Compare(b.value, a.value), bytes.Compare(a.out.Hash[:], b.out.Hash[:]), cmp.Compare(a.out.Index, b.out.Index))
}

// prevsOf are the outputs that ins are.
func prevsOf(ins []*money) txscript.PrevOutputFetcher {
	prevs := txscript.NewMultiPrevOutFetcher(nil)
	for _, m := range ins {
		prevs.AddPrevOut(m.out, wire.NewTxOut(m.value, m.script))
	}
	return prevs
}

// own is our wallet as a purse. What it holds changes with every block, under
// the chain's lock.
type own struct{ *Chain }

func (o own) script(_ context.Context, u use) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if u != forReceive {
		return o.wallet.fresh()
	}
	hash, _, err := o.wallet.hash(receive)
	if err != nil {
		return nil, err
	}
	return keyScript(hash), nil
}

// stock has nothing until the chain was looked through. Errors: trade.ErrNotYet.
func (o own) stock(context.Context) (stock, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.found(); err != nil {
		return stock{}, err
	}
	return stock{coins: o.wallet.choose(o.tip())}, nil
}

// found reports whether the chain was looked through. c.mu is held.
func (o own) found() error {
	if !o.current {
		return fmt.Errorf("%w: %s: still looking for coins, at block %d", trade.ErrNotYet, o.coin.Chain, o.tip())
	}
	return nil
}

func (o own) lever(_ context.Context, tx *wire.MsgTx) (best *money, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	id := tx.TxHash()
	for i, out := range tx.TxOut {
		p, ours := o.wallet.paths[string(out.PkScript)]
		at := wire.OutPoint{Hash: id, Index: uint32(i)}
		known, free := o.wallet.coins[at], true
		if known != nil {
			free = known.spentBy == chainhash.Hash{}
		}
		if _, held := o.wallet.held[at]; ours && free && !held && (best == nil || out.Value > best.value) {
			best = &money{out: at, value: out.Value, script: out.PkScript, path: p}
		}
	}
	return best, nil
}

// sign needs no lock: the keys of a wallet never change.
func (o own) sign(_ context.Context, tx *wire.MsgTx, ins []*money) error {
	sums := txscript.NewTxSigHashes(tx, prevsOf(ins))
	for i, m := range ins {
		key, err := o.wallet.key(m.path)
		if err != nil {
			return err
		}
		if tx.TxIn[i].Witness, err = txscript.WitnessSignature(tx, sums, i, m.value, m.script, txscript.SigHashAll, key, true); err != nil {
			return fmt.Errorf("%s: sign input %d of %s: %w", o.coin.Chain, i, tx.TxHash(), err)
		}
	}
	return nil
}

func (o own) reserve(_ context.Context, tx *wire.MsgTx) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wallet.reserve(tx)
}

func (o own) resume(ctx context.Context, txs []*wire.MsgTx) error {
	for _, tx := range txs {
		if err := o.reserve(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

func (o own) release(tx *wire.MsgTx) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wallet.release(tx)
}

func (o own) balance(context.Context) (confirmed, pending int64, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.found(); err != nil {
		return 0, 0, err
	}
	confirmed, pending = o.wallet.balance(o.tip())
	return confirmed, pending, nil
}

func (o own) check(context.Context) error { return nil }

// purses are those whose outputs we can spend: the one that is used, and ours,
// which may have been used before or have stood in for it.
func (c *Chain) purses() []purse {
	if c.purse == purse(own{c}) {
		return []purse{c.purse}
	}
	return []purse{c.purse, own{c}}
}

// payee is the output script for o, the same whenever the same leg's order is
// given again. When a node's wallet has none for a payout, ours takes it: a lock
// must not be lost to a wallet that cannot be asked.
func (c *Chain) payee(ctx context.Context, o trade.Order) ([]byte, error) {
	if o.Purpose == trade.Send {
		return c.purse.script(ctx, forChange)
	}
	p := payee{legKey{o.ID, o.Side}, o.Purpose}
	c.mu.Lock()
	script := c.payees[p]
	c.mu.Unlock()
	if script != nil {
		return script, nil
	}
	u := forPayout
	if o.Purpose == trade.Lock {
		u = forChange
	}
	script, err := c.purse.script(ctx, u)
	if err != nil && u == forPayout && ctx.Err() == nil {
		c.log.Warn("the node's wallet gives no address, ours takes the payout", "chain", c.coin.Chain, "trade", o.ID, "purpose", o.Purpose, "err", err)
		script, err = own{c}.script(ctx, u)
	}
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.payees[p] = script
	return script, nil
}

// remember takes up what a stored transaction says: its fee, and where a redeem
// or refund pays, so that one made anew pays there too. c.mu is held.
func (c *Chain) remember(tx trade.Tx, msg *wire.MsgTx) {
	c.index.paid[msg.TxHash()] = sum(tx.Fee)
	p := payee{legKey{tx.ID, tx.Side}, tx.Purpose}
	claims := tx.Purpose == trade.Redeem || tx.Purpose == trade.Refund
	if claims && len(msg.TxOut) == 1 && c.payees[p] == nil {
		c.payees[p] = msg.TxOut[0].PkScript
	}
}

// Resume reserves what stored transactions spend. It needs no node.
func (c *Chain) Resume(ctx context.Context, txs []trade.Tx) error {
	msgs := make([]*wire.MsgTx, len(txs))
	for i, tx := range txs {
		var err error
		if msgs[i], err = parse(tx); err != nil {
			return err
		}
	}
	c.mu.Lock()
	for i, tx := range txs {
		c.remember(tx, msgs[i])
	}
	c.mu.Unlock()
	for _, p := range c.purses() {
		if err := p.resume(ctx, msgs); err != nil {
			return err
		}
	}
	return nil
}

// Release gives back what a transaction that was never sent had reserved. Bytes
// that are no transaction reserved nothing.
func (c *Chain) Release(tx trade.Tx) {
	msg, err := parse(tx)
	if err != nil {
		c.log.Error("released what is no transaction", "chain", c.coin.Chain, "txid", tx.TxID, "err", err)
		return
	}
	for _, p := range c.purses() {
		p.release(msg)
	}
}

// notYet says of a purse that does not sign that it may later, which is what a
// caller can act on.
func notYet(err error) error {
	if errors.Is(err, ErrLocked) {
		return fmt.Errorf("%w: %w", trade.ErrNotYet, err)
	}
	return err
}
