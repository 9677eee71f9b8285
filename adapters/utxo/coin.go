package utxo

import (
	"errors"
	"fmt"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
)

// A Coin is what tells one chain of outputs, on one of its networks, from
// another.
type Coin struct {
	Chain   contracts.Chain
	Network string         // "main", "test", "regtest", "simnet"
	Genesis chainhash.Hash // block 0: tells a node of another network

	HRP           string // of segwit addresses (BIP-173)
	PubKeyHash    byte   // version of P2PKH addresses
	ScriptHash    byte   // version of P2SH addresses
	OldScriptHash byte   // version of P2SH addresses given up because the other coin has it; 0: none
	MWEB          string // HRP of addresses of the extension block, which are refused; "": none

	Easiest  uint32                                // the least work of a block, as headers write it
	Retarget int64                                 // the work asked for changes at heights that are multiples of this; 0: at any
	Work     func(wire.BlockHeader) chainhash.Hash // the hash that shows work; nil: the block's own

	Interval time.Duration // mean time between blocks
	Replace  bool          // nodes replace a waiting transaction by one that pays more (BIP-125)
	HogEx    bool          // blocks may end in a transaction of the extension block

	// Fee rates in smallest units for 1,000 vB.
	MinRate      int64 // never less: it would not be relayed, or not confirm
	FallbackRate int64 // when no node has an estimate and none was ever had
	MaxRate      int64 // an estimate above is taken for a fault
}

// How deep an output must be before it is counted on.
const (
	coinbaseDepth = 100 // a miner's reward: consensus
	hogExDepth    = 6   // from the extension block: its id may change in a reorganisation
)

// increment is what a replacement must pay above what it replaces, in smallest
// units for 1,000 vB.
//
// Source: Bitcoin Core, DEFAULT_INCREMENTAL_RELAY_FEE.
const increment = 1000

// errCoin is a coin that nobody could use.
var errCoin = errors.New("coin")

func (c Coin) check() error {
	switch {
	case c.Chain != contracts.BTC && c.Chain != contracts.LTC:
		return fmt.Errorf("%w: %w: %.20q has no outputs", errCoin, contracts.ErrChain, string(c.Chain))
	case c.HRP == "" || c.Network == "" || c.Genesis == (chainhash.Hash{}) || c.Interval <= 0:
		return fmt.Errorf("%w: %s: network %q is not described", errCoin, c.Chain, c.Network)
	case !c.easy():
		return fmt.Errorf("%w: %s: %08x is no least work of a network that asks for other work every %d blocks", errCoin, c.Chain, c.Easiest, c.Retarget)
	case c.MinRate < increment || c.FallbackRate < c.MinRate || c.MaxRate < c.FallbackRate:
		return fmt.Errorf("%w: %s: rates %d, %d, %d do not rise from %d", errCoin, c.Chain, c.MinRate, c.FallbackRate, c.MaxRate, increment)
	}
	return nil
}

// easy reports whether Easiest is a target, and low enough where it bounds others
// that are multiplied.
func (c Coin) easy() bool {
	t, ok := limit(c.Easiest)
	return ok && c.Retarget >= 0 && (c.Retarget == 0 || t.BitLen() <= 240)
}
