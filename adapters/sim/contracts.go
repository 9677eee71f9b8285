package sim

import (
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"photon/contracts"
	"photon/swap/trade"
)

// Contracts is a chain of contracts, ETH or SMT: go-ethereum's EVM, blocks, and
// transactions that wait. It is shared by all nodes.
type Contracts struct {
	mu        sync.Mutex
	chain     contracts.Chain
	config    params.ChainConfig
	signer    types.Signer
	price     uint64 // that miners ask, in wei for a gas
	idle      bool   // miners take no transactions
	state     *state.StateDB
	blocks    []evmBlock
	pool      []*types.Transaction // in order of arrival
	serial    uint64
	floor     int // height below which no reorganisation reaches
	lock      contracts.Address
	channels  contracts.Address
	registry  contracts.Address
	depth     uint64 // blocks that confirm an event of a channel, its own included
	endpoints map[string]*Endpoint
}

type evmBlock struct {
	hash  contracts.Hash
	time  uint64 // Unix seconds
	after *state.StateDB
	done  []executed
}

// executed is a transaction in a block and what came of it.
type executed struct {
	tx     *types.Transaction
	fee    contracts.Amount
	failed bool
	logs   []*types.Log
}

// miner gets the fees.
var miner = common.HexToAddress("0x00000000000000000000000000000000000319e5")

// rulesOf returns less than Spectrum has, so that what runs there runs on Spectrum,
// and for Ethereum what it is.
func rulesOf(c contracts.Chain) params.ChainConfig {
	zero, now := new(big.Int), new(uint64)
	id := map[contracts.Chain]int64{contracts.ETH: 1, contracts.SMT: 20180430}[c]
	cfg := params.ChainConfig{ChainID: big.NewInt(id), HomesteadBlock: zero, EIP150Block: zero, EIP155Block: zero, EIP158Block: zero, ByzantiumBlock: zero}
	if c == contracts.ETH {
		cfg.ConstantinopleBlock, cfg.PetersburgBlock, cfg.IstanbulBlock = zero, zero, zero
		cfg.MuirGlacierBlock, cfg.BerlinBlock, cfg.LondonBlock = zero, zero, zero
		cfg.TerminalTotalDifficulty, cfg.MergeNetsplitBlock = zero, zero
		cfg.ShanghaiTime, cfg.CancunTime, cfg.PragueTime, cfg.OsakaTime = now, now, now, now
		cfg.BlobScheduleConfig = params.DefaultBlobSchedule
	}
	return cfg
}

// PunishBlocks is as good as any for a chain's Channels.
const PunishBlocks = 30

// confirmations of events of channels, unless Confirm says otherwise.
func confirmations(c contracts.Chain) uint64 {
	if c == contracts.SMT {
		return 17
	}
	return 12
}

// NewContracts starts a chain with HashLock, SecretRegistry and Channels on it. each
// is the time of a block, price what miners ask in wei for a gas, punish the blocks
// between a channel's window and its settlement.
func NewContracts(c contracts.Chain, each time.Duration, price, punish uint64) (*Contracts, error) {
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		return nil, fmt.Errorf("state of %s: %w", c, err)
	}
	e := &Contracts{chain: c, config: rulesOf(c), price: price, state: db, depth: confirmations(c), endpoints: map[string]*Endpoint{}}
	e.signer = types.NewEIP155Signer(e.config.ChainID)
	now := time.Now()
	for i := range 50 {
		e.append(uint64(now.Add(-each*time.Duration(50-i)).Unix()), nil)
	}
	id := e.config.ChainID.Uint64()
	if e.lock, err = e.deploy(contracts.HashLockDeploy(id)); err != nil {
		return nil, err
	}
	if e.registry, err = e.deploy(contracts.SecretRegistryDeploy()); err != nil {
		return nil, err
	}
	e.channels, err = e.deploy(contracts.ChannelsDeploy(id, e.registry, punish))
	return e, err
}

func (e *Contracts) name() contracts.Chain { return e.chain }

// HashLock is where the contract lies.
func (e *Contracts) HashLock() contracts.Address { return e.lock }

// Channels is the contract of the channels; registry dates secrets for it.
func (e *Contracts) Channels() (channels contracts.Channels, registry contracts.Address) {
	return contracts.Channels{ChainID: e.config.ChainID.Uint64(), At: e.channels}, e.registry
}

