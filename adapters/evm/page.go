package evm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"photon/contracts"
	"photon/node/channel"
)

// A page is what a range of blocks holds for us.
type page struct {
	parent  common.Hash // of the first
	last    header
	logs    []entry // of our contracts, in their order
	events  []channel.Happened
	secrets []channel.Registered
}

// read is the page of blocks from a height to another. A second endpoint, where one
// is well, must show the same; while it does not, others are asked in turn. Errors:
// ErrForked, ErrDisagree, ErrAnswer, contracts.ErrAnswer, ErrDown.
func (l *listener) read(ctx context.Context, from, to uint64) (p page, err error) {
	by := -1
	defer func() {
		if err != nil {
			l.pool.pass(by)
		}
	}()
	p, err = l.shown(ctx, from, to, func(ctx context.Context, qs ...*question) (err error) {
		by, err = l.pool.ask(ctx, qs...)
		return err
	})
	if err != nil {
		return page{}, err
	}
	if n := l.pool.after(by, l.now())[0]; n != by && !l.pool.all[n].resting(l.now()) {
		if p.logs, err = l.compared(ctx, p, from, l.pool.all[by], l.pool.all[n]); err != nil {
			return page{}, err
		}
	}
	for _, e := range p.logs {
		switch e.Address {
		case l.cfg.Channels:
			what, err := contracts.ReadChannelLog(e.Topics, e.Data)
			if err != nil {
				return page{}, err
			}
			if what.First == l.account || what.Second == l.account {
				p.events = append(p.events, channel.Happened{ChannelEvent: what, Block: e.Height})
			}
		case l.cfg.Registry:
			secret, err := contracts.ReadRegisteredLog(e.Topics, e.Data)
			if err != nil {
				return page{}, err
			}
			p.secrets = append(p.secrets, channel.Registered{Secret: secret, Block: e.Height})
		}
	}
	return p, nil
}

// shown asks for the logs of a range together with its first and last block, so that
// an endpoint that does not have that block cannot answer with too few. A channel's
// events are asked for twice: by its first party and by its second.
func (l *listener) shown(ctx context.Context, from, to uint64, ask asker) (page, error) {
	us, kinds := contractHashes([]contracts.Hash{contracts.PartyTopic(l.account)}), contractHashes(contracts.ChannelTopics())
	logs := func(at contracts.Address, topics ...any) *question {
		return &question{method: "eth_getLogs", args: []any{map[string]any{
			"fromBlock": hexutil.Uint64(from), "toBlock": hexutil.Uint64(to), "address": at, "topics": topics,
		}}}
	}
	qs := []*question{
		logs(l.cfg.Channels, kinds, nil, us), logs(l.cfg.Channels, kinds, nil, nil, us),
		logs(l.cfg.Registry, contractHashes([]contracts.Hash{contracts.RegisteredTopic()})),
		byNumber(from), byNumber(to),
	}
	if err := ask(ctx, qs...); err != nil {
		return page{}, err
	}
	for _, q := range qs {
		if q.err != nil {
			return page{}, q.err
		}
	}
	first, err := readHeader(qs[3].answer)
	if err != nil {
		return page{}, err
	}
	p := page{parent: first.Parent}
	if p.last, err = readHeader(qs[4].answer); err != nil {
		return page{}, err
	}
	for _, h := range []struct {
		header
		at uint64
	}{{first, from}, {p.last, to}} {
		if kept, ok := l.branch.at(h.at); h.Number != h.at || (ok && kept.Hash != h.Hash) {
			return page{}, fmt.Errorf("%w: at height %d", ErrForked, h.at)
		}
	}
	for _, q := range qs[:3] {
		all, err := readLogs(q.answer)
		if err != nil {
			return page{}, err
		}
		for _, e := range all {
			counts, err := l.counts(e, from, to)
			if err != nil {
				return page{}, err
			}
			if counts {
				p.logs = append(p.logs, e)
			}
		}
	}
	slices.SortFunc(p.logs, inOrder)
	p.logs = slices.CompactFunc(p.logs, entry.same)
	return p, nil
}

