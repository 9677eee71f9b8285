package peer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"photon/contracts"
)

// mustMeet waits until n meets an account; it has met nobody else before.
func mustMeet(t testing.TB, n *Node, who contracts.Address) {
	t.Helper()
	select {
	case got := <-n.Lines().Met():
		if got != who {
			t.Fatalf("met %s, want %s", got, who)
		}
	case <-within(t, soon).Done():
		t.Fatalf("not met in time: %s", who)
	}
}

// Whom we trust, whom we were told of and to whom we have spoken is found again
// after our restart, also when it comes back with another identity; who only came
// is not kept, and what the book has spoilt is nobody.
func TestAccountsAreFoundAgain(t *testing.T) {
	pages := &memoryBook{pages: map[string][]byte{}}
	withA := func(c *Config) { c.Book = pages }
	a, b, stranger := newNode(t, 0, withA), newNode(t, 1), newNode(t, 2)
	told, spoken := newNode(t, 3), newNode(t, 4)
	for _, n := range []*Node{b, told, spoken} {
		listen(n)
	}
	a.Lines().Trust(accountOf(b), true)
	connect(t, b, a) // it comes to us
	connect(t, stranger, a)
	connect(t, a, told)
	connect(t, spoken, a)
	mustTell(t, a, accountOf(spoken), "whoever you are")
	kept := func(n *Node) bool {
		id, err := a.book.nodeOf(t.Context(), accountOf(n))
		if err != nil {
			t.Fatal(err)
		}
		page, err := a.book.read(t.Context(), n.host.ID())
		return err == nil && id == n.host.ID() && len(page.Heard) > 0
	}
	until(t, "they are kept", func() bool { return kept(b) && kept(told) && kept(spoken) })
	if kept(stranger) {
		t.Error("a stranger is kept")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = newNode(t, 0, withA)
	a.Lines().Trust(accountOf(b), true)
	for _, n := range []*Node{b, told, spoken} {
		mustTell(t, a, accountOf(n), "found by the book")
	}
	wantError(t, a.Lines().Tell(t.Context(), accountOf(stranger), nil), errNobody)
	spoilt := contracts.Address{8}
	if err := pages.Put(t.Context(), accountKey(spoilt), []byte("16Uiu2")); err != nil {
		t.Fatal(err)
	}
	wantError(t, a.Lines().Tell(t.Context(), spoilt, nil), errNobody)

	// The account comes back with another identity.
	account := b.cfg.Account
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	again := newNode(t, 5, func(c *Config) { c.Account = account })
	e := listen(again)
	connect(t, again, a)
	mustTell(t, a, accountOf(again), "at the newest")
	if heard := e.all(); !slices.Equal(heard, []string{"at the newest"}) {
		t.Errorf("heard %q", heard)
	}
	until(t, "the newest is kept", func() bool { return kept(again) })
}

// A node is met when it greets on a new connection: at first, after a break, and
// after its restart. Between them it is not reachable.
func TestMet(t *testing.T) {
	a := newNode(t, 0)
	b, line := behind(t, 1)
	listen(b)
	l, to := a.Lines(), accountOf(b)
	if l.Reachable(to) {
		t.Error("reachable before it has greeted")
	}
	connect(t, a, b)
	mustMeet(t, a, to)
	mustMeet(t, b, accountOf(a))
	mustTell(t, a, to, "the same connection")

	line.cut()
	until(t, "the break shows", func() bool { return !l.Reachable(to) })
	mustTell(t, a, to, "another connection")
	mustMeet(t, a, to)
	mustMeet(t, b, accountOf(a))

	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, open := <-b.Lines().Met(); open {
		t.Error("a closed node meets somebody")
	}
	until(t, "the end shows", func() bool { return !l.Reachable(to) })
	again := newNode(t, 1)
	listen(again)
	connect(t, again, a)
	mustMeet(t, a, to)
	mustTell(t, a, to, "after a restart")
	if !l.Reachable(to) || len(l.Met()) > 0 {
		t.Error("it does not count as reachable, or is met twice")
	}
}

// Nobody listens to Met and very many accounts greet: what we know of them is
// bounded, no partner is missed, and each is met once.
func TestPartiesAreBounded(t *testing.T) {
	n := newNode(t, 0)
	l := n.Lines()
	name := func(i int) contracts.Address { return contracts.Address{1, byte(i >> 16), byte(i >> 8), byte(i)} }
	partner := contracts.Address{2}
	l.Trust(partner, true)
	one, other := idOf(t, mustKey(t, 1)), idOf(t, mustKey(t, 2))
	for i := range 2 * maxParties {
		l.greeted(one, name(i), fmt.Sprint(i))
	}
	for i := range 3 * maxProved {
		l.greeted(other, partner, fmt.Sprint(i))
	}
	l.mu.Lock()
	known, strangers, proved := len(l.all), l.recent.Len(), len(l.all[partner].proved)
	l.mu.Unlock()
	if known != maxParties+1 || strangers != maxParties || proved != maxProved {
		t.Errorf("%d accounts, %d strangers, %d connections", known, strangers, proved)
	}
	met := map[contracts.Address]int{}
	for met[partner] == 0 {
		select {
		case a := <-l.Met():
			met[a]++
		case <-within(t, soon).Done():
			t.Fatalf("the partner is not among %d met", len(met))
		}
	}
	if len(met) > maxParties+2 || met[partner] != 1 || met[name(0)] != 1 {
		t.Errorf("met %d, the partner %d times", len(met), met[partner])
	}
	l.Trust(partner, false)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.recent.Len() != maxParties || l.all[partner] == nil {
		t.Errorf("%d strangers after a partner has become one", l.recent.Len())
	}
}

// A node that is found again on the local network after a break is greeted again.
func TestFoundAgain(t *testing.T) {
	a, b := newNode(t, 0), newNode(t, 1)
	f := finder{a, make(chan struct{}, lanGreetings)}
	for range 2 {
		f.HandlePeerFound(peer.AddrInfo{ID: b.host.ID(), Addrs: b.host.Addrs()})
		mustMeet(t, a, accountOf(b))
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		until(t, "the end shows", func() bool { return !a.Lines().Reachable(accountOf(b)) })
		b = newNode(t, 1)
	}
}
