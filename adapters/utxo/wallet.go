package utxo

import (
	"fmt"
	"math"
	"slices"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcutil/v2/hdkeychain"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// The branches of an account (BIP-44): addresses that people are given, and
// those that we pay ourselves.
const (
	receive = 0
	change  = 1
)

// lookahead is how many addresses beyond the last used one are looked for on
// each branch. BIP-44 asks for 20; swaps take one before they use it.
const lookahead = 200

// maxChain is how many waiting transactions of ours may stand on one another:
// nodes take 25.
//
// Source: Bitcoin Core, DEFAULT_ANCESTOR_LIMIT.
const maxChain = 20

// A wallet is the coins of one account, m/84'/coin'/0' (BIP-84), found by the
// same walk over the chain as the legs.
type wallet struct {
	coin    Coin
	keys    [2]*hdkeychain.ExtendedKey // of the branches
	found   [2]uint32                  // indices derived so far
	next    [2]uint32                  // first index that is neither used nor given out
	paths   map[string]path            // by output script
	coins   map[wire.OutPoint]*money
	held    map[wire.OutPoint]chainhash.Hash // reserved, by which transaction
	changed bool                             // since it was last stored
}

// A path leads to a key of the account.
type path struct {
	Branch uint32 `json:"branch"`
	Index  uint32 `json:"index"`
}

// Money is an output of ours.
type money struct {
	out      wire.OutPoint
	value    int64
	script   []byte
	path     path
	height   int64 // block; 0 while it waits
	coinbase bool
	hogEx    bool
	own      bool           // all that its transaction spends is ours: nobody else can undo it
	chain    int            // waiting transactions of ours that it stands on
	spentBy  chainhash.Hash // zero: unspent
	spentAt  int64          // block; 0 while the spend waits
}

func newWallet(coin Coin, account *hdkeychain.ExtendedKey) (*wallet, error) {
	w := &wallet{coin: coin, paths: map[string]path{}, coins: map[wire.OutPoint]*money{}, held: map[wire.OutPoint]chainhash.Hash{}}
	for b := range w.keys {
		var err error
		if w.keys[b], err = account.Derive(uint32(b)); err != nil {
			return nil, fmt.Errorf("%s: derive branch %d: %w", coin.Chain, b, err)
		}
	}
	return w, w.extend()
}

// extend derives addresses until lookahead of them lie beyond the next.
func (w *wallet) extend() error {
	for b := range w.keys {
		for ; w.found[b] < w.next[b]+lookahead; w.found[b]++ {
			key, err := w.keys[b].Derive(w.found[b])
			if err != nil {
				return fmt.Errorf("%s: derive %d/%d: %w", w.coin.Chain, b, w.found[b], err)
			}
			public, err := key.ECPubKey()
			if err != nil {
				return fmt.Errorf("%s: derive %d/%d: %w", w.coin.Chain, b, w.found[b], err)
			}
			script := keyScript(address.Hash160(public.SerializeCompressed()))
			w.paths[string(script)] = path{uint32(b), w.found[b]}
		}
	}
	return nil
}

// use marks p as given out or paid.
func (w *wallet) use(p path) error {
	if p.Index < w.next[p.Branch] {
		return nil
	}
	w.next[p.Branch], w.changed = p.Index+1, true
	return w.extend()
}

// key is the private key at p.
func (w *wallet) key(p path) (*btcec.PrivateKey, error) {
	key, err := w.keys[p.Branch].Derive(p.Index)
	if err != nil {
		return nil, fmt.Errorf("%s: derive %d/%d: %w", w.coin.Chain, p.Branch, p.Index, err)
	}
	return key.ECPrivKey()
}

// hash is the key hash of the next address of a branch.
func (w *wallet) hash(branch uint32) ([]byte, path, error) {
	p := path{branch, w.next[branch]}
	key, err := w.key(p)
	if err != nil {
		return nil, p, err
	}
	return address.Hash160(key.PubKey().SerializeCompressed()), p, nil
}

// fresh gives out the next output script of the change branch.
func (w *wallet) fresh() ([]byte, error) {
	hash, p, err := w.hash(change)
	if err != nil {
		return nil, err
	}
	return keyScript(hash), w.use(p)
}

// see takes note of a transaction and reports whether it concerns the wallet.
func (w *wallet) see(tx *wire.MsgTx, id chainhash.Hash, height int64) (concerns bool, err error) {
	own, chain := true, 0
	for _, in := range tx.TxIn {
		c := w.coins[in.PreviousOutPoint]
		if c == nil {
			own = false
			continue
		}
		concerns = true
		if c.height == 0 {
			chain = max(chain, c.chain)
		}
		if height != 0 || c.spentAt == 0 {
			w.changed = w.changed || c.spentBy != id || c.spentAt != height
			c.spentBy, c.spentAt = id, height
		}
	}
	for i, out := range tx.TxOut {
		p, ours := w.paths[string(out.PkScript)]
		if !ours {
			continue
		}
		concerns = true
		if err := w.use(p); err != nil {
			return concerns, err
		}
		at := wire.OutPoint{Hash: id, Index: uint32(i)}
		c := w.coins[at]
		if c == nil {
			c = &money{out: at, value: out.Value, script: out.PkScript, path: p, coinbase: isCoinbase(tx), hogEx: w.coin.HogEx && isHogEx(tx), own: own}
			w.coins[at] = c
		}
		if height != 0 || c.height == 0 {
			w.changed = w.changed || c.height != height
			c.height, c.chain = height, chain+1
		}
	}
	return concerns, nil
}

// drop forgets a waiting transaction that waits no more and was not mined.
func (w *wallet) drop(tx *wire.MsgTx, id chainhash.Hash) {
	for _, in := range tx.TxIn {
		if c := w.coins[in.PreviousOutPoint]; c != nil && c.spentBy == id && c.spentAt == 0 {
			c.spentBy = chainhash.Hash{}
		}
	}
	for i := range tx.TxOut {
		at := wire.OutPoint{Hash: id, Index: uint32(i)}
		if c := w.coins[at]; c != nil && c.height == 0 {
			delete(w.coins, at)
		}
	}
}

// undo forgets what was seen in blocks from height on. Reservations stay.
func (w *wallet) undo(height int64) {
	w.changed = true
	for at, c := range w.coins {
		if c.height >= height {
			delete(w.coins, at)
		} else if c.spentAt >= height {
			c.spentBy, c.spentAt = chainhash.Hash{}, 0
		}
	}
}

// prune forgets what was spent below height, too deep to come back.
func (w *wallet) prune(height int64) {
	for at, c := range w.coins {
		if c.spentAt > 0 && c.spentAt < height {
			delete(w.coins, at)
			delete(w.held, at)
		}
	}
}

// mature reports whether c is counted on with the chain at height tip: it could
// be spent in the next block.
func (c *money) mature(tip int64) bool {
	depth := tip - c.height + 1
	switch {
	case c.height == 0:
		return c.own && c.chain < maxChain
	case c.coinbase:
		return depth >= coinbaseDepth
	case c.hogEx:
		return depth >= hogExDepth
	}
	return true
}

// balance is what is mined and can be spent, and what is on its way: waiting or
// not yet mature.
func (w *wallet) balance(tip int64) (confirmed, pending int64) {
	for _, c := range w.coins {
		switch {
		case c.spentBy != chainhash.Hash{}:
		case c.height != 0 && c.mature(tip):
			confirmed += c.value
		default:
			pending += c.value
		}
	}
	return confirmed, pending
}

// choose is what can be spent, best first.
func (w *wallet) choose(tip int64) []*money {
	var coins []*money
	for _, c := range w.coins {
		if w.spendable(c, tip) {
			coins = append(coins, c)
		}
	}
	slices.SortFunc(coins, byUse)
	return coins
}

// value is that of an output of ours, spent or not.
func (w *wallet) value(out wire.OutPoint) (int64, bool) {
	if c := w.coins[out]; c != nil {
		return c.value, true
	}
	return 0, false
}

// reserve keeps all that tx spends for it, and its addresses from being given
// out again.
func (w *wallet) reserve(tx *wire.MsgTx) error {
	id := tx.TxHash()
	for _, in := range tx.TxIn {
		w.held[in.PreviousOutPoint] = id
	}
	for _, out := range tx.TxOut {
		if p, ours := w.paths[string(out.PkScript)]; ours && p.Branch == change {
			if err := w.use(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// release undoes reserve.
func (w *wallet) release(tx *wire.MsgTx) {
	id := tx.TxHash()
	for _, in := range tx.TxIn {
		if w.held[in.PreviousOutPoint] == id {
			delete(w.held, in.PreviousOutPoint)
		}
	}
}

// spendable reports whether c can go into a new transaction.
func (w *wallet) spendable(c *money, tip int64) bool {
	_, held := w.held[c.out]
	return !held && c.spentBy == chainhash.Hash{} && c.mature(tip) && c.value <= math.MaxInt64/2
}
