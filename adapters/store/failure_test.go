package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/swap/trade"
)

// writes is every method that writes.
func writes(s *Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Save":      func(ctx context.Context) error { return s.Save(ctx, trade.Change{Trades: []trade.Trade{swap(99)}}) },
		"SaveTxs":   func(ctx context.Context) error { return s.SaveTxs(ctx, signed(hash(99), 99)) },
		"SaveOffer": func(ctx context.Context) error { return s.SaveOffer(ctx, offer(99)) },
		"DropOffer": func(ctx context.Context) error { return s.DropOffer(ctx, contracts.Hash{}) },
		"Put":       func(ctx context.Context) error { return s.Put(ctx, "99", nil) },
		"SaveLedger": func(ctx context.Context) error {
			return s.SaveLedger(ctx, ledger.Change{Demands: []ledger.Demand{invoice(99)}})
		},
		"SaveCallTxs": func(ctx context.Context) error { return s.SaveCallTxs(ctx, called(99, 99)) },
	}
}

// broken checks that s refuses every write and still shows what it has.
func broken(t *testing.T, s *Store, why string) {
	t.Helper()
	for name, write := range writes(s) {
		if err := write(t.Context()); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s after a failure: %v", name, err)
		}
	}
	same(t, "what was stored", trades(t, s, true), []trade.Trade{swap(1)})
}

// A full disk: nothing of the change is stored, the error comes out as it is,
// and nothing is written any more. Once there is room, a new Open goes on.
func TestFullDisk(t *testing.T) {
	bytes := make([]byte, 1<<20)
	for name, write := range map[string]func(*Store) error{
		"Save": func(s *Store) error {
			v := next(swap(1), trade.Locking)
			v.Reason = string(bytes)
			return s.Save(t.Context(), trade.Change{Trades: []trade.Trade{v}})
		},
		"SaveTxs": func(s *Store) error {
			x := signed(hash(1), 1)
			x.Raw = bytes
			return s.SaveTxs(t.Context(), x)
		},
		"SaveOffer": func(s *Store) error {
			o := offer(1)
			o.Signature = bytes
			return s.SaveOffer(t.Context(), o)
		},
		"Put": func(s *Store) error { return s.Put(t.Context(), "x", bytes) },
		"SaveLedger": func(s *Store) error {
			p := direct(1, busy(1, 0), 1)
			p.Text = string(bytes)
			return s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{busy(1, 0)}, Payments: []ledger.Payment{p}})
		},
		"SaveCallTxs": func(s *Store) error {
			x := called(1, 1)
			x.Raw = bytes
			return s.SaveCallTxs(t.Context(), x)
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := file(t)
			s := open(t, url)
			must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(1)}}))
			must(t, s.write.Exec("PRAGMA max_page_count = 1").Error) // SQLite takes the present size in its place
			err := write(s)
			var code interface{ Code() int }
			if !errors.As(err, &code) || code.Code() != 13 || errors.Is(err, ErrBroken) {
				t.Fatalf("%v", err)
			}
			broken(t, s, "full")
			must(t, s.Close())
			must(t, write(open(t, url)))
		})
	}
}

// A database that may only be read, at each write.
func TestReadOnly(t *testing.T) {
	readOnly := map[string][2]string{
		"sqlite":   {"PRAGMA query_only = 1", "readonly"},
		"postgres": {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "25006"},
	}
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(1)}}))
		must(t, s.Close())
		for name := range writes(s) {
			s := open(t, url)
			how := readOnly[s.write.Name()]
			must(t, s.write.Exec(how[0]).Error)
			if err := writes(s)[name](t.Context()); err == nil || errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), how[1]) {
				t.Errorf("%s: %v", name, err)
			}
			broken(t, s, how[1])
			must(t, s.Close())
		}
		must(t, open(t, url).Save(t.Context(), trade.Change{Trades: []trade.Trade{next(swap(1), trade.Locking)}}))
	})
}

// The session that holds the lock ends: whoever writes then does so without the
// lock, so nobody does.
func TestLostSession(t *testing.T) {
	url := database(t)
	s := open(t, url)
	must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(1)}}))
	var pid int
	must(t, s.write.Raw("SELECT pg_backend_pid()").Scan(&pid).Error)
	exec1(t, url, "SELECT pg_terminate_backend($1, 10000)", pid)
	if err := s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(2)}}); err == nil {
		t.Fatal("saved without a session")
	}
	for range 3 {
		if err := s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(2)}}); !errors.Is(err, ErrBroken) {
			t.Errorf("%v", err)
		}
	}
	same(t, "what was stored", trades(t, s, true), []trade.Trade{swap(1)})
	must(t, s.Close())
	same(t, "opened again", trades(t, open(t, url), true), []trade.Trade{swap(1)})
}

// A refusal that is known to have changed nothing is not a failure.
func TestHarmlessRefusals(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		must(t, s.SaveTxs(t.Context(), signed(hash(1), 1)))
		other := signed(hash(1), 1)
		other.Raw = nil
		ended, end := context.WithCancel(t.Context())
		end()
		for name, row := range map[string]struct {
			err  error
			want error
		}{
			"conflict":    {s.Save(t.Context(), trade.Change{Trades: []trade.Trade{next(swap(1), trade.Locking)}}), trade.ErrConflict},
			"other bytes": {s.SaveTxs(t.Context(), other), ErrDiffers},
			"stray":       {s.SaveLedger(t.Context(), ledger.Change{Transfers: []ledger.Transfer{passed(1, busy(1, 0))}}), ledger.ErrConflict},
			"ended":       {s.Save(ended, trade.Change{Trades: []trade.Trade{swap(1)}}), context.Canceled},
		} {
			if !errors.Is(row.err, row.want) {
				t.Errorf("%s: %v", name, row.err)
			}
		}
		for name, write := range writes(s) {
			if err := write(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		var all sync.WaitGroup
		for n := range uint64(20) {
			all.Go(func() {
				v := swap(n)
				for range 5 {
					if err := s.Save(t.Context(), trade.Change{Trades: []trade.Trade{v}}); err != nil {
						t.Error(err)
					}
					if _, err := s.Trades(t.Context(), false); err != nil {
						t.Error(err)
					}
					v = next(v, trade.Locking)
				}
			})
		}
		all.Wait()
		for _, v := range trades(t, s, false) {
			if v.Version != 5 {
				t.Errorf("version %d", v.Version)
			}
		}
	})
}

func TestClosedStoreRefuses(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		must(t, s.Close())
		for name, write := range writes(s) {
			if err := write(t.Context()); !errors.Is(err, ErrBroken) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := s.Trades(t.Context(), true); err == nil {
			t.Error("a closed store was read")
		}
	})
}

// lite is an error as the driver of SQLite makes it.
type lite int

func (l lite) Error() string { return fmt.Sprint("sqlite ", int(l)) }
func (l lite) Code() int     { return int(l) }

// Whoever is told to stop while the database is at work learns that he was, whatever
// the driver calls it: stopping is no failure of the store.
func TestCutOffQuestion(t *testing.T) {
	for _, row := range []struct {
		err error
		cut bool
	}{
		{lite(9), true}, {lite(9 | 1<<8), true}, {lite(13), false},
		{&pgconn.PgError{Code: "57014"}, true}, {&pgconn.PgError{Code: "57P01"}, false},
		{fmt.Errorf("read: %w", context.Canceled), true},
	} {
		if got := (stoppable{}).Translate(row.err); errors.Is(got, context.Canceled) != row.cut || !errors.Is(got, row.err) {
			t.Errorf("%v became %v", row.err, got)
		}
	}
}
