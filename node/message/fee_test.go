package message

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"photon/contracts"
)

// power2 is 2^n - less.
func power2(n uint, less uint64) contracts.Amount {
	p := new(uint256.Int).Lsh(uint256.NewInt(1), n) // 2^256 is 0
	return contracts.AmountOf(p.SubUint64(p, less))
}

func TestNewCurve(t *testing.T) {
	// Each row is one change to a good curve.
	for _, row := range []struct {
		name   string
		change func([]Point) []Point
		err    error
	}{
		{"good", func(p []Point) []Point { return p }, nil},
		{"two points", func(p []Point) []Point { return p[:2] }, nil},
		{"one point", func(p []Point) []Point { return p[:1] }, ErrPoints},
		{"no point", func(p []Point) []Point { return nil }, ErrPoints},
		{"most points", func(p []Point) []Point { return many(MaxPoints) }, nil},
		{"one too many", func(p []Point) []Point { return many(MaxPoints + 1) }, ErrPoints},
		{"twice a balance", func(p []Point) []Point { p[1].Balance = p[0].Balance; return p }, ErrUnsorted},
		{"falling balances", func(p []Point) []Point { p[1], p[2] = p[2], p[1]; return p }, ErrUnsorted},
		{"largest balance", func(p []Point) []Point { p[2].Balance = power2(128, 1); return p }, nil},
		{"balance too large", func(p []Point) []Point { p[2].Balance = power2(128, 0); return p }, ErrTooLarge},
		{"largest penalty", func(p []Point) []Point { p[0].Penalty = power2(128, 1); return p }, nil},
		{"penalty too large", func(p []Point) []Point { p[0].Penalty = power2(128, 0); return p }, ErrTooLarge},
	} {
		points := row.change([]Point{{contracts.Units(3), contracts.Units(20)}, {contracts.Units(50), contracts.Units(0)}, {contracts.Units(100), contracts.Units(7)}})
		c, err := NewCurve(points)
		if !errors.Is(err, row.err) || (err != nil) != (row.err != nil) {
			t.Errorf("%s: %v, want %v", row.name, err, row.err)
		}
		if back := c.Points(); err == nil && (len(back) != len(points) || back[0] != points[0] || back[1] != points[1]) {
			t.Errorf("%s: came back as %v", row.name, back)
		}
	}
}

func many(n int) (points []Point) {
	for i := range n {
		points = append(points, Point{contracts.Units(uint64(i)), contracts.Units(uint64(i % 2))})
	}
	return points
}

func TestImbalanceRefuses(t *testing.T) {
	for _, row := range []struct {
		capacity contracts.Amount
		ppm      uint32
		err      error
	}{
		{power2(128, 1), 50_000, nil},
		{power2(128, 0), 50_000, ErrTooLarge},
		{contracts.Units(100), 50_001, ErrImbalance},
	} {
		if _, err := Imbalance(row.capacity, row.ppm); !errors.Is(err, row.err) || (err != nil) != (row.err != nil) {
			t.Errorf("%s, %d ppm: %v, want %v", row.capacity, row.ppm, err, row.err)
		}
	}
}

// The power that the default curve is made of is right beyond what a float knows:
// raised to the inverse it is the base again.
func TestPower(t *testing.T) {
	roots := halvings()
	unit := new(big.Int).Lsh(big.NewInt(1), fixed)
	rapid.Check(t, func(r *rapid.T) {
		d := rapid.Uint64Range(1, 1<<40).Draw(r, "d")
		n := d - rapid.Uint64Range(0, d/2).Draw(r, "less")
		num := rapid.Uint64Range(1, 12).Draw(r, "num")
		den := rapid.Uint64Range(1, 12).Draw(r, "den")
		p := power(uint256.NewInt(n), uint256.NewInt(d), num, den, &roots)
		// p^den against (n/d)^num, both times a power of the unit.
		got := new(big.Rat).SetFrac(new(big.Int).Exp(p.ToBig(), big.NewInt(int64(den)), nil), new(big.Int).Exp(unit, big.NewInt(int64(den)), nil))
		want := new(big.Rat).SetFrac(new(big.Int).Exp(new(big.Int).SetUint64(n), big.NewInt(int64(num)), nil), new(big.Int).Exp(new(big.Int).SetUint64(d), big.NewInt(int64(num)), nil))
		off := new(big.Rat).Quo(got.Sub(got, want), want)
		if off.Abs(off).Cmp(new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 96))) > 0 {
			r.Fatalf("(%d/%d)^(%d/%d) is off by %s", n, d, num, den, off.FloatString(40))
		}
	})
}

