package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"photon/contracts"
	"photon/node/channel"
	"photon/scenario/stage"
	"photon/swap/trade"
	"photon/web"
	"photon/web/api"
)

// In the real world a story's swap, of an hour, takes two minutes: so much faster
// goes time.
const (
	realTimes = "dev:60"
	realPace  = 30
)

// A real is a world of processes on real chain nodes. Many may share a stage; the
// people of each are its own. It cannot cut lines or lie: a story that asks for
// that is not for it.
type real struct {
	ctx    context.Context
	stage  *stage.Stage
	prefix string // makes names that nobody else on the stage has

	mu     sync.Mutex
	people map[string]*citizen
}

// A citizen is a person of a story with what he had at its start.
type citizen struct {
	*stage.Person
	world *real
	began map[contracts.Asset]contracts.Amount
	last  []trade.Trade // when he was last asked
}

func newReal(ctx context.Context, s *stage.Stage, prefix string) *real {
	return &real{ctx: ctx, stage: s, prefix: prefix, people: map[string]*citizen{}}
}

// citizen is who has this name, made and given money when first named.
func (w *real) citizen(name string) (*citizen, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.people[name]; c != nil {
		return c, nil
	}
	p, err := w.stage.Person(w.ctx, w.prefix+name, realTimes)
	if err != nil {
		return nil, err
	}
	if err := w.stage.Give(w.ctx, p); err != nil {
		return nil, err
	}
	c := &citizen{Person: p, world: w}
	if c.began, err = c.balances(); err != nil {
		return nil, err
	}
	w.people[name] = c
	return c, nil
}

func (w *real) Person(name string) (Person, error) {
	c, err := w.citizen(name)
	if err == nil && !c.Running() {
		err = fmt.Errorf("%s does not run", name)
	}
	return c, err
}

