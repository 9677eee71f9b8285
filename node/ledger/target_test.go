package ledger

import (
	"strings"
	"testing"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// Each row is one change to a good lock of 100 that 0 promises to 1, who asks 100
// and holds.
func TestWhyAPayeeGivesUp(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(w *world, i message.Invoice, l *contracts.Lock)
		want   message.Reason
		status DemandStatus
	}{
		{"good", func(*world, message.Invoice, *contracts.Lock) {}, "", Held},
		{"less than asked", func(_ *world, _ message.Invoice, l *contracts.Lock) { l.Amount = units(99) }, "", Asked},
		{"twice as much", func(_ *world, _ message.Invoice, l *contracts.Lock) { l.Amount = units(200) }, "", Held},
		{"more than that", func(_ *world, _ message.Invoice, l *contracts.Lock) { l.Amount = units(201) }, message.Amount, Asked},
		{"of no invoice", func(_ *world, _ message.Invoice, l *contracts.Lock) { l.Hash[0]++ }, message.Unknown, Asked},
		{"cancelled", func(w *world, i message.Invoice, _ *contracts.Lock) { w.must(w.people[1], Cancel{i.Hash}) }, message.Cancelled, Withdrawn},
		{"shortest expiry", func(w *world, _ message.Invoice, l *contracts.Lock) { l.Expiry = w.height + rules.Reveal + 1 }, "", Held},
		{"shorter", func(w *world, _ message.Invoice, l *contracts.Lock) { l.Expiry = w.height + rules.Reveal }, message.Expiry, Asked},
		{"last second", func(w *world, i message.Invoice, _ *contracts.Lock) { w.must(w.people[1], Clock{w.time() + 299}) }, "", Held},
		{"expired", func(w *world, i message.Invoice, _ *contracts.Lock) { w.must(w.people[1], Clock{w.time() + 300}) }, message.Paid, Lapsed},
		{"paid before", func(w *world, i message.Invoice, _ *contracts.Lock) {
			w.must(w.people[1], Release{w.secrets[i.Hash]})
			if err := w.send(0, i); err != nil {
				w.Fatal(err)
			}
			w.calm()
		}, message.Paid, Settling},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := line(t, 2, units(1000), units(1000))
			i := w.demand(1, units(100), func(r *Request) { r.Hold, r.Invoice.Expiry = true, w.time()+300 })
			l := contracts.Lock{Amount: units(100), Expiry: w.height + 2*rules.Reveal, Hash: i.Hash}
			row.change(w, i, &l)
			w.promise(0, 1, message.Promise{Lock: l})
			w.calm()
			if got := w.people[1].lastDisposal(); got != row.want {
				t.Errorf("given up for %q, want %q", got, row.want)
			}
			if d, _ := w.people[1].l.Demand(i.Hash); d.Status != row.status {
				t.Errorf("the demand is %s, want %s", d.Status, row.status)
			}
		})
	}
}

// Several parts over two routes have one secret, which is shown when all have come.
func TestParts(t *testing.T) {
	w := newWorld(t, 4)
	w.open(0, 1, units(60), units(0))
	w.open(0, 2, units(60), units(0))
	w.open(1, 3, units(60), units(0))
	w.open(2, 3, units(60), units(0))
	i := w.demand(3, units(100))
	if err := w.send(0, i, w.route(units(60), units(60), 1, 3), w.route(units(40), units(40), 2, 3)); err != nil {
		t.Fatal(err)
	}
	w.calm()
	w.ended(0, i.Hash, Done, "")
	w.has(0, 1, units(0), units(60))
	w.has(2, 3, units(20), units(40))
	if got := w.people[3].store.Payments; len(got) != 1 || got[0].Amount != units(100) || got[0].Secret == nil {
		t.Errorf("the payee has %+v", got)
	}
}

// One of two parts does not come. The other is given back in time, and nothing was
// shown.
func TestPartMissing(t *testing.T) {
	w := newWorld(t, 4)
	w.open(0, 1, units(60), units(0))
	w.open(0, 2, units(60), units(0))
	w.open(1, 3, units(60), units(0))
	i := w.demand(3, units(100))
	if err := w.send(0, i, w.route(units(60), units(60), 1, 3), w.route(units(40), units(40), 2, 3)); err != nil {
		t.Fatal(err)
	}
	w.mine(3*rules.Reveal - 1)
	w.ended(0, i.Hash, Failed, message.Amount)
	w.mine(5)
	w.has(0, 1, units(60), units(0))
	w.has(0, 2, units(60), units(0))
	if w.people[3].l.Demands()[0].Secret != nil {
		t.Error("the secret is there")
	}
}

