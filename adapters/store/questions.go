package store

import (
	"context"
	"fmt"
	"sync"

	"photon/contracts"
	"photon/node/ledger"
)

// questions are for payments by id, of which a busy node has many at a time: those
// that come while one query runs are answered by the next, together.
type questions struct {
	mu      sync.Mutex // guards what follows
	waiting []*question
	busy    bool // somebody answers
}

// A question is for one payment. What follows done is there once that is closed.
type question struct {
	id   contracts.Hash
	ours bool
	done chan struct{}

	found *ledger.Payment
	err   error
}

// Payment returns one payment, with the status that it has now, and whether there
// is one.
func (s *Store) Payment(ctx context.Context, id contracts.Hash, ours bool) (ledger.Payment, bool, error) {
	q := &question{id: id, ours: ours, done: make(chan struct{})}
	s.asked.mu.Lock()
	s.asked.waiting = append(s.asked.waiting, q)
	first := !s.asked.busy
	s.asked.busy = true
	s.asked.mu.Unlock()
	if first {
		go s.answer()
	}
	select {
	case <-q.done:
	case <-ctx.Done():
		return ledger.Payment{}, false, ctx.Err()
	}
	if q.err != nil {
		return ledger.Payment{}, false, fmt.Errorf("load payment %s: %w", id, q.err)
	}
	if q.found == nil {
		return ledger.Payment{}, false, nil
	}
	return *q.found, true, nil
}

// answer answers questions until none waits.
func (s *Store) answer() {
	for {
		s.asked.mu.Lock()
		some := s.asked.waiting
		some = some[:min(len(some), insertPayments.atOnce)]
		s.asked.waiting = s.asked.waiting[len(some):]
		s.asked.busy = len(some) > 0
		s.asked.mu.Unlock()
		if len(some) == 0 {
			return
		}
		err := s.look(some)
		for _, q := range some {
			q.err = err
			close(q.done)
		}
	}
}

// look finds what some ask for. It looks at channels only for what is there, which is
// mostly nothing.
func (s *Store) look(some []*question) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	ids := make([]any, len(some))
	for i, q := range some {
		ids[i] = raw(q.id)
	}
	var numbers []int64
	err := query(s.read.WithContext(ctx), "SELECT number FROM payments WHERE id IN ", ids, func(scan func(...any) error) error {
		numbers = append(numbers, 0)
		return scan(&numbers[len(numbers)-1])
	})
	if err != nil || len(numbers) == 0 {
		return err
	}
	var found []pageRow
	if err := s.payments(ctx).Where("payments.number IN ?", numbers).Find(&found).Error; err != nil {
		return err
	}
	all, err := readPayments(found)
	for i := range all {
		for _, q := range some {
			if q.id == all[i].ID && q.ours == all[i].Ours {
				q.found = &all[i]
			}
		}
	}
	return err
}
