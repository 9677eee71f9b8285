package devnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"photon/contracts"
)

// start starts chains in a fresh folder and stops them at the test's end.
func start(t *testing.T, cfg Config) *Net {
	t.Helper()
	cfg.Dir = t.TempDir()
	began := time.Now()
	cfg.Progress = func(s string) { t.Logf("%6.2f s  %s", time.Since(began).Seconds(), s) }
	n, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until polls until ok.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(pollEvery) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// A view is what a test sees of a chain, past the code under test.
type view struct {
	*Net
	c contracts.Chain
}

func (v view) endpoint() endpoint {
	switch v.c {
	case contracts.BTC:
		return newEndpoint(v.BTC.URL, v.BTC.User, v.BTC.Password)
	case contracts.LTC:
		return newEndpoint(v.LTC.URL, v.LTC.User, v.LTC.Password)
	case contracts.ETH:
		return newEndpoint(v.ETH.HTTP, "", "")
	}
	return newEndpoint(v.SMT.HTTP, "", "")
}

// address is one that nobody has used.
func (v view) address(t *testing.T) string {
	switch {
	case v.c.EVM():
		return "0x00000000000000000000000000000000deadbeef"
	case v.c == contracts.BTC:
		return btcAddress(t)
	case !v.LTC.Core:
		return ltcAddress(t)
	}
	var s string
	must(t, v.endpoint().call(t.Context(), &s, "getnewaddress", "", "bech32"))
	return s
}

// mined reports whether a transaction is in a block.
func (v view) mined(t *testing.T, id string) bool {
	if v.c.EVM() {
		var r *struct{ BlockNumber, Status string }
		must(t, v.endpoint().call(t.Context(), &r, "eth_getTransactionReceipt", id))
		return r != nil && r.Status == "0x1"
	}
	var tx struct{ Confirmations int }
	must(t, v.endpoint().call(t.Context(), &tx, "getrawtransaction", id, 1))
	return tx.Confirmations > 0
}

func (v view) at(t *testing.T) uint64 {
	t.Helper()
	h, err := v.Height(t.Context(), v.c)
	must(t, err)
	return h
}

// clock is what time locks compare with.
func (v view) clock(t *testing.T) int64 {
	if v.c.EVM() {
		e := evm{endpoint: v.endpoint()}
		at, err := e.newest(t.Context())
		must(t, err)
		return at
	}
	return v.info(t).MedianTime
}

// worlds are all nodes there are.
var worlds = map[string]Config{
	"btcd":      {Chains: []contracts.Chain{contracts.BTC}},
	"ltcd":      {Chains: []contracts.Chain{contracts.LTC}, Ltcd: true},
	"litecoind": {Chains: []contracts.Chain{contracts.LTC}},
	"geth":      {Chains: []contracts.Chain{contracts.ETH}},
	"smtnode":   {Chains: []contracts.Chain{contracts.SMT}},
}

func TestNodes(t *testing.T) {
	for name, cfg := range worlds {
		t.Run(name, func(t *testing.T) {
			if name == "litecoind" {
				needLitecoind(t)
			}
			v := view{start(t, cfg), cfg.Chains[0]}
			behind := time.Now().Unix() - v.clock(t)
			if behind < 0 {
				t.Errorf("clock is %d s ahead of the wall after the start", -behind)
			}
			t.Logf("height %d, clock %d s behind the wall", v.at(t), behind)
			if !v.c.EVM() {
				t.Run("soft forks", v.hasForks)
				t.Run("time lock", v.holdsLocked)
			}
			t.Run("mine", v.mines)
			t.Run("fund", v.funds)
			t.Run("reorg", v.reorgs)
			t.Run("automatic mining", v.minesByItself)
			t.Run("outage", v.pauses)
			t.Run("kill and restart", v.restarts)
			t.Run("time", v.movesTime)
		})
	}
}

func (v view) mines(t *testing.T) {
	before := v.at(t)
	must(t, v.Mine(t.Context(), v.c, 3))
	if now := v.at(t); now != before+3 {
		t.Fatalf("height %d after 3 blocks on %d", now, before)
	}
}

func (v view) funds(t *testing.T) {
	sum := contracts.Units(120e8) // more than two block rewards
	ids := map[string]bool{}
	for range 3 {
		id, err := v.Fund(t.Context(), v.c, v.address(t), sum)
		must(t, err)
		if v.mined(t, id) {
			t.Fatalf("%s is mined before Mine", id)
		}
		ids[id] = true
	}
	if len(ids) != 3 {
		t.Fatalf("three payments, ids %v", ids)
	}
	must(t, v.Mine(t.Context(), v.c, 1))
	for id := range ids {
		if !v.mined(t, id) {
			t.Errorf("%s is not in the next block", id)
		}
	}
	if _, err := v.Fund(t.Context(), v.c, v.address(t), contracts.AmountOf(contracts.Units(1e18).Uint256().Lsh(contracts.Units(1e18).Uint256(), 60))); !errors.Is(err, ErrFunds) {
		t.Errorf("a sum that nobody has: %v", err)
	}
	if _, err := v.Fund(t.Context(), v.c, "nonsense", sum); !errors.Is(err, ErrRPC) {
		t.Errorf("no address: %v", err)
	}
}

func (v view) reorgs(t *testing.T) {
	id, err := v.Fund(t.Context(), v.c, v.address(t), contracts.Units(1e8))
	must(t, err)
	must(t, v.Mine(t.Context(), v.c, 2))
	before := v.at(t)
	old := v.hash(t, before-1)
	must(t, v.Reorg(t.Context(), v.c, 2))
	if now := v.at(t); now != before+1 {
		t.Fatalf("height %d after a reorganisation at %d", now, before)
	}
	if v.hash(t, before-1) == old {
		t.Fatal("the old block stands")
	}
	if v.mined(t, id) {
		t.Fatal("the transaction is still mined")
	}
	until(t, "the transaction is mined again", func() bool {
		must(t, v.Mine(t.Context(), v.c, 1))
		return v.mined(t, id)
	})
	if err := v.Reorg(t.Context(), v.c, 0); !errors.Is(err, ErrRPC) {
		t.Errorf("depth 0: %v", err)
	}
	if err := v.Reorg(t.Context(), v.c, 1e6); !errors.Is(err, ErrRPC) {
		t.Errorf("deeper than the chain: %v", err)
	}
}

func (v view) hash(t *testing.T, height uint64) (hash string) {
	if v.c.EVM() {
		var b struct{ Hash string }
		must(t, v.endpoint().call(t.Context(), &b, "eth_getBlockByNumber", fmt.Sprintf("%#x", height), false))
		return b.Hash
	}
	must(t, v.endpoint().call(t.Context(), &hash, "getblockhash", height))
	return hash
}

func (v view) minesByItself(t *testing.T) {
	before := v.at(t)
	must(t, v.StartMining(v.c, 50*time.Millisecond))
	must(t, v.StartMining(v.c, 30*time.Millisecond))
	until(t, "two blocks are made", func() bool { return v.at(t) >= before+2 })
	must(t, v.StopMining(v.c))
	still := v.at(t)
	must(t, v.Mine(t.Context(), v.c, 1))
	if now := v.at(t); now != still+1 {
		t.Fatalf("height %d, want %d: automatic mining goes on", now, still+1)
	}
}

func (v view) pauses(t *testing.T) {
	must(t, v.Pause(v.c))
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if h, err := v.Height(short, v.c); err == nil {
		t.Errorf("height %d from a paused node", h)
	}
	must(t, v.Resume(v.c))
	v.at(t)
}

func (v view) restarts(t *testing.T) {
	must(t, v.Mine(t.Context(), v.c, 1))
	before := v.at(t)
	hash := v.hash(t, before)
	_, err := v.Fund(t.Context(), v.c, v.address(t), contracts.Units(1e8))
	must(t, err)
	must(t, v.Kill(v.c))
	if _, err := v.Height(t.Context(), v.c); err == nil {
		t.Error("a killed node answers")
	}
	if err := v.Kill(v.c); !errors.Is(err, ErrNode) {
		t.Errorf("killed twice: %v", err)
	}
	must(t, v.Restart(t.Context(), v.c))
	if now := v.at(t); now != before || v.hash(t, now) != hash {
		t.Errorf("height %d after the restart, want %d and the same block", now, before)
	}
	if err := v.Restart(t.Context(), v.c); !errors.Is(err, ErrNode) {
		t.Errorf("started twice: %v", err)
	}
	id, err := v.Fund(t.Context(), v.c, v.address(t), contracts.Units(1e8))
	must(t, err)
	must(t, v.Mine(t.Context(), v.c, 1))
	if !v.mined(t, id) {
		t.Error("a payment after the restart is not mined")
	}
}

func (v view) movesTime(t *testing.T) {
	to := time.Now().Add(time.Hour)
	must(t, v.SetTime(t.Context(), v.c, to))
	if now := v.clock(t); now < to.Unix() || now > to.Unix()+5 {
		t.Fatalf("clock is at %d, want %d", now, to.Unix())
	}
	before := v.at(t)
	must(t, v.SetTime(t.Context(), v.c, to.Add(-time.Second)))
	if now := v.at(t); now != before {
		t.Errorf("%d blocks for a time that has been", now-before)
	}
	err := v.SetTime(t.Context(), v.c, time.Now().Add(3*time.Hour))
	if bound := v.c == contracts.BTC || v.c == contracts.LTC && !v.LTC.Core; errors.Is(err, ErrTime) != bound || !bound && err != nil {
		t.Errorf("three hours ahead: %v", err)
	}
	must(t, v.Mine(t.Context(), v.c, 1))
}

func TestConfig(t *testing.T) {
	used := t.TempDir()
	must(t, os.Mkdir(filepath.Join(used, "btcd"), 0o700))
	broken := t.TempDir()
	must(t, os.WriteFile(filepath.Join(broken, "btcd"), []byte("#!/bin/sh\necho no such luck\nexit 3\n"), 0o700))
	good := func() Config { return Config{Dir: t.TempDir(), Chains: []contracts.Chain{contracts.BTC}} }
	for name, row := range map[string]struct {
		change func(*Config)
		want   error
		text   string
	}{
		"no folder":     {func(c *Config) { c.Dir = "" }, ErrConfig, "no folder"},
		"unknown chain": {func(c *Config) { c.Chains[0] = "DOGE" }, ErrConfig, "DOGE"},
		"chain twice":   {func(c *Config) { c.Chains = append(c.Chains, contracts.BTC) }, ErrConfig, "twice"},
		"folder in use": {func(c *Config) { c.Dir = used }, ErrConfig, "btcd"},
		"no sources":    {func(c *Config) { c.Module = t.TempDir() }, ErrProgram, "go tool"},
		"node that ends at once": {func(c *Config) { c.Programs = broken }, ErrNode,
			"exit status 3: no such luck"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good()
			row.change(&cfg)
			n, err := Start(t.Context(), cfg)
			if !errors.Is(err, row.want) || !strings.Contains(fmt.Sprint(err), row.text) {
				t.Errorf("error %v, want %v with %q", err, row.want, row.text)
			}
			if n != nil {
				t.Error("a net beside the error")
			}
		})
	}
	n, err := Start(t.Context(), Config{Dir: t.TempDir()})
	must(t, err)
	if err := n.Mine(t.Context(), contracts.BTC, 1); !errors.Is(err, ErrChain) {
		t.Errorf("a chain that was not asked for: %v", err)
	}
	must(t, n.Close())
}
