package channel

import (
	"slices"
	"testing"

	"photon/contracts"
	"photon/node/message"
)

func TestLockIsPaid(t *testing.T) {
	p := newPair(t, 100, 0)
	p.must(0, promise(1, 30, 1050))
	p.settle()
	p.agree(70, 0)
	if got := told[Pledged](p.sides[1]); len(got) != 1 || got[0].Promise.Lock != lock(1, 30, 1050) {
		t.Fatalf("pledged %v", got)
	}
	p.must(1, Know{secret(1)})
	p.settle()
	p.agree(70, 30)
	if got := told[Learned](p.sides[0]); len(got) != 1 || got[0].Secret != secret(1) {
		t.Errorf("learned %v", got)
	}
	if got := told[Earned](p.sides[1]); len(got) != 1 {
		t.Errorf("earned %v", got)
	}
	if len(p.sides[0].c.Us.Notes)+len(p.sides[1].c.Them.Notes) != 0 {
		t.Error("what is over is remembered")
	}
}

// A lock that is disposed of is dropped at once, and never taken on again.
func TestLockIsDisposedOf(t *testing.T) {
	p := newPair(t, 100, 0)
	p.must(0, promise(1, 30, 1050))
	p.settle()
	p.must(1, GiveUp{lock(1, 30, 1050).ID(), message.NoRoute})
	p.settle()
	p.agree(100, 0)
	if got := told[GaveUp](p.sides[0]); len(got) != 1 || got[0].Reason != message.NoRoute {
		t.Fatalf("given up %v", got)
	}
	if err := p.apply(0, promise(1, 30, 1050)); err == nil {
		t.Error("the same lock was promised again")
	}
	p.mine(60)
	p.settle()
	if len(p.sides[0].c.Us.Notes)+len(p.sides[1].c.Them.Notes) != 0 {
		t.Error("what is over is remembered")
	}
}

// Nobody knows the secret: the lock is dropped when its time is over for both.
func TestLockExpires(t *testing.T) {
	p := newPair(t, 100, 0)
	p.must(0, promise(1, 30, 1050))
	p.must(0, promise(2, 5, 1060))
	p.settle()
	p.mine(51) // 1051
	p.settle()
	p.agree(65, 0)
	p.mine(1)
	p.settle()
	p.agree(95, 0)
	if got := told[Lapsed](p.sides[0]); len(got) != 1 || !got[0].Ours || got[0].Lock != lock(1, 30, 1050) {
		t.Errorf("lapsed %v", got)
	}
}

// The receiver's view of the chain is behind: he does not let the lock go, and is
// asked again with a later block.
func TestLockExpiresEarlierForOne(t *testing.T) {
	p := newPair(t, 100, 0)
	p.must(0, promise(1, 30, 1050))
	p.settle()
	p.now.Height, p.now.Through = 1060, 1052
	p.must(0, Tick{})
	p.must(0, Flush{})
	p.now.Through = 1049
	p.deliver(0)
	p.settle()
	p.agree(70, 0)
	p.now.Through = 1060
	p.must(0, Tick{})
	p.settle()
	p.agree(70, 0)
	p.mine(1)
	p.settle()
	p.agree(100, 0)
}

// The secret stands on the chain: who has promised pays, without being shown it.
func TestSecretIsRegistered(t *testing.T) {
	for _, r := range []struct {
		name  string
		block uint64
		paid  bool
	}{{"in the last block", 1050, true}, {"one block late", 1051, false}} {
		t.Run(r.name, func(t *testing.T) {
			p := newPair(t, 100, 0)
			p.must(0, promise(1, 30, 1050))
			p.settle()
			p.now.Height, p.now.Through = 1060, 1060
			for i := range p.sides {
				p.must(i, Registered{secret(1), r.block})
			}
			p.mine(1)
			p.settle()
			if r.paid {
				p.agree(70, 30)
			} else {
				p.agree(100, 0)
			}
		})
	}
}

