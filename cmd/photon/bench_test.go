package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"photon/contracts"
)

// The whole bench, with a small node. Sizes and gas are the same on every
// machine and must be good; times are only there.
func TestBenchSwap(t *testing.T) {
	var out bytes.Buffer
	root := rootCommand()
	root.SetOut(&out)
	root.SetArgs([]string{"bench", "swap", "--json", "--swaps", "300", "--folder", t.TempDir()})
	if err := root.ExecuteContext(t.Context()); err != nil && !errors.Is(err, errMissed) {
		t.Fatal(err)
	}
	units := map[string]int{}
	decode := json.NewDecoder(&out)
	decode.DisallowUnknownFields()
	for decode.More() {
		var f figure
		if err := decode.Decode(&f); err != nil {
			t.Fatal(err)
		}
		units[f.Unit]++
		if f.Value <= 0 {
			t.Errorf("%s: %v", f.Name, f.Value)
		}
		if (f.Unit == "vB" || f.Unit == "gas") && !f.Good {
			t.Errorf("%s: %v %s, at most %v", f.Name, f.Value, f.Unit, f.Limit)
		}
	}
	for unit, want := range map[string]int{"vB": 5, "gas": 12, "s": 1, "ms": 11, "MB": 2} {
		if units[unit] != want {
			t.Errorf("%d figures in %s, want %d", units[unit], unit, want)
		}
	}
}

func TestBenchRefuses(t *testing.T) {
	for _, swaps := range []string{"0", "-1", "1000001"} {
		root := rootCommand()
		root.SetArgs([]string{"bench", "swap", "--swaps", swaps})
		if err := root.ExecuteContext(t.Context()); !errors.Is(err, errUsage) {
			t.Errorf("--swaps %s: %v", swaps, err)
		}
	}
}

func TestJudged(t *testing.T) {
	for _, row := range []struct {
		name  string
		given figure
		ratio float64
		good  bool
	}{
		{"at the limit", figure{Value: 99, Limit: 99, Anchor: 10}, 1, true},
		{"above the limit", figure{Value: 99.1, Limit: 99}, 1.001, false},
		{"above the anchor only", figure{Value: 20, Anchor: 10}, 2, true},
		{"at the least", figure{Value: 50, Least: 50}, 1, true},
		{"below the least", figure{Value: 49, Least: 50}, 1.02, false},
		{"nothing of the least", figure{Least: 50}, 0, false},
		{"beside nothing", figure{Value: 20}, 0, true},
	} {
		if got := row.given.judged(); got.Ratio != row.ratio || got.Good != row.good {
			t.Errorf("%s: ratio %v, good %t; want %v, %t", row.name, got.Ratio, got.Good, row.ratio, row.good)
		}
	}
}

func TestFigureTable(t *testing.T) {
	var out bytes.Buffer
	p := newFigurePrinter(&out, false)
	if err := p.print([]figure{{Name: "size", Value: 100, Unit: "vB", Limit: 99, Note: "too long"}, {Name: "time", Value: 2.5, Unit: "s"}}); err != nil {
		t.Fatal(err)
	}
	if p.missed != 1 || !strings.Contains(out.String(), "MISSED too long") || strings.Count(out.String(), "MISSED") != 1 {
		t.Errorf("%d missed:\n%s", p.missed, &out)
	}
}

func TestPercentile(t *testing.T) {
	all := make([]time.Duration, 200)
	for i := range all {
		all[i] = time.Duration(200 - i)
	}
	for p, want := range map[int]time.Duration{0: 1, 50: 100, 99: 198, 100: 200} {
		if got := percentile(all, p); got != want {
			t.Errorf("%d of 100: %d, want %d", p, got, want)
		}
	}
	if percentile(nil, 99) != 0 {
		t.Error("of nothing")
	}
}

// Half of the swaps in each role, over every ordered pair.
func TestBenchPairs(t *testing.T) {
	seen := map[[2]contracts.Chain]bool{}
	for i := range 12 {
		give, want := benchPair(i)
		if give == want {
			t.Errorf("pair %d is %s for itself", i, give)
		}
		seen[[2]contracts.Chain{give, want}] = true
	}
	if len(seen) != 12 {
		t.Errorf("%d pairs, want 12", len(seen))
	}
}

// What the bench says of durability is how the store opens its file.
func TestDurability(t *testing.T) {
	source, err := os.ReadFile("../../adapters/store/sqlite.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, pragma := range []string{"journal_mode(WAL)", "synchronous(FULL)", "fullfsync(1)"} {
		if !strings.Contains(durability, pragma) || !strings.Contains(payDurability, pragma) || !bytes.Contains(source, []byte(pragma)) {
			t.Errorf("%s is not both said and done", pragma)
		}
	}
}

// A swap that never sends is reported, not waited for without end.
func TestSendingsEnd(t *testing.T) {
	s := newSendings()
	s.note(contracts.Hash{1}, time.Unix(5, 0))
	s.note(contracts.Hash{1}, time.Unix(6, 0))
	times, err := s.wait(t.Context(), []contracts.Hash{{1}})
	if err != nil || len(times) != 1 || times[0] != time.Unix(5, 0) || s.count() != 1 {
		t.Errorf("sent at %v: %v", times, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.wait(ctx, []contracts.Hash{{1}, {2}}); !errors.Is(err, context.Canceled) {
		t.Errorf("never sent: %v", err)
	}
}
