package contracts

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
	"pgregory.net/rapid"
)

// A drawn leg, with all that opens it.
type drawn struct {
	script             Script
	redeemer, refunder *btcec.PrivateKey
	secret             Secret
	random             [2][32]byte
}

func bytes32(r *rapid.T, name string) (b [32]byte) {
	copy(b[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(r, name))
	return b
}

func draw(r *rapid.T, f Form) drawn {
	key := func(name string) *btcec.PrivateKey {
		raw := bytes32(r, name)
		raw[31] |= 1 // not zero
		k, _ := btcec.PrivKeyFromBytes(raw[:])
		return k
	}
	d := drawn{redeemer: key("redeemer"), refunder: key("refunder"), secret: bytes32(r, "secret")}
	d.random = [2][32]byte{bytes32(r, "random one"), bytes32(r, "random two")}
	d.random[0][0], d.random[1][0] = 1, 2
	terms := Terms{
		Asset: Native(BTC), Amount: Units(100_000), Hash: d.secret.Hash(), Form: f,
		Redeemer: partyOf(d.redeemer), Refunder: partyOf(d.refunder),
		Expiry: rapid.OneOf(
			rapid.Uint64Range(MinExpiry, MaxExpiry),
			rapid.Uint64Range(1<<31-2, 1<<31+2),
			rapid.SampledFrom([]uint64{MinExpiry, MinExpiry + 1, MaxExpiry - 1, MaxExpiry}),
		).Draw(r, "expiry"),
	}
	var err error
	if d.script, err = NewScript(terms); err != nil {
		r.Skip(err) // the zero secret, or twice the same key
	}
	return d
}

// spent is the leg's lock spent by one branch, signed.
func (d drawn) spent(r *rapid.T, by Branch) (*wire.MsgTx, *txscript.MultiPrevOutFetcher) {
	s, prevs := d.script, locked(d.script.Output())
	var tx *wire.MsgTx
	var err error
	switch by {
	case BySecret:
		tx = s.Redeem(place(0), 100_000, toWPKH, 1000)
		err = s.SignRedeem(tx, 0, prevs, d.redeemer, d.secret)
	case ByTime:
		tx = s.Refund(place(0), 100_000, toWPKH, 1000)
		err = s.SignRefund(tx, 0, prevs, d.refunder)
	case ByBoth:
		tx = s.Together(place(0), 100_000, toWPKH, 1000)
		tx.TxIn[0].Witness, err = d.cosigned(tx, prevs)
	}
	if err != nil {
		r.Fatal(err)
	}
	return tx, prevs
}

func (d drawn) cosigned(tx *wire.MsgTx, prevs txscript.PrevOutputFetcher) (wire.TxWitness, error) {
	one, err := d.script.NewSession(d.redeemer, d.random[0])
	if err != nil {
		return nil, err
	}
	two, err := d.script.NewSession(d.refunder, d.random[1])
	if err != nil {
		return nil, err
	}
	if _, err := one.Sign(tx, 0, prevs, two.Nonce()); err != nil {
		return nil, err
	}
	half, err := two.Sign(tx, 0, prevs, one.Nonce())
	if err != nil {
		return nil, err
	}
	return one.Combine(half)
}

// Whatever the keys, the secret and the time: every branch opens its lock, and
// one bit turned anywhere in what opens it, in what it pays, or in the terms
// that it was locked under, closes it.
func TestOneBitCloses(t *testing.T) {
	for _, f := range forms {
		for _, by := range []Branch{BySecret, ByTime, ByBoth} {
			if f == P2WSH && by == ByBoth {
				continue
			}
			t.Run(fmt.Sprint(f, " ", by), func(t *testing.T) {
				rapid.Check(t, func(r *rapid.T) {
					d := draw(r, f)
					tx, prevs := d.spent(r, by)
					if err := run(tx, 0, prevs); err != nil {
						r.Fatalf("good: %v", err)
					}
					if end, ok := d.script.EndOf(tx, place(0)); !ok || end != by {
						r.Fatalf("good: ended by %q, %t", end, ok)
					}
					turnWitness(r, tx, prevs)
					turnSpend(r, tx, prevs)
					turnTerms(r, d.script.Terms(), tx)
				})
			})
		}
	}
}

// turnWitness turns one bit of the witness.
func turnWitness(r *rapid.T, good *wire.MsgTx, prevs *txscript.MultiPrevOutFetcher) {
	tx := good.Copy()
	w := tx.TxIn[0].Witness
	item := rapid.IntRange(0, len(w)-1).Filter(func(i int) bool { return len(w[i]) > 0 }).Draw(r, "item")
	bit := rapid.IntRange(0, 8*len(w[item])-1).Draw(r, "bit of the witness")
	w[item][bit/8] ^= 1 << (bit % 8)
	if run(tx, 0, prevs) == nil {
		r.Errorf("passes with bit %d of item %d turned", bit, item)
	}
}

// turnSpend turns one bit of what the spend says.
func turnSpend(r *rapid.T, good *wire.MsgTx, prevs *txscript.MultiPrevOutFetcher) {
	tx := good.Copy()
	bit := rapid.IntRange(0, 31).Draw(r, "bit of the spend")
	part := rapid.SampledFrom([]string{"version", "lock time", "sequence", "value", "output"}).Draw(r, "part")
	switch part {
	case "version":
		tx.Version ^= 1 << bit
	case "lock time":
		tx.LockTime ^= 1 << bit
	case "sequence":
		tx.TxIn[0].Sequence ^= 1 << bit
	case "value":
		tx.TxOut[0].Value ^= 1 << bit
	case "output":
		tx.TxOut[0].PkScript = bytes.Clone(tx.TxOut[0].PkScript)
		tx.TxOut[0].PkScript[bit%22] ^= 1 << (bit % 8)
	}
	if run(tx, 0, prevs) == nil {
		r.Errorf("passes with bit %d of its %s turned", bit, part)
	}
}

// turnTerms locks under terms with one bit turned, and tries the good spend.
func turnTerms(r *rapid.T, terms Terms, good *wire.MsgTx) {
	terms.Redeemer, terms.Refunder = bytes.Clone(terms.Redeemer), bytes.Clone(terms.Refunder)
	bit := rapid.IntRange(0, 255).Draw(r, "bit of the terms")
	part := rapid.SampledFrom([]string{"hash", "expiry", "redeemer", "refunder"}).Draw(r, "term")
	switch part {
	case "hash":
		terms.Hash[bit/8] ^= 1 << (bit % 8)
	case "expiry":
		terms.Expiry ^= 1 << (bit % 32)
	case "redeemer":
		terms.Redeemer[bit/8] ^= 1 << (bit % 8)
	case "refunder":
		terms.Refunder[bit/8] ^= 1 << (bit % 8)
	}
	other, err := NewScript(terms)
	if err != nil {
		return // no such terms: half of the turned keys are no points
	}
	if run(good, 0, locked(other.Output())) == nil {
		r.Errorf("passes on a lock whose %s has bit %d turned", part, bit)
	}
}
