package store

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
)

// A shadow is what the store promises of a ledger, in memory, everything in order of
// arrival.
type shadow struct {
	channels  []channel.Channel
	payments  []ledger.Payment
	transfers []ledger.Transfer
	demands   []ledger.Demand
	said      []ledger.Said
	through   map[contracts.Chain]uint64
}

// find is the place of the channel with this key, or -1.
func (m *shadow) find(key contracts.Hash) int {
	return slices.IndexFunc(m.channels, func(c channel.Channel) bool { return c.Key == key })
}

// put writes x in place of the same, or as the last.
func put[T any](list []T, x T, same func(a, b T) bool) []T {
	if i := slices.IndexFunc(list, func(y T) bool { return same(x, y) }); i >= 0 {
		list[i] = x
		return list
	}
	return append(list, x)
}

// save is what SaveLedger promises.
func (m *shadow) save(c ledger.Change) (shadow, error) {
	n := shadow{
		slices.Clone(m.channels), slices.Clone(m.payments), slices.Clone(m.transfers), slices.Clone(m.demands), slices.Clone(m.said), maps.Clone(m.through),
	}
	for _, x := range c.Channels {
		i := n.find(x.Key)
		if (i < 0 && x.Version != 1) || (i >= 0 && n.channels[i].Version+1 != x.Version) {
			return *m, ledger.ErrConflict
		}
		n.channels = put(n.channels, x, func(a, b channel.Channel) bool { return a.Key == b.Key })
	}
	for _, x := range c.Said {
		if n.find(x.Channel) < 0 || slices.ContainsFunc(n.said, func(y ledger.Said) bool {
			return x.Channel == y.Channel && x.Epoch == y.Epoch && x.Nonce == y.Nonce
		}) {
			return *m, ledger.ErrConflict
		}
		n.said = append(n.said, x)
	}
	n.said = slices.DeleteFunc(n.said, func(x ledger.Said) bool {
		at := n.channels[n.find(x.Channel)]
		changed := slices.ContainsFunc(c.Channels, func(y channel.Channel) bool { return y.Key == x.Channel })
		return changed && (x.Epoch < at.Epoch || at.Status == channel.Settled)
	})
	for _, x := range c.Payments {
		n.payments = put(n.payments, x, func(a, b ledger.Payment) bool { return a.ID == b.ID && a.Ours == b.Ours })
	}
	if slices.ContainsFunc(n.payments, func(p ledger.Payment) bool { return p.Flown() && n.find(p.Channel) < 0 }) {
		return *m, ledger.ErrConflict
	}
	for _, x := range c.Transfers {
		if n.find(x.In.Channel) < 0 {
			return *m, ledger.ErrConflict
		}
		n.transfers = put(n.transfers, x, func(a, b ledger.Transfer) bool { return a.ID == b.ID && a.In.Channel == b.In.Channel })
	}
	for _, x := range c.Demands {
		n.demands = put(n.demands, x, func(a, b ledger.Demand) bool { return a.Invoice.Hash == b.Invoice.Hash })
	}
	maps.Copy(n.through, c.Through)
	return n, nil
}

// standing are the payments, each with the status that it has now.
func (m *shadow) standing() []ledger.Payment {
	now := slices.Clone(m.payments)
	for i, p := range now {
		if at := m.find(p.Channel); at >= 0 {
			now[i].Status = p.In(m.channels[at].Epoch, m.channels[at].Us.Proof.Nonce)
		}
	}
	return now
}

func keep[T any](list []T, which func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return !which(x) })
}

// check compares every answer of s with the shadow.
func (m *shadow) check(t *rapid.T, s *Store) {
	ctx := context.Background()
	l, err := s.LoadLedger(ctx)
	open := func(c channel.Channel) bool { return c.Status != channel.Settled }
	equal(t, "channels", l.Channels, keep(m.channels, open), err)
	equal(t, "payments under way", l.Payments, keep(m.standing(), func(p ledger.Payment) bool { return p.Ours && p.Status == ledger.Pending }), nil)
	equal(t, "transfers under way", l.Transfers, keep(m.transfers, func(x ledger.Transfer) bool { return x.Status == ledger.Pending }), nil)
	equal(t, "open invoices", l.Demands, keep(m.demands, func(d ledger.Demand) bool { return !d.AtRest() }), nil)
	if !maps.Equal(l.Through, m.through) {
		t.Fatalf("positions %v, want %v", l.Through, m.through)
	}
	channels, err := s.Channels(ctx, true)
	equal(t, "all channels", channels, m.channels, err)
	for _, status := range []ledger.Status{"", ledger.Pending, ledger.Done, ledger.Failed} {
		got, _, err := s.Payments(ctx, ledger.Filter{Status: string(status)})
		slices.Reverse(got)
		equal(t, "payments "+string(status), got, keep(m.standing(), func(p ledger.Payment) bool { return status == "" || p.Status == status }), err)
	}
	for n := range uint64(3) {
		for epoch := range uint64(3) {
			got, err := s.Said(ctx, busy(n, 0).Key, epoch)
			var want []channel.Record
			for _, x := range m.said {
				if x.Channel == busy(n, 0).Key && x.Epoch == epoch {
					want = append(want, x.Record)
				}
			}
			slices.SortFunc(want, func(a, b channel.Record) int { return cmp.Compare(a.Nonce, b.Nonce) })
			equal(t, "said", got, want, err)
		}
	}
}

