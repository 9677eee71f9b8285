package evm

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"photon/contracts"
	"photon/swap/trade"
)

// fewKeys is up to how many legs are asked for by their keys; for more, all logs
// of the contract are cheaper.
const fewKeys = 64

// scan reads the past of legs that are not up to date, all in one pass.
func (c *Chain) scan(ctx context.Context) error {
	c.mu.Lock()
	fresh, from := c.book.unscanned()
	b := c.swaps.branch
	c.mu.Unlock()
	tip, ok := b.tip()
	if !ok || len(fresh) == 0 {
		return nil
	}
	var keys []contracts.Hash
	if len(fresh) <= fewKeys {
		for _, n := range fresh {
			keys = append(keys, n.key)
		}
	}
	events, err := c.logs(ctx, c.anyone, from, tip.Number, keys, b)
	if err != nil {
		return err
	}
	byKey, others := sorted(events), sorted(c.again(ctx, from, tip.Number, keys, b))
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range fresh {
		n.fate, n.scanned, n.lockPriced, n.endPriced = trade.Fate{}, true, false, false
		found := byKey[n.key]
		if len(found) < len(others[n.key]) {
			found = others[n.key]
		}
		for _, e := range found {
			n.apply(e)
		}
	}
	return nil
}

// again reads the same past from a second endpoint, where one is well: of a leg
// whose lock and end are both left out, the contract itself says nothing either.
// It is given no more than doubtTime.
func (c *Chain) again(ctx context.Context, from, to uint64, keys []contracts.Hash, b branch) []event {
	c.pool.mu.Lock()
	first := c.pool.at
	c.pool.mu.Unlock()
	n := c.pool.after(first, c.now())[0]
	if n == first || c.pool.all[n].resting(c.now()) {
		return nil
	}
	soon, cancel := context.WithTimeout(ctx, doubtTime)
	defer cancel()
	events, err := c.logs(soon, c.pool.all[n].questions, from, to, keys, b)
	if err != nil && ctx.Err() == nil {
		c.log.Warn("the past was read from one endpoint only", "from", from, "to", to, "err", err)
	}
	return events
}

// sorted puts events under the keys of their legs, in their order.
func sorted(events []event) map[contracts.Hash][]event {
	byKey := map[contracts.Hash][]event{}
	for _, e := range events {
		byKey[e.Key] = append(byKey[e.Key], e)
	}
	return byKey
}

// An asker puts questions to one endpoint, or to whichever answers.
type asker func(context.Context, ...*question) error

// anyone asks whichever endpoint answers.
func (c *Chain) anyone(ctx context.Context, qs ...*question) error {
	_, err := c.pool.ask(ctx, qs...)
	return err
}

// logs are the events of HashLock from a height to another, in their order, of
// these keys or of all. They must lie in blocks of b, as far as b is kept.
// Errors: ErrForked when an endpoint reads from another branch.
func (c *Chain) logs(ctx context.Context, ask asker, from, to uint64, keys []contracts.Hash, b branch) ([]event, error) {
	topics := []any{contractHashes(contracts.HashLockTopics())}
	if len(keys) > 0 {
		topics = append(topics, contractHashes(keys))
	}
	var all []event
	for from <= to {
		end := min(to, from+c.page-1)
		events, err := c.logPage(ctx, ask, from, end, topics, b)
		if refused(err) == tooWide && c.page > 1 {
			c.page /= 2
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, events...)
		from = end + 1
		c.page = min(c.page+c.page/4+1, c.cfg.LogRange)
	}
	return all, nil
}

// logPage asks for the logs of a range together with its last block, so that an
// endpoint that does not have that block cannot answer with too few.
func (c *Chain) logPage(ctx context.Context, ask asker, from, to uint64, topics []any, b branch) ([]event, error) {
	q := &question{method: "eth_getLogs", args: []any{map[string]any{
		"fromBlock": hexutil.Uint64(from), "toBlock": hexutil.Uint64(to),
		"address": c.cfg.Contract, "topics": topics,
	}}}
	last := byNumber(to)
	if err := ask(ctx, q, last); err != nil {
		return nil, err
	}
	for _, asked := range []*question{q, last} {
		if asked.err != nil {
			return nil, asked.err
		}
	}
	h, err := readHeader(last.answer)
	if err != nil {
		return nil, err
	}
	if kept, ok := b.at(to); h.Number != to || (ok && kept.Hash != h.Hash) {
		return nil, fmt.Errorf("%w: at height %d", ErrForked, to)
	}
	logs, err := readLogs(q.answer)
	if err != nil {
		return nil, err
	}
	var events []event
	for _, l := range logs {
		e, counts, err := c.event(l, from, to, b)
		if err != nil {
			return nil, err
		}
		if counts {
			events = append(events, e)
		}
	}
	return events, nil
}

// event reads one log. A log of another contract does not count, whoever sent it
// along.
func (c *Chain) event(l entry, from, to uint64, b branch) (e event, counts bool, err error) {
	if l.Address != c.cfg.Contract {
		return event{}, false, nil
	}
	if l.Height < from || l.Height > to {
		return event{}, false, fmt.Errorf("%w: log of height %d in %d to %d", ErrAnswer, l.Height, from, to)
	}
	if kept, ok := b.at(l.Height); ok && kept.Hash != l.Block {
		return event{}, false, fmt.Errorf("%w: log at height %d", ErrForked, l.Height)
	}
	what, err := contracts.ReadHashLockLog(l.Topics, l.Data)
	if err != nil {
		return event{}, false, err
	}
	return event{what, l.TxID, l.Height}, true, nil
}

