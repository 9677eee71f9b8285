package store

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

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
