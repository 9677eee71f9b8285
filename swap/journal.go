package swap

import (
	"context"
	"encoding/json"
	"fmt"

	"photon/contracts"
	"photon/swap/trade"
)

// journal writes down each trade that commits itself to something new, before
// the store does: a journal that knows more than the store is mended by recover,
// one that knows less could lose a trade.
func (d *Desk) journal(trades []trade.Trade) error {
	var records [][]byte
	for _, t := range trades {
		old, known := d.trades[t.ID]
		if known && old.Status == t.Status && old.GaveRefund == t.GaveRefund && old.Missed == t.Missed {
			continue
		}
		if t.Status == trade.Proposed || t.Status == trade.Agreed {
			continue // nothing of ours can be at stake
		}
		record, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("journal trade %s: %w", t.ID, err)
		}
		records = append(records, record)
	}
	if len(records) == 0 {
		return nil
	}
	if err := d.Journal.Append(records...); err != nil {
		return fmt.Errorf("journal %d trades: %w", len(records), err)
	}
	return nil
}

// journalLock writes down that t's lock is about to be stored and sent. Whoever
// takes t up from the journal from then on must not lock anew.
func (d *Desk) journalLock(t trade.Trade) error {
	t.Rescued = true
	record, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("journal trade %s: %w", t.ID, err)
	}
	if err := d.Journal.Append(record); err != nil {
		return fmt.Errorf("journal lock: %w", err)
	}
	return nil
}

// recover takes up trades that the journal knows and the store does not, or not
// as far: the store is new, or an old copy, or we were stopped between the two.
// Where a lock may have been sent, what was signed is lost and nothing is locked
// anew; the chains tell the rest.
func (d *Desk) recover(ctx context.Context) error {
	records, err := d.Journal.Records()
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	newest := map[contracts.Hash]trade.Trade{}
	var order []contracts.Hash
	for _, r := range records {
		var t trade.Trade
		if err := json.Unmarshal(r, &t); err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		if d.leftAlone(t) {
			continue
		}
		last, seen := newest[t.ID]
		if !seen {
			order = append(order, t.ID)
		}
		locked := t.Rescued || last.Rescued
		if t.Version <= last.Version {
			t = last
		}
		t.Rescued = locked
		newest[t.ID] = t
	}
	if len(order) == 0 {
		return nil
	}
	stored, err := d.Store.Trades(ctx, true)
	if err != nil {
		return fmt.Errorf("load trades: %w", err)
	}
	known := make(map[contracts.Hash]trade.Trade, len(stored))
	for _, t := range stored {
		if !d.leftAlone(t) {
			known[t.ID] = t
		}
	}
	var c trade.Change
	for _, id := range order {
		t, have := newest[id], known[id]
		if have.Version >= t.Version || d.alien[id] != nil {
			continue
		}
		// Versions go on from where they were, by each step that a store asks for:
		// beginning anew, the next start would find the journal's ahead again.
		last := t.Version + 1
		for t.Version = have.Version + 1; t.Version <= last; t.Version++ {
			c.Trades = append(c.Trades, t)
		}
		d.Log.Warn("rescued from the journal", "trade", id, "role", t.Role, "status", t.Status, "stored", have.Version > 0)
	}
	if len(c.Trades) == 0 {
		return nil
	}
	if err := d.Store.Save(ctx, c); err != nil {
		return fmt.Errorf("save rescued trades: %w", err)
	}
	return nil
}
