package peer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multistream"
)

// How long to wait before a request is tried again: from first, doubled each
// time, to most.
const (
	againFirst = 20 * time.Millisecond
	againMost  = 2 * time.Second
)

// errNoAddress is final: trying again does not find one.
var errNoAddress = fmt.Errorf("%w: no address is known", ErrUnreachable)

// Ask sends body to a node and returns its answer. While the line fails, or the
// other is busy, it is tried again until ctx ends; the other's handler sees it
// once. Errors: ErrRefused, ErrUnreachable, ErrBusy, ErrRealm, ErrVersion,
// ErrBinding, ErrIdentity, ErrSize, ErrFrame, ErrClosed.
func (n *Node) Ask(ctx context.Context, to string, body []byte) ([]byte, error) {
	id, _, err := parseIdentity(to)
	if err != nil {
		return nil, err
	}
	if len(body) > MaxBody {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrSize, len(body), MaxBody)
	}
	q := request{kind: ask, body: body}
	if _, err := rand.Read(q.id[:]); err != nil {
		return nil, fmt.Errorf("id of a request: %w", err)
	}
	return n.exchange(ctx, id, q)
}

// exchange sends q until it is answered. Errors: as Ask.
func (n *Node) exchange(ctx context.Context, id peer.ID, q request) ([]byte, error) {
	leave, err := n.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if id == n.host.ID() {
		return nil, fmt.Errorf("%w: %s is ourselves", ErrUnreachable, id)
	}
	ctx, cancel := n.untilClosed(ctx)
	defer cancel()
	p := n.partners.use(id)
	defer n.partners.release(p)
	select { // no more at a time than the other would answer
	case p.asks <- struct{}{}:
		defer func() { <-p.asks }()
	case <-ctx.Done():
		return nil, n.outOfTime(ctx, id, ErrBusy)
	}
	body, err := n.untilAnswered(ctx, p, q)
	if err == nil && n.partners.toNote(p) {
		if err := n.remember(ctx, p, ""); err != nil {
			n.log.Warn("addresses not kept", "partner", id, "err", err)
		}
	}
	return body, err
}

// untilClosed is ctx, ended also by Close, and with a deadline in any case.
func (n *Node) untilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return n.alsoByClose(context.WithCancel(ctx))
	}
	return n.alsoByClose(context.WithTimeout(ctx, n.cfg.AskWithin))
}

