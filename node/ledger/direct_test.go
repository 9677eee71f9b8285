package ledger

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/holiman/uint256"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// refused applies e, which must fail with want and leave the ledger as it was; with
// no want it must succeed.
func (w *world) refused(p *person, e Event, want error) {
	w.Helper()
	before := [...]any{p.l.Channels(), p.l.Payments(), p.l.Transfers(), p.l.Demands()}
	c, err := p.l.Apply(e)
	if !errors.Is(err, want) {
		w.Errorf("%T: %v, want %v", e, err, want)
	}
	if err != nil && !c.Empty() {
		w.Errorf("a refused %T changes %+v", e, c)
	}
	if after := [...]any{p.l.Channels(), p.l.Payments(), p.l.Transfers(), p.l.Demands()}; !reflect.DeepEqual(before, after) {
		w.Errorf("%T has changed the ledger before it was committed", e)
	}
}

// Each row is one change to a good payment: 0 has 100 in a channel with 1, who can be
// reached; the newest block is 600 seconds old, of at most 3600.
func TestPayDirectly(t *testing.T) {
	token := contracts.Asset{Chain: contracts.SMT, Token: contracts.Address{9}}
	for _, row := range []struct {
		name   string
		change func(*world, *Pay)
		want   error
	}{
		{"good", func(*world, *Pay) {}, nil},
		{"all there is", func(_ *world, e *Pay) { e.Amount = units(100) }, nil},
		{"one more", func(_ *world, e *Pay) { e.Amount = units(101) }, channel.ErrShort},
		{"more than any channel holds", func(_ *world, e *Pay) { e.Amount = contracts.AmountOf(new(uint256.Int).SetAllOne()) }, ErrPayment},
		{"for more than that", func(_ *world, e *Pay) { e.MaxFee = contracts.AmountOf(new(uint256.Int).SetAllOne()) }, ErrPayment},
		{"nothing", func(_ *world, e *Pay) { e.Amount = units(0) }, ErrPayment},
		{"no id", func(_ *world, e *Pay) { e.ID = contracts.Hash{} }, ErrPayment},
		{"to ourselves", func(w *world, e *Pay) { e.To = w.people[0].self() }, ErrPayment},
		{"to nobody", func(_ *world, e *Pay) { e.To = contracts.Address{} }, ErrPayment},
		{"on a chain that is not ours", func(_ *world, e *Pay) { e.Asset.Chain = contracts.BTC }, ErrPayment},
		{"of a token without a channel", func(_ *world, e *Pay) { e.Asset = token }, ErrNoRoute},
		{"to whom we have no channel", func(w *world, e *Pay) { e.To = w.people[2].self() }, ErrNoRoute},
		{"longest text", func(_ *world, e *Pay) { e.Text = strings.Repeat("x", message.MaxText) }, nil},
		{"longer text", func(_ *world, e *Pay) { e.Text = strings.Repeat("x", message.MaxText+1) }, ErrPayment},
		{"last second", func(w *world, e *Pay) { e.Deadline = w.time() + 601 }, nil},
		{"a second late", func(w *world, e *Pay) { e.Deadline = w.time() + 600 }, ErrPayment},
		{"partner is away", func(w *world, _ *Pay) { w.must(w.people[0], Parted{w.people[1].self()}) }, ErrOffline},
		{"oldest view", func(w *world, _ *Pay) { w.must(w.people[0], Clock{w.time() + 3600}) }, nil},
		{"older view", func(w *world, _ *Pay) { w.must(w.people[0], Clock{w.time() + 3601}) }, ErrStale},
		{"the same again", func(w *world, e *Pay) { w.must(w.people[0], *e) }, nil},
		{"the same again, past its deadline", func(w *world, e *Pay) {
			e.Deadline = w.time() + 601
			w.must(w.people[0], *e)
			w.must(w.people[0], Clock{w.time() + 601})
		}, nil},
		{"same id, other amount", func(w *world, e *Pay) { w.must(w.people[0], *e); e.Amount = units(2) }, ErrReused},
		{"same id, other text", func(w *world, e *Pay) { w.must(w.people[0], *e); e.Text = "tea" }, ErrReused},
		{"the same, done", func(w *world, e *Pay) { w.must(w.people[0], *e); w.calm() }, nil},
		{"same id as one done", func(w *world, e *Pay) { w.must(w.people[0], *e); w.calm(); e.Amount = units(2) }, ErrReused},
		{"same id as one stored", func(w *world, e *Pay) {
			e.Before = &Payment{ID: e.ID, Ours: true, Asset: smt, Partner: e.To, Amount: units(2), Channel: contracts.Hash{1}}
		}, ErrReused},
		{"as many as may be", func(w *world, e *Pay) { w.other(e); w.people[0].l.cfg.Limits.Open = 2 }, nil},
		{"one more than may be", func(w *world, e *Pay) { w.other(e); w.people[0].l.cfg.Limits.Open = 1 }, ErrFull},
		{"an invoice", func(w *world, e *Pay) { i := w.demand(1, e.Amount); e.Invoice, e.Plain = &i, true }, nil},
		{"an invoice for more", func(w *world, e *Pay) { i := w.demand(1, units(11)); e.Invoice, e.Plain = &i, true }, message.ErrInvoice},
		{"an invoice of another", func(w *world, e *Pay) { i := w.demand(2, e.Amount); e.Invoice, e.Plain = &i, true }, message.ErrInvoice},
		{"an invoice, at its last second", func(w *world, e *Pay) {
			i := w.demand(1, e.Amount, func(r *Request) { r.Invoice.Expiry = w.time() + 601 })
			e.Invoice, e.Plain = &i, true
		}, nil},
		{"an invoice, expired", func(w *world, e *Pay) {
			i := w.demand(1, e.Amount)
			i.Expiry, e.Invoice, e.Plain = w.time()+600, &i, true
			w.signed(1, &i)
		}, message.ErrInvoice},
		{"an invoice, signed by another", func(w *world, e *Pay) {
			i := w.demand(1, e.Amount)
			e.Invoice, e.Plain = &i, true
			w.signed(0, &i)
		}, message.ErrInvoice},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, 3)
			w.open(0, 1, units(100), units(0))
			e := Pay{ID: contracts.Hash{1}, Asset: smt, To: w.people[1].self(), Amount: units(10), Text: "coffee"}
			w.must(w.people[0], Clock{w.time() + 600})
			row.change(w, &e)
			w.refused(w.people[0], e, row.want)
		})
	}
}

