package web

import (
	"context"
	"fmt"
	"sync"

	"photon/contracts"
	"photon/web/api"
)

// ShowWallet asks every chain at once. One that fails or is slow hides no other.
func (s *server) ShowWallet(ctx context.Context, _ api.ShowWalletRequestObject) (api.ShowWalletResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience/3)
	defer cancel()
	assets := s.assets()
	balances := make([]api.Balance, len(assets))
	var asked sync.WaitGroup
	for i, asset := range assets {
		asked.Go(func() {
			balances[i] = s.balance(ctx, asset)
		})
	}
	asked.Wait()
	return api.ShowWallet200JSONResponse{Balances: balances}, nil
}

// assets are the coins of the node's chains, each followed by its tokens.
func (s *server) assets() []contracts.Asset {
	var all []contracts.Asset
	for _, chain := range contracts.Chains {
		if s.Wallets[chain] == nil {
			continue
		}
		all = append(all, contracts.Native(chain))
		for _, token := range s.Tokens {
			if token.Chain == chain {
				all = append(all, token)
			}
		}
	}
	return all
}

func (s *server) balance(ctx context.Context, asset contracts.Asset) api.Balance {
	confirmed, pending, err := s.Wallets[asset.Chain].Balance(ctx, asset)
	if err != nil {
		s.Log.Warn("no balance", "asset", asset.String(), "err", err)
		return api.Balance{Asset: asset, Unavailable: true}
	}
	return api.Balance{Asset: asset, Confirmed: &confirmed, Pending: &pending}
}

// MakeAddress gives an address to be paid at.
func (s *server) MakeAddress(ctx context.Context, r api.MakeAddressRequestObject) (api.MakeAddressResponseObject, error) {
	wallet, err := s.wallet(r.Body.Chain)
	if err != nil {
		return nil, err
	}
	address, err := wallet.Address(ctx)
	if err != nil {
		return nil, tell(err, "chain", string(r.Body.Chain))
	}
	return api.MakeAddress201JSONResponse{Chain: r.Body.Chain, Address: address}, nil
}

// SendFunds pays from the wallet.
func (s *server) SendFunds(ctx context.Context, r api.SendFundsRequestObject) (api.SendFundsResponseObject, error) {
	b := r.Body
	wallet, err := s.wallet(b.Asset.Chain)
	if err != nil {
		return nil, err
	}
	if b.MaxFee.IsZero() { // to the port it would mean: whatever it costs
		return nil, tell(fmt.Errorf("%w: max_fee is 0", contracts.ErrAmount), "field", "max_fee")
	}
	if err := wallet.CheckAddress(b.To); err != nil {
		return nil, tell(err, "field", "to", "chain", string(b.Asset.Chain))
	}
	id := SendID(r.Params.IdempotencyKey)
	tx, err := s.Book.Send(ctx, id, b.Asset, b.To, b.Amount, b.MaxFee)
	if err != nil {
		return nil, tell(err, "asset", b.Asset.String(), "amount", b.Amount.String(), "max_fee", b.MaxFee.String())
	}
	return api.SendFunds202JSONResponse{Id: id, Txid: tx.TxID, Fee: tx.Fee}, nil
}

// wallet is the wallet of a chain. Errors: errNoChain.
func (s *server) wallet(chain contracts.Chain) (Wallet, error) {
	if w := s.Wallets[chain]; w != nil {
		return w, nil
	}
	return nil, tell(fmt.Errorf("%w: %s", errNoChain, chain), "chain", string(chain))
}
