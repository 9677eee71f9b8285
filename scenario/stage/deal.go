package stage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"photon/contracts"
	"photon/web"
	"photon/web/api"
)

// Take lets maker offer get for pay, and taker find, quote and take it. It
// returns the swap's id.
func Take(ctx context.Context, taker, maker *Person, pay, get contracts.Sum) (contracts.Hash, error) {
	offer, err := maker.Client.Offer(ctx, web.NewKey(), api.Draft{
		Give: get.Asset, Want: pay.Asset, Min: get.Amount, Max: get.Amount, GiveOf: get.Amount, WantOf: pay.Amount,
		Expires: uint64(time.Now().Add(10 * time.Minute).Unix()),
	})
	if err != nil {
		return contracts.Hash{}, fmt.Errorf("offer: %w", err)
	}
	if _, err := taker.Client.Connect(ctx, maker.Address); err != nil {
		return contracts.Hash{}, fmt.Errorf("connect: %w", err)
	}
	if _, err := taker.Client.Fetch(ctx, maker.Identity); err != nil {
		return contracts.Hash{}, fmt.Errorf("fetch offers: %w", err)
	}
	quote, err := taker.Client.Quote(ctx, offer.Id, get.Amount, false)
	if err != nil {
		return contracts.Hash{}, fmt.Errorf("quote: %w", err)
	}
	taken, err := taker.Client.Take(ctx, web.NewKey(), quote.Id)
	if err != nil {
		return contracts.Hash{}, fmt.Errorf("take: %w", err)
	}
	return taken.Id, nil
}

// Until polls a person's side of a swap until it is as wanted. see, which may be
// nil, is shown every answer.
func (p *Person) Until(ctx context.Context, id contracts.Hash, wanted func(api.Swap) bool, see func(api.Swap)) (api.Swap, error) {
	for {
		s, err := p.Client.Swap(ctx, id)
		if problem := (*web.Problem)(nil); errors.As(err, &problem) && problem.Status == http.StatusNotFound {
			err = nil // the taker's wish has not reached him yet
		} else if err == nil {
			if see != nil {
				see(s)
			}
			if wanted(s) {
				return s, nil
			}
		}
		if err != nil {
			return s, fmt.Errorf("ask %s: %w", p.Name, err)
		}
		select {
		case <-ctx.Done():
			return s, fmt.Errorf("%s's side is still %s %s: %w", p.Name, s.Status, s.Reason, ctx.Err())
		case <-time.After(150 * time.Millisecond):
		}
	}
}
