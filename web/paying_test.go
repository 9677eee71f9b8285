package web

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
	"photon/web/api"
)

// aBill is an invoice of Them that nobody has signed.
func aBill() message.Invoice {
	return message.Invoice{Asset: coin, Payee: them, Amount: contracts.Units(500), Hash: contracts.Hash{5}, Expiry: 1_800_000_000, Text: "a book"}
}

// Each row is one request to a node that has one channel, with 70 of 100 in it, one
// payment that it made and one invoice.
func TestPayingRoutes(t *testing.T) {
	key := anchored(1).Key.String()
	unknown := contracts.Hash{0xee}.String()
	account := charlie.Hex()
	open := fmt.Sprintf(`{"asset":"SMT","partner":%q,"amount":"1000","window":600}`, account)
	pay := fmt.Sprintf(`{"to":%q,"asset":"SMT","amount":"5"}`, account)
	fee := `{"flat":"10","proportional":500,"imbalance":[],"cap":true}`
	bill := `{"asset":"SMT","amount":"9","expires":1800000000}`
	invoice := exampleSecret.Hash().String()
	keyless := map[string]string{"Idempotency-Key": ""}
	post := func(path, body string) call { return call{method: "POST", path: path, body: body} }
	get := func(path string) call { return call{method: "GET", path: path} }
	with := func(body, old, new string) string { return strings.Replace(body, old, new, 1) }
	for _, row := range []struct {
		name   string
		call   call
		status int
		code   string
	}{
		{"channels", get("/v1/channels"), 200, ""},
		{"channels by state", get("/v1/channels?state=settled"), 200, ""},
		{"channels by no state", get("/v1/channels?state=lost"), 400, "invalid"},
		{"channels with a partner", get("/v1/channels?partner=" + account), 200, ""},
		{"channels with half a partner", get("/v1/channels?partner=0x12"), 400, "invalid"},
		{"channels with a wrong checksum", get("/v1/channels?partner=0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed"), 422, "address"},
		{"a channel", get("/v1/channels/" + key), 200, ""},
		{"no channel", get("/v1/channels/" + unknown), 404, "no_such_channel"},
		{"open", post("/v1/channels", open), 202, ""},
		{"open empty", post("/v1/channels", with(open, `"1000"`, `"0"`)), 202, ""},
		{"open for all", post("/v1/channels", with(open, `"1000"`, `"1001"`)), 409, "channel_short"},
		{"open without a window", post("/v1/channels", with(open, `,"window":600`, "")), 202, ""},
		{"open with the shortest window", post("/v1/channels", with(open, "600", "90")), 202, ""},
		{"open with a shorter window", post("/v1/channels", with(open, "600", "89")), 422, "window"},
		{"open with ourselves", post("/v1/channels", with(open, account, us.Hex())), 422, "partner"},
		{"open on a chain without channels", post("/v1/channels", with(open, "SMT", "BTC")), 422, "chain"},
		{"open with what the chain refuses", post("/v1/channels", with(open, "SMT", "SMT:"+them.Hex())), 502, "chain_refuses"},
		{"open without a key", call{method: "POST", path: "/v1/channels", body: open, header: keyless}, 400, "invalid"},
		{"deposit", post("/v1/channels/"+key+"/deposit", `{"amount":"5"}`), 202, ""},
		{"deposit nothing", post("/v1/channels/"+key+"/deposit", `{"amount":"0"}`), 422, "no_amount"},
		{"deposit nowhere", post("/v1/channels/"+unknown+"/deposit", `{"amount":"5"}`), 404, "no_such_channel"},
		{"deposit without a key", call{method: "POST", path: "/v1/channels/" + key + "/deposit", body: `{"amount":"5"}`, header: keyless}, 400, "invalid"},
		{"withdraw all", post("/v1/channels/"+key+"/withdraw", `{"amount":"62"}`), 202, ""},
		{"withdraw more", post("/v1/channels/"+key+"/withdraw", `{"amount":"63"}`), 409, "channel_short"},
		{"withdraw nothing", post("/v1/channels/"+key+"/withdraw", `{"amount":"0"}`), 422, "no_amount"},
		{"withdraw within no block", post("/v1/channels/"+key+"/withdraw", `{"amount":"5","within":0}`), 400, "invalid"},
		{"close", post("/v1/channels/"+key+"/close", `{}`), 202, ""},
		{"close alone", post("/v1/channels/"+key+"/close", `{"alone":true}`), 202, ""},
		{"close no channel", post("/v1/channels/"+unknown+"/close", `{}`), 404, "no_such_channel"},
		{"fee", get("/v1/channels/" + key + "/fee"), 200, ""},
		{"fee of no channel", get("/v1/channels/" + unknown + "/fee"), 404, "no_such_channel"},
		{"set a fee", call{method: "PUT", path: "/v1/channels/" + key + "/fee", body: fee}, 200, ""},
		{"set a fee with a curve", call{method: "PUT", path: "/v1/channels/" + key + "/fee", body: with(fee, `[]`, `[["0","0"],["100","5"]]`)}, 200, ""},
		{"set a fee with a point", call{method: "PUT", path: "/v1/channels/" + key + "/fee", body: with(fee, `[]`, `[["0","0"]]`)}, 422, "curve_points"},
		{"set a fee with a curve that turns", call{method: "PUT", path: "/v1/channels/" + key + "/fee", body: with(fee, `[]`, `[["9","0"],["8","5"]]`)}, 422, "curve_order"},
		{"set a fee of all", call{method: "PUT", path: "/v1/channels/" + key + "/fee", body: with(fee, "500", "1000000")}, 400, "invalid"},
		{"set a fee of no channel", call{method: "PUT", path: "/v1/channels/" + unknown + "/fee", body: fee}, 404, "no_such_channel"},

		{"payments", get("/v1/payments"), 200, ""},
		{"payments by all", get("/v1/payments?state=done&way=got&asset=SMT&limit=500&cursor=12"), 200, ""},
		{"payments by no way", get("/v1/payments?way=lost"), 400, "invalid"},
		{"payments of no asset", get("/v1/payments?asset=DOG"), 422, "chain"},
		{"payments behind what is no number", get("/v1/payments?cursor=9999999999999999999"), 400, "invalid"},
		{"payments behind nothing", get("/v1/payments?cursor=0"), 400, "invalid"},
		{"a payment", get("/v1/payments/" + contracts.Hash{4}.String()), 200, ""},
		{"no payment", get("/v1/payments/" + unknown), 404, "unknown"},
		{"pay", post("/v1/payments", pay), 202, ""},
		{"pay without a key", call{method: "POST", path: "/v1/payments", body: pay, header: keyless}, 400, "invalid"},
		{"pay nobody", post("/v1/payments", `{"asset":"SMT","amount":"5"}`), 400, "invalid"},
		{"pay in nothing", post("/v1/payments", with(pay, `"asset":"SMT",`, "")), 400, "invalid"},
		{"pay over others without an invoice", post("/v1/payments", with(pay, `{`, fmt.Sprintf(`{"route":[%q],`, them.Hex()))), 400, "invalid"},
		{"pay an invoice that its payee did not sign", post("/v1/payments", fmt.Sprintf(`{"invoice":%q}`, aBill())), 422, "invoice"},
		{"pay an invoice that is cut", post("/v1/payments", fmt.Sprintf(`{"invoice":%q}`, aBill().String()[:90])), 422, "invoice"},
		{"pay an invoice to another", post("/v1/payments", fmt.Sprintf(`{"invoice":%q,"to":%q}`, aBill(), account)), 400, "invalid"},

		{"invoices", get("/v1/invoices"), 200, ""},
		{"invoices by state", get("/v1/invoices?state=held&asset=smt&limit=1"), 200, ""},
		{"invoices by no state", get("/v1/invoices?state=done"), 400, "invalid"},
		{"make an invoice", post("/v1/invoices", bill), 201, ""},
		{"make one of nothing", post("/v1/invoices", with(bill, `"9"`, `"0"`)), 422, "invoice"},
		{"make one of another's secret", post("/v1/invoices", with(bill, `{`, `{"hash":"`+unknown+`",`)), 201, ""},
		{"an invoice", get("/v1/invoices/" + invoice), 200, ""},
		{"no invoice", get("/v1/invoices/" + unknown), 404, "unknown"},
		{"release", post("/v1/invoices/"+invoice+"/release", `{}`), 202, ""},
		{"release with a secret", post("/v1/invoices/"+invoice+"/release", `{"secret":"`+exampleSecret.Reveal()+`"}`), 202, ""},
		{"release with another secret", post("/v1/invoices/"+invoice+"/release", `{"secret":"`+unknown+`"}`), 422, "wrong_secret"},
		{"release nothing", post("/v1/invoices/"+unknown+"/release", `{}`), 404, "unknown"},
		{"cancel", post("/v1/invoices/"+invoice+"/cancel", ""), 202, ""},
		{"cancel nothing", post("/v1/invoices/"+unknown+"/cancel", ""), 404, "unknown"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, _, log := newTest(t)
			busy(t, s)
			w := row.call.do(t, s)
			expect(t, w, row.status, row.code)
			for _, inside := range []string{"hunter2", exampleSecret.Reveal()[:16], `"raw"`} {
				if strings.Contains(w.Body.String(), inside) {
					t.Errorf("the answer shows %q: %s", inside, w.Body)
				}
			}
			if strings.Contains(log.String(), exampleSecret.Reveal()[:16]) {
				t.Errorf("the log shows a secret: %s", log)
			}
		})
	}
}

