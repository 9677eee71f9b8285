package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

func TestTradesComeBackWhole(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		want := []trade.Trade{swap(1), swap(2), swap(3)}
		must(t, s.Save(t.Context(), trade.Change{Trades: want}))
		want[1] = next(want[1], trade.Locking)
		want[1].Reason, want[1].Frozen = "it's a ☂ \x00", "'; DROP TABLE trades; --"
		must(t, s.Save(t.Context(), trade.Change{Trades: want[1:2]}))
		slices.SortFunc(want, func(a, b trade.Trade) int { return strings.Compare(a.ID.String(), b.ID.String()) })
		same(t, "at once", trades(t, s, true), want)
		must(t, s.Close())
		same(t, "opened again", trades(t, open(t, url), true), want)
	})
}

// Each row is one attempt to save over a trade that is stored with version 3.
func TestSaveComparesVersions(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		first := swap(1)
		second := next(first, trade.Locking)
		third := next(second, trade.Redeeming)
		for _, v := range []trade.Trade{first, second, third} {
			must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{v}}))
		}
		version := func(n uint64) trade.Trade { v := third; v.Version, v.Reason = n, "another"; return v }
		for _, row := range []struct {
			name   string
			trades []trade.Trade
			want   error
		}{
			{"new again", []trade.Trade{version(1)}, trade.ErrConflict},
			{"one behind", []trade.Trade{version(2)}, trade.ErrConflict},
			{"the same version", []trade.Trade{version(3)}, trade.ErrConflict},
			{"the very same", []trade.Trade{third}, trade.ErrConflict},
			{"a version left out", []trade.Trade{version(5)}, trade.ErrConflict},
			{"no version", []trade.Trade{version(0)}, trade.ErrConflict},
			{"not stored, not new", []trade.Trade{next(swap(2), trade.Locking)}, trade.ErrConflict},
			{"a good one before a bad one", []trade.Trade{swap(3), version(4), version(4)}, trade.ErrConflict},
			{"good", []trade.Trade{version(4)}, nil},
			{"two steps and a new one", []trade.Trade{version(5), version(6), swap(4), next(swap(4), trade.Locking)}, nil},
		} {
			before := trades(t, s, true)
			err := s.Save(t.Context(), trade.Change{Trades: row.trades, Effects: []trade.Pending{tell(1)}})
			if !errors.Is(err, row.want) {
				t.Errorf("%s: %v, want %v", row.name, err, row.want)
			}
			if row.want == nil {
				continue
			}
			same(t, row.name+": stored", trades(t, s, true), before)
			same(t, row.name+": effects", pending(t, s), []trade.Pending{})
		}
		all := trades(t, s, true)
		slices.SortFunc(all, func(a, b trade.Trade) int { return cmp.Compare(a.Number, b.Number) })
		if len(all) != 2 || all[0].Version != 6 || all[1].Version != 2 {
			t.Errorf("stored: %s", printed(all))
		}
	})
}

func TestConflictNamesTheTrade(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(1), swap(2)}}))
		stale := next(swap(2), trade.Locking)
		stale.Version = 7
		err := s.Save(t.Context(), trade.Change{Trades: []trade.Trade{next(swap(1), trade.Locking), stale}})
		want := fmt.Sprintf("changed by another: trade %s version 7: stored is version 1", hash(2))
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	})
}

// A final status is never overwritten by one who has not seen it.
func TestFinalStatusStays(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		for n, final := range []trade.Status{trade.Completed, trade.Refunded, trade.Cancelled} {
			before := swap(uint64(n))
			must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{before}}))
			must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{next(before, final)}}))
			if err := s.Save(t.Context(), trade.Change{Trades: []trade.Trade{next(before, trade.Locking)}}); !errors.Is(err, trade.ErrConflict) {
				t.Errorf("%s: %v", final, err)
			}
		}
		for _, got := range trades(t, s, true) {
			if !atRest(got.Status) {
				t.Errorf("%s came back", got.Status)
			}
		}
	})
}

func TestOnlyTradesAtRestAreLeftOut(t *testing.T) {
	rests := map[trade.Status]bool{
		trade.Proposed: false, trade.Agreed: false, trade.Locking: false, trade.Redeeming: false, trade.Refunding: false,
		trade.Stranded: false, trade.Completed: true, trade.Refunded: true, trade.Cancelled: true, "of the future": false,
	}
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		n := uint64(0)
		for status := range rests {
			n++
			v := swap(n)
			v.Status = status
			must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{v}}))
		}
		if got := len(trades(t, s, true)); got != len(rests) {
			t.Errorf("%d trades in all, want %d", got, len(rests))
		}
		open := map[trade.Status]bool{}
		for _, v := range trades(t, s, false) {
			open[v.Status] = true
		}
		for status, rest := range rests {
			if open[status] == rest {
				t.Errorf("%s: open %t", status, open[status])
			}
		}
	})
}

