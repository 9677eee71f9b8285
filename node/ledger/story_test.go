package ledger

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"pgregory.net/rapid"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// line opens channels 0-1, 1-2, ... with so much on both sides.
func line(t rapid.TB, n int, puts, puts2 contracts.Amount) *world {
	t.Helper()
	w := newWorld(t, n)
	for i := range n - 1 {
		w.open(i, i+1, puts, puts2)
	}
	return w
}

// BF3: a hundred payments each way at once, over three mediators.
func TestHundredEachWay(t *testing.T) {
	e := func(n uint64) contracts.Amount { return ether(t, n) }
	w := line(t, 5, e(1000), e(1000))
	var there, back []contracts.Hash
	for range 100 {
		i, j := w.demand(4, e(1)), w.demand(0, e(1))
		if err := w.send(0, i, w.route(e(1), e(1), 1, 2, 3, 4)); err != nil {
			t.Fatal(err)
		}
		if err := w.send(4, j, w.route(e(1), e(1), 3, 2, 1, 0)); err != nil {
			t.Fatal(err)
		}
		there, back = append(there, i.Hash), append(back, j.Hash)
	}
	w.calm()
	for i := range there {
		w.ended(0, there[i], Done, "")
		w.ended(4, back[i], Done, "")
	}
	for i := range 4 {
		w.has(i, i+1, e(1000), e(1000))
	}
}

// BF4: three series at once, two of them through one channel.
func TestThreeSeries(t *testing.T) {
	e := func(n uint64) contracts.Amount { return ether(t, n) }
	w := newWorld(t, 6)
	for _, c := range [][2]int{{0, 1}, {1, 2}, {1, 3}, {0, 4}, {4, 5}} {
		w.open(c[0], c[1], e(1000), contracts.Amount{})
	}
	var ids []contracts.Hash
	for range 100 {
		for _, by := range [][]int{{1, 2}, {1, 3}, {4, 5}} {
			i := w.demand(by[1], e(1))
			if err := w.send(0, i, w.route(e(1), e(1), by...)); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, i.Hash)
		}
		w.calm()
	}
	for _, id := range ids {
		w.ended(0, id, Done, "")
	}
	w.has(0, 1, e(800), e(200))
	w.has(1, 2, e(900), e(100))
	w.has(1, 3, e(900), e(100))
	w.has(0, 4, e(900), e(100))
	w.has(4, 5, e(900), e(100))
}

// BF6: nine spokes pay the hub, each other once, and then forty-five times.
func TestHub(t *testing.T) {
	e := func(n uint64) contracts.Amount { return ether(t, n) }
	w := newWorld(t, 10)
	for i := 1; i <= 9; i++ {
		w.open(i, 0, e(1000), contracts.Amount{})
	}
	for i := 1; i <= 9; i++ {
		inv := w.demand(0, e(500))
		if err := w.send(i, inv); err != nil {
			t.Fatal(err)
		}
	}
	w.calm()
	for i := 1; i <= 9; i++ {
		w.has(i, 0, e(500), e(500))
	}
	all := func(pairs map[int][]int) {
		t.Helper()
		var ids [10][]contracts.Hash
		for from := 1; from <= 9; from++ {
			for _, to := range pairs[from] {
				inv := w.demand(to, e(1))
				if err := w.send(from, inv, w.route(e(1), e(1), 0, to)); err != nil {
					t.Fatal(err)
				}
				ids[from] = append(ids[from], inv.Hash)
			}
		}
		w.calm()
		for from := range ids {
			for _, id := range ids[from] {
				w.ended(from, id, Done, "")
			}
		}
	}
	all(map[int][]int{1: {2}, 2: {9}, 3: {7}, 4: {6}, 5: {3}, 6: {8}, 7: {1}, 8: {4}, 9: {5}})
	for i := 1; i <= 9; i++ {
		w.has(i, 0, e(500), e(500))
	}
	all(map[int][]int{
		1: {6, 7, 5, 2, 8}, 2: {3, 4, 9, 6, 1}, 3: {1, 8, 4, 2, 9}, 4: {7, 9, 6, 3, 8}, 5: {4, 2, 1, 3, 8},
		6: {4, 7, 8, 9, 3}, 7: {5, 4, 8, 6, 2}, 8: {9, 5, 4, 3, 6}, 9: {3, 4, 2, 7, 8},
	})
	for i, want := range []uint64{498, 500, 501, 502, 498, 500, 499, 502, 500} {
		w.has(i+1, 0, e(want), e(1000-want))
	}
}

