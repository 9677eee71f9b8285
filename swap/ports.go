package swap

import (
	"context"

	"photon/contracts"
	"photon/swap/trade"
)

// A Chain tells the fate of legs. In the house: adapters/btc, ltc, eth, smt,
// sim.
type Chain interface {
	// Party returns who we are on this chain in the trade with this number: the
	// redeemer of their leg or the refunder of ours.
	Party(ctx context.Context, number uint64) (contracts.Party, error)
	// Head returns the newest block.
	Head(ctx context.Context) (trade.Head, error)
	// Watch adds legs to those whose fates Follow delivers. A leg watched
	// already is not an error.
	Watch(ctx context.Context, legs ...trade.Watch) error
	// Forget ends the watch of legs.
	Forget(legs ...trade.Watch)
	// Follow delivers news in order until ctx ends: one News a new head, and one
	// soon after a Watch. An endpoint that is down is waited for; deliver's error
	// ends it.
	Follow(ctx context.Context, deliver func(context.Context, trade.News) error) error
	// Agree asks every endpoint for the lock at f and returns an error unless
	// all that answer, and most of them, see it as f says.
	Agree(ctx context.Context, w trade.Watch, f trade.Fate) error
}

// A Spender makes transactions on a chain and broadcasts them. In the house: as
// Chain.
type Spender interface {
	// Prepare makes and signs what o asks for, reserves what it spends, and
	// broadcasts nothing. For Lock it returns all that must be sent, in order
	// (an approval of tokens first), and last, where the chain has such a thing,
	// the signed refund, Held. Errors: trade.ErrShort when funds are lacking,
	// trade.ErrNotYet when the chain does not allow it yet.
	Prepare(ctx context.Context, o trade.Order) ([]trade.Tx, error)
	// Send broadcasts tx. One that the chain knows already is no error.
	// Errors: trade.ErrSpent when what it spends is gone.
	Send(ctx context.Context, tx trade.Tx) error
	// Buried is how many blocks hold tx or stand on the one that does; 0 while it
	// waits, after a reorganisation has undone it, or when that is not known.
	Buried(ctx context.Context, tx trade.Tx) (depth uint64, err error)
	// Hasten makes what raises the fee of tx, which was sent and is not mined:
	// a replacement or a child. Errors: trade.ErrNotYet when tx is well paid.
	Hasten(ctx context.Context, o trade.Order, tx trade.Tx) (trade.Tx, error)
	// Resume reserves what stored transactions spend, after a restart.
	Resume(ctx context.Context, txs []trade.Tx) error
	// Release gives back what a transaction that was never sent had reserved.
	Release(tx trade.Tx)
}

// A Treasury answers what a quote needs. In the house: as Chain.
type Treasury interface {
	// Balance is our money on the chain: spendable now, and on its way.
	Balance(ctx context.Context, asset contracts.Asset) (confirmed, pending contracts.Amount, err error)
	// Fees estimates what a lock, a redeem and a refund of asset cost now, in the
	// chain's coin.
	Fees(ctx context.Context, asset contracts.Asset) (lock, redeem, refund contracts.Amount, err error)
	// CheckAddress refuses what Send could not pay to. Errors:
	// contracts.ErrAddress.
	CheckAddress(address string) error
}

// A Ledger is all that the desk needs of one chain.
type Ledger interface {
	Chain
	Spender
	Treasury
}

// A Cosigner spends a leg by a signature of both parties, which looks like any
// payment and is cheaper. Only BTC and LTC have it. A session lives in memory
// only and its nonces are used once.
type Cosigner interface {
	// Propose begins a session for o, which is ours to redeem or refund.
	Propose(ctx context.Context, o trade.Order) (trade.CosignSession, error)
	// Cosign answers a partner's request about a leg that o describes from our
	// side. It builds the transaction itself from o and q's destination and fee.
	Cosign(ctx context.Context, o trade.Order, q trade.CosignRequest) (trade.CosignAnswer, error)
}

// A Peer carries messages to other nodes, encrypted, to whom they are meant. In
// the house: adapters/peer, sim.
type Peer interface {
	// Self is our identity.
	Self() string
	// Reach is where others elsewhere reach us, best first, without our identity:
	// at most trade.MaxAt multiaddrs of at most trade.MaxAtLetter letters.
	Reach() []string
	// Learn notes where a node says that it can be reached, for when it is asked.
	// No addresses are no error.
	Learn(ctx context.Context, identity string, at []string) error
	// Ask sends body to a node and returns its answer. It tries until ctx ends;
	// whoever asks again is answered from the same state.
	Ask(ctx context.Context, to string, body []byte) ([]byte, error)
}

// A Store keeps trades and the effects that are still to be carried out. In the
// house: adapters/store, sim.
type Store interface {
	// Save stores c whole or not at all. Errors: trade.ErrConflict when a stored
	// trade's version is not the one before.
	Save(ctx context.Context, c trade.Change) error
	// Trades returns all trades that are not at rest, or all.
	Trades(ctx context.Context, all bool) ([]trade.Trade, error)
	// Pending returns effects that are not done, oldest first.
	Pending(ctx context.Context) ([]trade.Pending, error)
	// SaveTxs stores transactions before they are broadcast. One that is stored
	// already is no error; stored again without Held, it is no longer held.
	SaveTxs(ctx context.Context, txs ...trade.Tx) error
	// Txs returns the transactions of a trade, oldest first; when id is zero, of
	// every trade that is not at rest, and the sends of the last two weeks.
	Txs(ctx context.Context, id contracts.Hash) ([]trade.Tx, error)
}

// Offers keeps offers, ours and others'. In the house: as Store.
type Offers interface {
	SaveOffer(ctx context.Context, o trade.Offer) error
	Offers(ctx context.Context) ([]trade.Offer, error)
	DropOffer(ctx context.Context, id contracts.Hash) error
}

// A Board is a list of offers that some host keeps for everybody. It is a hint: it
// can lie, leave out, and go away. In the house: the client in web.
type Board interface {
	// Name is its address, for people.
	Name() string
	// Offers returns those that give and want these assets, best rate first, as
	// many as the board likes; nobody has checked them.
	Offers(ctx context.Context, realm string, give, want contracts.Asset) ([]trade.Offer, error)
	// Of returns what the board shows of a maker.
	Of(ctx context.Context, realm, maker string) ([]trade.Offer, error)
	// Post puts an offer up, or lets one that is up stay longer. Errors:
	// trade.ErrOffer when the board refuses it and asking again is no use.
	Post(ctx context.Context, o trade.Offer) error
	// Withdraw takes an offer down; signature is the maker's, over
	// trade.Withdrawal. One that is not up is no error.
	Withdraw(ctx context.Context, id contracts.Hash, signature []byte) error
}

// A Journal is a small sealed log beside the mnemonic. With the two alone a lost
// node's trades are found again on the chains. In the house: adapters/keys.
type Journal interface {
	// Append stores records, durable when it returns.
	Append(records ...[]byte) error
	// Records returns every whole record of ours, oldest first.
	Records() ([][]byte, error)
}

// Secrets derives the secrets of trades, so that none is ever stored. In the
// house: adapters/keys.
type Secrets interface {
	Secret(number uint64) contracts.Secret
	// Sign signs a digest with the node's identity.
	Sign(digest contracts.Hash) ([]byte, error)
}
