package utxo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"photon/contracts"
)

// ErrUneconomic says that what is left after the least fee is dust: the output
// is worth less than it costs to move.
var ErrUneconomic = errors.New("worth less than the fee to move it")

// How fees grow as a deadline nears.
const (
	calm      = 24 // blocks left at which, and above, a fee is the plain estimate
	maxUrge   = 16 // times the estimate, at most
	stakePart = 32 // of the stake, for each time: 1/32 at ease, a half in the last block
	maxTarget = 6  // blocks that an estimate is asked for, at most
	aDay      = 144
)

// A price is what the network asks at one moment.
type price struct {
	rate int64 // plain estimate, in smallest units for 1,000 vB
	urge int64 // times it: 1 to maxUrge
}

// price looks at the market and at the time left until deadline (Unix seconds;
// 0: no hurry).
//
//	blocks left   24 or more   12    8    6    3    2  1.5 or less
//	times              1        2    3    4    8   12   16
//
// How long a block takes is measured on the chain itself.
func (c *Chain) price(ctx context.Context, deadline uint64) price {
	left := int64(aDay)
	if deadline != 0 {
		left = max(0, int64(min(deadline, contracts.MaxExpiry))-c.now().Unix()) * int64(time.Second) / int64(c.interval())
	}
	p := price{urge: min(maxUrge, max(1, calm/max(left, 1)))}
	rate, ok := c.nodes.rate(ctx, int(min(maxTarget, max(1, left/4))))
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ok:
		c.rate = rate
	case c.rate == 0:
		c.rate = c.coin.FallbackRate
	}
	p.rate = c.rate
	return p
}

// interval is the mean time between the newest blocks, at least a second and at
// most what the coin aims at.
func (c *Chain) interval() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	blocks := c.blocks[max(0, len(c.blocks)-aDay):]
	if len(blocks) < medianOf {
		return c.coin.Interval
	}
	first, last := blocks[0], blocks[len(blocks)-1]
	mean := time.Duration(last.Time-first.Time) * time.Second / time.Duration(len(blocks)-1)
	return min(max(mean, time.Second), c.coin.Interval)
}

// fee is what size vB cost when stake is to be lost: the estimate, times the
// urgency while that is within the part of the stake that the urgency allows,
// and never less than relays.
func (c Coin) fee(p price, size, stake int64) int64 {
	plain := atRate(p.rate, size)
	return max(plain, min(p.urge*plain, p.urge*(stake/stakePart)), atRate(c.MinRate, size))
}

// payout is the fee of a spend of value to an output of script to: as fee, or
// less when only so anything is left. Errors: ErrUneconomic.
func (c Coin) payout(p price, size, value int64, to []byte) (int64, error) {
	fee := c.fee(p, size, value)
	dust, _ := contracts.Dust(c.Chain, to).Uint64()
	most := value - int64(dust)
	if fee <= most {
		return fee, nil
	}
	if least := atRate(c.MinRate, size); most < least {
		return 0, fmt.Errorf("%w: %s: %d, least fee %d, least output %d", ErrUneconomic, c.Chain, value, least, dust)
	}
	return most, nil
}

// atRate is what size vB cost, rounded up.
func atRate(rate, size int64) int64 { return (rate*size + 999) / 1000 }

// Fees estimates what a lock, its redeem and its refund cost now, each with one
// input, in smallest units. Errors: contracts.ErrTerms for another asset.
func (c *Chain) Fees(ctx context.Context, asset contracts.Asset) (lock, redeem, refund contracts.Amount, err error) {
	if err := c.native(asset); err != nil {
		return lock, redeem, refund, err
	}
	p := c.price(ctx, 0)
	of := func(size int64) contracts.Amount { return contracts.Units(uint64(c.coin.fee(p, size, 0))) }
	return of(contracts.LockVSize), of(contracts.RedeemVSize), of(contracts.WitnessRefundVSize), nil
}
