package message

import (
	"encoding/json"
	"math/big"
	"os"
	"strconv"
	"testing"

	"photon/contracts"
)

type vector struct {
	ID           string
	Direction    string
	Cap          bool              `json:"cap_fees"`
	In           Schedule          `json:"schedule_in"`
	Out          Schedule          `json:"schedule_out"`
	Both         Schedule          `json:"schedule_both"`
	BalanceIn    contracts.Amount  `json:"balance_in"`
	BalanceOut   contracts.Amount  `json:"balance_out"`
	Receivable   contracts.Amount  `json:"receivable"`
	Amount       contracts.Amount  `json:"amount"`
	Want         *contracts.Amount `json:"expected_amount"`
	WantFee      *Delta            `json:"expected_fee"`
	WithFees     contracts.Amount  `json:"amount_with_fees"`
	X            json.RawMessage
	Start        string
	Stop         string
	Num          int
	Expected     json.RawMessage
	Points       [][2]string
	PPMHop       uint32            `json:"per_hop_ppm"`
	PPM          uint32            `json:"expected_per_channel_ppm"`
	FlatHop      contracts.Amount  `json:"per_hop_flat"`
	Flat         contracts.Amount  `json:"expected_per_channel_flat"`
	Capacity     contracts.Amount  `json:"channel_capacity"`
	ImbalancePPM uint32            `json:"imbalance_ppm"`
	Curve        []Point           `json:"expected_points"`
	Without      contracts.Amount  `json:"amount_without_fees"`
	WantWith     *contracts.Amount `json:"expected_amount_with_fees"`
	Again        *contracts.Amount `json:"expected_forward_again"`
	Payment      contracts.Amount  `json:"payment_amount"`
	Fee          Delta             `json:"estimated_fee"`
	Sent         contracts.Amount  `json:"amount_sent"`
	WantSent     contracts.Amount  `json:"expected_amount_sent"`
	Accepted     bool              `json:"expected_accepted"`
	Mediators    []vector
	Fees         []Delta            `json:"expected_fees_from_last_mediator_to_first"`
	Passed       []contracts.Amount `json:"expected_amounts_per_channel"`
	PassedEnd    []contracts.Amount `json:"expected_amounts_per_channel_forward"`
	Channels     []struct {
		A, B int
		CA   contracts.Amount `json:"capacity_a"`
		CB   contracts.Amount `json:"capacity_b"`
	}
	Schedules []struct {
		Owner, Partner int
		Schedule
	} `json:"fee_schedules"`
	Path  []int            `json:"expected_path"`
	Total *Delta           `json:"expected_total_fee"`
	Value contracts.Amount `json:"value"`
}

func (v vector) ends() (in, out End) {
	v.In.Cap, v.Out.Cap = v.Cap, v.Cap
	return End{v.In, v.BalanceIn, v.Receivable}, End{v.Out, v.BalanceOut, contracts.Amount{}}
}

func same(t *testing.T, what string, got contracts.Amount, err error, want *contracts.Amount) {
	t.Helper()
	if (err == nil) != (want != nil) || (want != nil && got != *want) {
		t.Errorf("%s: %s, %v; want %v", what, got, err, want)
	}
}

func thousandfold(t *testing.T, s string) *big.Int {
	t.Helper()
	r, is := new(big.Rat).SetString(s)
	if !is || !r.Mul(r, big.NewRat(1000, 1)).IsInt() {
		t.Fatalf("not in thousandths: %s", s)
	}
	return r.Num()
}

