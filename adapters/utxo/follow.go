package utxo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/swap/trade"
)

const (
	keep      = 400              // blocks that a reorganisation may undo without all being looked through again
	maxBehind = 12               // looks after which a node below our tip is believed
	maxStill  = 3                // looks after which a node that has nothing new is compared with the others
	maxPause  = 30 * time.Second // between looks while no node answers
)

// Follow looks at the tip every poll, walks new blocks one on another, looks
// through what waits to be mined, and delivers what changed. While no node
// answers it waits longer and longer, up to half a minute.
func (c *Chain) Follow(ctx context.Context, deliver func(context.Context, trade.News) error) error {
	c.repeat()
	var tended sync.WaitGroup
	defer tended.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	tended.Go(func() { c.tend(ctx) })
	pause, said := c.poll, ""
	for {
		news, changed, err := c.look(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			pause = min(2*pause, max(maxPause, c.poll))
			if err.Error() != said {
				c.log.Warn("will retry", "chain", c.coin.Chain, "err", err)
			}
			said = err.Error()
		} else {
			pause, said = c.poll, ""
		}
		if changed {
			if err := deliver(ctx, news); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.wake:
		case <-time.After(pause):
		}
	}
}

// tend checks the purse at every poll until ctx ends. It has a loop of its own:
// the walk over the chain does not wait for a wallet.
func (c *Chain) tend(ctx context.Context) {
	said := ""
	for {
		err := c.purse.check(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != said {
			c.log.Warn("will retry", "chain", c.coin.Chain, "err", err)
		}
		if said = ""; err != nil {
			said = err.Error()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(c.poll):
		}
	}
}

// repeat makes all fates news again.
func (c *Chain) repeat() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.index.legs {
		l.said = nil
		c.index.dirty[l] = struct{}{}
	}
}

// look does one round. What was found before an error is news all the same.
func (c *Chain) look(ctx context.Context) (news trade.News, changed bool, err error) {
	moved, err := c.advance(ctx)
	if err != nil {
		return news, false, err
	}
	if err = c.read(ctx); err != nil {
		return news, false, err
	}
	err = c.listen(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if moved {
		c.index.age()
	}
	news = trade.News{Chain: c.coin.Chain, Head: c.head(), Sightings: c.index.news(c.tip())}
	return news, moved || len(news.Sightings) > 0, err
}

// advance walks to the node's tip and reports whether ours moved.
func (c *Chain) advance(ctx context.Context) (moved bool, err error) {
	tip, err := c.nodes.tip(ctx)
	if err != nil {
		return false, err
	}
	if len(c.blocks) == 0 {
		if err := c.begin(ctx, tip); err != nil {
			return false, err
		}
		moved = true
	}
	if tip, err = c.believe(ctx, tip); err != nil || tip.Hash == c.newest().Hash {
		return moved, err
	}
	from, undone, teller := c.newest(), int64(0), c.nodes.first()
	for c.newest().Hash != tip.Hash {
		back, err := c.step(ctx, tip)
		if err != nil {
			c.nodes.distrust(teller)
			return false, err
		}
		undone += back
	}
	if undone > 0 {
		c.log.Warn("chain was reorganised", "chain", c.coin.Chain, "blocks", undone, "from", from.Hash, "to", tip.Hash)
	}
	c.mu.Lock()
	c.current = true
	c.mu.Unlock()
	c.store(ctx)
	return true, nil
}

// newest is the last block that was looked through. Only Follow changes it.
func (c *Chain) newest() mined { return c.blocks[len(c.blocks)-1] }

// believe returns the tip to walk to: that of the node, of a node that is
// further, or ours while a node is behind and may yet catch up. A node that keeps
// its newest blocks from us looks as if there were none: when it has nothing new
// for a few looks, the others are asked.
func (c *Chain) believe(ctx context.Context, tip Tip) (Tip, error) {
	ours := c.newest()
	if tip.Hash == ours.Hash {
		c.behind = 0
		c.mu.Lock()
		c.current = true
		c.mu.Unlock()
		if c.still++; c.still < maxStill || len(c.nodes.nodes) == 1 {
			return tip, nil
		}
		c.still = 0
		best, err := c.nodes.highest(ctx)
		if err != nil || best.Height <= ours.Height {
			return tip, ctx.Err()
		}
		tip = best
	}
	c.still = 0
	if tip.Height < ours.Height {
		best, err := c.nodes.highest(ctx)
		if err != nil {
			return Tip{}, err
		}
		if tip = best; tip.Height < ours.Height {
			if c.behind++; c.behind < maxBehind {
				return Tip{ours.Hash, ours.Height}, nil
			}
			c.log.Warn("nodes stay below our tip", "chain", c.coin.Chain, "height", tip.Height, "ours", ours.Height)
		}
	}
	c.behind = 0
	// A height that the node itself does not stand by is a lie or was overtaken.
	teller := c.nodes.first()
	at, err := c.nodes.hashAt(ctx, tip.Height)
	if err == nil && at != tip.Hash {
		err = fmt.Errorf("%w: tip %s is not at its height %d", ErrDown, tip.Hash, tip.Height)
	}
	if err != nil {
		c.nodes.distrust(teller)
		return Tip{}, err
	}
	return tip, nil
}

// begin finds where to start: behind the last snapshot or before c.from.
func (c *Chain) begin(ctx context.Context, tip Tip) error {
	found, err := c.load(ctx)
	if err != nil || found {
		return err
	}
	base := max(0, min(c.from, tip.Height)-1)
	var blocks []mined
	for height := max(0, base-medianOf+1); height <= base; height++ {
		hash, err := c.nodes.hashAt(ctx, height)
		if err != nil {
			return err
		}
		h, err := c.nodes.header(ctx, hash)
		if err != nil {
			return err
		}
		blocks = append(blocks, minedOf(h, height))
	}
	c.mu.Lock()
	c.blocks = blocks
	c.mu.Unlock()
	return nil
}

// step takes one block more, or takes one back that the node's chain does not
// hold, and reports how many it took back.
func (c *Chain) step(ctx context.Context, tip Tip) (back int64, err error) {
	last := c.newest()
	if height := last.Height + 1; height <= tip.Height {
		hash := tip.Hash
		if height < tip.Height {
			if hash, err = c.nodes.hashAt(ctx, height); err != nil {
				return 0, fmt.Errorf("block %d of %d: %w", height, tip.Height, err)
			}
		}
		b, err := c.nodes.block(ctx, hash)
		if err != nil {
			return 0, fmt.Errorf("block %d %s: %w", height, hash, err)
		}
		if b.Header.PrevBlock == last.Hash {
			if err := c.coin.eased(last, b.Header, height); err != nil {
				return 0, err
			}
			return 0, c.take(b, height)
		}
	}
	hash, err := c.nodes.hashAt(ctx, last.Height)
	if err != nil && !errors.Is(err, ErrMissing) {
		return 0, err
	}
	if err == nil && hash == last.Hash {
		return 0, fmt.Errorf("%w: the chain above block %d changed while we looked", ErrDown, last.Height)
	}
	return 1, c.undo()
}

// take looks through a block that stands on our tip.
func (c *Chain) take(b *Block, height int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for again := true; again; {
		found := c.wallet.found
		for i, tx := range b.Txs {
			if _, err := c.wallet.see(tx, b.IDs[i], height); err != nil {
				return err
			}
		}
		again = found != c.wallet.found // addresses found by this block may be paid in it too
	}
	for i, tx := range b.Txs {
		c.index.see(tx, b.IDs[i], place{height, i})
	}
	c.blocks = append(c.blocks, minedOf(b.Header, height))
	if len(c.blocks) > 2*keep {
		c.blocks = append([]mined(nil), c.blocks[len(c.blocks)-keep:]...)
		c.wallet.prune(height - keep)
	}
	return nil
}

func minedOf(h wire.BlockHeader, height int64) mined {
	return mined{h.BlockHash(), height, h.Timestamp.Unix(), h.Bits}
}

// undo takes our tip back. When nothing is left that the two chains share, all
// is looked through again.
func (c *Chain) undo() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.blocks[len(c.blocks)-1]
	c.index.undo(last.Height)
	c.wallet.undo(last.Height)
	c.blocks, c.shaken = c.blocks[:len(c.blocks)-1], true
	if len(c.blocks) > 0 {
		return nil
	}
	c.log.Error("chain was reorganised deeper than remembered, looking through all of it", "chain", c.coin.Chain, "height", last.Height)
	c.index.undo(0)
	c.wallet.undo(0)
	c.waiting, c.lost, c.unread = newWaiting(), true, nil
	for _, l := range c.index.legs {
		l.ready = false
		c.unread = append(c.unread, l)
	}
	return fmt.Errorf("%w: nothing is left in common below block %d", ErrDown, last.Height)
}

