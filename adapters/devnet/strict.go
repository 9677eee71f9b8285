package devnet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

const (
	leastPrice = 18_000_000_000 // wei a gas; Spectrum does not package what pays less
	maxAsk     = 1 << 20        // bytes of a request
	maxBatch   = 100            // requests in a batch
)

// A strict is a proxy that makes a newer node answer as Spectrum's does, so that
// what works here works there. Each rule is one method below.
//
// Spectrum descends from a node of 2018: its RPC knows neither typed
// transactions nor the calls that came with them, reads a call's bytes from
// `data` only, and hides the transactions of the block's own producer.
type strict struct {
	node     endpoint
	producer common.Address
}

// A request is one JSON-RPC call. ID is passed back as it came.
type request struct {
	Version json.RawMessage   `json:"jsonrpc,omitempty"`
	ID      json.RawMessage   `json:"id,omitempty"`
	Method  string            `json:"method"`
	Params  []json.RawMessage `json:"params"`
}

// A reply is its answer: a result or an error.
type reply struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *refusal        `json:"error,omitempty"`
}

// serveStrict serves the proxy on a free loopback port. end closes it.
func serveStrict(node string, producer common.Address) (url string, end func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("%w: strict proxy: %w", ErrNode, err)
	}
	s := &http.Server{
		Handler:           strict{newEndpoint(node, "", ""), producer},
		ReadHeaderTimeout: 10 * time.Second,
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l) // ends with ErrServerClosed
	}()
	return "http://" + l.Addr().String(), func() { _ = s.Close(); <-served }, nil
}

// ServeHTTP answers one request or a batch. When the node does not answer, the
// connection is cut, as if there were no proxy.
func (s strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAsk))
	if err != nil {
		http.Error(w, "request too large", http.StatusRequestEntityTooLarge)
		return
	}
	asks, batch, bad := parse(body)
	replies := make([]reply, 0, len(asks))
	for _, q := range asks {
		a, err := s.answer(r, q)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		replies = append(replies, a)
	}
	var out any = replies
	switch {
	case bad != nil:
		out = reply{Version: "2.0", ID: json.RawMessage("null"), Error: bad}
	case !batch:
		out = replies[0]
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // a caller that is gone needs no answer
}

// parse reads a request or a batch of them.
func parse(body []byte) (asks []request, batch bool, bad *refusal) {
	body = bytes.TrimSpace(body)
	if batch = bytes.HasPrefix(body, []byte("[")); !batch {
		body = append(append([]byte("["), body...), ']')
	}
	if err := json.Unmarshal(body, &asks); err != nil {
		return nil, batch, &refusal{Code: -32700, Message: "parse error"}
	}
	if len(asks) == 0 || len(asks) > maxBatch || !batch && len(asks) != 1 {
		return nil, batch, &refusal{Code: -32600, Message: "empty batch, or too large a one"}
	}
	return asks, batch, nil
}

// answer applies the rules to one request and to its result. An error means that
// the node did not answer.
func (s strict) answer(r *http.Request, q request) (reply, error) {
	a := reply{Version: "2.0", ID: q.ID}
	if a.ID == nil {
		a.ID = json.RawMessage("null")
	}
	if a.Error = rewrite(&q); a.Error != nil {
		return a, nil
	}
	hashesOnly := s.askWhole(&q)
	body, err := json.Marshal(request{json.RawMessage(`"2.0"`), json.RawMessage("1"), q.Method, q.Params})
	if err != nil {
		return a, err
	}
	raw, err := s.node.post(r.Context(), body)
	if err != nil {
		return a, err
	}
	got, err := s.read(q.Method, raw, hashesOnly)
	if err != nil {
		return a, err
	}
	a.Result, a.Error = got.Result, got.Error
	return a, nil
}

// read applies the rules to the node's answer.
func (s strict) read(method string, raw []byte, hashesOnly bool) (a reply, err error) {
	if err := json.Unmarshal(raw, &a); err != nil {
		return reply{}, fmt.Errorf("%w: not an answer: %.100q", ErrRPC, raw)
	}
	switch {
	case a.Error != nil:
		a.Result = nil
		forgive(method, &a)
		return a, nil
	case a.Result == nil:
		a.Result = json.RawMessage("null")
	}
	a.Result, err = s.age(method, a.Result, hashesOnly)
	return a, err
}

// unknown are the methods that Spectrum's node does not have, in the namespaces
// that it has.
var unknown = map[string]bool{
	"eth_feeHistory": true, "eth_maxPriorityFeePerGas": true, "eth_getBlockReceipts": true,
	"eth_createAccessList": true, "eth_blobBaseFee": true, "eth_simulateV1": true,
}

// rewrite makes a request what Spectrum understands of it, or says why it
// refuses.
func rewrite(q *request) *refusal {
	space, _, _ := strings.Cut(q.Method, "_")
	if unknown[q.Method] || space != "eth" && space != "net" && space != "web3" {
		return &refusal{Code: -32601, Message: fmt.Sprintf("the method %.60s does not exist/is not available", q.Method)}
	}
	for i, p := range q.Params {
		if tag := modernTag(p); tag != "" {
			return &refusal{Code: -32602, Message: fmt.Sprintf("invalid argument %d: hex string without 0x prefix: %q", i, tag)}
		}
	}
	switch q.Method {
	case "eth_call", "eth_estimateGas":
		drop(q.Params, "input", "type", "accessList", "maxFeePerGas", "maxPriorityFeePerGas")
	case "eth_getLogs", "eth_newFilter":
		drop(q.Params, "blockHash")
	case "eth_sendRawTransaction":
		if err := acceptable(q.Params); err != nil {
			return &refusal{Code: -32000, Message: err.Error()}
		}
	}
	return nil
}

