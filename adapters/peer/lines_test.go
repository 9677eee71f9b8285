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

	ethcrypto "github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/time/rate"

	"photon/contracts"
)

// accountOf is the account that a node speaks for.
func accountOf(n *Node) contracts.Address {
	return ethcrypto.PubkeyToAddress(n.cfg.Account.PublicKey)
}

// mustTell asks on a line and wants "re " and the body back.
func mustTell(t testing.TB, a *Node, to contracts.Address, body string) {
	t.Helper()
	got, err := a.Lines().Ask(within(t, soon), to, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != "re "+body {
		t.Fatalf("answer %.20q, want re %.20q", got, body)
	}
}

// An ear is a handler of lines that hands over what it hears, in order.
type ear struct {
	mu    sync.Mutex
	heard []string
	from  []contracts.Address
}

func (e *ear) handle(_ context.Context, from contracts.Address, body []byte) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard, e.from = append(e.heard, string(body)), append(e.from, from)
	return append([]byte("re "), body...), nil
}

func (e *ear) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard)
}

// listen gives n an ear.
func listen(n *Node) *ear {
	e := new(ear)
	n.Lines().Handle(e.handle)
	return e
}

// Only one of two has been told where the other is; then each knows the other by
// its account alone, and both speak at the same time.
func TestAccountsSpeakToEachOther(t *testing.T) {
	for _, at := range []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(strings.Split(at, "/")[3], func(t *testing.T) {
			on := func(c *Config) { c.Listen = []string{at} }
			a, b := newNode(t, 0, on), newNode(t, 1, on)
			hears := map[*Node]*ear{a: listen(a), b: listen(b)}
			connect(t, a, b)
			mustMeet(t, a, accountOf(b))
			mustMeet(t, b, accountOf(a))
			var work sync.WaitGroup
			for from, to := range map[*Node]*Node{a: b, b: a} {
				work.Go(func() {
					for i := range 50 {
						mustTell(t, from, accountOf(to), fmt.Sprint(i))
					}
					for _, size := range []int{0, MaxBody + 1, MaxLong - len("re ")} {
						mustTell(t, from, accountOf(to), repeat("x", size))
					}
				})
			}
			work.Wait()
			for from, to := range map[*Node]*Node{a: b, b: a} {
				e := hears[to]
				e.mu.Lock()
				for i := range 50 {
					if e.heard[i] != fmt.Sprint(i) || e.from[i] != accountOf(from) {
						t.Errorf("request %d is %q of %s", i, e.heard[i], e.from[i])
					}
				}
				e.mu.Unlock()
				if !to.Lines().Reachable(accountOf(from)) {
					t.Errorf("%s does not count as reachable", accountOf(from))
				}
			}
			streams := 0
			for _, c := range a.host.Network().Conns() {
				for _, s := range c.GetStreams() {
					if s.Protocol() == lineID {
						streams++
					}
				}
			}
			if streams != 2 {
				t.Errorf("%d streams, want one each way", streams)
			}
		})
	}
}

func TestLinesRefuseAtOnce(t *testing.T) {
	a, b := newNode(t, 0), newNode(t, 1)
	connect(t, a, b)
	b.Lines().Handle(func(_ context.Context, _ contracts.Address, body []byte) ([]byte, error) {
		switch string(body) {
		case "no":
			return nil, errors.New("will not")
		case "much":
			return make([]byte, MaxLong+1), nil
		}
		return body, nil
	})
	for _, row := range []struct {
		name string
		to   contracts.Address
		body string
		want error
		text string
	}{
		{"good", accountOf(b), "yes", nil, ""},
		{"longest body", accountOf(b), repeat("x", MaxLong), nil, ""},
		{"one byte more", accountOf(b), repeat("x", MaxLong+1), ErrSize, ""},
		{"nobody", contracts.Address{9}, "yes", ErrUnreachable, "no node"},
		{"ourselves", accountOf(a), "yes", ErrUnreachable, "ourselves"},
		{"refused", accountOf(b), "no", ErrRefused, "will not"},
		{"answer too large", accountOf(b), "much", ErrRefused, "too large"},
		{"good again", accountOf(b), "yes", nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := a.Lines().Ask(t.Context(), row.to, []byte(row.body))
			if row.want == nil && (err != nil || string(got) != row.body) {
				t.Fatalf("answer %.20q, %v", got, err)
			}
			if row.want != nil {
				wantError(t, err, row.want)
				if !strings.Contains(err.Error(), row.text) {
					t.Errorf("error %q does not say %q", err, row.text)
				}
			}
		})
	}
}

