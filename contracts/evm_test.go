package contracts_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
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

// Rules are what a chain's EVM does and asks. Both run the same bytecode.
type rules struct {
	name    string
	chainID uint64
	config  params.ChainConfig
}

// osaka is Ethereum as it is; byzantium is less than Spectrum has, so what runs
// there runs on Spectrum.
var (
	osaka     = rules{"Osaka", 1, osakaConfig()}
	byzantium = rules{"Byzantium", 20180430, byzantiumConfig(20180430)}
	bothRules = []rules{osaka, byzantium}
)

func byzantiumConfig(id int64) params.ChainConfig {
	zero := new(big.Int)
	return params.ChainConfig{
		ChainID: big.NewInt(id), HomesteadBlock: zero, EIP150Block: zero,
		EIP155Block: zero, EIP158Block: zero, ByzantiumBlock: zero,
	}
}

func osakaConfig() params.ChainConfig {
	c, zero, now := byzantiumConfig(1), new(big.Int), new(uint64)
	c.ConstantinopleBlock, c.PetersburgBlock, c.IstanbulBlock = zero, zero, zero
	c.MuirGlacierBlock, c.BerlinBlock, c.LondonBlock = zero, zero, zero
	c.TerminalTotalDifficulty, c.MergeNetsplitBlock = zero, zero
	c.ShanghaiTime, c.CancunTime, c.PragueTime, c.OsakaTime = now, now, now, now
	c.BlobScheduleConfig = params.DefaultBlobSchedule
	return c
}

// A ground is one EVM chain in memory that mines a block a transaction. Gas costs
// nothing there, so balances add up to the unit.
type ground struct {
	testing.TB
	rules
	state  *state.StateDB
	height uint64 // of the next block
	time   uint64 // of the next block, Unix seconds
	lock   contracts.Address
	sent   int64  // transactions so far
	gas    uint64 // limit of a transaction
}

// A receipt is what became of a transaction.
type receipt struct {
	gas    uint64
	logs   []*types.Log
	answer []byte // also the data of a revert
	err    error  // why it failed; its gas is used nevertheless
}

// start is the time of the first block, expiry that of the samples' legs.
const (
	start  = 1_800_000_000
	expiry = start + 36_000
)

// newGround starts a chain with HashLock on it and coins for everybody.
func newGround(t testing.TB, r rules) *ground {
	t.Helper()
	db, err := state.New(types.EmptyRootHash, state.NewDatabaseForTesting())
	if err != nil {
		t.Fatal(err)
	}
	g := &ground{TB: t, rules: r, state: db, height: 100, time: start, gas: 16_000_000}
	for _, a := range []contracts.Address{alice, bob, carol, miner} {
		db.AddBalance(a, ether("1000").Uint256(), tracing.BalanceChangeUnspecified)
	}
	g.lock = g.deploy(contracts.HashLockDeploy(r.chainID))
	return g
}

// onBoth runs a test under both rules.
func onBoth(t *testing.T, test func(*testing.T, *ground)) {
	t.Helper()
	for _, r := range bothRules {
		t.Run(r.name, func(t *testing.T) { test(t, newGround(t, r)) })
	}
}

// The people. Their keys are fixed, so that gas is the same on every run.
var (
	alice, bob, carol = person(1), person(2), person(3)
	miner             = person(9)
	nobody            = contracts.Address{}
	noCoins           = contracts.Amount{}
	endless           = contracts.AmountOf(new(uint256.Int).SetAllOne())
)

func person(n byte) contracts.Address {
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte{n}))
	if err != nil {
		panic(err)
	}
	return crypto.PubkeyToAddress(k.PublicKey)
}

// sign signs as the person with this number.
func sign(n byte, digest contracts.Hash) []byte {
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte{n}))
	if err != nil {
		panic(err)
	}
	signature, err := crypto.Sign(digest[:], k)
	if err != nil {
		panic(err)
	}
	return signature
}

func secret(n byte) contracts.Secret { return sha256.Sum256([]byte{n}) }

func ether(decimal string) contracts.Amount {
	a, err := contracts.ParseDecimal(decimal, 18)
	if err != nil {
		panic(err)
	}
	return a
}

// sample is a good leg: half a coin from alice to bob under secret n, with
// changes.
func (g *ground) sample(n byte, changes ...func(*contracts.Terms)) contracts.Swap {
	g.Helper()
	t := contracts.Terms{
		Asset: contracts.Native(contracts.ETH), Amount: ether("0.5"), Hash: secret(n).Hash(),
		Redeemer: bob[:], Refunder: alice[:], Expiry: expiry, Form: contracts.Contract, Contract: g.lock,
	}
	for _, change := range changes {
		change(&t)
	}
	s, err := contracts.NewSwap(t)
	if err != nil {
		g.Fatal(err)
	}
	return s
}

// Changes of the sample.
func to(a contracts.Address) func(*contracts.Terms) {
	return func(t *contracts.Terms) { t.Redeemer = a[:] }
}
func from(a contracts.Address) func(*contracts.Terms) {
	return func(t *contracts.Terms) { t.Refunder = a[:] }
}
func of(token contracts.Address) func(*contracts.Terms) {
	return func(t *contracts.Terms) { t.Asset.Token = token }
}

// deploy creates a contract and returns where it lies.
func (g *ground) deploy(code []byte) contracts.Address {
	g.Helper()
	at := crypto.CreateAddress(miner, g.state.GetNonce(miner))
	g.must(g.apply(miner, nil, noCoins, code))
	return at
}

// send mines a block with one call and reports what became of it.
func (g *ground) send(from, to contracts.Address, value contracts.Amount, data []byte) receipt {
	g.Helper()
	return g.apply(from, &to, value, data)
}

