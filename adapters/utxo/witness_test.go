package utxo

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
)

// serve is the JSON-RPC of f's chain, as Bitcoin Core and btcd speak it.
func serve(t testing.TB, f *fake) *rpcNode {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Method string
			Params []json.RawMessage
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		answer, err := f.answer(q.Method, q.Params)
		if err != nil {
			fmt.Fprintln(w, refused(codeNotFound, err.Error()))
			return
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"result": answer, "error": nil, "id": 1}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	n, err := newRPCNode(Endpoint{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// answer is what a node with f's chain says to one question.
func (f *fake) answer(method string, params []json.RawMessage) (any, error) {
	var hash chainhash.Hash
	var height int64
	var err error
	switch method {
	case "getblockhash":
		err = json.Unmarshal(params[0], &height)
	case "getblockheader", "getblock":
		err = json.Unmarshal(params[0], &hash)
	}
	if err != nil {
		return nil, err
	}
	var raw bytes.Buffer
	switch method {
	case "getbestblockhash":
		return f.active[len(f.active)-1].String(), nil
	case "getblockhash":
		return f.active[height].String(), nil
	case "getrawmempool":
		return []string{}, nil
	case "getblockheader":
		if string(params[1]) == "true" {
			return map[string]any{"height": len(f.active) - 1}, nil
		}
		err = f.blocks[hash].Header.Serialize(&raw)
	case "getblock":
		err = f.blocks[hash].Serialize(&raw)
	default:
		return nil, fmt.Errorf("%w: %s", ErrMissing, method)
	}
	return hex.EncodeToString(raw.Bytes()), err
}

// D18: a block of nearly four million units of weight, nearly all of it witness:
// one item of megabytes, and, as in Bitcoin's block 757,922, one input with more
// than half a million items. It is read as a node gives it, soon and in bounded
// memory; what concerns us in it is found.
func TestLargeWitness(t *testing.T) {
	f := newFake(t)
	b := benchOn(t, f, testCoin(contracts.BTC, f), func(c *Config) { c.Nodes = []Node{serve(t, f)} })
	f.mineEmpty(10)
	w := b.leg(1)
	b.watch(w)
	lock := b.funding(outputOf(t, w.Terms), 1_000_000)
	f.mine(opTrue, lock)
	b.sees(w, "lock@11")
	redeem := b.bobTakes(w, first(lock), 1_000_000)
	redeem.AddTxIn(wire.NewTxIn(&wire.OutPoint{Hash: chainhash.Hash{1}}, nil, make([][]byte, 500_003)))
	long := wire.NewMsgTx(2)
	long.AddTxIn(wire.NewTxIn(&wire.OutPoint{Hash: chainhash.Hash{2}}, nil, [][]byte{bytes.Repeat([]byte{7}, 3_490_000)}))
	long.AddTxOut(wire.NewTxOut(7_000_000, b.receive()))
	f.mine(opTrue, long, redeem)
	made := f.blocks[f.active[12]]
	if weight := 3*made.SerializeSizeStripped() + made.SerializeSize(); weight < 3_990_000 || weight > 4_000_000 {
		t.Fatalf("a block of weight %d", weight)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	b.sees(w, "lock@11 secret@12")
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	if e := b.told[w.ID].End; *e.Secret != goodSecret {
		t.Fatalf("the end is %+v", e)
	}
	b.holds(7_000_000, 0)
	if grew := after.TotalAlloc - before.TotalAlloc; took > 10*time.Second || grew > 256<<20 {
		t.Errorf("took %s and %d MB", took, grew>>20)
	}
}
