package channel

import (
	"testing"

	"photon/contracts"
	"photon/node/message"
)

// close is the contract's event: by closed with what the other had said by proof.
func (p *pair) close(by int, proof contracts.BalanceProof) {
	p.t.Helper()
	p.happen(contracts.ChannelEvent{Kind: contracts.ChannelClosed, ByFirst: by == 0, Proof: proof})
}

func kinds(calls []Call) (all []CallKind) {
	for _, c := range calls {
		all = append(all, c.Kind)
	}
	return all
}

func (p *pair) wants(i int, want ...CallKind) []Call {
	p.t.Helper()
	calls := p.sides[i].c.Wants(p.now)
	got := kinds(calls)
	if len(got) != len(want) {
		p.t.Fatalf("block %d: side %d wants %v, want %v", p.now.Height, i, got, want)
	}
	for j := range want {
		if got[j] != want[j] {
			p.t.Fatalf("block %d: side %d wants %v, want %v", p.now.Height, i, got, want)
		}
	}
	return calls
}

// The partner closes: we bring his newest word, unless the contract has it, within
// the window; then both wait and settle.
func TestPartnerCloses(t *testing.T) {
	p := newPair(t, 100, 50)
	p.must(0, pay(1, 10))
	p.must(1, pay(2, 20))
	p.settle()
	closer := p.sides[0].c.Them.Proof // the newest of the second
	p.close(0, closer)
	if calls := p.wants(0, CallSettle); calls[0].At != 1000+window+rules.Punish+1 {
		t.Errorf("who has closed settles from %d", calls[0].At)
	}
	calls := p.wants(1, CallUpdate, CallSettle)
	if calls[0].Deadline != 1000+window || calls[1].At != 1000+window+rules.Punish+1+rules.Reveal {
		t.Errorf("deadline %d, settle from %d", calls[0].Deadline, calls[1].At)
	}
	p.now.Height = 1000 + window
	p.wants(1, CallUpdate, CallSettle)
	p.now.Height++
	p.wants(1, CallSettle)
	p.now.Height = 1010
	p.happen(contracts.ChannelEvent{Kind: contracts.ChannelUpdated, ByFirst: true, Proof: p.sides[1].c.Them.Proof})
	p.wants(1, CallSettle)
}

// Nothing was ever said: there is nothing to update.
func TestClosesUnused(t *testing.T) {
	p := newPair(t, 100, 50)
	p.close(0, contracts.BalanceProof{})
	p.wants(0, CallSettle)
	p.wants(1, CallSettle)
}

// The secrets of locks that the partner owes us are registered while it is time, and
// then all are unlocked together.
func TestUnlocksTogether(t *testing.T) {
	p := newPair(t, 100, 0)
	for n := range 3 {
		p.must(0, promise(n, 10, 1050+uint64(n)))
	}
	p.settle()
	p.must(1, Know{secret(0)})
	p.must(1, Know{secret(1)})
	p.ways[1] = nil // they are never paid
	p.close(0, contracts.BalanceProof{})
	calls := p.wants(1, CallRegister, CallRegister, CallUpdate, CallSettle)
	if calls[0].ID == calls[1].ID {
		t.Error("one id for two secrets")
	}
	p.happen(contracts.ChannelEvent{Kind: contracts.ChannelUpdated, ByFirst: true, Proof: p.sides[1].c.Them.Proof})
	for n := range 2 {
		p.must(1, Registered{secret(n), 1020})
	}
	p.wants(1, CallSettle) // the third may still come
	p.now.Height, p.now.Through = 1060, 1053
	p.wants(1, CallUnlock, CallSettle)
	p.now.Height, p.now.Through = 1040, 1040
	p.must(1, Registered{secret(2), 1040})
	p.wants(1, CallUnlock, CallSettle)
	l := *p.sides[1].c.Law
	p.happen(contracts.ChannelEvent{Kind: contracts.ChannelUnlocked, ByFirst: true, Unlocked: contracts.Units(30), Taken: contracts.BitsOf(0, 1, 2)})
	p.wants(1, CallSettle)
	if l.Theirs.Unlocked != (contracts.Amount{}) {
		t.Error("a value was changed in place")
	}
}