// Confirm sets how many blocks confirm an event of a channel, its own included.
func (e *Contracts) Confirm(depth uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.depth = max(1, depth)
}

// Token creates a token and returns where it lies.
func (e *Contracts) Token(symbol string, decimals uint8) (contracts.Address, error) {
	return e.deploy(contracts.TestTokenDeploy(symbol, symbol, decimals, contracts.Amount{}))
}

// deploy creates a contract in a block of its own, for nothing.
func (e *Contracts) deploy(code []byte) (contracts.Address, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := crypto.CreateAddress(miner, e.state.GetNonce(miner))
	_, err := e.free(nil, code)
	e.append(max(uint64(time.Now().Unix()), e.time()+1), nil)
	return at, err
}

// Give pays a person from nowhere.
func (e *Contracts) Give(k Keys, a contracts.Asset, amount contracts.Amount) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	to := k.Account()
	if a.IsNative() {
		e.state.AddBalance(to, amount.Uint256(), tracing.BalanceChangeUnspecified)
		e.state.Finalise(e.rules(e.time()))
	} else if _, err := e.free(&a.Token, contracts.MintCall(to, amount)); err != nil {
		return err
	}
	e.append(max(uint64(time.Now().Unix()), e.time()+1), nil)
	e.floor = len(e.blocks)
	return nil
}

// free runs a call of the miner's that costs nothing. e.mu is held.
func (e *Contracts) free(to *contracts.Address, data []byte) ([]byte, error) {
	result, err := e.gratis(miner, to, contracts.Amount{}, data, 10_000_000)
	if err != nil {
		return nil, err
	}
	return result.ReturnData, result.Err
}

// gratis runs anybody's call in the next block, for nothing. e.mu is held.
func (e *Contracts) gratis(from contracts.Address, to *contracts.Address, value contracts.Amount, data []byte, gas uint64) (*core.ExecutionResult, error) {
	zero := new(uint256.Int)
	result, _, err := e.apply(&core.Message{From: from, To: to, Nonce: e.state.GetNonce(from), Value: value.Uint256(), Data: data,
		GasLimit: gas, GasPrice: zero, GasFeeCap: zero, GasTipCap: zero}, contracts.Hash{}, uint64(len(e.blocks)), e.time()+1)
	return result, err
}

// ask runs a call and leaves all as it is. e.mu is held.
func (e *Contracts) ask(to contracts.Address, data []byte) ([]byte, error) {
	kept := e.state
	e.state = e.state.Copy()
	defer func() { e.state = kept }()
	return e.free(&to, data)
}

// apply runs a message in the block at this height and time. e.mu is held.
func (e *Contracts) apply(m *core.Message, id contracts.Hash, height, at uint64) (*core.ExecutionResult, []*types.Log, error) {
	random := new(common.Hash)
	if e.config.LondonBlock == nil {
		random = nil
	}
	evm := vm.NewEVM(vm.BlockContext{
		CanTransfer: core.CanTransfer, Transfer: core.Transfer, Coinbase: miner,
		GetHash:     func(uint64) common.Hash { return common.Hash{} },
		BlockNumber: new(big.Int).SetUint64(height), Time: at, GasLimit: 60_000_000,
		BaseFee: new(big.Int), BlobBaseFee: new(big.Int), Difficulty: new(big.Int), Random: random,
	}, e.state, &e.config, vm.Config{})
	e.state.SetTxContext(common.Hash(id), 0, 0)
	before := len(e.state.GetLogs(common.Hash(id), height, common.Hash{}, at))
	result, err := core.ApplyMessage(evm, m, nil)
	if err != nil {
		return nil, nil, err
	}
	logs := e.state.GetLogs(common.Hash(id), height, common.Hash{}, at)
	e.state.Finalise(e.rules(at))
	return result, slices.Clone(logs[min(before, len(logs)):]), nil
}

func (e *Contracts) rules(at uint64) params.Rules {
	return e.config.Rules(new(big.Int).SetUint64(uint64(len(e.blocks))), e.config.LondonBlock != nil, at)
}

// append adds a block that leaves the state as it is now. e.mu is held, or
// nobody else has e yet.
func (e *Contracts) append(at uint64, done []executed) {
	e.serial++
	hash := contracts.Hash(crypto.Keccak256Hash(fmt.Append(nil, e.chain, e.serial)))
	e.blocks = append(e.blocks, evmBlock{hash, at, e.state, done})
}

