package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"photon/contracts"
)

// talk opens a talk and says b on it when both have greeted.
func (s stranger) talk(b []byte) network.Stream {
	s.t.Helper()
	stream := s.openAs(lineID, s.good.encode())
	if _, err := readFrame(stream, maxGreeting); err != nil {
		s.t.Fatalf("greeting: %v", err)
	}
	if _, err := stream.Write(b); err != nil {
		s.t.Fatal(err)
	}
	return stream
}

// long is a request on a line.
func long(id byte, body string) []byte {
	whole := requestID{id}
	return appendLong(nil, whole[:], []byte(body))
}

// hearLong reads the answer to the request with an id, or why there is none.
func (s stranger) hearLong(stream network.Stream, id byte) answer {
	s.t.Helper()
	a, err := readLongAnswer(stream, requestID{id})
	if err != nil {
		s.t.Fatalf("answer: %v", err)
	}
	return a
}

// account is whom the stranger speaks for.
func (s stranger) account() contracts.Address { return s.good.account }

// talksOf is how many talks n has with s.
func (s stranger) talksOf(n *Node) int {
	n.partners.mu.Lock()
	defer n.partners.mu.Unlock()
	e := n.partners.all[s.host.ID()]
	if e == nil {
		return 0
	}
	return e.Value.(*partner).talks
}

// Bytes that are no request end the stream and nothing else: what came before is
// answered, the connection stays, and the next talk is as good as any.
func TestMalformedRequestEndsTheTalk(t *testing.T) {
	n := newNode(t, 0, func(c *Config) { c.Rate, c.Burst = 1e6, 1e6 })
	e := listen(n)
	s := newStranger(t, mustKey(t, 5), n)
	length := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	for i, row := range []struct {
		name string
		say  []byte
		ends bool
	}{
		{"good", long(101, "y"), false},
		{"no body", long(102, ""), false},
		{"longest body", long(103, repeat("x", MaxLong-len("re "))), false},
		{"one byte too long", length(longHead + MaxLong + 1), true},
		{"very long", length(1<<32 - 1), true},
		{"nothing", length(0), true},
		{"half an id", length(longHead - 1), true},
		{"text", []byte("GET / HTTP/1.1\r\n\r\n"), true},
	} {
		t.Run(row.name, func(t *testing.T) {
			stream := s.talk(long(byte(i), row.name))
			if a := s.hearLong(stream, byte(i)); a.status != done || string(a.body) != "re "+row.name {
				t.Errorf("answered %d %q before", a.status, a.body)
			}
			if _, err := stream.Write(row.say); err != nil {
				t.Fatal(err)
			}
			if !row.ends {
				if a := s.hearLong(stream, row.say[4]); a.status != done {
					t.Errorf("answered %d %q", a.status, a.body)
				}
				return
			}
			if got, err := io.ReadAll(stream); err == nil || timedOut(err) || len(got) > 0 {
				t.Errorf("read %d bytes and %v", len(got), err)
			}
			if !n.connected(s.host.ID()) {
				t.Error("the connection has ended")
			}
		})
	}
	if heard := e.all(); len(heard) != 8+3 {
		t.Errorf("%d heard", len(heard))
	}
}

// Whoever may not talk is told why, and no handler hears of it.
func TestTurnedAway(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*greeting)
		limit  float64
		want   status
	}{
		{"good", func(*greeting) {}, 1e6, done},
		{"another realm", func(g *greeting) { g.realm = "main" }, 1e6, wrongRealm},
		{"forged account", func(g *greeting) { g.account[3]++ }, 1e6, wrongAccount},
		{"forged signature", func(g *greeting) { g.signature[3]++ }, 1e6, wrongAccount},
		{"no greeting", func(g *greeting) { g.realm = repeat("x", maxRealm+1) }, 1e6, wrongFrame},
		{"too often", func(*greeting) {}, 1e-9, busy},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := newNode(t, 0, func(c *Config) { c.Rate, c.Burst = row.limit, 2 })
			e := listen(n)
			s := newStranger(t, mustKey(t, 5), n)
			if row.want == busy {
				s.talk(nil)
				s.talk(nil)
			}
			row.change(&s.good)
			stream := s.talk(nil)
			_, unsent := stream.Write(long(1, "x"))
			if a := s.hearLong(stream, 1); a.status != row.want {
				t.Errorf("answered %d %q, %v; want %d", a.status, a.body, unsent, row.want)
			}
			if heard := e.all(); (len(heard) > 0) != (row.want == done) {
				t.Errorf("heard %q", heard)
			}
			if proved := row.want == done || row.want == busy; n.lines.Reachable(s.account()) != proved {
				t.Errorf("reachable %t, want %t", !proved, proved)
			}
		})
	}
}

