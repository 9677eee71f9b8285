package devnet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/holiman/uint256"

	"photon/contracts"
)

// echo is a contract. Called with nothing it logs and returns 42; called with
// anything it reverts with the first 32 bytes of that.
const echo = "6020600c60003960206000f3" + // copy the rest and return it
	"36601357" + "602a600052" + "60206000a0" + "60206000f3" + // no data: log0, return
	"5b" + "60206000600037" + "60206000fd" // data: revert

// A bench is a running SMT node with the contract on it.
type bench struct {
	*Net
	t     *testing.T
	echo  string
	nonce uint64
}

func newBench(t *testing.T) *bench {
	b := &bench{Net: start(t, Config{Chains: []contracts.Chain{contracts.SMT}}), t: t}
	id := b.send(nil, echo)
	b.mine()
	var r struct{ ContractAddress, Status string }
	must(t, b.proxy().call(t.Context(), &r, "eth_getTransactionReceipt", id))
	if r.Status != "0x1" {
		t.Fatalf("the contract is not there: %+v", r)
	}
	b.echo = r.ContractAddress
	return b
}

func (b *bench) proxy() endpoint { return newEndpoint(b.SMT.HTTP, "", "") }

func (b *bench) mine() {
	b.t.Helper()
	must(b.t, b.Mine(b.t.Context(), contracts.SMT, 1))
}

// sign makes a transaction of the rich account; price in wei.
func (b *bench) sign(to *common.Address, data string, price uint64, typed bool) string {
	w, err := newAccount("SMT", smtChainID)
	must(b.t, err)
	chain := uint256.NewInt(smtChainID).ToBig()
	var inner types.TxData = &types.LegacyTx{Nonce: b.nonce, To: to, Gas: 200_000,
		GasPrice: uint256.NewInt(price).ToBig(), Data: common.FromHex(data)}
	if typed {
		inner = &types.DynamicFeeTx{ChainID: chain, Nonce: b.nonce, To: to, Gas: 200_000,
			GasFeeCap: uint256.NewInt(price).ToBig(), GasTipCap: uint256.NewInt(price).ToBig()}
	}
	tx, err := types.SignNewTx(w.key, types.NewLondonSigner(chain), inner)
	must(b.t, err)
	raw, err := tx.MarshalBinary()
	must(b.t, err)
	return hexutil.Encode(raw)
}

func (b *bench) send(to *common.Address, data string) (id string) {
	b.t.Helper()
	must(b.t, b.proxy().call(b.t.Context(), &id, "eth_sendRawTransaction", b.sign(to, data, leastPrice, false)))
	b.nonce++
	return id
}

// word is a 32-byte word of one byte.
func word(n byte) string { return "0x" + strings.Repeat("00", 31) + fmt.Sprintf("%02x", n) }

