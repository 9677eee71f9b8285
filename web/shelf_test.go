package web

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"photon/contracts"
	"photon/swap/trade"
)

// shown is when the offers of these tests are posted, in Unix seconds.
const shown = 1_700_000_000

// anOffer is of a maker who gives this many satoshi for 1000 gwei, for two hours.
func anOffer(maker string, give uint64) trade.Offer {
	return trade.Offer{
		Maker: maker, Realm: "dev", Give: contracts.Native(contracts.BTC), Want: contracts.Native(contracts.ETH),
		Min: contracts.Units(1000), Max: contracts.Units(5000), GiveOf: contracts.Units(give), WantOf: contracts.Units(1_000_000_000_000),
		Expires: shown + 7200, FirstTime: 7200, SecondTime: 3600, GiveConfirmations: 1, WantConfirmations: 1,
		WantContract: contracts.Address{0xcc}, Form: contracts.P2TR, Signature: []byte("signed"),
	}
}

// rates are what the offers of a page give for the same.
func rates(offers []trade.Offer) (all []string) {
	for _, o := range offers {
		all = append(all, fmt.Sprintf("%s %s", o.Maker, o.GiveOf))
	}
	return all
}

func TestShelfOrder(t *testing.T) {
	s := newShelf()
	for _, o := range []trade.Offer{anOffer("bob", 20), anOffer("alice", 30), anOffer("carol", 10), anOffer("alice", 25)} {
		if err := s.put(o, shown); err != nil {
			t.Fatal(err)
		}
	}
	eth, btc := contracts.Native(contracts.ETH), contracts.Native(contracts.BTC)
	for _, row := range []struct {
		name string
		look look
		want []string
	}{
		{"all", look{}, []string{"alice 30", "alice 25", "bob 20", "carol 10"}},
		{"a pair", look{give: &btc, want: &eth}, []string{"alice 30", "alice 25", "bob 20", "carol 10"}},
		{"the pair turned round", look{give: &eth, want: &btc}, nil},
		{"what gives an asset", look{give: &eth}, nil},
		{"a maker", look{maker: "alice"}, []string{"alice 30", "alice 25"}},
		{"a realm", look{realm: "dev"}, []string{"alice 30", "alice 25", "bob 20", "carol 10"}},
		{"another realm", look{realm: "main"}, nil},
	} {
		row.look.limit = 10
		page, next := s.page(row.look, shown)
		if got := rates(page); !slices.Equal(got, row.want) || next != "" {
			t.Errorf("%s: %v, next %q, want %v", row.name, got, next, row.want)
		}
	}
}

