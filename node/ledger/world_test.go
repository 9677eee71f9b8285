package ledger

import (
	"errors"
	"testing"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// closing tells people that the channel between the first two was closed by the
// first, with nothing said.
func (w *world) closing(kind contracts.ChannelKind, a, b int, change func(*contracts.ChannelEvent)) News {
	c := w.between(a, b)
	e := contracts.ChannelEvent{Kind: kind, ID: c.Name.ID(), First: c.Name.First, Second: c.Name.Second, ByFirst: c.First}
	change(&e)
	return w.news(contracts.SMT, channel.Happened{ChannelEvent: e, Block: w.height})
}

// News that were told before are passed over, also by a node that was dead
// meanwhile.
func TestNewsTwice(t *testing.T) {
	w := line(t, 3, units(100), units(100))
	w.height++
	closed := w.closing(contracts.ChannelClosed, 0, 1, func(*contracts.ChannelEvent) {})
	w.must(w.people[0], closed)
	w.must(w.people[0], closed)
	w.restart(w.people[0])
	w.must(w.people[0], closed)
	if c := w.between(0, 1); c.Status != channel.Closed || !c.Law.ByUs {
		t.Errorf("the channel is %s", c.Status)
	}
	w.refused(w.people[0], News{Chain: contracts.BTC}, ErrPayment)
	w.refused(w.people[0], Pay{ID: contracts.Hash{1}, Asset: smt, To: w.people[1].self(), Amount: units(1)}, ErrNoRoute)
}

// A mediator's incoming channel is closed while a lock is pending. The payee shows
// his secret, the chain pays the mediator, and settlement ends the transfer; without
// the secret it ends it too.
func TestSettledUnderATransfer(t *testing.T) {
	for _, shown := range []bool{true, false} {
		w := line(t, 3, units(1000), units(1000))
		i := w.demand(2, units(100), func(r *Request) { r.Hold = true })
		if err := w.send(0, i, w.route(units(100), units(100), 1, 2)); err != nil {
			t.Fatal(err)
		}
		w.calm()
		w.height++
		c := w.between(0, 1)
		closed := w.closing(contracts.ChannelClosed, 0, 1, func(*contracts.ChannelEvent) {})
		w.must(w.people[0], closed)
		w.must(w.people[1], closed)
		if shown {
			w.must(w.people[2], Release{w.secrets[i.Hash]})
			w.calm()
		}
		w.mine(window + rules.Punish + 2)
		if w.dated[dated{contracts.SMT, i.Hash}] != shown {
			t.Fatalf("the secret is registered: %v, want %v", !shown, shown)
		}
		w.height++
		settled := w.closing(contracts.ChannelSettled, 0, 1, func(e *contracts.ChannelEvent) {
			e.FirstAmount, e.SecondAmount = c.Us.Deposit, c.Them.Deposit
		})
		w.must(w.people[0], settled)
		w.must(w.people[1], settled)
		all := w.people[1].store.Transfers
		if want := map[bool]Status{true: Done, false: Failed}[shown]; len(all) != 1 || all[0].Status != want {
			t.Errorf("shown %v: transfers %+v", shown, all)
		}
		status, why := Done, message.Reason("")
		if !shown {
			status, why = Failed, message.Expiry
		}
		w.ended(0, i.Hash, status, why)
	}
}

// Who sends what is not about a channel with him is not heard.
func TestHeard(t *testing.T) {
	w := line(t, 3, units(100), units(100))
	key := w.between(0, 1).Key
	w.refused(w.people[0], Heard{w.people[1].self(), message.Sync{Channel: key}}, nil)
	w.refused(w.people[0], Heard{w.people[2].self(), message.Sync{Channel: key}}, ErrChannel)
	w.refused(w.people[0], Heard{w.people[1].self(), message.Sync{Channel: contracts.Hash{1}}}, ErrChannel)
}

// What needs the chain is refused on an old view of it, at once.
func TestWant(t *testing.T) {
	w := line(t, 2, units(100), units(100))
	wish := Want{w.between(0, 1).Key, channel.Wish{ID: contracts.Hash{1}, Kind: channel.Withdrawing, Take: units(10), Until: w.height + 100}}
	w.refused(w.people[0], wish, nil)
	w.refused(w.people[0], Want{contracts.Hash{1}, wish.Wish}, ErrChannel)
	w.must(w.people[0], Clock{w.time() + 300})
	w.refused(w.people[0], wish, nil)
	if err := w.people[0].l.Fresh(contracts.SMT); err != nil {
		t.Error(err)
	}
	w.must(w.people[0], Clock{w.time() + 301})
	w.refused(w.people[0], wish, ErrStale)
	if err := w.people[0].l.Fresh(contracts.SMT); !errors.Is(err, ErrStale) {
		t.Errorf("fresh: %v", err)
	}
}

// A payee whose view is too old takes no direct payments either.
func TestStalePayee(t *testing.T) {
	for age, want := range map[uint64]Status{3600: Done, 3601: Failed} {
		w := line(t, 2, units(100), units(100))
		w.must(w.people[1], Clock{w.time() + age})
		w.must(w.people[0], Pay{ID: contracts.Hash{1}, Asset: smt, To: w.people[1].self(), Amount: units(1)})
		w.calm()
		why := message.Reason("")
		if want == Failed {
			why = message.Stale
		}
		w.ended(0, contracts.Hash{1}, want, why)
	}
}

// Changes of many events are one change, with the newest of each thing.
func TestAdd(t *testing.T) {
	w := line(t, 2, units(100), units(100))
	p := w.people[0]
	var all Change
	for i := range byte(3) {
		c, err := p.l.Apply(Pay{ID: contracts.Hash{1, i}, Asset: smt, To: w.people[1].self(), Amount: units(10)})
		if err != nil {
			t.Fatal(err)
		}
		p.l.Commit(c)
		all.Add(c)
	}
	c, err := p.l.Apply(Flush{})
	if err != nil {
		t.Fatal(err)
	}
	p.l.Commit(c)
	all.Add(c)
	now, _ := p.l.Channel(all.Channels[0].Key)
	if len(all.Channels) != 1 || all.Channels[0].Version != now.Version || all.From[now.Key] != now.Version-4 || len(all.Payments) != 3 || all.Payments[1].Status != Done || len(all.Effects) != 1 {
		t.Errorf("%d channels, payments %+v, %d effects", len(all.Channels), all.Payments, len(all.Effects))
	}
}

// A book forgets what is dropped, and keeps the order of the rest.
func TestBook(t *testing.T) {
	var b book[int]
	for i := range 1000 {
		b.put(contracts.Hash{byte(i), byte(i >> 8)}, i)
		if i%3 != 0 {
			b.drop(contracts.Hash{byte(i), byte(i >> 8)})
		}
	}
	b.put(contracts.Hash{1}, 1) // again, and so last
	want, n := 0, 0
	for _, v := range b.all {
		if n++; n == 335 && v != 1 || n < 335 && v != want {
			t.Fatalf("row %d is %d", n, v)
		}
		want += 3
	}
	if n != 335 || len(b.order) > 2*len(b.rows)+64 {
		t.Errorf("%d rows in %d places", n, len(b.order))
	}
}

// A channel that was opened before this run may be one of which all was lost, however
// much of the chain is known by now: nothing is said in it before the partner was
// asked. One that was opened since is new.
func TestChannelFromBefore(t *testing.T) {
	for _, row := range []struct {
		name   string
		lost   bool // all, and then the node was stopped while it read the chain
		opened uint64
		behind bool
	}{
		{"since a backup", false, 1100, true},
		{"with the newest block", false, 1200, true},
		{"after it", false, 1201, false},
		{"all was lost, and it was stopped on its way", true, 1100, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, 2)
			p := w.people[0]
			news := func(head, through uint64, events ...channel.Happened) News {
				return News{contracts.SMT, channel.News{Head: channel.Head{Height: head, Time: w.time()}, Through: through, Events: events}}
			}
			kept := Loaded{Through: map[contracts.Chain]uint64{contracts.SMT: 1050}}
			if row.lost {
				kept.Through = nil
			}
			p.l = New(p.cfg)
			p.l.Load(kept)
			w.must(p, news(1200, 1060))
			if row.lost {
				p.l = New(p.cfg)
				p.l.Load(Loaded{Through: p.store.Through})
			}
			name := contracts.NameChannel(contracts.Address{}, p.self(), w.people[1].self(), row.opened)
			w.must(p, news(1201, 1201, channel.Happened{Block: row.opened, ChannelEvent: contracts.ChannelEvent{
				Kind: contracts.ChannelOpened, ID: name.ID(), First: name.First, Second: name.Second, Window: window}}))
			c, is := p.l.Channel(law[contracts.SMT].Key(name.ID()))
			if !is || c.Behind != row.behind {
				t.Errorf("known %t, behind %t, want %t", is, c.Behind, row.behind)
			}
		})
	}
}
