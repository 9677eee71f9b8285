package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	ledger "github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"photon/contracts"
)

// gasAccount is the same on every run: an address with a zero byte more is
// cheaper to name.
func gasAccount(name string) contracts.Address {
	return common.BytesToAddress(crypto.Keccak256([]byte(name))[12:])
}

// gasStart and gasExpiry are Unix seconds: of the first block, and of all legs.
const (
	gasStart  = 1_800_000_000
	gasExpiry = gasStart + 36_000
)

// gasFigures runs HashLock in an EVM under the rules of both chains. The anchors
// are of the best contracts of the field, measured in the same way.
func gasFigures() ([]figure, error) {
	eth, err := measureGas(1, osakaRules())
	if err != nil {
		return nil, fmt.Errorf("gas under the rules of ETH: %w", err)
	}
	smt, err := measureGas(20180430, byzantiumRules())
	if err != nil {
		return nil, fmt.Errorf("gas under the rules of SMT: %w", err)
	}
	row := func(name string, gas uint64, limit, anchor float64) figure {
		return figure{Name: name, Value: float64(gas), Unit: "gas", Limit: limit, Anchor: anchor}
	}
	return []figure{
		row("ETH: lock", eth.lock, 0, 47_393),
		row("ETH: redeem", eth.redeem, 0, 32_256),
		row("ETH: refund", eth.refund, 0, 31_379),
		row("ETH: lock + redeem", eth.lock+eth.redeem, 79_700, 79_649),
		row("ETH: lock + redeem, anyone's call", eth.lock+eth.redeemFor, 79_700, 0),
		row("ETH: lock + redeem of 20, each", eth.batch, 45_000, 45_290),
		row("ETH: token, lock + redeem", eth.token, 111_400, 111_379),
		row("SMT: lock", smt.lock, 0, 47_732),
		row("SMT: redeem", smt.redeem, 0, 26_202),
		row("SMT: lock + redeem", smt.lock+smt.redeem, 73_900, 73_934),
		row("SMT: lock + redeem of 20, each", smt.batch, 0, 0),
		row("SMT: token, lock + redeem", smt.token, 0, 105_255),
	}, nil
}

func byzantiumRules() params.ChainConfig {
	zero := new(big.Int)
	return params.ChainConfig{ChainID: zero, HomesteadBlock: zero, EIP150Block: zero, EIP155Block: zero, EIP158Block: zero, ByzantiumBlock: zero}
}

func osakaRules() params.ChainConfig {
	c, zero, now := byzantiumRules(), new(big.Int), new(uint64)
	c.ConstantinopleBlock, c.PetersburgBlock, c.IstanbulBlock = zero, zero, zero
	c.MuirGlacierBlock, c.BerlinBlock, c.LondonBlock = zero, zero, zero
	c.TerminalTotalDifficulty, c.MergeNetsplitBlock = zero, zero
	c.ShanghaiTime, c.CancunTime, c.PragueTime, c.OsakaTime = now, now, now, now
	c.BlobScheduleConfig = params.DefaultBlobSchedule
	return c
}

// A gasUse is the gas of transactions, the fee of 21,000 for each included.
type gasUse struct{ lock, redeem, redeemFor, refund, batch, token uint64 }

// A gasGround is an EVM chain in memory that mines a block a transaction. Its
// first error stays, and nothing is run after it.
type gasGround struct {
	rules        params.ChainConfig
	state        *ledger.StateDB
	height, time uint64
	lock         contracts.Address // HashLock
	err          error

	funder, taker, miner contracts.Address
}

// measureGas runs each call once, on a chain where everybody has been before, as
// the anchors were measured.
func measureGas(chainID uint64, rules params.ChainConfig) (use gasUse, err error) {
	rules.ChainID = new(big.Int).SetUint64(chainID)
	db, err := ledger.New(types.EmptyRootHash, ledger.NewDatabaseForTesting())
	if err != nil {
		return use, err
	}
	g := &gasGround{
		rules: rules, state: db, height: 100, time: gasStart,
		funder: gasAccount("funder"), taker: gasAccount("taker"), miner: gasAccount("miner"),
	}
	for _, a := range []contracts.Address{g.funder, g.taker, g.miner} {
		db.AddBalance(a, wholeCoins(1000).Uint256(), tracing.BalanceChangeUnspecified)
	}
	g.lock = g.deploy(contracts.HashLockDeploy(chainID))
	token := g.deploy(contracts.TestTokenDeploy("Bench", "BENCH", 18, wholeCoins(1_000_000)))
	g.send(g.miner, token, contracts.Amount{}, contracts.TransferCall(g.funder, wholeCoins(1000)))
	g.send(g.miner, token, contracts.Amount{}, contracts.TransferCall(g.taker, wholeCoins(1)))
	g.send(g.miner, token, contracts.Amount{}, contracts.TransferCall(g.lock, wholeCoins(1)))
	g.send(g.funder, token, contracts.Amount{}, contracts.ApproveCall(g.lock, contracts.AmountOf(new(uint256.Int).SetAllOne())))

	coin, tokens := g.leg(1, contracts.Address{}), g.leg(1, token)
	use.lock, use.redeem = g.sendLock(coin), g.send(g.taker, g.lock, contracts.Amount{}, coin.RedeemCallFrom(g.taker, gasSecret(1)))
	g.sendLock(coin)
	use.redeemFor = g.send(g.taker, g.lock, contracts.Amount{}, coin.RedeemCall(gasSecret(1)))
	use.batch = g.batchOf(20) / 20
	use.token = g.sendLock(tokens) + g.send(g.taker, g.lock, contracts.Amount{}, tokens.RedeemCallFrom(g.taker, gasSecret(1)))
	g.sendLock(coin)
	g.time = gasExpiry
	use.refund = g.send(g.funder, g.lock, contracts.Amount{}, coin.RefundCall())
	return use, g.err
}

