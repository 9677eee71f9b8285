package evm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"photon/contracts"
	"photon/swap/trade"
)

var testContract = common.HexToAddress("0x00000000000000000000000000000000000c0de1")

// A paper chain is a list of blocks with logs, served as JSON-RPC. It can change
// between any two answers.
type paper struct {
	mu     sync.Mutex
	blocks []paperBlock
	born   uint64 // makes every block another
	before func() // called with mu held before each answer
	url    string

	down     int    // requests that are refused
	loose    int    // topics, from the last on, that are not looked at
	receipts *paper // whose notes the receipts tell; nil: its own
}

type paperBlock struct {
	hash, parent common.Hash
	logs         []paperLog
	notes        []entry // of Channels and SecretRegistry: see note
}

type paperLog struct {
	kind contracts.HashLockKind
	leg  int
}

// legs are the watched legs; their secrets are their numbers.
func paperTerms(leg int) contracts.Terms {
	return contracts.Terms{
		Asset: contracts.Native(contracts.ETH), Amount: contracts.Units(5), Hash: paperSecret(leg).Hash(), Form: contracts.Contract,
		Contract: testContract, Redeemer: common.HexToAddress("0x01").Bytes(), Refunder: common.HexToAddress("0x02").Bytes(),
		Expiry: 1_700_000_000,
	}
}

func paperSecret(leg int) contracts.Secret { return contracts.Secret{byte(leg), byte(leg >> 8), 1} }

func paperWatch(leg int) trade.Watch {
	t := paperTerms(leg)
	return trade.Watch{ID: t.Hash, Side: trade.Theirs, Terms: t}
}

func newPaper(tb testing.TB) *paper {
	p := &paper{}
	p.mine()
	s := httptest.NewServer(http.HandlerFunc(p.serve))
	tb.Cleanup(s.Close)
	p.url = s.URL
	return p
}

// mine adds a block. Called with mu held, or before anybody asks.
func (p *paper) mine(logs ...paperLog) {
	p.born++
	b := paperBlock{hash: crypto.Keccak256Hash([]byte(fmt.Sprint(p.born))), logs: logs}
	if n := len(p.blocks); n > 0 {
		b.parent = p.blocks[n-1].hash
	}
	p.blocks = append(p.blocks, b)
}

func (p *paper) serve(rw http.ResponseWriter, r *http.Request) {
	type ask struct {
		ID     json.RawMessage   `json:"id"`
		Method string            `json:"method"`
		Params []json.RawMessage `json:"params"`
	}
	var raw json.RawMessage
	var asks []ask
	if err := json.NewDecoder(r.Body).Decode(&raw); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	single := json.Unmarshal(raw, &asks) != nil
	if single {
		asks = make([]ask, 1)
		if err := json.Unmarshal(raw, &asks[0]); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
	}
	var answers []any
	p.mu.Lock()
	if p.down--; p.down >= 0 {
		p.mu.Unlock()
		http.Error(rw, "down for repair", http.StatusServiceUnavailable)
		return
	}
	for _, a := range asks {
		if p.before != nil {
			p.before()
		}
		answers = append(answers, map[string]any{"jsonrpc": "2.0", "id": a.ID, "result": p.answer(a.Method, a.Params)})
	}
	p.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json")
	var out any = answers
	if single {
		out = answers[0]
	}
	_ = json.NewEncoder(rw).Encode(out) // the client may have gone
}

