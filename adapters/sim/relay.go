package sim

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// Relay takes in a transaction as a node does, or says why not.
// Errors: trade.ErrSpent, trade.ErrNotYet, trade.ErrShort, ErrRefused.
func (o *Outputs) Relay(raw []byte) error {
	tx := wire.NewMsgTx(2)
	if err := tx.Deserialize(bytes.NewReader(raw)); err != nil {
		return fmt.Errorf("%w: %s: %v", ErrRefused, o.chain, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if m, is := o.made[wire.OutPoint{Hash: tx.TxHash()}]; is && m.msg != nil {
		return nil // known
	}
	if err := o.check(tx); err != nil {
		return err
	}
	if err := o.makeRoom(tx); err != nil {
		return err
	}
	o.pool = append(o.pool, tx)
	o.index()
	o.pokeAll()
	return nil
}

// check holds tx to the rules of what is relayed, but for conflicts with what
// waits. o.mu is held.
func (o *Outputs) check(tx *wire.MsgTx) error {
	if len(tx.TxIn) == 0 {
		return fmt.Errorf("%w: %s: no inputs", ErrRefused, o.chain)
	}
	prevs := txscript.NewMultiPrevOutFetcher(nil)
	for _, in := range tx.TxIn {
		m, is := o.made[in.PreviousOutPoint]
		if !is {
			return fmt.Errorf("%w: %s: input %v is missing", trade.ErrSpent, o.chain, in.PreviousOutPoint)
		}
		if s, is := o.spent[in.PreviousOutPoint]; is && s.height > 0 {
			return fmt.Errorf("%w: %s: input %v", trade.ErrSpent, o.chain, in.PreviousOutPoint)
		}
		prevs.AddPrevOut(in.PreviousOutPoint, m.out)
	}
	if now := o.median(o.tip()); tx.LockTime >= contracts.MinExpiry && int64(tx.LockTime) >= now {
		return fmt.Errorf("%w: %s: lock time %d, median time past %d", trade.ErrNotYet, o.chain, tx.LockTime, now)
	}
	for i, out := range tx.TxOut {
		if least := contracts.Dust(o.chain, out.PkScript); contracts.Units(uint64(out.Value)).Less(least) {
			return fmt.Errorf("%w: %s: output %d of %d is dust", ErrRefused, o.chain, i, out.Value)
		}
	}
	if fee, size := o.fee(tx), contracts.VSize(tx); fee*1000 < minRate*size {
		return fmt.Errorf("%w: %s: fee %d for %d vB", trade.ErrShort, o.chain, fee, size)
	}
	return o.run(tx, prevs)
}

// run executes every input's script.
func (o *Outputs) run(tx *wire.MsgTx, prevs txscript.PrevOutputFetcher) error {
	sums := txscript.NewTxSigHashes(tx, prevs)
	for i, in := range tx.TxIn {
		prev := prevs.FetchPrevOutput(in.PreviousOutPoint)
		vm, err := txscript.NewEngine(prev.PkScript, tx, i, txscript.StandardVerifyFlags, nil, sums, prev.Value, prevs)
		if err == nil {
			err = vm.Execute()
		}
		if err != nil {
			return fmt.Errorf("%w: %s: input %d: %v", ErrRefused, o.chain, i, err)
		}
	}
	return nil
}

// makeRoom puts aside what waits and spends the same, if it may. o.mu is held.
//
// Source: BIP-125, rules 3 and 4.
func (o *Outputs) makeRoom(tx *wire.MsgTx) error {
	rivals := map[chainhash.Hash]bool{}
	for again := true; again; {
		again = false
		for _, w := range o.pool {
			if id := w.TxHash(); !rivals[id] && (rivalry(w, tx) || slices.ContainsFunc(w.TxIn, func(in *wire.TxIn) bool { return rivals[in.PreviousOutPoint.Hash] })) {
				rivals[id], again = true, true
			}
		}
	}
	if len(rivals) == 0 {
		return nil
	}
	if !o.replaces {
		return fmt.Errorf("%w: %s: by one that waits", trade.ErrSpent, o.chain)
	}
	fee, size, least := o.fee(tx), contracts.VSize(tx), contracts.VSize(tx)*minRate/1000
	for _, w := range o.pool {
		if rivals[w.TxHash()] {
			least += o.fee(w)
			if o.fee(w)*size >= fee*contracts.VSize(w) {
				return fmt.Errorf("%w: %s: by one that pays as much", trade.ErrSpent, o.chain)
			}
		}
	}
	if fee < least {
		return fmt.Errorf("%w: %s: by one that waits: fee %d, want %d", trade.ErrSpent, o.chain, fee, least)
	}
	o.pool = slices.DeleteFunc(o.pool, func(w *wire.MsgTx) bool { return rivals[w.TxHash()] })
	return nil
}

// rivalry reports whether two spend the same.
func rivalry(a, b *wire.MsgTx) bool {
	for _, x := range a.TxIn {
		for _, y := range b.TxIn {
			if x.PreviousOutPoint == y.PreviousOutPoint {
				return true
			}
		}
	}
	return false
}
