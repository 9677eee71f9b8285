package contracts

import (
	"bytes"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/schnorr"
	"github.com/btcsuite/btcd/btcec/v2/schnorr/musig2"
	"github.com/btcsuite/btcd/txscript/v2"
)

// newTaproot makes the P2TR form. The internal key is the MuSig2 key of both
// parties, so that nobody's key alone spends by the key path.
//
// Source: BIP-341, BIP-342; BIP-327 with sorted keys.
func newTaproot(t Terms) (Script, error) {
	leaves := [][]byte{redeemLeaf(t), refundLeaf(t)}
	tree := txscript.AssembleTaprootScriptTree(txscript.NewBaseTapLeaf(leaves[0]), txscript.NewBaseTapLeaf(leaves[1]))
	root := tree.RootNode.TapHash()
	joint, _, _, err := musig2.AggregateKeys(t.keys(), true, musig2.WithTaprootKeyTweak(root[:]))
	if err != nil {
		return Script{}, err
	}
	s := Script{
		terms:  t,
		output: must(txscript.PayToTaprootScript(joint.FinalKey)),
		root:   root[:],
	}
	for i, b := range []*branch{&s.redeem, &s.refund} {
		// The tree could make this too, at the price of the output key each time.
		control := txscript.ControlBlock{
			InternalKey:     joint.PreTweakedKey,
			OutputKeyYIsOdd: joint.FinalKey.SerializeCompressed()[0] == oddKey,
			LeafVersion:     txscript.BaseLeafVersion,
			InclusionProof:  tree.LeafMerkleProofs[i].InclusionProof,
		}
		*b = branch{leaves[i], [][]byte{leaves[i], must(control.ToBytes())}}
	}
	return s, nil
}

// oddKey is the first byte of a compressed key whose Y is odd (SEC 1).
const oddKey = 3

// redeemLeaf is the 73 bytes that take a 32-byte secret and the redeemer's
// signature. The length stands in it because on ETH and SMT a secret is 32 bytes,
// and one that opens this leg must open the other.
func redeemLeaf(t Terms) []byte {
	return assemble(txscript.NewScriptBuilder().
		AddOp(txscript.OP_SIZE).AddInt64(32).AddOp(txscript.OP_EQUALVERIFY).
		AddOp(txscript.OP_SHA256).AddData(t.Hash[:]).AddOp(txscript.OP_EQUALVERIFY).
		AddData(xOnly(t.Redeemer)).AddOp(txscript.OP_CHECKSIG))
}

// refundLeaf is the 40 bytes (41 from 2^31 s on, in 2038) that take the refunder's signature
// from the expiry on. CHECKLOCKTIMEVERIFY leaves the expiry on the stack, which
// is not zero and so the leaf's true end.
func refundLeaf(t Terms) []byte {
	return assemble(txscript.NewScriptBuilder().
		AddData(xOnly(t.Refunder)).AddOp(txscript.OP_CHECKSIGVERIFY).
		AddInt64(int64(t.Expiry)).AddOp(txscript.OP_CHECKLOCKTIMEVERIFY))
}

// keys are those of redeemer and refunder.
func (t Terms) keys() []*btcec.PublicKey {
	return []*btcec.PublicKey{must(btcec.ParsePubKey(t.Redeemer)), must(btcec.ParsePubKey(t.Refunder))}
}

// xOnly is the key as a leaf holds it: 32 bytes without the parity.
func xOnly(p Party) []byte {
	return bytes.Clone(p[1:])
}

// outputKey is the key of a P2TR output.
func (s Script) outputKey() *btcec.PublicKey { return must(schnorr.ParsePubKey(s.output[2:])) }
