package ledger

import (
	"testing"

	"github.com/holiman/uint256"

	"photon/contracts"
	"photon/node/message"
)

// ring is 0-1-3 and 0-2-3 with so much everywhere.
func ring(t *testing.T, puts uint64) *world {
	t.Helper()
	w := newWorld(t, 4)
	for _, c := range [][2]int{{0, 1}, {0, 2}, {1, 3}, {2, 3}} {
		w.open(c[0], c[1], units(puts), units(puts))
	}
	return w
}

// Each row is one change to a good payment of 100 with a fee of at most 10.
func TestPayLocked(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(w *world, e *Pay)
		want   error
	}{
		{"good", func(*world, *Pay) {}, nil},
		{"for the highest fee", func(w *world, e *Pay) { e.Routes[0].Sent = units(110) }, nil},
		{"for a higher fee", func(w *world, e *Pay) { e.Routes[0].Sent = units(111) }, ErrFee},
		{"another is cheaper", func(w *world, e *Pay) {
			e.Routes = append([]Route{w.route(units(111), units(100), 2, 3)}, e.Routes...)
		}, nil},
		{"under another id", func(_ *world, e *Pay) { e.ID = contracts.Hash{1} }, ErrPayment},
		{"along no route", func(_ *world, e *Pay) { e.Routes[0].Nodes = nil }, ErrNoRoute},
		{"to another", func(w *world, e *Pay) { e.Routes[0].Nodes = e.Routes[0].Nodes[:1] }, ErrNoRoute},
		{"by ourselves", func(w *world, e *Pay) { e.Routes[0] = w.route(units(100), units(100), 1, 0, 3) }, ErrNoRoute},
		{"by one twice", func(w *world, e *Pay) { e.Routes[0] = w.route(units(100), units(100), 1, 2, 1, 3) }, ErrNoRoute},
		{"by no partner", func(w *world, e *Pay) { e.Routes[0] = w.route(units(100), units(100), 3) }, ErrNoRoute},
		{"by one who is away", func(w *world, e *Pay) { w.must(w.people[0], Parted{w.people[1].self()}) }, ErrNoRoute},
		{"of all there is", func(w *world, e *Pay) { e.MaxFee, e.Routes[0].Sent = units(1000), units(1000) }, nil},
		{"of more", func(w *world, e *Pay) { e.MaxFee, e.Routes[0].Sent = units(1000), units(1001) }, ErrNoRoute},
		{"that bring all there can be", func(_ *world, e *Pay) {
			e.Routes[0].Amount = contracts.AmountOf(new(uint256.Int).SetAllOne())
		}, ErrNoRoute},
		{"that bring too little", func(w *world, e *Pay) { e.Routes[0].Amount = units(99) }, ErrNoRoute},
		{"on the oldest view", func(w *world, e *Pay) { w.must(w.people[0], Clock{w.time() + 300}) }, nil},
		{"on an older view", func(w *world, e *Pay) { w.must(w.people[0], Clock{w.time() + 301}) }, ErrStale},
		{"again", func(w *world, e *Pay) { w.must(w.people[0], *e) }, nil},
		{"plainly, too", func(w *world, e *Pay) { w.must(w.people[0], *e); e.ID, e.Plain = e.Invoice.Hash, true }, ErrReused},
		{"that anybody can open", func(_ *world, e *Pay) { e.Invoice.Hash = contracts.Secret{}.Hash() }, message.ErrInvoice},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := ring(t, 1000)
			i := w.demand(3, units(100))
			e := Pay{Asset: smt, To: i.Payee, Amount: i.Amount, Invoice: &i, MaxFee: units(10), Routes: []Route{w.route(units(100), units(100), 1, 3)}}
			row.change(w, &e)
			w.refused(w.people[0], e, row.want)
		})
	}
}

// The longest route that a window has room for, and one more.
func TestLongestRoute(t *testing.T) {
	for hops, want := range map[int]error{18: nil, 19: ErrNoRoute} {
		w := newWorld(t, 21)
		w.open(0, 1, units(100), units(100))
		by := make([]int, hops)
		for i := range by {
			by[i] = i + 1
		}
		i := w.demand(hops, units(1))
		w.refused(w.people[0], Pay{Asset: smt, To: i.Payee, Amount: units(1), Invoice: &i, Routes: []Route{w.route(units(1), units(1), by...)}}, want)
	}
}

// The first route fails, the second brings it: with another lock, though part of the
// way may be the same.
func TestNextRoute(t *testing.T) {
	w := ring(t, 1000)
	w.must(w.people[1], Pay{ID: contracts.Hash{1}, Asset: smt, To: w.people[3].self(), Amount: units(950)})
	w.calm()
	i := w.demand(3, units(100))
	if err := w.send(0, i, w.route(units(100), units(100), 1, 3), w.route(units(100), units(100), 1, 3), w.route(units(105), units(100), 2, 3)); err != nil {
		t.Fatal(err)
	}
	w.calm()
	w.ended(0, i.Hash, Done, "")
	p := w.paid(0, i.Hash)
	if len(p.Parts) != 3 || p.Parts[0].Reason != message.Short || p.Parts[1].Reason != message.Short || p.Parts[0].Lock.ID() == p.Parts[1].Lock.ID() {
		t.Errorf("parts %+v", p.Parts)
	}
	if p.Fee != units(5) || p.Secret.Hash() != i.Hash {
		t.Errorf("fee %s, receipt %v", p.Fee, p.Secret)
	}
	w.mine(2)
	w.has(0, 1, units(1000), units(1000))
	w.has(0, 2, units(895), units(1105))
}

