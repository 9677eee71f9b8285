package evm

import (
	"context"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"photon/contracts"
)

// priceAge is how long a price is used again, and priceLast how long the last
// good one stands in for one that cannot be had.
const (
	priceAge  = 2 * time.Second
	priceLast = 10 * time.Minute
)

// A Price is what a transaction offers for one unit of gas.
type Price struct {
	Cap *big.Int // wei at most
	Tip *big.Int // wei of it for the producer; nil for a legacy transaction
}

// prices remembers the last good price.
type prices struct {
	mu   sync.Mutex
	last Price
	at   time.Time
}

// price is what gas costs now. When the endpoints give none that can be true,
// the last good one stands for a while.
func (c *Chain) price(ctx context.Context) (Price, error) {
	now := c.now()
	c.prices.mu.Lock()
	last, age := c.prices.last, now.Sub(c.prices.at)
	c.prices.mu.Unlock()
	if last.Cap != nil && age < priceAge {
		return last, nil
	}
	p, err := c.cfg.Policy.Price(ctx, c.pool.one)
	if err != nil {
		if last.Cap != nil && age < priceLast && ctx.Err() == nil {
			return last, nil
		}
		return Price{}, fmt.Errorf("price of gas: %w", err)
	}
	c.prices.mu.Lock()
	c.prices.last, c.prices.at = p, now
	c.prices.mu.Unlock()
	return p, nil
}

// eighths is how much more than the usual price is offered when a transaction
// must be mined by deadline, in eighths of it. 0 is no deadline.
func eighths(deadline uint64, now time.Time) int64 {
	if deadline == 0 {
		return 8
	}
	switch left := int64(deadline) - now.Unix(); {
	case left > 2*3600:
		return 8
	case left > 3600:
		return 10
	case left > 20*60:
		return 12
	case left > 5*60:
		return 16
	case left > 0:
		return 24
	}
	return 32
}

// times returns p·n/8, rounded up.
func (p Price) times(n int64) Price {
	scale := func(x *big.Int) *big.Int {
		if x == nil {
			return nil
		}
		y := new(big.Int).Mul(x, big.NewInt(n))
		return y.Add(y, big.NewInt(7)).Rsh(y, 3)
	}
	return Price{scale(p.Cap), scale(p.Tip)}
}

// covers reports whether p is at least q in every part.
func (p Price) covers(q Price) bool {
	return p.Cap.Cmp(q.Cap) >= 0 && (p.Tip == nil || q.Tip == nil || p.Tip.Cmp(q.Tip) >= 0)
}

// over returns the larger of p and q in every part. Both are of one kind.
func (p Price) over(q Price) Price {
	larger := func(a, b *big.Int) *big.Int {
		if a != nil && b != nil && a.Cmp(b) < 0 {
			return b
		}
		return a
	}
	return Price{larger(p.Cap, q.Cap), larger(p.Tip, q.Tip)}
}

// under lowers p so that gas units cost at most stake, but not below floor: a
// transaction nobody mines saves nothing.
func (p Price) under(stake contracts.Amount, gas uint64, floor Price) Price {
	most := new(big.Int).Div(stake.Uint256().ToBig(), new(big.Int).SetUint64(gas))
	if p.Cap.Cmp(most) <= 0 {
		return p
	}
	p.Cap = most
	if p.Tip != nil && p.Tip.Cmp(p.Cap) > 0 {
		p.Tip = p.Cap
	}
	return p.over(floor)
}

// fee is what gas units cost at most.
func (p Price) fee(gas uint64) contracts.Amount {
	return amountOf(new(big.Int).Mul(p.Cap, new(big.Int).SetUint64(gas)))
}

// priceOf is what t offers.
func priceOf(t *types.Transaction) Price {
	if t.Type() == types.LegacyTxType {
		return Price{Cap: t.GasPrice()}
	}
	return Price{Cap: t.GasFeeCap(), Tip: t.GasTipCap()}
}

// A call is what a transaction does, apart from its nonce and price.
type call struct {
	to    *contracts.Address // nil creates a contract
	value contracts.Amount
	data  []byte
	gas   uint64
}

// cost is all that the call takes from the account at most.
func (k call) cost(p Price) contracts.Amount { return p.fee(k.gas).Plus(k.value) }

// sign makes the transaction: legacy with EIP-155 when the price has no tip,
// EIP-1559 otherwise.
func (c *Chain) sign(k call, nonce uint64, p Price) (*types.Transaction, error) {
	id := new(big.Int).SetUint64(c.cfg.ChainID)
	value := k.value.Uint256().ToBig()
	if p.Tip == nil {
		return types.SignNewTx(c.cfg.Key, types.NewEIP155Signer(id), &types.LegacyTx{
			Nonce: nonce, GasPrice: p.Cap, Gas: k.gas, To: k.to, Value: value, Data: k.data,
		})
	}
	return types.SignNewTx(c.cfg.Key, types.NewLondonSigner(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, GasTipCap: p.Tip, GasFeeCap: p.Cap, Gas: k.gas, To: k.to, Value: value, Data: k.data,
	})
}
