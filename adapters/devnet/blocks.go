package devnet

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/btcsuite/btcd/blockchain"
	"github.com/btcsuite/btcd/btcutil/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
	"github.com/holiman/uint256"
)

// A template is what a block is to be made of: getblocktemplate's answer, or our
// own for a side branch.
type template struct {
	Version int32  `json:"version"`
	Parent  string `json:"previousblockhash"`
	Bits    string `json:"bits"`          // hex
	Height  int64  `json:"height"`        //
	MinTime int64  `json:"mintime"`       // one second after median time past
	Value   int64  `json:"coinbasevalue"` // subsidy and fees, smallest units
	Txs     []struct {
		Data string `json:"data"`
	} `json:"transactions"`
}

// block builds and solves a block that pays the miner, stamped at unix second t.
func (s *simnet) block(ctx context.Context, t template, at int64) (*wire.MsgBlock, error) {
	parent, err := chainhash.NewHashFromStr(t.Parent)
	if err != nil {
		return nil, fmt.Errorf("%w: parent: %w", ErrRPC, err)
	}
	bits, err := strconv.ParseUint(t.Bits, 16, 32)
	if err != nil {
		return nil, fmt.Errorf("%w: bits: %w", ErrRPC, err)
	}
	coinbase, err := s.coinbase(t)
	if err != nil {
		return nil, err
	}
	txs := []*btcutil.Tx{btcutil.NewTx(coinbase)}
	for _, q := range t.Txs {
		raw, err := hex.DecodeString(q.Data)
		if err != nil {
			return nil, fmt.Errorf("%w: transaction: %w", ErrRPC, err)
		}
		tx, err := btcutil.NewTxFromBytes(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: transaction: %w", ErrRPC, err)
		}
		txs = append(txs, tx)
	}
	commit(txs)
	b := wire.NewMsgBlock(wire.NewBlockHeader(t.Version, parent, &chainhash.Hash{}, uint32(bits), 0))
	for _, tx := range txs {
		b.Transactions = append(b.Transactions, tx.MsgTx())
	}
	b.Header.MerkleRoot = blockchain.CalcMerkleRoot(txs, false)
	b.Header.Timestamp = time.Unix(max(at, t.MinTime), 0)
	return b, s.solve(ctx, &b.Header)
}

// coinbase pays a block's reward to the miner. A number of ours makes each one
// differ from every other of its height.
func (s *simnet) coinbase(t template) (*wire.MsgTx, error) {
	s.made++
	script, err := txscript.NewScriptBuilder().AddInt64(t.Height).AddInt64(s.made).AddData([]byte("devnet")).Script()
	if err != nil {
		return nil, fmt.Errorf("coinbase: %w", err)
	}
	tx := wire.NewMsgTx(2)
	tx.AddTxIn(wire.NewTxIn(wire.NewOutPoint(&chainhash.Hash{}, wire.MaxPrevOutIndex), script, nil))
	tx.AddTxOut(wire.NewTxOut(t.Value, s.script))
	return tx, nil
}

// witnessMark begins the output that commits to a block's witnesses.
//
// Source: BIP-141.
var witnessMark = []byte{txscript.OP_RETURN, txscript.OP_DATA_36, 0xaa, 0x21, 0xa9, 0xed}

// commit adds to the coinbase what blocks with witnesses need. btcd's template
// names the hash alone where Bitcoin Core names the whole output, so it is
// computed here.
func commit(txs []*btcutil.Tx) {
	if !slices.ContainsFunc(txs, func(tx *btcutil.Tx) bool { return tx.HasWitness() }) {
		return
	}
	root, reserved := blockchain.CalcMerkleRoot(txs, true), make([]byte, 32)
	coinbase := txs[0].MsgTx()
	coinbase.TxIn[0].Witness = wire.TxWitness{reserved}
	coinbase.AddTxOut(wire.NewTxOut(0, append(slices.Clone(witnessMark), chainhash.DoubleHashB(append(root[:], reserved...))...)))
	txs[0] = btcutil.NewTx(coinbase) // the old wrapper remembers the old hash
}

// solve finds the nonce; on simnet every second one will do.
func (s *simnet) solve(ctx context.Context, h *wire.BlockHeader) error {
	target := expand(h.Bits)
	var b bytes.Buffer
	if err := h.Serialize(&b); err != nil {
		return fmt.Errorf("solve: %w", err)
	}
	raw := b.Bytes()
	for ; ctx.Err() == nil; h.Nonce++ {
		binary.LittleEndian.PutUint32(raw[76:], h.Nonce)
		work, err := s.work(raw)
		if err != nil {
			return fmt.Errorf("solve: %w", err)
		}
		for i := range 16 { // hashes are printed and compared the other way round
			work[i], work[31-i] = work[31-i], work[i]
		}
		if new(uint256.Int).SetBytes32(work[:]).Cmp(target) <= 0 {
			return nil
		}
	}
	return fmt.Errorf("solve: %w", ctx.Err())
}

// expand returns the number that a header's bits stand for: an exponent of 256
// and three bytes.
func expand(bits uint32) *uint256.Int {
	n := uint256.NewInt(uint64(bits & 0x7fffff))
	if e := uint(bits >> 24); e > 3 {
		return n.Lsh(n, 8*(e-3))
	} else {
		return n.Rsh(n, 8*(3-e))
	}
}

// submit hands a block to the node. Errors: ErrRPC with the node's reason.
func (s *simnet) submit(ctx context.Context, b *wire.MsgBlock) error {
	var raw bytes.Buffer
	if err := b.Serialize(&raw); err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	text := hex.EncodeToString(raw.Bytes())
	reason, err := s.offer(ctx, text)
	if err != nil {
		return err
	}
	if reason != "" {
		return fmt.Errorf("submitblock: %w: %s", ErrRPC, reason)
	}
	s.past = append(s.past, text)
	return nil
}

// offer submits a block in hex and returns why the node does not take it, or "".
func (s *simnet) offer(ctx context.Context, block string) (reason string, err error) {
	err = s.call(ctx, &reason, "submitblock", block)
	return reason, err
}
