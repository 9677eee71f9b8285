package channel

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"photon/contracts"
	"photon/node/message"
)

// Two sides say, know, give up and withdraw at random; messages are lost, doubled and
// late. After each step both channels hold their invariants (apply fails on a frozen
// one). After the faults, both come to rest and see the same, all the money is there,
// and each payment has arrived or come back, once.
func TestTwoSides(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := newPair(r, 1000, 1000)
		paid, back, got := map[contracts.Hash]bool{}, map[contracts.Hash]bool{}, map[contracts.Hash]int{}
		next, epoch := 0, uint64(0)
		count := func() {
			for _, s := range p.sides {
				for _, f := range s.facts {
					switch f := f.(type) {
					case Got:
						got[f.Pay.ID]++
					case Returned:
						if f.Change.Pay != nil {
							back[f.Change.Pay.ID] = true
						}
					}
				}
				s.facts = nil
			}
		}
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			i := rapid.IntRange(0, 1).Draw(r, "side")
			switch s := p.sides[i]; rapid.IntRange(0, 11).Draw(r, "step") {
			case 0, 1:
				if next++; p.apply(i, pay(next, uint64(rapid.IntRange(1, 400).Draw(r, "amount")))) == nil {
					paid[id(next)] = true
				}
			case 2, 3:
				next++
				p.may(i, promise(next, uint64(rapid.IntRange(1, 400).Draw(r, "amount")), p.now.Height+uint64(rapid.IntRange(10, 90).Draw(r, "blocks"))))
			case 4:
				p.must(i, Flush{})
			case 5, 6:
				if len(p.ways[i]) > 0 {
					p.mayHear(i, p.ways[i][0], rapid.IntRange(0, 9).Draw(r, "object") == 0)
					p.ways[i] = p.ways[i][1:]
				}
			case 7:
				if n := len(p.ways[i]); n > 0 { // one that comes late, or twice
					p.mayHear(i, p.ways[i][rapid.IntRange(0, n-1).Draw(r, "which")], false)
				}
			case 8:
				if len(p.ways[i]) > 0 {
					p.ways[i] = p.ways[i][1:]
				}
			case 9:
				p.must(i, Meet{})
			case 10:
				for _, l := range s.c.Them.Locks {
					for n := range next + 1 {
						if secret(n).Hash() == l.Hash && rapid.Bool().Draw(r, "know") {
							p.may(i, Know{secret(n)})
						} else if secret(n).Hash() == l.Hash {
							p.may(i, GiveUp{l.ID(), message.NoRoute})
						}
					}
				}
			case 11:
				if rapid.Bool().Draw(r, "mine") {
					p.mine(uint64(rapid.IntRange(1, 40).Draw(r, "blocks")))
				} else {
					p.may(i, Ask{Wish{Kind: Withdrawing, Take: contracts.Units(uint64(rapid.IntRange(1, 50).Draw(r, "take"))), Until: p.now.Height + 50}})
				}
			}
			p.withdrawn(&epoch)
			count()
		}
		for range 40 { // no more faults; blocks pass
			for i := range p.sides {
				p.must(i, Meet{})
			}
			p.calm()
			p.withdrawn(&epoch)
			p.mine(10)
			p.calm()
			count()
		}
		x, y := p.sides[0].c, p.sides[1].c
		if len(x.Us.Locks)+len(y.Us.Locks)+len(x.Us.Queue)+len(y.Us.Queue)+len(x.Us.Notes)+len(y.Us.Notes) != 0 || x.Accord != nil || y.Accord != nil {
			r.Fatalf("not at rest:\n%s\n%s", encode(r, x), encode(r, y))
		}
		if x.Us.Proof != y.Them.Proof || y.Us.Proof != x.Them.Proof || x.Us.Deposit != y.Them.Deposit || x.Them.Deposit != y.Us.Deposit {
			r.Fatalf("they do not see the same:\n%s\n%s", encode(r, x), encode(r, y))
		}
		if all := x.Sendable().Plus(y.Sendable()); all != x.Us.Deposit.Plus(x.Them.Deposit) {
			r.Fatalf("%s of %s are there", all, x.Us.Deposit.Plus(x.Them.Deposit))
		}
		for h := range paid {
			if (got[h] == 1) == back[h] || got[h] > 1 {
				r.Fatalf("payment %s: arrived %d times, came back: %v", h, got[h], back[h])
			}
		}
	})
}

// may lets an event happen, or be refused.
func (p *pair) may(i int, e Event) {
	p.t.Helper()
	_ = p.apply(i, e) // a refused event changes nothing, which apply has seen to
}

// mayHear hands a message of side i over, which the other may refuse when it is old.
func (p *pair) mayHear(i int, m message.Message, object bool) {
	p.t.Helper()
	e := Heard{Message: m}
	if u, is := m.(message.Update); is && object && len(u.Changes) > 0 && u.Changes[0].Pay != nil {
		e.Reason, e.Culprit = message.Refused, u.Changes[0].Pay.ID
	}
	if err := p.apply(1-i, e); errors.Is(err, ErrSignature) && m.About() == p.sides[i].c.Key {
		p.t.Fatalf("%T: %v", m, err)
	}
}

// calm delivers all there is to deliver.
func (p *pair) calm() {
	p.t.Helper()
	for range 200 {
		for i := range p.sides {
			p.must(i, Flush{})
			for len(p.ways[i]) > 0 {
				m := p.ways[i][0]
				p.ways[i] = p.ways[i][1:]
				p.mayHear(i, m, false)
			}
		}
		if len(p.ways[0])+len(p.ways[1]) == 0 && quiet(p.sides[0].c) && quiet(p.sides[1].c) {
			return
		}
	}
	p.t.Fatalf("they talk for ever: %v\n%s\n%s", p.ways, encode(p.t, p.sides[0].c), encode(p.t, p.sides[1].c))
}

// withdrawn mines what either side wants of the contract.
func (p *pair) withdrawn(epoch *uint64) {
	p.t.Helper()
	for _, s := range p.sides {
		for _, k := range s.c.Wants(p.now) {
			if k.Kind != CallWithdraw {
				continue
			}
			*epoch++
			w := s.c.Accord.Withdrawal
			p.happen(contracts.ChannelEvent{
				Kind: contracts.ChannelWithdrawn, Epoch: *epoch,
				FirstAmount: w.FirstBalance.Minus(w.FirstTakes), SecondAmount: w.SecondBalance.Minus(w.SecondTakes),
			})
			return
		}
	}
}
