package contracts

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// keyOf is a private key by name, so that a test reads like a story.
func keyOf(name string) *btcec.PrivateKey {
	digest := sha256.Sum256([]byte(name))
	key, _ := btcec.PrivKeyFromBytes(digest[:])
	return key
}

func partyOf(key *btcec.PrivateKey) Party { return key.PubKey().SerializeCompressed() }

// goodSecret opens goodTerms: bob redeems, alice refunds.
var goodSecret = Secret(sha256.Sum256([]byte("alice's secret")))

func goodTerms(f Form) Terms {
	return Terms{
		Asset: Native(BTC), Amount: Units(100_000), Hash: goodSecret.Hash(), Form: f,
		Redeemer: partyOf(keyOf("bob")), Refunder: partyOf(keyOf("alice")), Expiry: 1_800_000_000,
	}
}

func scriptOf(t testing.TB, terms Terms) Script {
	t.Helper()
	s, err := NewScript(terms)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// toWPKH is an output script of 22 bytes.
var toWPKH = append([]byte{txscript.OP_0, txscript.OP_DATA_20}, bytes.Repeat([]byte{7}, 20)...)

// place is outpoint n of a lock that is nowhere.
func place(n byte) wire.OutPoint {
	return wire.OutPoint{Hash: chainhash.Hash{0: 1, 31: n}, Index: uint32(n)}
}

// locked are outputs of 100,000 at place(0), place(1)…, one of each script.
func locked(outputs ...[]byte) *txscript.MultiPrevOutFetcher {
	prevs := txscript.NewMultiPrevOutFetcher(nil)
	for n, output := range outputs {
		prevs.AddPrevOut(place(byte(n)), wire.NewTxOut(100_000, output))
	}
	return prevs
}

// run executes input index of tx as a node that relays only what is standard.
func run(tx *wire.MsgTx, index int, prevs txscript.PrevOutputFetcher) error {
	return runWith(txscript.StandardVerifyFlags, tx, index, prevs)
}

func runWith(flags txscript.ScriptFlags, tx *wire.MsgTx, index int, prevs txscript.PrevOutputFetcher) error {
	prev := prevs.FetchPrevOutput(tx.TxIn[index].PreviousOutPoint)
	vm, err := txscript.NewEngine(prev.PkScript, tx, index, flags, nil, txscript.NewTxSigHashes(tx, prevs), prev.Value, prevs)
	if err != nil {
		return err
	}
	return vm.Execute()
}

// The three ways by which a lock is spent, signed and ready. fee is 1,000.
func redeemed(t testing.TB, s Script) (*wire.MsgTx, *txscript.MultiPrevOutFetcher) {
	t.Helper()
	tx, prevs := s.Redeem(place(0), 100_000, toWPKH, 1000), locked(s.Output())
	if err := s.SignRedeem(tx, 0, prevs, keyOf("bob"), goodSecret); err != nil {
		t.Fatal(err)
	}
	return tx, prevs
}

func refunded(t testing.TB, s Script) (*wire.MsgTx, *txscript.MultiPrevOutFetcher) {
	t.Helper()
	tx, prevs := s.Refund(place(0), 100_000, toWPKH, 1000), locked(s.Output())
	if err := s.SignRefund(tx, 0, prevs, keyOf("alice")); err != nil {
		t.Fatal(err)
	}
	return tx, prevs
}

func together(t testing.TB, s Script) (*wire.MsgTx, *txscript.MultiPrevOutFetcher) {
	t.Helper()
	tx, prevs := s.Together(place(0), 100_000, toWPKH, 1000), locked(s.Output())
	tx.TxIn[0].Witness = cosign(t, s, tx, 0, prevs, keyOf("alice"), keyOf("bob"))
	return tx, prevs
}

// cosign is the whole dance of two sessions; each side checks the other's half.
func cosign(t testing.TB, s Script, tx *wire.MsgTx, index int, prevs txscript.PrevOutputFetcher, a, b *btcec.PrivateKey) wire.TxWitness {
	t.Helper()
	one, two := sessionOf(t, s, a, "one"), sessionOf(t, s, b, "two")
	halfOne, err := one.Sign(tx, index, prevs, two.Nonce())
	if err != nil {
		t.Fatal(err)
	}
	halfTwo, err := two.Sign(tx.Copy(), index, prevs, one.Nonce())
	if err != nil {
		t.Fatal(err)
	}
	w, err := one.Combine(halfTwo)
	if err != nil {
		t.Fatal(err)
	}
	same, err := two.Combine(halfOne)
	if err != nil || !bytes.Equal(w[0], same[0]) {
		t.Fatalf("the two sides combine to %x and %x: %v", w, same, err)
	}
	return w
}

func sessionOf(t testing.TB, s Script, key *btcec.PrivateKey, random string) *KeySession {
	t.Helper()
	k, err := s.NewSession(key, sha256.Sum256([]byte(random)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Every way of every form passes a node's standard rules, on either chain alike.
func TestSpends(t *testing.T) {
	for _, f := range []Form{P2TR, P2WSH} {
		ways := map[string]func(testing.TB, Script) (*wire.MsgTx, *txscript.MultiPrevOutFetcher){"redeem": redeemed, "refund": refunded}
		if f == P2TR {
			ways["together"] = together
		}
		for name, way := range ways {
			t.Run(fmt.Sprint(f, " ", name), func(t *testing.T) {
				terms := goodTerms(f)
				s := scriptOf(t, terms)
				tx, prevs := way(t, s)
				if err := run(tx, 0, prevs); err != nil {
					t.Fatal(err)
				}
				if in := tx.TxIn[0]; in.Sequence > 0xfffffffd {
					t.Errorf("sequence %#x does not signal replacement", in.Sequence)
				}
				if tx.TxOut[0].Value != 99_000 || !bytes.Equal(tx.TxOut[0].PkScript, toWPKH) {
					t.Errorf("pays %d to %x", tx.TxOut[0].Value, tx.TxOut[0].PkScript)
				}
				terms.Asset = Native(LTC)
				if other := scriptOf(t, terms); !bytes.Equal(other.Output(), s.Output()) {
					t.Errorf("output %x on LTC, %x on BTC", other.Output(), s.Output())
				}
			})
		}
	}
}

// Each row is one change to a good call of SignRedeem and SignRefund. A refused
// call leaves the transaction as it was.
func TestSignRefuses(t *testing.T) {
	type call struct {
		redeemer, refunder *btcec.PrivateKey
		secret             Secret
		index              int
		output             []byte // that lies at place(0)
		lost               bool   // prevs does not know it
	}
	good := scriptOf(t, goodTerms(P2TR))
	for _, row := range []struct {
		name           string
		change         func(*call)
		redeem, refund error
	}{
		{"good", func(c *call) {}, nil, nil},
		{"secret of another hash", func(c *call) { c.secret[31] ^= 1 }, ErrSecret, nil},
		{"keys of the other party", func(c *call) { c.redeemer, c.refunder = c.refunder, c.redeemer }, ErrKey, ErrKey},
		{"keys of nobody", func(c *call) { c.redeemer, c.refunder = keyOf("carol"), keyOf("carol") }, ErrKey, ErrKey},
		{"first input that is not there", func(c *call) { c.index = 1 }, ErrOutput, ErrOutput},
		{"negative input", func(c *call) { c.index = -1 }, ErrOutput, ErrOutput},
		{"output not known", func(c *call) { c.lost = true }, ErrOutput, ErrOutput},
		{"output of the other form", func(c *call) { c.output = scriptOf(t, goodTerms(P2WSH)).Output() }, ErrOutput, ErrOutput},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := call{keyOf("bob"), keyOf("alice"), goodSecret, 0, good.Output(), false}
			row.change(&c)
			prevs := locked(c.output)
			if c.lost {
				prevs = locked()
			}
			tx := good.Redeem(place(0), 100_000, toWPKH, 1000)
			if err := good.SignRedeem(tx, c.index, prevs, c.redeemer, c.secret); !errors.Is(err, row.redeem) {
				t.Errorf("redeem: %v, want %v", err, row.redeem)
			} else if err != nil && tx.HasWitness() {
				t.Error("redeem: refused, and yet a witness")
			}
			tx = good.Refund(place(0), 100_000, toWPKH, 1000)
			if err := good.SignRefund(tx, c.index, prevs, c.refunder); !errors.Is(err, row.refund) {
				t.Errorf("refund: %v, want %v", err, row.refund)
			} else if err != nil && tx.HasWitness() {
				t.Error("refund: refused, and yet a witness")
			}
		})
	}
}

// Each row is one change to good terms that nobody may ask a script for
// (scenarios B5, B6, B8).
func TestNewScriptRefuses(t *testing.T) {
	sameX := partyOf(keyOf("bob"))
	sameX[0] ^= 1
	for _, row := range []struct {
		name   string
		change func(*Terms)
		want   error
	}{
		{"good", func(t *Terms) {}, nil},
		{"refund key is redeem key", func(t *Terms) { t.Refunder = t.Redeemer }, ErrTerms},
		{"the two keys differ in parity only", func(t *Terms) { t.Refunder = sameX }, ErrTerms},
		{"redeemer missing", func(t *Terms) { t.Redeemer = nil }, ErrTerms},
		{"redeemer is an address", func(t *Terms) { t.Redeemer = t.Redeemer[:20] }, ErrTerms},
		{"redeemer is x-only", func(t *Terms) { t.Redeemer = t.Redeemer[1:] }, ErrTerms},
		{"redeemer is no point", func(t *Terms) { t.Redeemer = append(Party{2}, make([]byte, 32)...) }, ErrTerms},
		{"earliest time", func(t *Terms) { t.Expiry = MinExpiry }, nil},
		{"highest block", func(t *Terms) { t.Expiry = MinExpiry - 1 }, ErrTerms},
		{"latest time", func(t *Terms) { t.Expiry = MaxExpiry }, nil},
		{"above 32 bits", func(t *Terms) { t.Expiry = MaxExpiry + 1 }, ErrTerms},
		{"no expiry", func(t *Terms) { t.Expiry = 0 }, ErrTerms},
		{"zero hash", func(t *Terms) { t.Hash = Hash{} }, ErrTerms},
		{"hash of the zero secret", func(t *Terms) { t.Hash = Secret{}.Hash() }, ErrTerms},
		{"amount 0", func(t *Terms) { t.Amount = Amount{} }, ErrTerms},
		{"amount above the supply", func(t *Terms) { t.Amount = Units(84e14 + 1) }, ErrTerms},
		{"no form", func(t *Terms) { t.Form = "" }, ErrTerms},
		{"form of ETH", func(t *Terms) { t.Form = Contract }, ErrTerms},
		{"no chain", func(t *Terms) { t.Asset = Asset{} }, ErrChain},
		{"a token", func(t *Terms) { t.Asset.Token = Address{1} }, ErrTerms},
		{"good terms of ETH", func(t *Terms) {
			t.Asset, t.Form, t.Contract = Native(ETH), Contract, Address{1}
			t.Redeemer, t.Refunder = t.Redeemer[:20], t.Refunder[:20]
		}, ErrTerms},
	} {
		for _, f := range []Form{P2TR, P2WSH} {
			terms := goodTerms(f)
			row.change(&terms)
			if _, err := NewScript(terms); !errors.Is(err, row.want) {
				t.Errorf("%s, %s: %v, want %v", row.name, f, err, row.want)
			}
		}
	}
}

// The templates, opcode by opcode, as a reader of the chain sees them.
func TestTemplates(t *testing.T) {
	hash, bob, alice := goodSecret.Hash(), []byte(partyOf(keyOf("bob"))), []byte(partyOf(keyOf("alice")))
	taproot, witness := scriptOf(t, goodTerms(P2TR)), scriptOf(t, goodTerms(P2WSH))
	for _, row := range []struct {
		name   string
		script []byte
		size   int
		want   string
	}{
		{"redeem leaf", taproot.redeem.script, 73, fmt.Sprintf("OP_SIZE 20 OP_EQUALVERIFY OP_SHA256 %s OP_EQUALVERIFY %x OP_CHECKSIG", hash, bob[1:])},
		{"refund leaf", taproot.refund.script, 40, fmt.Sprintf("%x OP_CHECKSIGVERIFY 00d2496b OP_CHECKLOCKTIMEVERIFY", alice[1:])},
		{"witness script", witness.redeem.script, 118, fmt.Sprintf("OP_IF OP_SIZE 20 OP_EQUALVERIFY OP_SHA256 %s OP_EQUALVERIFY %x OP_ELSE 00d2496b OP_CHECKLOCKTIMEVERIFY OP_DROP %x OP_ENDIF OP_CHECKSIG", hash, bob, alice)},
		{"P2TR", taproot.Output(), 34, fmt.Sprintf("1 %x", outputByHand(t, taproot))},
		{"P2WSH", witness.Output(), 34, fmt.Sprintf("0 %x", sha256.Sum256(witness.refund.script))},
	} {
		got, err := txscript.DisasmString(row.script)
		if err != nil || got != row.want || len(row.script) != row.size {
			t.Errorf("%s: %d bytes %s (%v), want %d bytes %s", row.name, len(row.script), got, err, row.size, row.want)
		}
	}
}

// outputByHand is the x-only output key as BIP-341 and BIP-327 define it, from
// the leaves and the two keys in order.
func outputByHand(t *testing.T, s Script) []byte {
	t.Helper()
	leaf := func(script []byte) []byte {
		return chainhash.TaggedHash([]byte("TapLeaf"), []byte{0xc0, byte(len(script))}, script)[:]
	}
	low, high := leaf(s.redeem.script), leaf(s.refund.script)
	if bytes.Compare(low, high) > 0 {
		low, high = high, low
	}
	root := chainhash.TaggedHash([]byte("TapBranch"), low, high)

	keys := [][]byte{s.terms.Redeemer, s.terms.Refunder}
	if bytes.Compare(keys[0], keys[1]) > 0 {
		keys[0], keys[1] = keys[1], keys[0]
	}
	list := chainhash.TaggedHash([]byte("KeyAgg list"), keys[0], keys[1])
	var a btcec.ModNScalar // the second key's coefficient is 1
	a.SetByteSlice(chainhash.TaggedHash([]byte("KeyAgg coefficient"), list[:], keys[0])[:])
	var first, joint btcec.JacobianPoint
	for i, to := range []*btcec.JacobianPoint{&first, &joint} {
		key, err := btcec.ParsePubKey(keys[i])
		if err != nil {
			t.Fatal(err)
		}
		key.AsJacobian(to)
	}
	btcec.ScalarMultNonConst(&a, &first, &first)
	btcec.AddNonConst(&first, &joint, &joint)
	joint.ToAffine()
	return txscript.ComputeTaprootOutputKey(btcec.NewPublicKey(&joint.X, &joint.Y), root[:]).SerializeCompressed()[1:]
}

// Whatever the terms say but the amount and the coin is in the output: one that
// differs anywhere is another output, and a lock there does not count (B4).
func TestOutputHoldsTheTerms(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Terms)
		same   bool
	}{
		{"amount", func(t *Terms) { t.Amount = Units(1) }, true},
		{"coin", func(t *Terms) { t.Asset = Native(LTC) }, true},
		{"one bit of the hash", func(t *Terms) { t.Hash[0] ^= 1 }, false},
		{"a second later", func(t *Terms) { t.Expiry++ }, false},
		{"a second earlier", func(t *Terms) { t.Expiry-- }, false},
		{"other redeemer", func(t *Terms) { t.Redeemer = partyOf(keyOf("carol")) }, false},
		{"other refunder", func(t *Terms) { t.Refunder = partyOf(keyOf("carol")) }, false},
		{"redeemer's parity", func(t *Terms) { t.Redeemer = bytes.Clone(t.Redeemer); t.Redeemer[0] ^= 1 }, false},
		{"roles exchanged", func(t *Terms) { t.Redeemer, t.Refunder = t.Refunder, t.Redeemer }, false},
		{"other form", func(t *Terms) {
			if t.Form = map[Form]Form{P2TR: P2WSH, P2WSH: P2TR}[t.Form]; t.Form == "" {
				panic("no such form")
			}
		}, false},
	} {
		for _, f := range []Form{P2TR, P2WSH} {
			terms := goodTerms(f)
			good := scriptOf(t, terms)
			row.change(&terms)
			if other := scriptOf(t, terms); bytes.Equal(other.Output(), good.Output()) != row.same {
				t.Errorf("%s, %s: output %x, of good terms %x; the same: %t", row.name, f, other.Output(), good.Output(), row.same)
			}
		}
	}
}

