package node

import (
	"context"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
)

// A Chain tells what happens to our channels. In the house: adapters/evm, sim.
type Chain interface {
	// Channels is the contract that the channels are at; SecretRegistry dates
	// secrets for it.
	Channels() (channels contracts.Channels, registry contracts.Address)
	// Tip returns the newest block.
	Tip(ctx context.Context) (channel.Head, error)
	// FollowChannels delivers what has become confirmed in blocks after from, in
	// order, until ctx ends: one News a new head at least. An endpoint that is down is
	// waited for; deliver's error ends it. Errors: channel.ErrRewritten.
	FollowChannels(ctx context.Context, from uint64, deliver func(context.Context, channel.News) error) error
}

// A Spender makes transactions of our account and broadcasts them. In the house: as
// Chain.
type Spender interface {
	// PrepareCall makes and signs what o asks for and broadcasts nothing: all that
	// must be sent, in order. For an order whose transaction waits, or has done what
	// it should, it returns that one. Errors: channel.ErrShort when funds are
	// lacking; a call that would be refused now is an error and costs nothing.
	PrepareCall(ctx context.Context, o channel.Order) ([]channel.Tx, error)
	// SendCall broadcasts tx. One that the chain knows already is no error.
	SendCall(ctx context.Context, tx channel.Tx) error
	// CallBuried is how many blocks hold tx or stand on the one that does, 0 while it
	// waits, and whether it has done what it should. With a depth and not done it has
	// failed for good, and its order may be prepared again.
	CallBuried(ctx context.Context, tx channel.Tx) (depth uint64, done bool, err error)
	// HastenCall makes the same call with a higher price, or what frees a nonce that
	// holds it up: to be stored and sent as well. ok is false when tx is well paid.
	HastenCall(ctx context.Context, o channel.Order, tx channel.Tx) (faster channel.Tx, ok bool, err error)
	// ResumeCalls reserves what stored transactions spend, after a restart.
	ResumeCalls(ctx context.Context, txs []channel.Tx) error
}

// A Ledger is all that a node needs of one chain.
type Ledger interface {
	Chain
	Spender
}

// A Peer carries messages to other nodes, encrypted, to whom they are meant, in the
// order in which they were given. In the house: adapters/peer, sim.
type Peer interface {
	// Tell sends body to the node of an account and returns once that node has it
	// stored. It tries until ctx ends, and fails at once when no node of the account
	// is known: Met tells when there is one.
	Tell(ctx context.Context, to contracts.Address, body []byte) error
	// Ask sends body and returns the answer.
	Ask(ctx context.Context, to contracts.Address, body []byte) ([]byte, error)
	// Met delivers the accounts of nodes as they become reachable.
	Met() <-chan contracts.Address
	// Trust says whether an account is a partner of ours, whose node may say much and
	// is found again after a restart.
	Trust(account contracts.Address, yes bool)
}

// A Store keeps the ledger. In the house: adapters/store, sim.
type Store interface {
	// SaveLedger stores c whole or not at all. Errors: ledger.ErrConflict when a
	// stored channel's version is not the one before.
	SaveLedger(ctx context.Context, c ledger.Change) error
	// LoadLedger returns all that is not at rest.
	LoadLedger(ctx context.Context) (ledger.Loaded, error)
	// Said returns what was recorded of a channel's epoch, oldest first.
	Said(ctx context.Context, key contracts.Hash, epoch uint64) ([]channel.Record, error)
	// Payment returns one that we made, or that was made to us, at rest or not.
	Payment(ctx context.Context, id contracts.Hash, ours bool) (ledger.Payment, bool, error)
	// SaveCallTxs stores transactions before they are broadcast.
	SaveCallTxs(ctx context.Context, txs ...channel.Tx) error
	// CallTxs returns the transactions of orders that are not at rest, oldest first:
	// those that no Change has named in Rest.
	CallTxs(ctx context.Context) ([]channel.Tx, error)
	// OrderTxs returns the transactions of one order, at rest or not, oldest first.
	OrderTxs(ctx context.Context, order contracts.Hash) ([]channel.Tx, error)
}

// Routes finds ways through channels of others. In the house: the client of the
// path-finding service, sim.
type Routes interface {
	// Find returns routes for amount to arrive at to, best first; each with what
	// enters it. Errors: ledger.ErrNoRoute.
	Find(ctx context.Context, q ledger.Query) ([]ledger.Route, error)
}

// Secrets derives the secrets of invoices, so that none is stored before it is
// shown, and signs. In the house: adapters/keys.
type Secrets interface {
	InvoiceSecret(number uint64) contracts.Secret
	// SignDigest signs with the key of our account, which is the same on all chains.
	SignDigest(digest contracts.Hash) (contracts.Signature, error)
}
