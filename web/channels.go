package web

import (
	"context"
	"fmt"
	"slices"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
	"photon/swap/trade"
	"photon/web/api"
)

// What is taken where a caller says nothing, in blocks.
const (
	usualWindow = 600
	usualWithin = 100
)

// A sight is a channel with what the node knows around it.
type sight struct {
	channel.Channel
	now   channel.Now
	there bool
}

// ListChannels gives channels in the order of their opening.
func (s *server) ListChannels(ctx context.Context, r api.ListChannelsRequestObject) (api.ListChannelsResponseObject, error) {
	state, partner := "", (*contracts.Address)(nil)
	if r.Params.State != nil {
		state = *r.Params.State
	}
	if r.Params.Partner != nil {
		a, err := readAccount(*r.Params.Partner, "partner")
		if err != nil {
			return nil, err
		}
		partner = &a
	}
	all, err := s.Archive.Channels(ctx, state == string(channel.Settled))
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(c channel.Channel) bool {
		return state != "" && string(c.Status) != state || partner != nil && c.Partner() != *partner
	})
	seen, err := s.see(ctx, all)
	if err != nil {
		return nil, err
	}
	view := api.ListChannels200JSONResponse{Channels: make([]api.Channel, len(seen))}
	for i, c := range seen {
		view.Channels[i] = viewChannel(c)
	}
	return view, nil
}

// see looks what the node knows around channels, and at their newest state.
func (s *server) see(ctx context.Context, all []channel.Channel) ([]sight, error) {
	seen := make([]sight, len(all))
	err := s.Channels.Look(ctx, func(l *ledger.Ledger) {
		for i, c := range all {
			if live, is := l.Channel(c.Key); is {
				c = live
			}
			seen[i] = sight{c, l.Now(c.Chain), l.There(c.Partner())}
		}
	})
	return seen, err
}

// channel is one channel, settled or not. Errors: ledger.ErrChannel.
func (s *server) channel(ctx context.Context, key contracts.Hash) (api.Channel, error) {
	var live []channel.Channel
	if err := s.Channels.Look(ctx, func(l *ledger.Ledger) {
		if c, is := l.Channel(key); is {
			live = append(live, c)
		}
	}); err != nil {
		return api.Channel{}, err
	}
	if len(live) == 0 {
		all, err := s.Archive.Channels(ctx, true)
		if err != nil {
			return api.Channel{}, err
		}
		i := slices.IndexFunc(all, func(c channel.Channel) bool { return c.Key == key })
		if i < 0 {
			return api.Channel{}, tell(fmt.Errorf("%w: %s", ledger.ErrChannel, key), "id", key.String())
		}
		live = append(live, all[i])
	}
	seen, err := s.see(ctx, live)
	if err != nil {
		return api.Channel{}, err
	}
	return viewChannel(seen[0]), nil
}

