package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
	"photon/web"
	"photon/web/api"
)

// What is not understood, or refused, is told precisely and changes nothing. The
// node of each row knows one offer of 0.1btc to 0.5btc, and one swap that locks.
func TestBadInput(t *testing.T) {
	offer, swap := btcForEth("0.1btc").Digest().String(), someTrade(trade.Locking, 1).ID.String()
	take := func(more ...string) []string { return append([]string{"swap", "take", offer, "--yes"}, more...) }
	send := func(more ...string) []string { return append([]string{"wallet", "send", "--yes"}, more...) }
	fee, key := "0.0001btc", aChannel().Key.String()
	for _, row := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"swap", "offer", "0.5", "12eth"}, 2, `usage: not an amount: "0.5" wants a number and a unit, such as 0.5btc`},
		{[]string{"swap", "offer", "-0.5btc", "12eth"}, 2, "usage: -0.5btc: an amount is never negative"},
		{[]string{"swap", "offer", "--", "-0.5btc", "12eth"}, 2, `usage: not an amount: "-0.5btc" wants a number and a unit, such as 0.5btc`},
		{[]string{"swap", "offer", "0.123456789btc", "12eth"}, 2, `usage: more decimals than the asset has: "0.123456789" has 9, the asset 8`},
		{[]string{"swap", "offer", "0.5sat", "12eth"}, 2, `usage: more decimals than the asset has: "0.5" has 1, the asset 0`},
		{[]string{"swap", "offer", "0.5doge", "12eth"}, 2, `usage: unknown chain: "doge"`},
		{[]string{"swap", "offer", "0,5btc", "12eth"}, 2, `usage: unknown chain: ",5btc"`},
		{[]string{"swap", "offer", "1e5btc", "12eth"}, 2, `usage: unknown chain: "e5btc"`},
		{[]string{"swap", "offer", "0.5btc", strings.Repeat("9", 80) + "eth"}, 2, `usage: not an amount: "` + strings.Repeat("9", 80) + `"`},
		{[]string{"swap", "offer", "5ETH:0x12", "1btc"}, 2, `usage: not an address of this chain: "0x12"`},
		{[]string{"swap", "offer", "0.5btc", "1btc"}, 3, "offer: BTC for itself"},
		{[]string{"swap", "offer", "0btc", "1eth"}, 3, "offer: amounts 0 to 0"},
		{[]string{"swap", "offer", "0.5btc", "0eth"}, 3, "offer: rate 0 for 50000000"},
		{[]string{"swap", "offer", "0.5btc", "12eth", "--min", "1eth"}, 2, "usage: --min is of ETH, the offer gives BTC"},
		{[]string{"swap", "offer", "0.5btc", "12eth", "--min", "0.6btc"}, 2, "usage: --min 0.6btc is more than all of it, 0.5btc"},
		{[]string{"swap", "offer", "0.5btc", "12eth", "--for", "-1h"}, 2, "usage: --for -1h0m0s is over at once"},
		{[]string{"swap", "offer", "0.5btc", "12eth", "--for", "soon"}, 2, `usage: photon swap offer: invalid argument "soon" for "--for" flag: time: invalid duration "soon"`},
		{[]string{"swap", "offer", "0.5btc", "12eth", "--form", "p2sh"}, 2, `usage: --form "p2sh" is not p2tr or p2wsh`},
		{[]string{"swap", "offer", "0.5btc"}, 2, "usage: photon swap offer: want what you give and what you want for it, such as 0.5btc 12eth"},
		{[]string{"swap", "offers", "--withdraw", "12"}, 2, `usage: id: not 32 bytes in hex: "12"`},
		{[]string{"swap", "offers", "--import", "photon-offer:!"}, 3, "not a message: the text of an offer is cut or changed"},
		{[]string{"swap", "offers", "all"}, 2, "usage: photon swap offers: want no arguments"},

		{[]string{"swap", "take", "12"}, 2, `usage: id: not 32 bytes in hex: "12"`},
		{[]string{"swap", "take", swap, "--yes"}, 3, "refused: no offer " + swap + " is known, or it has expired"},
		{take("--get", "0.2eth"), 2, "usage: --get is of ETH, the offer gives BTC"},
		{take("--get", "0.2"), 2, `usage: not an amount: "0.2" wants a number and a unit, such as 0.5btc`},
		{take("--get", "0.09999999btc"), 3, "refused: the offer gives 0.1btc to 0.5btc, not 0.09999999btc"},
		{take("--get", "0.50000001btc"), 3, "refused: the offer gives 0.1btc to 0.5btc, not 0.50000001btc"},
		{take("--get", "0.2btc", "--max-fee", "1ltc"), 2, "usage: --max-fee 1ltc: this swap pays no fee in LTC"},
		{take("--get", "0.2btc", "--max-fee", "5"+someToken.String()), 2, "usage: --max-fee: fees are paid in coins, not in " + someToken.String()},
		{take("--get", "0.2btc", "--max-fee", "free"), 2, `usage: --max-fee: not an amount: "free" wants a number and a unit, such as 0.5btc`},
		{take("--get", "0.2btc", "--max-fee", "0.001499999eth"), 3, "refused: network fees of up to 0.0015eth are above --max-fee 0.001499999eth"},
		{take("--get", "0.2btc", "--max-fee", "0.00000989btc"), 3, "refused: network fees of up to 0.0000099btc are above --max-fee 0.00000989btc"},
		{take("--get", "0.2btc", "--watch", "--every", "0s"), 2, "usage: --every 0s and --within 0s: no such times"},

		{[]string{"swap", "show", strings.Repeat("g", 64)}, 2, `usage: id: not 32 bytes in hex: "` + strings.Repeat("g", 64) + `"`},
		{[]string{"swap", "show"}, 2, "usage: photon swap show: want a swap's id"},
		{[]string{"swap", "show", swap, swap}, 2, "usage: photon swap show: want a swap's id"},
		{[]string{"swap", "watch", offer}, 3, "trade " + offer + ": unknown"},
		{[]string{"swap", "refund", offer, "--yes"}, 3, "trade " + offer + ": unknown"},
		{[]string{"swap", "list", "--timeout", "0s"}, 2, "usage: --timeout 0s is no time"},
		{[]string{"swap", "rescue"}, 2, "usage: photon swap rescue: want a copy of a journal"},

		{send("0.1btc", btcAddress), 2, "usage: say with --max-fee what the network may cost at most, in BTC"},
		{send("0.1btc", btcAddress, "--max-fee", "1ltc"), 2, "usage: --max-fee must be in BTC, not in LTC"},
		{send("0.1btc", btcAddress, "--max-fee", "0btc"), 2, "usage: --max-fee is 0, and no network takes that"},
		{send("0.1btc", btcAddress, "--max-fee", "10"), 2, `usage: --max-fee: not an amount: "10" wants a number and a unit, such as 0.5btc`},
		{send("5"+someToken.String(), ethAddress, "--max-fee", "5"+someToken.String()), 2, "usage: --max-fee must be in ETH, not in " + someToken.String()},
		{send("0btc", btcAddress, "--max-fee", fee), 2, "usage: 0btc is nothing to pay"},
		{send("6btc", btcAddress, "--max-fee", fee), 3, "not enough funds: 600000000 of BTC"},
		{send("1smt", ethAddress, "--max-fee", "0.1smt"), 3, "this node has no such chain: SMT"},
		{send("0.1btc", ltcAddress, "--max-fee", fee), 3, "not an address of this chain"},
		{send("0.1btc", ethAddress, "--max-fee", fee), 3, "not an address of this chain"},
		{send("0.1btc", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "--max-fee", fee), 3, "not an address of this chain"},
		{send("0.1btc", strings.Replace(btcAddress, "f3t4", "f3t5", 1), "--max-fee", fee), 3, "not an address of this chain"},
		{send("0.1ltc", btcAddress, "--max-fee", "0.0001ltc"), 3, "not an address of this chain"},
		{send("0.1ltc", mwebAddress, "--max-fee", "0.0001ltc"), 3, "not an address of this chain"},
		{send("0.1eth", strings.Replace(ethAddress, "Aeb", "aeb", 1), "--max-fee", "0.001eth"), 3, "not an address of this chain"},
		{send("0.1eth", btcAddress, "--max-fee", "0.001eth"), 3, "not an address of this chain"},
		{[]string{"wallet", "address", "doge"}, 2, `usage: unknown chain: "doge"`},
		{[]string{"wallet", "address", "smt"}, 3, "this node has no such chain: SMT"},
		{[]string{"wallet", "address"}, 2, "usage: photon wallet address: want a chain: btc, ltc, eth or smt"},

		{[]string{"channel", "open", "charlie", "1smt"}, 2, `usage: not an address of this chain: "charlie"`},
		{[]string{"channel", "open", charlie.Hex(), "1"}, 2, `usage: not an amount: "1" wants a number and a unit, such as 0.5btc`},
		{[]string{"channel", "open", charlie.Hex()}, 2, "usage: photon channel open: want a partner (an account, or where its node listens) and an amount with its unit"},
		{[]string{"channel", "open", charlie.Hex(), "1btc", "--yes"}, 3, "unknown chain: BTC has no channels here"},
		{[]string{"channel", "open", charlie.Hex(), "1smt", "--yes", "--window", "89"}, 3, "settle window too short or too long: 89 blocks, from 90 to 100800"},
		{[]string{"channel", "deposit", key, "0smt"}, 2, "usage: 0smt is nothing"},
		{[]string{"channel", "deposit", key, "1eth"}, 2, "usage: the channel holds SMT, not ETH"},
		{[]string{"channel", "deposit", swap, "1smt"}, 3, "no such channel: " + swap},
		{[]string{"channel", "withdraw", key, "71smt", "--yes"}, 3, "channel " + key + ": not enough in the channel: "},
		{[]string{"channel", "withdraw", key, "1smt", "--yes", "--within", "100801"}, 3, ""},
		{[]string{"channel", "list", "--state", "lost"}, 2, `usage: --state "lost" is not open, closed or settled`},
		{[]string{"channel", "list", "--partner", "0x12"}, 2, `usage: --partner: not an address of this chain: "0x12"`},
		{[]string{"channel", "fee", key, "--flat", "1eth"}, 2, "usage: --flat is of ETH, the channel holds SMT"},
		{[]string{"channel", "fee", key, "--ppm", "1000000"}, 2, "usage: proportional fee is the whole amount or more: 1000000 ppm"},
		{[]string{"pay", charlie.Hex()}, 2, "usage: photon pay: want an invoice, or an account (or where its node listens) and an amount with its unit"},
		{[]string{"pay", "photon1q", "5smt"}, 2, "usage: photon pay: want an invoice, or "},
		{[]string{"pay", "photon1q"}, 2, "usage: not an invoice that can be paid: "},
		{[]string{"pay", charlie.Hex(), "0smt"}, 2, "usage: 0smt is nothing to pay"},
		{[]string{"pay", charlie.Hex(), "1smt", "--max-fee", "1eth"}, 2, "usage: --max-fee is of ETH, the payment of SMT"},
		{[]string{"pay", charlie.Hex(), "1smt", "--route", "bob"}, 2, `usage: --route: not an address of this chain: "bob"`},
		{[]string{"pay", charlie.Hex(), "71smt", "--yes"}, 3, "not enough in the channel: "},
		{[]string{"payments", "12"}, 2, `usage: id: not 32 bytes in hex: "12"`},
		{[]string{"invoice", "lst"}, 2, `usage: not an amount: "lst" wants a number and a unit, such as 0.5btc`},
		{[]string{"invoice", "0smt"}, 2, "usage: 0smt within 1h0m0s: nothing, or no time"},
		{[]string{"invoice", "1smt", "--expires", "0s"}, 2, "usage: 1smt within 0s: nothing, or no time"},
		{[]string{"invoice", "show", swap}, 3, "invoice " + swap + ": unknown"},

		{[]string{"swop"}, 2, `usage: photon has no command "swop", did you mean swap?`},
		{[]string{"swap", "tkae"}, 2, `usage: photon swap has no command "tkae", did you mean take?`},
		{[]string{"keys", "show"}, 2, `usage: photon keys has no command "show"`},
		{[]string{"help", "swap", "nothing"}, 2, `usage: photon swap has no command "nothing"`},
		{[]string{"completion", "csh"}, 2, `usage: photon completion has no command "csh"`},
		{[]string{"completion", "bash", "more"}, 2, `usage: unknown command "more" for "photon completion bash"`},
		{[]string{"swap", "list", "--jsn"}, 2, "usage: photon swap list: unknown flag: --jsn"},
		{[]string{"version", "now"}, 2, "usage: photon version: want no arguments"},
		{[]string{"node", "now"}, 2, "usage: photon node: want no arguments"},
	} {
		b := openBooth(t)
		b.offers = []trade.Offer{btcForEth("0.1btc")}
		b.life[someTrade(trade.Locking, 1).ID] = []trade.Trade{someTrade(trade.Locking, 1)}
		e := photon(t.Context(), "", row.args...)
		said := strings.TrimPrefix(e.err, "photon: ")
		if e.code != row.code || !strings.HasPrefix(said, row.says) || e.out != "" {
			t.Errorf("%s: exit %d, %q, want %d, %q; on standard output %q", strings.Join(row.args, " "), e.code, said, row.code, row.says, e.out)
		}
		if len(b.sent) > 0 || b.taken > 0 {
			t.Errorf("%s: money moved", strings.Join(row.args, " "))
		}
		if len(b.offers) != 1 {
			t.Errorf("%s: the offers changed", strings.Join(row.args, " "))
		}
	}
}

