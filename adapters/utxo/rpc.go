package utxo

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// An Endpoint is a node's JSON-RPC. The password appears in no error and no log.
type Endpoint struct {
	URL  string // http or https, without a user in it
	User string
	Pass string
}

// String is the address, without user and password.
func (e Endpoint) String() string { return e.URL }

// LogValue is as String.
func (e Endpoint) LogValue() slog.Value { return slog.StringValue(e.URL) }

// What an answer may be and take.
const (
	maxAnswer = 64 << 20 // bytes: a block of 8 MB in hex, four times
	maxWait   = 30 * time.Second
	maxDial   = 5 * time.Second
	maxConns  = 4 // btcd serves ten at a time, everybody together, unless told otherwise
)

// rpcNode speaks to one node. Two things differ between btcd's family and
// Core's, and are found out by asking: see Rate.
type rpcNode struct {
	endpoint Endpoint
	http     *http.Client
}

func newRPCNode(e Endpoint) (*rpcNode, error) {
	u, err := url.Parse(e.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("endpoint: not an http address") // the text may hold a password
	}
	if u.User != nil {
		return nil, fmt.Errorf("endpoint %s: user and password stand apart from the address", u.Host)
	}
	transport := &http.Transport{
		DialContext:     (&net.Dialer{Timeout: maxDial}).DialContext,
		MaxConnsPerHost: maxConns, MaxIdleConnsPerHost: maxConns, IdleConnTimeout: time.Minute,
	}
	return &rpcNode{e, &http.Client{Transport: transport, Timeout: maxWait}}, nil
}

// An rpcError is a node's own no.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *rpcError) Error() string { return fmt.Sprintf("%.300s (%d)", e.Message, e.Code) }

// Codes that Core's and btcd's families share.
const (
	codeNoMethod   = -32601
	codeNotFound   = -5  // no such block or transaction
	codeOutOfRange = -8  // Core: no such height
	codeMisc       = -1  // btcd: no such height
	codeWarming    = -28 // Core is starting
	codeKnown      = -27 // transaction is in the chain
)

// call asks once. Errors: ErrDown, or the node's own no as *rpcError.
func (n *rpcNode) call(ctx context.Context, into any, method string, params ...any) error {
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "1.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, n.endpoint.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	q.SetBasicAuth(n.endpoint.User, n.endpoint.Pass)
	q.Header.Set("Content-Type", "application/json")
	a, err := n.http.Do(q)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %s: %v", ErrDown, method, err)
	}
	defer a.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer+1))
	if err != nil || len(raw) > maxAnswer {
		return fmt.Errorf("%w: %s: answer of %s breaks off after %d bytes: %v", ErrDown, method, n.endpoint, len(raw), err)
	}
	if a.StatusCode == http.StatusUnauthorized || a.StatusCode == http.StatusForbidden {
		return fmt.Errorf("%w: %s: %s does not take our user and password", ErrDown, method, n.endpoint)
	}
	if err := decodeAnswer(raw, into); err != nil {
		return fmt.Errorf("%s at %s (HTTP %d): %w", method, n.endpoint, a.StatusCode, err)
	}
	return nil
}

