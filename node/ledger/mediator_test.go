package ledger

import (
	"errors"
	"testing"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// Each row is one change to a good payment of 100 from 0 to 2 over 1, who gives it
// up for a reason. Everybody has 1000 in each channel.
func TestWhyAMediatorGivesUp(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(w *world, m *person, p *message.Promise)
		want   message.Reason
	}{
		{"good", func(*world, *person, *message.Promise) {}, ""},
		{"relaying off", func(_ *world, m *person, _ *message.Promise) { m.l.cfg.Relay = false }, message.NoRelay},
		{"back to where it came from", func(w *world, _ *person, p *message.Promise) {
			p.Route = []contracts.Address{w.people[0].self(), w.people[2].self()}
		}, message.NoRoute},
		{"comes by us again", func(w *world, m *person, p *message.Promise) {
			p.Route = []contracts.Address{w.people[2].self(), m.self(), w.people[2].self()}
		}, message.NoRoute},
		{"comes by one twice", func(w *world, _ *person, p *message.Promise) {
			p.Route = []contracts.Address{w.people[2].self(), w.people[3].self(), w.people[2].self()}
		}, message.NoRoute},
		{"no partner of ours", func(w *world, _ *person, p *message.Promise) { p.Route[0] = w.people[3].self() }, message.NoRoute},
		{"next is away", func(w *world, m *person, _ *message.Promise) { w.must(m, Parted{w.people[2].self()}) }, message.Offline},
		{"all there is", func(_ *world, _ *person, p *message.Promise) { p.Lock.Amount = units(1000) }, ""},
		{"not as much in the next channel", func(w *world, m *person, _ *message.Promise) {
			w.must(m, Pay{ID: contracts.Hash{1}, Asset: smt, To: w.people[2].self(), Amount: units(901)})
			w.calm()
		}, message.Short},
		{"fee leaves one", func(w *world, m *person, _ *message.Promise) {
			w.must(m, SetFee{Fee{w.between(1, 2).Key, message.Schedule{Flat: units(99)}}})
		}, ""},
		{"fee leaves nothing", func(w *world, m *person, _ *message.Promise) {
			w.must(m, SetFee{Fee{w.between(1, 2).Key, message.Schedule{Flat: units(100)}}})
		}, message.Fee},
		{"schedules that do not fit", func(w *world, m *person, _ *message.Promise) {
			w.must(m, SetFee{Fee{w.between(1, 0).Key, message.Schedule{Cap: true}}})
			w.must(m, SetFee{Fee{w.between(1, 2).Key, message.Schedule{}}})
		}, message.Fee},
		{"shortest expiry", func(w *world, _ *person, p *message.Promise) { p.Lock.Expiry = w.height + 3*rules.Reveal }, ""},
		{"shorter", func(w *world, _ *person, p *message.Promise) { p.Lock.Expiry = w.height + 3*rules.Reveal - 1 }, message.Expiry},
		{"as many as one may", func(w *world, m *person, _ *message.Promise) {
			w.hold(3)
			m.l.cfg.Limits.Locks = 4
		}, ""},
		{"one more than one may", func(w *world, m *person, _ *message.Promise) {
			w.hold(3)
			m.l.cfg.Limits.Locks = 3
		}, message.Crowded},
		{"one more, when one goes with it", func(w *world, m *person, _ *message.Promise) {
			w.hold(1)
			m.l.cfg.Limits.Locks = 1
			for _, d := range w.people[2].l.Demands() {
				if d.Status == Held {
					w.must(w.people[2], Release{w.secrets[d.Invoice.Hash]})
				}
			}
			for len(w.queue) > 0 {
				w.deliver(0)
			}
		}, ""},
		{"as large a part as one may", func(_ *world, m *person, _ *message.Promise) { m.l.cfg.Limits.Share = 100_000 }, ""},
		{"larger", func(_ *world, m *person, p *message.Promise) {
			m.l.cfg.Limits.Share, p.Lock.Amount = 100_000, units(101)
		}, message.Crowded},
		{"larger together", func(w *world, m *person, _ *message.Promise) {
			w.hold(1)
			m.l.cfg.Limits.Share = 100_999
		}, message.Crowded},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := line(t, 4, units(1000), units(1000))
			m := w.people[1]
			i := w.demand(2, units(500), func(r *Request) { r.Hold = true })
			p := &message.Promise{
				Lock:  contracts.Lock{Amount: units(100), Expiry: w.height + 4*rules.Reveal, Hash: i.Hash},
				Route: []contracts.Address{w.people[2].self()},
			}
			row.change(w, m, p)
			m.said = nil
			w.promise(0, 1, *p)
			w.calm()
			if got := m.lastDisposal(); got != row.want {
				t.Errorf("it gives up for %q, want %q", got, row.want)
			}
			want := 0
			if row.want == "" {
				want = 1
			}
			for _, transfer := range m.l.Transfers() {
				if transfer.In.Lock == p.Lock {
					want--
					if room := transfer.In.Lock.Expiry - transfer.Out.Lock.Expiry; room < rules.Reveal {
						t.Errorf("%d blocks lie between its locks", room)
					}
				}
			}
			if want != 0 {
				t.Errorf("%d transfers too few", want)
			}
		})
	}
}