// How the node answers, or does not, decides the exit code.
func TestNodeFaults(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(t *testing.T, b *booth)
		code   int
		says   string
	}{
		{"good", func(t *testing.T, b *booth) {}, 0, ""},
		{"never ran", func(t *testing.T, b *booth) { must(t, os.Remove(filepath.Join(b.data, addressFile))) }, 5, "the node cannot be reached: no node ever ran on "},
		{"stopped", func(t *testing.T, b *booth) { b.server.Close() }, 5, "the node cannot be reached: "},
		{"closes every line", func(t *testing.T, b *booth) { b.write(t, addressFile, "http://"+deaf(t)) }, 5, "the node cannot be reached: "},
		{"address is none", func(t *testing.T, b *booth) { b.write(t, addressFile, "ftp://somewhere") }, 1, "web: the address of a node is http:// or https:// and a host"},
		{"no token", func(t *testing.T, b *booth) { must(t, os.Remove(filepath.Join(b.data, tokenFile))) }, 1, "node's token: open "},
		{"token cannot be read", func(t *testing.T, b *booth) {
			must(t, os.Remove(filepath.Join(b.data, tokenFile)))
			must(t, os.Mkdir(filepath.Join(b.data, tokenFile), 0o700))
		}, 1, "is a directory"},
		{"another's token", func(t *testing.T, b *booth) { b.write(t, tokenFile, "the-token-of-another") }, 3, "no token, or not this node's"},
		{"refused", func(t *testing.T, b *booth) { b.fail = trade.ErrClosed }, 3, trade.ErrClosed.Error()},
		{"not enough", func(t *testing.T, b *booth) { b.fail = trade.ErrShort }, 3, trade.ErrShort.Error()},
		{"took too long", func(t *testing.T, b *booth) { b.fail = context.DeadlineExceeded }, 4, "It took too long"},
		{"no answer in time", func(t *testing.T, b *booth) {
			b.hang = make(chan struct{})
			t.Cleanup(func() { close(b.hang) })
		}, 4, "the node gave no answer within 100ms"},
		{"a fault of the node", func(t *testing.T, b *booth) { b.fail = errors.New("disk: /home/alice") }, 1, "The node failed; its log says why"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := openBooth(t)
			row.change(t, b)
			args := []string{"swap", "offers"}
			if row.code == 4 {
				args = append(args, "--timeout", "100ms")
			}
			e := photon(t.Context(), "", args...)
			if e.code != row.code || !strings.Contains(e.err, row.says) || (row.code != 0 && e.out != "") {
				t.Errorf("exit %d, %q, want %d, %q; on standard output %q", e.code, e.err, row.code, row.says, e.out)
			}
			if strings.Contains(e.err, boothToken) || strings.Contains(e.err, "alice") {
				t.Errorf("tells what is nobody's business: %s", e.err)
			}
		})
	}
}

