package evm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"photon/contracts"
	"photon/swap/trade"
)

// An endpoint can leave a log out, and nothing in an answer shows it. So what the
// logs say of every leg is held against the contract's own word, which another
// endpoint gives where there is one. Where the two do not fit,
// every endpoint is asked for the logs of that leg, then for the transactions of
// the blocks: the secret, if it was shown, stands in one of them.

const (
	auditMost = 300 // legs compared in one step, those first that were not for longest
	auditLag  = 2   // blocks that another endpoint may be ahead of the branch
	oddMost   = 20  // legs looked for at every endpoint in one step
	oddFor    = 3   // times that a leg contradicts the contract until a person is told
	searchMax = 64  // blocks whose transactions are looked through for a secret

	// doubtTime is how long other endpoints may keep us from the next block: longer
	// than one answer, so that one that never answers is passed over afterwards.
	doubtTime = answerTime + 5*time.Second
)

// A word is what the contract says of a leg, which was at this lock and end when
// it was asked.
type word struct {
	*watched
	leg  leg
	swap contracts.Swap
	from uint64
	now  contracts.SwapState
}

// fits reports whether the contract says of the leg what f says. A lock from
// before the leg was agreed, or from after its end, is none of it.
func (w word) fits(f trade.Fate) bool {
	locked := w.now.Locked && w.now.Block >= w.from
	if f.End != nil {
		return !locked || w.now.Block > f.End.Height
	}
	return locked == (f.Lock != nil)
}

// audit compares legs with the contract at the tip and mends what was hidden, as
// far as it comes in doubtTime.
func (f *follower) audit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, doubtTime)
	defer cancel()
	f.mu.Lock()
	tip, ok := f.branch.tip()
	b, leader, words := f.branch, f.leader, f.book.unaudited(tip)
	f.mu.Unlock()
	if !ok || len(words) == 0 {
		return nil
	}
	if err := f.ask(ctx, tip, leader, words); err != nil {
		return err
	}
	var odd []word
	f.mu.Lock()
	for _, w := range words {
		switch {
		case w.fits(w.fate):
			w.audited, w.auditedAt, w.odd = tip.Hash, tip.Number, 0
		case w.scanned && len(odd) < oddMost:
			odd = append(odd, w)
		}
	}
	f.mu.Unlock()
	return f.reveal(ctx, odd, b)
}

// unaudited are legs that were not compared at the tip, and may be.
func (b book) unaudited(tip header) (words []word) {
	for l, n := range b.legs {
		if n.scanned && n.audited != tip.Hash {
			words = append(words, word{watched: n, leg: l, swap: n.swap, from: n.watch.From})
		}
	}
	slices.SortFunc(words, func(x, y word) int {
		return cmp.Or(cmp.Compare(x.auditedAt, y.auditedAt), bytes.Compare(x.key[:], y.key[:]), cmp.Compare(x.leg.Side, y.leg.Side))
	})
	return words[:min(len(words), auditMost)]
}