// Who jams a channel of ours holds up himself, and nobody else.
func TestCrowdedIsOnePartner(t *testing.T) {
	w := newWorld(t, 4)
	w.open(0, 1, units(1000), units(0))
	w.open(3, 1, units(1000), units(0))
	w.open(1, 2, units(1000), units(0))
	w.people[1].l.cfg.Limits.Locks = 2
	w.hold(3)
	if why := w.people[1].lastDisposal(); why != message.Crowded {
		t.Fatalf("the third is given up for %q", why)
	}
	w.pay(units(1), 3, 1, 2)
	if n := len(w.people[1].l.Transfers()); n != 2 {
		t.Errorf("%d transfers are pending, want 2", n)
	}
}

// A view of the chain that is too old stops passing on, at the second.
func TestStaleMediator(t *testing.T) {
	for _, row := range []struct {
		age  uint64
		want message.Reason
	}{{300, ""}, {301, message.Stale}} {
		w := line(t, 3, units(1000), units(1000))
		w.must(w.people[1], Clock{w.time() + row.age})
		i := w.demand(2, units(100), func(r *Request) { r.Hold = true })
		if err := w.send(0, i, w.route(units(100), units(100), 1, 2)); err != nil {
			t.Fatal(err)
		}
		w.calm()
		if got := w.people[1].lastDisposal(); got != row.want {
			t.Errorf("%d seconds old: given up for %q, want %q", row.age, got, row.want)
		}
	}
}

// hold has 0 pay 2, who holds, one unit n times.
func (w *world) hold(n int) {
	w.Helper()
	for range n {
		i := w.demand(2, units(1), func(r *Request) { r.Hold = true })
		if err := w.send(0, i, w.route(units(1), units(1), 1, 2)); err != nil {
			w.Fatal(err)
		}
	}
	w.calm()
}

// promise has one person promise another what it would not promise by itself.
func (w *world) promise(from, to int, p message.Promise) {
	w.Helper()
	d := draft{l: w.people[from].l}
	if err := d.tell(w.between(from, to).Key, channel.Say{Change: message.Change{Promise: &p}}); err != nil {
		w.Fatal(err)
	}
	w.people[from].store.Add(d.c)
	w.people[from].l.Commit(d.c)
}

// The channel with the next node that fits best is the smallest that has enough.
func TestBestChannel(t *testing.T) {
	w := newWorld(t, 3)
	w.open(0, 1, units(1000), units(0))
	large := w.open(1, 2, units(500), units(0))
	small := w.open(1, 2, units(100), units(0))
	for _, row := range []struct {
		amount uint64
		want   contracts.Hash
	}{{100, small}, {101, large}} {
		i := w.demand(2, units(row.amount), func(r *Request) { r.Hold = true })
		if err := w.send(0, i, w.route(i.Amount, i.Amount, 1, 2)); err != nil {
			t.Fatal(err)
		}
		w.calm()
		all := w.people[1].l.Transfers()
		if got := all[len(all)-1].Out.Channel; got != row.want {
			t.Errorf("%d goes by %s, want %s", row.amount, got, row.want)
		}
	}
}

// The same lock may come on two channels: it is two transfers, and both are paid.
func TestSameLockTwice(t *testing.T) {
	w := newWorld(t, 3)
	w.open(0, 1, units(1000), units(0))
	w.open(0, 1, units(1000), units(0))
	w.open(1, 2, units(1000), units(0))
	i := w.demand(2, units(100), func(r *Request) { r.Hold = true })
	p := message.Promise{Lock: contracts.Lock{Amount: units(100), Expiry: w.height + 4*rules.Reveal, Hash: i.Hash}, Route: []contracts.Address{i.Payee}}
	zero := w.people[0]
	for _, c := range zero.l.Channels() {
		d := draft{l: zero.l}
		if err := d.tell(c.Key, channel.Say{Change: message.Change{Promise: &p}}); err != nil {
			t.Fatal(err)
		}
		zero.store.Add(d.c)
		zero.l.Commit(d.c)
	}
	w.calm()
	if n := len(w.people[1].l.Transfers()); n != 2 {
		t.Fatalf("%d transfers, want 2", n)
	}
	w.must(w.people[2], Release{w.secrets[i.Hash]})
	w.calm()
	w.has(0, 1, units(1800), units(200))
	w.has(1, 2, units(800), units(200))
}

