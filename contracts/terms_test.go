package contracts_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"

	"photon/contracts"
)

// onOutput are good terms on Bitcoin, onContract on Ethereum.
func onOutput() contracts.Terms {
	return contracts.Terms{
		Asset: contracts.Native(contracts.BTC), Amount: contracts.Units(100_000), Hash: loud.Hash(), Form: contracts.P2TR, Expiry: 1_800_000_000,
		Redeemer: compressed(1), Refunder: compressed(2),
	}
}

func onContract() contracts.Terms {
	return contracts.Terms{
		Asset: contracts.Native(contracts.ETH), Amount: contracts.Units(100_000), Hash: loud.Hash(), Form: contracts.Contract, Expiry: 1_800_000_000,
		Redeemer: contracts.Party(contracts.Address{19: 1}.Bytes()), Refunder: contracts.Party(contracts.Address{19: 2}.Bytes()),
		Contract: contracts.Address{19: 3},
	}
}

func compressed(n byte) contracts.Party {
	_, public := btcec.PrivKeyFromBytes([]byte{n})
	return public.SerializeCompressed()
}

// Each row is one change to good terms.
func TestTermsCheck(t *testing.T) {
	type terms = contracts.Terms
	flipped := compressed(1)
	flipped[0] ^= 1 // the same x, the other y
	noKey := append(contracts.Party{2}, make([]byte, 32)...)
	rows := []struct {
		name string
		good terms
		of   func(*terms)
		want error
	}{
		{"output", onOutput(), func(*terms) {}, nil},
		{"witness script", onOutput(), func(t *terms) { t.Form = contracts.P2WSH }, nil},
		{"on Litecoin", onOutput(), func(t *terms) { t.Asset = contracts.Native(contracts.LTC) }, nil},
		{"contract", onContract(), func(*terms) {}, nil},
		{"token", onContract(), func(t *terms) { t.Asset.Token = contracts.Address{1} }, nil},
		{"on Spectrum", onContract(), func(t *terms) { t.Asset = contracts.Native(contracts.SMT) }, nil},

		{"no chain", onOutput(), func(t *terms) { t.Asset.Chain = "" }, contracts.ErrChain},
		{"no amount", onOutput(), func(t *terms) { t.Amount = contracts.Amount{} }, contracts.ErrTerms},
		{"least amount", onOutput(), func(t *terms) { t.Amount = contracts.Units(1) }, nil},
		{"all coins", onOutput(), func(t *terms) { t.Amount = contracts.Units(84e14) }, nil},
		{"one more", onOutput(), func(t *terms) { t.Amount = contracts.Units(84e14 + 1) }, contracts.ErrTerms},
		{"above 64 bits", onOutput(), func(t *terms) { t.Amount = contracts.Units(1 << 63).Plus(contracts.Units(1 << 63)) }, contracts.ErrTerms},
		{"zero hash", onOutput(), func(t *terms) { t.Hash = contracts.Hash{} }, contracts.ErrTerms},
		{"hash of the zero secret", onContract(), func(t *terms) { t.Hash = contracts.Secret{}.Hash() }, contracts.ErrTerms},
		{"first time", onOutput(), func(t *terms) { t.Expiry = contracts.MinExpiry }, nil},
		{"last height", onOutput(), func(t *terms) { t.Expiry = contracts.MinExpiry - 1 }, contracts.ErrTerms},
		{"last time of 32 bits", onContract(), func(t *terms) { t.Expiry = contracts.MaxExpiry }, nil},
		{"one second later", onContract(), func(t *terms) { t.Expiry = contracts.MaxExpiry + 1 }, contracts.ErrTerms},
		{"no time", onContract(), func(t *terms) { t.Expiry = 0 }, contracts.ErrTerms},
		{"one party", onOutput(), func(t *terms) { t.Redeemer = t.Refunder }, contracts.ErrTerms},
		{"one party on a contract", onContract(), func(t *terms) { t.Redeemer = t.Refunder }, contracts.ErrTerms},
		{"one x", onOutput(), func(t *terms) { t.Refunder = flipped }, contracts.ErrTerms},
		{"no redeemer", onOutput(), func(t *terms) { t.Redeemer = nil }, contracts.ErrTerms},
		{"no refunder", onOutput(), func(t *terms) { t.Refunder = nil }, contracts.ErrTerms},
		{"no parties", onContract(), func(t *terms) { t.Redeemer, t.Refunder = nil, nil }, contracts.ErrTerms},
		{"not on the curve", onOutput(), func(t *terms) { t.Redeemer = noKey }, contracts.ErrTerms},
		{"an address as a key", onOutput(), func(t *terms) { t.Redeemer = onContract().Redeemer }, contracts.ErrTerms},
		{"a key as an address", onContract(), func(t *terms) { t.Refunder = compressed(1) }, contracts.ErrTerms},
		{"the zero address", onContract(), func(t *terms) { t.Redeemer = make(contracts.Party, 20) }, contracts.ErrTerms},
		{"19 bytes", onContract(), func(t *terms) { t.Redeemer = t.Redeemer[1:] }, contracts.ErrTerms},
		{"no form", onOutput(), func(t *terms) { t.Form = "" }, contracts.ErrTerms},
		{"a contract's form", onOutput(), func(t *terms) { t.Form = contracts.Contract }, contracts.ErrTerms},
		{"an output's form", onContract(), func(t *terms) { t.Form = contracts.P2TR }, contracts.ErrTerms},
		{"a contract on Bitcoin", onOutput(), func(t *terms) { t.Contract = contracts.Address{1} }, contracts.ErrTerms},
		{"a token on Bitcoin", onOutput(), func(t *terms) { t.Asset.Token = contracts.Address{1} }, contracts.ErrTerms},
		{"no contract on Ethereum", onContract(), func(t *terms) { t.Contract = contracts.Address{} }, contracts.ErrTerms},
	}
	for _, row := range rows {
		changed := row.good
		row.of(&changed)
		if err := changed.Check(); !errors.Is(err, row.want) || (err != nil) != (row.want != nil) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

func TestPartyText(t *testing.T) {
	for _, good := range []contracts.Party{compressed(1), onContract().Redeemer, {}} {
		raw, err := json.Marshal(good)
		if err != nil {
			t.Fatal(err)
		}
		var back contracts.Party
		if err := json.Unmarshal(raw, &back); err != nil || string(back) != string(good) || back.String() != good.String() {
			t.Errorf("%s came back as %s, %v", raw, back, err)
		}
	}
	for _, bad := range []string{"0", "zz", "0x00", strings.Repeat("00", 34), strings.Repeat("0", 67)} {
		var p contracts.Party
		if err := p.UnmarshalText([]byte(bad)); !errors.Is(err, contracts.ErrTerms) || p != nil {
			t.Errorf("%q: %s, %v", bad, p, err)
		}
	}
}

// FuzzTerms reads terms as a partner sends them. Those that pass make a leg, and
// are the same when they are written and read again.
func FuzzTerms(f *testing.F) {
	for _, good := range []contracts.Terms{onOutput(), onContract()} {
		raw, err := json.Marshal(good)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{"Asset":"BTC","Amount":"1","Redeemer":"","Refunder":"00"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var terms contracts.Terms
		if json.Unmarshal(raw, &terms) != nil || terms.Check() != nil {
			return
		}
		if terms.Asset.Chain.EVM() {
			if _, err := contracts.NewSwap(terms); err != nil {
				t.Fatal(err)
			}
		} else if _, err := contracts.NewScript(terms); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(terms)
		if err != nil {
			t.Fatal(err)
		}
		var back contracts.Terms
		if err := json.Unmarshal(again, &back); err != nil || !reflect.DeepEqual(back, terms) {
			t.Fatalf("%s came back as %+v, %v", again, back, err)
		}
	})
}
