package trade

import "photon/contracts"

// A Side is one of the two legs of a trade, as we see them.
type Side string

// The sides.
const (
	Ours   Side = "ours"   // the leg that we lock and can refund
	Theirs Side = "theirs" // the leg that the partner locks and we redeem
)

// A Purpose is what a transaction does with a leg.
type Purpose string

// The purposes.
const (
	Approve Purpose = "approve" // lets HashLock take the tokens that Lock will lock
	Lock    Purpose = "lock"
	Redeem  Purpose = "redeem"
	Refund  Purpose = "refund"
	Send    Purpose = "send" // of no trade: pays from our wallet
)

// A Head is the newest block of a chain as we know it.
type Head struct {
	Height uint64         `json:"height"`
	Hash   contracts.Hash `json:"hash"`
	Time   uint64         `json:"time"` // Unix seconds that time locks are compared with: median time past on BTC and LTC, the block's timestamp on ETH and SMT
}

// A Spot is where a lock lies on its chain.
type Spot struct {
	TxID   contracts.Hash   `json:"txid"`
	Index  uint32           `json:"index"`  // number of the output; 0 on ETH and SMT
	Amount contracts.Amount `json:"amount"` // what lies there; at least the terms' amount
	Height uint64           `json:"height"` // block; 0 while it waits to be mined
	Fee    contracts.Amount `json:"fee"`    // network fee of the transaction; 0 when unknown
}

// A Kind is how a lock ended.
type Kind string

// The kinds.
const (
	BySecret Kind = "secret" // redeemed
	ByTime   Kind = "time"   // refunded
	ByBoth   Kind = "both"   // both signed: it shows nothing, the two know which it was
)

// An End is the transaction that spent a lock.
type End struct {
	Kind   Kind              `json:"kind"`
	TxID   contracts.Hash    `json:"txid"`
	Height uint64            `json:"height"`           // block; 0 while it waits to be mined
	Secret *contracts.Secret `json:"secret,omitempty"` // of BySecret: it is public
	Fee    contracts.Amount  `json:"fee"`              // network fee of the transaction; 0 when unknown
}

// A Fate is all that a chain says of one lock: whole, not a difference. A
// reorganisation that takes something back is simply a newer fate that says less.
type Fate struct {
	Lock *Spot `json:"lock,omitempty"` // nil: no such lock
	End  *End  `json:"end,omitempty"`  // nil: not spent
}

// A Watch asks a chain for the fate of one leg's lock. Only a lock that matches
// Terms exactly, with at least and at most twice its amount, counts.
type Watch struct {
	ID    contracts.Hash // of the trade: the hash of its secret
	Side  Side
	Terms contracts.Terms
	From  uint64 // height of the first block that can hold the lock
}

// A Sighting is the fate of one watched leg at a head.
type Sighting struct {
	ID   contracts.Hash
	Side Side
	Fate Fate
}

// News is what a new head of a chain changed: the fates that are other than last
// said, and those never said since they were watched.
type News struct {
	Chain     contracts.Chain
	Head      Head
	Sightings []Sighting
}

// An Order is a transaction that a trade wants on a chain, with all that is
// needed to make it but the keys.
type Order struct {
	ID       contracts.Hash
	Number   uint64 // of our keys, see [Trade.Number]
	Side     Side
	Purpose  Purpose
	Terms    contracts.Terms
	Spot     *Spot             // the lock that Redeem and Refund spend
	Secret   *contracts.Secret // of Redeem
	Deadline uint64            // Unix seconds by which it must be mined; fees grow as it nears
	To       string            // address that Send pays Terms.Amount of Terms.Asset
}

// A Tx is a signed transaction of ours. It is stored before it is broadcast, and
// only stored ones ever are.
type Tx struct {
	ID      contracts.Hash // of the trade; of Send, of the request
	Chain   contracts.Chain
	Side    Side
	Purpose Purpose
	TxID    contracts.Hash
	Raw     []byte           // as its chain takes it
	Fee     contracts.Amount // network fee: exact on BTC and LTC, at most on ETH and SMT
	Held    bool             // a refund signed in advance: kept, not yet to be broadcast
	Made    uint64           // Unix seconds
	Pays    string           // of Send: what is paid to whom, so that no other payment passes under its id
}
