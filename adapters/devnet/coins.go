package devnet

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"

	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
)

const (
	maturity  = 100   // blocks until a coinbase may be spent
	feeRate   = 20    // smallest units a vbyte
	smallCoin = 10000 // change below this goes to the fee; above every dust limit
)

// A coin is an output that pays the miner's key.
type coin struct {
	out    wire.OutPoint
	value  int64
	height uint64 // block of a coinbase; 0 for change, which is spendable at once
}

// fund pays an address from the miner's coins, oldest first.
func (s *simnet) fund(ctx context.Context, address string, amount contracts.Amount) (string, error) {
	units, fits := amount.Uint64()
	if !fits || units > 21e14 || units == 0 {
		return "", fmt.Errorf("%w: %s is not a sum of this chain", ErrFunds, amount)
	}
	script, err := s.pay(address)
	if err != nil {
		return "", fmt.Errorf("%w: address %q: %w", ErrRPC, address, err)
	}
	height, err := s.height(ctx)
	if err != nil {
		return "", err
	}
	tx := wire.NewMsgTx(2)
	tx.AddTxOut(wire.NewTxOut(int64(units), script))
	spent, rest, change, err := s.choose(tx, height)
	if err != nil {
		return "", err
	}
	if err := s.sign(tx, spent); err != nil {
		return "", err
	}
	var raw bytes.Buffer
	if err := tx.Serialize(&raw); err != nil {
		return "", fmt.Errorf("fund: %w", err)
	}
	var id string
	text := hex.EncodeToString(raw.Bytes())
	if err := s.call(ctx, &id, "sendrawtransaction", text); err != nil {
		return "", err
	}
	s.paid = append(s.paid, text)
	s.coins = rest
	if change > 0 {
		s.coins = append(s.coins, coin{wire.OutPoint{Hash: tx.TxHash(), Index: 1}, change, 0})
	}
	return id, nil
}

// choose adds mature coins to tx until its one output and the fee are covered,
// and an output of change where that is worth one. It returns the coins spent,
// those left and the change's value.
func (s *simnet) choose(tx *wire.MsgTx, height uint64) (spent, rest []coin, change int64, err error) {
	want, have := tx.TxOut[0].Value, int64(0)
	fee := func() int64 { return feeRate * int64(100+70*len(spent)) } // 2 outputs, P2WPKH inputs
	for _, c := range s.coins {
		mature := c.height == 0 || c.height+maturity <= height+1
		if have >= want+fee() && len(spent) > 0 || !mature {
			rest = append(rest, c)
			continue
		}
		tx.AddTxIn(wire.NewTxIn(&c.out, nil, nil))
		spent, have = append(spent, c), have+c.value
	}
	if have < want+fee() {
		return nil, nil, 0, fmt.Errorf("%w: %d in ripe coins for %d and a fee", ErrFunds, have, want)
	}
	if change = have - want - fee(); change < smallCoin {
		return spent, rest, 0, nil
	}
	tx.AddTxOut(wire.NewTxOut(change, s.script))
	return spent, rest, change, nil
}

// sign fills in the witnesses of P2WPKH inputs. Litecoin signs as Bitcoin does.
func (s *simnet) sign(tx *wire.MsgTx, spent []coin) error {
	outs := txscript.NewMultiPrevOutFetcher(nil)
	for _, c := range spent {
		outs.AddPrevOut(c.out, wire.NewTxOut(c.value, s.script))
	}
	hashes := txscript.NewTxSigHashes(tx, outs)
	for i, c := range spent {
		witness, err := txscript.WitnessSignature(tx, hashes, i, c.value, s.script, txscript.SigHashAll, s.key, true)
		if err != nil {
			return fmt.Errorf("sign: %w", err)
		}
		tx.TxIn[i].Witness = witness
	}
	return nil
}