// deaf is a place where every line is closed at once.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return l.Addr().String()
}

// A line that breaks behind the request is asked again under the same key, so
// that money moves once; and when no answer comes, that is said.
func TestLineBreaksWhileMoneyMoves(t *testing.T) {
	offer := btcForEth("0.5btc")
	take := []string{"swap", "take", offer.Digest().String(), "--yes"}
	send := []string{"wallet", "send", "0.1btc", btcAddress, "--max-fee", "0.0001btc", "--yes"}
	for _, row := range []struct {
		name string
		args []string
		drop int
		code int
		says string
	}{
		{"take", take, 0, 0, ""},
		{"take, broken once", take, 1, 0, ""},
		{"take, broken for good", take, 100, 5, "It may have happened all the same. Before you try again, look: photon swap list"},
		{"send", send, 0, 0, ""},
		{"send, broken once", send, 1, 0, ""},
		{"send, broken for good", send, 100, 5, "It may have happened all the same. Before you try again, look: photon wallet balance"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := openBooth(t)
			b.offers, b.drop = []trade.Offer{offer}, row.drop
			e := photon(t.Context(), "", row.args...)
			b.server.Close() // whatever is still being answered ends
			if e.code != row.code || !strings.Contains(e.err, row.says) {
				t.Errorf("exit %d, %q, want %d, %q", e.code, e.err, row.code, row.says)
			}
			if times := b.taken + len(b.sent); times != 1 {
				t.Errorf("money moved %d times", times)
			}
			if row.drop > 0 && len(b.keys) < 2 {
				t.Errorf("asked %d times, want a second time", len(b.keys))
			}
			for _, key := range b.keys {
				if key != b.keys[0] {
					t.Errorf("asked again under another key: %q", b.keys)
				}
			}
		})
	}
}

