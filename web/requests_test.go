package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"photon/contracts"
	"photon/swap/trade"
)

// A call is one request as a test writes it.
type call struct {
	method, path string
	body         string
	header       map[string]string
	host         string // "" is 127.0.0.1:8645
}

// do sends a call to s, a post under a key of its own unless header says
// otherwise, and holds the answer against the document.
func (c call) do(t testing.TB, s *server) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
	if c.body == "" {
		r.Body = http.NoBody
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Host = "127.0.0.1:8645"
	if c.host != "" {
		r.Host = c.host
	}
	r.Header.Set("Authorization", "Bearer "+testToken)
	if c.method == "POST" {
		r.Header.Set("Idempotency-Key", NewKey())
	}
	for name, value := range c.header {
		if r.Header.Del(name); value != "" {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	s.engine().ServeHTTP(w, r)
	asDocumented(t, s, r, w)
	return w
}

// asDocumented fails when an answer is not one that the document has.
func asDocumented(t testing.TB, s *server, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	var problem *openapi3.SchemaRef
	for _, route := range s.routes {
		problem = route.Spec.Components.Schemas["Problem"]
		if !matches(route.Path, r.URL.Path) || route.Method != r.Method {
			continue
		}
		in := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: route},
			Status:                 w.Code, Header: w.Result().Header,
			Options: &openapi3filter.Options{IncludeResponseStatus: true},
		}
		in.SetBodyBytes(w.Body.Bytes())
		if media := w.Header().Get("Content-Type"); strings.HasPrefix(media, "text/csv") || strings.HasPrefix(media, "application/yaml") {
			in.Options.ExcludeResponseBody = true // rows and documents are no strings of JSON
		}
		if err := openapi3filter.ValidateResponse(t.Context(), in); err != nil {
			t.Errorf("%s %s: the answer is not as documented: %v\n%s", r.Method, r.URL.Path, err, w.Body)
		}
		return
	}
	var value any
	if err := json.Unmarshal(w.Body.Bytes(), &value); err != nil {
		t.Errorf("%s %s: not JSON: %v", r.Method, r.URL.Path, err)
	} else if err := problem.Value.VisitJSON(value); err != nil {
		t.Errorf("%s %s: no problem document: %v", r.Method, r.URL.Path, err)
	}
}

func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if !strings.HasPrefix(want[i], "{") && want[i] != got[i] {
			return false
		}
	}
	return true
}

// decoded is the JSON of an answer.
func decoded(t testing.TB, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return m
}

// expect fails unless the answer has this status and, of a refusal, this code.
func expect(t testing.TB, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	got := ""
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/problem+json") {
		got, _ = decoded(t, w)["code"].(string)
	}
	if w.Code != status || got != code {
		t.Errorf("status %d code %q, want %d %q\n%s", w.Code, got, status, code, w.Body)
	}
}

const (
	goodDraft = `{"give":"ETH","want":"BTC","min":"1000","max":"100000000","give_of":"1000","want_of":"60","expires":1700009999}`
	goodSend  = `{"asset":"BTC","to":"addr-of-BTC","amount":"1000","max_fee":"500"}`
	key       = "key-number-1"
)