func wholeCoins(n uint64) contracts.Amount {
	a, _ := contracts.Units(n).Times(contracts.Units(1_000_000_000_000_000_000), contracts.Units(1))
	return a
}

func gasSecret(n int) contracts.Secret { return sha256.Sum256([]byte{byte(n)}) }

// leg is half a coin, or half a token, under secret n.
func (g *gasGround) leg(n int, token contracts.Address) contracts.Swap {
	s, err := contracts.NewSwap(contracts.Terms{
		Asset: contracts.Asset{Chain: contracts.ETH, Token: token}, Amount: contracts.Units(500_000_000_000_000_000), Hash: gasSecret(n).Hash(),
		Redeemer: g.taker[:], Refunder: g.funder[:], Expiry: gasExpiry, Form: contracts.Contract, Contract: g.lock,
	})
	g.err = errors.Join(g.err, err)
	return s
}

// batchOf locks and redeems n legs, each in one transaction, and returns the gas
// of both.
func (g *gasGround) batchOf(n int) uint64 {
	var legs []contracts.Swap
	var secrets []contracts.Secret
	for i := range n {
		legs, secrets = append(legs, g.leg(i+1, contracts.Address{})), append(secrets, gasSecret(i+1))
	}
	data, value := contracts.LockBatchCall(legs)
	return g.send(g.funder, g.lock, value, data) +
		g.send(g.taker, g.lock, contracts.Amount{}, contracts.RedeemBatchCall(legs, secrets))
}

func (g *gasGround) sendLock(s contracts.Swap) uint64 {
	data, value := s.LockCall()
	return g.send(g.funder, g.lock, value, data)
}

func (g *gasGround) deploy(code []byte) contracts.Address {
	at := crypto.CreateAddress(g.miner, g.state.GetNonce(g.miner))
	g.apply(g.miner, nil, contracts.Amount{}, code)
	return at
}

func (g *gasGround) send(from, to contracts.Address, value contracts.Amount, data []byte) uint64 {
	return g.apply(from, &to, value, data)
}

// apply mines a block with one transaction, which must succeed, and returns its
// gas.
func (g *gasGround) apply(from contracts.Address, to *contracts.Address, value contracts.Amount, data []byte) uint64 {
	if g.err != nil {
		return 0
	}
	var random *common.Hash
	if g.rules.LondonBlock != nil {
		random = new(common.Hash)
	}
	zero := new(uint256.Int)
	evm := vm.NewEVM(vm.BlockContext{
		CanTransfer: core.CanTransfer, Transfer: core.Transfer, Coinbase: g.miner,
		GetHash:     func(uint64) common.Hash { return common.Hash{} },
		BlockNumber: new(big.Int).SetUint64(g.height), Time: g.time, GasLimit: 60_000_000,
		BaseFee: new(big.Int), BlobBaseFee: new(big.Int), Difficulty: new(big.Int), Random: random,
	}, g.state, &g.rules, vm.Config{})
	result, err := core.ApplyMessage(evm, &core.Message{
		From: from, To: to, Nonce: g.state.GetNonce(from), Value: value.Uint256(), Data: data,
		GasLimit: 16_000_000, GasPrice: zero, GasFeeCap: zero, GasTipCap: zero,
	}, nil)
	if err == nil {
		err = result.Err
	}
	if err != nil {
		g.err = fmt.Errorf("block %d: %w", g.height, err)
		return 0
	}
	g.state.Finalise(g.rules.Rules(evm.Context.BlockNumber, random != nil, g.time))
	g.height, g.time = g.height+1, g.time+12
	return result.UsedGas
}
