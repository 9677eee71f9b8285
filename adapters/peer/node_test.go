package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	ethcrypto "github.com/ethereum/go-ethereum/crypto"
	"github.com/libp2p/go-libp2p/core/crypto"
)

func TestTwoNodesAskEachOther(t *testing.T) {
	for _, listen := range []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(strings.Split(listen, "/")[3], func(t *testing.T) {
			on := func(c *Config) { c.Listen = []string{listen} }
			a, b := newNode(t, 0, on), newNode(t, 1, on)
			from := make(chan string, 8) // datagrams order nothing between the two for the race detector
			b.Handle(func(_ context.Context, who string, body []byte) ([]byte, error) {
				from <- who
				return append([]byte("re "), body...), nil
			})
			connect(t, a, b)
			got, err := a.Ask(within(t, soon), b.Self(), []byte("hello"))
			if err != nil || string(got) != "re hello" {
				t.Fatalf("answer %q, %v", got, err)
			}
			if who := <-from; who != a.Self() {
				t.Errorf("asked by %s, want %s", who, a.Self())
			}
			mustAsk(t, b, a.Self(), "and back")
			mustAsk(t, b, a.Self(), "")
			mustAsk(t, b, a.Self(), repeat("x", MaxBody))
			for _, n := range []struct{ from, of *Node }{{a, b}, {b, a}, {a, a}} {
				account, err := n.from.Account(within(t, soon), n.of.Self())
				if want := ethcrypto.PubkeyToAddress(n.of.cfg.Account.PublicKey); err != nil || account != want {
					t.Errorf("account %s, %v; want %s", account, err, want)
				}
			}
			if got := a.Connected(); len(got) != 1 || got[0] != b.Self() {
				t.Errorf("connected %v, want only %s", got, b.Self())
			}
		})
	}
}

func TestThreeNodesStayApart(t *testing.T) {
	nodes := []*Node{newNode(t, 0), newNode(t, 1), newNode(t, 2)}
	for i, n := range nodes {
		n.Handle(func(_ context.Context, from string, body []byte) ([]byte, error) {
			return fmt.Appendf(nil, "%d answers %s to %s", i, body, from), nil
		})
		connect(t, nodes[i], nodes[(i+1)%3])
	}
	var work sync.WaitGroup
	for i, from := range nodes {
		for j, to := range nodes {
			for k := range 8 {
				if i == j {
					continue
				}
				work.Go(func() {
					got, err := from.Ask(within(t, soon), to.Self(), fmt.Append(nil, k))
					if want := fmt.Sprintf("%d answers %d to %s", j, k, from.Self()); err != nil || string(got) != want {
						t.Errorf("answer %q, %v; want %q", got, err, want)
					}
				})
			}
		}
	}
	work.Wait()
}

