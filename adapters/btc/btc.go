// Package btc is what is particular to Bitcoin among the chains of outputs: its
// networks, its fees, and that nodes replace a waiting transaction by one that
// pays more. All else is package utxo.
//
// Start reading at [Coin].
package btc

import (
	"fmt"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"photon/adapters/utxo"
	"photon/contracts"
)

// Networks are the names that Coin knows.
var networks = map[string]*chaincfg.Params{
	"main": &chaincfg.MainNetParams, "test": &chaincfg.TestNet3Params, "signet": &chaincfg.SigNetParams,
	"regtest": &chaincfg.RegressionNetParams, "simnet": &chaincfg.SimNetParams,
}

// retarget is after how many blocks other work is asked for. On the networks that
// are not here, blocks of less work may come at any time, or it never changes.
var retarget = map[string]int64{"main": 2016, "signet": 2016}

// Coin is Bitcoin on a network: main, test, signet, regtest or simnet.
// Rates are satoshi for 1,000 vB: relayed from 1,000 on; 10,000 confirmed within
// a day through most of its history.
func Coin(network string) (utxo.Coin, error) {
	p := networks[network]
	if p == nil {
		return utxo.Coin{}, fmt.Errorf("BTC: unknown network %.20q: main, test, signet, regtest, simnet", network)
	}
	return utxo.Coin{
		Chain: contracts.BTC, Network: network, Genesis: *p.GenesisHash,
		HRP: p.Bech32HRPSegwit, PubKeyHash: p.PubKeyHashAddrID, ScriptHash: p.ScriptHashAddrID,
		Easiest: p.PowLimitBits, Retarget: retarget[network],
		Interval: 10 * time.Minute, Replace: true,
		MinRate: 1_000, FallbackRate: 10_000, MaxRate: 2_000_000,
	}, nil
}

// New is utxo.New for Bitcoin on a network; cfg.Coin is set here.
func New(network string, cfg utxo.Config) (*utxo.Chain, error) {
	var err error
	if cfg.Coin, err = Coin(network); err != nil {
		return nil, err
	}
	return utxo.New(cfg)
}
