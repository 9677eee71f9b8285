package web

import (
	"context"
	"io"

	"photon/contracts"
	"photon/node/message"
	"photon/web/api"
)

// Peer lets the node reach another at an address, and returns who answered: its
// identity, and the account that it has proved to speak for.
func (c *Client) Peer(ctx context.Context, address string) (api.Peer, error) {
	return answer[api.Peer](c.api.ConnectPeer(ctx, api.Connect{Address: address}))
}

// Channels returns the channels with a status, and with a partner; "" is every
// partner, and all that are not settled.
func (c *Client) Channels(ctx context.Context, state, partner string) ([]api.Channel, error) {
	a, err := answer[api.Channels](c.api.ListChannels(ctx, &api.ListChannelsParams{State: unlessZero(state), Partner: unlessZero(partner)}))
	return a.Channels, err
}

// Channel returns one channel.
func (c *Client) Channel(ctx context.Context, id contracts.Hash) (api.Channel, error) {
	return answer[api.Channel](c.api.ShowChannel(ctx, id))
}

// OpenChannel opens a channel, once a key.
func (c *Client) OpenChannel(ctx context.Context, key string, o api.Open) (api.Order, error) {
	return answer[api.Order](c.api.OpenChannel(ctx, &api.OpenChannelParams{IdempotencyKey: key}, o))
}

// Deposit adds to what we have in a channel, once a key.
func (c *Client) Deposit(ctx context.Context, key string, id contracts.Hash, amount contracts.Amount) (api.Order, error) {
	return answer[api.Order](c.api.DepositChannel(ctx, id, &api.DepositChannelParams{IdempotencyKey: key}, api.Deposit{Amount: amount}))
}

// WithdrawChannel takes out of a channel, once a key.
func (c *Client) WithdrawChannel(ctx context.Context, key string, id contracts.Hash, w api.Withdrawal) (api.Channel, error) {
	return answer[api.Channel](c.api.WithdrawChannel(ctx, id, &api.WithdrawChannelParams{IdempotencyKey: key}, w))
}

// CloseChannel closes a channel, once a key.
func (c *Client) CloseChannel(ctx context.Context, key string, id contracts.Hash, how api.Close) (api.Channel, error) {
	return answer[api.Channel](c.api.CloseChannel(ctx, id, &api.CloseChannelParams{IdempotencyKey: key}, how))
}

// Fee returns what the node asks in a channel.
func (c *Client) Fee(ctx context.Context, id contracts.Hash) (message.Schedule, error) {
	return answer[message.Schedule](c.api.ShowFee(ctx, id))
}

// SetFee says what the node asks in a channel.
func (c *Client) SetFee(ctx context.Context, id contracts.Hash, fee message.Schedule) (message.Schedule, error) {
	return answer[message.Schedule](c.api.SetFee(ctx, id, fee))
}

// Pay begins a payment, once a key.
func (c *Client) Pay(ctx context.Context, key string, p api.Pay) (api.Payment, error) {
	return answer[api.Payment](c.api.Pay(ctx, &api.PayParams{IdempotencyKey: key}, p))
}

// Payment returns one payment.
func (c *Client) Payment(ctx context.Context, id contracts.Hash) (api.Payment, error) {
	return answer[api.Payment](c.api.ShowPayment(ctx, id))
}

// Payments returns one page of payments; Next is the cursor of the next.
func (c *Client) Payments(ctx context.Context, q PaymentQuery) (api.Payments, error) {
	return answer[api.Payments](c.api.ListPayments(ctx, q.params()))
}

// PaymentsCSV writes one page of payments as CSV.
func (c *Client) PaymentsCSV(ctx context.Context, q PaymentQuery, to io.Writer) error {
	return table(to)(c.api.ListPayments(ctx, q.params(), inCSV))
}

func (q PaymentQuery) params() *api.ListPaymentsParams {
	return &api.ListPaymentsParams{
		State: unlessZero(q.State), Way: unlessZero(q.Way), Asset: unlessZero(q.Asset), Limit: limit(q.Limit), Cursor: unlessZero(q.Cursor),
	}
}

// Bill makes an invoice, once a key.
func (c *Client) Bill(ctx context.Context, key string, b api.Bill) (api.Invoice, error) {
	return answer[api.Invoice](c.api.MakeInvoice(ctx, &api.MakeInvoiceParams{IdempotencyKey: key}, b))
}

// Invoice returns one invoice of ours.
func (c *Client) Invoice(ctx context.Context, id contracts.Hash) (api.Invoice, error) {
	return answer[api.Invoice](c.api.ShowInvoice(ctx, id))
}

// Invoices returns one page of our invoices; Next is the cursor of the next.
func (c *Client) Invoices(ctx context.Context, q PaymentQuery) (api.Invoices, error) {
	return answer[api.Invoices](c.api.ListInvoices(ctx, &api.ListInvoicesParams{
		State: unlessZero(q.State), Asset: unlessZero(q.Asset), Limit: limit(q.Limit), Cursor: unlessZero(q.Cursor),
	}))
}

// ReleaseInvoice shows the secret of an invoice that was held: ours, or the one
// given.
func (c *Client) ReleaseInvoice(ctx context.Context, id contracts.Hash, secret *contracts.Hash) (api.Invoice, error) {
	return answer[api.Invoice](c.api.ReleaseInvoice(ctx, id, api.Release{Secret: secret}))
}

// CancelInvoice withdraws an invoice.
func (c *Client) CancelInvoice(ctx context.Context, id contracts.Hash) (api.Invoice, error) {
	return answer[api.Invoice](c.api.CancelInvoice(ctx, id))
}
