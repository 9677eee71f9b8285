// Package migrations holds the schema of the store: numbered SQL, one set for
// SQLite and one for PostgreSQL, the same numbers in both.
//
//	sqlite/0001_trades.sql    ▶ postgres/0001_trades.sql    trades, effects, transactions
//	sqlite/0002_offers.sql    ▶ postgres/0002_offers.sql    offers
//	sqlite/0003_notes.sql     ▶ postgres/0003_notes.sql     notes of adapters
//	sqlite/0004_channels.sql  ▶ postgres/0004_channels.sql  a node's channels and payments
//
// The one rule: a file that has landed is never edited. What must change comes
// as the next number, in both folders.
//
// Start reading at sqlite/0001_trades.sql.
package migrations

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// Of returns the files for a dialect, "sqlite" or "postgres".
func Of(dialect string) (fs.FS, error) {
	if dialect != "sqlite" && dialect != "postgres" {
		return nil, fmt.Errorf("migrations: no set for dialect %q", dialect)
	}
	return fs.Sub(files, dialect)
}
