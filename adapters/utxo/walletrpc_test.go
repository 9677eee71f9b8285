package utxo

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
)

// Every question to a wallet, and every no.
func TestNodeWalletRefusals(t *testing.T) {
	tx := wire.NewMsgTx(2)
	tx.AddTxIn(&wire.TxIn{})
	questions := map[string]func(*testing.T, *walletRPC) error{
		"listunspent":         func(t *testing.T, w *walletRPC) error { _, err := w.unspent(t.Context(), 0, false); return err },
		"getnewaddress":       func(t *testing.T, w *walletRPC) error { _, err := w.address(t.Context(), forPayout); return err },
		"getrawchangeaddress": func(t *testing.T, w *walletRPC) error { _, err := w.address(t.Context(), forChange); return err },
		"getreceivedbyaddress": func(t *testing.T, w *walletRPC) error {
			_, err := w.paid(t.Context(), keyScript(make([]byte, 20)))
			return err
		},
		"signrawtransactionwithwallet": func(t *testing.T, w *walletRPC) error { return w.sign(t.Context(), tx, nil) },
		"listlockunspent":              func(t *testing.T, w *walletRPC) error { _, err := w.held(t.Context()); return err },
		"lockunspent": func(t *testing.T, w *walletRPC) error {
			_, err := w.hold(t.Context(), wire.OutPoint{}, false)
			return err
		},
		"gettxout":      func(t *testing.T, w *walletRPC) error { _, _, err := w.worth(t.Context(), wire.OutPoint{}); return err },
		"getwalletinfo": func(t *testing.T, w *walletRPC) error { _, err := w.state(t.Context()); return err },
		"getbalances":   func(t *testing.T, w *walletRPC) error { _, err := w.immature(t.Context()); return err },
	}
	for method, ask := range questions {
		for _, r := range []struct {
			code  int
			words string
			want  error
		}{
			{-32601, "Method not found", ErrNoWallet}, // Core with -disablewallet
			{-1, "This implementation does not implement wallet commands", ErrNoWallet},
			{-13, "Error: Please enter the wallet passphrase with walletpassphrase first.", ErrLocked},
			{-12, "Error: Keypool ran out, please call keypoolrefill first", ErrLocked},
			{-18, "Requested wallet does not exist or is not loaded", ErrWallet},
			{-19, "Wallet file not specified (must request wallet RPC through /wallet/<filename> uri-path).", ErrWallet},
			{-4, "Error: Private keys are disabled for this wallet", ErrWallet},
			{-28, "Loading wallet...", ErrDown},
		} {
			err := ask(t, &walletRPC{testCoin(contracts.BTC, newFake(t)), answering(t, map[string]string{method: refused(r.code, r.words)})})
			if !errors.Is(err, r.want) || (method != "getbalances" && !strings.Contains(fmt.Sprint(err), r.words)) {
				t.Errorf("%s: %q: %v, want %v", method, r.words, err, r.want)
			}
		}
		for _, junk := range []string{`<html>`, `{}`, `{"result":{"hex":7,"mine":[],"value":"x"}}`} {
			err := ask(t, &walletRPC{testCoin(contracts.BTC, newFake(t)), answering(t, map[string]string{method: junk})})
			if err == nil && junk != `<html>` && junk != `{}` && method == "getwalletinfo" {
				continue // it says nothing that we ask for
			}
			if !errors.Is(err, ErrDown) && !errors.Is(err, ErrWallet) {
				t.Errorf("%s: %s: %v", method, junk, err)
			}
		}
	}
}

