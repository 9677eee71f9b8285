package evm

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"photon/contracts"
	"photon/swap/trade"
)

// A lane is the nonces of our account and what each is used for: swaps and channels
// share them, see calls.go. A nonce is
// given out once; Release gives it back. Those below the chain's own count are
// kept for a while: a reorganisation may bring them back.
type lane struct {
	mu   sync.Mutex
	held map[uint64]*slot
}

// laneLength is how many used nonces are remembered.
const laneLength = 4096

// A slot is one nonce: the transactions that may use it, newest last.
type slot struct{ txs []signed }

// A signed is a transaction and who wants it.
type signed struct {
	trade.Tx
	tx      *types.Transaction
	since   time.Time // taken up by this run, or last taken by an endpoint
	taken   bool      // by an endpoint, in this run
	refused bool      // as paying too little, since it was taken
	barred  bool      // for another reason, since it was taken
}

func (s *slot) newest() signed { return s.txs[len(s.txs)-1] }

// approvals are the approvals that were made for a trade, as far as their nonces
// are remembered.
func (l *lane) approvals(id contracts.Hash) (ids []contracts.Hash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.held {
		for _, t := range s.txs {
			if t.ID == id && t.Purpose == trade.Approve {
				ids = append(ids, t.TxID)
			}
		}
	}
	return ids
}

// decode reads the raw bytes of a stored transaction of ours.
func (c *Chain) decode(t trade.Tx) (signed, error) {
	var tx types.Transaction
	if err := tx.UnmarshalBinary(t.Raw); err != nil {
		return signed{}, fmt.Errorf("transaction %s: %w", t.TxID, err)
	}
	if contracts.Hash(tx.Hash()) != t.TxID {
		return signed{}, fmt.Errorf("transaction %s: its bytes are of %s", t.TxID, contracts.Hash(tx.Hash()))
	}
	id := new(big.Int).SetUint64(c.cfg.ChainID)
	from, err := types.Sender(types.LatestSignerForChainID(id), &tx)
	if err != nil {
		return signed{}, fmt.Errorf("transaction %s: %w", t.TxID, err)
	}
	if from != c.account {
		return signed{}, fmt.Errorf("transaction %s: sent by %s, we are %s", t.TxID, from, c.account)
	}
	return signed{Tx: t, tx: &tx, since: c.now()}, nil
}

// Resume reserves the nonces of stored transactions.
func (c *Chain) Resume(_ context.Context, txs []trade.Tx) error {
	for _, t := range txs {
		s, err := c.decode(t)
		if err != nil {
			return err
		}
		c.lane.hold(s)
	}
	return nil
}

// Release gives back the nonce of a transaction that was never sent.
func (c *Chain) Release(t trade.Tx) {
	if s, err := c.decode(t); err == nil { // of any other we hold nothing
		c.lane.release(s)
	}
}

func (l *lane) hold(s signed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := s.tx.Nonce()
	h := l.held[n]
	if h == nil {
		h = &slot{}
		l.held[n] = h
	}
	for _, t := range h.txs {
		if t.TxID == s.TxID {
			return
		}
	}
	h.txs = append(h.txs, s)
	// Stored transactions may come in any order; the best paid is the newest.
	slices.SortStableFunc(h.txs, func(a, b signed) int { return a.tx.GasFeeCapCmp(b.tx) })
}

// took notes that an endpoint has taken s.
func (l *lane) took(s signed, now time.Time) {
	l.change(s, func(t *signed) { t.since, t.taken, t.refused, t.barred = now, true, false, false })
}

// refused notes that an endpoint wants more for s.
func (l *lane) refused(s signed) { l.change(s, func(t *signed) { t.refused = true }) }

// barred notes that no endpoint takes s, whatever it pays.
func (l *lane) barred(s signed) { l.change(s, func(t *signed) { t.barred = true }) }

// change changes what is held of s, if anything is.
func (l *lane) change(s signed, how func(*signed)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.held[s.tx.Nonce()]; h != nil {
		for i := range h.txs {
			if h.txs[i].TxID == s.TxID {
				how(&h.txs[i])
			}
		}
	}
}

