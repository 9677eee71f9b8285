package channel

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write status.mmd anew")

// TestDiagram holds status.mmd to moves: `go test -run Diagram -update` draws it.
func TestDiagram(t *testing.T) {
	drawn := "stateDiagram-v2\n    [*] --> open\n"
	for _, from := range []Status{Open, Closed, Settled} {
		for _, to := range moves[from] {
			drawn += fmt.Sprintf("    %s --> %s\n", from, to)
		}
		if len(moves[from]) == 0 {
			drawn += fmt.Sprintf("    %s --> [*]\n", from)
		}
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
