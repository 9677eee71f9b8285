package contracts

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// push is a script that pushes each item.
func push(items ...[]byte) []byte {
	b := txscript.NewScriptBuilder()
	for _, item := range items {
		b.AddFullData(item)
	}
	return assemble(b)
}

// The secret is found wherever it was shown, and nothing else is taken for it
// (D25, K3).
func TestFindSecret(t *testing.T) {
	secret := goodSecret[:]
	other := bytes.Repeat([]byte{3}, 32)
	witness := func(items ...[]byte) *wire.TxIn { return &wire.TxIn{Witness: items} }
	sigScript := func(script []byte) *wire.TxIn { return &wire.TxIn{SignatureScript: script} }
	many := func(n, at int) (all []*wire.TxIn) {
		for i := range n {
			all = append(all, witness(other, other))
			if i == at {
				all[i] = witness(other, secret)
			}
		}
		return all
	}
	for _, row := range []struct {
		name  string
		in    []*wire.TxIn
		found bool
	}{
		{"first item of a witness", []*wire.TxIn{witness(secret)}, true},
		{"last item of a witness", []*wire.TxIn{witness(other, nil, secret)}, true},
		{"twice", []*wire.TxIn{witness(secret, secret)}, true},
		{"first of a batch of 20", many(20, 0), true},
		{"last of a batch of 20", many(20, 19), true},
		{"pushed by a script input", []*wire.TxIn{sigScript(push(other, secret))}, true},
		{"pushed by a script within a script input", []*wire.TxIn{sigScript(push(other, push(other, secret)))}, true},
		{"pushed by a witness script", []*wire.TxIn{witness(other, push(other, secret))}, true},
		{"pushed with a length of four bytes", []*wire.TxIn{witness(append([]byte{txscript.OP_PUSHDATA4, 32, 0, 0, 0}, secret...))}, true},
		{"pushed before a script breaks", []*wire.TxIn{witness(append(push(secret), txscript.OP_PUSHDATA1))}, true},
		{"the annex pushes it", []*wire.TxIn{witness(other, append([]byte{txscript.TaprootAnnexTag}, push(secret)...))}, true},

		{"no input", nil, false},
		{"nothing shown", []*wire.TxIn{witness(), sigScript(nil)}, false},
		{"another secret", []*wire.TxIn{witness(other)}, false},
		{"31 bytes", []*wire.TxIn{witness(secret[:31])}, false},
		{"33 bytes", []*wire.TxIn{witness(append(bytes.Clone(secret), 0))}, false},
		{"pushed after a script breaks", []*wire.TxIn{witness(append([]byte{txscript.OP_PUSHDATA4, 255, 255, 255, 255}, push(secret)...))}, false},
	} {
		tx := wire.NewMsgTx(2)
		tx.TxIn = row.in
		tx.AddTxOut(wire.NewTxOut(1, toWPKH))
		got, ok := FindSecret(tx, goodSecret.Hash())
		if ok != row.found || (ok && got != goodSecret) {
			t.Errorf("%s: %t, want %t", row.name, ok, row.found)
		}
	}
}

// A secret of the wrong length is not found even by its own hash.
func TestFindSecretOfOtherLength(t *testing.T) {
	for _, n := range []int{0, 1, 31, 33, 520} {
		item := bytes.Repeat([]byte{5}, n)
		tx := wire.NewMsgTx(2)
		tx.AddTxIn(&wire.TxIn{Witness: wire.TxWitness{item, push(item)}, SignatureScript: push(item)})
		if _, ok := FindSecret(tx, sha256.Sum256(item)); ok {
			t.Errorf("%d bytes pass for a secret", n)
		}
	}
}