// F13: answers that are ready in the reverse order reach whom they are for.
func TestAnswersInReverseOrder(t *testing.T) {
	a, b := newNode(t, 0), newNode(t, 1)
	connect(t, a, b)
	const many = 10
	turn := make([]chan struct{}, many+1)
	for i := range turn {
		turn[i] = make(chan struct{})
	}
	close(turn[many])
	b.Handle(func(ctx context.Context, _ string, body []byte) ([]byte, error) {
		select {
		case <-turn[body[0]+1]:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		close(turn[body[0]])
		return body, nil
	})
	var work sync.WaitGroup
	for i := range many {
		work.Go(func() {
			got, err := a.Ask(within(t, soon), b.Self(), []byte{byte(i)})
			if err != nil || !bytes.Equal(got, []byte{byte(i)}) {
				t.Errorf("answer %v, %v; want %d", got, err, i)
			}
		})
	}
	work.Wait()
}

func TestHandlerErrors(t *testing.T) {
	a, b := newNode(t, 0), newNode(t, 1)
	connect(t, a, b)
	for _, row := range []struct {
		name string
		err  error
		text string // in the asker's error
	}{
		{"plain", errors.New("offer is gone"), "peer refuses: offer is gone"},
		{"empty", errors.New(""), "peer refuses"},
		{"control letters", errors.New("a\x1b[31m\nb\xff"), "peer refuses: a [31m b "},
		{"long", errors.New(repeat("ü", 400)), "peer refuses: " + repeat("ü", maxReason/2)},
	} {
		t.Run(row.name, func(t *testing.T) {
			b.Handle(func(context.Context, string, []byte) ([]byte, error) { return nil, row.err })
			_, err := a.Ask(within(t, soon), b.Self(), []byte("x"))
			wantError(t, err, ErrRefused)
			if !strings.HasSuffix(err.Error(), row.text) || strings.Count(err.Error(), "ü") > maxReason/2 {
				t.Errorf("error %q, want %q", err, row.text)
			}
		})
	}
	t.Run("answer too large", func(t *testing.T) {
		b.Handle(func(context.Context, string, []byte) ([]byte, error) { return make([]byte, MaxBody+1), nil })
		_, err := a.Ask(within(t, soon), b.Self(), []byte("x"))
		wantError(t, err, ErrRefused)
	})
}

func TestAskRefusesAtOnce(t *testing.T) {
	a := newNode(t, 0)
	ed, _, err := crypto.GenerateEd25519Key(bytes.NewReader(make([]byte, 64)))
	if err != nil {
		t.Fatal(err)
	}
	edID := idOf(t, ed)
	stranger, err := Identity(keyOf(9))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		to   string
		body []byte
		want error
	}{
		{"no identity", "alice", nil, ErrIdentity},
		{"empty identity", "", nil, ErrIdentity},
		{"long identity", repeat("1", 5000), nil, ErrIdentity},
		{"another kind of key", edID.String(), nil, ErrIdentity},
		{"another spelling", toCID(t, stranger), nil, ErrIdentity},
		{"one byte too many", stranger, make([]byte, MaxBody+1), ErrSize},
		{"no address", stranger, nil, ErrUnreachable},
		{"ourselves", a.Self(), nil, ErrUnreachable},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := a.Ask(t.Context(), row.to, row.body)
			wantError(t, err, row.want)
		})
	}
}

func TestConnectRefuses(t *testing.T) {
	a, b := newNode(t, 0), newNode(t, 1)
	at, c := b.Addresses()[0], newNode(t, 2)
	where, _, _ := strings.Cut(at, "/p2p/")
	for _, row := range []struct {
		name, addr string
		want       error
	}{
		{"no multiaddr", "127.0.0.1:4001", ErrAddress},
		{"empty", "", ErrAddress},
		{"no identity", where, ErrAddress},
		{"only identity", "/p2p/" + b.Self(), ErrAddress},
		{"long", "/dns4/" + repeat("a.", 300) + "a/tcp/1/p2p/" + b.Self(), ErrAddress},
		{"somebody else is there", where + "/p2p/" + c.Self(), ErrUnreachable},
		{"nobody is there", "/ip4/127.0.0.1/tcp/1/p2p/" + b.Self(), ErrUnreachable},
		{"ourselves", a.Addresses()[0], ErrUnreachable},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := a.Connect(within(t, soon), row.addr)
			wantError(t, err, row.want)
		})
	}
	connect(t, a, b) // the same line again, now right
}

func TestOtherRealmIsRefused(t *testing.T) {
	a := newNode(t, 0)
	b := newNode(t, 1, func(c *Config) { c.Realm = "main" })
	var seen counter
	b.Handle(seen.handle)
	_, err := a.Connect(within(t, soon), b.Addresses()[0])
	wantError(t, err, ErrRealm)
	for _, realm := range []string{`"dev"`, `"main"`} {
		if !strings.Contains(err.Error(), realm) {
			t.Errorf("error %q does not name %s", err, realm)
		}
	}
	until(t, "both hang up", func() bool { return len(a.host.Network().Conns())+len(b.host.Network().Conns()) == 0 })
	if _, err := a.Account(within(t, soon), b.Self()); err == nil {
		t.Error("an account of another realm is known")
	}
	if seen.all.Load() > 0 {
		t.Error("the handler was called")
	}
}

