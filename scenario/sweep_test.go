package scenario

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"photon/adapters/sim"
)

// swept are the stories of which every point is swept on every run; of the rest
// it is one in fifty, or every with PHOTON_SWEEP=all.
var swept = []string{"bob_and_alice_swap", "both_agree_to_give_up", "joint_signatures"}

// TestCrashSweep stops a node at everything it does, and looks whether all is
// well in the end nevertheless: before it happens, after it has, and when it has
// but the node is told that it failed.
func TestCrashSweep(t *testing.T) {
	verdicts := map[sim.Verdict]string{sim.StopBefore: "stopped before", sim.StopAfter: "stopped after", sim.LoseAnswer: "answer lost of"}
	for _, s := range stories(t) {
		if !mayCrash(s) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			plain, err := told(t, s, true, nil)
			if err != nil {
				t.Fatalf("with patience: %v\n%s", err, plain.log)
			}
			step := 50
			if os.Getenv("PHOTON_SWEEP") == "all" {
				step = 1
			}
			for _, name := range swept {
				if s.Name == name {
					step = 1
				}
			}
			runs := 0
			for at := len(s.Name) % step; at < len(plain.points); at += step {
				for v, how := range verdicts {
					runs++
					w, err := told(t, s, true, func(w *simulated) {
						w.judge = func(n int, _ sim.Point) sim.Verdict {
							if n == at {
								return v
							}
							return sim.Pass
						}
					})
					if err != nil {
						t.Errorf("%s point %d, %s: %v", how, at, plain.points[at], err)
						if testing.Verbose() {
							t.Log(w.log)
						}
					}
				}
			}
			t.Logf("%d points, %d runs", len(plain.points), runs)
		})
	}
}

// mayCrash reports whether a story's end does not hang on when exactly it does
// what: one that fails nobody itself, and whose partner is no puppet.
func mayCrash(s Story) bool {
	for _, l := range s.Lines {
		switch l.Words[0] {
		case "crash", "loses", "full", "kill", "stop", "noise", "begin", "cheat": // what was begun may end otherwise when somebody was away
			return false
		}
		if _, puppet := puppetVerbs[l.Words[0]]; puppet || isRefusal(l) {
			return false
		}
	}
	return !strings.Contains(s.Name, "/") || strings.HasPrefix(s.Name, "every_pair_swaps/")
}

// TestNoise plays stories while messages come twice, late, in another order, or
// not at all.
func TestNoise(t *testing.T) {
	for _, s := range stories(t) {
		if !mayCrash(s) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			seeds := uint64(2)
			if os.Getenv("PHOTON_SWEEP") == "all" {
				seeds = 100
			}
			for seed := range seeds {
				n := sim.Noise{Seed: seed, Double: true, Delay: 3e9, Lose: seed%2 == 1}
				w, err := told(t, s, true, func(w *simulated) { w.board.Disturb(n) })
				if err != nil {
					t.Errorf("%s: %v", fmt.Sprintf("%+v", n), err)
					if testing.Verbose() {
						t.Log(w.log)
					}
				}
			}
		})
	}
}
