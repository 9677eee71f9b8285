package ledger

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"

	"github.com/ethereum/go-ethereum/crypto"

	"pgregory.net/rapid"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// The world of the tests: one chain with blocks of 12 seconds, of which the newest
// is 1000, and windows of 600 blocks.
const (
	window = 600
	start  = 1_700_000_000 // Unix second of block 1000
	second = 12            // between blocks
)

var (
	rules    = channel.Rules{Reveal: 30, Punish: 60, Grace: 2}
	contract = contracts.Channels{ChainID: 1337, At: contracts.Address{7}}
	law      = map[contracts.Chain]contracts.Channels{contracts.SMT: contract, contracts.ETH: {ChainID: 1, At: contracts.Address{7}}}
	smt      = contracts.Native(contracts.SMT)
	both     = []contracts.Chain{contracts.SMT, contracts.ETH}
	eth      = contracts.Native(contracts.ETH)
)

// A person is a node: its ledger, what its store holds, and what it was told.
type person struct {
	name    string
	key     *ecdsa.PrivateKey
	cfg     Config
	l       *Ledger
	store   Change // all that was saved
	over    map[contracts.Hash]Over
	notices []Notice
	said    []message.Message                        // newest last
	unheard map[contracts.Chain][]channel.Registered // by the chain, since it was last heard
}

func (p *person) self() contracts.Address { return crypto.PubkeyToAddress(p.key.PublicKey) }

// A mail is a message on its way.
type mail struct {
	from, to *person
	message  message.Message
}

// A dated is a secret that is registered on a chain.
type dated struct {
	chain contracts.Chain
	hash  contracts.Hash
}

// A world is people, the messages between them, and the chain.
type world struct {
	rapid.TB
	people  []*person
	by      map[contracts.Address]*person
	queue   []mail
	height  uint64
	opened  uint64
	numbers uint64
	secrets map[contracts.Hash]contracts.Secret
	dated   map[dated]bool
	find    func(*person, Find) []Route
	lose    func(mail) bool    // is lost
	crash   func(*person) bool // before it sends what it has saved
	deaf    func(*person) bool // does not hear of a block
}

