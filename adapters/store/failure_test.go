package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"photon/contracts"
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
	url := file(t)
	s := open(t, url)
	must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(1)}}))
	var pages int
	must(t, s.write.Raw("PRAGMA page_count").Scan(&pages).Error)
	must(t, s.write.Exec("PRAGMA max_page_count = 1").Error) // SQLite takes the present size in its place
	var big trade.Change
	for n := range uint64(500) {
		big.Trades = append(big.Trades, swap(n+10))
	}
	err := s.Save(t.Context(), big)
	var code interface{ Code() int }
	if !errors.As(err, &code) || code.Code() != 13 || errors.Is(err, ErrBroken) {
		t.Fatalf("%v", err)
	}
	broken(t, s, "full")
	must(t, s.Close())
	must(t, open(t, url).Save(t.Context(), big))
}

func TestReadOnlyServer(t *testing.T) {
	url := database(t)
	s := open(t, url)
	must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(1)}}))
	must(t, s.write.Exec("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY").Error)
	if err := s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(2)}}); err == nil || !strings.Contains(err.Error(), "25006") {
		t.Fatalf("%v", err)
	}
	broken(t, s, "25006")
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
