package peer

import (
	"container/list"
	"context"
	"errors"
	"slices"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"photon/contracts"
)

// maxParties bounds how many accounts are known at a time beside those we trust.
// The one not heard of for the longest is forgotten first.
const maxParties = 4096

// maxProved is how many connections we remember that an account has greeted on.
const maxProved = 8

// A party is one account as we know it. Its fields are guarded by Lines.mu, but
// for line, which is for whoever has the turn.
type party struct {
	account contracts.Address
	node    peer.ID  // the newest that has proved to speak for it; "" before one has
	kept    peer.ID  // the node that the book has
	proved  []string // connections that it has greeted on, newest last
	wanted  bool     // its node is kept in the book
	trusted bool
	place   *list.Element   // in recent; nil when it is trusted
	queue   []chan struct{} // of our requests; the first has the turn, and its channel is closed
	line    network.Stream
}

// A crowd is accounts that wait for something, each once, in the order in which
// they came.
type crowd struct {
	in    map[contracts.Address]bool
	order []contracts.Address
	wake  chan struct{} // holds a token when someone has come
}

func newCrowd() crowd {
	return crowd{in: map[contracts.Address]bool{}, wake: make(chan struct{}, 1)}
}

func (c *crowd) add(a contracts.Address) {
	if c.in[a] {
		return
	}
	c.in[a] = true
	c.order = append(c.order, a)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// next takes out who has waited for the longest.
func (c *crowd) next() (a contracts.Address, ok bool) {
	if len(c.order) == 0 {
		return a, false
	}
	a, c.order = c.order[0], c.order[1:]
	delete(c.in, a)
	return a, true
}

// find finds or makes the party of an account. The caller holds l.mu.
func (l *Lines) find(a contracts.Address) *party {
	p := l.all[a]
	if p == nil {
		p = &party{account: a}
		p.place = l.recent.PushFront(p)
		l.all[a] = p
		l.shrink()
	}
	if p.place != nil {
		l.recent.MoveToFront(p.place)
	}
	return p
}

// shrink forgets whom we heard of longest ago and do not trust.
func (l *Lines) shrink() {
	for e := l.recent.Back(); e != nil && l.recent.Len() > maxParties; {
		p, before := e.Value.(*party), e.Prev()
		if len(p.queue) == 0 && e != l.recent.Front() {
			l.recent.Remove(e)
			delete(l.all, p.account)
			if p.line != nil {
				l.node.drop(p.line)
			}
		}
		e = before
	}
}

// Trust says whether an account is a partner of ours, whose node may make many
// requests ([Config].TrustedRate), is never forgotten, and is found again after a
// restart.
func (l *Lines) Trust(account contracts.Address, yes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.find(account)
	if p.trusted == yes {
		return
	}
	p.trusted = yes
	if yes {
		l.recent.Remove(p.place)
		p.place = nil
		l.toKeep(p)
	} else {
		p.place = l.recent.PushFront(p)
		l.shrink()
	}
	l.protect(p.node, yes)
}

// trusts reports whether an account is a partner.
func (l *Lines) trusts(account contracts.Address) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.all[account]
	return p != nil && p.trusted
}

// protect keeps the connections with a partner's node when there are too many.
func (l *Lines) protect(id peer.ID, yes bool) {
	const tag = "trusted"
	switch manager := l.node.host.ConnManager(); {
	case id == "":
	case yes:
		manager.Protect(id, tag)
	default:
		manager.Unprotect(id, tag)
	}
}

// greeted notes that a node has proved, on a connection, to speak for an account.
func (l *Lines) greeted(id peer.ID, account contracts.Address, conn string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.find(account)
	if p.node != id {
		if p.trusted {
			l.protect(p.node, false)
			l.protect(id, true)
		}
		p.node = id
	}
	if p.trusted || p.wanted {
		l.toKeep(p)
	}
	if slices.Contains(p.proved, conn) {
		return
	}
	p.proved = append(p.proved, conn)
	p.proved = p.proved[max(0, len(p.proved)-maxProved):]
	if p.trusted || len(l.arrived.order) < maxParties {
		l.arrived.add(account)
	}
}

