package utxo_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcutil/v2/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg/v2"

	"photon/adapters/btc"
	"photon/adapters/ltc"
	"photon/adapters/utxo"
	"photon/contracts"
	"photon/swap/trade"
)

// The coins of the networks that real nodes play here.
var (
	btcSimnet  = coin(btc.Coin("simnet"))
	ltcSimnet  = coin(ltc.Coin("simnet"))
	ltcRegtest = coin(ltc.Coin("regtest"))
)

func coin(c utxo.Coin, err error) utxo.Coin {
	if err != nil {
		panic(err) // a constant
	}
	return c
}

// person is whose keys these are, by name.
type person string

func (p person) SwapKey(chain contracts.Chain, number uint64) *btcec.PrivateKey {
	digest := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", p, chain, number))
	key, _ := btcec.PrivKeyFromBytes(digest[:])
	return key
}

func (p person) Wallet(chain contracts.Chain) *hdkeychain.ExtendedKey {
	seed := sha256.Sum256([]byte(string(p) + string(chain)))
	key, err := hdkeychain.NewMaster(seed[:], &chaincfg.MainNetParams)
	for _, i := range []uint32{84, 2, 0} {
		if err == nil {
			key, err = key.Derive(hdkeychain.HardenedKeyStart + i)
		}
	}
	if err != nil {
		panic(err) // a fixed seed
	}
	return key
}

// A side is one of the two, with a chain that follows the node.
type side struct {
	*utxo.Chain
	who person

	mu    sync.Mutex
	fates map[contracts.Hash]trade.Fate
	head  trade.Head
}

func (s *side) take(_ context.Context, n trade.News) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head = n.Head
	for _, g := range n.Sightings {
		s.fates[g.ID] = g.Fate
	}
	return nil
}

// seen is all that a side was told.
func (s *side) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := json.Marshal(map[string]any{"head": s.head, "fates": s.fates})
	return fmt.Sprint(string(text), err)
}

func (s *side) fate(id contracts.Hash) trade.Fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fates[id]
}

// A world is one real node and two people.
type world struct {
	t          *testing.T
	coin       contracts.Chain
	endpoint   utxo.Endpoint
	wallet     string // path of the node's wallet, where it has some
	funds      bool   // the two are paid from wallets of the node, by their names
	alice, bob *side
	mine       func(n int)
	number     uint64
	mock       bool          // the node's clock can be moved, and blocks be made invalid
	clock      time.Duration // by how much it is ahead
}

// call asks the node.
func (w *world) call(into any, method string, params ...any) {
	w.t.Helper()
	if err := w.try(into, method, params...); err != nil {
		w.t.Fatalf("%s: %v", method, err)
	}
}

func (w *world) try(into any, method string, params ...any) error {
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "1.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return err
	}
	q, err := http.NewRequest(http.MethodPost, w.endpoint.URL+w.wallet, bytes.NewReader(body))
	if err != nil {
		return err
	}
	q.SetBasicAuth(w.endpoint.User, w.endpoint.Pass)
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	raw, err := io.ReadAll(a.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Result json.RawMessage
		Error  json.RawMessage
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("%w: %.200s", err, raw)
	}
	if len(answer.Error) > 0 && string(answer.Error) != "null" {
		return errors.New(string(answer.Error))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer.Result, into)
}

// until waits for what must come soon.
func (w *world) until(what string, done func() bool) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waited in vain for %s: alice saw %s, bob saw %s", what, w.alice.seen(), w.bob.seen())
		}
	}
}

// ports are free ones.
func ports(t *testing.T, n int) (list []int) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		list = append(list, l.Addr().(*net.TCPAddr).Port)
	}
	return list
}

// start runs a node until the test ends, and waits until it answers.
func (w *world) start(path string, args ...string) {
	w.t.Helper()
	cmd := exec.Command(path, args...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := cmd.Process.Kill(); err == nil {
			_ = cmd.Wait() // it was killed: its status says only that
		}
	})
	var height int
	for end := time.Now().Add(20 * time.Second); w.try(&height, "getblockcount") != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s does not answer: %v", filepath.Base(path), w.try(&height, "getblockcount"))
		}
	}
}

// config is what a person's chain is made from.
func (w *world) config(coin utxo.Coin, p person) utxo.Config {
	c := utxo.Config{Coin: coin, Endpoints: []utxo.Endpoint{w.endpoint}, Keys: p, Poll: 50 * time.Millisecond}
	if w.funds {
		c.Funds, c.Wallet = utxo.NodeWallet, string(p)
	}
	return c
}