// BF7: over up to thirteen mediators, there and back.
func TestLongLine(t *testing.T) {
	w := line(t, 15, units(100), units(100))
	for k := 1; k <= 14; k++ {
		var there, back []int
		for i := 0; i <= k; i++ {
			there, back = append(there, i), append([]int{i}, back...)
		}
		w.pay(units(10), there...)
		for i := range k {
			w.has(i, i+1, units(90), units(110))
		}
		w.pay(units(10), back...)
		for i := range k {
			w.has(i, i+1, units(100), units(100))
		}
	}
}

// A feeRow is a payment over mediators with fees, from data that others share.
type feeRow struct {
	ID        string
	Amount    contracts.Amount   `json:"amount"`
	Asked     contracts.Amount   `json:"payment_amount"`
	Sent      contracts.Amount   `json:"expected_amount_sent"`
	Sends     contracts.Amount   `json:"amount_sent"`
	Forward   []contracts.Amount `json:"expected_amounts_per_channel_forward"`
	Want      []contracts.Amount `json:"expected_amounts_per_channel"`
	Mediators []struct {
		In         feeSchedule      `json:"schedule_in"`
		Out        feeSchedule      `json:"schedule_out"`
		Cap        bool             `json:"cap_fees"`
		Owns       contracts.Amount `json:"balance_in"`
		Sendable   contracts.Amount `json:"balance_out"`
		Receivable contracts.Amount `json:"receivable"`
	}
}

type feeSchedule struct {
	Flat  contracts.Amount      `json:"flat"`
	PPM   uint32                `json:"proportional_ppm"`
	Curve [][2]contracts.Amount `json:"imbalance_penalty"`
}

func (f feeSchedule) schedule(t rapid.TB, capped bool) message.Schedule {
	t.Helper()
	s := message.Schedule{Flat: f.Flat, Proportional: f.PPM, Cap: capped}
	if f.Curve != nil {
		var points []message.Point
		for _, p := range f.Curve {
			points = append(points, message.Point{Balance: p[0], Penalty: p[1]})
		}
		curve, err := message.NewCurve(points)
		if err != nil {
			t.Fatal(err)
		}
		s.Imbalance = curve
	}
	return s
}

// MFEE1-4 and INT20: what passes each channel is exactly what the rows say.
func TestFeeRows(t *testing.T) {
	raw, err := os.ReadFile("../message/testdata/fee-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Sections map[string]json.RawMessage }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, section := range []string{"payment_end_to_end", "payment_forward_chain"} {
		var rows []feeRow
		if err := json.Unmarshal(file.Sections[section], &rows); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			ran++
			t.Run(r.ID, func(t *testing.T) { r.run(t) })
		}
	}
	if ran != 9 {
		t.Errorf("%d rows, want 9", ran)
	}
}

func (r feeRow) run(t *testing.T) {
	amount, sent, want := r.Amount, r.Sent, r.Forward
	if section := r.Want; section != nil {
		amount, sent, want = r.Asked, r.Sends, r.Want
	}
	n := len(r.Mediators)
	w := newWorld(t, n+2)
	var by []int
	for i := range n + 1 {
		// What the mediator behind it owns there, and what he receives from.
		ours, theirs := r.Mediators[min(i, n-1)].Receivable, r.Mediators[min(i, n-1)].Owns
		if i == n {
			ours, theirs = r.Mediators[n-1].Sendable, contracts.Amount{}
		}
		w.open(i, i+1, ours, theirs)
		by = append(by, i+1)
	}
	for i, m := range r.Mediators {
		p := w.people[i+1]
		for _, c := range p.l.Channels() {
			f := m.Out
			if c.Partner() == w.people[i].self() {
				f = m.In
			}
			w.must(p, SetFee{Fee{c.Key, f.schedule(t, m.Cap)}})
		}
	}
	inv := w.demand(n+1, amount)
	if err := w.send(0, inv, w.route(sent, amount, by...)); err != nil {
		t.Fatal(err)
	}
	var before [16]contracts.Amount
	for i := range by {
		c := w.between(i, i+1)
		before[i] = c.Sendable()
	}
	before[0] = before[0].Plus(sent) // it is promised already
	w.calm()
	w.ended(0, inv.Hash, Done, "")
	w.agree()
	for i := range by {
		if passed := before[i].Minus(w.between(i, i+1).Sendable()); passed != want[i] {
			t.Errorf("channel %d: %s, want %s", i, passed, want[i])
		}
	}
	fee := contracts.Amount{}
	if amount.Less(sent) {
		fee = sent.Minus(amount)
	}
	if got := w.paid(0, inv.Hash).Fee; got != fee {
		t.Errorf("fee %s, want %s", got, fee)
	}
}

