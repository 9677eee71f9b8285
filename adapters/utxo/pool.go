package utxo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// A pool is all endpoints of one chain. It asks the one that answered last and
// goes on to the next when that is down or shows what cannot be. It is safe for concurrent use.
type pool struct {
	coin  Coin
	nodes []Node
	log   *slog.Logger

	mu    sync.Mutex
	at    int    // the node to ask first
	right []bool // nodes found to be of our network
	doubt []int  // for how many comparisons a node's tip does not count
}

func newPool(coin Coin, nodes []Node, log *slog.Logger) *pool {
	return &pool{coin: coin, nodes: nodes, log: log, right: make([]bool, len(nodes)), doubt: make([]int, len(nodes))}
}

// verify finds node i to be of our network, once. Errors: ErrNetwork, ErrDown.
func (p *pool) verify(ctx context.Context, i int) error {
	p.mu.Lock()
	right := p.right[i]
	p.mu.Unlock()
	if right {
		return nil
	}
	got, err := p.nodes[i].HashAt(ctx, 0)
	if err != nil {
		return err
	}
	if got != p.coin.Genesis {
		return fmt.Errorf("%w: %s: node %d begins with block %s, %s with %s", ErrNetwork, p.coin.Chain, i+1, got, p.coin.Network, p.coin.Genesis)
	}
	p.mu.Lock()
	p.right[i] = true
	p.mu.Unlock()
	return nil
}

// ask puts a question to the first node that answers it. A no is an answer.
func ask[T any](ctx context.Context, p *pool, question func(Node) (T, error)) (answer T, err error) {
	first := p.first()
	var failures []error
	for k := range p.nodes {
		i := (first + k) % len(p.nodes)
		if err = p.verify(ctx, i); err == nil {
			answer, err = question(p.nodes[i])
		}
		if ctx.Err() != nil {
			return answer, ctx.Err()
		}
		if !errors.Is(err, ErrDown) && !errors.Is(err, ErrNetwork) {
			p.prefer(i)
			return answer, err
		}
		failures = append(failures, err)
	}
	return answer, errors.Join(failures...)
}

// prefer asks node i first from now on.
func (p *pool) prefer(i int) {
	p.mu.Lock()
	changed := p.at != i
	p.at = i
	p.mu.Unlock()
	if changed {
		p.log.Warn("turned to another node", "chain", p.coin.Chain, "node", i+1)
	}
}

// first is the node that is asked first.
func (p *pool) first() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// doubtFor is for how many comparisons of tips a node is left out that told of
// one and could not show the chain to it. Without that, one that makes up high
// tips would be turned to again and again.
const doubtFor = 12

// distrust leaves node i out for some time and asks the next one first.
func (p *pool) distrust(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubt[i] = doubtFor
	if p.at == i {
		p.at = (i + 1) % len(p.nodes)
	}
}

// trusted reports for each node whether its tip counts in this comparison; when
// none does, all do.
func (p *pool) trusted() []bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	trusted, some := make([]bool, len(p.nodes)), false
	for i := range p.doubt {
		trusted[i] = p.doubt[i] == 0
		some = some || trusted[i]
		p.doubt[i] = max(p.doubt[i]-1, 0)
	}
	for i := range trusted {
		trusted[i] = trusted[i] || !some
	}
	return trusted
}

// each puts a question to every node at once and returns their answers in order.
func each[T any](ctx context.Context, p *pool, question func(Node) (T, error)) ([]T, []error) {
	answers, errs := make([]T, len(p.nodes)), make([]error, len(p.nodes))
	var wait sync.WaitGroup
	for i := range p.nodes {
		wait.Go(func() {
			if errs[i] = p.verify(ctx, i); errs[i] == nil {
				answers[i], errs[i] = question(p.nodes[i])
			}
		})
	}
	wait.Wait()
	return answers, errs
}

