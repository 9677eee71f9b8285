package web

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPlain(t *testing.T) {
	for _, row := range []struct {
		name, body string
		good       bool
	}{
		{"object", `{"a":1,"b":[true,null,"x"]}`, true},
		{"one name in two objects", `{"a":{"a":1},"b":{"a":1}}`, true},
		{"a name twice", `{"a":1,"a":1}`, false},
		{"a name twice below", `{"b":{"a":1,"a":1}}`, false},
		{"a name twice in a list", `[{"a":1,"a":1}]`, false},
		{"a name twice by an escape", `{"a":1,"\u0061":1}`, false},
		{"as deep as may be", strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), true},
		{"one deeper", strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), false},
		{"two values", `{}{}`, false},
		{"a bracket behind", `{}]`, false},
		{"brackets crossed", `[}`, false},
		{"no value", `{"a":}`, false},
		{"no colon", `{"a" 1}`, false},
		{"a comma behind", `{"a":1,}`, false},
		{"white space", " {}\n", true},
		{"a byte order mark", "\ufeff{}", false},
		{"a number", `5`, true},
		{"a huge number", `1e999999`, true}, // for the document to refuse
		{"a lone surrogate", `"\ud800"`, true},
		{"no UTF-8", "\"\xff\"", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := plain([]byte(row.body)); (err == nil) != row.good {
				t.Errorf("%v", err)
			}
		})
	}
}

// What plain lets pass is JSON, and written anew it passes again.
func FuzzPlain(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,{"b":null}]}`, `{"a":1,"a":2}`, `[[[[[[[[[]]]]]]]]]`, `{}x`, "\"\xff\"", `1e999999`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if plain(raw) != nil {
			return
		}
		var value any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&value); err != nil {
			t.Fatalf("%q passed: %v", raw, err)
		}
		again, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if err := plain(again); err != nil {
			t.Errorf("%q passed, %q did not: %v", raw, again, err)
		}
	})
}

// No body makes the node fail, and none that is refused does anything.
func FuzzBodies(f *testing.F) {
	paths := []string{"/v1/offers", "/v1/offers/import", "/v1/peers", "/v1/quotes", "/v1/swaps", "/v1/wallet/addresses", "/v1/wallet/send"}
	for i, seed := range []string{
		goodDraft, `{"text":"photon-offer:e30"}`, `{"address":"/ip4/127.0.0.1/tcp/1/p2p/them"}`, `{"offer":"00","get":"1"}`,
		`{"quote":"0000000000000000000000000000000000000000000000000000000000000000"}`, `{"chain":"BTC"}`, goodSend,
	} {
		f.Add(uint8(i), []byte(seed))
		f.Add(uint8(i), []byte(seed[:len(seed)-1]))
		f.Add(uint8(i), []byte(strings.Replace(seed, `"`, `"\u0000`, 3)))
	}
	s, d, _ := newTest(f)
	engine := s.engine()
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		path := paths[int(which)%len(paths)]
		before := len(d.offers)
		r := httptest.NewRequest("POST", "http://127.0.0.1"+path, bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+testToken)
		r.Header.Set("Idempotency-Key", NewKey())
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != 502 {
			t.Errorf("%s %q: %d %s", path, body, w.Code, w.Body)
		}
		if w.Code >= 400 && len(d.offers) != before {
			t.Errorf("%s %q was refused and made an offer", path, body)
		}
		asDocumented(t, s, r, w)
	})
}

// No query and no path makes the node fail.
func FuzzQueries(f *testing.F) {
	for _, seed := range []string{"", "state=open", "limit=0", "limit=99999999999999999999", "cursor=____", "pair=BTC-ETH", "pair=%00", "state=open&state=open", "%", "a;b", "limit[]=1"} {
		f.Add(seed)
	}
	s, d, _ := newTest(f)
	one := exampleTrade(1)
	d.trades[one.ID] = one
	engine := s.engine()
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "http://127.0.0.1/v1/swaps", nil)
		r.URL.RawQuery = query
		r.Header.Set("Authorization", "Bearer "+testToken)
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 && w.Code != 422 {
			t.Errorf("%q: %d %s", query, w.Code, w.Body)
		}
		asDocumented(t, s, r, w)
	})
}