// join makes the two people.
func (w *world) join(coin utxo.Coin) {
	w.t.Helper()
	for _, p := range []struct {
		name person
		side **side
	}{{"alice", &w.alice}, {"bob", &w.bob}} {
		c, err := utxo.New(w.config(coin, p.name))
		if err != nil {
			w.t.Fatal(err)
		}
		*p.side = &side{Chain: c, who: p.name, fates: map[contracts.Hash]trade.Fate{}}
	}
}

// follow lets people follow the node until the test ends.
func (w *world) follow(people ...*side) {
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	for _, s := range people {
		done.Go(func() {
			if err := s.Follow(ctx, s.take); !errors.Is(err, context.Canceled) {
				w.t.Errorf("%s: follow ends with %v", s.who, err)
			}
		})
	}
	w.t.Cleanup(func() { stop(); done.Wait() })
}

// address is the next that a side is paid at.
func (w *world) address(s *side) string {
	a, err := s.Address(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// simnetWorld is btcd or ltcd, which take the same flags; alice is the miner.
func simnetWorld(t *testing.T, module string, coin utxo.Coin) *world {
	path := tool(t, module)
	p, dir := ports(t, 2), t.TempDir()
	w := &world{t: t, coin: coin.Chain, endpoint: utxo.Endpoint{URL: fmt.Sprintf("http://127.0.0.1:%d", p[0]), User: "u", Pass: "p"}}
	w.join(coin)
	w.start(path, "--simnet", "--txindex", "--rejectnonstd", "--notls", "--nodnsseed",
		fmt.Sprintf("--listen=127.0.0.1:%d", p[1]), fmt.Sprintf("--rpclisten=127.0.0.1:%d", p[0]), "--rpcuser=u", "--rpcpass=p",
		"--datadir="+dir, "--logdir="+filepath.Join(dir, "logs"), "--configfile="+filepath.Join(dir, "none.conf"), "--miningaddr="+w.address(w.alice))
	w.mine = func(n int) { w.t.Helper(); w.call(nil, "generate", n) }
	w.mine(420)
	w.follow(w.alice, w.bob)
	return w
}

// tool is the binary of a node that go.mod pins.
func tool(t *testing.T, module string) string {
	out, err := exec.Command("go", "tool", "-n", module).Output()
	if err != nil {
		t.Fatalf("build %s: %v", module, err)
	}
	return strings.TrimSpace(string(out))
}

// ltcWorld is litecoind. With funds the two are paid from its wallets.
func ltcWorld(t *testing.T, funds bool) *world {
	path, err := exec.LookPath("litecoind")
	if err != nil {
		t.Skip("litecoind is not installed: apt-get install --no-install-recommends litecoind")
	}
	p, dir := ports(t, 1), t.TempDir()
	w := &world{t: t, coin: contracts.LTC, mock: true, funds: funds, endpoint: utxo.Endpoint{URL: fmt.Sprintf("http://127.0.0.1:%d", p[0]), User: "u", Pass: "p"}}
	w.join(ltcRegtest)
	w.start(path, "-regtest", "-datadir="+dir, "-server", "-listen=0", "-dnsseed=0", "-txindex=1", "-fallbackfee=0.0001", "-keypool=5", "-printtoconsole=0",
		"-rpcbind=127.0.0.1", "-rpcallowip=127.0.0.1", fmt.Sprintf("-rpcport=%d", p[0]), "-rpcuser=u", "-rpcpassword=p")
	w.call(nil, "createwallet", "miner")
	w.call(nil, "createwallet", "hidden")
	if funds {
		w.call(nil, "createwallet", "alice")
		w.call(nil, "createwallet", "bob")
	}
	w.wallet = "/wallet/miner"
	var own, mweb string
	w.call(&own, "getnewaddress")
	w.mine = func(n int) { w.t.Helper(); w.call(nil, "generatetoaddress", n, own) }
	w.mine(431)
	w.wallet = "/wallet/hidden"
	w.call(&mweb, "getnewaddress", "", "mweb")
	w.wallet = "/wallet/miner"
	w.call(nil, "sendtoaddress", mweb, 5) // block 432 cannot be made without
	w.mine(930)                           // CLTV is law from 1351 on
	w.follow(w.alice, w.bob)
	return w
}