func (p *pool) tip(ctx context.Context) (Tip, error) {
	return ask(ctx, p, func(n Node) (Tip, error) { return n.Tip(ctx) })
}

func (p *pool) hashAt(ctx context.Context, height int64) (chainhash.Hash, error) {
	return ask(ctx, p, func(n Node) (chainhash.Hash, error) { return n.HashAt(ctx, height) })
}

func (p *pool) header(ctx context.Context, hash chainhash.Hash) (wire.BlockHeader, error) {
	return ask(ctx, p, func(n Node) (wire.BlockHeader, error) {
		h, err := n.Header(ctx, hash)
		if err == nil {
			err = p.coin.proven(h)
		}
		return h, err
	})
}

func (p *pool) block(ctx context.Context, hash chainhash.Hash) (*Block, error) {
	return ask(ctx, p, func(n Node) (*Block, error) {
		b, err := n.Block(ctx, hash)
		if err == nil {
			err = p.coin.proven(b.Header)
		}
		return b, err
	})
}

func (p *pool) waiting(ctx context.Context) ([]chainhash.Hash, error) {
	return ask(ctx, p, func(n Node) ([]chainhash.Hash, error) { return n.Waiting(ctx) })
}

func (p *pool) tx(ctx context.Context, id chainhash.Hash) (*wire.MsgTx, error) {
	return ask(ctx, p, func(n Node) (*wire.MsgTx, error) { return n.Tx(ctx, id) })
}

// compareWithin is how long a node may take to tell its tip when all are asked.
const compareWithin = 5 * time.Second

// highest is the highest tip that any node knows; its node is asked first from
// now on. Of equal ones, that of the node asked first now counts.
func (p *pool) highest(ctx context.Context) (Tip, error) {
	soon, cancel := context.WithTimeout(ctx, compareWithin)
	defer cancel()
	tips, errs := each(soon, p, func(n Node) (Tip, error) { return n.Tip(soon) })
	trusted, first, best := p.trusted(), p.first(), -1
	for k := range tips {
		i := (first + k) % len(tips)
		if errs[i] == nil && trusted[i] && (best < 0 || tips[i].Height > tips[best].Height) {
			best = i
		}
	}
	if best < 0 {
		return Tip{}, errors.Join(errs...)
	}
	p.prefer(best)
	return tips[best], nil
}

// send broadcasts to every node and returns when the first takes it, or when all
// refuse. A node that is slow is not waited for, but not cut off either.
func (p *pool) send(ctx context.Context, tx *wire.MsgTx) error {
	answers := make(chan error, len(p.nodes))
	for i, n := range p.nodes {
		go func() {
			err := p.verify(ctx, i)
			if err == nil {
				err = n.Send(context.WithoutCancel(ctx), tx)
			}
			answers <- err
		}()
	}
	var errs []error
	for range p.nodes {
		select {
		case err := <-answers:
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("%s: send %s: %w", p.coin.Chain, tx.TxHash(), worst(errs))
}

// worst is the error that says most: a node's verdict before a node's silence.
func worst(errs []error) error {
	for _, err := range errs {
		if !errors.Is(err, ErrDown) && !errors.Is(err, ErrNetwork) {
			return err
		}
	}
	return errors.Join(errs...)
}

// rate is the first estimate that a node gives within the coin's bounds; false
// when none does.
func (p *pool) rate(ctx context.Context, blocks int) (int64, bool) {
	rate, err := ask(ctx, p, func(n Node) (int64, error) {
		rate, err := n.Rate(ctx, blocks)
		if errors.Is(err, ErrMissing) {
			err = fmt.Errorf("%w: %w", ErrDown, err) // another may have an estimate
		}
		if err == nil && (rate <= 0 || rate > p.coin.MaxRate) {
			err = fmt.Errorf("%w: a fee rate of %d", ErrDown, rate)
		}
		return rate, err
	})
	return max(rate, p.coin.MinRate), err == nil
}