// A partner who does not pay a lock whose secret he was shown: we want it registered
// before its time is over, and not sooner.
func TestRegistersInTime(t *testing.T) {
	p := newPair(t, 100, 0)
	p.must(0, promise(1, 30, 1050))
	p.settle()
	p.must(1, Know{secret(1)})
	p.ways[1] = nil // he never hears it
	for _, r := range []struct {
		height uint64
		want   bool
	}{{1039, false}, {1040, true}, {1050, true}, {1051, false}} {
		calls := p.sides[1].c.Wants(Now{Height: r.height})
		if got := len(calls) == 1 && calls[0].Kind == CallRegister && calls[0].Deadline == 1050; got != r.want {
			t.Errorf("block %d: wants %v", r.height, calls)
		}
	}
}

// Refused payments come back, each with the reason; what was not to blame goes again.
func TestRefusedPaymentComesBack(t *testing.T) {
	p := newPair(t, 100, 0)
	for n := range 3 {
		p.must(0, pay(n, 10))
	}
	p.must(0, Flush{})
	u := p.ways[0][0]
	p.ways[0] = nil
	p.must(1, Heard{Message: u, Reason: message.Paid, Culprit: id(1)})
	p.settle()
	p.agree(80, 20)
	if got := told[Returned](p.sides[0]); len(got) != 1 || got[0].Change.Pay.ID != id(1) || got[0].Reason != message.Paid {
		t.Errorf("returned %v", got)
	}
}

// What was on its way behind a refused update falls with it and goes again.
func TestFlightFallsAndGoesAgain(t *testing.T) {
	p := newPair(t, 100, 0)
	for n := range 5 {
		p.must(0, pay(n, 10))
		p.must(0, Flush{})
	}
	first := p.ways[0][0]
	p.ways[0] = p.ways[0][1:]
	p.must(1, Heard{Message: first, Reason: message.Refused, Culprit: id(0)})
	p.settle()
	p.agree(60, 40)
	if got := told[Returned](p.sides[0]); len(got) != 1 || got[0].Change.Pay.ID != id(0) {
		t.Errorf("returned %v", got)
	}
	if got := told[Got](p.sides[1]); len(got) != 4 {
		t.Errorf("got %d payments", len(got))
	}
}

// A promise in a refused update was signed: it comes back with the disposal that
// makes it safe to promise elsewhere.
func TestRefusedPromiseIsDisposedOf(t *testing.T) {
	p := newPair(t, 100, 0)
	p.must(0, promise(1, 30, 1050))
	p.must(0, Flush{})
	p.now.Stale = true
	p.deliver(0)
	p.now.Stale = false
	p.settle()
	p.agree(100, 0)
	facts := p.sides[0].facts
	returned := slices.IndexFunc(facts, func(f Effect) bool { r, is := f.(Returned); return is && r.Reason == message.Stale })
	gaveUp := slices.IndexFunc(facts, func(f Effect) bool { _, is := f.(GaveUp); return is })
	if returned < 0 || gaveUp < returned {
		t.Errorf("told %v", facts)
	}
}

// Everything on its way is lost, at any time; when they meet, it comes again.
func TestLostMessages(t *testing.T) {
	p := newPair(t, 1000, 1000)
	lose := func() {
		for i := range p.sides {
			p.must(i, Flush{})
		}
		p.ways = [2][]message.Message{}
	}
	meet := func() {
		for i := range p.sides {
			p.must(i, Meet{})
		}
		p.settle()
	}
	p.must(0, pay(1, 10))
	p.must(1, pay(2, 20))
	p.must(0, promise(3, 100, 1050))
	lose()
	meet()
	p.agree(910, 990)
	p.must(1, Know{secret(3)})
	lose()
	meet()
	p.agree(910, 1090)
	p.must(0, pay(4, 5))
	p.must(0, Flush{})
	p.deliver(0) // the answer is lost
	lose()
	meet()
	p.agree(905, 1095)
}

