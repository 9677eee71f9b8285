package message

import (
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/holiman/uint256"

	"photon/contracts"
)

// vectors is testdata/fee-vectors.json: facts on the fees of the Raiden family,
// with their sources and the rules inside.
type vectors struct {
	Counts   map[string]int               `json:"row_counts"`
	Sections map[string][]json.RawMessage `json:"sections"`
}

// A row's parts. null is nil: no such amount exists.
type (
	maybe    = *contracts.Amount
	schedule struct {
		Flat  contracts.Amount      `json:"flat"`
		PPM   uint32                `json:"proportional_ppm"`
		Curve [][2]contracts.Amount `json:"imbalance_penalty"`
		Cap   bool                  `json:"cap_fees"`
		Owner int                   `json:"owner"`
		With  int                   `json:"partner"`
	}
	hop struct {
		In         schedule         `json:"schedule_in"`
		Out        schedule         `json:"schedule_out"`
		Cap        bool             `json:"cap_fees"`
		Owns       contracts.Amount `json:"balance_in"`
		Sendable   contracts.Amount `json:"balance_out"`
		Receivable contracts.Amount `json:"receivable"`
	}
)

func (s schedule) as(t *testing.T, capped bool) *Schedule {
	t.Helper()
	c, err := curveOf(s.Curve)
	if err != nil {
		t.Fatal(err)
	}
	return &Schedule{s.Flat, s.PPM, c, capped}
}

func curveOf(pairs [][2]contracts.Amount) (Curve, error) {
	if pairs == nil {
		return Curve{}, nil
	}
	var points []Point
	for _, p := range pairs {
		points = append(points, Point{p[0], p[1]})
	}
	return NewCurve(points)
}

func (h hop) as(t *testing.T) Hop {
	t.Helper()
	return Hop{h.In.as(t, h.Cap), h.Out.as(t, h.Cap), h.Owns, h.Receivable, h.Sendable}
}

func hops(t *testing.T, all []hop) (route []Hop) {
	t.Helper()
	for _, h := range all {
		route = append(route, h.as(t))
	}
	return route
}

// isAmount compares a result with what a row expects.
func isAmount(t *testing.T, what string, got contracts.Amount, err error, want maybe) {
	t.Helper()
	switch {
	case want == nil && err == nil:
		t.Errorf("%s: %s, want none", what, got)
	case want != nil && (err != nil || got != *want):
		t.Errorf("%s: %s, %v; want %s", what, got, err, want)
	}
}

// row decodes a row.
func row[T any](t *testing.T, raw json.RawMessage) (r T) {
	t.Helper()
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return r
}

// rat is a signed decimal.
func rat(t *testing.T, s string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("%q is no number", s)
	}
	return r
}

