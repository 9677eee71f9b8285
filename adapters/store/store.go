// Package store keeps trades, effects, transactions, offers and notes, and the
// channels and payments of a node, in SQLite or PostgreSQL.
//
//	Open("sqlite:photon.db")            a file of ours, and LOCK beside it
//	Open("postgres://user@host/photon") a database of ours, under an advisory lock
//	Look(…)                             what an Open would find; changes nothing
//	  └─▶ Save      trades and their effects, whole or not at all   trades.go
//	      SaveTxs   transactions, before they are broadcast         txs.go, calls.go
//	      SaveOffer Put                                             offers.go, notes.go
//	      SaveLedger channels, payments and all that a node knows   ledger.go, and by
//	                kind: channels.go, payments.go, passed.go; rows.go writes them
//
// The one rule: what a method has stored without an error is on the disk, and
// only one process writes. There is one connection that writes; once it fails
// in a way that leaves doubt, nothing more is written until a new Open.
//
// A row holds the whole state as JSON; its other columns repeat what is searched
// by. The schema is the package migrations.
//
// Start reading at [Open], then [Store.Save] and [Store.SaveLedger].
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"photon/migrations"
)

// Why the store refuses. Each is wrapped with what decided it.
var (
	ErrURL         = errors.New("not the URL of a database")
	ErrLocked      = errors.New("in use by another process")
	ErrPermissions = errors.New("open to other users of this machine")
	ErrNewer       = errors.New("database of a newer version of this program")
	ErrDiffers     = errors.New("stored with other bytes")
	ErrBroken      = errors.New("store takes no more writes")
)

const (
	batch      = 100              // rows in one statement
	writeLimit = time.Minute      // longest that one transaction may take
	openLimit  = 30 * time.Second // longest that a first connection may take
)

// A Store is an open database. It is safe for use by many goroutines.
type Store struct {
	read  *gorm.DB
	write *gorm.DB    // one connection, which holds the lock of PostgreSQL
	close []io.Closer // in this order
	asked questions

	mu     sync.Mutex // held while writing
	broken error      // the failure after which nothing is written
}

// Open opens the database at url, "sqlite:PATH" or "postgres://…", makes it and
// its folder when there is none, and brings its schema up to date. No other
// process can open it until Close. Errors: ErrURL, ErrLocked, ErrPermissions,
// ErrNewer.
func Open(ctx context.Context, url string) (*Store, error) {
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	var (
		s   *Store
		err error
	)
	switch scheme, rest, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		s, err = openSQLite(ctx, rest)
	case "postgres", "postgresql":
		s, err = openPostgres(ctx, url)
	default:
		return nil, foreign(scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// foreign refuses a URL. It may hold a password: only its scheme is shown.
func foreign(scheme string) error {
	return fmt.Errorf("%w: it begins with %.20q, want sqlite:PATH or postgres://…", ErrURL, scheme)
}

// Close ends the use of the database and lets others open it.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = errors.New("closed")
	}
	var errs []error
	for _, c := range s.close {
		errs = append(errs, c.Close())
	}
	s.close = nil
	return errors.Join(errs...)
}

// change runs f in one transaction of the one connection that writes. Once it
// has begun it does not end with ctx, because a transaction that is cut off
// while it commits leaves doubt. Errors: ErrBroken.
func (s *Store) change(ctx context.Context, f func(tx *gorm.DB) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return fmt.Errorf("%w: %w", ErrBroken, s.broken)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	err := s.write.WithContext(ctx).Transaction(f)
	if err != nil && !harmless(err) {
		s.broken = err
	}
	return err
}

// wrap gives gorm a pool of connections. Statements are prepared once by the
// driver of PostgreSQL. gorm's own cache is of no use here, as it prepares anew in
// every transaction, and it starts a goroutine that never ends.
func wrap(d gorm.Dialector) (*gorm.DB, error) {
	return gorm.Open(stoppable{d}, &gorm.Config{
		SkipDefaultTransaction: true,
		TranslateError:         true,
		CreateBatchSize:        batch,
		Logger:                 logger.Discard, // it would print states; errors are returned
	})
}

// migrate brings the schema up to date. Errors: ErrNewer.
func migrate(ctx context.Context, pool *sql.DB, dialect goose.Dialect, folder string) error {
	files, err := migrations.Of(folder)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, pool, files)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	has, knows, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("schema version: %w", err)
	}
	if err := notNewer(has, knows); err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate from schema %d to %d: %w", has, knows, err)
	}
	return nil
}

// notNewer refuses a schema that this program does not know. Errors: ErrNewer.
func notNewer(has, knows int64) error {
	if has > knows {
		return fmt.Errorf("%w: schema %d, this program knows up to %d", ErrNewer, has, knows)
	}
	return nil
}
