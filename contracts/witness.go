package contracts

import (
	"crypto/sha256"

	"github.com/btcsuite/btcd/txscript/v2"
)

// newWitness makes the P2WSH form: a selector chooses the branch, 1 the secret,
// nothing the time. Anything else that counts as true or false is not relayed.
//
// The keys stand in the script whole (118 bytes, 119 from 2^31 s on). With their hashes it
// would be 97 bytes, but each spend would add the key: 143 instead of 140 vB to
// redeem, 135 instead of 131 to refund.
func newWitness(t Terms) (Script, error) {
	script := assemble(txscript.NewScriptBuilder().
		AddOp(txscript.OP_IF).
		AddOp(txscript.OP_SIZE).AddInt64(32).AddOp(txscript.OP_EQUALVERIFY).
		AddOp(txscript.OP_SHA256).AddData(t.Hash[:]).AddOp(txscript.OP_EQUALVERIFY).
		AddData(t.Redeemer).
		AddOp(txscript.OP_ELSE).
		AddInt64(int64(t.Expiry)).AddOp(txscript.OP_CHECKLOCKTIMEVERIFY).AddOp(txscript.OP_DROP).
		AddData(t.Refunder).
		AddOp(txscript.OP_ENDIF).
		AddOp(txscript.OP_CHECKSIG))
	hash := sha256.Sum256(script)
	return Script{
		terms:  t,
		output: assemble(txscript.NewScriptBuilder().AddOp(txscript.OP_0).AddData(hash[:])),
		redeem: branch{script, [][]byte{{1}, script}},
		refund: branch{script, [][]byte{{}, script}},
	}, nil
}

// isTrue is how a script reads a stack element as a condition: false is nothing,
// or zeros, or zeros with the sign bit.
func isTrue(element []byte) bool {
	for i, b := range element {
		if b != 0 && !(b == 0x80 && i == len(element)-1) {
			return true
		}
	}
	return false
}