// other makes a payment like e under another id.
func (w *world) other(e *Pay) {
	w.Helper()
	o := *e
	o.ID[0]++
	w.must(w.people[0], o)
}

// A payment is written when it goes out, and is done when its update stands: nobody
// writes it again. The same again costs nothing.
func TestDirectIsWrittenOnce(t *testing.T) {
	w := newWorld(t, 2)
	w.open(0, 1, units(100), units(0))
	e := Pay{ID: contracts.Hash{1}, Asset: smt, To: w.people[1].self(), Amount: units(10), Text: "coffee"}
	w.must(w.people[0], e)
	if p := w.paid(0, e.ID); p.Status != Pending {
		t.Errorf("queued, it is %s", p.Status)
	}
	w.must(w.people[0], Flush{})
	p := w.paid(0, e.ID)
	c := w.between(0, 1)
	if p.Status != Done || p.Nonce != 1 || p.Stands(c) {
		t.Errorf("on its way: %+v, stands %v", p, p.Stands(c))
	}
	w.people[0].store = Change{}
	w.calm()
	if c = w.between(0, 1); len(w.people[0].store.Payments) != 0 || !p.Stands(c) {
		t.Errorf("answered: written %+v, stands %v", w.people[0].store.Payments, p.Stands(c))
	}
	w.ended(0, e.ID, Done, "")
	if change, err := w.people[0].l.Apply(e); err != nil || !change.Empty() {
		t.Errorf("the same again: %v, %+v", err, change)
	}
	got := w.people[1].store.Payments
	if len(got) != 1 || got[0].Ours || got[0].Amount != units(10) || got[0].Text != "coffee" || got[0].Partner != w.people[0].self() {
		t.Errorf("the payee has %+v", got)
	}
	w.has(0, 1, units(90), units(10))
}

// An ended payment is remembered for a while, and then only the store knows it.
func TestEndedIsForgotten(t *testing.T) {
	w := newWorld(t, 2)
	w.open(0, 1, units(100), units(0))
	p := w.people[0]
	for i := range 4 {
		w.must(p, Clock{w.time() + uint64(i)*endedFor})
		w.must(p, Pay{ID: contracts.Hash{1, byte(i)}, Asset: smt, To: w.people[1].self(), Amount: units(1)})
		w.calm()
	}
	for i, want := range []bool{false, false, true, true} {
		_, young := p.l.ended[0][contracts.Hash{1, byte(i)}]
		_, old := p.l.ended[1][contracts.Hash{1, byte(i)}]
		if (young || old) != want {
			t.Errorf("payment %d is remembered: %v, want %v", i, young || old, want)
		}
	}
}

