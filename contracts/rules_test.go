package contracts

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/schnorr"
	"github.com/btcsuite/btcd/btcec/v2/schnorr/musig2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

var forms = []Form{P2TR, P2WSH}

// The chain takes 32 bytes of the right hash and nothing else, even when the
// script was made for the hash of something shorter or longer (B9, B10, B11).
func TestOnlyASecretRedeems(t *testing.T) {
	for _, row := range []struct {
		name   string
		locked []byte // what the hash is of
		shown  []byte
		passes bool
	}{
		{"good", goodSecret[:], goodSecret[:], true},
		{"wrong secret", goodSecret[:], bytes.Repeat([]byte{9}, 32), false},
		{"nothing", goodSecret[:], nil, false},
		{"the hash itself", goodSecret[:], func() []byte { h := goodSecret.Hash(); return h[:] }(), false},
		{"31 bytes of the right hash", goodSecret[:31], goodSecret[:31], false},
		{"33 bytes of the right hash", append(goodSecret[:32:32], 0), append(goodSecret[:32:32], 0), false},
		{"520 bytes of the right hash", make([]byte, 520), make([]byte, 520), false},
		{"no bytes of the right hash", nil, nil, false},
	} {
		for _, f := range forms {
			terms := goodTerms(f)
			terms.Hash = sha256.Sum256(row.locked)
			s := scriptOf(t, terms)
			tx, prevs := s.Redeem(place(0), 100_000, toWPKH, 1000), locked(s.Output())
			sig, err := s.sign(s.redeem, terms.Redeemer, tx, 0, prevs, keyOf("bob"))
			if err != nil {
				t.Fatal(err)
			}
			tx.TxIn[0].Witness = s.redeem.witness(sig, row.shown)
			if err := run(tx, 0, prevs); (err == nil) != row.passes {
				t.Errorf("%s, %s: %v, want it to pass: %t", row.name, f, err, row.passes)
			}
			_, found := FindSecret(tx, terms.Hash)
			if end, ok := s.EndOf(tx, place(0)); ok != row.passes || found != row.passes || (ok && end != BySecret) {
				t.Errorf("%s, %s: secret found: %t; end %q, %t", row.name, f, found, end, ok)
			}
		}
	}
}

// Each row is one change to a good refund before it is signed (G5, G6, D15).
func TestRefundTime(t *testing.T) {
	const expiry = 1 << 31 // the first that takes five bytes
	for _, row := range []struct {
		name   string
		change func(*wire.MsgTx)
		passes bool
	}{
		{"at the expiry", func(tx *wire.MsgTx) {}, true},
		{"a second later", func(tx *wire.MsgTx) { tx.LockTime++ }, true},
		{"a second earlier", func(tx *wire.MsgTx) { tx.LockTime-- }, false},
		{"the last second there is", func(tx *wire.MsgTx) { tx.LockTime = 1<<32 - 1 }, true},
		{"a block in place of a time", func(tx *wire.MsgTx) { tx.LockTime = MinExpiry - 1 }, false},
		{"no lock time", func(tx *wire.MsgTx) { tx.LockTime = 0 }, false},
		{"final sequence", func(tx *wire.MsgTx) { tx.TxIn[0].Sequence = wire.MaxTxInSequenceNum }, false},
		{"not final but not replaceable", func(tx *wire.MsgTx) { tx.TxIn[0].Sequence-- }, true},
	} {
		for _, f := range forms {
			terms := goodTerms(f)
			terms.Expiry = expiry
			s := scriptOf(t, terms)
			tx, prevs := s.Refund(place(0), 100_000, toWPKH, 1000), locked(s.Output())
			row.change(tx)
			if err := s.SignRefund(tx, 0, prevs, keyOf("alice")); err != nil {
				t.Fatal(err)
			}
			if err := run(tx, 0, prevs); (err == nil) != row.passes {
				t.Errorf("%s, %s: %v, want it to pass: %t", row.name, f, err, row.passes)
			}
		}
	}
}

// A script whose lock time is -1 can never be refunded, by anybody.
func TestNegativeLockTimeFails(t *testing.T) {
	never := assemble(txscript.NewScriptBuilder().
		AddData(xOnly(partyOf(keyOf("alice")))).AddOp(txscript.OP_CHECKSIGVERIFY).
		AddInt64(-1).AddOp(txscript.OP_CHECKLOCKTIMEVERIFY))
	s := scriptOf(t, goodTerms(P2TR))
	tx, prevs := leafSpend(t, s, never, keyOf("alice"))
	tx.LockTime = uint32(s.terms.Expiry)
	if err := run(tx, 0, prevs); !txscript.IsErrorCode(err, txscript.ErrNegativeLockTime) {
		t.Errorf("%v, want it refused for its lock time", err)
	}
}

