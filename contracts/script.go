package contracts

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// Why a script does not sign or a spend is not worth making. Each is wrapped
// with the figures that decided it.
var (
	ErrKey    = errors.New("not the key of this leg")
	ErrSecret = errors.New("not the secret of this leg")
	ErrOutput = errors.New("not an output of this leg")
	ErrDust   = errors.New("output too small for its network")
)

// A Script is a leg as an output of Bitcoin or Litecoin: the two share every
// rule used here, so that one script serves both.
//
//	                 ┌─ key path     both sign     Together, NewSession
//	P2TR    output ──┼─ redeem leaf  the secret    Redeem, SignRedeem
//	                 └─ refund leaf  the time      Refund, SignRefund
//	P2WSH   output ──── one script with the last two
//
// The same terms give the same output, byte for byte: a lock counts only if its
// output script is exactly [Script.Output]. It is made by [NewScript] only.
type Script struct {
	terms  Terms
	output []byte
	redeem branch // opened by the secret
	refund branch // opened by the time
	root   []byte // of P2TR: the hash of the tree of both leaves
}

// A branch is one way through the script.
type branch struct {
	script []byte   // the leaf of P2TR, the whole witness script of P2WSH
	tail   [][]byte // what stands last in the witness and chooses this branch
}

// witness is what opens b: the proofs it asks for, then its tail.
func (b branch) witness(proofs ...[]byte) (w wire.TxWitness) {
	for _, item := range slices.Concat(proofs, b.tail) {
		w = append(w, bytes.Clone(item))
	}
	return w
}

// NewScript returns the output that holds t. Errors: ErrTerms, ErrChain; terms of
// ETH and SMT have none.
func NewScript(t Terms) (Script, error) {
	if err := t.Check(); err != nil {
		return Script{}, err
	}
	t.Redeemer, t.Refunder = bytes.Clone(t.Redeemer), bytes.Clone(t.Refunder)
	switch t.Form {
	case P2TR:
		return newTaproot(t)
	case P2WSH:
		return newWitness(t)
	}
	return Script{}, fmt.Errorf("%w: %s: form %q is no output", ErrTerms, t.Asset.Chain, t.Form)
}

// Terms are what the script was made from.
func (s Script) Terms() Terms { return s.terms }

// Output is the script of the output that locks the leg (its scriptPubKey): 34
// bytes in either form.
func (s Script) Output() []byte { return bytes.Clone(s.output) }

// SignRedeem puts the witness that shows secret into input index of tx. key is
// the redeemer's. prevs knows every output that tx spends. tx may have inputs of
// other scripts; each is signed by its own.
// Errors: ErrKey, ErrSecret, ErrOutput; after one tx is as before.
func (s Script) SignRedeem(tx *wire.MsgTx, index int, prevs txscript.PrevOutputFetcher, key *btcec.PrivateKey, secret Secret) error {
	if secret.Hash() != s.terms.Hash {
		return fmt.Errorf("%w: %v, want one of %s", ErrSecret, secret, s.terms.Hash)
	}
	sig, err := s.sign(s.redeem, s.terms.Redeemer, tx, index, prevs, key)
	if err != nil {
		return err
	}
	tx.TxIn[index].Witness = s.redeem.witness(sig, secret[:])
	return nil
}

// SignRefund puts the witness of the time branch into input index of tx. key is
// the refunder's; the rest is as in [Script.SignRedeem].
// Errors: ErrKey, ErrOutput; after one tx is as before.
func (s Script) SignRefund(tx *wire.MsgTx, index int, prevs txscript.PrevOutputFetcher, key *btcec.PrivateKey) error {
	sig, err := s.sign(s.refund, s.terms.Refunder, tx, index, prevs, key)
	if err != nil {
		return err
	}
	tx.TxIn[index].Witness = s.refund.witness(sig)
	return nil
}

// sign returns the signature that b asks of its party.
func (s Script) sign(b branch, party Party, tx *wire.MsgTx, index int, prevs txscript.PrevOutputFetcher, key *btcec.PrivateKey) ([]byte, error) {
	if pub := key.PubKey().SerializeCompressed(); !bytes.Equal(pub, party) {
		return nil, fmt.Errorf("%w: key of %x, want %s", ErrKey, pub, party)
	}
	prev, err := s.prev(tx, index, prevs)
	if err != nil {
		return nil, err
	}
	sums := txscript.NewTxSigHashes(tx, prevs)
	if s.terms.Form == P2TR {
		leaf := txscript.NewBaseTapLeaf(b.script)
		return txscript.RawTxInTapscriptSignature(tx, sums, index, prev.Value, prev.PkScript, leaf, txscript.SigHashDefault, key)
	}
	return txscript.RawTxInWitnessSignature(tx, sums, index, prev.Value, b.script, txscript.SigHashAll, key)
}

// prev returns the output that input index of tx spends, which must be this
// leg's: a signature for another script, however alike, is never given.
func (s Script) prev(tx *wire.MsgTx, index int, prevs txscript.PrevOutputFetcher) (*wire.TxOut, error) {
	if index < 0 || index >= len(tx.TxIn) {
		return nil, fmt.Errorf("%w: input %d of %d", ErrOutput, index, len(tx.TxIn))
	}
	for i, in := range tx.TxIn {
		if prevs.FetchPrevOutput(in.PreviousOutPoint) == nil {
			return nil, fmt.Errorf("%w: input %d spends %v, which is not known", ErrOutput, i, in.PreviousOutPoint)
		}
	}
	prev := prevs.FetchPrevOutput(tx.TxIn[index].PreviousOutPoint)
	if !bytes.Equal(prev.PkScript, s.output) {
		return nil, fmt.Errorf("%w: input %d spends %x, want %x", ErrOutput, index, prev.PkScript, s.output)
	}
	return prev, nil
}

// assemble ends a script that is ours: its pushes are small, so that building it
// cannot fail.
func assemble(b *txscript.ScriptBuilder) []byte {
	script, err := b.Script()
	if err != nil {
		panic(fmt.Sprintf("contracts: assemble script: %v", err))
	}
	return script
}

// must is for conversions of keys and hashes that Terms.Check has passed.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("contracts: %v", err))
	}
	return v
}