func (e *Contracts) time() uint64 { return e.blocks[len(e.blocks)-1].time }

func (e *Contracts) head(upTo uint64) trade.Head {
	e.mu.Lock()
	defer e.mu.Unlock()
	height := min(len(e.blocks)-1, int(upTo))
	return trade.Head{Height: uint64(height), Hash: e.blocks[height].hash, Time: e.blocks[height].time}
}

// Height is that of the newest block.
func (e *Contracts) Height() uint64 { return e.head(1 << 62).Height }

// Ask sets what miners ask, in wei for a gas.
func (e *Contracts) Ask(price uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.price = price
}

// Price is what miners ask.
func (e *Contracts) Price() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.price
}

// Idle makes miners take no transactions, until it is called with false.
func (e *Contracts) Idle(idle bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.idle = idle
}

// Endpoint is a node's way to this chain.
func (e *Contracts) Endpoint(node string) *Endpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.endpoints[node] == nil {
		e.endpoints[node] = newEndpoint()
	}
	return e.endpoints[node]
}

func (e *Contracts) pokeAll() {
	for _, p := range e.endpoints {
		p.poke()
	}
}

// Relay takes in a transaction as a node does, or says why not.
// Errors: trade.ErrSpent when its nonce is used, trade.ErrShort, ErrRefused.
func (e *Contracts) Relay(raw []byte) error {
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return fmt.Errorf("%w: %s: %v", ErrRefused, e.chain, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	from, err := types.Sender(e.signer, tx)
	if err != nil {
		return fmt.Errorf("%w: %s: %v", ErrRefused, e.chain, err)
	}
	if next := e.state.GetNonce(from); tx.Nonce() < next {
		if x := e.find(tx.Hash()); x != nil && !x.failed {
			return nil // mined
		}
		return fmt.Errorf("%w: %s: nonce %d, the next is %d", trade.ErrSpent, e.chain, tx.Nonce(), next)
	}
	if e.state.GetBalance(from).ToBig().Cmp(tx.Cost()) < 0 {
		return fmt.Errorf("%w: %s: %s for a cost of %s", trade.ErrShort, e.chain, e.state.GetBalance(from), tx.Cost())
	}
	for i, w := range e.pool {
		other, err := types.Sender(e.signer, w)
		if err != nil || other != from || w.Nonce() != tx.Nonce() {
			continue
		}
		if w.Hash() == tx.Hash() {
			return nil // known
		}
		if more := new(big.Int).Mul(w.GasPrice(), big.NewInt(110)); new(big.Int).Mul(tx.GasPrice(), big.NewInt(100)).Cmp(more) < 0 {
			return fmt.Errorf("%w: %s: by one that waits: price %s", trade.ErrSpent, e.chain, w.GasPrice())
		}
		e.pool[i] = tx
		return nil
	}
	e.pool = append(e.pool, tx)
	return nil
}

// has reports whether tx is mined, whatever came of it.
func (e *Contracts) has(tx *types.Transaction) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.find(tx.Hash()) != nil
}

// find is a mined transaction, or nil. e.mu is held.
func (e *Contracts) find(id common.Hash) *executed {
	for _, b := range e.blocks {
		for i := range b.done {
			if b.done[i].tx.Hash() == id {
				return &b.done[i]
			}
		}
	}
	return nil
}

// Mine makes a block of all that waits, pays enough and has its turn.
func (e *Contracts) Mine() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mine()
}

// Favour makes a block of all that waits and has its turn, whatever it pays.
func (e *Contracts) Favour() {
	e.mu.Lock()
	defer e.mu.Unlock()
	asked := e.price
	e.price = 0
	e.mine()
	e.price = asked
}

// mine makes a block. e.mu is held.
func (e *Contracts) mine() {
	at := max(uint64(time.Now().Unix()), e.time()+1)
	height := uint64(len(e.blocks))
	var done []executed
	if len(e.pool) > 0 && !e.idle {
		e.state = e.state.Copy()
		for again := true; again; {
			again = false
			for _, tx := range slices.Clone(e.pool) {
				x, gone := e.execute(tx, height, at)
				if x != nil {
					done = append(done, *x)
				}
				if gone {
					e.pool = slices.DeleteFunc(e.pool, func(w *types.Transaction) bool { return w == tx })
					again = true
				}
			}
		}
	}
	e.append(at, done)
	e.pokeAll()
}

