package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"photon/contracts"
	"photon/swap/trade"
)

// sendsFor is how long the sends of the wallet are among the transactions that
// may need care.
const sendsFor = 14 * 24 * time.Hour

// txRow is a signed transaction. State is all of it; the other columns repeat
// what we search by.
type txRow struct {
	Seq     int64  `gorm:"->"` // given by the database: counts them as they came
	Trade   string // id of the trade; of a send, of the request
	TxID    string `gorm:"column:txid"`
	Purpose string
	Made    int64  // Unix seconds
	State   string // JSON of trade.Tx
}

func (txRow) TableName() string { return "txs" }

// SaveTxs stores transactions before they are broadcast, all or none. One that
// is stored already is no error and stays as it is, but that it is no longer
// Held once it comes without. Errors: ErrDiffers when it is stored with other
// bytes, ErrBroken.
func (s *Store) SaveTxs(ctx context.Context, txs ...trade.Tx) error {
	rows := make([]txRow, len(txs))
	for i, t := range txs {
		row, err := rowOf(t)
		if err != nil {
			return err
		}
		rows[i] = row
	}
	if len(rows) == 0 {
		return nil
	}
	return s.change(ctx, func(tx *gorm.DB) error {
		r := tx.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(rows, batch)
		if r.Error != nil {
			return fmt.Errorf("store transactions: %w", r.Error)
		}
		if r.RowsAffected == int64(len(rows)) {
			return nil
		}
		for _, t := range txs {
			if err := meetTx(tx, t); err != nil {
				return err
			}
		}
		return nil
	})
}

func rowOf(t trade.Tx) (txRow, error) {
	state, err := json.Marshal(t)
	if err != nil {
		return txRow{}, fmt.Errorf("encode transaction %s: %w", t.TxID, err)
	}
	return txRow{Trade: t.ID.String(), TxID: t.TxID.String(), Purpose: string(t.Purpose), Made: int64(t.Made), State: string(state)}, nil
}

// meetTx compares t with what is stored under its name, and lets that go if it is
// held and t is not. Errors: ErrDiffers.
func meetTx(tx *gorm.DB, t trade.Tx) error {
	var states []string
	named := tx.Model(&txRow{}).Where("trade = ? AND txid = ?", t.ID.String(), t.TxID.String()).Session(&gorm.Session{})
	if err := named.Pluck("state", &states).Error; err != nil {
		return fmt.Errorf("look for transaction %s: %w", t.TxID, err)
	}
	stored, err := decode[trade.Tx]("transaction", states)
	if err != nil {
		return err
	}
	if len(stored) != 1 || !bytes.Equal(stored[0].Raw, t.Raw) {
		return fmt.Errorf("transaction %s of trade %s: %w", t.TxID, t.ID, ErrDiffers)
	}
	if t.Held || !stored[0].Held {
		return nil
	}
	stored[0].Held = false
	row, err := rowOf(stored[0])
	if err != nil {
		return err
	}
	if err := named.Update("state", row.State).Error; err != nil {
		return fmt.Errorf("let transaction %s go: %w", t.TxID, err)
	}
	return nil
}

// Txs returns the transactions of a trade, oldest first; when id is zero, of
// every trade that is not at rest, and the sends of the last two weeks.
func (s *Store) Txs(ctx context.Context, id contracts.Hash) ([]trade.Tx, error) {
	return s.txs(ctx, id, time.Now().Add(-sendsFor))
}

// txs is Txs with the time from which on sends are returned.
func (s *Store) txs(ctx context.Context, id contracts.Hash, sendsFrom time.Time) ([]trade.Tx, error) {
	q := s.read.WithContext(ctx).Model(&txRow{}).Order("seq")
	if id.IsZero() {
		q = q.Where(`(purpose = ? AND made >= ?) OR (purpose <> ? AND NOT EXISTS
			(SELECT 1 FROM trades WHERE trades.id = txs.trade AND trades.at_rest = ?))`,
			string(trade.Send), sendsFrom.Unix(), string(trade.Send), true)
	} else {
		q = q.Where("trade = ?", id.String())
	}
	var states []string
	if err := q.Pluck("state", &states).Error; err != nil {
		return nil, fmt.Errorf("load transactions: %w", err)
	}
	return decode[trade.Tx]("transaction", states)
}
