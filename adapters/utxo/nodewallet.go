package utxo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// A nodeWallet is the wallet of a node as a purse. What a transaction of ours
// spends is reserved twice: here, which counts, and at the node, so that its
// other users keep away. The node forgets that when it starts anew; check puts
// it right.
type nodeWallet struct {
	rpc  *walletRPC
	book Book
	key  string // in the book
	log  *slog.Logger

	asking sync.Mutex // one check at a time; before mu
	told   bool       // the state of the wallet was looked at
	noted  string     // what the book holds

	mu    sync.Mutex
	held  map[wire.OutPoint]*hold
	loose map[wire.OutPoint]struct{} // reserved at the node, and no longer here
	made  map[chainhash.Hash]int     // transactions of ours: how many waiting ones each may stand on
	given []byte                     // the receive script last given out
}

// A hold is a reserved output.
type hold struct {
	by   chainhash.Hash
	gone bool // the node's wallet counts it as spent: nothing to reserve there
}

func newNodeWallet(c *Chain, e Endpoint, name string) (*nodeWallet, error) {
	rpc, err := newWalletRPC(c.coin, e, name)
	if err != nil {
		return nil, err
	}
	return &nodeWallet{rpc: rpc, book: c.book, key: c.bookKey() + "/reserved/" + name, log: c.log,
		held: map[wire.OutPoint]*hold{}, loose: map[wire.OutPoint]struct{}{}, made: map[chainhash.Hash]int{}}, nil
}

// script asks for an address. One for people is asked for again only when the
// last was paid.
func (n *nodeWallet) script(ctx context.Context, u use) ([]byte, error) {
	if u != forReceive {
		return n.rpc.address(ctx, u)
	}
	n.mu.Lock()
	given := n.given
	n.mu.Unlock()
	if given != nil {
		if paid, err := n.rpc.paid(ctx, given); err != nil || !paid {
			return given, err
		}
	}
	script, err := n.rpc.address(ctx, u)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.given = script
	return script, nil
}

