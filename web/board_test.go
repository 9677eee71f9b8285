package web

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// signatureOf is how the makers of these tests sign.
func signatureOf(identity string, digest contracts.Hash) []byte {
	sum := sha256.Sum256(append([]byte(identity), digest[:]...))
	return sum[:]
}

func verifyTest(identity string, digest contracts.Hash, signature []byte) error {
	if string(signature) != string(signatureOf(identity, digest)) {
		return errors.New("wrong signature")
	}
	return nil
}

// signed is an offer that stands for two hours from now on.
func signed(maker string, give uint64, change ...func(*trade.Offer)) trade.Offer {
	o := anOffer(maker, give)
	o.Expires = unixNow() + 7200
	for _, f := range change {
		f(&o)
	}
	o.Signature = signatureOf(maker, o.Digest())
	return o
}

// atBoard gives a test a board of its own, at a time that stands still unless the
// test sleeps.
func atBoard(t *testing.T, posts int, test func(t *testing.T, s *server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := newBoard(BoardConfig{Verify: verifyTest, Posts: posts, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		test(t, s)
	})
}

func posting(o trade.Offer) call {
	return call{method: "POST", path: "/v1/board", body: fmt.Sprintf(`{"text":%q}`, OfferText(o)), header: map[string]string{"Authorization": ""}}
}

func takingDown(o trade.Offer, by string) call {
	signature := base64.RawURLEncoding.EncodeToString(signatureOf(by, trade.Withdrawal(o.Digest())))
	return call{method: "DELETE", path: "/v1/board/" + o.Digest().String(), header: map[string]string{"Photon-Signature": signature}}
}

// Each row is one change to a good offer as a maker posts it.
func TestPostRefuses(t *testing.T) {
	forged := func(change func(*trade.Offer)) call {
		o := signed("bob", 10)
		change(&o)
		return posting(o)
	}
	for _, row := range []struct {
		name   string
		call   func() call
		status int
		code   string
	}{
		{"good", func() call { return posting(signed("bob", 10)) }, 201, ""},
		{"white space around it", func() call {
			c := posting(signed("bob", 10))
			c.body = strings.Replace(c.body, `"photon`, `" \nphoton`, 1)
			return c
		}, 201, ""},
		{"with addresses", func() call {
			return posting(signed("bob", 10, func(o *trade.Offer) { o.At = []string{"/ip4/192.0.2.1/tcp/8646"} }))
		}, 201, ""},
		{"an address that was put in", func() call {
			return forged(func(o *trade.Offer) { o.At = []string{"/ip4/192.0.2.1/tcp/8646"} })
		}, 422, "offer"},
		{"in its last second", func() call { return posting(signed("bob", 10, func(o *trade.Offer) { o.Expires = unixNow() })) }, 201, ""},
		{"expired", func() call { return posting(signed("bob", 10, func(o *trade.Offer) { o.Expires = unixNow() - 1 })) }, 422, "offer"},
		{"of no realm", func() call { return posting(signed("bob", 10, func(o *trade.Offer) { o.Realm = "moon" })) }, 422, "offer"},
		{"no form", func() call { return posting(signed("bob", 10, func(o *trade.Offer) { o.Form = "" })) }, 422, "offer"},
		{"no amount", func() call {
			return posting(signed("bob", 10, func(o *trade.Offer) { o.Min = contracts.Amount{} }))
		}, 422, "offer"},
		{"signed by another", func() call { return forged(func(o *trade.Offer) { o.Maker = "mallory" }) }, 422, "offer"},
		{"no signature", func() call { return forged(func(o *trade.Offer) { o.Signature = nil }) }, 422, "offer"},
		{"a better rate", func() call { return forged(func(o *trade.Offer) { o.GiveOf = contracts.Units(11) }) }, 422, "offer"},
		{"not an offer", func() call { return call{method: "POST", path: "/v1/board", body: `{"text":"hello"}`} }, 422, "message"},
		{"an offer cut short", func() call {
			c := posting(signed("bob", 10))
			c.body = c.body[:len(c.body)-12] + `"}`
			return c
		}, 422, "message"},
		{"no text", func() call { return call{method: "POST", path: "/v1/board", body: `{}`} }, 400, "invalid"},
		{"more than a text", func() call { return call{method: "POST", path: "/v1/board", body: `{"text":"x","until":1}`} }, 400, "invalid"},
		{"longer than any offer", func() call {
			return call{method: "POST", path: "/v1/board", body: `{"text":"` + strings.Repeat("x", 8193) + `"}`}
		}, 400, "invalid"},
		{"longer than any body", func() call {
			return call{method: "POST", path: "/v1/board", body: `{"text":"` + strings.Repeat("x", maxBody) + `"}`}
		}, 413, "too_large"},
		{"not JSON by its name", func() call {
			c := posting(signed("bob", 10))
			c.header["Content-Type"] = "text/plain"
			return c
		}, 415, "media"},
		{"from a page of another host", func() call {
			c := posting(signed("bob", 10))
			c.header["Origin"] = "https://evil.example"
			return c
		}, 403, "origin"},
		{"under any name", func() call {
			c := posting(signed("bob", 10))
			c.host = "board.example"
			return c
		}, 201, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			atBoard(t, 60, func(t *testing.T, s *server) {
				expect(t, row.call().do(t, s), row.status, row.code)
				if n := len(s.board.shelf.slots); (n == 1) != (row.status == 201) {
					t.Errorf("%d offers are up", n)
				}
			})
		})
	}
}

