package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

// The whole bench, short and small: every figure is there, and nothing that was
// reported done is lost.
func TestBenchPay(t *testing.T) {
	t.Setenv(asPhoton, "1")
	var out bytes.Buffer
	root := rootCommand()
	root.SetOut(&out)
	root.SetArgs([]string{"bench", "pay", "--json", "--quick", "--folder", t.TempDir()})
	if err := root.ExecuteContext(t.Context()); err != nil {
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
		if f.Value <= 0 || !f.Good {
			t.Errorf("%s: %v, good %t", f.Name, f.Value, f.Good)
		}
	}
	for unit, want := range map[string]int{"/s": 2, "ms": 9, "µs": 5, "s": 2, "MB": 1} {
		if units[unit] != want {
			t.Errorf("%d figures in %s, want %d", units[unit], unit, want)
		}
	}
}

func TestBenchPayRefuses(t *testing.T) {
	for _, seconds := range []string{"0", "-1", "3601"} {
		root := rootCommand()
		root.SetArgs([]string{"bench", "pay", "--seconds", seconds})
		if err := root.ExecuteContext(t.Context()); !errors.Is(err, errUsage) {
			t.Errorf("--seconds %s: %v", seconds, err)
		}
	}
}
