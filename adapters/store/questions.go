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

// look finds what some ask for. It goes past gorm, as statement does, and looks at
// channels only for what is there.
func (s *Store) look(some []*question) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	ids := make([]any, len(some))
	for i, q := range some {
		ids[i] = raw(q.id)
	}
	places := statement{width: len(ids)}.places(s.read.Name() == "postgres", len(ids))
	rows, err := s.read.Statement.ConnPool.QueryContext(ctx, "SELECT number FROM payments WHERE id IN "+places, ids...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var numbers []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return err
		}
		numbers = append(numbers, n)
	}
	if err := rows.Err(); err != nil || len(numbers) == 0 {
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