// busy gives a server's payment node a payment and an invoice.
func busy(t testing.TB, s *server) *till {
	t.Helper()
	n := tillOf(t, s)
	n.payments[contracts.Hash{4}] = ledger.Payment{
		ID: contracts.Hash{4}, Ours: true, Asset: coin, Partner: charlie, Amount: contracts.Units(5), Fee: contracts.Units(1), Text: "=lunch",
		Status: ledger.Failed, Reason: message.Short, Made: 1_700_000_000, Ended: 1_700_000_001,
		Parts: []ledger.Part{{Route: ledger.Route{Nodes: []contracts.Address{them, charlie}, Sent: contracts.Units(6)}, Status: ledger.Failed, Reason: message.Short}},
	}
	if _, err := n.Invoice(t.Context(), coin, contracts.Units(9), "a book", 1_800_000_000, true, contracts.Hash{}); err != nil {
		t.Fatal(err)
	}
	return n
}

// The answers as they are, for a reader and for the page.
func TestGoldenPaying(t *testing.T) {
	s, _, _ := newTest(t)
	n := busy(t, s)
	secret := exampleSecret
	i := aBill()
	n.payments[i.Hash] = ledger.Payment{
		ID: i.Hash, Ours: true, Asset: coin, Partner: them, Amount: i.Amount, Invoice: &i, Status: ledger.Done, Secret: &secret,
		Made: 1_700_000_000, Ended: 1_700_000_002,
	}
	closed, settled := anchored(2), anchored(3)
	closed.Status, closed.Law = channel.Closed, &channel.Law{ByUs: true, End: 1600}
	settled.Status, settled.Paid = channel.Settled, [2]contracts.Amount{contracts.Units(70), contracts.Units(30)}
	n.keep(closed)
	n.keep(settled)
	for _, row := range []struct {
		file string
		call call
	}{
		{"channel.json", call{method: "GET", path: "/v1/channels/" + anchored(1).Key.String()}},
		{"channel_closed.json", call{method: "GET", path: "/v1/channels/" + closed.Key.String()}},
		{"channel_settled.json", call{method: "GET", path: "/v1/channels/" + settled.Key.String()}},
		{"order.json", call{method: "POST", path: "/v1/channels/" + closed.Key.String() + "/deposit", body: `{"amount":"5"}`, header: map[string]string{"Idempotency-Key": key}}},
		{"fee.json", call{method: "GET", path: "/v1/channels/" + closed.Key.String() + "/fee"}},
		{"payment.json", call{method: "GET", path: "/v1/payments/" + i.Hash.String()}},
		{"invoice.json", call{method: "GET", path: "/v1/invoices/" + exampleSecret.Hash().String()}},
	} {
		t.Run(row.file, func(t *testing.T) {
			golden(t, row.file, indented(t, row.call.do(t, s).Body.Bytes()))
		})
	}
	delete(n.payments, i.Hash)
	golden(t, "payments.csv", call{method: "GET", path: "/v1/payments", header: map[string]string{"Accept": "text/csv"}}.do(t, s).Body.Bytes())
}