// When the last route has failed, the payment has, for the last reason; and no route
// is tried from its deadline on.
func TestNoMoreRoutes(t *testing.T) {
	for _, late := range []bool{false, true} {
		w := ring(t, 1000)
		for m := 1; m <= 2; m++ {
			w.must(w.people[m], Parted{w.people[3].self()})
		}
		i := w.demand(3, units(100))
		e := Pay{Asset: smt, To: i.Payee, Amount: i.Amount, Invoice: &i, Deadline: w.time() + 10,
			Routes: []Route{w.route(units(100), units(100), 1, 3), w.route(units(100), units(100), 2, 3)}}
		w.must(w.people[0], e)
		want := 2
		if late {
			w.must(w.people[0], Clock{w.time() + 10})
			want = 1
		}
		w.calm()
		w.ended(0, i.Hash, Failed, message.Offline)
		if n := len(w.paid(0, i.Hash).Parts); n != want {
			t.Errorf("%d routes were tried, want %d", n, want)
		}
		w.must(w.people[0], Pay{Asset: smt, To: i.Payee, Amount: i.Amount, Invoice: &i}) // the same is the same, and over
	}
}

// The path finder is asked when there is no channel with the payee; what it finds is
// tried, and nothing is a reason.
func TestPathFinder(t *testing.T) {
	for _, row := range []struct {
		name   string
		found  func(w *world) []Route
		status Status
		why    message.Reason
	}{
		{"a way", func(w *world) []Route { return []Route{w.route(units(104), units(100), 2, 3)} }, Done, ""},
		{"nothing", func(*world) []Route { return nil }, Failed, message.NoRoute},
		{"what does not lead there", func(w *world) []Route { return []Route{w.route(units(100), units(100), 2)} }, Failed, message.NoRoute},
		{"what is too dear", func(w *world) []Route { return []Route{w.route(units(201), units(100), 2, 3)} }, Failed, message.Fee},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := ring(t, 1000)
			i := w.demand(3, units(100))
			asked := 0
			w.find = func(_ *person, f Find) []Route {
				if asked++; f.To != i.Payee || f.Amount != i.Amount || f.Asset != smt || f.Most != mostRoutes {
					t.Errorf("asked for %+v", f)
				}
				return row.found(w)
			}
			if err := w.send(0, i); err != nil {
				t.Fatal(err)
			}
			w.calm()
			w.ended(0, i.Hash, row.status, row.why)
			w.mine(1)
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

// A node dies while the path finder is asked: it is asked again. One that says
// nothing until the deadline has found nothing.
func TestPathFinderAgain(t *testing.T) {
	w := ring(t, 1000)
	i := w.demand(3, units(100))
	w.must(w.people[0], Pay{Asset: smt, To: i.Payee, Amount: i.Amount, Invoice: &i, Deadline: w.time() + 10})
	asked := 0
	w.find = func(*person, Find) []Route { asked++; return []Route{w.route(units(100), units(100), 1, 3)} }
	w.must(w.people[0], Clock{w.time() + 1})
	if asked != 0 {
		t.Error("asked twice")
	}
	w.restart(w.people[0])
	w.calm()
	w.ended(0, i.Hash, Done, "")

	j := w.demand(3, units(100))
	w.find = nil
	w.must(w.people[0], Pay{Asset: smt, To: j.Payee, Amount: j.Amount, Invoice: &j, Deadline: w.time() + 10})
	w.must(w.people[0], Clock{w.time() + 9})
	if _, over := w.people[0].over[j.Hash]; over {
		t.Error("over before its deadline")
	}
	w.must(w.people[0], Clock{w.time() + 10})
	w.ended(0, j.Hash, Failed, message.NoRoute)
}

// A promise that was refused, and not signed away, can still be claimed: it is not
// promised elsewhere before its time is over.
func TestRefusedIsNotFree(t *testing.T) {
	w := ring(t, 1000)
	zero, one := w.people[0], w.people[1]
	w.must(one, Clock{w.time() + 301}) // he refuses promises: his view is old
	w.lose = func(m mail) bool { _, is := m.message.(message.Dispose); return is }
	i := w.demand(3, units(100))
	if err := w.send(0, i, w.route(units(100), units(100), 1, 3), w.route(units(100), units(100), 2, 3)); err != nil {
		t.Fatal(err)
	}
	w.calm()
	if p := w.paid(0, i.Hash); p.Status != Pending || len(p.Parts) != 1 {
		t.Fatalf("%s with %d parts, want to wait with one", p.Status, len(p.Parts))
	}
	w.lose = nil
	w.must(one, Met{zero.self()}) // and tells again what was lost
	w.calm()
	w.ended(0, i.Hash, Done, "")
	if p := w.paid(0, i.Hash); len(p.Parts) != 2 || p.Parts[0].Reason != message.Stale {
		t.Errorf("parts %+v", p.Parts)
	}
}