// Each row is one change to bob's good withdrawal.
func TestTakeDownRefuses(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(c *call, o trade.Offer)
		status int
		code   string
	}{
		{"good", func(*call, trade.Offer) {}, 204, ""},
		{"by another", func(c *call, o trade.Offer) { *c = takingDown(o, "mallory") }, 403, "signature"},
		{"by the signature of the offer", func(c *call, o trade.Offer) {
			c.header["Photon-Signature"] = base64.RawURLEncoding.EncodeToString(o.Signature)
		}, 403, "signature"},
		{"by the signature for another offer", func(c *call, o trade.Offer) {
			c.header = takingDown(signed("bob", 11), "bob").header
		}, 403, "signature"},
		{"by none", func(c *call, o trade.Offer) { c.header = nil }, 400, "invalid"},
		{"by no base64", func(c *call, o trade.Offer) { c.header["Photon-Signature"] = "a" }, 400, "invalid"},
		{"by other letters", func(c *call, o trade.Offer) { c.header["Photon-Signature"] = "a+b=" }, 400, "invalid"},
		{"of what is not there", func(c *call, o trade.Offer) { c.path = "/v1/board/" + (contracts.Hash{1}).String() }, 404, "unknown"},
		{"of no id", func(c *call, o trade.Offer) { c.path = "/v1/board/1" }, 400, "invalid"},
	} {
		t.Run(row.name, func(t *testing.T) {
			atBoard(t, 60, func(t *testing.T, s *server) {
				o := signed("bob", 10)
				expect(t, posting(o).do(t, s), 201, "")
				c := takingDown(o, "bob")
				row.change(&c, o)
				expect(t, c.do(t, s), row.status, row.code)
				left := len(decoded(t, call{method: "GET", path: "/v1/board"}.do(t, s))["offers"].([]any))
				if (left == 0) != (row.status == 204) {
					t.Errorf("%d offers are up", left)
				}
				if row.status == 204 {
					expect(t, c.do(t, s), 204, "")
					expect(t, posting(o).do(t, s), 422, "offer")
				}
			})
		})
	}
}

func TestListBoard(t *testing.T) {
	atBoard(t, 60, func(t *testing.T, s *server) {
		list := func(query string) (makers []string, next string) {
			t.Helper()
			w := call{method: "GET", path: "/v1/board" + query}.do(t, s)
			expect(t, w, 200, "")
			page := decoded(t, w)
			for _, o := range page["offers"].([]any) {
				makers = append(makers, o.(map[string]any)["maker"].(string))
			}
			next, _ = page["next"].(string)
			return makers, next
		}
		for maker, give := range map[string]uint64{"alice": 10, "bob": 30, "carol": 20} {
			expect(t, posting(signed(maker, give)).do(t, s), 201, "")
		}
		if makers, next := list("?give=btc&want=ETH&realm=dev"); !slices.Equal(makers, []string{"bob", "carol", "alice"}) || next != "" {
			t.Errorf("%v, next %q", makers, next)
		}
		makers, next := list("?limit=2")
		if !slices.Equal(makers, []string{"bob", "carol"}) || next == "" {
			t.Errorf("first page %v, next %q", makers, next)
		}
		if makers, next := list("?limit=2&after=" + next); !slices.Equal(makers, []string{"alice"}) || next != "" {
			t.Errorf("second page %v, next %q", makers, next)
		}
		for _, query := range []string{"?maker=dave", "?give=ETH", "?realm=main", "?want=ETH:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"} {
			if makers, _ := list(query); len(makers) != 0 {
				t.Errorf("%s: %v", query, makers)
			}
		}
		time.Sleep(time.Hour + time.Second)
		if makers, _ := list(""); len(makers) != 0 {
			t.Errorf("after an hour %v are up", makers)
		}
	})
}