// execute runs tx if it is its turn; gone says that it waits no longer.
func (e *Contracts) execute(tx *types.Transaction, height, at uint64) (x *executed, gone bool) {
	m, err := core.TransactionToMessage(tx, e.signer, new(big.Int))
	if err != nil {
		return nil, true
	}
	if next := e.state.GetNonce(m.From); next != tx.Nonce() || tx.GasPrice().Cmp(new(big.Int).SetUint64(e.price)) < 0 {
		return nil, tx.Nonce() < next
	}
	result, logs, err := e.apply(m, contracts.Hash(tx.Hash()), height, at)
	if err != nil {
		return nil, false // cannot pay now
	}
	price, _ := uint256.FromBig(tx.GasPrice())
	fee := contracts.AmountOf(new(uint256.Int).Mul(price, uint256.NewInt(result.UsedGas)))
	return &executed{tx, fee, result.Failed(), logs}, true
}

// Reorg takes back this many blocks and makes one more of none. What they held
// waits again, or with drop is forgotten.
func (e *Contracts) Reorg(depth int, drop bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	cut := max(e.floor, len(e.blocks)-depth)
	var back []*types.Transaction
	for _, b := range e.blocks[cut:] {
		for _, x := range b.done {
			if !drop {
				back = append(back, x.tx)
			}
		}
	}
	e.blocks = e.blocks[:cut:cut]
	e.state = e.blocks[cut-1].after
	e.pool = append(back, e.pool...)
	now := uint64(time.Now().Unix())
	for i := range depth + 1 {
		e.append(max(now-uint64(depth-i), e.time()+1), nil)
	}
	e.pokeAll()
}

// fate is what the blocks say of a leg.
func (e *Contracts) fate(w trade.Watch, upTo uint64) trade.Fate {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.told(w, upTo)
}

// told is fate while e.mu is held.
func (e *Contracts) told(w trade.Watch, upTo uint64) (f trade.Fate) {
	s, err := contracts.NewSwap(w.Terms)
	if err != nil {
		return f
	}
	key := s.Key()
	for height, b := range e.blocks {
		if uint64(height) < w.From || uint64(height) > upTo || f.End != nil {
			continue
		}
		for _, x := range b.done {
			for _, l := range x.logs {
				ev, ours := readLog(l, w.Terms.Contract)
				if !ours || ev.Key != key || f.End != nil {
					continue
				}
				id := contracts.Hash(x.tx.Hash())
				switch {
				case ev.Kind == contracts.LegLocked:
					f.Lock = &trade.Spot{TxID: id, Amount: w.Terms.Amount, Height: uint64(height), Fee: x.fee}
				case ev.Kind == contracts.LegRedeemed:
					f.End = &trade.End{Kind: trade.BySecret, TxID: id, Height: uint64(height), Secret: ev.Secret, Fee: x.fee}
				default:
					f.End = &trade.End{Kind: trade.ByTime, TxID: id, Height: uint64(height), Fee: x.fee}
				}
			}
		}
	}
	return f
}

// Fate is the truth about a leg, for those who tell the story.
func (e *Contracts) Fate(w trade.Watch) trade.Fate { return e.fate(w, 1<<62) }

func readLog(l *types.Log, from contracts.Address) (contracts.HashLockEvent, bool) {
	if l.Address != from {
		return contracts.HashLockEvent{}, false
	}
	ev, err := contracts.ReadHashLockLog(topicsOf(l), l.Data)
	return ev, err == nil
}

// Balance is what a person has, for those who tell the story.
func (e *Contracts) Balance(k Keys, a contracts.Asset) contracts.Amount {
	e.mu.Lock()
	defer e.mu.Unlock()
	sum, err := e.balance(k.Account(), a)
	if err != nil {
		panic(fmt.Sprintf("sim: balance of %s: %v", a, err)) // the story names its tokens
	}
	return sum
}

func (e *Contracts) balance(of contracts.Address, a contracts.Asset) (contracts.Amount, error) {
	if a.IsNative() {
		return contracts.AmountOf(e.state.GetBalance(of)), nil
	}
	answer, err := e.ask(a.Token, contracts.BalanceCall(of))
	if err != nil {
		return contracts.Amount{}, err
	}
	return contracts.ReadTokens(answer)
}