// Each row is one change to a good request.
func TestDraft(t *testing.T) {
	swap := func(old, new string) string { return strings.Replace(goodDraft, old, new, 1) }
	for _, row := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"good", goodDraft, 201, ""},
		{"asset in small letters", swap(`"ETH"`, `"eth"`), 201, ""},
		{"a token", swap(`"ETH"`, `"SMT:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"`), 201, ""},
		{"a token's checksum is wrong", swap(`"ETH"`, `"SMT:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed"`), 422, "address"},
		{"a token on Bitcoin", swap(`"ETH"`, `"BTC:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"`), 422, "address"},
		{"no such chain", swap(`"ETH"`, `"DOG"`), 422, "chain"},
		{"an asset for itself", swap(`"ETH"`, `"BTC"`), 422, "offer"},
		{"most is least", swap(`"100000000"`, `"1000"`), 201, ""},
		{"most below least", swap(`"100000000"`, `"999"`), 422, "offer"},
		{"largest amount", swap(`"100000000"`, `"115792089237316195423570985008687907853269984665640564039457584007913129639935"`), 201, ""},
		{"one above the largest", swap(`"100000000"`, `"115792089237316195423570985008687907853269984665640564039457584007913129639936"`), 422, "amount"},
		{"amount 0", swap(`"1000",`, `"0",`), 422, "offer"},
		{"rate 0", swap(`"60"`, `"0"`), 422, "offer"},
		{"negative amount", swap(`"1000",`, `"-1",`), 400, "invalid"},
		{"amount with a point", swap(`"1000",`, `"0.5",`), 400, "invalid"},
		{"amount with an exponent", swap(`"1000",`, `"1e3",`), 400, "invalid"},
		{"amount in hex", swap(`"1000",`, `"0x10",`), 400, "invalid"},
		{"amount with a leading zero", swap(`"1000",`, `"01000",`), 400, "invalid"},
		{"amount as a number", swap(`"1000",`, `1000,`), 400, "invalid"},
		{"empty amount", swap(`"1000",`, `"",`), 400, "invalid"},
		{"null", swap(`"1000",`, `null,`), 400, "invalid"},
		{"a field is missing", swap(`"give":"ETH",`, ``), 400, "invalid"},
		{"an unknown field", swap(`{`, `{"note":"hi",`), 400, "invalid"},
		{"a field in capitals", swap(`"give":`, `"Give":`), 400, "invalid"},
		{"__proto__", swap(`{`, `{"__proto__":{},`), 400, "invalid"},
		{"a field twice", swap(`{`, `{"give":"ETH",`), 400, "invalid"},
		{"a field twice by an escape", swap(`{`, `{"giv\u0065":"ETH",`), 400, "invalid"},
		{"form p2wsh", swap(`{`, `{"form":"p2wsh",`), 201, ""},
		{"a form that no offer has", swap(`{`, `{"form":"contract",`), 400, "invalid"},
		{"confirmations", swap(`{`, `{"give_confirmations":12,`), 201, ""},
		{"negative confirmations", swap(`{`, `{"give_confirmations":-1,`), 400, "invalid"},
		{"time is a fraction", swap(`1700009999`, `1700009999.5`), 400, "invalid"},
		{"time is huge", swap(`1700009999`, `1e999999`), 400, "invalid"},
		{"time is above what a page can read", swap(`1700009999`, `9007199254740992`), 400, "invalid"},
		{"time is minus zero", swap(`1700009999`, `-0`), 400, "invalid"},
		{"bytes behind", goodDraft + `{}`, 400, "invalid"},
		{"white space behind", goodDraft + "\n", 201, ""},
		{"cut", goodDraft[:len(goodDraft)-1], 400, "invalid"},
		{"no JSON", `give=ETH`, 400, "invalid"},
		{"an array", `[` + goodDraft + `]`, 400, "invalid"},
		{"not UTF-8", swap(`ETH`, "E\xffH"), 400, "invalid"},
		{"a NUL", swap(`ETH`, "E\x00H"), 400, "invalid"},
		{"nothing", ``, 400, "invalid"},
		{"deep", strings.Repeat(`[`, 60_000), 400, "invalid"},
		{"65536 bytes", goodDraft + strings.Repeat(" ", maxBody-len(goodDraft)), 201, ""},
		{"65537 bytes", goodDraft + strings.Repeat(" ", maxBody-len(goodDraft)+1), 413, "too_large"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, d, _ := newTest(t)
			w := call{method: "POST", path: "/v1/offers", body: row.body}.do(t, s)
			expect(t, w, row.status, row.code)
			if made := len(d.offers) > 0; made != (row.status == 201) {
				t.Errorf("an offer was made: %v", made)
			}
		})
	}
}