// hold has for each section what its rows say.
var hold = map[string]func(*testing.T, vector){
	"mediation_single_hop": singleHop,
	"upstream_quirks":      singleHop,
	"ppm_per_hop_to_per_channel": func(t *testing.T, v vector) {
		if got := PerChannelPPM(v.PPMHop); got != v.PPM {
			t.Errorf("%d, want %d", got, v.PPM)
		}
	},
	"flat_per_hop_to_per_channel": func(t *testing.T, v vector) {
		if got := PerChannelFlat(v.FlatHop); got != v.Flat {
			t.Errorf("%s, want %s", got, v.Flat)
		}
	},
	"imbalance_curve": func(t *testing.T, v vector) {
		got, err := ImbalanceCurve(v.Capacity, v.ImbalancePPM)
		if err != nil || len(got) != len(v.Curve) {
			t.Fatalf("%v, %v; want %v", got, err, v.Curve)
		}
		for i, want := range v.Curve {
			// Rows were computed in binary floating point: 2^-50 of a penalty is its
			// error. Below 2^50 they must agree to the unit.
			off := new(big.Int).Sub(got[i].Penalty.big(), want.Penalty.big())
			if got[i].Balance != want.Balance || off.Abs(off).Cmp(new(big.Int).Rsh(want.Penalty.big(), 50)) > 0 {
				t.Errorf("point %d: %v, want %v", i, got[i], want)
			}
		}
	},
	"initiator_amount": func(t *testing.T, v vector) {
		got, err := SafeAmount(v.Payment, v.Fee)
		same(t, "safe amount", got, err, &v.WantSent)
	},
	"max_fee_check": func(t *testing.T, v vector) {
		if err := CheckFee(v.Payment, v.Sent); (err == nil) != v.Accepted {
			t.Errorf("%v, want accepted %t", err, v.Accepted)
		}
	},
	"round_trip": func(t *testing.T, v vector) {
		v.In, v.Out = v.Both, v.Both
		in, out := v.ends()
		got, err := Backward(v.Without, &in, &out)
		same(t, "backward", got, err, v.WantWith)
		if err == nil {
			got, err = Forward(got, &in, &out)
			same(t, "forward again", got, err, v.Again)
		}
	},
	"payment_end_to_end":    endToEnd,
	"payment_forward_chain": endToEnd,
	"multi_hop_backward":    multiHop,
	"penalty_interpolation": func(t *testing.T, v vector) {
		var s Schedule
		for _, p := range v.Points {
			y := thousandfold(t, p[1])
			size, err := amountOf(new(big.Int).Abs(y))
			if err != nil {
				t.Fatal(err)
			}
			x, err := contracts.ParseAmount(p[0])
			if err != nil {
				t.Fatal(err)
			}
			s.Imbalance = append(s.Imbalance, Point{x, Delta{y.Sign() < 0, size}})
		}
		var at, want string
		if json.Unmarshal(v.X, &at) != nil || json.Unmarshal(v.Expected, &want) != nil {
			t.Fatal("row not read")
		}
		x, _ := new(big.Int).SetString(at, 10)
		got, is := penalty(s.Imbalance, x)
		if is = is && s.Validate() == nil; !is || want == "" {
			if is || want != "" {
				t.Errorf("defined %t, want %q", is, want)
			}
			return
		}
		if new(big.Int).Mul(thousandfold(t, want), got.den).Cmp(got.num) != 0 {
			t.Errorf("%s/%s, want %s", got.num, got.den, want)
		}
	},
	"linspace": func(t *testing.T, v vector) {
		a, _ := new(big.Int).SetString(v.Start, 10)
		b, _ := new(big.Int).SetString(v.Stop, 10)
		got, err := grid(a, b, v.Num)
		var want []string
		if json.Unmarshal(v.Expected, &want) != nil || (err == nil) != (want != nil) || len(got) != len(want) {
			t.Fatalf("%v, %v; want %v", got, err, want)
		}
		for i := range got {
			if got[i].String() != want[i] {
				t.Errorf("%v, want %v", got, want)
			}
		}
	},
	"fee_function_value": func(t *testing.T, v vector) {
		in, out := v.ends()
		var at string
		if json.Unmarshal(v.X, &at) != nil {
			t.Fatal("row not read")
		}
		x, _ := new(big.Int).SetString(at, 10)
		got, is := slowFee(&in, &out, new(big.Rat).SetInt(whole(v.WithFees)), new(big.Rat).SetInt(x))
		if !is || got.Cmp(new(big.Rat).SetInt(v.WantFee.big())) != 0 {
			t.Errorf("%v, want %s", got, v.WantFee)
		}
		a, is := change(&in, whole(v.WithFees))
		b, also := change(&out, x.Neg(x))
		if !is || !also || in.Fees.Proportional+out.Fees.Proportional != 0 {
			t.Fatal("row not computed")
		}
		sum := new(big.Rat).SetFrac(a.num, a.den)
		if sum.Add(sum, new(big.Rat).SetFrac(b.num, b.den)); v.Cap && sum.Sign() < 0 {
			sum.SetInt64(0)
		}
		if sum.Cmp(new(big.Rat).SetInt(v.WantFee.big())) != 0 {
			t.Errorf("changes cost %s, want %s", sum, v.WantFee)
		}
	},
}

