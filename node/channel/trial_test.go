package channel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"photon/contracts"
	"photon/node/message"
)

// A trial is a channel on the real contract. Side 0 is honest: it does what its
// machine says, and what its machine wants of the chain is carried there. Side 1 has
// a machine too, but does whatever it likes, knows all, and its words come in any order.
type trial struct {
	*pair
	r     *rapid.T
	rand  *rand.Rand // draws evenly, where rapid would prefer what is small
	court *court
	views [2]view
	next  int // payments and secrets so far

	// of the honest side
	pending []*carried
	account account

	// what the other has in hand
	said    []word
	accords []signedAccord
	given   []message.Dispose
	heard   []message.Message // everything that was ever told to the honest
	held    []contracts.Lock  // the list of the honest's claim on the chain
	claim   contracts.Claim
}

// A view is how far behind the chain a side is.
type view struct {
	late, confirm uint64 // blocks
	told          int    // events of the court
}

// A word is an update of the honest side's.
type word struct {
	epoch     uint64
	proof     contracts.BalanceProof
	signature contracts.Signature
	locks     []contracts.Lock
}

type signedAccord struct {
	epoch      uint64
	withdrawal *contracts.Withdrawal
	ending     *contracts.Ending
	signature  contracts.Signature
}

// A carried is a call that was signed: it is mined as it was then, or fails.
type carried struct {
	call Call
	data []byte
	done bool
	wait int  // blocks
	sure bool // made with all that the chain has in view, and mined next
}

// An account is what the honest side was told of its money.
type account struct {
	start, withdrew uint64
	in, out         map[contracts.Hash]uint64 // payments and locks
	owed            map[contracts.Hash]uint64 // locks of the other's whose secret we knew in time
}

func newTrial(r *rapid.T) *trial {
	r.Helper()
	x := &trial{
		pair: &pair{t: r}, r: r, court: newCourt(r), rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 0)),
		account: account{start: 2000, in: map[contracts.Hash]uint64{}, out: map[contracts.Hash]uint64{}, owed: map[contracts.Hash]uint64{}},
	}
	x.sides = [2]*side{{key: key(r, "alice")}, {key: key(r, "bob")}}
	if x.draw(2) == 0 {
		x.sides[0], x.sides[1] = x.sides[1], x.sides[0]
	}
	for _, s := range x.sides {
		x.court.give(s.self(), 2000)
	}
	for i := range x.views {
		x.views[i] = view{late: uint64(x.draw(3)), confirm: uint64(x.draw(4))}
	}
	x.court.height = 1000
	data, value := contracts.OpenCall(contracts.Address{}, x.sides[1].self(), window, contracts.Units(1000))
	if why := x.court.send(x.sides[0].self(), &x.court.at, value, data); why != "" {
		r.Fatal(why)
	}
	for _, s := range x.sides {
		c, err := New(contracts.Channels{ChainID: 1337, At: x.court.at}, contracts.ETH, rules, s.self(), x.court.events[0].(Happened))
		if err != nil {
			r.Fatal(err)
		}
		s.c = c
	}
	x.views[0].told, x.views[1].told = 1, 1
	x.deposit(1, 1000)
	x.mine(8)
	return x
}

func (x *trial) deposit(i int, amount uint64) {
	data, value := contracts.DepositCall(x.sides[0].c.Name, x.sides[i].c.First, contracts.Units(amount))
	x.court.send(x.sides[i].self(), &x.court.at, value, data)
}

// at is a side's time.
func (x *trial) at(i int) Now {
	v, mined := x.views[i], x.court.height-1
	return Now{Height: mined - v.late, Through: mined - v.late - v.confirm}
}

