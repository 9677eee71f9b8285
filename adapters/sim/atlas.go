package sim

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

// Bounds of a search for routes.
const (
	maxHops  = 6      // channels of a route
	maxSteps = 20_000 // that one search takes
)

// An Atlas sees the channels of all nodes as these themselves do, on their disks.
// Stories that are not about path finding ask it for the way.
type Atlas struct {
	mu        sync.Mutex
	disks     map[contracts.Address]*Disk
	schedules map[contracts.Address]*message.Schedule
}

// NewAtlas returns one without nodes.
func NewAtlas() *Atlas {
	return &Atlas{disks: map[contracts.Address]*Disk{}, schedules: map[contracts.Address]*message.Schedule{}}
}

// Add shows it the disk of an account's node.
func (a *Atlas) Add(account contracts.Address, d *Disk) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.disks[account] = d
}

// Charge tells it what a node asks in each of its channels; before, it asks nothing.
func (a *Atlas) Charge(account contracts.Address, s message.Schedule) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.schedules[account] = &s
}

// A Guide finds routes for one node.
type Guide struct {
	atlas *Atlas
	life  *Life
	from  contracts.Address
}

// Guide opens the atlas for one life.
func (a *Atlas) Guide(l *Life) *Guide { return &Guide{a, l, Keys(l.Node).Account()} }

// Find returns routes for an amount to arrive, the cheapest first, and of those that
// cost the same the shortest. Errors: ledger.ErrNoRoute, ErrStopped.
func (g *Guide) Find(_ context.Context, q ledger.Query) ([]ledger.Route, error) {
	if err := g.life.Alive(); err != nil {
		return nil, err
	}
	s := hunt{query: q, from: g.from, found: map[string]ledger.Route{}}
	if err := g.atlas.chart(&s); err != nil {
		return nil, err
	}
	s.back(s.ends(q.To), []contracts.Address{q.To}, nil, q.Amount)
	routes := slices.Collect(maps.Values(s.found))
	slices.SortFunc(routes, func(x, y ledger.Route) int {
		if c := x.Sent.Cmp(y.Sent); c != 0 {
			return c
		}
		if c := len(x.Nodes) - len(y.Nodes); c != 0 {
			return c
		}
		return bytes.Compare(pathOf(x.Nodes), pathOf(y.Nodes))
	})
	if len(routes) == 0 {
		return nil, fmt.Errorf("%w: %s of %s from %s to %s", ledger.ErrNoRoute, q.Amount, q.Asset, g.from, q.To)
	}
	return routes[:min(len(routes), max(1, q.Most))], nil
}

// An end is one party's side of a channel.
type end struct {
	channel.Channel
	schedule *message.Schedule // of that party
}

// A hunt is one search, from the target back.
type hunt struct {
	query ledger.Query
	from  contracts.Address
	sides map[contracts.Hash]map[contracts.Address]end // of each channel
	at    map[contracts.Address][]end                  // of each node, by partner
	steps int
	found map[string]ledger.Route // by its nodes: who has two channels with another chooses himself
}

// chart fills s with the channels that can carry what it asks for.
func (a *Atlas) chart(s *hunt) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.sides, s.at = map[contracts.Hash]map[contracts.Address]end{}, map[contracts.Address][]end{}
	for account, d := range a.disks {
		all, err := d.Channels()
		if err != nil {
			return err
		}
		for _, c := range all {
			usable := c.Status == channel.Open && c.Frozen == "" && !c.Behind && c.Accord == nil
			if !usable || c.Asset() != s.query.Asset || slices.Contains(s.query.Avoid, c.Key) {
				continue
			}
			e := end{c, a.schedules[account]}
			if s.sides[c.Key] == nil {
				s.sides[c.Key] = map[contracts.Address]end{}
			}
			s.sides[c.Key][account] = e
			s.at[account] = append(s.at[account], e)
		}
	}
	return nil
}

// ends are the channels of a node, by partner and key.
func (s *hunt) ends(of contracts.Address) []end {
	all := slices.Clone(s.at[of])
	slices.SortFunc(all, func(x, y end) int {
		if c := bytes.Compare(x.Them.Party[:], y.Them.Party[:]); c != 0 {
			return c
		}
		return bytes.Compare(x.Key[:], y.Key[:])
	})
	return all
}

// back takes a path one channel further from the target: nodes is the path, the
// target last; amount must come to its first node by one of ins; out is on which that
// node sends it on, nil at the target.
func (s *hunt) back(ins []end, nodes []contracts.Address, out *end, amount contracts.Amount) {
	for _, in := range ins {
		if s.steps++; s.steps > maxSteps {
			return
		}
		payer, known := s.sides[in.Key][in.Them.Party]
		if !known || slices.Contains(nodes, in.Them.Party) {
			continue
		}
		comes := amount
		if out != nil {
			hop := message.Hop{In: in.schedule, Out: out.schedule, Owns: in.Balance(), Receivable: in.Receivable(), Sendable: out.Sendable()}
			var err error
			if comes, err = hop.Backward(amount); err != nil {
				continue // no amount is right for this hop
			}
		}
		if payer.Sendable().Less(comes) {
			continue
		}
		if in.Them.Party == s.from {
			s.note(ledger.Route{Nodes: slices.Clone(nodes), Sent: comes, Amount: s.query.Amount})
		} else if len(nodes) < maxHops {
			s.back(s.ends(in.Them.Party), append([]contracts.Address{in.Them.Party}, nodes...), &payer, comes)
		}
	}
}

// note keeps the cheapest of the routes over the same nodes.
func (s *hunt) note(r ledger.Route) {
	path := string(pathOf(r.Nodes))
	if old, has := s.found[path]; !has || r.Sent.Less(old.Sent) {
		s.found[path] = r
	}
}

func pathOf(nodes []contracts.Address) (path []byte) {
	for _, n := range nodes {
		path = append(path, n[:]...)
	}
	return path
}
