package peer

import (
	"container/list"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"golang.org/x/time/rate"
)

// maxPartners bounds how many nodes are known at a time. The one not heard of
// for the longest is forgotten first; it then has to greet again.
const maxPartners = 4096

// partners is what we know of other nodes, and the limits they are held to.
// Everything in it is bounded, whoever comes.
type partners struct {
	cfg Config
	now func() time.Time

	mu     sync.Mutex
	all    map[peer.ID]*list.Element // of *partner
	recent *list.List                // heard of last in front
	bytes  int                       // of remembered answers
}

// A partner is one other node. Its fields are guarded by partners.mu.
type partner struct {
	id       peer.ID
	greeting greeting
	greeted  bool
	told     []multiaddr.Multiaddr // where Connect was told last that it is; at most one
	noted    bool                  // its addresses are in the book
	users    int                   // who hold it: it is not forgotten meanwhile
	running  int                   // requests of it that are being answered
	rate     *rate.Limiter         // of its requests
	trusted  *rate.Limiter         // of its requests on a line, when we trust its account
	talks    int                   // of lines: the one that goes on, and those that end or wait
	talk     *talk                 // the newest of them
	asks     chan struct{}         // holds a token for each of our requests to it

	answers map[requestID]*list.Element // of *kept
	order   *list.List                  // oldest in front
}

// A kept is a request that was or is being answered.
type kept struct {
	id     requestID
	sum    [sha256.Size]byte // of the body
	made   time.Time
	ready  chan struct{} // closed when answer is there
	answer answer
	size   int // bytes it is counted with; 0 until ready
}

// overhead is counted for each remembered answer beside its bytes.
const overhead = 256

func newPartners(cfg Config) *partners {
	return &partners{cfg: cfg, now: time.Now, all: map[peer.ID]*list.Element{}, recent: list.New()}
}

// use finds or makes a partner and keeps it until release.
func (ps *partners) use(id peer.ID) *partner {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	e, known := ps.all[id]
	if !known {
		e = ps.recent.PushFront(&partner{
			id: id, asks: make(chan struct{}, ps.cfg.Concurrent),
			rate:    rate.NewLimiter(rate.Limit(ps.cfg.Rate), ps.cfg.Burst),
			trusted: rate.NewLimiter(rate.Limit(ps.cfg.TrustedRate), ps.cfg.TrustedBurst),
			answers: map[requestID]*list.Element{}, order: list.New(),
		})
		ps.all[id] = e
	}
	ps.recent.MoveToFront(e)
	p := e.Value.(*partner)
	p.users++
	ps.shrink()
	return p
}

func (ps *partners) release(p *partner) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.users--
	ps.shrink()
}

// shrink forgets whom we heard of longest ago until all bounds hold again.
func (ps *partners) shrink() {
	for e := ps.recent.Back(); e != nil && (len(ps.all) > maxPartners || ps.bytes > ps.cfg.RememberAll); {
		p, before := e.Value.(*partner), e.Prev()
		for ps.bytes > ps.cfg.RememberAll && ps.dropOldest(p) {
		}
		if p.users == 0 && len(ps.all) > maxPartners {
			for ps.dropOldest(p) {
			}
			ps.recent.Remove(e)
			delete(ps.all, p.id)
		}
		e = before
	}
}

// dropOldest forgets the oldest answer to p, and reports whether there was one.
// A request that is still being answered stays.
func (ps *partners) dropOldest(p *partner) bool {
	for e := p.order.Front(); e != nil; e = e.Next() {
		if k := e.Value.(*kept); k.size > 0 {
			p.order.Remove(e)
			delete(p.answers, k.id)
			ps.bytes -= k.size
			return true
		}
	}
	return false
}

// admit lets a request of p in when it is within its limits. Whoever was let in
// calls leave.
func (ps *partners) admit(p *partner) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.running >= ps.cfg.Concurrent || !p.rate.AllowN(ps.now(), 1) {
		return false
	}
	p.running++
	return true
}

func (ps *partners) leave(p *partner) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.running--
}

// admitTalk lets in what may become p's newest talk, when limit lets it. Whoever
// was let in calls leaveTalk.
func (ps *partners) admitTalk(p *partner, limit *rate.Limiter) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.talks >= maxTalks || !limit.AllowN(ps.now(), 1) {
		return false
	}
	p.talks++
	return true
}

func (ps *partners) leaveTalk(p *partner) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.talks--
}

// takeOver makes t the talk of p, and returns the one before it, nil when there
// was none.
func (ps *partners) takeOver(p *partner, t *talk) *talk {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	before := p.talk
	p.talk = t
	return before
}

// tell notes where p is said to be, until we know better.
func (ps *partners) tell(p *partner, at multiaddr.Multiaddr) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.told = []multiaddr.Multiaddr{at}
}

// where returns what tell noted.
func (ps *partners) where(p *partner) []multiaddr.Multiaddr {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return p.told
}

// toNote reports whether p's addresses are still to be written down.
func (ps *partners) toNote(p *partner) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return !p.noted
}

func (ps *partners) setNoted(p *partner) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.noted = true
}

// greet checks what p says of itself, unless it has said the same before.
// Errors: ErrRealm, ErrBinding.
func (ps *partners) greet(p *partner, g greeting) error {
	if g.realm != ps.cfg.Realm {
		return fmt.Errorf("%w: theirs is %q, ours %q", ErrRealm, g.realm, ps.cfg.Realm)
	}
	ps.mu.Lock()
	same := p.greeted && p.greeting == g
	ps.mu.Unlock()
	if same {
		return nil
	}
	if err := checkBinding(p.id, g); err != nil {
		return err
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.greeting, p.greeted = g, true
	return nil
}

// greeting returns what a node has shown of itself, and false when it has not.
func (ps *partners) greeting(id peer.ID) (greeting, bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	e, known := ps.all[id]
	if !known {
		return greeting{}, false
	}
	p := e.Value.(*partner)
	return p.greeting, p.greeted
}

// begin finds a request that p has made before, or notes it. Whoever is first
// answers it and calls finish; others wait until it is ready. Errors: ErrFrame
// when the same id comes with another body.
func (ps *partners) begin(p *partner, q request) (k *kept, first bool, err error) {
	sum := sha256.Sum256(q.body)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	now := ps.now()
	for e := p.order.Front(); e != nil && now.Sub(e.Value.(*kept).made) >= ps.cfg.Remember && ps.dropOldest(p); e = p.order.Front() {
	}
	if e, known := p.answers[q.id]; known {
		k = e.Value.(*kept)
		if k.sum != sum {
			return nil, false, fmt.Errorf("%w: request %x came with another body", ErrFrame, q.id)
		}
		return k, false, nil
	}
	k = &kept{id: q.id, sum: sum, made: now, ready: make(chan struct{})}
	p.answers[q.id] = p.order.PushBack(k)
	return k, true, nil
}

// finish gives the answer to all who wait for it, and remembers it.
func (ps *partners) finish(p *partner, k *kept, a answer) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	k.answer, k.size = a, len(a.body)+overhead
	close(k.ready)
	ps.bytes += k.size
	for p.order.Len() > ps.cfg.RememberEach && ps.dropOldest(p) {
	}
	ps.shrink()
}