// Many wait for one account, some of them give up, and the line is cut again and
// again: what is heard is each request once, in the order in which it was given.
func TestOrderUnderLoad(t *testing.T) {
	generous := func(c *Config) { c.Rate, c.Burst = 1e6, 1e6 }
	a := newNode(t, 0, generous)
	b, line := behind(t, 1, generous)
	connect(t, a, b)
	e, gate := new(ear), make(chan struct{})
	b.Lines().Handle(func(ctx context.Context, from contracts.Address, body []byte) ([]byte, error) {
		<-gate
		answer, err := e.handle(ctx, from, body)
		if len(e.all())%20 == 0 {
			line.cut()
		}
		return answer, err
	})
	l, to := a.Lines(), accountOf(b)
	waiting := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.find(to).queue)
	}
	var work sync.WaitGroup
	var want []string
	const many = 200
	for i := range many {
		ctx, giveUp := context.WithCancel(within(t, soon))
		defer giveUp()
		text, given := fmt.Sprint(i), i%7 != 3
		work.Go(func() {
			if _, err := l.Ask(ctx, to, []byte(text)); (err == nil) != given {
				t.Errorf("%s: %v", text, err)
			}
		})
		until(t, "it has its place", func() bool { return waiting() == len(want)+1 })
		if given {
			want = append(want, text)
			continue
		}
		giveUp()
		until(t, "it has left", func() bool { return waiting() == len(want) })
	}
	close(gate)
	work.Wait()
	if heard := e.all(); !slices.Equal(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
	if cuts := line.count(); cuts < 5 {
		t.Errorf("only %d cuts", cuts)
	}
}

// The line is cut after each few bytes of a request and of an answer. The asker
// gets its answer and the handler saw the request once.
func TestCutLineIsAnsweredOnce(t *testing.T) {
	a := newNode(t, 0)
	b, line := behind(t, 1, func(c *Config) { c.Rate, c.Burst = 1e6, 1e6 })
	e := listen(b)
	b.Lines().Trust(accountOf(a), true)
	connect(t, a, b)
	var want []string
	for _, way := range []int{toNode, fromNode} {
		for n := 0; n < 500; n += 31 {
			mustTell(t, a, accountOf(b), fmt.Sprintf("%d %d whole", way, n)) // a line before the cut
			text := fmt.Sprintf("%d %d %s", way, n, repeat("x", 200))
			line.cutAfter(way, n)
			mustTell(t, a, accountOf(b), text)
			line.cutAfter(way, -1)
			want = append(want, fmt.Sprintf("%d %d whole", way, n), text)
		}
	}
	if heard := e.all(); !slices.Equal(heard, want) {
		t.Errorf("%d heard, want %d, each once", len(heard), len(want))
	}
	if cuts := line.count(); cuts < 10 {
		t.Errorf("only %d cuts", cuts)
	}
}

// The line is cut while the handler is at work: the request on the new line waits
// for it and gets its answer. So does what comes after a request that was given up.
func TestNewLineWaitsForTheOldHandler(t *testing.T) {
	for _, row := range []struct {
		name     string
		patience time.Duration
		cut      bool // the line, or the asker gives up
	}{{"cut", 10 * time.Second, true}, {"given up", 10 * time.Second, false}, {"silent for long", 50 * time.Millisecond, true}} {
		t.Run(row.name, func(t *testing.T) {
			a := newNode(t, 0, func(c *Config) { c.Patience = row.patience })
			b, line := behind(t, 1, func(c *Config) { c.Rate, c.Burst = 1e6, 1e6 })
			connect(t, a, b)
			at, goOn := make(chan string, 16), make(chan struct{})
			b.Lines().Handle(func(_ context.Context, _ contracts.Address, body []byte) ([]byte, error) {
				at <- string(body)
				<-goOn
				return append([]byte("re "), body...), nil
			})
			first, giveUp := context.WithCancel(within(t, soon))
			told := make(chan error, 2)
			go func() {
				_, err := a.Lines().Ask(first, accountOf(b), []byte("first"))
				told <- err
			}()
			if got := <-at; got != "first" {
				t.Fatalf("heard %q", got)
			}
			if row.cut {
				line.cut()
			} else {
				giveUp()
				wantError(t, <-told, context.Canceled)
			}
			go func() {
				_, err := a.Lines().Ask(within(t, soon), accountOf(b), []byte("second"))
				told <- err
			}()
			until(t, "a new line waits", func() bool {
				b.partners.mu.Lock()
				defer b.partners.mu.Unlock()
				return b.partners.all[a.host.ID()].Value.(*partner).talks > 1
			})
			if len(at) > 0 {
				t.Errorf("%q is heard beside the first", <-at)
			}
			close(goOn)
			if row.cut {
				if err := <-told; err != nil {
					t.Fatal(err)
				}
			}
			if err := <-told; err != nil {
				t.Fatal(err)
			}
			giveUp()
			if got := <-at; got != "second" || len(at) > 0 {
				t.Errorf("heard %q and %d more", got, len(at))
			}
		})
	}
}

