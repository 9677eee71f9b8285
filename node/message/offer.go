package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"photon/contracts"
)

// ErrOffer is why an offer is refused.
var ErrOffer = errors.New("not an offer that can be taken")

// An Offer is an exchange of two assets that its maker offers to its taker, who has a
// channel of each with him. Nobody needs to sign it: the maker keeps his word by
// promising his part when the taker's is locked for him, or has broken it and got
// nothing.
type Offer struct {
	Hash   contracts.Hash    `json:"hash"` // SHA-256 of the taker's secret; the exchange's id
	Maker  contracts.Address `json:"maker"`
	Taker  contracts.Address `json:"taker"`
	Give   Sum               `json:"give"`   // by the taker
	Get    Sum               `json:"get"`    // by the taker
	Expiry uint64            `json:"expiry"` // Unix second from which the maker is bound no more
}

// A Sum is so much of an asset.
type Sum struct {
	Asset  contracts.Asset  `json:"asset"`
	Amount contracts.Amount `json:"amount"`
}

// Check refuses what is no exchange, or not at now, in Unix seconds. Errors: ErrOffer.
func (o Offer) Check(now uint64) error {
	switch {
	case o.Hash.Degenerate():
		return fmt.Errorf("%w: anybody can know the secret of %s", ErrOffer, o.Hash)
	case o.Maker == o.Taker || o.Maker == (contracts.Address{}) || o.Taker == (contracts.Address{}):
		return fmt.Errorf("%w: by %s to %s", ErrOffer, o.Maker, o.Taker)
	case o.Give.Asset == o.Get.Asset || !o.Give.Asset.Chain.EVM() || !o.Get.Asset.Chain.EVM():
		return fmt.Errorf("%w: %s for %s", ErrOffer, o.Give.Asset, o.Get.Asset)
	case o.Give.Amount.IsZero() || o.Get.Amount.IsZero():
		return fmt.Errorf("%w: %s for %s", ErrOffer, o.Give.Amount, o.Get.Amount)
	case o.Expiry <= now:
		return fmt.Errorf("%w: expired at %d, now %d", ErrOffer, o.Expiry, now)
	}
	return nil
}

// maxOfferBytes is above what the longest numbers take.
const maxOfferBytes = 1024

// Encode returns the one encoding of an offer: compact JSON, fields in order.
func (o Offer) Encode() ([]byte, error) { return json.Marshal(o) }

// DecodeOffer reads what Encode writes, and nothing that is written otherwise.
// Errors: ErrEncoding.
func DecodeOffer(b []byte) (o Offer, err error) {
	if len(b) > maxOfferBytes {
		return Offer{}, fmt.Errorf("%w: %d bytes", ErrEncoding, len(b))
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return Offer{}, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if again, err := o.Encode(); err != nil || !bytes.Equal(again, b) {
		return Offer{}, fmt.Errorf("%w: it would be %.200q", ErrEncoding, again)
	}
	return o, nil
}