// One side has lost all; the other shows what both have signed.
func TestLostData(t *testing.T) {
	p := newPair(t, 100, 100)
	p.must(0, pay(1, 10))
	p.must(1, pay(2, 30))
	p.must(0, promise(3, 7, 1050))
	p.must(1, promise(4, 9, 1060))
	p.settle()
	whole := p.sides[0].c
	for _, behind := range []bool{true, false} { // known to have lost data, or not
		p.sides[0].c = fresh(t, p, 0)
		p.sides[0].c.Behind = behind
		p.must(0, Meet{})
		p.must(1, Meet{})
		p.settle()
		c := p.sides[0].c
		if c.Behind || c.Us.Proof != whole.Us.Proof || c.Them.Proof != whole.Them.Proof || len(c.Us.Locks) != 1 || len(c.Them.Locks) != 1 {
			t.Fatalf("restored %+v", c)
		}
	}
	p.must(0, pay(5, 1))
	p.must(0, Know{secret(4)})
	p.must(1, Know{secret(3)})
	p.settle()
	p.agree(100-10+30-7+9-1, 100+10-30+7-9+1)
}

// fresh is a side's channel as the chain alone knows it.
func fresh(t *testing.T, p *pair, i int) Channel {
	t.Helper()
	q := newPair(t, 0, 0)
	c := q.sides[i].c
	c.Us.Deposit, c.Them.Deposit = p.sides[i].c.Us.Deposit, p.sides[i].c.Them.Deposit
	return c
}

// A partner who claims that we have lost data, and cannot prove it, changes nothing.
func TestClaimedLoss(t *testing.T) {
	p := newPair(t, 100, 100)
	p.must(0, pay(1, 10))
	p.settle()
	before := p.sides[0].c
	claim := message.Sync{Channel: before.Key, Sent: 50, Answer: message.Answer{Nonce: 70, Stands: 70}}
	p.must(0, Heard{Message: claim})
	said := message.Said{Proof: contracts.BalanceProof{Nonce: 70, Transferred: contracts.Units(100)}}
	said.Signature = p.over(1, contracts.ProofWord(before.Name.ID(), 0, said.Proof)) // not ours
	if err := p.apply(0, Heard{Message: message.State{Channel: before.Key, Yours: said, Heard: 70}}); err == nil {
		t.Error("a forged state was taken")
	}
	if p.sides[0].c.Version != before.Version {
		t.Error("a claim has changed the channel")
	}
	p.ways = [2][]message.Message{}
	p.must(0, pay(2, 1))
	p.settle()
	p.agree(89, 111)
}

func TestWithdraw(t *testing.T) {
	p := newPair(t, 100, 50)
	p.must(0, pay(1, 10))
	p.must(1, promise(2, 5, 1050))
	p.settle()
	p.must(0, Ask{Wish{ID: id(9), Kind: Withdrawing, Take: contracts.Units(40), Until: 1200}})
	p.must(0, pay(3, 20)) // waits
	p.settle()
	if p.sides[0].c.Accord != nil {
		t.Fatal("proposed while a lock is pending")
	}
	p.must(0, Know{secret(2)})
	p.settle()
	calls := p.sides[0].c.Wants(p.now)
	if len(calls) != 1 || calls[0].Kind != CallWithdraw || calls[0].Word == nil {
		t.Fatalf("wants %v", calls)
	}
	if len(p.sides[1].c.Wants(p.now)) != 0 {
		t.Error("the other wants something, too")
	}
	// Nothing is said until it is done.
	p.must(1, pay(4, 1))
	p.settle()
	if n := len(p.sides[1].c.Us.Queue); n != 1 {
		t.Fatalf("%d changes wait", n)
	}
	p.happen(contracts.ChannelEvent{Kind: contracts.ChannelWithdrawn, Epoch: 1, FirstAmount: contracts.Units(100 - 10 + 5 - 40), SecondAmount: contracts.Units(50 + 10 - 5)})
	p.settle()
	p.agree(100-10+5-40-20+1, 50+10-5+20-1)
	if got := told[Ended](p.sides[0]); len(got) != 1 || got[0].Reason != "" || got[0].Wish.ID != id(9) {
		t.Errorf("ended %v", got)
	}
}

