package web

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strconv"

	"photon/contracts"
	"photon/web/api"
)

// ListSwaps gives one page of swaps, newest first, as JSON or CSV.
func (s *server) ListSwaps(ctx context.Context, r api.ListSwapsRequestObject) (api.ListSwapsResponseObject, error) {
	query, err := readQuery(r.Params)
	if err != nil {
		return nil, err
	}
	trades, err := s.Book.Trades(ctx, query.state != "open")
	if err != nil {
		return nil, err
	}
	found, next := query.page(trades)
	swaps := make([]api.Swap, len(found))
	for i, t := range found {
		swaps[i] = viewSwap(t)
	}
	headers := api.ListSwaps200ResponseHeaders{Link: fmt.Sprintf("<%s>; rel=\"self\"", pageAt(r.Params, r.Params.Cursor))}
	if next != "" {
		headers.Link += fmt.Sprintf(", <%s>; rel=\"next\"", pageAt(r.Params, next))
	}
	if wantsCSV(ctx) {
		table, err := swapsCSV(swaps)
		if err != nil {
			return nil, err
		}
		return api.ListSwaps200TextcsvResponse{Body: bytes.NewReader(table), ContentLength: int64(len(table)), Headers: headers}, nil
	}
	return api.ListSwaps200JSONResponse{Body: api.Swaps{Swaps: swaps, Next: next}, Headers: headers}, nil
}

// pageAt is the address of the page at cursor of a list that p asks for.
func pageAt(p api.ListSwapsParams, cursor string) string {
	q := make(url.Values)
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if p.State != "" {
		q.Set("state", string(p.State))
	}
	if p.Pair != "" {
		q.Set("pair", p.Pair)
	}
	if p.Limit != 0 {
		q.Set("limit", strconv.Itoa(int(p.Limit)))
	}
	return (&url.URL{Path: "/v1/swaps", RawQuery: q.Encode()}).String()
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
	if err := s.Book.Leave(ctx, r.Id); err != nil {
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
