package swap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// How a payment from the wallet is seen to. All in seconds but paysAtOnce.
const (
	sendWithin = 3600           // until it should be mined
	payFor     = 14 * 24 * 3600 // it is sent again, as long as the store tells of it
	payAgain   = uint64(30)     // until it is sent again the first time, then twice as long each time
	payRest    = 3600           // at most
	paysAtOnce = 4              // queued for one chain in one sweep: trades come first
	payDeep    = 4              // times the confirmations that trades ask for: it stays mined
)

// A payment is a stored transaction that pays from our wallet.
type payment struct {
	tx    trade.Tx
	taken int // how often a node took it, in this run
}

// Send pays amount of asset from our wallet. id names the request: the same id
// again sends the same transaction, never a second. A fee above maxFee, unless
// that is 0, is refused. Once it is stored it is a promise: what no node takes now
// is sent again until it is mined, for two weeks. Errors: contracts.ErrAddress,
// contracts.ErrAmount, trade.ErrShort, trade.ErrSpent, trade.ErrConflict.
func (d *Desk) Send(ctx context.Context, id contracts.Hash, asset contracts.Asset, to string, amount, maxFee contracts.Amount) (trade.Tx, error) {
	l := d.Ledgers[asset.Chain]
	if l == nil {
		return trade.Tx{}, fmt.Errorf("%w: no node of %s is configured", contracts.ErrChain, asset.Chain)
	}
	if err := l.CheckAddress(to); err != nil {
		return trade.Tx{}, err
	}
	if amount.IsZero() {
		return trade.Tx{}, fmt.Errorf("%w: nothing to send", contracts.ErrAmount)
	}
	pays := contracts.Sum{Asset: asset, Amount: amount}.String() + " to " + to
	if _, busy := d.paying.LoadOrStore(id, true); busy {
		return trade.Tx{}, fmt.Errorf("%w: it is under way", trade.ErrConflict)
	}
	defer d.paying.Delete(id)
	stored, err := d.Store.Txs(ctx, id)
	if err != nil {
		return trade.Tx{}, fmt.Errorf("load transactions: %w", err)
	}
	if len(stored) > 0 {
		if stored[0].Pays != pays {
			return trade.Tx{}, fmt.Errorf("%w: under this id %s was sent", trade.ErrConflict, stored[0].Pays)
		}
		d.pay(ctx, d.payment(stored[0])) // what has become of it is its job's to say
		return stored[0], nil
	}
	txs, err := l.Prepare(ctx, trade.Order{
		ID: id, Side: trade.Ours, Purpose: trade.Send, To: to,
		Terms: contracts.Terms{Asset: asset, Amount: amount}, Deadline: unix(time.Now()) + sendWithin,
	})
	if err != nil {
		return trade.Tx{}, err
	}
	tx := txs[len(txs)-1]
	if !maxFee.IsZero() && maxFee.Less(tx.Fee) {
		l.Release(tx)
		return trade.Tx{}, fmt.Errorf("%w: fee %s is above %s", trade.ErrShort, tx.Fee, maxFee)
	}
	tx.Pays = pays
	// Whoever asked may have gone: that is no failure of the store.
	if err := d.keep(context.WithoutCancel(ctx), tx); err != nil {
		d.fail(err)
		return trade.Tx{}, err
	}
	if err := d.pay(ctx, d.payment(tx)); errors.Is(err, trade.ErrSpent) {
		return trade.Tx{}, err // it never will be
	}
	return tx, nil
}

// payment is the job of a stored payment: one for each, until it is over.
func (d *Desk) payment(tx trade.Tx) *job {
	work, key := d.works[tx.Chain], jobKey{tx.TxID, tx.Side, tx.Purpose}
	work.mu.Lock()
	defer work.mu.Unlock()
	if j := work.jobs[key]; j != nil {
		return j
	}
	j := &job{key: key, pays: &payment{tx: tx}}
	work.jobs[key] = j
	return j
}

// pay sends a payment unless it is mined, and says when to look at it again: a
// reorganisation may undo it until it is deep, and then it is over. One whose
// money is spent otherwise is over too, and so is one that the payee has spent: no
// node tells the two apart. It returns what the chain says.
func (d *Desk) pay(ctx context.Context, j *job) error {
	tx, work := j.pays.tx, d.works[j.pays.tx.Chain]
	depth, err := d.Ledgers[tx.Chain].Buried(ctx, tx)
	if err == nil && depth == 0 {
		err = d.Ledgers[tx.Chain].Send(ctx, tx)
	}
	now := unix(time.Now())
	work.mu.Lock()
	defer work.mu.Unlock()
	log := d.Log.With("chain", tx.Chain, "txid", tx.TxID, "pays", tx.Pays)
	switch {
	case err == nil && depth >= payDeep*max(d.Confirmations[tx.Chain], 1):
		log.Info("paid", "depth", depth)
		delete(work.jobs, j.key)
	case err == nil && depth > 0:
		j.tries, j.after = 0, now+payRest
	case err == nil:
		if j.pays.taken == 0 {
			log.Info("sent", "purpose", tx.Purpose)
		}
		j.tries, j.after = 0, now+min(payAgain<<min(j.pays.taken, 10), payRest)
		j.pays.taken++
	case errors.Is(err, trade.ErrSpent):
		log.Warn("sends no more", "taken", j.pays.taken, "err", err)
		delete(work.jobs, j.key)
	default:
		j.tries++
		j.after = now + backOff(j.tries)
		log.Warn("will send again", "tries", j.tries, "err", err)
	}
	return err
}

// payments queues those that are due, a few at a time, and ends those that are
// old.
func (d *Desk) payments(now uint64) {
	for _, work := range d.works {
		work.mu.Lock()
		left := paysAtOnce
		for key, j := range work.jobs {
			switch {
			case j.pays == nil || j.busy || now < j.after:
			case now > j.pays.tx.Made+payFor:
				delete(work.jobs, key)
			case left > 0:
				left--
				select {
				case work.queue <- j:
					j.busy = true
				default: // full: the next sweep tries again
				}
			}
		}
		work.mu.Unlock()
	}
}

// fail ends Run with err.
func (d *Desk) fail(err error) {
	select {
	case d.failed <- err:
	default: // it is ending
	}
}
