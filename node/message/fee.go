package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"

	"github.com/holiman/uint256"

	"photon/contracts"
)

// Why no amount is right for a hop.
var (
	ErrCapacity  = errors.New("more than the channel carries")
	ErrUncovered = errors.New("the fee curve does not reach this balance")
	ErrNothing   = errors.New("nothing is left after fees")
	ErrMixed     = errors.New("one channel of the mediator caps fees and the other does not")
	ErrFee       = errors.New("fees above the limit")
)

// A Schedule is what a node asks for a payment through one of its channels, as
// one of the two that the payment passes. The zero Schedule asks nothing.
//
// For d that comes in, or goes out, and brings its balance from b to b':
//
//	Flat + Proportional/1e6 * d + Imbalance(b') - Imbalance(b)
//
// which may be less than nothing. A mediator's fee is the sum of both channels',
// and at least nothing if both say Cap; both must say the same.
type Schedule struct {
	Flat         contracts.Amount `json:"flat"`         // smallest units; below 2^128
	Proportional uint32           `json:"proportional"` // parts per million; below a million
	Imbalance    Curve            `json:"imbalance"`
	Cap          bool             `json:"cap"` // of the mediator's whole fee
}

// Check refuses what the arithmetic does not cover. Errors: ErrTooLarge,
// ErrProportional.
func (s *Schedule) Check() error {
	if s.Flat.Uint256().BitLen() > 128 {
		return fmt.Errorf("%w: flat fee %s", ErrTooLarge, s.Flat)
	}
	if s.Proportional >= million {
		return fmt.Errorf("%w: %d ppm", ErrProportional, s.Proportional)
	}
	return nil
}

// maxScheduleBytes is above what MaxPoints of 39 digits each take.
const maxScheduleBytes = 8192

// Encode returns the one encoding of a schedule: compact JSON, fields in order.
func (s Schedule) Encode() ([]byte, error) { return json.Marshal(s) }

