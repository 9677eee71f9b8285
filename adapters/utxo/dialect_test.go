package utxo

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"photon/swap/trade"
)

// answering is a node that gives recorded answers by method.
func answering(t *testing.T, answers map[string]string) *rpcNode {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Method string }
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		user, pass, _ := r.BasicAuth()
		if user != "u" || pass != "hush" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		a, known := answers[q.Method]
		if !known {
			a = `{"result":null,"error":{"code":-32601,"message":"Method not found"},"id":1}`
		}
		if strings.Contains(a, `"code"`) {
			w.WriteHeader(http.StatusInternalServerError) // as Core does
		}
		fmt.Fprintln(w, a)
	}))
	t.Cleanup(server.Close)
	n, err := newRPCNode(Endpoint{URL: server.URL, User: "u", Pass: "hush"})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func refused(code int, words string) string {
	raw, err := json.Marshal(words)
	if err != nil {
		panic(err) // a string
	}
	return fmt.Sprintf(`{"result":null,"error":{"code":%d,"message":%s},"id":1}`, code, raw)
}

// K14, K19, D13, E8: what nodes say of a transaction, in the words of Bitcoin
// Core and Litecoin Core, btcd and ltcd.
func TestRefusals(t *testing.T) {
	tx := wire.NewMsgTx(2)
	for _, r := range []struct {
		code  int
		words string
		want  error
	}{
		{-27, "Transaction already in block chain", nil},
		{-27, "Transaction outputs already in utxo set", nil},
		{-25, "txn-already-in-mempool", nil},
		{-26, "txn-already-known (code 18)", nil},
		{-26, "TX rejected: already have transaction in mempool 6d64", nil},
		{-27, "TX rejected: transaction already exists in blockchain", nil},
		{-26, "non-final", trade.ErrNotYet},
		{-26, "bad-txns-nonfinal (code 16)", trade.ErrNotYet},
		{-26, "non-BIP68-final", trade.ErrNotYet},
		{-26, "TX rejected: transaction is not finalized", trade.ErrNotYet},
		{-26, "TX rejected: transaction's sequence locks on inputs not met", trade.ErrNotYet},
		{-26, "min relay fee not met, 10 < 141", trade.ErrShort},
		{-26, "mempool min fee not met, 141 < 500", trade.ErrShort},
		{-26, "TX rejected: insufficient fee rate: needs more than 1000, has 900", trade.ErrShort},
		{-26, "TX rejected: transaction 6d64 has 10 fees which is under the required amount of 141", trade.ErrShort},
		{-25, "bad-txns-inputs-missingorspent", trade.ErrSpent},
		{-25, "Missing inputs", trade.ErrSpent},
		{-26, "txn-mempool-conflict", trade.ErrSpent},
		{-25, "TX rejected: orphan transaction 6d64 references outputs of unknown or fully-spent transaction ab12", trade.ErrSpent},
		{-26, "TX rejected: output already spent in mempool: output=ab12:0, tx=6d64", trade.ErrSpent},
		{-26, "insufficient fee, rejecting replacement 6d64; new feerate 0.00001 <= old feerate 0.00002", trade.ErrSpent},
		{-26, "insufficient fee, rejecting replacement 6d64, less fees than conflicting txs; 0.00001 < 0.00002", trade.ErrSpent},
		{-26, "insufficient fee, rejecting replacement 6d64, not enough additional fees to relay; 0.00 < 0.00001", trade.ErrSpent},
		{-26, "too many potential replacements, rejecting replacement 6d64; too many potential replacements (101 > 100)", trade.ErrSpent},
		{-26, "replacement-adds-unconfirmed, replacement 6d64 adds unconfirmed input, idx 0", trade.ErrSpent},
		{-26, "bad-txns-spends-conflicting-tx, 6d64 spends conflicting transaction ab12", trade.ErrSpent},
		{-26, "TX rejected: replacement transaction 6d64 has an insufficient fee rate: needs more than 2000, has 1000", trade.ErrSpent},
		{-26, "TX rejected: 6d64: replacement transaction has an insufficient absolute fee: needs 400, has 282", trade.ErrSpent},
		{-26, "TX rejected: replacement transaction 6d64 evicts more transactions than permitted: max is 100, evicts 101", trade.ErrSpent},
		{-26, "TX rejected: replacement transaction 6d64 spends parent transaction ab12", trade.ErrSpent},
		{-26, "TX rejected: replacement transaction spends new unconfirmed input ab12:0 not found in conflicting transactions", trade.ErrSpent},
		{-26, "mandatory-script-verify-flag-failed (Invalid Schnorr signature)", ErrRefused},
		{-22, "TX decode failed. Make sure the tx has at least one input.", ErrRefused},
		{-28, "Loading block index...", ErrDown},
	} {
		n := answering(t, map[string]string{"sendrawtransaction": refused(r.code, r.words)})
		if err := n.Send(t.Context(), tx); !errors.Is(err, r.want) || (r.want == nil) != (err == nil) {
			t.Errorf("%q: %v, want %v", r.words, err, r.want)
		}
	}
}