// Each row is one request to a node that has one offer, one quote on it, and
// two swaps.
func TestRoutes(t *testing.T) {
	offer := trade.Offer{
		Maker: "us", Realm: "dev", Give: contracts.Native(contracts.ETH), Want: contracts.Native(contracts.BTC),
		Min: contracts.Units(1000), Max: contracts.Units(100_000_000), GiveOf: contracts.Units(1000), WantOf: contracts.Units(60),
		Expires: 1700009999, FirstTime: 7200, SecondTime: 3600, GiveConfirmations: 12, WantConfirmations: 6, GiveContract: contracts.Address{0xcc}, Form: contracts.P2TR, Signature: []byte{1},
	}
	forged := offer
	forged.Signature = []byte("forged")
	locked, proposed := exampleTrade(1), exampleTrade(2)
	proposed.Status = trade.Proposed
	quote := contracts.Hash{7}
	unknown := contracts.Hash{0xee}.String()
	keyed, keyless := map[string]string{"Idempotency-Key": key}, map[string]string{"Idempotency-Key": ""}
	for _, row := range []struct {
		name   string
		call   call
		status int
		code   string
	}{
		{"offers", call{method: "GET", path: "/v1/offers"}, 200, ""},
		{"offers with a body", call{method: "GET", path: "/v1/offers", body: `{}`}, 400, "invalid"},
		{"offers with a parameter", call{method: "GET", path: "/v1/offers?all=1"}, 400, "invalid"},
		{"withdraw", call{method: "DELETE", path: "/v1/offers/" + offer.Digest().String()}, 204, ""},
		{"withdraw with 0x", call{method: "DELETE", path: "/v1/offers/0x" + offer.Digest().String()}, 204, ""},
		{"withdraw nothing", call{method: "DELETE", path: "/v1/offers/" + unknown}, 404, "unknown"},
		{"withdraw a short id", call{method: "DELETE", path: "/v1/offers/" + unknown[1:]}, 400, "invalid"},
		{"withdraw a long id", call{method: "DELETE", path: "/v1/offers/" + unknown + "0"}, 400, "invalid"},
		{"import", call{method: "POST", path: "/v1/offers/import", body: `{"text":"` + OfferText(offer) + `"}`}, 201, ""},
		{"import a forged offer", call{method: "POST", path: "/v1/offers/import", body: `{"text":"` + OfferText(forged) + `"}`}, 422, "offer"},
		{"import half an offer", call{method: "POST", path: "/v1/offers/import", body: `{"text":"` + OfferText(offer)[:60] + `"}`}, 422, "message"},
		{"import prose", call{method: "POST", path: "/v1/offers/import", body: `{"text":"hello"}`}, 422, "message"},
		{"connect", call{method: "POST", path: "/v1/peers", body: `{"address":"/ip4/127.0.0.1/tcp/1/p2p/them"}`}, 200, ""},
		{"connect to nobody", call{method: "POST", path: "/v1/peers", body: `{"address":"/ip4/10.0.0.1/tcp/1/p2p/them"}`}, 502, "peer"},
		{"connect nowhere", call{method: "POST", path: "/v1/peers", body: `{"address":""}`}, 400, "invalid"},
		{"connect to anybody", call{method: "POST", path: "/v1/peers", body: `{"address":"/ip4/127.0.0.1/tcp/1"}`}, 400, "invalid"},
		{"a peer's offers", call{method: "GET", path: "/v1/peers/them/offers"}, 200, ""},
		{"a silent peer's offers", call{method: "GET", path: "/v1/peers/nobody/offers"}, 502, "peer"},
		{"the offers of a peer that talks nonsense", call{method: "GET", path: "/v1/peers/garbler/offers"}, 502, "peer"},
		{"the offers of a slow peer", call{method: "GET", path: "/v1/peers/slow/offers"}, 504, "timeout"},
		{"a peer with a dot", call{method: "GET", path: "/v1/peers/a.b/offers"}, 400, "invalid"},
		{"quote the least", call{method: "POST", path: "/v1/quotes", body: `{"offer":"` + offer.Digest().String() + `","get":"1000"}`}, 201, ""},
		{"quote below the least", call{method: "POST", path: "/v1/quotes", body: `{"offer":"` + offer.Digest().String() + `","get":"999"}`}, 422, "offer"},
		{"quote the most", call{method: "POST", path: "/v1/quotes", body: `{"offer":"` + offer.Digest().String() + `","get":"100000000"}`}, 201, ""},
		{"quote above the most", call{method: "POST", path: "/v1/quotes", body: `{"offer":"` + offer.Digest().String() + `","get":"100000001"}`}, 422, "offer"},
		{"quote nothing", call{method: "POST", path: "/v1/quotes", body: `{"offer":"` + offer.Digest().String() + `","get":"0"}`}, 422, "offer"},
		{"quote in spite of it", call{method: "POST", path: "/v1/quotes", body: `{"offer":"` + offer.Digest().String() + `","get":"1000","despite":true}`}, 201, ""},
		{"quote in spite of what", call{method: "POST", path: "/v1/quotes", body: `{"offer":"` + offer.Digest().String() + `","get":"1000","despite":"yes"}`}, 400, "invalid"},
		{"partners", call{method: "GET", path: "/v1/partners"}, 200, ""},
		{"quote no offer", call{method: "POST", path: "/v1/quotes", body: `{"offer":"` + unknown + `","get":"1000"}`}, 404, "unknown"},
		{"take", call{method: "POST", path: "/v1/swaps", body: `{"quote":"` + quote.String() + `"}`, header: keyed}, 202, ""},
		{"take without a key", call{method: "POST", path: "/v1/swaps", body: `{"quote":"` + quote.String() + `"}`, header: keyless}, 400, "invalid"},
		{"take with a key of 7", call{method: "POST", path: "/v1/swaps", body: `{"quote":"` + quote.String() + `"}`, header: map[string]string{"Idempotency-Key": "1234567"}}, 400, "invalid"},
		{"take with a key of 8", call{method: "POST", path: "/v1/swaps", body: `{"quote":"` + quote.String() + `"}`, header: map[string]string{"Idempotency-Key": "12345678"}}, 202, ""},
		{"take with a key of 128", call{method: "POST", path: "/v1/swaps", body: `{"quote":"` + quote.String() + `"}`, header: map[string]string{"Idempotency-Key": strings.Repeat("k", 128)}}, 202, ""},
		{"take with a key of 129", call{method: "POST", path: "/v1/swaps", body: `{"quote":"` + quote.String() + `"}`, header: map[string]string{"Idempotency-Key": strings.Repeat("k", 129)}}, 400, "invalid"},
		{"take with a blank in the key", call{method: "POST", path: "/v1/swaps", body: `{"quote":"` + quote.String() + `"}`, header: map[string]string{"Idempotency-Key": "1234 5678"}}, 400, "invalid"},
		{"take an old quote", call{method: "POST", path: "/v1/swaps", body: `{"quote":"` + unknown + `"}`, header: keyed}, 404, "unknown"},
		{"swaps", call{method: "GET", path: "/v1/swaps"}, 200, ""},
		{"swaps by state", call{method: "GET", path: "/v1/swaps?state=open"}, 200, ""},
		{"swaps by no state", call{method: "GET", path: "/v1/swaps?state=lost"}, 400, "invalid"},
		{"swaps by two states", call{method: "GET", path: "/v1/swaps?state=open&state=agreed"}, 400, "invalid"},
		{"swaps by pair", call{method: "GET", path: "/v1/swaps?pair=btc-eth"}, 200, ""},
		{"swaps by half a pair", call{method: "GET", path: "/v1/swaps?pair=BTC"}, 400, "invalid"},
		{"swaps by a pair of no chain", call{method: "GET", path: "/v1/swaps?pair=BTC-DOG"}, 422, "chain"},
		{"a page of 1", call{method: "GET", path: "/v1/swaps?limit=1"}, 200, ""},
		{"a page of 0", call{method: "GET", path: "/v1/swaps?limit=0"}, 400, "invalid"},
		{"a page of 500", call{method: "GET", path: "/v1/swaps?limit=500"}, 200, ""},
		{"a page of 501", call{method: "GET", path: "/v1/swaps?limit=501"}, 400, "invalid"},
		{"a page of many", call{method: "GET", path: "/v1/swaps?limit=99999999999999999999"}, 400, "invalid"},
		{"a cursor of another", call{method: "GET", path: "/v1/swaps?cursor=abc"}, 400, "invalid"},
		{"an empty cursor", call{method: "GET", path: "/v1/swaps?cursor="}, 400, "invalid"},
		{"a swap", call{method: "GET", path: "/v1/swaps/" + locked.ID.String()}, 200, ""},
		{"a swap in capitals", call{method: "GET", path: "/v1/swaps/" + strings.ToUpper(locked.ID.String())}, 200, ""},
		{"no swap", call{method: "GET", path: "/v1/swaps/" + unknown}, 404, "unknown"},
		{"the swap zero", call{method: "GET", path: "/v1/swaps/" + contracts.Hash{}.String()}, 404, "unknown"},
		{"refund", call{method: "POST", path: "/v1/swaps/" + proposed.ID.String() + "/refund"}, 202, ""},
		{"refund without a key", call{method: "POST", path: "/v1/swaps/" + proposed.ID.String() + "/refund", header: keyless}, 400, "invalid"},
		{"offer without a key", call{method: "POST", path: "/v1/offers", body: goodDraft, header: keyless}, 400, "invalid"},
		{"refund what is locked", call{method: "POST", path: "/v1/swaps/" + locked.ID.String() + "/refund"}, 202, ""},
		{"refund no swap", call{method: "POST", path: "/v1/swaps/" + unknown + "/refund"}, 404, "unknown"},
		{"refund with a body", call{method: "POST", path: "/v1/swaps/" + proposed.ID.String() + "/refund", body: `{}`}, 400, "invalid"},
		{"wallet", call{method: "GET", path: "/v1/wallet"}, 200, ""},
		{"address", call{method: "POST", path: "/v1/wallet/addresses", body: `{"chain":"BTC"}`}, 201, ""},
		{"address on a chain that we have not", call{method: "POST", path: "/v1/wallet/addresses", body: `{"chain":"SMT"}`}, 422, "no_such_chain"},
		{"address on no chain", call{method: "POST", path: "/v1/wallet/addresses", body: `{"chain":"DOG"}`}, 400, "invalid"},
		{"send", call{method: "POST", path: "/v1/wallet/send", body: goodSend, header: keyed}, 202, ""},
		{"send without a key", call{method: "POST", path: "/v1/wallet/send", body: goodSend, header: keyless}, 400, "invalid"},
		{"send all", call{method: "POST", path: "/v1/wallet/send", body: strings.Replace(goodSend, "1000", "1000000", 1), header: keyed}, 202, ""},
		{"send more than all", call{method: "POST", path: "/v1/wallet/send", body: strings.Replace(goodSend, "1000", "1000001", 1), header: keyed}, 409, "not_enough"},
		{"send nothing", call{method: "POST", path: "/v1/wallet/send", body: strings.Replace(goodSend, "1000", "0", 1), header: keyed}, 422, "amount"},
		{"send for any fee", call{method: "POST", path: "/v1/wallet/send", body: strings.Replace(goodSend, "500", "0", 1), header: keyed}, 422, "amount"},
		{"send to another chain's address", call{method: "POST", path: "/v1/wallet/send", body: strings.Replace(goodSend, "addr-of-BTC", "addr-of-ETH", 1), header: keyed}, 422, "address"},
		{"send on a chain that we have not", call{method: "POST", path: "/v1/wallet/send", body: strings.Replace(goodSend, `"BTC"`, `"LTC"`, 1), header: keyed}, 422, "no_such_chain"},
		{"info", call{method: "GET", path: "/v1/info"}, 200, ""},
		{"health", call{method: "GET", path: "/healthz"}, 200, ""},
		{"ready", call{method: "GET", path: "/readyz"}, 200, ""},
		{"metrics", call{method: "GET", path: "/metrics"}, 200, ""},
		{"document", call{method: "GET", path: "/openapi.yaml"}, 200, ""},
		{"nothing there", call{method: "GET", path: "/v1/nothing"}, 404, "no_such_route"},
		{"a slash behind", call{method: "GET", path: "/v1/offers/"}, 404, "no_such_route"},
		{"two slashes", call{method: "GET", path: "/v1//offers"}, 404, "no_such_route"},
		{"dots", call{method: "GET", path: "/v1/swaps/../offers"}, 404, "no_such_route"},
		{"a slash in a name", call{method: "GET", path: "/v1%2foffers"}, 200, ""}, // the same route, by the same rules
		{"other method", call{method: "PUT", path: "/v1/offers", body: goodDraft}, 405, "method"},
		{"get what changes", call{method: "GET", path: "/v1/wallet/send"}, 405, "method"},
		{"head", call{method: "HEAD", path: "/v1/offers"}, 405, "method"},
		{"preflight", call{method: "OPTIONS", path: "/v1/swaps", header: map[string]string{"Access-Control-Request-Method": "POST"}}, 405, "method"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, d, _ := newTest(t)
			d.offers[offer.Digest()] = offer
			d.quotes[quote] = trade.Quote{ID: quote, Offer: offer.Digest(), Pay: offer.Want, Get: offer.Give}
			d.trades[locked.ID], d.trades[proposed.ID] = locked, proposed
			w := row.call.do(t, s)
			expect(t, w, row.status, row.code)
			if strings.Contains(w.Body.String(), "hunter2") {
				t.Errorf("the answer shows the inside: %s", w.Body)
			}
			for name := range w.Header() {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("header %s", name)
				}
			}
		})
	}
}

