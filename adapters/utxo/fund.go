package utxo

import (
	"context"
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

// author makes a transaction that pays output from s at rate (smallest units for
// 1,000 vB), the rest to a change script, and says what each input spends. What
// would be dust there goes to the miner. Nothing is signed or reserved.
// Errors: trade.ErrShort.
func (c Coin) author(s stock, output *wire.TxOut, rate int64, changeScript func() ([]byte, error)) (tx *wire.MsgTx, ins []*money, fee int64, err error) {
	var rest []byte
	source := &txauthor.ChangeSource{ScriptSize: keyScriptSize, NewScript: func() (_ []byte, err error) {
		rest, err = changeScript()
		return rest, err
	}}
	made, err := txauthor.NewUnsignedTransaction([]*wire.TxOut{output}, btcutil.Amount(rate), inputs(s.coins), source)
	var short txauthor.InputSourceError
	if errors.As(err, &short) {
		err = fmt.Errorf("%w: %s: pay %d and its fee at %d per 1,000 vB, spendable are %d", trade.ErrShort, c.Chain, output.Value, rate, s.value())
		if s.unfit > 0 {
			err = fmt.Errorf("%w; %d more cannot fund a lock, whose id could then be changed: pay them to an address that begins with %q first", err, s.unfit, c.HRP+"1q")
		}
		return nil, nil, 0, err
	}
	if err != nil {
		return nil, nil, 0, fmt.Errorf("%s: make transaction: %w", c.Chain, err)
	}
	tx = made.Tx
	tx.Version = 2
	if i := made.ChangeIndex; i >= 0 && contracts.Units(uint64(tx.TxOut[i].Value)).Less(contracts.Dust(c.Chain, rest)) {
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
	at := map[wire.OutPoint]*money{}
	for _, m := range s.coins {
		at[m.out] = m
	}
	for _, in := range tx.TxIn {
		ins = append(ins, at[in.PreviousOutPoint])
	}
	return tx, ins, fee, nil
}

// finish signs a transaction of ours, runs its scripts and reserves what it
// spends. c.funding is held.
func (c *Chain) finish(ctx context.Context, from purse, tx *wire.MsgTx, ins []*money) error {
	if err := from.sign(ctx, tx, ins); err != nil {
		return err
	}
	if err := execute(tx, prevsOf(ins)); err != nil {
		return fmt.Errorf("%s: %w", c.coin.Chain, err)
	}
	return from.reserve(ctx, tx)
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