// again is send in the block that was just mined.
func (g *ground) again(from, to contracts.Address, value contracts.Amount, data []byte) receipt {
	g.Helper()
	g.height, g.time = g.height-1, g.time-12
	return g.send(from, to, value, data)
}

func (g *ground) apply(from contracts.Address, to *contracts.Address, value contracts.Amount, data []byte) receipt {
	g.Helper()
	config, random, zero := g.config, new(common.Hash), new(uint256.Int)
	if config.LondonBlock == nil {
		random = nil
	}
	evm := vm.NewEVM(vm.BlockContext{
		CanTransfer: core.CanTransfer, Transfer: core.Transfer, Coinbase: miner,
		GetHash:     func(uint64) common.Hash { return common.Hash{} },
		BlockNumber: new(big.Int).SetUint64(g.height), Time: g.time, GasLimit: 60_000_000,
		BaseFee: new(big.Int), BlobBaseFee: new(big.Int), Difficulty: new(big.Int), Random: random,
	}, g.state, &config, vm.Config{})
	g.sent++
	id := common.BigToHash(big.NewInt(g.sent))
	g.state.SetTxContext(id, 0, 0)
	result, err := core.ApplyMessage(evm, &core.Message{
		From: from, To: to, Nonce: g.state.GetNonce(from), Value: value.Uint256(), Data: data,
		GasLimit: g.gas, GasPrice: zero, GasFeeCap: zero, GasTipCap: zero,
	}, nil)
	if err != nil {
		g.Fatalf("not a transaction: %v", err)
	}
	logs := g.state.GetLogs(id, g.height, common.Hash{}, g.time)
	g.state.Finalise(config.Rules(evm.Context.BlockNumber, random != nil, g.time))
	g.height, g.time = g.height+1, g.time+12
	return receipt{result.UsedGas, logs, result.ReturnData, result.Err}
}

// call asks a contract something and leaves all as it is.
func (g *ground) call(to contracts.Address, data []byte) []byte {
	g.Helper()
	kept := *g
	g.state = g.state.Copy()
	r := g.send(carol, to, noCoins, data)
	g.must(r)
	*g = kept
	return r.answer
}

// must fails the test unless the transaction succeeded.
func (g *ground) must(r receipt) receipt {
	g.Helper()
	if r.err != nil {
		g.Fatalf("refused: %s", r.refusal())
	}
	return r
}

// refused fails the test unless the transaction was refused with this error of
// HashLock.sol.
func (g *ground) refused(r receipt, want string) {
	g.Helper()
	if got := r.refusal(); got != want {
		g.Fatalf("refused: %s, want %s", got, want)
	}
}

// refusal is the name of the error, "" of a success.
func (r receipt) refusal() string {
	if r.err == nil {
		return ""
	}
	if name, ok := contracts.ReadRevert(r.answer); ok {
		return name
	}
	return fmt.Sprintf("%v: %x", r.err, r.answer)
}

// locked locks swaps, each with a transaction of its refunder, and returns the
// first.
func (g *ground) locked(swaps ...contracts.Swap) contracts.Swap {
	g.Helper()
	for _, s := range swaps {
		data, value := s.LockCall()
		g.must(g.send(contracts.Address(s.Terms().Refunder), g.lock, value, data))
	}
	return swaps[0]
}

// holds reports whether the contract holds the leg.
func (g *ground) holds(s contracts.Swap) bool {
	g.Helper()
	st, err := contracts.ReadState(g.call(g.lock, s.StateCall()))
	if err != nil {
		g.Fatal(err)
	}
	return st.Locked
}

// coins are what an account has, in wei.
func (g *ground) coins(a contracts.Address) contracts.Amount {
	return contracts.AmountOf(g.state.GetBalance(a))
}

// tokens are what an account has of a token.
func (g *ground) tokens(token, a contracts.Address) contracts.Amount {
	g.Helper()
	n, err := contracts.ReadTokens(g.call(token, contracts.BalanceCall(a)))
	if err != nil {
		g.Fatal(err)
	}
	return n
}

// picture is all that a refused call must leave as it is: the contract's storage
// and everybody's coins.
func (g *ground) picture() string {
	c := g.state.Copy()
	c.IntermediateRoot(params.Rules{IsEIP158: true})
	return fmt.Sprint(c.GetStorageRoot(g.lock), g.coins(g.lock), g.coins(alice), g.coins(bob), g.coins(carol))
}

// events reads the events of HashLock in a receipt.
func (g *ground) events(r receipt) (events []contracts.HashLockEvent) {
	g.Helper()
	for _, l := range r.logs {
		if l.Address != g.lock {
			continue
		}
		topics := make([]contracts.Hash, len(l.Topics))
		for i, topic := range l.Topics {
			topics[i] = contracts.Hash(topic)
		}
		e, err := contracts.ReadHashLockLog(topics, l.Data)
		if err != nil {
			g.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// A compiled contract, to call it in ways in which the Go twin would not.
type compiled struct {
	ABI  abi.ABI `json:"abi"`
	Code string  `json:"bytecode"`
}

func artifact(t testing.TB, name string) (c compiled) {
	t.Helper()
	raw, err := os.ReadFile("artifacts/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// pack encodes a call, or the creation when method is "".
func (c compiled) pack(t testing.TB, method string, args ...any) []byte {
	t.Helper()
	data, err := c.ABI.Pack(method, args...)
	if err != nil {
		t.Fatal(err)
	}
	if method != "" {
		return data
	}
	code, err := hex.DecodeString(c.Code)
	if err != nil {
		t.Fatal(err)
	}
	return append(code, data...)
}
