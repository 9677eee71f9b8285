package peer

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// serve answers one stream. A stranger can hold it for no longer than Patience
// until the request is there whole.
func (n *Node) serve(s network.Stream) {
	leave, err := n.enter()
	if err != nil {
		n.drop(s)
		return
	}
	defer leave()
	stop := context.AfterFunc(n.ctx, func() { n.drop(s) })
	defer stop()
	p := n.partners.use(s.Conn().RemotePeer())
	defer n.partners.release(p)

	if err := s.SetDeadline(time.Now().Add(n.cfg.Patience)); err != nil {
		n.drop(s)
		return
	}
	if !n.partners.admit(p) {
		n.reply(s, n.greeting.encode(), answer{status: busy})
		return
	}
	defer n.partners.leave(p)

	if _, err := n.hearGreeting(s, p); err != nil {
		n.sendOff(s, n.greeting.encode(), err)
		return
	}
	// The asker learns now that we are here, however long the answer takes.
	if _, err := s.Write(n.greeting.encode()); err != nil {
		n.drop(s)
		return
	}
	q, err := hearRequest(s)
	if err != nil {
		n.sendOff(s, nil, err)
		return
	}
	n.reply(s, nil, n.respond(p, q))
}

// hearGreeting reads and checks the other's greeting, and learns whose node it
// is. Errors: ErrVersion, ErrRealm, ErrBinding, ErrFrame, the line's.
func (n *Node) hearGreeting(s network.Stream, p *partner) (greeting, error) {
	b, err := readFrame(s, maxGreeting)
	if err != nil {
		return greeting{}, err
	}
	g, err := decodeGreeting(b)
	if err != nil {
		return greeting{}, err
	}
	if err := n.partners.greet(p, g); err != nil {
		return greeting{}, err
	}
	n.lines.greeted(p.id, g.account, s.Conn().ID())
	return g, nil
}

// hearRequest reads a request and the end behind it. Errors: ErrFrame, the
// line's.
func hearRequest(s io.Reader) (request, error) {
	b, err := readFrame(s, requestHead+MaxBody)
	if err != nil {
		return request{}, err
	}
	q, err := decodeRequest(b)
	if err != nil {
		return request{}, err
	}
	return q, readEnd(s)
}

// respond has the handler answer q, unless there are too many.
func (n *Node) respond(p *partner, q request) answer {
	if q.kind == hello {
		return answer{}
	}
	n.mu.Lock()
	handle := n.handler
	n.mu.Unlock()
	if handle == nil {
		return answer{status: busy}
	}
	select {
	case n.answering <- struct{}{}:
		defer func() { <-n.answering }()
	default:
		return answer{status: busy}
	}
	return n.once(p, q, MaxBody, func(ctx context.Context) ([]byte, error) { return handle(ctx, p.id.String(), q.body) })
}

// once answers q by handle, or finds what that answered before. most is the most
// bytes of an answer's body.
func (n *Node) once(p *partner, q request, most int, handle func(context.Context) ([]byte, error)) answer {
	k, first, err := n.partners.begin(p, q)
	if err != nil {
		return failure(wrongFrame, err)
	}
	if !first {
		select {
		case <-k.ready:
			return k.answer
		case <-n.ctx.Done():
			return answer{status: busy}
		}
	}
	ctx, cancel := context.WithTimeout(n.ctx, n.cfg.AnswerWithin)
	defer cancel()
	body, err := handle(ctx)
	if err != nil && n.ctx.Err() != nil {
		return answer{status: busy} // cut short because we close: that is no refusal
	}
	if err == nil && len(body) > most {
		n.log.Error("answer is too large to send", "partner", p.id, "bytes", len(body))
		body, err = nil, fmt.Errorf("%w: %d bytes, at most %d", ErrSize, len(body), most)
	}
	a := answer{done, body}
	if err != nil {
		a = failure(refused, err)
	}
	n.partners.finish(p, k, a)
	return a
}

// reply sends before and an answer, and ends the stream. When the line breaks
// meanwhile, the asker comes again.
func (n *Node) reply(s network.Stream, before []byte, a answer) {
	err := s.SetDeadline(time.Now().Add(n.cfg.Patience))
	if err == nil {
		_, err = s.Write(a.encode(before))
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		n.log.Debug("answer not sent", "partner", s.Conn().RemotePeer(), "err", err)
		n.drop(s)
	}
}

// sendOff tells a peer that does not keep the rules why, and ends the connection
// with it as soon as it has read that.
func (n *Node) sendOff(s network.Stream, before []byte, why error) {
	with := s.Conn()
	st := fault(why)
	if st == statusEnd { // the line broke, or it was too slow
		n.log.Debug("request not read", "partner", with.RemotePeer(), "err", why)
		n.drop(s)
		return
	}
	n.log.Info("sent off", "partner", with.RemotePeer(), "err", why)
	n.reply(s, before, failure(st, why))
	// To hang up at once could overtake the answer. Who keeps the rules hangs up
	// by itself when it has read it.
	gone := time.NewTicker(lookEvery)
	defer gone.Stop()
	patience := time.NewTimer(n.cfg.Patience)
	defer patience.Stop()
	for !with.IsClosed() {
		select {
		case <-gone.C:
			continue
		case <-patience.C:
		case <-n.ctx.Done():
		}
		if err := with.Close(); err != nil {
			n.log.Debug("not hung up", "partner", with.RemotePeer(), "err", err)
		}
		return
	}
}

// lookEvery is how often sendOff looks whether the other has hung up.
const lookEvery = 50 * time.Millisecond

// drop ends a stream at once, whatever is on its way.
func (n *Node) drop(s network.Stream) {
	if err := s.Reset(); err != nil {
		n.log.Debug("stream not reset", "partner", s.Conn().RemotePeer(), "err", err)
	}
}
