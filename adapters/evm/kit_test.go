package evm_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/ethclient/simulated"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"

	"photon/adapters/eth"
	"photon/adapters/evm"
	"photon/adapters/smt"
	"photon/contracts"
	"photon/swap/trade"
)

// simID is the chain id of the simulated chain.
const simID = 1337

// A world is a chain in this process whose blocks are made by hand, with one
// HashLock, one token and two people.
type world struct {
	t     *testing.T
	sim   backend
	back  *rpc.Client
	gate  *gate // the endpoint that people use
	kind  contracts.Chain
	lock  contracts.Address
	token contracts.Address
	at    contracts.Channels // once they are deployed, see withChannels
	dates contracts.Address  // SecretRegistry
	alice *person
	bob   *person
}

// A backend is a chain that is mined by hand.
type backend struct {
	*simulated.Backend
	back *rpc.Client
}

// Commit mines a block of all that was sent. The pool queues what it is given and
// looks only then whether it can be mined: that is waited for, though not for long,
// as what waits for another never can.
func (b backend) Commit() common.Hash {
	var pool struct{ Queued hexutil.Uint64 }
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		if err := b.back.Call(&pool, "txpool_status"); err != nil {
			panic(err)
		}
		if pool.Queued == 0 {
			break
		}
	}
	return b.Backend.Commit()
}

// A person is an account and its view of the chain.
type person struct {
	*evm.Chain
	key    *ecdsa.PrivateKey
	mu     sync.Mutex
	head   trade.Head
	fates  map[trade.Side]trade.Fate
	said   int
	cancel context.CancelFunc
	ended  chan error
}

