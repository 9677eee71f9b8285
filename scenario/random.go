package scenario

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// window is how many seconds of a random story are disturbed: within it the
// partner of one who is away still has the time that the profile promises.
const window = 14 * 60

// RandomStory writes the story of a seed: up to three swaps and everything that
// can go wrong without anybody breaking a rule.
func RandomStory(seed uint64) string {
	w := &writer{rand: rand.New(rand.NewPCG(seed, 0x5eed))}
	fmt.Fprintf(&w.text, "# Random story of seed %d.\n", seed)
	people := []string{"alice", "bob", "carol"}
	for range 1 + w.rand.IntN(3) {
		give := stakes[w.rand.IntN(len(stakes))]
		want := stakes[w.rand.IntN(len(stakes))]
		for give == want {
			want = stakes[w.rand.IntN(len(stakes))]
		}
		maker := w.rand.IntN(len(people))
		taker := (maker + 1 + w.rand.IntN(len(people)-1)) % len(people)
		form := ""
		if w.rand.IntN(3) == 0 {
			form = " form=p2wsh"
		}
		w.say("offer %s give=%s want=%s%s", people[maker], give.sum, want.sum, form)
		w.say("take %s %s", people[taker], people[maker])
		w.chains = append(w.chains, strings.Split(give.name, ":")[0], strings.Split(want.name, ":")[0])
		w.people = append(w.people, people[maker], people[taker])
		w.pass(60)
	}
	for w.at < window {
		w.trouble()
		w.pass(200)
	}
	w.say("pass 1m")
	return w.text.String()
}

// RandomPayments writes the story of a seed about channels: three people in a line pay
// each other, directly and over the one between, while everything goes wrong that can
// without anybody breaking a rule.
func RandomPayments(seed uint64) string {
	people := []string{"alice", "bob", "carol"}
	w := &writer{rand: rand.New(rand.NewPCG(seed, 0xca5)), chains: []string{"smt"}, people: people}
	fmt.Fprintf(&w.text, "# Random payments of seed %d.\nopen alice bob 100smt\nopen bob carol 100smt\ndeposit bob alice 100smt\ndeposit carol bob 100smt\n", seed)
	for w.at < window {
		if w.rand.IntN(3) == 0 {
			w.trouble()
		} else if from, amount := w.rand.IntN(3), 1+w.rand.IntN(60); from == 1 {
			w.say("try begin bob %s %dsmt plain", people[2*w.rand.IntN(2)], amount)
		} else if to := people[2-from]; w.rand.IntN(2) == 0 {
			w.say("try begin %s %s %dsmt via=bob,%s", people[from], to, amount, to)
		} else {
			w.say("try begin %s bob %dsmt plain", people[from], amount)
		}
		w.pass(60)
	}
	w.say("pass 1m")
	return w.text.String()
}

// A writer writes one random story.
type writer struct {
	rand   *rand.Rand
	text   strings.Builder
	at     int // seconds since the first take
	chains []string
	people []string
}

func (w *writer) say(format string, args ...any) { fmt.Fprintf(&w.text, format+"\n", args...) }

// pass lets up to most seconds go by.
func (w *writer) pass(most int) {
	s := 1 + w.rand.IntN(most)
	w.at += s
	w.say("pass %ds", s)
}

// trouble does one thing to the world, or mends one.
func (w *writer) trouble() {
	who, other := w.people[w.rand.IntN(len(w.people))], w.people[w.rand.IntN(len(w.people))]
	c := w.chains[w.rand.IntN(len(w.chains))]
	switch w.rand.IntN(16) {
	case 0, 1:
		w.say("kill %s", who)
	case 2, 3:
		w.say("start %s", who)
	case 4:
		if who != other {
			w.say("cut %s %s", who, other)
		}
	case 5:
		if who != other {
			w.say("join %s %s", who, other)
		}
	case 6:
		w.say("down %s %s", who, c)
	case 7, 8:
		w.say("up %s %s", who, c)
	case 9:
		depth := 1 // less than the confirmations that are asked
		if c == "eth" || c == "smt" {
			depth += w.rand.IntN(2)
		}
		w.say("reorg %s %d%s", c, depth, []string{"", " drop"}[w.rand.IntN(2)])
	case 10:
		w.say("fees %s x%d", c, 1+w.rand.IntN(8))
	case 11:
		w.say("idle %s", c)
	case 12:
		w.say("busy %s", c)
	case 13:
		w.say("%s %s %s", []string{"stale", "lose", "lie"}[w.rand.IntN(3)], who, c)
	case 14:
		deed := []string{"save", "keep", "send", "ask", "journal"}[w.rand.IntN(5)]
		w.say("crash %s %s %s", who, []string{"before", "after", "lost"}[w.rand.IntN(3)], deed)
	case 15:
		w.say("noise %d double delay=%ds%s", w.rand.IntN(1000), 1+w.rand.IntN(8), []string{"", " lose"}[w.rand.IntN(2)])
	}
}

// Shrink leaves out lines of a failing story as long as it fails, and returns the
// shortest.
func Shrink(text string, fails func(text string) bool) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for size := max(1, len(lines)/2); size >= 1; size /= 2 {
		for at := 1; at < len(lines); {
			end := min(len(lines), at+size)
			shorter := append(append([]string{}, lines[:at]...), lines[end:]...)
			if fails(strings.Join(shorter, "\n")) {
				lines = shorter
			} else {
				at++
			}
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