// What is held is paid when the user says so, given back when he cancels, and given
// back when he waits too long; a node that dies meanwhile does the same.
func TestHold(t *testing.T) {
	for _, row := range []struct {
		name   string
		decide func(w *world, i message.Invoice)
		status Status
		why    message.Reason
		demand DemandStatus
	}{
		{"released", func(w *world, i message.Invoice) { w.must(w.people[2], Release{w.secrets[i.Hash]}) }, Done, "", Settling},
		{"cancelled", func(w *world, i message.Invoice) { w.must(w.people[2], Cancel{i.Hash}) }, Failed, message.Cancelled, Withdrawn},
		{"forgotten", func(w *world, i message.Invoice) { w.mine(2 * rules.Reveal) }, Failed, message.Expiry, Asked},
		{"released at the last block", func(w *world, i message.Invoice) {
			w.mine(2*rules.Reveal - 1)
			w.must(w.people[2], Release{w.secrets[i.Hash]})
		}, Done, "", Settling},
	} {
		for _, dies := range []bool{false, true} {
			t.Run(row.name, func(t *testing.T) {
				w := line(t, 3, units(1000), units(1000))
				i := w.demand(2, units(100), func(r *Request) { r.Hold = true })
				if err := w.send(0, i, w.route(units(100), units(100), 1, 2)); err != nil {
					t.Fatal(err)
				}
				w.calm()
				if d, _ := w.people[2].l.Demand(i.Hash); d.Status != Held || d.Secret != nil {
					t.Fatalf("the demand is %s", d.Status)
				}
				if dies {
					for _, p := range w.people {
						w.restart(p)
					}
				}
				row.decide(w, i)
				if dies {
					for _, p := range w.people {
						w.restart(p)
					}
				}
				w.mine(3)
				w.ended(0, i.Hash, row.status, row.why)
				if d, _ := w.people[2].l.Demand(i.Hash); d.Status != row.demand {
					t.Errorf("the demand is %s, want %s", d.Status, row.demand)
				}
				w.agree()
			})
		}
	}
}

// Each row is one change to a good invoice, and what a second one may not be.
func TestRequest(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(w *world, r *Request)
		want   error
	}{
		{"good", func(*world, *Request) {}, nil},
		{"again", func(w *world, r *Request) { w.must(w.people[0], *r) }, nil},
		{"for another amount", func(w *world, r *Request) { w.must(w.people[0], *r); r.Invoice.Amount = units(2) }, ErrReused},
		{"for another", func(w *world, r *Request) { r.Invoice.Payee = w.people[1].self() }, message.ErrInvoice},
		{"signed by another", func(w *world, r *Request) { w.signed(1, &r.Invoice) }, message.ErrInvoice},
		{"of nothing", func(_ *world, r *Request) { r.Invoice.Amount = units(0) }, message.ErrInvoice},
		{"that anybody can open", func(_ *world, r *Request) { r.Invoice.Hash = contracts.Secret{}.Hash() }, message.ErrInvoice},
		{"on a chain that is not ours", func(_ *world, r *Request) { r.Invoice.Asset.Chain = contracts.BTC }, message.ErrInvoice},
		{"with the longest text", func(_ *world, r *Request) { r.Invoice.Text = strings.Repeat("x", message.MaxText) }, nil},
		{"with a longer text", func(_ *world, r *Request) { r.Invoice.Text = strings.Repeat("x", message.MaxText+1) }, message.ErrInvoice},
		{"as many as may be", func(w *world, r *Request) { w.demand(0, units(1)); w.people[0].l.cfg.Limits.Open = 2 }, nil},
		{"one more than may be", func(w *world, r *Request) { w.demand(0, units(1)); w.people[0].l.cfg.Limits.Open = 1 }, ErrFull},
		{"for a second", func(w *world, r *Request) { r.Invoice.Expiry = w.time() + 1 }, nil},
		{"for no time", func(w *world, r *Request) { r.Invoice.Expiry = w.time() }, message.ErrInvoice},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, 2)
			r := Request{Number: 1, Invoice: message.Invoice{
				Asset: smt, Payee: w.people[0].self(), Amount: units(1), Hash: contracts.Hash{1}, Expiry: w.time() + 100,
			}}
			w.signed(0, &r.Invoice)
			row.change(w, &r)
			if row.name != "signed by another" {
				w.signed(0, &r.Invoice)
			}
			w.refused(w.people[0], r, row.want)
		})
	}
}