// Each row is one query that is not understood.
func TestListBoardRefuses(t *testing.T) {
	atBoard(t, 60, func(t *testing.T, s *server) {
		for query, want := range map[string]struct {
			status int
			code   string
		}{
			"?give=DOG": {422, "chain"}, "?give=DOGE": {400, "invalid"}, "?give=BTC:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed": {422, "address"}, "?give=": {400, "invalid"},
			"?limit=0": {400, "invalid"}, "?limit=201": {400, "invalid"}, "?limit=x": {400, "invalid"}, "?after=AAAA": {400, "invalid"}, "?after=!": {400, "invalid"},
			"?realm=Main": {400, "invalid"}, "?maker=a%20b": {400, "invalid"}, "?pair=BTC-ETH": {400, "invalid"}, "?give=BTC&give=ETH": {400, "invalid"},
		} {
			t.Log(query)
			expect(t, call{method: "GET", path: "/v1/board" + query}.do(t, s), want.status, want.code)
		}
	})
}

// A page that has not changed is not sent again, and one that has is.
func TestBoardTag(t *testing.T) {
	atBoard(t, 60, func(t *testing.T, s *server) {
		expect(t, posting(signed("bob", 10)).do(t, s), 201, "")
		first := call{method: "GET", path: "/v1/board"}.do(t, s)
		tag := first.Header().Get("ETag")
		if tag == "" || first.Header().Get("Cache-Control") != "public, max-age=5" {
			t.Errorf("headers %v", first.Header())
		}
		for _, names := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			w := call{method: "GET", path: "/v1/board", header: map[string]string{"If-None-Match": names}}.do(t, s)
			if w.Code != 304 || w.Body.Len() != 0 || w.Header().Get("ETag") != tag {
				t.Errorf("%s: %d %s", names, w.Code, w.Body)
			}
		}
		expect(t, call{method: "GET", path: "/v1/board", header: map[string]string{"If-None-Match": `"other"`}}.do(t, s), 200, "")
		expect(t, posting(signed("bob", 11)).do(t, s), 201, "")
		expect(t, call{method: "GET", path: "/v1/board", header: map[string]string{"If-None-Match": tag}}.do(t, s), 200, "")
	})
}

// F15: one address may post so often in a minute, and read ten times as often;
// another address is not held up.
func TestBoardRate(t *testing.T) {
	atBoard(t, 3, func(t *testing.T, s *server) {
		bad := call{method: "POST", path: "/v1/board", body: `{}`}
		for range 3 {
			expect(t, bad.do(t, s), 400, "invalid")
		}
		w := bad.do(t, s)
		expect(t, w, 429, "rate")
		if w.Header().Get("Retry-After") != "60" {
			t.Errorf("headers %v", w.Header())
		}
		expect(t, takingDown(signed("bob", 1), "bob").do(t, s), 429, "rate")
		for range 30 {
			expect(t, call{method: "GET", path: "/v1/board"}.do(t, s), 200, "")
		}
		expect(t, call{method: "GET", path: "/v1/board"}.do(t, s), 429, "rate")
		r := httptest.NewRequest("GET", "/v1/board", http.NoBody)
		r.RemoteAddr = "198.51.100.7:1"
		other := httptest.NewRecorder()
		s.engine().ServeHTTP(other, r)
		expect(t, other, 200, "")
		time.Sleep(time.Minute)
		expect(t, posting(signed("bob", 10)).do(t, s), 201, "")
	})
}

// A full board says so.
func TestBoardIsFull(t *testing.T) {
	atBoard(t, 60, func(t *testing.T, s *server) {
		s.board.shelf.each = 1
		expect(t, posting(signed("bob", 10)).do(t, s), 201, "")
		sooner := signed("bob", 11, func(o *trade.Offer) { o.Expires = unixNow() + 1 })
		expect(t, posting(sooner).do(t, s), 503, "full")
	})
}

