package evm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"photon/adapters/evm"
	"photon/contracts"
	"photon/swap/trade"
)

type fault = func(method string, args []json.RawMessage) (any, error, bool)

// only faults one method.
func only(method string, answer any, err error) fault {
	return func(m string, _ []json.RawMessage) (any, error, bool) { return answer, err, m == method }
}

// failing are the ways in which an endpoint fails.
var failing = []struct {
	name  string
	down  bool
	fault fault
}{
	{"down", true, nil},
	{"of another network", false, only("eth_chainId", "0x1", nil)},
	{"without the contract", false, only("eth_getCode", "0x", nil)},
	{"with another contract", false, only("eth_getCode", "0x6001", nil)},
	{"limits the rate", false, only("eth_getBlockByNumber", nil, saying{Code: -32005, Message: "rate limited"})},
	{"talks nonsense", false, only("eth_getBlockByNumber", "nonsense", nil)},
	{"knows no block", false, only("eth_getBlockByNumber", nil, nil)},
	{"has a negative head", false, only("eth_getBlockByNumber", map[string]any{"number": "-0x1"}, nil)},
	{"has an absurd head", false, only("eth_getBlockByNumber", map[string]any{
		"number": "0x7fffffff", "timestamp": "0x1", "hash": fmt.Sprintf("0x%064x", 1), "parentHash": fmt.Sprintf("0x%064x", 2),
	}, nil)},
	{"lost the logs", false, only("eth_getLogs", nil, saying{Code: -32000, Message: "missing trie node"})},
}

// The first endpoint fails in some way; the second is asked instead, and what
// Bob must see he sees.
func TestEndpointFails(t *testing.T) {
	for _, row := range failing {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, contracts.ETH)
			bad := newGate(t, w.back, false)
			bad.set(row.down, row.fault)
			w.bob = w.person(w.bob.key, bad.URL, w.gate.URL)
			terms := w.terms(w.native(), w.alice, w.bob, contracts.Secret{1})
			w.follow(terms)
			w.alice.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms})
			w.sim.Commit()
			w.bob.await(t, trade.Theirs, "lock", lockedAt(w.height()))
			w.bob.mu.Lock()
			defer w.bob.mu.Unlock()
			if w.bob.head.Height > w.height() {
				t.Errorf("believed in block %d", w.bob.head.Height)
			}
		})
	}
}

// The only endpoint is down for a while: Follow waits and goes on, and whoever
// asks meanwhile is told.
func TestOnlyEndpointDown(t *testing.T) {
	w := newWorld(t, contracts.SMT)
	terms := w.terms(w.native(), w.alice, w.bob, contracts.Secret{1})
	w.follow(terms)
	w.bob.await(t, trade.Theirs, "head", func(h trade.Head, _ trade.Fate) bool { return h.Height == w.height() })
	w.gate.set(true, nil)
	o := trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms}
	if _, err := w.alice.Prepare(bg, o); !errors.Is(err, evm.ErrDown) {
		t.Errorf("prepare: %v", err)
	}
	if err := w.person(w.bob.key, w.gate.URL).Check(bg); !errors.Is(err, evm.ErrDown) {
		t.Errorf("check: %v", err)
	}
	w.gate.set(false, nil)
	w.alice.make(t, o)
	w.sim.Commit()
	w.bob.await(t, trade.Theirs, "lock", lockedAt(w.height()))
}

// Check names what is wrong with a config.
func TestCheck(t *testing.T) {
	w := newWorld(t, contracts.SMT)
	if err := w.alice.Check(bg); err != nil {
		t.Errorf("good: %v", err)
	}
	cfg := evm.Config{ChainID: simID, Endpoints: []string{w.gate.URL}, Contract: w.lock, Key: w.alice.key}
	other, wrong := cfg, cfg
	other.ChainID = 20180430
	wrong.Contract = w.token
	for _, row := range []struct {
		name string
		cfg  evm.Config
		want error
	}{{"network", other, evm.ErrNetwork}, {"contract", wrong, evm.ErrCode}} {
		p := newPerson(t, contracts.SMT, row.cfg)
		if err := p.Check(bg); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
		if _, err := p.Head(bg); !errors.Is(err, row.want) {
			t.Errorf("%s: head: %v", row.name, err)
		}
	}
	w.gate.set(false, only("eth_chainId", nil, saying{Code: -32601, Message: "method not found"}))
	if err := w.person(w.alice.key, w.gate.URL).Check(bg); err != nil {
		t.Errorf("a node that knows its network id only: %v", err)
	}
}