// How the body is sent, not what is in it.
func TestBodyIsSentPlainly(t *testing.T) {
	for _, row := range []struct {
		name   string
		header map[string]string
		status int
		code   string
	}{
		{"good", nil, 201, ""},
		{"with a charset", map[string]string{"Content-Type": "application/json; charset=utf-8"}, 201, ""},
		{"as text, as a page can without asking", map[string]string{"Content-Type": "text/plain"}, 415, "media"},
		{"as a form", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415, "media"},
		{"as nothing", map[string]string{"Content-Type": ""}, 415, "media"},
		{"compressed", map[string]string{"Content-Encoding": "gzip"}, 415, "media"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, _, _ := newTest(t)
			expect(t, call{method: "POST", path: "/v1/offers", body: goodDraft, header: row.header}.do(t, s), row.status, row.code)
		})
	}
}

// What fails inside is told as that and no more; what a caller can cause has its
// own code, however deep it is wrapped.
func TestRefusals(t *testing.T) {
	for _, r := range refusals {
		t.Run(r.code, func(t *testing.T) {
			s, d, _ := newTest(t)
			d.fail = fmt.Errorf("offer 12: %w: 5 of 6", r.err)
			expect(t, call{method: "POST", path: "/v1/offers", body: goodDraft}.do(t, s), r.status, r.code)
		})
	}
	t.Run("our fault", func(t *testing.T) {
		s, d, log := newTest(t)
		d.fail = errInside
		w := call{method: "POST", path: "/v1/offers", body: goodDraft}.do(t, s)
		expect(t, w, 500, "internal")
		if strings.Contains(w.Body.String(), "postgres") || !strings.Contains(log.String(), "no route") {
			t.Errorf("told %s, logged %s", w.Body, log)
		}
	})
	t.Run("a panic", func(t *testing.T) {
		s, d, log := newTest(t)
		d.panics = true
		w := call{method: "POST", path: "/v1/offers", body: goodDraft}.do(t, s)
		expect(t, w, 500, "internal")
		if strings.Contains(w.Body.String(), "a bug") || !strings.Contains(log.String(), "a bug") {
			t.Errorf("told %s, logged %s", w.Body, log)
		}
		metrics := call{method: "GET", path: "/metrics"}.do(t, s)
		if !strings.Contains(metrics.Body.String(), "photon_http_panics_total 1") {
			t.Error("the panic was not counted")
		}
	})
}