func (p *paper) answer(method string, params []json.RawMessage) any {
	switch method {
	case "eth_chainId":
		return "0x1"
	case "eth_getCode":
		return hexutil.Bytes(paperCode(params[0]))
	case "eth_getTransactionCount":
		return "0x0"
	case "eth_getBlockByNumber":
		n := uint64(len(p.blocks) - 1)
		if string(params[0]) != `"latest"` {
			n = paperNumber(params[0])
		}
		if n >= uint64(len(p.blocks)) {
			return nil
		}
		return map[string]any{
			"number": hexutil.Uint64(n), "hash": p.blocks[n].hash, "parentHash": p.blocks[n].parent, "timestamp": hexutil.Uint64(1000 + n),
		}
	case "eth_getLogs":
		var q struct {
			FromBlock, ToBlock json.RawMessage
			Address            common.Address
			Topics             [][]common.Hash
		}
		if err := json.Unmarshal(params[0], &q); err != nil {
			panic(err)
		}
		logs := []any{}
		for n := paperNumber(q.FromBlock); q.Address != testContract && n <= paperNumber(q.ToBlock) && n < uint64(len(p.blocks)); n++ {
			for _, e := range p.blocks[n].notes {
				if e.Address == q.Address && passes(e, q.Topics, 4-p.loose) {
					logs = append(logs, noteJSON(e))
				}
			}
		}
		if q.Address != testContract {
			return logs
		}
		for n := paperNumber(q.FromBlock); n <= paperNumber(q.ToBlock) && n < uint64(len(p.blocks)); n++ {
			for _, l := range p.blocks[n].logs {
				logs = append(logs, paperLogJSON(l, n, p.blocks[n].hash))
			}
		}
		return logs
	case "eth_call":
		var q struct{ Data hexutil.Bytes }
		if err := json.Unmarshal(params[0], &q); err != nil {
			panic(err)
		}
		return hexutil.Bytes(common.LeftPadBytes(big.NewInt(int64(p.lockedAt(q.Data, paperNumber(params[1])))).Bytes(), 32))
	case "eth_getTransactionReceipt":
		if r := p.noted(params[0]); r != nil || p.receipts != nil {
			return r
		}
		return map[string]any{ // another's: it costs us nothing
			"transactionHash": params[0], "from": testContract, "status": "0x1", "gasUsed": "0x1", "effectiveGasPrice": "0x1",
			"blockNumber": "0x1", "blockHash": p.blocks[0].hash,
		}
	}
	panic(method)
}

// lockedAt is what the contract says at a height to a call for the state of a leg.
func (p *paper) lockedAt(call []byte, height uint64) (at uint64) {
	for n, b := range p.blocks[:min(height+1, uint64(len(p.blocks)))] {
		for _, l := range b.logs {
			if s, err := contracts.NewSwap(paperTerms(l.leg)); err != nil || !bytes.Equal(s.StateCall(), call) {
				continue
			}
			if at = uint64(n); l.kind != contracts.LegLocked {
				at = 0
			}
		}
	}
	return at
}

func paperNumber(raw json.RawMessage) uint64 {
	var n hexutil.Uint64
	if err := json.Unmarshal(raw, &n); err != nil {
		panic(err)
	}
	return uint64(n)
}

func paperLogJSON(l paperLog, height uint64, block common.Hash) any {
	s, err := contracts.NewSwap(paperTerms(l.leg))
	if err != nil {
		panic(err)
	}
	topics := contracts.HashLockTopics()
	own, data := []contracts.Hash{topics[2], s.Key()}, hexutil.Bytes{}
	switch l.kind {
	case contracts.LegLocked:
		own = []contracts.Hash{topics[0], s.Key(), paperTerms(l.leg).Hash}
	case contracts.LegRedeemed:
		secret := paperSecret(l.leg)
		own[0], data = topics[1], secret[:]
	}
	return map[string]any{
		"address": testContract, "topics": contractHashes(own), "data": data,
		"blockNumber": hexutil.Uint64(height), "blockHash": block, "transactionHash": paperTx(l, height, block), "logIndex": "0x0",
	}
}

func paperTx(l paperLog, height uint64, block common.Hash) common.Hash {
	return crypto.Keccak256Hash(block[:], []byte(fmt.Sprint(l, height)))
}