func singleHop(t *testing.T, v vector) {
	in, out := v.ends()
	f := Forward
	if v.Direction == "backward" {
		f = Backward
	}
	got, err := f(v.Amount, &in, &out)
	same(t, v.Direction, got, err, v.Want)
	if err == nil && v.WantFee != nil {
		fee := Difference(v.Amount, got)
		if v.Direction == "backward" {
			fee = Difference(got, v.Amount)
		}
		if fee != *v.WantFee {
			t.Errorf("fee %s, want %s", fee, v.WantFee)
		}
	}
}

func endToEnd(t *testing.T, v vector) {
	var hops []Hop
	for _, m := range v.Mediators {
		in, out := m.ends()
		hops = append(hops, Hop{in, out})
	}
	sent, want := v.Sent, v.Passed
	if v.Fees != nil {
		all, err := BackwardRoute(v.Amount, hops)
		if err != nil {
			t.Fatal(err)
		}
		for i, fee := range v.Fees {
			if n := len(hops) - i; Difference(all[n-1], all[n]) != fee {
				t.Errorf("amounts %v, want fees %v", all, v.Fees)
			}
		}
		if sent, err = SafeAmount(v.Amount, Difference(all[0], v.Amount)); err != nil || sent != v.WantSent {
			t.Errorf("sent %s, %v; want %s", sent, err, v.WantSent)
		}
		want = v.PassedEnd
	}
	got, err := ForwardRoute(sent, hops)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%v, %v; want %v", got, err, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

func multiHop(t *testing.T, v vector) {
	capacity := func(owner, partner int) contracts.Amount {
		for _, c := range v.Channels {
			if c.A == owner && c.B == partner {
				return c.CA
			}
			if c.B == owner && c.A == partner {
				return c.CB
			}
		}
		return contracts.Amount{}
	}
	end := func(owner, partner int, cap bool) End {
		s := Schedule{Cap: cap}
		for _, f := range v.Schedules {
			if f.Owner == owner && f.Partner == partner {
				s = f.Schedule
			}
		}
		return End{s, capacity(owner, partner), capacity(partner, owner)}
	}
	path := v.Path
	if path == nil {
		for i := range len(v.Channels) + 1 {
			path = append(path, v.Channels[0].A+i)
		}
	}
	var hops []Hop
	for i := 1; i+1 < len(path); i++ {
		hops = append(hops, Hop{end(path[i], path[i-1], true), end(path[i], path[i+1], true)})
	}
	all, err := BackwardRoute(v.Value, hops)
	if (err == nil) != (v.Total != nil) {
		t.Fatalf("%v, %v; want %v", all, err, v.Total)
	}
	if err != nil {
		return
	}
	if got := Difference(all[0], v.Value); got != *v.Total {
		t.Errorf("total %s, want %s", got, v.Total)
	}
	for i, fee := range v.Fees {
		if n := len(hops) - i; Difference(all[n-1], all[n]) != fee {
			t.Errorf("amounts %v, want fees %v", all, v.Fees)
		}
	}
}

// Every row of every section about fees holds.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/fee-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Sections map[string][]json.RawMessage }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for name, rows := range file.Sections {
		if name == "properties" {
			statements(t, rows)
			continue
		}
		check := hold[name]
		if check == nil || len(rows) == 0 {
			t.Fatalf("nothing holds the %d rows of %s", len(rows), name)
		}
		for i, row := range rows {
			var v vector
			if err := json.Unmarshal(row, &v); err != nil {
				t.Fatalf("%s %d: %v", name, i, err)
			}
			t.Run(name+"/"+v.ID+"/"+strconv.Itoa(i), func(t *testing.T) { check(t, v) })
		}
		t.Logf("%s: %d rows", name, len(rows))
	}
}

// stated has for each statement of the vectors the test that holds it, or why none
// here does.
var stated = map[string]string{
	"PRP-001": "TestRoundTripOverU",
	"PRP-003": "TestRoundTripOverU: the same schedule on both channels",
	"PRP-004": "a Hop has no place for the schedules of initiator and target",
	"PRP-006": "TestForthAndBack",
	"PRP-007": "TestSolutionFulfilsTheRule",
	"PRP-009": "TestBackwardAscends",
	"PRP-010": "of the settlement, not of fees",
}

func statements(t *testing.T, rows []json.RawMessage) {
	t.Helper()
	for _, row := range rows {
		var v vector
		if err := json.Unmarshal(row, &v); err != nil || stated[v.ID] == "" {
			t.Errorf("nothing is said of %s, %v", row, err)
		}
	}
}
