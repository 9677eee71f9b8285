package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/holiman/uint256"

	"photon/contracts"
	"photon/swap/trade"
)

// What an account has promised: its transactions that wait, and what is left
// beside them. a.mu and a.chain.mu are held in all of this chapter.

// waiting is what holds a nonce that the chain has not used, by nonce.
func (a *Account) waiting() (all []given) {
	next := a.chain.state.GetNonce(a.address())
	for nonce, h := range a.held {
		if nonce >= next {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(x, y given) int { return cmp.Compare(x.tx.Nonce(), y.tx.Nonce()) })
	return all
}

// nonce is the next that nothing holds.
func (a *Account) nonce() uint64 {
	nonce := a.chain.state.GetNonce(a.address())
	for a.held[nonce].tx != nil {
		nonce++
	}
	return nonce
}

// ahead brings the chain to where all that waits is mined, for nothing, and calls
// look after each; back undoes it. What would fail now changes nothing.
func (a *Account) ahead(look func()) (back func()) {
	all, now := a.waiting(), a.chain.state
	a.chain.state = now.Copy()
	for _, h := range all {
		value, _ := uint256.FromBig(h.tx.Value())
		if _, err := a.chain.gratis(a.address(), h.tx.To(), contracts.AmountOf(value), h.tx.Data(), h.tx.Gas()); err == nil {
			look()
		}
	}
	return func() { a.chain.state = now }
}

// free is what we have of an asset and nothing that waits takes.
func (a *Account) free(asset contracts.Asset) (contracts.Amount, error) {
	have, err := a.chain.balance(a.address(), asset)
	if err != nil {
		return have, err
	}
	if asset.IsNative() {
		for _, h := range a.waiting() {
			cost, _ := uint256.FromBig(h.tx.Cost())
			have = less(have, contracts.AmountOf(cost))
		}
		return have, nil
	}
	last := have
	a.ahead(func() {
		now, failed := a.chain.balance(a.address(), asset)
		err = errors.Join(err, failed)
		have, last = less(have, less(last, now)), now
	})()
	return have, err
}

// holds refuses to promise what is not free. Errors: trade.ErrShort.
func (a *Account) holds(asset contracts.Asset, amount contracts.Amount) error {
	have, err := a.free(asset)
	if err == nil && have.Less(amount) {
		err = fmt.Errorf("%w: %s: have %s, need %s", trade.ErrShort, asset, have, amount)
	}
	return err
}

// allowed is what spender may take of a token once all that waits is mined.
func (a *Account) allowed(token, spender contracts.Address) (contracts.Amount, error) {
	defer a.ahead(func() {})()
	answer, err := a.chain.ask(token, contracts.AllowanceCall(a.address(), spender))
	if err != nil {
		return contracts.Amount{}, err
	}
	return contracts.ReadTokens(answer)
}

// less is x-y, or nothing when y is more.
func less(x, y contracts.Amount) contracts.Amount {
	if x.Less(y) {
		return contracts.Amount{}
	}
	return x.Minus(y)
}
