package evm

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"photon/contracts"
)

// A kind is what an endpoint meant by an error.
type kind int

// The kinds.
const (
	failure     kind = iota // its own trouble: another endpoint may answer
	reverted                // the call would revert
	nonceLow                // the nonce was used
	known                   // it has this very transaction
	underpriced             // it has another with this nonce, as well paid, or the fee is below what it takes
	short                   // the account cannot pay
	tooWide                 // too many blocks or logs in one question
	noMethod                // it does not know the method
)

// phrases lists what endpoints say, in lower case, most telling first. Nodes
// agree on no codes, so that words are all there is.
var phrases = []struct {
	text string
	kind kind
}{
	{"nonce too low", nonceLow},
	{"nonce is too low", nonceLow},
	{"oldnonce", nonceLow},
	{"nonce has already been used", nonceLow},
	{"already known", known},
	{"known transaction", known},
	{"already imported", known},
	{"alreadyknown", known},
	{"already exists", known},
	{"transaction already in", known},
	{"underpriced", underpriced},
	{"gas price too low", underpriced},
	{"feetoolow", underpriced},
	{"fee cap less than block base fee", underpriced},
	{"max fee per gas less than block base fee", underpriced},
	{"insufficient funds", short},
	{"insufficientfunds", short},
	{"insufficient balance for transfer", short},
	{"execution reverted", reverted},
	{"vm execution error", reverted},
	{"revert", reverted},
	{"always failing transaction", reverted},
	{"invalid opcode", reverted},
	{"query returned more than", tooWide},
	{"block range", tooWide},
	{"range is too large", tooWide},
	{"range too large", tooWide},
	{"exceed maximum block range", tooWide},
	{"too many results", tooWide},
	{"response size exceeded", tooWide},
	{"response too large", tooWide},
	{"logs matched by query exceeds limit", tooWide},
	{"method not found", noMethod},
	{"does not exist/is not available", noMethod},
	{"method not supported", noMethod},
	{"unsupported method", noMethod},
}

// A refusal is an answer that says no. It is an ErrRefused.
type refusal struct {
	kind   kind
	method string
	cause  error
}

func (r refusal) Error() string   { return fmt.Sprintf("%v: %s: %v", ErrRefused, r.method, r.cause) }
func (r refusal) Unwrap() []error { return []error{ErrRefused, r.cause} }

// refused reports which kind of no err is; failure when it is none.
func refused(err error) kind {
	var r refusal
	if errors.As(err, &r) {
		return r.kind
	}
	return failure
}

// classify finds what an error means, however deep a provider has wrapped the
// node's words into its own JSON.
func classify(err error) kind {
	if err == nil {
		return failure
	}
	texts := unfold(nil, err.Error(), 0)
	var data rpc.DataError
	if errors.As(err, &data) {
		texts = unfoldValue(texts, data.ErrorData(), 0)
	}
	var status rpc.HTTPError
	if errors.As(err, &status) {
		texts = unfold(texts, string(status.Body), 0)
	}
	for _, p := range phrases {
		for _, t := range texts {
			if strings.Contains(t, p.text) {
				return p.kind
			}
		}
	}
	var coded rpc.Error
	if errors.As(err, &coded) {
		switch coded.ErrorCode() {
		case 3:
			return reverted
		case -32601:
			return noMethod
		}
	}
	return failure
}

// maxDepth and maxTexts bound how much of an error is looked at.
const (
	maxDepth = 12
	maxTexts = 200
)

// unfold adds text, in lower case, and what it holds if it is JSON, or ends in
// JSON.
func unfold(texts []string, text string, depth int) []string {
	if depth > maxDepth || len(texts) > maxTexts {
		return texts
	}
	texts = append(texts, strings.ToLower(text))
	start := strings.IndexAny(text, "{[\"")
	if start < 0 {
		return texts
	}
	var v any
	if json.NewDecoder(strings.NewReader(text[start:])).Decode(&v) != nil {
		return texts
	}
	if s, ok := v.(string); ok && s == text {
		return texts
	}
	return unfoldValue(texts, v, depth+1)
}

func unfoldValue(texts []string, v any, depth int) []string {
	if depth > maxDepth || len(texts) > maxTexts {
		return texts
	}
	switch v := v.(type) {
	case string:
		return unfold(texts, v, depth+1)
	case []any:
		for _, x := range v {
			texts = unfoldValue(texts, x, depth+1)
		}
	case map[string]any:
		for _, x := range v { // every value is looked at: the order cannot show
			texts = unfoldValue(texts, x, depth+1)
		}
	}
	return texts
}

// revertName is the name of HashLock's error in a refusal, or nothing.
func revertName(err error) string {
	var r refusal
	var data rpc.DataError
	if !errors.As(err, &r) || !errors.As(r.cause, &data) {
		return ""
	}
	for _, t := range unfoldValue(nil, data.ErrorData(), 0) {
		raw, err := hexutil.Decode(t)
		if err != nil {
			continue
		}
		if name, ok := contracts.ReadRevert(raw); ok {
			return name
		}
	}
	return ""
}
