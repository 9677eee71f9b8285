package evm

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"photon/contracts"
	"photon/node/channel"
)

// Tip returns the newest block: FollowChannels' when it runs, otherwise the
// endpoints'. Errors: ErrDown, ErrHead.
func (c *Chain) Tip(ctx context.Context) (channel.Head, error) {
	h, err := c.newest(ctx, &c.channels)
	if err != nil {
		return channel.Head{}, err
	}
	return channel.Head{Height: h.Number, Time: h.Time}, nil
}

// FollowChannels delivers what has become confirmed in blocks after from, in order,
// until ctx ends, whose error it then returns, or deliver fails: one News for each
// new head, and while it catches up one for each page of blocks. Only one may run.
// Errors: channel.ErrRewritten when a block whose events were delivered in this run
// is no longer there.
func (c *Chain) FollowChannels(ctx context.Context, from uint64, deliver func(context.Context, channel.News) error) error {
	if c.cfg.Channels == (contracts.Address{}) {
		return fmt.Errorf("%w: %s: no Channels to follow", ErrConfig, c.cfg.Chain)
	}
	if !c.channels.following.TryLock() {
		return fmt.Errorf("channels of %s are followed already", c.cfg.Chain)
	}
	defer c.channels.following.Unlock()
	l := c.listen(from, deliver)
	for wait := c.cfg.Poll; ; {
		more, failed := l.step(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case l.ended != nil:
			return l.ended
		case more:
			continue
		}
		wait = l.rest(wait, failed)
		if err := l.pause(ctx, wait, nil); err != nil {
			return err
		}
	}
}

// A listener is one run of FollowChannels.
type listener struct {
	climber
	deliver func(context.Context, channel.News) error
	through header      // newest block whose events were delivered; its hash once it was read
	said    common.Hash // head delivered last
	page    uint64      // blocks in one question for logs
	alone   string      // why no second endpoint was read last
	ended   error       // why it cannot go on
}

func (c *Chain) listen(from uint64, deliver func(context.Context, channel.News) error) *listener {
	return &listener{climber: c.climb(&c.channels), deliver: deliver, through: header{Number: from}, page: c.cfg.LogRange}
}

// step brings the stem up to date and tells what there is to tell, at most one page.
// more is whether the next page is there already.
func (l *listener) step(ctx context.Context) (more bool, err error) {
	g, err := l.grow(ctx)
	if err != nil {
		return false, err
	}
	if g.moved {
		l.mu.Lock()
		l.branch, l.leader = g.branch, g.by
		l.mu.Unlock()
		l.grew = l.now()
	}
	tip, ok := l.branch.tip()
	confirmed := less64(tip.Number+1, l.cfg.Depth)
	switch {
	case !ok:
		return false, nil
	case confirmed > l.through.Number:
		return l.advance(ctx, tip, confirmed)
	case tip.Number < l.through.Number:
		l.pool.pass(l.leader)
		return false, fmt.Errorf("%w: at %d, events were told up to %d", ErrHead, tip.Number, l.through.Number)
	case tip.Hash == l.said:
		return false, nil
	}
	return false, l.tell(ctx, tip, page{last: l.through})
}

// advance reads and tells the next page of what is confirmed.
func (l *listener) advance(ctx context.Context, tip header, confirmed uint64) (more bool, err error) {
	end := min(confirmed, l.through.Number+l.page)
	p, err := l.read(ctx, l.through.Number+1, end)
	if refused(err) == tooWide && l.page > 1 {
		l.page /= 2
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if l.through.Hash != (common.Hash{}) && p.parent != l.through.Hash {
		return false, l.rewritten(ctx, p.parent)
	}
	l.page = min(l.page+l.page/4+1, l.cfg.LogRange)
	return end < confirmed, l.tell(ctx, tip, p)
}

// tell delivers a page under a head.
func (l *listener) tell(ctx context.Context, tip header, p page) error {
	news := channel.News{
		Head: channel.Head{Height: tip.Number, Time: tip.Time}, Through: p.last.Number, Events: p.events, Secrets: p.secrets,
	}
	if l.ended = l.deliver(ctx, news); l.ended != nil {
		return l.ended
	}
	l.through, l.said = p.last, tip.Hash
	return nil
}

// rewritten finds out whether the block through which events were told is gone.
// While an endpoint still has it, our branch is what is doubted, and begun anew.
// Errors: channel.ErrRewritten, ErrDisagree, ErrDown.
func (l *listener) rewritten(ctx context.Context, now common.Hash) error {
	var down []error
	for _, e := range l.pool.all {
		q := byNumber(l.through.Number)
		err := e.ask(ctx, []*question{q})
		if err == nil {
			err = stands(q, l.through)
		}
		switch {
		case err == nil:
			l.mu.Lock()
			l.branch = branch{}
			l.mu.Unlock()
			l.pool.pass(l.leader)
			return fmt.Errorf("%w: block %d is %s to %s and %s to others", ErrDisagree, l.through.Number, l.through.Hash, e.host, now)
		case !errors.Is(err, ErrForked):
			down = append(down, err)
		}
	}
	if len(down) == len(l.pool.all) {
		return fmt.Errorf("%w: %w", ErrDown, errors.Join(down...))
	}
	l.ended = fmt.Errorf("%w: %s: block %d was %s and is %s", channel.ErrRewritten, l.cfg.Chain, l.through.Number, l.through.Hash, now)
	return l.ended
}

// less64 is a-b, or nothing when b is more.
func less64(a, b uint64) uint64 { return a - min(a, b) }
