package swap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// workersPerChain lets a slow call of a node hold up only a part of the rest.
const workersPerChain = 4

// A job is one transaction that a trade wants, or a payment. It exists from the
// moment it is wanted until it no longer is, and remembers when to try again.
type job struct {
	key   jobKey
	want  trade.Want
	trade trade.Trade
	pays  *payment // instead of want and trade
	busy  bool
	tries int
	soon  uint64         // Unix seconds before which it rests in any case
	after uint64         // and before which it rests unless its chain has a new head
	head  contracts.Hash // newest when it was queued
}

type jobKey struct {
	id      contracts.Hash
	side    trade.Side
	purpose trade.Purpose
}

func newWork() *work { return &work{jobs: map[jobKey]*job{}, queue: make(chan *job, 1<<16)} }

// forget drops the jobs of a trade that is over.
func (w *work) forget(id contracts.Hash) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.jobs {
		if key.id == id {
			delete(w.jobs, key)
		}
	}
}

// want hands what t wants to the chains it wants it on, unless that is being
// done already or rests after a failure.
func (d *Desk) want(t trade.Trade, now uint64) {
	wants := t.Wants()
	if t.GaveUpLock() { // see whether one was made
		wants = append(wants, trade.Want{Side: trade.Ours, Purpose: trade.Lock})
	}
	for _, w := range wants {
		key := jobKey{t.ID, w.Side, w.Purpose}
		chain := t.Leg(w.Side).Terms.Asset.Chain
		work, head := d.works[chain], d.heads[chain].Hash
		work.mu.Lock()
		j := work.jobs[key]
		if j == nil {
			j = &job{key: key}
			work.jobs[key] = j
		}
		if !j.busy && now >= j.soon && (now >= j.after || head != j.head) {
			j.trade, j.want, j.head = t, w, head
			select {
			case work.queue <- j:
				j.busy = true
			default: // full: the next sweep tries again
			}
		}
		work.mu.Unlock()
	}
}

// worker carries out jobs of one chain until ctx ends. What fails is tried again
// later, ever more slowly; the chain's news say when it is no longer wanted.
func (d *Desk) worker(ctx context.Context, c contracts.Chain) error {
	work := d.works[c]
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case j := <-work.queue:
			if j.pays != nil {
				d.pay(ctx, j)
				work.mu.Lock()
				j.busy = false
				work.mu.Unlock()
				continue
			}
			err := d.carry(ctx, j.trade, j.want)
			if errors.Is(err, errFatal) {
				return err
			}
			now := unix(time.Now())
			work.mu.Lock()
			j.busy = false
			if err == nil {
				j.tries, j.soon, j.after = 0, now+checkAfter, now+againAfter
			} else {
				j.tries++
				j.soon = now + backOff(j.tries)
				j.after = j.soon
			}
			tries := j.tries
			work.mu.Unlock()
			if err != nil && ctx.Err() == nil {
				d.Log.Warn("will retry", "trade", j.key.id, "side", j.key.side, "purpose", j.key.purpose, "tries", tries, "err", err)
			}
		}
	}
}

// How many seconds a transaction that was sent is left alone before it is looked
// at again: sent anew, or its fee raised. A new head of its chain, which may have
// undone or dropped it, is the time for that, but not every second.
const (
	checkAfter = 3  // with a new head
	againAfter = 30 // without
)

// backOff is how many seconds what failed so many times rests.
func backOff(tries int) uint64 { return min(uint64(1)<<min(tries, 6), 60) }

// errFatal marks a store that failed: nothing more may be promised.
var errFatal = errors.New("store failed")

// carry does one thing that a trade wants: sends what is stored for it, raises
// its fee, or makes it. Every transaction is stored before it is sent.
func (d *Desk) carry(ctx context.Context, t trade.Trade, w trade.Want) error {
	ledger := d.Ledgers[t.Leg(w.Side).Terms.Asset.Chain]
	stored, err := d.Store.Txs(ctx, t.ID)
	if err != nil {
		return fmt.Errorf("%w: %w", errFatal, err)
	}
	o := d.order(t, w)
	sent, held := pick(stored, w)
	switch {
	case w.Purpose == trade.Lock && t.GaveUpLock():
		if len(sent) > 0 {
			return nil
		}
		return d.tell(ctx, t.ID, trade.LockFailed{Reason: "given up before it was made"})
	case len(sent) > 0:
		return d.again(ctx, ledger, t, o, sent)
	}
	switch w.Purpose {
	case trade.Lock:
		return d.lock(ctx, ledger, t, o)
	case trade.Redeem:
		return d.redeem(ctx, ledger, t, w, o, held)
	default:
		return d.refund(ctx, ledger, t, w, o, held)
	}
}

// pick finds the stored transactions that serve w: those sent, oldest first, and
// the newest that is held back.
func pick(stored []trade.Tx, w trade.Want) (sent []trade.Tx, held *trade.Tx) {
	for _, tx := range stored {
		serves := tx.Purpose == w.Purpose || (w.Purpose == trade.Lock && tx.Purpose == trade.Approve)
		if tx.Side != w.Side || !serves {
			continue
		}
		if tx.Held {
			held = &tx
		} else {
			sent = append(sent, tx)
		}
	}
	return sent, held
}