// An endpoint that is behind changes nothing, and Follow never goes back to it.
func TestStaleHead(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	terms := w.terms(w.native(), w.alice, w.bob, contracts.Secret{1})
	slow := newGate(t, w.back, false)
	w.bob = w.person(w.bob.key, slow.URL, w.gate.URL)
	w.follow(terms)
	w.sim.Commit()
	top := w.height()
	w.bob.await(t, trade.Theirs, "head", func(h trade.Head, _ trade.Fate) bool { return h.Height == top })
	var old json.RawMessage
	if err := w.back.Call(&old, "eth_getBlockByNumber", hexutil.Uint64(top-1), false); err != nil {
		t.Fatal(err)
	}
	slow.set(false, func(m string, args []json.RawMessage) (any, error, bool) {
		return old, nil, m == "eth_getBlockByNumber" && string(args[0]) == `"latest"`
	})
	w.sim.Commit()
	seen := w.bob.await(t, trade.Theirs, "next head", func(h trade.Head, _ trade.Fate) bool {
		if h.Height < top {
			t.Fatalf("went back to %d", h.Height)
		}
		return h.Height == top+1
	})
	if seen.Lock != nil {
		t.Errorf("saw a lock: %+v", seen.Lock)
	}
}

// An endpoint limits how many blocks it looks through at once.
func TestLogRangeLimited(t *testing.T) {
	w := newWorld(t, contracts.SMT)
	terms := w.terms(w.native(), w.alice, w.bob, contracts.Secret{1})
	w.alice.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms})
	w.sim.Commit()
	at := w.height()
	for range 30 {
		w.sim.Commit()
	}
	var refused atomic.Int32
	w.gate.set(false, func(m string, args []json.RawMessage) (any, error, bool) {
		var q struct{ FromBlock, ToBlock hexutil.Uint64 }
		if m != "eth_getLogs" || json.Unmarshal(args[0], &q) != nil || q.ToBlock-q.FromBlock < 3 {
			return nil, nil, false
		}
		refused.Add(1)
		return nil, saying{Code: -32000, Message: "exceed maximum block range: 3"}, true
	})
	w.follow(terms)
	w.bob.await(t, trade.Theirs, "lock", lockedAt(at))
	if refused.Load() == 0 {
		t.Error("the limit was never met")
	}
}

// Lies about logs are not believed: those of another contract, in another block,
// with a wrong secret, or that look like nothing the contract writes.
func TestFalseLogs(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	terms := w.terms(w.native(), w.alice, w.bob, contracts.Secret{1})
	s, err := contracts.NewSwap(terms)
	if err != nil {
		t.Fatal(err)
	}
	topics := contracts.HashLockTopics()
	hex := func(h contracts.Hash) string { return "0x" + h.String() }
	lock := func(address contracts.Address, block string, topics []string, data string) any {
		return []any{map[string]any{
			"address": address, "topics": topics, "data": data, "blockNumber": hexutil.Uint64(w.height()), "blockHash": block,
			"transactionHash": fmt.Sprintf("0x%064x", 7), "logIndex": "0x0",
		}}
	}
	head, err := w.sim.Client().HeaderByNumber(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	locked := []string{hex(topics[0]), hex(s.Key()), hex(terms.Hash)}
	redeemed := []string{hex(topics[1]), hex(s.Key())}
	for _, row := range []struct {
		name   string
		answer any
	}{
		{"of another contract", lock(w.token, head.Hash().Hex(), locked, "0x")},
		{"in another block", lock(w.lock, fmt.Sprintf("0x%064x", 9), locked, "0x")},
		{"with a wrong secret", lock(w.lock, head.Hash().Hex(), redeemed, fmt.Sprintf("0x%064x", 9))},
		{"with a short secret", lock(w.lock, head.Hash().Hex(), redeemed, "0x01")},
		{"of another event", lock(w.lock, head.Hash().Hex(), []string{fmt.Sprintf("0x%064x", 9)}, "0x")},
		{"that are no logs", "yes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			liar := newGate(t, w.back, false)
			liar.set(false, only("eth_getLogs", row.answer, nil))
			p := w.person(w.bob.key, liar.URL)
			p.follow(t, trade.Watch{ID: terms.Hash, Side: trade.Theirs, Terms: terms})
			for liar.count("eth_getLogs") < 3 && p.heads() == 0 {
				time.Sleep(time.Millisecond)
			}
			p.stop(t)
			if f := p.fates[trade.Theirs]; f.Lock != nil || f.End != nil {
				t.Errorf("believed in %+v %+v", f.Lock, f.End)
			}
		})
	}
}

