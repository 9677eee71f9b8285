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

// A job is one transaction that a trade wants. It exists from the moment it is
// wanted until it no longer is, and remembers when to try again.
type job struct {
	key   jobKey
	want  trade.Want
	trade trade.Trade
	busy  bool
	tries int
	after uint64 // Unix seconds before which it rests
}

type jobKey struct {
	id      contracts.Hash
	side    trade.Side
	purpose trade.Purpose
}

func newWork() *work { return &work{jobs: map[jobKey]*job{}, queue: make(chan *job, 1<<16)} }

// want hands what t wants to the chains it wants it on, unless that is being
// done already or rests after a failure.
func (d *Desk) want(t trade.Trade, now uint64) {
	for _, w := range t.Wants() {
		key := jobKey{t.ID, w.Side, w.Purpose}
		work := d.works[t.Leg(w.Side).Terms.Asset.Chain]
		work.mu.Lock()
		j := work.jobs[key]
		if j == nil {
			j = &job{key: key}
			work.jobs[key] = j
		}
		if !j.busy && now >= j.after {
			j.trade, j.want = t, w
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
			err := d.carry(ctx, j.trade, j.want)
			if errors.Is(err, errFatal) {
				return err
			}
			now := unix(time.Now())
			work.mu.Lock()
			j.busy = false
			if err == nil {
				j.tries, j.after = 0, now+checkAfter
			} else {
				j.tries++
				j.after = now + min(uint64(1)<<min(j.tries, 6), 60)
			}
			work.mu.Unlock()
			if err != nil && ctx.Err() == nil {
				d.Log.Warn("will retry", "trade", j.key.id, "side", j.key.side, "purpose", j.key.purpose, "tries", j.tries, "err", err)
			}
		}
	}
}

// checkAfter is how many seconds a transaction that was sent is left alone
// before it is looked at again: sent anew, or its fee raised.
const checkAfter = 3

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
	if len(sent) > 0 {
		return d.again(ctx, ledger, o, sent)
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
// raises the fee of the last when it lingers.
func (d *Desk) again(ctx context.Context, l Ledger, o trade.Order, sent []trade.Tx) error {
	last := sent[len(sent)-1]
	if unix(time.Now()) > last.Made+2*checkAfter {
		faster, err := l.Hasten(ctx, o, last)
		switch {
		case errors.Is(err, trade.ErrNotYet), errors.Is(err, trade.ErrSpent):
		case err != nil:
			d.Log.Warn("cannot hasten", "trade", o.ID, "purpose", o.Purpose, "err", err)
		default:
			return d.storeAndSend(ctx, l, faster)
		}
	}
	for _, tx := range sent {
		if err := l.Send(ctx, tx); err != nil && !errors.Is(err, trade.ErrSpent) {
			return err
		}
	}
	return nil
}

// storeAndSend is the two saves of a transaction: its bytes are stored, then
// broadcast. One that cannot be stored is never sent.
func (d *Desk) storeAndSend(ctx context.Context, l Ledger, txs ...trade.Tx) error {
	if err := d.keep(ctx, l, txs...); err != nil {
		return err
	}
	for _, tx := range txs {
		if tx.Held {
			continue
		}
		if err := l.Send(ctx, tx); err != nil {
			return fmt.Errorf("send %s: %w", tx.Purpose, err)
		}
		d.Log.Info("sent", "trade", tx.ID, "side", tx.Side, "purpose", tx.Purpose, "chain", tx.Chain, "txid", tx.TxID)
	}
	return nil
}

func (d *Desk) keep(ctx context.Context, l Ledger, txs ...trade.Tx) error {
	if err := d.Store.SaveTxs(ctx, txs...); err != nil {
		for _, tx := range txs {
			l.Release(tx)
		}
		return fmt.Errorf("%w: %w", errFatal, err)
	}
	return nil
}

// lock makes our lock, unless it is too late for one or the endpoints do not
// agree on the lock that it answers.
func (d *Desk) lock(ctx context.Context, l Ledger, t trade.Trade, o trade.Order) error {
	if now := unix(time.Now()); now > t.LockBy() {
		return d.tell(ctx, t.ID, trade.LockFailed{Reason: fmt.Sprintf("%v: %d s after the last moment", trade.ErrTooLate, now-t.LockBy())})
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
	if err := d.journalLock(t); err != nil {
		for _, tx := range txs {
			l.Release(tx)
		}
		return fmt.Errorf("%w: %w", errFatal, err)
	}
	return d.storeAndSend(ctx, l, txs...)
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
// become too late it stays in.
func (d *Desk) redeem(ctx context.Context, l Ledger, t trade.Trade, w trade.Want, o trade.Order, held *trade.Tx) error {
	if t.Role == trade.First {
		if over, err := d.mayShow(ctx, t.ID, held != nil); over || err != nil {
			return err
		}
	}
	if held == nil {
		txs, err := l.Prepare(ctx, o)
		if err != nil {
			return fmt.Errorf("prepare redeem: %w", err)
		}
		held = &txs[len(txs)-1]
		if held.Held = w.Together; !held.Held {
			return d.storeAndSend(ctx, l, *held)
		}
		if err := d.keep(ctx, l, *held); err != nil {
			return err
		}
	}
	together, err := d.together(ctx, l, t, o)
	if err == nil {
		return d.storeAndSend(ctx, l, together)
	}
	d.Log.Info("redeems alone", "trade", t.ID, "because", err)
	alone := *held
	alone.Held = false
	return d.storeAndSend(ctx, l, alone)
}

// mayShow is the last look before the secret is given away. While nothing is
// stored it is certainly not out, and is kept in when it has become late or a lock
// counts no longer. Once something is, it may be out: then it is kept in only
// when the partner could refund, who would have done worse had he known it. over
// says that it was missed.
func (d *Desk) mayShow(ctx context.Context, id contracts.Hash, stored bool) (over bool, err error) {
	t, err := d.find(ctx, id)
	if err != nil || t.Secret != nil {
		return false, err
	}
	last := t.AloneBy()
	if stored {
		last = t.Theirs.Terms.Expiry
	}
	if unix(time.Now()) > last {
		return true, d.tell(ctx, id, trade.Missed{})
	}
	if stored {
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
		if err := d.keep(ctx, l, tx); err != nil {
			return err
		}
		if err := d.tell(ctx, t.ID, trade.RefundSigned{}); err != nil {
			return err
		}
		return d.storeAndSend(ctx, l, tx)
	}
	txs, err := l.Prepare(ctx, o)
	if err == nil {
		return d.storeAndSend(ctx, l, txs...)
	}
	if held == nil || errors.Is(err, trade.ErrNotYet) {
		return fmt.Errorf("prepare refund: %w", err)
	}
	d.Log.Warn("refunds with what was signed before the lock", "trade", t.ID, "err", err)
	alone := *held
	alone.Held = false
	return d.storeAndSend(ctx, l, alone)
}