// A request that comes again, on the same line or another, is answered as before;
// the same id with other words is not.
func TestReplayOnALine(t *testing.T) {
	n := newNode(t, 0)
	e := listen(n)
	s := newStranger(t, mustKey(t, 5), n)
	for range 2 {
		stream := s.talk(append(long(1, "x"), long(1, "x")...))
		for range 2 {
			if a := s.hearLong(stream, 1); a.status != done || string(a.body) != "re x" {
				t.Fatalf("answered %d %q", a.status, a.body)
			}
		}
	}
	if a := s.hearLong(s.talk(long(1, "y")), 1); a.status != wrongFrame {
		t.Errorf("answered %d %q, want %d", a.status, a.body, wrongFrame)
	}
	if heard := e.all(); len(heard) != 1 {
		t.Errorf("heard %q", heard)
	}
}

// A stranger is held to its rate and may not be silent for long; a partner asks
// as much as it likes and keeps its line.
func TestPartnersAreNotHeldUp(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		n := newNode(t, 0, func(c *Config) { c.Rate, c.Burst, c.Patience = 1e-9, 5, 200*time.Millisecond })
		e := listen(n)
		s, other := newStranger(t, mustKey(t, 5), n), newStranger(t, mustKey(t, 6), n)
		n.Lines().Trust(s.account(), trusted)
		other.good.account = contracts.Address{} // not the partner's
		stream := s.talk(nil)
		for i := range 30 {
			if _, err := stream.Write(long(byte(i), "x")); err != nil {
				t.Fatal(err)
			}
		}
		if !trusted {
			until(t, "it has used up what it may", func() bool { return len(e.all()) == 4 })
			if err := stream.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(stream); !timedOut(err) || len(got) != 4*len(long(0, "xre x")) {
				t.Errorf("%d bytes are answered, %v", len(got), err)
			}
			continue
		}
		for i := range 30 {
			s.hearLong(stream, byte(i))
		}
		silent := other.openAs(lineID, nil)
		if _, err := io.ReadAll(silent); err == nil || timedOut(err) { // n ends it after Patience
			t.Errorf("a silent stranger: %v", err)
		}
		if _, err := stream.Write(long(100, "x")); err != nil {
			t.Fatal(err)
		}
		s.hearLong(stream, 100)
	}
}

// Who starts a request and does not end it, who greets and is silent, and who does
// not read its answers, has its talk ended.
func TestSlowTalks(t *testing.T) {
	n := newNode(t, 0, func(c *Config) { c.Rate, c.Burst, c.Patience = 1e6, 1e6, 100*time.Millisecond })
	n.Lines().Handle(func(context.Context, contracts.Address, []byte) ([]byte, error) { return make([]byte, MaxLong), nil })
	s := newStranger(t, mustKey(t, 5), n)
	for _, row := range []struct {
		name string
		say  []byte
	}{
		{"silent", nil},
		{"half a length", []byte{0, 0}},
		{"half a request", long(1, "x")[:10]},
		{"deaf", bytes.Repeat(long(2, "x"), 100)},
	} {
		s.talk(row.say)
		until(t, row.name+" is ended", func() bool { return s.talksOf(n) == 0 })
	}
	n.Lines().Trust(s.account(), true)
	for _, say := range [][]byte{long(1, "x")[:10], bytes.Repeat(long(2, "x"), 100)} {
		s.talk(say)
		until(t, "a partner's is ended", func() bool { return s.talksOf(n) == 0 })
	}
}

// A line that the other has ended, because we were silent, is made anew.
func TestLineIsMadeAnew(t *testing.T) {
	a, b := newNode(t, 0), newNode(t, 1, func(c *Config) { c.Patience = 100 * time.Millisecond })
	e := listen(b)
	connect(t, a, b)
	for range 3 {
		mustTell(t, a, accountOf(b), "x")
		until(t, "the talk is ended", func() bool {
			b.partners.mu.Lock()
			defer b.partners.mu.Unlock()
			return b.partners.all[a.host.ID()].Value.(*partner).talks == 0
		})
	}
	if heard := e.all(); len(heard) != 3 {
		t.Errorf("heard %q", heard)
	}
}

// However many talks a node opens while the handler is at work, few wait for it.
func TestTalksAreBounded(t *testing.T) {
	n := newNode(t, 0, func(c *Config) { c.Rate, c.Burst = 1e6, 1e6 })
	hold, at := make(chan struct{}), make(chan string, 16)
	n.Lines().Handle(func(_ context.Context, _ contracts.Address, body []byte) ([]byte, error) {
		at <- string(body)
		<-hold
		return nil, nil
	})
	s := newStranger(t, mustKey(t, 5), n)
	s.talk(long(1, "first"))
	<-at
	var last network.Stream
	for i := 2; i <= maxTalks; i++ {
		last = s.talk(long(byte(i), "waits"))
		until(t, "it waits", func() bool { return s.talksOf(n) == i })
	}
	for range 5 {
		if a := s.hearLong(s.talk(nil), 9); a.status != busy {
			t.Errorf("answered %d", a.status)
		}
	}
	close(hold)
	if a := s.hearLong(last, maxTalks); a.status != done {
		t.Errorf("the newest is answered %d", a.status)
	}
	if got := <-at; got != "waits" || len(at) > 0 {
		t.Errorf("heard %q and %d more", got, len(at))
	}
}

