package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"photon/contracts"
	"photon/swap/trade"
)

// onBoth runs a test on both databases; url names an empty one.
func onBoth(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, file(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, database(t)) })
}

// file names a database that is not there yet.
func file(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "data", "photon.db") }

// open opens url until the test ends.
func open(t testing.TB, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hash names the nth thing of a test.
func hash(n uint64) contracts.Hash {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
}

// swap is the nth trade, new and with everything in it that a trade can have.
func swap(n uint64) trade.Trade {
	secret := contracts.Secret(hash(n + 1<<32))
	leg := func(asset contracts.Asset, party int) trade.Leg {
		return trade.Leg{
			Terms: contracts.Terms{
				Asset: asset, Amount: contracts.Units(123_456_789), Hash: hash(n), Expiry: 1_900_000_000, Form: contracts.P2TR,
				Redeemer: make(contracts.Party, party), Refunder: make(contracts.Party, party), Contract: contracts.Address{19: 7},
			},
			Confirmations: 3, From: 800_000, Head: trade.Head{Height: 800_010, Hash: hash(n + 1), Time: 1_800_000_000},
			Fate: trade.Fate{
				Lock: &trade.Spot{TxID: hash(n + 2), Index: 1, Amount: contracts.Units(123_456_789), Height: 800_001, Fee: contracts.Units(154)},
				End:  &trade.End{Kind: trade.BySecret, TxID: hash(n + 3), Height: 800_005, Secret: &secret},
			},
		}
	}
	return trade.Trade{
		ID: hash(n), Number: 1<<63 + n, Role: trade.First, Partner: "16Uiu2HAm — a \"partner\"", Offer: hash(n + 4), Status: trade.Agreed,
		Start: 1_800_000_000, Now: 1_800_000_001, Secret: &secret, Version: 1,
		Ours: leg(contracts.Native(contracts.BTC), 33), Theirs: leg(contracts.Asset{Chain: contracts.SMT, Token: contracts.Address{1}}, 20),
	}
}

// next is t after one more change, which brought it to status.
func next(t trade.Trade, status trade.Status) trade.Trade {
	t.Version++
	t.Status = status
	return t
}

// tell is the nth effect.
func tell(n uint64) trade.Pending {
	return trade.Pending{Trade: hash(n), Effect: trade.Tell{Message: trade.Refuse{ID: hash(n), Reason: "the ☂'s n"}}}
}

// signed is the nth transaction of a trade.
func signed(id contracts.Hash, n uint64) trade.Tx {
	return trade.Tx{
		ID: id, Side: trade.Ours, Purpose: trade.Lock, TxID: hash(n), Raw: []byte{0, 0xff, byte(n)},
		Fee: contracts.Units(154), Held: n%2 == 1, Made: 1_800_000_000 + n,
	}
}

// same compares by JSON: an empty party and none are one.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	g, w := strings.Split(printed(got), "\n"), strings.Split(printed(want), "\n")
	if slices.Equal(g, w) {
		return
	}
	i := 0
	for i < min(len(g), len(w)) && g[i] == w[i] {
		i++
	}
	near := func(lines []string) string { return strings.Join(lines[max(0, i-8):min(len(lines), i+8)], "\n") }
	t.Errorf("%s: line %d:\n got %s\nwant %s", what, i+1, near(g), near(w))
}

// printed is v as JSON.
func printed(v any) string {
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func trades(t testing.TB, s *Store, all bool) []trade.Trade {
	t.Helper()
	got, err := s.Trades(t.Context(), all)
	must(t, err)
	return got
}

func pending(t testing.TB, s *Store) []trade.Pending {
	t.Helper()
	got, err := s.Pending(t.Context())
	must(t, err)
	return got
}

func txs(t testing.TB, s *Store, id contracts.Hash) []trade.Tx {
	t.Helper()
	got, err := s.Txs(t.Context(), id)
	must(t, err)
	return got
}