// INT6, INT7: the payer's side says nothing when the secret is known. The mediator
// registers it before its lock's time is over, and has his money when they speak again.
func TestMediatorRegisters(t *testing.T) {
	w := line(t, 3, units(1000), units(1000))
	i := w.demand(2, units(100), func(r *Request) { r.Hold = true })
	if err := w.send(0, i, w.route(units(100), units(100), 1, 2)); err != nil {
		t.Fatal(err)
	}
	w.calm()
	zero := w.people[0]
	w.lose = func(m mail) bool { return m.to == zero || m.from == zero }
	w.must(w.people[2], Release{w.secrets[i.Hash]})
	w.calm()
	w.has12(t)
	w.mine(4*rules.Reveal + rules.Grace)
	if !w.dated[dated{contracts.SMT, i.Hash}] {
		t.Fatal("nobody has registered the secret")
	}
	w.ended(0, i.Hash, Done, "") // the chain has told him
	w.lose = nil
	w.wake(w.people[1])
	w.mine(2)
	w.has(0, 1, units(900), units(1100))
	w.has(1, 2, units(900), units(1100))
	if n := len(w.people[1].l.Transfers()); n != 0 {
		t.Errorf("%d transfers are under way", n)
	}
}

func (w *world) has12(t *testing.T) {
	t.Helper()
	if got := w.between(1, 2).Sendable(); got != units(900) {
		t.Fatalf("the mediator has %s left with the payee, want 900", got)
	}
}

// A transfer that breaks the one rule freezes its channels, and nothing is promised
// there any more.
func TestBreachFreezes(t *testing.T) {
	w := line(t, 3, units(1000), units(1000))
	in, out := w.between(1, 0), w.between(1, 2)
	d := draft{l: w.people[1].l}
	lock := contracts.Lock{Amount: units(1), Expiry: 1100, Hash: contracts.Hash{1}}
	long := lock
	long.Expiry -= rules.Reveal - 1
	d.c.putTransfer(Transfer{ID: contracts.Hash{1}, In: Link{in.Key, lock}, Out: Link{out.Key, long}, Status: Pending})
	d.guard()
	w.people[1].l.Commit(d.c)
	if err := w.people[1].l.Check(); !errors.Is(err, channel.ErrFrozen) {
		t.Errorf("check says %v", err)
	}
	w.refused(w.people[1], Pay{ID: contracts.Hash{1}, Asset: smt, To: w.people[2].self(), Amount: units(1)}, ErrNoRoute)
}

// A fee is refused that belongs nowhere or is beyond the arithmetic.
func TestSetFee(t *testing.T) {
	w := line(t, 2, units(1000), units(1000))
	key := w.between(0, 1).Key
	w.refused(w.people[0], SetFee{Fee{key, message.Schedule{Proportional: 999_999}}}, nil)
	w.refused(w.people[0], SetFee{Fee{key, message.Schedule{Proportional: 1_000_000}}}, message.ErrProportional)
	w.refused(w.people[0], SetFee{Fee{contracts.Hash{1}, message.Schedule{}}}, ErrChannel)
}

// A lock is promised under a hash whose secret stands on the chain already: who would
// get the mediator's could claim it at once, so he promises none, also after a restart.
func TestSecretOfOldIsNotPassedOn(t *testing.T) {
	w := line(t, 3, units(1000), units(1000))
	i := w.demand(2, units(100))
	old := channel.Registered{Secret: w.secrets[i.Hash], Block: w.height + 1}
	w.height += 2
	for n, p := range w.people[1:] {
		news := w.news(contracts.SMT)
		news.Secrets = []channel.Registered{old}
		w.must(p, news)
		if n == 0 {
			w.restart(p)
			w.wake(p)
			w.calm()
		}
	}
	if err := w.send(0, i, w.route(units(100), units(100), 1, 2)); err != nil {
		t.Fatal(err)
	}
	w.calm()
	w.ended(0, i.Hash, Failed, message.Paid)
	if n := len(w.people[1].l.Transfers()); n != 0 {
		t.Errorf("%d transfers are under way", n)
	}
	if err := w.send(1, i, w.route(units(100), units(100), 2)); !errors.Is(err, ErrNoRoute) {
		t.Errorf("the mediator pays under it himself: %v", err)
	}
	w.has(1, 2, units(1000), units(1000))
}
