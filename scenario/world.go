package scenario

import (
	"context"
	"errors"
	"time"

	"photon/contracts"
	"photon/node/channel"
	"photon/swap/trade"
)

// ErrNotHere is why a world does not do what a story asks: it has no such thing,
// and the story is not for it.
var ErrNotHere = errors.New("not in this world")

// A Person is what somebody can do at his node.
type Person interface {
	Offer(ctx context.Context, d trade.Draft) (trade.Offer, error)
	Withdraw(ctx context.Context, offer contracts.Hash) error
	Fetch(ctx context.Context, peer string) ([]trade.Offer, error)
	Quote(ctx context.Context, offer contracts.Hash, get contracts.Amount, despite bool) (trade.Quote, error)
	Take(ctx context.Context, quote contracts.Hash) (trade.Trade, error)
	Leave(ctx context.Context, trade contracts.Hash) error
}

// A World is where a story happens. Its people are made when they are first
// named.
type World interface {
	// Person returns who sits at a node that runs. Errors: one that says that it
	// does not.
	Person(name string) (Person, error)
	// Payer returns who sits at a payment node that runs. Errors: as Person.
	Payer(name string) (Payer, error)
	// Account is somebody's account, whether or not his node runs.
	Account(name string) (contracts.Address, error)
	// Stored are the channels that a node has stored, oldest first.
	Stored(name string) ([]channel.Channel, error)
	// People are the names of all whose nodes there are, in order.
	People() []string
	// Trades are what a node has stored, by their numbers, whether or not it runs.
	Trades(name string) ([]trade.Trade, error)
	// Balance is what a person had at the start of the story, and has now.
	Balance(name string, a contracts.Asset) (began, has contracts.Amount, err error)
	// Token is the asset that a story calls by a name on a chain.
	Token(c contracts.Chain, name string) (contracts.Asset, error)
	// Start runs a node that was stopped; Stop ends it in order, Kill at once.
	Start(name string) error
	Stop(name string) error
	Kill(name string) error
	// Pass lets time go on, and blocks come as they do.
	Pass(d time.Duration) error
	// Mine makes blocks at once.
	Mine(c contracts.Chain, blocks int) error
	// Upset does to the world what a story's verb says: cut, join, down, up, stale,
	// lie, lose, reorg, fees, idle, full. Errors: ErrNotHere.
	Upset(verb string, args []string) error
	// Check returns what is broken of that which must always be true.
	Check() error
}