// Both propose at once: the first party's goes before, and then the other's.
func TestBothWithdraw(t *testing.T) {
	p := newPair(t, 100, 100)
	for i := range p.sides {
		p.must(i, Ask{Wish{Kind: Withdrawing, Take: contracts.Units(uint64(10 + i)), Until: 1200}})
	}
	p.settle()
	if p.sides[0].c.Accord.Theirs == nil || p.sides[1].c.Accord.Ours {
		t.Fatalf("%+v %+v", p.sides[0].c.Accord, p.sides[1].c.Accord)
	}
	p.happen(contracts.ChannelEvent{Kind: contracts.ChannelWithdrawn, Epoch: 1, FirstAmount: contracts.Units(90), SecondAmount: contracts.Units(100)})
	p.mine(1)
	p.settle()
	if a := p.sides[1].c.Accord; a == nil || a.Theirs == nil || a.Withdrawal.SecondTakes != contracts.Units(11) {
		t.Fatalf("%+v", a)
	}
}

// A withdrawal that is never mined: both are free after its last block, and it is
// proposed again until our user's patience is over.
func TestWithdrawExpires(t *testing.T) {
	p := newPair(t, 100, 50)
	p.must(0, Ask{Wish{ID: id(9), Kind: Withdrawing, Take: contracts.Units(40), Until: 1040}})
	p.settle()
	p.mine(10)
	p.settle()
	if p.sides[1].c.Accord == nil {
		t.Fatal("given up before its time")
	}
	p.mine(11)
	p.settle()
	if a := p.sides[0].c.Accord; a == nil || a.until() <= 1021 {
		t.Fatalf("not proposed again: %+v", a)
	}
	p.mine(100)
	p.settle()
	if c := p.sides[0].c; c.Accord != nil || c.Wish != nil {
		t.Fatalf("not given up: %+v %+v", c.Accord, c.Wish)
	}
	if got := told[Ended](p.sides[0]); len(got) != 1 || got[0].Reason == "" {
		t.Errorf("ended %v", got)
	}
	p.mine(10)
	p.must(0, pay(1, 5))
	p.settle()
	p.agree(95, 55)
}

func TestCloseTogether(t *testing.T) {
	p := newPair(t, 100, 50)
	p.must(1, pay(1, 10))
	p.settle()
	p.must(1, Ask{Wish{Kind: Ending, Until: 1100}})
	p.settle()
	calls := p.sides[1].c.Wants(p.now)
	if len(calls) != 1 || calls[0].Kind != CallEnd {
		t.Fatalf("wants %v", calls)
	}
	p.happen(contracts.ChannelEvent{Kind: contracts.ChannelSettled, FirstAmount: contracts.Units(110), SecondAmount: contracts.Units(40)})
	for i, s := range p.sides {
		if s.c.Status != Settled || s.c.Paid[0] != contracts.Units([]uint64{110, 40}[i]) {
			t.Errorf("side %d: %s, paid %s", i, s.c.Status, s.c.Paid)
		}
	}
}

// The partner does not answer: after our user's patience the channel is closed alone.
func TestCloseAlone(t *testing.T) {
	p := newPair(t, 100, 50)
	p.must(1, pay(1, 10))
	p.settle()
	p.must(0, Ask{Wish{Kind: Ending, Until: 1005}})
	p.ways = [2][]message.Message{}
	if calls := p.sides[0].c.Wants(p.now); len(calls) != 0 {
		t.Fatalf("wants %v", calls)
	}
	p.mine(5)
	if calls := p.sides[0].c.Wants(p.now); len(calls) != 1 || calls[0].Kind != CallClose {
		t.Fatalf("wants %v", calls)
	}
}

// The same wish asked for twice, before and after it has come true, is one.
func TestWishIsOne(t *testing.T) {
	p := newPair(t, 100, 50)
	w := Ask{Wish{ID: id(9), Kind: Withdrawing, Take: contracts.Units(40), Until: 1200}}
	p.must(0, w)
	version := p.sides[0].c.Version
	p.must(0, w)
	if p.sides[0].c.Version != version {
		t.Error("it was wished again")
	}
	p.settle()
	p.happen(contracts.ChannelEvent{Kind: contracts.ChannelWithdrawn, Epoch: 1, FirstAmount: contracts.Units(60), SecondAmount: contracts.Units(50)})
	p.must(0, w)
	if c := p.sides[0].c; c.Wish != nil {
		t.Errorf("it is wished again: %+v", c.Wish)
	}
	w.Wish.ID = id(10)
	p.must(0, w)
	if p.sides[0].c.Wish == nil {
		t.Error("another was not wished")
	}
}
