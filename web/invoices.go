package web

import (
	"context"

	"photon/contracts"
	"photon/web/api"
)

// ListInvoices gives one page of our invoices, newest first.
func (s *server) ListInvoices(ctx context.Context, r api.ListInvoicesRequestObject) (api.ListInvoicesResponseObject, error) {
	p := r.Params
	filter, err := PaymentQuery{State: said(p.State), Asset: said(p.Asset), Limit: int(said(p.Limit)), Cursor: said(p.Cursor)}.filter()
	if err != nil {
		return nil, err
	}
	found, after, err := s.Archive.Demands(ctx, filter)
	if err != nil {
		return nil, err
	}
	view := api.Invoices{Invoices: make([]api.Invoice, len(found)), Next: pageOf(after)}
	for i, d := range found {
		view.Invoices[i] = viewInvoice(d)
	}
	return api.ListInvoices200JSONResponse(view), nil
}

// MakeInvoice makes an invoice.
func (s *server) MakeInvoice(ctx context.Context, r api.MakeInvoiceRequestObject) (api.MakeInvoiceResponseObject, error) {
	b := r.Body
	i, err := s.Payer.Invoice(ctx, b.Asset, b.Amount, b.Text, b.Expires, b.Hold, said(b.Hash))
	if err != nil {
		return nil, tell(err, "asset", b.Asset.String(), "amount", b.Amount.String())
	}
	view, err := s.invoice(ctx, i.Hash)
	if err != nil {
		return nil, err
	}
	return api.MakeInvoice201JSONResponse(view), nil
}

// ShowInvoice gives one invoice of ours.
func (s *server) ShowInvoice(ctx context.Context, r api.ShowInvoiceRequestObject) (api.ShowInvoiceResponseObject, error) {
	view, err := s.invoice(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return api.ShowInvoice200JSONResponse(view), nil
}

// invoice is one invoice of ours. Errors: trade.ErrUnknown.
func (s *server) invoice(ctx context.Context, hash contracts.Hash) (api.Invoice, error) {
	d, known, err := s.Archive.Demand(ctx, hash)
	if err != nil {
		return api.Invoice{}, err
	}
	if !known {
		return api.Invoice{}, errUnknown("invoice", hash)
	}
	return viewInvoice(d), nil
}

// ReleaseInvoice shows the secret of an invoice that was held.
func (s *server) ReleaseInvoice(ctx context.Context, r api.ReleaseInvoiceRequestObject) (api.ReleaseInvoiceResponseObject, error) {
	if _, err := s.invoice(ctx, r.Id); err != nil {
		return nil, err
	}
	var err error
	if r.Body.Secret == nil {
		err = s.Payer.ReleaseOwn(ctx, r.Id)
	} else if secret := contracts.Secret(*r.Body.Secret); secret.Hash() != r.Id {
		err = errWrongSecret
	} else {
		err = s.Payer.Release(ctx, secret)
	}
	if err != nil {
		return nil, tell(err, "id", r.Id.String())
	}
	view, err := s.invoice(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return api.ReleaseInvoice202JSONResponse(view), nil
}

// CancelInvoice withdraws an invoice.
func (s *server) CancelInvoice(ctx context.Context, r api.CancelInvoiceRequestObject) (api.CancelInvoiceResponseObject, error) {
	if _, err := s.invoice(ctx, r.Id); err != nil {
		return nil, err
	}
	if err := s.Payer.Cancel(ctx, r.Id); err != nil {
		return nil, tell(err, "id", r.Id.String())
	}
	view, err := s.invoice(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return api.CancelInvoice202JSONResponse(view), nil
}
