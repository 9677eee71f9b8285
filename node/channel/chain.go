package channel

import (
	"crypto/sha256"
	"errors"

	"photon/contracts"
)

// ErrRewritten is what a chain says that was reorganised below what it has called
// confirmed.
var ErrRewritten = errors.New("chain was rewritten below what was confirmed")

// A Head is the newest block of a chain.
type Head struct {
	Height uint64 `json:"height"`
	Time   uint64 `json:"time"` // Unix seconds, of the block
}

// News is what a chain tells: a new head, and what has become confirmed by it, in
// order.
type News struct {
	Head    Head
	Through uint64       // block: all events up to it have been told, with this
	Events  []Happened   // of channels that we are a party of
	Secrets []Registered // all that were registered for the first time
}

// An Order is a call to a contract that we want mined once.
type Order struct {
	ID       contracts.Hash // the same call has the same
	To       contracts.Address
	Data     []byte
	Value    contracts.Amount  // of the coin
	Gas      uint64            // at most; 0 is not known, and then the chain is asked
	Token    contracts.Address // of Spends; zero is none
	Spends   contracts.Amount  // of Token, which To must be allowed to take first
	Deadline uint64            // block by which it must be mined; 0 is none
	Stake    contracts.Amount  // of the coin: no more is paid for it in fees; zero is no limit
}

// OrderID makes an order's id of what is done and the key under which our user asked
// for it.
func OrderID(kind, key string) contracts.Hash {
	return sha256.Sum256([]byte("order\x00" + kind + "\x00" + key))
}

// A Tx is a signed transaction that carries out an order.
type Tx struct {
	Order contracts.Hash
	Chain contracts.Chain
	ID    contracts.Hash
	Raw   []byte           // as the chain takes it
	Fee   contracts.Amount // at most, of the coin
	Made  uint64           // Unix seconds
	Step  int              // 0: the order itself; 1: what must come before it, an approval of tokens; 2: what frees a nonce in its way
}
