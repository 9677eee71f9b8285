package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

// A saying is a message for a partner, with the channel that it is about as it was
// when it was stored: what must be signed of it follows from both.
type saying struct {
	channel channel.Channel
	message message.Message
}

// A line carries what we say to one partner, in order. What it cannot deliver it
// forgets: all that waits for an answer follows from the channels again, once the
// partner is met.
type line struct {
	node *Node
	to   contracts.Address
	work chan struct{}
	hear chan struct{} // full while a packet of the partner's is with the loop

	mu     sync.Mutex
	queue  []saying
	broken bool
}

// How long a partner has to take what we say, and how often one who is away is
// looked for.
const (
	tellWithin = 20 * time.Second
	lookSoon   = time.Second
	lookLate   = time.Minute
)

// mostWaiting is how many messages may wait for a partner who asks for them faster
// than he takes them.
const mostWaiting = 4 * message.MaxMessages

// line is that of a partner. The first call begins it.
func (n *Node) line(ctx context.Context, to contracts.Address) *line {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.lines[to]
	if l == nil {
		l = &line{node: n, to: to, work: make(chan struct{}, 1), hear: make(chan struct{}, 1), broken: true}
		n.lines[to] = l
		n.Peer.Trust(to, true)
		go l.run(ctx)
	}
	return l
}

// say queues a message.
func (l *line) say(s saying) {
	l.mu.Lock()
	if len(l.queue) >= mostWaiting {
		l.broken, l.queue = true, nil // once he is met, all that still matters is said again
	}
	if !l.broken {
		l.queue = append(l.queue, s)
	}
	l.mu.Unlock()
	l.poke()
}

func (l *line) poke() {
	select {
	case l.work <- struct{}{}:
	default:
	}
}

// mend lets the line carry again.
func (l *line) mend() {
	l.mu.Lock()
	l.broken = false
	l.mu.Unlock()
}

// snap drops what waits.
func (l *line) snap() {
	l.mu.Lock()
	l.broken, l.queue = true, nil
	l.mu.Unlock()
}

// next takes as many messages as fit a packet.
func (l *line) next() (batch []saying, broken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := 1
	for i, s := range l.queue {
		if size += message.Size(s.message); i > 0 && size > message.MaxPacket || i == message.MaxMessages {
			break
		}
		batch = l.queue[: i+1 : i+1]
	}
	l.queue = l.queue[len(batch):]
	return batch, l.broken
}

// run delivers until ctx ends. A partner who was away is met anew: he and we tell
// each other where we stand.
func (l *line) run(ctx context.Context) {
	wait := time.Duration(0)
	for {
		batch, broken := l.next()
		switch {
		case broken:
			if l.probe(ctx) {
				wait = 0
				continue
			}
			wait = min(max(2*wait, lookSoon), lookLate)
		case len(batch) > 0:
			if err := l.deliver(ctx, batch); err == nil {
				continue
			} else if ctx.Err() == nil {
				l.node.Log.Info("partner cannot be reached", "partner", l.to, "err", err)
			}
			l.snap()
			if l.node.do(ctx, ledger.Parted{Partner: l.to}) != nil {
				return
			}
			wait = lookSoon
		default:
			wait = lookLate
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-l.work:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// probe says nothing to the partner, and if that arrives, meets him.
func (l *line) probe(ctx context.Context) bool {
	within, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	if l.node.Peer.Tell(within, l.to, message.Encode(nil)) != nil {
		_ = l.node.do(ctx, ledger.Parted{Partner: l.to}) // a node that ends needs no telling
		return false                                     // he is looked for again: that he is away is no failure
	}
	l.mend()
	return l.node.do(ctx, ledger.Met{Partner: l.to}) == nil
}

// deliver signs a batch and sends it as one packet.
func (l *line) deliver(ctx context.Context, batch []saying) error {
	packet := make([]message.Message, len(batch))
	for i, s := range batch {
		packet[i] = s.message
		if word, ok := s.channel.Word(s.message); ok {
			signature, err := l.node.Secrets.SignDigest(s.channel.Contract.Digest(word))
			if err != nil {
				return fmt.Errorf("sign %T: %w", s.message, err)
			}
			packet[i] = channel.Signed(s.message, signature)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	return l.node.Peer.Tell(ctx, l.to, message.Encode(packet))
}

// meet wakes the lines of partners as they become reachable.
func (n *Node) meet(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case who := <-n.Peer.Met():
			n.mu.Lock()
			l := n.lines[who]
			n.mu.Unlock()
			if l != nil {
				l.poke()
			}
		}
	}
}

// Deliver takes a packet of another node and returns once what came of it is stored.
// A message that does not fit is passed over: it has changed nothing. Errors:
// message.ErrEncoding, ErrEnded.
func (n *Node) Deliver(ctx context.Context, from contracts.Address, body []byte) ([]byte, error) {
	packet, err := message.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("from %s: %w", from, err)
	}
	if len(packet) == 0 {
		return nil, nil // he wanted to know whether we are there
	}
	n.mu.Lock()
	l := n.lines[from]
	n.mu.Unlock()
	if l != nil { // one after the other: what one partner says takes only so much of the loop
		select {
		case l.hear <- struct{}{}:
			defer func() { <-l.hear }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c := &call{}
	packet = withoutOldSyncs(packet)
	for _, m := range packet {
		c.events = append(c.events, ledger.Heard{From: from, Message: m})
	}
	if err := n.post(ctx, c); err != nil {
		return nil, err
	}
	for i, err := range c.errs {
		if err != nil {
			n.Log.Debug("passed over", "partner", from, "message", fmt.Sprintf("%T", packet[i]), "err", err)
		}
	}
	return nil, nil
}

// withoutOldSyncs is a packet with the last Sync of each channel alone. Each makes us
// say again all that is not answered, which may be much.
func withoutOldSyncs(packet []message.Message) []message.Message {
	told := map[contracts.Hash]bool{}
	kept := make([]message.Message, 0, len(packet))
	for _, m := range slices.Backward(packet) {
		if _, is := m.(message.Sync); is {
			if told[m.About()] {
				continue
			}
			told[m.About()] = true
		}
		kept = append(kept, m)
	}
	slices.Reverse(kept)
	return kept
}
