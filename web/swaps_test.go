package web

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"photon/contracts"
	"photon/swap/trade"
	"photon/web/api"
)

var update = flag.Bool("update", false, "write the golden files anew")

func newRegistry() *prometheus.Registry { return prometheus.NewRegistry() }

// golden compares got with a file, which -update writes.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -run Golden -update writes it):\n%s", name, got)
	}
}

func indented(t *testing.T, raw []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// completed is a swap as Second that ended well, both redeemed by script.
func completed() trade.Trade {
	t := exampleTrade(7)
	t.Role, t.Status = trade.Second, trade.Completed
	t.Ours, t.Theirs = t.Theirs, t.Ours
	t.Ours.Fate = trade.Fate{
		Lock: &trade.Spot{TxID: contracts.Hash{5}, Amount: t.Ours.Terms.Amount, Height: 190, Fee: contracts.Units(1000)},
		End:  &trade.End{Kind: trade.BySecret, TxID: contracts.Hash{6}, Height: 195, Secret: &exampleSecret, Fee: contracts.Units(700)},
	}
	t.Theirs.Fate.End = &trade.End{Kind: trade.BySecret, TxID: contracts.Hash{8}, Height: 99, Secret: &exampleSecret, Fee: contracts.Units(143)}
	return t
}

// The answers as they are, for a reader and for the page.
func TestGoldenAnswers(t *testing.T) {
	s, d, _ := newTest(t)
	locking, done := exampleTrade(1), completed()
	d.trades[locking.ID], d.trades[done.ID] = locking, done
	d.txs[locking.ID] = []trade.Tx{
		{ID: locking.ID, Side: trade.Ours, Purpose: trade.Lock, TxID: contracts.Hash{3}, Raw: []byte("x"), Fee: contracts.Units(153), Made: 1_700_000_010},
		{ID: locking.ID, Side: trade.Ours, Purpose: trade.Refund, TxID: contracts.Hash{4}, Raw: []byte("x"), Fee: contracts.Units(126), Held: true, Made: 1_700_000_010},
	}
	offer := call{method: "POST", path: "/v1/offers", body: goodDraft}.do(t, s)
	for _, row := range []struct {
		file string
		call call
	}{
		{"swap.json", call{method: "GET", path: "/v1/swaps/" + locking.ID.String()}},
		{"swap_completed.json", call{method: "GET", path: "/v1/swaps/" + done.ID.String()}},
		{"swaps.csv", call{method: "GET", path: "/v1/swaps", header: map[string]string{"Accept": "text/csv"}}},
		{"offers.json", call{method: "GET", path: "/v1/offers"}},
		{"quote.json", call{method: "POST", path: "/v1/quotes", body: fmt.Sprintf(`{"offer":%q,"get":"1001"}`, decoded(t, offer)["id"])}},
		{"partners.json", call{method: "GET", path: "/v1/partners"}},
		{"wallet.json", call{method: "GET", path: "/v1/wallet"}},
		{"sent.json", sendCall(key, goodSend)},
		{"info.json", call{method: "GET", path: "/v1/info"}},
		{"problem.json", sendCall("another-key", strings.Replace(goodSend, "1000", "1000001", 1))},
	} {
		t.Run(row.file, func(t *testing.T) {
			got := row.call.do(t, s).Body.Bytes()
			if strings.HasSuffix(row.file, ".json") {
				got = indented(t, got)
			}
			golden(t, row.file, got)
		})
	}
}

// Each row is one change to a swap in which we paid for a lock and nothing else.
func TestFees(t *testing.T) {
	end := func(k trade.Kind) *trade.End { return &trade.End{Kind: k, Fee: contracts.Units(10)} }
	for _, row := range []struct {
		name   string
		change func(*trade.Trade)
		want   string
	}{
		{"the lock", func(t *trade.Trade) {}, "BTC 153"},
		{"nothing known", func(t *trade.Trade) { t.Ours.Fate.Lock.Fee = contracts.Units(0) }, ""},
		{"we redeemed by secret", func(t *trade.Trade) { t.Theirs.Fate.End = end(trade.BySecret) }, "BTC 153, ETH 10"},
		{"we redeemed together", func(t *trade.Trade) { t.Theirs.Fate.End = end(trade.ByBoth) }, "BTC 153, ETH 10"},
		{"he was given his back", func(t *trade.Trade) { t.Theirs.Fate.End = end(trade.ByBoth); t.GaveRefund = true }, "BTC 153"},
		{"he took his back", func(t *trade.Trade) { t.Theirs.Fate.End = end(trade.ByTime) }, "BTC 153"},
		{"he redeemed", func(t *trade.Trade) { t.Ours.Fate.End = end(trade.BySecret) }, "BTC 153"},
		{"he redeemed together", func(t *trade.Trade) { t.Ours.Fate.End = end(trade.ByBoth) }, "BTC 153"},
		{"we took ours back", func(t *trade.Trade) { t.Ours.Fate.End = end(trade.ByTime) }, "BTC 163"},
		{"we were given ours back", func(t *trade.Trade) { t.Ours.Fate.End = end(trade.ByBoth); t.Status = trade.Refunded }, "BTC 163"},
	} {
		t.Run(row.name, func(t *testing.T) {
			tr := exampleTrade(1)
			row.change(&tr)
			var got []string
			for _, f := range viewFees(tr) {
				got = append(got, fmt.Sprintf("%s %s", f.Chain, f.Amount))
			}
			if strings.Join(got, ", ") != row.want {
				t.Errorf("fees %q, want %q", got, row.want)
			}
		})
	}
}

func TestConfirmations(t *testing.T) {
	for _, row := range []struct{ lock, head, want uint64 }{
		{0, 100, 0}, {100, 100, 1}, {99, 100, 2}, {101, 100, 0}, {98, 0, 0},
	} {
		leg := exampleTrade(1).Ours
		leg.Fate.Lock.Height, leg.Head.Height = row.lock, row.head
		if got := viewLeg(leg).Confirmations; got != row.want {
			t.Errorf("lock %d head %d: %d, want %d", row.lock, row.head, got, row.want)
		}
	}
}

// A page's cursor leads to the next until there is none; what happens between
// pages moves nothing.
func TestPages(t *testing.T) {
	s, d, _ := newTest(t)
	for n := range uint64(7) {
		tr := exampleTrade(n + 1)
		if n == 3 {
			tr.Number = 3 // two of one millisecond
		}
		d.trades[tr.ID] = tr
	}
	var seen []string
	cursor, pages := "", 0
	for {
		path := "/v1/swaps?limit=3&pair=BTC-ETH&state=locking"
		if cursor != "" {
			path += "&cursor=" + cursor
		}
		w := call{method: "GET", path: path}.do(t, s)
		expect(t, w, 200, "")
		var page api.Swaps
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		for _, swap := range page.Swaps {
			seen = append(seen, swap.Id.String())
		}
		link := w.Header().Get("Link")
		if strings.Contains(link, `rel="next"`) != (page.Next != "") || !strings.Contains(link, "cursor="+page.Next) && page.Next != "" {
			t.Errorf("link %q, next %q", link, page.Next)
		}
		pages++
		newer := exampleTrade(uint64(100 + pages))
		d.trades[newer.ID] = newer
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if pages != 3 || len(seen) != 7 || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != 7 {
		t.Errorf("%d pages, seen %v", pages, seen)
	}
}

func TestFilters(t *testing.T) {
	s, d, _ := newTest(t)
	locking, done, token := exampleTrade(1), completed(), exampleTrade(2)
	token.Theirs.Terms.Asset.Token = contracts.Address{0xdd}
	for _, tr := range []trade.Trade{locking, done, token} {
		d.trades[tr.ID] = tr
	}
	for _, row := range []struct {
		query string
		want  []trade.Trade
	}{
		{"", []trade.Trade{done, token, locking}},
		{"?state=open", []trade.Trade{token, locking}},
		{"?state=completed", []trade.Trade{done}},
		{"?state=refunded", nil},
		{"?pair=BTC-ETH", []trade.Trade{locking}},
		{"?pair=eth-btc", []trade.Trade{done}},
		{"?pair=BTC-ETH:" + contracts.Address{0xdd}.Hex(), []trade.Trade{token}},
		{"?pair=BTC-LTC", nil},
		{"?state=open&pair=ETH-BTC", nil},
	} {
		t.Run(row.query, func(t *testing.T) {
			w := call{method: "GET", path: "/v1/swaps" + row.query}.do(t, s)
			var page api.Swaps
			if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
				t.Fatal(err)
			}
			got := slices.EqualFunc(page.Swaps, row.want, func(s api.Swap, t trade.Trade) bool { return s.Id == t.ID })
			if !got {
				t.Errorf("%d swaps: %s", len(page.Swaps), w.Body)
			}
		})
	}
}

// A page never repeats or skips a swap, whatever the swaps and the limit.
func TestPagesAreWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfN(rapid.Uint64Range(0, 5), 0, 20).Draw(t, "numbers")
		var all []trade.Trade
		for i, n := range numbers {
			all = append(all, trade.Trade{ID: contracts.Hash{byte(i + 1)}, Number: n, Status: trade.Locking})
		}
		q := filter{limit: rapid.IntRange(1, 7).Draw(t, "limit")}
		seen := map[contracts.Hash]bool{}
		last := place{number: 6}
		for {
			page, next := q.page(all)
			for _, tr := range page {
				if seen[tr.ID] || last.cmp(placeOf(tr)) >= 0 {
					t.Fatalf("%s is out of order or twice", tr.ID)
				}
				seen[tr.ID], last = true, placeOf(tr)
			}
			if next == "" {
				break
			}
			after, err := parsePlace(next)
			if err != nil {
				t.Fatal(err)
			}
			q.after = &after
		}
		if len(seen) != len(all) {
			t.Fatalf("%d of %d", len(seen), len(all))
		}
	})
}