// A board serves what is tagged so and nothing of a node; a node no board.
func TestBoardServesNothingElse(t *testing.T) {
	atBoard(t, 60, func(t *testing.T, s *server) {
		for _, r := range s.engine().Routes() {
			if !strings.HasPrefix(r.Path, "/v1/board") && r.Path != "/healthz" {
				t.Errorf("a board serves %s %s", r.Method, r.Path)
			}
		}
		expect(t, call{method: "GET", path: "/healthz", host: "board.example"}.do(t, s), 200, "")
		for _, path := range []string{"/v1/offers", "/v1/wallet", "/v1/info", "/metrics", "/v1/events", "/openapi.yaml"} {
			r := httptest.NewRequest("GET", path, http.NoBody)
			w := httptest.NewRecorder()
			s.engine().ServeHTTP(w, r)
			expect(t, w, 401, "token") // as of any path that a node does not have
		}
	})
	node, _, _ := newTest(t)
	r := httptest.NewRequest("GET", "http://127.0.0.1/v1/board", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+testToken)
	w := httptest.NewRecorder()
	node.engine().ServeHTTP(w, r)
	expect(t, w, 404, "no_such_route")
}

func TestBoardConfig(t *testing.T) {
	good := BoardConfig{Verify: verifyTest, Posts: 1, Log: slog.New(slog.DiscardHandler)}
	for name, row := range map[string]struct {
		change func(*BoardConfig)
		good   bool
	}{
		"good": {func(*BoardConfig) {}, true}, "no log": {func(c *BoardConfig) { c.Log = nil }, false},
		"nobody verifies": {func(c *BoardConfig) { c.Verify = nil }, false}, "nobody may post": {func(c *BoardConfig) { c.Posts = 0 }, false},
	} {
		c := good
		row.change(&c)
		if h, err := NewBoard(c); (err == nil) != row.good || (h != nil) != row.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A client and a board, one story over a real connection.
func TestBoardClientStory(t *testing.T) {
	h, err := NewBoard(BoardConfig{Verify: verifyTest, Posts: 60, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.StripPrefix("/below", h))
	t.Cleanup(server.Close)
	c, err := NewBoardClient(server.URL+"/below", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	bob, alice := signed("bob", 10, func(o *trade.Offer) { o.At = []string{"/ip4/192.0.2.1/tcp/8646"} }), signed("alice", 20)
	if err := errors.Join(c.Post(ctx, bob), c.Post(ctx, alice), c.Post(ctx, bob)); err != nil {
		t.Fatal(err)
	}
	offers, err := c.Offers(ctx, "dev", bob.Give, bob.Want)
	if got := rates(offers); err != nil || !slices.Equal(got, []string{"alice 20", "bob 10"}) || offers[1].At[0] != bob.At[0] {
		t.Errorf("%v, %v", got, err)
	}
	forged := bob
	forged.GiveOf = contracts.Units(99)
	if err := c.Post(ctx, forged); !errors.Is(err, trade.ErrOffer) {
		t.Errorf("forged: %v", err)
	}
	if err := c.Withdraw(ctx, bob.Digest(), []byte("forged")); err == nil || errors.Is(err, trade.ErrOffer) {
		t.Errorf("forged withdrawal: %v", err)
	}
	if err := errors.Join(c.Withdraw(ctx, bob.Digest(), signatureOf("bob", trade.Withdrawal(bob.Digest()))), c.Withdraw(ctx, contracts.Hash{1}, []byte{1})); err != nil {
		t.Error(err)
	}
	if offers, err := c.Of(ctx, "dev", "bob"); err != nil || len(offers) != 0 {
		t.Errorf("bob still has %v, %v", rates(offers), err)
	}
	server.Close()
	if _, err := c.Of(ctx, "dev", "bob"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a board that is gone: %v", err)
	}
}

// Whatever a board answers, the client is bounded, believes no words of it, and
// leaves out what is no offer.
func TestBoardClientOfALiar(t *testing.T) {
	good := signed("bob", 10)
	var asked int
	for _, row := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		offers int
		fails  bool
	}{
		{"one good offer", func(w http.ResponseWriter) {
			fmt.Fprintf(w, `{"offers":[{"text":%q},{"text":"photon-offer:e30"},{"text":""}]}`, OfferText(good))
		}, 1, false},
		{"pages without end", func(w http.ResponseWriter) {
			fmt.Fprintf(w, `{"offers":[{"text":%q}],"next":"more"}`, OfferText(good))
		}, boardPages, false},
		{"a page without end", func(w http.ResponseWriter) {
			fmt.Fprint(w, `{"offers":[`)
			for range maxPage / 16 {
				if _, err := io.WriteString(w, `{"text":"xxxxxx"},`); err != nil {
					return
				}
			}
		}, 0, true},
		{"no JSON", func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") }, 0, true},
		{"another place", func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(302)
		}, 0, true},
		{"words for our log", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(400)
			fmt.Fprint(w, `{"code":"own words\nlevel=ERROR of any length","title":"hunter2","detail":"hunter2"}`)
		}, 0, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked = 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked++; row.answer(w) }))
			defer server.Close()
			c, err := NewBoardClient(server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			offers, err := c.Of(t.Context(), "dev", "bob")
			if len(offers) != row.offers || (err != nil) != row.fails || asked > boardPages {
				t.Errorf("%d offers, %v, asked %d times", len(offers), err, asked)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n")) {
				t.Errorf("repeats the board's words: %v", err)
			}
		})
	}
}

