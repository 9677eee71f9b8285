package utxo

import (
	"context"
	"errors"
	"sync"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// How much is read of what waits to be mined. Sightings there are early hints:
// what is not looked at is seen when it is mined.
const (
	maxRead  = 2000     // transactions read in one look
	maxKept  = 20000    // transactions remembered whole, to be looked through again for new watches
	askAtOne = maxConns // questions under way at one time
)

// waiting is what the node's mempool held at the last look.
type waiting struct {
	byID map[chainhash.Hash]*sighted
	next int // position of the next
}

// A sighted is a waiting transaction that was looked through.
type sighted struct {
	id       chainhash.Hash
	tx       *wire.MsgTx // nil: it concerns nobody and was not kept
	pos      int
	concerns bool // a watched leg or the wallet
}

func newWaiting() waiting { return waiting{byID: map[chainhash.Hash]*sighted{}} }

// listen looks through what waits to be mined, and forgets what waits no more.
// It does so only while the tip is ours: what a new block holds must not seem
// gone before that block was looked through.
func (c *Chain) listen(ctx context.Context) error {
	c.mu.Lock()
	before := c.waiting.next
	c.mu.Unlock()
	ids, err := c.nodes.waiting(ctx)
	if err != nil {
		return err
	}
	tip, err := c.nodes.tip(ctx)
	if err != nil {
		return err
	}
	if tip.Hash != c.newest().Hash {
		c.poke()
		return nil
	}
	fresh := c.unknown(ids)
	txs, err := c.fetch(ctx, fresh)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.hear(fresh, txs); err != nil {
		return err
	}
	here := make(map[chainhash.Hash]struct{}, len(ids))
	for _, id := range ids {
		here[id] = struct{}{}
	}
	for id, w := range c.waiting.byID {
		if _, waits := here[id]; waits || w.pos >= before {
			continue
		}
		if w.concerns {
			c.index.drop(w.tx, id)
			c.wallet.drop(w.tx, id)
		}
		delete(c.waiting.byID, id)
	}
	return nil
}

// unknown is those of ids that were not looked through, at most maxRead.
func (c *Chain) unknown(ids []chainhash.Hash) (fresh []chainhash.Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if c.waiting.byID[id] == nil && len(fresh) < maxRead {
			fresh = append(fresh, id)
		}
	}
	return fresh
}

// fetch reads transactions, a few at a time. One that is gone meanwhile, lies in
// the extension block only, or is not what it should be, is nil: a single one
// must not keep us from the others.
func (c *Chain) fetch(ctx context.Context, ids []chainhash.Hash) ([]*wire.MsgTx, error) {
	txs, errs := make([]*wire.MsgTx, len(ids)), make([]error, len(ids))
	var wait sync.WaitGroup
	slots := make(chan struct{}, askAtOne)
	for i, id := range ids {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if txs[i], errs[i] = c.nodes.tx(ctx, id); errors.Is(errs[i], ErrMissing) || errors.Is(errs[i], errDecode) {
				txs[i], errs[i] = nil, nil
			}
		})
	}
	wait.Wait()
	return txs, errors.Join(errs...)
}

// hear looks through waiting transactions. c.mu is held.
func (c *Chain) hear(ids []chainhash.Hash, txs []*wire.MsgTx) error {
	again := c.shaken
	for i, id := range ids {
		w := &sighted{id: id, tx: txs[i], pos: c.waiting.next}
		c.waiting.next++
		c.waiting.byID[id] = w
		if w.tx == nil {
			continue
		}
		if err := c.concern(w); err != nil {
			return err
		}
		again = again || w.concerns
		if !w.concerns && len(c.waiting.byID) > maxKept {
			w.tx = nil
		}
	}
	// A parent may have come after its child.
	for again {
		again = false
		for _, w := range c.waiting.byID {
			if w.tx == nil {
				continue
			}
			had := w.concerns
			if err := c.concern(w); err != nil {
				return err
			}
			again = again || w.concerns != had
		}
	}
	c.shaken = false
	return nil
}

// concern looks through one waiting transaction. c.mu is held.
func (c *Chain) concern(w *sighted) error {
	ours, err := c.wallet.see(w.tx, w.id, 0)
	if c.index.see(w.tx, w.id, place{0, w.pos}) || ours {
		w.concerns = true
	}
	return err
}