// newWorld starts a chain of this kind; the endpoint of SMT has all of
// Spectrum's traps.
func newWorld(t *testing.T, kind contracts.Chain) *world {
	t.Helper()
	keys := []*ecdsa.PrivateKey{newKey(t), newKey(t)}
	rich := new(big.Int).Mul(big.NewInt(100), big.NewInt(params.Ether))
	alloc := types.GenesisAlloc{}
	for _, k := range keys {
		alloc[crypto.PubkeyToAddress(k.PublicKey)] = types.Account{Balance: rich}
	}
	port := freePort(t)
	sim := simulated.NewBackend(alloc, func(n *node.Config, _ *ethconfig.Config) {
		n.HTTPHost, n.HTTPPort, n.HTTPModules = "127.0.0.1", port, []string{"eth", "net", "txpool"}
	})
	t.Cleanup(func() { sim.Close() })
	back, err := rpc.Dial(fmt.Sprintf("http://127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(back.Close)
	w := &world{t: t, kind: kind, sim: backend{sim, back}, back: back}
	w.sim.Commit()
	w.gate = newGate(t, w.back, kind == contracts.SMT)
	setup := w.person(keys[0], w.gate.URL)
	w.lock = w.deploy(setup, contracts.HashLockDeploy(simID))
	w.token = w.deploy(setup, contracts.TestTokenDeploy("Test", "TST", 6, contracts.Units(1_000_000)))
	w.alice, w.bob = w.person(keys[0], w.gate.URL), w.person(keys[1], w.gate.URL)
	return w
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// person returns a new view of the chain through these endpoints.
func (w *world) person(key *ecdsa.PrivateKey, urls ...string) *person {
	w.t.Helper()
	return newPerson(w.t, w.kind, evm.Config{
		ChainID: simID, Endpoints: urls, Contract: w.lock, Key: key, Poll: 5 * time.Millisecond, LogRange: 10,
		Channels: w.at.At, Registry: w.dates, Depth: 3,
		Log: slog.New(slog.NewTextHandler(testWriter{w.t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
}

func newPerson(t *testing.T, kind contracts.Chain, cfg evm.Config) *person {
	t.Helper()
	open := eth.New
	if kind == contracts.SMT {
		open = smt.New
	}
	c, err := open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &person{Chain: c, key: cfg.Key, fates: map[trade.Side]trade.Fate{}}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// deploy creates a contract, mining until it is there.
func (w *world) deploy(p *person, init []byte) contracts.Address {
	w.t.Helper()
	type made struct {
		at  contracts.Address
		err error
	}
	done := make(chan made, 1)
	go func() {
		at, err := p.Deploy(context.Background(), init)
		done <- made{at, err}
	}()
	for {
		select {
		case m := <-done:
			if m.err != nil {
				w.t.Fatal(m.err)
			}
			return m.at
		case <-time.After(5 * time.Millisecond):
			w.sim.Commit()
		}
	}
}

// terms are of a leg of 1000 units that from locks for to, for an hour.
func (w *world) terms(asset contracts.Asset, from, to *person, secret contracts.Secret) contracts.Terms {
	w.t.Helper()
	head, err := from.Head(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return contracts.Terms{
		Asset: asset, Amount: contracts.Units(1000), Hash: secret.Hash(), Form: contracts.Contract, Contract: w.lock,
		Redeemer: from.party(to), Refunder: from.party(from), Expiry: head.Time + 3600,
	}
}

func (*person) party(p *person) contracts.Party { return contracts.Party(p.Account().Bytes()) }

func (w *world) native() contracts.Asset { return contracts.Native(w.kind) }
func (w *world) tokens() contracts.Asset { return contracts.Asset{Chain: w.kind, Token: w.token} }

// follow starts to watch a leg from both sides.
func (w *world) follow(t contracts.Terms) {
	w.t.Helper()
	w.alice.follow(w.t, trade.Watch{ID: t.Hash, Side: trade.Ours, Terms: t})
	w.bob.follow(w.t, trade.Watch{ID: t.Hash, Side: trade.Theirs, Terms: t})
}

func (p *person) follow(t *testing.T, legs ...trade.Watch) {
	t.Helper()
	if err := p.Watch(context.Background(), legs...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.ended = cancel, make(chan error, 1)
	go func() { p.ended <- p.Follow(ctx, p.deliver) }()
	t.Cleanup(func() { p.stop(t) })
}

func (p *person) stop(t *testing.T) {
	if p.cancel == nil {
		return
	}
	p.cancel()
	if err := <-p.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow ended with %v", err)
	}
	p.cancel = nil
}

func (p *person) deliver(_ context.Context, n trade.News) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.head = n.Head
	p.said++
	for _, s := range n.Sightings {
		p.fates[s.Side] = s.Fate
	}
	return nil
}

// await polls until ok holds for the fate of the leg on a side.
func (p *person) await(t *testing.T, side trade.Side, what string, ok func(trade.Head, trade.Fate) bool) trade.Fate {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		p.mu.Lock()
		h, f := p.head, p.fates[side]
		p.mu.Unlock()
		if ok(h, f) {
			return f
		}
		if time.Now().After(end) {
			t.Fatalf("%s: never seen; head %d, lock %+v, end %+v", what, h.Height, f.Lock, f.End)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func lockedAt(height uint64) func(trade.Head, trade.Fate) bool {
	return func(_ trade.Head, f trade.Fate) bool { return f.Lock != nil && f.Lock.Height == height && f.End == nil }
}

func ended(kind trade.Kind) func(trade.Head, trade.Fate) bool {
	return func(_ trade.Head, f trade.Fate) bool {
		return f.End != nil && f.End.Height > 0 && f.End.Kind == kind && !f.End.Fee.IsZero()
	}
}

// make prepares an order and sends all of it.
func (p *person) make(t *testing.T, o trade.Order) []trade.Tx {
	t.Helper()
	txs, err := p.Prepare(context.Background(), o)
	if err != nil {
		t.Fatalf("prepare %s: %v", o.Purpose, err)
	}
	for _, tx := range txs {
		if err := p.Send(context.Background(), tx); err != nil {
			t.Fatalf("send %s: %v", tx.Purpose, err)
		}
	}
	return txs
}

// mined checks that transactions are mined and did what they should.
func (w *world) mined(txs ...trade.Tx) {
	w.t.Helper()
	for _, tx := range txs {
		r, err := w.sim.Client().TransactionReceipt(bg, commonHash(tx.TxID))
		if err != nil {
			w.t.Errorf("%s: %v", tx.Purpose, err)
		} else if r.Status == 0 {
			w.t.Errorf("%s reverted after %d gas", tx.Purpose, r.GasUsed)
		}
	}
}

func (w *world) height() uint64 {
	w.t.Helper()
	n, err := w.sim.Client().BlockNumber(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (p *person) holds(t *testing.T, a contracts.Asset) contracts.Amount {
	t.Helper()
	n, _, err := p.Balance(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A gate is an endpoint in front of a real node. It can be told to answer
// otherwise.
type gate struct {
	*httptest.Server
	back   *rpc.Client
	strict bool // as Spectrum

	mu    sync.Mutex
	down  bool
	fault func(method string, args []json.RawMessage) (answer any, err error, yes bool)
	asked map[string]int
}

// A saying is an error as JSON-RPC writes it.
type saying struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (s saying) Error() string { return s.Message }

func newGate(t *testing.T, back *rpc.Client, strict bool) *gate {
	g := &gate{back: back, strict: strict, asked: map[string]int{}}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

func (g *gate) set(down bool, fault func(string, []json.RawMessage) (any, error, bool)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down, g.fault, g.asked = down, fault, map[string]int{}
}

func (g *gate) count(method string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[method]
}

type wireCall struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

func (g *gate) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	g.mu.Lock()
	down := g.down
	g.mu.Unlock()
	if err != nil || down {
		http.Error(rw, "down for repair", http.StatusServiceUnavailable)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	body = bytes.TrimSpace(body)
	var calls []wireCall
	if body[0] == '[' {
		err = json.Unmarshal(body, &calls)
	} else {
		calls = make([]wireCall, 1)
		err = json.Unmarshal(body, &calls[0])
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	answers := make([]map[string]any, len(calls))
	for i, c := range calls {
		answers[i] = map[string]any{"jsonrpc": "2.0", "id": c.ID}
		if v, err := g.answer(r.Context(), c); err != nil {
			answers[i]["error"] = err
		} else {
			answers[i]["result"] = v
		}
	}
	var out any = answers
	if body[0] != '[' {
		out = answers[0]
	}
	_ = json.NewEncoder(rw).Encode(out) // whoever asked may have gone
}

func (g *gate) answer(ctx context.Context, c wireCall) (any, error) {
	g.mu.Lock()
	g.asked[c.Method]++
	fault := g.fault
	g.mu.Unlock()
	if fault != nil {
		if v, err, yes := fault(c.Method, c.Params); yes {
			return v, err
		}
	}
	if g.strict {
		return g.spectrum(ctx, c)
	}
	return g.pass(ctx, c)
}

func (g *gate) pass(ctx context.Context, c wireCall) (any, error) {
	args := make([]any, len(c.Params))
	for i, p := range c.Params {
		args[i] = p
	}
	var v json.RawMessage
	err := g.back.CallContext(ctx, &v, c.Method, args...)
	if err == nil {
		return v, nil
	}
	s := saying{Code: -32000, Message: err.Error()}
	var coded rpc.Error
	if errors.As(err, &coded) {
		s.Code = coded.ErrorCode()
	}
	var data rpc.DataError
	if errors.As(err, &data) {
		s.Data = data.ErrorData()
	}
	return nil, s
}

// spectrum answers with all of Spectrum's traps.
func (g *gate) spectrum(ctx context.Context, c wireCall) (any, error) {
	for _, p := range c.Params {
		switch string(p) {
		case `"safe"`, `"finalized"`, `"pending"`:
			return nil, saying{Code: -32602, Message: "invalid argument: hex string without 0x prefix"}
		}
	}
	switch c.Method {
	case "eth_feeHistory", "eth_maxPriorityFeePerGas", "eth_getBlockReceipts", "eth_chainId":
		if c.Method == "eth_chainId" {
			break
		}
		return nil, saying{Code: -32601, Message: "The method " + c.Method + " does not exist/is not available"}
	case "eth_call", "eth_estimateGas":
		c.Params[0] = without(c.Params[0], "input")
		v, err := g.pass(ctx, c)
		var s saying
		if c.Method == "eth_call" && errors.As(err, &s) && s.Data != nil {
			return s.Data, nil
		}
		return v, err
	case "eth_getLogs":
		c.Params[0] = without(c.Params[0], "blockHash")
	case "eth_sendRawTransaction":
		if err := legacyOnly(c.Params[0]); err != nil {
			return nil, err
		}
	case "eth_getTransactionReceipt":
		return g.strip(ctx, c, "effectiveGasPrice", "type")
	case "eth_getBlockByNumber":
		return g.strip(ctx, c, "baseFeePerGas", "withdrawals", "withdrawalsRoot", "blobGasUsed", "transactionsRoot")
	}
	return g.pass(ctx, c)
}

func (g *gate) strip(ctx context.Context, c wireCall, fields ...string) (any, error) {
	v, err := g.pass(ctx, c)
	if raw, ok := v.(json.RawMessage); ok && string(raw) != "null" {
		return without(raw, fields...), err
	}
	return v, err
}

func without(raw json.RawMessage, fields ...string) json.RawMessage {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return raw
	}
	for _, f := range fields {
		delete(m, f)
	}
	out, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return out
}

func legacyOnly(raw json.RawMessage) error {
	var b hexutil.Bytes
	var tx types.Transaction
	if err := json.Unmarshal(raw, &b); err != nil {
		return saying{Code: -32602, Message: err.Error()}
	}
	if err := tx.UnmarshalBinary(b); err != nil || tx.Type() != types.LegacyTxType || !tx.Protected() {
		return saying{Code: -32000, Message: "rlp: expected input list for types.txdata"}
	}
	if tx.GasPrice().Cmp(big.NewInt(18_000_000_000)) < 0 {
		return saying{Code: -32000, Message: "transaction underpriced"}
	}
	return nil
}

func commonHash(h contracts.Hash) common.Hash { return common.Hash(h) }