// Codes are what people translate: each has one meaning.
func TestCodesAreDistinct(t *testing.T) {
	seen := map[string]bool{"internal": true}
	for _, r := range refusals {
		if seen[r.code] {
			t.Errorf("code %q twice", r.code)
		}
		seen[r.code] = true
	}
}

func TestParamsNameTheField(t *testing.T) {
	s, _, _ := newTest(t)
	w := call{method: "POST", path: "/v1/offers", body: strings.Replace(goodDraft, `"1000",`, `"-1",`, 1)}.do(t, s)
	params := decoded(t, w)["params"].(map[string]any)
	if params["field"] != "min" || params["in"] != "body" {
		t.Errorf("params %v", params)
	}
	if strings.Contains(w.Body.String(), "-1") {
		t.Errorf("the value is repeated: %s", w.Body)
	}
}

// Neither the token nor a body nor a secret is in the log or in an answer.
func TestNothingLeaks(t *testing.T) {
	s, d, log := newTest(t)
	one := exampleTrade(1)
	d.trades[one.ID] = one
	d.txs[one.ID] = []trade.Tx{{ID: one.ID, Side: trade.Theirs, Purpose: trade.Redeem, TxID: contracts.Hash{4}, Raw: append([]byte("raw"), exampleSecret[:]...), Fee: contracts.Units(9), Made: 5}}
	var all bytes.Buffer
	for _, c := range []call{
		{method: "GET", path: "/v1/swaps"},
		{method: "GET", path: "/v1/swaps", header: map[string]string{"Accept": "text/csv"}},
		{method: "GET", path: "/v1/swaps/" + one.ID.String()},
		{method: "POST", path: "/v1/wallet/send", body: strings.Replace(goodSend, "addr-of-BTC", "addr-of-BTC-marked", 1), header: map[string]string{"Idempotency-Key": key}},
		{method: "POST", path: "/v1/offers", body: `{"marked":1}`},
		{method: "GET", path: "/v1/info", header: map[string]string{"Authorization": "Bearer wrong-marked-token"}},
	} {
		io.Copy(&all, c.do(t, s).Body)
	}
	for _, secret := range []string{exampleSecret.Reveal()[:16], "222,173,190,239", testToken, `"raw"`, "number"} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("answers show %q", secret)
		}
	}
	for _, secret := range []string{testToken, "marked", exampleSecret.Reveal()[:16]} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}
