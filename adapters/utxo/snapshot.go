package utxo

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// errSnapshot is why a stored snapshot is not used.
var errSnapshot = errors.New("snapshot")

// snapshotEvery is after how many blocks the wallet is stored though nothing of
// it changed.
const snapshotEvery = 100

// A snapshot is the wallet at a block. What waits to be mined is not in it.
type snapshot struct {
	Genesis string     `json:"genesis"`
	First   string     `json:"first"` // script of the account's first address: whose wallet
	Next    [2]uint32  `json:"next"`
	Blocks  []mined    `json:"blocks"`
	Coins   []coinNote `json:"coins"`
}

// A coinNote is a coin at rest.
type coinNote struct {
	TxID     chainhash.Hash `json:"txid"`
	Index    uint32         `json:"index"`
	Value    int64          `json:"value"`
	Path     path           `json:"path"`
	Height   int64          `json:"height"`
	Coinbase bool           `json:"coinbase,omitempty"`
	HogEx    bool           `json:"hogex,omitempty"`
	SpentBy  chainhash.Hash `json:"spentBy"`
	SpentAt  int64          `json:"spentAt,omitempty"`
}

func (c *Chain) bookKey() string { return fmt.Sprintf("utxo/%s/%s", c.coin.Chain, c.coin.Network) }

// store puts a snapshot into the book when there is something new. A book that
// does not take it costs the next start some time, nothing more.
func (c *Chain) store(ctx context.Context) {
	c.mu.Lock()
	if c.book == nil || (!c.wallet.changed && c.tip() < c.stored+snapshotEvery) {
		c.mu.Unlock()
		return
	}
	raw, err := json.Marshal(c.snapshot())
	tip := c.tip()
	c.wallet.changed = false
	c.mu.Unlock()
	if err == nil {
		err = c.book.Put(ctx, c.bookKey(), raw)
	}
	if err != nil {
		c.log.Warn("wallet was not stored", "chain", c.coin.Chain, "err", err)
		return
	}
	c.stored = tip
}

// snapshot is the wallet as it is. c.mu is held.
func (c *Chain) snapshot() snapshot {
	blocks := c.blocks[max(0, len(c.blocks)-keep):]
	s := snapshot{Genesis: c.coin.Genesis.String(), First: c.first(), Next: c.wallet.next, Blocks: blocks}
	for _, m := range c.wallet.coins {
		if m.height == 0 {
			continue
		}
		n := coinNote{TxID: m.out.Hash, Index: m.out.Index, Value: m.value, Path: m.path, Height: m.height, Coinbase: m.coinbase, HogEx: m.hogEx}
		if m.spentAt != 0 {
			n.SpentBy, n.SpentAt = m.spentBy, m.spentAt
		}
		s.Coins = append(s.Coins, n)
	}
	return s
}

// first tells one account from another.
func (c *Chain) first() string {
	for script, p := range c.wallet.paths {
		if p == (path{receive, 0}) {
			return hex.EncodeToString([]byte(script))
		}
	}
	return ""
}

// load takes up the last snapshot and reports whether there was one. One that is
// damaged or of another wallet is left aside: all is looked through again.
func (c *Chain) load(ctx context.Context) (bool, error) {
	if c.book == nil || c.lost {
		return false, nil
	}
	raw, err := c.book.Get(ctx, c.bookKey())
	if err != nil {
		return false, fmt.Errorf("%s: read wallet: %w", c.coin.Chain, err)
	}
	if len(raw) == 0 {
		return false, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := decodeSnapshot(raw)
	if err == nil && (s.Genesis != c.coin.Genesis.String() || s.First != c.first()) {
		err = fmt.Errorf("%w: of another network or account", errSnapshot)
	}
	if err != nil {
		c.log.Warn("stored wallet left aside", "chain", c.coin.Chain, "err", err)
		return false, nil
	}
	return true, c.resume(s)
}

// maxIndex is more addresses than a wallet uses: deriving them takes a minute.
const maxIndex = 1 << 20

// decodeSnapshot reads what snapshot gives. Errors: errSnapshot.
func decodeSnapshot(raw []byte) (s snapshot, err error) {
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("%w: %v", errSnapshot, err)
	}
	if len(s.Blocks) == 0 || s.Next[receive] > maxIndex || s.Next[change] > maxIndex {
		return s, fmt.Errorf("%w: %d blocks, %v addresses", errSnapshot, len(s.Blocks), s.Next)
	}
	for i, b := range s.Blocks {
		if b.Height != s.Blocks[0].Height+int64(i) || b.Height < 0 || b.Height > maxHeight {
			return s, fmt.Errorf("%w: block %d is at height %d", errSnapshot, i, b.Height)
		}
	}
	tip := s.Blocks[len(s.Blocks)-1].Height
	for _, n := range s.Coins {
		if n.Value < 0 || n.Value > math.MaxInt64/2 || n.Height < 1 || n.Height > tip || n.SpentAt < 0 || n.SpentAt > tip ||
			n.Path.Branch > change || n.Path.Index >= s.Next[n.Path.Branch] {
			return s, fmt.Errorf("%w: coin %s:%d is not possible", errSnapshot, n.TxID, n.Index)
		}
	}
	return s, nil
}

// resume takes s up. c.mu is held.
func (c *Chain) resume(s snapshot) error {
	c.wallet.next = [2]uint32{max(s.Next[0], c.wallet.next[0]), max(s.Next[1], c.wallet.next[1])}
	if err := c.wallet.extend(); err != nil {
		return err
	}
	scripts := make(map[path][]byte, len(c.wallet.paths))
	for script, p := range c.wallet.paths {
		scripts[p] = []byte(script)
	}
	for _, n := range s.Coins {
		out := wire.OutPoint{Hash: n.TxID, Index: n.Index}
		c.wallet.coins[out] = &money{out: out, value: n.Value, script: scripts[n.Path], path: n.Path, height: n.Height,
			coinbase: n.Coinbase, hogEx: n.HogEx, spentBy: n.SpentBy, spentAt: n.SpentAt}
	}
	c.blocks = s.Blocks
	c.stored = c.tip()
	return nil
}
