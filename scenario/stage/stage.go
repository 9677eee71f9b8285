// Package stage puts people on real chains: btcd, litecoind, geth and an SMT
// chain on this machine, and node processes that are given money there. The demo
// and the stories in the real world play on it.
//
//	Open ──▶ chains; HashLock, Channels and a token on ETH and SMT
//	Person ──▶ a node process with keys of its own
//	Fund ──▶ coins and tokens for everybody
//	Close ──▶ everything stopped, by process id
//
// The one rule: a person is only what any user has, the program and its API.
package stage

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"photon/adapters/devnet"
	"photon/contracts"
)

// A Config says what to set up. Dir and Program are required.
type Config struct {
	Dir     string // for chains and people
	Program string // the binary that people run
	Module  string // folder of this module's go.mod, for the chain nodes; "" asks the go command
	Ltcd    bool   // Litecoin on ltcd even where litecoind is installed
	Say     func(string)
}

// A Stage is running chains and people.
type Stage struct {
	Net    *devnet.Net
	Tokens map[contracts.Chain]contracts.Asset   // one on each EVM chain
	Locks  map[contracts.Chain]contracts.Address // HashLock
	Laws   map[contracts.Chain]Law               // of channels

	dir     string
	program string
	mu      sync.Mutex
	people  []*Person
	giving  sync.Mutex // one at a time spends from the rich accounts
}

// A Law is where the contracts of channels are on a chain.
type Law struct{ Channels, Secrets contracts.Address }

// Open starts the chains and deploys the contracts. No block is made by itself
// before Mine.
func Open(ctx context.Context, cfg Config) (*Stage, error) {
	s := &Stage{
		dir: cfg.Dir, program: cfg.Program,
		Tokens: map[contracts.Chain]contracts.Asset{}, Locks: map[contracts.Chain]contracts.Address{}, Laws: map[contracts.Chain]Law{},
	}
	var err error
	s.Net, err = devnet.Start(ctx, devnet.Config{
		Dir: filepath.Join(cfg.Dir, "chains"), Chains: contracts.Chains, Module: cfg.Module, Ltcd: cfg.Ltcd, Progress: cfg.Say,
	})
	if err != nil {
		return nil, err
	}
	if err := s.deploy(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Mine makes a block of every chain every so often.
func (s *Stage) Mine(every time.Duration) error {
	for _, c := range contracts.Chains {
		if err := s.Net.StartMining(c, every); err != nil {
			return err
		}
	}
	return nil
}

// Close stops everybody and then the chains.
func (s *Stage) Close() error {
	for _, p := range s.people {
		p.Stop()
	}
	return s.Net.Close()
}