// Where the default curve is straight, its rounding is known without a power:
// |2x - capacity| / 20, and every tie goes to the even unit.
func TestStraightImbalance(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		capacity := rapid.Uint64Range(1, 1<<40).Draw(r, "capacity")
		if rapid.Bool().Draw(r, "few") {
			capacity %= 2000
		}
		c, err := Imbalance(contracts.Units(capacity), maxImbalance)
		if err != nil {
			r.Fatal(err)
		}
		for _, p := range c.Points() {
			x, _ := p.Balance.Uint64()
			off := max(2*x, capacity) - min(2*x, capacity)
			want := off / 20
			if rest := off % 20; rest > 10 || (rest == 10 && want%2 == 1) {
				want++
			}
			if p.Penalty != contracts.Units(want) {
				r.Fatalf("capacity %d: %s at %d, want %d", capacity, p.Penalty, x, want)
			}
		}
	})
}

// Each row is one change to a good mediator: flat 5 in and 1 out, 1%, a curve in.
func TestHopRefuses(t *testing.T) {
	for _, row := range []struct {
		name              string
		change            func(*Hop, *contracts.Amount)
		forward, backward error
	}{
		{"good", func(h *Hop, a *contracts.Amount) {}, nil, nil},
		{"nothing", func(h *Hop, a *contracts.Amount) { *a = contracts.Amount{} }, ErrNothing, ErrNothing},
		{"caps differ", func(h *Hop, a *contracts.Amount) { h.Out.Cap = false }, ErrMixed, ErrMixed},
		{"asks nothing in", func(h *Hop, a *contracts.Amount) { h.In = nil; h.Out.Cap = false }, nil, nil},
		{"asks nothing out", func(h *Hop, a *contracts.Amount) { h.Out = nil }, nil, nil},
		{"asks nothing", func(h *Hop, a *contracts.Amount) { h.In, h.Out = nil, nil }, nil, nil},
		{"flat fee too large", func(h *Hop, a *contracts.Amount) { h.Out.Flat = power2(128, 0) }, ErrTooLarge, ErrTooLarge},
		{"largest flat fee", func(h *Hop, a *contracts.Amount) { h.Out.Flat = power2(128, 1) }, ErrNothing, ErrUncovered},
		{"all of it", func(h *Hop, a *contracts.Amount) { h.In.Proportional = million }, ErrProportional, ErrProportional},
		{"all of it out", func(h *Hop, a *contracts.Amount) { h.Out.Proportional = million }, ErrProportional, ErrProportional},
		{"all but a millionth", func(h *Hop, a *contracts.Amount) { h.In.Proportional = million - 1 }, ErrNothing, ErrUncovered},
		{"not receivable", func(h *Hop, a *contracts.Amount) { h.Receivable = contracts.Units(99) }, ErrCapacity, ErrCapacity},
		{"just not receivable with fees", func(h *Hop, a *contracts.Amount) { h.Receivable = contracts.Units(117) }, nil, ErrCapacity},
		{"just receivable with fees", func(h *Hop, a *contracts.Amount) { h.Receivable = contracts.Units(118) }, nil, nil},
		{"not sendable", func(h *Hop, a *contracts.Amount) { h.Sendable = contracts.Units(80) }, ErrCapacity, ErrCapacity},
		{"just sendable less fees", func(h *Hop, a *contracts.Amount) { h.Sendable = contracts.Units(84) }, nil, ErrCapacity},
		{"owns more than the curve", func(h *Hop, a *contracts.Amount) { h.Owns = contracts.Units(1001) }, ErrUncovered, ErrUncovered},
		{"owns all of the curve", func(h *Hop, a *contracts.Amount) { h.Owns = contracts.Units(1000) }, ErrUncovered, ErrUncovered},
		{"beyond the curve", func(h *Hop, a *contracts.Amount) {
			*a, h.Sendable = contracts.Units(990), contracts.Units(2000)
		}, nil, ErrUncovered},
		{"receives anything", func(h *Hop, a *contracts.Amount) {
			h.In, h.Out, h.Sendable, h.Receivable = nil, h.In, contracts.Units(1000), power2(256, 1)
			*a = contracts.Units(20) // less 2 of reward, 5 of flat fee
		}, nil, nil},
		{"more than any curve", func(h *Hop, a *contracts.Amount) { *a = power2(256, 1) }, ErrUncovered, ErrUncovered},
	} {
		c, err := NewCurve([]Point{{}, {contracts.Units(1000), contracts.Units(100)}})
		if err != nil {
			t.Fatal(err)
		}
		h := Hop{&Schedule{contracts.Units(5), 0, c, true}, &Schedule{contracts.Units(1), 0, Curve{}, true}, contracts.Amount{}, contracts.Units(5000), contracts.Units(5000)}
		a := contracts.Units(100)
		if row.change(&h, &a); row.name == "more than any curve" {
			h.Receivable, h.Sendable = a, a
		}
		if _, err := h.Forward(a); err != row.forward {
			t.Errorf("%s: forward %v, want %v", row.name, err, row.forward)
		}
		if _, err := h.Backward(a); err != row.backward {
			t.Errorf("%s: backward %v, want %v", row.name, err, row.backward)
		}
	}
}