func amountOf(t testing.TB, s string) contracts.Amount {
	t.Helper()
	a, err := contracts.ParseAmount(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sections is how the rows of each section are held.
var sections = map[string]func(*testing.T, json.RawMessage){
	"penalty_interpolation":       penaltyRow,
	"linspace":                    gridRow,
	"ppm_per_hop_to_per_channel":  ppmRow,
	"flat_per_hop_to_per_channel": flatRow,
	"imbalance_curve":             imbalanceRow,
	"mediation_single_hop":        hopRow,
	"fee_function_value":          valueRow,
	"upstream_quirks":             hopRow,
	"round_trip":                  roundTripRow,
	"multi_hop_backward":          backwardRow,
	"payment_end_to_end":          paymentRow,
	"payment_forward_chain":       chainRow,
	"initiator_amount":            marginRow,
	"max_fee_check":               limitRow,
	"properties":                  propertyRow,
}

// Every row of every section holds.
func TestRows(t *testing.T) {
	raw, err := os.ReadFile("testdata/fee-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	all := row[vectors](t, raw)
	if len(all.Sections) != len(sections) {
		t.Errorf("%d sections of rows, %d are held", len(all.Sections), len(sections))
	}
	for name, hold := range sections {
		rows := all.Sections[name]
		if len(rows) == 0 || len(rows) != all.Counts[name] {
			t.Errorf("%s has %d rows, and should have %d", name, len(rows), all.Counts[name])
		}
		held := 0
		for _, raw := range rows {
			id := row[struct{ ID string }](t, raw).ID
			if t.Run(id, func(t *testing.T) { hold(t, raw) }) {
				held++
			}
		}
		t.Logf("%-28s %3d of %3d rows hold", name, held, len(rows))
	}
}

// penaltyRow: penalties here are whole and not below zero, which loses nothing,
// since only differences count: the row's are multiplied and lifted.
func penaltyRow(t *testing.T, raw json.RawMessage) {
	r := row[struct {
		Points   [][2]string
		X        contracts.Amount
		Expected *string
		Error    bool
	}](t, raw)
	scale, lift := big.NewRat(100, 1), big.NewRat(100_000, 1)
	var points []Point
	for _, p := range r.Points {
		y := rat(t, p[1])
		if y.Add(y.Mul(y, scale), lift); !y.IsInt() {
			t.Fatalf("%s has more than two decimals", p[1])
		}
		points = append(points, Point{amountOf(t, p[0]), amountOf(t, y.Num().String())})
	}
	c, err := NewCurve(points)
	i := -1
	if err == nil {
		i = c.line(r.X.Uint256())
	} else if !errors.Is(err, ErrUnsorted) {
		t.Fatal(err)
	}
	if (i < 0) != r.Error || r.Error != (r.Expected == nil) {
		t.Fatalf("line %d, %v; want an error: %v", i, err, r.Error)
	}
	if r.Error {
		return
	}
	whole, p := c.at(i, r.X.Uint256())
	got := new(big.Rat).SetFrac(p.num.ToBig(), p.den.ToBig())
	got.Add(got, new(big.Rat).SetInt(whole.ToBig()))
	want := rat(t, *r.Expected)
	want.Mul(want.Add(want.Mul(want, scale), lift), big.NewRat(million, 1))
	if got.Cmp(want) != 0 {
		t.Errorf("%s, want %s", got, want)
	}
}

func gridRow(t *testing.T, raw json.RawMessage) {
	r := row[struct {
		Start, Stop contracts.Amount
		Num         int
		Expected    []contracts.Amount
		Error       bool
	}](t, raw)
	got, err := grid(r.Start, r.Stop, r.Num)
	if errors.Is(err, errGrid) != r.Error || len(got) != len(r.Expected) {
		t.Fatalf("%v, %v", got, err)
	}
	for i := range got {
		if got[i] != r.Expected[i] {
			t.Errorf("%d: %s, want %s", i, got[i], r.Expected[i])
		}
	}
}

func ppmRow(t *testing.T, raw json.RawMessage) {
	r := row[struct {
		PerHop uint32  `json:"per_hop_ppm"`
		Want   *uint32 `json:"expected_per_channel_ppm"`
	}](t, raw)
	if got := PerChannel(r.PerHop); got != *r.Want {
		t.Errorf("%d, want %d", got, *r.Want)
	}
}

func flatRow(t *testing.T, raw json.RawMessage) {
	r := row[struct {
		PerHop contracts.Amount `json:"per_hop_flat"`
		Want   maybe            `json:"expected_per_channel_flat"`
	}](t, raw)
	isAmount(t, "flat", FlatPerChannel(r.PerHop), nil, r.Want)
}

func imbalanceRow(t *testing.T, raw json.RawMessage) {
	r := row[struct {
		Capacity  contracts.Amount `json:"channel_capacity"`
		PPM       uint32           `json:"imbalance_ppm"`
		Want      [][2]string      `json:"expected_points"`
		Tolerance float64          `json:"relative_tolerance"` // of their binary floating point
	}](t, raw)
	c, err := Imbalance(r.Capacity, r.PPM)
	if err != nil || c.IsZero() != (r.Want == nil) || len(c.Points()) != len(r.Want) {
		t.Fatalf("%v, %v", c.Points(), err)
	}
	for i, p := range c.Points() {
		want, got := rat(t, r.Want[i][1]), rat(t, p.Penalty.String())
		within := new(big.Rat).SetFloat64(r.Tolerance)
		within.Mul(within, want)
		if diff := got.Sub(got, want); p.Balance.String() != r.Want[i][0] || diff.Abs(diff).Cmp(within) > 0 {
			t.Errorf("%d: %s, %s; want %s", i, p.Balance, p.Penalty, r.Want[i])
		}
	}
}

// contradicted is a row that another one contradicts. DER-083 was recorded with
// the defect that QRK-003 and QRK-004 name and mend: what comes in was bound by
// what the mediator owns in the other channel. The right amount is that under the
// right bound, and the mediator does forward it.
var contradicted = map[string]string{"DER-083": "120"}

func hopRow(t *testing.T, raw json.RawMessage) {
	r := row[struct {
		hop
		ID        string
		Direction string
		Amount    contracts.Amount
		Want      maybe   `json:"expected_amount"`
		Fee       *string `json:"expected_fee"`
	}](t, raw)
	h := r.as(t)
	if right, is := contradicted[r.ID]; is {
		a := amountOf(t, right)
		if out, err := h.Forward(a); r.Want != nil || r.Direction != "backward" || err != nil || out != r.Amount || !h.Sendable.Less(a) || h.Receivable.Less(a) {
			t.Errorf("the row is not contradicted: %s forwards %s, %v", a, out, err)
		}
		t.Logf("%s is held as %s, not as it is written", r.ID, right)
		r.Want, r.Fee = &a, nil
	}
	find, in, out := h.Forward, &r.Amount, r.Want
	if r.Direction == "backward" {
		find, in, out = h.Backward, r.Want, &r.Amount
	} else if r.Direction != "forward" {
		t.Fatalf("no direction %q", r.Direction)
	}
	got, err := find(r.Amount)
	isAmount(t, r.Direction, got, err, r.Want)
	if r.Want == nil || r.Fee == nil {
		if r.Fee != nil && r.Want == nil {
			t.Errorf("a fee of %s for no amount", *r.Fee)
		}
		return
	}
	if fee := new(big.Int).Sub(bigOf(*in), bigOf(*out)); fee.String() != *r.Fee {
		t.Errorf("fee %s, want %s", fee, *r.Fee)
	}
}

func bigOf(a contracts.Amount) *big.Int { return a.Uint256().ToBig() }

// valueRow: the fee at an amount that is not the solution.
func valueRow(t *testing.T, raw json.RawMessage) {
	r := row[struct {
		hop
		With      contracts.Amount `json:"amount_with_fees"`
		X         contracts.Amount
		Want      string `json:"expected_fee"`
		Direction string
	}](t, raw)
	if r.Direction != "forward" {
		t.Fatal("only forwards")
	}
	h := r.as(t)
	var rates rates
	if err := rates.read(&h, &r.With, &h.Receivable); err != nil {
		t.Fatal(err)
	}
	var w walk
	var gap exact
	if err := h.given(&rates, r.With.Uint256(), true, &w, &gap); err != nil {
		t.Fatal(err)
	}
	w.penalty(&gap, new(uint256.Int), w.line(new(uint256.Int)), w.up)
	worth, p := w.worth(r.X.Uint256(), w.line(r.X.Uint256()))
	gap.sub(&worth, &p)
	// gap is a million times with - fee - x.
	fee := ratOf(&gap)
	fee.Quo(fee, big.NewRat(million, 1))
	fee.Sub(rat(t, r.With.String()), fee)
	fee.Sub(fee, rat(t, r.X.String()))
	if r.Cap && fee.Sign() < 0 {
		fee.SetInt64(0)
	}
	if fee.Cmp(rat(t, r.Want)) != 0 {
		t.Errorf("fee %s, want %s", fee, r.Want)
	}
}

// ratOf is an exact as a fraction.
func ratOf(e *exact) *big.Rat {
	whole := e.whole
	if whole.Sign() < 0 {
		whole.Neg(&whole)
	}
	sum := new(big.Rat).SetInt(whole.ToBig())
	if e.whole.Sign() < 0 {
		sum.Neg(sum)
	}
	for _, p := range e.parts[:e.n] {
		sum.Add(sum, new(big.Rat).SetFrac(p.num.ToBig(), p.den.ToBig()))
	}
	return sum
}

func roundTripRow(t *testing.T, raw json.RawMessage) {
	r := row[struct {
		hop
		Both   schedule         `json:"schedule_both"`
		Amount contracts.Amount `json:"amount_without_fees"`
		With   maybe            `json:"expected_amount_with_fees"`
		Again  maybe            `json:"expected_forward_again"`
	}](t, raw)
	r.In, r.Out = r.Both, r.Both
	h := r.as(t)
	with, err := h.Backward(r.Amount)
	isAmount(t, "backward", with, err, r.With)
	again, err := h.Forward(with)
	isAmount(t, "forward again", again, err, r.Again)
}

// backwardRow finds the one path by walking the channels, and prices it with what
// the mediators ask.
func backwardRow(t *testing.T, raw json.RawMessage) {
	r := row[struct {
		Channels []struct {
			A, B      int
			CapacityA contracts.Amount `json:"capacity_a"`
			CapacityB contracts.Amount `json:"capacity_b"`
		}
		Schedules         []schedule `json:"fee_schedules"`
		Initiator, Target int
		Value             contracts.Amount
		Path              []int    `json:"expected_path"`
		Fee               *string  `json:"expected_total_fee"`
		Fees              []string `json:"expected_fees_from_last_mediator_to_first"`
	}](t, raw)
	path := []int{r.Initiator}
	owns := map[[2]int]contracts.Amount{}
	next := map[int][]int{}
	for _, c := range r.Channels {
		owns[[2]int{c.A, c.B}], owns[[2]int{c.B, c.A}] = c.CapacityA, c.CapacityB
		next[c.A], next[c.B] = append(next[c.A], c.B), append(next[c.B], c.A)
	}
	for at, from := r.Initiator, 0; at != r.Target; { // the channels are a line
		for _, n := range next[at] {
			if n != from && (len(next[at]) == 1 || (n > at) == (r.Target > r.Initiator)) {
				at, from = n, at
				break
			}
		}
		path = append(path, at)
	}
	asks := map[[2]int]*Schedule{}
	for _, s := range r.Schedules {
		asks[[2]int{s.Owner, s.With}] = s.as(t, s.Cap)
	}
	var route []Hop
	for i := 1; i+1 < len(path); i++ {
		in, out := [2]int{path[i], path[i-1]}, [2]int{path[i], path[i+1]}
		route = append(route, Hop{asks[in], asks[out], owns[in], owns[[2]int{path[i-1], path[i]}], owns[out]})
	}
	sums, err := Quote(route, r.Value)
	if (err == nil) != (r.Path != nil) {
		t.Fatalf("%v, %v; want path %v", sums, err, r.Path)
	}
	if r.Path == nil {
		return
	}
	if len(path) != len(r.Path) || len(r.Fees) != len(route) {
		t.Fatalf("path %v, want %v with fees %v", path, r.Path, r.Fees)
	}
	for i, want := range r.Fees {
		n := len(sums) - 1 - i
		if fee := new(big.Int).Sub(bigOf(sums[n-1]), bigOf(sums[n])); fee.String() != want {
			t.Errorf("fee %d is %s, want %s", i, fee, want)
		}
	}
	if fee := new(big.Int).Sub(bigOf(sums[0]), bigOf(r.Value)); fee.String() != *r.Fee {
		t.Errorf("all fees are %s, want %s", fee, *r.Fee)
	}
	safeArrival(t, route, r.Value, sums[0])
}

// safeArrival: with the margin, if the first channel has it, the target gets what
// it should, and no more than the margin above.
func safeArrival(t *testing.T, route []Hop, amount, quoted contracts.Amount) {
	t.Helper()
	sent, err := WithMargin(amount, quoted)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := Pass(route, sent)
	if errors.Is(err, ErrCapacity) || errors.Is(err, ErrUncovered) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	got := sums[len(sums)-1]
	surplus := new(big.Int).Sub(bigOf(got), bigOf(amount))
	margin := new(big.Int).Sub(bigOf(sent), bigOf(quoted))
	if got.Less(amount) || surplus.Cmp(margin) > 0 {
		t.Errorf("%s of %s arrive, with a margin of %s", got, amount, margin)
	}
}

func paymentRow(t *testing.T, raw json.RawMessage) {
	r := row[struct {
		Amount    contracts.Amount
		Mediators []hop
		Fees      []string           `json:"expected_fees_from_last_mediator_to_first"`
		Margin    string             `json:"expected_margin"`
		Sent      maybe              `json:"expected_amount_sent"`
		Forward   []contracts.Amount `json:"expected_amounts_per_channel_forward"`
		Scenario  struct {
			Tolerance string
			Channels  [][2]string
		} `json:"scenario_balances_after"`
	}](t, raw)
	route := hops(t, r.Mediators)
	sums, err := Quote(route, r.Amount)
	if err != nil || len(r.Fees) != len(route) {
		t.Fatal(err)
	}
	for i, want := range r.Fees {
		n := len(sums) - 1 - i
		if fee := new(big.Int).Sub(bigOf(sums[n-1]), bigOf(sums[n])); fee.String() != want {
			t.Errorf("fee %d is %s, want %s", i, fee, want)
		}
	}
	sent, err := WithMargin(r.Amount, sums[0])
	isAmount(t, "sent", sent, err, r.Sent)
	if margin := new(big.Int).Sub(bigOf(sent), bigOf(sums[0])); margin.String() != r.Margin {
		t.Errorf("margin %s, want %s", margin, r.Margin)
	}
	got := passes(t, route, sent, r.Forward)
	tolerance := rat(t, r.Scenario.Tolerance)
	// All channels began alike; what left one's first side beyond what left the first's.
	for i, balances := range r.Scenario.Channels {
		first := new(big.Rat).Sub(rat(t, r.Scenario.Channels[0][0]), rat(t, balances[0]))
		moved := new(big.Rat).Sub(rat(t, got[0].String()), rat(t, got[i].String()))
		if off := first.Add(first, moved); off.Abs(off).Cmp(tolerance) > 0 {
			t.Errorf("channel %d ends with %v, %s passed", i, balances, got[i])
		}
	}
	safeArrival(t, route, r.Amount, sums[0])
}

// passes holds the amounts of each channel against a row.
func passes(t *testing.T, route []Hop, sent contracts.Amount, want []contracts.Amount) []contracts.Amount {
	t.Helper()
	got, err := Pass(route, sent)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%v, %v; want %v", got, err, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("channel %d: %s, want %s", i, got[i], want[i])
		}
	}
	return got
}

func chainRow(t *testing.T, raw json.RawMessage) {
	r := row[struct {
		Amount    contracts.Amount `json:"payment_amount"`
		Estimate  contracts.Amount `json:"fee_estimate"`
		Margin    contracts.Amount
		Sent      contracts.Amount `json:"amount_sent"`
		Mediators []hop
		Want      []contracts.Amount `json:"expected_amounts_per_channel"`
	}](t, raw)
	sent, err := WithMargin(r.Amount, r.Amount.Plus(r.Estimate))
	isAmount(t, "sent", sent, err, &r.Sent)
	if sent != r.Amount.Plus(r.Estimate).Plus(r.Margin) {
		t.Errorf("margin is not %s", r.Margin)
	}
	passes(t, hops(t, r.Mediators), r.Sent, r.Want)
}

func marginRow(t *testing.T, raw json.RawMessage) {
	r := row[struct {
		Amount contracts.Amount `json:"payment_amount"`
		Fee    string           `json:"estimated_fee"`
		Margin *string          `json:"expected_margin"`
		Want   maybe            `json:"expected_amount_sent"`
		Range  []string         `json:"upstream_range"`
	}](t, raw)
	quoted := withFee(t, r.Amount, r.Fee)
	sent, err := WithMargin(r.Amount, quoted)
	isAmount(t, "sent", sent, err, r.Want)
	if margin := new(big.Int).Sub(bigOf(sent), bigOf(quoted)); r.Margin != nil && margin.String() != *r.Margin {
		t.Errorf("margin %s, want %s", margin, *r.Margin)
	}
	if r.Range != nil && (sent.Less(amountOf(t, r.Range[0])) || amountOf(t, r.Range[1]).Less(sent)) {
		t.Errorf("%s is not in %v", sent, r.Range)
	}
}

// withFee is an amount and a signed fee.
func withFee(t *testing.T, amount contracts.Amount, fee string) contracts.Amount {
	t.Helper()
	if off, negative := strings.CutPrefix(fee, "-"); negative {
		return amount.Minus(amountOf(t, off))
	}
	return amount.Plus(amountOf(t, fee))
}

func limitRow(t *testing.T, raw json.RawMessage) {
	r := row[struct {
		Amount contracts.Amount `json:"payment_amount"`
		Fee    string           `json:"estimated_fee"`
		Sent   contracts.Amount `json:"amount_sent"`
		Limit  contracts.Amount
		Accept *bool `json:"expected_accepted"`
	}](t, raw)
	sent, err := WithMargin(r.Amount, withFee(t, r.Amount, r.Fee))
	isAmount(t, "sent", sent, err, &r.Sent)
	if err := CheckFee(r.Amount, sent); (err == nil) != *r.Accept || (err != nil && !errors.Is(err, ErrFee)) {
		t.Errorf("%v, accepted should be %v", err, *r.Accept)
	}
	if CheckFee(r.Amount, r.Limit) != nil || CheckFee(r.Amount, r.Limit.Plus(contracts.Units(1))) == nil {
		t.Errorf("%s is not the limit", r.Limit)
	}
}

// propertyRow runs the statement as a property test.
func propertyRow(t *testing.T, raw json.RawMessage) {
	r := row[struct{ ID, Statement string }](t, raw)
	if r.ID == "PRP-010" { // what a contract pays at settlement, not a fee
		if !strings.HasPrefix(r.Statement, "settlement:") {
			t.Error("PRP-010 is not of settlement any more")
		}
		return
	}
	property, is := properties[r.ID]
	if !is {
		t.Fatalf("nothing tests: %s", r.Statement)
	}
	property(t)
}
