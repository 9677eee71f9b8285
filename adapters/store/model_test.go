package store

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"photon/contracts"
	"photon/swap/trade"
)

// A model is what the store promises, in memory.
type model struct {
	trades  map[contracts.Hash]trade.Trade
	pending []trade.Pending
	lastID  int64 // highest id of an effect so far
	txs     []trade.Tx
	offers  map[contracts.Hash]trade.Offer
	notes   map[string][]byte
}

// save is what Save promises.
func (m *model) save(c trade.Change) error {
	after := maps.Clone(m.trades)
	for _, t := range c.Trades {
		if has, ok := after[t.ID]; t.Version < 1 || ok != (t.Version > 1) || has.Version != t.Version-1 {
			return trade.ErrConflict
		}
		after[t.ID] = t
	}
	m.trades = after
	m.pending = slices.DeleteFunc(slices.Clone(m.pending), func(p trade.Pending) bool { return slices.Contains(c.Done, p.ID) })
	m.pending = append(m.pending, c.Effects...) // without ids: see check
	return nil
}

// saveTxs is what SaveTxs promises.
func (m *model) saveTxs(all []trade.Tx) error {
	after := slices.Clone(m.txs)
	for _, t := range all {
		i := slices.IndexFunc(after, func(has trade.Tx) bool { return has.ID == t.ID && has.TxID == t.TxID })
		switch {
		case i < 0:
			after = append(after, t)
		case string(after[i].Raw) != string(t.Raw):
			return ErrDiffers
		default:
			after[i].Held = after[i].Held && t.Held
		}
	}
	m.txs = after
	return nil
}

// check compares every answer of s with the model, and learns the ids that s
// gave to new effects.
func (m *model) check(t *rapid.T, s *Store) {
	ctx := context.Background()
	for _, all := range []bool{true, false} {
		var want []trade.Trade
		for _, v := range m.trades {
			if all || !atRest(v.Status) {
				want = append(want, v)
			}
		}
		slices.SortFunc(want, func(a, b trade.Trade) int { return strings.Compare(a.ID.String(), b.ID.String()) })
		got, err := s.Trades(ctx, all)
		equal(t, "trades", got, want, err)
	}
	pending, err := s.Pending(ctx)
	for i := range pending {
		if i < len(m.pending) && m.pending[i].ID == 0 && pending[i].ID > m.lastID {
			m.lastID = pending[i].ID
			m.pending[i].ID = m.lastID
		}
	}
	equal(t, "effects", pending, m.pending, err)
	for n := range uint64(4) {
		got, err := s.Txs(ctx, hash(n))
		equal(t, "transactions", got, m.txsOf(func(x trade.Tx) bool { return x.ID == hash(n) }), err)
	}
	open, err := s.Txs(ctx, contracts.Hash{})
	equal(t, "open transactions", open, m.txsOf(func(x trade.Tx) bool { return !atRest(m.trades[x.ID].Status) }), err)

	offers, err := s.Offers(ctx)
	slices.SortFunc(offers, func(a, b trade.Offer) int { return a.Max.Cmp(b.Max) })
	equal(t, "offers", offers, slices.SortedFunc(maps.Values(m.offers), func(a, b trade.Offer) int { return a.Max.Cmp(b.Max) }), err)
	for key, want := range m.notes {
		got, err := s.Get(ctx, key)
		equal(t, "note", got, want, err)
	}
}

func (m *model) txsOf(which func(trade.Tx) bool) []trade.Tx {
	return slices.DeleteFunc(slices.Clone(m.txs), func(x trade.Tx) bool { return !which(x) })
}

// equal compares by JSON, in which no list and an empty one are alike here.
func equal[T any](t *rapid.T, what string, got, want []T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if g, w := line(got), line(want); g != w {
		t.Fatalf("%s:\n got %.3000s\nwant %.3000s", what, g, w)
	}
}

func line[T any](all []T) string {
	if all == nil {
		all = []T{}
	}
	return printed(all)
}