// leafSpend is the spend, by a single signature, of an output that is alike but
// whose only leaf is this one.
func leafSpend(t *testing.T, s Script, script []byte, key *btcec.PrivateKey) (*wire.MsgTx, *txscript.MultiPrevOutFetcher) {
	t.Helper()
	leaf := txscript.NewBaseTapLeaf(script)
	tree := txscript.AssembleTaprootScriptTree(leaf)
	joint, _, _, err := musig2.AggregateKeys(s.terms.keys(), true)
	if err != nil {
		t.Fatal(err)
	}
	root := tree.RootNode.TapHash()
	output := must(txscript.PayToTaprootScript(txscript.ComputeTaprootOutputKey(joint.FinalKey, root[:])))
	control := tree.LeafMerkleProofs[0].ToControlBlock(joint.FinalKey)
	tx, prevs := s.Refund(place(0), 100_000, toWPKH, 1000), locked(output)
	sig, err := txscript.RawTxInTapscriptSignature(tx, txscript.NewTxSigHashes(tx, prevs), 0, 100_000, output, leaf, txscript.SigHashDefault, key)
	if err != nil {
		t.Fatal(err)
	}
	tx.TxIn[0].Witness = wire.TxWitness{sig, script, must(control.ToBytes())}
	return tx, prevs
}

// What each party cannot do alone, each a witness that the chain must refuse.
func TestNobodyTakesTheOthersBranch(t *testing.T) {
	for _, f := range forms {
		s := scriptOf(t, goodTerms(f))
		for _, row := range []struct {
			name   string
			branch branch
			key    string
			secret bool
		}{
			{"redeem signed by the refunder", s.redeem, "alice", true},
			{"redeem signed by a stranger", s.redeem, "carol", true},
			{"redeem without the secret", s.redeem, "bob", false},
			{"refund signed by the redeemer", s.refund, "bob", false},
			{"refund signed by a stranger", s.refund, "carol", false},
			{"refund with a secret too many", s.refund, "alice", true},
		} {
			tx, prevs := s.Refund(place(0), 100_000, toWPKH, 1000), locked(s.Output())
			sig, err := s.sign(row.branch, partyOf(keyOf(row.key)), tx, 0, prevs, keyOf(row.key))
			if err != nil {
				t.Fatal(err)
			}
			proofs := [][]byte{sig}
			if row.secret {
				proofs = append(proofs, goodSecret[:])
			}
			tx.TxIn[0].Witness = row.branch.witness(proofs...)
			if run(tx, 0, prevs) == nil || runWith(consensus, tx, 0, prevs) == nil {
				t.Errorf("%s, %s: passes", row.name, f)
			}
		}
	}
}

// consensus is what a block may hold, even if nodes would not relay it.
const consensus = txscript.ScriptBip16 | txscript.ScriptVerifyDERSignatures | txscript.ScriptStrictMultiSig |
	txscript.ScriptVerifyCheckLockTimeVerify | txscript.ScriptVerifyCheckSequenceVerify |
	txscript.ScriptVerifyWitness | txscript.ScriptVerifyTaproot

// The selector of P2WSH is 1 or nothing for nodes; a block may hold others, and
// a spend is recognised all the same.
func TestSelector(t *testing.T) {
	s := scriptOf(t, goodTerms(P2WSH))
	for _, row := range []struct {
		name     string
		selector []byte
		standard bool
		end      Branch
	}{
		{"one", []byte{1}, true, BySecret},
		{"two", []byte{2}, false, BySecret},
		{"one in two bytes", []byte{1, 0}, false, BySecret},
		{"minus one", []byte{0x81}, false, BySecret},
		{"sign bit in the middle", []byte{0x80, 0}, false, BySecret},
		{"nothing", []byte{}, true, ByTime},
		{"a zero", []byte{0}, false, ByTime},
		{"minus zero", []byte{0x80}, false, ByTime},
		{"minus zero in two bytes", []byte{0, 0x80}, false, ByTime},
	} {
		tx, prevs := redeemed(t, s)
		if row.end == ByTime {
			tx, prevs = refunded(t, s)
		}
		w := tx.TxIn[0].Witness
		w[len(w)-2] = row.selector
		err := run(tx, 0, prevs)
		if row.standard && err != nil || !row.standard && !txscript.IsErrorCode(err, txscript.ErrMinimalIf) {
			t.Errorf("%s: %v, standard: %t", row.name, err, row.standard)
		}
		if err := runWith(consensus, tx, 0, prevs); err != nil {
			t.Errorf("%s: in a block: %v", row.name, err)
		}
		if end, ok := s.EndOf(tx, place(0)); !ok || end != row.end {
			t.Errorf("%s: end %q, %t, want %q", row.name, end, ok, row.end)
		}
	}
}

