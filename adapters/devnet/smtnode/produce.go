package main

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/consensus/clique"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth"
)

// chief is where the producer's own transaction goes; nothing is there.
var chief = common.HexToAddress("0x000000000000000000000000000000000000c41f")

// A producer is the dev namespace: it makes blocks and signs them.
type producer struct {
	eth *eth.Ethereum
	key *ecdsa.PrivateKey
	us  common.Address
	mu  sync.Mutex
}

func newProducer(backend *eth.Ethereum, key *ecdsa.PrivateKey) *producer {
	return &producer{eth: backend, key: key, us: crypto.PubkeyToAddress(key.PublicKey)}
}

// Mine makes one block of what waits in the pool, stamped at unix second at, and
// returns its hash. An empty one holds the producer's own transaction only. The
// time may be ahead of the wall clock.
func (p *producer) Mine(at hexutil.Uint64, empty bool) (common.Hash, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	chain := p.eth.BlockChain()
	parent := chain.CurrentBlock()
	if uint64(at) < parent.Time {
		return common.Hash{}, fmt.Errorf("time %d is before the parent's, %d", at, parent.Time)
	}
	// The clique engine's own Prepare asks for a signer in an account manager and
	// for the wall clock; with one signer, always in turn, this is all it does.
	h := &types.Header{
		ParentHash: parent.Hash(), Number: new(big.Int).Add(parent.Number, common.Big1), GasLimit: gasLimit,
		Time: uint64(at), Difficulty: big.NewInt(2), Extra: make([]byte, 32+crypto.SignatureLength),
	}
	if h.Number.Uint64()%chain.Config().Clique.Epoch == 0 { // an epoch's first block lists the signers
		h.Extra = append(append(make([]byte, 32), p.us[:]...), make([]byte, crypto.SignatureLength)...)
	}
	db, err := chain.StateAt(parent.Root)
	if err != nil {
		return common.Hash{}, err
	}
	txs, receipts, err := p.fill(h, db, empty)
	if err != nil {
		return common.Hash{}, err
	}
	block, err := p.eth.Engine().FinalizeAndAssemble(chain, h, db, txs, nil, receipts, nil)
	if err != nil {
		return common.Hash{}, err
	}
	h = block.Header()
	seal, err := crypto.Sign(clique.SealHash(h).Bytes(), p.key)
	if err != nil {
		return common.Hash{}, err
	}
	copy(h.Extra[len(h.Extra)-crypto.SignatureLength:], seal)
	block = block.WithSeal(h)
	if _, err := chain.WriteBlockAndSetHead(block, receipts, place(block, receipts), db, true); err != nil {
		return common.Hash{}, err
	}
	return block.Hash(), p.eth.TxPool().Sync()
}

// fill runs the producer's own transaction and then what waits, and returns both
// with their receipts. A transaction that cannot run now is left.
func (p *producer) fill(h *types.Header, db *state.StateDB, empty bool) (types.Transactions, types.Receipts, error) {
	own, err := types.SignNewTx(p.key, types.LatestSigner(p.eth.BlockChain().Config()), &types.LegacyTx{
		Nonce: db.GetNonce(p.us), To: &chief, Value: new(big.Int), GasPrice: new(big.Int), Gas: 30_000, Data: h.Number.Bytes(),
	})
	if err != nil {
		return nil, nil, err
	}
	waiting := types.Transactions{own}
	if !empty {
		waiting = append(waiting, p.waiting()...)
	}
	var (
		txs      types.Transactions
		receipts types.Receipts
		room     = new(core.GasPool).AddGas(h.GasLimit)
	)
	for i, tx := range waiting {
		db.SetTxContext(tx.Hash(), len(txs))
		before, left := db.Snapshot(), room.Gas()
		r, err := core.ApplyTransaction(p.eth.BlockChain().Config(), p.eth.BlockChain(), &p.us, room, db, h, tx, &h.GasUsed, vm.Config{})
		if err == nil {
			txs, receipts = append(txs, tx), append(receipts, r)
			continue
		}
		if i == 0 {
			return nil, nil, fmt.Errorf("the producer's own transaction: %w", err)
		}
		db.RevertToSnapshot(before)
		room.SetGas(left)
		if errors.Is(err, core.ErrGasLimitReached) {
			break
		}
	}
	return txs, receipts, nil
}

// waiting lists the pool's transactions: the best paid first, each account's in
// the order of their nonces.
func (p *producer) waiting() (list types.Transactions) {
	queues := p.eth.TxPool().Pending(txpool.PendingFilter{OnlyPlainTxs: true})
	for len(queues) > 0 {
		var best common.Address
		for who, q := range queues {
			if b := queues[best]; b == nil || q[0].GasFeeCap.Gt(b[0].GasFeeCap) {
				best = who
			}
		}
		if tx := queues[best][0].Resolve(); tx != nil {
			list = append(list, tx)
		}
		if queues[best] = queues[best][1:]; len(queues[best]) == 0 {
			delete(queues, best)
		}
	}
	return list
}

// place tells receipts and their logs which block they are in.
func place(b *types.Block, receipts types.Receipts) (logs []*types.Log) {
	for i, r := range receipts {
		r.BlockHash, r.BlockNumber, r.TransactionIndex = b.Hash(), b.Number(), uint(i)
		for _, l := range r.Logs {
			l.BlockHash = b.Hash()
			logs = append(logs, l)
		}
	}
	return logs
}
