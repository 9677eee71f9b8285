package sim

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"photon/contracts"
	"photon/node/channel"
	"photon/swap/trade"
)

// An Account is a node's hold on a chain of contracts: its key, its nonces, its
// legs and its channels. The calls of channels are in calls.go.
type Account struct {
	*lookout
	chain *Contracts
	keys  Keys

	mu   sync.Mutex
	held map[uint64]given // by nonce
}

// given is a transaction to which a nonce is given: of a swap, or of a channel.
type given struct {
	tx   *types.Transaction
	as   trade.Tx
	call channel.Tx
}

// Account opens the chain for one life.
func (e *Contracts) Account(l *Life) *Account {
	return &Account{lookout: newLookout(e, e.Endpoint(l.Node), l), chain: e, keys: Keys(l.Node), held: map[uint64]given{}}
}

func (a *Account) address() contracts.Address { return a.keys.Account() }

// Party returns who we are: one account in all trades.
func (a *Account) Party(context.Context, uint64) (contracts.Party, error) {
	if err := a.lookout.ask(); err != nil {
		return nil, err
	}
	at := a.address()
	return at[:], nil
}

// Balance is our money at the newest block, less what waiting transactions of
// ours take.
func (a *Account) Balance(_ context.Context, asset contracts.Asset) (confirmed, pending contracts.Amount, err error) {
	if err := a.lookout.ask(); err != nil {
		return confirmed, pending, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.chain.mu.Lock()
	defer a.chain.mu.Unlock()
	confirmed, err = a.free(asset)
	return confirmed, pending, err
}

// Fees estimates what each spend costs now, at most.
func (a *Account) Fees(context.Context, contracts.Asset) (lock, redeem, refund contracts.Amount, err error) {
	if err := a.lookout.ask(); err != nil {
		return lock, redeem, refund, err
	}
	fee := contracts.Units(a.price() * 150_000)
	return fee, fee, fee, nil
}

// price is a quarter more than miners ask.
func (a *Account) price() uint64 { return a.chain.Price() * 5 / 4 }

// CheckAddress takes the name of a person with the chain behind it: "bob.eth".
func (a *Account) CheckAddress(address string) error {
	name, is := strings.CutSuffix(address, "."+strings.ToLower(string(a.chain.chain)))
	if !is || name == "" {
		return fmt.Errorf("%w: %q", contracts.ErrAddress, address)
	}
	return nil
}

// A call is a transaction without nonce and price.
type call struct {
	purpose trade.Purpose
	to      contracts.Address
	value   contracts.Amount
	data    []byte
	gas     uint64
}

// Prepare makes and signs what o asks for.
// Errors: trade.ErrShort, trade.ErrNotYet, trade.ErrTooLate, trade.ErrSecret,
// trade.ErrSpent when the leg was locked before or has ended, trade.ErrStatus,
// contracts.ErrTerms, contracts.ErrAddress.
func (a *Account) Prepare(_ context.Context, o trade.Order) ([]trade.Tx, error) {
	if err := a.lookout.ask(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.chain.mu.Lock()
	defer a.chain.mu.Unlock()
	if o.Terms.Asset.Chain != a.chain.chain {
		return nil, fmt.Errorf("%w: %s on %s", contracts.ErrTerms, o.Terms.Asset, a.chain.chain)
	}
	if o.Purpose == trade.Send {
		return a.pay(o)
	}
	s, err := contracts.NewSwap(o.Terms)
	if err != nil {
		return nil, err
	}
	if o.Terms.Contract != a.chain.lock {
		return nil, fmt.Errorf("%w: contract %s", contracts.ErrTerms, o.Terms.Contract)
	}
	switch fate := a.chain.told(trade.Watch{Terms: o.Terms}, 1<<62); o.Purpose {
	case trade.Lock:
		return a.lock(o, s, fate)
	case trade.Redeem, trade.Refund:
		return a.claim(o, s, fate)
	}
	return nil, fmt.Errorf("%w: %s has no %q", trade.ErrStatus, a.chain.chain, o.Purpose)
}

// claim redeems or refunds a leg that is locked and whose time it is.
func (a *Account) claim(o trade.Order, s contracts.Swap, fate trade.Fate) ([]trade.Tx, error) {
	if o.Purpose == trade.Redeem && (o.Secret == nil || o.Secret.Hash() != o.Terms.Hash) {
		return nil, fmt.Errorf("%w: %s", trade.ErrSecret, o.ID)
	}
	now, expired := a.chain.time(), a.chain.time() >= o.Terms.Expiry
	seen := o.Spot != nil && o.Spot.Height > 0 && o.Spot.Height < uint64(len(a.chain.blocks))
	switch {
	case fate.End != nil, fate.Lock == nil && seen:
		return nil, fmt.Errorf("%w: %s: leg is not locked", trade.ErrSpent, a.chain.chain)
	case fate.Lock == nil:
		return nil, fmt.Errorf("%w: %s: leg is not locked", trade.ErrNotYet, a.chain.chain)
	case o.Purpose == trade.Redeem && expired:
		return nil, fmt.Errorf("%w: %s: redeem at %d", trade.ErrTooLate, a.chain.chain, now)
	case o.Purpose == trade.Refund && !expired:
		return nil, fmt.Errorf("%w: %s: refund at %d", trade.ErrNotYet, a.chain.chain, now)
	case o.Purpose == trade.Redeem:
		return a.seal(o, 0, call{trade.Redeem, a.chain.lock, contracts.Amount{}, s.RedeemCallFrom(a.address(), *o.Secret), s.RedeemGas()})
	}
	return a.seal(o, 0, call{trade.Refund, a.chain.lock, contracts.Amount{}, s.RefundCall(), s.RefundGas()})
}

// lock makes the lock, behind approvals where they are needed. A second lock of
// one leg is never made: nobody can be sure that the first will not be mined.
func (a *Account) lock(o trade.Order, s contracts.Swap, fate trade.Fate) ([]trade.Tx, error) {
	if us := a.address(); string(o.Terms.Refunder) != string(us[:]) {
		return nil, fmt.Errorf("%w: refunder %s, we are %s", contracts.ErrTerms, o.Terms.Refunder, us)
	}
	if fate.Lock != nil {
		return nil, fmt.Errorf("%w: %s: locked in block %d", trade.ErrSpent, a.chain.chain, fate.Lock.Height)
	}
	for _, h := range a.waiting() {
		if h.as.ID == o.ID && h.as.Side == o.Side && h.as.Purpose == trade.Lock {
			return nil, fmt.Errorf("%w: %s: lock %s waits to be mined", trade.ErrSpent, a.chain.chain, h.as.TxID)
		}
	}
	data, value := s.LockCall()
	calls := []call{{trade.Lock, a.chain.lock, value, data, s.LockGas()}}
	if !o.Terms.Asset.IsNative() {
		approvals, err := a.approvals(o.Terms.Asset, a.chain.lock, o.Terms.Amount)
		if err != nil {
			return nil, err
		}
		calls = append(approvals, calls...)
	}
	return a.seal(o, s.RefundGas(), calls...)
}

// approvals are what lets spender take an amount of a token that we have, if it may
// not yet. Errors: trade.ErrShort.
func (a *Account) approvals(token contracts.Asset, spender contracts.Address, amount contracts.Amount) ([]call, error) {
	if err := a.holds(token, amount); err != nil {
		return nil, err
	}
	allowed, err := a.allowed(token.Token, spender)
	if err != nil {
		return nil, err
	}
	approve := func(x contracts.Amount) call {
		return call{trade.Approve, token.Token, contracts.Amount{}, contracts.ApproveCall(spender, x), contracts.ApproveGas}
	}
	switch {
	case !allowed.Less(amount):
		return nil, nil
	case allowed.IsZero():
		return []call{approve(amount)}, nil
	default: // some tokens change none that is not zero
		return []call{approve(contracts.Amount{}), approve(amount)}, nil
	}
}

// pay sends to a person.
func (a *Account) pay(o trade.Order) ([]trade.Tx, error) {
	if err := a.CheckAddress(o.To); err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(o.To, ".")
	to := Keys(name).Account()
	if o.Terms.Asset.IsNative() {
		return a.seal(o, 0, call{trade.Send, to, o.Terms.Amount, nil, contracts.SendGas})
	}
	if err := a.holds(o.Terms.Asset, o.Terms.Amount); err != nil {
		return nil, err
	}
	return a.seal(o, 0, call{trade.Send, o.Terms.Asset.Token, contracts.Amount{}, contracts.TransferCall(to, o.Terms.Amount), contracts.TransferGas})
}

// seal gives calls their nonces and signs them, if the account pays for them and
// for twice this much gas more, which is kept for what is still to come.
func (a *Account) seal(o trade.Order, kept uint64, calls ...call) (txs []trade.Tx, err error) {
	price := a.chain.price * 5 / 4
	need := contracts.Units(a.chain.price * 2 * kept)
	for _, k := range calls {
		need = need.Plus(k.value).Plus(contracts.Units(price * k.gas))
	}
	coin := contracts.Native(a.chain.chain)
	have, err := a.free(coin)
	if err != nil {
		return nil, err
	}
	if have.Less(need) {
		return nil, fmt.Errorf("%w: %s: have %s, need %s", trade.ErrShort, coin, have, need)
	}
	for _, k := range calls {
		tx, err := a.sign(o, k.purpose, &types.LegacyTx{Nonce: a.nonce(), GasPrice: new(big.Int).SetUint64(price), Gas: k.gas, To: &k.to,
			Value: k.value.Uint256().ToBig(), Data: k.data})
		if err != nil {
			return nil, err
		}
		txs = append(txs, tx)
	}
	return txs, nil
}

// signed is bare with our signature, and as the chain takes it.
func (a *Account) signed(bare *types.LegacyTx) (*types.Transaction, []byte, error) {
	tx, err := types.SignNewTx(a.keys.AccountKey(), a.chain.signer, bare)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: sign: %w", a.chain.chain, err)
	}
	raw, err := tx.MarshalBinary()
	return tx, raw, err
}

func (a *Account) sign(o trade.Order, p trade.Purpose, bare *types.LegacyTx) (trade.Tx, error) {
	tx, raw, err := a.signed(bare)
	if err != nil {
		return trade.Tx{}, err
	}
	made := trade.Tx{ID: o.ID, Chain: a.chain.chain, Side: o.Side, Purpose: p, TxID: contracts.Hash(tx.Hash()), Raw: raw,
		Fee: contracts.Units(bare.GasPrice.Uint64() * bare.Gas), Made: uint64(time.Now().Unix())}
	a.held[bare.Nonce] = given{tx: tx, as: made}
	return made, nil
}

// Send broadcasts tx.
func (a *Account) Send(_ context.Context, tx trade.Tx) error {
	if err := a.lookout.ask(); err != nil {
		return err
	}
	return a.life.pass(Point{What: "send", Of: fmt.Sprintf("%s %s", tx.Chain, tx.Purpose), Txs: []trade.Tx{tx}}, func() error {
		if a.endpoint.loses() {
			return nil
		}
		return a.chain.Relay(tx.Raw)
	})
}

// Buried is how many blocks hold tx or stand on the one that does.
func (a *Account) Buried(_ context.Context, tx trade.Tx) (uint64, error) {
	if err := a.lookout.ask(); err != nil {
		return 0, err
	}
	a.chain.mu.Lock()
	defer a.chain.mu.Unlock()
	for height, b := range a.chain.blocks {
		for _, x := range b.done {
			if contracts.Hash(x.tx.Hash()) == tx.TxID {
				return uint64(len(a.chain.blocks) - height), nil
			}
		}
	}
	return 0, nil
}

// Hasten makes the first of o's transactions anew that holds up the rest: with its
// nonce and a higher price while it waits. A redeem or refund that was displaced
// or reverted is made again; a lock never is, nor the approval before it.
// Errors: trade.ErrNotYet when all are well paid, mined, or cannot be paid better
// within what is at stake; trade.ErrSpent for a lock that is lost; trade.ErrShort;
// as Prepare for what is made again.
func (a *Account) Hasten(ctx context.Context, o trade.Order, _ trade.Tx) (trade.Tx, error) {
	if err := a.lookout.ask(); err != nil {
		return trade.Tx{}, err
	}
	lane := a.lane(o)
	if len(lane) == 0 {
		return a.anew(ctx, o)
	}
	asked := a.chain.Price()
	for _, h := range lane {
		if h.tx.GasPrice().Uint64() < asked {
			return a.raise(o, h, max(asked*5/4, h.tx.GasPrice().Uint64()*9/8))
		}
	}
	return trade.Tx{}, fmt.Errorf("%w: %s: nothing holds up the %s", trade.ErrNotYet, a.chain.chain, o.Purpose)
}

// anew makes again what nothing that waits does any more.
func (a *Account) anew(ctx context.Context, o trade.Order) (trade.Tx, error) {
	f := a.chain.Fate(trade.Watch{Terms: o.Terms})
	done := map[trade.Purpose]bool{
		trade.Lock:   f.Lock != nil,
		trade.Redeem: f.End != nil && f.End.Kind == trade.BySecret,
		trade.Refund: f.End != nil && f.End.Kind == trade.ByTime,
	}
	switch {
	case done[o.Purpose]:
		return trade.Tx{}, fmt.Errorf("%w: %s: the %s is done", trade.ErrNotYet, a.chain.chain, o.Purpose)
	case o.Purpose != trade.Redeem && o.Purpose != trade.Refund:
		return trade.Tx{}, fmt.Errorf("%w: %s: the %s is lost", trade.ErrSpent, a.chain.chain, o.Purpose)
	}
	txs, err := a.Prepare(ctx, o)
	if err != nil {
		return trade.Tx{}, err
	}
	return txs[0], nil
}

// raise makes h with its nonce at another price.
func (a *Account) raise(o trade.Order, h given, price uint64) (trade.Tx, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fee, old := contracts.Units(price*h.tx.Gas()), contracts.Units(h.tx.GasPrice().Uint64()*h.tx.Gas())
	claims := o.Purpose == trade.Redeem || o.Purpose == trade.Refund
	if claims && o.Terms.Asset.IsNative() && o.Terms.Amount.Less(fee) {
		return trade.Tx{}, fmt.Errorf("%w: %s: %s at stake, the next fee is %s", trade.ErrNotYet, a.chain.chain, o.Terms.Amount, fee)
	}
	a.chain.mu.Lock()
	have, err := a.free(contracts.Native(a.chain.chain))
	a.chain.mu.Unlock()
	if err != nil {
		return trade.Tx{}, err
	}
	if more := fee.Minus(old); have.Less(more) {
		return trade.Tx{}, fmt.Errorf("%w: %s: have %s, need %s more", trade.ErrShort, a.chain.chain, have, more)
	}
	return a.sign(o, h.as.Purpose, &types.LegacyTx{Nonce: h.tx.Nonce(), GasPrice: new(big.Int).SetUint64(price), Gas: h.tx.Gas(), To: h.tx.To(),
		Value: h.tx.Value(), Data: h.tx.Data()})
}

// lane is what was made for o and waits, by nonce.
func (a *Account) lane(o trade.Order) (lane []given) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.chain.mu.Lock()
	defer a.chain.mu.Unlock()
	for _, h := range a.waiting() {
		if h.as.ID == o.ID && h.as.Side == o.Side && (h.as.Purpose == o.Purpose || (h.as.Purpose == trade.Approve && o.Purpose == trade.Lock)) {
			lane = append(lane, h)
		}
	}
	return lane
}

// Resume reserves the nonces of stored transactions.
func (a *Account) Resume(_ context.Context, txs []trade.Tx) error {
	if err := a.life.Alive(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range txs {
		tx := new(types.Transaction)
		if err := tx.UnmarshalBinary(t.Raw); err != nil {
			return fmt.Errorf("stored transaction %s: %w", t.TxID, err)
		}
		a.held[tx.Nonce()] = given{tx: tx, as: t}
	}
	return nil
}

// Release gives back the nonce of a transaction that was never sent.
func (a *Account) Release(t trade.Tx) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for nonce, h := range a.held {
		if h.as.TxID == t.TxID {
			delete(a.held, nonce)
		}
	}
}