// One key opens one channel, whoever remembers it.
func TestOrdersFollowFromTheirKey(t *testing.T) {
	s, _, _ := newTest(t)
	body := fmt.Sprintf(`{"asset":"SMT","partner":%q,"amount":"1"}`, charlie.Hex())
	keyed := map[string]string{"Idempotency-Key": key}
	for range 2 {
		s.once = newOnce(8) // a node that was started anew
		expect(t, call{method: "POST", path: "/v1/channels", body: body, header: keyed}.do(t, s), 202, "")
	}
	n := tillOf(t, s)
	if len(n.orders) != 1 || n.orders[channel.OrderID("open", key)] != 2 || n.window != usualWindow {
		t.Errorf("orders %v, window %d", n.orders, n.window)
	}
}

// What a caller says of a payment is what the node is asked.
func TestReadPay(t *testing.T) {
	s, _, _ := newTest(t)
	body := fmt.Sprintf(`{"to":%q,"asset":"SMT","amount":"5","max_fee":"1","text":"lunch","deadline":1800000000}`, charlie.Hex())
	expect(t, call{method: "POST", path: "/v1/payments", body: body, header: map[string]string{"Idempotency-Key": key}}.do(t, s), 202, "")
	n := tillOf(t, s)
	p := n.paid[0]
	if p.ID != channel.OrderID("pay", key) || p.To != charlie || p.Asset != coin || p.Amount != contracts.Units(5) || p.MaxFee != contracts.Units(1) || p.Text != "lunch" || p.Deadline != 1_800_000_000 {
		t.Errorf("%+v", p)
	}
}

