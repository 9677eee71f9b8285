package evm

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
)

// told is an error as an endpoint sends it.
type told struct {
	code    int
	message string
	data    any
}

func (e told) Error() string  { return e.message }
func (e told) ErrorCode() int { return e.code }
func (e told) ErrorData() any { return e.data }

// deep wraps text so many times into JSON inside of JSON.
func deep(text string, times int) string {
	for range times {
		raw, err := json.Marshal(map[string]any{"error": map[string]any{"code": -32000, "message": text}})
		if err != nil {
			panic(err)
		}
		text = string(raw)
	}
	return text
}

// The words are those that nodes and providers are known to use.
func TestClassify(t *testing.T) {
	for _, row := range []struct {
		err  error
		want kind
	}{
		{told{-32000, "nonce too low: next nonce 5, tx nonce 4", nil}, nonceLow},
		{told{-32000, "already known", nil}, known},
		{told{-32000, "known transaction: 4a1b", nil}, known},
		{told{-32000, "replacement transaction underpriced", nil}, underpriced},
		{told{-32000, "transaction underpriced: gas tip cap 1, minimum needed 1000000", nil}, underpriced},
		{told{-32000, "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 7", nil}, underpriced},
		{told{-32000, "insufficient funds for gas * price + value: balance 0", nil}, short},
		{told{3, "execution reverted", "0xd5fbf6d5"}, reverted},
		{told{-32000, "gas required exceeds allowance (10000000) or always failing transaction", nil}, reverted},
		{told{-32005, "query returned more than 10000 results", nil}, tooWide},
		{told{-32000, "exceed maximum block range: 5000", nil}, tooWide},
		{told{-32601, "the method eth_feeHistory does not exist/is not available", nil}, noMethod},
		{told{-32601, "", nil}, noMethod},
		{told{-32603, "internal error", map[string]any{"originalError": map[string]any{"message": "Nonce too low"}}}, nonceLow},
		{told{-32603, "Internal JSON-RPC error.", []any{map[string]any{"a": deep("already known", 2)}}}, known},
		{told{-32000, deep("nonce too low", 5), nil}, nonceLow},
		{told{-32000, `upstream said: {"message":"nonce t\u006fo low"}`, nil}, nonceLow},
		{rpc.HTTPError{StatusCode: 400, Status: "400 Bad Request", Body: []byte(deep("replacement transaction underpriced", 3))}, underpriced},
		{fmt.Errorf("send: %w", told{-32010, "FeeTooLow, EffectivePriorityFeePerGas too low 0 < 1", nil}), underpriced},
		{told{-32005, "daily request count exceeded, request rate limited", nil}, failure},
		{told{-32000, "header not found", nil}, failure},
		{rpc.HTTPError{StatusCode: 502, Status: "502 Bad Gateway"}, failure},
		{errors.New("connection refused"), failure},
		{nil, failure},
	} {
		if got := classify(row.err); got != row.want {
			t.Errorf("%v: %d, want %d", row.err, got, row.want)
		}
	}
}

func TestRevertName(t *testing.T) {
	soon := hexutil.Encode(crypto.Keccak256([]byte("TooSoon()"))[:4])
	for _, row := range []struct {
		data any
		want string
	}{
		{soon, "TooSoon"},
		{map[string]any{"result": soon}, "TooSoon"},
		{soon + "00", ""},
		{"0xdeadbeef", ""},
		{"0x", ""},
		{nil, ""},
	} {
		err := refusal{reverted, "eth_estimateGas", told{3, "execution reverted", row.data}}
		if got := revertName(fmt.Errorf("lock: %w", err)); got != row.want {
			t.Errorf("%v: %q, want %q", row.data, got, row.want)
		}
	}
}

func FuzzClassify(f *testing.F) {
	f.Add(deep("nonce too low", 4), `{"message":"already known"}`)
	f.Add(`[[[[[[[[[[[[[[[[[[[[[["nonce too low"]]]]]]]]]]]]]]]]]]]]]]`, `"\"\\\"x\\\"\""`)
	f.Fuzz(func(t *testing.T, message, data string) {
		var v any
		if json.Unmarshal([]byte(data), &v) != nil {
			v = data
		}
		err := told{-32000, message, v}
		if classify(err) != classify(fmt.Errorf("wrapped: %w", err)) {
			t.Error("a wrap changed the meaning")
		}
		_ = revertName(refusal{reverted, "eth_call", err}) // must not panic
	})
}
