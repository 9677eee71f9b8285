package web

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"photon/contracts"
	"photon/web/api"
)

// The client and the server, one story over a real connection: an offer is made,
// passed on as text, quoted, taken, left; money is sent.
func TestClientStory(t *testing.T) {
	s, d, _ := newTest(t)
	_, c := listening(t, s)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Ready(ctx))
	info, err := c.Info(ctx)
	must(err)
	if info.Identity != "us" || len(info.Heads) != 2 || info.Heads[0].Chain != contracts.BTC {
		t.Errorf("info %+v", info)
	}
	made, err := c.Offer(ctx, NewKey(), api.Draft{
		Give: contracts.Native(contracts.ETH), Want: contracts.Native(contracts.BTC), Min: contracts.Units(1000),
		Max: contracts.Units(5000), GiveOf: contracts.Units(1000), WantOf: contracts.Units(60), Expires: 1_700_009_999,
	})
	must(err)
	must(c.Withdraw(ctx, made.Id))
	imported, err := c.Import(ctx, " "+made.Text+"\n")
	must(err)
	offers, err := c.Offers(ctx)
	must(err)
	if imported.Id != made.Id || len(offers) != 1 || offers[0].Id != made.Id {
		t.Errorf("made %s, imported %s, %d offers", made.Id, imported.Id, len(offers))
	}
	quote, err := c.Quote(ctx, made.Id, contracts.Units(1001), false)
	must(err)
	if quote.PayAmount.String() != "61" {
		t.Errorf("pay %s", quote.PayAmount)
	}
	key := NewKey()
	swap, err := c.Take(ctx, key, quote.Id)
	must(err)
	again, err := c.Take(ctx, key, quote.Id)
	must(err)
	if swap.Id != again.Id || d.taken != 1 {
		t.Errorf("took %s and %s", swap.Id, again.Id)
	}
	left, err := c.Leave(ctx, NewKey(), swap.Id)
	must(err)
	shown, err := c.Swap(ctx, swap.Id)
	must(err)
	if left.Status != "cancelled" || shown.Status != "cancelled" {
		t.Errorf("left %s, shown %s", left.Status, shown.Status)
	}
	page, err := c.Swaps(ctx, Query{Limit: 1, State: "cancelled"})
	must(err)
	var table bytes.Buffer
	must(c.SwapsCSV(ctx, Query{}, &table))
	if len(page.Swaps) != 1 || strings.Count(table.String(), "\r\n") != 2 {
		t.Errorf("%d swaps, table %s", len(page.Swaps), table.String())
	}
	balances, err := c.Balances(ctx)
	must(err)
	to, err := c.Address(ctx, contracts.BTC)
	must(err)
	sent, err := c.Send(ctx, NewKey(), api.Send{Asset: contracts.Native(contracts.BTC), To: to, Amount: contracts.Units(5), MaxFee: contracts.Units(7)})
	must(err)
	if len(balances) != 3 || sent.Fee.String() != "7" || d.sent[sent.Id] != 1 {
		t.Errorf("balances %v, sent %+v", balances, sent)
	}
	who, err := c.Connect(ctx, "/ip4/127.0.0.1/tcp/1/p2p/them")
	must(err)
	theirs, err := c.Fetch(ctx, who)
	must(err)
	if len(theirs) != 1 || theirs[0].Maker != "them" || theirs[0].Ours {
		t.Errorf("%s has %+v", who, theirs)
	}
}

func TestClientTellsRefusals(t *testing.T) {
	s, d, _ := newTest(t)
	h, c := listening(t, s)
	_, err := c.Swap(t.Context(), contracts.Hash{9})
	var p *Problem
	if !errors.As(err, &p) || p.Status != 404 || p.Code != "unknown" || p.Params["id"] != (contracts.Hash{9}).String() {
		t.Errorf("%#v", err)
	}
	d.fail = errInside
	if _, err := c.Offers(t.Context()); !errors.As(err, &p) || p.Code != "internal" {
		t.Errorf("%#v", err)
	}
	h.Close()
	if _, err := c.Info(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Errorf("%v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Info(gone); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnreachable) {
		t.Errorf("%v", err)
	}
}

// What is not a node of ours is told as such, and gets no token by a redirect.
func TestClientOfAnother(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	for _, row := range []struct {
		name    string
		handler http.HandlerFunc
		status  int // of the problem, 0 when it is another error
	}{
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) }, 302},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }, 502},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }, 0},
		{"half a problem", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte("{"))
		}, 409},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := httptest.NewServer(row.handler)
			defer h.Close()
			c, err := NewClient(h.URL, testToken)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Info(t.Context())
			var p *Problem
			if is := errors.As(err, &p); err == nil || is != (row.status != 0) || (is && (p.Status != row.status || p.Code != "" || p.Error() == "")) {
				t.Errorf("%#v", err)
			}
		})
	}
	if asked != 0 {
		t.Error("the redirect was followed")
	}
}

func TestClientAddress(t *testing.T) {
	for base, good := range map[string]bool{
		"http://127.0.0.1:8645": true, "https://photon.example": true, "http://127.0.0.1:8645/": true,
		"127.0.0.1:8645": false, "": false, "ftp://127.0.0.1": false, "http://": false, "http://user:pass@127.0.0.1": false,
	} {
		if _, err := NewClient(base, testToken); (err == nil) != good {
			t.Errorf("%q: %v", base, err)
		}
	}
}

// The generated files are what the document makes.
func TestGenerated(t *testing.T) {
	for _, name := range []string{"server", "client"} {
		file := name + ".gen.go"
		fresh := filepath.Join(t.TempDir(), file)
		config, err := os.ReadFile("api/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		config = bytes.Replace(config, []byte("output: "+file), []byte("output: "+fresh), 1)
		elsewhere := filepath.Join(t.TempDir(), name+".yaml")
		if err := os.WriteFile(elsewhere, config, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "tool", "oapi-codegen", "-config", elsewhere, "openapi.yaml").CombinedOutput(); err != nil {
			t.Fatalf("oapi-codegen: %v\n%s", err, out)
		}
		want, err := os.ReadFile(fresh)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile("api/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("api/%s is not what openapi.yaml makes: run go generate ./web/api", file)
		}
	}
}
