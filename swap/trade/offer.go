package trade

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/holiman/uint256"

	"photon/contracts"
)

// ErrOffer is why an offer, or a take on it, is refused.
var ErrOffer = errors.New("offer")

// An Offer is what a maker is ready to swap. The taker of it locks first.
type Offer struct {
	Maker   string           `json:"maker"` // identity of the node
	Realm   string           `json:"realm"` // which networks: "main", "test", "dev"
	Give    contracts.Asset  `json:"give"`  // what the maker gives, on the second leg
	Want    contracts.Asset  `json:"want"`  // what the maker wants, on the first leg
	Min     contracts.Amount `json:"min"`   // least and most of Give
	Max     contracts.Amount `json:"max"`
	GiveOf  contracts.Amount `json:"giveOf"` // rate: GiveOf of Give cost WantOf of Want
	WantOf  contracts.Amount `json:"wantOf"`
	Expires uint64           `json:"expires"` // Unix seconds

	FirstTime         uint64            `json:"firstTime"`         // seconds from the start to the first leg's expiry
	SecondTime        uint64            `json:"secondTime"`        // seconds from the start to the second leg's expiry
	WantConfirmations uint64            `json:"wantConfirmations"` // the maker asks of the first leg
	GiveConfirmations uint64            `json:"giveConfirmations"` // the maker counts with on the second leg
	GiveContract      contracts.Address `json:"giveContract"`      // HashLock of the second leg; zero on BTC and LTC
	WantContract      contracts.Address `json:"wantContract"`      // HashLock of the first leg; zero on BTC and LTC
	Form              contracts.Form    `json:"form"`              // of legs on BTC and LTC
	At                []string          `json:"at,omitempty"`      // multiaddrs of the maker without his identity, best first: hints
	Signature         []byte            `json:"signature"`         // of the maker's identity, over Digest
}

// What an offer may say of where its maker is, so that a page of offers fits into
// one message.
const (
	MaxAt       = 3  // addresses
	MaxAtLetter = 96 // letters of one
)

// A Verify checks a signature by a node's identity.
type Verify func(identity string, digest contracts.Hash, signature []byte) error

// Posted is an offer that a board shows.
type Posted struct {
	Offer Offer
	Board string // its address
}

// Check refuses an offer that nobody could trade on. Errors: ErrOffer.
func (o Offer) Check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrOffer, fmt.Sprintf(format, args...))
	}
	if o.Give.Chain == o.Want.Chain && o.Give.Token == o.Want.Token {
		return bad("%s for itself", o.Give)
	}
	if !o.Give.Chain.EVM() && o.Give.Chain == o.Want.Chain {
		return bad("both legs on %s", o.Give.Chain)
	}
	if o.Min.IsZero() || o.Max.Less(o.Min) {
		return bad("amounts %s to %s", o.Min, o.Max)
	}
	if o.GiveOf.IsZero() || o.WantOf.IsZero() {
		return bad("rate %s for %s", o.WantOf, o.GiveOf)
	}
	if o.WantConfirmations == 0 || o.GiveConfirmations == 0 {
		return bad("no confirmations asked")
	}
	if o.Form != contracts.P2TR && o.Form != contracts.P2WSH {
		return bad("form %q", o.Form)
	}
	for _, leg := range []struct {
		asset    contracts.Asset
		contract contracts.Address
	}{{o.Give, o.GiveContract}, {o.Want, o.WantContract}} {
		if leg.asset.Chain.EVM() == (leg.contract == contracts.Address{}) {
			return bad("contract %s on %s", leg.contract, leg.asset.Chain)
		}
	}
	if err := checkAt(o.At); err != nil {
		return err
	}
	_, err := o.Cost(o.Max)
	return err
}

// checkAt refuses what cannot be addresses. That they lead to the maker and to
// nobody else is for the transport to see. Errors: ErrOffer.
func checkAt(at []string) error {
	if len(at) > MaxAt {
		return fmt.Errorf("%w: %d addresses", ErrOffer, len(at))
	}
	for _, a := range at {
		if len(a) > MaxAtLetter || !strings.HasPrefix(a, "/") || strings.Contains(a, "/p2p/") || strings.ContainsFunc(a, notPlain) {
			return fmt.Errorf("%w: address %.100q", ErrOffer, a)
		}
	}
	return nil
}

// notPlain reports whether a letter may not stand in an address: it would grow
// when it is written as JSON.
func notPlain(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"\\<>&", r) }

// Vet refuses an offer that does not stand at now, Unix seconds, or that its
// maker did not sign. Errors: ErrOffer.
func (o Offer) Vet(now uint64, verify Verify) error {
	if now > o.Expires {
		return fmt.Errorf("%w: expired %d s ago", ErrOffer, now-o.Expires)
	}
	if err := o.Check(); err != nil {
		return err
	}
	if err := verify(o.Maker, o.Digest(), o.Signature); err != nil {
		return fmt.Errorf("%w: signature: %w", ErrOffer, err)
	}
	return nil
}

// Withdrawal is what a maker signs to have a board take down his offer with this
// id.
func Withdrawal(id contracts.Hash) contracts.Hash {
	return sha256.Sum256(append([]byte("photon withdraw\n"), id[:]...))
}

// A Rate is what Give of one asset costs in another: Want. Neither is zero.
type Rate struct{ Give, Want contracts.Amount }

// Rate is what the maker asks.
func (o Offer) Rate() Rate { return Rate{o.GiveOf, o.WantOf} }

// Cmp is -1, 0 or 1 as r is better for a taker than s, as good, or worse: as he
// gets more, as much, or less for what he pays. It is exact: whole parts are
// compared, then in the same way what is left of them, upside down.
func (r Rate) Cmp(s Rate) int {
	a, b, c, d := r.Give.Uint256(), r.Want.Uint256(), s.Give.Uint256(), s.Want.Uint256()
	for sign := -1; ; sign = -sign {
		var p, q uint256.Int
		p.DivMod(a, b, a)
		q.DivMod(c, d, c)
		if by := p.Cmp(&q); by != 0 {
			return sign * by
		}
		if a.IsZero() || c.IsZero() {
			return sign * a.Cmp(c)
		}
		a, b, c, d = b, a, d, c
	}
}

// Digest is what the maker signs: the hash of everything but the signature. It
// is the offer's id.
func (o Offer) Digest() contracts.Hash {
	o.Signature = nil
	raw, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("trade: encode offer: %v", err)) // every field has an encoding
	}
	return sha256.Sum256(append([]byte("photon offer\n"), raw...))
}

// Cost is what give costs in Want, rounded up: the maker never gives a unit for
// less than his rate. Errors: ErrOffer when give is outside Min and Max.
func (o Offer) Cost(give contracts.Amount) (contracts.Amount, error) {
	if give.Less(o.Min) || o.Max.Less(give) {
		return contracts.Amount{}, fmt.Errorf("%w: %s is not within %s and %s", ErrOffer, give, o.Min, o.Max)
	}
	want, ok := give.Times(o.WantOf, o.GiveOf)
	if !ok || want.Uint256().BitLen() > 255 { // room for the rounding and for a fee
		return contracts.Amount{}, fmt.Errorf("%w: rate %s for %s", ErrOffer, o.WantOf, o.GiveOf)
	}
	// Rounded down; one more when that is below the rate.
	if back, ok := want.Times(o.GiveOf, o.WantOf); !ok || back.Less(give) {
		want = want.Plus(contracts.Units(1))
	}
	if want.IsZero() {
		return contracts.Amount{}, fmt.Errorf("%w: %s costs nothing", ErrOffer, give)
	}
	return want, nil
}