// A secret of somebody else is shown when it is learned, whether the locks are there
// before it or after it.
func TestOthersSecret(t *testing.T) {
	for _, early := range []bool{false, true} {
		w := line(t, 2, units(1000), units(1000))
		i := w.demand(1, units(100), func(r *Request) { r.Number = 0 })
		release := Release{w.secrets[i.Hash]}
		if early {
			w.must(w.people[1], release)
		}
		if err := w.send(0, i); err != nil {
			t.Fatal(err)
		}
		w.calm()
		if _, over := w.people[0].over[i.Hash]; over != early {
			t.Fatalf("over %v before the secret is learned", over)
		}
		w.must(w.people[1], release)
		w.calm()
		w.ended(0, i.Hash, Done, "")
		w.refused(w.people[1], Cancel{i.Hash}, message.ErrInvoice)
		w.refused(w.people[1], Release{contracts.Secret{1}}, message.ErrInvoice)
	}
}

// A secret is never shown for a lock that may be over before it is registered: not
// when blocks have passed, nor when nothing was heard of the chain for so long.
func TestReleasedTooLate(t *testing.T) {
	for _, row := range []struct {
		name  string
		pass  func(w *world, l *Ledger)
		shown bool
	}{
		{"last block", func(w *world, l *Ledger) {
			l.heads[contracts.SMT] = channel.Head{Height: w.height + rules.Reveal - 1, Time: w.time()}
		}, true},
		{"a block late", func(w *world, l *Ledger) {
			l.heads[contracts.SMT] = channel.Head{Height: w.height + rules.Reveal, Time: w.time()}
		}, false},
		{"last second", func(w *world, l *Ledger) { l.now = w.time() + rules.Reveal*second - 1 }, true},
		{"a second late", func(w *world, l *Ledger) { l.now = w.time() + rules.Reveal*second }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := line(t, 2, units(100), units(100))
			i := w.demand(1, units(10), func(r *Request) { r.Hold = true })
			w.promise(0, 1, message.Promise{Lock: contracts.Lock{Amount: units(10), Expiry: w.height + 2*rules.Reveal, Hash: i.Hash}})
			w.calm()
			one := w.people[1]
			row.pass(w, one.l)
			w.must(one, Release{w.secrets[i.Hash]})
			_, shown := one.said[len(one.said)-1].(message.Reveal)
			if why := one.lastDisposal(); shown != row.shown || (why == message.Expiry) == row.shown {
				t.Errorf("shown %v, given up for %q", shown, why)
			}
		})
	}
}

// The payee has enough before the last part comes, and gives that up: it is no fee,
// also when the payer dies between the receipt and that.
func TestEnoughBeforeTheLastPart(t *testing.T) {
	for _, dies := range []bool{false, true} {
		w := newWorld(t, 3)
		w.open(0, 1, units(100), units(0))
		w.open(0, 2, units(100), units(0))
		w.open(2, 1, units(100), units(0))
		i := w.demand(1, units(50))
		if err := w.send(0, i, w.route(units(50), units(49), 1), w.route(units(50), units(50), 2, 1)); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if _, over := w.people[0].over[i.Hash]; over {
				break
			}
			for _, p := range w.people[:2] { // the second part waits
				w.must(p, Flush{})
			}
			for len(w.queue) > 0 {
				w.deliver(0)
			}
		}
		w.ended(0, i.Hash, Done, "")
		if p := w.paid(0, i.Hash); p.Fee != units(50) || !p.under() {
			t.Errorf("fee %s while the second part is under way: %v", p.Fee, p.under())
		}
		if dies {
			w.restart(w.people[0])
		}
		w.mine(2)
		if p := w.paid(0, i.Hash); !p.Fee.IsZero() || p.Parts[1].Reason != message.Paid || p.Status != Done {
			t.Errorf("%s, fee %s, parts %+v", p.Status, p.Fee, p.Parts)
		}
		w.has(0, 1, units(50), units(50))
		w.has(0, 2, units(100), units(0))
	}
}
