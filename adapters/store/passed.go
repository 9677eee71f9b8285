package store

import (
	"context"
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"photon/contracts"
	"photon/node/ledger"
)

// transferRow is a payment of others that we pass on. State is all of it; the other
// columns repeat what we search by.
type transferRow struct {
	Number  int64  `gorm:"primaryKey"` // given by the database: counts them as they came
	ID      []byte // of the incoming lock
	Channel int64  // number of the channel that it came in
	Status  string
	State   string // JSON of ledger.Transfer

	id, key contracts.Hash
}

func (transferRow) TableName() string { return "transfers" }

// demandRow is an invoice of ours. State is all of it; the other columns repeat what
// we search by.
type demandRow struct {
	Number int64  `gorm:"primaryKey"` // given by the database: counts them as they came
	ID     []byte // hash of the invoice
	Asset  string
	Status string
	AtRest bool   // nothing more is decided about it
	State  string // JSON of ledger.Demand

	id contracts.Hash
}

func (demandRow) TableName() string { return "demands" }

var (
	insertTransfers = statement{
		"transfers (id, channel, status, state)", 4,
		"(id, channel) DO UPDATE SET status = excluded.status, state = excluded.state", 32,
	}
	insertDemands = statement{
		"demands (id, asset, status, at_rest, state)", 5,
		"(id) DO UPDATE SET asset = excluded.asset, status = excluded.status, at_rest = excluded.at_rest, state = excluded.state", 16,
	}
)

func transferRows(all []ledger.Transfer) ([]transferRow, error) {
	rows := make([]transferRow, len(all))
	for i, t := range all {
		state, err := json.Marshal(t)
		if err != nil {
			return nil, fmt.Errorf("encode transfer %s: %w", t.ID, err)
		}
		rows[i] = transferRow{ID: raw(t.ID), Status: string(t.Status), State: string(state), id: t.ID, key: t.In.Channel}
	}
	return lastOf(rows, func(r transferRow) [2]contracts.Hash { return [2]contracts.Hash{r.id, r.key} }), nil
}

func demandRows(all []ledger.Demand) ([]demandRow, error) {
	rows := make([]demandRow, len(all))
	for i, d := range all {
		state, err := json.Marshal(d)
		if err != nil {
			return nil, fmt.Errorf("encode invoice %s: %w", d.Invoice.Hash, err)
		}
		rows[i] = demandRow{
			ID: raw(d.Invoice.Hash), Asset: d.Invoice.Asset.String(), Status: string(d.Status), AtRest: d.AtRest(),
			State: string(state), id: d.Invoice.Hash,
		}
	}
	return lastOf(rows, func(r demandRow) contracts.Hash { return r.id }), nil
}

// pass stores transfers, in place of what is stored of the same. Errors:
// ledger.ErrConflict when one came in a channel that is not stored.
func (s shelf) pass(tx *gorm.DB, rows []transferRow) error {
	values := make([]any, 0, 4*len(rows))
	for _, r := range rows {
		c, ok := s[r.key]
		if !ok {
			return stray(fmt.Sprintf("transfer %s", r.id), r.key)
		}
		values = append(values, r.ID, c.Number, r.Status, r.State)
	}
	if _, err := insertTransfers.run(tx, values); err != nil {
		return fmt.Errorf("store transfers: %w", err)
	}
	return nil
}

// demand stores invoices of ours, in place of what is stored of the same.
func demand(tx *gorm.DB, rows []demandRow) error {
	values := make([]any, 0, 5*len(rows))
	for _, r := range rows {
		values = append(values, r.ID, r.Asset, r.Status, r.AtRest, r.State)
	}
	if _, err := insertDemands.run(tx, values); err != nil {
		return fmt.Errorf("store invoices: %w", err)
	}
	return nil
}

// Transfers returns a page of transfers, newest first, and what comes after it: 0
// when there are no more.
func (s *Store) Transfers(ctx context.Context, f ledger.Filter) ([]ledger.Transfer, int64, error) {
	q := s.read.Table("transfers")
	if f.Status != "" {
		q = q.Where("status = ?", f.Status)
	}
	rows, next, err := page(ctx, q, f)
	if err != nil {
		return nil, 0, fmt.Errorf("load transfers: %w", err)
	}
	all, err := decode[ledger.Transfer]("transfer", states(rows))
	return all, next, err
}

// Demands returns a page of invoices of ours, newest first, and what comes after it:
// 0 when there are no more.
func (s *Store) Demands(ctx context.Context, f ledger.Filter) ([]ledger.Demand, int64, error) {
	q := s.read.Table("demands")
	if f.Asset != (contracts.Asset{}) {
		q = q.Where("asset = ?", f.Asset.String())
	}
	if f.Status != "" {
		q = q.Where("status = ?", f.Status)
	}
	rows, next, err := page(ctx, q, f)
	if err != nil {
		return nil, 0, fmt.Errorf("load invoices: %w", err)
	}
	all, err := decode[ledger.Demand]("invoice", states(rows))
	return all, next, err
}

// Demand returns the invoice of ours with this hash, and whether there is one.
func (s *Store) Demand(ctx context.Context, hash contracts.Hash) (ledger.Demand, bool, error) {
	var states []string
	if err := s.read.WithContext(ctx).Model(&demandRow{}).Where("id = ?", raw(hash)).Pluck("state", &states).Error; err != nil {
		return ledger.Demand{}, false, fmt.Errorf("load invoice %s: %w", hash, err)
	}
	all, err := decode[ledger.Demand]("invoice", states)
	if err != nil || len(all) == 0 {
		return ledger.Demand{}, false, err
	}
	return all[0], true, nil
}
