package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"photon/adapters/keys"
	"photon/contracts"
	"photon/swap"
	"photon/swap/trade"
)

var (
	_ swap.Ledger   = (*standIn)(nil)
	_ swap.Cosigner = (*standIn)(nil)
	_ swap.Peer     = silentPeer{}
)

// A standIn takes the place of one chain: it tells what it is told to, answers at
// once, and notes when it is given a transaction. So what is measured is the
// node's own.
type standIn struct {
	chain  contracts.Chain
	ring   *keys.Keyring
	height atomic.Uint64
	blocks chan benchBlock
	notes  *sendings
	fates  map[legKey]trade.Fate // what the chain says of legs, at its start
}

type legKey struct {
	id   contracts.Hash
	side trade.Side
}

// A benchBlock is news to deliver; done is told how long that took.
type benchBlock struct {
	sightings []trade.Sighting
	done      chan<- blockDone
}

type blockDone struct {
	began time.Time
	took  time.Duration
	err   error
}

func newStandIn(c contracts.Chain, ring *keys.Keyring, notes *sendings, fates map[legKey]trade.Fate) *standIn {
	s := &standIn{chain: c, ring: ring, blocks: make(chan benchBlock), notes: notes, fates: fates}
	s.height.Store(benchHeight)
	return s
}

// benchHeight is the height at which every chain begins.
const benchHeight = 1000

func (s *standIn) head() trade.Head {
	height := s.height.Load()
	return trade.Head{Height: height, Hash: sha256.Sum256(fmt.Append(nil, s.chain, height)), Time: uint64(time.Now().Unix())}
}

// Follow tells the fate of every leg first, as after a restart, then each block
// that the bench mines.
func (s *standIn) Follow(ctx context.Context, deliver func(context.Context, trade.News) error) error {
	first := trade.News{Chain: s.chain, Head: s.head()}
	for k, f := range s.fates {
		first.Sightings = append(first.Sightings, trade.Sighting{ID: k.id, Side: k.side, Fate: f})
	}
	if err := deliver(ctx, first); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b := <-s.blocks:
			s.height.Add(1)
			began := time.Now()
			err := deliver(ctx, trade.News{Chain: s.chain, Head: s.head(), Sightings: b.sightings})
			b.done <- blockDone{began, time.Since(began), err}
			if err != nil {
				return err
			}
		}
	}
}

// mine delivers a block and returns when that began and how long it took.
func (s *standIn) mine(ctx context.Context, sightings []trade.Sighting) (began time.Time, took time.Duration, err error) {
	done := make(chan blockDone, 1)
	select {
	case s.blocks <- benchBlock{sightings, done}:
	case <-ctx.Done():
		return began, 0, ctx.Err()
	}
	select {
	case d := <-done:
		return d.began, d.took, d.err
	case <-ctx.Done():
		return began, 0, ctx.Err()
	}
}

// Party derives the real key of a leg.
func (s *standIn) Party(_ context.Context, number uint64) (contracts.Party, error) {
	return benchParty(s.ring, s.chain, number), nil
}

func (s *standIn) Head(context.Context) (trade.Head, error)             { return s.head(), nil }
func (s *standIn) Watch(context.Context, ...trade.Watch) error          { return nil }
func (s *standIn) Forget(...trade.Watch)                                {}
func (s *standIn) Agree(context.Context, trade.Watch, trade.Fate) error { return nil }
func (s *standIn) Resume(context.Context, []trade.Tx) error             { return nil }
func (s *standIn) Release(trade.Tx)                                     {}
func (s *standIn) Buried(context.Context, trade.Tx) (uint64, error)     { return 0, nil }
func (s *standIn) CheckAddress(string) error                            { return nil }

// Balance is more than any swap needs.
func (s *standIn) Balance(context.Context, contracts.Asset) (confirmed, pending contracts.Amount, err error) {
	return contracts.Units(1 << 62), contracts.Amount{}, nil
}

// Fees are one unit each.
func (s *standIn) Fees(context.Context, contracts.Asset) (lock, redeem, refund contracts.Amount, err error) {
	one := contracts.Units(1)
	return one, one, one, nil
}

