package devnet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxAnswer bounds what a node may answer, in bytes.
const maxAnswer = 64 << 20

// An endpoint is a JSON-RPC port.
type endpoint struct {
	url            string
	user, password string // "" on EVM nodes
	client         *http.Client
}

// newEndpoint keeps no connection open: litecoind does not end before its last
// one has.
func newEndpoint(url, user, password string) endpoint {
	return endpoint{url, user, password, &http.Client{Timeout: 3 * time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// A refusal is a node's own error.
type refusal struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

func (r refusal) Error() string { return fmt.Sprintf("%s (%d)", r.Message, r.Code) }

// call asks for method and reads the result into out, which may be nil.
// Errors: ErrRPC when the node refuses.
func (e endpoint) call(ctx context.Context, out any, method string, params ...any) error {
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	raw, err := e.post(ctx, body)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  *refusal        `json:"error"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("%s: %w: not an answer: %.100q", method, ErrRPC, raw)
	}
	if answer.Error != nil {
		return fmt.Errorf("%s: %w: %w", method, ErrRPC, *answer.Error)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Result, out); err != nil {
		return fmt.Errorf("%s: %w: %w", method, ErrRPC, err)
	}
	return nil
}

// post sends body and returns the answer's.
func (e endpoint) post(ctx context.Context, body []byte) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	if e.user != "" {
		q.SetBasicAuth(e.user, e.password)
	}
	r, err := e.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	if err == nil && len(raw) > maxAnswer {
		err = fmt.Errorf("%w: answer above %d bytes", ErrRPC, maxAnswer)
	}
	return raw, err
}
