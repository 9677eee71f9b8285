package contracts

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/btcsuite/btcd/txscript/v2"
)

// outputs of every usual kind, by name.
var outputs = map[string][]byte{
	"P2PKH":     append(append([]byte{txscript.OP_DUP, txscript.OP_HASH160, 20}, make([]byte, 20)...), txscript.OP_EQUALVERIFY, txscript.OP_CHECKSIG),
	"P2SH":      append(append([]byte{txscript.OP_HASH160, 20}, make([]byte, 20)...), txscript.OP_EQUAL),
	"P2WPKH":    append([]byte{txscript.OP_0, 20}, make([]byte, 20)...),
	"P2WSH":     append([]byte{txscript.OP_0, 32}, make([]byte, 32)...),
	"P2TR":      append([]byte{txscript.OP_1, 32}, make([]byte, 32)...),
	"OP_RETURN": {txscript.OP_RETURN, 1, 1},
	"P2PK":      append(append([]byte{33, 2}, bytes.Repeat([]byte{1}, 32)...), txscript.OP_CHECKSIG),
	"empty":     {},
	"half":      {txscript.OP_0, 20, 1},
	"version 1": append([]byte{txscript.OP_1, 20}, make([]byte, 20)...), // a program of no known meaning
}

func TestDust(t *testing.T) {
	for _, row := range []struct {
		kind     string
		btc, ltc uint64
	}{
		{"P2PKH", 546, 5460},
		{"P2SH", 540, 5400},
		{"P2WPKH", 294, 2940},
		{"P2WSH", 330, 3300},
		{"P2TR", 330, 3300},
		{"OP_RETURN", 0, 0},
	} {
		for c, want := range map[Chain]uint64{BTC: row.btc, LTC: row.ltc, ETH: 0, SMT: 0} {
			if got := Dust(c, outputs[row.kind]); got != Units(want) {
				t.Errorf("%s on %s: %s, want %d", row.kind, c, got, want)
			}
		}
	}
}

// Each row is one change to a good payout: 100,000 on BTC, less 1,000, to P2WPKH.
func TestCheckPayout(t *testing.T) {
	type payout struct {
		chain      Chain
		value, fee int64
		to         string
	}
	for _, row := range []struct {
		name   string
		change func(*payout)
		want   error
	}{
		{"good", func(p *payout) {}, nil},
		{"to P2PKH", func(p *payout) { p.to = "P2PKH" }, nil},
		{"to P2SH", func(p *payout) { p.to = "P2SH" }, nil},
		{"to P2WSH", func(p *payout) { p.to = "P2WSH" }, nil},
		{"to P2TR", func(p *payout) { p.to = "P2TR" }, nil},
		{"to OP_RETURN", func(p *payout) { p.to = "OP_RETURN" }, ErrOutput},
		{"to a bare key", func(p *payout) { p.to = "P2PK" }, ErrOutput},
		{"to nothing", func(p *payout) { p.to = "empty" }, ErrOutput},
		{"to half a script", func(p *payout) { p.to = "half" }, ErrOutput},
		{"to a program of no meaning", func(p *payout) { p.to = "version 1" }, ErrOutput},
		{"no fee", func(p *payout) { p.fee = 0 }, nil},
		{"negative fee", func(p *payout) { p.fee = -1 }, ErrDust},
		{"least fee there is", func(p *payout) { p.fee = math.MinInt64 }, ErrDust},
		{"the whole as fee", func(p *payout) { p.fee = p.value }, ErrDust},
		{"more than the whole as fee", func(p *payout) { p.fee = p.value + 1 }, ErrDust},
		{"highest fee there is", func(p *payout) { p.fee = math.MaxInt64 }, ErrDust},
		{"negative value", func(p *payout) { p.value, p.fee = -1, 0 }, ErrDust},
		{"least that is no dust", func(p *payout) { p.value = 1294 }, nil},
		{"dust", func(p *payout) { p.value = 1293 }, ErrDust},
		{"least that is no dust on LTC", func(p *payout) { p.chain, p.value = LTC, 3940 }, nil},
		{"dust on LTC", func(p *payout) { p.chain, p.value = LTC, 3939 }, ErrDust},
	} {
		p := payout{BTC, 100_000, 1000, "P2WPKH"}
		row.change(&p)
		if err := CheckPayout(p.chain, p.value, outputs[p.to], p.fee); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

// At the floor a redeem alone at three times the fee still leaves an output; one
// unit below it does not (C1).
func TestFloor(t *testing.T) {
	for _, row := range []struct {
		chain  Chain
		form   Form
		perKvB uint64
		want   uint64
	}{
		{BTC, P2TR, 0, 330},
		{BTC, P2TR, 1, 331}, // a fee below one unit is one unit
		{BTC, P2TR, 1000, 330 + 465},
		{BTC, P2TR, 10_000, 330 + 4650},
		{BTC, P2WSH, 10_000, 330 + 4560},
		{LTC, P2TR, 10_000, 3300 + 4650},
	} {
		got := Floor(row.chain, row.form, row.perKvB)
		if got != Units(row.want) {
			t.Errorf("%s %s at %d: %s, want %d", row.chain, row.form, row.perKvB, got, row.want)
		}
		size := int64(RedeemVSize)
		if row.form == P2WSH {
			size = WitnessRedeemVSize
		}
		fee := (3*int64(row.perKvB)*(size+12) + 999) / 1000
		if err := CheckPayout(row.chain, int64(row.want), outputs["P2TR"], fee); err != nil {
			t.Errorf("at the floor: %v", err)
		}
		if err := CheckPayout(row.chain, int64(row.want)-1, outputs["P2TR"], fee); !errors.Is(err, ErrDust) {
			t.Errorf("below the floor: %v", err)
		}
	}
	if got, want := Floor(BTC, P2TR, math.MaxUint64), Units(330+8_577_735_994_274_941_501); got != want {
		t.Errorf("at the highest fee there is: %s, want %s", got, want)
	}
}