// do lets an event happen to a side. The honest one must never panic or freeze;
// the other may do as it likes.
func (x *trial) do(i int, e Event) error {
	x.r.Helper()
	s := x.sides[i]
	before := encode(x.r, s.c)
	c, effects, err := s.c.Apply(x.at(i), e)
	if encode(x.r, s.c) != before {
		x.r.Fatalf("%T has changed the value that it came from", e)
	}
	if err != nil {
		return err
	}
	if i == 0 && c.Frozen != "" {
		x.r.Fatalf("after %T: %s", e, c.Frozen)
	}
	s.c = c
	for _, f := range effects {
		switch f := f.(type) {
		case Tell:
			m := x.sign(i, f.Message)
			x.ways[i] = append(x.ways[i], m)
			if i == 1 {
				x.heard = append(x.heard, m)
			} else {
				x.keep(m)
			}
		case Record:
			s.log = append(s.log, f)
		default:
			if i == 0 {
				x.book(f)
			}
		}
	}
	return nil
}

// keep is what the other keeps of the honest side's words.
func (x *trial) keep(m message.Message) {
	switch m := m.(type) {
	case message.Update:
		for _, f := range x.sides[0].c.Us.Flight {
			if f.Proof == m.Proof {
				x.said = append(x.said, word{m.Epoch, m.Proof, m.Signature, f.Locks})
			}
		}
	case message.Dispose:
		x.given = append(x.given, m)
	case message.Withdraw:
		if m.Agreed {
			x.accords = append(x.accords, signedAccord{m.Epoch, &m.Withdrawal, nil, m.Signature})
		}
	case message.End:
		if m.Agreed {
			x.accords = append(x.accords, signedAccord{m.Epoch, nil, &m.Ending, m.Signature})
		}
	}
}

// book writes what the honest side is told of its money. A payment that was refused
// counts as paid: its word is signed, and the other may bring it.
func (x *trial) book(f Effect) {
	units := func(a contracts.Amount) uint64 { n, _ := a.Uint64(); return n }
	switch f := f.(type) {
	case Got:
		x.account.in[f.Pay.ID] += units(f.Pay.Amount)
	case Earned:
		x.account.in[f.Lock.ID()] += units(f.Lock.Amount)
		delete(x.account.owed, f.Lock.ID())
	case Flew:
		for _, p := range f.Pays {
			x.account.out[p.ID] = units(p.Amount)
		}
	case Learned:
		x.account.out[f.Lock.ID()] = units(f.Lock.Amount)
	case Lapsed:
		if n, owed := x.account.owed[f.Lock.ID()]; owed && !f.Ours {
			x.r.Fatalf("a lock of %d whose secret we knew in time has lapsed", n)
		}
		if _, paid := x.account.out[f.Lock.ID()]; paid && f.Ours {
			x.r.Fatal("a lock was paid and has lapsed")
		}
	}
}

// mine makes blocks. In each, what both have sent is mined; then both hear of it.
func (x *trial) mine(blocks int) {
	x.r.Helper()
	for range blocks {
		x.carry()
		x.court.height++
		for i := range x.views {
			x.hear(i)
		}
	}
}

// carry sends what the honest side wants, as a carrier does: a call that was signed
// stays as it is until it is mined, also when it is wanted no more, and one that is
// done is not sent again while it is wanted.
func (x *trial) carry() {
	x.r.Helper()
	now := x.at(0)
	current := now.Through == x.court.height-1
	wanted := map[contracts.Hash]bool{}
	for _, k := range x.sides[0].c.Wants(now) {
		if k.At > now.Height+1 {
			continue
		}
		wanted[k.ID] = true
		if slices.ContainsFunc(x.pending, func(p *carried) bool { return p.call.ID == k.ID }) {
			continue
		}
		var own contracts.Signature
		if k.Word != nil {
			own = x.over(0, *k.Word)
		}
		wait := x.draw(3)
		x.pending = append(x.pending, &carried{call: k, data: k.Data(own), wait: wait, sure: current && wait == 0})
	}
	var kept []*carried
	for _, p := range x.pending {
		switch {
		case p.done && !wanted[p.call.ID]:
			continue
		case !p.done && p.wait == 0:
			why := x.court.send(x.sides[0].self(), x.court.target(p.call), contracts.Amount{}, p.data)
			first := blockOf(x.court.events[len(x.court.events)-1]) != x.court.height
			if why != "" && p.sure && first {
				x.r.Fatalf("block %d: the contract refuses what is wanted, %s: %s", x.court.height, p.call.Kind, why)
			}
			if p.done = why == ""; !p.done {
				continue
			}
		case !p.done:
			p.wait--
		}
		kept = append(kept, p)
	}
	x.pending = kept
}