func (l *lane) release(s signed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.held[s.tx.Nonce()]
	if h == nil {
		return
	}
	h.txs = slices.DeleteFunc(h.txs, func(t signed) bool { return t.TxID == s.TxID })
	if len(h.txs) == 0 {
		delete(l.held, s.tx.Nonce())
	}
}

// free returns the lowest nonce that nothing holds, from the chain's count on;
// when onTop, the lowest above all held.
func (l *lane) free(count uint64, onTop bool) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trim(count)
	n := count
	if onTop {
		for held := range l.held {
			n = max(n, held+1)
		}
		return n
	}
	for l.held[n] != nil {
		n++
	}
	return n
}

// trim forgets nonces that were used long ago.
func (l *lane) trim(count uint64) {
	if len(l.held) <= 2*laneLength {
		return
	}
	for n := range l.held {
		if n+laneLength < count {
			delete(l.held, n)
		}
	}
}

// waiting lists, in order, the newest transaction of each nonce that the chain
// has not used.
func (l *lane) waiting(count uint64) []signed {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []signed
	for n, h := range l.held {
		if n >= count {
			all = append(all, h.newest())
		}
	}
	slices.SortFunc(all, func(a, b signed) int {
		if a.tx.Nonce() < b.tx.Nonce() {
			return -1
		}
		return 1
	})
	return all
}

// used lists, in order, what was made for this and has a nonce that the chain has
// used.
func (l *lane) used(id contracts.Hash, side trade.Side, p trade.Purpose, count uint64) (all []signed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n, h := range l.held {
		for _, t := range h.txs {
			if n < count && t.ID == id && t.Side == side && t.Purpose == p {
				all = append(all, t)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b signed) int { return cmp.Compare(a.tx.Nonce(), b.tx.Nonce()) })
	return all
}

// versions lists all transactions of one nonce.
func (l *lane) versions(nonce uint64) []signed {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.held[nonce]; h != nil {
		return slices.Clone(h.txs)
	}
	return nil
}

// outlay is what waiting transactions take from the account at most.
func outlay(waiting []signed) contracts.Amount {
	var sum contracts.Amount
	for _, s := range waiting {
		sum = sum.Plus(amountOf(s.tx.Cost()))
	}
	return sum
}

// promised is the tokens that waiting transactions take, and allowance what spender
// may still take once all of them are mined, beginning with what it may take now.
func (c *Chain) promised(waiting []signed, token, spender contracts.Address, now contracts.Amount) (tokens, allowance contracts.Amount) {
	allowance = now
	approve := contracts.ApproveCall(spender, contracts.Amount{})[:36]
	transfer := contracts.TransferCall(contracts.Address{}, contracts.Amount{})[:4]
	for _, s := range waiting {
		to, data := s.tx.To(), s.tx.Data()
		switch {
		case to == nil:
		case *to == token && len(data) == 68 && bytes.Equal(data[:36], approve):
			allowance = wordAt(data, 36)
		case *to == token && len(data) == 68 && bytes.Equal(data[:4], transfer):
			tokens = tokens.Plus(wordAt(data, 36))
		default:
			of, amount := c.spends(s)
			if of != token {
				continue
			}
			tokens = tokens.Plus(amount)
			if *to == spender {
				allowance = less(allowance, amount)
			}
		}
	}
	return tokens, allowance
}

// spends is the tokens that one of our contracts takes of us by s; no tokens have
// the zero address.
func (c *Chain) spends(s signed) (token contracts.Address, amount contracts.Amount) {
	switch data := s.tx.Data(); {
	case *s.tx.To() == c.cfg.Contract && s.Purpose == trade.Lock && len(data) == 164:
		return contracts.Address(data[80:100]), wordAt(data, 36)
	case *s.tx.To() == c.cfg.Channels:
		token, amount, _ = contracts.ReadSpend(data)
	}
	return token, amount
}

// wordAt reads one word of call data.
func wordAt(data []byte, at int) contracts.Amount {
	return amountOf(new(big.Int).SetBytes(data[at : at+32]))
}

// less is a-b, or nothing when b is more.
func less(a, b contracts.Amount) contracts.Amount {
	if a.Less(b) {
		return contracts.Amount{}
	}
	return a.Minus(b)
}
