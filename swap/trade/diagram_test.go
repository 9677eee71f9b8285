package trade

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write status.mmd anew")

// TestDiagram holds status.mmd to moves: `go test -run Diagram -update` draws it.
func TestDiagram(t *testing.T) {
	drawn := "stateDiagram-v2\n"
	for _, role := range []Role{First, Second} {
		begin := map[Role]Status{First: Proposed, Second: Agreed}[role]
		drawn += fmt.Sprintf("    state %s {\n        [*] --> %s_%s\n", role, role, begin)
		for _, from := range every {
			if len(moves[role][from]) == 0 && !reachable(role, from) {
				continue
			}
			drawn += fmt.Sprintf("        %s_%s : %s\n", role, from, from)
			for _, to := range moves[role][from] {
				drawn += fmt.Sprintf("        %s_%s --> %s_%s\n", role, from, role, to)
			}
			if from.AtRest() {
				drawn += fmt.Sprintf("        %s_%s --> [*]\n", role, from)
			}
		}
		drawn += "    }\n"
	}
	if *update {
		if err := os.WriteFile("status.mmd", []byte(drawn), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile("status.mmd")
	if err != nil {
		t.Fatal(err)
	}
	if string(stored) != drawn {
		t.Errorf("status.mmd is not what moves says: go test -run Diagram -update\n%s", drawn)
	}
}

// every is all statuses, in the order of a trade's life.
var every = []Status{Proposed, Agreed, Locking, Redeeming, Refunding, Completed, Refunded, Cancelled, Stranded}

func reachable(r Role, s Status) bool {
	for _, to := range moves[r] {
		if slices.Contains(to, s) {
			return true
		}
	}
	return false
}

// No move leads back, none leaves rest, and every status but the first can be
// reached.
func TestMoves(t *testing.T) {
	for role, from := range moves {
		for s, to := range from {
			if s.AtRest() || s == Stranded {
				t.Errorf("%s leaves %s", role, s)
			}
			for _, n := range to {
				if back := moves[role][n]; slices.Contains(back, s) {
					t.Errorf("%s moves to and fro between %s and %s", role, s, n)
				}
				if !slices.Contains(every, n) {
					t.Errorf("%s moves to %q", role, n)
				}
			}
			if begin := s == Proposed || s == Agreed; begin == reachable(role, s) {
				t.Errorf("%s: %s reachable: %v", role, s, reachable(role, s))
			}
		}
	}
	if strings.Join([]string{string(First), string(Second)}, " ") != "first second" || len(moves) != 2 {
		t.Errorf("%d roles", len(moves))
	}
}