func TestAccept(t *testing.T) {
	for _, row := range []struct {
		accept string
		csv    bool
	}{
		{"", false}, {"*/*", false}, {"text/csv", true}, {"TEXT/CSV; q=0.9", true},
		{"application/json, text/csv", false}, {"text/csv, application/json", true}, {"text/html, text/csv;q=0.5", true},
	} {
		s, _, _ := newTest(t)
		w := call{method: "GET", path: "/v1/swaps", header: map[string]string{"Accept": row.accept}}.do(t, s)
		if got := w.Header().Get("Content-Type") == "text/csv"; got != row.csv {
			t.Errorf("%q: %s", row.accept, w.Header().Get("Content-Type"))
		}
	}
}

// A partner's words are no formula in a spreadsheet, and no new column.
func TestCSVIsHarmless(t *testing.T) {
	tr := exampleTrade(1)
	tr.Partner, tr.Reason = `=HYPERLINK("http://evil.example")`, "+1,\"2\"\r\n-3"
	table, err := asCSV(swapColumns, []api.Swap{viewSwap(tr)})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) != len(swapColumns) {
		t.Fatalf("%v, %d rows: %s", err, len(rows), table)
	}
	for _, cell := range rows[1] {
		if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
			t.Errorf("cell %q", cell)
		}
	}
}

