package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// market is two people with a channel of SMT, in which 0, the taker, has 1000, and one
// of the other asset, in which 1, the maker, has 1000.
func market(t rapid.TB, other contracts.Asset) *world {
	t.Helper()
	w := newWorld(t, 2)
	w.open(0, 1, units(1000), units(0))
	w.openOf(other, 0, 1, units(0), units(1000))
	return w
}

// offer is 10 of SMT for 20 of the other, good for a minute.
func (w *world) offer(other contracts.Asset) (message.Offer, uint64) {
	w.numbers++
	s := contracts.Secret(sha256.Sum256(fmt.Append(nil, "secret ", w.numbers)))
	w.secrets[s.Hash()] = s
	return message.Offer{
		Hash: s.Hash(), Taker: w.people[0].self(), Maker: w.people[1].self(), Expiry: w.time() + 60,
		Give: message.Sum{Asset: smt, Amount: units(10)}, Get: message.Sum{Asset: other, Amount: units(20)},
	}, w.numbers
}

// of is what a person can send of an asset.
func (w *world) of(i int, asset contracts.Asset) (all contracts.Amount) {
	for _, c := range w.people[i].l.Channels() {
		if c.Asset() == asset {
			all = all.Plus(c.Sendable())
		}
	}
	return all
}

var others = []contracts.Asset{eth, {Chain: contracts.SMT, Token: contracts.Address{9}}}

// Both have what they agreed on, and receipts; on two chains and on one.
func TestExchange(t *testing.T) {
	for _, other := range others {
		w := market(t, other)
		o, number := w.offer(other)
		w.must(w.people[1], Quote{o})
		w.must(w.people[0], Take{o, number})
		w.calm()
		w.ended(0, o.Hash, Done, "")
		w.agree()
		for i, want := range [2][2]uint64{{990, 20}, {10, 980}} {
			if a, b := w.of(i, smt), w.of(i, other); a != units(want[0]) || b != units(want[1]) {
				t.Errorf("%s: %d has %s and %s, want %d", other, i, a, b, want)
			}
		}
		if p := w.paid(0, o.Hash); *p.Offer != o || p.Secret.Hash() != o.Hash || !p.Fee.IsZero() {
			t.Errorf("the taker has paid %+v", p)
		}
		if all := w.people[1].store.Transfers; len(all) != 1 || all[0].Status != Done || !all[0].Fee.IsZero() {
			t.Errorf("the maker has %+v", all)
		}
		if n := len(w.people[1].l.Offers()); n != 0 {
			t.Errorf("%d offers are open", n)
		}
		// The same again is the same.
		w.refused(w.people[0], Take{o, number}, nil)
		w.calm()
		if got := w.of(0, smt); got != units(990) {
			t.Errorf("taken again: %s", got)
		}
	}
}

// Somebody dies after each step of an exchange. Both have moved, or neither.
func TestDeathInAnExchange(t *testing.T) {
	done, steps := 0, 1
	for k := 0; k < steps; k++ {
		w := market(t, eth)
		n := 0
		w.crash = func(*person) bool { n++; return n == k+1 }
		o, number := w.offer(eth)
		w.must(w.people[1], Quote{o})
		w.must(w.people[0], Take{o, number})
		w.calm()
		w.mine(2)
		steps = max(steps, n)
		both := uint64(0)
		if p := w.paid(0, o.Hash); p.Status == Done {
			both = 1
			done++
		} else if p.Status == Pending {
			t.Errorf("death after step %d: %+v", k, p)
		}
		w.agree()
		for i, want := range [2][2]uint64{{1000 - 10*both, 20 * both}, {10 * both, 1000 - 20*both}} {
			if a, b := w.of(i, smt), w.of(i, eth); a != units(want[0]) || b != units(want[1]) {
				t.Errorf("death after step %d: %d has %s and %s, want %d", k, i, a, b, want)
			}
		}
	}
	if done < 10 || done == steps {
		t.Errorf("%d of %d were done", done, steps)
	}
}

