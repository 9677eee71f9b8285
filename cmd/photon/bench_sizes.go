package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
)

// benchValue is what lies in each output, in satoshi.
const benchValue = 100_000

// benchKey is a private key by name: the funder locks and may refund, the taker
// redeems. It is the same on every run, and so are sizes.
func benchKey(name string) *btcec.PrivateKey {
	digest := sha256.Sum256([]byte("bench " + name))
	key, _ := btcec.PrivKeyFromBytes(digest[:])
	return key
}

func theSecret() contracts.Secret { return sha256.Sum256([]byte("bench secret")) }

// payee is the output script to which legs are spent.
func payee() []byte { return witnessKeyHash(benchKey("payee")) }

func witnessKeyHash(key *btcec.PrivateKey) []byte {
	return append([]byte{txscript.OP_0, txscript.OP_DATA_20}, address.Hash160(key.PubKey().SerializeCompressed())...)
}

// sizeFigures builds, signs and executes a transaction of every kind and tells
// its virtual size, with ECDSA signatures at their longest.
func sizeFigures() ([]figure, error) {
	var figures []figure
	for _, row := range []struct {
		name  string
		limit float64
		build func() (*wire.MsgTx, *txscript.MultiPrevOutFetcher, error)
		each  int
	}{
		{"redeem on the key path", 99, func() (*wire.MsgTx, *txscript.MultiPrevOutFetcher, error) { return redeemTogether(1) }, 1},
		{"redeem on the script path", 143, redeemBySecret, 1},
		{"refund", 126, refundByTime, 1},
		{"lock from P2WPKH", 153, lockFromWallet, 1},
		{"redeem in a batch of 20, each", 60, func() (*wire.MsgTx, *txscript.MultiPrevOutFetcher, error) { return redeemTogether(20) }, 20},
	} {
		tx, prevs, err := row.build()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", row.name, err)
		}
		if err := execute(tx, prevs); err != nil {
			return nil, fmt.Errorf("%s: %w", row.name, err)
		}
		size := float64(contracts.VSize(longestSignatures(tx))) / float64(row.each)
		figures = append(figures, figure{Name: row.name, Value: size, Unit: "vB", Limit: row.limit})
	}
	return figures, nil
}

// benchLeg is leg number n of a batch, in Taproot's form.
func benchLeg(n int) (contracts.Script, error) {
	return contracts.NewScript(contracts.Terms{
		Asset: contracts.Native(contracts.BTC), Amount: contracts.Units(benchValue), Hash: theSecret().Hash(), Form: contracts.P2TR,
		Redeemer: benchKey("taker").PubKey().SerializeCompressed(), Refunder: benchKey("funder").PubKey().SerializeCompressed(), Expiry: 1_800_000_000 + uint64(n),
	})
}

// lockedAt is where leg number n lies.
func lockedAt(n int) wire.OutPoint { return wire.OutPoint{Hash: chainhash.Hash{1}, Index: uint32(n)} }

// redeemTogether redeems n legs by signatures of both parties.
func redeemTogether(n int) (*wire.MsgTx, *txscript.MultiPrevOutFetcher, error) {
	prevs := txscript.NewMultiPrevOutFetcher(nil)
	var tx *wire.MsgTx
	legs := make([]contracts.Script, n)
	for i := range legs {
		s, err := benchLeg(i)
		if err != nil {
			return nil, nil, err
		}
		legs[i] = s
		prevs.AddPrevOut(lockedAt(i), wire.NewTxOut(benchValue, s.Output()))
		spend := s.Together(lockedAt(i), int64(n)*benchValue, payee(), 1000)
		if tx == nil {
			tx = spend
		} else {
			tx.AddTxIn(spend.TxIn[0])
		}
	}
	for i, s := range legs {
		witness, err := signTogether(s, tx, i, prevs)
		if err != nil {
			return nil, nil, err
		}
		tx.TxIn[i].Witness = witness
	}
	return tx, prevs, nil
}

