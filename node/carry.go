package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
)

// A carrier brings what we want of one chain to it. It looks at what is wanted now,
// again and again: an order is carried until it is wanted no more.
type carrier struct {
	node  *Node
	chain contracts.Chain
	at    Ledger
	work  chan struct{}

	mu     sync.Mutex      // guards what our user has ordered
	orders []channel.Order // that are under way
	fresh  []channel.Tx    // of those, that have no job yet

	// run owns what follows.
	deep uint64 // what lies so many blocks deep the chain has told as confirmed
	jobs map[contracts.Hash]*job
}

// A job is an order under way.
type job struct {
	txs   []channel.Tx // of it, in order; the last of a step is the newest
	after time.Time    // when it is looked at again
	fails int
}

// How often the chain is asked what has become of a transaction, how long an order
// that failed waits at most, and how often in a row one of our user may be refused
// whose transaction has failed on the chain: he would not expect it to be made when
// one day it can be.
const (
	checkEvery = 2 * time.Second
	restMost   = time.Minute
	mostFails  = 20
)

func newCarrier(n *Node, chain contracts.Chain, at Ledger) *carrier {
	return &carrier{node: n, chain: chain, at: at, work: make(chan struct{}, 1), jobs: map[contracts.Hash]*job{}}
}

func (c *carrier) poke() {
	select {
	case c.work <- struct{}{}:
	default:
	}
}

// resume takes up transactions of the last run.
func (c *carrier) resume(ctx context.Context, txs []channel.Tx) error {
	var mine []channel.Tx
	for _, t := range txs {
		if t.Chain == c.chain {
			mine = append(mine, t)
			c.add(t)
			if err := c.recall(t); err != nil {
				return err
			}
		}
	}
	if err := c.at.ResumeCalls(ctx, mine); err != nil {
		return fmt.Errorf("take up transactions on %s: %w", c.chain, err)
	}
	return nil
}

func (c *carrier) job(order contracts.Hash) *job {
	j := c.jobs[order]
	if j == nil {
		j = &job{}
		c.jobs[order] = j
	}
	return j
}

// add gives transactions to the jobs of their orders.
func (c *carrier) add(txs ...channel.Tx) {
	for _, t := range txs {
		j := c.job(t.Order)
		if !slices.ContainsFunc(j.txs, func(k channel.Tx) bool { return k.ID == t.ID }) {
			j.txs = append(j.txs, t)
		}
	}
}

// call is the newest transaction that does what is ordered. What else was made for it
// only has to be mined before, and says nothing of it.
func (j *job) call() (newest channel.Tx, is bool) {
	for _, t := range j.txs {
		if t.Step == 0 {
			newest, is = t, true
		}
	}
	return newest, is
}

// run carries until ctx ends. It returns an error only when the store fails.
func (c *carrier) run(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		if err := c.sweep(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.work:
		case <-tick.C:
		}
	}
}

// sweep looks once at everything that is wanted, and at what is wanted no more.
func (c *carrier) sweep(ctx context.Context) error {
	wanted, err := c.wanted(ctx)
	if err != nil {
		return err
	}
	now, ids := time.Now(), map[contracts.Hash]bool{}
	for _, o := range wanted {
		ids[o.ID] = true
		j := c.job(o.ID)
		if now.Before(j.after) {
			continue
		}
		if err := c.carry(ctx, o, j); err != nil {
			return err
		}
	}
	var rest []contracts.Hash
	for id, j := range c.jobs {
		if ids[id] {
			continue
		}
		if len(j.txs) > 0 && !c.over(ctx, j) {
			continue
		}
		rest = append(rest, id)
	}
	if len(rest) == 0 {
		return nil
	}
	slices.SortFunc(rest, func(a, b contracts.Hash) int { return slices.Compare(a[:], b[:]) })
	if err := c.node.post(ctx, &call{rest: rest}); err != nil {
		return err
	}
	for _, id := range rest {
		delete(c.jobs, id)
	}
	return nil
}

// over reports whether the transactions of an order that nobody wants any more need
// no more care: one of them is mined, or none can be.
func (c *carrier) over(ctx context.Context, j *job) bool {
	if time.Now().Before(j.after) {
		return false
	}
	j.after = time.Now().Add(checkEvery)
	newest, is := j.call()
	if !is {
		newest = j.txs[len(j.txs)-1]
	}
	depth, _, err := c.at.CallBuried(ctx, newest)
	if err != nil {
		c.node.Log.Warn("will retry", "effect", "look at a transaction", "chain", c.chain, "err", err)
		return false
	}
	if depth == 0 {
		c.send(ctx, j.txs) // its nonce holds up others until it is mined
	}
	return depth > 0
}

