package peer

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// A proxy is a bad line: it stands in front of a node, delays what passes, lets
// only so much through a second, and can be cut.
type proxy struct {
	t      testing.TB
	listen net.Listener
	work   sync.WaitGroup

	mu     sync.Mutex
	target string
	conns  map[net.Conn]bool
	cutIn  [2]int // bytes after which each way is cut; below 0 never
	dials  int
	cuts   int
	closed bool
	end    chan struct{} // closed with the proxy
	holes  []net.Conn    // what they bring vanishes

	delay func() time.Duration // of each piece; nil for none
	rate  int                  // bytes a second each way; 0 for all
}

// The two ways through a proxy.
const (
	toNode = iota
	fromNode
)

func newProxy(t testing.TB) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listen: l, conns: map[net.Conn]bool{}, end: make(chan struct{}), cutIn: [2]int{-1, -1}}
	p.work.Go(p.accept)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		close(p.end)
		p.cut()
		p.work.Wait()
	})
	return p
}

// addr is the proxy's multiaddr.
func (p *proxy) addr() string {
	return fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", p.listen.Addr().(*net.TCPAddr).Port)
}

// lead sets the TCP address that the proxy leads to.
func (p *proxy) lead(n *Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range n.host.Network().ListenAddresses() {
		var port int
		if _, err := fmt.Sscanf(a.String(), "/ip4/127.0.0.1/tcp/%d", &port); err != nil {
			p.t.Fatalf("%s: %v", a, err)
		}
		p.target = fmt.Sprintf("127.0.0.1:%d", port)
	}
}

// cut ends all that passes through now.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
	p.cuts++
}

// count is how often the line was cut.
func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// cutAfter cuts once n more bytes have passed one way.
func (p *proxy) cutAfter(way, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutIn[way] = n
}

func (p *proxy) accept() {
	for {
		in, err := p.listen.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		out, err := net.Dial("tcp", target)
		if err != nil {
			in.Close()
			continue
		}
		p.mu.Lock()
		p.conns[in], p.conns[out] = true, true
		p.dials++
		if p.closed {
			in.Close()
			out.Close()
		}
		p.mu.Unlock()
		p.work.Go(func() { p.pipe(toNode, in, out) })
		p.work.Go(func() { p.pipe(fromNode, out, in) })
	}
}

// A piece is bytes that are on their way.
type piece struct {
	bytes []byte
	due   time.Time
}

// pipe moves bytes one way, in order and late.
func (p *proxy) pipe(way int, from, to net.Conn) {
	onWay := make(chan piece, 1024)
	p.work.Go(func() {
		defer to.Close()
		defer from.Close()
		for x := range onWay {
			<-time.After(time.Until(x.due)) // the line's latency
			if _, err := to.Write(x.bytes); err != nil {
				return
			}
		}
	})
	defer close(onWay)
	defer func() {
		p.mu.Lock()
		delete(p.conns, from)
		p.mu.Unlock()
	}()
	buf := make([]byte, 4096)
	var free time.Time // when the line has passed what it was given
	for {
		n, err := from.Read(buf)
		if err != nil {
			if p.vanishes(from) { // its end too
				<-p.end
			}
			return
		}
		if p.vanishes(from) {
			continue
		}
		n, last := p.allow(way, n)
		now := time.Now()
		if free.Before(now) {
			free = now
		}
		if p.rate > 0 {
			free = free.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
		}
		x := piece{append([]byte(nil), buf[:n]...), free}
		if p.delay != nil {
			x.due = x.due.Add(p.delay())
		}
		select {
		case onWay <- x:
		default:
			return // more than the line holds
		}
		if last {
			return
		}
	}
}

// allow says how many of n bytes still pass one way, and whether they are the
// last.
func (p *proxy) allow(way, n int) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch left := p.cutIn[way]; {
	case left < 0:
		return n, false
	case n < left:
		p.cutIn[way] -= n
		return n, false
	default:
		p.cutIn[way] = -1
		p.cuts++
		return left, true
	}
}

// swallow makes all that passes through the connections of now vanish, and
// returns how many there were ever.
func (p *proxy) swallow() (dials int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		p.holes = append(p.holes, c)
	}
	return p.dials
}

func (p *proxy) vanishes(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.holes, c)
}

// around is a delay of mean, give or take as much, by seed.
func around(mean time.Duration, seed uint64) func() time.Duration {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 0))
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(r.Int64N(int64(2 * mean)))
	}
}
