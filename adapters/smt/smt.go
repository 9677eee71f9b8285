package smt

import (
	"context"
	"math/big"
	"time"

	"photon/adapters/evm"
	"photon/contracts"
)

// What is offered, in wei per gas: below floor a transaction may not be packed;
// above ceiling the endpoint is wrong.
//
// Source: Spectrum's README.
var (
	floor   = big.NewInt(18_000_000_000)     // 18 gwei
	ceiling = big.NewInt(10_000_000_000_000) // 10,000 gwei
)

// New returns Spectrum, or a chain with its rules. It sets what is particular in
// cfg: Chain and Policy. Errors: evm.ErrConfig.
func New(cfg evm.Config) (*evm.Chain, error) {
	cfg.Chain = contracts.SMT
	cfg.Policy = evm.Policy{Depth: 17, Block: 15 * time.Second, Price: Price}
	return evm.New(cfg)
}

// Price offers what the endpoint names, within floor and ceiling. There is no
// tip: the transactions are legacy ones. Errors: evm.ErrAnswer, evm.ErrDown.
func Price(ctx context.Context, ask evm.Ask) (evm.Price, error) {
	raw, err := ask(ctx, "eth_gasPrice")
	if err != nil {
		return evm.Price{}, err
	}
	p, err := evm.ReadWei(raw)
	if err != nil {
		return evm.Price{}, err
	}
	switch {
	case p.Cmp(floor) < 0:
		p = floor
	case p.Cmp(ceiling) > 0:
		p = ceiling
	}
	return evm.Price{Cap: p}, nil
}
