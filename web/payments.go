package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
	"photon/web/api"
)

// A PaymentQuery is which page of payments, or of invoices, is asked for. The zero
// one is the first page of all.
type PaymentQuery struct {
	State  string // one status
	Way    string // "sent" or "got"; of payments only
	Asset  string // such as "SMT"
	Limit  int    // the most of the page; 0 is 50
	Cursor string // the Next of the page before
}

// filter reads what the query says. Errors: contracts.ErrChain,
// contracts.ErrAddress, errInvalid.
func (q PaymentQuery) filter() (ledger.Filter, error) {
	f := ledger.Filter{Status: q.State, Limit: q.Limit}
	if f.Limit == 0 {
		f.Limit = 50
	}
	if q.Way != "" {
		ours := q.Way == string(api.PaymentWaySent)
		f.Ours = &ours
	}
	if q.Asset != "" {
		var err error
		if f.Asset, err = contracts.ParseAsset(q.Asset); err != nil {
			return f, tell(err, "field", "asset")
		}
	}
	if q.Cursor != "" {
		after, err := strconv.ParseInt(q.Cursor, 10, 64)
		if err != nil {
			return f, tell(fmt.Errorf("%w: not a cursor of ours", errInvalid), "in", "query", "field", "cursor")
		}
		f.After = after
	}
	return f, nil
}

// address is where the page is.
func (q PaymentQuery) address() string {
	v := make(url.Values)
	for name, value := range map[string]string{"state": q.State, "way": q.Way, "asset": q.Asset, "cursor": q.Cursor} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return (&url.URL{Path: "/v1/payments", RawQuery: v.Encode()}).String()
}

// unlessZero is a parameter, or nothing.
func unlessZero[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// pageOf is the cursor of the page that begins after; "" when there is none.
func pageOf(after int64) string {
	if after == 0 {
		return ""
	}
	return strconv.FormatInt(after, 10)
}

// ListPayments gives one page of payments, newest first, as JSON or CSV.
func (s *server) ListPayments(ctx context.Context, r api.ListPaymentsRequestObject) (api.ListPaymentsResponseObject, error) {
	p := r.Params
	query := PaymentQuery{State: said(p.State), Way: said(p.Way), Asset: said(p.Asset), Limit: int(said(p.Limit)), Cursor: said(p.Cursor)}
	filter, err := query.filter()
	if err != nil {
		return nil, err
	}
	found, after, err := s.Archive.Payments(ctx, filter)
	if err != nil {
		return nil, err
	}
	view := make([]api.Payment, len(found))
	for i, p := range found {
		view[i] = viewPayment(p)
	}
	next := pageOf(after)
	headers := api.ListPayments200ResponseHeaders{Link: fmt.Sprintf("<%s>; rel=\"self\"", query.address())}
	if next != "" {
		query.Cursor = next
		headers.Link += fmt.Sprintf(", <%s>; rel=\"next\"", query.address())
	}
	if wantsCSV(ctx) {
		table, err := asCSV(paymentColumns, view)
		if err != nil {
			return nil, err
		}
		return api.ListPayments200TextcsvResponse{Body: bytes.NewReader(table), ContentLength: int64(len(table)), Headers: headers}, nil
	}
	return api.ListPayments200JSONResponse{Body: api.Payments{Payments: view, Next: next}, Headers: headers}, nil
}

// ShowPayment gives one payment.
func (s *server) ShowPayment(ctx context.Context, r api.ShowPaymentRequestObject) (api.ShowPaymentResponseObject, error) {
	for _, ours := range []bool{true, false} {
		p, known, err := s.Archive.Payment(ctx, r.Id, ours)
		if err != nil {
			return nil, err
		}
		if known {
			return api.ShowPayment200JSONResponse(viewPayment(p)), nil
		}
	}
	return nil, errUnknown("payment", r.Id)
}

// Pay begins a payment.
func (s *server) Pay(ctx context.Context, r api.PayRequestObject) (api.PayResponseObject, error) {
	p, err := readPay(*r.Body, r.Params.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	if err := s.Payer.Pay(ctx, p); err != nil {
		return nil, tell(err, "asset", p.Asset.String(), "amount", p.Amount.String(), "to", p.To.Hex())
	}
	made, known, err := s.Archive.Payment(ctx, p.ID, true)
	if err == nil && !known {
		err = fmt.Errorf("payment %s was begun, and is not stored", p.ID)
	}
	if err != nil {
		return nil, err
	}
	return api.Pay202JSONResponse{Body: viewPayment(made), Headers: api.Pay202ResponseHeaders{Location: "/v1/payments/" + p.ID.String()}}, nil
}

// readPay reads a payment as a caller asks for it: of an invoice, or to an account.
// Errors: errInvalid, message.ErrInvoice, contracts.ErrAddress.
func readPay(b api.Pay, key string) (ledger.Pay, error) {
	p := ledger.Pay{ID: channel.OrderID("pay", key), MaxFee: b.MaxFee, Text: b.Text, Deadline: b.Deadline, Plain: b.Direct}
	missing := errors.New("say either an invoice, or to, asset and amount")
	switch {
	case b.Invoice != "" && (b.To != "" || b.Asset != nil || b.Amount != nil):
		return p, tell(fmt.Errorf("%w: %w", errInvalid, missing), "field", "invoice")
	case b.Invoice != "":
		i, err := message.ParseInvoice(b.Invoice)
		if err != nil {
			return p, tell(err, "field", "invoice")
		}
		p.Invoice, p.To, p.Asset, p.Amount = &i, i.Payee, i.Asset, i.Amount
		if !p.Plain {
			p.ID = i.Hash
		}
	case b.To == "" || b.Asset == nil || b.Amount == nil:
		return p, tell(fmt.Errorf("%w: %w", errInvalid, missing), "field", "to")
	default:
		to, err := readAccount(b.To, "to")
		if err != nil {
			return p, err
		}
		p.To, p.Asset, p.Amount = to, *b.Asset, *b.Amount
	}
	if len(b.Route) == 0 {
		return p, nil
	}
	if p.Invoice == nil || p.Plain {
		return p, tell(fmt.Errorf("%w: only an invoice is paid over others", errInvalid), "field", "route")
	}
	route := ledger.Route{Sent: p.Amount.Plus(p.MaxFee), Amount: p.Amount}
	for _, text := range b.Route {
		node, err := readAccount(text, "route")
		if err != nil {
			return p, err
		}
		route.Nodes = append(route.Nodes, node)
	}
	route.Nodes = append(route.Nodes, p.To)
	p.Routes = []ledger.Route{route}
	return p, nil
}

// limit is a number of things on a page as the document has it.
func limit(n int) *int32 { return unlessZero(int32(min(n, math.MaxInt32))) }
