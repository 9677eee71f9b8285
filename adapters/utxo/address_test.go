package utxo

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"photon/contracts"
)

// H7, H8: which addresses each coin pays. Those of Bitcoin are the examples of
// BIP-173, BIP-350 and the first block.
func TestAddresses(t *testing.T) {
	f := newFake(t)
	btc, ltc := testCoin(contracts.BTC, f), testCoin(contracts.LTC, f)
	for _, r := range []struct {
		coin    Coin
		address string
		want    string // script in hex; or, after "!", a part of the refusal
	}{
		{btc, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "0014751e76e8199196d454941c45d1b3a323f1433bd6"},
		{btc, "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "0014751e76e8199196d454941c45d1b3a323f1433bd6"},
		{btc, "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"},
		{btc, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac"},
		{btc, "3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87"},
		{ltc, "3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "!old form"},
		{ltc, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "!another chain"},
		{ltc, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "!another chain"},
		{ltc, "ltcmweb1qq0hpu4qj8mkkmsc88alejgjl582pl0xkgd37yvk6qqdq7w5jgh5acqmm3ysghvjrklzfrkt702j5tvspppe20anggcs2thxn998f06ha859s2ng7", "!MWEB"},
		{ltc, "tmweb1qq0hpu4qj8mkkmsc88alejgjl582pl0xkgd37yvk6qqdq7w5jgh5acqmm3ysghvjrklzfrkt702j5tvspppe20anggcs2thxn998f06ha859s2ng7", "!MWEB"},
		{btc, "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "!another chain"},
		{btc, "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "!another chain"},
		{btc, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "!mistyped"},
		{btc, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "!checksum"},
		{btc, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", "!checksum of another"},
		{btc, "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "!witness version"},
		{btc, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7Kv8f3t4", "!mistyped"},
		{btc, "bc1", "!mistyped"},
		{btc, "", "!"},
		{btc, strings.Repeat("1", 91), "!too long"},
		{btc, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "!another chain"},
	} {
		script, err := r.coin.Script(r.address)
		if part, no := strings.CutPrefix(r.want, "!"); no {
			if !errors.Is(err, contracts.ErrAddress) || !strings.Contains(err.Error(), part) {
				t.Errorf("%s %s: %x, %v; want %s", r.coin.Chain, r.address, script, err, part)
			}
		} else if got := hex.EncodeToString(script); err != nil || got != r.want {
			t.Errorf("%s %s: %s, %v; want %s", r.coin.Chain, r.address, got, err, r.want)
		}
	}
}

func FuzzAddress(f *testing.F) {
	node := newFake(f)
	coins := []Coin{testCoin(contracts.BTC, node), testCoin(contracts.LTC, node)}
	for _, s := range []string{"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "ltc1", "bc1p", "1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var scripts [][]byte
		for _, c := range coins {
			script, err := c.Script(s)
			if err != nil {
				if !errors.Is(err, contracts.ErrAddress) {
					t.Fatal(err)
				}
				continue
			}
			scripts = append(scripts, script)
			if len(script) == keyScriptSize && script[0] == 0 && !strings.EqualFold(c.keyAddress(script[2:]), s) {
				t.Fatalf("%s is read and written as %s", s, c.keyAddress(script[2:]))
			}
		}
		if len(scripts) == 2 || (len(scripts) == 1 && bytes.Equal(scripts[0], nil)) {
			t.Fatalf("%s pays on both chains: %x", s, scripts)
		}
	})
}