// Each row is one change to a good offer.
func TestQuoteAndTake(t *testing.T) {
	for _, row := range []struct {
		name        string
		change      func(w *world, o *message.Offer)
		quote, take error
	}{
		{"good", func(*world, *message.Offer) {}, nil, nil},
		{"all there is", func(_ *world, o *message.Offer) { o.Get.Amount, o.Give.Amount = units(1000), units(1000) }, nil, nil},
		{"more than the maker has", func(_ *world, o *message.Offer) { o.Get.Amount = units(1001) }, channel.ErrShort, channel.ErrShort},
		{"more than the taker has", func(_ *world, o *message.Offer) { o.Give.Amount = units(1001) }, nil, channel.ErrShort},
		{"of one asset", func(_ *world, o *message.Offer) { o.Get.Asset = smt }, message.ErrOffer, message.ErrOffer},
		{"in the wrong place", func(_ *world, o *message.Offer) { o.Maker, o.Taker = o.Taker, o.Maker }, message.ErrOffer, message.ErrOffer},
		{"expired", func(w *world, o *message.Offer) { o.Expiry = w.time() }, message.ErrOffer, message.ErrOffer},
		{"without a channel", func(_ *world, o *message.Offer) { o.Get.Asset.Token = contracts.Address{8} }, ErrNoRoute, channel.ErrShort},
		{"partner away", func(w *world, o *message.Offer) {
			w.must(w.people[0], Parted{o.Maker})
			w.must(w.people[1], Parted{o.Taker})
		}, ErrOffline, ErrOffline},
		{"on an old view", func(w *world, o *message.Offer) {
			o.Expiry += 1000
			for _, p := range w.people {
				w.must(p, Clock{w.time() + 301})
			}
		}, ErrStale, ErrStale},
		{"blocks of no time", func(w *world, o *message.Offer) {
			for _, p := range w.people {
				terms := p.l.cfg.Chains[contracts.SMT]
				terms.Block = 0
				p.l.cfg.Chains[contracts.SMT] = terms
			}
		}, message.ErrOffer, message.ErrOffer},
		{"of a known hash", func(w *world, o *message.Offer) {
			for i := range w.people {
				w.demand(i, units(1), func(r *Request) { r.Invoice.Hash = o.Hash })
			}
		}, ErrReused, ErrReused},
		{"as many as may be", func(w *world, o *message.Offer) { w.people[0].l.cfg.Limits.Open = 1 }, nil, nil},
		{"more than may be", func(w *world, o *message.Offer) { w.people[0].l.cfg.Limits.Open = 0 }, nil, ErrFull},
		{"again, for more", func(w *world, o *message.Offer) {
			w.must(w.people[1], Quote{*o})
			w.must(w.people[0], Take{*o, 1})
			o.Give.Amount = units(11)
		}, ErrReused, ErrReused},
		{"again", func(w *world, o *message.Offer) { w.must(w.people[1], Quote{*o}); w.must(w.people[0], Take{*o, 1}) }, nil, nil},
		{"the last", func(w *world, o *message.Offer) { w.offers(mostOffers - 1) }, nil, nil},
		{"one more", func(w *world, o *message.Offer) { w.offers(mostOffers) }, ErrFull, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := market(t, eth)
			o, _ := w.offer(eth)
			row.change(w, &o)
			w.refused(w.people[1], Quote{o}, row.quote)
			w.refused(w.people[0], Take{o, 1}, row.take)
		})
	}
}

// offers makes n others.
func (w *world) offers(n int) {
	w.Helper()
	for range n {
		o, _ := w.offer(eth)
		w.must(w.people[1], Quote{o})
	}
}

// Each row is one change to what the taker promises, or to when; the maker keeps his
// word or gives it up for a reason.
func TestWhyAMakerGivesUp(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(w *world, o *message.Offer, l *contracts.Lock)
		want   message.Reason
	}{
		{"good", func(*world, *message.Offer, *contracts.Lock) {}, ""},
		{"more", func(_ *world, _ *message.Offer, l *contracts.Lock) { l.Amount = units(11) }, ""},
		{"less", func(_ *world, _ *message.Offer, l *contracts.Lock) { l.Amount = units(9) }, message.Amount},
		{"never offered", func(_ *world, _ *message.Offer, l *contracts.Lock) { l.Hash[0]++ }, message.Unknown},
		{"last second", func(w *world, _ *message.Offer, _ *contracts.Lock) { w.people[1].l.now = w.time() + 59 }, ""},
		{"too late", func(w *world, _ *message.Offer, _ *contracts.Lock) { w.people[1].l.now = w.time() + 60 }, message.Paid},
		{"forgotten", func(w *world, _ *message.Offer, _ *contracts.Lock) { w.must(w.people[1], Clock{w.time() + 60}) }, message.Unknown},
		{"shortest", func(w *world, _ *message.Offer, l *contracts.Lock) {
			l.Expiry = w.height + rules.Reveal + 2*skew*rules.Reveal
		}, ""},
		{"shorter", func(w *world, _ *message.Offer, l *contracts.Lock) {
			l.Expiry = w.height + rules.Reveal + 2*skew*rules.Reveal - 1
		}, message.Expiry},
		{"maker dies", func(w *world, _ *message.Offer, _ *contracts.Lock) { w.restart(w.people[1]) }, message.Unknown},
		{"maker has spent it", func(w *world, o *message.Offer, _ *contracts.Lock) {
			w.must(w.people[1], Pay{ID: contracts.Hash{1}, Asset: eth, To: o.Taker, Amount: units(981)})
		}, message.Short},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := market(t, eth)
			o, _ := w.offer(eth)
			w.must(w.people[1], Quote{o})
			l := contracts.Lock{Amount: units(10), Expiry: w.height + 250, Hash: o.Hash}
			row.change(w, &o, &l)
			w.waits(o)
			w.promise(0, 1, message.Promise{Lock: l})
			w.calm()
			if got := w.people[1].lastDisposal(); got != row.want {
				t.Errorf("given up for %q, want %q", got, row.want)
			}
			if n := len(w.people[1].l.Transfers()); (n == 1) != (row.want == "") {
				t.Errorf("%d transfers", n)
			}
		})
	}
}

