package trade

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"photon/contracts"
)

// unit is how many seconds a unit of the models is to the product.
const unit = 600

// measures are what a model and a profile are both made of, in units. The first
// leg is on chain A, the second on B. See testdata/*.pml.
type measures struct {
	lag          uint64 // B's refund opens so late
	mineA, mineB uint64 // a transaction waits so long to be mined
	deepA, deepB uint64 // and then so long to count
	undoA, undoB uint64 // a reorganisation reaches so far back
	away, skew   uint64
}

const chainA, chainB = contracts.LTC, contracts.BTC

// profile is m in the product's words, with legs as long as m needs them.
func (m measures) profile() Profile {
	return Profile{
		"measured", 100 * unit, 16 * unit, m.away * unit, map[contracts.Chain]uint64{chainB: m.lag * unit},
		map[contracts.Chain]uint64{chainA: (m.mineA + m.deepA) * unit, chainB: (m.mineB + m.deepB) * unit}, m.skew * unit,
	}
}

// offer is one whose legs last first and second units.
func (m measures) offer(first, second uint64) Offer {
	o := goodOffer()
	o.Want, o.Give, o.FirstTime, o.SecondTime = contracts.Native(chainA), contracts.Native(chainB), first*unit, second*unit
	return o
}

// A model is one of testdata, built.
type model struct{ pan string }

