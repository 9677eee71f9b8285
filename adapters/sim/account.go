package sim

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"photon/contracts"
	"photon/swap/trade"
)

// An Account is a node's hold on a chain of contracts: its key, its nonces, its
// legs.
type Account struct {
	*lookout
	chain *Contracts
	keys  Keys

	mu   sync.Mutex
	held map[uint64]given // by nonce
}

// given is a transaction to which a nonce is given.
type given struct {
	tx *types.Transaction
	as trade.Tx
}

// Account opens the chain for one life.
func (e *Contracts) Account(l *Life) *Account {
	return &Account{lookout: newLookout(e, e.Endpoint(l.Node), l), chain: e, keys: Keys(l.Node), held: map[uint64]given{}}
}

func (a *Account) address() contracts.Address { return addressOf(a.keys, a.chain.chain) }

// Party returns who we are: one account in all trades.
func (a *Account) Party(context.Context, uint64) (contracts.Party, error) {
	if err := a.lookout.ask(); err != nil {
		return nil, err
	}
	at := a.address()
	return at[:], nil
}

// Balance is our money at the newest block.
func (a *Account) Balance(_ context.Context, asset contracts.Asset) (confirmed, pending contracts.Amount, err error) {
	if err := a.lookout.ask(); err != nil {
		return confirmed, pending, err
	}
	a.chain.mu.Lock()
	defer a.chain.mu.Unlock()
	confirmed, err = a.chain.balance(a.address(), asset)
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
func (a *Account) Prepare(_ context.Context, o trade.Order) ([]trade.Tx, error) {
	if err := a.lookout.ask(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.chain.mu.Lock()
	defer a.chain.mu.Unlock()
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
	if o.Purpose == trade.Lock {
		return a.lock(o, s)
	}
	answer, err := a.chain.ask(a.chain.lock, s.StateCall())
	if err != nil {
		return nil, err
	}
	now, err := contracts.ReadState(answer)
	if err != nil {
		return nil, err
	}
	expired := a.chain.time() >= o.Terms.Expiry
	switch {
	case !now.Locked:
		return nil, fmt.Errorf("%w: %s: leg is not locked", trade.ErrSpent, a.chain.chain)
	case o.Purpose == trade.Redeem && expired:
		return nil, fmt.Errorf("%w: %s: redeem at %d", trade.ErrTooLate, a.chain.chain, a.chain.time())
	case o.Purpose == trade.Refund && !expired:
		return nil, fmt.Errorf("%w: %s: refund at %d", trade.ErrNotYet, a.chain.chain, a.chain.time())
	case o.Purpose == trade.Redeem:
		return a.seal(o, call{trade.Redeem, a.chain.lock, contracts.Amount{}, s.RedeemCallFrom(a.address(), *o.Secret), s.RedeemGas()})
	}
	return a.seal(o, call{trade.Refund, a.chain.lock, contracts.Amount{}, s.RefundCall(), s.RefundGas()})
}

// lock makes the lock, behind an approval where that is needed.
func (a *Account) lock(o trade.Order, s contracts.Swap) ([]trade.Tx, error) {
	have, err := a.chain.balance(a.address(), o.Terms.Asset)
	if err != nil {
		return nil, err
	}
	need := o.Terms.Amount
	if o.Terms.Asset.IsNative() {
		need = need.Plus(contracts.Units(a.chain.price * 2 * (s.LockGas() + s.RefundGas())))
	}
	if have.Less(need) {
		return nil, fmt.Errorf("%w: %s: have %s, need %s", trade.ErrShort, o.Terms.Asset, have, need)
	}
	data, value := s.LockCall()
	calls := []call{{trade.Lock, a.chain.lock, value, data, s.LockGas()}}
	if !o.Terms.Asset.IsNative() {
		answer, err := a.chain.ask(o.Terms.Asset.Token, contracts.AllowanceCall(a.address(), a.chain.lock))
		if err != nil {
			return nil, err
		}
		allowed, err := contracts.ReadTokens(answer)
		if err != nil {
			return nil, err
		}
		if allowed.Less(o.Terms.Amount) {
			approve := call{trade.Approve, o.Terms.Asset.Token, contracts.Amount{}, contracts.ApproveCall(a.chain.lock, o.Terms.Amount), contracts.ApproveGas}
			calls = slices.Insert(calls, 0, approve)
		}
	}
	return a.seal(o, calls...)
}

// pay sends to a person.
func (a *Account) pay(o trade.Order) ([]trade.Tx, error) {
	if err := a.CheckAddress(o.To); err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(o.To, ".")
	to := addressOf(Keys(name), a.chain.chain)
	if o.Terms.Asset.IsNative() {
		return a.seal(o, call{trade.Send, to, o.Terms.Amount, nil, contracts.SendGas})
	}
	return a.seal(o, call{trade.Send, o.Terms.Asset.Token, contracts.Amount{}, contracts.TransferCall(to, o.Terms.Amount), contracts.TransferGas})
}

// seal gives calls their nonces and signs them.
func (a *Account) seal(o trade.Order, calls ...call) (txs []trade.Tx, err error) {
	for _, k := range calls {
		nonce := a.chain.state.GetNonce(a.address())
		for a.held[nonce].tx != nil {
			nonce++
		}
		price := a.chain.price * 5 / 4
		tx, err := a.sign(o, k.purpose, &types.LegacyTx{Nonce: nonce, GasPrice: new(big.Int).SetUint64(price), Gas: k.gas, To: &k.to,
			Value: k.value.Uint256().ToBig(), Data: k.data})
		if err != nil {
			return nil, err
		}
		txs = append(txs, tx)
	}
	return txs, nil
}

func (a *Account) sign(o trade.Order, p trade.Purpose, bare *types.LegacyTx) (trade.Tx, error) {
	tx, err := types.SignNewTx(a.keys.AccountKey(a.chain.chain), a.chain.signer, bare)
	if err != nil {
		return trade.Tx{}, fmt.Errorf("%s: sign: %w", a.chain.chain, err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return trade.Tx{}, err
	}
	made := trade.Tx{ID: o.ID, Chain: a.chain.chain, Side: o.Side, Purpose: p, TxID: contracts.Hash(tx.Hash()), Raw: raw,
		Fee: contracts.Units(bare.GasPrice.Uint64() * bare.Gas), Made: uint64(time.Now().Unix())}
	a.held[bare.Nonce] = given{tx, made}
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

// Hasten makes the first of o's transactions anew that holds up the rest: with its
// nonce and a higher price while it waits, with another nonce when it failed or
// its own was used by another.
func (a *Account) Hasten(ctx context.Context, o trade.Order, _ trade.Tx) (trade.Tx, error) {
	if err := a.lookout.ask(); err != nil {
		return trade.Tx{}, err
	}
	for _, h := range a.lane(o) {
		a.chain.mu.Lock()
		next, mined := a.chain.state.GetNonce(a.address()), a.chain.find(h.tx.Hash())
		a.chain.mu.Unlock()
		switch {
		case mined != nil && !mined.failed:
		case mined != nil || h.tx.Nonce() < next:
			txs, err := a.Prepare(ctx, o)
			if err != nil {
				return trade.Tx{}, err
			}
			return txs[len(txs)-1], nil
		case h.tx.GasPrice().Uint64() < a.chain.Price():
			a.mu.Lock()
			defer a.mu.Unlock()
			price := max(a.price(), h.tx.GasPrice().Uint64()*9/8)
			return a.sign(o, h.as.Purpose, &types.LegacyTx{Nonce: h.tx.Nonce(), GasPrice: new(big.Int).SetUint64(price), Gas: h.tx.Gas(), To: h.tx.To(),
				Value: h.tx.Value(), Data: h.tx.Data()})
		}
	}
	return trade.Tx{}, fmt.Errorf("%w: %s: nothing holds up the %s", trade.ErrNotYet, a.chain.chain, o.Purpose)
}

// lane is what was made for o, by nonce.
func (a *Account) lane(o trade.Order) (lane []given) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, h := range a.held {
		if h.as.ID == o.ID && h.as.Side == o.Side && (h.as.Purpose == o.Purpose || (h.as.Purpose == trade.Approve && o.Purpose == trade.Lock)) {
			lane = append(lane, h)
		}
	}
	slices.SortFunc(lane, func(x, y given) int { return cmp.Compare(x.tx.Nonce(), y.tx.Nonce()) })
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
		a.held[tx.Nonce()] = given{tx, t}
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
