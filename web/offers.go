package web

import (
	"context"
	"errors"

	"photon/swap/trade"
	"photon/web/api"
)

// ListOffers gives every offer known, and then those that boards show.
func (s *server) ListOffers(ctx context.Context, _ api.ListOffersRequestObject) (api.ListOffersResponseObject, error) {
	offers, err := s.Maker.Offers(ctx)
	if err != nil {
		return nil, err
	}
	posted, err := s.Maker.Posted(ctx)
	if err != nil {
		return nil, err
	}
	view := viewOffers(offers, s.Peers.Self())
	for _, p := range posted {
		o := viewOffer(p.Offer, s.Peers.Self())
		o.Board = p.Board
		view.Offers = append(view.Offers, o)
	}
	return api.ListOffers200JSONResponse(view), nil
}

// MakeOffer makes an offer of what the caller drafted.
func (s *server) MakeOffer(ctx context.Context, r api.MakeOfferRequestObject) (api.MakeOfferResponseObject, error) {
	b := r.Body
	offer, err := s.Maker.Offer(ctx, trade.Draft{
		Give: b.Give, Want: b.Want, Min: b.Min, Max: b.Max, GiveOf: b.GiveOf, WantOf: b.WantOf, Expires: b.Expires,
		GiveConfirmations: b.GiveConfirmations, WantConfirmations: b.WantConfirmations, Form: b.Form,
	})
	if err != nil {
		return nil, err
	}
	return api.MakeOffer201JSONResponse(viewOffer(offer, s.Peers.Self())), nil
}

// ImportOffer adds an offer received as text.
func (s *server) ImportOffer(ctx context.Context, r api.ImportOfferRequestObject) (api.ImportOfferResponseObject, error) {
	offer, err := ParseOffer(r.Body.Text)
	if err != nil {
		return nil, tell(err, "field", "text")
	}
	if err := s.Maker.Import(ctx, offer); err != nil {
		return nil, err
	}
	return api.ImportOffer201JSONResponse(viewOffer(offer, s.Peers.Self())), nil
}

// WithdrawOffer drops an offer.
func (s *server) WithdrawOffer(ctx context.Context, r api.WithdrawOfferRequestObject) (api.WithdrawOfferResponseObject, error) {
	if err := s.Maker.Withdraw(ctx, r.Id); err != nil {
		return nil, tell(err, "id", r.Id.String())
	}
	return api.WithdrawOffer204Response{}, nil
}

// ConnectPeer reaches another node.
func (s *server) ConnectPeer(ctx context.Context, r api.ConnectPeerRequestObject) (api.ConnectPeerResponseObject, error) {
	identity, err := s.Peers.Connect(ctx, r.Body.Address)
	if err != nil {
		return nil, ofPeer(err)
	}
	account, err := s.Peers.Account(ctx, identity)
	if err != nil {
		return nil, ofPeer(err)
	}
	return api.ConnectPeer200JSONResponse{Identity: identity, Account: account.Hex()}, nil
}

// FetchOffers asks another node for its offers.
func (s *server) FetchOffers(ctx context.Context, r api.FetchOffersRequestObject) (api.FetchOffersResponseObject, error) {
	offers, err := s.Maker.Fetch(ctx, r.Peer)
	if err != nil {
		return nil, ofPeer(err)
	}
	return api.FetchOffers200JSONResponse(viewOffers(offers, s.Peers.Self())), nil
}

// ofPeer is an error of asking another node: what has no name of its own is
// that node's fault, not ours, and so is an answer that cannot be read. Its text
// is not for the caller.
func ofPeer(err error) error {
	if _, known := problemOf(err); known && !errors.Is(err, trade.ErrMessage) {
		return err
	}
	return hidden{errPeer, err}
}

// MakeQuote says what taking an offer costs.
func (s *server) MakeQuote(ctx context.Context, r api.MakeQuoteRequestObject) (api.MakeQuoteResponseObject, error) {
	quote, err := s.Taker.Quote(ctx, r.Body.Offer, r.Body.Get, r.Body.Despite)
	if err != nil {
		return nil, tell(err, "offer", r.Body.Offer.String(), "get", r.Body.Get.String())
	}
	return api.MakeQuote201JSONResponse(viewQuote(quote)), nil
}
