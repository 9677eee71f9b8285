package eth

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"photon/adapters/evm"
	"photon/contracts"
)

// ErrFee is why the fees that an endpoint tells are not believed.
var ErrFee = errors.New("fee that cannot be true")

// What fees are believed, in wei per gas. A tip outside is brought inside; a base
// fee above is an endpoint's error.
var (
	minTip  = big.NewInt(10_000_000)        // 0.01 gwei
	maxTip  = big.NewInt(200_000_000_000)   // 200 gwei
	maxBase = big.NewInt(5_000_000_000_000) // 5,000 gwei
)

// New returns Ethereum, or a chain with its rules. It sets what is particular in
// cfg: Chain and Policy. Errors: evm.ErrConfig.
func New(cfg evm.Config) (*evm.Chain, error) {
	cfg.Chain = contracts.ETH
	cfg.Policy = evm.Policy{Depth: 12, Block: 12 * time.Second, Price: Price}
	return evm.New(cfg)
}

// Price offers the tip that the endpoint names and twice the base fee, which is
// enough for six full blocks in a row. Errors: ErrFee, evm.ErrAnswer,
// evm.ErrDown.
func Price(ctx context.Context, ask evm.Ask) (evm.Price, error) {
	block, err := ask(ctx, "eth_getBlockByNumber", "latest", false)
	if err != nil {
		return evm.Price{}, err
	}
	base, err := evm.ReadBaseFee(block)
	if err != nil {
		return evm.Price{}, err
	}
	if base == nil || base.Sign() < 0 || base.Cmp(maxBase) > 0 {
		return evm.Price{}, fmt.Errorf("%w: base fee %v wei per gas", ErrFee, base)
	}
	tip := minTip
	if raw, err := ask(ctx, "eth_maxPriorityFeePerGas"); err == nil {
		if tip, err = evm.ReadWei(raw); err != nil {
			return evm.Price{}, err
		}
	} else if !errors.Is(err, evm.ErrRefused) {
		return evm.Price{}, err
	}
	switch {
	case tip.Cmp(minTip) < 0:
		tip = minTip
	case tip.Cmp(maxTip) > 0:
		tip = maxTip
	}
	return evm.Price{Cap: new(big.Int).Add(new(big.Int).Lsh(base, 1), tip), Tip: tip}, nil
}