// decodeAnswer reads a JSON-RPC answer. Errors: ErrDown when it is none or the
// node is only starting, *rpcError.
func decodeAnswer(raw []byte, into any) error {
	var a struct {
		Result json.RawMessage `json:"result"`
		Error  *rpcError       `json:"error"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return fmt.Errorf("%w: not JSON-RPC: %v", ErrDown, err)
	}
	if a.Error != nil && a.Error.Code == codeWarming {
		return fmt.Errorf("%w: %w", ErrDown, a.Error)
	}
	if a.Error != nil {
		return a.Error
	}
	if len(a.Result) == 0 {
		return fmt.Errorf("%w: neither result nor error", ErrDown)
	}
	if err := json.Unmarshal(a.Result, into); err != nil {
		return fmt.Errorf("%w: result: %v", ErrDown, err)
	}
	return nil
}

// missing turns a node's no with one of codes into ErrMissing, and any other
// into ErrDown.
func missing(err error, codes ...int) error {
	var no *rpcError
	if !errors.As(err, &no) || errors.Is(err, ErrDown) {
		return err
	}
	for _, c := range codes {
		if no.Code == c {
			return fmt.Errorf("%w: %v", ErrMissing, err)
		}
	}
	return fmt.Errorf("%w: %v", ErrDown, err)
}

// bytes asks for something that comes in hex.
func (n *rpcNode) bytes(ctx context.Context, method string, params ...any) ([]byte, error) {
	var text string
	if err := n.call(ctx, &text, method, params...); err != nil {
		return nil, missing(err, codeNotFound)
	}
	raw, err := hex.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: not hex", ErrDown, method)
	}
	return raw, nil
}

// parseHash reads a hash as people see it.
func parseHash(s string) (chainhash.Hash, error) {
	if len(s) != 2*chainhash.HashSize {
		return chainhash.Hash{}, fmt.Errorf("%w: %.70q is no hash", ErrDown, s)
	}
	h, err := chainhash.NewHashFromStr(s)
	if err != nil {
		return chainhash.Hash{}, fmt.Errorf("%w: %.70q is no hash", ErrDown, s)
	}
	return *h, nil
}

// Tip asks for the newest block and then for its height, so that both are of one
// block.
func (n *rpcNode) Tip(ctx context.Context) (Tip, error) {
	var text string
	if err := n.call(ctx, &text, "getbestblockhash"); err != nil {
		return Tip{}, missing(err)
	}
	hash, err := parseHash(text)
	if err != nil {
		return Tip{}, err
	}
	var h struct{ Height *int64 }
	if err := n.call(ctx, &h, "getblockheader", text, true); err != nil {
		return Tip{}, missing(err)
	}
	if h.Height == nil || *h.Height < 0 || *h.Height > maxHeight {
		return Tip{}, fmt.Errorf("%w: %s says that block %s has no height or one out of range", ErrDown, n.endpoint, text)
	}
	return Tip{hash, *h.Height}, nil
}

// HashAt asks for a block of the active chain.
func (n *rpcNode) HashAt(ctx context.Context, height int64) (chainhash.Hash, error) {
	var text string
	if err := n.call(ctx, &text, "getblockhash", height); err != nil {
		return chainhash.Hash{}, missing(err, codeOutOfRange, codeMisc)
	}
	return parseHash(text)
}

// Header asks for 80 bytes and checks them.
func (n *rpcNode) Header(ctx context.Context, hash chainhash.Hash) (h wire.BlockHeader, err error) {
	raw, err := n.bytes(ctx, "getblockheader", hash.String(), false)
	if err != nil {
		return h, err
	}
	if err := h.Deserialize(bytes.NewReader(raw)); err != nil || h.BlockHash() != hash {
		return h, fmt.Errorf("%w: %s gives another header for %s", ErrDown, n.endpoint, hash)
	}
	return h, nil
}

// Block asks for a whole block and checks it.
func (n *rpcNode) Block(ctx context.Context, hash chainhash.Hash) (*Block, error) {
	raw, err := n.bytes(ctx, "getblock", hash.String(), 0)
	if err != nil {
		return nil, err
	}
	b, err := decodeBlock(raw, hash)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDown, n.endpoint, err)
	}
	return b, nil
}

// Waiting asks for the ids of the mempool.
func (n *rpcNode) Waiting(ctx context.Context) ([]chainhash.Hash, error) {
	var texts []string
	if err := n.call(ctx, &texts, "getrawmempool"); err != nil {
		return nil, missing(err)
	}
	ids := make([]chainhash.Hash, len(texts))
	for i, text := range texts {
		var err error
		if ids[i], err = parseHash(text); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// Tx asks for a transaction's bytes and checks them.
func (n *rpcNode) Tx(ctx context.Context, id chainhash.Hash) (*wire.MsgTx, error) {
	raw, err := n.bytes(ctx, "getrawtransaction", id.String(), 0)
	if err != nil {
		return nil, err
	}
	tx, err := decodeTx(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDown, n.endpoint, err)
	}
	if len(tx.TxIn) == 0 {
		return nil, fmt.Errorf("%w: transaction %s lies in the extension block only", ErrMissing, id)
	}
	if got := tx.TxHash(); got != id {
		return nil, fmt.Errorf("%w: %w: %s gives transaction %s for %s", ErrDown, errDecode, n.endpoint, got, id)
	}
	return tx, nil
}

// Unspent asks for the output among those unspent.
func (n *rpcNode) Unspent(ctx context.Context, out wire.OutPoint) (bool, error) {
	var found *struct{}
	if err := n.call(ctx, &found, "gettxout", out.Hash.String(), out.Index, true); err != nil {
		return false, missing(err)
	}
	return found != nil, nil
}
