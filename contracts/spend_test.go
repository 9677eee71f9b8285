package contracts

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/blockchain"
	"github.com/btcsuite/btcd/btcutil/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

func address160(b []byte) []byte { return address.Hash160(b) }

// longest makes every ECDSA signature the 72 bytes that it has at most, as sizes
// are given for. The transaction was executed before.
func longest(tx *wire.MsgTx) *wire.MsgTx {
	for _, in := range tx.TxIn {
		if sig := in.Witness[0]; len(sig) > 65 {
			in.Witness[0] = append(bytes.Clone(sig), make([]byte, 72-len(sig))...)
		}
	}
	return tx
}

// The sizes that the project promises: each spend is executed, then measured.
func TestSizes(t *testing.T) {
	type way func(testing.TB, Script) (*wire.MsgTx, *txscript.MultiPrevOutFetcher)
	for _, row := range []struct {
		name   string
		form   Form
		expiry uint64
		way    way
		want   int64
	}{
		{"key path", P2TR, 1_800_000_000, together, TogetherVSize},
		{"redeem leaf", P2TR, 1_800_000_000, redeemed, RedeemVSize},
		{"refund leaf", P2TR, 1_800_000_000, refunded, RefundVSize},
		{"redeem leaf after 2038", P2TR, 1 << 31, redeemed, RedeemVSize},
		{"refund leaf after 2038", P2TR, 1 << 31, refunded, RefundVSize},
		{"redeem of P2WSH", P2WSH, 1_800_000_000, redeemed, WitnessRedeemVSize},
		{"refund of P2WSH", P2WSH, 1_800_000_000, refunded, WitnessRefundVSize},
		{"redeem of P2WSH after 2038", P2WSH, 1 << 31, redeemed, WitnessRedeemVSize},
		{"refund of P2WSH after 2038", P2WSH, 1 << 31, refunded, WitnessRefundVSize + 1},
	} {
		terms := goodTerms(row.form)
		terms.Expiry = row.expiry
		tx, prevs := row.way(t, scriptOf(t, terms))
		if err := run(tx, 0, prevs); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		if got := VSize(longest(tx)); got != row.want {
			t.Errorf("%s: %d vB, want %d", row.name, got, row.want)
		}
	}
	for got, want := range map[int64]int64{TogetherVSize: 99, RedeemVSize: 143, RefundVSize: 126, WitnessRedeemVSize: 140, WitnessRefundVSize: 131, LockVSize: 153} {
		if got != want {
			t.Errorf("promised %d vB, the constant says %d", want, got)
		}
	}
}

// A lock from one P2WPKH output, with change: 153 vB, and 43 for each lock more.
func TestLockSizes(t *testing.T) {
	key := keyOf("wallet")
	coin := append([]byte{txscript.OP_0, txscript.OP_DATA_20}, address160(key.PubKey().SerializeCompressed())...)
	for _, f := range forms {
		s := scriptOf(t, goodTerms(f))
		for n, want := range map[int]int64{1: LockVSize, 2: 196, 5: 325, 10: 540, 20: 970} {
			tx, prevs := wire.NewMsgTx(2), locked(coin)
			tx.AddTxIn(&wire.TxIn{PreviousOutPoint: place(0), Sequence: replaceable})
			for range n {
				tx.AddTxOut(wire.NewTxOut(4000, s.Output()))
			}
			tx.AddTxOut(wire.NewTxOut(10_000, toWPKH))
			w, err := txscript.WitnessSignature(tx, txscript.NewTxSigHashes(tx, prevs), 0, 100_000, coin, txscript.SigHashAll, key, true)
			if err != nil {
				t.Fatal(err)
			}
			tx.TxIn[0].Witness = w
			if err := run(tx, 0, prevs); err != nil {
				t.Fatal(err)
			}
			if got := VSize(longest(tx)); got != want {
				t.Errorf("%d locks of %s: %d vB, want %d", n, f, got, want)
			}
		}
	}
}

