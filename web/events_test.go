package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// listening serves s on a port of loopback.
func listening(t *testing.T, s *server) (*httptest.Server, *Client) {
	t.Helper()
	h := httptest.NewServer(s.engine())
	t.Cleanup(func() { s.Feed.Close(); h.Close() })
	c, err := NewClient(h.URL, testToken)
	if err != nil {
		t.Fatal(err)
	}
	return h, c
}

// until polls for what must come.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %s", what)
		}
	}
}

// figure is what /metrics says under a name.
func figure(t *testing.T, s *server, name string) int {
	t.Helper()
	text := call{method: "GET", path: "/metrics"}.do(t, s).Body.String()
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no figure %s in\n%s", name, text)
	return 0
}

func note(n int) trade.Notice {
	return trade.Notice{Kind: "alarm", Text: fmt.Sprintf("number %d", n)}
}

// A line is one reader's stream, read by hand.
type line struct {
	*bufio.Scanner
	io.Closer
	status int
}

// read opens /v1/events behind an id.
func read(t *testing.T, h *httptest.Server, after string) line {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", h.URL+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testToken)
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Body.Close() })
	return line{bufio.NewScanner(w.Body), w.Body, w.StatusCode}
}

// next is the next event as its lines, joined by |.
func (l line) next(t *testing.T) string {
	t.Helper()
	var lines []string
	for l.Scan() {
		if l.Text() == "" {
			return strings.Join(lines, "|")
		}
		lines = append(lines, l.Text())
	}
	return "end"
}

func TestEventsFromNowOn(t *testing.T) {
	s, _, _ := newTest(t)
	s.Feed.run = "run"
	h, _ := listening(t, s)
	s.Feed.Publish(note(0))
	l := read(t, h, "")
	if got := l.next(t); got != "id: run-1" {
		t.Fatalf("hello %q", got)
	}
	s.Feed.Publish(note(1))
	if got := l.next(t); got != `id: run-2|event: notice|data: {"kind":"alarm","text":"number 1"}` {
		t.Errorf("%q", got)
	}
	s.Feed.Close()
	if got := l.next(t); got != "end" {
		t.Errorf("after the end %q", got)
	}
}

// Each row resumes a feed that keeps 8 and has seen 20.
func TestEventsResume(t *testing.T) {
	for _, row := range []struct {
		after string
		hello string
		first string // number of the first notice, "" for none
	}{
		{"run-20", "id: run-20", ""},
		{"run-19", "id: run-19", "number 19"},
		{"run-12", "id: run-12", "number 12"},
		{"run-11", "id: run-20|event: reset|data: {}", ""},
		{"run-0", "id: run-20|event: reset|data: {}", ""},
		{"run-21", "id: run-20|event: reset|data: {}", ""},
		{"run-18446744073709551615", "id: run-20|event: reset|data: {}", ""},
		{"old-19", "id: run-20|event: reset|data: {}", ""},
		{"19", "id: run-20|event: reset|data: {}", ""},
		{"run-019", "id: run-20|event: reset|data: {}", ""},
		{"run-x", "id: run-20|event: reset|data: {}", ""},
	} {
		t.Run(row.after, func(t *testing.T) {
			s, _, _ := newTest(t)
			s.Feed.run = "run"
			h, _ := listening(t, s)
			for n := range 20 {
				s.Feed.Publish(note(n))
			}
			l := read(t, h, row.after)
			if got := l.next(t); got != row.hello {
				t.Fatalf("hello %q, want %q", got, row.hello)
			}
			want := row.first
			if want == "" {
				want = "number 20"
				s.Feed.Publish(note(20))
			}
			if got := l.next(t); !strings.Contains(got, want) {
				t.Errorf("first %q, want %q", got, want)
			}
		})
	}
}

func TestHeartbeat(t *testing.T) {
	s, _, _ := newTest(t)
	s.heartbeat = time.Millisecond
	h, _ := listening(t, s)
	l := read(t, h, "")
	l.next(t)
	if got := l.next(t); got != ": still here" {
		t.Errorf("%q", got)
	}
}