// between is a's side of its channel with b.
func (w *world) between(a, b int) (c channel.Channel) {
	w.Helper()
	for _, c := range w.people[a].l.Channels() {
		if c.Partner() == w.people[b].self() {
			return c
		}
	}
	w.Fatalf("no channel between %d and %d", a, b)
	return c
}

// INT18: a mediator keeps more than its fee. Too little arrives, the secret is never
// shown, and the payer has his money back.
func TestMediatorEatsMore(t *testing.T) {
	w := line(t, 3, units(1000), units(1000))
	c := w.between(1, 2)
	w.must(w.people[1], SetFee{Fee{c.Key, message.Schedule{Flat: units(20)}}})
	inv := w.demand(2, units(100))
	if err := w.send(0, inv, w.route(units(110), units(100), 1, 2)); err != nil {
		t.Fatal(err)
	}
	w.calm()
	if d, _ := w.people[2].l.Demand(inv.Hash); d.Status != Asked || len(d.Links) != 1 {
		t.Errorf("demand is %s with %d links, want 90 of 100 to wait for more", d.Status, len(d.Links))
	}
	w.mine(100) // until the lock is too short
	w.calm()
	w.ended(0, inv.Hash, Failed, message.Amount)
	w.mine(20)
	w.calm()
	w.has(0, 1, units(1000), units(1000))
	w.has(1, 2, units(1000), units(1000))
	for _, p := range w.people {
		for _, m := range p.said {
			if _, is := m.(message.Reveal); is {
				t.Errorf("%s has shown a secret", p.name)
			}
		}
	}
}

// INT19: all there is goes through a line.
func TestEntireDeposit(t *testing.T) {
	w := line(t, 4, units(1000), contracts.Amount{})
	w.pay(units(1000), 0, 1, 2, 3)
	for i := range 3 {
		w.has(i, i+1, contracts.Amount{}, units(1000))
	}
}

// INT29: the payee says nothing. The payment fails when its lock's time is over, and
// the money is back.
func TestSilentPayee(t *testing.T) {
	for _, hops := range []int{1, 2} {
		t.Run(fmt.Sprint(hops, " hops"), func(t *testing.T) {
			w := line(t, hops+1, units(1000), units(1000))
			inv := w.demand(hops, units(100), func(r *Request) { r.Hold = true })
			by := []int{1, 2}[:hops]
			if err := w.send(0, inv, w.route(units(100), units(100), by...)); err != nil {
				t.Fatal(err)
			}
			w.calm()
			payee := w.people[hops]
			w.lose = func(m mail) bool { return m.from == payee || m.to == payee }
			w.mine(3*rules.Reveal + rules.Grace - 1) // the last lock is for three times that
			if _, is := w.people[0].over[inv.Hash]; is {
				t.Fatal("it has ended before its time")
			}
			w.mine(1)
			w.ended(0, inv.Hash, Failed, message.Expiry)
			w.lose = nil
			for _, p := range w.people {
				w.wake(p)
			}
			w.calm()
			w.mine(5)
			w.calm()
			for i := range hops {
				w.has(i, i+1, units(1000), units(1000))
			}
		})
	}
}

// N16: somebody dies after each step of a payment, with all saved and nothing sent.
// It is done all the same, and every balance is exact.
func TestDeathAtEachStep(t *testing.T) {
	for hops := 0; hops <= 3; hops++ { // 0 is a plain one
		steps := 1
		for k := 0; k < steps; k++ {
			w := line(t, max(hops, 1)+1, units(1000), units(1000))
			n := 0
			w.crash = func(*person) bool { n++; return n == k+1 }
			last := len(w.people) - 1
			i := w.demand(last, units(100))
			e := Pay{ID: i.Hash, Asset: smt, To: i.Payee, Amount: i.Amount, Invoice: &i, Plain: hops == 0}
			if hops > 0 {
				e.Routes = []Route{w.route(i.Amount, i.Amount, []int{1, 2, 3}[:hops]...)}
			}
			w.must(w.people[0], e)
			w.calm()
			w.mine(2)
			steps = max(steps, n)
			if p := w.paid(0, i.Hash); p.Status != Done {
				t.Fatalf("%d hops, death after step %d: %s %s", hops, k, p.Status, p.Reason)
			}
			if d, _ := w.people[last].l.Demand(i.Hash); d.Status != Settling || d.Got != units(100) {
				t.Fatalf("%d hops, death after step %d: the payee says %s, %s", hops, k, d.Status, d.Got)
			}
			for j := range last {
				w.has(j, j+1, units(900), units(1100))
			}
			if len(w.people[0].l.Payments()) > 0 {
				t.Errorf("%d hops, death after step %d: something is left", hops, k)
			}
		}
		if steps < 20 {
			t.Errorf("only %d steps", steps)
		}
	}
}
