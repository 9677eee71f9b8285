package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"photon/contracts"
)

// behind starts node number i behind a bad line: others know it only there.
func behind(t testing.TB, i int, change ...func(*Config)) (*Node, *proxy) {
	t.Helper()
	p := newProxy(t)
	n := newNode(t, i, append(change, func(c *Config) { c.Announce = []string{p.addr()} })...)
	p.lead(n)
	return n, p
}

// F12: the line is cut after each few bytes of a request and of an answer. The
// asker gets its answer and the handler saw the request once.
func TestCutAnywhereIsAnsweredOnce(t *testing.T) {
	a := newNode(t, 0, func(c *Config) { c.Rate, c.Burst = 1e6, 1e6 })
	b, line := behind(t, 1, func(c *Config) { c.Rate, c.Burst = 1e6, 1e6 })
	var seen counter
	b.Handle(seen.handle)
	connect(t, a, b)
	body := repeat("x", 300)
	for _, way := range []int{toNode, fromNode} {
		for n := 0; n < 900; n += 23 {
			// A connection that is whole before the cut.
			if _, err := a.Ask(within(t, soon), b.Self(), []byte("whole")); err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf("%d %d %s", way, n, body)
			line.cutAfter(way, n)
			got, err := a.Ask(within(t, soon), b.Self(), []byte(text))
			line.cutAfter(way, -1)
			if err != nil || string(got) != "re "+text {
				t.Fatalf("way %d cut after %d: answer %.20q, %v", way, n, got, err)
			}
			if times := seen.of(text); times != 1 {
				t.Fatalf("way %d cut after %d: handler saw it %d times", way, n, times)
			}
		}
	}
	if cuts := line.count(); cuts < 20 {
		t.Errorf("only %d cuts", cuts)
	}
}

// The line is cut while the handler is at work. The repeat waits for the first
// and gets its answer.
func TestRepeatWaitsForTheFirst(t *testing.T) {
	a := newNode(t, 0)
	b, line := behind(t, 1)
	connect(t, a, b)
	started, finish := make(chan struct{}), make(chan struct{})
	var calls counter
	b.Handle(func(ctx context.Context, from string, body []byte) ([]byte, error) {
		if calls.all.Load() == 0 {
			close(started)
		}
		answer, err := calls.handle(ctx, from, body)
		<-finish
		return answer, err
	})
	asked := make(chan error)
	go func() {
		got, err := a.Ask(within(t, soon), b.Self(), []byte("x"))
		if err == nil && string(got) != "re x" {
			err = fmt.Errorf("answer %q", got)
		}
		asked <- err
	}()
	<-started
	line.cut()
	running := func() int {
		b.partners.mu.Lock()
		defer b.partners.mu.Unlock()
		return b.partners.all[a.host.ID()].Value.(*partner).running
	}
	until(t, "the repeat is there", func() bool { return running() == 2 })
	close(finish)
	if err := <-asked; err != nil {
		t.Fatal(err)
	}
	if n := calls.of("x"); n != 1 {
		t.Errorf("handler saw it %d times", n)
	}
}

// An error is an answer too: the repeat gets it again.
func TestRefusalIsRemembered(t *testing.T) {
	a := newNode(t, 0)
	b, line := behind(t, 1)
	connect(t, a, b)
	calls := 0
	b.Handle(func(context.Context, string, []byte) ([]byte, error) {
		calls++
		line.cut()
		return nil, fmt.Errorf("refusal %d", calls)
	})
	_, err := a.Ask(within(t, soon), b.Self(), nil)
	wantError(t, err, ErrRefused)
	if !strings.HasSuffix(err.Error(), "refusal 1") || calls != 1 {
		t.Errorf("error %q after %d calls", err, calls)
	}
}

// F11, in small: a slow, late line that is cut again and again. Everything is
// answered, each once.
func TestBadLine(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds by design: it waits for a slow line")
	}
	a := newNode(t, 0)
	b, line := behind(t, 1)
	line.delay, line.rate = around(30*time.Millisecond, 1), 100_000
	var seen counter
	b.Handle(seen.handle)
	ctx, stop := context.WithCancel(t.Context())
	var cutter sync.WaitGroup
	defer cutter.Wait()
	defer stop()
	connect(t, a, b)
	cutter.Go(func() {
		tick := time.NewTicker(600 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				line.cut()
			case <-ctx.Done():
				return
			}
		}
	})
	asking := within(t, 2*soon)
	var work sync.WaitGroup
	const many = 40
	for i := range many {
		work.Go(func() {
			text := fmt.Sprintf("%d %s", i, repeat("x", 2000))
			got, err := a.Ask(asking, b.Self(), []byte(text))
			if err != nil || string(got) != "re "+text {
				t.Errorf("%d: answer %.20q, %v", i, got, err)
			}
			if n := seen.of(text); n != 1 {
				t.Errorf("%d: handler saw it %d times", i, n)
			}
		})
	}
	work.Wait()
	if line.count() == 0 {
		t.Error("the line was never cut")
	}
}

