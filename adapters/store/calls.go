package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"photon/contracts"
	"photon/node/channel"
)

// callTxRow is a signed transaction that calls a contract. State is all of it; the
// other columns repeat what we search by.
type callTxRow struct {
	Number int64  `gorm:"primaryKey"` // given by the database: counts them as they came
	Call   []byte // id of the order
	TxID   []byte `gorm:"column:txid"`
	AtRest bool   // the order needs nothing more
	State  string // JSON of channel.Tx
}

func (callTxRow) TableName() string { return "call_txs" }

var insertCallTxs = statement{"call_txs (call, txid, at_rest, state)", 4, "DO NOTHING", 16}

// SaveCallTxs stores transactions before they are broadcast, all or none. One that is
// stored already is no error and stays as it is. Errors: ErrDiffers when it is stored
// with other bytes, ErrBroken.
func (s *Store) SaveCallTxs(ctx context.Context, txs ...channel.Tx) error {
	values := make([]any, 0, 4*len(txs))
	for _, t := range txs {
		state, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("encode transaction %s: %w", t.ID, err)
		}
		values = append(values, raw(t.Order), raw(t.ID), false, string(state))
	}
	if len(txs) == 0 {
		return nil
	}
	return s.change(ctx, func(tx *gorm.DB) error {
		written, err := insertCallTxs.run(tx, values)
		if err != nil {
			return fmt.Errorf("store transactions: %w", err)
		}
		if written == int64(len(txs)) {
			return nil
		}
		for _, t := range txs {
			if err := meetCallTx(tx, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// meetCallTx compares t with what is stored under its name. Errors: ErrDiffers.
func meetCallTx(tx *gorm.DB, t channel.Tx) error {
	var states []string
	if err := tx.Model(&callTxRow{}).Where("call = ? AND txid = ?", raw(t.Order), raw(t.ID)).Pluck("state", &states).Error; err != nil {
		return fmt.Errorf("look for transaction %s: %w", t.ID, err)
	}
	stored, err := decode[channel.Tx]("transaction", states)
	if err != nil {
		return err
	}
	if len(stored) != 1 || !bytes.Equal(stored[0].Raw, t.Raw) {
		return fmt.Errorf("transaction %s of order %s: %w", t.ID, t.Order, ErrDiffers)
	}
	return nil
}

// rest lays the transactions of orders to rest.
func rest(tx *gorm.DB, orders []contracts.Hash) error {
	for part := range slices.Chunk(orders, batch) {
		ids := make([][]byte, len(part))
		for i, o := range part {
			ids[i] = raw(o)
		}
		if err := tx.Model(&callTxRow{}).Where("call IN ?", ids).Update("at_rest", true).Error; err != nil {
			return fmt.Errorf("lay transactions to rest: %w", err)
		}
	}
	return nil
}

// CallTxs returns the transactions of orders that are not at rest, oldest first.
func (s *Store) CallTxs(ctx context.Context) ([]channel.Tx, error) {
	return statesOf[channel.Tx](ctx, s, "call_txs", "at_rest = ?", false)
}

// OrderTxs returns the transactions of one order, at rest or not, oldest first.
func (s *Store) OrderTxs(ctx context.Context, order contracts.Hash) ([]channel.Tx, error) {
	return statesOf[channel.Tx](ctx, s, "call_txs", "call = ?", raw(order))
}
