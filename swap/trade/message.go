package trade

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"photon/contracts"
)

// ErrMessage is why bytes of a partner are refused.
var ErrMessage = errors.New("not a message")

// MaxMessage is the most bytes that a message may have.
const MaxMessage = 16 << 10

// A Message is what one party tells the other. Messages are hints: the chains
// are the truth.
type Message interface{ kind() string }

// A Take asks for a trade on an offer. The maker's parties are empty in it.
type Take struct {
	Offer  contracts.Hash  `json:"offer"`
	Start  uint64          `json:"start"` // Unix seconds
	First  contracts.Terms `json:"first"` // the leg that the taker locks
	Second contracts.Terms `json:"second"`
}

// An Accept names the maker's parties. With it both know the terms.
type Accept struct {
	ID       contracts.Hash  `json:"id"`
	Redeemer contracts.Party `json:"redeemer"` // of the first leg
	Refunder contracts.Party `json:"refunder"` // of the second leg
}

// A Refuse ends a trade in which nothing is locked.
type Refuse struct {
	ID     contracts.Hash `json:"id"`
	Reason string         `json:"reason"`
}

// An Abandon says that the sender goes no further: he will not lock, or will not
// redeem.
type Abandon struct {
	ID contracts.Hash `json:"id"`
}

// A CosignRequest asks for half of a signature that spends a leg together. To
// redeem, the asker must have shown the secret.
type CosignRequest struct {
	ID      contracts.Hash   `json:"id"`
	Chain   contracts.Chain  `json:"chain"`   // of the leg
	Purpose Purpose          `json:"purpose"` // Redeem or Refund
	TxID    contracts.Hash   `json:"txid"`    // of the lock, so that both speak of one
	Index   uint32           `json:"index"`
	To      []byte           `json:"to"`    // output script of the asker
	Fee     contracts.Amount `json:"fee"`   // the output is the lock less this
	Nonce   []byte           `json:"nonce"` // 66 bytes, BIP-327
	Secret  string           `json:"secret,omitempty"`
}

// A CosignAnswer is the other half.
type CosignAnswer struct {
	Nonce   []byte `json:"nonce"`   // 66 bytes, BIP-327
	Partial []byte `json:"partial"` // 32 bytes, BIP-327
}

// A CosignSession is one use of one nonce: our half of a signature of both. It
// lives in memory only.
type CosignSession interface {
	Request() CosignRequest
	// Finish checks the partner's half and returns the whole transaction.
	Finish(CosignAnswer) (Tx, error)
}

// An OffersRequest asks a node for its offers, a page of them.
type OffersRequest struct {
	Skip uint64 `json:"skip"` // offers that were had already
}

// OffersAnswer is a page of a node's offers, in a fixed order; one that is not full
// is the last.
type OffersAnswer struct {
	Offers []Offer `json:"offers"`
}

// OffersPage is how many offers a full page has: it fits into one message.
const OffersPage = 10

func (Take) kind() string          { return "take" }
func (Accept) kind() string        { return "accept" }
func (Refuse) kind() string        { return "refuse" }
func (Abandon) kind() string       { return "abandon" }
func (CosignRequest) kind() string { return "cosign" }
func (CosignAnswer) kind() string  { return "cosigned" }
func (OffersRequest) kind() string { return "offers?" }
func (OffersAnswer) kind() string  { return "offers" }

type envelope struct {
	Version int             `json:"v"`
	Kind    string          `json:"kind"`
	Body    json.RawMessage `json:"body"`
}

// Encode gives the one encoding of m.
func Encode(m Message) []byte {
	body, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("trade: encode %T: %v", m, err)) // every field has an encoding
	}
	raw, err := json.Marshal(envelope{Protocol, m.kind(), body})
	if err != nil {
		panic(fmt.Sprintf("trade: encode %T: %v", m, err))
	}
	return raw
}

// Decode reads what Encode gives, strictly: nothing unknown, nothing behind it.
// Errors: ErrMessage, and ErrProtocol besides when it is of another version.
func Decode(raw []byte) (Message, error) {
	if len(raw) > MaxMessage {
		return nil, fmt.Errorf("%w: %d bytes", ErrMessage, len(raw))
	}
	var e envelope
	if err := strict(raw, &e); err != nil {
		return nil, err
	}
	if err := spoken(e.Version); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	read, known := readers[e.Kind]
	if !known {
		return nil, fmt.Errorf("%w: kind %.20q", ErrMessage, e.Kind)
	}
	return read(e.Body)
}

var readers = map[string]func([]byte) (Message, error){
	"take": read[Take], "accept": read[Accept], "refuse": read[Refuse], "abandon": read[Abandon],
	"cosign": read[CosignRequest], "cosigned": read[CosignAnswer], "offers?": read[OffersRequest], "offers": read[OffersAnswer],
}

func read[M Message](body []byte) (Message, error) {
	var m M
	if err := strict(body, &m); err != nil {
		return nil, err
	}
	return m, nil
}

func strict(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %v", ErrMessage, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: bytes behind its end", ErrMessage)
	}
	return nil
}