// hear tells a side what has become confirmed, and then the time.
func (x *trial) hear(i int) {
	x.r.Helper()
	v, through := &x.views[i], x.at(i).Through
	for v.told < len(x.court.events) && blockOf(x.court.events[v.told]) <= through {
		e := x.court.events[v.told].(Event)
		v.told++
		if err := x.do(i, e); err != nil {
			x.r.Fatalf("%+v: %v", e, err)
		}
		if root, sought := x.sides[i].c.Sought(); sought {
			locks, is := ListWith(x.sides[i].log, root)
			if !is {
				if i == 0 {
					x.r.Fatal("the log does not tell a list that was signed")
				}
				continue
			}
			if err := x.do(i, Found{locks}); err != nil {
				x.r.Fatal(err)
			}
		}
		if h, is := e.(Happened); is && h.Kind == contracts.ChannelWithdrawn {
			x.sides[i].log = nil
		}
	}
	x.ask(i)
	if err := x.do(i, Tick{}); err != nil {
		x.r.Fatal(err)
	}
}

// ask tells of secrets that were registered before their lock was promised: nobody
// hears of them who does not ask.
func (x *trial) ask(i int) {
	x.r.Helper()
	for _, e := range x.court.events[:x.views[i].told] {
		d, is := e.(Registered)
		if !is {
			continue
		}
		c, hash := x.sides[i].c, d.Secret.Hash()
		if slices.ContainsFunc(slices.Concat(c.Us.Notes, c.Them.Notes), func(n Note) bool { return n.Lock.Hash == hash && n.Dated == 0 }) {
			if err := x.do(i, d); err != nil {
				x.r.Fatal(err)
			}
		}
	}
}

// draw is a number from 0 to n-1.
func (x *trial) draw(n int) int { return x.rand.IntN(n) }

// secretOf is the secret of a hash.
func (x *trial) secretOf(h contracts.Hash) contracts.Secret {
	for n := range x.next + 1 {
		if secret(n).Hash() == h {
			return secret(n)
		}
	}
	x.r.Fatal("a hash from nowhere")
	return contracts.Secret{}
}

func TestHonestSideLosesNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		x := newTrial(r)
		for range 20 + x.draw(100) {
			x.step()
			if x.sides[0].c.Status == Settled {
				break
			}
		}
		x.end()
	})
}

// step is one thing that one of them does.
func (x *trial) step() {
	i := x.draw(2)
	switch x.draw(19) {
	case 0, 1:
		x.next++
		_ = x.do(i, pay(x.next, uint64(1+x.draw(300))))
	case 2, 3:
		x.next++
		_ = x.do(i, promise(x.next, uint64(1+x.draw(300)), x.at(i).Height+uint64(10+x.draw(80))))
	case 4, 5:
		_ = x.do(i, Flush{})
	case 6, 7, 8:
		x.deliver(i, x.draw(8))
	case 9:
		_ = x.do(i, Meet{})
	case 10:
		x.ends(i)
	case 11, 12:
		x.mine(1 + x.draw(12))
	case 13:
		x.wish(i)
	case 14, 15:
		x.forge()
	case 16:
		x.bring()
	case 17, 18:
		x.talk()
	}
}

// talk lets both say all they have to say.
func (x *trial) talk() {
	for range 8 {
		for i := range x.sides {
			_ = x.do(i, Flush{})
			for len(x.ways[i]) > 0 {
				x.deliver(i, 2)
			}
		}
	}
}