// Answers that cannot be true, or are of something else.
func TestNodeWalletLies(t *testing.T) {
	const some = "0000000000000000000000000000000000000000000000000000000000000001"
	coin := func(change string) string {
		return `{"result":[{"txid":"` + some + `","vout":0,"amount":1.0,"confirmations":1,"spendable":true,"scriptPubKey":"0014` + strings.Repeat("00", 20) + `"` + change + `}]}`
	}
	unspent := func(w *walletRPC) error { _, err := w.unspent(t.Context(), 0, false); return err }
	worth := func(w *walletRPC) error { _, _, err := w.worth(t.Context(), wire.OutPoint{}); return err }
	immature := func(w *walletRPC) error { _, err := w.immature(t.Context()); return err }
	for _, r := range []struct {
		name, method, answer string
		ask                  func(*walletRPC) error
		want                 error
	}{
		{"good", "listunspent", coin(``), unspent, nil},
		{"no hash", "listunspent", coin(`,"txid":"12"`), unspent, ErrDown},
		{"part of a unit", "listunspent", coin(`,"amount":0.000000001`), unspent, ErrDown},
		{"less than nothing", "listunspent", coin(`,"amount":-1`), unspent, ErrDown},
		{"all that is", "listunspent", coin(`,"amount":84000000`), unspent, nil},
		{"more than there is", "listunspent", coin(`,"amount":84000000.00000001`), unspent, ErrDown},
		{"in the future", "listunspent", coin(`,"confirmations":-1`), unspent, ErrDown},
		{"script not hex", "listunspent", coin(`,"scriptPubKey":"zz"`), unspent, ErrDown},
		{"no script", "listunspent", coin(`,"scriptPubKey":""`), unspent, ErrDown},
		{"index below 0", "listunspent", coin(`,"vout":-1`), unspent, ErrDown},
		{"spent", "gettxout", `{"result":null}`, worth, nil},
		{"worth part of a unit", "gettxout", `{"result":{"value":0.000000001}}`, worth, ErrDown},
		{"worth nothing said", "gettxout", `{"result":{}}`, worth, ErrDown},
		{"ripens", "getbalances", `{"result":{"mine":{"immature":0.00000001}}}`, immature, nil},
		{"an old wallet", "getwalletinfo", `{"result":{"immature_balance":0.5}}`, immature, nil},
		{"below 0", "getbalances", `{"result":{"mine":{"immature":-1}}}`, immature, ErrDown},
		{"not reserved", "lockunspent", `{"result":false}`, func(w *walletRPC) error { _, err := w.hold(t.Context(), wire.OutPoint{}, false); return err }, ErrWallet},
		{"reserved is no hash", "listlockunspent", `{"result":[{"txid":"1","vout":0}]}`, func(w *walletRPC) error { _, err := w.held(t.Context()); return err }, ErrDown},
		{"only watches", "getwalletinfo", `{"result":{"private_keys_enabled":false}}`, func(w *walletRPC) error { _, err := w.state(t.Context()); return err }, ErrWallet},
	} {
		err := r.ask(&walletRPC{testCoin(contracts.BTC, newFake(t)), answering(t, map[string]string{r.method: r.answer})})
		if !errors.Is(err, r.want) || (err == nil) != (r.want == nil) {
			t.Errorf("%s: %v, want %v", r.name, err, r.want)
		}
	}
}

func FuzzNodeWallet(f *testing.F) {
	for _, s := range []string{
		`[{"txid":"2c79ef550bc106d2d151c39f2430f196bde03ff884ed9f892050fc8774777b47","amount":2.00000000,"confirmations":0,"spendable":true,"vout":1,"scriptPubKey":"76a914d926b1d3a1147e35403554a2f008d1a64953ce7788ac","solvable":true,"safe":false}]`,
		`[{"txid":"e91d7050b1ea7892d46ffbdff9a9fb6729140d42acc322b006b3ac60fae1a2d1","amount":1.50000000,"confirmations":1,"spendable":true,"vout":1,"scriptPubKey":"00140a935698717eed11b573e5ea25383eaf776a42ce"}]`,
		`[{"txid":"f391142cbb37dac7c09f1e05410e277b7c3a984e20e3549a2a66827b0dee1fe7","amount":5.00000000,"confirmations":930,"spendable":true,"address":"tmweb1"}]`,
		`{"complete":true,"hex":"00"}`, `[{"txid":"12","vout":4294967295}]`, `{"private_keys_enabled":false,"unlocked_until":0}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var list []listed
		if json.Unmarshal(raw, &list) == nil {
			s, err := decodeUnspent(list)
			if err != nil && !errors.Is(err, ErrDown) {
				t.Fatalf("%v is no verdict", err)
			}
			for _, m := range s.coins {
				if m.value < 0 || m.value > maxMoney || (len(m.script) != 22 && len(m.script) != 34) {
					t.Fatalf("took %+v", m)
				}
			}
			if s.unfit < 0 || s.unfit > maxMoney {
				t.Fatalf("unfit are %d", s.unfit)
			}
		}
		var a signedAnswer
		if json.Unmarshal(raw, &a) == nil {
			tx := wire.NewMsgTx(2)
			tx.AddTxIn(&wire.TxIn{})
			if err := a.take(tx); err != nil && !errors.Is(err, ErrDown) && !errors.Is(err, ErrWallet) {
				t.Fatalf("%v is no verdict", err)
			}
		}
		outs, err := decodeNote(raw)
		if err != nil && !errors.Is(err, errSnapshot) {
			t.Fatalf("%v is no verdict", err)
		}
		if len(outs) > len(raw) {
			t.Fatalf("%d reservations in %d bytes", len(outs), len(raw))
		}
	})
}