// counts reports whether a log is one of our contracts', in a block of the range.
// Errors: ErrAnswer, ErrForked.
func (l *listener) counts(e entry, from, to uint64) (bool, error) {
	if e.Address != l.cfg.Channels && e.Address != l.cfg.Registry {
		return false, nil
	}
	if e.Height < from || e.Height > to {
		return false, fmt.Errorf("%w: log of height %d in %d to %d", ErrAnswer, e.Height, from, to)
	}
	if kept, ok := l.branch.at(e.Height); ok && kept.Hash != e.Block {
		return false, fmt.Errorf("%w: log at height %d", ErrForked, e.Height)
	}
	return true, nil
}

// inOrder is the order of the chain.
func inOrder(a, b entry) int {
	return cmp.Or(cmp.Compare(a.Height, b.Height), cmp.Compare(a.Index, b.Index))
}

// same reports whether two logs are one.
func (e entry) same(o entry) bool {
	return e.Address == o.Address && e.Height == o.Height && e.Block == o.Block && e.TxID == o.TxID && e.Index == o.Index &&
		slices.Equal(e.Topics, o.Topics) && bytes.Equal(e.Data, o.Data)
}

// compared is the logs of a page that one endpoint has shown, held against what
// another shows, which is given no more than doubtTime and passed over when it has no
// answer. What only one shows counts when the other has it in the receipt of its
// transaction: nodes often know their blocks before they can search them. Errors:
// ErrDisagree.
func (l *listener) compared(ctx context.Context, p page, from uint64, by, other *endpoint) ([]entry, error) {
	soon, cancel := context.WithTimeout(ctx, doubtTime)
	defer cancel()
	q, err := l.shown(soon, from, p.last.Number, other.questions)
	if err != nil {
		if l.alone != err.Error() && ctx.Err() == nil {
			l.alone = err.Error()
			l.log.Warn("events are read from one endpoint only", "from", from, "to", p.last.Number, "err", err)
		}
		return p.logs, ctx.Err()
	}
	l.alone = ""
	if q.parent != p.parent || q.last.Hash != p.last.Hash {
		return nil, fmt.Errorf("%w: blocks %d to %d of %s and of %s", ErrDisagree, from, p.last.Number, by.host, other.host)
	}
	all := slices.Clone(p.logs)
	for _, e := range lacks(p.logs, q.logs) {
		if err := l.has(soon, by, e); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	for _, e := range lacks(q.logs, p.logs) {
		if err := l.has(soon, other, e); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, inOrder)
	return all, nil
}

// lacks are the logs that others hold and these, in order as well, do not.
func lacks(these, others []entry) (all []entry) {
	for _, e := range others {
		i, found := slices.BinarySearchFunc(these, e, inOrder)
		if !found || !these[i].same(e) {
			all = append(all, e)
		}
	}
	return all
}

// has checks that an endpoint, which did not show a log, has it in a receipt. Errors:
// ErrDisagree, and the endpoint's.
func (l *listener) has(ctx context.Context, by *endpoint, e entry) error {
	q := &question{method: "eth_getTransactionReceipt", args: []any{hash(e.TxID)}}
	if err := by.ask(ctx, []*question{q}); err != nil {
		return err
	}
	r, mined, err := readReceipt(q.answer)
	if err = errors.Join(q.err, err); err != nil {
		return fmt.Errorf("%s: %w", by.host, err)
	}
	if !mined || !slices.ContainsFunc(r.Logs, e.same) {
		return fmt.Errorf("%w: %s does not have log %d of block %d, which another shows", ErrDisagree, by.host, e.Index, e.Height)
	}
	l.log.Warn("a log was left out", "endpoint", by.host, "height", e.Height, "index", e.Index)
	return nil
}