// A lock that we have given up is not ours to unlock, whoever registers its secret.
func TestDisposedIsNotUnlocked(t *testing.T) {
	p := newPair(t, 100, 0)
	p.must(0, promise(1, 10, 1050))
	p.settle()
	p.must(1, GiveUp{lock(1, 10, 1050).ID(), message.NoRoute})
	p.ways = [2][]message.Message{}
	p.close(1, p.sides[1].c.Them.Proof)
	p.must(1, Registered{secret(1), 1010})
	p.now.Through = 1090
	p.wants(1, CallSettle)
}

// The partner unlocks what he had disposed of, from an old list of ours: the log
// tells the list, and he is punished.
func TestCheaterIsPunished(t *testing.T) {
	for _, byUs := range []bool{false, true} {
		p := newPair(t, 100, 0)
		p.must(0, promise(1, 10, 1050))
		p.must(0, promise(2, 20, 1050))
		p.settle()
		old := p.sides[0].c.Us.Proof
		p.must(1, GiveUp{lock(1, 10, 1050).ID(), message.NoRoute})
		p.settle()
		p.must(0, pay(3, 1))
		p.must(0, promise(4, 2, 1060))
		p.settle()
		if byUs {
			p.close(0, contracts.BalanceProof{})
			p.happen(contracts.ChannelEvent{Kind: contracts.ChannelUpdated, ByFirst: true, Proof: old})
		} else {
			p.close(1, old)
		}
		root, ok := p.sides[0].c.Sought()
		if !ok || root != old.Locks {
			t.Fatal("the list is not sought")
		}
		locks, ok := ListWith(p.sides[0].log, root)
		if !ok || len(locks) != 2 {
			t.Fatalf("the log tells %v", locks)
		}
		p.must(0, Found{locks})
		if _, still := p.sides[0].c.Sought(); still {
			t.Error("still sought")
		}
		p.wants(0, CallSettle)
		p.must(0, Registered{secret(1), 1010})
		p.happen(contracts.ChannelEvent{Kind: contracts.ChannelUnlocked, ByFirst: true, Unlocked: contracts.Units(10), Taken: contracts.BitsOf(0)})
		calls := p.wants(0, CallPunish)
		if want := map[bool]uint64{true: 1000 + window + 1}[byUs]; calls[0].At != want {
			t.Errorf("punish from block %d, want %d", calls[0].At, want)
		}
		p.happen(contracts.ChannelEvent{Kind: contracts.ChannelSettled, FirstAmount: contracts.Units(100)})
		if c := p.sides[0].c; c.Status != Settled || c.Paid[0] != contracts.Units(100) {
			t.Errorf("%s, paid %s", c.Status, c.Paid)
		}
	}
}

// What was on its way when the channel ended: what the contract has counted is paid,
// the rest comes back.
func TestFlightAtTheEnd(t *testing.T) {
	p := newPair(t, 100, 0)
	for n := range 3 {
		p.must(0, pay(n, 10))
		p.must(0, Flush{})
	}
	p.must(0, pay(3, 10))
	second := p.ways[0][1].(message.Update)
	p.sides[0].facts = nil
	p.close(1, second.Proof) // he answers none and closes with the second
	p.must(0, Happened{contracts.ChannelEvent{Kind: contracts.ChannelSettled, ID: p.sides[0].c.Name.ID(), FirstAmount: contracts.Units(80), SecondAmount: contracts.Units(20)}, 2000})
	var accepted, returned int
	for _, f := range p.sides[0].facts {
		switch f := f.(type) {
		case Accepted:
			accepted = int(f.Nonce)
		case Returned:
			returned++
		}
	}
	if accepted != 2 || returned != 2 {
		t.Errorf("accepted up to %d, %d returned", accepted, returned)
	}
}

// Events of the contract that do not fit are refused and change nothing.
func TestLawRefuses(t *testing.T) {
	for _, e := range []contracts.ChannelEvent{
		{Kind: contracts.ChannelUpdated}, {Kind: contracts.ChannelUnlocked}, {Kind: contracts.ChannelOpened},
		{Kind: contracts.ChannelWithdrawn}, {Kind: "other"},
	} {
		p := newPair(t, 100, 0)
		e.ID = p.sides[0].c.Name.ID()
		if err := p.apply(0, Happened{e, 5}); err == nil {
			t.Errorf("%s was taken", e.Kind)
		}
		e.Kind, e.ID = contracts.ChannelDeposited, contracts.Hash{1}
		if err := p.apply(0, Happened{e, 5}); err == nil {
			t.Error("an event of another channel was taken")
		}
	}
}