// drawn is a change that may or may not be saved over what m holds.
func (m *model) drawn(t *rapid.T) trade.Change {
	var c trade.Change
	statuses := []trade.Status{trade.Agreed, trade.Locking, trade.Stranded, trade.Completed, trade.Refunded, trade.Cancelled}
	versions := map[contracts.Hash]uint64{}
	for id, v := range m.trades {
		versions[id] = v.Version
	}
	for range rapid.IntRange(0, 4).Draw(t, "trades") {
		v := swap(rapid.Uint64Range(0, 3).Draw(t, "trade"))
		v.Status = rapid.SampledFrom(statuses).Draw(t, "status")
		v.Version = versions[v.ID] + 1
		if rapid.IntRange(0, 9).Draw(t, "stale") == 0 {
			v.Version = rapid.Uint64Range(0, 5).Draw(t, "version")
		}
		versions[v.ID] = v.Version
		c.Trades = append(c.Trades, v)
	}
	for range rapid.IntRange(0, 3).Draw(t, "effects") {
		c.Effects = append(c.Effects, tell(rapid.Uint64Range(0, 3).Draw(t, "effect")))
	}
	for _, p := range m.pending {
		if rapid.Bool().Draw(t, "done") {
			c.Done = append(c.Done, p.ID)
		}
	}
	return c
}

// Whatever is done to the store, it holds what the model holds: also after it was
// closed and opened again.
func TestStoreKeepsWhatItPromises(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, err := Open(t.Context(), url)
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		rapid.Check(t, func(t *rapid.T) {
			for _, table := range []string{"trades", "effects", "txs", "offers", "notes"} {
				if err := s.write.Exec("DELETE FROM " + table).Error; err != nil {
					t.Fatal(err)
				}
			}
			m := &model{trades: map[contracts.Hash]trade.Trade{}, offers: map[contracts.Hash]trade.Offer{}, notes: map[string][]byte{"missing": nil}}
			t.Repeat(map[string]func(*rapid.T){
				"": func(t *rapid.T) { m.check(t, s) },
				"save": func(t *rapid.T) {
					c := m.drawn(t)
					if got, want := s.Save(context.Background(), c), m.save(c); !errors.Is(got, want) {
						t.Fatalf("save: %v, want %v", got, want)
					}
				},
				"save transactions": func(t *rapid.T) {
					var all []trade.Tx
					for range rapid.IntRange(0, 4).Draw(t, "transactions") {
						x := signed(hash(rapid.Uint64Range(0, 3).Draw(t, "trade")), rapid.Uint64Range(0, 3).Draw(t, "transaction"))
						x.Held = rapid.Bool().Draw(t, "held")
						if rapid.IntRange(0, 9).Draw(t, "other") == 0 {
							x.Raw = []byte("another")
						}
						all = append(all, x)
					}
					if got, want := s.SaveTxs(context.Background(), all...), m.saveTxs(all); !errors.Is(got, want) {
						t.Fatalf("save transactions: %v, want %v", got, want)
					}
				},
				"offers": func(t *rapid.T) {
					o := offer(rapid.Uint64Range(0, 3).Draw(t, "offer"))
					m.offers[o.Digest()] = o
					err := s.SaveOffer(context.Background(), o)
					if rapid.Bool().Draw(t, "drop") {
						delete(m.offers, o.Digest())
						err = cmp.Or(err, s.DropOffer(context.Background(), o.Digest()))
					}
					if err != nil {
						t.Fatal(err)
					}
				},
				"note": func(t *rapid.T) {
					key, value := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), rapid.SliceOf(rapid.Byte()).Draw(t, "value")
					m.notes[key] = value
					if err := s.Put(context.Background(), key, value); err != nil {
						t.Fatal(err)
					}
				},
				"open again": func(t *rapid.T) {
					if rapid.IntRange(0, 4).Draw(t, "seldom") > 0 {
						t.Skip("it is slow")
					}
					err := s.Close()
					if err == nil {
						s, err = Open(context.Background(), url)
					}
					if err != nil {
						t.Fatal(err)
					}
				},
			})
		})
	})
}

// Size of what one event of a trade stores, and of a block that moves 1,000.
func BenchmarkSave(b *testing.B) {
	for _, size := range []struct {
		name   string
		trades uint64
	}{{"1", 1}, {"100", 100}, {"1000", 1000}} {
		for dialect, url := range map[string]func(testing.TB) string{"sqlite": file, "postgres": database} {
			b.Run(dialect+"/"+size.name, func(b *testing.B) {
				s := open(b, url(b))
				var c trade.Change
				for n := range size.trades {
					c.Trades = append(c.Trades, swap(n))
					c.Effects = append(c.Effects, tell(n))
				}
				must(b, s.Save(b.Context(), c))
				for b.Loop() {
					for i := range c.Trades {
						c.Trades[i].Version++
					}
					must(b, s.Save(b.Context(), c))
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(size.trades), "µs/trade")
			})
		}
	}
}
