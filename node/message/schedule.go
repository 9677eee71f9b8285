package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/holiman/uint256"

	"photon/contracts"
)

// Why a fee, a schedule or an amount is refused.
var (
	ErrNoAmount = errors.New("no amount fulfils the fee")
	ErrTooBig   = errors.New("beyond 208 bits")
	ErrCap      = errors.New("both channels of a mediator must cap fees or not")
	ErrUnsorted = errors.New("balances of a curve do not ascend")
	ErrPoints   = errors.New("a curve has 2 to 64 points")
	ErrSchedule = errors.New("not a fee schedule in its one encoding")
	ErrGrid     = errors.New("not a grid")
	ErrFeeLimit = errors.New("fee above the limit")
)

// MaxPoints is how many points a curve may have: three times what operators'
// curves have, and few enough that a peer's schedule costs nothing to evaluate.
const MaxPoints = 64

// maxSchedule is the longest encoding of a schedule, in bytes.
const maxSchedule = 16 << 10

// A Schedule is what a mediator asks in one channel for changing his balance b by
// d: Flat + Proportional/1e6·|d| + P(b+d) - P(b), where P is Imbalance.
type Schedule struct {
	Flat         contracts.Amount `json:"flat"`             // token's smallest unit
	Proportional uint32           `json:"proportional_ppm"` // parts per million
	Imbalance    []Point          `json:"imbalance_penalty"`
	Cap          bool             `json:"cap_fees"` // the fee of both channels together is never below 0
}

// A Point of a curve: what it costs to be at Balance. Straight lines join points.
type Point struct {
	Balance contracts.Amount
	Penalty Delta
}

// MarshalJSON prints [balance, penalty].
func (p Point) MarshalJSON() ([]byte, error) {
	return json.Marshal([2]string{p.Balance.String(), p.Penalty.String()})
}

// UnmarshalJSON reads what MarshalJSON prints.
func (p *Point) UnmarshalJSON(b []byte) error {
	var pair []string
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("%w: a point of %d numbers", ErrSchedule, len(pair))
	}
	if err := p.Balance.UnmarshalText([]byte(pair[0])); err != nil {
		return err
	}
	return p.Penalty.UnmarshalText([]byte(pair[1]))
}

// Validate checks bounds. Errors: ErrTooBig, ErrPoints, ErrUnsorted.
func (s Schedule) Validate() error {
	if tooBig(&s.Flat) {
		return fmt.Errorf("%w: flat %s", ErrTooBig, s.Flat)
	}
	if n := len(s.Imbalance); n == 1 || n > MaxPoints {
		return fmt.Errorf("%w: %d", ErrPoints, n)
	}
	for i, p := range s.Imbalance {
		if tooBig(&p.Balance) || tooBig(&p.Penalty.size) {
			return fmt.Errorf("%w: point %d", ErrTooBig, i)
		}
		if i > 0 && !s.Imbalance[i-1].Balance.Less(p.Balance) {
			return fmt.Errorf("%w: %s after %s", ErrUnsorted, p.Balance, s.Imbalance[i-1].Balance)
		}
	}
	return nil
}

// ParseSchedule reads a schedule as json.Marshal prints it, byte for byte: what is
// signed has one encoding. Errors: ErrSchedule and those of Validate.
func ParseSchedule(b []byte) (Schedule, error) {
	var s Schedule
	if len(b) > maxSchedule {
		return Schedule{}, fmt.Errorf("%w: %d bytes", ErrSchedule, len(b))
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return Schedule{}, fmt.Errorf("%w: %w", ErrSchedule, err)
	}
	if err := s.Validate(); err != nil {
		return Schedule{}, err
	}
	if again, err := json.Marshal(s); err != nil || !bytes.Equal(again, b) {
		return Schedule{}, fmt.Errorf("%w: want %s", ErrSchedule, again)
	}
	return s, nil
}

// A Delta is a signed sum: a fee, or a penalty. A fee below 0 is paid to the payer.
type Delta struct {
	below bool // below 0
	size  contracts.Amount
}

// Difference returns a-b.
func Difference(a, b contracts.Amount) Delta {
	if a.Less(b) {
		return Delta{true, b.Minus(a)}
	}
	return Delta{false, a.Minus(b)}
}

// String prints a decimal number, with a sign below 0.
func (d Delta) String() string {
	if d.below {
		return "-" + d.size.String()
	}
	return d.size.String()
}

// MarshalText prints as String does.
func (d Delta) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText prints. Errors: contracts.ErrAmount.
func (d *Delta) UnmarshalText(b []byte) error {
	digits, below := strings.CutPrefix(string(b), "-")
	size, err := contracts.ParseAmount(digits)
	if err == nil && below && size.IsZero() {
		err = fmt.Errorf("%w: -0", contracts.ErrAmount)
	}
	*d = Delta{below && err == nil, size}
	return err
}

func (d Delta) big() *big.Int {
	n := whole(d.size)
	if d.below {
		n.Neg(n)
	}
	return n
}

func words(a *contracts.Amount) uint256.Int { return *a.Uint256() }

func whole(a contracts.Amount) *big.Int { return a.Uint256().ToBig() }

// tooBig reports whether a is above 2^208-1.
func tooBig(a *contracts.Amount) bool { u := words(a); return u.BitLen() > 208 }

// amountOf is n, which is not below 0. Errors: ErrTooBig.
func amountOf(n *big.Int) (contracts.Amount, error) {
	u, over := uint256.FromBig(n)
	if over {
		return contracts.Amount{}, fmt.Errorf("%w: %d bits", ErrTooBig, n.BitLen())
	}
	return contracts.AmountOf(u), nil
}
