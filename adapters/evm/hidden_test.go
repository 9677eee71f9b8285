package evm_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"photon/adapters/evm"
	"photon/contracts"
	"photon/swap/trade"
)

// A hiding turns an answer, and says whether it did.
type hiding func(w *world, method string, args []json.RawMessage, answer json.RawMessage) (json.RawMessage, bool)

// hides leaves events out of the logs, by their first topics.
func hides(topics ...contracts.Hash) hiding {
	return func(_ *world, method string, _ []json.RawMessage, answer json.RawMessage) (json.RawMessage, bool) {
		var logs []map[string]json.RawMessage
		if method != "eth_getLogs" || json.Unmarshal(answer, &logs) != nil {
			return nil, false
		}
		left := []any{}
		for _, l := range logs {
			if !names(l["topics"], topics) {
				left = append(left, l)
			}
		}
		raw, err := json.Marshal(left)
		return raw, err == nil
	}
}

func names(raw json.RawMessage, topics []contracts.Hash) bool {
	for _, t := range topics {
		if bytes.Contains(raw, []byte(t.String())) {
			return true
		}
	}
	return false
}

// says gives one answer to every call of a contract: what the state is.
func says(height uint64) hiding {
	return func(_ *world, method string, _ []json.RawMessage, _ json.RawMessage) (json.RawMessage, bool) {
		word := make([]byte, 32)
		word[31] = byte(height)
		raw, err := json.Marshal(hexutil.Bytes(word))
		return raw, method == "eth_call" && err == nil
	}
}

// bare shows blocks without their transactions.
func bare(_ *world, method string, args []json.RawMessage, answer json.RawMessage) (json.RawMessage, bool) {
	return without(answer, "transactions"), method == "eth_getBlockByNumber" && string(args[1]) == "true" && string(answer) != "null"
}

// lags tells of a newest block that is five below.
func lags(w *world, method string, args []json.RawMessage, answer json.RawMessage) (json.RawMessage, bool) {
	var h struct{ Number hexutil.Uint64 }
	if method != "eth_getBlockByNumber" || string(args[0]) != `"latest"` || json.Unmarshal(answer, &h) != nil || h.Number < 5 {
		return nil, false
	}
	var old json.RawMessage
	err := w.back.Call(&old, method, h.Number-5, false)
	return old, err == nil
}

// gateOf is an endpoint that answers as these turn its answers.
func (w *world) gateOf(turns ...hiding) *gate {
	g := newGate(w.t, w.back, false)
	g.set(false, func(method string, args []json.RawMessage) (any, error, bool) {
		with := make([]any, len(args))
		for i, a := range args {
			with[i] = a
		}
		var answer json.RawMessage
		if err := w.back.Call(&answer, method, with...); err != nil {
			return nil, nil, false
		}
		for _, turn := range turns {
			if turned, yes := turn(w, method, args, answer); yes {
				return turned, nil, true
			}
		}
		return nil, nil, false
	})
	return g
}

// A record is what was logged as an error.
type record struct {
	mu  sync.Mutex
	all []string
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, string(b))
	return len(b), nil
}

func (r *record) has(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.all {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

// watcher is Alice, looking through these endpoints.
func (w *world) watcher(told *record, urls ...string) *person {
	return newPerson(w.t, w.kind, evm.Config{
		ChainID: simID, Endpoints: urls, Contract: w.lock, Key: w.alice.key, Poll: 5 * time.Millisecond, LogRange: 10,
		Log: slog.New(slog.NewTextHandler(told, &slog.HandlerOptions{Level: slog.LevelError})),
	})
}

// F20: endpoints hide the redeem, the refund or the lock from Alice, and lie about
// the contract. What another shows, she sees; the secret she finds in a
// transaction; what nobody shows, a person is told of.
func TestHiddenLog(t *testing.T) {
	topics := contracts.HashLockTopics()
	locked, redeemed, refunded := topics[0], topics[1], topics[2]
	for _, row := range []struct {
		name string
		ends [][]hiding // of each endpoint, the first is asked first
		back bool       // Alice refunds
		late bool       // Alice begins to look when all is over
		seen bool       // she sees how it ended
	}{
		{"by the first", [][]hiding{{hides(redeemed)}, {}}, false, false, true},
		{"by the first, which lies about the state", [][]hiding{{hides(redeemed), says(200)}, {}}, false, false, true},
		{"by two of three", [][]hiding{{hides(redeemed)}, {hides(redeemed), bare}, {}}, false, false, true},
		{"by all, but not the transaction", [][]hiding{{hides(redeemed)}, {hides(redeemed), bare}}, false, false, true},
		{"by the only one, but not the transaction", [][]hiding{{hides(redeemed)}}, false, false, true},
		{"by all, and the transaction", [][]hiding{{hides(redeemed), bare}, {hides(redeemed), bare}}, false, false, false},
		{"a refund, by the first", [][]hiding{{hides(refunded)}, {}}, true, false, true},
		{"a refund, by all", [][]hiding{{hides(refunded)}, {hides(refunded)}}, true, false, false},
		{"the past, by the first", [][]hiding{{hides(locked, redeemed)}, {}}, false, true, true},
		{"the redeem in the past, by the first", [][]hiding{{hides(redeemed)}, {}}, false, true, true},
		{"by nobody, the second lies about the state", [][]hiding{{}, {says(0)}}, false, false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, contracts.ETH)
			var urls []string
			for _, turns := range row.ends {
				urls = append(urls, w.gateOf(turns...).URL)
			}
			told := &record{}
			alice := w.watcher(told, urls...)
			secret := contracts.Secret{1}
			terms := w.terms(w.native(), w.alice, w.bob, secret)
			watch := trade.Watch{ID: terms.Hash, Side: trade.Ours, Terms: terms}
			if !row.late {
				alice.follow(t, watch)
			}
			w.alice.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms})
			w.sim.Commit()
			at := w.height()
			if !row.late {
				alice.await(t, trade.Ours, "lock", lockedAt(at))
			}
			o := trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Redeem, Terms: terms, Spot: &trade.Spot{Height: at}, Secret: &secret}
			by := w.bob
			if row.back {
				if err := w.sim.AdjustTime(2 * time.Hour); err != nil {
					t.Fatal(err)
				}
				o.Purpose, by = trade.Refund, w.alice
			}
			w.sim.Commit()
			txs := by.make(t, o)
			w.sim.Commit()
			end := w.height()
			if row.late {
				w.sim.Commit()
				alice.follow(t, watch)
			}
			const alarm = "no endpoint shows why"
			if row.seen {
				f := alice.await(t, trade.Ours, "the end", func(_ trade.Head, f trade.Fate) bool { return f.End != nil && f.End.Height == end })
				if f.End.TxID != txs[0].TxID || (!row.back && *f.End.Secret != secret) || f.Lock == nil || f.Lock.Height != at {
					t.Errorf("sees %+v %+v", f.Lock, f.End)
				}
			} else {
				for n := uint64(0); !told.has(alarm); n++ {
					w.sim.Commit()
					alice.await(t, trade.Ours, "next head", func(h trade.Head, f trade.Fate) bool { return h.Height == w.height() && f.End == nil })
					if n > 20 {
						t.Fatal("nobody was told")
					}
				}
			}
		})
	}
}