// waits has the taker of an offer hold what comes for it.
func (w *world) waits(o message.Offer) {
	w.Helper()
	w.demand(0, o.Get.Amount, func(r *Request) { r.Invoice.Asset, r.Invoice.Hash, r.Hold = o.Get.Asset, o.Hash, true })
}

// On one chain, blocks are blocks: the first lock outlives the second by what the
// maker needs to register.
func TestApartOnOneChain(t *testing.T) {
	for blocks, want := range map[uint64]message.Reason{3 * rules.Reveal: "", 3*rules.Reveal - 1: message.Expiry} {
		w := market(t, others[1])
		o, _ := w.offer(others[1])
		w.must(w.people[1], Quote{o})
		w.waits(o)
		w.promise(0, 1, message.Promise{Lock: contracts.Lock{Amount: units(10), Expiry: w.height + blocks, Hash: o.Hash}})
		w.calm()
		if got := w.people[1].lastDisposal(); got != want {
			t.Errorf("%d blocks: given up for %q, want %q", blocks, got, want)
		}
	}
}

// The maker does not keep his word. The taker has his money back and waits for
// nothing more.
func TestMakerForgets(t *testing.T) {
	w := market(t, eth)
	o, number := w.offer(eth)
	w.must(w.people[0], Take{o, number})
	w.calm()
	w.ended(0, o.Hash, Failed, message.Unknown)
	if d, _ := w.people[0].l.Demand(o.Hash); d.Status != Withdrawn {
		t.Errorf("he still waits: %s", d.Status)
	}
	w.mine(2)
	w.has(0, 1, units(1000), units(1000))
}

// Whoever dies, and whatever is lost: both have moved, or neither has.
func TestExchangeIsBothOrNeither(t *testing.T) {
	done, not := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		other := others[rapid.IntRange(0, 1).Draw(r, "other")]
		w := market(r, other)
		draw := func(what string, most int) int { return rapid.IntRange(0, most).Draw(r, what) }
		var mute *person
		w.lose = func(m mail) bool { return m.from == mute || m.to == mute || draw("lost", 9) == 0 }
		w.crash = func(*person) bool { return draw("crash", 9) == 0 }
		w.deaf = func(*person) bool { return draw("deaf", 3) == 0 }
		var made []message.Offer
		for range 3 {
			o, number := w.offer(other)
			w.must(w.people[1], Quote{o})
			if err := w.act(w.people[0], Take{o, number}); err != nil && !errors.Is(err, ErrStale) {
				r.Fatal(err)
			}
			made = append(made, o)
			for range draw("steps", 12) {
				switch p := w.people[draw("who", 1)]; draw("step", 5) {
				case 0:
					w.must(p, Flush{})
				case 1, 2:
					for range draw("messages", 4) {
						if len(w.queue) > 0 {
							w.deliver(draw("late", min(1, len(w.queue)-1)))
						}
					}
				case 3:
					w.restart(p)
				case 4:
					if mute = p; draw("heard", 2) > 0 {
						mute = nil
					}
				case 5:
					for range draw("blocks", 30) {
						w.block()
					}
				}
			}
		}
		w.lose, w.crash, w.deaf = nil, nil, nil
		for range 15 {
			for _, p := range w.people {
				w.wake(p)
			}
			w.calm()
			w.mine(30)
		}
		w.agree()
		both := uint64(0)
		for _, o := range made {
			p, is := find(w.people[0].store.Payments, w.people[0].store.at.payments, o.Hash)
			if is && p.Status == Pending {
				r.Errorf("exchange has not ended: %+v", p)
			}
			if is && p.Status == Done {
				both++
				done++
			} else {
				not++
			}
		}
		for i, want := range [2][2]uint64{{1000 - 10*both, 20 * both}, {10 * both, 1000 - 20*both}} {
			if a, b := w.of(i, smt), w.of(i, other); a != units(want[0]) || b != units(want[1]) {
				r.Errorf("%d has %s and %s, want %d after %d exchanges", i, a, b, want, both)
			}
		}
	})
	if done == 0 || not == 0 {
		t.Errorf("%d were done and %d were not: the test sees only one of them", done, not)
	}
}

// An offer is kept to its taker, and to nobody who knows of it.
func TestOfferIsToOne(t *testing.T) {
	w := newWorld(t, 3)
	w.open(0, 1, units(1000), units(0))
	w.openOf(eth, 0, 1, units(0), units(1000))
	w.open(2, 1, units(1000), units(0))
	o, _ := w.offer(eth)
	w.must(w.people[1], Quote{o})
	w.waits(o)
	w.promise(2, 1, message.Promise{Lock: contracts.Lock{Amount: units(10), Expiry: w.height + 250, Hash: o.Hash}})
	w.calm()
	if why := w.people[1].lastDisposal(); why != message.Unknown || len(w.people[1].l.Transfers()) > 0 {
		t.Errorf("given up for %q", why)
	}
	if len(w.people[1].l.Offers()) != 1 {
		t.Error("the offer is gone")
	}
}
