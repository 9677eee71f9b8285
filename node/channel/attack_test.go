package channel

import (
	"testing"

	"photon/contracts"
	"photon/node/message"
)

// What a partner could do to us, and cannot.

// forged has side i say changes, whatever its own channel thinks of them: an update
// that fits what the other knows, with what is sent and locked after it.
func (p *pair) forged(i int, sent uint64, locks []contracts.Lock, changes ...message.Change) {
	p.t.Helper()
	c := p.sides[1-i].c
	m := message.Update{
		Channel: c.Key, Epoch: c.Epoch, After: c.Them.Proof.Nonce, Changes: changes,
		Proof: contracts.BalanceProof{Nonce: c.Them.Heard + 1, Transferred: contracts.Units(sent), Locks: contracts.LocksRoot(locks)},
	}
	p.must(1-i, Heard{Message: p.sign(i, m)})
}

func unlocked(n int, l contracts.Lock) message.Change {
	return message.Change{Unlock: &message.Unlock{Lock: l.ID(), Secret: secret(n)}}
}

// He pays a lock that we have signed away, and promises the same again: unlocked on
// the chain it would cost us the channel.
func TestDisposedLockDoesNotComeBack(t *testing.T) {
	p := newPair(t, 100, 50)
	l := lock(1, 10, 1050)
	p.must(0, promise(1, 10, 1050))
	p.settle()
	p.must(1, GiveUp{l.ID(), message.NoRoute})
	p.forged(0, 10, nil, unlocked(1, l))
	if got := p.sides[1].c.Them.Proof.Transferred; got != contracts.Units(10) {
		t.Fatalf("%s was paid", got)
	}
	p.forged(0, 10, []contracts.Lock{l}, message.Change{Promise: &message.Promise{Lock: l}})
	if c := p.sides[1].c; len(c.Them.Locks) != 0 || c.Them.Reason != message.Disposed {
		t.Errorf("it was taken on again: %q", c.Them.Reason)
	}
	if p.mine(51); len(p.sides[1].c.Them.Notes) != 0 {
		t.Error("it is remembered for ever")
	}
	p.forged(0, 10, []contracts.Lock{l}, message.Change{Promise: &message.Promise{Lock: l}})
	if c := p.sides[1].c; len(c.Them.Locks) != 0 || c.Them.Reason != message.Expiry {
		t.Errorf("it was taken on when its time was over: %q", c.Them.Reason)
	}
}

// He declines what we propose and agrees to it then: we would forget what he may
// still have mined with our signature.
func TestDeclinesAndAgrees(t *testing.T) {
	p := newPair(t, 100, 50)
	p.must(0, Ask{Wish{Kind: Withdrawing, Take: contracts.Units(10), Until: 1050}})
	w := *p.sides[0].c.Accord.Withdrawal
	c := p.sides[0].c
	p.must(0, Heard{Message: message.Decline{Channel: c.Key, Epoch: c.Epoch, Until: w.Until, Reason: message.Busy}})
	p.must(0, Heard{Message: p.sign(1, message.Withdraw{Channel: c.Key, Epoch: c.Epoch, Withdrawal: w, Agreed: true})})
	p.wants(0)
	p.must(0, Tick{})
	p.must(0, Heard{Message: p.sign(1, message.Withdraw{Channel: c.Key, Epoch: c.Epoch, Withdrawal: w, Agreed: true})})
	if a := p.sides[0].c.Accord; a != nil && a.Theirs != nil && a.Declined != "" {
		t.Error("agreed and declined")
	}
}

// Once we close alone, the word that we bring is the last: what he says afterwards,
// were we to take it, we could not show any more.
func TestNothingIsTakenOnceWeClose(t *testing.T) {
	p := newPair(t, 100, 50)
	l := lock(1, 10, 1050)
	p.must(0, promise(1, 10, 1050))
	p.settle()
	p.must(1, Know{secret(1)})
	p.must(1, Ask{Wish{Kind: Ending, Alone: true}})
	sent := p.wants(1, CallClose)[0].Data(contracts.Signature{})
	p.forged(0, 10, nil, unlocked(1, l))
	if now := p.wants(1, CallClose)[0].Data(contracts.Signature{}); string(now) != string(sent) {
		t.Error("the same call says something else")
	}
	if c := p.sides[1].c; c.Them.Reason != message.Closing || find(c.Them.Locks, l.ID()) < 0 {
		t.Errorf("it was taken: %q", c.Them.Reason)
	}
}

// A secret that is registered late has its lock unlocked by a second call, which must
// not pass for the first.
func TestSecondUnlockIsAnotherCall(t *testing.T) {
	p := newPair(t, 100, 0)
	p.must(0, promise(1, 10, 1050))
	p.must(0, promise(2, 20, 1099-rules.Reveal))
	p.settle()
	p.close(1, p.sides[0].c.Us.Proof)
	p.must(1, Registered{secret(1), 1010})
	p.now = Now{Height: 1090, Through: 1088}
	first := p.wants(1, CallUnlock, CallSettle)[0]
	p.must(1, Registered{secret(2), 1089})
	both := p.wants(1, CallUnlock, CallSettle)[0]
	p.happen(contracts.ChannelEvent{Kind: contracts.ChannelUnlocked, ByFirst: true, Unlocked: contracts.Units(10), Taken: contracts.BitsOf(0)})
	second := p.wants(1, CallUnlock, CallSettle)[0]
	if first.ID == second.ID || first.ID == both.ID || both.ID == second.ID {
		t.Error("one id for two calls")
	}
}

// He says that nothing was ever said, and we know better.
func TestPartnerDeniesAll(t *testing.T) {
	p := newPair(t, 100, 100)
	p.must(1, pay(1, 20))
	p.settle()
	c := p.sides[0].c
	c.Behind = true
	p.sides[0].c = c
	p.must(0, Heard{Message: message.Sync{Channel: c.Key, Epoch: c.Epoch, Echo: true}})
	if !p.sides[0].c.Behind {
		t.Error("we go on from what he denies")
	}
}

// A copy from then that holds all there is: the partner shows that nothing is missing.
func TestNothingWasLost(t *testing.T) {
	p := newPair(t, 100, 100)
	p.must(1, pay(1, 20))
	p.settle()
	c := p.sides[0].c
	c.Behind = true
	p.sides[0].c = c
	p.must(0, Meet{})
	p.settle()
	if p.sides[0].c.Behind {
		t.Error("still behind")
	}
	p.must(0, pay(2, 10))
	p.settle()
	p.agree(110, 90)
}