func TestStrict(t *testing.T) {
	b := newBench(t)
	to := common.HexToAddress(b.echo)
	call := func(fields ...string) map[string]string {
		m := map[string]string{"to": b.echo, "gas": "0x30000"}
		for i := 0; i < len(fields); i += 2 {
			m[fields[i]] = fields[i+1]
		}
		return m
	}
	// Each row is a question and the answer that Spectrum gives: a result, or the
	// code and a piece of the text of an error.
	for name, row := range map[string]struct {
		method string
		params []any
		want   string
		code   int
		text   string
	}{
		"call without data":          {"eth_call", []any{call(), "latest"}, word(42), 0, ""},
		"call's input is not read":   {"eth_call", []any{call("input", word(7)), "latest"}, word(42), 0, ""},
		"call's Input neither":       {"eth_call", []any{call("Input", word(7)), "latest"}, word(42), 0, ""},
		"revert is a success":        {"eth_call", []any{call("data", word(7)), "latest"}, word(7), 0, ""},
		"data counts beside input":   {"eth_call", []any{call("data", word(7), "input", word(8)), "latest"}, word(7), 0, ""},
		"out of gas is a success":    {"eth_call", []any{call("gas", "0x5300"), "latest"}, "0x", 0, ""},
		"estimate of a revert":       {"eth_estimateGas", []any{call("data", word(7))}, "", -32000, "always failing"},
		"call at safe":               {"eth_call", []any{call(), "safe"}, "", -32602, "safe"},
		"block finalized":            {"eth_getBlockByNumber", []any{"finalized", false}, "", -32602, "finalized"},
		"logs from finalized":        {"eth_getLogs", []any{map[string]string{"fromBlock": "finalized"}}, "", -32602, "finalized"},
		"logs to safe":               {"eth_getLogs", []any{map[string]string{"toBlock": "safe"}}, "", -32602, "safe"},
		"state at {safe}":            {"eth_getBalance", []any{b.echo, map[string]string{"blockNumber": "safe"}}, "", -32602, "safe"},
		"balance at latest":          {"eth_getBalance", []any{b.echo, "latest"}, "0x0", 0, ""},
		"balance at pending":         {"eth_getBalance", []any{b.echo, "pending"}, "0x0", 0, ""},
		"chain id":                   {"eth_chainId", nil, "0x133edce", 0, ""},
		"fee history":                {"eth_feeHistory", []any{"0x1", "latest", []int{}}, "", -32601, "eth_feeHistory"},
		"tip":                        {"eth_maxPriorityFeePerGas", nil, "", -32601, "eth_maxPriorityFeePerGas"},
		"block's receipts":           {"eth_getBlockReceipts", []any{"latest"}, "", -32601, "eth_getBlockReceipts"},
		"our own way to make blocks": {"dev_mine", []any{"0xffffffff", false}, "", -32601, "dev_mine"},
		"set back":                   {"debug_setHead", []any{"0x0"}, "", -32601, "debug_setHead"},
		"typed transaction":          {"eth_sendRawTransaction", []any{b.sign(&to, "", 2*leastPrice, true)}, "", -32000, "rlp"},
		"one wei too cheap":          {"eth_sendRawTransaction", []any{b.sign(&to, "", leastPrice-1, false)}, "", -32000, "underpriced"},
		"no transaction":             {"eth_sendRawTransaction", []any{"0x"}, "", -32000, "rlp"},
		"not even hex":               {"eth_sendRawTransaction", []any{"zz"}, "", -32000, "argument 0"},
		"unknown receipt":            {"eth_getTransactionReceipt", []any{word(1)}, "null", 0, ""},
		"unknown transaction":        {"eth_getTransactionByHash", []any{word(1)}, "null", 0, ""},
		"unknown block":              {"eth_getBlockByHash", []any{word(1), false}, "null", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got json.RawMessage
			err := b.proxy().call(t.Context(), &got, row.method, row.params...)
			var r refusal
			if errors.As(err, &r); r.Code != row.code || !strings.Contains(r.Message, row.text) || r.Data != nil {
				t.Fatalf("error %v, want code %d with %q and no data", err, row.code, row.text)
			}
			if row.code == 0 && strings.Trim(string(got), `"`) != row.want {
				t.Errorf("result %s, want %s", got, row.want)
			}
		})
	}
	t.Run("estimate", b.estimates)
	t.Run("logs by block hash", b.findsLogs)
	t.Run("receipt and transaction", b.showsOldFields)
	t.Run("producer", b.hidesProducer)
	t.Run("batch", b.answersBatch)
	t.Run("outage", b.cuts)
}

// An estimate that gives the call in `input` is one of a call with nothing.
func (b *bench) estimates(t *testing.T) {
	var with, without hexutil.Uint64
	must(t, b.proxy().call(t.Context(), &without, "eth_estimateGas", map[string]string{"to": b.echo}))
	must(t, b.proxy().call(t.Context(), &with, "eth_estimateGas", map[string]string{"to": b.echo, "input": word(7)}))
	if with != without || with < 21_000 {
		t.Errorf("%d gas with input, %d without", with, without)
	}
}

// A filter's blockHash is not read: the logs are those of the newest block.
func (b *bench) findsLogs(t *testing.T) {
	to := common.HexToAddress(b.echo)
	b.send(&to, "")
	b.mine()
	logs := func(hash string) (l []struct{ BlockHash string }) {
		must(t, b.proxy().call(t.Context(), &l, "eth_getLogs", map[string]string{"blockHash": hash}))
		return l
	}
	block := b.block("latest", false)
	if l := logs(block.Hash); len(l) != 1 || l[0].BlockHash != block.Hash {
		t.Fatalf("logs %v of the newest block", l)
	}
	if l := logs(block.ParentHash); len(l) != 1 || l[0].BlockHash != block.Hash {
		t.Errorf("logs %v, want the newest block's", l)
	}
	b.mine()
	if l := logs(block.Hash); len(l) != 0 {
		t.Errorf("logs %v of a block that is not the newest", l)
	}
}

