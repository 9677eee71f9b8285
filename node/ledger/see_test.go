package ledger

import (
	"photon/contracts"
	"photon/node/message"
)

// What the tests look at.

// ended fails unless a person's payment has ended so.
func (w *world) ended(from int, id contracts.Hash, status Status, why message.Reason) {
	w.Helper()
	if got, want := w.people[from].over[id], (Over{id, status, why}); got != want {
		w.Errorf("payment %s of %d: %q %q, want %q %q", id, from, got.Status, got.Reason, status, why)
	}
}

// paid is a payment as it was saved.
func (w *world) paid(from int, id contracts.Hash) Payment {
	w.Helper()
	p, is := find(w.people[from].store.Payments, w.people[from].store.at.payments, id)
	if !is {
		w.Fatalf("%d has no payment %s", from, id)
	}
	return p
}

// has fails unless both can send in a channel what is said, and nothing is locked.
func (w *world) has(a, b int, ofA, ofB contracts.Amount) {
	w.Helper()
	w.agree()
	sums := [2]contracts.Amount{}
	for i, at := range [2][2]int{{a, b}, {b, a}} {
		for _, c := range w.people[at[0]].l.Channels() {
			if c.Partner() == w.people[at[1]].self() {
				sums[i] = sums[i].Plus(c.Sendable())
			}
		}
	}
	if sums != [2]contracts.Amount{ofA, ofB} {
		w.Errorf("between %d and %d: %s and %s, want %s and %s", a, b, sums[0], sums[1], ofA, ofB)
	}
}

// agree fails unless the two sides of every channel see the same, at rest.
func (w *world) agree() {
	w.Helper()
	for _, p := range w.people {
		for _, c := range p.l.Channels() {
			d, is := w.by[c.Partner()].l.Channel(c.Key)
			if !is {
				w.Fatalf("%s has a channel that its partner has not", p.name)
			}
			if len(c.Us.Locks)+len(c.Us.Flight)+len(c.Us.Queue) > 0 {
				w.Errorf("%s has %d locks, %d updates on their way, %d queued with %s", p.name, len(c.Us.Locks), len(c.Us.Flight), len(c.Us.Queue), w.by[c.Partner()].name)
			}
			if c.Us.Proof != d.Them.Proof || c.Sendable() != d.Receivable() {
				w.Errorf("%s and %s see it differently: %v, %v", p.name, w.by[c.Partner()].name, c.Us.Proof, d.Them.Proof)
			}
			if all := c.Us.Deposit.Plus(c.Them.Deposit); c.Sendable().Plus(d.Sendable()) != all {
				w.Errorf("%s and %s can send %s and %s of %s", p.name, w.by[c.Partner()].name, c.Sendable(), d.Sendable(), all)
			}
		}
	}
}

// total is what a person has in all channels.
func (w *world) total(i int) (all contracts.Amount) {
	for _, c := range w.people[i].l.Channels() {
		all = all.Plus(c.Balance())
	}
	return all
}

// lastDisposal is why a person has last given up a lock.
func (p *person) lastDisposal() message.Reason {
	for i := len(p.said) - 1; i >= 0; i-- {
		if m, is := p.said[i].(message.Dispose); is {
			return m.Reason
		}
	}
	return ""
}
