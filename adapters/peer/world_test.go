package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ethcrypto "github.com/ethereum/go-ethereum/crypto"
)

// soon bounds every wait of the tests: what must happen happens far earlier.
const soon = 20 * time.Second

// keyOf is the identity of node number i.
func keyOf(i int) []byte {
	key := make([]byte, 32)
	binary.BigEndian.PutUint32(key[28:], uint32(i+1))
	key[0] = 7
	return key
}

// config is a good config of node number i.
func config(t testing.TB, i int) Config {
	t.Helper()
	account, err := ethcrypto.ToECDSA(bytes.Repeat([]byte{byte(i + 1)}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return Config{Identity: keyOf(i), Account: account, Realm: "dev", Log: slog.New(slog.DiscardHandler)}
}

// newNode starts node number i, which answers every body with itself.
func newNode(t testing.TB, i int, change ...func(*Config)) *Node {
	t.Helper()
	cfg := config(t, i)
	for _, f := range change {
		f(&cfg)
	}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	n.Handle(func(_ context.Context, _ string, body []byte) ([]byte, error) { return body, nil })
	return n
}

// within is a context for one step of a test.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// connect makes a know b.
func connect(t testing.TB, a, b *Node) {
	t.Helper()
	id, err := a.Connect(within(t, soon), b.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	if id != b.Self() {
		t.Fatalf("connected to %s, want %s", id, b.Self())
	}
}

// mustAsk asks and wants the body back.
func mustAsk(t testing.TB, a *Node, to, body string) {
	t.Helper()
	got, err := a.Ask(within(t, soon), to, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != body {
		t.Fatalf("answer %q, want %q", got, body)
	}
}

// until polls until f holds.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(soon)
	for !f() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// counter is a handler that counts how often it saw each body.
type counter struct {
	mu   sync.Mutex
	seen map[string]int
	all  atomic.Int64
}

func (c *counter) handle(_ context.Context, _ string, body []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[string(body)]++
	c.all.Add(1)
	return append([]byte("re "), body...), nil
}

func (c *counter) of(body string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[body]
}

// ours lists goroutines that run code of this package outside of tests.
func ours() []string {
	buf := make([]byte, 4<<20)
	var left []string
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "photon/adapters/peer.(*Node)") || strings.Contains(g, "photon/adapters/peer.(*Lines)") || strings.Contains(g, "photon/adapters/peer.finder") {
			left = append(left, g)
		}
	}
	return left
}

// wantError fails unless err is each of the errors wanted.
func wantError(t testing.TB, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Fatalf("error %v, want %v", err, w)
		}
	}
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

// TestMain checks at the end that closed nodes have left nothing running.
func TestMain(m *testing.M) {
	LogLibrary(slog.DiscardHandler)
	code := m.Run()
	if left := ours(); code == 0 && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "still running after all nodes were closed:\n%s\n", strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}
