package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"photon/contracts"
	"photon/swap/trade"
	"photon/web"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A session is what a person types and sees, as it stands in a golden file:
// commands behind "$", what is typed in behind "<", errors behind "!".
type session struct {
	t    *testing.T
	b    *booth
	text strings.Builder
}

// run notes a command and its outcome, and checks what --json prints.
func (s *session) run(typed string, args ...string) ending {
	s.t.Helper()
	e := photon(s.t.Context(), typed, args...)
	fmt.Fprintf(&s.text, "$ photon %s\n", strings.Join(args, " "))
	for _, line := range lines(typed) {
		fmt.Fprintln(&s.text, "<", line)
	}
	for _, line := range lines(e.err) {
		fmt.Fprintln(&s.text, "!", line)
	}
	for _, line := range lines(e.out) {
		fmt.Fprintln(&s.text, strings.TrimRight(line, " "))
	}
	if e.code != 0 {
		fmt.Fprintf(&s.text, "exit %d\n", e.code)
	}
	s.text.WriteString("\n")
	for _, arg := range args {
		if arg == "--json" && e.code == 0 {
			checkLines(s.t, e.out)
		}
	}
	return e
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// checkLines fails unless text is one JSON object a line.
func checkLines(t *testing.T, text string) {
	t.Helper()
	for _, line := range lines(text) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Errorf("not one JSON object a line: %v: %s", err, line)
		}
	}
}

