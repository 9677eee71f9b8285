package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"photon/adapters/store"
	"photon/contracts"
	"photon/node/ledger"
)

// killed kills the payee, then the payer, while payments stream, and counts what
// became of them: in the ledgers of both, when all has come to rest.
func (b *payBench) killed(ctx context.Context) (_ []figure, err error) {
	c, err := cast(ctx, b.config("killed", "payer", "payee"), b.config("killed", "payee", "payer"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	third := min(b.stream(), 6*time.Second)
	told, err := c.killInTurn(ctx, third)
	if err != nil {
		return nil, err
	}
	if err := c.settleDown(ctx); err != nil {
		return nil, err
	}
	if err := c.stop(); err != nil {
		return nil, err
	}
	folders := []string{c[0].cfg.Folder, c[1].cfg.Folder}
	c = nil
	lost, astray, err := compare(ctx, folders, told)
	if err != nil {
		return nil, err
	}
	note := fmt.Sprintf("%d reported done; the payee was killed after %s, the payer after %s", len(told), third, 2*third)
	if lost > 0 || astray > 0 {
		err = fmt.Errorf("%w: %d payments that were reported done are lost, %d differ between the two ends", errMissed, lost, astray)
	}
	return []figure{
		{Name: "reported done before a kill, and arrived", Value: float64(len(told) - lost), Unit: "", Note: note},
	}, err
}

// killInTurn streams payments, kills the payee and starts it again, and then the
// payer. It returns which payments were reported done.
func (c payCast) killInTurn(ctx context.Context, third time.Duration) ([]contracts.Hash, error) {
	stream := make(chan error, 1)
	payer := c[0]
	go func() {
		_, err := payer.ask(ctx, order{Do: "pay", To: "payee", Callers: payCallers, For: time.Hour, Tell: true})
		stream <- err
	}()
	for i := range c {
		which := len(c) - 1 - i
		select {
		case <-time.After(third):
		case err := <-stream:
			return nil, fmt.Errorf("the payments ended by themselves: %w", err)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		old := c[which]
		if err := old.kill(); err != nil {
			return nil, err
		}
		p, err := old.again(ctx)
		if err != nil {
			return nil, err
		}
		c[which] = p
		if _, err := p.ask(ctx, order{Do: "connect", At: c[1-which].at}); err != nil {
			return nil, err
		}
	}
	if err := <-stream; !errors.Is(err, errKilled) {
		return nil, fmt.Errorf("the payments ended by themselves: %w", err)
	}
	payer.mu.Lock()
	defer payer.mu.Unlock()
	return payer.done, nil
}

// restWithin is how long two nodes may take to come to rest.
const restWithin = time.Minute

// settleDown pays once more, and waits until nothing is on its way.
func (c payCast) settleDown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restWithin)
	defer cancel()
	if _, err := c[0].ask(ctx, order{Do: "pay", To: "payee", Callers: 1, Count: 1}); err != nil {
		return err
	}
	for _, p := range c {
		for {
			o, err := p.ask(ctx, order{Do: "rest"})
			if err != nil {
				return err
			}
			if o.Rest {
				break
			}
			if err := pause(ctx, 20*time.Millisecond); err != nil {
				return fmt.Errorf("payments come to no rest: %w", err)
			}
		}
	}
	return nil
}

// compare looks into the stores of payer and payee: how many of the payments that
// were told of are not done at both ends, and by how many what was paid, what came
// and what the channel says of it differ.
func compare(ctx context.Context, folders []string, told []contracts.Hash) (lost, astray int, err error) {
	var ends [2]map[contracts.Hash]bool
	var moved [2]contracts.Amount
	for i, folder := range folders {
		if ends[i], moved[i], err = endOf(ctx, folder, i == 0); err != nil {
			return 0, 0, err
		}
	}
	for _, id := range told {
		if !ends[0][id] || !ends[1][id] {
			lost++
		}
	}
	for i := range ends {
		for id := range ends[i] {
			if !ends[1-i][id] {
				astray++
			}
		}
		if moved[i] != contracts.Units(uint64(len(ends[i]))) {
			astray++
		}
	}
	return lost, astray, nil
}

// endOf are the payments that are done in the store of a folder, and what its one
// channel says was paid through it. Each payment is of one unit.
func endOf(ctx context.Context, folder string, ours bool) (_ map[contracts.Hash]bool, moved contracts.Amount, err error) {
	kept, err := store.Open(ctx, "sqlite:"+filepath.Join(folder, "photon.db"))
	if err != nil {
		return nil, moved, err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	channels, err := kept.Channels(ctx, true)
	if err != nil || len(channels) != 1 {
		return nil, moved, errors.Join(err, fmt.Errorf("%d channels in %s", len(channels), folder))
	}
	if moved = channels[0].Us.Proof.Transferred; !ours {
		moved = channels[0].Them.Proof.Transferred
	}
	done := map[contracts.Hash]bool{}
	for f := (ledger.Filter{Ours: &ours, Status: string(ledger.Done)}); ; {
		page, next, err := kept.Payments(ctx, f)
		if err != nil {
			return nil, moved, err
		}
		for _, p := range page {
			if p.Ours {
				done[p.ID] = true
			} else {
				done[p.His] = true // as its payer names it
			}
		}
		if f.After = next; next == 0 {
			return done, moved, nil
		}
	}
}
