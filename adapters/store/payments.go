package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"photon/contracts"
	"photon/node/ledger"
)

// paymentRow is a payment of ours or to us. State is all of it; the other columns
// repeat what we search by.
type paymentRow struct {
	Number  int64  `gorm:"primaryKey"` // given by the database: counts them as they came
	ID      []byte // with Ours, no two have the same
	Ours    bool
	Asset   string
	Status  string // done also once it has flown
	Channel int64  // number of the channel in which it has flown; 0 is none
	Epoch   int64  // of that update, and its nonce
	Nonce   int64
	State   string // JSON of ledger.Payment

	id, key contracts.Hash
}

func (paymentRow) TableName() string { return "payments" }

var insertPayments = statement{
	"payments (id, ours, asset, status, channel, epoch, nonce, state)", 8,
	`(id, ours) DO UPDATE SET asset = excluded.asset, status = excluded.status, channel = excluded.channel,
		epoch = excluded.epoch, nonce = excluded.nonce, state = excluded.state`, 32,
}

func paymentRows(all []ledger.Payment) ([]paymentRow, error) {
	rows := make([]paymentRow, len(all))
	for i, p := range all {
		state, err := encoded(p)
		if err != nil {
			return nil, fmt.Errorf("encode payment %s: %w", p.ID, err)
		}
		rows[i] = paymentRow{ID: raw(p.ID), Ours: p.Ours, Asset: p.Asset.String(), Status: string(p.Status), State: state, id: p.ID}
		if p.Flown() {
			rows[i].Status, rows[i].Epoch, rows[i].Nonce, rows[i].key = string(ledger.Done), int64(p.Epoch), int64(p.Nonce), p.Channel
		}
	}
	type name struct {
		id   contracts.Hash
		ours bool
	}
	return lastOf(rows, func(r paymentRow) name { return name{r.id, r.Ours} }), nil
}

// pay stores payments, in place of what is stored of the same. Errors:
// ledger.ErrConflict when one has flown in a channel that is not stored.
func (s shelf) pay(tx *gorm.DB, rows []paymentRow) error {
	values := make([]any, 0, 8*len(rows))
	for _, r := range rows {
		if r.Nonce > 0 {
			c, ok := s[r.key]
			if !ok {
				return stray(fmt.Sprintf("payment %s", r.id), r.key)
			}
			r.Channel = c.Number
		}
		values = append(values, r.ID, r.Ours, r.Asset, r.Status, r.Channel, r.Epoch, r.Nonce, r.State)
	}
	if _, err := insertPayments.run(tx, values); err != nil {
		return fmt.Errorf("store payments: %w", err)
	}
	return nil
}

// underWay are the numbers of payments that are pending, as ledger.Payment.In says
// it: few, and found by two indexes, each of which must be named by its own
// condition. CROSS keeps SQLite from going through all payments first.
const underWay = `SELECT number FROM payments WHERE status <> 'done' AND status = 'pending'
	UNION ALL SELECT p.number FROM channels c CROSS JOIN payments p
		WHERE p.channel > 0 AND p.channel = c.number AND p.epoch = c.epoch AND p.nonce > c.stands`

// payments selects payments with what their channels say of them.
func (s *Store) payments(ctx context.Context) *gorm.DB {
	return s.read.WithContext(ctx).Table("payments").Select(`payments.number, payments.state,
		coalesce((SELECT epoch FROM channels WHERE channels.number = payments.channel), 0) AS epoch,
		coalesce((SELECT stands FROM channels WHERE channels.number = payments.channel), 0) AS stands`)
}

// readPayments decodes rows of payments, each with the status that it has now.
func readPayments(rows []pageRow) ([]ledger.Payment, error) {
	all, err := decode[ledger.Payment]("payment", states(rows))
	if err != nil {
		return nil, err
	}
	for i, p := range all {
		all[i].Status = p.In(rows[i].Epoch, rows[i].Stands)
	}
	return all, nil
}

// Payments returns a page of payments, newest first, each with the status that it
// has now, and what comes after it: 0 when there are no more. Filters that hold of
// many payments each but together of few make it go through all of those.
func (s *Store) Payments(ctx context.Context, f ledger.Filter) ([]ledger.Payment, int64, error) {
	q := s.payments(ctx)
	if f.Asset != (contracts.Asset{}) {
		q = q.Where("asset = ?", f.Asset.String())
	}
	if f.Ours != nil {
		q = q.Where("ours = ?", *f.Ours)
	}
	switch ledger.Status(f.Status) {
	case "":
	case ledger.Pending:
		q = q.Where("number IN (" + underWay + ")")
	case ledger.Done:
		q = q.Where("status = 'done' AND number NOT IN (" + underWay + ")")
	default:
		q = q.Where("status <> 'done' AND status = ?", f.Status)
	}
	rows, next, err := page(ctx, q, f)
	if err != nil {
		return nil, 0, fmt.Errorf("load payments: %w", err)
	}
	all, err := readPayments(rows)
	return all, next, err
}
