package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"photon/contracts"
	"photon/node/ledger"
)

// A statement inserts rows by one SQL text, some at a time, past gorm: that would
// look at every field of every row by reflection.
type statement struct {
	into   string // table and columns
	width  int    // columns
	on     string // what to do with a row that is there
	atOnce int    // rows in one text: the driver of SQLite takes time for the square of all values
}

// run inserts values, width of them a row, and returns how many rows were written.
func (s statement) run(tx *gorm.DB, values []any) (written int64, err error) {
	for part := range slices.Chunk(values, s.width*s.atOnce) {
		text := "INSERT INTO " + s.into + " VALUES " + s.places(tx.Name() == "postgres", len(part)) + " ON CONFLICT " + s.on
		r, err := tx.Statement.ConnPool.ExecContext(tx.Statement.Context, text, part...)
		if err != nil {
			return 0, err
		}
		n, err := r.RowsAffected()
		if err != nil {
			return 0, err
		}
		written += n
	}
	return written, nil
}

// query runs text with a list of values behind it, past gorm as a statement does, and
// has each row read by one call of read.
func query(db *gorm.DB, text string, values []any, read func(scan func(...any) error) error) error {
	text += statement{width: len(values)}.places(db.Name() == "postgres", len(values))
	rows, err := db.Statement.ConnPool.QueryContext(db.Statement.Context, text, values...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := read(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// places is "(?, ?), (?, ?)", or with numbers "($1, $2), ($3, $4)".
func (s statement) places(numbered bool, values int) string {
	text := make([]byte, 0, 6*values)
	for i := range values {
		switch {
		case i == 0:
			text = append(text, '(')
		case i%s.width == 0:
			text = append(text, "), ("...)
		default:
			text = append(text, ", "...)
		}
		if text = append(text, '?'); numbered {
			text[len(text)-1] = '$'
			text = strconv.AppendInt(text, int64(i+1), 10)
		}
	}
	return string(append(text, ')'))
}

// encoded is v as JSON. It is built as the string that is stored: states of busy
// channels are long, and json.Marshal would have them copied twice.
func encoded(v any) (string, error) {
	var b strings.Builder
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// lastOf leaves of rows with the same key only the last, in place of the first:
// one statement cannot write a row twice.
func lastOf[T any, K comparable](rows []T, key func(T) K) []T {
	at := make(map[K]int, len(rows))
	kept := make([]T, 0, len(rows))
	for _, r := range rows {
		if i, twice := at[key(r)]; twice {
			kept[i] = r
			continue
		}
		at[key(r)] = len(kept)
		kept = append(kept, r)
	}
	return kept
}

// pageRow is what is read of a row that has a number.
type pageRow struct {
	Number int64
	State  string
	Epoch  uint64 // of a payment's channel
	Stands uint64
}

// page reads the rows of q that f asks for, newest first. next is 0 when there are
// no more.
func page(ctx context.Context, q *gorm.DB, f ledger.Filter) (rows []pageRow, next int64, err error) {
	limit := f.Limit
	if limit == 0 {
		limit = ledger.MaxPage
	}
	if limit < 0 || limit > ledger.MaxPage {
		return nil, 0, fmt.Errorf("page of %d, want 1 to %d", limit, ledger.MaxPage)
	}
	if f.After != 0 {
		q = q.Where("number < ?", f.After)
	}
	if err := q.WithContext(ctx).Order("number DESC").Limit(limit + 1).Find(&rows).Error; err != nil {
		return nil, 0, err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = rows[limit-1].Number
	}
	return rows, next, nil
}

// states are the states of rows.
func states(rows []pageRow) []string {
	all := make([]string, len(rows))
	for i, r := range rows {
		all[i] = r.State
	}
	return all
}

// raw is h as a column holds it: half as long as its digits.
func raw(h contracts.Hash) []byte { return h[:] }
