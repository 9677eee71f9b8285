package utxo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// errDecode is why bytes of a node are refused.
var errDecode = errors.New("not as the chain writes it")

// extended is the bit of a transaction's flag that says: data of the extension
// block stand before the lock time. A single zero byte there makes it a HogEx.
//
// Source: Litecoin Core, primitives/transaction.h.
const extended = 8

// flagAt is where the flag stands, behind the version and a zero.
const flagAt = 5

// decodeTx reads one transaction that is all of raw. Of a waiting one that has
// data of the extension block these are skipped: they are no part of its id.
// Errors: errDecode.
func decodeTx(raw []byte) (*wire.MsgTx, error) {
	var tx wire.MsgTx
	if !isExtended(raw) {
		r := bytes.NewReader(raw)
		if err := tx.Deserialize(r); err != nil {
			return nil, fmt.Errorf("%w: transaction: %v", errDecode, err)
		}
		if r.Len() != 0 {
			return nil, fmt.Errorf("%w: %d bytes behind a transaction", errDecode, r.Len())
		}
		return &tx, nil
	}
	if _, err := decodeExtended(&tx, raw); err != nil {
		return nil, err
	}
	tx.LockTime = binary.LittleEndian.Uint32(raw[len(raw)-4:])
	return &tx, nil
}

// isExtended reports whether raw begins with a transaction that has data of the
// extension block.
func isExtended(raw []byte) bool {
	return len(raw) > flagAt && raw[flagAt-1] == 0 && raw[flagAt]&extended != 0
}

// decodeExtended reads what stands before the data of the extension block and
// returns its length in raw. The lock time is not read.
func decodeExtended(tx *wire.MsgTx, raw []byte) (used int, err error) {
	rest := bytes.NewReader(raw[flagAt+1:])
	if raw[flagAt]&^extended == 0 {
		// No witness: without the zero and the flag it is the oldest form.
		err = tx.DeserializeNoWitness(io.MultiReader(bytes.NewReader(raw[:4]), rest))
	} else {
		plain := append(bytes.Clone(raw[:flagAt]), raw[flagAt]&^extended)
		err = tx.Deserialize(io.MultiReader(bytes.NewReader(plain), rest))
	}
	if err != nil {
		return 0, fmt.Errorf("%w: extended transaction: %v", errDecode, err)
	}
	// Four bytes were taken for the lock time; at least one more must follow.
	if rest.Len() < 1 {
		return 0, fmt.Errorf("%w: extended transaction ends early", errDecode)
	}
	return len(raw) - rest.Len() - 4, nil
}

// decodeBlock reads a block, finds it to be the one with this hash and to hold
// what its header commits to, down to the witnesses: secrets are shown there. What follows a HogEx is the extension block, which
// is skipped. Errors: errDecode.
func decodeBlock(raw []byte, want chainhash.Hash) (*Block, error) {
	r := bytes.NewReader(raw)
	var b Block
	if err := b.Header.Deserialize(r); err != nil {
		return nil, fmt.Errorf("%w: block header: %v", errDecode, err)
	}
	if got := b.Header.BlockHash(); got != want {
		return nil, fmt.Errorf("%w: block %s in place of %s", errDecode, got, want)
	}
	count, err := wire.ReadVarInt(r, 0)
	if err != nil || count == 0 || count > uint64(len(raw)/60) { // 60: less than any transaction
		return nil, fmt.Errorf("%w: block %s says %d transactions in %d bytes", errDecode, want, count, len(raw))
	}
	rest, ended := raw[len(raw)-r.Len():], false
	for range count {
		if ended {
			return nil, fmt.Errorf("%w: block %s goes on after its HogEx", errDecode, want)
		}
		tx := new(wire.MsgTx)
		if rest, ended, err = nextTx(tx, rest); err != nil {
			return nil, fmt.Errorf("block %s: %w", want, err)
		}
		b.Txs, b.IDs = append(b.Txs, tx), append(b.IDs, tx.TxHash())
	}
	if len(rest) != 0 && !ended {
		return nil, fmt.Errorf("%w: %d bytes behind block %s", errDecode, len(rest), want)
	}
	root, twice := merkleRoot(b.IDs)
	if root != b.Header.MerkleRoot || twice {
		return nil, fmt.Errorf("%w: block %s does not hold what its header says", errDecode, want)
	}
	if b.Header.Timestamp.Unix() >= witnessesSince && !witnessed(b.Txs) {
		return nil, fmt.Errorf("%w: block %s does not hold the witnesses that its first transaction says", errDecode, want)
	}
	return &b, nil
}

