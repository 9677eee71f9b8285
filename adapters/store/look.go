package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/glebarez/sqlite"
	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"photon/migrations"
)

// A Sight is what an Open would find.
type Sight struct {
	Schema int64 // of the database; 0 when it is empty
	Knows  int64 // the newest schema of this program, to which an Open brings it
	Open   int64 // trades that are not at rest
}

// Look looks at the database at url as Open would and changes nothing: no file
// and no folder is made, no schema brought up to date, no lock kept. Errors:
// fs.ErrNotExist when there is no file, ErrURL, ErrLocked while a process has it
// open, ErrPermissions, ErrNewer.
func Look(ctx context.Context, url string) (Sight, error) {
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	var (
		s   Sight
		err error
	)
	switch scheme, rest, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		s, err = lookSQLite(ctx, rest)
	case "postgres", "postgresql":
		s, err = lookPostgres(ctx, url)
	default:
		return s, foreign(scheme)
	}
	if err != nil {
		return s, fmt.Errorf("look at store: %w", err)
	}
	return s, nil
}

// lookSQLite reads the file at path. Without a log of writes beside it nobody has
// it open, and SQLite is told so: otherwise it would make files for others to share.
func lookSQLite(ctx context.Context, path string) (s Sight, err error) {
	if path, err = place(path); err != nil {
		return s, err
	}
	if err := errors.Join(checkFolder(filepath.Dir(path)), checkFile(path)); err != nil {
		return s, err
	}
	if err := lookLock(filepath.Join(filepath.Dir(path), lockFile)); err != nil {
		return s, err
	}
	alone := url.Values{"mode": {"ro"}}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		alone.Set("immutable", "1")
	}
	pool, err := sql.Open(sqlite.DriverName, fileURL(path, "query_only(1)")+"&"+alone.Encode())
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	db, err := wrap(sqlite.Dialector{Conn: pool})
	if err != nil {
		return s, err
	}
	return sight(ctx, db, "sqlite")
}

// lookLock reports whether a process holds the lock at path. To see it, it takes
// the lock for an instant and gives it back.
// Errors: ErrLocked.
func lookLock(path string) error {
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryRLock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at lock %s: %w", path, err)
	case !free:
		return fmt.Errorf("%w: folder %s is held by %s", ErrLocked, filepath.Dir(path), holder(path))
	}
	return lock.Close()
}

// lookPostgres reads the database at url in a session that cannot write.
func lookPostgres(ctx context.Context, url string) (s Sight, err error) {
	config, err := parse(url)
	if err != nil {
		return s, err
	}
	config.RuntimeParams["default_transaction_read_only"] = "on"
	pool := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		if err := lockedBy(ctx, c); !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		return nil
	}))
	pool.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, pool.Close()) }()
	if err := pool.PingContext(ctx); err != nil {
		return s, err
	}
	db, err := wrap(postgres.New(postgres.Config{Conn: pool}))
	if err != nil {
		return s, err
	}
	return sight(ctx, db, "postgres")
}

// sight reads what goose and we have stored. Asked itself, goose would make its
// table. Errors: ErrNewer.
func sight(ctx context.Context, db *gorm.DB, folder string) (s Sight, err error) {
	if s.Knows, err = newest(folder); err != nil {
		return s, err
	}
	db = db.WithContext(ctx)
	if err := db.Exec("SELECT 1").Error; err != nil {
		return s, err
	}
	if db.Migrator().HasTable(goose.DefaultTablename) {
		if err := db.Table(goose.DefaultTablename).Select("coalesce(max(version_id), 0)").Scan(&s.Schema).Error; err != nil {
			return s, fmt.Errorf("schema version: %w", err)
		}
	}
	if err := notNewer(s.Schema, s.Knows); err != nil {
		return s, err
	}
	if db.Migrator().HasTable(tradeRow{}) {
		if err := db.Model(&tradeRow{}).Where("at_rest = ?", false).Count(&s.Open).Error; err != nil {
			return s, fmt.Errorf("count trades: %w", err)
		}
	}
	return s, nil
}

// newest is the highest number of our schema's files.
func newest(folder string) (highest int64, err error) {
	files, err := migrations.Of(folder)
	if err != nil {
		return 0, err
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		n, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("migration %s: %w", name, err)
		}
		highest = max(highest, n)
	}
	return highest, nil
}