// At the edge of 128 bits under a curve, and of 256 without: right or refused.
func TestEdges(t *testing.T) {
	top := power2(128, 1)
	half := power2(127, 0)
	steep, err := NewCurve([]Point{{contracts.Amount{}, top}, {contracts.Units(1), contracts.Amount{}}, {half, top}, {top, contracts.Amount{}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, capped := range []bool{false, true} {
		for _, ppm := range []uint32{0, 1, 500_000, million - 1} {
			for _, owns := range []contracts.Amount{{}, contracts.Units(1), half, top.Minus(contracts.Units(1)), top} {
				for _, a := range []contracts.Amount{contracts.Units(1), contracts.Units(2), half, top, power2(150, 1), power2(160, 0), power2(256, 1)} {
					s := &Schedule{top, ppm, steep, capped}
					free := &Schedule{Cap: capped}
					for _, h := range []Hop{{s, s, owns, top.Minus(owns), owns}, {s, free, owns, top.Minus(owns), a}, {free, s, owns, power2(256, 1), owns}, {free, free, owns, a, power2(256, 1)}} {
						edge(t, h, a)
					}
				}
			}
		}
	}
}

// edge compares with the slow evaluation where that can say: the gap may have
// another sign between the ends that it knows, so that only what is found is held.
func edge(t *testing.T, h Hop, a contracts.Amount) {
	t.Helper()
	for _, forward := range []bool{true, false} {
		find := h.Backward
		if forward {
			find = h.Forward
		}
		x, err := find(a)
		if err != nil {
			if !none(err) {
				t.Errorf("%+v, %s: %v", h, a, err)
			}
			continue
		}
		// The gap is zero within half a unit of x.
		s := slow{h, bigOf(a), forward}
		one := big.NewInt(1)
		below, _, ok := s.gap(new(big.Int).Sub(bigOf(x), one))
		above, _, ok1 := s.gap(new(big.Int).Add(bigOf(x), one))
		at, _, ok2 := s.gap(bigOf(x))
		if !ok2 || (ok && ok1 && at.Sign() != 0 && below.Sign()*above.Sign() > 0) {
			t.Errorf("forward %v of %s is %s, where nothing crosses", forward, a, x)
		}
	}
}

// Rewards above the amount itself, uncapped: the gap falls to its first crossing.
func TestRewardsAboveTheAmount(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		line := func(name string, low, high uint64) Curve {
			width := rapid.Uint64Range(50, 99).Draw(r, name+" width")
			rise := width * rapid.Uint64Range(low, high).Draw(r, name+" percent") / 100
			c, err := NewCurve([]Point{{}, {contracts.Units(width), contracts.Units(rise)}, {contracts.Units(200), contracts.Units(5 * rise)}})
			if err != nil {
				r.Fatal(err)
			}
			return c
		}
		h := Hop{
			&Schedule{Imbalance: line("in", 105, 400)}, &Schedule{Imbalance: line("out", 105, 400)},
			contracts.Units(rapid.Uint64Range(0, 40).Draw(r, "owns")), contracts.Units(160), contracts.Units(rapid.Uint64Range(30, 200).Draw(r, "sendable")),
		}
		against(r, h, contracts.Units(rapid.Uint64Range(1, 60).Draw(r, "amount")), false)
	})
}

// A quote says which mediator cannot.
func TestQuoteSaysWho(t *testing.T) {
	good := Hop{&Schedule{Flat: contracts.Units(1)}, nil, contracts.Amount{}, contracts.Units(100), contracts.Units(100)}
	poor := good
	poor.Sendable = contracts.Units(9)
	_, err := Quote([]Hop{good, poor, good}, contracts.Units(10))
	if !errors.Is(err, ErrCapacity) || !strings.Contains(err.Error(), "mediator 2 of 3, to send 11") {
		t.Error(err)
	}
	_, err = Pass([]Hop{good, poor, good}, contracts.Units(12))
	if !errors.Is(err, ErrCapacity) || !strings.Contains(err.Error(), "mediator 2 of 3, of 11") {
		t.Error(err)
	}
	if _, err := WithMargin(power2(256, 2), power2(256, 1)); !errors.Is(err, ErrCapacity) {
		t.Error(err)
	}
}

const encoded = `{"flat":"5","proportional":4975,"imbalance":[["0","20"],["100","0"]],"cap":true}`

func TestDecodeSchedule(t *testing.T) {
	for _, row := range []struct {
		name, text string
		err        error
	}{
		{"good", encoded, nil},
		{"nothing asked", `{"flat":"0","proportional":0,"imbalance":[],"cap":false}`, nil},
		{"empty", ``, ErrEncoding},
		{"null", `null`, ErrEncoding},
		{"space", " " + encoded, ErrEncoding},
		{"more after it", encoded + "{}", ErrEncoding},
		{"unknown field", strings.Replace(encoded, `"cap"`, `"x":1,"cap"`, 1), ErrEncoding},
		{"field twice", strings.Replace(encoded, `"cap"`, `"cap":true,"cap"`, 1), ErrEncoding},
		{"field missing", strings.Replace(encoded, `"flat":"5",`, ``, 1), ErrEncoding},
		{"other case", strings.Replace(encoded, `flat`, `Flat`, 1), ErrEncoding},
		{"number for an amount", strings.Replace(encoded, `"5"`, `5`, 1), ErrEncoding},
		{"below zero", strings.Replace(encoded, `"5"`, `"-5"`, 1), ErrEncoding},
		{"negative ppm", strings.Replace(encoded, `4975`, `-1`, 1), ErrEncoding},
		{"ppm of 33 bits", strings.Replace(encoded, `4975`, `4294967296`, 1), ErrEncoding},
		{"most ppm", strings.Replace(encoded, `4975`, `999999`, 1), nil},
		{"all of it", strings.Replace(encoded, `4975`, `1000000`, 1), ErrProportional},
		{"three in a point", strings.Replace(encoded, `"20"]`, `"20","1"]`, 1), ErrEncoding},
		{"one in a point", strings.Replace(encoded, `["100","0"]`, `["100"]`, 1), ErrEncoding},
		{"no curve", strings.Replace(encoded, `[["0","20"],["100","0"]]`, `null`, 1), ErrEncoding},
		{"one point", strings.Replace(encoded, `,["100","0"]`, ``, 1), ErrPoints},
		{"unsorted", strings.Replace(encoded, `"100"`, `"0"`, 1), ErrUnsorted},
		{"flat fee too large", strings.Replace(encoded, `"5"`, `"`+power2(128, 0).String()+`"`, 1), ErrTooLarge},
		{"too long", encoded + strings.Repeat(" ", maxScheduleBytes), ErrEncoding},
	} {
		s, err := DecodeSchedule([]byte(row.text))
		if !errors.Is(err, row.err) || (err != nil) != (row.err != nil) {
			t.Errorf("%s: %+v, %v; want %v", row.name, s, err, row.err)
		}
	}
	points := many(MaxPoints)
	for i := range points {
		points[i] = Point{power2(128, uint64(MaxPoints-i)), power2(128, 1)}
	}
	c, err := NewCurve(points)
	if err != nil {
		t.Fatal(err)
	}
	longest, err := Schedule{power2(128, 1), million - 1, c, false}.Encode()
	if err != nil || len(longest) > maxScheduleBytes {
		t.Errorf("the longest is %d bytes, %v", len(longest), err)
	}
	if _, err := DecodeSchedule(longest); err != nil {
		t.Error(err)
	}
}

// What is read is written back alike, and counts without a panic.
func FuzzDecodeSchedule(f *testing.F) {
	f.Add([]byte(encoded), uint64(40), uint64(60))
	f.Add([]byte(`{"flat":"0","proportional":0,"imbalance":[],"cap":false}`), uint64(1), uint64(0))
	f.Add([]byte(`{"flat":"340282366920938463463374607431768211455","proportional":999999,"imbalance":[["1","340282366920938463463374607431768211455"],["340282366920938463463374607431768211455","0"]],"cap":false}`), uint64(9), uint64(1<<63))
	f.Fuzz(func(t *testing.T, b []byte, a, owns uint64) {
		s, err := DecodeSchedule(b)
		if err != nil {
			return
		}
		if again, err := s.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%s is written %s, %v", b, again, err)
		}
		h := Hop{&s, &s, contracts.Units(owns), power2(256, 1), contracts.Units(owns)}
		if out, err := h.Forward(contracts.Units(a)); err != nil && !none(err) {
			t.Fatal(out, err)
		}
		if in, err := h.Backward(contracts.Units(a)); err != nil && !none(err) {
			t.Fatal(in, err)
		}
	})
}
