package sim

import (
	"bytes"
	"cmp"
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

// free is what we have of an asset and nothing that waits takes.
func (a *Account) free(asset contracts.Asset) (contracts.Amount, error) {
	have, err := a.chain.balance(a.address(), asset)
	if err != nil {
		return have, err
	}
	for _, h := range a.waiting() {
		have = less(have, h.takes(asset, a.chain.lock))
	}
	return have, nil
}

// holds refuses to promise tokens that are not free. Errors: trade.ErrShort.
func (a *Account) holds(t contracts.Terms) error {
	have, err := a.free(t.Asset)
	if err == nil && have.Less(t.Amount) {
		err = fmt.Errorf("%w: %s: have %s, need %s", trade.ErrShort, t.Asset, have, t.Amount)
	}
	return err
}

// allowed is what HashLock may take of a token once all that waits is mined.
func (a *Account) allowed(token contracts.Address) (contracts.Amount, error) {
	answer, err := a.chain.ask(token, contracts.AllowanceCall(a.address(), a.chain.lock))
	if err != nil {
		return contracts.Amount{}, err
	}
	left, err := contracts.ReadTokens(answer)
	if err != nil {
		return contracts.Amount{}, err
	}
	asset := contracts.Asset{Chain: a.chain.chain, Token: token}
	for _, h := range a.waiting() {
		switch {
		case h.as.Purpose == trade.Approve && *h.tx.To() == token:
			left = word(h.tx.Data(), 1)
		case h.as.Purpose == trade.Lock:
			left = less(left, h.takes(asset, a.chain.lock))
		}
	}
	return left, nil
}

// takes is what h takes of an asset at most. lock is where HashLock lies.
func (h given) takes(asset contracts.Asset, lock contracts.Address) contracts.Amount {
	data := h.tx.Data()
	switch {
	case asset.IsNative():
		cost, _ := uint256.FromBig(h.tx.Cost())
		return contracts.AmountOf(cost)
	case h.as.Purpose == trade.Send && *h.tx.To() == asset.Token:
		return word(data, 1)
	case h.as.Purpose == trade.Lock && *h.tx.To() == lock && len(data) == 164 && bytes.Equal(data[80:100], asset.Token[:]):
		return word(data, 1)
	}
	return contracts.Amount{}
}

// word is an argument of a call.
func word(data []byte, i int) contracts.Amount {
	return contracts.AmountOf(new(uint256.Int).SetBytes(data[4+32*i : 36+32*i]))
}

// less is x-y, or nothing when y is more.
func less(x, y contracts.Amount) contracts.Amount {
	if x.Less(y) {
		return contracts.Amount{}
	}
	return x.Minus(y)
}
