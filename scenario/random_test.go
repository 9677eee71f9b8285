package scenario

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestRandomStories plays the stories of many seeds. PHOTON_SEEDS is how many,
// PHOTON_SEED the first. What fails is printed as the shortest story that does.
func TestRandomStories(t *testing.T) { playSeeds(t, 200, RandomStory) }

// TestRandomPayments does the same with stories of channels.
func TestRandomPayments(t *testing.T) { playSeeds(t, 60, RandomPayments) }

func playSeeds(t *testing.T, usual uint64, write func(seed uint64) string) {
	count, first := usual, uint64(1)
	for name, into := range map[string]*uint64{"PHOTON_SEEDS": &count, "PHOTON_SEED": &first} {
		if text := os.Getenv(name); text != "" {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			*into = n
		}
	}
	failed, ends := 0, map[string]int{}
	for seed := first; seed < first+count && failed < 3; seed++ {
		text := write(seed)
		err := playText(t, text, ends)
		if err == nil {
			continue
		}
		failed++
		tries := 0
		short := Shrink(text, func(text string) bool {
			tries++
			return tries < 300 && kind(playText(t, text, nil)) == kind(err)
		})
		t.Errorf("seed %d: %v\nshortest story: %v\n%s", seed, err, playText(t, short, nil), short)
	}
	t.Logf("%d stories, ended %v", count, ends)
}

var particular = regexp.MustCompile(`\d+|alice|bob|carol|(BTC|LTC|ETH|SMT)\S*`)

// kind is what is wrong, whoever and wherever it befell.
func kind(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	parts := strings.Split(particular.ReplaceAllString(line, ""), ": ")
	return strings.Join(parts[max(0, len(parts)-2):], ": ")
}

// playText plays a story and counts how its swaps and payments ended.
func playText(t *testing.T, text string, ends map[string]int) error {
	t.Helper()
	s, err := ReadStory("random", text)
	if err != nil {
		t.Fatal(err)
	}
	if s.Chains() == nil {
		return nil
	}
	w, err := told(t, s, true, nil)
	if err != nil || ends == nil {
		return err
	}
	for _, n := range w.sorted() {
		all, err := n.disk.Trades()
		if err != nil {
			return err
		}
		for _, t := range all {
			ends["swap "+string(t.Status)]++
		}
		payments, err := n.disk.Payments()
		if err != nil {
			return err
		}
		for _, p := range payments {
			if p.Ours {
				ends["payment "+string(p.Status)+" "+string(p.Reason)]++
			}
		}
	}
	return nil
}

// The shortest story that fails is found whatever stands around it.
func TestShrink(t *testing.T) {
	text := "# a story\nbad one\na\nb\nc\nbad two\nd\n"
	got := Shrink(text, func(s string) bool { return containsAll(s, "bad one", "bad two") })
	if want := "# a story\nbad one\nbad two\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func containsAll(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
