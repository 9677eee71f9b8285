package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"photon/node/ledger"
	"photon/swap/trade"
)

// harmless reports whether a transaction that ended with err is known to have
// changed nothing, and the next may well succeed. Everything else, such as a full
// disk, a failed flush or a lost session, leaves doubt.
//
// Source: sqlite.org/rescode.html; PostgreSQL's manual, appendix A.
func harmless(err error) bool {
	if errors.Is(err, trade.ErrConflict) || errors.Is(err, ledger.ErrConflict) || errors.Is(err, ErrDiffers) {
		return true
	}
	var lite interface{ Code() int }
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case 5, 6, 18, 19, 20: // busy, locked, too big, constraint, mismatch
			return true
		}
		return false
	}
	var server *pgconn.PgError
	if errors.As(err, &server) && len(server.Code) == 5 {
		switch server.Code[:2] {
		case "22", "23", "40", "54", "55": // data, constraint, rolled back, limit, not ready
			return true
		}
	}
	return false
}

// A stoppable database says so when a question to it was cut off because whoever
// asked was told to stop: a driver may only say that it was interrupted.
type stoppable struct{ gorm.Dialector }

// Translate adds context.Canceled to what says that a question was cut off.
//
// Source: as harmless.
func (stoppable) Translate(err error) error {
	var lite interface{ Code() int }
	var server *pgconn.PgError
	cut := errors.As(err, &lite) && lite.Code()&0xff == 9 || errors.As(err, &server) && server.Code == "57014"
	if cut && !errors.Is(err, context.Canceled) {
		return errors.Join(err, context.Canceled)
	}
	return err
}