// A refusal of the second question does not hide that the first may have been
// answered: the node was started anew between, and has forgotten the quote.
func TestSecondQuestionRefused(t *testing.T) {
	a := &asker{timeout: time.Minute}
	gone := &web.Problem{Status: http.StatusNotFound, Code: "unknown", Detail: "quote 07: unknown"}
	var keys []string
	_, err := once(t.Context(), a, "photon swap list", func(_ context.Context, key string) (int, error) {
		if keys = append(keys, key); len(keys) == 1 {
			return 0, web.ErrUnreachable
		}
		return 0, gone
	})
	if exitCode(err) != exitUnreachable || !strings.Contains(err.Error(), "quote 07: unknown") || !strings.Contains(err.Error(), "may have happened") {
		t.Errorf("exit %d: %v", exitCode(err), err)
	}
	if len(keys) != 2 || keys[0] != keys[1] {
		t.Errorf("keys %q", keys)
	}
	for _, row := range []struct {
		err    error
		asked  int
		unsure bool
	}{
		{nil, 1, false},
		{gone, 1, false},
		{&web.Problem{Status: http.StatusServiceUnavailable, Code: "busy"}, 1, false},
		{&web.Problem{Status: http.StatusInternalServerError}, 1, true},
		{&web.Problem{Status: http.StatusGatewayTimeout}, 1, true},
		{context.DeadlineExceeded, 1, true},
		{context.Canceled, 1, true},
		{web.ErrUnreachable, 2, true},
	} {
		asked := 0
		_, err := once(t.Context(), a, "there", func(context.Context, string) (int, error) { asked++; return 0, row.err })
		if asked != row.asked || !errors.Is(err, row.err) || (err != nil && strings.Contains(err.Error(), "look: there")) != row.unsure {
			t.Errorf("%v: asked %d times, want %d; said %v", row.err, asked, row.asked, err)
		}
	}
}