func (b *bench) showsOldFields(t *testing.T) {
	to := common.HexToAddress(b.echo)
	id := b.send(&to, "")
	b.mine()
	for method, row := range map[string]struct{ has, lacks []string }{
		"eth_getTransactionReceipt": {[]string{"status", "gasUsed", "logs", "blockHash"}, []string{"type", "effectiveGasPrice"}},
		"eth_getTransactionByHash":  {[]string{"gasPrice", "input", "v", "blockHash"}, modernFields},
	} {
		var got map[string]json.RawMessage
		must(t, b.proxy().call(t.Context(), &got, method, id))
		for _, f := range row.has {
			if got[f] == nil {
				t.Errorf("%s: no %s", method, f)
			}
		}
		for _, f := range row.lacks {
			if got[f] != nil {
				t.Errorf("%s: %s is there", method, f)
			}
		}
	}
}

type shownBlock struct {
	Hash, ParentHash, Number string
	BaseFeePerGas            *string
	Transactions             []json.RawMessage
}

func (b *bench) block(tag string, whole bool) (s shownBlock) {
	must(b.t, b.proxy().call(b.t.Context(), &s, "eth_getBlockByNumber", tag, whole))
	return s
}

// The producer's own transaction is in every block and is not shown, so that a
// stock client takes an empty block for a broken one.
func (b *bench) hidesProducer(t *testing.T) {
	b.mine()
	for _, whole := range []bool{false, true} {
		if s := b.block("latest", whole); len(s.Transactions) != 0 || s.BaseFeePerGas != nil {
			t.Errorf("block of nobody's: %+v", s)
		}
	}
	stock, err := ethclient.DialContext(t.Context(), b.SMT.HTTP)
	must(t, err)
	defer stock.Close()
	if _, err := stock.BlockByNumber(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "transaction") {
		t.Errorf("stock client: %v", err)
	}
	to := common.HexToAddress(b.echo)
	id := b.send(&to, "")
	b.mine()
	if s := b.block("latest", false); len(s.Transactions) != 1 || string(s.Transactions[0]) != `"`+id+`"` {
		t.Errorf("hashes %s, want %s", s.Transactions, id)
	}
	s := b.block("latest", true)
	if len(s.Transactions) != 1 || !bytes.Contains(s.Transactions[0], []byte(id)) || bytes.Contains(s.Transactions[0], []byte("chainId")) {
		t.Errorf("transactions %s, want %s", s.Transactions, id)
	}
}

