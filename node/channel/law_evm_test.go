package channel

import (
	"math/big"

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
)

// A court is the contracts' real bytecode in go-ethereum's EVM: what it takes is the
// law. Gas costs nothing, so that money adds up to the unit.
type court struct {
	t        tb
	state    *state.StateDB
	height   uint64 // of the block that is being made
	sent     int64
	at       contracts.Address
	registry contracts.Address
	events   []any // Happened and Registered, in order
}

var clerk = contracts.Address{0xc1}

func newCourt(t tb) *court {
	t.Helper()
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		t.Fatal(err)
	}
	w := &court{t: t, state: db, height: 100}
	w.registry = w.deploy(contracts.SecretRegistryDeploy())
	w.at = w.deploy(contracts.ChannelsDeploy(1337, w.registry, rules.Punish))
	return w
}

func (w *court) deploy(code []byte) contracts.Address {
	w.t.Helper()
	at := crypto.CreateAddress(clerk, w.state.GetNonce(clerk))
	if why := w.send(clerk, nil, contracts.Amount{}, code); why != "" {
		w.t.Fatalf("deploy: %s", why)
	}
	return at
}

// send puts a call into the block. It returns the name of the error with which the
// contract refuses it, and nothing when it is done.
func (w *court) send(from contracts.Address, to *contracts.Address, value contracts.Amount, data []byte) (refusal string) {
	w.t.Helper()
	zero := new(big.Int)
	config := params.ChainConfig{
		ChainID: big.NewInt(1337), HomesteadBlock: zero, EIP150Block: zero, EIP155Block: zero, EIP158Block: zero, ByzantiumBlock: zero,
	}
	evm := vm.NewEVM(vm.BlockContext{
		CanTransfer: core.CanTransfer, Transfer: core.Transfer, GetHash: func(uint64) common.Hash { return common.Hash{} },
		BlockNumber: new(big.Int).SetUint64(w.height), Time: 12 * w.height, GasLimit: 60_000_000, BaseFee: zero, BlobBaseFee: zero, Difficulty: zero,
	}, w.state, &config, vm.Config{})
	w.sent++
	id, free := common.BigToHash(big.NewInt(w.sent)), new(uint256.Int)
	w.state.SetTxContext(id, 0, 0)
	result, err := core.ApplyMessage(evm, &core.Message{
		From: from, To: to, Nonce: w.state.GetNonce(from), Value: value.Uint256(), Data: data,
		GasLimit: 16_000_000, GasPrice: free, GasFeeCap: free, GasTipCap: free,
	}, nil)
	if err != nil {
		w.t.Fatalf("not a transaction: %v", err)
	}
	logs := w.state.GetLogs(id, w.height, common.Hash{}, 12*w.height)
	w.state.Finalise(config.Rules(evm.Context.BlockNumber, false, evm.Context.Time))
	if result.Err != nil {
		if name, ok := contracts.ReadRevert(result.ReturnData); ok {
			return name
		}
		return result.Err.Error()
	}
	for _, l := range logs {
		w.log(l)
	}
	return ""
}

func (w *court) log(l *types.Log) {
	w.t.Helper()
	if l.Address == w.registry {
		w.events = append(w.events, Registered{contracts.Secret(l.Data), w.height})
		return
	}
	topics := make([]contracts.Hash, len(l.Topics))
	for i, topic := range l.Topics {
		topics[i] = contracts.Hash(topic)
	}
	e, err := contracts.ReadChannelLog(topics, l.Data)
	if err != nil {
		w.t.Fatal(err)
	}
	w.events = append(w.events, Happened{e, w.height})
}

func (w *court) give(to contracts.Address, amount uint64) {
	w.state.AddBalance(to, uint256.NewInt(amount), tracing.BalanceChangeUnspecified)
}

func (w *court) coins(of contracts.Address) uint64 { return w.state.GetBalance(of).Uint64() }

// blockOf is the block of an event of the court.
func blockOf(e any) uint64 {
	if h, is := e.(Happened); is {
		return h.Block
	}
	return e.(Registered).Block
}

// target is where a call goes.
func (w *court) target(k Call) *contracts.Address {
	if k.Kind == CallRegister {
		return &w.registry
	}
	return &w.at
}
