package devnet

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"

	"photon/contracts"
)

const (
	richBalance = "33b2e3c9fd0803ce8000000" // hex; a billion coins, in wei
	fundGas     = 100_000                   // enough for a contract that keeps books
	fundPrice   = 25_000_000_000            // wei; above Spectrum's least, 18 gwei
)

// An account is the rich one of a chain, whose key anybody can make.
type account struct {
	key     *ecdsa.PrivateKey
	hex     string
	address common.Address
	chainID uint64
}

func newAccount(name string, chainID uint64) (account, error) {
	seed := sha256.Sum256([]byte("photon devnet account of " + name))
	key, err := crypto.ToECDSA(seed[:])
	if err != nil {
		return account{}, fmt.Errorf("account of %s: %w", name, err)
	}
	return account{key, hex.EncodeToString(seed[:]), crypto.PubkeyToAddress(key.PublicKey), chainID}, nil
}

// An evm is geth or smtnode.
type evm struct {
	endpoint
	account  account
	producer common.Address // whose transactions a new block makes anew; zero on ETH
	// seal makes one block, stamped at unix second at; an empty one takes nothing
	// from the pool.
	seal func(ctx context.Context, at int64, empty bool) error
}

func (g *evm) ready(ctx context.Context) error {
	_, err := g.height(ctx)
	return err
}

func (g *evm) height(ctx context.Context) (uint64, error) {
	var h hexutil.Uint64
	err := g.call(ctx, &h, "eth_blockNumber")
	return uint64(h), err
}

// revive has nothing to do: both nodes write every block to disk.
func (g *evm) revive(context.Context) error { return nil }

// newest is the unix second of the newest block.
func (g *evm) newest(ctx context.Context) (int64, error) {
	var b struct {
		Timestamp hexutil.Uint64 `json:"timestamp"`
	}
	err := g.call(ctx, &b, "eth_getBlockByNumber", "latest", false)
	return int64(b.Timestamp), err
}

func (g *evm) mine(ctx context.Context, n int) error { return g.blocks(ctx, n, false) }

// blocks makes n blocks by the wall clock, each at least a second after the one
// before.
func (g *evm) blocks(ctx context.Context, n int, empty bool) error {
	last, err := g.newest(ctx)
	if err != nil {
		return err
	}
	for range n {
		last = max(last+1, time.Now().Unix())
		if err := g.seal(ctx, last, empty); err != nil {
			return err
		}
	}
	return nil
}

func (g *evm) setTime(ctx context.Context, t int64) error {
	last, err := g.newest(ctx)
	if err != nil || last >= t {
		return err
	}
	return g.seal(ctx, t, false)
}

// fund signs and sends a legacy transaction, which both chains take.
func (g *evm) fund(ctx context.Context, address string, amount contracts.Amount) (string, error) {
	if !common.IsHexAddress(address) {
		return "", fmt.Errorf("%w: address %q", ErrRPC, address)
	}
	to := common.HexToAddress(address)
	var nonce hexutil.Uint64
	if err := g.call(ctx, &nonce, "eth_getTransactionCount", g.account.address, "pending"); err != nil {
		return "", err
	}
	tx, err := types.SignTx(types.NewTx(&types.LegacyTx{
		Nonce: uint64(nonce), To: &to, Value: amount.Uint256().ToBig(),
		Gas: fundGas, GasPrice: uint256.NewInt(fundPrice).ToBig(),
	}), types.NewEIP155Signer(uint256.NewInt(g.account.chainID).ToBig()), g.account.key)
	if err != nil {
		return "", fmt.Errorf("fund: %w", err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return "", fmt.Errorf("fund: %w", err)
	}
	var id string
	err = g.call(ctx, &id, "eth_sendRawTransaction", hexutil.Encode(raw))
	if err != nil && strings.Contains(err.Error(), "insufficient funds") {
		return "", fmt.Errorf("%w: %w", ErrFunds, err)
	}
	return id, err
}

// reorg sets the chain back, makes empty blocks, and sends anew what the old
// ones held: the node forgets it, other than in a reorganisation among peers.
func (g *evm) reorg(ctx context.Context, depth int) error {
	top, err := g.height(ctx)
	if err != nil {
		return err
	}
	fork := top - uint64(depth)
	lost, err := g.held(ctx, fork+1, top)
	if err != nil {
		return err
	}
	if err := g.call(ctx, nil, "debug_setHead", hexutil.Uint64(fork)); err != nil {
		return err
	}
	if err := g.blocks(ctx, depth+1, true); err != nil {
		return err
	}
	for _, raw := range lost {
		if err := g.call(ctx, nil, "eth_sendRawTransaction", raw); err != nil {
			return fmt.Errorf("send anew: %w", err)
		}
	}
	return nil
}

// held returns the raw transactions in blocks, other than the producer's own.
func (g *evm) held(ctx context.Context, from, to uint64) (txs []string, err error) {
	for h := from; h <= to; h++ {
		var b struct {
			Transactions []struct {
				Hash string
				From common.Address
			}
		}
		if err := g.call(ctx, &b, "eth_getBlockByNumber", hexutil.Uint64(h), true); err != nil {
			return nil, err
		}
		for _, tx := range b.Transactions {
			if tx.From == g.producer {
				continue
			}
			var raw string
			if err := g.call(ctx, &raw, "eth_getRawTransactionByHash", tx.Hash); err != nil {
				return nil, err
			}
			txs = append(txs, raw)
		}
	}
	return txs, nil
}
