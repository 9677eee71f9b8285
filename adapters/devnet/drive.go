package devnet

import (
	"context"
	"fmt"
	"time"

	"photon/contracts"
)

// at does something with a chain's node, whatever else is under way there.
func (n *Net) at(c contracts.Chain, what string, do func(*running) error) error {
	r := n.nodes[c]
	if r == nil {
		return fmt.Errorf("%s %s: %w", what, c, ErrChain)
	}
	if err := do(r); err != nil {
		return fmt.Errorf("%s %s: %w", what, c, err)
	}
	return nil
}

// on runs one order on a chain's node, alone.
func (n *Net) on(c contracts.Chain, what string, do func(*running) error) error {
	return n.at(c, what, func(r *running) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		return do(r)
	})
}

// Height returns a chain's newest block.
func (n *Net) Height(ctx context.Context, c contracts.Chain) (h uint64, err error) {
	err = n.at(c, "height of", func(r *running) error {
		h, err = r.height(ctx)
		return err
	})
	return h, err
}

// Mine makes blocks at once, with the transactions that wait. They bear the
// wall clock's time where the chain's rules allow; many at once run ahead of it,
// on BTC and LTC by a second every six blocks, on ETH and SMT by a second each.
func (n *Net) Mine(ctx context.Context, c contracts.Chain, blocks int) error {
	return n.on(c, "mine", func(r *running) error { return r.mine(ctx, blocks) })
}

// StartMining makes a block every so often, until StopMining or Close. What
// fails is tried again at the next turn, so that a node may pause or die
// meanwhile. A second call changes the pace.
func (n *Net) StartMining(c contracts.Chain, every time.Duration) error {
	if err := n.StopMining(c); err != nil {
		return err
	}
	return n.on(c, "start mining", func(r *running) error {
		ctx, cancel := context.WithCancel(n.ctx)
		ended := make(chan struct{})
		r.stop = func() { cancel(); <-ended }
		n.miners.Go(func() {
			defer close(ended)
			n.mineEvery(ctx, c, every)
		})
		return nil
	})
}

func (n *Net) mineEvery(ctx context.Context, c contracts.Chain, every time.Duration) {
	turn := time.NewTicker(every)
	defer turn.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-turn.C:
		}
		bounded, cancel := context.WithTimeout(ctx, orderWithin)
		err := n.Mine(bounded, c, 1)
		cancel()
		if err != nil && ctx.Err() == nil {
			n.log.Warn("will retry", "effect", "mine", "chain", c, "err", err)
		}
	}
}

// orderWithin bounds one automatic block, so that a paused node holds nothing up
// for long.
const orderWithin = 10 * time.Second

// StopMining ends automatic mining. When it returns, no block is under way.
func (n *Net) StopMining(c contracts.Chain) error {
	var stop func()
	err := n.on(c, "stop mining", func(r *running) error {
		stop, r.stop = r.stop, nil
		return nil
	})
	if stop != nil {
		stop() // outside the order: the block under way needs its turn to end
	}
	return err
}

// Fund sends native coin from the node's own account and returns the
// transaction's id. It waits in the mempool: mine to confirm it.
// Errors: ErrFunds, ErrRPC.
func (n *Net) Fund(ctx context.Context, c contracts.Chain, address string, amount contracts.Amount) (id string, err error) {
	err = n.on(c, "fund", func(r *running) error {
		id, err = r.fund(ctx, address, amount)
		return err
	})
	return id, err
}

// Reorg replaces the newest blocks by as many and one more, all empty. The
// transactions that the old ones held wait in the mempool again.
func (n *Net) Reorg(ctx context.Context, c contracts.Chain, depth int) error {
	return n.on(c, "reorganise", func(r *running) error {
		h, err := r.height(ctx)
		if err != nil {
			return err
		}
		if depth < 1 || uint64(depth) >= h {
			return fmt.Errorf("%w: depth %d at height %d", ErrRPC, depth, h)
		}
		return r.reorg(ctx, depth)
	})
}

// SetTime makes blocks until a time lock at t is open: median time past is after
// t on BTC and LTC, the newest block is not before t on ETH and SMT. It makes none
// when it is open already. btcd and ltcd refuse blocks more than two hours ahead
// of the wall clock. Errors: ErrTime.
func (n *Net) SetTime(ctx context.Context, c contracts.Chain, t time.Time) error {
	return n.on(c, "set time of", func(r *running) error { return r.setTime(ctx, t.Unix()) })
}

// Pause stops a node as a hung machine does: connections open, nothing answers.
func (n *Net) Pause(c contracts.Chain) error {
	return n.at(c, "pause", func(r *running) error { return r.process.pause() })
}

// Resume ends a Pause.
func (n *Net) Resume(c contracts.Chain) error {
	return n.at(c, "resume", func(r *running) error { return r.process.resume() })
}

// Kill ends a node at once, as a power cut does. Connections are refused until
// Restart.
func (n *Net) Kill(c contracts.Chain) error {
	return n.at(c, "kill", func(r *running) error { return r.process.kill() })
}

// Restart brings a killed node back on the same chain and the same ports. What
// waited in its mempool may be lost.
// Errors: ErrNode.
func (n *Net) Restart(ctx context.Context, c contracts.Chain) error {
	return n.on(c, "restart", func(r *running) error {
		if err := r.process.start(); err != nil {
			return err
		}
		if err := r.process.await(ctx, r.ready); err != nil {
			return err
		}
		return r.revive(ctx)
	})
}

// PID returns the process id of a chain's node, for tests that look at it from
// outside; 0 when it does not run.
func (n *Net) PID(c contracts.Chain) (pid int, err error) {
	err = n.at(c, "process of", func(r *running) error {
		pid = r.process.pid()
		return nil
	})
	return pid, err
}
