package contracts

import (
	"fmt"

	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// dustRates are how much an output must be worth for each vB that it and its
// later spend take, in the smallest unit.
//
// Source: Bitcoin Core and Litecoin Core, DUST_RELAY_TX_FEE.
var dustRates = map[Chain]uint64{BTC: 3, LTC: 30}

// Dust is the least value of an output with this script that nodes of c relay:
// 330 satoshi or 3,300 litoshi for P2TR and P2WSH. It is zero for an OP_RETURN,
// which is meant to hold nothing, and on ETH and SMT, which know no such limit.
//
// Source: Bitcoin Core, GetDustThreshold.
func Dust(c Chain, pkScript []byte) Amount {
	if len(pkScript) > 0 && pkScript[0] == txscript.OP_RETURN {
		return Amount{}
	}
	spend := 148 // vB of an input that shows a signature and a key
	if txscript.IsWitnessProgram(pkScript) {
		spend = 67 // the same, discounted
	}
	return Units(dustRates[c] * uint64(wire.NewTxOut(0, pkScript).SerializeSize()+spend))
}

// CheckPayout reports why a spend of value to the output script to, less fee, is
// not to be made or signed: a script of no usual kind, a negative fee, an output
// below [Dust]. Amounts are in the smallest unit. Errors: ErrOutput, ErrDust.
func CheckPayout(c Chain, value int64, to []byte, fee int64) error {
	switch txscript.GetScriptClass(to) {
	case txscript.PubKeyHashTy, txscript.ScriptHashTy, txscript.WitnessV0PubKeyHashTy, txscript.WitnessV0ScriptHashTy, txscript.WitnessV1TaprootTy:
	default:
		return fmt.Errorf("%w: %s: pays to script %.80x of no usual kind", ErrOutput, c, to)
	}
	if fee < 0 || value < fee {
		return fmt.Errorf("%w: %s: fee %d of %d", ErrDust, c, fee, value)
	}
	if rest, least := Units(uint64(value-fee)), Dust(c, to); rest.Less(least) {
		return fmt.Errorf("%w: %s: %s is left of %d after fee %d, least is %s", ErrDust, c, rest, value, fee, least)
	}
	return nil
}

// longOutput is by how much the longest usual output, P2TR or P2WSH, is longer than P2WPKH.
const longOutput = 12 // vB

// Floor is the least amount worth a leg on BTC or LTC when fees are perKvB smallest
// units for 1,000 vB: what is left after a redeem alone at three times that fee
// is not dust, whatever usual output it pays to.
func Floor(c Chain, f Form, perKvB uint64) Amount {
	size := uint64(RedeemVSize)
	if f == P2WSH {
		size = WitnessRedeemVSize
	}
	thousandth, ok := Units(perKvB).Times(Units(3*(size+longOutput)), Units(1))
	fee, _ := thousandth.Plus(Units(999)).Times(Units(1), Units(1000)) // rounded up
	if !ok {
		panic("contracts: fee above 2^256") // 2^64 times a size is far below
	}
	anyP2TR := make([]byte, 34)
	anyP2TR[0], anyP2TR[1] = txscript.OP_1, txscript.OP_DATA_32
	return Dust(c, anyP2TR).Plus(fee)
}