// A reader that never reads is cut off; nobody waits for it, and the others go
// on.
func TestSlowReader(t *testing.T) {
	s, _, _ := newTest(t)
	s.writeWait = 20 * time.Millisecond
	h, _ := listening(t, s)
	slow, err := net.Dial("tcp", h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", testToken)
	until(t, "the reader", func() bool { return figure(t, s, "photon_event_readers") == 1 })
	big := trade.Notice{Kind: "alarm", Text: strings.Repeat("x", 1<<20)}
	until(t, "its end", func() bool {
		s.Feed.Publish(big)
		return figure(t, s, "photon_event_readers_dropped_total") == 1
	})
	until(t, "its place", func() bool { return figure(t, s, "photon_event_readers") == 0 })
	l := read(t, h, "")
	l.next(t)
	s.Feed.Publish(note(1))
	if got := l.next(t); !strings.Contains(got, "number 1") {
		t.Errorf("%q", got)
	}
}

// A reader whose place has left the ring is lost, not fed with a gap.
func TestRingForgets(t *testing.T) {
	f := NewFeed(3)
	for n := range 5 {
		f.Publish(note(n))
	}
	if b := f.at(1); !b.lost || len(b.notices) != 0 {
		t.Errorf("one too late: %+v", b)
	}
	if b := f.at(2); b.lost || len(b.notices) != 3 || b.notices[0].trade.Text != "number 2" || b.notices[2].trade.Text != "number 4" {
		t.Errorf("just in time: %+v", b)
	}
	if b := f.at(5); b.lost || len(b.notices) != 0 {
		t.Errorf("at the end: %+v", b)
	}
	if b := f.at(6); !b.lost {
		t.Errorf("behind the end: %+v", b)
	}
}

// What is published does not change with what it was made of.
func TestPublishCopies(t *testing.T) {
	f := NewFeed(3)
	tr, head := exampleTrade(1), trade.Head{Height: 5}
	f.Publish(trade.Notice{Kind: "trade", Trade: &tr, Head: &head})
	tr.Status, head.Height = trade.Stranded, 6
	n := f.at(0).notices[0]
	if n.trade.Trade.Status != trade.Locking || n.trade.Head.Height != 5 {
		t.Errorf("%v %v", n.trade.Trade.Status, n.trade.Head)
	}
	f.Close()
	f.Close()
	f.Publish(note(1))
	if f.end() != 1 {
		t.Error("published behind the end")
	}
}

func TestReadersAreBounded(t *testing.T) {
	s, _, _ := newTest(t)
	s.readers = make(chan struct{}, 1)
	h, _ := listening(t, s)
	first := read(t, h, "")
	first.next(t)
	if second := read(t, h, ""); second.status != 503 {
		t.Errorf("status %d", second.status)
	}
	first.Close()
	until(t, "the place", func() bool { return len(s.readers) == 0 })
	if third := read(t, h, ""); third.status != 200 {
		t.Errorf("status %d", third.status)
	}
}

// The client reads a swap's news, and goes on behind it when the line breaks.
func TestClientFollows(t *testing.T) {
	s, _, _ := newTest(t)
	h, c := listening(t, s)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	got := make(chan Happening)
	go func() {
		defer close(got)
		for e, err := range c.Events(ctx, "") {
			if err == nil {
				got <- e
			}
		}
	}()
	until(t, "the reader", func() bool { return figure(t, s, "photon_event_readers") == 1 })
	tr := exampleTrade(1)
	s.Feed.Publish(trade.Notice{Kind: "trade", Trade: &tr})
	if e := <-got; e.Kind != "trade" || e.Swap == nil || e.Swap.Id != tr.ID || e.Reset || e.ID == "" {
		t.Errorf("%+v", e)
	}
	h.CloseClientConnections()
	s.Feed.Publish(trade.Notice{Kind: "head", Chain: contracts.BTC, Head: &trade.Head{Height: 101}})
	if e := <-got; e.Kind != "head" || e.Head == nil || e.Head.Height != 101 {
		t.Errorf("after the break %+v", e)
	}
	stop()
	if _, more := <-got; more {
		t.Error("an event after the end")
	}
}

func TestClientIsToldOfAReset(t *testing.T) {
	s, _, _ := newTest(t)
	_, c := listening(t, s)
	for e, err := range c.Events(t.Context(), "an-old-one") {
		if err != nil || !e.Reset || e.ID != s.Feed.eventID(0) {
			t.Errorf("%+v, %v", e, err)
		}
		break
	}
}

func TestClientIsToldOfARefusal(t *testing.T) {
	s, _, _ := newTest(t)
	h, _ := listening(t, s)
	c, err := NewClient(h.URL, "not-the-token-at-all")
	if err != nil {
		t.Fatal(err)
	}
	var errs []error
	for _, err := range c.Events(t.Context(), "") {
		errs = append(errs, err)
	}
	var p *Problem
	if len(errs) != 1 || !errors.As(errs[0], &p) || p.Code != "token" {
		t.Errorf("%v", errs)
	}
}

func FuzzEventID(f *testing.F) {
	for _, seed := range []string{"run-0", "run-18446744073709551615", "run-18446744073709551616", "-1", "a-b-1", "run-01", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		run, next, err := parseEventID(id)
		if err == nil && (&Feed{run: run}).eventID(next) != id {
			t.Errorf("%q reads as %q, %d", id, run, next)
		}
		if _, resumed := NewFeed(2).start(id); resumed && id != "" {
			t.Errorf("%q is of another run and was resumed", id)
		}
	})
}

// Whatever a server sends, the reader ends with it and shows nothing half.
func FuzzEventReader(f *testing.F) {
	for _, seed := range []string{
		"id: a-1\n\n", "id: a-1\nevent: notice\ndata: {\"kind\":\"head\"}\n\n", "event: reset\ndata: {}\n\n", ": hello\n\n",
		"event: notice\ndata: {\n\n", "data: a\ndata: b\n\n", "event: notice\ndata: {}", "\r\n\r\n", "id\n\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, stream string) {
		r := newEventReader(strings.NewReader(stream))
		for range len(stream) + 1 {
			if _, _, err := r.next(); errors.Is(err, io.EOF) {
				return
			} else if err != nil && r.lines.Err() != nil {
				return
			}
		}
		t.Error("the reader does not end")
	})
}
