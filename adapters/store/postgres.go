package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"gorm.io/driver/postgres"
)

// lockNumber names our lock among the advisory locks of a database: "photon".
const lockNumber = 0x70686f746f6e

// lockPatience is how long the lock is waited for, and its return.
const lockPatience = time.Second

// errSession means that PostgreSQL ended the session which held the lock.
var errSession = errors.New("the database session that held the lock ended")

// openPostgres opens the database at url. The one connection that writes holds
// the lock: when it ends, the lock and the writing end with it.
func openPostgres(ctx context.Context, url string) (_ *Store, err error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["synchronous_commit"] = "on"

	var connected atomic.Bool
	writer := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		if connected.Load() {
			return errSession
		}
		if err := lockDatabase(ctx, c); err != nil {
			return err
		}
		connected.Store(true)
		return nil
	}))
	writer.SetMaxOpenConns(1)
	writer.SetMaxIdleConns(1)
	reading := config.Copy()
	reading.RuntimeParams["default_transaction_read_only"] = "on"
	reader := stdlib.OpenDB(*reading)
	reader.SetMaxOpenConns(4)
	s := &Store{close: []io.Closer{reader, writer}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := migrate(ctx, writer, goose.DialectPostgres, "postgres"); err != nil {
		return nil, err
	}
	s.close = []io.Closer{reader, databaseLock{writer}, writer}
	if s.write, err = wrap(postgres.New(postgres.Config{Conn: writer})); err != nil {
		return nil, err
	}
	s.read, err = wrap(postgres.New(postgres.Config{Conn: reader}))
	return s, err
}

// parse reads url. Errors: ErrURL.
func parse(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	config.RuntimeParams["application_name"] = "photon"
	return config, nil
}

// A databaseLock is the lock that the one connection of a pool holds.
type databaseLock struct{ writer *sql.DB }

// Close gives the lock back. The end of the session would too, but the server may
// take its time to notice it.
func (l databaseLock) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	_, err := l.writer.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(lockNumber))
	if errors.Is(err, errSession) {
		return nil // the lock ended with the session
	}
	return err
}

// lockDatabase takes the lock for as long as c lives. It has a little patience,
// because a server notices late that a process was killed. Errors: ErrLocked.
func lockDatabase(ctx context.Context, c *pgx.Conn) error {
	pause := time.NewTicker(lockPatience / 20)
	defer pause.Stop()
	for try := 0; ; try++ {
		var got bool
		if err := c.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(lockNumber)).Scan(&got); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
		if got {
			return nil
		}
		if try == 20 {
			return lockedBy(ctx, c)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lockedBy is the error that names who holds the lock. Errors: ErrLocked;
// pgx.ErrNoRows besides when nobody is seen to.
func lockedBy(ctx context.Context, c *pgx.Conn) error {
	var (
		pid  int64
		from string
	)
	err := c.QueryRow(ctx, `SELECT a.pid, coalesce(host(a.client_addr), 'this machine')
		FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.datname = current_database()
		AND (l.classid::bigint << 32) | l.objid::bigint = $1`, int64(lockNumber)).Scan(&pid, &from)
	if err != nil {
		return fmt.Errorf("%w: by an unknown session: %w", ErrLocked, err)
	}
	return fmt.Errorf("%w: database session %d from %s", ErrLocked, pid, from)
}
