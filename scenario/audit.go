package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	"photon/adapters/sim"
	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/swap/trade"
)

// An auditor sees everything that nodes do to the world, before it happens, and
// notes what must never be. It trusts no node's word but what its disk holds.
//
// Source: "Invariants of a swap" of the scenarios; the numbers are theirs.
type auditor struct {
	world *simulated

	mu     sync.Mutex
	broken []error
	nonces map[string]string // of joint signatures: what each was used for
	shown  map[contracts.Hash]bool
	paid   map[string]map[contracts.Hash]trade.Tx // by whom and txid: all that was sent
}

func newAuditor(w *simulated) *auditor {
	return &auditor{world: w, nonces: map[string]string{}, shown: map[contracts.Hash]bool{}, paid: map[string]map[contracts.Hash]trade.Tx{}}
}

func (a *auditor) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = append(a.broken, fmt.Errorf(format, args...))
}

func (a *auditor) err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return errors.Join(a.broken...)
}

// before looks at a point of n that is about to happen.
func (a *auditor) before(n *node, p sim.Point) {
	switch p.What {
	case "save":
		a.saved(n, p.Diff)
	case "send":
		for _, tx := range p.Txs {
			a.sent(n, tx)
		}
	case "ask":
		a.asked(n, p)
	}
}

// saved: a status never moves backwards, and one at rest is never overwritten
// (6); a hash is in one trade only (5).
func (a *auditor) saved(n *node, c trade.Change) {
	old, err := n.disk.Trades()
	if err != nil {
		a.note("%w", err)
	}
	for _, t := range c.Trades {
		i := slices.IndexFunc(old, func(o trade.Trade) bool { return o.ID == t.ID })
		if i < 0 {
			continue
		}
		o := old[i]
		if o.Number != t.Number {
			a.note("5: %s: hash %s in two swaps", n.name, t.ID)
		}
		if o.Status != t.Status && (o.Status.AtRest() || rank(t.Role, t.Status) <= rank(t.Role, o.Status)) {
			a.note("6: %s: moved from %s to %s", n.name, o.Status, t.Status)
		}
		if t.Frozen != "" {
			a.note("%s: frozen: %s", n.name, t.Frozen)
		}
	}
}

// rank orders the statuses of a role as they may follow.
func rank(r trade.Role, s trade.Status) int {
	order := []trade.Status{trade.Proposed, trade.Agreed, trade.Locking, trade.Redeeming, trade.Refunding}
	if r == trade.Second {
		order = []trade.Status{trade.Proposed, trade.Agreed, trade.Locking, trade.Refunding, trade.Redeeming}
	}
	if i := slices.Index(order, s); i >= 0 {
		return i
	}
	return len(order)
}

// sent: every broadcast is of exactly the bytes that are stored (4); one that
// shows the secret first is held to the policy (3).
func (a *auditor) sent(n *node, tx trade.Tx) {
	stored := slices.ContainsFunc(n.disk.Txs(), func(s trade.Tx) bool { return s.TxID == tx.TxID && bytes.Equal(s.Raw, tx.Raw) && !s.Held })
	if !stored {
		a.note("4: %s: sent a %s on %s that is not stored", n.name, tx.Purpose, tx.Chain)
	}
	a.mu.Lock()
	if a.paid[n.name] == nil {
		a.paid[n.name] = map[contracts.Hash]trade.Tx{}
	}
	a.paid[n.name][tx.TxID] = tx
	a.mu.Unlock()
	if tx.Purpose == trade.Redeem {
		a.reveals(n, tx.ID)
	}
}

// asked: a nonce serves one request (5), and a request to redeem shows the
// secret.
func (a *auditor) asked(n *node, p sim.Point) {
	m, err := trade.Decode(p.Body)
	q, is := m.(trade.CosignRequest)
	if err != nil || !is {
		return
	}
	a.mu.Lock()
	used, again := a.nonces[string(q.Nonce)]
	a.nonces[string(q.Nonce)] = string(p.Body)
	a.mu.Unlock()
	if again && used != string(p.Body) {
		a.note("5: %s: one nonce for two requests", n.name)
	}
	if q.Purpose == trade.Redeem {
		a.reveals(n, q.ID)
	}
}

