package contracts_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"photon/contracts"
)

// The first address that EIP-55 gives as an example.
const checksummed = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

func TestChains(t *testing.T) {
	for _, row := range []struct {
		chain    contracts.Chain
		evm      bool
		decimals int
	}{{contracts.BTC, false, 8}, {contracts.LTC, false, 8}, {contracts.ETH, true, 18}, {contracts.SMT, true, 18}} {
		if row.chain.EVM() != row.evm || row.chain.Decimals() != row.decimals {
			t.Errorf("%s: EVM %v, %d decimals", row.chain, row.chain.EVM(), row.chain.Decimals())
		}
		for _, s := range []string{string(row.chain), strings.ToLower(string(row.chain))} {
			if c, err := contracts.ParseChain(s); err != nil || c != row.chain {
				t.Errorf("%s: %s, %v", s, c, err)
			}
		}
	}
	for _, s := range []string{"", "DOGE", "BTC ", "BTCC", strings.Repeat("B", 1000)} {
		if c, err := contracts.ParseChain(s); !errors.Is(err, contracts.ErrChain) || len(err.Error()) > 200 {
			t.Errorf("%q: %s, %v", s, c, err)
		}
	}
}

func TestParseAddress(t *testing.T) {
	digits := checksummed[2:]
	rows := []struct {
		name, s string
		good    bool
	}{
		{"checksummed", checksummed, true},
		{"lower case", strings.ToLower(checksummed), true},
		{"upper case", "0x" + strings.ToUpper(digits), true},
		{"one letter in the wrong case", strings.Replace(checksummed, "aA", "AA", 1), false},
		{"mixed but wrong", "0x" + strings.ToLower(digits[:20]) + strings.ToUpper(digits[20:]), false},
		{"without 0x", digits, false},
		{"with 0X", "0X" + digits, false},
		{"one digit less", checksummed[:41], false},
		{"one digit more", checksummed + "0", false},
		{"not hex", "0x" + strings.Repeat("g", 40), false},
		{"a space before", " " + checksummed, false},
		{"empty", "", false},
		{"of Bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", false},
		{"zero", "0x" + strings.Repeat("0", 40), true},
	}
	for _, row := range rows {
		a, err := contracts.ParseAddress(row.s)
		if (err == nil) != row.good || (err != nil && (!errors.Is(err, contracts.ErrAddress) || a != contracts.Address{})) {
			t.Errorf("%s: %s, %v", row.name, a, err)
		}
	}
}

func TestParseAsset(t *testing.T) {
	for _, s := range []string{"BTC", "LTC", "ETH", "SMT", "ETH:" + checksummed, "SMT:" + checksummed} {
		a, err := contracts.ParseAsset(s)
		if err != nil || a.String() != s || a.IsNative() != !strings.Contains(s, ":") {
			t.Errorf("%s: %s, %v", s, a, err)
		}
		raw, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back contracts.Asset
		if err := json.Unmarshal(raw, &back); err != nil || back != a {
			t.Errorf("%s came back as %s, %v", raw, back, err)
		}
	}
	if a, err := contracts.ParseAsset("eth:" + strings.ToLower(checksummed)); err != nil || a.String() != "ETH:"+checksummed {
		t.Errorf("%s, %v", a, err)
	}
	rows := []struct {
		name, s string
		err     error
	}{
		{"empty", "", contracts.ErrChain},
		{"unknown chain", "DOGE", contracts.ErrChain},
		{"token of Bitcoin", "BTC:" + checksummed, contracts.ErrAddress},
		{"token of Litecoin", "LTC:" + checksummed, contracts.ErrAddress},
		{"no token behind the colon", "ETH:", contracts.ErrAddress},
		{"the zero token", "ETH:0x" + strings.Repeat("0", 40), contracts.ErrAddress},
		{"wrong checksum", "ETH:" + strings.Replace(checksummed, "aA", "AA", 1), contracts.ErrAddress},
		{"by symbol", "ETH:USDC", contracts.ErrAddress},
		{"two colons", "ETH:" + checksummed + ":", contracts.ErrAddress},
	}
	for _, row := range rows {
		if a, err := contracts.ParseAsset(row.s); !errors.Is(err, row.err) {
			t.Errorf("%s: %s, %v; want %v", row.name, a, err, row.err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add(checksummed)
	f.Add(strings.ToLower(checksummed))
	f.Add("0x")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := contracts.ParseAddress(s)
		if err == nil && !strings.EqualFold(a.Hex(), s) {
			t.Fatalf("%q reads as %s", s, a)
		}
	})
}

func FuzzParseAsset(f *testing.F) {
	for _, s := range []string{"BTC", "eth:" + checksummed, "SMT:", ":", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := contracts.ParseAsset(s)
		if err != nil {
			return
		}
		if back, err := contracts.ParseAsset(a.String()); err != nil || back != a || !strings.EqualFold(a.String(), s) {
			t.Fatalf("%q reads as %s, and that as %s, %v", s, a, back, err)
		}
	})
}