// What the payee refuses has failed, whatever went with it stands; a plain payment
// pays an invoice, and only one that can be paid.
func TestPayPlainly(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*world, *message.Invoice)
		want   message.Reason
	}{
		{"good", func(*world, *message.Invoice) {}, ""},
		{"cancelled", func(w *world, i *message.Invoice) { w.must(w.people[1], Cancel{i.Hash}) }, message.Refused},
		{"unknown", func(w *world, i *message.Invoice) { i.Hash[0]++; w.signed(1, i) }, message.Refused},
		{"held", func(w *world, i *message.Invoice) {
			if err := w.send(0, *i); err != nil {
				t.Fatal(err)
			}
			w.people[1].l.demands.put(i.Hash, Demand{Invoice: *i, Status: Asked, Hold: true})
			w.calm()
		}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, 2)
			w.open(0, 1, units(100), units(0))
			i := w.demand(1, units(10))
			row.change(w, &i)
			e := Pay{ID: contracts.Hash{1}, Asset: smt, To: i.Payee, Amount: i.Amount, Invoice: &i, Plain: true}
			w.must(w.people[0], e)
			w.must(w.people[0], Pay{ID: contracts.Hash{2}, Asset: smt, To: i.Payee, Amount: units(1)})
			w.calm()
			status := Done
			if row.want != "" {
				status = Failed
			}
			w.ended(0, e.ID, status, row.want)
			w.ended(0, contracts.Hash{2}, Done, "")
			if d, _ := w.people[1].l.Demand(i.Hash); row.want == "" && (d.Status != Settling || len(d.Links) > 0) {
				t.Errorf("the invoice is %s with %d links", d.Status, len(d.Links))
			}
			w.mine(1)
			left := units(99)
			if row.want == "" {
				left = units(89)
			}
			w.has(0, 1, left, units(100).Minus(left))
		})
	}
}

// An update is refused for one payment. The other, which was on its way with it, waits
// again, and is not taken for done because a later update stands.
func TestRequeued(t *testing.T) {
	w := newWorld(t, 2)
	w.open(0, 1, units(100), units(0))
	i := w.demand(1, units(10))
	w.must(w.people[1], Cancel{i.Hash})
	zero, other := w.people[0], contracts.Hash{2}
	w.must(zero, Pay{ID: contracts.Hash{1}, Asset: smt, To: i.Payee, Amount: i.Amount, Invoice: &i, Plain: true})
	w.must(zero, Pay{ID: other, Asset: smt, To: i.Payee, Amount: units(1)})
	w.must(zero, Flush{})
	for len(w.queue) > 0 {
		w.deliver(0)
	}
	w.ended(0, contracts.Hash{1}, Failed, message.Refused)
	if p := w.paid(0, other); p.Status != Pending || p.Nonce != 0 {
		t.Errorf("it waits again, and is %s in update %d", p.Status, p.Nonce)
	}
	w.calm()
	if p := w.paid(0, other); p.Nonce != 2 || !p.Stands(w.between(0, 1)) {
		t.Errorf("it is %s in update %d", p.Status, p.Nonce)
	}
	w.ended(0, other, Done, "")
}

// A node dies with payments queued and on their way: all are done once, and those
// who ask again are told the same.
func TestDirectSurvivesRestart(t *testing.T) {
	for _, lost := range []string{"nothing", "update", "answer"} {
		t.Run(lost, func(t *testing.T) {
			w := newWorld(t, 2)
			w.open(0, 1, units(100), units(0))
			w.lose = func(m mail) bool {
				_, update := m.message.(message.Update)
				_, answer := m.message.(message.Answer)
				return update && lost == "update" || answer && lost == "answer"
			}
			pay := func(i byte) Pay {
				return Pay{ID: contracts.Hash{1, i}, Asset: smt, To: w.people[1].self(), Amount: units(10)}
			}
			w.must(w.people[0], pay(1))
			w.must(w.people[0], Flush{})
			w.must(w.people[0], pay(2))
			w.restart(w.people[0])
			for i := range byte(2) {
				w.refused(w.people[0], pay(i+1), nil)
				again := pay(i + 1)
				again.Amount = units(11)
				w.refused(w.people[0], again, ErrReused)
			}
			for len(w.queue) > 0 {
				w.deliver(0)
			}
			w.lose = nil
			w.restart(w.people[0])
			w.calm()
			w.ended(0, contracts.Hash{1, 2}, Done, "")
			w.has(0, 1, units(80), units(20))
			if n := len(w.people[0].l.Payments()); n != 0 {
				t.Errorf("%d payments are under way", n)
			}
		})
	}
}