func key(t rapid.TB, name string) *ecdsa.PrivateKey {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	k, err := crypto.ToECDSA(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newWorld is a world of n people who know each other, named 0, 1, 2 ...
func newWorld(t rapid.TB, n int) *world {
	t.Helper()
	w := &world{TB: t, by: map[contracts.Address]*person{}, height: 1000, secrets: map[contracts.Hash]contracts.Secret{}, dated: map[dated]bool{}}
	for i := range n {
		p := &person{name: fmt.Sprint(i), key: key(t, fmt.Sprint("person ", i)), over: map[contracts.Hash]Over{}, unheard: map[contracts.Chain][]channel.Registered{}}
		p.cfg = Config{
			Self: p.self(), Relay: true, Limits: Limits{Locks: message.MaxLocks, Share: 1_000_000, Open: 100_000},
			Chains: map[contracts.Chain]Terms{},
		}
		for chain, contract := range law {
			p.cfg.Chains[chain] = Terms{Contract: contract, Rules: rules, Block: second, StaleAfter: 300, DirectFor: 3600}
		}
		p.l = New(p.cfg)
		w.people = append(w.people, p)
		w.by[p.self()] = p
	}
	for _, p := range w.people {
		w.wake(p)
	}
	return w
}

// wake tells a person what every node is told when it starts.
func (w *world) wake(p *person) {
	w.Helper()
	for _, other := range w.people {
		if other != p {
			w.must(p, Met{other.self()})
		}
	}
	w.hear(p)
}

func (w *world) time() uint64 { return start + (w.height-1000)*second }

func (w *world) news(chain contracts.Chain, events ...channel.Happened) News {
	return News{chain, channel.News{Head: channel.Head{Height: w.height, Time: w.time()}, Through: w.height, Events: events}}
}

// open opens a channel between two, with what each puts in.
func (w *world) open(a, b int, puts, puts2 contracts.Amount) contracts.Hash {
	w.Helper()
	return w.openOf(smt, a, b, puts, puts2)
}

func (w *world) openOf(asset contracts.Asset, a, b int, puts, puts2 contracts.Amount) contracts.Hash {
	w.Helper()
	w.height++
	x, y := w.people[a], w.people[b]
	name := contracts.NameChannel(asset.Token, x.self(), y.self(), w.height)
	opened := channel.Happened{ChannelEvent: contracts.ChannelEvent{Kind: contracts.ChannelOpened, ID: name.ID(), First: name.First, Second: name.Second, Token: asset.Token, Window: window}, Block: w.height}
	events := []channel.Happened{opened}
	for i, total := range []contracts.Amount{puts, puts2} {
		first := name.First == w.people[[]int{a, b}[i]].self()
		events = append(events, channel.Happened{ChannelEvent: contracts.ChannelEvent{
			Kind: contracts.ChannelDeposited, ID: name.ID(), First: name.First, Second: name.Second, ByFirst: first, Total: total}, Block: w.height})
	}
	for _, p := range w.people {
		if p == x || p == y {
			w.must(p, w.news(asset.Chain, events...))
		}
		w.hear(p)
	}
	return law[asset.Chain].Key(name.ID())
}

// act applies an event, saves and commits what it leads to, and sends it off.
func (w *world) act(p *person, e Event) error {
	w.Helper()
	c, err := p.l.Apply(e)
	if err != nil {
		return err
	}
	p.store.Add(c)
	p.store.Effects = nil
	p.l.Commit(c)
	if err := p.l.Check(); err != nil {
		w.Fatalf("%s after %T: %v", p.name, e, err)
	}
	if w.crash != nil && w.crash(p) {
		w.restart(p)
		return nil
	}
	for _, effect := range c.Effects {
		switch x := effect.(type) {
		case Tell:
			p.said = append(p.said, x.Message)
			m := mail{p, w.by[x.To], w.sign(p, x.Message)}
			if w.lose == nil || !w.lose(m) {
				w.queue = append(w.queue, m)
			}
		case Show:
			if err := w.act(p, Release{w.secrets[x.Hash]}); err != nil {
				w.Fatalf("%s shows %s: %v", p.name, x.Hash, err)
			}
		case Find:
			if w.find != nil {
				w.must(p, Routed{x.ID, w.find(p, x)})
			}
		case Over:
			if before, was := p.over[x.ID]; was && before.Status == Done {
				w.Fatalf("%s: payment %s has ended twice, as %s and %s", p.name, x.ID, before.Status, x.Status)
			}
			p.over[x.ID] = x
		case Notice:
			if x.Kind == Alarm {
				w.Fatalf("%s: alarm after %T: %s", p.name, e, x.Text)
			}
			p.notices = append(p.notices, x)
		}
	}
	return nil
}

func (w *world) must(p *person, e Event) {
	w.Helper()
	if err := w.act(p, e); err != nil {
		w.Fatalf("%s, %T: %v", p.name, e, err)
	}
}

// sign signs what a person says as evidence.
func (w *world) sign(p *person, m message.Message) message.Message {
	w.Helper()
	c, is := p.l.Channel(m.About())
	if !is {
		w.Fatalf("%s speaks about no channel of its own", p.name)
	}
	word, needed := c.Word(m)
	if !needed {
		return m
	}
	return channel.Signed(m, w.over(p, c.Contract.Digest(word)))
}

// over signs a digest with a person's key.
func (w *world) over(p *person, digest contracts.Hash) contracts.Signature {
	w.Helper()
	raw, err := crypto.Sign(digest[:], p.key)
	if err != nil {
		w.Fatal(err)
	}
	s, err := contracts.ParseSignature(raw)
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// restart takes a person's ledger from what was saved, by way of JSON, as a store
// would keep it.
func (w *world) restart(p *person) {
	w.Helper()
	var kept Loaded
	for _, c := range p.store.Channels {
		if c.Status != channel.Settled {
			kept.Channels = append(kept.Channels, again(w, c))
		}
	}
	for _, v := range p.store.Payments {
		if v.Ours && (v.Status == Pending || v.under()) {
			kept.Payments = append(kept.Payments, again(w, v))
		}
	}
	for _, v := range p.store.Transfers {
		if v.Status == Pending {
			kept.Transfers = append(kept.Transfers, again(w, v))
		}
	}
	for _, v := range p.store.Demands {
		kept.Demands = append(kept.Demands, again(w, v))
	}
	for _, v := range p.store.Fees {
		kept.Fees = append(kept.Fees, again(w, v))
	}
	kept.Through, kept.Heads, kept.Dated = p.store.Through, p.store.Heads, p.store.Dated
	p.l = New(p.cfg)
	p.l.Load(kept)
	if err := p.l.Check(); err != nil {
		w.Fatalf("%s after its restart: %v", p.name, err)
	}
	crash := w.crash
	w.crash = nil
	w.wake(p)
	for _, other := range w.people {
		if other != p {
			w.must(other, Met{p.self()})
		}
	}
	w.crash = crash
}

// again is v as it is read after it was written.
func again[V any](t rapid.TB, v V) (read V) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// deliver hands over the message at place i of the queue. An old or repeated one may
// be refused.
func (w *world) deliver(i int) {
	w.Helper()
	m := w.queue[i]
	w.queue = append(w.queue[:i:i], w.queue[i+1:]...)
	if err := w.act(m.to, Heard{m.from.self(), m.message}); err != nil && errors.Is(err, channel.ErrSignature) {
		w.Fatalf("%s hears %T of %s: %v", m.to.name, m.message, m.from.name, err)
	}
}

// calm flushes and delivers until nobody says anything more.
func (w *world) calm() {
	w.Helper()
	for range 100_000 {
		for _, p := range w.people {
			w.must(p, Flush{})
		}
		if len(w.queue) == 0 {
			return
		}
		for len(w.queue) > 0 {
			w.deliver(0)
		}
	}
	w.Fatal("they talk for ever")
}

// mine lets blocks pass, and all be said between them.
func (w *world) mine(blocks uint64) {
	w.Helper()
	for range blocks {
		w.block()
		w.calm()
	}
}

// block is one block more; what somebody wants registered is.
func (w *world) block() {
	w.Helper()
	w.height++
	for _, chain := range both {
		var secrets []channel.Registered
		for _, p := range w.people {
			for _, call := range p.l.Calls(chain) {
				if call.Kind == channel.CallRegister {
					secrets = append(secrets, w.registered(chain, call)...)
				}
			}
		}
		for _, p := range w.people {
			p.unheard[chain] = append(p.unheard[chain], secrets...)
		}
	}
	for _, p := range w.people {
		if w.deaf == nil || !w.deaf(p) {
			w.hear(p)
		}
	}
}

// hear tells a person what the chains have to tell.
func (w *world) hear(p *person) {
	w.Helper()
	w.must(p, Clock{w.time()})
	for _, chain := range both {
		news := w.news(chain)
		news.Secrets = p.unheard[chain]
		delete(p.unheard, chain)
		w.must(p, news)
	}
}

// registered is the secret that a call registers, unless it was before.
func (w *world) registered(chain contracts.Chain, call channel.Call) []channel.Registered {
	for hash, s := range w.secrets {
		if at := (dated{chain, hash}); reflect.DeepEqual(call.Data(contracts.Signature{}), contracts.RegisterCall(s)) && !w.dated[at] {
			w.dated[at] = true
			return []channel.Registered{{Secret: s, Block: w.height}}
		}
	}
	return nil
}

// demand has a person ask for amount.
func (w *world) demand(to int, amount contracts.Amount, change ...func(*Request)) message.Invoice {
	w.Helper()
	w.numbers++
	s := contracts.Secret(sha256.Sum256(fmt.Append(nil, "secret ", w.numbers)))
	w.secrets[s.Hash()] = s
	r := Request{Number: w.numbers, Invoice: message.Invoice{
		Asset: smt, Payee: w.people[to].self(), Amount: amount, Hash: s.Hash(), Expiry: w.time() + 100_000, Text: "coffee",
	}}
	for _, f := range change {
		f(&r)
	}
	w.signed(to, &r.Invoice)
	w.must(w.people[to], r)
	return r.Invoice
}

// signed signs an invoice.
func (w *world) signed(by int, i *message.Invoice) {
	w.Helper()
	i.Signature = w.over(w.people[by], i.Digest())
}

// route is a way by people, without the first.
func (w *world) route(sent, amount contracts.Amount, by ...int) Route {
	r := Route{Sent: sent, Amount: amount}
	for _, i := range by {
		r.Nodes = append(r.Nodes, w.people[i].self())
	}
	return r
}

// send has a person pay an invoice along routes, for any fee.
func (w *world) send(from int, i message.Invoice, routes ...Route) error {
	w.Helper()
	return w.act(w.people[from], Pay{
		Asset: i.Asset, To: i.Payee, Amount: i.Amount, Invoice: &i, Routes: routes, MaxFee: i.Amount,
	})
}

// pay sends, lets all be said, and fails when the payment is not done.
func (w *world) pay(amount contracts.Amount, by ...int) {
	w.Helper()
	i := w.demand(by[len(by)-1], amount)
	if err := w.send(by[0], i, w.route(amount, amount, by[1:]...)); err != nil {
		w.Fatal(err)
	}
	w.calm()
	w.ended(by[0], i.Hash, Done, "")
}

func units(n uint64) contracts.Amount { return contracts.Units(n) }

// ether is n*10^18.
func ether(t rapid.TB, n uint64) contracts.Amount {
	t.Helper()
	a, err := contracts.ParseDecimal(fmt.Sprint(n), 18)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