// drawn is a change that may or may not be saved over what m holds.
func (m *shadow) drawn(t *rapid.T) (c ledger.Change) {
	some := func(most int, what string) int { return rapid.IntRange(0, most).Draw(t, what) }
	which := func() channel.Channel { return busy(uint64(some(2, "which")), 0) }
	versions := map[contracts.Hash]channel.Channel{}
	for _, x := range m.channels {
		versions[x.Key] = x
	}
	for range some(3, "channels") {
		x := which()
		has := versions[x.Key]
		x.Version, x.Epoch = has.Version+1, has.Epoch
		if x.Us.Proof.Nonce = has.Us.Proof.Nonce + uint64(some(2, "nonces")); some(6, "withdrawn") == 0 {
			x.Epoch, x.Us.Proof.Nonce = min(x.Epoch+1, 2), 0
		}
		if some(9, "settled") == 0 {
			x.Status = channel.Settled
		}
		if some(19, "stale") == 0 {
			x.Version = uint64(some(3, "version"))
		}
		versions[x.Key] = x
		c.Channels = append(c.Channels, x)
	}
	for range some(4, "payments") {
		x := which()
		p := direct(uint64(some(3, "payment")), x, versions[x.Key].Us.Proof.Nonce+uint64(some(2, "ahead")))
		p.Ours, p.Epoch = some(3, "ours") > 0, versions[x.Key].Epoch
		p.Status = rapid.SampledFrom([]ledger.Status{ledger.Pending, ledger.Done, ledger.Failed}).Draw(t, "status")
		c.Payments = append(c.Payments, p)
	}
	for range some(2, "transfers") {
		x := passed(uint64(some(2, "transfer")), which())
		x.Status = rapid.SampledFrom([]ledger.Status{ledger.Pending, ledger.Done}).Draw(t, "status")
		c.Transfers = append(c.Transfers, x)
	}
	for range some(2, "invoices") {
		d := invoice(uint64(some(2, "invoice")))
		d.Status = rapid.SampledFrom([]ledger.DemandStatus{ledger.Asked, ledger.Held, ledger.Settling, ledger.Lapsed}).Draw(t, "status")
		c.Demands = append(c.Demands, d)
	}
	for range some(2, "records") {
		x := which()
		x.Epoch = versions[x.Key].Epoch
		c.Said = append(c.Said, record(x, uint64(some(20, "nonce"))))
	}
	if some(1, "moved") == 0 {
		c.Through = map[contracts.Chain]uint64{rapid.SampledFrom([]contracts.Chain{contracts.SMT, contracts.ETH}).Draw(t, "chain"): uint64(some(99, "through"))}
	}
	return c
}

// Whatever changes are saved, the store holds what the shadow holds, or refuses what
// the shadow refuses: also after it was closed and opened again.
func TestLedgerKeepsWhatItPromises(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, err := Open(t.Context(), url)
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		rapid.Check(t, func(t *rapid.T) {
			for _, table := range []string{"channels", "said", "payments", "transfers", "demands", "positions"} {
				if err := s.write.Exec("DELETE FROM " + table).Error; err != nil {
					t.Fatal(err)
				}
			}
			m := shadow{through: map[contracts.Chain]uint64{}}
			t.Repeat(map[string]func(*rapid.T){
				"": func(t *rapid.T) { m.check(t, s) },
				"save": func(t *rapid.T) {
					c := m.drawn(t)
					next, want := m.save(c)
					if got := s.SaveLedger(context.Background(), c); !errors.Is(got, want) {
						t.Fatalf("save: %v, want %v", got, want)
					}
					m = next
				},
				"open again": func(t *rapid.T) {
					if rapid.IntRange(0, 9).Draw(t, "seldom") > 0 {
						t.Skip("it is slow")
					}
					err := s.Close()
					if err == nil {
						s, err = Open(context.Background(), url)
					}
					if err != nil {
						t.Fatal(err)
					}
				},
			})
		})
	})
}