func (b *bench) answersBatch(t *testing.T) {
	raw, err := b.proxy().post(t.Context(), []byte(`[{"id":"a","method":"eth_chainId"},
		{"id":2,"method":"eth_feeHistory","params":[]},{"id":3,"method":"eth_getBalance","params":["`+b.echo+`","latest"]}]`))
	must(t, err)
	want := `[{"jsonrpc":"2.0","id":"a","result":"0x133edce"},` +
		`{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"the method eth_feeHistory does not exist/is not available"}},` +
		`{"jsonrpc":"2.0","id":3,"result":"0x0"}]`
	if got := strings.TrimSpace(string(raw)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	one := `{"id":1,"method":"eth_chainId"}`
	for name, row := range map[string]struct {
		body string
		code string
	}{
		"most":     {"[" + strings.Repeat(one+",", maxBatch-1) + one + "]", ""},
		"one more": {"[" + strings.Repeat(one+",", maxBatch) + one + "]", "-32600"},
		"none":     {"[]", "-32600"},
		"two":      {one + "," + one, "-32600"},
		"no JSON":  {"{", "-32700"},
		"nothing":  {"", "-32600"},
		"too long": {strings.Repeat(" ", maxAsk+1), "too large"},
	} {
		raw, err := b.proxy().post(t.Context(), []byte(row.body))
		if err != nil || bytes.Contains(raw, []byte("error")) != strings.HasPrefix(row.code, "-") || !bytes.Contains(raw, []byte(row.code)) {
			t.Errorf("%s: %.200s, %v; want code %q", name, raw, err, row.code)
		}
	}
}

// While the node is dead the proxy answers nothing at all.
func (b *bench) cuts(t *testing.T) {
	must(t, b.Kill(contracts.SMT))
	if raw, err := b.proxy().post(t.Context(), []byte(`{"id":1,"method":"eth_chainId"}`)); err == nil {
		t.Errorf("answer %s of a dead node", raw)
	}
	must(t, b.Restart(t.Context(), contracts.SMT))
	must(t, b.proxy().call(t.Context(), nil, "eth_chainId"))
}

// Whatever a client sends, nothing passes that Spectrum would not read.
func FuzzStrictRequest(f *testing.F) {
	for _, s := range []string{
		`{"id":1,"method":"eth_call","params":[{"to":"0x01","input":"0x02","data":"0x03"},"latest"]}`,
		`{"id":1,"method":"eth_estimateGas","params":[{"INPUT":"0x02"}]}`,
		`[{"method":"eth_getLogs","params":[{"blockHash":"0x01","fromBlock":"safe"}]},{"method":"net_version"}]`,
		`{"method":"eth_getBalance","params":["0x01",{"blockNumber":"finalized"}]}`,
		`{"method":"eth_getBlockByNumber","params":["latest", false ]}`,
		`{"method":"eth_sendRawTransaction","params":["0xc0"]}`, `{"method":"eth_sendRawTransaction","params":["0x02f8"]}`,
		`[null]`, `[]`, `{`, `{"params":[null]}`, `{"method":"eth_call","params":[null]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		asks, _, bad := parse(body)
		if (bad == nil) == (len(asks) == 0) {
			t.Fatalf("%d requests and %v", len(asks), bad)
		}
		for _, q := range asks {
			if rewrite(&q) != nil {
				continue
			}
			strict{}.askWhole(&q)
			raw, err := json.Marshal(q)
			if err != nil {
				t.Fatal(err)
			}
			if unknown[q.Method] {
				t.Fatalf("%s passes", q.Method)
			}
			for _, p := range q.Params {
				if s := string(bytes.TrimSpace(p)); s == `"safe"` || s == `"finalized"` {
					t.Fatalf("a tag passes: %s", raw)
				}
			}
			if q.Method == "eth_call" && len(q.Params) > 0 {
				var call struct{ Input *json.RawMessage }
				if json.Unmarshal(q.Params[0], &call) == nil && call.Input != nil {
					t.Fatalf("input passes: %s", raw)
				}
			}
		}
	})
}

// Whatever the node answers is passed on as JSON or not at all.
func FuzzStrictAnswer(f *testing.F) {
	methods := []string{"eth_getTransactionReceipt", "eth_getTransactionByHash", "eth_getBlockByNumber", "eth_call"}
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":1,"result":{"type":"0x0","effectiveGasPrice":"0x1","status":"0x1"}}`,
		`{"result":{"transactions":[{"from":"0x0000000000000000000000000000000000000001","hash":"0x01"},{"from":"0x02"}]}}`,
		`{"result":{"transactions":"0x"}}`, `{"result":{"transactions":[null]}}`, `{"result":null}`, `{}`, `[]`, ``,
		`{"error":{"code":3,"message":"execution reverted","data":"0x08c379a0"}}`, `{"error":{"code":-32000,"message":"out of gas"}}`,
	} {
		for i := range methods {
			f.Add([]byte(s), uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, method uint8) {
		s, q := strict{producer: common.HexToAddress("0x01")}, methods[int(method)%len(methods)]
		a, err := s.read(q, raw, true)
		if err != nil {
			return
		}
		out, err := json.Marshal(a)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%s: %v", out, err)
		}
		if (a.Error == nil) == (a.Result == nil) {
			t.Fatalf("%s: not one of a result and an error", out)
		}
		var shown map[string]json.RawMessage
		if q == methods[0] && json.Unmarshal(a.Result, &shown) == nil && shown["effectiveGasPrice"] != nil {
			t.Fatalf("%s: effectiveGasPrice passes", out)
		}
	})
}

// The proxy's port takes what any client may send.
func TestStrictPort(t *testing.T) {
	w := httptest.NewRecorder()
	strict{newEndpoint("http://127.0.0.1:1", "", ""), common.Address{}}.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if !strings.Contains(w.Body.String(), "-32600") {
		t.Errorf("a bare GET: %s", w.Body)
	}
}
