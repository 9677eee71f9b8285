package peer

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"golang.org/x/time/rate"

	"photon/contracts"
)

// The bytes of a talk: a greeting each way, as on every stream, then requests
// one way and their answers the other, the next request only when the one before
// is answered. Each is its length in four bytes, big endian, and a payload:
//
//	request  id 16 · body
//	answer   id 16 · status 1 · body
//
// A talk that is turned away is told why in an answer to the id zero.
const (
	longHead = 16
	longStep = 16 << 10 // bytes that are made room for before any has come
)

// maxTalks is how many talks of one node there may be: one goes on, and others
// wait for its handler.
const maxTalks = 4

// A talk is one stream of a line, at its answering end. A node has one at a time:
// a new one ends the one before, whose line must be broken, and begins when that
// is over, so that nothing said earlier is heard later.
type talk struct {
	end  context.CancelFunc
	over chan struct{} // closed when its handler has returned for the last time
}

// appendLong adds a payload with its length to b.
func appendLong(b []byte, parts ...[]byte) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	for _, p := range parts {
		b = append(b, p...)
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// readLength reads how long a payload is. Errors: ErrFrame unless it is from least
// to most bytes, the line's.
func readLength(r io.Reader, least, most int) (int, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, fmt.Errorf("read a length: %w", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if uint64(n) < uint64(least) || uint64(n) > uint64(most) {
		return 0, fmt.Errorf("%w: %d bytes, %d to %d", ErrFrame, n, least, most)
	}
	return int(n), nil
}

// readLong reads a payload of n bytes. There is never more room for it than twice
// what has come.
func readLong(r io.Reader, n int) ([]byte, error) {
	var b []byte
	for len(b) < n {
		more := min(n-len(b), max(len(b), longStep))
		b = slices.Grow(b, more)
		if _, err := io.ReadFull(r, b[len(b):len(b)+more]); err != nil {
			return nil, fmt.Errorf("read a payload of %d bytes: %w", n, err)
		}
		b = b[:len(b)+more]
	}
	return b, nil
}

// readLongAnswer reads the answer to the request id, or why there will be none.
// Errors: ErrFrame, the line's.
func readLongAnswer(r io.Reader, id requestID) (answer, error) {
	n, err := readLength(r, longHead+answerHead, longHead+answerHead+MaxLong)
	if err != nil {
		return answer{}, err
	}
	b, err := readLong(r, n)
	if err != nil {
		return answer{}, err
	}
	a, err := decodeAnswer(b[longHead:], MaxLong)
	if err != nil {
		return answer{}, err
	}
	switch to := requestID(b[:longHead]); {
	case to == id, to == requestID{} && a.status != done && a.status != refused:
		return a, nil
	default:
		return answer{}, fmt.Errorf("%w: answer to %x, asked was %x", ErrFrame, to, id)
	}
}

// serve answers the requests of one stream until that breaks or a newer one comes.
func (l *Lines) serve(s network.Stream) {
	n := l.node
	leave, err := n.enter()
	if err != nil {
		n.drop(s)
		return
	}
	defer leave()
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { n.drop(s) })
	p := n.partners.use(s.Conn().RemotePeer())
	defer n.partners.release(p)

	known, _ := n.partners.greeting(p.id)
	if limit, _ := l.limits(p, known.account); !n.partners.admitTalk(p, limit) {
		l.turnAway(s, fmt.Errorf("%w: too often", ErrBusy))
		return
	}
	defer n.partners.leaveTalk(p)
	from, err := l.greetedBy(s, p)
	if err != nil {
		l.turnAway(s, err)
		return
	}
	t := &talk{cancel, make(chan struct{})}
	defer close(t.over)
	before := n.partners.takeOver(p, t)
	// Not earlier: who hears our greeting may ask, and be followed by a newer talk.
	_, err = s.Write(n.greeting.encode())
	if before != nil {
		before.end()
		<-before.over
	}
	for err == nil {
		err = l.answerNext(ctx, s, p, from)
	}
	n.log.Debug("talk is over", "partner", p.id, "err", err)
}

// greetedBy returns whose node it is that greets. Errors: as hearGreeting.
func (l *Lines) greetedBy(s network.Stream, p *partner) (contracts.Address, error) {
	if err := s.SetDeadline(time.Now().Add(l.node.cfg.Patience)); err != nil {
		return contracts.Address{}, fmt.Errorf("set a deadline: %w", err)
	}
	g, err := l.node.hearGreeting(s, p)
	return g.account, err
}

// turnAway greets, says why there is no talk, and ends the stream.
func (l *Lines) turnAway(s network.Stream, why error) {
	n, who := l.node, s.Conn().RemotePeer()
	st := fault(why)
	if st == statusEnd { // the line broke, or it was too slow
		n.log.Debug("greeting not read", "partner", who, "err", why)
		return
	}
	n.log.Info("turned away", "partner", who, "err", why)
	err := s.SetDeadline(time.Now().Add(n.cfg.Patience))
	if err == nil {
		_, err = s.Write(failure(st, why).encodeLong(n.greeting.encode(), requestID{}))
	}
	if err == nil {
		err = s.CloseWrite()
	}
	if err == nil { // who keeps the rules ends it when it has read that
		_, err = io.Copy(io.Discard, io.LimitReader(s, 2*MaxLong))
	}
	if err != nil {
		n.log.Debug("turned away unheard", "partner", who, "err", err)
	}
}

// encodeLong adds the answer to the request id to before.
func (a answer) encodeLong(before []byte, id requestID) []byte {
	return appendLong(before, id[:], []byte{byte(a.status)}, a.body)
}

// answerNext waits for a request and answers it. Errors: ErrFrame, the line's.
func (l *Lines) answerNext(ctx context.Context, s network.Stream, p *partner, from contracts.Address) error {
	n := l.node
	q, err := l.hearNext(ctx, s, p, from)
	if err != nil {
		return err
	}
	a := answer{status: busy}
	if handle := l.handling(); handle != nil {
		a = n.once(p, q, MaxLong, func(ctx context.Context) ([]byte, error) { return handle(ctx, from, q.body) })
	}
	if err := s.SetWriteDeadline(time.Now().Add(n.cfg.Patience)); err != nil {
		return fmt.Errorf("set a deadline: %w", err)
	}
	if _, err := s.Write(a.encodeLong(nil, q.id)); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// limits are how often the node of an account may ask, and until when it may be
// silent: no longer than Patience, but for a partner.
func (l *Lines) limits(p *partner, of contracts.Address) (limit *rate.Limiter, silent time.Time) {
	if l.trusts(of) {
		return p.trusted, time.Time{}
	}
	return p.rate, time.Now().Add(l.node.cfg.Patience)
}

// hearNext reads a request, no sooner than the limits of who asks allow. Errors:
// ErrFrame, the line's.
func (l *Lines) hearNext(ctx context.Context, s network.Stream, p *partner, from contracts.Address) (request, error) {
	limit, silent := l.limits(p, from)
	if err := s.SetReadDeadline(silent); err != nil {
		return request{}, fmt.Errorf("set a deadline: %w", err)
	}
	size, err := readLength(s, longHead, longHead+MaxLong)
	if err != nil {
		return request{}, err
	}
	if err := s.SetReadDeadline(time.Now().Add(l.node.cfg.Patience)); err != nil {
		return request{}, fmt.Errorf("set a deadline: %w", err)
	}
	b, err := readLong(s, size)
	if err != nil {
		return request{}, err
	}
	if err := limit.Wait(ctx); err != nil {
		return request{}, fmt.Errorf("held to its rate: %w", err)
	}
	return request{ask, requestID(b[:longHead]), b[longHead:]}, nil
}
