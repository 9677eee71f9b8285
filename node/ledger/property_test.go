package ledger

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"photon/contracts"
	"photon/node/message"
)

// A net is a world in which everything happens at random, and what was begun in it.
type net struct {
	*world
	r        *rapid.T
	began    map[contracts.Hash]int // who pays
	held     []message.Invoice
	invoices []message.Invoice
	plain    int
	mute     *person // nobody hears him, and he hears nobody but the chain
}

func (n *net) draw(what string, most int) int { return rapid.IntRange(0, most).Draw(n.r, what) }

// People pay each other, directly and over others, in parts, with fees, with holds,
// to none; one is not heard for long; messages are lost, doubled and out of order; nodes die before they send
// what they have saved; blocks are missed. After the faults, every payment ends, the
// sides of every channel agree, and everybody has exactly what his records say.
func TestNet(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := &net{world: newWorld(r, 5), r: r, began: map[contracts.Hash]int{}}
		for _, c := range [][2]int{{0, 1}, {1, 2}, {2, 3}, {3, 4}, {1, 3}, {0, 1}} {
			n.open(c[0], c[1], units(500), units(500))
		}
		var start [5]contracts.Amount
		for i, p := range n.people {
			start[i] = n.total(i)
			for _, c := range p.l.Channels() {
				n.must(p, SetFee{Fee{c.Key, message.Schedule{Flat: units(uint64(n.draw("fee", 2)))}}})
			}
		}
		n.lose = func(m mail) bool { return m.from == n.mute || m.to == n.mute || n.draw("lost", 19) == 0 }
		n.crash = func(*person) bool { return n.draw("crash", 49) == 0 }
		n.deaf = func(*person) bool { return n.draw("deaf", 3) == 0 }
		for range rapid.IntRange(10, 120).Draw(r, "steps") {
			n.step()
		}
		n.lose, n.crash, n.deaf = nil, nil, nil
		n.rest()
		n.check(start)
	})
}

func (n *net) step() {
	p := n.people[n.draw("who", 4)]
	switch n.draw("step", 14) {
	case 0, 1:
		n.payment()
	case 2:
		if n.plain++; n.act(p, Pay{ID: contracts.Hash{1, byte(n.plain)}, Asset: smt, To: n.people[n.draw("to", 4)].self(), Amount: units(uint64(1 + n.draw("amount", 300)))}) == nil {
			n.began[contracts.Hash{1, byte(n.plain)}] = slices.Index(n.people, p)
		}
	case 3, 4, 5:
		n.must(p, Flush{})
	case 6, 7, 8, 9:
		for range n.draw("messages", 3) {
			if len(n.queue) > 0 {
				n.deliver(n.draw("late", min(2, len(n.queue)-1)))
			}
		}
	case 10:
		if len(n.queue) > 0 {
			n.queue = append(n.queue, n.queue[n.draw("doubled", len(n.queue)-1)])
		}
	case 11:
		n.restart(p)
	case 12:
		for range n.draw("blocks", 20) {
			n.block()
		}
	case 13:
		n.decide()
	case 14:
		if n.mute = p; n.draw("heard again", 1) == 0 {
			n.mute = nil
		}
	}
}

// payment begins one, over any route there is or is not.
func (n *net) payment() {
	ways := [][]int{{0, 1, 2}, {0, 1, 3}, {0, 1, 2, 3, 4}, {4, 3, 1, 0}, {4, 3, 2, 1, 0}, {2, 1}, {2, 3, 1}, {3, 4}, {0, 2}}
	way := ways[n.draw("way", len(ways)-1)]
	from, to := way[0], way[len(way)-1]
	amount := units(uint64(1 + n.draw("amount", 250)))
	hold := n.draw("hold", 3) == 0
	i := n.demand(to, amount, func(r *Request) { r.Hold = hold })
	if hold {
		n.held = append(n.held, i)
	}
	n.invoices = append(n.invoices, i)
	var routes []Route
	for _, w := range ways {
		if w[0] == from && w[len(w)-1] == to {
			part := amount
			if n.draw("part", 3) == 0 {
				part = units(1 + uint64(n.draw("half", 100)))
			}
			routes = append(routes, n.route(part.Plus(units(uint64(n.draw("for fees", 12)))), part, w[1:]...))
		}
	}
	if n.send(from, i, routes...) == nil {
		n.began[i.Hash] = from
	}
}

// decide releases or cancels what is held.
func (n *net) decide() {
	if len(n.held) == 0 {
		return
	}
	i := n.held[0]
	n.held = n.held[1:]
	payee := n.by[i.Payee]
	e := Event(Release{n.secrets[i.Hash]})
	if n.draw("cancel", 1) == 0 {
		e = Cancel{i.Hash}
	}
	_ = n.act(payee, e) // it may be over already
}

// rest lets everything end.
func (n *net) rest() {
	for range 7 {
		for _, p := range n.people {
			n.wake(p)
		}
		n.calm()
		n.mine(30)
	}
}

func (n *net) check(start [5]contracts.Amount) {
	n.Helper()
	n.agree()
	for id, from := range n.began {
		p := n.paid(from, id)
		c, _ := n.people[from].l.Channel(p.Channel)
		if p.Status == Pending || p.direct() && p.Status == Done && !p.Stands(c) {
			n.Errorf("payment %s of %d has not ended: %+v", id, from, p)
		}
		if p.Status == Done && !p.direct() && p.Secret.Hash() != id {
			n.Errorf("payment %s of %d has no receipt", id, from)
		}
	}
	for i, p := range n.people {
		has, out := n.total(i), contracts.Amount{}
		in := start[i]
		for _, v := range p.store.Payments {
			switch sent, is := n.moved(v); {
			case !is:
			case v.Ours:
				out = out.Plus(sent)
			default:
				in = in.Plus(v.Amount)
			}
		}
		for _, v := range p.store.Transfers {
			if v.Status == Done {
				in, out = in.Plus(v.In.Lock.Amount), out.Plus(v.Out.Lock.Amount)
			}
			if v.Status == Pending {
				n.Errorf("%d has a transfer that has not ended: %+v", i, v)
			}
		}
		if has.Plus(out) != in {
			n.Errorf("%d has %s, by its records %s less %s", i, has, in, out)
		}
		if left := len(p.l.Payments()) + len(p.l.Transfers()); left != 0 || len(p.l.flown)+len(p.l.outs)+len(p.l.loads)+len(p.l.queued.rows) != 0 {
			n.Errorf("%d still remembers %d things", i, left)
		}
	}
	for _, i := range n.invoices {
		payer, began := n.began[i.Hash]
		d, is := n.by[i.Payee].l.Demand(i.Hash)
		if !is || len(d.Links) > 0 {
			n.Errorf("demand %s: %+v", i.Hash, d)
		}
		if paid := began && n.paid(payer, i.Hash).Status == Done; paid != (d.Status == Settling) {
			n.Errorf("invoice %s: paid %v, and the payee says %s", i.Hash, paid, d.Status)
		}
	}
}

// moved is what a payment has cost its payer, or brought its payee; is is false when
// it has failed.
func (n *net) moved(v Payment) (sent contracts.Amount, is bool) {
	if v.Status != Done {
		return sent, false
	}
	if len(v.Parts) == 0 {
		return v.Amount, true
	}
	_, sent = v.live()
	return sent, true
}