// F18: every kind of answer about fees. Rates are in smallest units for 1,000 vB.
func TestRates(t *testing.T) {
	smart := func(s string) map[string]string { return map[string]string{"estimatesmartfee": s} }
	for _, r := range []struct {
		name    string
		answers map[string]string
		want    int64
		err     error
	}{
		{"Bitcoin Core", map[string]string{"estimatesmartfee": `{"result":{"feerate":0.00012345,"blocks":6},"error":null,"id":1}`, "getmempoolinfo": `{"result":{"mempoolminfee":0.00001000},"error":null}`}, 12345, nil},
		{"a crowded mempool", map[string]string{"estimatesmartfee": `{"result":{"feerate":0.00012345,"blocks":6}}`, "getmempoolinfo": `{"result":{"mempoolminfee":0.00050000}}`}, 50000, nil},
		{"Litecoin Core, young", smart(`{"result":{"errors":["Insufficient data or no feerate found"],"blocks":0},"error":null,"id":1}`), 0, ErrMissing},
		{"Core says -1", smart(`{"result":{"feerate":-1,"blocks":6}}`), 0, ErrMissing},
		{"Core says 0", smart(`{"result":{"feerate":0,"blocks":6}}`), 0, ErrMissing},
		{"btcd", map[string]string{"estimatefee": `{"jsonrpc":"1.0","result":1.2345e-05,"error":null,"id":1}`}, 1235, nil},
		{"btcd, young", map[string]string{"estimatefee": `{"jsonrpc":"1.0","result":-1,"error":{"code":-32600,"message":"Invalid request: malformed"},"id":1}`}, 0, ErrMissing},
		{"neither", map[string]string{}, 0, ErrMissing},
		{"a text", smart(`{"result":{"feerate":"much"}}`), 0, ErrDown},
	} {
		got, err := answering(t, r.answers).Rate(t.Context(), 6)
		if got != r.want || !errors.Is(err, r.err) {
			t.Errorf("%s: %d, %v; want %d, %v", r.name, got, err, r.want, r.err)
		}
	}
}

func TestParseRate(t *testing.T) {
	for s, want := range map[string]int64{
		"0.00001": 1000, "0.00001000": 1000, "1e-05": 1000, "1E-5": 1000, "0.000000001": 1, "0.000010001": 1001, "1": 1e8, "1.5e1": 15e8,
		"0": 0, "-1": 0, "": 0, ".": 0, "1e99": 0, "1e": 0, "0x10": 0, "1.2.3": 0, "99999999999999999999": 0, "1e-31": 0,
	} {
		got, err := parseRate(s)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
	}
}

// B32, B33: answers that cannot be true, or are of something else.
func TestLies(t *testing.T) {
	const some = "0000000000000000000000000000000000000000000000000000000000000001"
	genesis := "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a45068653ffff7f2002000000"
	best := `{"result":"` + some + `"}`
	tip := func(n *rpcNode) error { _, err := n.Tip(t.Context()); return err }
	for _, r := range []struct {
		name    string
		answers map[string]string
		ask     func(*rpcNode) error
		want    error
	}{
		{"no hash", map[string]string{"getbestblockhash": `{"result":"12"}`}, tip, ErrDown},
		{"height -1", map[string]string{"getbestblockhash": best, "getblockheader": `{"result":{"height":-1}}`}, tip, ErrDown},
		{"height huge", map[string]string{"getbestblockhash": best, "getblockheader": `{"result":{"height":2147483648}}`}, tip, ErrDown},
		{"height broken", map[string]string{"getbestblockhash": best, "getblockheader": `{"result":{"height":1.5}}`}, tip, ErrDown},
		{"no height", map[string]string{"getbestblockhash": best, "getblockheader": `{"result":{}}`}, tip, ErrDown},
		{"a page", map[string]string{"getbestblockhash": `<html>`}, tip, ErrDown},
		{"nothing", map[string]string{"getbestblockhash": `{}`}, tip, ErrDown},
		{"Core: no such height", map[string]string{"getblockhash": refused(-8, "Block height out of range")},
			func(n *rpcNode) error { _, err := n.HashAt(t.Context(), 5); return err }, ErrMissing},
		{"btcd: no such height", map[string]string{"getblockhash": refused(-1, "Block number out of range")},
			func(n *rpcNode) error { _, err := n.HashAt(t.Context(), 5); return err }, ErrMissing},
		{"no such block", map[string]string{"getblock": refused(-5, "Block not found")},
			func(n *rpcNode) error { _, err := n.Block(t.Context(), hashOf(t, some)); return err }, ErrMissing},
		{"another block", map[string]string{"getblock": `{"result":"` + hex.EncodeToString(recorded(t, "mweb_block.hex")) + `"}`},
			func(n *rpcNode) error { _, err := n.Block(t.Context(), hashOf(t, some)); return err }, ErrDown},
		{"another header", map[string]string{"getblockheader": `{"result":"` + genesis + `"}`},
			func(n *rpcNode) error { _, err := n.Header(t.Context(), hashOf(t, some)); return err }, ErrDown},
		{"another transaction", map[string]string{"getrawtransaction": `{"result":"` + hex.EncodeToString(recorded(t, "mweb_waiting.hex")) + `"}`},
			func(n *rpcNode) error { _, err := n.Tx(t.Context(), hashOf(t, some)); return err }, ErrDown},
		{"in the extension block", map[string]string{"getrawtransaction": `{"result":"` + hex.EncodeToString(recorded(t, "mweb_only.hex")) + `"}`},
			func(n *rpcNode) error { _, err := n.Tx(t.Context(), hashOf(t, some)); return err }, ErrMissing},
		{"no such transaction", map[string]string{"getrawtransaction": refused(-5, "No such mempool or blockchain transaction. Use gettransaction for wallet transactions.")},
			func(n *rpcNode) error { _, err := n.Tx(t.Context(), hashOf(t, some)); return err }, ErrMissing},
		{"not hex", map[string]string{"getrawtransaction": `{"result":"zz"}`},
			func(n *rpcNode) error { _, err := n.Tx(t.Context(), hashOf(t, some)); return err }, ErrDown},
		{"odd ids", map[string]string{"getrawmempool": `{"result":["` + some + `","x"]}`},
			func(n *rpcNode) error { _, err := n.Waiting(t.Context()); return err }, ErrDown},
	} {
		if err := r.ask(answering(t, r.answers)); !errors.Is(err, r.want) {
			t.Errorf("%s: %v, want %v", r.name, err, r.want)
		}
	}
}

