package swap

import (
	"context"
	"fmt"
	"slices"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// maxOffers bounds what others can make us remember.
const maxOffers = 10_000

// Offer makes an offer of ours, signs and keeps it. Errors: trade.ErrOffer,
// trade.ErrClosed.
func (d *Desk) Offer(ctx context.Context, draft trade.Draft) (trade.Offer, error) {
	if d.RefundOnly {
		return trade.Offer{}, trade.ErrClosed
	}
	form := draft.Form
	if form == "" {
		form = contracts.P2TR
	}
	first, second := d.Profile.Times(draft.Want.Chain, draft.Give.Chain)
	o := trade.Offer{
		Maker: d.Peer.Self(), Realm: d.Realm, Give: draft.Give, Want: draft.Want, Min: draft.Min, Max: draft.Max,
		GiveOf: draft.GiveOf, WantOf: draft.WantOf, Expires: draft.Expires,
		FirstTime: first, SecondTime: second,
		WantConfirmations: max(draft.WantConfirmations, d.Confirmations[draft.Want.Chain]),
		GiveConfirmations: max(draft.GiveConfirmations, d.Confirmations[draft.Give.Chain]),
		GiveContract:      d.Contracts[draft.Give.Chain], WantContract: d.Contracts[draft.Want.Chain],
		Form: form, At: d.Peer.Reach(),
	}
	if now := unix(time.Now()); o.Expires <= now {
		return trade.Offer{}, fmt.Errorf("%w: expires at %d, now %d", trade.ErrOffer, o.Expires, now)
	}
	if err := d.fits(o); err != nil {
		return trade.Offer{}, err
	}
	signature, err := d.Secrets.Sign(o.Digest())
	if err != nil {
		return trade.Offer{}, fmt.Errorf("sign offer: %w", err)
	}
	o.Signature = signature
	if err := d.Config.Offers.SaveOffer(ctx, o); err != nil {
		return trade.Offer{}, fmt.Errorf("save offer: %w", err)
	}
	d.Notify(trade.Notice{Kind: "offer", Text: o.Digest().String()})
	d.pokeBoards()
	return o, nil
}

// fits refuses an offer that is not for our chains, networks and times, whoever
// made it. Errors: trade.ErrOffer.
func (d *Desk) fits(o trade.Offer) error {
	if err := o.Check(); err != nil {
		return err
	}
	if o.Realm != d.Realm {
		return fmt.Errorf("%w: of realm %q, ours is %q", trade.ErrOffer, o.Realm, d.Realm)
	}
	for _, leg := range []struct {
		asset    contracts.Asset
		contract contracts.Address
	}{{o.Give, o.GiveContract}, {o.Want, o.WantContract}} {
		if d.Ledgers[leg.asset.Chain] == nil {
			return fmt.Errorf("%w: no node of %s is configured", trade.ErrOffer, leg.asset.Chain)
		}
		if ours := d.Contracts[leg.asset.Chain]; leg.contract != ours {
			return fmt.Errorf("%w: contract %s on %s, ours is %s", trade.ErrOffer, leg.contract, leg.asset.Chain, ours)
		}
	}
	return d.Profile.Check(o)
}

// vet refuses an offer of somebody else that does not stand, does not fit us or is
// not signed. Errors: trade.ErrOffer.
func (d *Desk) vet(o trade.Offer) error {
	if err := d.fits(o); err != nil {
		return err
	}
	return o.Vet(unix(time.Now()), d.Verify)
}

// Import keeps an offer that somebody else made, however it came. Errors:
// trade.ErrOffer.
func (d *Desk) Import(ctx context.Context, o trade.Offer) error {
	if err := d.vet(o); err != nil {
		return err
	}
	known, err := d.Offers(ctx)
	if err != nil {
		return err
	}
	if len(known) >= maxOffers {
		return fmt.Errorf("%w: %d are known, and that is enough", trade.ErrOffer, len(known))
	}
	return d.Config.Offers.SaveOffer(ctx, o)
}

// Offers returns every offer that can still be taken, ours and others'.
func (d *Desk) Offers(ctx context.Context) ([]trade.Offer, error) {
	all, err := d.Config.Offers.Offers(ctx)
	if err != nil {
		return nil, fmt.Errorf("load offers: %w", err)
	}
	now := unix(time.Now())
	return slices.DeleteFunc(all, func(o trade.Offer) bool { return now > o.Expires }), nil
}

// offer finds one that is kept by its id. Errors: trade.ErrUnknown.
func (d *Desk) offer(ctx context.Context, id contracts.Hash) (trade.Offer, error) {
	all, err := d.Offers(ctx)
	if err != nil {
		return trade.Offer{}, err
	}
	for _, o := range all {
		if o.Digest() == id {
			return o, nil
		}
	}
	return trade.Offer{}, fmt.Errorf("offer %s: %w", id, trade.ErrUnknown)
}

// Withdraw forgets an offer; trades on it go on. Errors: trade.ErrUnknown.
func (d *Desk) Withdraw(ctx context.Context, id contracts.Hash) error {
	if _, err := d.offer(ctx, id); err != nil {
		return err
	}
	if err := d.Config.Offers.DropOffer(ctx, id); err != nil {
		return fmt.Errorf("forget offer: %w", err)
	}
	d.pokeBoards()
	return nil
}

// maxPages is how many pages of offers are had of one node at most.
const maxPages = 20

// Fetch asks a node for its offers and keeps those that fit us. Errors: those of
// Peer; one that does not fit is left out and logged.
func (d *Desk) Fetch(ctx context.Context, peer string) ([]trade.Offer, error) {
	var kept []trade.Offer
	for page := range uint64(maxPages) {
		offers, err := d.fetchPage(ctx, peer, page*trade.OffersPage)
		if err != nil {
			return nil, err
		}
		for _, o := range offers {
			if o.Maker != peer {
				d.Log.Warn("left out an offer", "partner", peer, "err", "made by another")
				continue
			}
			if err := d.Import(ctx, o); err != nil {
				d.Log.Warn("left out an offer", "partner", peer, "err", err)
				continue
			}
			kept = append(kept, o)
		}
		if len(offers) < trade.OffersPage {
			break
		}
	}
	return kept, nil
}

// fetchPage asks a node for a page of its offers.
func (d *Desk) fetchPage(ctx context.Context, peer string, skip uint64) ([]trade.Offer, error) {
	raw, err := d.Peer.Ask(ctx, peer, trade.Encode(trade.OffersRequest{Skip: skip}))
	if err != nil {
		return nil, fmt.Errorf("ask %s for offers: %w", peer, err)
	}
	m, err := trade.Decode(raw)
	if err != nil {
		return nil, err
	}
	answer, is := m.(trade.OffersAnswer)
	if !is || len(answer.Offers) > trade.OffersPage {
		return nil, fmt.Errorf("%w: %T in answer to an offers request", trade.ErrMessage, m)
	}
	return answer.Offers, nil
}

// ownOffers answers a node that asks for our offers.
func (d *Desk) ownOffers(ctx context.Context, q trade.OffersRequest) (trade.Message, error) {
	all, err := d.Offers(ctx)
	if err != nil {
		return nil, err
	}
	own := slices.DeleteFunc(all, func(o trade.Offer) bool { return o.Maker != d.Peer.Self() })
	own = own[min(q.Skip, uint64(len(own))):]
	return trade.OffersAnswer{Offers: own[:min(len(own), trade.OffersPage)]}, nil
}