// ShowChannel gives one channel.
func (s *server) ShowChannel(ctx context.Context, r api.ShowChannelRequestObject) (api.ShowChannelResponseObject, error) {
	c, err := s.channel(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return api.ShowChannel200JSONResponse(c), nil
}

// OpenChannel opens a channel.
func (s *server) OpenChannel(ctx context.Context, r api.OpenChannelRequestObject) (api.OpenChannelResponseObject, error) {
	b := r.Body
	partner, err := readAccount(b.Partner, "partner")
	if err != nil {
		return nil, err
	}
	window := b.Window
	if window == 0 {
		window = usualWindow
	}
	id := channel.OrderID("open", r.Params.IdempotencyKey)
	txs, err := s.Channels.Open(ctx, id, b.Asset, partner, window, b.Amount)
	if err != nil {
		return nil, tell(ofChain(err), "asset", b.Asset.String(), "partner", partner.Hex(), "amount", b.Amount.String())
	}
	return api.OpenChannel202JSONResponse{
		Body: viewOrder(id, txs), Headers: api.OpenChannel202ResponseHeaders{Location: "/v1/channels?partner=" + partner.Hex()},
	}, nil
}

// DepositChannel adds to what we have in a channel.
func (s *server) DepositChannel(ctx context.Context, r api.DepositChannelRequestObject) (api.DepositChannelResponseObject, error) {
	id := channel.OrderID("deposit", r.Params.IdempotencyKey)
	txs, err := s.Channels.Deposit(ctx, id, r.Id, r.Body.Amount)
	if err != nil {
		return nil, tell(ofChain(err), "id", r.Id.String(), "amount", r.Body.Amount.String())
	}
	return api.DepositChannel202JSONResponse{
		Body: viewOrder(id, txs), Headers: api.DepositChannel202ResponseHeaders{Location: channelAt(r.Id)},
	}, nil
}

// WithdrawChannel wishes to take out of a channel.
func (s *server) WithdrawChannel(ctx context.Context, r api.WithdrawChannelRequestObject) (api.WithdrawChannelResponseObject, error) {
	id := channel.OrderID("withdraw", r.Params.IdempotencyKey)
	if err := s.Channels.Withdraw(ctx, id, r.Id, r.Body.Amount, blocks(r.Body.Within)); err != nil {
		return nil, tell(err, "id", r.Id.String(), "amount", r.Body.Amount.String())
	}
	c, err := s.channel(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return api.WithdrawChannel202JSONResponse{Body: c, Headers: api.WithdrawChannel202ResponseHeaders{Location: channelAt(r.Id)}}, nil
}

// CloseChannel wishes to end a channel.
func (s *server) CloseChannel(ctx context.Context, r api.CloseChannelRequestObject) (api.CloseChannelResponseObject, error) {
	id := channel.OrderID("close", r.Params.IdempotencyKey)
	if err := s.Channels.Close(ctx, id, r.Id, blocks(r.Body.Within), r.Body.Alone); err != nil {
		return nil, tell(err, "id", r.Id.String())
	}
	c, err := s.channel(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return api.CloseChannel202JSONResponse{Body: c, Headers: api.CloseChannel202ResponseHeaders{Location: channelAt(r.Id)}}, nil
}

// ShowFee gives what we ask in a channel.
func (s *server) ShowFee(ctx context.Context, r api.ShowFeeRequestObject) (api.ShowFeeResponseObject, error) {
	var fee message.Schedule
	known := false
	err := s.Channels.Look(ctx, func(l *ledger.Ledger) {
		if _, known = l.Channel(r.Id); known && l.Fee(r.Id) != nil {
			fee = *l.Fee(r.Id)
		}
	})
	if err == nil && !known {
		err = fmt.Errorf("%w: %s", ledger.ErrChannel, r.Id)
	}
	if err != nil {
		return nil, tell(err, "id", r.Id.String())
	}
	return api.ShowFee200JSONResponse(fee), nil
}

// SetFee says what we ask in a channel.
func (s *server) SetFee(ctx context.Context, r api.SetFeeRequestObject) (api.SetFeeResponseObject, error) {
	if err := s.Channels.SetFee(ctx, ledger.Fee{Channel: r.Id, Schedule: *r.Body}); err != nil {
		return nil, tell(err, "id", r.Id.String())
	}
	return api.SetFee200JSONResponse(*r.Body), nil
}

// blocks are those that a caller said, or the usual.
func blocks(said uint64) uint64 {
	if said == 0 {
		return usualWithin
	}
	return said
}

// readAccount reads an account in a field. Errors: contracts.ErrAddress.
func readAccount(text, field string) (contracts.Address, error) {
	a, err := contracts.ParseAddress(text)
	return a, tell(err, "field", field)
}

// ofChain is an error of asking for a transaction: what has no name of its own is
// the chain's word, whose text is for the log.
func ofChain(err error) error {
	if _, known := problemOf(err); known {
		return err
	}
	return hidden{errChain, err}
}

func channelAt(key contracts.Hash) string { return "/v1/channels/" + key.String() }

func viewOrder(id contracts.Hash, txs []channel.Tx) api.Order {
	view := api.Order{Id: id, Transactions: make([]contracts.Hash, len(txs))}
	for i, t := range txs {
		view.Transactions[i] = t.ID
	}
	return view
}

// errUnknown says that nothing is known under an id.
func errUnknown(what string, id contracts.Hash) error {
	return tell(fmt.Errorf("%s %s: %w", what, id, trade.ErrUnknown), "id", id.String())
}
