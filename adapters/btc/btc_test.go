package btc

import (
	"bytes"
	"errors"
	"testing"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/txscript/v2"

	"photon/adapters/utxo"
	"photon/contracts"
)

// Our reading of addresses is btcd's, on every network.
func TestAddressesAsBtcd(t *testing.T) {
	hash, long := bytes.Repeat([]byte{7}, 20), bytes.Repeat([]byte{9}, 32)
	for name, p := range networks {
		c, err := Coin(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, make := range []func() (address.Address, error){
			func() (address.Address, error) { return address.NewAddressPubKeyHash(hash, p) },
			func() (address.Address, error) { return address.NewAddressScriptHashFromHash(hash, p) },
			func() (address.Address, error) { return address.NewAddressWitnessPubKeyHash(hash, p) },
			func() (address.Address, error) { return address.NewAddressWitnessScriptHash(long, p) },
			func() (address.Address, error) { return address.NewAddressTaproot(long, p) },
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
			for other := range networks {
				o, err := Coin(other)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := o.Script(a.EncodeAddress()); o.HRP != c.HRP && i >= 2 && !errors.Is(err, contracts.ErrAddress) {
					t.Errorf("%s is taken on %s: %v", a, other, err)
				}
			}
		}
	}
}

func TestMainNet(t *testing.T) {
	c, err := Coin("main")
	if err != nil {
		t.Fatal(err)
	}
	if c.Genesis.String() != "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f" || !c.Replace || c.HogEx || c.Chain != contracts.BTC {
		t.Errorf("%+v", c)
	}
	if _, err := New("moon", utxo.Config{}); err == nil {
		t.Error("a network called moon")
	}
	if _, err := New("main", utxo.Config{}); err == nil {
		t.Error("a chain without nodes")
	}
}
