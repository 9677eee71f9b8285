package web

import (
	"context"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
	"photon/swap/trade"
)

// A Maker makes offers and knows those of others. In the house: the desk of the
// swap room.
type Maker interface {
	// Offer completes, signs, stores and publishes an offer.
	// Errors: trade.ErrOffer, trade.ErrClosed.
	Offer(context.Context, trade.Draft) (trade.Offer, error)
	// Offers returns every offer known that has not expired, ours and others'.
	Offers(context.Context) ([]trade.Offer, error)
	// Posted returns the offers that boards show and that are known in no other
	// way, each checked by the node itself.
	Posted(context.Context) ([]trade.Posted, error)
	// Withdraw drops the offer with this id. Errors: trade.ErrUnknown.
	Withdraw(ctx context.Context, id contracts.Hash) error
	// Import checks and stores an offer of another. Errors: trade.ErrOffer.
	Import(context.Context, trade.Offer) error
	// Fetch asks the node with this identity for its offers, checks and stores
	// them.
	Fetch(ctx context.Context, peer string) ([]trade.Offer, error)
}

// A Taker takes offers. In the house: as Maker.
type Taker interface {
	// Quote says what get units of what the offer gives cost, with every fee. A
	// maker who has let us down too often is refused unless despite is set.
	// Errors: trade.ErrUnknown, trade.ErrClosed, trade.ErrOffer, trade.ErrStanding.
	Quote(ctx context.Context, offer contracts.Hash, get contracts.Amount, despite bool) (trade.Quote, error)
	// Take begins a trade on a quote. A quote that was taken gives the trade it
	// began, or is refused; it never begins a second. Errors: trade.ErrUnknown,
	// trade.ErrClosed, trade.ErrTooLate, trade.ErrStanding, trade.ErrShort,
	// trade.ErrConflict.
	Take(ctx context.Context, quote contracts.Hash) (trade.Trade, error)
}

// A Book is the trades of a node. In the house: as Maker.
type Book interface {
	// Trades returns the trades that are not at rest, or all, in any order.
	Trades(ctx context.Context, all bool) ([]trade.Trade, error)
	// Trade returns a trade and its transactions, oldest first.
	// Errors: trade.ErrUnknown, trade.ErrProtocol.
	Trade(ctx context.Context, id contracts.Hash) (trade.Trade, []trade.Tx, error)
	// Partners returns how everybody stands with whom we were ever in a trade.
	Partners(context.Context) ([]trade.Standing, error)
	// Leave goes no further with a trade: it cancels or refunds.
	// Errors: trade.ErrUnknown, trade.ErrProtocol, those of trade.Trade.MayLeave.
	Leave(ctx context.Context, id contracts.Hash) error
	// Send pays amount of asset to an address for a network fee of at most
	// maxFee, of the chain's coin. The same id again gives the transaction that
	// was made, and makes none. Errors: trade.ErrShort, trade.ErrConflict,
	// contracts.ErrAddress, contracts.ErrAmount.
	Send(ctx context.Context, id contracts.Hash, asset contracts.Asset, to string, amount, maxFee contracts.Amount) (trade.Tx, error)
}

// A Wallet is the node's funds on one chain. In the house: adapters/btc, ltc,
// eth, smt, sim.
type Wallet interface {
	// Balance returns what can be spent of asset and what is not yet deep enough.
	Balance(ctx context.Context, asset contracts.Asset) (confirmed, pending contracts.Amount, err error)
	// Address returns an address to be paid at.
	Address(context.Context) (string, error)
	// CheckAddress says why the wallet would not pay to an address.
	// Errors: contracts.ErrAddress.
	CheckAddress(string) error
}

// Status is how the node is. In the house: the plug, over the desk.
type Status interface {
	// Ready says why the node cannot serve.
	Ready(context.Context) error
	// Heads returns the newest block of each chain that has told one.
	Heads(context.Context) (map[contracts.Chain]trade.Head, error)
	// Mode is "normal", "refund-only" or "read-only".
	Mode() string
}

// Peers is the other nodes. In the house: adapters/peer.
type Peers interface {
	// Self is our identity.
	Self() string
	// Addresses are where other nodes reach us.
	Addresses() []string
	// Connect reaches a node at an address and returns its identity.
	Connect(ctx context.Context, address string) (string, error)
	// Account returns the account that a node has proved to speak for; of our own
	// identity ours.
	Account(ctx context.Context, identity string) (contracts.Address, error)
}

// Channels are the payment channels of a node. In the house: the payment node.
type Channels interface {
	// Look runs f while nothing changes: f neither waits nor keeps the ledger.
	Look(ctx context.Context, f func(*ledger.Ledger)) error
	// Open opens a channel with an amount in it. The same id again gives the
	// transactions that were made. Errors: contracts.ErrChain, channel.ErrPartner,
	// channel.ErrWindow, channel.ErrShort, ledger.ErrStale, why the chain refuses.
	Open(ctx context.Context, id contracts.Hash, asset contracts.Asset, partner contracts.Address, window uint64, amount contracts.Amount) ([]channel.Tx, error)
	// Deposit adds to what we have in a channel. The same id again gives the
	// transactions that were made. Errors: as Open, and ledger.ErrChannel,
	// channel.ErrStatus, channel.ErrAmount.
	Deposit(ctx context.Context, id, key contracts.Hash, amount contracts.Amount) ([]channel.Tx, error)
	// Withdraw wishes to take amount out, and Close to end a channel, for so many
	// blocks. Errors: those of ledger.Want.
	Withdraw(ctx context.Context, id, key contracts.Hash, amount contracts.Amount, within uint64) error
	Close(ctx context.Context, id, key contracts.Hash, within uint64, alone bool) error
	// SetFee says what we ask in a channel. Errors: those of ledger.SetFee.
	SetFee(context.Context, ledger.Fee) error
}

// A Payer pays, and is paid by invoices. In the house: as Channels.
type Payer interface {
	// Pay begins a payment; the same may be begun again. Errors: those of ledger.Pay.
	Pay(context.Context, ledger.Pay) error
	// Invoice makes and signs an invoice. With a hash its secret is somebody else's.
	// Errors: those of ledger.Request.
	Invoice(ctx context.Context, asset contracts.Asset, amount contracts.Amount, text string, expiry uint64, hold bool, hash contracts.Hash) (message.Invoice, error)
	// Release shows the secret of an invoice that was held, ReleaseOwn that of one
	// whose secret is ours. Errors: message.ErrInvoice.
	Release(context.Context, contracts.Secret) error
	ReleaseOwn(ctx context.Context, hash contracts.Hash) error
	// Cancel withdraws an invoice. Errors: message.ErrInvoice.
	Cancel(ctx context.Context, hash contracts.Hash) error
}

// An Archive is all that a payment node has stored. In the house: adapters/store.
type Archive interface {
	// Channels returns those that are not settled, or all, oldest first.
	Channels(ctx context.Context, all bool) ([]channel.Channel, error)
	// Payment returns one that we made, or got, and whether there is one.
	Payment(ctx context.Context, id contracts.Hash, ours bool) (ledger.Payment, bool, error)
	// Payments and Demands return a page, newest first, and what comes after it: 0
	// when there are no more.
	Payments(context.Context, ledger.Filter) ([]ledger.Payment, int64, error)
	Demands(context.Context, ledger.Filter) ([]ledger.Demand, int64, error)
	// Demand returns the invoice of ours with this hash, and whether there is one.
	Demand(ctx context.Context, hash contracts.Hash) (ledger.Demand, bool, error)
}