func (p *person) heads() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said
}

// Alice locks in a copy of the contract, or other terms than agreed: to Bob there
// is no lock.
func TestLookAlike(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	terms := w.terms(w.native(), w.alice, w.bob, contracts.Secret{1})
	w.bob.follow(t, trade.Watch{ID: terms.Hash, Side: trade.Theirs, Terms: terms})
	real := w.lock
	w.lock = w.deploy(w.alice, contracts.HashLockDeploy(simID))
	copycat := w.person(w.alice.key, w.gate.URL)
	less, later, twin := terms, terms, terms
	less.Amount = contracts.Units(999)
	later.Expiry++
	twin.Contract = w.lock
	copycat.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: twin})
	w.sim.Commit()
	if err := w.bob.Watch(bg, trade.Watch{ID: terms.Hash, Side: trade.Ours, Terms: twin}); !errors.Is(err, evm.ErrLeg) {
		t.Errorf("watch of another contract: %v", err)
	}
	w.lock = real
	for n, wrong := range []contracts.Terms{less, later} {
		w.alice.make(t, trade.Order{ID: contracts.Hash{byte(n + 1)}, Side: trade.Ours, Purpose: trade.Lock, Terms: wrong})
		w.sim.Commit()
	}
	w.bob.await(t, trade.Theirs, "heads without a lock", func(h trade.Head, f trade.Fate) bool {
		if f.Lock != nil {
			t.Fatalf("took %+v for the lock", f.Lock)
		}
		return h.Height == w.height()
	})
}