// order is w with all that a chain needs to make it.
func (d *Desk) order(t trade.Trade, w trade.Want) trade.Order {
	leg := t.Leg(w.Side)
	o := trade.Order{
		ID: t.ID, Number: t.Number, Side: w.Side, Purpose: w.Purpose, Terms: leg.Terms, Spot: leg.Fate.Lock, Deadline: w.Deadline,
	}
	if w.Purpose == trade.Redeem {
		secret := t.Secret
		if secret == nil {
			own := d.Secrets.Secret(t.Number)
			secret = &own
		}
		o.Secret = secret
	}
	return o
}

// again sends what was stored, in case it was never sent or was dropped, and
// raises the fee of the last when it lingers. A redeem or refund that no node
// takes any more, while nobody is seen to spend the lock, is made anew: the lock
// lies elsewhere since a reorganisation, or miners ask for more than it pays.
func (d *Desk) again(ctx context.Context, l Ledger, t trade.Trade, o trade.Order, sent []trade.Tx) error {
	last := sent[len(sent)-1]
	now := unix(time.Now())
	// A lock that has missed its time loses nothing but that: no fee is worth it.
	if now > last.Made+2*checkAfter && (o.Purpose != trade.Lock || now <= o.Deadline) {
		faster, err := l.Hasten(ctx, o, last)
		switch {
		case errors.Is(err, trade.ErrNotYet), errors.Is(err, trade.ErrSpent):
		case err != nil:
			d.Log.Warn("cannot hasten", "trade", o.ID, "purpose", o.Purpose, "err", err)
		default:
			if err := d.storeAndSend(ctx, l, t, o.Purpose, faster); err == nil || errors.Is(err, errFatal) {
				return err
			}
			sent = append(sent, faster)
		}
	}
	// What an older one is refused for says nothing of those after it.
	var err error
	stale := o.Purpose != trade.Lock && t.Leg(o.Side).Fate.End == nil
	for _, tx := range sent {
		err = d.send(ctx, l, t, o.Purpose, tx)
		stale = stale && (errors.Is(err, trade.ErrSpent) || errors.Is(err, trade.ErrShort))
	}
	if stale {
		d.Log.Warn("makes anew what no node takes", "trade", o.ID, "purpose", o.Purpose, "err", err)
		txs, err := l.Prepare(ctx, o)
		if err != nil {
			return fmt.Errorf("prepare %s anew: %w", o.Purpose, err)
		}
		return d.storeAndSend(ctx, l, t, o.Purpose, txs...)
	}
	if errors.Is(err, trade.ErrSpent) {
		return nil
	}
	return err
}

// storeAndSend is the two saves of a transaction: its bytes are stored, then
// broadcast. One that cannot be stored is never sent.
func (d *Desk) storeAndSend(ctx context.Context, l Ledger, t trade.Trade, wanted trade.Purpose, txs ...trade.Tx) error {
	if err := d.keep(ctx, txs...); err != nil {
		return err
	}
	for _, tx := range txs {
		if tx.Held {
			continue
		}
		if err := d.send(ctx, l, t, wanted, tx); err != nil {
			return fmt.Errorf("send %s: %w", tx.Purpose, err)
		}
		d.Log.Info("sent", "trade", tx.ID, "side", tx.Side, "purpose", tx.Purpose, "chain", tx.Chain, "txid", tx.TxID)
	}
	return nil
}

// send broadcasts what is stored. It looks at the clock itself: a machine may have
// slept since the lock was wanted, and one that is late only the partner can use.
// But what hastens a redeem or refund of t may be a lock, even of another trade: it
// is out already, and its nonce comes first.
func (d *Desk) send(ctx context.Context, l Ledger, t trade.Trade, wanted trade.Purpose, tx trade.Tx) error {
	if now := unix(time.Now()); wanted == trade.Lock && tx.Purpose == trade.Lock && now > t.RevealBy() {
		return fmt.Errorf("%w: the lock serves nobody since %d s", trade.ErrTooLate, now-t.RevealBy())
	}
	return l.Send(ctx, tx)
}

// keep stores txs. When the store fails they may be stored all the same: what they
// reserve is not given to another in what is left of this run.
func (d *Desk) keep(ctx context.Context, txs ...trade.Tx) error {
	if err := d.Store.SaveTxs(ctx, txs...); err != nil {
		return fmt.Errorf("%w: %w", errFatal, err)
	}
	return nil
}

