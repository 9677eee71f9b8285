package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"photon/contracts"
	"photon/node/channel"
	"photon/swap/trade"
)

// tryGas is what a call is tried with. payGas is beside what it then takes: Channels
// wants to have as much left when it pays.
const (
	tryGas = 10_000_000
	payGas = 250_000
)

// PrepareCall makes and signs what o asks for, behind approvals where they are
// needed, and broadcasts nothing. What waits of o already, or has done it, is returned
// as it is. Errors: channel.ErrShort when funds are lacking, or what is at stake;
// ErrRefused when the contract would refuse it now.
func (a *Account) PrepareCall(_ context.Context, o channel.Order) ([]channel.Tx, error) {
	if err := a.lookout.ask(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.chain.mu.Lock()
	defer a.chain.mu.Unlock()
	if txs := a.ordered(o.ID); len(txs) > 0 {
		return txs, nil
	}
	calls, err := a.calls(o)
	if errors.Is(err, trade.ErrShort) {
		err = fmt.Errorf("%w: %w", channel.ErrShort, err)
	}
	if err != nil {
		return nil, err
	}
	price, fees := a.chain.price*5/4, contracts.Amount{}
	for _, k := range calls {
		fees = fees.Plus(contracts.Units(price * k.gas))
	}
	if err := a.affords(o, fees, o.Value); err != nil {
		return nil, err
	}
	var txs []channel.Tx
	for i, k := range calls {
		step := 1
		if i == len(calls)-1 {
			step = 0
		}
		tx, err := a.signCall(o.ID, step, &types.LegacyTx{Nonce: a.nonce(), GasPrice: new(big.Int).SetUint64(price), Gas: k.gas,
			To: &k.to, Value: k.value.Uint256().ToBig(), Data: k.data})
		if err != nil {
			return nil, err
		}
		txs = append(txs, tx)
	}
	return txs, nil
}

// ordered is what has done an order, or what waits of it, by nonce.
func (a *Account) ordered(id contracts.Hash) (txs []channel.Tx) {
	next := a.chain.state.GetNonce(a.address())
	for nonce, h := range a.held {
		if nonce >= next || h.call.Order != id || h.call.Step > 0 {
			continue
		}
		if x, _ := a.mined(nonce); x != nil && !x.failed && same(x.tx, h.tx) {
			return []channel.Tx{h.call}
		}
	}
	for _, h := range a.waiting() {
		if h.call.Order == id {
			txs = append(txs, h.call)
		}
	}
	return txs
}

// same reports whether two transactions of ours are one call.
func same(x, y *types.Transaction) bool {
	return *x.To() == *y.To() && x.Value().Cmp(y.Value()) == 0 && bytes.Equal(x.Data(), y.Data())
}

// mined is what used a nonce of ours, and at which height, or nil.
func (a *Account) mined(nonce uint64) (x *executed, height uint64) {
	for height, b := range a.chain.blocks {
		for i, x := range b.done {
			if from, err := types.Sender(a.chain.signer, x.tx); err == nil && from == a.address() && x.tx.Nonce() == nonce {
				return &b.done[i], uint64(height)
			}
		}
	}
	return nil, 0
}

// calls are what o takes, once it was tried and works.
// Errors: trade.ErrShort, ErrRefused.
func (a *Account) calls(o channel.Order) (calls []call, err error) {
	coin := contracts.Native(a.chain.chain)
	if err := a.holds(coin, o.Value); err != nil {
		return nil, err
	}
	if o.Token != (contracts.Address{}) {
		if calls, err = a.approvals(contracts.Asset{Chain: a.chain.chain, Token: o.Token}, o.To, o.Spends); err != nil {
			return nil, err
		}
	}
	calls = append(calls, call{to: o.To, value: o.Value, data: o.Data, gas: o.Gas})
	defer a.ahead(func() {})()
	for i := range calls {
		k := &calls[i]
		most := k.gas
		if most == 0 {
			most = tryGas
		}
		result, err := a.chain.gratis(a.address(), &k.to, k.value, k.data, most)
		if err == nil {
			err = result.Err
		}
		if err != nil {
			why := ""
			if result != nil {
				why, _ = contracts.ReadRevert(result.ReturnData)
			}
			return nil, fmt.Errorf("%w: %s: %s: %v %s", ErrRefused, a.chain.chain, contracts.MethodOf(k.data), err, why)
		}
		if k.gas == 0 {
			k.gas = result.MaxUsedGas + payGas
		}
	}
	return calls, nil
}

// affords refuses fees that are above what is at stake, or that we cannot pay
// beside a value. Errors: channel.ErrShort.
func (a *Account) affords(o channel.Order, fees, value contracts.Amount) error {
	coin := contracts.Native(a.chain.chain)
	if !o.Stake.IsZero() && o.Stake.Less(fees) {
		return fmt.Errorf("%w: %s: %s at stake, fees are %s", channel.ErrShort, coin, o.Stake, fees)
	}
	have, err := a.free(coin)
	if need := fees.Plus(value); err == nil && have.Less(need) {
		err = fmt.Errorf("%w: %s: have %s, need %s", channel.ErrShort, coin, have, need)
	}
	return err
}

// signCall signs a transaction of an order, and holds its nonce.
func (a *Account) signCall(order contracts.Hash, step int, bare *types.LegacyTx) (channel.Tx, error) {
	tx, raw, err := a.signed(bare)
	if err != nil {
		return channel.Tx{}, err
	}
	made := channel.Tx{Order: order, Chain: a.chain.chain, ID: contracts.Hash(tx.Hash()), Raw: raw,
		Fee: contracts.Units(bare.GasPrice.Uint64() * bare.Gas), Made: uint64(time.Now().Unix()), Step: step}
	a.held[bare.Nonce] = given{tx: tx, call: made}
	return made, nil
}

// SendCall broadcasts tx. One that the chain knows already is no error.
// Errors: as Relay, ErrDown, ErrStopped, ErrLost.
func (a *Account) SendCall(_ context.Context, tx channel.Tx) error {
	if err := a.lookout.ask(); err != nil {
		return err
	}
	sent, err := readCall(tx)
	if err != nil {
		return err
	}
	return a.life.pass(Point{What: "send", Of: fmt.Sprintf("%s %s", tx.Chain, contracts.MethodOf(sent.Data())), Calls: []channel.Tx{tx}}, func() error {
		if a.endpoint.loses() || a.chain.has(sent) {
			return nil
		}
		return a.chain.Relay(tx.Raw)
	})
}

func readCall(tx channel.Tx) (*types.Transaction, error) {
	read := new(types.Transaction)
	if err := read.UnmarshalBinary(tx.Raw); err != nil {
		return nil, fmt.Errorf("stored transaction %s: %w", tx.ID, err)
	}
	return read, nil
}

// CallBuried is how many blocks hold tx, or a better paid version of it, or stand on
// the one that does, 0 while it waits; and whether it has done what it should. It has
// not when it failed, or when a confirmed block has used its nonce otherwise.
func (a *Account) CallBuried(_ context.Context, tx channel.Tx) (depth uint64, done bool, err error) {
	if err := a.lookout.ask(); err != nil {
		return 0, false, err
	}
	sent, err := readCall(tx)
	if err != nil {
		return 0, false, err
	}
	top := a.chain.head(a.endpoint.upTo()).Height
	a.chain.mu.Lock()
	defer a.chain.mu.Unlock()
	x, height := a.mined(sent.Nonce())
	if x == nil || height > top {
		return 0, false, nil
	}
	depth, ours := top+1-height, same(x.tx, sent)
	if !ours && depth < a.chain.depth {
		return 0, false, nil
	}
	return depth, ours && !x.failed, nil
}

// HastenCall makes tx again, with its nonce and a price that miners take. ok is false
// when it is well paid, its nonce is used, or o's stake does not pay for more.
// Errors: channel.ErrShort.
func (a *Account) HastenCall(_ context.Context, o channel.Order, tx channel.Tx) (faster channel.Tx, ok bool, err error) {
	if err := a.lookout.ask(); err != nil {
		return faster, false, err
	}
	old, err := readCall(tx)
	if err != nil {
		return faster, false, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.chain.mu.Lock()
	defer a.chain.mu.Unlock()
	if x, _ := a.mined(old.Nonce()); x != nil {
		return faster, false, nil
	}
	if h := a.held[old.Nonce()]; h.call.Order == tx.Order && h.tx != nil {
		old, tx = h.tx, h.call // it may have been hastened before
	}
	was := old.GasPrice().Uint64()
	if was >= a.chain.price {
		return faster, false, nil
	}
	price := max(a.chain.price*5/4, was*9/8+1)
	fee := contracts.Units(price * old.Gas())
	if !o.Stake.IsZero() && o.Stake.Less(fee.Plus(a.others(tx))) {
		return faster, false, nil
	}
	if err := a.affords(o, fee.Minus(tx.Fee), contracts.Amount{}); err != nil {
		return faster, false, err
	}
	faster, err = a.signCall(tx.Order, tx.Step, &types.LegacyTx{Nonce: old.Nonce(), GasPrice: new(big.Int).SetUint64(price), Gas: old.Gas(), To: old.To(),
		Value: old.Value(), Data: old.Data()})
	return faster, err == nil, err
}

// others is what the other transactions of tx's order cost at most.
func (a *Account) others(tx channel.Tx) (fees contracts.Amount) {
	for _, h := range a.held {
		if h.call.Order == tx.Order && h.call.ID != tx.ID {
			fees = fees.Plus(h.call.Fee)
		}
	}
	return fees
}

// ResumeCalls reserves what stored transactions spend, after a restart: they come
// oldest first.
func (a *Account) ResumeCalls(_ context.Context, txs []channel.Tx) error {
	if err := a.life.Alive(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range txs {
		if t.Chain != a.chain.chain {
			continue
		}
		tx, err := readCall(t)
		if err != nil {
			return err
		}
		a.held[tx.Nonce()] = given{tx: tx, call: t}
	}
	return nil
}
