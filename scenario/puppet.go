package scenario

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"photon/adapters/sim"
	"photon/contracts"
	"photon/swap"
	"photon/swap/trade"
)

// puppetVerbs are what somebody does who follows no rules. He has coins, keys and
// a line to the others, but no desk: he does what the story says and nothing else.
var puppetVerbs = map[string]*verb{}

func init() {
	for name, v := range map[string]verb{
		"forge":   {usage: "forge mallory bob [first=-1] [second=+1] [hash=zero] [expiry=-1] [start=+600] [party=swapped] …: takes his offer, changed", least: 2, asks: true},
		"bait":    {usage: "bait mallory give=10eth want=0.5btc [accept=never|wrong|twice]: makes an offer", least: 3},
		"fund":    {usage: "fund mallory [short=1|times=3|split|script=other|hash=other|expiry=-60]: locks his leg, changed", least: 1},
		"grab":    {usage: "grab mallory: redeems the partner's lock with the secret, his own or one that his lock shows", least: 1, asks: true},
		"back":    {usage: "back mallory: refunds his own lock", least: 1, asks: true},
		"respend": {usage: "respend mallory: pays the coins of his lock to himself", least: 1, asks: true},
		"tell":    {usage: "tell mallory bob wrong secret|secret|refund|abandon|garbage|huge|version|unknown|again", least: 3, asks: true},
	} {
		v.do = upset(name)
		puppetVerbs[name] = &v
	}
}

// A puppet is somebody who follows no rules.
type puppet struct {
	world   *simulated
	keys    sim.Keys
	line    *sim.Line
	ledgers map[contracts.Chain]swap.Ledger
	offer   *trade.Offer
	accepts string
	trade   trade.Trade
	last    []byte     // what he told last
	lock    []trade.Tx // what he sent to lock
}

// puppet makes one when he is first named.
func (w *simulated) puppet(name string) (*puppet, error) {
	if p := w.puppets[name]; p != nil {
		return p, nil
	}
	if err := w.endow(name); err != nil {
		return nil, err
	}
	life := sim.NewLife(w.ctx, name, nil)
	p := &puppet{world: w, keys: sim.Keys(name), ledgers: map[contracts.Chain]swap.Ledger{}}
	for c, on := range w.chains {
		switch on := on.(type) {
		case *sim.Outputs:
			p.ledgers[c] = on.Purse(life)
		case *sim.Contracts:
			p.ledgers[c] = on.Account(life)
		}
	}
	p.line = w.board.Line(life, p.receive)
	w.puppets[name] = p
	return p, nil
}

// act does what a puppet's verb says.
func (w *simulated) act(verb string, args []string) error {
	p, err := w.puppet(args[0])
	if err != nil {
		return err
	}
	switch verb {
	case "forge":
		err = p.forge(args[1], options(args[2:]))
	case "bait":
		err = p.bait(args[1:])
	case "fund":
		err = p.fund(args[1:])
	case "grab":
		err = p.spend(trade.Theirs, trade.Redeem, p.secret())
	case "back":
		err = p.spend(trade.Ours, trade.Refund, nil)
	case "respend":
		err = p.respend()
	case "tell":
		err = p.tell(args[1], strings.Join(args[2:], " "))
	}
	if err != nil {
		return err
	}
	return w.settle()
}

// parties are his own, on the chains of an offer.
func (p *puppet) parties(ours, theirs contracts.Chain, number uint64) (me trade.Parties, err error) {
	if me.Ours, err = p.ledgers[ours].Party(p.world.ctx, number); err != nil {
		return me, err
	}
	me.Theirs, err = p.ledgers[theirs].Party(p.world.ctx, number)
	me.OursFrom, me.TheirsFrom = p.world.chains[ours].Height(), p.world.chains[theirs].Height()
	return me, err
}

// ask asks a node and reads its answer. What the node refuses is an error.
func (p *puppet) ask(to string, raw []byte) (trade.Message, error) {
	p.last = raw
	answer, err := p.line.Ask(p.world.ctx, to, raw)
	if err != nil || len(answer) == 0 {
		return nil, err
	}
	m, err := trade.Decode(answer)
	if no, is := m.(trade.Refuse); is {
		return nil, errors.New(no.Reason)
	}
	return m, err
}

