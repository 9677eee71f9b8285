package utxo

import (
	"context"
	"errors"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// Why a node is not believed or does not help. Each is wrapped with the figures.
var (
	// ErrDown says that a node did not answer, or not in a way that can be
	// believed: another node may do better.
	ErrDown = errors.New("chain node gives no answer")
	// ErrMissing says that the node answered: there is no such thing.
	ErrMissing = errors.New("chain node does not know it")
	// ErrNetwork says that a node is of another network.
	ErrNetwork = errors.New("chain node of another network")
	// ErrNoWallet says that the program of a node has no wallet at all.
	ErrNoWallet = errors.New("chain node has no wallet")
	// ErrWallet says that a node's wallet cannot be used as it is.
	ErrWallet = errors.New("the node's wallet cannot be used")
	// ErrLocked says that a node's wallet waits for its passphrase.
	ErrLocked = errors.New("the node's wallet is locked: unlock it with walletpassphrase")
	// ErrRefused says that a node does not take a transaction, for a reason that
	// has no word of its own.
	ErrRefused = errors.New("transaction refused")
)

// A Node is one endpoint of a chain, in our words. In the house: the JSON-RPC of
// btcd, Bitcoin Core, ltcd, Litecoin Core. Errors of every method: ErrDown,
// ErrMissing.
type Node interface {
	// Tip is the newest block of the active chain.
	Tip(ctx context.Context) (Tip, error)
	// HashAt is the block at this height of the active chain. Errors: ErrMissing
	// above the tip.
	HashAt(ctx context.Context, height int64) (chainhash.Hash, error)
	// Header is that of any block known.
	Header(ctx context.Context, hash chainhash.Hash) (wire.BlockHeader, error)
	// Block is any block known, checked against its hash and itself.
	Block(ctx context.Context, hash chainhash.Hash) (*Block, error)
	// Waiting are the transactions that wait to be mined.
	Waiting(ctx context.Context) ([]chainhash.Hash, error)
	// Tx is a waiting transaction, checked against its id.
	Tx(ctx context.Context, id chainhash.Hash) (*wire.MsgTx, error)
	// Unspent reports whether the output is mined and nothing mined spends it.
	// Core's family counts what waits too.
	Unspent(ctx context.Context, out wire.OutPoint) (bool, error)
	// Send broadcasts. What the node has already is no error.
	// Errors: trade.ErrSpent, trade.ErrNotYet, trade.ErrShort, ErrRefused.
	Send(ctx context.Context, tx *wire.MsgTx) error
	// Rate is the fee in smallest units for 1,000 vB with which a transaction is
	// mined within so many blocks. Errors: ErrMissing when the node cannot say.
	Rate(ctx context.Context, blocks int) (int64, error)
}

// A Tip is the newest block that a node knows.
type Tip struct {
	Hash   chainhash.Hash
	Height int64
}

// A Block is a block without the extension that Litecoin's may have.
type Block struct {
	Header wire.BlockHeader
	Txs    []*wire.MsgTx
	IDs    []chainhash.Hash // of Txs
}

// maxHeight is above every height that a chain will reach: 2^31 blocks.
const maxHeight = 1<<31 - 1