func TestNewReportsEveryFault(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"good", func(*Config) {}, nil},
		{"no identity", func(c *Config) { c.Identity = nil }, []string{"no secp256k1 key"}},
		{"identity zero", func(c *Config) { c.Identity = make([]byte, 32) }, []string{"no secp256k1 key"}},
		{"identity too large", func(c *Config) { c.Identity = bytes.Repeat([]byte{255}, 32) }, []string{"no secp256k1 key"}},
		{"identity too long", func(c *Config) { c.Identity = make([]byte, 33) }, []string{"no secp256k1 key"}},
		{"no account", func(c *Config) { c.Account = nil }, []string{"no account"}},
		{"no logger", func(c *Config) { c.Log = nil }, []string{"no logger"}},
		{"bad realm", func(c *Config) { c.Realm = "Main net" }, []string{"realm"}},
		{"long realm", func(c *Config) { c.Realm = repeat("a", 33) }, []string{"realm"}},
		{"longest realm", func(c *Config) { c.Realm = repeat("a", 32) }, nil},
		{"listens nowhere", func(c *Config) { c.Listen = []string{"localhost:1"} }, []string{"not an address"}},
		{"port of others", func(c *Config) { c.Listen = append(c.Listen, "/ip4/127.0.0.1/tcp/0", "/ip4/203.0.113.1/tcp/1") }, []string{"203.0.113.1"}},
		{"limits", func(c *Config) { c.Burst, c.Patience = -1, -1 }, []string{"a limit", "a time"}},
		{"two faults", func(c *Config) { c.Realm, c.Identity = "", nil }, []string{"realm", "no secp256k1 key"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := config(t, 0)
			row.change(&cfg)
			n, err := New(cfg)
			if n != nil {
				if err := n.Close(); err != nil {
					t.Error(err)
				}
			}
			if (err == nil) != (row.want == nil) {
				t.Fatalf("error %v, want %v", err, row.want)
			}
			for _, w := range row.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
		})
	}
}

func TestCloseWaitsForEverything(t *testing.T) {
	a, b := newNode(t, 0), newNode(t, 1)
	connect(t, a, b)
	at := b.Addresses()[0]
	started := make(chan struct{})
	var ended bool
	b.Handle(func(ctx context.Context, _ string, body []byte) ([]byte, error) {
		close(started)
		<-ctx.Done()
		ended = true
		return nil, ctx.Err()
	})
	asked := make(chan error)
	go func() {
		_, err := a.Ask(within(t, soon), b.Self(), []byte("x"))
		asked <- err
	}()
	<-started
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if !ended {
		t.Error("the handler still runs")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	wantError(t, <-asked, ErrClosed)
	_, err := a.Ask(t.Context(), b.Self(), nil)
	wantError(t, err, ErrClosed)
	_, err = a.Connect(t.Context(), at)
	wantError(t, err, ErrClosed)
	if left := ours(); len(left) > 0 {
		t.Errorf("still running:\n%s", strings.Join(left, "\n\n"))
	}
}

func TestAskEndsWithItsContext(t *testing.T) {
	a, b := newNode(t, 0), newNode(t, 1)
	connect(t, a, b)
	b.Handle(func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	_, err := a.Ask(within(t, 50*time.Millisecond), b.Self(), nil)
	wantError(t, err, ErrUnreachable, context.DeadlineExceeded)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = a.Ask(ctx, b.Self(), nil)
	wantError(t, err, context.Canceled)
}

// Until the handler is there, the asker waits for it.
func TestAskBeforeHandle(t *testing.T) {
	a, b := newNode(t, 0), newNode(t, 1)
	b.Handle(nil)
	connect(t, a, b)
	_, err := a.Ask(within(t, 100*time.Millisecond), b.Self(), nil)
	wantError(t, err, ErrBusy)
	done := make(chan error)
	go func() {
		_, err := a.Ask(within(t, soon), b.Self(), []byte("x"))
		done <- err
	}()
	b.Handle(func(_ context.Context, _ string, body []byte) ([]byte, error) { return body, nil })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func BenchmarkAsk(b *testing.B) {
	quick := func(c *Config) { c.Rate, c.Burst, c.Concurrent = 1e9, 1e9, 64 }
	x, y := newNode(b, 0, quick), newNode(b, 1, quick)
	connect(b, x, y)
	body := make([]byte, 1024)
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			if _, err := x.Ask(b.Context(), y.Self(), body); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "asks/s")
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := x.Ask(b.Context(), y.Self(), body); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "asks/s")
	})
}