// read looks through the blocks before our tip for legs watched since, once for
// all of them.
func (c *Chain) read(ctx context.Context) error {
	c.mu.Lock()
	legs, tip := append([]*leg(nil), c.unread...), c.tip()
	c.mu.Unlock()
	if len(legs) == 0 {
		return nil
	}
	from := tip + 1
	for _, l := range legs {
		from = min(from, int64(min(l.watch.From, uint64(maxHeight))))
	}
	hashes, err := c.hashes(ctx, from)
	if err != nil {
		return fmt.Errorf("look back to block %d: %w", from, err)
	}
	for height := from; height <= tip; height++ {
		b, err := c.nodes.block(ctx, hashes[height-from])
		if err != nil {
			return fmt.Errorf("look back to block %d: %w", height, err)
		}
		c.mu.Lock()
		for i, tx := range b.Txs {
			c.index.see(tx, b.IDs[i], place{height, i})
		}
		c.mu.Unlock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range legs {
		l.ready = true
		c.index.dirty[l] = struct{}{}
	}
	c.unread = slices.DeleteFunc(c.unread, func(l *leg) bool { return l.ready })
	c.shaken = true
	return nil
}

// hashes are the blocks of our chain from a height to the tip. Those below what
// is remembered are followed down from parent to parent: a node that was asked
// for a height could name another block of the chain, and so hide what lies there.
func (c *Chain) hashes(ctx context.Context, from int64) (up []chainhash.Hash, err error) {
	c.mu.Lock()
	for _, b := range c.blocks {
		if b.Height >= from {
			up = append(up, b.Hash)
		}
	}
	low := c.blocks[0]
	c.mu.Unlock()
	var down []chainhash.Hash
	for height, hash := low.Height, low.Hash; height > from; height-- {
		h, err := c.nodes.header(ctx, hash)
		if err != nil {
			return nil, err
		}
		hash = h.PrevBlock
		down = append(down, hash)
	}
	slices.Reverse(down)
	return append(down, up...), nil
}

// hashOf is the block of our chain at this height.
func (c *Chain) hashOf(ctx context.Context, height int64) (chainhash.Hash, error) {
	c.mu.Lock()
	if len(c.blocks) > 0 {
		if i := height - c.blocks[0].Height; i >= 0 && i < int64(len(c.blocks)) {
			defer c.mu.Unlock()
			return c.blocks[i].Hash, nil
		}
	}
	c.mu.Unlock()
	return c.nodes.hashAt(ctx, height)
}
