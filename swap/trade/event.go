package trade

import (
	"encoding/json"
	"errors"
	"fmt"

	"photon/contracts"
)

// Why a trade, or a port that serves it, refuses. Each is wrapped with the
// figures that decided it.
var (
	ErrStatus   = errors.New("not possible in this status")
	ErrTooLate  = errors.New("too late")
	ErrSecret   = errors.New("not the secret of this trade")
	ErrShort    = errors.New("not enough funds")
	ErrNotYet   = errors.New("not yet")
	ErrSpent    = errors.New("already spent")
	ErrRefunded = errors.New("already taken back")
	ErrRevealed = errors.New("the secret is out")
	ErrNoLock   = errors.New("nothing of ours is locked")
	ErrConflict = errors.New("changed by another")
	ErrUnknown  = errors.New("unknown")
	ErrClosed   = errors.New("no new trades are taken")
	ErrStanding = errors.New("partner has let us down too often")
	ErrMany     = errors.New("too many trades at once")
)

// An Event is what happened to a trade. The events are below.
type Event interface{ event() }

type (
	// Accepted is the maker's word: both know the terms.
	Accepted struct{ Redeemer, Refunder contracts.Party }
	// Reached says that the partner has taken in our Accept.
	Reached struct{}
	// Declined is the maker's no, or ours before anything is locked.
	Declined struct{ Reason string }
	// Sighted is what a chain says of one leg.
	Sighted struct {
		Side Side
		Head Head
		Fate *Fate // nil: as before
	}
	// Ticked is the time, in Unix seconds.
	Ticked struct{ Now uint64 }
	// Shown is the secret, told by the partner.
	Shown struct{ Secret contracts.Secret }
	// LockFailed says that our lock could not be made; nothing was stored or sent.
	LockFailed struct{ Reason string }
	// LeftByPartner says that the partner goes no further.
	LeftByPartner struct{}
	// RefundAsked is the partner's wish that we sign away our claim to the leg
	// that he locked.
	RefundAsked struct{}
	// RefundSigned says that a cooperative refund of our lock is signed and stored.
	RefundSigned struct{}
	// Missed says that the secret was never given away, though that was decided,
	// and now it is too late to.
	Missed struct{}
	// Left is our user's wish to go no further.
	Left struct{}
)

func (Accepted) event()      {}
func (Reached) event()       {}
func (Declined) event()      {}
func (Sighted) event()       {}
func (Ticked) event()        {}
func (Shown) event()         {}
func (LockFailed) event()    {}
func (LeftByPartner) event() {}
func (RefundAsked) event()   {}
func (RefundSigned) event()  {}
func (Missed) event()        {}
func (Left) event()          {}

// An Effect is what the shell must do for a trade: at least once, after the
// trade is stored. Transactions are none: they follow from the state, see
// [Trade.Wants].
type Effect interface{ effect() string }

// A Tell sends a message to the partner.
type Tell struct{ Message Message }

func (Tell) effect() string { return "tell" }

// MarshalJSON gives the message in its own encoding.
func (t Tell) MarshalJSON() ([]byte, error) { return Encode(t.Message), nil }

// UnmarshalJSON reads what MarshalJSON gives.
func (t *Tell) UnmarshalJSON(raw []byte) (err error) {
	t.Message, err = Decode(raw)
	return err
}

// A Change is trades as they are from now on, and what is to be done for them.
type Change struct {
	Trades  []Trade   // each with its new version
	Effects []Pending // without id
	Done    []int64   // effects carried out
}

// A Pending is an effect that is still to be carried out.
type Pending struct {
	ID     int64          // given by the store
	Trade  contracts.Hash // whose
	Effect Effect
}

// EncodeEffect gives the name and JSON of e, for a store.
func EncodeEffect(e Effect) (kind string, body []byte, err error) {
	body, err = json.Marshal(e)
	return e.effect(), body, err
}

// DecodeEffect reads what EncodeEffect gives.
func DecodeEffect(kind string, body []byte) (Effect, error) {
	var err error
	switch kind {
	case Tell{}.effect():
		var e Tell
		err = json.Unmarshal(body, &e)
		return e, err
	}
	return nil, fmt.Errorf("unknown effect %q", kind)
}
