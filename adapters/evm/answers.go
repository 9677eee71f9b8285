package evm

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/holiman/uint256"

	"photon/contracts"
)

// maxHeight bounds what is read as a height or a time: no chain comes near it,
// and sums of two such numbers cannot overflow.
const maxHeight = 1 << 48

// A header is what we keep of a block.
type header struct {
	Number  uint64
	Hash    common.Hash
	Parent  common.Hash
	Time    uint64   // Unix seconds
	BaseFee *big.Int // wei per gas; nil where there is none
}

// An entry is one log of a contract.
type entry struct {
	Address contracts.Address
	Topics  []contracts.Hash
	Data    []byte
	Height  uint64
	Block   common.Hash
	TxID    contracts.Hash
	Index   uint64 // among the logs of its block
}

// A receipt is what a mined transaction did.
type receipt struct {
	TxID    contracts.Hash
	From    contracts.Address
	Created contracts.Address // contract that it made
	Failed  bool              // it reverted
	Height  uint64
	Block   common.Hash
	Gas     uint64   // used
	Price   *big.Int // wei per gas; nil where receipts do not say
	Logs    []entry
}

func unreadable(what string, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrAnswer, what, fmt.Sprintf(format, args...))
}

// missing reports whether the answer says that there is no such thing.
func missing(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// readHeader reads a block without looking at its transactions: where the
// producer hides its own, they do not add up.
func readHeader(raw json.RawMessage) (header, error) {
	var h struct {
		Number *hexutil.Uint64 `json:"number"`
		Hash   *common.Hash    `json:"hash"`
		Parent *common.Hash    `json:"parentHash"`
		Time   *hexutil.Uint64 `json:"timestamp"`
		Base   *hexutil.Big    `json:"baseFeePerGas"`
	}
	if missing(raw) {
		return header{}, unreadable("block", "not there")
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		return header{}, unreadable("block", "%v", err)
	}
	if h.Number == nil || h.Hash == nil || h.Parent == nil || h.Time == nil || *h.Hash == (common.Hash{}) {
		return header{}, unreadable("block", "number, hash, parentHash or timestamp lacks")
	}
	if *h.Number > maxHeight || *h.Time > maxHeight {
		return header{}, unreadable("block", "number %d, time %d", uint64(*h.Number), uint64(*h.Time))
	}
	return header{uint64(*h.Number), *h.Hash, *h.Parent, uint64(*h.Time), (*big.Int)(h.Base)}, nil
}

// wireLog is a log as JSON-RPC writes it.
type wireLog struct {
	Address *contracts.Address `json:"address"`
	Topics  []common.Hash      `json:"topics"`
	Data    hexutil.Bytes      `json:"data"`
	Number  *hexutil.Uint64    `json:"blockNumber"`
	Block   *common.Hash       `json:"blockHash"`
	TxID    *common.Hash       `json:"transactionHash"`
	Index   *hexutil.Uint64    `json:"logIndex"`
	Removed bool               `json:"removed"`
}

func (w wireLog) entry() (entry, error) {
	if w.Address == nil || w.Number == nil || w.Block == nil || w.TxID == nil || w.Index == nil || w.Removed {
		return entry{}, unreadable("log", "address or place lacks, or it was removed")
	}
	if *w.Number > maxHeight || len(w.Topics) > 4 {
		return entry{}, unreadable("log", "number %d, %d topics", uint64(*w.Number), len(w.Topics))
	}
	e := entry{
		Address: *w.Address, Data: w.Data, Height: uint64(*w.Number), Block: *w.Block, TxID: contracts.Hash(*w.TxID), Index: uint64(*w.Index),
	}
	for _, t := range w.Topics {
		e.Topics = append(e.Topics, contracts.Hash(t))
	}
	return e, nil
}

// readLogs reads the answer to eth_getLogs.
func readLogs(raw json.RawMessage) ([]entry, error) {
	var wire []wireLog
	if missing(raw) {
		return nil, unreadable("logs", "not there")
	}
	if err := json.Unmarshal(raw, &wire); err != nil {
		return nil, unreadable("logs", "%v", err)
	}
	logs := make([]entry, 0, len(wire))
	for _, w := range wire {
		e, err := w.entry()
		if err != nil {
			return nil, err
		}
		logs = append(logs, e)
	}
	return logs, nil
}

// readReceipt reads the answer to eth_getTransactionReceipt; ok is false when
// the transaction is not mined.
func readReceipt(raw json.RawMessage) (r receipt, ok bool, err error) {
	var w struct {
		TxID    *common.Hash       `json:"transactionHash"`
		From    *contracts.Address `json:"from"`
		Created *contracts.Address `json:"contractAddress"`
		Status  *hexutil.Uint64    `json:"status"`
		Number  *hexutil.Uint64    `json:"blockNumber"`
		Block   *common.Hash       `json:"blockHash"`
		Gas     *hexutil.Uint64    `json:"gasUsed"`
		Price   *hexutil.Big       `json:"effectiveGasPrice"`
		Logs    []wireLog          `json:"logs"`
	}
	if missing(raw) {
		return receipt{}, false, nil
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return receipt{}, false, unreadable("receipt", "%v", err)
	}
	if w.Number == nil || w.Block == nil {
		return receipt{}, false, nil // seen, not mined
	}
	if w.TxID == nil || w.From == nil || w.Status == nil || w.Gas == nil || *w.Number > maxHeight {
		return receipt{}, false, unreadable("receipt", "a field lacks")
	}
	r = receipt{
		TxID: contracts.Hash(*w.TxID), From: *w.From, Failed: *w.Status == 0,
		Height: uint64(*w.Number), Block: *w.Block, Gas: uint64(*w.Gas), Price: (*big.Int)(w.Price),
	}
	if w.Created != nil {
		r.Created = *w.Created
	}
	for _, l := range w.Logs {
		e, err := l.entry()
		if err != nil {
			return receipt{}, false, err
		}
		r.Logs = append(r.Logs, e)
	}
	return r, true, nil
}

// readPrice reads the price per gas out of the answer to
// eth_getTransactionByHash.
func readPrice(raw json.RawMessage) (*big.Int, error) {
	var w struct {
		Price *hexutil.Big `json:"gasPrice"`
	}
	if err := json.Unmarshal(raw, &w); err != nil || w.Price == nil {
		return nil, unreadable("transaction", "no gasPrice: %v", err)
	}
	return (*big.Int)(w.Price), nil
}

// A txCall is what a transaction calls with.
type txCall struct {
	Hash  common.Hash   `json:"hash"`
	Input hexutil.Bytes `json:"input"`
}

// readCalls reads the transactions of a block that was asked for with them.
func readCalls(raw json.RawMessage) ([]txCall, error) {
	var b struct {
		Txs []txCall `json:"transactions"`
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, unreadable("transactions", "%v", err)
	}
	return b.Txs, nil
}

// readBytes reads the answer to eth_call or eth_getCode.
func readBytes(raw json.RawMessage) ([]byte, error) {
	var b hexutil.Bytes
	if missing(raw) {
		return nil, unreadable("bytes", "not there")
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, unreadable("bytes", "%v", err)
	}
	return b, nil
}

// readNumber reads a quantity of at most 2^48.
func readNumber(raw json.RawMessage) (uint64, error) {
	var n *hexutil.Uint64
	if err := json.Unmarshal(raw, &n); err != nil || n == nil || *n > maxHeight {
		return 0, unreadable("number", "%.80q", string(raw))
	}
	return uint64(*n), nil
}

// readDecimal reads net_version's answer, a decimal number as a string.
func readDecimal(raw json.RawMessage) (uint64, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return 0, unreadable("number", "%.80q", string(raw))
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, unreadable("number", "%.80q", s)
	}
	return n, nil
}

// readAmount reads a quantity of at most 2^256-1.
func readAmount(raw json.RawMessage) (contracts.Amount, error) {
	var n *hexutil.Big
	if err := json.Unmarshal(raw, &n); err != nil || n == nil {
		return contracts.Amount{}, unreadable("amount", "%.80q", string(raw))
	}
	return amountOf((*big.Int)(n)), nil
}

// amountOf is n, which is never negative, or the largest amount when n is above
// it: such a fee can be paid by nobody.
func amountOf(n *big.Int) contracts.Amount {
	u, over := uint256.FromBig(n)
	if over {
		u.SetAllOne()
	}
	return contracts.AmountOf(u)
}

// ReadWei reads a quantity of wei, such as a price per gas. Errors: ErrAnswer.
func ReadWei(raw json.RawMessage) (*big.Int, error) {
	a, err := readAmount(raw)
	if err != nil {
		return nil, err
	}
	return a.Uint256().ToBig(), nil
}

// ReadBaseFee reads the base fee per gas, in wei, out of a block; nil when the
// block has none. Errors: ErrAnswer.
func ReadBaseFee(raw json.RawMessage) (*big.Int, error) {
	h, err := readHeader(raw)
	return h.BaseFee, err
}