// wanted are the orders that follow from the channels now, and those of our user.
func (c *carrier) wanted(ctx context.Context) (all []channel.Order, err error) {
	var calls []channel.Call
	var now channel.Now
	if err := c.node.Look(ctx, func(l *ledger.Ledger) { calls, now = l.Calls(c.chain), l.Now(c.chain) }); err != nil {
		return nil, err
	}
	c.deep = now.Height - now.Through + 1
	at, registry := c.at.Channels()
	for _, k := range calls {
		if k.At > now.Height+1 {
			continue
		}
		var own contracts.Signature
		if k.Word != nil {
			if own, err = c.node.Secrets.SignDigest(at.Digest(*k.Word)); err != nil {
				return nil, fmt.Errorf("sign a call: %w", err)
			}
		}
		o := channel.Order{ID: k.ID, To: at.At, Data: k.Data(own), Deadline: k.Deadline}
		if k.Kind == channel.CallRegister {
			o.To = registry
		}
		if earns := k.Kind == channel.CallRegister || k.Kind == channel.CallUnlock; earns && k.Asset.IsNative() {
			o.Stake = k.Amount // to earn a lock nobody pays more than it is worth; to end a channel is what our user wants
		}
		all = join(all, limited(o))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(c.fresh...)
	c.fresh = nil
	return append(all, c.orders...), nil
}

// join adds an order to others, or what hangs on it to the same one: a secret is
// registered once for the locks of all channels, and is worth what they are together.
func join(all []channel.Order, o channel.Order) []channel.Order {
	i := slices.IndexFunc(all, func(x channel.Order) bool { return x.ID == o.ID })
	if i < 0 {
		return append(all, o)
	}
	x := &all[i]
	x.Deadline = min(x.Deadline, o.Deadline)
	if x.Stake.IsZero() || o.Stake.IsZero() {
		x.Stake = contracts.Amount{} // no limit
	} else {
		x.Stake = x.Stake.Plus(o.Stake)
	}
	return all
}

// limited is an order with the gas that it takes at most.
func limited(o channel.Order) channel.Order {
	if gas, known := contracts.ChannelGas(o.Data); known {
		o.Gas = gas
	}
	return o
}

// carry does what is next for an order: sign, send, look, raise. What fails is tried
// again later, ever more slowly.
func (c *carrier) carry(ctx context.Context, o channel.Order, j *job) error {
	err := c.step(ctx, o, j)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, new(fatal)):
		return err
	case err != nil:
		if j.fails++; len(j.txs) == 0 && j.fails >= mostFails && c.done(o.ID) {
			c.node.Log.Error("given up", "chain", c.chain, "order", o.ID, "err", err)
			return nil
		}
		j.after = time.Now().Add(min(time.Duration(j.fails)*checkEvery, restMost))
		c.node.Log.Warn("will retry", "effect", "a call", "chain", c.chain, "order", o.ID, "err", err)
	default:
		j.fails, j.after = 0, time.Now().Add(checkEvery)
	}
	return nil
}

func (c *carrier) step(ctx context.Context, o channel.Order, j *job) error {
	if newest, is := j.call(); is {
		depth, done, err := c.at.CallBuried(ctx, newest)
		switch {
		case err != nil:
			return err
		case done:
			if depth >= c.deep { // until then its block may be replaced
				c.done(o.ID)
			}
			return nil
		case depth == 0:
			faster, ok, err := c.at.HastenCall(ctx, o, newest)
			if err != nil {
				return err
			}
			if ok {
				return c.keep(ctx, faster)
			}
			c.send(ctx, j.txs)
			return nil
		}
		j.txs = nil // it was mined and has failed: what it asks for may be possible now
	}
	txs, err := c.at.PrepareCall(ctx, o)
	if err != nil {
		return err
	}
	return c.keep(ctx, txs...)
}

// keep stores transactions, each with the order that it is of, and only then sends
// them.
func (c *carrier) keep(ctx context.Context, txs ...channel.Tx) error {
	if err := c.node.Store.SaveCallTxs(ctx, txs...); err != nil {
		return fatal{fmt.Errorf("save transactions: %w", err)}
	}
	c.add(txs...)
	c.send(ctx, txs)
	return nil
}

// send broadcasts transactions; what the chain has is no error.
func (c *carrier) send(ctx context.Context, txs []channel.Tx) {
	for _, t := range txs {
		if err := c.at.SendCall(ctx, t); err != nil && ctx.Err() == nil {
			c.node.Log.Warn("will retry", "effect", "send a transaction", "chain", c.chain, "tx", t.ID, "err", err)
		}
	}
}

// fatal is an error of the store, after which nothing may be promised.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }
