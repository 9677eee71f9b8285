package ltc

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	btcwire "github.com/btcsuite/btcd/wire/v2"
	"github.com/ltcsuite/ltcd/ltcutil"
	"github.com/ltcsuite/ltcd/txscript"

	"photon/adapters/utxo"
	"photon/contracts"
)

// Our reading of addresses is ltcd's, on every network.
func TestAddressesAsLtcd(t *testing.T) {
	hash, long := bytes.Repeat([]byte{7}, 20), bytes.Repeat([]byte{9}, 32)
	for name, n := range networks {
		c, err := Coin(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, make := range []func() (ltcutil.Address, error){
			func() (ltcutil.Address, error) { return ltcutil.NewAddressPubKeyHash(hash, n.params) },
			func() (ltcutil.Address, error) { return ltcutil.NewAddressScriptHashFromHash(hash, n.params) },
			func() (ltcutil.Address, error) { return ltcutil.NewAddressWitnessPubKeyHash(hash, n.params) },
			func() (ltcutil.Address, error) { return ltcutil.NewAddressWitnessScriptHash(long, n.params) },
			func() (ltcutil.Address, error) { return ltcutil.NewAddressTaproot(long, n.params) },
		} {
			a, err := make()
			if err != nil {
				t.Fatal(err)
			}
			want, err := txscript.PayToAddrScript(a)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Script(a.EncodeAddress()); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, kind %d: %s: %x, %v; want %x", name, i, a, got, err, want)
			}
		}
	}
}

// H7, H8: the old P2SH form and MWEB are refused with the reason.
func TestRefusedAddresses(t *testing.T) {
	c, err := Coin("main")
	if err != nil {
		t.Fatal(err)
	}
	for address, reason := range map[string]string{
		"3P14159f73E4gFr7JterCCQh9QjiTjiZrG":         "old form",
		"ltcmweb1qq0hpu4qj8mkkmsc88alejgjl582pl0xkg": "MWEB",
		"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4": "another chain",
	} {
		if _, err := c.Script(address); !errors.Is(err, contracts.ErrAddress) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestNetworks(t *testing.T) {
	for name, genesis := range map[string]string{
		"main":    "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2",
		"test":    "4966625a4b2851d9fdee139e56211a0d88575f59ed816ff5e6a63deb4e3e29a0",
		"regtest": "530827f38f93b43ed12af0b3ad25a288dc02ed74d6d7857862df51fc56c416f9",
	} {
		c, err := Coin(name)
		if err != nil || c.Genesis.String() != genesis || c.Replace || !c.HogEx || c.Chain != contracts.LTC {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	if _, err := New("moon", utxo.Config{}); err == nil {
		t.Error("a network called moon")
	}
	if _, err := New("main", utxo.Config{}); err == nil {
		t.Error("a chain without nodes")
	}
}

// The work of Litecoin's first block, as everybody knows it.
func TestScrypt(t *testing.T) {
	own := networks["main"].params.GenesisBlock.Header
	h := btcwire.BlockHeader{Version: own.Version, PrevBlock: chainhash.Hash(own.PrevBlock), MerkleRoot: chainhash.Hash(own.MerkleRoot),
		Timestamp: own.Timestamp, Bits: own.Bits, Nonce: own.Nonce}
	if got := scrypt(h).String(); got != "0000050c34a64b415b6b15b37f2216634b5b1669cb9a2e38d76f7213b0671e00" {
		t.Errorf("work %s", got)
	}
}
