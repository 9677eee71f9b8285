package stage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"photon/contracts"
	"photon/node/ledger"
	"photon/web"
	"photon/web/api"
)

// Account is the account of a person's node.
func (p *Person) Account(ctx context.Context) (string, error) {
	info, err := p.Client.Info(ctx)
	return info.Account, err
}

// OpenChannel opens a channel with partner, puts amount into it, and waits until both
// nodes have it and each other. It returns the channel's id.
func (p *Person) OpenChannel(ctx context.Context, partner *Person, s contracts.Sum, window uint64) (id contracts.Hash, err error) {
	if _, err := p.Client.Connect(ctx, partner.Address); err != nil {
		return id, fmt.Errorf("connect %s to %s: %w", p.Name, partner.Name, err)
	}
	ends := [2]*Person{p, partner}
	var accounts [2]string
	for i, who := range ends {
		if accounts[i], err = who.Account(ctx); err != nil {
			return id, fmt.Errorf("account of %s: %w", who.Name, err)
		}
	}
	if _, err := p.Client.OpenChannel(ctx, web.NewKey(), api.Open{Partner: accounts[1], Asset: s.Asset, Amount: s.Amount, Window: window}); err != nil {
		return id, fmt.Errorf("open a channel of %s with %s: %w", p.Name, partner.Name, err)
	}
	for i, who := range ends {
		err := poll(ctx, func() (bool, error) {
			all, err := who.Client.Channels(ctx, "", accounts[1-i])
			at := slices.IndexFunc(all, func(c api.Channel) bool {
				return c.Asset == s.Asset && c.There && c.Ours.Plus(c.Theirs) == s.Amount
			})
			if at >= 0 {
				id = all[at].Id
			}
			return at >= 0, err
		})
		if err != nil {
			return id, fmt.Errorf("%s waits for the channel: %w", who.Name, err)
		}
	}
	return id, nil
}

// SeesChannel waits until a person's side of a channel is as wanted.
func (p *Person) SeesChannel(ctx context.Context, id contracts.Hash, wanted func(api.Channel) bool) (c api.Channel, err error) {
	err = poll(ctx, func() (bool, error) {
		c, err = p.Client.Channel(ctx, id)
		return err == nil && wanted(c), err
	})
	if err != nil {
		return c, fmt.Errorf("%s sees the channel %s, with %s and %s: %w", p.Name, c.Status, c.Ours, c.Theirs, err)
	}
	return c, nil
}

// Pays pays and waits until that is done. Partners who are about to be met are waited
// for.
func (p *Person) Pays(ctx context.Context, what api.Pay) (made api.Payment, err error) {
	key := web.NewKey()
	err = poll(ctx, func() (bool, error) {
		made, err = p.Client.Pay(ctx, key, what)
		if problem := (*web.Problem)(nil); errors.As(err, &problem) && problem.Status == http.StatusConflict && problem.Code == "offline" {
			return false, nil
		}
		return err == nil, err
	})
	if err == nil {
		err = poll(ctx, func() (bool, error) {
			made, err = p.Client.Payment(ctx, made.Id)
			return err == nil && made.Status != ledger.Pending, err
		})
	}
	switch {
	case err != nil:
		return made, fmt.Errorf("payment of %s: %w", p.Name, err)
	case made.Status != ledger.Done:
		return made, fmt.Errorf("payment of %s is %s: %s", p.Name, made.Status, made.Reason)
	}
	return made, nil
}

// poll asks until yes, an error, or the end of ctx.
func poll(ctx context.Context, ask func() (bool, error)) error {
	for {
		if yes, err := ask(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(150 * time.Millisecond):
		}
	}
}