func TestWatchEndsEarly(t *testing.T) {
	locking := someTrade(trade.Locking, 1)
	id := locking.ID.String()
	watch := func(more ...string) []string { return append([]string{"swap", "watch", id, "--every", "1ms"}, more...) }

	b := openBooth(t)
	b.life[locking.ID] = []trade.Trade{locking}
	ctx, interrupt := context.WithCancel(t.Context())
	b.looked = interrupt
	e := photon(ctx, "", watch()...)
	if e.code != exitFailed || !strings.Contains(e.err, "no longer watching") || !strings.Contains(e.err, "the swap goes on as long as the node runs; look with: photon swap watch "+id) {
		t.Errorf("interrupted: exit %d, %s", e.code, e.err)
	}
	b.looked = nil
	if e = photon(t.Context(), "", watch("--within", "50ms")...); e.code != exitTimeout || !strings.Contains(e.err, "not over within 50ms") || !strings.Contains(e.err, "the swap goes on") {
		t.Errorf("too long: exit %d, %s", e.code, e.err)
	}
}

// A node that is started anew while a swap is watched, at another address.
func TestWatchOutlivesTheNode(t *testing.T) {
	b, later := openBooth(t), openBooth(t) // PHOTON_DATA names the second
	life := aLife()
	later.life[life[0].ID] = life[3:]
	later.write(t, addressFile, b.server.URL)
	b.life[life[0].ID] = life[:3]
	looks := 0
	b.looked = func() {
		if looks++; looks == 3 {
			go func() {
				b.server.CloseClientConnections()
				b.server.Close()
				later.write(t, addressFile, later.server.URL)
			}()
		}
	}
	e := photon(t.Context(), "", "swap", "watch", life[0].ID.String(), "--every", "20ms")
	if e.code != 0 || !strings.Contains(e.err, "the node is away; the swap goes on when it is back") || !strings.Contains(e.out, "completed") {
		t.Errorf("exit %d: %s%s", e.code, e.out, e.err)
	}
	later.server.Close()
	if e := photon(t.Context(), "", "swap", "watch", life[0].ID.String()); e.code != exitUnreachable {
		t.Errorf("a node that is away from the first: exit %d, %s", e.code, e.err)
	}
}