// Agree wants every endpoint that answers to see the lock, and more than half to
// answer.
func TestAgree(t *testing.T) {
	w := newWorld(t, contracts.SMT)
	terms := w.terms(w.native(), w.alice, w.bob, contracts.Secret{1})
	w.follow(terms)
	w.alice.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms})
	w.sim.Commit()
	f := w.bob.await(t, trade.Theirs, "lock", lockedAt(w.height()))
	watch := trade.Watch{ID: terms.Hash, Side: trade.Theirs, Terms: terms}
	second, third := newGate(t, w.back, true), newGate(t, w.back, true)
	p := w.person(w.bob.key, w.gate.URL, second.URL, third.URL)
	higher, unmined := f, f
	spot, waiting := *f.Lock, *f.Lock
	spot.Height++
	waiting.Height = 0
	higher.Lock, unmined.Lock = &spot, &waiting
	revert := "0x08c379a0" + strings.Repeat("00", 96)
	for _, row := range []struct {
		name   string
		second fault
		third  bool // is down
		fate   trade.Fate
		want   error
	}{
		{"all", nil, false, f, nil},
		{"one is down", nil, true, f, nil},
		{"two are down", only("eth_call", nil, saying{Code: -32603, Message: "internal error"}), true, f, evm.ErrDown},
		{"one sees no transaction", only("eth_getTransactionReceipt", nil, nil), false, f, evm.ErrDisagree},
		{"one sees it not held", only("eth_call", fmt.Sprintf("0x%064x", 0), nil), false, f, evm.ErrDisagree},
		{"one answers a revert", only("eth_call", revert, nil), true, f, evm.ErrDown},
		{"another height", nil, false, higher, evm.ErrDisagree},
		{"not mined", nil, false, unmined, evm.ErrDisagree},
		{"no lock", nil, false, trade.Fate{}, evm.ErrDisagree},
	} {
		second.set(false, row.second)
		third.set(row.third, nil)
		if err := p.Agree(bg, watch, row.fate); !errors.Is(err, row.want) || (row.want == nil && err != nil) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

// What an endpoint says to a transaction, however deep in its own JSON.
func TestSendAnswers(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	nested := func(text string) error {
		return saying{Code: -32603, Message: "Internal JSON-RPC error.", Data: map[string]any{
			"originalError": map[string]any{"body": fmt.Sprintf(`{"error":{"message":%q}}`, text)},
		}}
	}
	for n, row := range []struct {
		say  error
		want error
	}{
		{saying{Code: -32000, Message: "already known"}, nil},
		{nested("already known"), nil},
		{nested("nonce too low"), trade.ErrSpent},
		{nested("insufficient funds for gas * price + value"), trade.ErrShort},
		{nested("replacement transaction underpriced"), evm.ErrRefused},
		{saying{Code: -32000, Message: "tx fee (2.00 ether) exceeds the configured cap (1.00 ether)"}, evm.ErrRefused},
	} {
		tx := w.alice.prepare(t, w.lockOrder(w.native(), byte(n+1)))
		w.gate.set(false, only("eth_sendRawTransaction", nil, row.say))
		if err := w.alice.Send(bg, tx); !errors.Is(err, row.want) || (row.want == nil && err != nil) {
			t.Errorf("%v: %v, want %v", row.say, err, row.want)
		}
		w.gate.set(false, nil)
	}
	if err := w.alice.Send(bg, trade.Tx{Raw: []byte{1, 2, 3}}); err == nil {
		t.Error("sent what is no transaction")
	}
}

// A thousand legs are watched at once, as after a restart: the past is read once,
// page by page, for all of them.
func TestRescanIsOnePass(t *testing.T) {
	w := newWorld(t, contracts.SMT)
	terms := w.terms(w.native(), w.alice, w.bob, contracts.Secret{1})
	w.alice.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms})
	w.sim.Commit()
	at := w.height()
	for range 40 {
		w.sim.Commit()
	}
	legs := []trade.Watch{{ID: terms.Hash, Side: trade.Theirs, Terms: terms}}
	for n := range 999 {
		other := terms
		other.Hash = contracts.Secret{byte(n), byte(n >> 8), 3}.Hash()
		legs = append(legs, trade.Watch{ID: other.Hash, Side: trade.Ours, Terms: other})
	}
	w.gate.set(false, nil)
	w.bob.follow(t, legs...)
	w.bob.await(t, trade.Theirs, "lock", lockedAt(at))
	if pages, most := w.gate.count("eth_getLogs"), int(w.height())/10+1; pages > most {
		t.Errorf("%d questions for logs, want at most %d", pages, most)
	}
}

// Only one may follow, and what a deliverer refuses ends it.
func TestFollowEnds(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	boom := errors.New("store failed")
	err := w.alice.Follow(bg, func(ctx context.Context, _ trade.News) error {
		if err := w.alice.Follow(ctx, nil); err == nil {
			t.Error("followed twice")
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("ended with %v", err)
	}
}

// Prices that cannot be true are not paid: the last good one stands, and without
// one nothing is made.
func TestAbsurdPrice(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	w.gate.set(false, only("eth_maxPriorityFeePerGas", "0x"+strings.Repeat("f", 30), nil))
	tx := decode(t, w.person(w.alice.key, w.gate.URL).prepare(t, w.lockOrder(w.native(), 1)))
	if tip := tx.GasTipCap().Uint64(); tip != 200_000_000_000 {
		t.Errorf("tip of %d", tip)
	}
	w.gate.set(false, only("eth_maxPriorityFeePerGas", nil, saying{Code: -32000, Message: "no idea"}))
	if _, err := w.person(w.alice.key, w.gate.URL).Prepare(bg, w.lockOrder(w.native(), 2)); err != nil {
		t.Errorf("without a tip: %v", err)
	}
}
