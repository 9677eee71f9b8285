package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"photon/contracts"
	"photon/swap/trade"
)

// tradeRow is a trade at rest or under way. State is all of it; the other
// columns repeat what we search by.
type tradeRow struct {
	ID      string `gorm:"primaryKey"`
	Version int64  // counts changes
	AtRest  bool   // nothing more will happen to it
	State   string // JSON of trade.Trade
}

func (tradeRow) TableName() string { return "trades" }

// effectRow is an effect that is still to be carried out.
type effectRow struct {
	ID    int64  `gorm:"primaryKey;autoIncrement"`
	Trade string // id of the trade
	Kind  string // as trade.EncodeEffect names it
	Body  string // JSON
}

func (effectRow) TableName() string { return "effects" }

// atRest reports whether a trade in this status needs nothing more. A status
// that is not known here does.
func atRest(s trade.Status) bool {
	return s == trade.Completed || s == trade.Refunded || s == trade.Cancelled
}

// Save stores c whole or not at all. A trade of version 1 must be new; every
// other must be stored with the version before. Errors: trade.ErrConflict,
// ErrBroken.
func (s *Store) Save(ctx context.Context, c trade.Change) error {
	trades := make([]tradeRow, len(c.Trades))
	for i, t := range c.Trades {
		state, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("encode trade %s: %w", t.ID, err)
		}
		trades[i] = tradeRow{t.ID.String(), int64(t.Version), atRest(t.Status), string(state)}
	}
	effects := make([]effectRow, len(c.Effects))
	for i, p := range c.Effects {
		kind, body, err := trade.EncodeEffect(p.Effect)
		if err != nil {
			return fmt.Errorf("encode effect %T of trade %s: %w", p.Effect, p.Trade, err)
		}
		effects[i] = effectRow{Trade: p.Trade.String(), Kind: kind, Body: string(body)}
	}
	return s.change(ctx, func(tx *gorm.DB) error {
		if err := saveTrades(tx, trades); err != nil {
			return err
		}
		if len(effects) > 0 {
			if err := tx.CreateInBatches(effects, batch).Error; err != nil {
				return fmt.Errorf("store effects: %w", err)
			}
		}
		for done := c.Done; len(done) > 0; done = done[min(batch, len(done)):] {
			if err := tx.Delete(&effectRow{}, "id IN ?", done[:min(batch, len(done))]).Error; err != nil {
				return fmt.Errorf("forget effects: %w", err)
			}
		}
		return nil
	})
}

// saveTrades stores rows in order, as many as it can with each statement.
// Errors: trade.ErrConflict.
func saveTrades(tx *gorm.DB, rows []tradeRow) error {
	for len(rows) > 0 {
		n := alike(rows)
		store := updateTrades
		if rows[0].Version == 1 {
			store = insertTrades
		}
		stored, err := store(tx, rows[:n])
		if err != nil {
			return fmt.Errorf("store trades: %w", err)
		}
		if stored != int64(n) {
			return conflict(tx, rows[:n])
		}
		rows = rows[n:]
	}
	return nil
}

// alike counts the first rows that one statement can store: all new or none of
// them, and no trade twice.
func alike(rows []tradeRow) int {
	seen := map[string]bool{}
	for i, r := range rows {
		if i == batch || seen[r.ID] || (r.Version == 1) != (rows[0].Version == 1) {
			return i
		}
		seen[r.ID] = true
	}
	return len(rows)
}

func insertTrades(tx *gorm.DB, rows []tradeRow) (int64, error) {
	r := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(rows)
	return r.RowsAffected, r.Error
}

// updateTrades overwrites those rows that are stored with the version before.
func updateTrades(tx *gorm.DB, rows []tradeRow) (int64, error) {
	const row = ", (CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BOOLEAN), CAST(? AS TEXT))"
	values := make([]any, 0, 4*len(rows))
	for _, r := range rows {
		values = append(values, r.ID, r.Version, r.AtRest, r.State)
	}
	r := tx.Exec(`UPDATE trades SET version = new.column2, at_rest = new.column3, state = new.column4
		FROM (VALUES `+strings.Repeat(row, len(rows))[2:]+`) AS new
		WHERE trades.id = new.column1 AND trades.version = new.column2 - 1`, values...)
	return r.RowsAffected, r.Error
}

// conflict names the first of rows that was not stored. By now the others are,
// within a transaction that will be undone.
func conflict(tx *gorm.DB, rows []tradeRow) error {
	for _, r := range rows {
		var has []tradeRow
		if err := tx.Where("id = ?", r.ID).Find(&has).Error; err != nil {
			return fmt.Errorf("look for conflict: %w", err)
		}
		switch {
		case len(has) == 0:
			return fmt.Errorf("%w: trade %s version %d: none is stored", trade.ErrConflict, r.ID, r.Version)
		case has[0].Version != r.Version || has[0].State != r.State:
			return fmt.Errorf("%w: trade %s version %d: stored is version %d", trade.ErrConflict, r.ID, r.Version, has[0].Version)
		}
	}
	return fmt.Errorf("%w: one of %d trades is stored already", trade.ErrConflict, len(rows))
}

// Trades returns all trades that are not at rest, or all, by id.
func (s *Store) Trades(ctx context.Context, all bool) ([]trade.Trade, error) {
	q := s.read.WithContext(ctx).Model(&tradeRow{}).Order("id")
	if !all {
		q = q.Where("at_rest = ?", false)
	}
	var states []string
	if err := q.Pluck("state", &states).Error; err != nil {
		return nil, fmt.Errorf("load trades: %w", err)
	}
	return decode[trade.Trade]("trade", states)
}

// Pending returns effects that are not done, oldest first, but for those of a
// protocol that we do not know: they wait for the program that stored them.
func (s *Store) Pending(ctx context.Context) ([]trade.Pending, error) {
	var rows []effectRow
	if err := s.read.WithContext(ctx).Order("id").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("load effects: %w", err)
	}
	pending := make([]trade.Pending, 0, len(rows))
	for _, r := range rows {
		id, err := contracts.ParseHash(r.Trade)
		if err != nil {
			return nil, fmt.Errorf("effect %d: trade: %w", r.ID, err)
		}
		effect, err := trade.DecodeEffect(r.Kind, []byte(r.Body))
		if errors.Is(err, trade.ErrProtocol) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("effect %d of trade %s: %w", r.ID, id, err)
		}
		pending = append(pending, trade.Pending{ID: r.ID, Trade: id, Effect: effect})
	}
	return pending, nil
}

// decode reads the JSON of whole states.
func decode[T any](what string, states []string) ([]T, error) {
	all := make([]T, len(states))
	for i, state := range states {
		if err := json.Unmarshal([]byte(state), &all[i]); err != nil {
			return nil, fmt.Errorf("stored %s %d of %d: %w", what, i+1, len(states), err)
		}
	}
	return all, nil
}
