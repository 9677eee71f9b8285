package utxo

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// recorded is a file of hex that a Litecoin Core 0.21.2 on regtest gave.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func hashOf(t testing.TB, s string) chainhash.Hash {
	t.Helper()
	h, err := parseHash(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// The block of mweb_block.hex and its three transactions: a reward, a payment,
// a HogEx; the extension block follows.
const mwebBlock = "978db634108d4cfe733311c24890fa366fea73144d37c83fe0bd3553ca2250eb"

var mwebTxs = []string{
	"fc4d27749b85df3f92b45607bc13ed17e014517b985317591aed5cb73fe21cb2",
	"6d6493e83f88b821e69760a4f0daf2224a0759a046052ec6599265ad6bf7c371",
	"b6cd01460e097d9370fb4beb6ecbb70c43615e1f9de4578996b5c3343bddcce3",
}

// D17: a Litecoin block with an extension block is read, the extension skipped.
func TestExtensionBlock(t *testing.T) {
	raw := recorded(t, "mweb_block.hex")
	b, err := decodeBlock(raw, hashOf(t, mwebBlock))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range mwebTxs {
		if got := b.IDs[i].String(); got != want || isHogEx(b.Txs[i]) != (i == 2) || isCoinbase(b.Txs[i]) != (i == 0) {
			t.Errorf("transaction %d is %s, want %s; HogEx %t", i, got, want, isHogEx(b.Txs[i]))
		}
	}
}

// A waiting transaction that pays into the extension block carries its data.
func TestWaitingWithExtension(t *testing.T) {
	tx, err := decodeTx(recorded(t, "mweb_waiting.hex"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tx.TxHash().String(), "dd646489dddcaeb54f09257aed6986b2e889acb85d6964ec9bd937043327c0da"; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
	only, err := decodeTx(recorded(t, "mweb_only.hex"))
	if err != nil || len(only.TxIn)+len(only.TxOut) != 0 {
		t.Errorf("inside the extension only: %+v, %v", only, err)
	}
}

// Each row damages the good block.
func TestDamagedBlocks(t *testing.T) {
	good, hash := recorded(t, "mweb_block.hex"), hashOf(t, mwebBlock)
	last := bytes.LastIndex(good, []byte{2, 0, 0, 0, 0, 8}) // the HogEx
	for name, change := range map[string]func([]byte) []byte{
		"nothing":            func([]byte) []byte { return nil },
		"header cut":         func(b []byte) []byte { return b[:79] },
		"header turned":      func(b []byte) []byte { b[10] ^= 1; return b },
		"no transactions":    func(b []byte) []byte { b[80] = 0; return b[:81] },
		"many said":          func(b []byte) []byte { b[80] = 200; return b },
		"one more said":      func(b []byte) []byte { b[80]++; return b },
		"one less said":      func(b []byte) []byte { b[80]--; return b[:last] },
		"output turned":      func(b []byte) []byte { b[150] ^= 1; return b },
		"cut in transaction": func(b []byte) []byte { return b[:200] },
		"HogEx cut":          func(b []byte) []byte { return b[:last+8] },
	} {
		t.Run(name, func(t *testing.T) {
			if b, err := decodeBlock(change(bytes.Clone(good)), hash); !errors.Is(err, errDecode) {
				t.Fatalf("read %+v, %v", b, err)
			}
		})
	}
}

// CVE-2012-2459: a list whose last is written twice has the same root.
func TestSameRoot(t *testing.T) {
	ids := []chainhash.Hash{{1}, {2}, {3}}
	root, twice := merkleRoot(ids)
	again, caught := merkleRoot(append(ids, ids[2]))
	if root != again || twice || !caught {
		t.Fatalf("%s %t, %s %t", root, twice, again, caught)
	}
}

func FuzzBlock(f *testing.F) {
	f.Add(recorded(f, "mweb_block.hex"))
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var h wire.BlockHeader
		if err := h.Deserialize(bytes.NewReader(raw)); err != nil {
			return
		}
		b, err := decodeBlock(raw, h.BlockHash())
		if err != nil {
			return
		}
		if root, _ := merkleRoot(b.IDs); root != b.Header.MerkleRoot || len(b.IDs) != len(b.Txs) {
			t.Fatalf("accepted a block that holds something else")
		}
	})
}

func FuzzTx(f *testing.F) {
	f.Add(recorded(f, "mweb_waiting.hex"))
	f.Add(recorded(f, "mweb_only.hex"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tx, err := decodeTx(raw)
		if err != nil {
			return
		}
		isHogEx(tx)
		var again bytes.Buffer
		if err := tx.Serialize(&again); err != nil {
			t.Fatal(err)
		}
		if back, err := decodeTx(again.Bytes()); len(tx.TxIn) > 0 && (err != nil || back.TxHash() != tx.TxHash()) {
			t.Fatalf("%s written and read again: %v", tx.TxHash(), err)
		}
	})
}