// DecodeSchedule reads what Encode writes, and nothing that is written otherwise:
// no space, no other order, no unknown or repeated field. Errors: ErrEncoding,
// and those of NewCurve and Check.
func DecodeSchedule(b []byte) (Schedule, error) {
	if len(b) > maxScheduleBytes {
		return Schedule{}, fmt.Errorf("%w: %d bytes", ErrEncoding, len(b))
	}
	var s Schedule
	if err := json.Unmarshal(b, &s); err != nil {
		return Schedule{}, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if again, err := s.Encode(); err != nil || !bytes.Equal(again, b) {
		return Schedule{}, fmt.Errorf("%w: it would be %.200q", ErrEncoding, again)
	}
	if err := s.Check(); err != nil {
		return Schedule{}, err
	}
	return s, nil
}

// A Hop is one mediator of a route, as it sees its two channels. A schedule that
// is nil asks nothing and caps as the other does.
type Hop struct {
	In, Out    *Schedule        // of the channel it receives on, and of that it sends on
	Owns       contracts.Amount // its balance in the channel it receives on
	Receivable contracts.Amount // what the partner there can send it
	Sendable   contracts.Amount // its balance in the channel it sends on: all can be sent
}

// rates are a hop's schedules in the form that is reckoned with.
type rates struct {
	in, out           uint64      // ppm
	flat              uint256.Int // of both, in millionths
	inCurve, outCurve *Curve      // nil: none
	capped            bool
}

// read refuses schedules that do not fit together, and amounts of nothing.
func (r *rates) read(h *Hop, amount, most *contracts.Amount) error {
	var a, b uint256.Int
	if s := h.In; s != nil {
		a = *s.Flat.Uint256()
		r.in, r.capped = uint64(s.Proportional), s.Cap
		if len(s.Imbalance.knots) != 0 {
			r.inCurve = &s.Imbalance
		}
	}
	if s := h.Out; s != nil {
		if h.In != nil && r.capped != s.Cap {
			return ErrMixed
		}
		b = *s.Flat.Uint256()
		r.out, r.capped = uint64(s.Proportional), s.Cap
		if len(s.Imbalance.knots) != 0 {
			r.outCurve = &s.Imbalance
		}
	}
	switch {
	case a[2]|a[3]|b[2]|b[3] != 0:
		return ErrTooLarge
	case r.in >= million || r.out >= million:
		return ErrProportional
	case amount.IsZero():
		return ErrNothing
	case most.Less(*amount):
		return ErrCapacity
	}
	var c uint64
	a[0], c = bits.Add64(a[0], b[0], 0)
	a[1], a[2] = bits.Add64(a[1], b[1], c)
	for i, c := 0, uint64(0); i < 3; i++ {
		hi, lo := bits.Mul64(a[i], million)
		r.flat[i], lo = bits.Add64(lo, c, 0)
		c = hi + lo
	}
	return nil
}

// Forward returns what the mediator sends on when amount comes in: the first x
// from 0 with x = amount - fee(amount, x), rounded half to even.
//
// Errors are bare, as a search meets them by the million and its caller has the
// figures: ErrCapacity, ErrUncovered, ErrNothing, ErrMixed, ErrTooLarge,
// ErrProportional.
func (h *Hop) Forward(amount contracts.Amount) (contracts.Amount, error) {
	var r rates
	if err := r.read(h, &amount, &h.Receivable); err != nil {
		return contracts.Amount{}, err
	}
	if r.inCurve != nil || r.outCurve != nil {
		return h.solve(&r, amount, true)
	}
	return linear(&amount, million-r.in, &r.flat, true, million+r.out, &h.Sendable)
}

// Backward returns what must come in for the mediator to send amount on: the
// first x from 0 with x = amount + fee(x, amount), rounded half to even. What is
// rounded down may bring one unit less than amount forwards: the payer adds a
// margin. Errors: as of Forward.
func (h *Hop) Backward(amount contracts.Amount) (contracts.Amount, error) {
	var r rates
	if err := r.read(h, &amount, &h.Sendable); err != nil {
		return contracts.Amount{}, err
	}
	if r.inCurve != nil || r.outCurve != nil {
		return h.solve(&r, amount, false)
	}
	return linear(&amount, million+r.out, &r.flat, false, million-r.in, &h.Receivable)
}

// linear returns (amount*up ± flat)/down rounded half to even, at most most: the
// fee without curves, which is never negative. up and down are below 2^21.
func linear(amount *contracts.Amount, up uint64, flat *uint256.Int, minus bool, down uint64, most *contracts.Amount) (contracts.Amount, error) {
	a := *amount.Uint256()
	var high, c, lo uint64
	for i, limb := range a {
		c = high
		high, lo = bits.Mul64(limb, up)
		a[i], c = bits.Add64(lo, c, 0)
		high += c
	}
	if minus {
		_, under := a.SubOverflow(&a, flat)
		if under && high == 0 {
			return contracts.Amount{}, ErrNothing
		} else if under {
			high--
		}
	} else if _, over := a.AddOverflow(&a, flat); over {
		high++
	}
	if high >= down {
		return contracts.Amount{}, ErrCapacity
	}
	var q uint256.Int
	rest := divide(&q, &a, high, down)
	limit := most.Uint256()
	if limit.Lt(&q) || (rest != 0 && limit.Eq(&q)) {
		return contracts.Amount{}, ErrCapacity
	}
	if rest<<1 > down || (rest<<1 == down && q[0]&1 == 1) {
		q.AddUint64(&q, 1) // q is below the limit, and does not overflow
	}
	if q.IsZero() {
		return contracts.Amount{}, ErrNothing
	}
	return contracts.AmountOf(&q), nil
}

// given sets the walk on the channel whose amount is sought and, in millionths,
// what is known of the other: amount less fee at x = 0 when forwards, amount and
// fee at x = 0 when backwards. Errors: ErrUncovered.
func (h *Hop) given(r *rates, amount *uint256.Int, forward bool, w *walk, known *exact) error {
	fixed := walk{rate: million + r.out, curve: r.outCurve, start: *h.Sendable.Uint256()}
	*w = walk{rate: million - r.in, curve: r.inCurve, start: *h.Owns.Uint256(), up: true}
	if forward {
		fixed, *w = *w, fixed
	}
	// The channel that is known moves from 0 to amount.
	var zero uint256.Int
	from, to := fixed.line(&zero), -1
	if from >= 0 && amount.BitLen() < reach {
		to = fixed.line(amount)
	}
	if to < 0 || w.line(&zero) < 0 {
		return ErrUncovered
	}
	known.whole.Mul(amount, &uint256.Int{fixed.rate})
	fixed.penalty(known, amount, to, forward)
	fixed.penalty(known, &zero, from, !forward)
	if forward {
		known.whole.Sub(&known.whole, &r.flat)
	} else {
		known.whole.Add(&known.whole, &r.flat)
	}
	return nil
}

// solve is Forward and Backward where a curve is met.
func (h *Hop) solve(r *rates, amount contracts.Amount, forward bool) (contracts.Amount, error) {
	a := amount.Uint256()
	var w walk
	var s search
	if err := h.given(r, a, forward, &w, &s.gap); err != nil {
		return contracts.Amount{}, err
	}
	s.end = *h.Receivable.Uint256()
	if forward {
		s.end = *h.Sendable.Uint256()
	}
	if s.end.BitLen() > reach {
		s.end.Lsh(&uint256.Int{1}, reach)
	}
	s.walk, s.line = &w, w.line(&s.x)
	known := s.gap
	w.penalty(&known, &s.x, s.line, w.up) // what is known less worth(0) is the gap
	s.known = &known
	var x uint256.Int
	var err error
	switch {
	case r.capped && !forward:
		x, err = s.cappedBackward(a)
	case s.gap.sign() == 0:
		err = ErrNothing
	case r.capped:
		x, err = s.cappedForward(a)
	default:
		x, err = s.crossing()
	}
	if err != nil {
		return contracts.Amount{}, err
	}
	if x.IsZero() {
		return contracts.Amount{}, ErrNothing
	}
	return contracts.AmountOf(&x), nil
}

// cappedForward finds x = a - max(fee, 0): the crossing if it comes before a,
// or else a itself, as from there on the fee is negative. A fee that leaves
// nothing at x = 0 may fall below a later.
func (s *search) cappedForward(a *uint256.Int) (uint256.Int, error) {
	if s.end.Lt(a) {
		return s.crossing()
	}
	s.end = *a
	x, err := s.crossing()
	switch {
	case !errors.Is(err, ErrCapacity):
		return x, err
	case s.gap.sign() < 0:
		return uint256.Int{}, ErrNothing
	default:
		return *a, nil
	}
}

// cappedBackward finds x = a + max(fee, 0), which is a or more: a itself if the
// fee is negative there, or else the crossing after it.
func (s *search) cappedBackward(a *uint256.Int) (uint256.Int, error) {
	if s.end.Lt(a) {
		return uint256.Int{}, ErrCapacity
	}
	if s.x, s.line = *a, s.walk.line(a); s.line < 0 {
		return uint256.Int{}, ErrUncovered
	}
	worth, p := s.walk.worth(a, s.line)
	s.gap = *s.known
	if s.gap.sub(&worth, &p); s.gap.sign() <= 0 {
		return *a, nil
	}
	return s.crossing()
}
