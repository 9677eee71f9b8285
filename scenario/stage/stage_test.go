package stage_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"photon/contracts"
	"photon/scenario/stage"
	"photon/swap/trade"
	"photon/web/api"
)

// sum reads an amount with its unit.
func sum(t *testing.T, text string) contracts.Sum {
	t.Helper()
	s, err := contracts.ParseSum(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// build makes the program that people run.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "photon")
	out, err := exec.Command("go", "build", "-tags", "nomsgpack", "-o", program, "photon/cmd/photon").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return program
}

// A play is a stage with two people whose swaps leave a slow machine room.
type play struct {
	*stage.Stage
	t          *testing.T
	ctx        context.Context
	alice, bob *stage.Person
}

// TestRealWorld plays on real btcd, litecoind, geth and SMT nodes, with people
// as processes. It is one test, because setting the stage takes longer than most
// of what is played on it.
func TestRealWorld(t *testing.T) {
	if testing.Short() {
		t.Skip("real chain nodes take a while")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	defer cancel()
	s, err := stage.Open(ctx, stage.Config{Dir: t.TempDir(), Program: build(t), Say: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Mine(time.Second); err != nil {
		t.Fatal(err)
	}
	p := &play{Stage: s, t: t, ctx: ctx}
	for name, at := range map[string]**stage.Person{"alice": &p.alice, "bob": &p.bob} {
		if *at, err = s.Person(ctx, name, "dev:240"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Fund(ctx); err != nil {
		t.Fatal(err)
	}
	t.Run("a channel of SMT", func(t *testing.T) { p.channels(t, contracts.Native(contracts.SMT)) })
	t.Run("a channel of a token on ETH", func(t *testing.T) { p.channels(t, p.Tokens[contracts.ETH]) })
	t.Run("a second process on one data folder is refused", p.secondProcess)
	t.Run("BTC reorganises under the first lock", func(t *testing.T) { p.reorg(t, contracts.BTC, "0.01btc", "0.25eth") })
	t.Run("LTC reorganises under the first lock", func(t *testing.T) { p.reorg(t, contracts.LTC, "0.5ltc", "40smt") })
	t.Run("ETH rewinds under the first lock", func(t *testing.T) { p.reorg(t, contracts.ETH, "0.25eth", "0.5ltc") })
	t.Run("btcd is away in the middle", func(t *testing.T) { p.outage(t, contracts.BTC, "40smt", "0.01btc") })
	t.Run("geth is killed in the middle", func(t *testing.T) { p.restart(t, contracts.ETH, "0.5ltc", "0.25eth") })
	t.Run("P2WSH on both outputs", p.otherForm)
	t.Run("both are killed again and again", p.killed)
	t.Run("Carol's litecoin lie in the node's own wallet", p.nodeWallet)
	t.Run("Alice's disk is lost after the first lock", p.lostDisk)
	t.Run("LTC's clock moves past the refund", p.movedClock)
}

// take begins a swap in which Alice pays.
func (p *play) take(t *testing.T, pay, get string) contracts.Hash {
	t.Helper()
	id, err := stage.Take(p.ctx, p.alice, p.bob, sum(t, pay), sum(t, get))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// ends waits until a person's side of a swap is at rest in this status.
func (p *play) ends(t *testing.T, who *stage.Person, id contracts.Hash, status trade.Status) api.Swap {
	t.Helper()
	s := p.until(t, who, id, func(s api.Swap) bool { return s.Status.AtRest() || s.Status == trade.Stranded })
	if s.Status != status {
		t.Fatalf("%s's side is %s: %s%s; want %s", who.Name, s.Status, s.Reason, s.Frozen, status)
	}
	return s
}

func (p *play) until(t *testing.T, who *stage.Person, id contracts.Hash, wanted func(api.Swap) bool) api.Swap {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 3*time.Minute)
	defer cancel()
	s, err := who.Until(ctx, id, wanted, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *play) bothComplete(t *testing.T, id contracts.Hash) {
	t.Helper()
	p.ends(t, p.alice, id, trade.Completed)
	p.ends(t, p.bob, id, trade.Completed)
}

func (p *play) secondProcess(t *testing.T) {
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	out, err := p.alice.Photon(ctx, "", "node", "--config", p.alice.Config)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(out, "process") {
		t.Fatalf("a second node on Alice's folder: %v: %s", err, out)
	}
}

// reorg undoes the block with the first lock once it is mined. The lock waits in
// the mempool again, is mined again, and the swap goes on.
func (p *play) reorg(t *testing.T, c contracts.Chain, pay, get string) {
	id := p.take(t, pay, get)
	s := p.until(t, p.alice, id, func(s api.Swap) bool { return s.Pay.Lock != nil && s.Pay.Lock.Height > 0 })
	if err := p.Net.Reorg(p.ctx, c, 1); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: undid the block at height %d with the first lock %s", c, s.Pay.Lock.Height, s.Pay.Lock.Txid)
	p.bothComplete(t, id)
}

// outage stops a node for ten seconds once the first lock is out.
func (p *play) outage(t *testing.T, c contracts.Chain, pay, get string) {
	id := p.take(t, pay, get)
	p.until(t, p.alice, id, func(s api.Swap) bool { return s.Pay.Lock != nil })
	if err := p.Net.Pause(c); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second) // the outage itself, in the real world's time
	if err := p.Net.Resume(c); err != nil {
		t.Fatal(err)
	}
	p.bothComplete(t, id)
}

// restart kills a node and starts it on the same data.
func (p *play) restart(t *testing.T, c contracts.Chain, pay, get string) {
	id := p.take(t, pay, get)
	p.until(t, p.alice, id, func(s api.Swap) bool { return s.Pay.Lock != nil })
	if err := p.Net.Kill(c); err != nil {
		t.Fatal(err)
	}
	if err := p.Net.Restart(p.ctx, c); err != nil {
		t.Fatal(err)
	}
	if err := p.Net.StartMining(c, time.Second); err != nil {
		t.Log("mining goes on:", err)
	}
	p.bothComplete(t, id)
}

// otherForm swaps between two chains of outputs in the form without Taproot.
func (p *play) otherForm(t *testing.T) {
	out, err := p.bob.Photon(p.ctx, "", "swap", "offer", "0.5ltc", "0.01btc", "--form", "p2wsh", "--data", p.bob.Data)
	if err != nil {
		t.Fatal(err)
	}
	offers, err := p.alice.Client.Fetch(p.ctx, p.bob.Identity)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range offers {
		if o.Form != "p2wsh" {
			continue
		}
		out, err = p.alice.Photon(p.ctx, "", "swap", "take", o.Id.String(), "--yes", "--watch", "--data", p.alice.Data)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out, string(trade.Completed)) {
			t.Fatalf("watched to its end: %s", out)
		}
		return
	}
	t.Fatalf("Bob's offer did not reach Alice: %s", out)
}

// killed kills each of the two in turn, whatever they are doing, and starts them
// again, until both are at rest. Nobody may lose: both complete or both refund.
func (p *play) killed(t *testing.T) {
	id := p.take(t, "0.01btc", "40smt")
	for i := range 8 {
		who := []*stage.Person{p.alice, p.bob}[i%2]
		who.Kill()
		if err := who.Start(p.ctx); err != nil {
			t.Fatal(err)
		}
	}
	a := p.until(t, p.alice, id, func(s api.Swap) bool { return s.Status.AtRest() })
	b, err := p.bob.Client.Swap(p.ctx, id)
	if a.Status == trade.Cancelled && err != nil {
		return // the wish never reached Bob: nothing was locked
	}
	b = p.until(t, p.bob, id, func(s api.Swap) bool { return s.Status.AtRest() })
	won := map[trade.Status]bool{trade.Completed: true, trade.Refunded: false, trade.Cancelled: false}
	if won[a.Status] != won[b.Status] {
		t.Fatalf("Alice's side is %s, Bob's %s", a.Status, b.Status)
	}
	t.Logf("Alice %s, Bob %s", a.Status, b.Status)
}

// nodeWallet lets Carol pay with litecoin from a wallet of litecoind and take
// litecoin into it.
func (p *play) nodeWallet(t *testing.T) {
	ask := strings.NewReader(`{"method":"createwallet","params":["carol"]}`)
	r, err := http.NewRequestWithContext(p.ctx, http.MethodPost, "http://"+p.Net.LTC.Host, ask)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(p.Net.LTC.User, p.Net.LTC.Password)
	made, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if made.Body.Close(); made.StatusCode != http.StatusOK {
		t.Skipf("the node of LTC has no wallet (ltcd): %s", made.Status)
	}
	carol, err := p.Person(p.ctx, "carol", "dev:240", "ltc_wallet: node:carol")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Give(p.ctx, carol); err != nil {
		t.Fatal(err)
	}
	for _, way := range [][2]string{{"0.5ltc", "0.25eth"}, {"0.25eth", "0.5ltc"}} {
		id, err := stage.Take(p.ctx, carol, p.bob, sum(t, way[0]), sum(t, way[1]))
		if err != nil {
			t.Fatal(err)
		}
		p.ends(t, carol, id, trade.Completed)
		p.ends(t, p.bob, id, trade.Completed)
	}
	carol.Stop()
}

// lostDisk takes everything but her words and a copy of the journal from Alice
// once both locks are out. The rescue finishes her swap.
func (p *play) lostDisk(t *testing.T) {
	id := p.take(t, "0.5ltc", "0.25eth")
	p.until(t, p.alice, id, func(s api.Swap) bool { return s.Get.Lock != nil })
	p.alice.Kill()
	journal := filepath.Join(t.TempDir(), "journal")
	if err := copyFile(filepath.Join(p.alice.Data, stage.JournalFile), journal); err != nil {
		t.Fatal(err)
	}
	if err := p.alice.Lose(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.alice.Photon(p.ctx, p.alice.Words+"\n", "keys", "restore", "--data", p.alice.Data, "--fast-unlock"); err != nil {
		t.Fatal(err)
	}
	out, err := p.alice.Photon(p.ctx, "", "swap", "rescue", journal, "--config", p.alice.Config)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, string(trade.Completed)) {
		t.Fatalf("rescued: %s", out)
	}
	if err := p.alice.Start(p.ctx); err != nil {
		t.Fatal(err)
	}
	p.bothComplete(t, id)
}

// movedClock: Bob is killed before he can lock, and LTC's clock is moved past
// Alice's time lock. Her node takes the coin back without waiting for the wall
// clock.
func (p *play) movedClock(t *testing.T) {
	id := p.take(t, "0.5ltc", "0.01btc")
	p.until(t, p.alice, id, func(s api.Swap) bool { return s.Status == trade.Locking })
	p.bob.Kill()
	s := p.until(t, p.alice, id, func(s api.Swap) bool { return s.Pay.Lock != nil && s.Pay.Lock.Height > 0 })
	if err := p.Net.SetTime(p.ctx, contracts.LTC, time.Unix(int64(s.Pay.Expiry)+1, 0)); err != nil {
		t.Fatal(err)
	}
	p.ends(t, p.alice, id, trade.Refunded)
	if now := uint64(time.Now().Unix()); now >= s.Pay.Expiry {
		t.Errorf("refunded at %d by the wall clock, after %d: the moved clock was not needed", now, s.Pay.Expiry)
	}
}

func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return os.WriteFile(to, raw, 0o600)
}