// forge takes an offer with terms that are changed.
func (p *puppet) forge(maker string, change map[string]string) error {
	m, err := p.ask(maker, trade.Encode(trade.OffersRequest{}))
	if err != nil {
		return err
	}
	offers, is := m.(trade.OffersAnswer)
	if !is || len(offers.Offers) == 0 {
		return fmt.Errorf("%s has no offer", maker)
	}
	o := offers.Offers[0]
	number := uint64(time.Now().UnixMilli())
	me, err := p.parties(o.Want.Chain, o.Give.Chain, number)
	if err != nil {
		return err
	}
	t, effects, err := trade.Propose(o, o.Max, number, p.keys.Secret(number).Hash(), me, now(), p.world.pace.profile)
	if err != nil {
		return err
	}
	take := effects[0].(trade.Tell).Message.(trade.Take)
	if change["hash"] == "again" {
		take.First.Hash, take.Second.Hash = p.trade.ID, p.trade.ID
		delete(change, "hash")
	}
	for name, value := range change {
		if err := p.change(&take, name, value); err != nil {
			return err
		}
	}
	before := p.trade
	p.trade = t
	if _, err = p.ask(maker, trade.Encode(take)); err != nil {
		p.trade = before
	}
	return err
}

// change changes one field of a take.
func (p *puppet) change(q *trade.Take, name, value string) error {
	switch name {
	case "first":
		q.First.Amount = shifted(q.First.Amount, value)
	case "second":
		q.Second.Amount = shifted(q.Second.Amount, value)
	case "expiry":
		q.First.Expiry = shift(q.First.Expiry, value)
	case "expiry2":
		q.Second.Expiry = shift(q.Second.Expiry, value)
	case "start": // all moves with it
		q.Start, q.First.Expiry, q.Second.Expiry = shift(q.Start, value), shift(q.First.Expiry, value), shift(q.Second.Expiry, value)
	case "height":
		q.First.Expiry = 800_000
	case "hash":
		hashes := map[string]contracts.Hash{"zero": {}, "sentinel": contracts.Secret{}.Hash()}
		q.First.Hash, q.Second.Hash = hashes[value], hashes[value]
	case "hash2":
		q.Second.Hash = contracts.Hash{1, 2, 3}
	case "party":
		q.Second.Redeemer = q.First.Refunder[:min(len(q.First.Refunder), 19)]
	case "redeemer": // the taker names himself where the maker belongs
		q.First.Redeemer = q.First.Refunder
	case "form":
		q.First.Form = contracts.Form(value)
	case "contract":
		q.Second.Contract = contracts.Address{0xbb}
	case "token":
		q.Second.Asset.Token = contracts.Address{0xaa}
	case "offer":
		q.Offer = contracts.Hash{7}
	default:
		return fmt.Errorf("%w: change of %s", ErrNotHere, name)
	}
	return nil
}

// shift adds "+5" or "-5".
func shift(n uint64, by string) uint64 {
	d, err := strconv.ParseInt(by, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("scenario: %q is no number", by)) // the story's own words
	}
	return uint64(int64(n) + d)
}

func shifted(a contracts.Amount, by string) contracts.Amount {
	n := contracts.Units(shift(0, strings.TrimLeft(by, "+-")))
	if strings.HasPrefix(by, "-") {
		return a.Minus(n)
	}
	return a.Plus(n)
}

// bait makes an offer that others can fetch.
func (p *puppet) bait(args []string) error {
	o := options(args)
	give, err := contracts.ParseSum(o["give"])
	if err != nil {
		return err
	}
	want, err := contracts.ParseSum(o["want"])
	if err != nil {
		return err
	}
	w := p.world
	first, second := w.pace.profile.Times(want.Asset.Chain, give.Asset.Chain)
	offer := trade.Offer{
		Maker: string(p.keys), Realm: "dev", Give: give.Asset, Want: want.Asset, Min: give.Amount, Max: give.Amount, GiveOf: give.Amount, WantOf: want.Amount,
		Expires: now() + 86_400, FirstTime: first, SecondTime: second,
		WantConfirmations: w.pace.confirmations[want.Asset.Chain], GiveConfirmations: w.pace.confirmations[give.Asset.Chain],
		GiveContract: w.hashLock(give.Asset.Chain), WantContract: w.hashLock(want.Asset.Chain), Form: contracts.P2TR,
	}
	if o["times"] == "close" {
		offer.FirstTime = offer.SecondTime + 60
	}
	if o["contract"] == "other" {
		offer.GiveContract = contracts.Address{0xbb}
	}
	if o["realm"] != "" {
		offer.Realm = o["realm"]
	}
	if offer.Signature, err = p.keys.Sign(offer.Digest()); err != nil {
		return err
	}
	if o["signature"] == "wrong" {
		offer.Signature[0]++
	}
	p.offer, p.accepts = &offer, o["accept"]
	return nil
}