func TestEffectsAreKeptUntilDone(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		var c trade.Change
		for n := range uint64(240) { // more than two batches
			c.Effects = append(c.Effects, tell(n))
		}
		must(t, s.Save(t.Context(), c))
		got := pending(t, s)
		if len(got) != len(c.Effects) {
			t.Fatalf("%d effects, want %d", len(got), len(c.Effects))
		}
		var done []int64
		for i, p := range got {
			if i > 0 && p.ID <= got[i-1].ID {
				t.Fatalf("effect %d has id %d after %d", i, p.ID, got[i-1].ID)
			}
			same(t, "effect", p, trade.Pending{ID: p.ID, Trade: c.Effects[i].Trade, Effect: c.Effects[i].Effect})
			done = append(done, p.ID)
		}
		last := got[len(got)-1].ID
		must(t, s.Save(t.Context(), trade.Change{Done: done[1:]}))
		same(t, "the one left", pending(t, s), got[:1])
		must(t, s.Save(t.Context(), trade.Change{Done: done})) // some are done already
		same(t, "none left", pending(t, s), []trade.Pending{})

		must(t, s.Close())
		s = open(t, url)
		must(t, s.Save(t.Context(), trade.Change{Effects: c.Effects[:1]}))
		if got := pending(t, s); len(got) != 1 || got[0].ID <= last {
			t.Errorf("an id was used twice: %d after %d", got[0].ID, last)
		}
	})
}

// What cannot be read is an error that says what it is, never left out.
func TestSpoiledRowsAreErrors(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		for _, row := range []struct {
			spoil string
			load  func() error
			says  string
		}{
			{"INSERT INTO trades VALUES ('x', 1, FALSE, '{')", func() error { _, err := s.Trades(t.Context(), false); return err }, "stored trade 1 of 1"},
			{"INSERT INTO effects (trade, kind, body) VALUES ('x', 'tell', '{}')", func() error { _, err := s.Pending(t.Context()); return err }, "effect 1: trade"},
			{"UPDATE effects SET kind = 'fly', trade = '" + hash(1).String() + "'", func() error { _, err := s.Pending(t.Context()); return err }, `unknown effect "fly"`},
			{"INSERT INTO offers VALUES ('x', '')", func() error { _, err := s.Offers(t.Context()); return err }, "stored offer 1 of 1"},
			{"INSERT INTO txs (trade, txid, purpose, made, state) VALUES ('x', 'y', 'lock', 1, '1')", func() error { _, err := s.Txs(t.Context(), contracts.Hash{}); return err }, "stored transaction 1 of 1"},
		} {
			must(t, s.write.Exec(row.spoil).Error)
			if err := row.load(); err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%s: %v", row.spoil, err)
			}
		}
	})
}

// The figure is printed for a person: a node with 10,000 open trades must be
// ready in seconds.
func TestTenThousandTrades(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		var c trade.Change
		for n := range uint64(10_000) {
			c.Trades = append(c.Trades, swap(n))
		}
		start := time.Now()
		must(t, s.Save(t.Context(), c))
		inserted := time.Since(start)
		for i := range c.Trades {
			c.Trades[i] = next(c.Trades[i], trade.Locking)
		}
		start = time.Now()
		must(t, s.Save(t.Context(), c))
		updated := time.Since(start)
		start = time.Now()
		got := trades(t, s, false)
		t.Logf("10,000 trades: inserted in %v, updated in %v, loaded in %v", inserted, updated, time.Since(start))
		if len(got) != len(c.Trades) {
			t.Errorf("%d trades", len(got))
		}
		for _, v := range got {
			if v.Version != 2 {
				t.Fatalf("trade %s has version %d", v.ID, v.Version)
			}
		}
		// One stale trade among thousands undoes them all.
		for i := range c.Trades {
			c.Trades[i] = next(c.Trades[i], trade.Redeeming)
		}
		c.Trades[9_999].Version = 2
		if err := s.Save(t.Context(), c); !errors.Is(err, trade.ErrConflict) {
			t.Errorf("%v", err)
		}
		if got := trades(t, s, false); got[0].Version != 2 {
			t.Errorf("version %d", got[0].Version)
		}
	})
}