// An annex is part of what a Taproot signature covers: nobody can add one, and
// who signs one only costs himself; the secret shows all the same (K3).
func TestAnnex(t *testing.T) {
	s := scriptOf(t, goodTerms(P2TR))
	annex := append([]byte{txscript.TaprootAnnexTag}, goodSecret[:]...)
	for _, way := range []func(testing.TB, Script) (*wire.MsgTx, *txscript.MultiPrevOutFetcher){redeemed, refunded, together} {
		tx, prevs := way(t, s)
		tx.TxIn[0].Witness = append(tx.TxIn[0].Witness, annex)
		if err := runWith(consensus, tx, 0, prevs); err == nil {
			t.Errorf("annex of another hand passes on %d items", len(tx.TxIn[0].Witness))
		}
	}

	tx, prevs := redeemed(t, s)
	digest, err := txscript.CalcTapscriptSignaturehash(txscript.NewTxSigHashes(tx, prevs), txscript.SigHashDefault, tx, 0, prevs,
		txscript.NewBaseTapLeaf(s.redeem.script), txscript.WithAnnex(annex))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := schnorr.Sign(keyOf("bob"), digest)
	if err != nil {
		t.Fatal(err)
	}
	tx.TxIn[0].Witness = append(s.redeem.witness(sig.Serialize(), goodSecret[:]), annex)
	if err := runWith(consensus, tx, 0, prevs); err != nil {
		t.Fatalf("annex of the signer's own hand: %v", err)
	}
	if end, ok := s.EndOf(tx, place(0)); !ok || end != BySecret {
		t.Errorf("end %q, %t", end, ok)
	}
	if found, ok := FindSecret(tx, s.terms.Hash); !ok || found != goodSecret {
		t.Error("secret not found beside an annex")
	}
}

// Locks that look like ours and are not: none has our output, and we sign for
// none (B4, K2).
func TestLookalikes(t *testing.T) {
	taproot, witness := scriptOf(t, goodTerms(P2TR)), scriptOf(t, goodTerms(P2WSH))
	joint, _, _, err := musig2.AggregateKeys(taproot.terms.keys(), true)
	if err != nil {
		t.Fatal(err)
	}
	tree := func(internal *btcec.PublicKey, leaves ...txscript.TapLeaf) []byte {
		root := txscript.AssembleTaprootScriptTree(leaves...).RootNode.TapHash()
		return must(txscript.PayToTaprootScript(txscript.ComputeTaprootOutputKey(internal, root[:])))
	}
	wsh := func(script []byte) []byte {
		hash := sha256.Sum256(script)
		return append([]byte{txscript.OP_0, txscript.OP_DATA_32}, hash[:]...)
	}
	sh := func(script []byte) []byte {
		b := txscript.NewScriptBuilder().AddOp(txscript.OP_HASH160).AddData(address160(script)).AddOp(txscript.OP_EQUAL)
		return assemble(b)
	}
	redeem, refund := txscript.NewBaseTapLeaf(taproot.redeem.script), txscript.NewBaseTapLeaf(taproot.refund.script)
	if !bytes.Equal(tree(joint.FinalKey, redeem, refund), taproot.Output()) {
		t.Fatal("the good tree is not our output: nothing below means anything")
	}
	noSize := txscript.NewBaseTapLeaf(taproot.redeem.script[4:])
	for name, output := range map[string][]byte{
		"internal key of the redeemer":    tree(taproot.terms.keys()[0], redeem, refund),
		"internal key of the refunder":    tree(taproot.terms.keys()[1], redeem, refund),
		"no refund leaf":                  tree(joint.FinalKey, redeem),
		"no redeem leaf":                  tree(joint.FinalKey, refund),
		"a third leaf":                    tree(joint.FinalKey, redeem, refund, txscript.NewBaseTapLeaf([]byte{txscript.OP_TRUE})),
		"redeem leaf without the length":  tree(joint.FinalKey, noSize, refund),
		"redeem leaf with one more op":    tree(joint.FinalKey, txscript.NewBaseTapLeaf(append(bytes.Clone(redeem.Script), txscript.OP_NOP)), refund),
		"leaf of a version of the future": tree(joint.FinalKey, redeem, txscript.NewTapLeaf(0xc2, refund.Script)),
		"no tree":                         must(txscript.PayToTaprootScript(txscript.ComputeTaprootKeyNoScript(joint.FinalKey))),
		"untweaked":                       must(txscript.PayToTaprootScript(joint.FinalKey)),
		"P2WSH nested in P2SH":            sh(witness.Output()),
		"P2SH of the same script":         sh(witness.redeem.script),
		"the script itself":               witness.redeem.script,
		"P2WSH with one more op":          wsh(append(bytes.Clone(witness.redeem.script), txscript.OP_NOP)),
		"P2WSH of the redeem leaf":        wsh(taproot.redeem.script),
		"P2WSH program as version 1":      append([]byte{txscript.OP_1}, witness.Output()[1:]...),
		"P2TR program as version 0":       append([]byte{txscript.OP_0}, taproot.Output()[1:]...),
		"one byte more":                   append(taproot.Output(), 0),
		"empty":                           {},
	} {
		for _, s := range []Script{taproot, witness} {
			tx, prevs := s.Redeem(place(0), 100_000, toWPKH, 1000), locked(output)
			if err := s.SignRedeem(tx, 0, prevs, keyOf("bob"), goodSecret); !errors.Is(err, ErrOutput) {
				t.Errorf("%s, %s: %v, want %v", name, s.terms.Form, err, ErrOutput)
			}
		}
	}
}