// Each row is one change to a spend whose way is known.
func TestEndOf(t *testing.T) {
	type spent struct {
		tx   *wire.MsgTx
		lock wire.OutPoint
	}
	item := func(i int, change func([]byte) []byte) func(*spent) {
		return func(s *spent) {
			w := s.tx.TxIn[0].Witness
			if i < 0 {
				i += len(w)
			}
			w[i] = change(bytes.Clone(w[i]))
		}
	}
	flip := func(b []byte) []byte { b[0] ^= 1; return b }
	short := func(b []byte) []byte { return b[:len(b)-1] }
	taproot, witness := scriptOf(t, goodTerms(P2TR)), scriptOf(t, goodTerms(P2WSH))
	other := goodTerms(P2TR)
	other.Expiry++
	foreign := scriptOf(t, other)
	for _, row := range []struct {
		name   string
		script Script
		way    func(testing.TB, Script) (*wire.MsgTx, *txscript.MultiPrevOutFetcher)
		change func(*spent)
		want   Branch
	}{
		{"redeem leaf", taproot, redeemed, func(s *spent) {}, BySecret},
		{"refund leaf", taproot, refunded, func(s *spent) {}, ByTime},
		{"key path", taproot, together, func(s *spent) {}, ByBoth},
		{"redeem of P2WSH", witness, redeemed, func(s *spent) {}, BySecret},
		{"refund of P2WSH", witness, refunded, func(s *spent) {}, ByTime},

		{"key path with the kind of signature named", taproot, together, item(0, func(b []byte) []byte { return append(b, 1) }), ByBoth},
		{"key path with an annex", taproot, together, func(s *spent) {
			s.tx.TxIn[0].Witness = append(s.tx.TxIn[0].Witness, []byte{txscript.TaprootAnnexTag})
		}, ByBoth},
		{"key path with a signature that begins like an annex", taproot, together, item(0, func(b []byte) []byte { b[0] = txscript.TaprootAnnexTag; return b }), ByBoth},
		{"at another input", taproot, redeemed, func(s *spent) {
			s.tx.TxIn = append([]*wire.TxIn{{PreviousOutPoint: place(5)}}, s.tx.TxIn...)
		}, BySecret},

		{"another output of the same transaction", taproot, redeemed, func(s *spent) { s.lock.Index++ }, ""},
		{"an output of another transaction", taproot, redeemed, func(s *spent) { s.lock.Hash[0] ^= 1 }, ""},
		{"no witness", taproot, redeemed, func(s *spent) { s.tx.TxIn[0].Witness = nil }, ""},
		{"no witness of P2WSH", witness, redeemed, func(s *spent) { s.tx.TxIn[0].Witness = nil }, ""},
		{"only an annex", taproot, together, item(0, func([]byte) []byte { return []byte{txscript.TaprootAnnexTag} }), ""},
		{"empty items", taproot, refunded, func(s *spent) { s.tx.TxIn[0].Witness = make(wire.TxWitness, 3) }, ""},
		{"key path with a short signature", taproot, together, item(0, short), ""},
		{"redeem with another secret", taproot, redeemed, item(1, flip), ""},
		{"redeem with 31 bytes", taproot, redeemed, item(1, short), ""},
		{"redeem of P2WSH with another secret", witness, redeemed, item(1, flip), ""},
		{"redeem of P2WSH without selector", witness, redeemed, item(2, func([]byte) []byte { return nil }), ""},
		{"refund of P2WSH with selector", witness, refunded, item(1, func([]byte) []byte { return []byte{1} }), ""},
		{"another leaf", taproot, redeemed, item(2, flip), ""},
		{"another control block", taproot, redeemed, item(3, flip), ""},
		{"refund by another leaf", taproot, refunded, item(1, flip), ""},
		{"another witness script", witness, redeemed, item(-1, flip), ""},
		{"an item more", taproot, redeemed, func(s *spent) {
			s.tx.TxIn[0].Witness = append(wire.TxWitness{{1}}, s.tx.TxIn[0].Witness...)
		}, ""},
		{"an item more in a refund", taproot, refunded, func(s *spent) {
			s.tx.TxIn[0].Witness = append(wire.TxWitness{{1}}, s.tx.TxIn[0].Witness...)
		}, ""},
		{"an item less", witness, refunded, func(s *spent) { s.tx.TxIn[0].Witness = s.tx.TxIn[0].Witness[1:] }, ""},
		{"redeem of another leg's script", taproot, func(t testing.TB, _ Script) (*wire.MsgTx, *txscript.MultiPrevOutFetcher) {
			return redeemed(t, foreign)
		}, func(s *spent) {}, ""},
	} {
		tx, _ := row.way(t, row.script)
		s := spent{tx, place(0)}
		row.change(&s)
		if got, ok := row.script.EndOf(s.tx, s.lock); got != row.want || ok != (row.want != "") {
			t.Errorf("%s: %q, %t, want %q", row.name, got, ok, row.want)
		}
	}
}