// What a script was made from and what it gave away can be overwritten; the
// script stays what it is.
func TestScriptIsAValue(t *testing.T) {
	for _, f := range forms {
		terms := goodTerms(f)
		s := scriptOf(t, terms)
		want := s.Output()
		clear(terms.Redeemer)
		clear(terms.Refunder)
		clear(s.Output())
		for _, way := range []func(testing.TB, Script) (*wire.MsgTx, *txscript.MultiPrevOutFetcher){redeemed, refunded} {
			tx, _ := way(t, s)
			for _, item := range tx.TxIn[0].Witness {
				clear(item)
			}
			tx, prevs := way(t, s)
			if err := run(tx, 0, prevs); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
		if got := s.Output(); !bytes.Equal(got, want) {
			t.Errorf("%s: output %x, was %x", f, got, want)
		}
	}
}

// The control blocks are those that txscript makes, for output keys of either
// parity.
func TestControlBlocks(t *testing.T) {
	odd := 0
	for n := range 32 {
		terms := goodTerms(P2TR)
		terms.Redeemer = partyOf(keyOf(fmt.Sprint("bob ", n)))
		s := scriptOf(t, terms)
		tree := txscript.AssembleTaprootScriptTree(txscript.NewBaseTapLeaf(s.redeem.script), txscript.NewBaseTapLeaf(s.refund.script))
		for i, b := range []branch{s.redeem, s.refund} {
			ours, err := txscript.ParseControlBlock(b.tail[1])
			if err != nil {
				t.Fatal(err)
			}
			theirs := tree.LeafMerkleProofs[i].ToControlBlock(ours.InternalKey)
			want, err := theirs.ToBytes()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b.tail[1], want) {
				t.Fatalf("bob %d, leaf %d: %x, want %x", n, i, b.tail[1], want)
			}
			odd += int(want[0] & 1)
		}
	}
	if odd == 0 || odd == 64 {
		t.Fatalf("%d of 64 are odd: one parity was never met", odd)
	}
}

// BenchmarkNewScript is what each leg costs a node that starts.
func BenchmarkNewScript(b *testing.B) {
	for _, form := range []Form{P2TR, P2WSH} {
		b.Run(string(form), func(b *testing.B) {
			terms := goodTerms(form)
			b.ReportAllocs()
			for b.Loop() {
				scriptOf(b, terms)
			}
		})
	}
}