func (w *real) People() (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.people {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Trades are what a node says; of one that does not run, what it said last.
func (w *real) Trades(name string) ([]trade.Trade, error) {
	c, err := w.citizen(name)
	if err != nil || !c.Running() {
		return c.last, err
	}
	page, err := c.Client.Swaps(w.ctx, web.Query{})
	if err != nil {
		return nil, err
	}
	c.last = nil
	for _, s := range slices.Backward(page.Swaps) { // the newest come first
		c.last = append(c.last, heard(s))
	}
	return c.last, nil
}

// heard is a swap as the API tells it, as far as a story can ask of it.
func heard(s api.Swap) trade.Trade {
	leg := func(l api.Leg) trade.Leg {
		t := trade.Leg{Terms: contracts.Terms{Asset: l.Asset, Amount: l.Amount, Expiry: l.Expiry}, Confirmations: l.Required}
		if l.Lock != nil {
			t.Fate.Lock = &trade.Spot{TxID: l.Lock.Txid, Amount: l.Lock.Amount, Height: l.Lock.Height}
		}
		if l.End != nil {
			t.Fate.End = &trade.End{Kind: l.End.Kind, TxID: l.End.Txid, Height: l.End.Height}
		}
		return t
	}
	return trade.Trade{
		ID: s.Id, Role: s.Role, Partner: s.Partner, Offer: s.Offer, Status: s.Status, Start: s.Start,
		Ours: leg(s.Pay), Theirs: leg(s.Get), Abandoned: s.Abandoned, Reason: s.Reason, Frozen: s.Frozen,
	}
}

// balances are what the node can spend and what is on its way to it.
func (c *citizen) balances() (map[contracts.Asset]contracts.Amount, error) {
	all, err := c.Client.Balances(c.world.ctx)
	if err != nil {
		return nil, err
	}
	has := map[contracts.Asset]contracts.Amount{}
	for _, b := range all {
		if b.Confirmed == nil || b.Pending == nil {
			return nil, fmt.Errorf("%s does not answer", b.Asset)
		}
		has[b.Asset] = b.Confirmed.Plus(*b.Pending)
	}
	return has, nil
}

func (w *real) Balance(name string, a contracts.Asset) (began, has contracts.Amount, err error) {
	c, err := w.citizen(name)
	if err != nil {
		return began, has, err
	}
	now, err := c.balances()
	return c.began[a], now[a], err
}

// Token is the one token that the stage has on each EVM chain.
func (w *real) Token(c contracts.Chain, name string) (contracts.Asset, error) {
	a, has := w.stage.Tokens[c]
	if !has || name != "usd" {
		return a, fmt.Errorf("%w: token %s on %s", ErrNotHere, name, c)
	}
	return a, nil
}

// Payer, Account and Stored are of channels, which no story in this world speaks of.
func (w *real) Payer(string) (Payer, error) { return nil, ErrNotHere }

// Account is somebody's account.
func (w *real) Account(string) (contracts.Address, error) { return contracts.Address{}, ErrNotHere }

// Stored are the channels that a node has stored.
func (w *real) Stored(string) ([]channel.Channel, error) { return nil, ErrNotHere }

func (w *real) Start(name string) error {
	c, err := w.citizen(name)
	if err != nil || c.Running() {
		return err
	}
	return c.Person.Start(w.ctx)
}

func (w *real) Stop(name string) error {
	c, err := w.citizen(name)
	if err == nil {
		c.Person.Stop()
	}
	return err
}

func (w *real) Kill(name string) error {
	c, err := w.citizen(name)
	if err == nil {
		c.Person.Kill()
	}
	return err
}

// Pass lets real time go on, at the pace of a story.
func (w *real) Pass(d time.Duration) error {
	select {
	case <-w.ctx.Done():
		return w.ctx.Err()
	case <-time.After(max(d/realPace, 200*time.Millisecond)):
		return nil
	}
}

func (w *real) Mine(c contracts.Chain, blocks int) error { return w.stage.Net.Mine(w.ctx, c, blocks) }

// Upset reorganises chains. Nothing else of the simulated world's faults can be
// done to real ones on command, but those that processes suffer.
func (w *real) Upset(verb string, args []string) error {
	if verb != "reorg" || len(args) != 2 {
		return fmt.Errorf("%w: %s", ErrNotHere, verb)
	}
	c, err := contracts.ParseChain(args[0])
	if err != nil {
		return err
	}
	var depth int
	if _, err := fmt.Sscan(args[1], &depth); err != nil {
		return fmt.Errorf("depth: %w", err)
	}
	return w.stage.Net.Reorg(w.ctx, c, depth)
}

// Check holds what a person sees of the invariants: no broken rule, nobody
// stranded, and a next move in everything that is open.
func (w *real) Check() error {
	for _, name := range w.People() {
		all, err := w.Trades(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, t := range all {
			if t.Frozen != "" || t.Status == trade.Stranded {
				return fmt.Errorf("%s's swap %.8s is %s: %s%s", name, t.ID, t.Status, t.Reason, t.Frozen)
			}
		}
	}
	return nil
}

// rest waits until nothing is under way for anybody who runs.
func (w *real) rest() error {
	for {
		open := ""
		for _, name := range w.People() {
			all, err := w.Trades(name)
			if err != nil {
				return err
			}
			for _, t := range all {
				if !t.Status.AtRest() {
					open = fmt.Sprintf("%s's swap is %s", name, t.Status)
				}
			}
		}
		if open == "" {
			return nil
		}
		if err := w.Pass(30 * time.Second); err != nil {
			return errors.Join(errors.New(open), err)
		}
	}
}

func (c *citizen) Offer(ctx context.Context, d trade.Draft) (trade.Offer, error) {
	o, err := c.Client.Offer(ctx, web.NewKey(), api.Draft{
		Give: d.Give, Want: d.Want, Min: d.Min, Max: d.Max, GiveOf: d.GiveOf, WantOf: d.WantOf, Expires: d.Expires, Form: d.Form,
		GiveConfirmations: d.GiveConfirmations, WantConfirmations: d.WantConfirmations,
	})
	if err != nil {
		return trade.Offer{}, err
	}
	return web.ParseOffer(o.Text)
}

func (c *citizen) Withdraw(ctx context.Context, offer contracts.Hash) error {
	return c.Client.Withdraw(ctx, offer)
}

func (c *citizen) Fetch(ctx context.Context, peer string) ([]trade.Offer, error) {
	maker, err := c.world.citizen(peer)
	if err != nil {
		return nil, err
	}
	if _, err := c.Client.Connect(ctx, maker.Address); err != nil {
		return nil, err
	}
	all, err := c.Client.Fetch(ctx, maker.Identity)
	if err != nil {
		return nil, err
	}
	offers := make([]trade.Offer, len(all))
	for i, o := range all {
		if offers[i], err = web.ParseOffer(o.Text); err != nil {
			return nil, err
		}
	}
	return offers, nil
}

func (c *citizen) Quote(ctx context.Context, offer contracts.Hash, get contracts.Amount, despite bool) (trade.Quote, error) {
	q, err := c.Client.Quote(ctx, offer, get, despite)
	return trade.Quote{ID: q.Id, Offer: q.Offer, PayAmount: q.PayAmount, GetAmount: q.GetAmount, Expires: q.Expires}, err
}

func (c *citizen) Take(ctx context.Context, quote contracts.Hash) (trade.Trade, error) {
	s, err := c.Client.Take(ctx, web.NewKey(), quote)
	return heard(s), err
}

func (c *citizen) Leave(ctx context.Context, id contracts.Hash) error {
	_, err := c.Client.Leave(ctx, web.NewKey(), id)
	return err
}