// The other's process ends and comes back while we ask.
func TestAskAcrossARestart(t *testing.T) {
	a := newNode(t, 0)
	b, line := behind(t, 1)
	connect(t, a, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	asked := make(chan error)
	go func() {
		_, err := a.Ask(within(t, soon), b.Self(), []byte("x"))
		asked <- err
	}()
	again := newNode(t, 1, func(c *Config) { c.Announce = []string{line.addr()} })
	line.lead(again)
	if err := <-asked; err != nil {
		t.Fatal(err)
	}
}

// A line that takes everything and brings nothing is given up, and another one
// is tried.
func TestSilentLineIsGivenUp(t *testing.T) {
	a := newNode(t, 0, func(c *Config) { c.Patience = 200 * time.Millisecond })
	b, line := behind(t, 1)
	connect(t, a, b)
	before := line.swallow()
	_, err := a.Ask(within(t, soon), b.Self(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	line.mu.Lock()
	defer line.mu.Unlock()
	if line.dials <= before {
		t.Error("the silent line brought an answer")
	}
}

// A partner is found again: after our restart by the book, after its restart on
// another port because it asks us, or because we are told the new address.
func TestPartnersAreFoundAgain(t *testing.T) {
	for _, row := range []struct {
		name string
		how  func(t *testing.T, a, b *Node)
	}{
		{"it asks us", func(t *testing.T, a, b *Node) { mustAsk(t, b, a.Self(), "I am back") }},
		{"we are told", func(t *testing.T, a, b *Node) { connect(t, a, b) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			pagesA, pagesB := &memoryBook{pages: map[string][]byte{}}, &memoryBook{pages: map[string][]byte{}}
			withA := func(c *Config) { c.Book = pagesA }
			withB := func(c *Config) { c.Book = pagesB }
			a, b := newNode(t, 0, withA), newNode(t, 1, withB)
			connect(t, a, b)
			mustAsk(t, b, a.Self(), "so that b has a's address")

			// We restart on the same port as others know us by.
			at := a.host.Network().ListenAddresses()[0].String()
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			a = newNode(t, 0, withA, func(c *Config) { c.Listen = []string{at} })
			mustAsk(t, a, b.Self(), "found by the book")

			// It restarts on another port.
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			b = newNode(t, 1, withB)
			row.how(t, a, b)
			mustAsk(t, a, b.Self(), "found again")

			// And we once more: only the book knows the new port.
			until(t, "the new address is in the book", func() bool {
				page, err := a.book.read(t.Context(), b.host.ID())
				return err == nil && len(page.Heard) == 1 && strings.HasPrefix(b.Addresses()[0], page.Heard[0]+"/")
			})
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			a = newNode(t, 0, withA)
			mustAsk(t, a, b.Self(), "found by the book again")
		})
	}
}

// We hold a connection that is dead without our knowing, and are told where the
// partner is now: the new address is tried too.
func TestNewAddressBehindADeadConnection(t *testing.T) {
	a := newNode(t, 0, func(c *Config) { c.Patience = 200 * time.Millisecond })
	b, line := behind(t, 1)
	connect(t, a, b)
	line.swallow()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if !a.connected(b.host.ID()) {
		t.Fatal("we know that the connection is dead")
	}
	again := newNode(t, 1)
	connect(t, a, again)
	mustAsk(t, a, again.Self(), "x")
}

// A brokenBook has no pages to give and takes none.
type brokenBook struct{}

func (brokenBook) Get(context.Context, string) ([]byte, error) { return nil, errBook }
func (brokenBook) Put(context.Context, string, []byte) error   { return errBook }

var errBook = errors.New("disk is gone")

// Who connects is told that the address is not kept; messages pass all the same.
func TestBrokenBook(t *testing.T) {
	a, b := newNode(t, 0, func(c *Config) { c.Book = brokenBook{} }), newNode(t, 1)
	_, err := a.Connect(within(t, soon), b.Addresses()[0])
	wantError(t, err, errBook)
	mustAsk(t, a, b.Self(), "x")
	mustAsk(t, b, a.Self(), "x")
	listen(b)
	mustTell(t, a, accountOf(b), "x")
	wantError(t, a.Lines().Tell(within(t, 50*time.Millisecond), contracts.Address{9}, nil), ErrUnreachable, errBook)
}

// The book keeps the newest addresses, a few of each kind, and no strangers.
func TestBookIsBounded(t *testing.T) {
	pages := &memoryBook{pages: map[string][]byte{}}
	k, id := &book{store: pages}, idOf(t, mustKey(t, 0))
	at := func(i int) string { return fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", 100+i) }
	note := func(given string, heard []string, wanted bool) page {
		t.Helper()
		if err := k.note(t.Context(), id, given, heard, wanted); err != nil {
			t.Fatal(err)
		}
		p, err := k.read(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := note("", []string{at(1)}, false); len(p.Heard) > 0 || len(pages.pages) > 0 {
		t.Errorf("a stranger is in the book: %v", p)
	}
	for i := range maxGiven + 2 {
		note(at(i), nil, true)
	}
	if p := note(at(3), nil, true); !slices.Equal(p.Given, []string{at(3), at(5), at(4), at(2)}) {
		t.Errorf("given %v", p.Given)
	}
	var many []string
	for i := range maxHeard + 1 {
		many = append(many, at(i))
	}
	if p := note("", many, false); len(p.Heard) != maxHeard || len(p.Given) != maxGiven {
		t.Errorf("%d and %d addresses", len(p.Heard), len(p.Given))
	}
	if p := note("", []string{at(50)}, false); !slices.Equal(p.Heard, []string{at(50)}) {
		t.Errorf("heard %v", p.Heard)
	}
	if p := note("", nil, false); !slices.Equal(p.Heard, []string{at(50)}) {
		t.Errorf("after hearing nothing: %v", p.Heard)
	}
	pages.pages[pageKey(id)] = []byte("{")
	_, err := k.addresses(t.Context(), id)
	wantError(t, err, ErrAddress)
	if p := note(at(1), nil, true); !slices.Equal(p.Given, []string{at(1)}) {
		t.Errorf("a spoilt page is not written anew: %v", p)
	}
}

// Where a node says that it is, another learns without asking it anything, keeps
// it over a restart, and finds it there. A wrong word among them does no harm.
func TestLearn(t *testing.T) {
	shelf := &memoryBook{pages: map[string][]byte{}}
	withA := func(c *Config) { c.Book = shelf }
	a, b, c := newNode(t, 0, withA), newNode(t, 1), newNode(t, 2)
	for _, n := range []*Node{b, c} {
		n.Handle(func(_ context.Context, _ string, body []byte) ([]byte, error) { return body, nil })
	}
	at := b.Reach()
	if len(at) != 1 || b.Addresses()[0] != at[0]+"/p2p/"+b.Self() {
		t.Fatalf("%v is reached at %v", b.Addresses(), at)
	}
	for _, row := range []struct {
		name, who string
		at        []string
		want      error
	}{
		{"no identity", "bob", at, ErrIdentity},
		{"no multiaddr", b.Self(), []string{"192.0.2.1"}, ErrAddress},
		{"nothing", b.Self(), nil, nil},
		{"ourselves", a.Self(), at, nil},
		{"where another is", b.Self(), c.Reach(), nil},
		{"where he is, too", b.Self(), append([]string{"/ip4/127.0.0.1/tcp/1"}, at...), nil},
	} {
		if err := a.Learn(t.Context(), row.who, row.at); !errors.Is(err, row.want) || (row.want == nil && err != nil) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
	if got := a.Connected(); len(got) != 0 {
		t.Errorf("asked %v to learn where they are", got)
	}
	mustAsk(t, a, b.Self(), "found by what was learned")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = newNode(t, 0, withA)
	mustAsk(t, a, b.Self(), "and after a restart")
}

// What is told to the world is where the world can come: loopback only when there
// is nothing else.
func TestReach(t *testing.T) {
	long := "/dns4/" + repeat("a.", 50) + "a/tcp/1"
	for _, row := range []struct{ announce, want []string }{
		{[]string{"/ip4/127.0.0.1/tcp/1"}, []string{"/ip4/127.0.0.1/tcp/1"}},
		{[]string{"/ip4/127.0.0.1/tcp/1", "/ip4/192.168.1.2/tcp/1", "/ip4/8.8.8.8/tcp/1"}, []string{"/ip4/8.8.8.8/tcp/1", "/ip4/192.168.1.2/tcp/1"}},
		{[]string{long, "/dns4/photon.example/tcp/1"}, []string{"/dns4/photon.example/tcp/1"}},
		{[]string{"/ip4/8.8.8.8/tcp/1", "/ip4/8.8.8.8/tcp/2", "/ip4/8.8.8.8/tcp/3", "/ip4/8.8.8.8/tcp/4"}, []string{"/ip4/8.8.8.8/tcp/1", "/ip4/8.8.8.8/tcp/2", "/ip4/8.8.8.8/tcp/3"}},
	} {
		n := newNode(t, 3, func(c *Config) { c.Announce = row.announce })
		if got := n.Reach(); !slices.Equal(got, row.want) {
			t.Errorf("%v: %v, want %v", row.announce, got, row.want)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
