package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"photon/contracts"
)

// Every route of the router is in the document, and needs the token unless the
// document says that it is open.
func TestEveryRouteHasARule(t *testing.T) {
	s, _, _ := newTest(t)
	registered := s.engine().Routes()
	if len(registered) != len(s.routes) {
		t.Errorf("%d routes, the document has %d", len(registered), len(s.routes))
	}
	free := map[string]bool{"/healthz": true, "/readyz": true}
	for _, r := range registered {
		if s.routes[r.Method+" "+r.Path] == nil {
			t.Errorf("%s %s is not in the document", r.Method, r.Path)
			continue
		}
		path := strings.NewReplacer(":id", contracts.Hash{1}.String(), ":peer", "them").Replace(r.Path)
		for _, header := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Bearer " + testToken + "x", "Bearer " + testToken[1:], "Basic " + testToken, testToken} {
			w := call{method: r.Method, path: path, header: map[string]string{"Authorization": header}}.do(t, s)
			if free[r.Path] {
				expect(t, w, 200, "")
			} else {
				expect(t, w, 401, "token")
			}
		}
	}
}

// A query never carries the token, and an unknown path says nothing without it.
func TestTokenElsewhere(t *testing.T) {
	s, _, _ := newTest(t)
	none := map[string]string{"Authorization": ""}
	expect(t, call{method: "GET", path: "/v1/info?token=" + testToken, header: none}.do(t, s), 401, "token")
	expect(t, call{method: "GET", path: "/v1/nothing", header: none}.do(t, s), 401, "token")
	expect(t, call{method: "PUT", path: "/v1/offers", header: none}.do(t, s), 401, "token")
	expect(t, call{method: "GET", path: "/v1/info", header: map[string]string{"Authorization": "bearer " + testToken}}.do(t, s), 200, "")
}

func TestHost(t *testing.T) {
	for _, row := range []struct {
		host string
		good bool
	}{
		{"127.0.0.1:8645", true},
		{"127.0.0.1", true},
		{"127.9.9.9:1", true},
		{"localhost:8645", true},
		{"LocalHost", true},
		{"[::1]:8645", true},
		{"[::1]", true},
		{"photon.example", true},
		{"PHOTON.example:443", true},
		{"evil.example", false},
		{"photon.example.evil.example", false},
		{"evil.photon.example", false},
		{"localhost.evil.example", false},
		{"localhost.", false},
		{"127.0.0.1.evil.example", false},
		{"128.0.0.1", false},
		{"10.0.0.1:8645", false},
		{"0.0.0.0:8645", false},
		{"[::]:8645", false},
		{"[::ffff:127.0.0.1]:8645", false},
		{"[::1%25lo]:8645", false},
		{"::1", false},
		{"2130706433", false},
		{"0x7f000001", false},
		{"0177.0.0.1", false},
		{"127.1", false},
		{"localhost:evil", false},
		{"localhost:0", false},
		{"localhost:65536", false},
		{"localhost:", false},
		{"localhost:80:80", false},
		{"a@localhost", false},
		{":8645", false},
	} {
		t.Run(row.host, func(t *testing.T) {
			s, _, _ := newTest(t)
			w := call{method: "GET", path: "/v1/info", host: row.host}.do(t, s)
			if row.good {
				expect(t, w, 200, "")
			} else {
				expect(t, w, 421, "host")
			}
		})
	}
	t.Run("open routes, too", func(t *testing.T) {
		s, _, _ := newTest(t)
		expect(t, call{method: "GET", path: "/healthz", host: "evil.example"}.do(t, s), 421, "host")
	})
	t.Run("none", func(t *testing.T) {
		s, _, _ := newTest(t)
		r := httptest.NewRequest("GET", "/v1/info", nil)
		r.Host = ""
		r.Header.Set("Authorization", "Bearer "+testToken)
		w := httptest.NewRecorder()
		s.engine().ServeHTTP(w, r)
		expect(t, w, 421, "host")
	})
}