func TestParseBoard(t *testing.T) {
	for base, good := range map[string]bool{
		"http://board.example": true, "https://board.example:8647/below": true, "http://[::1]:1": true,
		"": false, "board.example": false, "ftp://board.example": false, "http://": false, "http://u@board.example": false,
		"http://board.example?x": false, "http://board.example#x": false, "http://" + strings.Repeat("b", 194): false, "http://" + strings.Repeat("b", 193): true,
	} {
		if _, err := ParseBoard(base); (err == nil) != good {
			t.Errorf("%q: %v", base, err)
		}
		if c, err := NewBoardClient(base, nil); (err == nil) != good || (good && c.Name() != base) {
			t.Errorf("client of %q: %v", base, err)
		}
	}
}

func FuzzParseBoard(f *testing.F) {
	for _, seed := range []string{"http://board.example", "http://u:p@h", "://", "http://[::1", "http://h/%zz"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, base string) {
		if u, err := ParseBoard(base); err == nil && (u.Host == "" || u.User != nil) {
			t.Errorf("%q is read as %v", base, u)
		}
	})
}

// No query and no body makes a board fail, and none that is refused changes it.
func FuzzBoard(f *testing.F) {
	s, err := newBoard(BoardConfig{Verify: verifyTest, Posts: 1 << 30, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	good := signed("bob", 10, func(o *trade.Offer) { o.Expires = 1 << 40 })
	for _, seed := range []string{"", "give=BTC&want=ETH", "after=AAAA", "limit=1", "after=" + markOf(&slot{offer: good}).String(), "maker=bob&realm=dev", "give=%00", "a;b"} {
		f.Add(seed, []byte(posting(good).body), "AAAA")
	}
	f.Add("", []byte(`{"text":"photon-offer:e30"}`), "")
	engine := s.engine()
	f.Fuzz(func(t *testing.T, query string, body []byte, signature string) {
		list := httptest.NewRequest("GET", "http://board.example/v1/board", http.NoBody)
		list.URL.RawQuery = query
		post := httptest.NewRequest("POST", "http://board.example/v1/board", strings.NewReader(string(body)))
		post.Header.Set("Content-Type", "application/json")
		down := httptest.NewRequest("DELETE", "http://board.example/v1/board/"+good.Digest().String(), http.NoBody)
		down.Header["Photon-Signature"] = []string{signature}
		for _, r := range []*http.Request{post, list, down} {
			before := len(s.board.shelf.slots)
			w := httptest.NewRecorder()
			engine.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("%s %q %q: %d %s", r.Method, query, body, w.Code, w.Body)
			}
			if w.Code >= 400 && len(s.board.shelf.slots) != before {
				t.Errorf("%s %q was refused and changed the board", r.Method, body)
			}
			if r.Method == "DELETE" && w.Code == 204 {
				t.Errorf("taken down by %q", signature)
			}
			asDocumented(t, s, r, w)
		}
	})
}
