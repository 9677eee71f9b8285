package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"photon/contracts"
	"photon/swap/trade"
	"photon/web/api"
)

// ListSwaps gives one page of swaps, newest first, as JSON or CSV.
func (s *server) ListSwaps(ctx context.Context, r api.ListSwapsRequestObject) (api.ListSwapsResponseObject, error) {
	query := queryOf(r.Params)
	filter, err := query.filter()
	if err != nil {
		return nil, err
	}
	trades, err := s.Book.Trades(ctx, query.State != "open")
	if err != nil {
		return nil, err
	}
	found, next := filter.page(trades)
	swaps := make([]api.Swap, len(found))
	for i, t := range found {
		swaps[i] = viewSwap(t)
	}
	headers := api.ListSwaps200ResponseHeaders{Link: fmt.Sprintf("<%s>; rel=\"self\"", query.address())}
	if next != "" {
		query.Cursor = next
		headers.Link += fmt.Sprintf(", <%s>; rel=\"next\"", query.address())
	}
	if wantsCSV(ctx) {
		table, err := asCSV(swapColumns, swaps)
		if err != nil {
			return nil, err
		}
		return api.ListSwaps200TextcsvResponse{Body: bytes.NewReader(table), ContentLength: int64(len(table)), Headers: headers}, nil
	}
	return api.ListSwaps200JSONResponse{Body: api.Swaps{Swaps: swaps, Next: next}, Headers: headers}, nil
}

// TakeQuote begins a swap.
func (s *server) TakeQuote(ctx context.Context, r api.TakeQuoteRequestObject) (api.TakeQuoteResponseObject, error) {
	t, err := s.Taker.Take(ctx, r.Body.Quote)
	if err != nil {
		return nil, tell(err, "quote", r.Body.Quote.String())
	}
	return api.TakeQuote202JSONResponse{
		Body: viewSwap(t), Headers: api.TakeQuote202ResponseHeaders{Location: swapAt(t.ID)},
	}, nil
}

// ShowSwap gives one swap with its transactions.
func (s *server) ShowSwap(ctx context.Context, r api.ShowSwapRequestObject) (api.ShowSwapResponseObject, error) {
	swap, err := s.swap(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return api.ShowSwap200JSONResponse(swap), nil
}

// LeaveSwap goes no further with a swap.
func (s *server) LeaveSwap(ctx context.Context, r api.LeaveSwapRequestObject) (api.LeaveSwapResponseObject, error) {
	if err := s.Book.Leave(ctx, r.Id); errors.Is(err, trade.ErrNotYet) {
		t, _, unknown := s.Book.Trade(ctx, r.Id)
		return nil, errors.Join(tell(err, "id", r.Id.String(), "opens_at", strconv.FormatUint(t.Ours.Terms.Expiry, 10)), unknown)
	} else if err != nil {
		return nil, tell(err, "id", r.Id.String())
	}
	swap, err := s.swap(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return api.LeaveSwap202JSONResponse{
		Body: swap, Headers: api.LeaveSwap202ResponseHeaders{Location: swapAt(r.Id)},
	}, nil
}

// ListPartners gives how everybody stands with whom we were in a swap.
func (s *server) ListPartners(ctx context.Context, _ api.ListPartnersRequestObject) (api.ListPartnersResponseObject, error) {
	partners, err := s.Book.Partners(ctx)
	if err != nil {
		return nil, err
	}
	return api.ListPartners200JSONResponse{Partners: append([]trade.Standing{}, partners...)}, nil
}

// swap is one swap with its transactions.
func (s *server) swap(ctx context.Context, id contracts.Hash) (api.Swap, error) {
	t, txs, err := s.Book.Trade(ctx, id)
	if err != nil {
		return api.Swap{}, tell(err, "id", id.String())
	}
	swap := viewSwap(t)
	swap.Transactions = viewTxs(txs)
	return swap, nil
}

func swapAt(id contracts.Hash) string { return "/v1/swaps/" + id.String() }
