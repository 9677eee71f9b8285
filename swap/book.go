package swap

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"photon/contracts"
	"photon/swap/trade"
)

// Trades returns the trades under way, or all, newest first. Those under way
// carry their chains' heads. Those that are left alone are not among them.
func (d *Desk) Trades(ctx context.Context, all bool) ([]trade.Trade, error) {
	stored, err := d.Store.Trades(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("load trades: %w", err)
	}
	stored = slices.DeleteFunc(stored, func(t trade.Trade) bool { return t.Known() != nil })
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

// Trade returns one trade and its transactions. Errors: trade.ErrUnknown,
// trade.ErrProtocol.
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

// find returns a trade, under way or at rest. Errors: trade.ErrUnknown,
// trade.ErrProtocol.
func (d *Desk) find(ctx context.Context, id contracts.Hash) (trade.Trade, error) {
	var t trade.Trade
	var known, used bool
	err := d.do(ctx, func() (trade.Change, error) {
		t, known = d.trades[id]
		used = d.used[id]
		return trade.Change{}, d.alien[id]
	}, nil)
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
// trade.ErrProtocol, those of trade.Trade.MayLeave.
func (d *Desk) Leave(ctx context.Context, id contracts.Hash) error {
	t, err := d.find(ctx, id)
	if err != nil {
		return err
	}
	if t.Status.AtRest() { // the loop may have let go of it
		return t.MayLeave()
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
