package sim

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

// A map of channels, each with what its two parties have in it.
type country struct {
	*testing.T
	atlas *Atlas
	disks map[string]*Disk
	n     byte
}

// link makes a channel of two people, as both see it, and returns its key.
func (c *country) link(x, y string, has, hasHe uint64) contracts.Hash {
	c.Helper()
	c.n++
	name := contracts.NameChannel(contracts.Address{}, Keys(x).Account(), Keys(y).Account(), uint64(c.n))
	for _, side := range []struct {
		who, other string
		has, his   uint64
	}{{x, y, has, hasHe}, {y, x, hasHe, has}} {
		if c.disks[side.who] == nil {
			c.disks[side.who] = NewDisk()
			c.atlas.Add(Keys(side.who).Account(), c.disks[side.who])
		}
		ch := channel.Channel{Key: contracts.Hash{c.n}, Chain: contracts.ETH, Name: name, First: name.First == Keys(side.who).Account(), Status: channel.Open, Version: 1}
		ch.Us.Deposit, ch.Them.Deposit, ch.Them.Party = contracts.Units(side.has), contracts.Units(side.his), Keys(side.other).Account()
		if err := c.disks[side.who].book(ledger.Change{Channels: []channel.Channel{ch}}); err != nil {
			c.Fatal(err)
		}
	}
	return contracts.Hash{c.n}
}

// routes are what alice finds, such as "bob dave 101".
func (c *country) routes(q ledger.Query) (all []string, err error) {
	routes, err := c.atlas.Guide(NewLife(c.Context(), "alice", nil)).Find(c.Context(), q)
	for _, r := range routes {
		var words []string
		for _, n := range r.Nodes {
			for _, name := range []string{"alice", "bob", "carol", "dave"} {
				if Keys(name).Account() == n {
					words = append(words, name)
				}
			}
		}
		all = append(all, strings.Join(append(words, r.Sent.String()), " "))
	}
	return all, err
}

// Each row is one change to a good query: alice pays dave 100, by bob who asks 10 for
// a payment that he passes on, or by carol, who asks 4, and bob.
func TestAtlas(t *testing.T) {
	var over contracts.Hash
	for _, r := range []struct {
		name   string
		change func(c *country, q *ledger.Query)
		want   []string
	}{
		{"good", func(*country, *ledger.Query) {}, []string{"bob dave 110", "carol bob dave 114"}},
		{"one is enough", func(_ *country, q *ledger.Query) { q.Most = 1 }, []string{"bob dave 110"}},
		{"to a partner", func(_ *country, q *ledger.Query) { q.To = Keys("bob").Account() }, []string{"bob 100", "carol bob 104"}},
		{"all that alice has", func(_ *country, q *ledger.Query) { q.Amount = contracts.Units(490) }, []string{"bob dave 500", "carol bob dave 504"}},
		{"one more than she has there", func(_ *country, q *ledger.Query) { q.Amount = contracts.Units(491) }, []string{"carol bob dave 505"}},
		{"all that bob has", func(_ *country, q *ledger.Query) { q.Amount = contracts.Units(600) }, []string{"carol bob dave 614"}},
		{"one more than bob has", func(_ *country, q *ledger.Query) { q.Amount = contracts.Units(601) }, nil},
		{"a channel is avoided", func(_ *country, q *ledger.Query) { q.Avoid = []contracts.Hash{over} }, []string{"carol bob dave 114"}},
		{"another asset", func(_ *country, q *ledger.Query) { q.Asset = contracts.Native(contracts.SMT) }, nil},
		{"to nobody", func(_ *country, q *ledger.Query) { q.To = contracts.Address{1} }, nil},
		{"to herself", func(_ *country, q *ledger.Query) { q.To = Keys("alice").Account() }, nil},
		{"a cheaper one", func(c *country, _ *ledger.Query) { c.link("carol", "dave", 1000, 0) }, []string{"carol dave 104", "bob dave 110", "carol bob dave 114"}},
		{"two channels with one", func(c *country, q *ledger.Query) {
			c.link("alice", "bob", 1000, 0)
			q.Avoid = []contracts.Hash{over}
		}, []string{"bob dave 110", "carol bob dave 114"}},
		{"closed", func(c *country, _ *ledger.Query) {
			all, err := c.disks["bob"].Channels()
			if err != nil {
				c.Fatal(err)
			}
			for i := range all {
				all[i].Status, all[i].Version = channel.Closed, 2
			}
			if err := c.disks["bob"].book(ledger.Change{Channels: all}); err != nil {
				c.Fatal(err)
			}
		}, nil},
	} {
		t.Run(r.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &country{T: t, atlas: NewAtlas(), disks: map[string]*Disk{}}
				over = c.link("alice", "bob", 500, 0)
				c.link("alice", "carol", 1000, 0)
				c.link("carol", "bob", 1000, 0)
				c.link("bob", "dave", 600, 0)
				c.atlas.Charge(Keys("bob").Account(), message.Schedule{Flat: contracts.Units(5)}) // in, and out
				c.atlas.Charge(Keys("carol").Account(), message.Schedule{Flat: contracts.Units(2)})
				q := ledger.Query{Asset: contracts.Native(contracts.ETH), To: Keys("dave").Account(), Amount: contracts.Units(100), Most: 10}
				r.change(c, &q)
				got, err := c.routes(q)
				if !slices.Equal(got, r.want) || errors.Is(err, ledger.ErrNoRoute) != (r.want == nil) || (err == nil) != (r.want != nil) {
					t.Errorf("%q, want %q: %v", got, r.want, err)
				}
			})
		})
	}
}
