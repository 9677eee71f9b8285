package sim

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/core/types"

	"photon/contracts"
	"photon/node/channel"
)

// Channels is the contract that the channels are at; registry dates secrets for it.
func (a *Account) Channels() (channels contracts.Channels, registry contracts.Address) {
	return a.chain.Channels()
}

// Tip returns the newest block. Errors: ErrStopped, ErrDown.
func (a *Account) Tip(context.Context) (channel.Head, error) {
	if err := a.lookout.ask(); err != nil {
		return channel.Head{}, err
	}
	h := a.chain.head(a.endpoint.upTo())
	return channel.Head{Height: h.Height, Time: h.Time}, nil
}

// FollowChannels delivers what has become confirmed in blocks after from, in order,
// until ctx ends: one News a new head at least. While the endpoint is down it waits,
// and while it lies it tells heads and no events. Errors: channel.ErrRewritten,
// ErrStopped, and deliver's.
func (a *Account) FollowChannels(ctx context.Context, from uint64, deliver func(context.Context, channel.News) error) error {
	r := reading{us: a.address(), through: from}
	for {
		next := a.endpoint.next()
		if err := a.life.Alive(); err != nil {
			return err
		}
		if a.lookout.ask() == nil {
			n, is, err := a.chain.read(&r, a.endpoint.upTo(), !a.endpoint.tellsLies())
			if err == nil && is {
				err = deliver(ctx, n)
			}
			if err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-next:
		}
	}
}

// A reading is how far one party has been told of its channels.
type reading struct {
	us      contracts.Address
	through uint64         // block: all events up to it are told
	base    contracts.Hash // of that block, once it was seen
	head    contracts.Hash // that was told last
	height  uint64         // of that head
}

// read is the news after r for one who sees blocks up to a height, and moves r
// there. Events are told if they are confirmed and agreed.
// Errors: channel.ErrRewritten, contracts.ErrAnswer.
func (e *Contracts) read(r *reading, upTo uint64, agreed bool) (n channel.News, is bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	top := min(uint64(len(e.blocks)-1), upTo)
	if r.through <= top {
		if base := e.blocks[r.through].hash; r.base.IsZero() {
			r.base = base
		} else if r.base != base {
			return n, false, fmt.Errorf("%s: %w: block %d is another", e.chain, channel.ErrRewritten, r.through)
		}
	}
	confirmed := top + 1 - min(e.depth, top+1)
	if !agreed || confirmed < r.through {
		confirmed = r.through
	}
	head := e.blocks[top]
	if top < r.height || (head.hash == r.head && confirmed == r.through) {
		return n, false, nil
	}
	n = channel.News{Head: channel.Head{Height: top, Time: head.time}, Through: confirmed}
	for height := r.through + 1; height <= confirmed; height++ {
		for _, x := range e.blocks[height].done {
			for _, l := range x.logs {
				if err := e.tell(&n, r.us, l, height); err != nil {
					return n, false, err
				}
			}
		}
	}
	r.head, r.height = head.hash, top
	if confirmed > r.through {
		r.through, r.base = confirmed, e.blocks[confirmed].hash
	}
	return n, true, nil
}

// tell adds what a log says of a party's channels, or of a secret.
func (e *Contracts) tell(n *channel.News, us contracts.Address, l *types.Log, height uint64) error {
	topics := topicsOf(l)
	switch l.Address {
	case e.channels:
		if len(topics) != 4 {
			return nil // what a payment that failed has left
		}
		ev, err := contracts.ReadChannelLog(topics, l.Data)
		if err != nil {
			return err
		}
		if ev.First == us || ev.Second == us {
			n.Events = append(n.Events, channel.Happened{ChannelEvent: ev, Block: height})
		}
	case e.registry:
		s, err := contracts.ReadRegisteredLog(topics, l.Data)
		if err != nil {
			return err
		}
		n.Secrets = append(n.Secrets, channel.Registered{Secret: s, Block: height})
	}
	return nil
}

func topicsOf(l *types.Log) []contracts.Hash {
	topics := make([]contracts.Hash, len(l.Topics))
	for i, t := range l.Topics {
		topics[i] = contracts.Hash(t)
	}
	return topics
}