// Met delivers the accounts of nodes as they become reachable: after their first
// greeting on a connection. Who is slow to receive misses repeats, and strangers
// when there are very many. It is closed with the node.
func (l *Lines) Met() <-chan contracts.Address { return l.met }

// deliver gives to Met who has arrived.
func (l *Lines) deliver() {
	defer close(l.met)
	for {
		select {
		case <-l.arrived.wake:
		case <-l.node.ctx.Done():
			return
		}
		for {
			l.mu.Lock()
			a, ok := l.arrived.next()
			l.mu.Unlock()
			if !ok {
				break
			}
			select {
			case l.met <- a:
			case <-l.node.ctx.Done():
				return
			}
		}
	}
}

// Reachable reports whether the node of an account has greeted and has a
// connection with us.
func (l *Lines) Reachable(account contracts.Address) bool {
	l.mu.Lock()
	p := l.all[account]
	greeted, id := p != nil && len(p.proved) > 0, peer.ID("")
	if greeted {
		id = p.node
	}
	l.mu.Unlock()
	return greeted && l.node.connected(id)
}

// queueUp takes a place behind all earlier requests to an account. turn is closed
// when none is before it any more.
func (l *Lines) queueUp(to contracts.Address) (p *party, turn chan struct{}) {
	turn = make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	p = l.find(to)
	p.queue = append(p.queue, turn)
	if len(p.queue) == 1 {
		close(turn)
	}
	return p, turn
}

// stepBack leaves the queue, wherever in it.
func (l *Lines) stepBack(p *party, turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.Index(p.queue, turn)
	p.queue = slices.Delete(p.queue, at, at+1)
	if at == 0 && len(p.queue) > 0 {
		close(p.queue[0])
	}
	l.shrink()
}

// nodeOf is the node of p, from the book when none has greeted yet. Errors:
// errNobody, the book's.
func (l *Lines) nodeOf(ctx context.Context, p *party) (peer.ID, error) {
	l.mu.Lock()
	id := p.node
	l.mu.Unlock()
	if id != "" {
		return id, nil
	}
	id, err := l.node.book.nodeOf(ctx, p.account)
	if err != nil && !errors.Is(err, ErrIdentity) { // a spoilt page knows nobody
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.node == "" && err == nil {
		p.node, p.kept = id, id
		if p.trusted {
			l.protect(id, true)
		}
	}
	if p.node == "" {
		return "", errNobody
	}
	return p.node, nil
}

// want has p's node kept in the book, as we have spoken to it.
func (l *Lines) want(p *party) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.wanted = true
	l.toKeep(p)
}

// wants reports whether a node is kept in the book for its account's sake.
func (l *Lines) wants(id peer.ID) bool {
	g, ok := l.node.partners.greeting(id)
	if !ok {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.all[g.account]
	return p != nil && p.node == id && (p.trusted || p.wanted)
}

// toKeep has p written down unless it is. The caller holds l.mu.
func (l *Lines) toKeep(p *party) {
	if p.node != "" && p.node != p.kept {
		l.unkept.add(p.account)
	}
}

// keepAll writes down all that wait for it.
func (l *Lines) keepAll() {
	for {
		l.mu.Lock()
		a, ok := l.unkept.next()
		l.mu.Unlock()
		if !ok {
			return
		}
		if err := l.write(l.node.ctx, a); err != nil {
			l.node.log.Warn("node of an account not kept", "account", a, "err", err)
		}
	}
}

// keep writes down the account of a node that has greeted.
func (l *Lines) keep(ctx context.Context, id peer.ID) error {
	g, ok := l.node.partners.greeting(id)
	if !ok {
		return nil
	}
	l.mu.Lock()
	l.find(g.account).wanted = true
	l.mu.Unlock()
	return l.write(ctx, g.account)
}

// write writes down the node of an account, unless the book has it.
func (l *Lines) write(ctx context.Context, account contracts.Address) error {
	l.keeping.Lock()
	defer l.keeping.Unlock()
	l.mu.Lock()
	p := l.all[account]
	if p == nil || p.node == "" || p.node == p.kept {
		l.mu.Unlock()
		return nil
	}
	id := p.node
	l.mu.Unlock()
	if err := l.node.book.noteNode(ctx, account, id, l.node.heard(id)); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p.kept = id
	return nil
}
