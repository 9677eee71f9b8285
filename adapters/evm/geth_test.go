package evm_test

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"photon/adapters/evm"
	"photon/contracts"
	"photon/swap/trade"
)

// devKey is that of the account which geth's developer chain makes rich.
//
// Source: geth's own announcement at the start of --dev.
const devKey = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"

// startGeth runs a developer chain with a block every second and returns its
// endpoint.
func startGeth(t *testing.T) string {
	t.Helper()
	path, err := exec.Command("go", "tool", "-n", "github.com/ethereum/go-ethereum/cmd/geth").Output()
	if err != nil {
		t.Skipf("geth cannot be built here: %v", err)
	}
	port := freePort(t)
	cmd := exec.Command(strings.TrimSpace(string(path)), "--dev", "--dev.period", "1", "--ipcdisable", "--nat", "none",
		"--http", "--http.addr", "127.0.0.1", "--http.port", fmt.Sprint(port), "--http.api", "eth,net,debug",
		"--authrpc.port", fmt.Sprint(freePort(t)), "--port", fmt.Sprint(freePort(t)), "--datadir", t.TempDir())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	})
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		client, err := rpc.Dial(url)
		if err != nil {
			t.Fatal(err)
		}
		var n hexutil.Uint64
		err = client.Call(&n, "eth_blockNumber")
		client.Close()
		if err == nil {
			return url
		}
		if time.Now().After(end) {
			t.Fatalf("geth does not answer: %v\n%s", err, out.String())
		}
	}
}

// A real node: coins and tokens, redeem and refund, a head that is rewound, a
// restart, a nonce that nobody uses, a fee that is raised. Once as Ethereum, once
// behind Spectrum's traps.
func TestGeth(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a real node")
	}
	url := startGeth(t)
	back, err := rpc.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(back.Close)
	rich, err := crypto.HexToECDSA(devKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []contracts.Chain{contracts.ETH, contracts.SMT} {
		t.Run(string(kind), func(t *testing.T) {
			g := &realWorld{world: world{t: t, kind: kind, back: back, gate: newGate(t, back, kind == contracts.SMT)}}
			bank := g.person(rich, g.gate.URL)
			if g.lock, err = bank.Deploy(bg, contracts.HashLockDeploy(simID)); err != nil {
				t.Fatal(err)
			}
			bank = g.person(rich, g.gate.URL)
			if err := bank.Check(bg); err != nil {
				t.Fatal(err)
			}
			g.alice, g.bob = g.person(newKey(t), g.gate.URL), g.person(newKey(t), g.gate.URL)
			for _, p := range []*person{g.alice, g.bob} {
				g.pay(bank, p)
			}
			if g.token, err = g.alice.Deploy(bg, contracts.TestTokenDeploy("Test", "TST", 6, contracts.Units(1_000_000))); err != nil {
				t.Fatal(err)
			}
			t.Run("redeem", func(t *testing.T) { g.redeem(t, g.native()) })
			t.Run("redeem tokens", func(t *testing.T) { g.redeem(t, g.tokens()) })
			t.Run("refund", g.refund)
			t.Run("nonces", g.nonces)
			t.Run("rewind", g.rewind)
		})
	}
}

type realWorld struct{ world }

func (g *realWorld) pay(from, to *person) {
	g.t.Helper()
	ten := contracts.AmountOf(contracts.Units(1_000_000_000_000_000_000).Uint256())
	tx := from.make(g.t, trade.Order{Purpose: trade.Send, To: to.Account().Hex(), Terms: contracts.Terms{Asset: g.native(), Amount: ten}})
	if err := from.Mined(bg, tx[0].TxID); err != nil {
		g.t.Fatal(err)
	}
}

// fresh gives Alice and Bob new views, as after a restart, that follow a leg.
func (g *realWorld) fresh(t *testing.T, terms contracts.Terms) {
	t.Helper()
	g.alice, g.bob = g.person(g.alice.key, g.gate.URL), g.person(g.bob.key, g.gate.URL)
	g.alice.follow(t, trade.Watch{ID: terms.Hash, Side: trade.Ours, Terms: terms})
	g.bob.follow(t, trade.Watch{ID: terms.Hash, Side: trade.Theirs, Terms: terms})
}

func mined(_ trade.Head, f trade.Fate) bool {
	return f.Lock != nil && f.Lock.Height > 0 && f.End == nil
}

func (g *realWorld) redeem(t *testing.T, asset contracts.Asset) {
	secret := contracts.Secret{1, byte(len(asset.String()))}
	terms := g.terms(asset, g.alice, g.bob, secret)
	g.fresh(t, terms)
	before := g.bob.holds(t, asset)
	g.alice.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms})
	seen := g.bob.await(t, trade.Theirs, "lock", mined)
	if err := g.bob.Agree(bg, trade.Watch{ID: terms.Hash, Side: trade.Theirs, Terms: terms}, seen); err != nil {
		t.Fatal(err)
	}
	g.bob.make(t, trade.Order{ID: terms.Hash, Side: trade.Theirs, Purpose: trade.Redeem, Terms: terms, Spot: seen.Lock, Secret: &secret})
	end := g.bob.await(t, trade.Theirs, "redeem", ended(trade.BySecret))
	want := before.Plus(terms.Amount)
	if asset.IsNative() {
		want = want.Minus(end.End.Fee)
	}
	if got := g.bob.holds(t, asset); got.Cmp(want) != 0 {
		t.Errorf("Bob has %s, want %s", got, want)
	}
	told := g.alice.await(t, trade.Ours, "secret", func(_ trade.Head, f trade.Fate) bool { return f.End != nil && f.End.Secret != nil })
	if *told.End.Secret != secret {
		t.Error("Alice learnt another secret")
	}
}