func TestWatchNeedsAPerson(t *testing.T) {
	b := openBooth(t)
	lost := theyLocked(someTrade(trade.Stranded, 9), 30)
	lost.Reason = "what the partner locked is gone"
	b.life[lost.ID] = []trade.Trade{lost}
	e := photon(t.Context(), "", "swap", "watch", lost.ID.String(), "--json")
	if e.code != exitFailed || !strings.Contains(e.err, "this swap needs a person: what the partner locked is gone") {
		t.Errorf("exit %d: %s", e.code, e.err)
	}
	checkLines(t, e.out)
}

// An interruption ends a question that nobody answers.
func TestInterruptedQuestion(t *testing.T) {
	b := openBooth(t)
	offer := btcForEth("0.5btc")
	b.offers = []trade.Offer{offer}
	silent, person, err := os.Pipe()
	must(t, err)
	defer silent.Close()
	defer person.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	var said strings.Builder
	root := rootCommand()
	root.SetArgs([]string{"swap", "take", offer.Digest().String()})
	root.SetIn(silent)
	root.SetErr(writer(func(p []byte) {
		said.Write(p)
		if strings.Contains(said.String(), "Swap? [y/N]") {
			interrupt()
		}
	}))
	if code := run(ctx, root); code != exitFailed || !strings.HasSuffix(said.String(), "photon: interrupted\n") || b.taken != 0 {
		t.Errorf("exit %d, taken %d times: %s", code, b.taken, said.String())
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

// Fees in one coin, where both legs lie on one chain.
func TestFeesAddUp(t *testing.T) {
	limits, err := readLimits([]string{"30wei"})
	must(t, err)
	for _, row := range []struct {
		lock, refund, redeem uint64
		code                 int
	}{
		{10, 15, 20, 0},
		{10, 15, 21, exitRefused},
		{10, 20, 1, 0},
		{10, 21, 1, exitRefused},
	} {
		err := checkFees(api.Quote{
			Pay: someToken, Get: contracts.Native(contracts.ETH),
			LockFee: contracts.Units(row.lock), RefundFee: contracts.Units(row.refund), RedeemFee: contracts.Units(row.redeem),
		}, limits)
		if (err != nil || row.code != 0) && exitCode(err) != row.code {
			t.Errorf("%d to lock, %d to refund, %d to redeem, at most 30: %v", row.lock, row.refund, row.redeem, err)
		}
	}
}