// F20: the first endpoint is always some blocks behind, though each of its blocks
// is new: the one that is ahead is followed.
func TestLaggingEndpoint(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	slow := w.gateOf(lags)
	alice := w.watcher(&record{}, slow.URL, w.gateOf().URL)
	terms := w.terms(w.native(), w.alice, w.bob, contracts.Secret{1})
	for range 10 {
		w.sim.Commit()
	}
	alice.follow(t, trade.Watch{ID: terms.Hash, Side: trade.Ours, Terms: terms})
	alice.await(t, trade.Ours, "the newest block", func(h trade.Head, _ trade.Fate) bool { return h.Height == w.height() })
}

// Another endpoint that owes its word on the legs keeps no block from us.
func TestNewsDoNotWaitForAnothersWord(t *testing.T) {
	w := newWorld(t, contracts.ETH)
	good, hung := w.gateOf(), newGate(t, w.back, false)
	asked, answer := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(answer) })
	var once sync.Once
	hung.set(false, func(method string, _ []json.RawMessage) (any, error, bool) {
		if method == "eth_call" {
			once.Do(func() { close(asked) })
			<-answer
		}
		return nil, nil, false
	})
	alice := w.watcher(&record{}, good.URL, hung.URL)
	terms := w.terms(w.native(), w.alice, w.bob, contracts.Secret{1})
	w.alice.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms})
	w.sim.Commit()
	alice.follow(t, trade.Watch{ID: terms.Hash, Side: trade.Ours, Terms: terms})
	<-asked
	alice.mu.Lock()
	defer alice.mu.Unlock()
	if alice.head.Height != w.height() || alice.fates[trade.Ours].Lock == nil {
		t.Errorf("knows height %d and %+v while it waits, the chain has %d", alice.head.Height, alice.fates[trade.Ours], w.height())
	}
}

// An endpoint that lies about the state of many legs costs one look through the
// blocks for all of them, not one for each.
func TestLiarCostsOneLookThroughTheBlocks(t *testing.T) {
	const legs, blocks = 8, 10
	w := newWorld(t, contracts.ETH)
	var mu sync.Mutex
	read := map[string]int{}
	count := func(_ *world, method string, args []json.RawMessage, _ json.RawMessage) (json.RawMessage, bool) {
		if method == "eth_getBlockByNumber" && string(args[1]) == "true" {
			mu.Lock()
			defer mu.Unlock()
			read[string(args[0])]++
		}
		return nil, false
	}
	told := &record{}
	alice := w.watcher(told, w.gateOf().URL, w.gateOf(count, says(0)).URL)
	var watches []trade.Watch
	for n := range byte(legs) {
		terms := w.terms(w.native(), w.alice, w.bob, contracts.Secret{n + 1})
		w.alice.make(t, trade.Order{ID: terms.Hash, Side: trade.Ours, Purpose: trade.Lock, Terms: terms})
		watches = append(watches, trade.Watch{ID: terms.Hash, Side: trade.Ours, Terms: terms})
	}
	w.sim.Commit()
	for range blocks {
		w.sim.Commit()
	}
	alice.follow(t, watches...)
	looks := 0
	for ; !told.has("no endpoint shows why"); looks++ {
		w.sim.Commit()
		alice.await(t, trade.Ours, "next head", func(h trade.Head, _ trade.Fate) bool { return h.Height == w.height() })
		if looks > 20 {
			t.Fatal("nobody was told")
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(read) == 0 {
		t.Error("no block was looked through")
	}
	for height, times := range read {
		if times > looks+1 {
			t.Errorf("block %s was read %d times in %d looks", height, times, looks+1)
		}
	}
}