// fates reads the whole chain from the start: what every follower must say.
func (p *paper) fates() map[contracts.Hash]trade.Fate {
	all := map[contracts.Hash]trade.Fate{}
	for n, b := range p.blocks {
		for _, l := range b.logs {
			id := paperTerms(l.leg).Hash
			f := all[id]
			tx := contracts.Hash(paperTx(l, uint64(n), b.hash))
			switch l.kind {
			case contracts.LegLocked:
				f.Lock = &trade.Spot{TxID: tx, Amount: contracts.Units(5), Height: uint64(n)}
			case contracts.LegRedeemed:
				secret := paperSecret(l.leg)
				f.End = &trade.End{Kind: trade.BySecret, TxID: tx, Height: uint64(n), Secret: &secret}
			default:
				f.End = &trade.End{Kind: trade.ByTime, TxID: tx, Height: uint64(n)}
			}
			all[id] = f
		}
	}
	return all
}

func newFollower(tb testing.TB, urls ...string) *follower {
	tb.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		tb.Fatal(err)
	}
	c, err := New(Config{
		Chain: contracts.ETH, ChainID: 1, Endpoints: urls, Contract: testContract, Key: key, LogRange: 4,
		Policy: Policy{Depth: 1, Price: func(context.Context, Ask) (Price, error) { return Price{}, errors.New("no price here") }},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return &follower{climber: c.climb(&c.swaps)}
}

// A follower that sees any sequence of blocks, forks and answers that change
// under its hands ends with the fates that a reader of the whole chain finds, and
// what it delivered last is what it knows.
func TestForksAgainstFullRead(t *testing.T) {
	p := newPaper(t)
	rapid.Check(t, func(rt *rapid.T) {
		p.mu.Lock()
		p.before, p.blocks = nil, nil
		p.mine()
		p.mu.Unlock()
		f := newFollower(t, p.url)
		defer f.Close()
		said := map[contracts.Hash]trade.Fate{}
		watched := map[int]bool{}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			if leg := rapid.IntRange(0, 4).Draw(rt, "watch"); !watched[leg] {
				watched[leg] = true
				if err := f.Watch(context.Background(), paperWatch(leg)); err != nil {
					rt.Fatal(err)
				}
			}
			p.mu.Lock()
			p.change(rt)
			now := p.blocks
			p.change(rt)
			later := p.blocks
			p.blocks = now
			countdown := rapid.IntRange(0, 6).Draw(rt, "changes at answer")
			p.before = func() {
				if countdown--; countdown == 0 {
					p.blocks = later
				}
			}
			p.mu.Unlock()
			settle(rt, f, said)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		want := p.fates()
		for leg := range watched {
			id := paperTerms(leg).Hash
			if !same(said[id], want[id]) {
				rt.Fatalf("leg %d: said %+v %+v, is %+v %+v", leg, said[id].Lock, said[id].End, want[id].Lock, want[id].End)
			}
		}
	})
}

// change makes the chain longer, from its tip or from below.
func (p *paper) change(rt *rapid.T) {
	keep := max(1, len(p.blocks)-rapid.SampledFrom([]int{0, 0, 1, 2, 5, 20}).Draw(rt, "fork"))
	least := len(p.blocks) - keep + 1
	p.blocks = p.blocks[:keep:keep]
	for range least + rapid.SampledFrom([]int{0, 1, 3, 30}).Draw(rt, "more") {
		p.mine(paperEvents(rt, p.fates())...)
	}
}

// settle steps until the chain has stopped to change and nothing is left to say.
func settle(rt *rapid.T, f *follower, said map[contracts.Hash]trade.Fate) {
	for range 20 {
		err := f.step(context.Background())
		news, ok := f.news()
		for _, s := range news.Sightings {
			said[s.ID] = s.Fate
		}
		if ok {
			f.say(news)
		}
		if err == nil && !ok {
			return
		}
	}
	rt.Fatal("did not settle")
}

// paperEvents draws what happens in one block: at most one thing for each leg.
func paperEvents(rt *rapid.T, now map[contracts.Hash]trade.Fate) []paperLog {
	var logs []paperLog
	for leg := range 5 {
		if rapid.IntRange(0, 4).Draw(rt, "happens") > 0 {
			continue
		}
		switch f := now[paperTerms(leg).Hash]; {
		case f.Lock == nil:
			logs = append(logs, paperLog{contracts.LegLocked, leg})
		case f.End == nil:
			logs = append(logs, paperLog{rapid.SampledFrom([]contracts.HashLockKind{contracts.LegRedeemed, contracts.LegRefunded}).Draw(rt, "end"), leg})
		}
	}
	return logs
}

// The contract forgets a leg that ended: its refunder can lock the same again
// under the secret that is out. The first lock and its end stand.
func TestSecondLockOfOneLeg(t *testing.T) {
	p := newPaper(t)
	p.mine(paperLog{contracts.LegLocked, 1})
	p.mine(paperLog{contracts.LegRedeemed, 1})
	p.mine(paperLog{contracts.LegLocked, 1})
	f := newFollower(t, p.url)
	if err := f.Watch(context.Background(), paperWatch(1)); err != nil {
		t.Fatal(err)
	}
	if err := f.step(context.Background()); err != nil {
		t.Fatal(err)
	}
	news, _ := f.news()
	if len(news.Sightings) != 1 || news.Sightings[0].Fate.Lock.Height != 1 || news.Sightings[0].Fate.End == nil {
		t.Errorf("said %+v", news.Sightings)
	}
}

// F20: the first endpoint keeps the newest blocks to itself. After the time of
// three blocks another is asked, and followed.
func TestWithheldBlocks(t *testing.T) {
	p, q := newPaper(t), newPaper(t)
	p.mine(paperLog{contracts.LegLocked, 1})
	q.blocks = p.blocks // and no more
	f := newFollower(t, q.url, p.url)
	f.cfg.Policy.Block = time.Minute
	now := time.Now()
	f.now = func() time.Time { return now }
	if err := f.Watch(context.Background(), paperWatch(1)); err != nil {
		t.Fatal(err)
	}
	said := map[contracts.Hash]trade.Fate{}
	look := func() {
		for range 3 {
			if err := f.step(context.Background()); err != nil {
				t.Fatal(err)
			}
			f.extras(context.Background())
			news, _ := f.news()
			for _, s := range news.Sightings {
				said[s.ID] = s.Fate
			}
			f.say(news)
		}
	}
	look()
	p.mu.Lock()
	p.mine(paperLog{contracts.LegRedeemed, 1})
	p.mu.Unlock()
	look()
	if id := paperTerms(1).Hash; said[id].Lock == nil || said[id].End != nil {
		t.Fatalf("at first: %+v", said[id])
	}
	now = now.Add(3*time.Minute + 1)
	look()
	if end := said[paperTerms(1).Hash].End; end == nil || *end.Secret != paperSecret(1) {
		t.Errorf("the end is %+v", end)
	}
}

// Ten thousand legs are watched; a block brings events of two hundred.
func BenchmarkBlock(b *testing.B) {
	p := newPaper(b)
	f := newFollower(b, p.url)
	f.cfg.LogRange, f.page = 2000, 2000
	watches := make([]trade.Watch, 10_000)
	for i := range watches {
		watches[i] = paperWatch(i)
	}
	if err := f.Watch(context.Background(), watches...); err != nil {
		b.Fatal(err)
	}
	if err := f.step(context.Background()); err != nil {
		b.Fatal(err)
	}
	news, _ := f.news()
	f.say(news)
	for n := 0; b.Loop(); n++ {
		var logs []paperLog
		for i := range 200 {
			kind := contracts.LegLocked
			if n/50%2 == 1 {
				kind = contracts.LegRedeemed
			}
			logs = append(logs, paperLog{kind, (n%50)*200 + i})
		}
		p.mu.Lock()
		p.mine(logs...)
		p.mu.Unlock()
		if err := f.step(context.Background()); err != nil {
			b.Fatal(err)
		}
		if f.extras(context.Background()); f.soft != "" { // the next block waits for it
			b.Fatal(f.soft)
		}
		news, ok := f.news()
		if !ok || (n < 100 && len(news.Sightings) != 200) {
			b.Fatalf("block %d: %d sightings", n, len(news.Sightings))
		}
		f.say(news)
	}
}
