package evm

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"photon/contracts"
	"photon/swap/trade"
)

// Agree asks every endpoint for the lock at f.Lock: the receipt of its
// transaction with our contract's event for exactly these terms, at that height,
// in one block for all of them, and the contract's word that it is still held.
// Errors: ErrDisagree when one that answers sees anything else, ErrDown when not
// more than half answer, contracts.ErrTerms, ErrLeg.
func (c *Chain) Agree(ctx context.Context, w trade.Watch, f trade.Fate) error {
	s, err := c.swap(w.Terms)
	if err != nil {
		return err
	}
	if f.Lock == nil || f.Lock.Height == 0 {
		return fmt.Errorf("%w: no mined lock to agree on", ErrDisagree)
	}
	blocks := make([]common.Hash, len(c.pool.all))
	errs := make([]error, len(c.pool.all))
	var all sync.WaitGroup
	for i, e := range c.pool.all {
		all.Go(func() { blocks[i], errs[i] = c.sees(ctx, e, s, f) })
	}
	all.Wait()
	answered := 0
	var block common.Hash
	var down []error
	for i, err := range errs {
		host := c.pool.all[i].host
		switch {
		case errors.Is(err, ErrDisagree):
			return err
		case err != nil:
			down = append(down, err)
		case answered > 0 && blocks[i] != block:
			return fmt.Errorf("%w: %s has it in block %s, others in %s", ErrDisagree, host, blocks[i], block)
		default:
			answered++
			block = blocks[i]
		}
	}
	if 2*answered <= len(errs) {
		return fmt.Errorf("%w: %d of %d agree: %w", ErrDown, answered, len(errs), errors.Join(down...))
	}
	return nil
}

// sees asks one endpoint and returns the block of the lock.
func (c *Chain) sees(ctx context.Context, e *endpoint, s contracts.Swap, f trade.Fate) (common.Hash, error) {
	got := &question{method: "eth_getTransactionReceipt", args: []any{hash(f.Lock.TxID)}}
	held := c.read(c.cfg.Contract, s.StateCall())
	if err := e.ask(ctx, []*question{got, held}); err != nil {
		return common.Hash{}, err
	}
	if err := errors.Join(got.err, held.err); err != nil {
		return common.Hash{}, err
	}
	other := func(format string, args ...any) (common.Hash, error) {
		return common.Hash{}, fmt.Errorf("%w: %s: lock %s: %s", ErrDisagree, e.host, f.Lock.TxID, fmt.Sprintf(format, args...))
	}
	r, mined, err := readReceipt(got.answer)
	if err != nil {
		return common.Hash{}, err
	}
	if !mined || r.Failed || r.Height != f.Lock.Height || r.TxID != f.Lock.TxID {
		return other("mined %t, failed %t, height %d, want %d", mined, r.Failed, r.Height, f.Lock.Height)
	}
	now, err := state(held.answer)
	if err != nil {
		return common.Hash{}, err
	}
	if f.End == nil && (!now.Locked || now.Block != f.Lock.Height) {
		return other("held %t since %d, want since %d", now.Locked, now.Block, f.Lock.Height)
	}
	for _, l := range r.Logs {
		if l.Address != c.cfg.Contract {
			continue
		}
		ev, err := contracts.ReadHashLockLog(l.Topics, l.Data)
		if err == nil && ev.Kind == contracts.LegLocked && ev.Key == s.Key() {
			return r.Block, nil
		}
	}
	return other("no event of it")
}
