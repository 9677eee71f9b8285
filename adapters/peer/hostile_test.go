package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// A stranger speaks libp2p and says what it likes on our streams.
type stranger struct {
	t    *testing.T
	host host.Host
	to   peer.ID
	good greeting
}

func newStranger(t *testing.T, key crypto.PrivKey, to *Node) stranger {
	t.Helper()
	h, err := newHost(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := h.Connect(within(t, soon), peer.AddrInfo{ID: to.host.ID(), Addrs: to.host.Addrs()}); err != nil {
		t.Fatal(err)
	}
	good, err := bind(config(t, 7).Account, h.ID())
	if err != nil {
		t.Fatal(err)
	}
	good.realm = "dev"
	return stranger{t, h, to.host.ID(), good}
}

// open opens a stream of one request and says b on it.
func (s stranger) open(b []byte) network.Stream {
	s.t.Helper()
	return s.openAs(protocolID, b)
}

// openAs opens a stream and says b on it.
func (s stranger) openAs(as protocol.ID, b []byte) network.Stream {
	s.t.Helper()
	stream, err := s.host.NewStream(within(s.t, soon), s.to, as)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := stream.SetDeadline(time.Now().Add(soon)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := stream.Write(b); err != nil {
		s.t.Fatal(err)
	}
	return stream
}

// say says b and nothing more, and returns what is answered.
func (s stranger) say(b []byte) answer {
	s.t.Helper()
	stream := s.open(b)
	if err := stream.CloseWrite(); err != nil {
		s.t.Fatal(err)
	}
	return s.hear(stream)
}

func (s stranger) hear(stream io.Reader) answer {
	s.t.Helper()
	if _, err := readFrame(stream, maxGreeting); err != nil {
		s.t.Fatalf("greeting: %v", err)
	}
	b, err := readFrame(stream, answerHead+MaxBody)
	if err != nil {
		s.t.Fatalf("answer: %v", err)
	}
	a, err := decodeAnswer(b, MaxBody)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// B27, B29: bytes that break a rule are answered with the reason, the connection
// ends, and no handler sees them.
func TestRuleBreakersAreSentOff(t *testing.T) {
	ask7 := request{kind: ask, id: requestID{7}, body: []byte("x")}.encode(nil)
	over := func(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
	other := func(g greeting, change func(*greeting)) []byte { change(&g); return g.encode() }
	for _, row := range []struct {
		name string
		say  func(g greeting) []byte
		want status
	}{
		{"good", func(g greeting) []byte { return append(g.encode(), ask7...) }, done},
		{"another realm", func(g greeting) []byte { return append(other(g, func(g *greeting) { g.realm = "main" }), ask7...) }, wrongRealm},
		{"forged account", func(g greeting) []byte { return append(other(g, func(g *greeting) { g.account[3]++ }), ask7...) }, wrongAccount},
		{"forged signature", func(g greeting) []byte { return append(other(g, func(g *greeting) { g.signature[3]++ }), ask7...) }, wrongAccount},
		{"another version", func(g greeting) []byte { b := g.encode(); b[2]++; return append(b, ask7...) }, wrongVersion},
		{"endless greeting", func(g greeting) []byte { return over(maxGreeting + 1) }, wrongFrame},
		{"greeting of nothing", func(g greeting) []byte { return over(0) }, wrongFrame},
		{"two greetings", func(g greeting) []byte { return append(g.encode(), g.encode()...) }, wrongFrame},
		{"oversized request", func(g greeting) []byte { return append(g.encode(), over(requestHead+MaxBody+1)...) }, wrongFrame},
		{"unknown kind", func(g greeting) []byte { b := append(g.encode(), ask7...); b[len(g.encode())+2] = 9; return b }, wrongFrame},
		{"two requests", func(g greeting) []byte { return append(append(g.encode(), ask7...), ask7...) }, wrongFrame},
		{"text", func(greeting) []byte { return []byte("GET / HTTP/1.1\r\n\r\n") }, wrongFrame},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := newNode(t, 0, func(c *Config) { c.Patience = 100 * time.Millisecond })
			var seen counter
			n.Handle(seen.handle)
			s := newStranger(t, mustKey(t, 5), n)
			if a := s.say(row.say(s.good)); a.status != row.want {
				t.Errorf("answered %d %q, want %d", a.status, a.body, row.want)
			}
			if row.want == done {
				if !n.connected(s.host.ID()) || seen.all.Load() != 1 {
					t.Errorf("connected %t, seen %d times", n.connected(s.host.ID()), seen.all.Load())
				}
				return
			}
			until(t, "the connection ends", func() bool { return !n.connected(s.host.ID()) })
			if seen.all.Load() > 0 {
				t.Error("the handler saw it")
			}
			if _, greeted := n.partners.greeting(s.host.ID()); greeted && row.want != wrongFrame {
				t.Error("it counts as greeted")
			}
		})
	}
}

// A node with a key of another kind cannot be named in an offer; it is not
// greeted either.
func TestOtherKindOfKeyIsSentOff(t *testing.T) {
	n := newNode(t, 0)
	key, _, err := crypto.GenerateEd25519Key(bytes.NewReader(make([]byte, 64)))
	if err != nil {
		t.Fatal(err)
	}
	s := newStranger(t, key, n)
	if a := s.say(append(s.good.encode(), request{kind: hello}.encode(nil)...)); a.status != wrongAccount {
		t.Errorf("answered %d %q, want %d", a.status, a.body, wrongAccount)
	}
}

// B28: a replay is answered as before; the same id with other words is not.
func TestReplay(t *testing.T) {
	n := newNode(t, 0)
	var seen counter
	n.Handle(seen.handle)
	s := newStranger(t, mustKey(t, 5), n)
	first := append(s.good.encode(), request{kind: ask, id: requestID{1}, body: []byte("x")}.encode(nil)...)
	other := append(s.good.encode(), request{kind: ask, id: requestID{1}, body: []byte("y")}.encode(nil)...)
	for range 3 {
		if a := s.say(first); a.status != done || string(a.body) != "re x" {
			t.Fatalf("answered %d %q", a.status, a.body)
		}
	}
	if a := s.say(other); a.status != wrongFrame {
		t.Errorf("answered %d %q, want %d", a.status, a.body, wrongFrame)
	}
	if n := seen.all.Load(); n != 1 {
		t.Errorf("the handler was called %d times", n)
	}
	// The id is the sender's own: another node's is another request.
	s2 := newStranger(t, mustKey(t, 6), n)
	if a := s2.say(append(s2.good.encode(), request{kind: ask, id: requestID{1}, body: []byte("y")}.encode(nil)...)); string(a.body) != "re y" {
		t.Errorf("answered %d %q", a.status, a.body)
	}
}

// Streams that bring a byte now and then hold nobody for longer than Patience,
// and others are answered meanwhile.
func TestSlowLoris(t *testing.T) {
	n := newNode(t, 0, func(c *Config) { c.Patience, c.Concurrent = 300*time.Millisecond, 4 })
	good := newNode(t, 1)
	connect(t, good, n)
	s := newStranger(t, mustKey(t, 5), n)
	var slow []network.Stream
	for i := range 4 {
		slow = append(slow, s.open(s.good.encode()[:i+1]))
	}
	running := func() int {
		n.partners.mu.Lock()
		defer n.partners.mu.Unlock()
		e := n.partners.all[s.host.ID()]
		if e == nil {
			return 0
		}
		return e.Value.(*partner).running
	}
	until(t, "four are waiting", func() bool { return running() == 4 })
	if a := s.say(s.good.encode()); a.status != busy {
		t.Errorf("the fifth is answered %d %q", a.status, a.body)
	}
	mustAsk(t, good, n.Self(), "meanwhile")
	until(t, "they are given up", func() bool { return running() == 0 })
	for _, stream := range slow {
		if _, err := io.ReadAll(stream); err == nil {
			t.Error("a slow stream ended well")
		}
	}
	if a := s.say(append(s.good.encode(), request{kind: hello}.encode(nil)...)); a.status != done {
		t.Errorf("answered %d %q afterwards", a.status, a.body)
	}
}

// F15: whoever floods is answered busy, what we remember of it is bounded, and
// others are served.
func TestFlood(t *testing.T) {
	n := newNode(t, 0, func(c *Config) { c.Rate, c.Burst, c.RememberEach, c.RememberAll = 1e-9, 50, 20, 20*MaxBody })
	var seen counter
	n.Handle(func(ctx context.Context, from string, body []byte) ([]byte, error) {
		if _, err := seen.handle(ctx, from, body[:1]); err != nil {
			return nil, err
		}
		return body, nil
	})
	good := newNode(t, 1)
	connect(t, good, n)
	s := newStranger(t, mustKey(t, 5), n)
	answered := map[status]int{}
	for i := range 120 {
		q := request{kind: ask, id: requestID{byte(i), 1}, body: make([]byte, MaxBody)}
		answered[s.say(append(s.good.encode(), q.encode(nil)...)).status]++
	}
	if answered[done] != 50 || answered[busy] != 70 {
		t.Errorf("answered %v, want 50 done and 70 busy", answered)
	}
	if calls := seen.all.Load(); calls != 50 {
		t.Errorf("the handler was called %d times", calls)
	}
	mustAsk(t, good, n.Self(), "meanwhile")
	n.partners.mu.Lock()
	defer n.partners.mu.Unlock()
	p := n.partners.all[s.host.ID()].Value.(*partner)
	if len(p.answers) > 20 || p.order.Len() != len(p.answers) || n.partners.bytes > 20*MaxBody {
		t.Errorf("%d answers of %d bytes are remembered", len(p.answers), n.partners.bytes)
	}
}

// An honest asker that meets a limit waits and is answered.
func TestBusyIsAskedAgain(t *testing.T) {
	b := newNode(t, 1, func(c *Config) { c.Rate, c.Burst = 20, 2 })
	a := newNode(t, 0)
	connect(t, a, b)
	var work sync.WaitGroup
	for range 6 {
		work.Go(func() { mustAsk(t, a, b.Self(), "x") })
	}
	work.Wait()
	_, err := a.Ask(within(t, soon), b.Self(), nil)
	if err != nil {
		t.Fatal(err)
	}
}

// No more of our requests are under way to one node than it would answer.
func TestAsksTakeTurns(t *testing.T) {
	a := newNode(t, 0, func(c *Config) { c.Concurrent = 3 })
	b := newNode(t, 1)
	connect(t, a, b)
	var mu sync.Mutex
	now, most := 0, 0
	step := func(by int) {
		mu.Lock()
		defer mu.Unlock()
		now += by
		most = max(most, now)
	}
	b.Handle(func(_ context.Context, _ string, body []byte) ([]byte, error) {
		step(1)
		defer step(-1)
		runtime.Gosched()
		return body, nil
	})
	var work sync.WaitGroup
	for range 30 {
		work.Go(func() { mustAsk(t, a, b.Self(), "x") })
	}
	work.Wait()
	if most > 3 || most == 0 {
		t.Errorf("%d at a time", most)
	}
}

// Many identities cannot fill the memory either: those not heard of longest are
// forgotten, and the one at work is not.
func TestPartnersAreBounded(t *testing.T) {
	cfg, err := config(t, 0).withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	cfg.RememberAll = 10 * MaxBody
	ps := newPartners(cfg)
	at := time.Unix(1000, 0)
	ps.now = func() time.Time { return at }
	name := func(i int) peer.ID { return peer.ID(binary.BigEndian.AppendUint32(nil, uint32(i))) }
	keep := func(p *partner, id byte) {
		k, first, err := ps.begin(p, request{kind: ask, id: requestID{id}})
		if err != nil || !first {
			t.Fatalf("first %t, %v", first, err)
		}
		ps.finish(p, k, answer{done, make([]byte, MaxBody)})
	}
	held := ps.use(name(0))
	for i := 1; i < maxPartners+100; i++ {
		p := ps.use(name(i))
		if i%100 == 0 {
			keep(p, 1)
		}
		ps.release(p)
	}
	if len(ps.all) != maxPartners || ps.recent.Len() != maxPartners {
		t.Errorf("%d and %d partners", len(ps.all), ps.recent.Len())
	}
	if ps.bytes > cfg.RememberAll {
		t.Errorf("%d bytes are remembered", ps.bytes)
	}
	if ps.use(name(0)) != held || ps.use(name(1)) == nil {
		t.Error("a partner at work was forgotten")
	}

	// Time ends it all.
	keep(held, 1)
	at = at.Add(cfg.Remember - 1)
	if _, first, err := ps.begin(held, request{kind: ask, id: requestID{1}}); first || err != nil {
		t.Errorf("a moment early: first %t, %v", first, err)
	}
	at = at.Add(1)
	if _, first, err := ps.begin(held, request{kind: ask, id: requestID{1}}); !first || err != nil {
		t.Errorf("in time: first %t, %v", first, err)
	}
}

// Nothing secret is in what we log, whatever happens.
func TestLogHoldsNoSecrets(t *testing.T) {
	var text bytes.Buffer
	var mu sync.Mutex
	log := slog.New(slog.NewTextHandler(lockedWriter{&mu, &text}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	n := newNode(t, 0, func(c *Config) { c.Log, c.Patience = log, 100*time.Millisecond })
	s := newStranger(t, mustKey(t, 5), n)
	s.say([]byte("secret words, not a frame"))
	until(t, "it is logged", func() bool { mu.Lock(); defer mu.Unlock(); return bytes.Contains(text.Bytes(), []byte("sent off")) })
	mu.Lock()
	defer mu.Unlock()
	if bytes.Contains(text.Bytes(), []byte("secret words")) || bytes.Contains(text.Bytes(), keyOf(0)) {
		t.Errorf("logged: %s", text.String())
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	to io.Writer
}

func (w lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}