// reveals: no secret is public before both locks met the policy (3).
func (a *auditor) reveals(n *node, id contracts.Hash) {
	all, err := n.disk.Trades()
	if err != nil {
		a.note("%w", err)
	}
	i := slices.IndexFunc(all, func(t trade.Trade) bool { return t.ID == id })
	a.mu.Lock()
	first := !a.shown[id]
	a.shown[id] = true
	a.mu.Unlock()
	if i < 0 || all[i].Role != trade.First || !first || all[i].Secret != nil {
		return
	}
	t := all[i]
	for _, w := range t.Watches() {
		leg, chain := t.Leg(w.Side), a.world.chains[w.Terms.Asset.Chain]
		f, height := chain.Fate(w), chain.Height()
		if f.Lock == nil || f.Lock.Height == 0 || height+1 < f.Lock.Height+leg.Confirmations {
			a.note("3: %s: shows the secret while the lock on %s does not count", n.name, w.Terms.Asset.Chain)
		}
		if f.End != nil {
			a.note("3: %s: shows the secret after the lock on %s ended by %s", n.name, w.Terms.Asset.Chain, f.End.Kind)
		}
	}
	if now := now(); now > t.Theirs.Terms.Expiry {
		a.note("3: %s: shows the secret %d s after the partner may refund", n.name, now-t.Theirs.Terms.Expiry)
	}
}

// owners: every open swap has a next deadline and somebody whose move it is (7).
func (a *auditor) owners() error {
	for _, n := range a.world.sorted() {
		all, err := n.disk.Trades()
		if err != nil {
			return err
		}
		for _, t := range all {
			if t.Status.AtRest() || t.Status == trade.Stranded {
				continue
			}
			if actor, deadline := t.Next(); actor == "" || deadline == 0 {
				return fmt.Errorf("7: %s: a swap that is %s has no next move: %q by %d", n.name, t.Status, actor, deadline)
			}
		}
	}
	return nil
}

// balances: everybody has what he began with, and what his swaps say, less fees
// and nothing else (1); so never both (2). It is held once all is at rest.
func (a *auditor) balances() error {
	for _, n := range a.world.sorted() {
		all, err := n.disk.Trades()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(t trade.Trade) bool { return !t.Status.AtRest() }) {
			if err := a.balance(n, all); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *auditor) balance(n *node, all []trade.Trade) error {
	for asset, began := range n.began {
		gained, paid, fees := began, contracts.Amount{}, contracts.Amount{}
		for _, t := range all {
			if t.Status != trade.Completed {
				continue
			}
			if t.Theirs.Terms.Asset == asset {
				gained = gained.Plus(t.Theirs.Fate.Lock.Amount)
			}
			// What it gave is on the chain, even if its node was blind.
			if lock := a.world.chains[t.Ours.Terms.Asset.Chain].Fate(t.Watches()[0]).Lock; t.Ours.Terms.Asset == asset && lock != nil {
				paid = paid.Plus(lock.Amount)
			}
		}
		for _, tx := range a.paid[n.name] {
			if asset == contracts.Native(tx.Chain) {
				fees = fees.Plus(tx.Fee)
			}
		}
		has := a.world.chains[asset.Chain].Balance(sim.Keys(n.name), asset)
		if err := a.channels(n, asset, &gained, &paid, &fees, &has); err != nil {
			return err
		}
		if n.loses || n.cheats {
			continue
		}
		if has.Plus(paid).Plus(fees).Less(gained) {
			return fmt.Errorf("1: %s has %s of %s: began with %s, swaps give %s and take %s, fees at most %s", n.name, has, asset, began, gained.Minus(began), paid, fees)
		}
		if gained.Less(has.Plus(paid)) && !a.world.cheated() { // who catches a cheater may have more
			return fmt.Errorf("2: %s has %s of %s, more than began %s and swaps %s less %s", n.name, has, asset, began, gained.Minus(began), paid)
		}
	}
	return nil
}

// channels adds what a node's payments say that it has got and paid, what its calls
// may have cost, and what it has in channels.
func (a *auditor) channels(n *node, asset contracts.Asset, gained, paid, fees, has *contracts.Amount) error {
	channels, err := n.disk.Channels()
	if err != nil {
		return err
	}
	at := map[contracts.Hash]channel.Channel{}
	for _, c := range channels {
		at[c.Key] = c
		if c.Asset() == asset && c.Status != channel.Settled {
			*has = has.Plus(c.Balance())
		}
	}
	payments, err := n.disk.Payments()
	if err != nil {
		return err
	}
	for _, p := range payments {
		c := at[p.Channel]
		switch {
		case p.Asset != asset || p.In(c.Epoch, c.Us.Proof.Nonce) != ledger.Done:
		case p.Ours:
			*paid = paid.Plus(p.Amount).Plus(p.Fee)
		default:
			*gained = gained.Plus(p.Amount)
		}
	}
	transfers, err := n.disk.Transfers()
	if err != nil {
		return err
	}
	for _, t := range transfers {
		if at[t.In.Channel].Asset() == asset && t.Status == ledger.Done {
			*gained = gained.Plus(t.Fee)
		}
	}
	calls, err := n.disk.Calls()
	if err != nil {
		return err
	}
	for _, tx := range calls {
		if asset == contracts.Native(tx.Chain) {
			*fees = fees.Plus(tx.Fee)
		}
	}
	return nil
}
