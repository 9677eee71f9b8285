package swap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// Trades returns the trades under way, or all, newest first. Those under way
// carry their chains' heads.
func (d *Desk) Trades(ctx context.Context, all bool) ([]trade.Trade, error) {
	stored, err := d.Store.Trades(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("load trades: %w", err)
	}
	err = d.do(ctx, func() (c trade.Change, err error) {
		for i, t := range stored {
			if live, is := d.trades[t.ID]; is {
				stored[i] = live
			}
		}
		return c, nil
	}, nil)
	slices.SortFunc(stored, func(a, b trade.Trade) int { return cmp.Compare(b.Number, a.Number) })
	return stored, err
}

// Trade returns one trade and its transactions. Errors: trade.ErrUnknown.
func (d *Desk) Trade(ctx context.Context, id contracts.Hash) (trade.Trade, []trade.Tx, error) {
	t, err := d.find(ctx, id)
	if err != nil {
		return t, nil, err
	}
	txs, err := d.Store.Txs(ctx, id)
	return t, txs, err
}

// live returns a trade that a partner may still speak of. used says that there
// was one by this id, even if it is over. A stranger's question costs no more
// than a look at what is in memory.
func (d *Desk) live(ctx context.Context, id contracts.Hash) (t trade.Trade, known, used bool, err error) {
	err = d.do(ctx, func() (trade.Change, error) {
		t, known = d.trades[id]
		used = d.used[id]
		return trade.Change{}, nil
	}, nil)
	return t, known, used, err
}

// find returns a trade, under way or at rest. Errors: trade.ErrUnknown.
func (d *Desk) find(ctx context.Context, id contracts.Hash) (trade.Trade, error) {
	t, known, used, err := d.live(ctx, id)
	if err != nil || known {
		return t, err
	}
	if used {
		all, err := d.Store.Trades(ctx, true)
		if err != nil {
			return t, fmt.Errorf("load trades: %w", err)
		}
		if i := slices.IndexFunc(all, func(t trade.Trade) bool { return t.ID == id }); i >= 0 {
			return all[i], nil
		}
	}
	return t, fmt.Errorf("trade %s: %w", id, trade.ErrUnknown)
}

// Leave cancels a trade in which we have locked nothing, or asks the partner for
// a refund and waits for the time lock otherwise. Errors: trade.ErrUnknown,
// trade.ErrStatus.
func (d *Desk) Leave(ctx context.Context, id contracts.Hash) error {
	if _, err := d.find(ctx, id); err != nil {
		return err
	}
	return d.tell(ctx, id, trade.Left{})
}

// Heads returns the newest block of each chain that has told one.
func (d *Desk) Heads(ctx context.Context) (heads map[contracts.Chain]trade.Head, err error) {
	err = d.do(ctx, func() (trade.Change, error) {
		heads = make(map[contracts.Chain]trade.Head, len(d.heads))
		for c, h := range d.heads {
			heads[c] = h
		}
		return trade.Change{}, nil
	}, nil)
	return heads, err
}

// sendWithin is the time in which a payment from the wallet should be mined.
const sendWithin = time.Hour

// Send pays amount of asset from our wallet. id names the request: the same id
// again sends the same transaction, never a second. A fee above maxFee, unless
// that is 0, is refused. Errors: contracts.ErrAddress, contracts.ErrAmount,
// trade.ErrShort, trade.ErrConflict.
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
		return stored[0], l.Send(ctx, stored[0])
	}
	txs, err := l.Prepare(ctx, trade.Order{
		ID: id, Side: trade.Ours, Purpose: trade.Send, To: to,
		Terms: contracts.Terms{Asset: asset, Amount: amount}, Deadline: unix(time.Now().Add(sendWithin)),
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
	return tx, d.storeAndSend(ctx, l, tx)
}