// Whatever comes and goes between two pages, what was there all the time is seen
// once.
func TestShelfPages(t *testing.T) {
	s := newShelf()
	stays := map[contracts.Hash]bool{}
	for i := range uint64(23) {
		o := anOffer(fmt.Sprintf("maker%d", i), 10+i/3) // three of each rate
		stays[o.Digest()] = true
		if err := s.put(o, shown); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[contracts.Hash]int{}
	l := look{limit: 5}
	for round := uint64(0); ; round++ {
		page, next := s.page(l, shown)
		for _, o := range page {
			seen[o.Digest()]++
		}
		if next == "" {
			break
		}
		s.drop(s.slots[page[len(page)-1].Digest()]) // the one at which the page ended
		if err := s.put(anOffer("late", 5+round*7), shown); err != nil {
			t.Fatal(err)
		}
		m, err := parseMark(next)
		if err != nil || m.String() != next {
			t.Fatalf("cursor %q reads as %q, %v", next, m, err)
		}
		l.after = &m
	}
	for id := range stays {
		if seen[id] != 1 {
			t.Errorf("offer %s was seen %d times", id, seen[id])
		}
	}
}

// Each row is when an offer that was posted at shown is looked for.
func TestShelfForgets(t *testing.T) {
	long, short := anOffer("bob", 1), anOffer("bob", 2)
	short.Expires = shown + 60
	for _, row := range []struct {
		name  string
		at    uint64
		again uint64 // when the long one is posted again; 0: never
		want  []string
	}{
		{"both", shown + 60, 0, []string{"bob 2", "bob 1"}},
		{"one has expired", shown + 61, 0, []string{"bob 1"}},
		{"the last second of the other", shown + shelfStay, 0, []string{"bob 1"}},
		{"nobody renewed it", shown + shelfStay + 1, 0, nil},
		{"renewed", shown + shelfStay + 1, shown + 3000, []string{"bob 1"}},
		{"renewed until it expires", shown + 7200, shown + 4000 - 401, nil},
		{"renewed late", shown + 7200, shown + 3600, []string{"bob 1"}},
		{"expired after all", shown + 7201, shown + 3600, nil},
	} {
		s := newShelf()
		if err := errors.Join(s.put(long, shown), s.put(short, shown)); err != nil {
			t.Fatal(err)
		}
		if row.again > 0 {
			if err := s.put(long, row.again); err != nil {
				t.Fatal(err)
			}
		}
		page, _ := s.page(look{limit: 10}, row.at)
		if got := rates(page); !slices.Equal(got, row.want) {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
		if s.sweep(row.at); len(s.slots) != len(row.want) || len(s.makers) != min(len(row.want), 1) {
			t.Errorf("%s: %d slots and %d makers are kept", row.name, len(s.slots), len(s.makers))
		}
	}
}

// F15: a maker who floods a board pushes out himself, on his own slots and on a
// board that is full.
func TestFloodPushesOutItself(t *testing.T) {
	s := newShelf()
	s.most, s.each = 20, 8
	for i := range uint64(16) {
		if err := s.put(anOffer(fmt.Sprintf("quiet%d", i), 10), shown); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint64(500) {
		if err := s.put(anOffer("flood", 100+i), shown+1+i); err != nil {
			t.Fatal(err)
		}
		if n := s.makers["flood"]; n > 4 || len(s.slots) > s.most {
			t.Fatalf("%d slots of the flood, %d in all", n, len(s.slots))
		}
	}
	for i := range 16 {
		if s.makers[fmt.Sprintf("quiet%d", i)] != 1 {
			t.Errorf("quiet%d was pushed out", i)
		}
	}
	page, _ := s.page(look{maker: "flood", limit: 10}, shown+501)
	if got, want := rates(page), []string{"flood 599", "flood 598", "flood 597", "flood 596"}; !slices.Equal(got, want) {
		t.Errorf("of the flood %v are left, want the newest %v", got, want)
	}
	if err := s.put(anOffer("late", 10), shown+501); err != nil || s.makers["late"] != 1 || s.makers["flood"] != 3 {
		t.Errorf("one who comes late: %v, %v", err, s.makers)
	}
}

// Each row is one more offer on a board where bob has all the slots of a maker.
func TestShelfBounds(t *testing.T) {
	for _, row := range []struct {
		name    string
		expires uint64
		maker   string
		want    error
	}{
		{"one more", shown + 7200, "bob", nil},
		{"one more that goes before all others", shown + 59, "bob", errFull},
		{"of another", shown + 59, "carol", nil},
	} {
		s := newShelf()
		s.each = 3
		for i := range uint64(3) {
			o := anOffer("bob", i+1)
			o.Expires = shown + 60 + i
			if err := s.put(o, shown); err != nil {
				t.Fatal(err)
			}
		}
		o := anOffer(row.maker, 9)
		o.Expires = row.expires
		if err := s.put(o, shown); !errors.Is(err, row.want) || s.makers["bob"] != 3 {
			t.Errorf("%s: %v, bob has %d", row.name, err, s.makers["bob"])
		}
	}
}

// What its maker took down cannot be put up by whoever kept a copy.
func TestShelfTakesDown(t *testing.T) {
	s := newShelf()
	o := anOffer("bob", 1)
	if err := s.put(o, shown); err != nil {
		t.Fatal(err)
	}
	s.takeDown(o.Digest())
	s.takeDown(contracts.Hash{1})
	if page, _ := s.page(look{limit: 10}, shown); len(page) != 0 {
		t.Errorf("still up: %v", rates(page))
	}
	if err := s.put(o, shown+shelfStay); !errors.Is(err, trade.ErrOffer) {
		t.Errorf("put up again: %v", err)
	}
	if _, err := s.find(o.Digest(), shown+shelfStay); err != nil {
		t.Errorf("repeated: %v", err)
	}
	if _, err := s.find(o.Digest(), shown+shelfStay+1); !errors.Is(err, trade.ErrUnknown) {
		t.Errorf("kept for ever: %v", err)
	}
}

func TestAllowance(t *testing.T) {
	a := allowance{most: 2}
	alice, bob := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	for i, row := range []struct {
		who  netip.Prefix
		now  uint64
		wait uint64
	}{
		{alice, shown, 0}, {alice, shown + 10, 0}, {alice, shown + 10, 50}, {bob, shown + 10, 0}, {alice, shown + 59, 1},
		{alice, shown + 60, 0}, {alice, shown + 61, 0}, {alice, shown + 61, 59}, {alice, shown, 0},
	} {
		if wait := a.take(row.who, row.now); wait != row.wait {
			t.Errorf("row %d: wait %d, want %d", i, wait, row.wait)
		}
	}
	// Callers beyond those that are told apart share one allowance.
	a = allowance{most: 2}
	for i := range maxCallers {
		a.take(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32), shown)
	}
	if a.take(alice, shown) != 0 || a.take(bob, shown) != 0 || a.take(alice, shown) == 0 || len(a.used) != maxCallers+1 {
		t.Errorf("%d callers are told apart", len(a.used))
	}
}

func TestCallerOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1/32", "[::ffff:192.0.2.1]:80": "192.0.2.1/32", "[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80": "fe80::/64", "": "invalid Prefix", "@": "invalid Prefix",
	} {
		if got := callerOf(remote).String(); got != want {
			t.Errorf("%s is %s, want %s", remote, got, want)
		}
	}
}

func FuzzMark(f *testing.F) {
	f.Add(markOf(&slot{id: contracts.Hash{1}, offer: anOffer("bob", 1)}).String())
	f.Add("")
	f.Add("____")
	f.Fuzz(func(t *testing.T, cursor string) {
		m, err := parseMark(cursor)
		if err != nil {
			return
		}
		if m.String() != cursor {
			t.Errorf("%q reads as %q", cursor, m)
		}
		m.cmp(mark{rate: trade.Rate{Give: contracts.Units(3), Want: contracts.Units(7)}}) // ends, and does not divide by zero
	})
}
