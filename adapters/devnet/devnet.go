// Package devnet runs real chain nodes on this machine, for the demo and for
// tests against the real world: it starts, drives and stops them.
//
//	chain  node                                    found
//	BTC    btcd, simnet                            tool line of go.mod
//	LTC    litecoind, regtest (Litecoin Core)      on PATH
//	       ltcd, simnet, where litecoind is not    tool line of go.mod
//	ETH    geth, a genesis of ours, forks named    tool line of go.mod
//	SMT    smtnode: clique at Byzantium            nested module smtnode
//	       behind a strict proxy (strict.go)       in this process
//
// The one rule: nothing outlives its [Net]. Close stops every process by its id;
// on Linux a process also dies with its parent. Everything listens on 127.0.0.1
// only. All keys here are worthless by design: they are made from public labels.
//
// No node makes a block by itself: [Net.Mine] does, at once, and
// [Net.StartMining] does so every so often. So a test decides what is confirmed
// when.
//
// Start reading at [Start]. Chapters: program.go (a binary is found or built),
// process.go (it runs, pauses, dies, comes back), drive.go (what a Net can be
// asked), and one file a node: simnet.go with blocks.go and coins.go (btcd and
// ltcd), litecoind.go, geth.go, smtnode.go with strict.go.
package devnet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"photon/contracts"
)

// Why a call fails. Each is wrapped with the figures.
var (
	ErrChain   = errors.New("chain is not part of this net")
	ErrConfig  = errors.New("net cannot be started so")
	ErrProgram = errors.New("node program cannot be had")
	ErrNode    = errors.New("node does not run")
	ErrRPC     = errors.New("node refuses")
	ErrTime    = errors.New("chain's clock cannot be set so")
	ErrFunds   = errors.New("node's own account is short")
)

// A Config says what to start. Only Dir and Chains are required.
type Config struct {
	Dir    string            // data and logs; one new folder a chain is made in it
	Chains []contracts.Chain // what to start
	Log    *slog.Logger      // nil: nothing is logged

	// Programs is a folder with the nodes' binaries (btcd, ltcd, geth, smtnode);
	// what is not in it is built. "" builds all.
	Programs string
	// Module is the folder of this module's go.mod; "" asks `go env GOMOD`.
	Module string
	// Ltcd asks for ltcd even where litecoind is installed.
	Ltcd bool
	// Progress is told in a sentence what takes time; nil: nobody is. It is
	// called from several goroutines, one at a time.
	Progress func(string)
}

// A Net is a set of running nodes. The endpoints are set for chains that were
// asked for; the others are zero.
type Net struct {
	BTC UTXO
	LTC UTXO
	ETH EVM
	SMT EVM // HTTP is the strict proxy

	log    *slog.Logger
	nodes  map[contracts.Chain]*running
	ctx    context.Context // ends with Close; automatic mining hangs on it
	cancel context.CancelFunc
	miners sync.WaitGroup
}

// A UTXO is the endpoint of a Bitcoin or Litecoin node.
type UTXO struct {
	Host     string // RPC, host:port, plain HTTP
	URL      string // RPC, http://host:port
	User     string
	Password string
	Network  string // "simnet" or "regtest"
	Core     bool   // speaks Litecoin Core's dialect, not btcd's
}

// An EVM is the endpoint of an Ethereum or Spectrum node.
type EVM struct {
	HTTP    string // JSON-RPC
	WS      string // JSON-RPC over WebSocket; "" on SMT
	ChainID uint64
	Key     string // hex of the private key of a rich account
}

// A running is one chain's node and how it is driven.
type running struct {
	node
	process *process
	stop    func()     // automatic mining; nil when off
	after   func()     // what ends with the process (the strict proxy); or nil
	mu      sync.Mutex // one order at a time
}

// A node is what each kind of node can be told. A Net calls one method at a time.
type node interface {
	// ready returns nil when the RPC port answers.
	ready(ctx context.Context) error
	// height is the newest block's.
	height(ctx context.Context) (uint64, error)
	// mine makes n blocks, with the transactions that wait.
	mine(ctx context.Context, n int) error
	// fund sends units of the native coin from the node's own account and
	// returns the transaction's id. It is not mined yet.
	fund(ctx context.Context, address string, amount contracts.Amount) (string, error)
	// reorg replaces the newest blocks by one block more, all empty.
	reorg(ctx context.Context, depth int) error
	// revive gives a node that was killed what it had lost.
	revive(ctx context.Context) error
	// setTime mines until a time lock at unix second t is open.
	setTime(ctx context.Context, t int64) error
}

// Start builds what is missing, starts the nodes side by side, and mines what
// their soft forks and the maturity of coins need. ctx bounds the start only. When
// one node fails, all that ran are stopped. Errors: ErrConfig, ErrProgram, ErrNode, ErrRPC.
func Start(ctx context.Context, cfg Config) (*Net, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	n := &Net{log: cfg.Log, nodes: map[contracts.Chain]*running{}}
	n.ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	starts := map[contracts.Chain]func(context.Context, Config, *Net) (*running, error){
		contracts.BTC: startBTC, contracts.LTC: startLTC, contracts.ETH: startETH, contracts.SMT: startSMT,
	}
	found := make([]*running, len(cfg.Chains))
	faults := make([]error, len(cfg.Chains))
	var all sync.WaitGroup
	for i, c := range cfg.Chains {
		all.Go(func() {
			cfg.Progress(fmt.Sprintf("%s: starting", c))
			if found[i], faults[i] = starts[c](ctx, cfg, n); faults[i] != nil {
				faults[i] = fmt.Errorf("start %s: %w", c, faults[i])
				return
			}
			cfg.Progress(fmt.Sprintf("%s: ready", c))
		})
	}
	all.Wait()
	for i, c := range cfg.Chains {
		if found[i] != nil {
			n.nodes[c] = found[i]
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// complete fills in what may be left out.
func (c *Config) complete() error {
	if c.Dir == "" {
		return fmt.Errorf("%w: no folder", ErrConfig)
	}
	for i, chain := range c.Chains {
		if !slices.Contains(contracts.Chains, chain) {
			return fmt.Errorf("%w: unknown chain %q", ErrConfig, chain)
		}
		if slices.Contains(c.Chains[:i], chain) {
			return fmt.Errorf("%w: %s asked for twice", ErrConfig, chain)
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	progress, mu := c.Progress, new(sync.Mutex)
	c.Progress = func(s string) {
		mu.Lock()
		defer mu.Unlock()
		if progress != nil {
			progress(s)
		}
	}
	return os.MkdirAll(c.Dir, 0o700)
}

// folder makes a chain's folder. One that is there already is another net's, or
// an old one's, and is refused.
func (c Config) folder(name string) (string, error) {
	dir := filepath.Join(c.Dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("%w: folder of a new chain: %w", ErrConfig, err)
	}
	return filepath.Abs(dir)
}

// Close ends automatic mining and stops every process: first asked, then, after
// a bound, killed. The folders stay. It may be called again.
func (n *Net) Close() error {
	n.cancel()
	n.miners.Wait()
	faults := make([]error, len(contracts.Chains))
	var all sync.WaitGroup
	for i, c := range contracts.Chains {
		r := n.nodes[c]
		if r == nil {
			continue
		}
		all.Go(func() {
			if r.after != nil {
				r.after()
			}
			faults[i] = r.process.stop()
		})
	}
	all.Wait()
	return errors.Join(faults...)
}