// lock makes our lock, unless it is too late for one or the endpoints do not
// agree on the lock that it answers.
func (d *Desk) lock(ctx context.Context, l Ledger, t trade.Trade, o trade.Order) error {
	late := func() error {
		return d.tell(ctx, t.ID, trade.LockFailed{Reason: fmt.Sprintf("%v: %d s after the last moment", trade.ErrTooLate, unix(time.Now())-t.LockBy())})
	}
	if unix(time.Now()) > t.LockBy() {
		return late()
	}
	if t.Role == trade.Second {
		if err := d.agree(ctx, t); err != nil {
			return err
		}
	}
	txs, err := l.Prepare(ctx, o)
	if errors.Is(err, trade.ErrShort) {
		return d.tell(ctx, t.ID, trade.LockFailed{Reason: err.Error()})
	}
	if err != nil {
		return fmt.Errorf("prepare lock: %w", err)
	}
	if unix(time.Now()) > t.LockBy() { // the node was slow, or this machine slept
		for _, tx := range txs {
			l.Release(tx)
		}
		return late()
	}
	if err := d.journalLock(t); err != nil {
		return fmt.Errorf("%w: %w", errFatal, err)
	}
	return d.storeAndSend(ctx, l, t, o.Purpose, txs...)
}

// agree asks all endpoints of the chain of their leg for its lock.
func (d *Desk) agree(ctx context.Context, t trade.Trade) error {
	if err := d.Ledgers[t.Theirs.Terms.Asset.Chain].Agree(ctx, t.Watches()[1], t.Theirs.Fate); err != nil {
		return fmt.Errorf("endpoints disagree: %w", err)
	}
	return nil
}

// redeem gives the secret away. The transaction that needs nobody is stored
// first: as long as none is, the secret is certainly not out, and when it has
// become too late it stays in. A trade from the journal does not know what was
// stored.
func (d *Desk) redeem(ctx context.Context, l Ledger, t trade.Trade, w trade.Want, o trade.Order, held *trade.Tx) error {
	out := held != nil || t.Rescued // it may be
	if t.Role == trade.First {
		if over, err := d.mayShow(ctx, t.ID, out); over || err != nil {
			return err
		}
	}
	if held == nil {
		txs, err := l.Prepare(ctx, o)
		if err != nil {
			return fmt.Errorf("prepare redeem: %w", err)
		}
		held = &txs[len(txs)-1]
		if !out && late(t) { // the node was slow, or this machine slept
			l.Release(*held)
			return d.tell(ctx, t.ID, trade.Missed{})
		}
		if held.Held = w.Together; !held.Held {
			return d.storeAndSend(ctx, l, t, o.Purpose, *held)
		}
		if err := d.keep(ctx, *held); err != nil {
			return err
		}
	}
	err := error(trade.ErrTooLate)
	if !late(t) {
		var together trade.Tx
		if together, err = d.together(ctx, l, t, o); err == nil {
			return d.storeAndSend(ctx, l, t, o.Purpose, together)
		}
	}
	d.Log.Info("redeems alone", "trade", t.ID, "because", err)
	alone := *held
	alone.Held = false
	return d.storeAndSend(ctx, l, t, o.Purpose, alone)
}

// late reports whether First, whose secret is not known to be out, has no time
// left to ask the partner.
func late(t trade.Trade) bool {
	return t.Role == trade.First && t.Secret == nil && unix(time.Now()) > t.AloneBy()
}

// mayShow is the last look before the secret is given away: it is kept in while a
// lock does not count, and when it has become late. That it may be out already
// changes only the end: then there is no more waiting once time is short, and it is
// kept in only when the partner could refund, who would have done worse had he
// known it. over says that it was missed.
func (d *Desk) mayShow(ctx context.Context, id contracts.Hash, out bool) (over bool, err error) {
	t, err := d.find(ctx, id)
	if err != nil || t.Secret != nil {
		return false, err
	}
	if end := t.Theirs.Fate.End; end != nil && end.Kind == trade.ByTime {
		return false, fmt.Errorf("%w: the partner takes his lock back with %s", trade.ErrTooLate, end.TxID)
	}
	now, last := unix(time.Now()), t.AloneBy()
	if out {
		last = t.Theirs.Terms.Expiry
	}
	switch {
	case now > last:
		return true, d.tell(ctx, id, trade.Missed{})
	case now > t.AloneBy(), out && t.Ours.Fate.End != nil: // he has used it
		return false, nil
	}
	if err := t.StillCounts(); err != nil {
		return false, err
	}
	return false, d.agree(ctx, t)
}

// refund takes our lock back: together while only that is possible, otherwise
// alone with a fresh fee, and if that cannot be made, with what was signed before
// the lock was sent.
func (d *Desk) refund(ctx context.Context, l Ledger, t trade.Trade, w trade.Want, o trade.Order, held *trade.Tx) error {
	if w.Together {
		tx, err := d.together(ctx, l, t, o)
		if err != nil {
			return err
		}
		if err := d.keep(ctx, tx); err != nil {
			return err
		}
		if err := d.tell(ctx, t.ID, trade.RefundSigned{}); err != nil {
			return err
		}
		return d.storeAndSend(ctx, l, t, o.Purpose, tx)
	}
	txs, err := l.Prepare(ctx, o)
	if err == nil {
		return d.storeAndSend(ctx, l, t, o.Purpose, txs...)
	}
	if held == nil || errors.Is(err, trade.ErrNotYet) {
		return fmt.Errorf("prepare refund: %w", err)
	}
	d.Log.Warn("refunds with what was signed before the lock", "trade", t.ID, "err", err)
	alone := *held
	alone.Held = false
	return d.storeAndSend(ctx, l, t, o.Purpose, alone)
}
