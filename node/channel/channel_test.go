package channel

import (
	"errors"
	"testing"

	"photon/contracts"
	"photon/node/message"
)

func TestPaymentsShareAnUpdate(t *testing.T) {
	p := newPair(t, 100, 0)
	for n := range 3 {
		p.must(0, pay(n, 10))
	}
	p.must(0, Flush{})
	if len(p.ways[0]) != 1 {
		t.Fatalf("%d messages, want one update for all", len(p.ways[0]))
	}
	p.settle()
	p.agree(70, 30)
	if got := told[Got](p.sides[1]); len(got) != 3 || got[2].Pay.ID != id(2) {
		t.Errorf("got %v", got)
	}
	if p.sides[0].c.Us.Proof.Nonce != 1 {
		t.Errorf("nonce %d", p.sides[0].c.Us.Proof.Nonce)
	}
}

// Each row is one change to a channel in which the first has 100 and says something.
func TestSay(t *testing.T) {
	for _, r := range []struct {
		name string
		that Event
		do   func(p *pair)
		want error
	}{
		{"all there is", pay(1, 100), nil, nil},
		{"one more", pay(1, 101), nil, ErrShort},
		{"nothing", pay(1, 0), nil, ErrAmount},
		{"what is queued is gone", pay(1, 31), func(p *pair) { p.must(0, pay(0, 70)) }, ErrShort},
		{"what is queued leaves the rest", pay(1, 30), func(p *pair) { p.must(0, pay(0, 70)) }, nil},
		{"what is on its way is gone", pay(1, 31), func(p *pair) { p.must(0, pay(0, 70)); p.must(0, Flush{}) }, ErrShort},
		{"what is locked is gone", pay(1, 31), func(p *pair) { p.must(0, promise(0, 70, 1050)); p.settle() }, ErrShort},
		{"what was got can be said", pay(1, 120), func(p *pair) { p.must(1, pay(0, 20)); p.settle() }, nil},
		{"a lock", promise(1, 100, 1050), nil, nil},
		{"a lock of one more", promise(1, 101, 1050), nil, ErrShort},
		{"the soonest expiry", promise(1, 1, 1010), nil, nil},
		{"too soon", promise(1, 1, 1009), nil, ErrExpiry},
		{"the latest expiry", promise(1, 1, 1090), nil, nil},
		{"too late", promise(1, 1, 1091), nil, ErrExpiry},
		{"the same lock queued", promise(0, 1, 1050), func(p *pair) { p.must(0, promise(0, 1, 1050)) }, ErrRepeated},
		{"the same lock pending", promise(0, 1, 1050), func(p *pair) { p.must(0, promise(0, 1, 1050)); p.settle() }, ErrRepeated},
		{"the same hash in another lock", promise(0, 1, 1051), func(p *pair) { p.must(0, promise(0, 1, 1050)); p.settle() }, nil},
		{"no hash", Say{message.Change{Promise: &message.Promise{Lock: contracts.Lock{Amount: contracts.Units(1), Expiry: 1050}}}}, nil, ErrLock},
		{"an unlock by hand", Say{message.Change{Drop: &message.Drop{}}}, nil, ErrMessage},
		{"while it ends", pay(1, 1), func(p *pair) { p.must(0, Ask{Wish{Kind: Ending, Until: 1100}}) }, ErrBusy},
		{"while it is withdrawn from", pay(1, 1), func(p *pair) { p.must(0, Ask{Wish{Kind: Withdrawing, Take: contracts.Units(5), Until: 1100}}) }, nil},
		{"closed", pay(1, 1), func(p *pair) { p.happen(contracts.ChannelEvent{Kind: contracts.ChannelClosed}) }, ErrStatus},
	} {
		t.Run(r.name, func(t *testing.T) {
			p := newPair(t, 100, 50)
			if r.do != nil {
				r.do(p)
			}
			if err := p.apply(0, r.that); !errors.Is(err, r.want) {
				t.Errorf("got %v, want %v", err, r.want)
			}
		})
	}
}

// 160 locks are pending; one more is refused by who would promise it, and by who
// gets it; when one has ended there is room.
func TestFull(t *testing.T) {
	p := newPair(t, 1000, 0)
	for n := range message.MaxLocks {
		p.must(0, promise(n, 1, 1050))
	}
	p.settle()
	if err := p.apply(0, promise(200, 1, 1050)); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v", err)
	}
	p.must(1, Know{secret(7)})
	p.settle()
	p.must(0, promise(200, 1, 1050))
	p.settle()
	p.agree(1000-161, 1)
}