// signTogether plays both parties of one joint signature.
func signTogether(s contracts.Script, tx *wire.MsgTx, i int, prevs txscript.PrevOutputFetcher) (wire.TxWitness, error) {
	var sessions [2]*contracts.KeySession
	for k, key := range []*btcec.PrivateKey{benchKey("taker"), benchKey("funder")} {
		session, err := s.NewSession(key, sha256.Sum256([]byte{byte(i), byte(k)}))
		if err != nil {
			return nil, err
		}
		sessions[k] = session
	}
	if _, err := sessions[0].Sign(tx, i, prevs, sessions[1].Nonce()); err != nil {
		return nil, err
	}
	half, err := sessions[1].Sign(tx, i, prevs, sessions[0].Nonce())
	if err != nil {
		return nil, err
	}
	return sessions[0].Combine(half)
}

func redeemBySecret() (*wire.MsgTx, *txscript.MultiPrevOutFetcher, error) {
	s, err := benchLeg(0)
	if err != nil {
		return nil, nil, err
	}
	prevs, tx := spendable(s.Output()), s.Redeem(lockedAt(0), benchValue, payee(), 1000)
	return tx, prevs, s.SignRedeem(tx, 0, prevs, benchKey("taker"), theSecret())
}

func refundByTime() (*wire.MsgTx, *txscript.MultiPrevOutFetcher, error) {
	s, err := benchLeg(0)
	if err != nil {
		return nil, nil, err
	}
	prevs, tx := spendable(s.Output()), s.Refund(lockedAt(0), benchValue, payee(), 1000)
	return tx, prevs, s.SignRefund(tx, 0, prevs, benchKey("funder"))
}

// lockFromWallet locks out of one P2WPKH output, with change to P2WPKH.
func lockFromWallet() (*wire.MsgTx, *txscript.MultiPrevOutFetcher, error) {
	s, err := benchLeg(0)
	if err != nil {
		return nil, nil, err
	}
	wallet := benchKey("wallet")
	coin := witnessKeyHash(wallet)
	prevs, tx := spendable(coin), wire.NewMsgTx(2)
	tx.AddTxIn(&wire.TxIn{PreviousOutPoint: lockedAt(0)})
	tx.AddTxOut(wire.NewTxOut(benchValue/2, s.Output()))
	tx.AddTxOut(wire.NewTxOut(benchValue/2-1000, payee()))
	tx.TxIn[0].Witness, err = txscript.WitnessSignature(tx, txscript.NewTxSigHashes(tx, prevs), 0, benchValue, coin, txscript.SigHashAll, wallet, true)
	return tx, prevs, err
}

func spendable(output []byte) *txscript.MultiPrevOutFetcher {
	prevs := txscript.NewMultiPrevOutFetcher(nil)
	prevs.AddPrevOut(lockedAt(0), wire.NewTxOut(benchValue, output))
	return prevs
}

// execute runs every input's scripts under the rules by which nodes relay.
func execute(tx *wire.MsgTx, prevs *txscript.MultiPrevOutFetcher) error {
	hashes := txscript.NewTxSigHashes(tx, prevs)
	for i, in := range tx.TxIn {
		out := prevs.FetchPrevOutput(in.PreviousOutPoint)
		engine, err := txscript.NewEngine(out.PkScript, tx, i, txscript.StandardVerifyFlags, nil, hashes, out.Value, prevs)
		if err != nil {
			return fmt.Errorf("input %d: %w", i, err)
		}
		if err := engine.Execute(); err != nil {
			return fmt.Errorf("input %d: %w", i, err)
		}
	}
	return nil
}

// longestSignatures lengthens every ECDSA signature to the 72 bytes that it has
// at most. The transaction was executed before.
func longestSignatures(tx *wire.MsgTx) *wire.MsgTx {
	for _, in := range tx.TxIn {
		if signature := in.Witness[0]; len(signature) > 65 {
			in.Witness[0] = append(bytes.Clone(signature), make([]byte, max(0, 72-len(signature)))...)
		}
	}
	return tx
}
