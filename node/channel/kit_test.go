package channel

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/ethereum/go-ethereum/crypto"

	"photon/contracts"
	"photon/node/message"
)

// A tb is a test, or a run of a property.
type tb interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// A side is one party with its channel, and what it has been told.
type side struct {
	key   *ecdsa.PrivateKey
	c     Channel
	facts []Effect
	log   []Record
}

func (s *side) self() contracts.Address { return crypto.PubkeyToAddress(s.key.PublicKey) }

// A pair is one channel with both of its parties, and the messages between them:
// ways[0] are those on their way to the second side.
type pair struct {
	t     tb
	sides [2]*side
	ways  [2][]message.Message
	now   Now
}

var rules = Rules{Reveal: 10, Punish: 20, Grace: 2}

const window = 100

func key(t tb, name string) *ecdsa.PrivateKey {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	k, err := crypto.ToECDSA(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func secret(n int) contracts.Secret { return sha256.Sum256(fmt.Append(nil, "secret ", n)) }

func id(n int) contracts.Hash { return sha256.Sum256(fmt.Append(nil, "payment ", n)) }

// newPair opens a channel in block 1 and puts a and b into it; the chain is at 1000.
func newPair(t tb, a, b uint64) *pair {
	t.Helper()
	p := &pair{t: t, now: Now{Height: 1000, Through: 990}}
	p.sides = [2]*side{{key: key(t, "alice")}, {key: key(t, "bob")}}
	if p.sides[1].self().Cmp(p.sides[0].self()) < 0 {
		p.sides[0].key, p.sides[1].key = p.sides[1].key, p.sides[0].key
	}
	name := contracts.NameChannel(contracts.Address{}, p.sides[0].self(), p.sides[1].self(), 1)
	opened := Happened{contracts.ChannelEvent{Kind: contracts.ChannelOpened, ID: name.ID(), First: name.First, Second: name.Second, Window: window}, 1}
	for _, s := range p.sides {
		c, err := New(contracts.Channels{ChainID: 1337, At: contracts.Address{7}}, contracts.ETH, rules, s.self(), opened)
		if err != nil {
			t.Fatal(err)
		}
		s.c = c
	}
	for i, total := range []uint64{a, b} {
		p.happen(contracts.ChannelEvent{Kind: contracts.ChannelDeposited, ByFirst: i == 0, Total: contracts.Units(total)})
	}
	return p
}

// happen tells both of an event of the contract.
func (p *pair) happen(e contracts.ChannelEvent) {
	p.t.Helper()
	e.ID = p.sides[0].c.Name.ID()
	for i := range p.sides {
		p.must(i, Happened{e, p.now.Height})
	}
}

// apply lets an event happen to one side; what it tells the other is signed and on
// its way. A refused event has changed nothing, and a state survives storage.
func (p *pair) apply(i int, e Event) error {
	p.t.Helper()
	s := p.sides[i]
	before := encode(p.t, s.c)
	c, effects, err := s.c.Apply(p.now, e)
	if err != nil {
		if after := encode(p.t, s.c); after != before || !reflect.DeepEqual(c, s.c) || effects != nil {
			p.t.Fatalf("refused %T has changed the channel", e)
		}
		return err
	}
	if c.Version == s.c.Version && encode(p.t, c) != before {
		p.t.Fatalf("%T has changed the channel, and its version says nothing of it", e)
	}
	if c.Frozen != "" {
		p.t.Fatalf("after %T: %s", e, c.Frozen)
	}
	var stored Channel
	if err := json.Unmarshal([]byte(encode(p.t, c)), &stored); err != nil {
		p.t.Fatal(err)
	}
	if again := encode(p.t, stored); again != encode(p.t, c) {
		p.t.Fatalf("stored as\n%s\nread as\n%s", encode(p.t, c), again)
	}
	s.c = stored
	for _, x := range effects {
		switch x := x.(type) {
		case Tell:
			p.ways[i] = append(p.ways[i], p.sign(i, x.Message))
		case Record:
			s.log = append(s.log, x)
		default:
			s.facts = append(s.facts, x)
		}
	}
	return nil
}

func encode(t tb, c Channel) string {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (p *pair) must(i int, e Event) {
	p.t.Helper()
	if err := p.apply(i, e); err != nil {
		p.t.Fatalf("%T: %v", e, err)
	}
}

func (p *pair) sign(i int, m message.Message) message.Message {
	p.t.Helper()
	c := p.sides[i].c
	word, ok := c.Word(m)
	if !ok {
		return m
	}
	return Signed(m, p.over(i, word))
}

func (p *pair) over(i int, word contracts.Word) contracts.Signature {
	p.t.Helper()
	digest := p.sides[i].c.Contract.Digest(word)
	raw, err := crypto.Sign(digest[:], p.sides[i].key)
	if err != nil {
		p.t.Fatal(err)
	}
	s, err := contracts.ParseSignature(raw)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// deliver hands over the oldest message of side i.
func (p *pair) deliver(i int) {
	p.t.Helper()
	m := p.ways[i][0]
	p.ways[i] = p.ways[i][1:]
	p.must(1-i, Heard{Message: m})
}

// settle delivers and flushes until nobody says anything more.
func (p *pair) settle() {
	p.t.Helper()
	for range 1000 {
		for i := range p.sides {
			p.must(i, Flush{})
			for len(p.ways[i]) > 0 {
				p.deliver(i)
			}
		}
		if quiet(p.sides[0].c) && quiet(p.sides[1].c) && len(p.ways[0])+len(p.ways[1]) == 0 {
			return
		}
	}
	p.t.Fatal("they talk for ever")
}

// quiet reports whether a side has nothing to say.
func quiet(c Channel) bool {
	queue := c.Us.Queue
	if c.Wish != nil {
		queue, _ = ends(queue)
	}
	return len(c.Us.Flight) == 0 && (len(queue) == 0 || !c.maySpeak())
}

// mine lets blocks pass, all of them confirmed.
func (p *pair) mine(blocks uint64) {
	p.t.Helper()
	p.now.Height += blocks
	p.now.Through = p.now.Height
	for i := range p.sides {
		p.must(i, Tick{})
	}
}

func pay(n int, amount uint64) Say {
	return Say{message.Change{Pay: &message.Pay{ID: id(n), Amount: contracts.Units(amount)}}}
}

func promise(n int, amount, expiry uint64) Say {
	return Say{message.Change{Promise: &message.Promise{Lock: lock(n, amount, expiry)}}}
}

func lock(n int, amount, expiry uint64) contracts.Lock {
	return contracts.Lock{Amount: contracts.Units(amount), Expiry: expiry, Hash: secret(n).Hash()}
}

// agree fails unless both see the same, and a and b are what each can send.
func (p *pair) agree(a, b uint64) {
	p.t.Helper()
	x, y := p.sides[0].c, p.sides[1].c
	for _, v := range []struct {
		what      string
		got, want any
	}{
		{"first can send", x.Sendable().String(), fmt.Sprint(a)},
		{"second can send", y.Sendable().String(), fmt.Sprint(b)},
		{"first's proof", x.Us.Proof, y.Them.Proof},
		{"second's proof", y.Us.Proof, x.Them.Proof},
		{"first's locks", len(x.Us.Locks), len(y.Them.Locks)},
		{"second's locks", len(y.Us.Locks), len(x.Them.Locks)},
		{"first's heard", x.Us.Answered, y.Them.Heard},
		{"second's heard", y.Us.Answered, x.Them.Heard},
	} {
		if !reflect.DeepEqual(v.got, v.want) {
			p.t.Errorf("%s: %v, want %v", v.what, v.got, v.want)
		}
	}
}

// told are the facts of one kind that a side was told, and forgets them.
func told[T Effect](s *side) (all []T) {
	for _, f := range s.facts {
		if x, is := f.(T); is {
			all = append(all, x)
		}
	}
	s.facts = nil
	return all
}