// Several legs, each with its own terms and keys, spent by one transaction to
// one output. Sizes are in tenths of a vB for each leg, rounded.
func TestBatches(t *testing.T) {
	legs := func(f Form, n int) (all []Script) {
		for i := range n {
			terms := goodTerms(f)
			terms.Expiry += uint64(i)
			all = append(all, scriptOf(t, terms))
		}
		return all
	}
	for _, row := range []struct {
		name string
		form Form
		sign func(s Script, tx *wire.MsgTx, i int, prevs txscript.PrevOutputFetcher) error
		want map[int]float64
	}{
		{"key path", P2TR, func(s Script, tx *wire.MsgTx, i int, prevs txscript.PrevOutputFetcher) error {
			tx.TxIn[i].Witness = cosign(t, s, tx, i, prevs, keyOf("bob"), keyOf("alice"))
			return nil
		}, map[int]float64{2: 78.2, 5: 65.8, 10: 61.6, 20: 59.6}},
		{"redeem leaf", P2TR, func(s Script, tx *wire.MsgTx, i int, prevs txscript.PrevOutputFetcher) error {
			return s.SignRedeem(tx, i, prevs, keyOf("bob"), goodSecret)
		}, map[int]float64{2: 121.5, 5: 109.0, 10: 104.9, 20: 102.8}},
		{"redeem of P2WSH", P2WSH, func(s Script, tx *wire.MsgTx, i int, prevs txscript.PrevOutputFetcher) error {
			return s.SignRedeem(tx, i, prevs, keyOf("bob"), goodSecret)
		}, map[int]float64{2: 118.8, 5: 106.3, 10: 102.2, 20: 100.1}},
	} {
		for n, want := range row.want {
			all := legs(row.form, n)
			prevs, tx := txscript.NewMultiPrevOutFetcher(nil), all[0].Redeem(place(0), int64(n)*100_000, toWPKH, 1000)
			for i, s := range all {
				prevs.AddPrevOut(place(byte(i)), wire.NewTxOut(100_000, s.Output()))
				if i > 0 {
					tx.AddTxIn(s.Redeem(place(byte(i)), 100_000, toWPKH, 0).TxIn[0])
				}
			}
			for i, s := range all {
				if err := row.sign(s, tx, i, prevs); err != nil {
					t.Fatal(err)
				}
			}
			for i := range all {
				if err := run(tx, i, prevs); err != nil {
					t.Fatalf("%s, batch of %d, input %d: %v", row.name, n, i, err)
				}
			}
			longest(tx)
			weight := 3*tx.SerializeSizeStripped() + tx.SerializeSize()
			if got := float64(weight) / 4 / float64(n); math.Abs(got-want) > 0.07 {
				t.Errorf("%s, batch of %d: %.2f vB each, want %.1f", row.name, n, got, want)
			}
			if row.name == "key path" && n == 20 && VSize(tx) > 20*60 {
				t.Errorf("batch of 20 by key path: %d vB, promised at most 60 each", VSize(tx))
			}
		}
	}
}

// A refund waits until the median time is above the expiry; btcd's consensus
// code says so too. A redeem waits for nothing (G5, G6).
func TestRefundable(t *testing.T) {
	for _, f := range forms {
		s := scriptOf(t, goodTerms(f))
		refund := btcutil.NewTx(s.Refund(place(0), 100_000, toWPKH, 1000))
		for median, want := range map[uint64]bool{s.terms.Expiry - 1: false, s.terms.Expiry: false, s.terms.Expiry + 1: true} {
			if got := s.Refundable(median); got != want {
				t.Errorf("at %d, expiry %d: %t, want %t", median, s.terms.Expiry, got, want)
			}
			if got := blockchain.IsFinalizedTransaction(refund, 1_000_000, time.Unix(int64(median), 0)); got != want {
				t.Errorf("btcd at %d, expiry %d: %t, want %t", median, s.terms.Expiry, got, want)
			}
		}
		redeem := btcutil.NewTx(s.Redeem(place(0), 100_000, toWPKH, 1000))
		if !blockchain.IsFinalizedTransaction(redeem, 1, time.Unix(MinExpiry, 0)) {
			t.Error("a redeem waits")
		}
	}
}