func (g *realWorld) refund(t *testing.T) {
	terms := g.terms(g.native(), g.alice, g.bob, contracts.Secret{2})
	terms.Expiry -= 3600 - 5
	g.fresh(t, terms)
	o := trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms}
	g.alice.make(t, o)
	g.alice.await(t, trade.Ours, "lock", mined)
	o.Purpose = trade.Refund
	if _, err := g.alice.Prepare(bg, o); !errors.Is(err, trade.ErrNotYet) {
		t.Errorf("early: %v", err)
	}
	g.alice.await(t, trade.Ours, "time", func(h trade.Head, _ trade.Fate) bool { return h.Time >= terms.Expiry })
	g.alice.make(t, o)
	g.alice.await(t, trade.Ours, "refund", ended(trade.ByTime))
}

// nonces loses a transaction before it is sent. The next is stuck behind its
// nonce, over a restart, until the gap is filled; the fee of what fills it rises.
func (g *realWorld) nonces(t *testing.T) {
	lost := g.alice.prepare(t, g.lockOrder(g.native(), 3))
	o := g.lockOrder(g.native(), 4)
	stuck := g.alice.make(t, o)[0]
	g.alice.Release(lost)
	g.fresh(t, o.Terms)
	if err := g.alice.Resume(bg, []trade.Tx{stuck}); err != nil {
		t.Fatal(err)
	}
	if err := g.alice.Send(bg, stuck); err != nil {
		t.Fatalf("sent again: %v", err)
	}
	fill, err := g.alice.Hasten(bg, o, stuck)
	if err != nil {
		t.Fatal(err)
	}
	o.Deadline = uint64(time.Now().Add(time.Minute).Unix())
	raised, err := g.alice.Hasten(bg, o, stuck)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := g.alice.Hasten(bg, o, stuck); err != nil || again.TxID != raised.TxID {
		t.Fatalf("as long as it is not sent, what is in the way is %s: %s, %v", raised.TxID, again.TxID, err)
	}
	for _, tx := range []trade.Tx{raised, fill} { // the last is replaced already: no error
		if decode(t, tx).Nonce() != decode(t, lost).Nonce() {
			t.Fatalf("nonce %d, want %d", decode(t, tx).Nonce(), decode(t, lost).Nonce())
		}
		if err := g.alice.Send(bg, tx); err != nil {
			t.Fatal(err)
		}
	}
	if f := g.bob.await(t, trade.Theirs, "lock", mined); f.Lock.TxID != stuck.TxID {
		t.Errorf("mined %s, want %s", f.Lock.TxID, stuck.TxID)
	}
	if err := g.alice.Send(bg, stuck); err != nil {
		t.Errorf("send what is mined: %v", err)
	}
}

// rewind takes back the block of a lock. The node then mines it again, or Alice
// sends it again; Bob ends with a lock at another height or in another block.
func (g *realWorld) rewind(t *testing.T) {
	o := g.lockOrder(g.native(), 5)
	g.fresh(t, o.Terms)
	lock := g.alice.make(t, o)[0]
	seen := g.bob.await(t, trade.Theirs, "lock", mined)
	var old struct{ Hash string }
	if err := g.back.Call(&old, "eth_getBlockByNumber", hexutil.Uint64(seen.Lock.Height), false); err != nil {
		t.Fatal(err)
	}
	if err := g.back.Call(nil, "debug_setHead", hexutil.Uint64(seen.Lock.Height-1)); err != nil {
		t.Fatal(err)
	}
	g.bob.await(t, trade.Theirs, "another branch", func(h trade.Head, f trade.Fate) bool {
		// While geth mines the lock again, it knows for a moment that its nonce is
		// used and not yet by what.
		if err := g.alice.Send(bg, lock); err != nil && !errors.Is(err, evm.ErrDown) && !errors.Is(err, trade.ErrSpent) {
			t.Fatal(err)
		}
		var now struct{ Hash string }
		if err := g.back.Call(&now, "eth_getBlockByNumber", hexutil.Uint64(seen.Lock.Height), false); err != nil || now.Hash == "" {
			return false
		}
		return now.Hash != old.Hash && h.Height > seen.Lock.Height && f.Lock != nil && f.Lock.Height > 0
	})
	// The chain agrees with what Bob sees now.
	f := g.bob.await(t, trade.Theirs, "lock again", mined)
	if err := g.bob.Agree(bg, trade.Watch{ID: o.Terms.Hash, Side: trade.Theirs, Terms: o.Terms}, f); err != nil {
		t.Error(err)
	}
}
