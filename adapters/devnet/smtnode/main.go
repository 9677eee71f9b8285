// Command smtnode is a chain for tests with the rules that Spectrum has: blocks
// signed by an authority, the EVM at Byzantium, no base fee. It listens for
// JSON-RPC on 127.0.0.1 only and has no peers.
//
// It makes a block when it is told to, by dev_mine. Each block begins with a
// transaction of the producer's own, as on Spectrum. What else is particular to
// Spectrum is in the strict proxy before it, in the package above.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"os/signal"
	"syscall"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/downloader"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

const (
	chainID  = 20180430
	gasLimit = 30_000_000
	leastFee = 18_000_000_000 // wei a gas; what pays less is not packaged
)

func main() {
	var (
		dir     = flag.String("datadir", "", "folder of the chain")
		port    = flag.Int("port", 0, "JSON-RPC port on 127.0.0.1")
		rich    = flag.String("rich", "", "address that owns coins from the start")
		balance = flag.String("balance", "", "its wei, in hex")
		signer  = flag.String("signer", "", "the producer's private key, in hex; worthless")
		began   = flag.Uint64("began", 0, "unix second of the genesis block")
	)
	flag.Parse()
	if err := run(*dir, *port, *rich, *balance, *signer, *began); err != nil {
		fmt.Fprintln(os.Stderr, "smtnode:", err)
		os.Exit(1)
	}
}

func run(dir string, port int, rich, balance, signer string, began uint64) error {
	wei, ok := new(big.Int).SetString(balance, 16)
	if dir == "" || port == 0 || !common.IsHexAddress(rich) || !ok {
		return errors.New("all flags are needed")
	}
	key, err := crypto.HexToECDSA(signer)
	if err != nil {
		return fmt.Errorf("signer: %w", err)
	}
	stack, err := node.New(&node.Config{
		Name: "smtnode", DataDir: dir, DBEngine: "leveldb", // pebble would lose blocks to kill -9
		HTTPHost: "127.0.0.1", HTTPPort: port, HTTPModules: []string{"eth", "net", "web3", "txpool", "debug", "dev"},
		P2P: p2p.Config{NoDiscovery: true, NoDial: true},
	})
	if err != nil {
		return err
	}
	defer stack.Close()
	producer := crypto.PubkeyToAddress(key.PublicKey)
	backend, err := eth.New(stack, settings(genesis(producer, common.HexToAddress(rich), wei, began)))
	if err != nil {
		return err
	}
	logs := filters.NewFilterSystem(backend.APIBackend, filters.Config{})
	stack.RegisterAPIs([]rpc.API{
		{Namespace: "eth", Service: filters.NewFilterAPI(logs, false)},
		{Namespace: "dev", Service: newProducer(backend, key)},
	})
	if err := stack.Start(); err != nil {
		return err
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	<-end
	return nil
}

// settings keep every block's state, so that the chain can be set back.
func settings(g *core.Genesis) *ethconfig.Config {
	c := ethconfig.Defaults
	c.Genesis, c.NetworkId, c.SyncMode = g, chainID, downloader.FullSync
	c.NoPruning, c.StateScheme, c.SnapshotCache = true, "hash", 0
	c.DatabaseCache, c.TrieCleanCache, c.TrieDirtyCache = 32, 16, 16
	c.RPCTxFeeCap = 0
	c.TxPool.PriceLimit, c.TxPool.Journal = leastFee, ""
	c.Miner.GasPrice, c.GPO.Default = big.NewInt(leastFee), big.NewInt(leastFee)
	return &c
}

// genesis has every fork up to Byzantium and none after.
func genesis(producer, rich common.Address, wei *big.Int, began uint64) *core.Genesis {
	zero := big.NewInt(0)
	extra := append(make([]byte, 32), producer[:]...)
	return &core.Genesis{
		Config: &params.ChainConfig{
			ChainID: big.NewInt(chainID), HomesteadBlock: zero, EIP150Block: zero, EIP155Block: zero, EIP158Block: zero,
			ByzantiumBlock: zero, Clique: &params.CliqueConfig{Epoch: 30_000},
		},
		Timestamp: began, GasLimit: gasLimit, Difficulty: big.NewInt(1),
		ExtraData: append(extra, make([]byte, crypto.SignatureLength)...),
		Alloc:     types.GenesisAlloc{rich: {Balance: wei}},
	}
}
