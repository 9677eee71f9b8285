package utxo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// ErrDisagree says that nodes do not all see a lock as it was told.
var ErrDisagree = errors.New("chain nodes do not agree on the lock")

// agreeWithin is how long a node may take to answer.
const agreeWithin = 10 * time.Second

// Agree looks at the lock itself once more and asks every node whether its chain
// holds that block and, unless f says that the lock is spent, whether the output
// is unspent. Most nodes must answer, and all that do must agree.
// Errors: ErrDisagree, ErrDown, trade.ErrNotYet while the lock is not mined.
func (c *Chain) Agree(ctx context.Context, w trade.Watch, f trade.Fate) error {
	if f.Lock == nil || f.Lock.Height == 0 || f.Lock.Height > maxHeight {
		return fmt.Errorf("%w: %s: the lock is not mined", trade.ErrNotYet, c.coin.Chain)
	}
	height := int64(f.Lock.Height)
	hash, err := c.hashOf(ctx, height)
	if err != nil {
		return err
	}
	if err := c.audit(ctx, w, *f.Lock, hash); err != nil {
		return err
	}
	out := wire.OutPoint{Hash: onWire(f.Lock.TxID), Index: f.Lock.Index}
	if f.End == nil && c.ending(out) {
		return fmt.Errorf("%w: %s:%d is being spent", ErrDisagree, f.Lock.TxID, f.Lock.Index)
	}
	ctx, cancel := context.WithTimeout(ctx, agreeWithin)
	defer cancel()
	_, errs := each(ctx, c.nodes, func(n Node) (struct{}, error) {
		at, err := n.HashAt(ctx, height)
		if err == nil && at != hash {
			err = fmt.Errorf("%w: block %d is %s at one, %s at another", ErrDisagree, height, hash, at)
		}
		if err != nil || f.End != nil {
			return struct{}{}, err
		}
		unspent, err := n.Unspent(ctx, out)
		if err == nil && !unspent {
			err = fmt.Errorf("%w: one says that %s:%d is spent", ErrDisagree, f.Lock.TxID, f.Lock.Index)
		}
		return struct{}{}, err
	})
	silent := 0
	for i, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, ErrDown), errors.Is(err, context.DeadlineExceeded):
			silent++
		case errors.Is(err, ErrMissing):
			return fmt.Errorf("%w: node %d does not reach block %d: %w", ErrDisagree, i+1, height, err)
		default:
			return err
		}
	}
	if 2*silent >= len(errs) {
		return fmt.Errorf("%d of %d nodes answer: %w", len(errs)-silent, len(errs), errors.Join(errs...))
	}
	return nil
}

// ending reports whether we saw a spend of the lock at out, waiting ones too.
func (c *Chain) ending(out wire.OutPoint) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.index.locks[out]
	return k != nil && len(k.ends) > 0
}

// audit finds the lock in the bytes of its block.
func (c *Chain) audit(ctx context.Context, w trade.Watch, lock trade.Spot, hash chainhash.Hash) error {
	script, err := contracts.NewScript(w.Terms)
	if err != nil {
		return err
	}
	b, err := c.nodes.block(ctx, hash)
	if err != nil {
		return err
	}
	for i, id := range b.IDs {
		if display(id) != lock.TxID {
			continue
		}
		if int64(lock.Index) >= int64(len(b.Txs[i].TxOut)) {
			break
		}
		out := b.Txs[i].TxOut[lock.Index]
		if !bytes.Equal(out.PkScript, script.Output()) || !matches(w.Terms, out.Value) {
			return fmt.Errorf("%w: %s:%d holds %d under script %x", ErrDisagree, lock.TxID, lock.Index, out.Value, out.PkScript)
		}
		return nil
	}
	return fmt.Errorf("%w: block %d does not hold %s:%d", ErrDisagree, lock.Height, lock.TxID, lock.Index)
}