func TestUnspent(t *testing.T) {
	for answer, want := range map[string]bool{
		`{"result":null,"error":null,"id":1}`: false,
		`{"result":{"bestblock":"00","confirmations":3,"value":1e-06,"scriptPubKey":{"hex":"51"},"coinbase":false}}`: true,
	} {
		got, err := answering(t, map[string]string{"gettxout": answer}).Unspent(t.Context(), wire.OutPoint{})
		if err != nil || got != want {
			t.Errorf("%s: %t, %v", answer, got, err)
		}
	}
}

// A password is in no error and in nothing that is printed.
func TestPasswordStaysInside(t *testing.T) {
	n := answering(t, map[string]string{})
	wrong, err := newRPCNode(Endpoint{URL: n.endpoint.URL, User: "u", Pass: "secret-pass"})
	if err != nil {
		t.Fatal(err)
	}
	_, refusedErr := wrong.Tip(t.Context())
	gone, err := newRPCNode(Endpoint{URL: "http://127.0.0.1:1", User: "u", Pass: "secret-pass"})
	if err != nil {
		t.Fatal(err)
	}
	_, goneErr := gone.Tip(t.Context())
	_, urlErr := newRPCNode(Endpoint{URL: "http://u:secret-pass@127.0.0.1:1"})
	_, parseErr := newRPCNode(Endpoint{URL: "http://u:secret-pass@127.0.0.1:x"})
	for i, err := range []error{refusedErr, goneErr, urlErr, parseErr} {
		if err == nil || strings.Contains(err.Error(), "secret-pass") {
			t.Errorf("%d: %v", i, err)
		}
	}
	if s := fmt.Sprintf("%v %+v %s", wrong.endpoint, []Endpoint{wrong.endpoint}, wrong.endpoint.LogValue()); strings.Contains(s, "secret-pass") {
		t.Error(s)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, s := range []string{`{"result":"00","error":null}`, `{"result":null,"error":{"code":-5,"message":"x"}}`, `{"result":["a"]}`, `[]`, `{"error":{"code":-28}}`,
		`{"result":{"feerate":1e-5,"height":3,"mempoolminfee":0.1}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var text string
		var texts []string
		var found *struct{}
		var head struct{ Height *int64 }
		var rate struct{ FeeRate, MempoolMinFee json.Number }
		for _, into := range []any{&text, &texts, &found, &head, &rate} {
			err := decodeAnswer(raw, into)
			var no *rpcError
			if err != nil && !errors.Is(err, ErrDown) && !errors.As(err, &no) {
				t.Fatalf("%v is no verdict", err)
			}
			if errors.As(err, &no) {
				refusal(no)
			}
		}
		if h, err := parseHash(text); err == nil && h.String() != strings.ToLower(text) {
			t.Fatalf("%q is read as %s", text, h)
		}
	})
}

func FuzzRate(f *testing.F) {
	for _, s := range []string{"0.00001", "1e-05", "-1", "9e9", "1.5E+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseRate(s); (err == nil) != (n > 0) {
			t.Fatalf("%q: %d, %v", s, n, err)
		}
	})
}
