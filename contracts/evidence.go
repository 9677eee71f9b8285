package contracts

import (
	"bytes"

	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// A Branch is the way by which a leg's output was spent.
type Branch string

// The branches.
const (
	BySecret Branch = "secret" // the redeemer showed the secret
	ByTime   Branch = "time"   // the refunder waited
	ByBoth   Branch = "both"   // both signed; it shows nothing
)

// FindSecret looks for a secret of h in every input of tx: any item of a witness,
// and anything pushed by a script that stands there, at any position. Whoever
// published it, and however oddly, it counts. It ignores what is not 32 bytes.
func FindSecret(tx *wire.MsgTx, h Hash) (Secret, bool) {
	for _, in := range tx.TxIn {
		if s, ok := secretPushed(in.SignatureScript, h, 2); ok {
			return s, true
		}
		for _, item := range in.Witness {
			if s, ok := secretIn(item, h, 1); ok {
				return s, true
			}
		}
	}
	return Secret{}, false
}

// secretIn looks at item itself and, to this depth of nesting, at what it pushes
// if it is a script.
func secretIn(item []byte, h Hash, depth int) (Secret, bool) {
	if len(item) == len(Secret{}) && Secret(item).Hash() == h {
		return Secret(item), true
	}
	if depth == 0 {
		return Secret{}, false
	}
	return secretPushed(item, h, depth)
}

// secretPushed looks at everything that script pushes before it ends or stops
// making sense. In the script of an input, the last push may be a script in turn.
func secretPushed(script []byte, h Hash, depth int) (Secret, bool) {
	for t := txscript.MakeScriptTokenizer(0, script); t.Next(); {
		if s, ok := secretIn(t.Data(), h, depth-1); ok {
			return s, true
		}
	}
	return Secret{}, false
}

// EndOf says how tx spends lock, an output of this script; false when it does not
// spend it or not in a way that a chain accepts. Signatures are left to the
// chain. Take the secret from [FindSecret].
func (s Script) EndOf(tx *wire.MsgTx, lock wire.OutPoint) (Branch, bool) {
	for _, in := range tx.TxIn {
		if in.PreviousOutPoint != lock {
			continue
		}
		if s.terms.Form == P2TR {
			return s.endOfTaproot(in.Witness)
		}
		return s.endOfWitness(in.Witness)
	}
	return "", false
}

func (s Script) endOfTaproot(w wire.TxWitness) (Branch, bool) {
	if n := len(w); n >= 2 && len(w[n-1]) > 0 && w[n-1][0] == txscript.TaprootAnnexTag {
		w = w[:n-1]
	}
	proofs, spends := len(w)-2, func(b branch) bool {
		return bytes.Equal(w[len(w)-2], b.tail[0]) && bytes.Equal(w[len(w)-1], b.tail[1])
	}
	switch {
	case len(w) == 1 && (len(w[0]) == 64 || len(w[0]) == 65):
		return ByBoth, true
	case proofs == 2 && spends(s.redeem) && s.opens(w[1]):
		return BySecret, true
	case proofs == 1 && spends(s.refund):
		return ByTime, true
	}
	return "", false
}

// endOfWitness reads the selector as consensus does: miners may include what
// nodes do not relay.
func (s Script) endOfWitness(w wire.TxWitness) (Branch, bool) {
	n := len(w)
	switch {
	case n < 3 || !bytes.Equal(w[n-1], s.redeem.script):
		return "", false
	case n == 4 && isTrue(w[2]) && s.opens(w[1]):
		return BySecret, true
	case n == 3 && !isTrue(w[1]):
		return ByTime, true
	}
	return "", false
}

// opens reports whether item is the secret of this leg.
func (s Script) opens(item []byte) bool {
	return len(item) == len(Secret{}) && Secret(item).Hash() == s.terms.Hash
}