// Who answers wrong, or not at all, is no longer listened to in time.
func TestWrongAnswers(t *testing.T) {
	answers := func(b func(q requestID) []byte) func(s stranger, stream network.Stream) {
		return func(s stranger, stream network.Stream) {
			if _, err := stream.Write(s.good.encode()); err != nil {
				return
			}
			if _, err := readFrame(stream, maxGreeting); err != nil {
				return
			}
			q := make([]byte, 4+longHead)
			if _, err := io.ReadFull(stream, q); err != nil {
				return
			}
			if _, err := stream.Write(b(requestID(q[4:]))); err != nil {
				return
			}
		}
	}
	for _, row := range []struct {
		name string
		does func(s stranger, stream network.Stream)
		want error
	}{
		{"good", answers(func(id requestID) []byte { return answer{done, []byte("re x")}.encodeLong(nil, id) }), nil},
		{"no greeting", func(stranger, network.Stream) {}, ErrUnreachable},
		{"no answer", answers(func(requestID) []byte { return nil }), ErrUnreachable},
		{"half an answer", answers(func(id requestID) []byte { return answer{}.encodeLong(nil, id)[:9] }), ErrUnreachable},
		{"always busy", answers(func(id requestID) []byte { return answer{status: busy}.encodeLong(nil, id) }), ErrBusy},
		{"answer to another request", answers(func(id requestID) []byte { id[3]++; return answer{}.encodeLong(nil, id) }), ErrFrame},
		{"answer to none", answers(func(requestID) []byte { return answer{}.encodeLong(nil, requestID{}) }), ErrFrame},
		{"no status", answers(func(id requestID) []byte { return answer{status: statusEnd}.encodeLong(nil, id) }), ErrFrame},
		{"too long", answers(func(requestID) []byte { return []byte{0xff, 0, 0, 0} }), ErrFrame},
		{"another account", func(s stranger, stream network.Stream) {
			g, err := bind(config(s.t, 9).Account, s.host.ID())
			if err != nil {
				return
			}
			g.realm = "dev"
			if _, err := stream.Write(g.encode()); err != nil {
				return
			}
			<-s.t.Context().Done()
		}, errNobody},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := newNode(t, 0, func(c *Config) { c.Patience = 100 * time.Millisecond })
			s := newStranger(t, mustKey(t, 5), n)
			s.host.SetStreamHandler(lineID, func(stream network.Stream) { row.does(s, stream) })
			if a := s.say(append(s.good.encode(), request{kind: hello}.encode(nil)...)); a.status != done {
				t.Fatalf("not greeted: %d", a.status)
			}
			patient := within(t, soon)
			if row.want == ErrUnreachable || row.want == ErrBusy {
				patient = within(t, 400*time.Millisecond)
			}
			got, err := n.Lines().Ask(patient, s.account(), []byte("x"))
			if row.want == nil && (err != nil || string(got) != "re x") {
				t.Fatalf("answer %q, %v", got, err)
			}
			if row.want != nil {
				wantError(t, err, row.want)
			}
		})
	}
}

// A request may come a byte at a time and end anywhere; room is made for what has
// come, not for what is said to come.
func TestLongIsCutAnywhere(t *testing.T) {
	whole := long(1, repeat("x", 3*longStep+5))
	read := func(r io.Reader) ([]byte, error) {
		n, err := readLength(r, longHead, longHead+MaxLong)
		if err != nil {
			return nil, err
		}
		return readLong(r, n)
	}
	got, err := read(iotest.OneByteReader(bytes.NewReader(whole)))
	if err != nil || !bytes.Equal(got, whole[4:]) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	for n := 0; n < len(whole); n += 1 + n/3 {
		if _, err := read(bytes.NewReader(whole[:n])); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	for _, comes := range []int{0, 10, 3 * longStep} {
		r := &measured{from: bytes.NewReader(make([]byte, comes))}
		if _, err := readLong(r, MaxLong); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes of %d: %v", comes, MaxLong, err)
		}
		if r.room > comes+longStep {
			t.Errorf("room for %d bytes when %d come", r.room, comes)
		}
	}
}

// A measured reader notes how much room it is given at a time.
type measured struct {
	from io.Reader
	room int
}

func (m *measured) Read(b []byte) (int, error) {
	m.room = max(m.room, len(b))
	return m.from.Read(b)
}

// What is read is what would be written, and nothing else is read.
func FuzzLong(f *testing.F) {
	f.Add(long(1, "x"))
	f.Add(answer{done, []byte("x")}.encodeLong(nil, requestID{1}))
	f.Add(failure(refused, errors.New("no")).encodeLong(nil, requestID{}))
	f.Add([]byte{0, 4, 0, 17, 1})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		if n, err := readLength(r, longHead, longHead+MaxLong); err == nil {
			payload, err := readLong(r, n)
			if err == nil && !bytes.HasPrefix(b, appendLong(nil, payload)) {
				t.Errorf("%x is read as %x", b, payload)
			}
		}
		a, err := readLongAnswer(bytes.NewReader(b), requestID{1})
		if err == nil && !bytes.HasPrefix(b, a.encodeLong(nil, requestID(b[4:]))) {
			t.Errorf("%x is read as %d %x", b, a.status, a.body)
		}
	})
}
