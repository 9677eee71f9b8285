package utxo

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/btcsuite/btcd/btcutil/v2"
	"github.com/btcsuite/btcd/btcutil/v2/txsort"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
	"github.com/btcsuite/btcwallet/wallet/txauthor"

	"photon/contracts"
	"photon/swap/trade"
)

// replaceable signals that a higher fee may replace the transaction (BIP-125).
const replaceable = wire.MaxTxInSequenceNum - 2

// keyScriptSize is the length of a P2WPKH output script in bytes.
const keyScriptSize = 22

// fund makes and signs a transaction that pays output from the wallet's coins at
// rate (smallest units for 1,000 vB), the rest to a change script. What would be
// dust there goes to the miner. Every input is segwit, so that nobody else can
// change the transaction's id. Nothing is reserved. Errors: trade.ErrShort.
func (w *wallet) fund(output *wire.TxOut, rate, tip int64, changeScript []byte) (tx *wire.MsgTx, fee int64, err error) {
	coins := w.choose(tip)
	var total int64
	for _, c := range coins {
		total += c.value
	}
	source := &txauthor.ChangeSource{NewScript: func() ([]byte, error) { return changeScript, nil }, ScriptSize: keyScriptSize}
	made, err := txauthor.NewUnsignedTransaction([]*wire.TxOut{output}, btcutil.Amount(rate), inputs(coins), source)
	var short txauthor.InputSourceError
	if errors.As(err, &short) {
		return nil, 0, fmt.Errorf("%w: %s: pay %d and its fee at %d per 1,000 vB, spendable are %d", trade.ErrShort, w.coin.Chain, output.Value, rate, total)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: make transaction: %w", w.coin.Chain, err)
	}
	tx = made.Tx
	tx.Version = 2
	if i := made.ChangeIndex; i >= 0 && contracts.Units(uint64(tx.TxOut[i].Value)).Less(contracts.Dust(w.coin.Chain, changeScript)) {
		tx.TxOut = slices.Delete(tx.TxOut, i, i+1)
	}
	for _, in := range tx.TxIn {
		in.Sequence = replaceable
	}
	txsort.InPlaceSort(tx) // the order tells nobody which output is change (BIP-69)
	fee = int64(made.TotalInput)
	for _, out := range tx.TxOut {
		fee -= out.Value
	}
	return tx, fee, w.sign(tx)
}

// choose orders what can be spent: mined before waiting, large before small, so
// that few inputs do.
func (w *wallet) choose(tip int64) []*money {
	var coins []*money
	for _, c := range w.coins {
		if w.spendable(c, tip) {
			coins = append(coins, c)
		}
	}
	slices.SortFunc(coins, func(a, b *money) int {
		if (a.height == 0) != (b.height == 0) {
			return cmp.Compare(b.height, 0)*2 - 1
		}
		return cmp.Or(cmp.Compare(b.value, a.value), bytes.Compare(a.out.Hash[:], b.out.Hash[:]), cmp.Compare(a.out.Index, b.out.Index))
	})
	return coins
}

// inputs hands out coins in order until target is reached.
func inputs(coins []*money) txauthor.InputSource {
	var (
		total   btcutil.Amount
		ins     []*wire.TxIn
		values  []btcutil.Amount
		scripts [][]byte
	)
	return func(target btcutil.Amount) (btcutil.Amount, []*wire.TxIn, []btcutil.Amount, [][]byte, error) {
		for total < target && len(ins) < len(coins) {
			c := coins[len(ins)]
			ins = append(ins, wire.NewTxIn(&c.out, nil, nil))
			values = append(values, btcutil.Amount(c.value))
			scripts = append(scripts, c.script)
			total += btcutil.Amount(c.value)
		}
		return total, ins, values, scripts, nil
	}
}

// sign puts a witness into every input of tx that spends a coin of ours, and
// runs the scripts.
func (w *wallet) sign(tx *wire.MsgTx) error {
	prevs := txscript.NewMultiPrevOutFetcher(nil)
	for _, in := range tx.TxIn {
		c := w.coins[in.PreviousOutPoint]
		if c == nil {
			return fmt.Errorf("%s: sign %s: %v is not ours", w.coin.Chain, tx.TxHash(), in.PreviousOutPoint)
		}
		prevs.AddPrevOut(c.out, wire.NewTxOut(c.value, c.script))
	}
	sums := txscript.NewTxSigHashes(tx, prevs)
	for i, in := range tx.TxIn {
		c := w.coins[in.PreviousOutPoint]
		key, err := w.key(c.path)
		if err != nil {
			return err
		}
		if in.Witness, err = txscript.WitnessSignature(tx, sums, i, c.value, c.script, txscript.SigHashAll, key, true); err != nil {
			return fmt.Errorf("%s: sign input %d of %s: %w", w.coin.Chain, i, tx.TxHash(), err)
		}
	}
	return execute(tx, prevs)
}

// execute runs the scripts of all that tx spends, under the rules by which nodes
// relay. A transaction of ours that fails here never leaves.
func execute(tx *wire.MsgTx, prevs txscript.PrevOutputFetcher) error {
	sums := txscript.NewTxSigHashes(tx, prevs)
	for i, in := range tx.TxIn {
		prev := prevs.FetchPrevOutput(in.PreviousOutPoint)
		if prev == nil {
			return fmt.Errorf("run input %d of %s: %v is not known", i, tx.TxHash(), in.PreviousOutPoint)
		}
		vm, err := txscript.NewEngine(prev.PkScript, tx, i, txscript.StandardVerifyFlags, nil, sums, prev.Value, prevs)
		if err == nil {
			err = vm.Execute()
		}
		if err != nil {
			return fmt.Errorf("run input %d of %s: %w", i, tx.TxHash(), err)
		}
	}
	return nil
}
