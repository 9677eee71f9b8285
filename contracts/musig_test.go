package contracts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/schnorr"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// Each row is one change to a good beginning of a session.
func TestNewSessionRefuses(t *testing.T) {
	for _, row := range []struct {
		name   string
		form   Form
		key    string
		random [32]byte
		want   error
	}{
		{"redeemer", P2TR, "bob", [32]byte{1}, nil},
		{"refunder", P2TR, "alice", [32]byte{1}, nil},
		{"a stranger", P2TR, "carol", [32]byte{1}, ErrKey},
		{"no randomness", P2TR, "bob", [32]byte{}, ErrNonce},
		{"form without a key path", P2WSH, "bob", [32]byte{1}, ErrTerms},
	} {
		k, err := scriptOf(t, goodTerms(row.form)).NewSession(keyOf(row.key), row.random)
		if !errors.Is(err, row.want) || (k == nil) != (row.want != nil) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

// Nonces differ whenever the randomness, the key or the leg does.
func TestNoncesDiffer(t *testing.T) {
	s, later := goodTerms(P2TR), goodTerms(P2TR)
	later.Expiry++
	seen := map[[66]byte]string{}
	for _, terms := range []Terms{s, later} {
		for _, who := range []string{"alice", "bob"} {
			for _, random := range []string{"one", "two"} {
				name := fmt.Sprint(terms.Expiry, who, random)
				nonce := sessionOf(t, scriptOf(t, terms), keyOf(who), random).Nonce()
				if seen[nonce] != "" {
					t.Errorf("%s has the nonce of %s", name, seen[nonce])
				}
				seen[nonce] = name
			}
		}
	}
}

// A session signs once, whatever comes of it: neither a second transaction, nor
// the same again, nor after an error, nor through a copy (E13).
func TestSessionSignsOnce(t *testing.T) {
	s := scriptOf(t, goodTerms(P2TR))
	prevs := locked(s.Output())
	tx := s.Together(place(0), 100_000, toWPKH, 1000)
	partner := sessionOf(t, s, keyOf("alice"), "alice")
	valid := partner.Nonce()
	half := valid
	copy(half[33:], make([]byte, 33)) // infinity is no nonce of one party
	for _, row := range []struct {
		name  string
		tx    *wire.MsgTx
		index int
		prevs txscript.PrevOutputFetcher
		nonce [66]byte
		want  error
	}{
		{"after success", tx, 0, prevs, valid, nil},
		{"after an unknown output", tx, 0, locked(), valid, ErrOutput},
		{"after a foreign output", tx, 0, locked(toWPKH), valid, ErrOutput},
		{"after an input that is not there", tx, 1, prevs, valid, ErrOutput},
		{"after an empty nonce", tx, 0, prevs, [66]byte{}, ErrNonce},
		{"after half a nonce", tx, 0, prevs, half, ErrNonce},
	} {
		t.Run(row.name, func(t *testing.T) {
			k := sessionOf(t, s, keyOf("bob"), row.name)
			twin := *k
			nonce := k.Nonce()
			partial, err := k.Sign(row.tx, row.index, row.prevs, row.nonce)
			if !errors.Is(err, row.want) || (partial == [32]byte{}) != (row.want != nil) {
				t.Fatalf("first: %v, want %v", err, row.want)
			}
			for name, again := range map[string]*KeySession{"again": k, "through a copy": &twin} {
				other := s.Together(place(0), 100_000, toWPKH, 2000)
				if partial, err := again.Sign(other, 0, prevs, valid); !errors.Is(err, ErrUsed) || partial != [32]byte{} {
					t.Errorf("%s: %x, %v, want %v", name, partial, err, ErrUsed)
				}
			}
			if k.Nonce() != nonce {
				t.Error("the nonce told to the partner has changed")
			}
			if row.want != nil {
				if _, err := k.Combine([32]byte{1}); !errors.Is(err, ErrUsed) {
					t.Errorf("combine: %v, want %v", err, ErrUsed)
				}
			}
		})
	}
}

// A session cannot be written down, and says nothing of its key (E13).
func TestSessionIsNotStored(t *testing.T) {
	k := sessionOf(t, scriptOf(t, goodTerms(P2TR)), keyOf("bob"), "one")
	if raw, err := json.Marshal(k); err != nil || string(raw) != "{}" {
		t.Errorf("a session as JSON: %s, %v", raw, err)
	}
	for _, hidden := range [][]byte{keyOf("bob").Serialize(), k.nonces.SecNonce[:32], k.nonces.SecNonce[32:64]} {
		if text := fmt.Sprintf("%v %+v", k, *k); strings.Contains(text, strings.Trim(fmt.Sprint(hidden), "[]")) {
			t.Error("a session prints its secrets")
		}
	}
}

// The partner tells his nonce and is never heard of again: the same transaction
// goes by the script, and a later attempt has a nonce of its own (A11).
func TestPartnerVanishes(t *testing.T) {
	s := scriptOf(t, goodTerms(P2TR))
	tx, prevs := s.Together(place(0), 100_000, toWPKH, 1000), locked(s.Output())
	ours, partner := sessionOf(t, s, keyOf("bob"), "first try"), sessionOf(t, s, keyOf("alice"), "alice")
	if _, err := ours.Sign(tx, 0, prevs, partner.Nonce()); err != nil {
		t.Fatal(err)
	}
	if err := s.SignRedeem(tx, 0, prevs, keyOf("bob"), goodSecret); err != nil {
		t.Fatal(err)
	}
	if err := run(tx, 0, prevs); err != nil {
		t.Errorf("by the script: %v", err)
	}
	if again := sessionOf(t, s, keyOf("bob"), "second try"); again.Nonce() == ours.Nonce() {
		t.Error("the second try has the nonce of the first")
	}
}

// Each row is what alice, the partner, signs or sends in place of what bob asked
// for: his transaction of 100,000 less 1,000. Bob takes nothing but her half of
// exactly his (B36).
func TestCombineChecksTheHalf(t *testing.T) {
	s := scriptOf(t, goodTerms(P2TR))
	prevs := locked(s.Output())
	dear := txscript.NewMultiPrevOutFetcher(map[wire.OutPoint]*wire.TxOut{place(0): wire.NewTxOut(100_001, s.Output())})
	for _, row := range []struct {
		name   string
		tx     func(*wire.MsgTx)
		prevs  txscript.PrevOutputFetcher
		half   func(*[32]byte)
		passes bool
	}{
		{"good", nil, prevs, nil, true},
		{"a unit less", func(tx *wire.MsgTx) { tx.TxOut[0].Value-- }, prevs, nil, false},
		{"to herself", func(tx *wire.MsgTx) { tx.TxOut[0].PkScript = outputs["P2TR"] }, prevs, nil, false},
		{"an output more", func(tx *wire.MsgTx) { tx.AddTxOut(wire.NewTxOut(1, toWPKH)) }, prevs, nil, false},
		{"later", func(tx *wire.MsgTx) { tx.LockTime = MinExpiry }, prevs, nil, false},
		{"final", func(tx *wire.MsgTx) { tx.TxIn[0].Sequence++ }, prevs, nil, false},
		{"another version", func(tx *wire.MsgTx) { tx.Version = 1 }, prevs, nil, false},
		{"another value of the lock", nil, dear, nil, false},
		{"a bit turned", nil, prevs, func(h *[32]byte) { h[31] ^= 1 }, false},
		{"nothing", nil, prevs, func(h *[32]byte) { *h = [32]byte{} }, false},
		{"above the group's order", nil, prevs, func(h *[32]byte) { *h = [32]byte(bytes.Repeat([]byte{0xff}, 32)) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			bob, alice := sessionOf(t, s, keyOf("bob"), "bob"), sessionOf(t, s, keyOf("alice"), "alice")
			tx := s.Together(place(0), 100_000, toWPKH, 1000)
			bobs, err := bob.Sign(tx, 0, prevs, alice.Nonce())
			if err != nil {
				t.Fatal(err)
			}
			hers := tx.Copy()
			if row.tx != nil {
				row.tx(hers)
			}
			half, err := alice.Sign(hers, 0, row.prevs, bob.Nonce())
			if err != nil {
				t.Fatal(err)
			}
			good := half
			if row.half != nil {
				row.half(&half)
			}
			w, err := bob.Combine(half)
			if row.passes != (err == nil) || err != nil && !errors.Is(err, ErrPartial) {
				t.Fatalf("%v, want it to pass: %t", err, row.passes)
			}
			if w, err := bob.Combine(bobs); !errors.Is(err, ErrPartial) {
				t.Errorf("bob's own half twice: %x, %v", w, err)
			}
			if row.half != nil { // only the message was spoilt: her true half still serves
				w, err = bob.Combine(good)
			}
			if tx.TxIn[0].Witness = w; err == nil {
				if err := run(tx, 0, prevs); err != nil {
					t.Errorf("combined, and refused by the chain: %v", err)
				}
			}
		})
	}
}

// The partner answers with bob's nonce or its negative, so that the two add up
// to something he knows: the half is of no use to him, and no crash.
func TestMirroredNonce(t *testing.T) {
	s := scriptOf(t, goodTerms(P2TR))
	for name, change := range map[string]func(*[66]byte){
		"the same":     func(n *[66]byte) {},
		"the negative": func(n *[66]byte) { n[0] ^= 1; n[33] ^= 1 },
	} {
		bob := sessionOf(t, s, keyOf("bob"), "bob")
		nonce := bob.Nonce()
		change(&nonce)
		half, err := bob.Sign(s.Together(place(0), 100_000, toWPKH, 1000), 0, locked(s.Output()), nonce)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := bob.Combine(half); !errors.Is(err, ErrPartial) {
			t.Errorf("%s: his own half passes for the partner's: %v", name, err)
		}
	}
}

// Mallory chooses his key after he has seen alice's, so that the sum of the two
// is a key of his own. The coefficients of BIP-327 take that away (B35).
func TestRogueKey(t *testing.T) {
	alice, own := keyOf("alice"), keyOf("mallory")
	var a, m, sum btcec.JacobianPoint
	alice.PubKey().AsJacobian(&a)
	own.PubKey().AsJacobian(&m)
	a.Y.Negate(1).Normalize()
	btcec.AddNonConst(&m, &a, &sum)
	sum.ToAffine()
	rogue := btcec.NewPublicKey(&sum.X, &sum.Y)

	terms := goodTerms(P2TR)
	terms.Redeemer = rogue.SerializeCompressed()
	s := scriptOf(t, terms)
	naive := txscript.ComputeTaprootOutputKey(own.PubKey(), s.root)
	if bytes.Equal(schnorr.SerializePubKey(naive), s.output[2:]) {
		t.Fatal("the output is mallory's own")
	}
	tx, prevs := s.Together(place(0), 100_000, toWPKH, 1000), locked(s.Output())
	for name, key := range map[string]*btcec.PrivateKey{
		"tweaked": txscript.TweakTaprootPrivKey(*own, s.root), "untweaked": own,
		"alice's alone": txscript.TweakTaprootPrivKey(*alice, s.root),
	} {
		digest, err := txscript.CalcTaprootSignatureHash(txscript.NewTxSigHashes(tx, prevs), txscript.SigHashDefault, tx, 0, prevs)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := schnorr.Sign(key, digest)
		if err != nil {
			t.Fatal(err)
		}
		tx.TxIn[0].Witness = wire.TxWitness{sig.Serialize()}
		if run(tx, 0, prevs) == nil {
			t.Errorf("%s key takes the lock by itself", name)
		}
	}
	if _, err := s.NewSession(own, [32]byte{1}); !errors.Is(err, ErrKey) {
		t.Errorf("mallory's session with the key behind the rogue one: %v, want %v", err, ErrKey)
	}
}