// compare holds the session against its golden file.
func (s *session) compare(name string) {
	s.t.Helper()
	got := strings.NewReplacer(s.b.data, "DATA", s.b.server.URL, "http://NODE").Replace(s.text.String())
	path := filepath.Join("testdata", name+".golden")
	if *update {
		must(s.t, os.MkdirAll("testdata", 0o755))
		must(s.t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	must(s.t, err)
	if got != string(want) {
		s.t.Errorf("%s is other than it was (run with -update, and read the difference):\n%s", path, got)
	}
}

func newSession(t *testing.T) *session { return &session{t: t, b: openBooth(t)} }

func TestOfferSession(t *testing.T) {
	s := newSession(t)
	s.run("", "swap", "offers")
	s.run("", "swap", "offers", "--json")
	e := s.run("", "swap", "offer", "0.5btc", "12eth")
	if s.b.draft.Min != s.b.draft.Max || s.b.draft.Max != contracts.Units(50_000_000) {
		t.Errorf("without --min the offer is %s to %s", s.b.draft.Min, s.b.draft.Max)
	}
	s.run("", "swap", "offer", "0.5btc", "12eth", "--min", "0.1btc", "--for", "2h", "--form", "p2wsh", "--json")
	if s.b.draft.Min != contracts.Units(10_000_000) || s.b.draft.Form != contracts.P2WSH {
		t.Errorf("--min and --form became %s and %s", s.b.draft.Min, s.b.draft.Form)
	}
	s.b.offers = append(s.b.offers, btcForEth("0.1btc"))
	s.run("", "swap", "offers", "--from", "them")
	s.run("", "swap", "offers", "--from", "/ip4/127.0.0.1/tcp/4001/p2p/them", "--json")
	s.run("", "swap", "offers", "--from", "nobody")
	_, id, _ := strings.Cut(lines(e.out)[0], "  ")
	s.run("", "swap", "offers", "--withdraw", strings.TrimSpace(id))
	s.run("", "swap", "offers", "--withdraw", strings.TrimSpace(id))
	s.run("", "swap", "offers", "--import", "photon-offer:e30")
	s.b.offers, s.b.posted = nil, []trade.Posted{{Offer: btcForEth("0.1btc"), Board: "https://board.example"}}
	s.run("", "swap", "offers")
	s.run("", "swap", "offers", "--json")
	s.compare("offer")
}

func TestTakeSession(t *testing.T) {
	s := newSession(t)
	all, some := btcForEth("0.5btc"), btcForEth("0.1btc")
	s.b.offers = []trade.Offer{all, some}
	s.run("n\n", "swap", "take", all.Digest().String())
	s.run("", "swap", "take", all.Digest().String())
	if s.b.taken != 0 {
		t.Fatalf("taken %d times without a word", s.b.taken)
	}
	s.run("y\n", "swap", "take", all.Digest().String())
	s.run("", "swap", "take", all.Digest().String(), "--yes")
	s.run("", "swap", "take", all.Digest().String(), "--yes", "--json")
	s.run("", "swap", "take", some.Digest().String(), "--yes")
	s.run("\n", "swap", "take", some.Digest().String())
	s.run("0.2btc\nyes\n", "swap", "take", some.Digest().String())
	s.run("all\nn\n", "swap", "take", some.Digest().String())
	s.run("", "swap", "take", some.Digest().String(), "--yes", "--get", "0.3btc", "--max-fee", "0.001eth")
	if s.b.taken != 4 {
		t.Errorf("taken %d times, want 4", s.b.taken)
	}
	s.run("", "swap", "take", some.Digest().String(), "--yes", "--get", "0.3btc", "--max-fee", "0.0015eth", "--max-fee", "0.0000099btc")
	s.b.offers = nil
	text := web.OfferText(all)
	s.run("y\n", "swap", "take", text)
	s.run("", "swap", "take", text[:len(text)-4], "--yes")
	if s.b.taken != 6 {
		t.Errorf("taken %d times, want 6", s.b.taken)
	}
	s.b.offers, s.b.posted = nil, []trade.Posted{{Offer: some, Board: "https://board.example"}}
	s.run("n\n", "swap", "take", some.Digest().String(), "--get", "0.3btc")
	s.compare("take")
}

// Whoever has let us down is shown before a person agrees, and refused when it was
// too often, unless the person insists.
func TestPartnersSession(t *testing.T) {
	s := newSession(t)
	s.run("", "swap", "partners")
	offer := btcForEth("0.5btc")
	s.b.offers = []trade.Offer{offer}
	s.b.partners = []trade.Standing{
		{Partner: "them", Completed: 1, Lately: 4, Faults: []trade.Count{{Fault: trade.NeverLocked, Times: 3}}, Until: begin + 26*86_400},
		{Partner: "others", Open: 2, Completed: 12, Lately: 7, Faults: []trade.Count{{Fault: trade.NeverRedeemed, Times: 1}, {Fault: trade.Late, Times: 2}}},
		{Partner: "strangers", Open: 1, Faults: []trade.Count{}},
	}
	s.run("", "swap", "partners")
	s.run("", "swap", "partners", "--json")
	s.run("", "swap", "take", offer.Digest().String(), "--yes")
	if s.b.taken != 0 {
		t.Errorf("taken %d times", s.b.taken)
	}
	s.run("", "swap", "take", offer.Digest().String(), "--yes", "--despite")
	if s.b.taken != 1 {
		t.Errorf("taken %d times in spite of it", s.b.taken)
	}
	s.compare("partners")
}

// Every status as a person and a program see it, from either side.
func TestShowSession(t *testing.T) {
	s := newSession(t)
	redeeming := theyLocked(someTrade(trade.Redeeming, 4), 12)
	ended(&redeeming.Theirs, trade.BySecret, 5)
	completed := theyLocked(someTrade(trade.Completed, 6), 30)
	ended(&completed.Theirs, trade.ByBoth, 12)
	ended(&completed.Ours, trade.BySecret, 2)
	refunding := someTrade(trade.Refunding, 9)
	refunded := someTrade(trade.Refunded, 9)
	ended(&refunded.Ours, trade.ByTime, 3)
	cancelled := someTrade(trade.Cancelled, 0)
	cancelled.Reason = "the partner did not answer in time"
	stranded := theyLocked(someTrade(trade.Stranded, 9), 30)
	stranded.Reason = "what the partner locked is gone"
	frozen := theyLocked(someTrade(trade.Locking, 3), 11)
	frozen.Frozen = "the lock has another amount"
	agreed := someTrade(trade.Agreed, 0)
	agreed.Role, agreed.Ours, agreed.Theirs = trade.Second, agreed.Theirs, agreed.Ours
	id := agreed.ID.String()
	for _, one := range []trade.Trade{
		someTrade(trade.Proposed, 0), agreed, someTrade(trade.Locking, 1), theyLocked(someTrade(trade.Locking, 3), 7), redeeming, completed,
		refunding, refunded, cancelled, stranded, frozen,
	} {
		s.b.life = map[contracts.Hash][]trade.Trade{one.ID: {one}}
		s.run("", "swap", "show", id)
		s.run("", "swap", "list")
	}
	s.run("", "swap", "show", id, "--json")
	s.run("", "swap", "list", "--json")
	s.b.life = nil
	s.run("", "swap", "list")
	s.run("", "swap", "list", "--json")
	s.run("", "swap", "show", id)
	s.compare("show")
}

// aLife is a swap from the take to the end, with a lock that a reorganisation
// takes back for a while, and a look in which nothing is new.
func aLife() []trade.Trade {
	redeeming := theyLocked(someTrade(trade.Redeeming, 4), 12)
	completed := redeeming
	completed.Status = trade.Completed
	ended(&completed.Theirs, trade.BySecret, 12)
	return []trade.Trade{
		someTrade(trade.Proposed, 0), someTrade(trade.Locking, 0), someTrade(trade.Locking, 1), someTrade(trade.Locking, 2), someTrade(trade.Locking, 0),
		someTrade(trade.Locking, 3), someTrade(trade.Locking, 3), theyLocked(someTrade(trade.Locking, 4), 5), redeeming, completed,
	}
}

func TestWatchSession(t *testing.T) {
	s := newSession(t)
	id := aLife()[0].ID
	for _, more := range [][]string{nil, {"--json"}} {
		s.b.life = map[contracts.Hash][]trade.Trade{id: aLife()}
		e := s.run("", append([]string{"swap", "watch", id.String(), "--every", "1ms"}, more...)...)
		if got := len(lines(e.out)); got != len(aLife())-1 {
			t.Errorf("watch %v printed %d lines, want one for each of %d changes", more, got, len(aLife())-1)
		}
	}
	all := btcForEth("0.5btc")
	s.b.offers, s.b.life = []trade.Offer{all}, map[contracts.Hash][]trade.Trade{id: aLife()[8:]}
	s.run("", "swap", "take", all.Digest().String(), "--yes", "--watch", "--every", "1ms")
	s.compare("watch")
}

func TestRefundSession(t *testing.T) {
	s := newSession(t)
	proposed, locked := someTrade(trade.Proposed, 0), someTrade(trade.Locking, 2)
	id := locked.ID.String()
	s.b.life = map[contracts.Hash][]trade.Trade{locked.ID: {locked}}
	s.run("n\n", "swap", "refund", id)
	s.run("y\n", "swap", "refund", id)
	s.run("", "swap", "refund", id, "--yes")
	s.b.life = map[contracts.Hash][]trade.Trade{locked.ID: {proposed}}
	s.run("y\n", "swap", "refund", id, "--json")
	s.run("", "swap", "refund", id)
	for _, t := range []trade.Trade{theyLocked(someTrade(trade.Redeeming, 2), 12), someTrade(trade.Refunded, 5), someTrade(trade.Completed, 5), someTrade(trade.Stranded, 5)} {
		switch t.Status {
		case trade.Refunded:
			ended(&t.Ours, trade.ByTime, 3)
		case trade.Completed:
			ended(&t.Ours, trade.BySecret, 3)
		case trade.Stranded:
			t.Reason = "the partner refunded before we redeemed"
		}
		s.b.life = map[contracts.Hash][]trade.Trade{locked.ID: {t}}
		s.run("", "swap", "refund", id)
	}
	s.compare("refund")
}

func TestWalletSession(t *testing.T) {
	s := newSession(t)
	s.run("", "wallet", "balance")
	s.run("", "wallet", "balance", "--json")
	s.run("", "wallet", "address", "btc")
	s.run("", "wallet", "address", "LTC", "--json")
	s.run("", "wallet", "address", "eth", "--qr")
	s.run("n\n", "wallet", "send", "0.1btc", btcAddress, "--max-fee", "0.0001btc")
	s.run("y\n", "wallet", "send", "0.1btc", btcAddress, "--max-fee", "0.0001btc")
	s.run("", "wallet", "send", "25000"+someToken.String(), ethAddress, "--max-fee", "100000gwei", "--yes")
	s.run("", "wallet", "send", "6btc", btcAddress, "--max-fee", "0.0001btc", "--yes")
	if len(s.b.sent) != 2 {
		t.Errorf("sent %d times, want 2", len(s.b.sent))
	}
	e := photon(t.Context(), "", "wallet", "send", "0.1ltc", ltcAddress, "--max-fee", "0.0001ltc", "--yes", "--json")
	if e.code != 0 || e.err != "" {
		t.Errorf("send --json: exit %d, %s", e.code, e.err)
	}
	checkLines(t, e.out) // its id is of a random key
	s.compare("wallet")
}
