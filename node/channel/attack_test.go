package channel

import (
	"errors"
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
	if c := p.sides[1].c; c.Them.Reason != message.Closing || find(c.Them.Locks, nil, l.ID()) < 0 {
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

// We have lost our data, and he tells us what never was. The first row is what was.
func TestPartnerLiesToWhoHasLost(t *testing.T) {
	huge := contracts.Units(1)
	for range 255 {
		huge = huge.Plus(huge)
	}
	twice := []contracts.Lock{lock(1, 10, 1050), lock(1, 10, 1050)}
	vast := []contracts.Lock{{Amount: huge, Expiry: 1050, Hash: secret(1).Hash()}, {Amount: huge, Expiry: 1050, Hash: secret(2).Hash()}}
	for _, row := range []struct {
		name   string
		change func(*message.State)
		good   bool
	}{
		{"what was", func(*message.State) {}, true},
		{"we said something unsigned", func(m *message.State) {
			m.Yours = message.Said{Proof: contracts.BalanceProof{Transferred: contracts.Units(60)}}
		}, false},
		{"he said something unsigned", func(m *message.State) {
			m.Mine = message.Said{Proof: contracts.BalanceProof{Transferred: contracts.Units(60)}}
		}, false},
		{"he has sent more than he has", func(m *message.State) { m.Mine.Proof.Transferred = contracts.Units(131) }, false},
		{"he has sent all he has", func(m *message.State) { m.Mine.Proof.Transferred = contracts.Units(130) }, true},
		{"he has sent more than there is", func(m *message.State) { m.Mine.Proof.Transferred = huge.Plus(huge.Minus(contracts.Units(1))) }, false},
		{"he has locked more than there is", func(m *message.State) { m.Mine.Locks, m.Mine.Proof.Locks = vast, contracts.LocksRoot(vast) }, false},
		{"he has locked the same twice", func(m *message.State) { m.Mine.Locks, m.Mine.Proof.Locks = twice, contracts.LocksRoot(twice) }, false},
		{"no nonce is left", func(m *message.State) { m.Heard = 1<<64 - 1 }, false},
		{"half of all nonces are left", func(m *message.State) { m.Heard = 1 << 63 }, true},
		{"he has sent less than we know", func(m *message.State) { m.Mine.Proof.Transferred = contracts.Units(19) }, false},
		{"he has sent what we know", func(m *message.State) { m.Mine.Proof.Transferred = contracts.Units(20) }, true},
	} {
		p := newPair(t, 100, 100)
		p.must(1, pay(1, 20))
		p.settle()
		kept := p.sides[0].c // a copy from then
		p.must(0, pay(2, 30))
		p.must(1, pay(3, 40))
		p.settle()
		m := p.sides[1].c.state()
		row.change(&m)
		if p.sides[0].c = kept; row.name[0] == 'w' && !row.good || row.name[:2] == "he" && m.Mine.Proof.Nonce == 0 {
			kept.Us, kept.Them = Ours{Deposit: kept.Us.Deposit}, Theirs{Party: kept.Them.Party, Deposit: kept.Them.Deposit} // nothing is left
		}
		kept.Behind = true
		p.sides[0].c = kept
		err := p.apply(0, Heard{Message: p.sign(1, m)})
		if (err == nil) != row.good || p.sides[0].c.Behind == row.good {
			t.Errorf("%s: %v, behind %t", row.name, err, p.sides[0].c.Behind)
		}
	}
}

// Who has lost his data and whose partner says nothing can still close, if that is
// what his user wants: else all he has would stay there for ever.
func TestSilentPartnerHoldsNobody(t *testing.T) {
	p := newPair(t, 100, 50)
	c := p.sides[0].c
	c.Behind = true
	p.sides[0].c = c
	if err := p.apply(0, Ask{Wish{Kind: Ending, Until: 1050}}); err == nil {
		t.Error("an ending together was taken")
	}
	p.must(0, Ask{Wish{Kind: Ending, Alone: true}})
	p.wants(0, CallClose)
}

// Locks of updates that are refused whatever is in them are not remembered for ever.
func TestFarLocksAreNotRemembered(t *testing.T) {
	p := newPair(t, 100, 50)
	p.must(1, Ask{Wish{Kind: Ending, Until: 1050}})
	for n, expiry := range []uint64{1000 + window, 1001 + window, 1<<64 - 1} {
		l := lock(n, 1, expiry)
		p.forged(0, 0, []contracts.Lock{l}, message.Change{Promise: &message.Promise{Lock: l}})
	}
	if n := len(p.sides[1].c.Them.Notes); n != 1 {
		t.Errorf("%d are remembered", n)
	}
}

// A promise that was refused and not signed away ends in a withdrawal: its word is
// void, and whoever waits for it is told.
func TestWithdrawalEndsRefusedPromises(t *testing.T) {
	p := newPair(t, 100, 50)
	p.must(0, promise(1, 10, 1050))
	p.must(0, Flush{})
	u := p.ways[0][0].(message.Update)
	c := p.sides[0].c
	p.must(0, Heard{Message: p.sign(1, message.Answer{Channel: c.Key, Nonce: u.Proof.Nonce, Reason: message.Unfit})})
	p.sides[0].facts = nil
	p.must(0, Happened{contracts.ChannelEvent{Kind: contracts.ChannelWithdrawn, ID: c.Name.ID(), Epoch: 1, FirstAmount: contracts.Units(90), SecondAmount: contracts.Units(50)}, 1001})
	if all := told[Lapsed](p.sides[0]); len(all) != 1 || all[0].Lock != u.Changes[0].Promise.Lock || !all[0].Ours {
		t.Errorf("%v", all)
	}
}

// A promise that fell with another update was signed, and may be brought by who
// closes: it has not come back before its time is over.
func TestFallenPromiseAtClose(t *testing.T) {
	p := newPair(t, 100, 50)
	p.must(0, pay(1, 5))
	p.must(0, Flush{})
	p.must(0, promise(2, 10, 1050))
	p.must(0, Flush{})
	c := p.sides[0].c
	p.must(0, Heard{Message: p.sign(1, message.Answer{Channel: c.Key, Nonce: 1, Reason: message.Refused, Culprit: id(1)})})
	p.close(1, contracts.BalanceProof{})
	if n := p.sides[0].c.Us.Notes; len(n) != 1 || !n[0].Returned {
		t.Fatalf("%+v", n)
	}
	p.sides[0].facts = nil
	p.now.Through, p.now.Height = 1049, 1049
	if p.must(0, Tick{}); len(p.sides[0].facts) != 0 {
		t.Errorf("%v", p.sides[0].facts)
	}
	p.now.Through = 1050
	p.must(0, Tick{})
	if all := told[Lapsed](p.sides[0]); len(all) != 1 {
		t.Errorf("%v", all)
	}
}

// A deposit voids what was agreed before: both balances are no more all there is, and
// the contract would refuse it.
func TestDepositEndsAccord(t *testing.T) {
	p := newPair(t, 100, 50)
	p.must(0, Ask{Wish{Kind: Withdrawing, Take: contracts.Units(10), Until: 1050}})
	p.settle()
	p.wants(0, CallWithdraw)
	p.happen(contracts.ChannelEvent{Kind: contracts.ChannelDeposited, ByFirst: false, Total: contracts.Units(60)})
	for i := range p.sides {
		if a := p.sides[i].c.Accord; a != nil && a.binds() {
			t.Errorf("side %d is still bound", i)
		}
	}
	p.settle()
	if p.wants(0, CallWithdraw); p.sides[0].c.Accord.Withdrawal.SecondBalance != contracts.Units(60) {
		t.Error("it was not proposed anew")
	}
}

// What a drop that is on its way frees is not spent before it is answered: he refuses
// what came before it, and all comes back.
func TestRefusedDropFreezesNobody(t *testing.T) {
	for _, stands := range []bool{false, true} { // the lock that is dropped
		p := newPair(t, 100, 50)
		p.must(0, promise(2, 60, 1050))
		p.must(0, Flush{})
		c := p.sides[0].c
		nonce := uint64(1)
		if stands {
			p.must(0, Heard{Message: p.sign(1, message.Answer{Channel: c.Key, Nonce: 1, Stands: 1})})
			nonce = 2
		}
		p.must(0, Heard{Message: p.sign(1, message.Dispose{Channel: c.Key, Lock: lock(2, 60, 1050), Reason: message.NoRoute})})
		p.must(0, Flush{})
		if err := p.apply(0, pay(3, 41)); !errors.Is(err, ErrShort) {
			t.Errorf("spent: %v", err)
		}
		p.must(0, pay(3, 40))
		p.must(0, Flush{})
		p.must(0, Heard{Message: p.sign(1, message.Answer{Channel: c.Key, Nonce: nonce, Stands: nonce - 1, Reason: message.Base})})
		p.must(0, Flush{})
	}
}

// A secret that was registered before its lock was promised is told late, and counts:
// for the lock that is ours to take, and for one that he has signed away and takes.
func TestSecretOfOldCounts(t *testing.T) {
	p := newPair(t, 100, 100)
	p.must(0, promise(1, 10, 1050))
	p.must(1, promise(2, 20, 1050))
	p.settle()
	p.must(1, GiveUp{lock(1, 10, 1050).ID(), message.NoRoute})
	p.settle()
	p.must(0, Registered{secret(1), 500})
	p.must(0, Registered{secret(2), 500})
	old := contracts.BalanceProof{Nonce: 1, Locks: contracts.LocksRoot([]contracts.Lock{lock(1, 10, 1050)})}
	p.ways = [2][]message.Message{}
	p.now.Height, p.now.Through = 1095, 1095
	p.must(0, Tick{})
	p.close(1, old)
	p.must(0, Found{[]contracts.Lock{lock(1, 10, 1050)}})
	p.happen(contracts.ChannelEvent{Kind: contracts.ChannelUpdated, ByFirst: false, Proof: p.sides[0].c.Them.Proof})
	p.happen(contracts.ChannelEvent{Kind: contracts.ChannelUnlocked, ByFirst: true, Unlocked: contracts.Units(10), Taken: contracts.BitsOf(0)})
	p.now.Height, p.now.Through = 1190, 1190
	p.wants(0, CallUnlock, CallPunish)
}