// ask fills in what the contract says at the tip: by the word of the first
// endpoint that has it, the one that gave the branch last. One that is ahead of
// the branch is followed from now on: the leader keeps blocks to itself.
func (f *follower) ask(ctx context.Context, tip header, leader int, words []word) error {
	var failed []error
	for _, n := range f.pool.after(leader, f.now()) {
		ahead, err := f.states(ctx, f.pool.all[n], tip, words)
		if err == nil {
			if ahead > tip.Number+auditLag && n != leader {
				f.log.Warn("another endpoint is ahead", "endpoint", f.pool.all[n].host, "height", ahead, "ours", tip.Number)
				f.pool.use(n)
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failed = append(failed, err)
	}
	return fmt.Errorf("states at %d: %w", tip.Number, errors.Join(failed...))
}

// states asks one endpoint, which must have the tip before and after, and returns
// its newest height.
func (f *follower) states(ctx context.Context, e *endpoint, tip header, words []word) (newest uint64, err error) {
	here, last := byNumber(tip.Number), &question{method: "eth_getBlockByNumber", args: []any{"latest", false}}
	if err := e.ask(ctx, []*question{here, last}); err != nil {
		return 0, err
	}
	head, err := readHeader(last.answer)
	if err != nil {
		return 0, err
	}
	if err := stands(here, tip); err != nil {
		return 0, fmt.Errorf("%s: %w", e.host, err)
	}
	qs := make([]*question, len(words), len(words)+1)
	for i, w := range words {
		qs[i] = f.read(f.cfg.Contract, w.swap.StateCall())
		qs[i].args[1] = hexutil.Uint64(tip.Number)
	}
	here = byNumber(tip.Number)
	if err := e.ask(ctx, append(qs, here)); err != nil {
		return 0, err
	}
	if err := stands(here, tip); err != nil {
		return 0, fmt.Errorf("%s: %w", e.host, err)
	}
	for i, q := range qs {
		if q.err != nil {
			return 0, q.err
		}
		if words[i].now, err = state(q.answer); err != nil {
			return 0, fmt.Errorf("%s: %w", e.host, err)
		}
	}
	return head.Number, nil
}

// stands reports whether the answer is this block. Errors: ErrForked.
func stands(q *question, h header) error {
	if q.err != nil {
		return q.err
	}
	got, err := readHeader(q.answer)
	if err == nil && got.Hash != h.Hash {
		err = fmt.Errorf("%w: block %d is %s, not %s", ErrForked, h.Number, got.Hash, h.Hash)
	}
	return err
}

// reveal asks every endpoint for what the contract says and our logs do not. What
// fits is taken; what nobody shows, a person must look at.
func (f *follower) reveal(ctx context.Context, odd []word, b branch) error {
	if len(odd) == 0 {
		return nil
	}
	var failed []error
	tip, _ := b.tip()
looks:
	for _, look := range []func(context.Context, reading, word) (trade.Fate, error){f.logged, f.shownIn} {
		for _, n := range f.pool.after(f.leader, f.now()) {
			e := f.pool.all[n]
			if e.resting(f.now()) {
				continue
			}
			var left []word
			r := reading{e, b, map[uint64][]txCall{}}
			for _, w := range odd {
				found, err := look(ctx, r, w)
				if ctx.Err() != nil {
					failed = append(failed, ctx.Err())
					break looks // what was not found in time counts as not found
				}
				if err != nil {
					failed = append(failed, err)
				}
				if err != nil || !w.fits(found) || !f.mend(w, found, tip) {
					left = append(left, w)
					continue
				}
				f.log.Warn("a log was hidden", "trade", w.leg.ID, "side", w.leg.Side, "found", e.host)
			}
			odd = left
		}
	}
	if len(odd) == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range odd {
		w.audited = tip.Hash // asked again at the next block
		if w.odd++; w.odd == oddFor {
			f.log.Error("the contract contradicts the logs of a leg, and no endpoint shows why", "trade", w.leg.ID, "side", w.leg.Side,
				"locked", w.now.Locked, "height", tip.Number)
		}
	}
	return errors.Join(failed...)
}

// mend gives a leg the fate that was found, unless it has changed meanwhile.
func (f *follower) mend(w word, found trade.Fate, tip header) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now, _ := f.branch.tip(); f.book.legs[w.leg] != w.watched || !w.scanned || now.Hash != tip.Hash {
		return false
	}
	w.fate, w.lockPriced, w.endPriced, w.odd = found, false, false, 0
	w.audited, w.auditedAt = tip.Hash, tip.Number
	return true
}

// logged is the leg's fate by the logs of one endpoint.
func (f *follower) logged(ctx context.Context, r reading, w word) (trade.Fate, error) {
	tip, _ := r.of.tip()
	events, err := f.logs(ctx, r.by.questions, w.from, tip.Number, []contracts.Hash{w.key}, r.of)
	seen := watched{watch: w.watch}
	for _, ev := range events {
		seen.apply(ev)
	}
	return seen.fate, err
}

// shownIn is the leg's fate with the secret that stands in a transaction of one
// of the blocks since the contract still said that it was locked. Whose
// transaction it is and what it calls does not matter: the secret is out.
func (f *follower) shownIn(ctx context.Context, r reading, w word) (trade.Fate, error) {
	f.mu.Lock()
	found, since := clone(w.fate), w.auditedAt
	f.mu.Unlock()
	if found.Lock == nil {
		return found, nil
	}
	tip, _ := r.of.tip()
	for height := max(since, found.Lock.Height, tip.Number-min(tip.Number, searchMax)) + 1; height <= tip.Number; height++ {
		txs, err := r.calls(ctx, height)
		if err != nil {
			return found, err
		}
		for _, tx := range txs {
			if secret, ok := findSecret(tx.Input, w.watch.Terms.Hash); ok {
				found.End = &trade.End{Kind: trade.BySecret, TxID: contracts.Hash(tx.Hash), Height: height, Secret: &secret}
				return found, nil
			}
		}
	}
	return found, nil
}

// A reading is the transactions of a branch's blocks as one endpoint shows them,
// each block asked for once, however many legs are looked for.
type reading struct {
	by   *endpoint
	of   branch
	kept map[uint64][]txCall
}

// calls are the transactions of one block; none of one that the branch has no more.
func (r reading) calls(ctx context.Context, height uint64) ([]txCall, error) {
	here, ok := r.of.at(height)
	if txs, read := r.kept[height]; read || !ok {
		return txs, nil
	}
	q := &question{method: "eth_getBlockByNumber", args: []any{hexutil.Uint64(height), true}}
	if err := r.by.ask(ctx, []*question{q}); err != nil {
		return nil, err
	}
	if err := stands(q, here); err != nil {
		return nil, err
	}
	txs, err := readCalls(q.answer)
	if err == nil {
		r.kept[height] = txs
	}
	return txs, err
}

// findSecret looks for the secret of a hash among the words of a call.
func findSecret(input []byte, hash contracts.Hash) (s contracts.Secret, ok bool) {
	for at := 4; at+len(s) <= len(input); at += len(s) {
		if s = contracts.Secret(input[at:]); s.Hash() == hash {
			return s, true
		}
	}
	return contracts.Secret{}, false
}
