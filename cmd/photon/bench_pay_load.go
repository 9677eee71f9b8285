package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"photon/adapters/store"
	"photon/contracts"
	"photon/node/ledger"
	"photon/node/message"
)

// payCounts are what a node process has done since it started.
type payCounts struct {
	CPU     time.Duration `json:"cpu"`
	Memory  float64       `json:"memory"`  // MB
	Saves   int64         `json:"saves"`   // transactions of its store
	Saving  time.Duration `json:"saving"`  // that they took
	Updates int64         `json:"updates"` // that it said
	Changes int64         `json:"changes"` // in them
}

func (c payCounts) minus(d payCounts) payCounts {
	return payCounts{c.CPU - d.CPU, c.Memory, c.Saves - d.Saves, c.Saving - d.Saving, c.Updates - d.Updates, c.Changes - d.Changes}
}

// A countingStore counts what goes through it.
type countingStore struct {
	*store.Store
	saves, saving, updates, changes atomic.Int64
}

func (s *countingStore) SaveLedger(ctx context.Context, c ledger.Change) error {
	for _, e := range c.Effects {
		if t, is := e.(ledger.Tell); is {
			if u, is := t.Message.(message.Update); is {
				s.updates.Add(1)
				s.changes.Add(int64(len(u.Changes)))
			}
		}
	}
	began := time.Now()
	err := s.Store.SaveLedger(ctx, c)
	s.saves.Add(1)
	s.saving.Add(int64(time.Since(began)))
	return err
}

func (s *countingStore) counts() payCounts {
	return payCounts{processCPU(), residentMB(), s.saves.Load(), time.Duration(s.saving.Load()), s.updates.Load(), s.changes.Load()}
}

// A load is payments that are made one after the other by each of many callers.
type load struct {
	mu   sync.Mutex // guards what follows
	took []time.Duration
	done []contracts.Hash // to be told
	errs []error
}

// run has callers make payments until more says no; one fails, all end.
func (l *load) run(callers int, more func() bool, one func() (contracts.Hash, error)) {
	var work sync.WaitGroup
	for range callers {
		work.Go(func() {
			for more() {
				began := time.Now()
				id, err := one()
				took := time.Since(began)
				l.mu.Lock()
				if err != nil {
					l.errs = append(l.errs, err)
				} else {
					l.took, l.done = append(l.took, took), append(l.done, id)
				}
				failed := len(l.errs) > 0
				l.mu.Unlock()
				if failed {
					return
				}
			}
		})
	}
	work.Wait()
}

// flush takes what is to be told.
func (l *load) flush() []contracts.Hash {
	l.mu.Lock()
	defer l.mu.Unlock()
	done := l.done
	l.done = nil
	return done
}

// tellEvery is how often the bench is told which payments are done.
const tellEvery = 5 * time.Millisecond

// pay makes direct payments of one unit each, for a time or so many. A partner who
// is not there is waited for, as he may just have been started.
func (p *payNode) pay(ctx context.Context, o order) (outcome, error) {
	var l load
	var begun atomic.Int64
	until := time.Now().Add(o.For)
	more := func() bool {
		return ctx.Err() == nil && (o.For > 0 && time.Now().Before(until) || begun.Add(1) <= int64(o.Count))
	}
	to := payAccount(o.To)
	ended := make(chan struct{})
	var teller sync.WaitGroup
	if o.Tell {
		teller.Go(func() { p.report(&l, ended) })
	}
	l.run(o.Callers, more, func() (id contracts.Hash, err error) {
		var noise [24]byte
		if _, err := rand.Read(noise[:]); err != nil {
			return id, err
		}
		id = ledger.PaymentID(uint64(time.Now().UnixMilli()), noise)
		pay := ledger.Pay{ID: id, Asset: payAsset, To: to, Amount: contracts.Units(1)}
		for {
			if err = p.node.Pay(ctx, pay); !errors.Is(err, ledger.ErrOffline) {
				break
			}
			if err = pause(ctx, 10*time.Millisecond); err != nil {
				break
			}
		}
		if err != nil {
			return id, err
		}
		return id, p.await(ctx, id)
	})
	close(ended)
	teller.Wait()
	return outcome{Took: l.took}, errors.Join(l.errs[:min(1, len(l.errs))]...)
}

// await waits for a payment's end, which must be good.
func (p *payNode) await(ctx context.Context, id contracts.Hash) error {
	paid, err := p.node.Await(ctx, id)
	if err == nil && paid.Status != ledger.Done {
		err = fmt.Errorf("payment %s: %s, %s", id, paid.Status, paid.Reason)
	}
	return err
}

// report tells the bench as payments are done, for the case that this process is
// killed.
func (p *payNode) report(l *load, ended <-chan struct{}) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for over := false; !over; {
		select {
		case <-tick.C:
		case <-ended:
			over = true
		}
		if done := l.flush(); len(done) > 0 {
			p.tell(outcome{Done: done})
		}
	}
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// invoice asks for payments of one unit each.
func (p *payNode) invoice(ctx context.Context, o order) (outcome, error) {
	all, errs := make([]message.Invoice, o.Count), make([]error, o.Count)
	expiry := uint64(time.Now().Add(time.Hour).Unix())
	var work sync.WaitGroup
	for i := range all {
		work.Go(func() {
			all[i], errs[i] = p.node.Invoice(ctx, payAsset, contracts.Units(1), "", expiry, false, contracts.Hash{})
		})
	}
	work.Wait()
	return outcome{Invoices: all}, errors.Join(errs...)
}

// settle pays invoices by way of another, who may keep one unit of each.
func (p *payNode) settle(ctx context.Context, o order) (outcome, error) {
	var l load
	var begun atomic.Int64
	next := make(chan message.Invoice, len(o.Invoices))
	for _, i := range o.Invoices {
		next <- i
	}
	more := func() bool { return begun.Add(1) <= int64(len(o.Invoices)) }
	via := payAccount(o.Via)
	l.run(o.Callers, more, func() (contracts.Hash, error) {
		i := <-next
		route := ledger.Route{Nodes: []contracts.Address{via, i.Payee}, Sent: i.Amount, Amount: i.Amount}
		pay := ledger.Pay{Asset: i.Asset, To: i.Payee, Amount: i.Amount, Invoice: &i, Routes: []ledger.Route{route}}
		for {
			// A partner who was just started is not there yet, and a channel holds only so many locks.
			err := p.node.Pay(ctx, pay)
			if err == nil {
				return i.Hash, p.await(ctx, i.Hash)
			}
			if !errors.Is(err, ledger.ErrNoRoute) {
				return i.Hash, err
			}
			if err := pause(ctx, 5*time.Millisecond); err != nil {
				return i.Hash, err
			}
		}
	})
	return outcome{Took: l.took}, errors.Join(l.errs[:min(1, len(l.errs))]...)
}
