package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"photon/adapters/store"
	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
)

// The whole bench, short and small: every figure is there, and nothing that was
// reported done is lost.
func TestBenchPay(t *testing.T) {
	t.Setenv(asPhoton, "1")
	var out bytes.Buffer
	root := rootCommand()
	root.SetOut(&out)
	root.SetArgs([]string{"bench", "pay", "--json", "--quick", "--folder", t.TempDir()})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	units := map[string]int{}
	decode := json.NewDecoder(&out)
	decode.DisallowUnknownFields()
	for decode.More() {
		var f figure
		if err := decode.Decode(&f); err != nil {
			t.Fatal(err)
		}
		units[f.Unit]++
		if f.Value <= 0 || !f.Good {
			t.Errorf("%s: %v, good %t", f.Name, f.Value, f.Good)
		}
	}
	for unit, want := range map[string]int{"/s": 2, "ms": 9, "µs": 5, "s": 2, "MB": 1} {
		if units[unit] != want {
			t.Errorf("%d figures in %s, want %d", units[unit], unit, want)
		}
	}
}

func TestBenchPayRefuses(t *testing.T) {
	for _, seconds := range []string{"0", "-1", "3601"} {
		root := rootCommand()
		root.SetArgs([]string{"bench", "pay", "--seconds", seconds})
		if err := root.ExecuteContext(t.Context()); !errors.Is(err, errUsage) {
			t.Errorf("--seconds %s: %v", seconds, err)
		}
	}
}

// Each row is one change to two ends that agree: two payments, both reported done.
func TestCompareEnds(t *testing.T) {
	for _, row := range []struct {
		name         string
		paid, got    []byte // payments in the stores of payer and payee
		sent, came   uint64 // what their channels say
		lost, astray int
	}{
		{"good", []byte{1, 2}, []byte{1, 2}, 2, 2, 0, 0},
		{"one that was not reported", []byte{1, 2, 3}, []byte{1, 2, 3}, 3, 3, 0, 0},
		{"one is lost at both ends", []byte{1}, []byte{1}, 1, 1, 1, 0},
		{"one has not arrived", []byte{1, 2}, []byte{1}, 2, 1, 1, 1},
		{"one is not known to have been paid", []byte{1}, []byte{1, 2}, 1, 2, 1, 1},
		{"one has arrived twice", []byte{1, 2}, []byte{1, 2}, 2, 3, 0, 1},
		{"one was paid twice", []byte{1, 2}, []byte{1, 2}, 3, 2, 0, 1},
	} {
		folders := []string{t.TempDir(), t.TempDir()}
		fillEnd(t, folders[0], true, row.paid, row.sent)
		fillEnd(t, folders[1], false, row.got, row.came)
		lost, astray, err := compare(t.Context(), folders, []contracts.Hash{{1}, {2}})
		if err != nil || lost != row.lost || astray != row.astray {
			t.Errorf("%s: %d lost, %d astray, %v; want %d, %d", row.name, lost, astray, err, row.lost, row.astray)
		}
	}
}

// fillEnd makes a store with payments of one unit through one channel, by which moved
// units have gone.
func fillEnd(t *testing.T, folder string, ours bool, payments []byte, moved uint64) {
	t.Helper()
	kept, err := store.Open(t.Context(), "sqlite:"+filepath.Join(folder, "photon.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	self, other := payAccount("payer"), payAccount("payee")
	c, err := channel.New(payContract, payAsset.Chain, channel.Rules{}, self, opened(self, other, payDeposit())[0])
	if err != nil {
		t.Fatal(err)
	}
	proof := contracts.BalanceProof{Nonce: 1, Transferred: contracts.Units(moved)}
	if c.Us.Proof = proof; !ours {
		c.Us.Proof, c.Them.Proof = contracts.BalanceProof{}, proof
	}
	change := ledger.Change{Channels: []channel.Channel{c}}
	for _, n := range payments {
		change.Payments = append(change.Payments, ledger.Payment{
			ID: contracts.Hash{n}, His: contracts.Hash{n}, Ours: ours, Asset: payAsset, Partner: other, Amount: contracts.Units(1), Status: ledger.Done, Channel: c.Key, Nonce: 1,
		})
	}
	if err := kept.SaveLedger(t.Context(), change); err != nil {
		t.Fatal(err)
	}
}