// A page's links and filter are as it was asked for.
func TestPaymentPages(t *testing.T) {
	s, _, _ := newTest(t)
	n := tillOf(t, s)
	n.next = 41
	w := call{method: "GET", path: "/v1/payments?state=done&way=sent&limit=7&cursor=90"}.do(t, s)
	expect(t, w, 200, "")
	want := `</v1/payments?cursor=90&limit=7&state=done&way=sent>; rel="self", </v1/payments?cursor=41&limit=7&state=done&way=sent>; rel="next"`
	if got := w.Header().Get("Link"); got != want {
		t.Errorf("Link %s", got)
	}
	if f := n.filter; f.After != 90 || f.Limit != 7 || f.Status != "done" || f.Ours == nil || !*f.Ours {
		t.Errorf("filter %+v", f)
	}
}

// Each row is one change to an open channel in which 8 of ours are promised until
// block 1200.
func TestMove(t *testing.T) {
	until := contracts.Withdrawal{Until: 1060}
	for _, row := range []struct {
		name   string
		change func(c *channel.Channel)
		want   string
	}{
		{"a lock of ours", func(*channel.Channel) {}, "them open_lock 0 1200"},
		{"one of his that ends at the same time", func(c *channel.Channel) { c.Them.Locks = c.Us.Locks }, "you open_lock 0 1200"},
		{"nothing", func(c *channel.Channel) { c.Us.Locks, c.Us.Notes = nil, nil }, ""},
		{"a wish", func(c *channel.Channel) { c.Wish = &channel.Wish{Kind: channel.Ending, Until: 1100} }, "both finish 0 1100"},
		{"we propose", func(c *channel.Channel) { c.Accord = &channel.Accord{Ours: true, Withdrawal: &until} }, "them agree 0 1060"},
		{"he has agreed", func(c *channel.Channel) {
			c.Accord = &channel.Accord{Ours: true, Withdrawal: &until, Theirs: &contracts.Signature{1}}
		}, "you withdraw 0 1060"},
		{"alone", func(c *channel.Channel) { c.Wish = &channel.Wish{Kind: channel.Ending, Alone: true} }, "you close 0 0"},
		{"closed", func(c *channel.Channel) { c.Status, c.Law = channel.Closed, &channel.Law{ByUs: true, End: 1600} }, "you settle 1701 0"},
		{"settled", func(c *channel.Channel) { c.Status = channel.Settled }, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := anchored(1)
			row.change(&c)
			got := ""
			if m := viewMove(sight{Channel: c, now: channel.Now{Height: 1000, Through: 1000}}); m != nil {
				got = fmt.Sprint(m.Actor, " ", m.Step, " ", m.From, " ", m.By)
			}
			if got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

// What the payment node tells goes to whoever reads events.
func TestPaymentEvents(t *testing.T) {
	f := NewFeed(4)
	f.PublishPayment(ledger.Notice{Kind: ledger.WishEnded, ID: contracts.Hash{3}, Text: "capacity"})
	b := f.at(0)
	if e := viewNotice(b.notices[0]); e.Kind != "wish" || e.Id == nil || *e.Id != (contracts.Hash{3}) || e.Text != "capacity" {
		t.Errorf("%+v", e)
	}
}

// The client and the server, one story over a real connection: a partner is reached,
// a channel opened, filled, drawn on, closed; a payment made and read, an invoice
// made, released, cancelled.
func TestPayingStory(t *testing.T) {
	s, _, _ := newTest(t)
	n := busy(t, s)
	_, c := listening(t, s)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	peer, err := c.Peer(ctx, "/ip4/127.0.0.1/tcp/1/p2p/them")
	must(err)
	if peer.Account != them.Hex() {
		t.Errorf("peer %+v", peer)
	}
	order, err := c.OpenChannel(ctx, NewKey(), api.Open{Asset: coin, Partner: charlie.Hex(), Amount: contracts.Units(5), Window: 90})
	must(err)
	if n.orders[order.Id] != 1 || n.window != 90 {
		t.Errorf("orders %v, window %d", n.orders, n.window)
	}
	all, err := c.Channels(ctx, "open", charlie.Hex())
	must(err)
	none, err := c.Channels(ctx, "", them.Hex())
	must(err)
	if len(all) != 1 || len(none) != 0 {
		t.Fatalf("%d channels, %d with another", len(all), len(none))
	}
	id := all[0].Id
	_, err = c.Deposit(ctx, NewKey(), id, contracts.Units(5))
	must(err)
	fee, err := c.SetFee(ctx, id, message.Schedule{Flat: contracts.Units(3)})
	must(err)
	read, err := c.Fee(ctx, id)
	must(err)
	if fee.Flat != contracts.Units(3) || read.Flat != fee.Flat {
		t.Errorf("fee %+v, then %+v", fee, read)
	}
	key := NewKey()
	for range 2 {
		taken, err := c.WithdrawChannel(ctx, key, id, api.Withdrawal{Amount: contracts.Units(5), Within: 7})
		must(err)
		if w := taken.Wish; w == nil || w.Amount == nil || *w.Amount != contracts.Units(5) || w.Until != 1007 || len(n.wishes) != 1 {
			t.Errorf("wish %+v of %d", w, len(n.wishes))
		}
	}
	var refused *Problem
	if _, err := c.CloseChannel(ctx, NewKey(), id, api.Close{}); !errors.As(err, &refused) || refused.Code != "channel_busy" {
		t.Errorf("closed: %v", err)
	}
	amount := contracts.Units(5)
	paid, err := c.Pay(ctx, NewKey(), api.Pay{To: charlie.Hex(), Asset: &coin, Amount: &amount})
	must(err)
	shown, err := c.Payment(ctx, paid.Id)
	must(err)
	page, err := c.Payments(ctx, PaymentQuery{State: "pending", Limit: 1})
	must(err)
	var table bytes.Buffer
	must(c.PaymentsCSV(ctx, PaymentQuery{}, &table))
	if shown.Id != paid.Id || shown.Way != "sent" || len(page.Payments) != 2 || n.filter.Limit != 50 || strings.Count(table.String(), "\r\n") != 3 {
		t.Errorf("shown %+v, %d of %d, table %s", shown, len(page.Payments), n.filter.Limit, table.String())
	}
	bill, err := c.Bill(ctx, NewKey(), api.Bill{Asset: coin, Amount: amount, Expires: 1_800_000_000, Hash: &contracts.Hash{8}})
	must(err)
	_, err = c.CancelInvoice(ctx, bill.Id)
	must(err)
	released, err := c.ReleaseInvoice(ctx, exampleSecret.Hash(), nil)
	must(err)
	seen, err := c.Invoice(ctx, bill.Id)
	must(err)
	bills, err := c.Invoices(ctx, PaymentQuery{})
	must(err)
	if seen.Status != ledger.Withdrawn || released.Status != ledger.Settling || len(bills.Invoices) != 2 {
		t.Errorf("%s, %s, %d invoices", seen.Status, released.Status, len(bills.Invoices))
	}
}