// alsoByClose has Close cancel ctx too.
func (n *Node) alsoByClose(ctx context.Context, cancel context.CancelFunc) (context.Context, context.CancelFunc) {
	stop := context.AfterFunc(n.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// untilAnswered tries until the other has answered or ctx ends.
func (n *Node) untilAnswered(ctx context.Context, p *partner, q request) ([]byte, error) {
	if _, greeted := n.partners.greeting(p.id); !greeted && q.kind != hello {
		// Our words are for a node that has shown who it is.
		if _, err := n.untilAnswered(ctx, p, request{kind: hello}); err != nil {
			return nil, err
		}
	}
	return n.again(ctx, p.id, func() (answer, error) { return n.try(ctx, p, q) })
}

// again tries until who has answered or ctx ends.
func (n *Node) again(ctx context.Context, who fmt.Stringer, try func() (answer, error)) ([]byte, error) {
	for wait := againFirst; ; wait = min(2*wait, againMost) {
		a, err := try()
		if err == nil {
			if a.status == done {
				return a.body, nil
			}
			err = fmt.Errorf("%s: %w", who, a.error())
		}
		if !passing(err) {
			return nil, err
		}
		n.log.Debug("will ask again", "partner", who, "err", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, n.outOfTime(ctx, who, err)
		}
	}
}

// outOfTime is the end of trying, with what went wrong last.
func (n *Node) outOfTime(ctx context.Context, who fmt.Stringer, last error) error {
	switch {
	case n.ctx.Err() != nil:
		return fmt.Errorf("%w: asking %s", ErrClosed, who)
	case errors.Is(last, ErrBusy), errors.Is(last, ErrUnreachable):
		return fmt.Errorf("asking %s: %w: %w", who, last, ctx.Err())
	}
	return fmt.Errorf("%w: asking %s: %w: %w", ErrUnreachable, who, ctx.Err(), last)
}

// passing reports whether what failed may work when it is tried again.
func passing(err error) bool {
	for _, final := range []error{errNoAddress, errNobody, ErrRefused, ErrRealm, ErrVersion, ErrBinding, ErrFrame} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}

// try sends q once over one stream. Errors: what the other's greeting is refused
// for, errNoAddress, the line's.
func (n *Node) try(ctx context.Context, p *partner, q request) (answer, error) {
	s, err := n.open(ctx, p, protocolID)
	if err != nil {
		return answer{}, err
	}
	stop := context.AfterFunc(ctx, func() { n.drop(s) })
	defer stop()
	a, err := n.converse(ctx, s, p, q)
	if err != nil {
		err = n.giveUp(s, err)
	}
	return a, err
}

// open opens a stream to p. Errors: ErrVersion, dial's, the line's.
func (n *Node) open(ctx context.Context, p *partner, as protocol.ID) (network.Stream, error) {
	if err := n.dial(ctx, p); err != nil {
		return nil, err
	}
	opening, cancel := context.WithTimeout(ctx, n.cfg.Patience)
	defer cancel()
	s, err := n.host.NewStream(network.WithNoDial(opening, "dialed"), p.id, as)
	if err != nil {
		if errors.As(err, new(multistream.ErrNotSupported[protocol.ID])) {
			return nil, fmt.Errorf("%w: %s", ErrVersion, p.id)
		}
		if timedOut(err) && ctx.Err() == nil {
			err = errors.Join(err, n.host.Network().ClosePeer(p.id)) // the line is dead and does not know it
		}
		return nil, fmt.Errorf("open a stream to %s: %w", p.id, err)
	}
	return s, nil
}

// giveUp ends a stream whose opening failed, and the connection under it when
// that is dead, or when the other is not whom we can talk to.
func (n *Node) giveUp(s network.Stream, why error) error {
	n.drop(s)
	if errors.Is(why, errSilent) || !passing(why) {
		return errors.Join(why, s.Conn().Close())
	}
	return why
}

// errSilent says that a line is there but nobody greets.
var errSilent = errors.New("no greeting in time")

// timedOut reports whether err is of a deadline: of a context, or of one of the
// muxers, which have their own words for it.
func timedOut(err error) bool {
	var e interface{ Timeout() bool }
	return errors.As(err, &e) && e.Timeout()
}

// converse sends our two frames and reads the other's. Errors: as try.
func (n *Node) converse(ctx context.Context, s network.Stream, p *partner, q request) (answer, error) {
	if err := s.SetDeadline(time.Now().Add(n.cfg.Patience)); err != nil {
		return answer{}, fmt.Errorf("set a deadline: %w", err)
	}
	_, unsent := s.Write(q.encode(n.greeting.encode()))
	if unsent == nil {
		unsent = s.CloseWrite()
	}
	// Whoever is busy answers before it has read all: hear it in any case.
	if _, err := n.hearBack(s, p); err != nil {
		return answer{}, fmt.Errorf("%s: %w", p.id, errors.Join(err, unsent))
	}
	until, _ := ctx.Deadline()
	if err := s.SetReadDeadline(until); err != nil {
		return answer{}, fmt.Errorf("set a deadline: %w", err)
	}
	b, err := readFrame(s, answerHead+MaxBody)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", p.id, err)
	}
	a, err := decodeAnswer(b, MaxBody)
	if err == nil {
		err = readEnd(s)
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", p.id, err)
	}
	return a, nil
}

// hearBack is hearGreeting where ours has gone out. Errors: those, errSilent.
func (n *Node) hearBack(s network.Stream, p *partner) (greeting, error) {
	g, err := n.hearGreeting(s, p)
	if timedOut(err) {
		err = fmt.Errorf("%w: %w", errSilent, err)
	}
	return g, err
}

// dial makes a connection unless there is one, by all addresses that we were
// told or remember and all that libp2p has heard. Errors: errNoAddress, ErrUnreachable.
func (n *Node) dial(ctx context.Context, p *partner) error {
	id := p.id
	if n.connected(id) {
		return nil
	}
	addrs, err := n.book.addresses(ctx, id)
	if err != nil {
		n.log.Warn("addresses not read", "partner", id, "err", err)
	}
	addrs = append(addrs, n.partners.where(p)...)
	if len(addrs) == 0 && len(n.host.Peerstore().Addrs(id)) == 0 {
		return errNoAddress
	}
	n.forgetFailures(id)
	if err := n.host.Connect(ctx, peer.AddrInfo{ID: id, Addrs: addrs}); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return nil
}