// contractHashes writes hashes as JSON-RPC wants them.
func contractHashes(hs []contracts.Hash) []hexutil.Bytes {
	out := make([]hexutil.Bytes, len(hs))
	for i, h := range hs {
		out[i] = h[:]
	}
	return out
}

// payments looks up what our own transactions cost.
func (c *Chain) payments(ctx context.Context) error {
	ids := c.unpriced()
	if len(ids) == 0 {
		return nil
	}
	fees, err := c.paid(ctx, ids)
	if err != nil {
		return fmt.Errorf("fees: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.book.legs {
		if l := n.fate.Lock; l != nil && !n.lockPriced {
			if fee, ok := fees[l.TxID]; ok {
				l.Fee, n.lockPriced = fee, true
				for _, id := range c.approvals(n) { // part of what the lock cost; 0 for one that another took the place of
					l.Fee = l.Fee.Plus(fees[id])
				}
			}
		}
		if e := n.fate.End; e != nil && !n.endPriced {
			if fee, ok := fees[e.TxID]; ok {
				e.Fee, n.endPriced = fee, true
			}
		}
	}
	return nil
}

// fewFees is how many fees are looked up at once, so that a start with many legs
// is not held up by what is only to be shown.
const fewFees = 300

// unpriced lists some of the transactions that may be ours and whose fee is not
// known: locks of our legs, and ends that only we have a reason to make.
func (c *Chain) unpriced() []contracts.Hash {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []contracts.Hash
	for l, n := range c.book.legs {
		if len(ids) >= fewFees {
			break
		}
		if n.fate.Lock != nil && !n.lockPriced && l.Side == trade.Ours {
			ids = append(ids, n.fate.Lock.TxID)
			ids = append(ids, c.approvals(n)...)
		}
		if e := n.fate.End; e != nil && !n.endPriced && (e.Kind == trade.ByTime) == (l.Side == trade.Ours) {
			ids = append(ids, e.TxID)
		}
	}
	return ids
}

// approvals are our transactions that let HashLock take a leg's tokens.
func (c *Chain) approvals(n *watched) []contracts.Hash {
	if n.watch.Terms.Asset.IsNative() {
		return nil
	}
	return c.lane.approvals(n.watch.ID)
}

// paid returns what transactions cost us; 0 for those that another sent. One
// that is not mined is left out.
func (c *Chain) paid(ctx context.Context, ids []contracts.Hash) (map[contracts.Hash]contracts.Amount, error) {
	fees := map[contracts.Hash]contracts.Amount{}
	answers, err := c.each(ctx, "eth_getTransactionReceipt", ids)
	if err != nil {
		return nil, err
	}
	var bare []receipt // receipts that do not say the price
	for _, raw := range answers {
		r, mined, err := readReceipt(raw)
		switch {
		case err != nil:
			return nil, err
		case !mined:
		case r.From != c.account:
			fees[r.TxID] = contracts.Amount{}
		case r.Price == nil:
			bare = append(bare, r)
		default:
			fees[r.TxID] = Price{Cap: r.Price}.fee(r.Gas)
		}
	}
	var unsaid []contracts.Hash
	for _, r := range bare {
		unsaid = append(unsaid, r.TxID)
	}
	if answers, err = c.each(ctx, "eth_getTransactionByHash", unsaid); err != nil {
		return nil, err
	}
	for i, r := range bare {
		price, err := readPrice(answers[i])
		if err != nil {
			return nil, err
		}
		fees[r.TxID] = Price{Cap: price}.fee(r.Gas)
	}
	return fees, nil
}

// each asks one question about every id.
func (c *Chain) each(ctx context.Context, method string, ids []contracts.Hash) ([]json.RawMessage, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	qs := make([]*question, len(ids))
	for i, id := range ids {
		qs[i] = &question{method: method, args: []any{hash(id)}}
	}
	if _, err := c.pool.ask(ctx, qs...); err != nil {
		return nil, err
	}
	answers := make([]json.RawMessage, len(ids))
	for i, q := range qs {
		if q.err != nil {
			return nil, q.err
		}
		answers[i] = q.answer
	}
	return answers, nil
}

// displaced forgets transactions of ours that will never be mined: at the tip,
// their nonce is used, and what they should have done is not done.
func (c *Chain) displaced(ctx context.Context) error {
	c.mu.Lock()
	tip, ok := c.swaps.branch.tip()
	waits := false
	for _, n := range c.book.legs {
		waits = waits || n.scanned && n.waits()
	}
	c.mu.Unlock()
	if !ok || !waits {
		return nil
	}
	raw, err := c.pool.one(ctx, "eth_getTransactionCount", c.account, hexutil.Uint64(tip.Number))
	if err != nil {
		return fmt.Errorf("nonce at %d: %w", tip.Number, err)
	}
	used, err := readNumber(raw)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.book.legs {
		if !n.scanned || !n.waits() {
			continue
		}
		for p, s := range n.sent {
			if s.nonce < used {
				delete(n.sent, p)
			}
		}
	}
	return nil
}
