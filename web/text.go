package web

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"photon/swap/trade"
)

// offerPrefix begins an offer written as text.
const offerPrefix = "photon-offer:"

// OfferText writes a signed offer as one word that can be passed on in any way:
// photon-offer: and its JSON in unpadded URL-safe base64.
func OfferText(o trade.Offer) string {
	raw, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("web: encode offer: %v", err)) // every field has an encoding
	}
	return offerPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// IsOfferText reports whether text is meant to be an offer, good or not.
func IsOfferText(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), offerPrefix) }

// ParseOffer reads what OfferText writes, with white space around it. It does
// not check the signature. Errors: trade.ErrMessage.
func ParseOffer(text string) (trade.Offer, error) {
	bad := func(why string) (trade.Offer, error) {
		return trade.Offer{}, fmt.Errorf("%w: the text of an offer %s", trade.ErrMessage, why)
	}
	word, ok := strings.CutPrefix(strings.TrimSpace(text), offerPrefix)
	if !ok {
		return bad("begins with " + offerPrefix)
	}
	raw, err := base64.RawURLEncoding.DecodeString(word)
	if err != nil || len(raw) > trade.MaxMessage {
		return bad("is cut or changed")
	}
	var o trade.Offer
	if err := json.Unmarshal(raw, &o); err != nil {
		return bad("is cut or changed")
	}
	// An offer has one text: nothing unknown, nothing twice, nothing left out.
	if OfferText(o) != offerPrefix+word {
		return bad("is of another program")
	}
	return o, nil
}