// deliver hands over a message of side i, or loses it, or hands over an old one.
func (x *trial) deliver(i, fate int) {
	n := len(x.ways[i])
	if i == 1 && fate == 0 && len(x.heard) > 0 {
		x.listen(0, x.heard[x.draw(len(x.heard))])
		return
	}
	if n == 0 {
		return
	}
	m := x.ways[i][0]
	x.ways[i] = x.ways[i][1:]
	if fate != 1 {
		x.listen(1-i, m)
	}
}

// listen is a message that comes to side i, which may object to an update.
func (x *trial) listen(i int, m message.Message) {
	e := Heard{Message: m}
	if u, is := m.(message.Update); is && x.draw(6) == 0 {
		for _, c := range u.Changes {
			if c.Pay != nil || c.Promise != nil {
				e.Reason, e.Culprit = message.Refused, c.Subject()
			}
		}
	}
	_ = x.do(i, e)
}

// ends decides what becomes of a lock that a side was promised.
func (x *trial) ends(i int) {
	c := x.sides[i].c
	if len(c.Them.Locks) == 0 {
		return
	}
	l := c.Them.Locks[x.draw(len(c.Them.Locks))]
	if x.draw(3) == 0 {
		_ = x.do(i, GiveUp{l.ID(), message.NoRoute})
		return
	}
	inTime := c.Status == Open && x.at(i).Height+rules.Reveal <= l.Expiry
	if i == 0 && !inTime {
		return // nobody who is careful shows it so late
	}
	n := c.Them.Notes[note(c.Them.Notes, l.ID())]
	if err := x.do(i, Know{x.secretOf(l.Hash)}); err == nil && i == 0 && n.Disposed == "" {
		amount, _ := l.Amount.Uint64()
		x.account.owed[l.ID()] = amount
	}
}

func (x *trial) wish(i int) {
	w := Wish{ID: id(x.next), Kind: Withdrawing, Take: contracts.Units(uint64(1 + x.draw(100))), Until: x.at(i).Height + 30}
	switch x.draw(16) {
	case 0:
		w = Wish{Kind: Ending, Until: x.at(i).Height + 30}
	case 1:
		w = Wish{Kind: Ending, Alone: true}
	case 2, 3:
		x.deposit(i, uint64(1+x.draw(50)))
		return
	}
	_ = x.do(i, Ask{w})
}

// end closes alone, and has the other do what he can to the last block.
func (x *trial) end() {
	x.r.Helper()
	for range 2*window + rules.Punish + 50 {
		c := x.sides[0].c
		if c.Status == Settled {
			break
		}
		if c.Status == Open && (c.Wish == nil || !c.Wish.Alone) {
			_ = x.do(0, Ask{Wish{Kind: Ending, Alone: true}})
		}
		for range x.draw(3) {
			x.bring()
		}
		x.mine(1)
	}
	x.judge()
}

// judge compares what the honest side has with what it was told.
func (x *trial) judge() {
	x.r.Helper()
	c := x.sides[0].c
	if c.Status != Settled {
		x.r.Fatalf("still %s: %s", c.Status, encode(x.r, c))
	}
	has, other, left := x.court.coins(x.sides[0].self()), x.court.coins(x.sides[1].self()), x.court.coins(x.court.at)
	if has+other != 4000 || left != 0 {
		x.r.Fatalf("%d and %d, %d left in the contract", has, other, left)
	}
	should, why := x.account.start, ""
	for _, m := range []map[contracts.Hash]uint64{x.account.in, x.account.owed} {
		for h, n := range m {
			should += n
			why += fmt.Sprintf(" +%d (%.4s)", n, h)
		}
	}
	for h, n := range x.account.out {
		should -= n
		why += fmt.Sprintf(" -%d (%.4s)", n, h)
	}
	if has < should {
		x.r.Fatalf("the honest side has %d and was told of %d:%s\n%s", has, should, why, encode(x.r, c))
	}
}