func TestOrigin(t *testing.T) {
	for _, row := range []struct {
		origin string
		good   bool
	}{
		{"http://127.0.0.1:8645", true},
		{"http://127.0.0.1:8646", false},
		{"http://localhost:8645", false},
		{"https://evil.example", false},
		{"null", false},
		{"%", false},
	} {
		t.Run(row.origin, func(t *testing.T) {
			s, _, _ := newTest(t)
			w := call{method: "GET", path: "/v1/info", header: map[string]string{"Origin": row.origin}}.do(t, s)
			if row.good {
				expect(t, w, 200, "")
			} else {
				expect(t, w, 403, "origin")
			}
		})
	}
}

// Nothing is sniffed or kept, and a caller learns how to show a token.
func TestHeaders(t *testing.T) {
	s, _, _ := newTest(t)
	w := call{method: "GET", path: "/v1/info", header: map[string]string{"Authorization": ""}}.do(t, s)
	for name, want := range map[string]string{
		"WWW-Authenticate": "Bearer", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Content-Type": "application/problem+json",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Each row is one change to a good config.
func TestConfig(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Config)
		good   bool
	}{
		{"good", func(c *Config) {}, true},
		{"no token", func(c *Config) { c.Token = "" }, false},
		{"token of 15", func(c *Config) { c.Token = strings.Repeat("x", 15) }, false},
		{"token of 16", func(c *Config) { c.Token = strings.Repeat("x", 16) }, true},
		{"token with a line end", func(c *Config) { c.Token += "\n" }, false},
		{"no maker", func(c *Config) { c.Maker = nil }, false},
		{"no feed", func(c *Config) { c.Feed = nil }, false},
		{"no log", func(c *Config) { c.Log = nil }, false},
		{"no wallet", func(c *Config) { c.Wallets = nil }, true},
		{"a wallet that is nil", func(c *Config) { c.Wallets = map[contracts.Chain]Wallet{contracts.BTC: nil} }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, _, _ := newTest(t)
			c := s.Config
			c.Metrics = newRegistry()
			row.change(&c)
			handler, err := New(c)
			if (err == nil) != row.good || (handler != http.Handler(nil)) != row.good {
				t.Errorf("handler %v, error %v", handler, err)
			}
		})
	}
	t.Run("metrics that have ours already", func(t *testing.T) {
		s, _, _ := newTest(t)
		if _, err := New(s.Config); err == nil {
			t.Error("two servers count into one figure")
		}
	})
}

// Whether a node is ready is told to anybody, why it is not to the log, once.
func TestReady(t *testing.T) {
	s, d, log := newTest(t)
	d.fail = errInside
	for range 3 {
		w := call{method: "GET", path: "/readyz"}.do(t, s)
		expect(t, w, 503, "not_ready")
		if w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%v %s", w.Header(), w.Body)
		}
	}
	d.fail = nil
	expect(t, call{method: "GET", path: "/readyz"}.do(t, s), 200, "")
	d.fail = errInside
	expect(t, call{method: "GET", path: "/readyz"}.do(t, s), 503, "not_ready")
	if n := strings.Count(log.String(), "msg=\"not ready\""); n != 2 {
		t.Errorf("%d lines for 2 times\n%s", n, log)
	}
	expect(t, call{method: "GET", path: "/healthz"}.do(t, s), 200, "")
}

func FuzzHostName(f *testing.F) {
	for _, seed := range []string{"localhost:80", "[::1]:80", "[::1]", "::1", "a:b:c", "", ":", "[", "127.0.0.1:65535", "localhost:evil"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, err := hostName(host)
		if err == nil && (name == "" || strings.ContainsAny(name, "[]/@%") || name != strings.ToLower(name)) {
			t.Errorf("%q is the host %q", host, name)
		}
	})
}