// hashLock is where the contract lies on a chain, if it has one.
func (w *simulated) hashLock(c contracts.Chain) contracts.Address {
	if e, is := w.chains[c].(*sim.Contracts); is {
		return e.HashLock()
	}
	return contracts.Address{}
}

// receive answers others as the story told him to.
func (p *puppet) receive(_ context.Context, from string, raw []byte) ([]byte, error) {
	m, err := trade.Decode(raw)
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case trade.OffersRequest:
		if p.offer == nil {
			return trade.Encode(trade.OffersAnswer{}), nil
		}
		return trade.Encode(trade.OffersAnswer{Offers: []trade.Offer{*p.offer}}), nil
	case trade.Take:
		return nil, p.taken(from, m)
	case trade.Accept:
		p.trade, _, err = p.trade.Apply(trade.Accepted{Redeemer: m.Redeemer, Refunder: m.Refunder})
		return nil, err
	case trade.CosignRequest:
		return nil, errors.New("no")
	}
	return nil, nil
}

// taken considers a take of his offer and accepts it, or not, or wrongly.
func (p *puppet) taken(from string, q trade.Take) error {
	if p.trade.ID == q.First.Hash {
		return nil // accepted before
	}
	number := uint64(time.Now().UnixMilli())
	me, err := p.parties(p.offer.Give.Chain, p.offer.Want.Chain, number)
	if err != nil {
		return err
	}
	t, effects, err := trade.Consider(*p.offer, q, from, number, me, now(), p.world.pace.profile)
	if err != nil {
		return err
	}
	p.trade = t
	a := effects[0].(trade.Tell).Message.(trade.Accept)
	times := 1
	switch p.accepts {
	case "never":
		return nil
	case "wrong": // he names the taker's own key as the one who redeems
		a.Redeemer = q.First.Refunder
	case "twice":
		times = 2
	}
	go func() {
		for range times {
			// What the taker says to it is his own affair.
			_, _ = p.line.Ask(p.world.ctx, from, trade.Encode(a))
			a.Refunder = append(contracts.Party{}, a.Redeemer...)
		}
	}()
	return nil
}