// One account's handler stands still, and another's line is dead: nobody else
// waits for them, neither where they are asked nor where they ask.
func TestNobodyHoldsUpAnother(t *testing.T) {
	a, b, c := newNode(t, 0, func(c *Config) { c.Patience = time.Second }), newNode(t, 1), newNode(t, 2)
	d, line := behind(t, 3)
	hold := make(chan struct{})
	b.Lines().Handle(func(context.Context, contracts.Address, []byte) ([]byte, error) { <-hold; return nil, nil })
	a.Lines().Handle(func(_ context.Context, from contracts.Address, body []byte) ([]byte, error) {
		if from == accountOf(b) {
			<-hold
		}
		return append([]byte("re "), body...), nil
	})
	listen(c)
	listen(d)
	for _, n := range []*Node{b, c, d} {
		connect(t, a, n)
	}
	mustTell(t, a, accountOf(d), "while the line is good")
	line.swallow()
	var work sync.WaitGroup
	for _, way := range [][2]*Node{{a, b}, {b, a}, {a, d}} {
		work.Go(func() {
			if err := way[0].Lines().Tell(within(t, soon), accountOf(way[1]), make([]byte, MaxLong-len("re "))); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "all three are under way", func() bool {
		b.lines.mu.Lock()
		defer b.lines.mu.Unlock()
		a.lines.mu.Lock()
		defer a.lines.mu.Unlock()
		return len(b.lines.find(accountOf(a)).queue)+len(a.lines.find(accountOf(b)).queue)+len(a.lines.find(accountOf(d)).queue) == 3
	})
	for i := range 20 {
		mustTell(t, a, accountOf(c), fmt.Sprint(i))
		mustTell(t, c, accountOf(a), fmt.Sprint(i))
	}
	close(hold)
	work.Wait()
}

// Close ends what is asked, what is answered and what waits for its turn.
func TestCloseEndsLines(t *testing.T) {
	a, b := newNode(t, 0), newNode(t, 1)
	connect(t, a, b)
	started, ended := make(chan struct{}), make(chan error, 1)
	b.Lines().Handle(func(ctx context.Context, _ contracts.Address, _ []byte) ([]byte, error) {
		close(started)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	told := make(chan error)
	for range 2 {
		go func() { told <- a.Lines().Tell(t.Context(), accountOf(b), nil) }()
	}
	<-started
	for _, n := range []*Node{b, a} {
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(ended) == 0 {
		t.Error("the handler still runs")
	}
	for range 2 {
		wantError(t, <-told, ErrClosed)
	}
	wantError(t, a.Lines().Tell(t.Context(), accountOf(b), nil), ErrClosed)
	if left := ours(); len(left) > 0 {
		t.Errorf("still running:\n%s", strings.Join(left, "\n\n"))
	}
}

func BenchmarkLine(b *testing.B) {
	x, y := newNode(b, 0), newNode(b, 1)
	x.Lines().Trust(accountOf(y), true)
	y.Lines().Trust(accountOf(x), true)
	y.Lines().Handle(func(context.Context, contracts.Address, []byte) ([]byte, error) { return nil, nil })
	y.partners.use(x.host.ID()).trusted.SetLimit(rate.Inf)
	connect(b, x, y)
	for _, size := range []int{100, 16 << 10, MaxLong} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			body := make([]byte, size)
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				if err := x.Lines().Tell(b.Context(), accountOf(y), body); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "asks/s")
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}
