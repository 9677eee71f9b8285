package utxo

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/btcsuite/btcd/wire/v2"

	"photon/swap/trade"
)

// Send broadcasts tx and reads the answer in every dialect.
func (n *rpcNode) Send(ctx context.Context, tx *wire.MsgTx) error {
	var raw bytes.Buffer
	if err := tx.Serialize(&raw); err != nil {
		return fmt.Errorf("send %s: %w", tx.TxHash(), err)
	}
	var id string
	err := n.call(ctx, &id, "sendrawtransaction", hex.EncodeToString(raw.Bytes()))
	var no *rpcError
	if err == nil || !errors.As(err, &no) || errors.Is(err, ErrDown) {
		return err
	}
	if reason := refusal(no); reason != nil {
		return fmt.Errorf("%w: %w", reason, err)
	}
	return nil
}

// refusals are the words by which nodes refuse a transaction, in the order in
// which they are looked for; all lower case. Those of Core's family have hyphens,
// those of btcd's are sentences.
var refusals = []struct {
	words  string
	reason error // nil: the node has it, so all is well
}{
	{"already in block chain", nil},
	{"already in utxo set", nil},
	{"txn-already-in-mempool", nil},
	{"txn-already-known", nil},
	{"already have transaction", nil},
	{"transaction already exists", nil},

	{"non-final", trade.ErrNotYet},
	{"nonfinal", trade.ErrNotYet},
	{"non-bip68-final", trade.ErrNotYet},
	{"not finalized", trade.ErrNotYet},
	{"sequence locks on inputs not met", trade.ErrNotYet},

	// Another that waits spends the same, and is not to be replaced: it pays more,
	// or one of the other rules of BIP-125 is not met. Some of these speak of an
	// insufficient fee, too.
	{"replacement", trade.ErrSpent},
	{"spends-conflicting-tx", trade.ErrSpent},

	{"insufficient", trade.ErrShort}, // fee, fee rate, priority
	{"min relay fee not met", trade.ErrShort},
	{"mempool min fee not met", trade.ErrShort},
	{"under the required amount", trade.ErrShort},

	{"missingorspent", trade.ErrSpent},
	{"missing-inputs", trade.ErrSpent},
	{"missing inputs", trade.ErrSpent},
	{"mempool-conflict", trade.ErrSpent},
	{"already spent", trade.ErrSpent},
	{"orphan transaction", trade.ErrSpent},
	{"fully-spent", trade.ErrSpent},
}

// refusal says why a node refused a transaction; nil when it has it already.
func refusal(no *rpcError) error {
	if no.Code == codeKnown {
		return nil
	}
	said := strings.ToLower(no.Message)
	for _, r := range refusals {
		if strings.Contains(said, r.words) {
			return r.reason
		}
	}
	return ErrRefused
}

// Rate asks Core's family by estimatesmartfee, and not below what its mempool
// takes at the moment; btcd's family, which does not know that, by estimatefee.
func (n *rpcNode) Rate(ctx context.Context, blocks int) (int64, error) {
	var smart struct{ FeeRate json.Number }
	err := n.call(ctx, &smart, "estimatesmartfee", blocks)
	var no *rpcError
	if errors.As(err, &no) && no.Code == codeNoMethod {
		var rate json.Number
		if err := n.call(ctx, &rate, "estimatefee", blocks); err != nil {
			return 0, unable(err)
		}
		return parseRate(rate.String())
	}
	if err != nil {
		return 0, unable(err)
	}
	if smart.FeeRate == "" {
		return 0, fmt.Errorf("%w: too few transactions for an estimate", ErrMissing)
	}
	rate, err := parseRate(smart.FeeRate.String())
	if err != nil {
		return 0, err
	}
	var pool struct{ MempoolMinFee json.Number }
	if err := n.call(ctx, &pool, "getmempoolinfo"); err != nil {
		return 0, unable(err)
	}
	if pool.MempoolMinFee == "" {
		return rate, nil
	}
	least, err := parseRate(pool.MempoolMinFee.String())
	return max(rate, least), err
}

// unable turns any no of an estimator into ErrMissing.
func unable(err error) error {
	var no *rpcError
	if errors.As(err, &no) && !errors.Is(err, ErrDown) {
		return fmt.Errorf("%w: %v", ErrMissing, err)
	}
	return err
}

// parseRate reads coins for 1,000 vB, as JSON writes numbers, into smallest
// units, rounded up. Errors: ErrMissing when it is none or not positive.
func parseRate(s string) (int64, error) {
	n, exact, ok := parseCoins(s)
	if !exact {
		n++
	}
	if !ok || n <= 0 {
		return 0, fmt.Errorf("%w: fee rate %.40q", ErrMissing, s)
	}
	return n, nil
}

// parseCoins reads coins, as JSON writes numbers, into smallest units, rounded
// down, and says whether that is exact. ok is false when s is no number, is
// below 0 or above 2^61.
func parseCoins(s string) (n int64, exact, ok bool) {
	mantissa, exponent := s, 0
	if at := strings.IndexAny(s, "eE"); at >= 0 {
		var err error
		if exponent, err = strconv.Atoi(s[at+1:]); err != nil || exponent < -30 || exponent > 30 {
			return 0, true, false
		}
		mantissa = s[:at]
	}
	whole, part, _ := strings.Cut(mantissa, ".")
	digits := whole + part
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, true, false
	}
	point := len(whole) + exponent + 8 // where the point stands once in smallest units
	exact = true
	switch {
	case point < 0:
		exact, digits = strings.Trim(digits, "0") == "", "0"
	case point < len(digits):
		exact, digits = strings.Trim(digits[point:], "0") == "", "0"+digits[:point]
	default:
		digits += strings.Repeat("0", point-len(digits))
	}
	n, err := strconv.ParseInt(digits, 10, 62)
	return n, exact, err == nil
}
