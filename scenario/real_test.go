package scenario

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"photon/scenario/stage"
)

// retold are stories that the real world can tell, with people as processes and
// real chain nodes. What is peculiar to real nodes is played in package stage.
var retold = []string{
	"bob_and_alice_swap", "joint_signatures", "witness_scripts", "both_agree_to_give_up", "bob_never_locks", "lock_is_reorganised_away",
	"every_pair_swaps_in_peace/eth:usd_for_ltc", "every_pair_swaps_in_peace/smt_for_eth:usd",
}

// TestRealStories tells stories side by side on one stage. Expectations before
// the end are not held: real time does not wait for them.
func TestRealStories(t *testing.T) {
	if testing.Short() {
		t.Skip("real chain nodes take a while")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	program := filepath.Join(t.TempDir(), "photon")
	if out, err := exec.Command("go", "build", "-tags", "nomsgpack", "-o", program, "photon/cmd/photon").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	s, err := stage.Open(ctx, stage.Config{Dir: t.TempDir(), Program: program})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Mine(time.Second); err != nil {
		t.Fatal(err)
	}
	all := map[string]Story{}
	for _, s := range stories(t) {
		all[s.Name] = s
	}
	places := make(chan struct{}, 4) // stories at a time
	for i, name := range retold {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			places <- struct{}{}
			defer func() { <-places }()
			tale, known := all[name]
			if !known {
				t.Fatal("no such story")
			}
			w := newReal(ctx, s, string(rune('a'+i)))
			if err := play(ctx, tale, w, true); err != nil {
				t.Fatal(err)
			}
			if err := w.rest(); err != nil {
				t.Error(err)
			}
			for _, name := range w.People() {
				if err := w.Stop(name); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
