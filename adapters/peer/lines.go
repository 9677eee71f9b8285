package peer

import (
	"container/list"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"photon/contracts"
)

// MaxLong is the most bytes that a body on a line may have, and its answer.
const MaxLong = 256 << 10

// errNobody is final as errNoAddress is.
var errNobody = fmt.Errorf("%w: no node of the account is known", ErrUnreachable)

// A LineHandler answers a request of an account whose node has greeted. Its error
// is told to the asker. It is called once for a request, one at a time for a node
// and in the order in which that asked; ctx ends after [Config].AnswerWithin, or
// when the node closes.
type LineHandler func(ctx context.Context, from contracts.Address, body []byte) ([]byte, error)

// Lines carry requests between accounts in the order in which they are given. To
// each account leads one line: a stream that is kept for the next request, made
// anew when it breaks, and then the request is sent again with the same id.
type Lines struct {
	node    *Node
	met     chan contracts.Address
	keeping sync.Mutex // one at a time writes the node of an account down

	mu      sync.Mutex // guards the rest
	handler LineHandler
	all     map[contracts.Address]*party
	recent  *list.List // of the parties that we do not trust, heard of last in front
	arrived crowd      // to be delivered by Met
	unkept  crowd      // whose node is to be written down
}

func newLines(n *Node) *Lines {
	return &Lines{
		node: n, met: make(chan contracts.Address), all: map[contracts.Address]*party{}, recent: list.New(),
		arrived: newCrowd(), unkept: newCrowd(),
	}
}

// start begins to deliver to Met. Errors: ErrClosed.
func (l *Lines) start() error {
	leave, err := l.node.enter()
	if err != nil {
		return err
	}
	go func() {
		defer leave()
		l.deliver()
	}()
	return nil
}

// Handle sets who answers requests. Until then they are answered busy.
func (l *Lines) Handle(h LineHandler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handler = h
}

func (l *Lines) handling() LineHandler {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handler
}

// Tell is Ask for an answer that says nothing but that body has been taken.
func (l *Lines) Tell(ctx context.Context, to contracts.Address, body []byte) error {
	_, err := l.Ask(ctx, to, body)
	return err
}

// Ask sends body to the newest node that has proved to speak for an account, and
// returns its answer. Requests to one account are delivered one after the other,
// first given first. While the line fails, or the other is busy, it is tried again
// until ctx ends; the other's handler sees it once while it remembers it. Errors:
// ErrUnreachable, at once when no node of the account is known, ErrRefused,
// ErrBusy, ErrRealm, ErrVersion, ErrBinding, ErrSize, ErrFrame, ErrClosed.
func (l *Lines) Ask(ctx context.Context, to contracts.Address, body []byte) ([]byte, error) {
	n := l.node
	if len(body) > MaxLong {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrSize, len(body), MaxLong)
	}
	if to == n.greeting.account {
		return nil, fmt.Errorf("%w: %s is ourselves", ErrUnreachable, to)
	}
	q := request{kind: ask, body: body}
	if _, err := rand.Read(q.id[:]); err != nil {
		return nil, fmt.Errorf("id of a request: %w", err)
	}
	leave, err := n.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := n.alsoByClose(context.WithCancel(ctx))
	defer cancel()
	p, turn := l.queueUp(to)
	defer l.stepBack(p, turn)
	select {
	case <-turn:
	case <-ctx.Done():
		return nil, n.outOfTime(ctx, to, ErrBusy)
	}
	answer, err := n.again(ctx, to, func() (answer, error) { return l.try(ctx, p, q) })
	if err == nil {
		l.want(p)
	}
	return answer, err
}

// try sends q once. Only who has p's turn calls it. Errors: errNobody, what the
// other's greeting is refused for, errNoAddress, ErrFrame, the line's.
func (l *Lines) try(ctx context.Context, p *party, q request) (answer, error) {
	id, err := l.nodeOf(ctx, p)
	if err != nil {
		return answer{}, err
	}
	if p.line != nil && (p.line.Conn().RemotePeer() != id || p.line.Conn().IsClosed()) {
		l.hangUp(p) // the account speaks from another node now, or is to be dialed again
	}
	if p.line == nil {
		if p.line, err = l.call(ctx, p, id); err != nil {
			return answer{}, fmt.Errorf("%s: %w", id, err)
		}
	}
	s := p.line
	stop := context.AfterFunc(ctx, func() { l.node.drop(s) })
	a, err := l.say(s, q)
	if !stop() || err != nil || (a.status != done && a.status != refused) {
		l.hangUp(p)
	}
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", id, err)
	}
	return a, nil
}

// hangUp ends p's line. Only who has p's turn calls it.
func (l *Lines) hangUp(p *party) {
	l.node.drop(p.line)
	p.line = nil
}

// call opens a line to p's node. Errors: as try.
func (l *Lines) call(ctx context.Context, p *party, id peer.ID) (network.Stream, error) {
	n := l.node
	other := n.partners.use(id)
	defer n.partners.release(other)
	s, err := n.open(ctx, other, lineID)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { n.drop(s) })
	err = s.SetDeadline(time.Now().Add(n.cfg.Patience))
	var g greeting
	if err == nil {
		_, unsent := s.Write(n.greeting.encode())
		g, err = n.hearBack(s, other)
		if err != nil {
			err = errors.Join(err, unsent)
		}
	}
	if err == nil && g.account != p.account {
		err = fmt.Errorf("%w: it speaks for %s now", errNobody, g.account)
		n.drop(s)
	} else if err != nil {
		err = n.giveUp(s, err)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// say sends q on an open line and hears the answer. Whoever is silent for
// Patience is asked again on a new line: that costs little when its handler is
// only slow, and a line that is dead without our knowing shows there. Errors:
// ErrFrame, the line's.
func (l *Lines) say(s network.Stream, q request) (answer, error) {
	if err := s.SetDeadline(time.Now().Add(l.node.cfg.Patience)); err != nil {
		return answer{}, fmt.Errorf("set a deadline: %w", err)
	}
	_, unsent := s.Write(appendLong(nil, q.id[:], q.body))
	// Whoever has turned us away has said why.
	a, err := readLongAnswer(s, q.id)
	if err != nil {
		return answer{}, errors.Join(err, unsent)
	}
	return a, nil
}