// Each row changes a good update of the first party: it pays 10, promises 20 under
// secret 1, and after it 30 under secret 2. What is wrong is refused and leaves all
// as it was, and the next good one stands.
func TestUpdateIsRefused(t *testing.T) {
	for _, r := range []struct {
		name    string
		change  func(p *pair, u *message.Update)
		want    message.Reason
		ignored bool // not as much as heard
	}{
		{"good", nil, "", false},
		{"an unknown base", func(_ *pair, u *message.Update) { u.After = 7 }, message.Base, false},
		{"a nonce passed over", func(_ *pair, u *message.Update) { u.Proof.Nonce++ }, "", false},
		{"one before it was lost", func(_ *pair, u *message.Update) { u.Proof.Nonce, u.After = 2, 1 }, "", true},
		{"transferred one more", func(_ *pair, u *message.Update) { u.Proof.Transferred = contracts.Units(11) }, message.Unfit, false},
		{"transferred one less", func(_ *pair, u *message.Update) { u.Proof.Transferred = contracts.Units(9) }, message.Unfit, false},
		{"other locks", func(_ *pair, u *message.Update) { u.Proof.Locks[3]++ }, message.Unfit, false},
		{"no changes", func(_ *pair, u *message.Update) { u.Changes, u.Proof = nil, contracts.BalanceProof{Nonce: 1} }, message.Unfit, false},
		{"more than she has", func(p *pair, u *message.Update) { u.Changes[0].Pay.Amount = contracts.Units(51) }, message.Capacity, false},
		{"nothing paid", func(p *pair, u *message.Update) { u.Changes[0].Pay.Amount = contracts.Amount{} }, message.Unfit, false},
		{"a lock of more than she has", func(p *pair, u *message.Update) { u.Changes[2].Promise.Lock.Amount = contracts.Units(71) }, message.Capacity, false},
		{"a lock of nothing", func(p *pair, u *message.Update) { u.Changes[2].Promise.Lock.Amount = contracts.Amount{} }, message.Unfit, false},
		{"the same lock twice", func(p *pair, u *message.Update) { u.Changes[2].Promise.Lock = u.Changes[1].Promise.Lock }, message.Disposed, false},
		{"a lock beyond the window", func(p *pair, u *message.Update) { u.Changes[2].Promise.Lock.Expiry = 1101 }, message.Unfit, false},
		{"an unlock of nothing", func(p *pair, u *message.Update) {
			u.Changes = append(u.Changes, message.Change{Unlock: &message.Unlock{Lock: id(1)}})
		}, message.Unfit, false},
		{"an unlock with another secret", func(p *pair, u *message.Update) {
			u.Changes = append(u.Changes, message.Change{Unlock: &message.Unlock{Lock: u.Changes[1].Promise.Lock.ID(), Secret: secret(2)}})
		}, message.Unfit, false},
		{"a drop before its time", func(p *pair, u *message.Update) {
			u.Changes = append(u.Changes, message.Change{Drop: &message.Drop{Lock: u.Changes[1].Promise.Lock.ID()}})
		}, message.Early, false},
		{"an objection", func(p *pair, u *message.Update) { p.sides[1].facts = []Effect{} }, message.Refused, false},
		{"stale", func(p *pair, u *message.Update) { p.now.Stale = true }, message.Stale, false},
		{"closed", func(p *pair, u *message.Update) { p.happen(contracts.ChannelEvent{Kind: contracts.ChannelClosed}) }, message.Closing, false},
		{"of another epoch", func(_ *pair, u *message.Update) { u.Epoch++ }, "", true},
	} {
		t.Run(r.name, func(t *testing.T) {
			p := newPair(t, 100, 0)
			u := message.Update{Channel: p.sides[0].c.Key, Changes: []message.Change{
				pay(1, 10).Change, promise(1, 20, 1050).Change, promise(2, 30, 1060).Change,
			}}
			u.Proof = contracts.BalanceProof{Nonce: 1, Transferred: contracts.Units(10), Locks: contracts.LocksRoot([]contracts.Lock{lock(1, 20, 1050), lock(2, 30, 1060)})}
			e := Heard{}
			if r.change != nil {
				r.change(p, &u)
			}
			if r.want == message.Refused {
				e.Reason, e.Culprit = message.Refused, id(1)
			}
			before := p.sides[1].c
			e.Message = p.sign(0, u)
			p.must(1, e)
			after := p.sides[1].c
			if r.ignored {
				if after.Version != before.Version {
					t.Errorf("it was heard: %d", after.Them.Heard)
				}
				return
			}
			if after.Them.Heard != u.Proof.Nonce || after.Them.Reason != r.want {
				t.Errorf("heard %d, refused for %q, want %q", after.Them.Heard, after.Them.Reason, r.want)
			}
			if r.want != "" && (after.Them.Proof != before.Them.Proof || len(after.Them.Locks) != 0 || after.Sendable() != before.Sendable()) {
				t.Errorf("a refused update has left %v", after.Them)
			}
		})
	}
}

// What the partner did not sign changes nothing, and neither does what others did.
func TestForged(t *testing.T) {
	p := newPair(t, 100, 100)
	p.must(0, promise(1, 20, 1050))
	p.settle()
	forge := func(m message.Message) message.Message { return p.sign(0, m) } // to the first, as if by the second
	c := p.sides[0].c
	for _, m := range []message.Message{
		forge(message.Update{Channel: c.Key, Proof: contracts.BalanceProof{Nonce: 1}}),
		forge(message.Answer{Channel: c.Key, Nonce: 2, Stands: 2}),
		forge(message.Dispose{Channel: c.Key, Lock: lock(1, 20, 1050)}),
		message.Update{Channel: c.Key, Proof: contracts.BalanceProof{Nonce: 1}},
		message.Dispose{Channel: c.Key, Lock: lock(2, 20, 1050)},
		message.Reveal{Channel: c.Key, Secret: secret(3)},
		message.Reveal{Channel: contracts.Hash{1}, Secret: secret(1)},
	} {
		if err := p.apply(0, Heard{Message: m}); err == nil {
			t.Errorf("%T was taken", m)
		}
	}
}