// build makes the checker of a model. Without spin and cc the test is skipped.
func build(t *testing.T, name string) model {
	t.Helper()
	for _, tool := range []string{"spin", "cc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: the models are not checked (apt-get install spin gcc)", tool)
		}
	}
	source, err := filepath.Abs(filepath.Join("testdata", name+".pml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, args := range [][]string{{"spin", "-a", source}, {"cc", "-O1", "-w", "-DSAFETY", "-DBFS", "-o", "pan", "pan.c"}} {
		c := exec.Command(args[0], args[1:]...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	return model{filepath.Join(dir, "pan")}
}

// broken looks through all that can happen with these measures, "TA=12", and
// returns the assertion that can fail, or "".
func (p model) broken(t *testing.T, measures ...string) string {
	t.Helper()
	c := exec.Command(p.pan, "-w18", "-n")
	c.Dir, c.Env = t.TempDir(), measures // a trail is left there
	out, err := c.CombinedOutput()
	if _, after, fails := bytes.Cut(out, []byte("assertion violated ")); fails {
		assertion, _, _ := bytes.Cut(after, []byte(" (at depth"))
		return string(assertion)
	}
	if err != nil || bytes.Contains(out, []byte("not completed")) || !bytes.Contains(out, []byte("errors: 0")) {
		t.Fatalf("%v %v: %v\n%s", c.Args, c.Env, err, out)
	}
	return ""
}

// safe reports whether nobody honest loses with m and the rest.
func (p model) safe(t *testing.T, m measures, rest ...string) bool {
	t.Helper()
	return p.broken(t, append(rest, strings.Fields(fmt.Sprintf("LAG=%d MINEA=%d MINEB=%d DEEPA=%d DEEPB=%d UNDOA=%d UNDOB=%d AWAY=%d SKEW=%d",
		m.lag, m.mineA, m.mineB, m.deepA, m.deepB, m.undoA, m.undoB, m.away, m.skew))...)...) == ""
}

// cases are every choice of two values for each measure, as far as it is another
// case: reorganisations that reach as far as confirmations go, and less far.
func cases() (all []measures) {
	for n := range uint64(64) {
		pick := func(few, many uint64) uint64 { bit := n & 1; n >>= 1; return few + bit*(many-few) }
		m := measures{lag: pick(0, 2), mineA: pick(1, 2), mineB: pick(1, 2), deepA: 2, deepB: pick(1, 3), away: pick(0, 2), skew: pick(0, 3)}
		m.undoA, m.undoB = m.deepA, m.deepB
		all = append(all, m)
	}
	for _, m := range []measures{{1, 1, 1, 3, 3, 1, 2, 1, 1}, {0, 2, 1, 2, 3, 1, 3, 2, 0}, {2, 1, 2, 1, 2, 1, 1, 0, 1}} {
		all = append(all, m)
	}
	return all
}

// What Check accepts is safe for Second whatever First does, and no unit more is
// asked than is needed, but for two: the models' time has a smallest step, in which
// what ends and what begins fall together, and a chain whose reorganisations reach
// less far than its confirmations is given credit for less.
func TestTimesAgainstModel(t *testing.T) {
	second := build(t, "honest_second")
	for _, m := range cases() {
		t.Run(fmt.Sprint(m), func(t *testing.T) {
			t.Parallel()
			p := m.profile()
			_, life := p.Times(chainA, chainB)
			tb := (life + unit - 1) / unit
			need := tb + p.Need(chainA, chainB)/unit
			slack := 1 + m.deepA - m.undoA + m.deepB - m.undoB
			for ta, want := range map[uint64]struct{ accepted, safe bool }{
				need: {true, true}, need - 1: {false, true}, need - slack: {false, true}, need - slack - 1: {false, false}, tb: {false, false},
			} {
				safe := second.safe(t, m, fmt.Sprint("TA=", ta), fmt.Sprint("TB=", tb), fmt.Sprint("LOCKBY=", tb/4))
				accepted := p.Check(m.offer(ta, tb)) == nil
				if accepted && !safe {
					t.Errorf("unsafe and accepted: legs of %d and %d, need %d", ta, tb, need)
				} else if accepted != want.accepted || safe != want.safe {
					t.Errorf("legs of %d and %d, need %d: accepted %v, safe %v", ta, tb, need, accepted, safe)
				}
			}
		})
	}
}

// Until AloneBy it is safe for First to show the secret whatever Second does, and
// where the margin decides and not the 70 %, one unit later it is not, or later by
// as much as reorganisations reach less far than confirmations.
func TestLimitsAgainstModel(t *testing.T) {
	first := build(t, "honest_first")
	for _, m := range cases() {
		t.Run(fmt.Sprint(m), func(t *testing.T) {
			t.Parallel()
			p := m.profile()
			_, life := p.Times(chainA, chainB)
			tb := (life + unit - 1) / unit
			a, _, err := Propose(m.offer(100, tb), goodOffer().Min, 7, goodSecret.Hash(), alice, start, p)
			if err != nil {
				t.Fatal(err)
			}
			alone, last := (a.AloneBy()-start)/unit, tb-m.skew-m.mineB-m.undoB
			if want := min(tb*70/100, last-(m.deepB-m.undoB)); alone != want || a.RevealBy() > a.AloneBy() {
				t.Errorf("decides until %d, shows until %d of %d; want %d", (a.RevealBy()-start)/unit, alone, tb, want)
			}
			for by, want := range map[uint64]bool{alone: true, last: true, last + 1: false} {
				if first.safe(t, m, fmt.Sprint("SHOWBY=", by), fmt.Sprint("TB=", tb), "GAP=0") != want {
					t.Errorf("shown until %d of %d: safe is %v", by, tb, !want)
				}
			}
			// Nothing but time helps who goes away after he showed the secret by
			// message and before he sent his redeem.
			for by, want := range map[uint64]bool{last - m.away: true, last: m.away == 0} {
				if first.safe(t, m, fmt.Sprint("SHOWBY=", by), fmt.Sprint("TB=", tb), "GAP=1") != want {
					t.Errorf("shown until %d of %d, and away then: safe is %v", by, tb, !want)
				}
			}
		})
	}
}

// No time lock helps who counts a lock that a reorganisation can still take back:
// the models see that, and so they see reorganisations at all.
func TestModelsSeeShallowLocks(t *testing.T) {
	m := measures{1, 1, 1, 2, 2, 3, 3, 1, 1}
	if build(t, "honest_second").safe(t, m, "TA=40", "TB=16", "LOCKBY=4") {
		t.Error("Second is safe on a lock that can be undone")
	}
	if build(t, "honest_first").safe(t, m, "SHOWBY=4", "TB=40", "GAP=0") {
		t.Error("First is safe on a lock that can be undone")
	}
}

// The rules by which the desks keep, send and resend give nobody two locks or a
// late one, and without any one of them they would.
func TestMessagesModel(t *testing.T) {
	messages := build(t, "messages")
	for _, row := range []struct{ rule, fault, want string }{
		{"all", "0", ""},
		{"a lock is stored before it is sent", "1", "(d[i].locks==1)"},
		{"the clock is looked at after a lock is made", "2", "(hour==0)"},
		{"a lock is made when none is stored", "3", "(d[i].locks==1)"},
		{"the clock is looked at before a lock is sent", "4", "(hour<2)"},
	} {
		if got := messages.broken(t, "FAULT="+row.fault); got != row.want {
			t.Errorf("without %q: %q can fail, want %q", row.rule, got, row.want)
		}
	}
}