// witnessesSince is the beginning of 2018, in Unix seconds: both chains have
// witnesses since 2017. Blocks before say of them what they like.
const witnessesSince = 1_514_764_800

// commits begins the output of a block's first transaction that commits to the
// witnesses of all others. The last such output counts.
//
// Source: BIP-141.
var commits = []byte{txscript.OP_RETURN, txscript.OP_DATA_36, 0xaa, 0x21, 0xa9, 0xed}

// witnessed reports whether the transactions of a block have the witnesses that
// the first commits to; without a commitment, none.
func witnessed(txs []*wire.MsgTx) bool {
	ids, some := make([]chainhash.Hash, len(txs)), false
	for i, tx := range txs[1:] {
		ids[i+1], some = tx.WitnessHash(), some || tx.HasWitness()
	}
	root, _ := merkleRoot(ids)
	for _, out := range slices.Backward(txs[0].TxOut) {
		if len(out.PkScript) < len(commits)+chainhash.HashSize || !bytes.HasPrefix(out.PkScript, commits) {
			continue
		}
		reserved := make([]byte, chainhash.HashSize)
		if len(txs[0].TxIn) == 1 && len(txs[0].TxIn[0].Witness) == 1 {
			reserved = txs[0].TxIn[0].Witness[0]
		}
		said := out.PkScript[len(commits):][:chainhash.HashSize]
		return bytes.Equal(said, chainhash.DoubleHashB(append(root[:], reserved...)))
	}
	return !some
}

// nextTx reads a transaction of a block and returns what follows it, and whether
// it was a HogEx.
func nextTx(tx *wire.MsgTx, raw []byte) (rest []byte, hogEx bool, err error) {
	if !isExtended(raw) {
		r := bytes.NewReader(raw)
		if err := tx.Deserialize(r); err != nil {
			return nil, false, fmt.Errorf("%w: transaction: %v", errDecode, err)
		}
		return raw[len(raw)-r.Len():], false, nil
	}
	used, err := decodeExtended(tx, raw)
	if err != nil {
		return nil, false, err
	}
	if raw[used] != 0 {
		return nil, false, fmt.Errorf("%w: data of the extension block inside a block's transaction", errDecode)
	}
	tx.LockTime = binary.LittleEndian.Uint32(raw[used+1:])
	return raw[used+5:], true, nil
}

// merkleRoot is what a block's header commits to. twice says that two equal
// hashes stand side by side, with which another list would have the same root.
//
// Source: CVE-2012-2459.
func merkleRoot(ids []chainhash.Hash) (root chainhash.Hash, twice bool) {
	level := append([]chainhash.Hash(nil), ids...)
	for len(level) > 1 {
		for i := 0; i+1 < len(level); i += 2 {
			twice = twice || level[i] == level[i+1]
		}
		if len(level)%2 == 1 {
			level = append(level, level[len(level)-1])
		}
		for i := 0; i < len(level); i += 2 {
			level[i/2] = chainhash.DoubleHashH(append(level[i][:], level[i+1][:]...))
		}
		level = level[:len(level)/2]
	}
	return level[0], twice
}

// isHogEx reports whether tx moves coins out of the extension block. Every such
// transaction begins with the output that holds all coins there, a witness
// program of version 8.
//
// Source: Litecoin Core, script.h, IsMWEBHogAddr.
func isHogEx(tx *wire.MsgTx) bool {
	if len(tx.TxOut) == 0 {
		return false
	}
	s := tx.TxOut[0].PkScript
	return len(s) == 34 && s[0] == txscript.OP_8 && s[1] == txscript.OP_DATA_32
}

// isCoinbase reports whether tx makes a miner's reward.
func isCoinbase(tx *wire.MsgTx) bool {
	return len(tx.TxIn) == 1 && tx.TxIn[0].PreviousOutPoint == wire.OutPoint{Index: wire.MaxPrevOutIndex}
}
