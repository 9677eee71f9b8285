// Package ltc is what is particular to Litecoin among the chains of outputs: its
// networks, the extension block (MWEB) and its addresses, and that nodes do not
// replace waiting transactions, so that fees are raised by a child and must be
// high enough from the start. All else is package utxo.
//
// Start reading at [Coin].
package ltc

import (
	"fmt"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	btcwire "github.com/btcsuite/btcd/wire/v2"
	"github.com/ltcsuite/ltcd/chaincfg"
	ltchash "github.com/ltcsuite/ltcd/chaincfg/chainhash"
	"github.com/ltcsuite/ltcd/wire"

	"photon/adapters/utxo"
	"photon/contracts"
)

// networks are the names that Coin knows, with the prefix of their MWEB addresses.
//
// Source: Litecoin Core, chainparams.cpp.
var networks = map[string]struct {
	params *chaincfg.Params
	mweb   string
}{
	"main":    {&chaincfg.MainNetParams, "ltcmweb"},
	"test":    {&chaincfg.TestNet4Params, "tmweb"},
	"regtest": {&chaincfg.RegressionNetParams, "tmweb"},
	"simnet":  {&chaincfg.SimNetParams, ""},
}

// Coin is Litecoin on a network: main, test, regtest or simnet.
// Rates are litoshi for 1,000 vB: Litecoin Core's own wallet pays at least
// 10,000, which confirms at once outside of rare crowds.
func Coin(network string) (utxo.Coin, error) {
	n, ok := networks[network]
	if !ok {
		return utxo.Coin{}, fmt.Errorf("LTC: unknown network %.20q: main, test, regtest, simnet", network)
	}
	c := utxo.Coin{
		Chain: contracts.LTC, Network: network, Genesis: chainhash.Hash(*n.params.GenesisHash),
		HRP: n.params.Bech32HRPSegwit, PubKeyHash: n.params.PubKeyHashAddrID, ScriptHash: n.params.ScriptHashAddrID,
		Easiest: n.params.PowLimitBits, Work: scrypt, MWEB: n.mweb, Interval: 150 * time.Second, HogEx: true,
		MinRate: 10_000, FallbackRate: 50_000, MaxRate: 10_000_000,
	}
	if network == "main" {
		c.OldScriptHash = 0x05 // "3…", which Bitcoin has too
		c.Retarget = 2016      // elsewhere, blocks of less work may come at any time, or it never changes
	}
	return c, nil
}

// scrypt is the hash of a block that shows its work.
func scrypt(h btcwire.BlockHeader) chainhash.Hash {
	own := wire.BlockHeader{Version: h.Version, PrevBlock: ltchash.Hash(h.PrevBlock), MerkleRoot: ltchash.Hash(h.MerkleRoot),
		Timestamp: h.Timestamp, Bits: h.Bits, Nonce: h.Nonce}
	return chainhash.Hash(own.PowHash())
}

// New is utxo.New for Litecoin on a network; cfg.Coin is set here.
func New(network string, cfg utxo.Config) (*utxo.Chain, error) {
	var err error
	if cfg.Coin, err = Coin(network); err != nil {
		return nil, err
	}
	return utxo.New(cfg)
}
