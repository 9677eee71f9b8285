package contracts

import (
	"github.com/btcsuite/btcd/wire/v2"
)

// replaceable is the sequence of every input: it signals that a higher fee may
// replace the transaction, and lets its lock time count.
//
// Source: BIP-125.
const replaceable = wire.MaxTxInSequenceNum - 2

// Redeem returns the unsigned transaction that pays the lock, which holds value,
// to the output script to, less fee, both in the smallest unit. Ask [CheckPayout]
// first. Several become one when their inputs are added: values and fees add up.
func (s Script) Redeem(lock wire.OutPoint, value int64, to []byte, fee int64) *wire.MsgTx {
	return spend(lock, value, to, fee, 0)
}

// Refund is as Redeem, for the time branch. Its lock time is the expiry: a block
// can hold it when the median time past of the block before is above the
// expiry, at least one second; see [Script.Refundable].
func (s Script) Refund(lock wire.OutPoint, value int64, to []byte, fee int64) *wire.MsgTx {
	return spend(lock, value, to, fee, uint32(s.terms.Expiry))
}

// Together is as Redeem, for the key path of P2TR: a redeem or a refund that both
// sign; see [Script.NewSession].
func (s Script) Together(lock wire.OutPoint, value int64, to []byte, fee int64) *wire.MsgTx {
	return spend(lock, value, to, fee, 0)
}

// Refundable reports whether the next block can hold the refund, at this median
// time past in Unix seconds. At exactly the expiry it cannot.
//
// Source: BIP-113 and IsFinalTx of Bitcoin Core, where a lock time must be below.
func (s Script) Refundable(medianTime uint64) bool { return medianTime > s.terms.Expiry }

func spend(lock wire.OutPoint, value int64, to []byte, fee int64, lockTime uint32) *wire.MsgTx {
	tx := wire.NewMsgTx(2)
	tx.LockTime = lockTime
	tx.AddTxIn(&wire.TxIn{PreviousOutPoint: lock, Sequence: replaceable})
	tx.AddTxOut(wire.NewTxOut(value-fee, to))
	return tx
}

// Virtual sizes of the spends of one lock with one P2WPKH output, and of a lock
// from one P2WPKH input with change to P2WPKH, in vB. ECDSA signatures count 72
// bytes and may be one or two shorter. From the year 2038 on (2^31 s) a refund of
// P2WSH is 132.
const (
	TogetherVSize      = 99  // P2TR, key path
	RedeemVSize        = 143 // P2TR, redeem leaf
	RefundVSize        = 126 // P2TR, refund leaf
	WitnessRedeemVSize = 140 // P2WSH
	WitnessRefundVSize = 131 // P2WSH
	LockVSize          = 153 // either form; 43 more for each lock more
)

// VSize is the virtual size of tx in vB, for which fees are paid.
//
// Source: BIP-141.
func VSize(tx *wire.MsgTx) int64 {
	weight := 3*tx.SerializeSizeStripped() + tx.SerializeSize()
	return int64(weight+3) / 4
}