// modernTag finds a block tag that Spectrum does not have, bare or in a filter.
func modernTag(p json.RawMessage) string {
	var tag string
	if json.Unmarshal(p, &tag) == nil {
		if tag == "safe" || tag == "finalized" {
			return tag
		}
		return ""
	}
	var filter struct{ FromBlock, ToBlock, BlockNumber json.RawMessage }
	if json.Unmarshal(p, &filter) != nil {
		return ""
	}
	for _, f := range []json.RawMessage{filter.FromBlock, filter.ToBlock, filter.BlockNumber} {
		if json.Unmarshal(f, &tag) == nil && (tag == "safe" || tag == "finalized") {
			return tag
		}
	}
	return ""
}

// drop removes fields from the first parameter, in any case, because the node
// behind reads them in any.
func drop(params []json.RawMessage, names ...string) {
	var object map[string]json.RawMessage
	if len(params) == 0 || json.Unmarshal(params[0], &object) != nil || object == nil {
		return
	}
	for key := range object {
		for _, name := range names {
			if strings.EqualFold(key, name) {
				delete(object, key)
			}
		}
	}
	params[0] = remarshal(object)
}

// acceptable refuses typed transactions and those that pay too little.
func acceptable(params []json.RawMessage) error {
	var raw hexutil.Bytes
	if len(params) != 1 || json.Unmarshal(params[0], &raw) != nil {
		return errors.New("missing value for required argument 0")
	}
	var tx types.Transaction
	if len(raw) == 0 || raw[0] < 0xc0 || tx.UnmarshalBinary(raw) != nil {
		return errors.New("rlp: expected input list for types.Transaction")
	}
	if price := tx.GasPrice(); !price.IsUint64() || price.Uint64() >= leastPrice {
		return nil
	}
	return errors.New("transaction underpriced")
}

// askWhole asks for a block's whole transactions where only hashes are wanted:
// else the producer's could not be told from the others. It reports that.
func (s strict) askWhole(q *request) (hashesOnly bool) {
	if q.Method != "eth_getBlockByNumber" && q.Method != "eth_getBlockByHash" || len(q.Params) != 2 {
		return false
	}
	if string(bytes.TrimSpace(q.Params[1])) != "false" {
		return false
	}
	q.Params[1] = json.RawMessage("true")
	return true
}

// failures of a call are no errors on Spectrum: the result is what the call
// returned, if anything.
var failures = []string{"execution reverted", "out of gas", "invalid opcode", "invalid jump destination",
	"stack underflow", "stack limit reached", "contract creation code storage out of gas", "write protection",
	"return data out of bounds", "gas uint64 overflow", "max call depth exceeded"}

// forgive turns a failed call into a success that holds the revert's data, and
// hides that data in an estimate's error.
func forgive(method string, a *reply) {
	failed := a.Error.Code == 3
	for _, f := range failures {
		failed = failed || strings.HasPrefix(a.Error.Message, f)
	}
	if !failed {
		return
	}
	switch method {
	case "eth_call":
		var data hexutil.Bytes
		if json.Unmarshal(a.Error.Data, &data) != nil {
			data = nil
		}
		a.Error, a.Result = nil, remarshal(data)
	case "eth_estimateGas":
		a.Error = &refusal{Code: -32000, Message: "gas required exceeds allowance or always failing transaction"}
	}
}

// age removes from a result what came after 2018, and the producer's own
// transactions from blocks.
func (s strict) age(method string, result json.RawMessage, hashesOnly bool) (json.RawMessage, error) {
	var object map[string]json.RawMessage
	switch method {
	case "eth_getTransactionReceipt":
		return without(result, "type", "effectiveGasPrice")
	case "eth_getTransactionByHash", "eth_getTransactionByBlockHashAndIndex", "eth_getTransactionByBlockNumberAndIndex":
		return without(result, modernFields...)
	case "eth_getBlockByNumber", "eth_getBlockByHash":
		if err := json.Unmarshal(result, &object); err != nil || object == nil {
			return result, err
		}
	default:
		return result, nil
	}
	var txs []json.RawMessage
	if err := json.Unmarshal(object["transactions"], &txs); err != nil {
		return nil, fmt.Errorf("%w: block's transactions: %w", ErrRPC, err)
	}
	kept := []json.RawMessage{}
	for _, raw := range txs {
		var tx struct {
			From common.Address
			Hash json.RawMessage
		}
		if err := json.Unmarshal(raw, &tx); err != nil {
			return nil, fmt.Errorf("%w: block's transaction: %w", ErrRPC, err)
		}
		if tx.From == s.producer {
			continue
		}
		if hashesOnly {
			kept = append(kept, tx.Hash)
			continue
		}
		old, err := without(raw, modernFields...)
		if err != nil {
			return nil, err
		}
		kept = append(kept, old)
	}
	object["transactions"] = remarshal(kept)
	return remarshal(object), nil
}

// modernFields of a transaction came with typed ones.
var modernFields = []string{"type", "chainId", "accessList", "maxFeePerGas", "maxPriorityFeePerGas", "yParity"}

// without removes fields from an object; null stays null.
func without(result json.RawMessage, names ...string) (json.RawMessage, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(result, &object); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRPC, err)
	}
	if object == nil {
		return result, nil
	}
	for _, name := range names {
		delete(object, name)
	}
	return remarshal(object), nil
}

// remarshal prints what was parsed or made here.
func remarshal(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("devnet: own JSON does not print: %v", err))
	}
	return raw
}