// Prepare makes what a chain would, in bytes that mean nothing.
func (s *standIn) Prepare(_ context.Context, o trade.Order) ([]trade.Tx, error) {
	tx := benchTx(o.ID, s.chain, o.Side, o.Purpose)
	if o.Purpose != trade.Lock || s.chain.EVM() {
		return []trade.Tx{tx}, nil
	}
	refund := benchTx(o.ID, s.chain, o.Side, trade.Refund)
	refund.Held = true
	return []trade.Tx{tx, refund}, nil
}

// Send notes the time.
func (s *standIn) Send(_ context.Context, tx trade.Tx) error {
	s.notes.note(tx.ID, time.Now())
	return nil
}

// Hasten finds every fee high enough.
func (s *standIn) Hasten(context.Context, trade.Order, trade.Tx) (trade.Tx, error) {
	return trade.Tx{}, trade.ErrNotYet
}

// Propose begins a joint signature that the partner gives at once.
func (s *standIn) Propose(_ context.Context, o trade.Order) (trade.CosignSession, error) {
	return benchSession{o, s.chain}, nil
}

// Cosign is never asked here.
func (s *standIn) Cosign(context.Context, trade.Order, trade.CosignRequest) (trade.CosignAnswer, error) {
	return trade.CosignAnswer{}, trade.ErrNotYet
}

type benchSession struct {
	order trade.Order
	chain contracts.Chain
}

func (b benchSession) Request() trade.CosignRequest {
	return trade.CosignRequest{ID: b.order.ID, Chain: b.chain, Purpose: b.order.Purpose, Secret: b.order.Secret.Reveal()}
}

func (b benchSession) Finish(trade.CosignAnswer) (trade.Tx, error) {
	tx := benchTx(b.order.ID, b.chain, b.order.Side, b.order.Purpose)
	tx.TxID = sha256.Sum256(append(tx.TxID[:], "together"...))
	return tx, nil
}

// benchTx is a transaction of the usual length.
func benchTx(id contracts.Hash, c contracts.Chain, side trade.Side, p trade.Purpose) trade.Tx {
	raw := make([]byte, 240)
	copy(raw, id[:])
	return trade.Tx{
		ID: id, Chain: c, Side: side, Purpose: p, TxID: sha256.Sum256(fmt.Append(nil, id, side, p)), Raw: raw,
		Fee: contracts.Units(1), Made: uint64(time.Now().Unix()),
	}
}

// A silentPeer takes in every message, and signs what it is asked to.
type silentPeer struct{}

func (silentPeer) Self() string { return "us" }

func (silentPeer) Reach() []string { return nil }

func (silentPeer) Learn(context.Context, string, []string) error { return nil }

func (silentPeer) Ask(_ context.Context, _ string, body []byte) ([]byte, error) {
	m, err := trade.Decode(body)
	if err != nil {
		return nil, err
	}
	if _, is := m.(trade.CosignRequest); is {
		return trade.Encode(trade.CosignAnswer{}), nil
	}
	return nil, nil
}

// sendings are when the first transaction of each trade came to its chain.
type sendings struct {
	mu      sync.Mutex
	first   map[contracts.Hash]time.Time
	changed chan struct{}
}

func newSendings() *sendings {
	return &sendings{first: map[contracts.Hash]time.Time{}, changed: make(chan struct{}, 1)}
}

func (s *sendings) note(id contracts.Hash, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, sent := s.first[id]; sent {
		return
	}
	s.first[id] = at
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// count is how many trades have sent something.
func (s *sendings) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.first)
}

// wait waits until every trade has sent something, and returns when.
func (s *sendings) wait(ctx context.Context, ids []contracts.Hash) ([]time.Time, error) {
	for {
		s.mu.Lock()
		var times []time.Time
		for _, id := range ids {
			if at, sent := s.first[id]; sent {
				times = append(times, at)
			}
		}
		s.mu.Unlock()
		if len(times) == len(ids) {
			return times, nil
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d transactions were sent: %w", len(times), len(ids), ctx.Err())
		}
	}
}