// A joint spend shows no secret (K3).
func TestTogetherShowsNothing(t *testing.T) {
	tx, _ := together(t, scriptOf(t, goodTerms(P2TR)))
	if _, ok := FindSecret(tx, goodSecret.Hash()); ok {
		t.Error("the secret is in a joint spend")
	}
}

// rawOf is tx as a node hands it over.
func rawOf(t testing.TB, tx *wire.MsgTx) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tx.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// seedSpends are spends of every way, raw.
func seedSpends(f *testing.F, add func(raw []byte)) {
	f.Helper()
	for _, form := range forms {
		s := scriptOf(f, goodTerms(form))
		redeem, _ := redeemed(f, s)
		refund, _ := refunded(f, s)
		add(rawOf(f, redeem))
		add(rawOf(f, refund))
	}
	joint, _ := together(f, scriptOf(f, goodTerms(P2TR)))
	add(rawOf(f, joint))
	odd, _ := redeemed(f, scriptOf(f, goodTerms(P2WSH)))
	odd.TxIn[0].Witness[2] = []byte{2}
	add(rawOf(f, odd))
	old := wire.NewMsgTx(1)
	old.AddTxIn(&wire.TxIn{PreviousOutPoint: place(0), SignatureScript: push([]byte{1}, push(goodSecret[:]))})
	old.AddTxOut(wire.NewTxOut(1, toWPKH))
	add(rawOf(f, old))
}

// What is found has the hash and stands in the transaction; what stands openly
// in a witness is found.
func FuzzFindSecret(f *testing.F) {
	seedSpends(f, func(raw []byte) { f.Add(raw, goodSecret[:]) })
	f.Add([]byte{}, []byte{})
	f.Add([]byte{1, 0, 0, 0, 0, 1, 0}, make([]byte, 31))
	f.Fuzz(func(t *testing.T, raw, secret []byte) {
		var tx wire.MsgTx
		if tx.Deserialize(bytes.NewReader(raw)) != nil {
			return
		}
		found, ok := FindSecret(&tx, sha256.Sum256(secret))
		if ok && (!bytes.Equal(found[:], secret) || !bytes.Contains(raw, found[:])) {
			t.Errorf("found %s, which is not there", found.Reveal())
		}
		for _, in := range tx.TxIn {
			for _, item := range in.Witness {
				if len(secret) == 32 && bytes.Equal(item, secret) && !ok {
					t.Error("stands in a witness and is not found")
				}
			}
		}
	})
}

// A spend that a chain accepts is always recognised, and a redeem shows its
// secret.
func FuzzEndOf(f *testing.F) {
	seedSpends(f, func(raw []byte) { f.Add(raw) })
	f.Add([]byte{})
	scripts := []Script{scriptOf(f, goodTerms(P2TR)), scriptOf(f, goodTerms(P2WSH))}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var tx wire.MsgTx
		if tx.Deserialize(bytes.NewReader(raw)) != nil {
			return
		}
		for _, s := range scripts {
			end, ok := s.EndOf(&tx, place(0))
			if _, shown := FindSecret(&tx, s.terms.Hash); end == BySecret && !shown {
				t.Error("redeemed by a secret that is not there")
			}
			if ok != (end == BySecret || end == ByTime || end == ByBoth && s.terms.Form == P2TR) {
				t.Errorf("%q, %t of %s", end, ok, s.terms.Form)
			}
			for i, in := range tx.TxIn {
				if in.PreviousOutPoint == place(0) && !ok {
					prevs := txscript.NewCannedPrevOutputFetcher(s.output, 100_000)
					if runWith(consensus, &tx, i, prevs) == nil {
						t.Errorf("a chain accepts %x, and %s does not know it", raw, s.terms.Form)
					}
					break
				}
			}
		}
	})
}