// fund locks his leg, changed.
func (p *puppet) fund(args []string) error {
	terms, o := p.trade.Ours.Terms, options(args)
	amounts := []contracts.Amount{terms.Amount}
	switch {
	case o["short"] != "":
		amounts[0] = shifted(terms.Amount, "-"+o["short"])
	case o["times"] != "":
		for i := uint64(1); i < shift(0, o["times"]); i++ {
			amounts[0] = amounts[0].Plus(terms.Amount)
		}
	case len(args) > 0 && args[0] == "split":
		half, _ := terms.Amount.Times(contracts.Units(1), contracts.Units(2))
		amounts = []contracts.Amount{half, terms.Amount.Minus(half)}
	case len(args) > 0 && args[0] == "double":
		amounts = append(amounts, terms.Amount)
	case o["script"] == "other":
		terms.Form = contracts.P2WSH
	case o["hash"] == "other":
		terms.Hash = contracts.Secret{5}.Hash()
	case o["expiry"] != "":
		terms.Expiry = shift(terms.Expiry, o["expiry"])
	case o["redeemer"] == "self":
		party, err := p.ledgers[terms.Asset.Chain].Party(p.world.ctx, p.trade.Number+1)
		if err != nil {
			return err
		}
		if terms.Asset.Chain.EVM() {
			party = append(contracts.Party{}, make([]byte, 19)...)
			party = append(party, 9)
		}
		terms.Redeemer = party
	}
	for _, a := range amounts {
		terms.Amount = a
		txs, err := p.ledgers[terms.Asset.Chain].Prepare(p.world.ctx, trade.Order{ID: p.trade.ID, Number: p.trade.Number, Side: trade.Ours, Purpose: trade.Lock, Terms: terms, Deadline: now() + 600})
		if err != nil {
			return err
		}
		p.lock = txs
		for _, tx := range txs {
			if !tx.Held {
				if err := p.ledgers[terms.Asset.Chain].Send(p.world.ctx, tx); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// respend pays the coins of his lock to himself.
func (p *puppet) respend() error {
	asset := p.trade.Ours.Terms.Asset
	l := p.ledgers[asset.Chain]
	for _, tx := range p.lock {
		l.Release(tx)
	}
	order := trade.Order{ID: contracts.Hash{1}, Side: trade.Ours, Purpose: trade.Send, To: fmt.Sprintf("%s.%s", p.keys, strings.ToLower(string(asset.Chain))),
		Terms: contracts.Terms{Asset: asset, Amount: p.trade.Ours.Terms.Amount}}
	txs, err := l.Prepare(p.world.ctx, order)
	if err != nil {
		return err
	}
	return l.Send(p.world.ctx, txs[len(txs)-1])
}

// secret is his own, or that with which the partner redeemed his lock; nil when
// he knows none.
func (p *puppet) secret() *contracts.Secret {
	if p.trade.Role == trade.First {
		own := p.keys.Secret(p.trade.Number)
		return &own
	}
	end := p.world.chains[p.trade.Ours.Terms.Asset.Chain].Fate(p.trade.Watches()[0]).End
	if end == nil {
		return nil
	}
	return end.Secret
}

// spend redeems their leg or refunds his.
func (p *puppet) spend(side trade.Side, purpose trade.Purpose, secret *contracts.Secret) error {
	leg := p.trade.Leg(side)
	f := p.world.chains[leg.Terms.Asset.Chain].Fate(trade.Watch{ID: p.trade.ID, Side: side, Terms: leg.Terms, From: leg.From})
	if f.Lock == nil {
		return fmt.Errorf("there is no lock on %s", leg.Terms.Asset.Chain)
	}
	l := p.ledgers[leg.Terms.Asset.Chain]
	txs, err := l.Prepare(p.world.ctx, trade.Order{ID: p.trade.ID, Number: p.trade.Number, Side: side, Purpose: purpose, Terms: leg.Terms, Spot: f.Lock, Secret: secret, Deadline: leg.Terms.Expiry})
	if err != nil {
		return err
	}
	return l.Send(p.world.ctx, txs[len(txs)-1])
}

// tell says something to a node that it should not believe, or should.
func (p *puppet) tell(to, what string) error {
	theirs := p.trade.Theirs
	f := p.world.chains[theirs.Terms.Asset.Chain].Fate(p.trade.Watches()[1])
	q := trade.CosignRequest{ID: p.trade.ID, Chain: theirs.Terms.Asset.Chain, Purpose: trade.Redeem, To: make([]byte, 22), Nonce: make([]byte, 66)}
	if f.Lock != nil {
		q.TxID, q.Index = f.Lock.TxID, f.Lock.Index
	}
	var raw []byte
	switch what {
	case "secret":
		q.Secret = p.keys.Secret(p.trade.Number).Reveal()
		raw = trade.Encode(q)
	case "wrong secret":
		q.Secret = contracts.Secret{9}.Reveal()
		raw = trade.Encode(q)
	case "refund":
		q.Purpose, q.Chain = trade.Refund, p.trade.Ours.Terms.Asset.Chain
		raw = trade.Encode(q)
	case "abandon":
		raw = trade.Encode(trade.Abandon{ID: p.trade.ID})
	case "refuse":
		raw = trade.Encode(trade.Refuse{ID: p.trade.ID, Reason: "no"})
	case "accept":
		raw = trade.Encode(trade.Accept{ID: p.trade.ID, Redeemer: p.trade.Ours.Terms.Refunder, Refunder: p.trade.Ours.Terms.Refunder})
	case "unknown":
		raw = trade.Encode(trade.Abandon{ID: contracts.Hash{0xde, 0xad}})
	case "garbage":
		raw = []byte(`{"v":1,"kind":"abandon","body":{"id":"` + strings.Repeat("[", 40))
	case "huge":
		raw = []byte(strings.Repeat(" ", trade.MaxMessage+1))
	case "version":
		raw = []byte(`{"v":2,"kind":"abandon","body":{}}`)
	case "again":
		raw = p.last
	default:
		return fmt.Errorf("%w: tell %s", ErrNotHere, what)
	}
	_, err := p.ask(to, raw)
	return err
}