// stock leaves out what waits and is not the change of a transaction of ours:
// others could change the id of what it stands on.
func (n *nodeWallet) stock(ctx context.Context) (stock, error) {
	if err := n.check(ctx); err != nil { // what was released is free again
		return stock{}, err
	}
	s, err := n.rpc.unspent(ctx, 0, false)
	if err != nil {
		return stock{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s.coins = slices.DeleteFunc(s.coins, func(m *money) bool {
		depth, ours := n.made[m.out.Hash]
		if ours && m.height > 0 {
			n.made[m.out.Hash] = 0
		}
		return n.held[m.out] != nil || (m.height == 0 && (!ours || depth >= maxChain))
	})
	slices.SortFunc(s.coins, byUse)
	return s, nil
}

// lever is what the node lists of tx: it must have heard of it.
func (n *nodeWallet) lever(ctx context.Context, tx *wire.MsgTx) (*money, error) {
	s, err := n.rpc.unspent(ctx, 0, true)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range ofTx(s.coins, tx.TxHash()) {
		if n.held[m.out] != nil || int(m.out.Index) >= len(tx.TxOut) {
			continue
		}
		if out := tx.TxOut[m.out.Index]; out.Value == m.value && bytes.Equal(out.PkScript, m.script) {
			return m, nil
		}
	}
	return nil, nil
}

func (n *nodeWallet) sign(ctx context.Context, tx *wire.MsgTx, ins []*money) error {
	return n.rpc.sign(ctx, tx, ins)
}

// reserve reserves at the node too, and gives back when that fails.
func (n *nodeWallet) reserve(ctx context.Context, tx *wire.MsgTx) error {
	n.hold(tx)
	if err := n.check(ctx); err != nil {
		n.release(tx)
		return err
	}
	return nil
}

// hold reserves here.
func (n *nodeWallet) hold(tx *wire.MsgTx) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id, depth := tx.TxHash(), 0
	for _, in := range tx.TxIn {
		out := in.PreviousOutPoint
		delete(n.loose, out)
		n.held[out] = &hold{by: id}
		depth = max(depth, n.made[out.Hash])
	}
	n.made[id] = depth + 1
}

// release gives back here; the next check does so at the node.
func (n *nodeWallet) release(tx *wire.MsgTx) {
	n.mu.Lock()
	defer n.mu.Unlock()
	id := tx.TxHash()
	for _, in := range tx.TxIn {
		if h := n.held[in.PreviousOutPoint]; h != nil && h.by == id {
			delete(n.held, in.PreviousOutPoint)
			n.loose[in.PreviousOutPoint] = struct{}{}
		}
	}
}

// resume gives back at the node what a run before reserved there and then did
// not store.
func (n *nodeWallet) resume(ctx context.Context, txs []*wire.MsgTx) error {
	for _, tx := range txs {
		n.hold(tx)
	}
	if n.book == nil {
		return nil
	}
	raw, err := n.book.Get(ctx, n.key)
	if err != nil {
		return fmt.Errorf("read reservations: %w", err)
	}
	outs, err := decodeNote(raw)
	if err != nil {
		n.log.Warn("stored reservations left aside", "chain", n.rpc.coin.Chain, "err", err)
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, out := range outs {
		if n.held[out] == nil {
			n.loose[out] = struct{}{}
		}
	}
	return nil
}

// balance counts what is reserved until it is spent.
func (n *nodeWallet) balance(ctx context.Context) (confirmed, pending int64, err error) {
	s, err := n.rpc.unspent(ctx, 0, true)
	if err != nil {
		return 0, 0, err
	}
	n.mu.Lock()
	var reserved []wire.OutPoint
	for _, out := range sortedOutputs(n.held) {
		if !n.held[out].gone {
			reserved = append(reserved, out)
		}
	}
	for out := range n.loose { // not listed until the next check
		reserved = append(reserved, out)
	}
	n.mu.Unlock()
	if pending, err = n.rpc.immature(ctx); err != nil {
		return 0, 0, err
	}
	add := func(value int64, mined bool) {
		if mined {
			confirmed += value
		} else {
			pending += value
		}
	}
	for _, m := range s.coins {
		if !slices.Contains(reserved, m.out) {
			add(m.value, m.height > 0)
		}
	}
	for _, out := range reserved {
		value, mined, err := n.rpc.worth(ctx, out)
		if err != nil {
			return 0, 0, err
		}
		add(value, mined)
	}
	return confirmed, pending, nil
}

// check looks at the wallet's state once, and makes the node's reservations ours.
func (n *nodeWallet) check(ctx context.Context) error {
	n.asking.Lock()
	defer n.asking.Unlock()
	there, err := n.rpc.held(ctx)
	if err != nil {
		return err
	}
	if !n.told {
		state, err := n.rpc.state(ctx)
		if err != nil {
			return err
		}
		n.told = true
		if state.Unlocked != nil && *state.Unlocked == 0 {
			n.log.Warn("the node's wallet is locked: no lock can be funded until walletpassphrase", "chain", n.rpc.coin.Chain)
		}
	}
	ours, loose := n.wanted()
	if err := n.note(ctx, append(slices.Clone(ours), loose...)); err != nil {
		return err
	}
	for _, out := range ours {
		if there[out] {
			continue
		}
		gone, err := n.rpc.hold(ctx, out, false)
		if err != nil {
			return err
		}
		n.mu.Lock()
		if h := n.held[out]; h != nil {
			h.gone = gone
		}
		n.mu.Unlock()
	}
	for _, out := range loose {
		if there[out] {
			if _, err := n.rpc.hold(ctx, out, true); err != nil {
				return err
			}
		}
		n.mu.Lock()
		delete(n.loose, out)
		n.mu.Unlock()
	}
	return nil
}

// wanted is what must be reserved at the node, and what must not.
func (n *nodeWallet) wanted() (ours, loose []wire.OutPoint) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, out := range sortedOutputs(n.held) {
		if !n.held[out].gone {
			ours = append(ours, out)
		}
	}
	return ours, sortedOutputs(n.loose)
}

// note keeps in the book what may be reserved at the node because of us, before
// it is.
func (n *nodeWallet) note(ctx context.Context, outs []wire.OutPoint) error {
	list := make([]heldOutput, len(outs))
	for i, out := range outs {
		list[i] = heldAs(out)
	}
	raw, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("note reservations: %w", err)
	}
	if n.book == nil || string(raw) == n.noted {
		return nil
	}
	if err := n.book.Put(ctx, n.key, raw); err != nil {
		return fmt.Errorf("note reservations: %w", err)
	}
	n.noted = string(raw)
	return nil
}

// decodeNote reads what note wrote; nothing is no reservations. Errors:
// errSnapshot.
func decodeNote(raw []byte) (outs []wire.OutPoint, err error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var list []heldOutput
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("%w: reservations: %v", errSnapshot, err)
	}
	for _, h := range list {
		out, err := h.outpoint()
		if err != nil {
			return nil, fmt.Errorf("%w: reservations: %v", errSnapshot, err)
		}
		outs = append(outs, out)
	}
	return outs, nil
}
