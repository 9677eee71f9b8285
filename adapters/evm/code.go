package evm

import (
	"bytes"
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"photon/contracts"
)

// A proof is what must lie at an address: a contract with any other code is not
// ours.
type proof struct {
	name  string
	at    contracts.Address
	check func(code []byte) error // Errors: ErrCode
}

// proofs are those of the contracts that we use.
func proofs(cfg Config) (all []proof) {
	same := func(want []byte) func([]byte) error {
		return func(code []byte) error {
			if !bytes.Equal(code, want) {
				return fmt.Errorf("%w: %d bytes, want %d", ErrCode, len(code), len(want))
			}
			return nil
		}
	}
	if cfg.Contract != (contracts.Address{}) {
		all = append(all, proof{"HashLock", cfg.Contract, same(contracts.HashLockRuntime(cfg.ChainID))})
	}
	if cfg.Channels != (contracts.Address{}) {
		all = append(all, proof{"SecretRegistry", cfg.Registry, same(contracts.SecretRegistryRuntime())},
			proof{"Channels", cfg.Channels, func(code []byte) error {
				_, err := punishBlocks(cfg, code)
				return err
			}})
	}
	return all
}

// punishBlocks reads the punish time out of the code of Channels. Errors: ErrCode.
func punishBlocks(cfg Config, code []byte) (uint64, error) {
	n, err := contracts.ReadChannelsRuntime(code, contracts.Channels{ChainID: cfg.ChainID, At: cfg.Channels}, cfg.Registry)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrCode, err)
	}
	return n, nil
}

func codeAt(a contracts.Address) *question {
	return &question{method: "eth_getCode", args: []any{a, "latest"}}
}

// Channels is the contract that our channels are at; SecretRegistry dates secrets
// for it. Both are zero while there are none.
func (c *Chain) Channels() (channels contracts.Channels, registry contracts.Address) {
	return contracts.Channels{ChainID: c.cfg.ChainID, At: c.cfg.Channels}, c.cfg.Registry
}

// PunishBlocks is how many blocks Channels waits after a window, as it was
// deployed. Errors: ErrCode, ErrDown.
func (c *Chain) PunishBlocks(ctx context.Context) (uint64, error) {
	code, err := c.asked(ctx, codeAt(c.cfg.Channels))
	if err != nil {
		return 0, err
	}
	return punishBlocks(c.cfg, code)
}

// ReadChannel is what the contract knew of a channel after block; the zero state is
// that of none. Nodes may have forgotten old blocks. Errors: contracts.ErrAnswer,
// ErrRefused, ErrDown.
func (c *Chain) ReadChannel(ctx context.Context, id contracts.Hash, block uint64) (contracts.ChannelState, error) {
	q := c.read(c.cfg.Channels, contracts.ChannelCall(id))
	q.args[1] = hexutil.Uint64(block)
	answer, err := c.asked(ctx, q)
	if err != nil {
		return contracts.ChannelState{}, fmt.Errorf("channel %s at %d: %w", id, block, err)
	}
	return contracts.ReadChannel(answer)
}

// Owed is what a payment of Channels that failed has left for us to collect.
// Errors: contracts.ErrAnswer, ErrRefused, ErrDown.
func (c *Chain) Owed(ctx context.Context, token contracts.Address) (contracts.Amount, error) {
	answer, err := c.asked(ctx, c.read(c.cfg.Channels, contracts.OwedCall(token, c.account)))
	if err != nil {
		return contracts.Amount{}, fmt.Errorf("owed of %s: %w", token, err)
	}
	return contracts.ReadTokens(answer)
}

// DeployChannels creates a SecretRegistry and Channels with it, in which an unlock
// can be punished for so many blocks after a window, and waits until both are
// mined. Errors: as Deploy.
func (c *Chain) DeployChannels(ctx context.Context, punishBlocks uint64) (channels, registry contracts.Address, err error) {
	if registry, err = c.Deploy(ctx, contracts.SecretRegistryDeploy()); err != nil {
		return channels, registry, fmt.Errorf("deploy SecretRegistry: %w", err)
	}
	if channels, err = c.Deploy(ctx, contracts.ChannelsDeploy(c.cfg.ChainID, registry, punishBlocks)); err != nil {
		return channels, registry, fmt.Errorf("deploy Channels: %w", err)
	}
	return channels, registry, nil
}