// A chain that is down hides no other, and shows no reason.
func TestWalletWithAChainDown(t *testing.T) {
	s, _, log := newTest(t, func(c *Config) { c.Wallets[contracts.BTC] = purse{contracts.BTC, errInside} })
	w := call{method: "GET", path: "/v1/wallet"}.do(t, s)
	expect(t, w, 200, "")
	var all api.Balances
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	btc, eth := all.Balances[0], all.Balances[1]
	if !btc.Unavailable || btc.Confirmed != nil || eth.Unavailable || eth.Confirmed.String() != "500" {
		t.Errorf("%s", w.Body)
	}
	if strings.Contains(w.Body.String(), "hunter2") || !strings.Contains(log.String(), "no balance") {
		t.Errorf("told %s, logged %s", w.Body, log)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(place{number: 1_700_000_000_000, id: contracts.Hash{1}}.String())
	f.Add("")
	f.Add("AAAA")
	f.Add(strings.Repeat("_", 54))
	f.Fuzz(func(t *testing.T, cursor string) {
		p, err := parsePlace(cursor)
		if err == nil && p.String() != cursor {
			t.Errorf("%q reads as %q", cursor, p.String())
		}
	})
}

func FuzzOfferText(f *testing.F) {
	f.Add(OfferText(trade.Offer{Maker: "us", Give: contracts.Native(contracts.ETH), Want: contracts.Native(contracts.BTC), Signature: []byte{1}}))
	f.Add(offerPrefix)
	f.Add(offerPrefix + "e30")
	f.Add(offerPrefix + "bnVsbA")
	f.Add("hello")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseOffer(text)
		if err != nil {
			return
		}
		again, err := ParseOffer(OfferText(o))
		if err != nil || again.Digest() != o.Digest() {
			t.Errorf("%q reads as another offer when written anew: %v", text, err)
		}
	})
}

// A maker whom the node refuses is quoted to who insists, and to nobody else.
func TestQuoteDespite(t *testing.T) {
	s, d, _ := newTest(t)
	d.standing.Until = 1_700_100_000
	id := decoded(t, call{method: "POST", path: "/v1/offers", body: goodDraft}.do(t, s))["id"]
	for said, want := range map[string]int{``: 409, `,"despite":false`: 409, `,"despite":true`: 201} {
		w := call{method: "POST", path: "/v1/quotes", body: fmt.Sprintf(`{"offer":%q,"get":"1001"%s}`, id, said)}.do(t, s)
		code := ""
		if want == 409 {
			code = "standing"
		}
		expect(t, w, want, code)
	}
}
