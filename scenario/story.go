package scenario

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// A Story is a text of verbs.
type Story struct {
	Name  string
	Title string // the first comment
	Lines []Line
}

// A Line is one verb of a story.
type Line struct {
	Number int
	Text   string
	Words  []string
}

// ReadStory reads a story's text.
func ReadStory(name, text string) (Story, error) {
	s := Story{Name: name}
	for i, text := range strings.Split(text, "\n") {
		body, comment, has := strings.Cut(" "+text, " #") // "alice#1" is no comment
		if has && s.Title == "" {
			s.Title = strings.TrimSpace(comment)
		} else if has && len(s.Lines) == 0 && strings.TrimSpace(body) == "" {
			s.Title += " " + strings.TrimSpace(comment)
		}
		words, err := split(body)
		if err != nil {
			return s, fmt.Errorf("%s: line %d: %w", name, i+1, err)
		}
		if len(words) == 0 {
			continue
		}
		if verbs[words[0]] == nil {
			return s, fmt.Errorf("%s: line %d: no verb %q", name, i+1, words[0])
		}
		s.Lines = append(s.Lines, Line{i + 1, strings.Join(strings.Fields(body), " "), words})
	}
	if s.Title == "" {
		return s, fmt.Errorf("%s: the first line tells no story", name)
	}
	return s, nil
}

// split takes words apart at blanks outside of quotes.
func split(line string) (words []string, err error) {
	var word strings.Builder
	quoted, any := false, false
	for _, r := range line + " " {
		switch {
		case r == '"':
			quoted, any = !quoted, true
		case (r == ' ' || r == '\t' || r == '\r') && !quoted:
			if any {
				words = append(words, word.String())
			}
			word.Reset()
			any = false
		default:
			word.WriteRune(r)
			any = true
		}
	}
	if quoted {
		return nil, fmt.Errorf("quote is open")
	}
	return words, nil
}

// ReadStories reads every story of a folder, by name.
func ReadStories(dir string) (all []Story, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		for suffix, text := range pairs(string(text)) {
			s, err := ReadStory(strings.TrimSuffix(filepath.Base(f), ".txt")+suffix, text)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Story) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// stakes are what a story for every pair swaps, and how an expectation names it.
var stakes = []struct{ sum, name, amount string }{
	{"0.5btc", "btc", "0.5"}, {"2ltc", "ltc", "2"}, {"10eth", "eth", "10"}, {"100smt", "smt", "100"},
	{"5000eth:usd", "eth:usd", "5000"}, {"7000smt:usd", "smt:usd", "7000"},
}

// pairs tells a story that leaves open what is swapped, by {give} and {want},
// once for every ordered pair of assets; any other once.
func pairs(text string) map[string]string {
	if !strings.Contains(text, "{give}") {
		return map[string]string{"": text}
	}
	all := map[string]string{}
	for _, g := range stakes {
		for _, w := range stakes {
			if g.sum == w.sum {
				continue
			}
			all["/"+g.name+"_for_"+w.name] = strings.NewReplacer("{give}", g.sum, "{want}", w.sum,
				"{+give}", g.name+"="+g.amount, "{-give}", g.name+"=-"+g.amount, "{+want}", w.name+"="+w.amount, "{-want}", w.name+"=-"+w.amount,
				"{give chain}", strings.Split(g.name, ":")[0], "{want chain}", strings.Split(w.name, ":")[0]).Replace(text)
		}
	}
	return all
}

var rowID = regexp.MustCompile(`\b(?:[A-Z]|BF|MFEE|INT)\d+(?:\.\d+)?\b`)

// Rows are the ids of scenarios that the story's first comment names.
func (s Story) Rows() []string { return rowID.FindAllString(s.Title, -1) }

// Chains are those that the story speaks of.
func (s Story) Chains() (named []contracts.Chain) {
	for _, c := range contracts.Chains {
		says := regexp.MustCompile(`(?i)(\b|\d)` + string(c) + `\b`)
		if slices.ContainsFunc(s.Lines, func(l Line) bool { return says.MatchString(l.Text) }) {
			named = append(named, c)
		}
	}
	return named
}

// Pays reports whether the story speaks of channels.
func (s Story) Pays() bool {
	return slices.ContainsFunc(s.Lines, func(l Line) bool { return payerVerbs[l.Words[0]] != nil })
}

// A player plays one story in one world.
type player struct {
	world   World
	offers  map[string]trade.Offer // newest of each maker
	bills   map[string]bill        // invoices, by the names that the story gives them
	at      int                    // number of the line
	tries   map[[2]int]int         // of each line's payments, how often one failed
	refused error                  // of the last verb that somebody asked for
	patient bool                   // expectations before the end are not held: faults shift them
}

// Play plays a story and then checks what must always be true. Its error names
// the line.
func Play(ctx context.Context, s Story, w World) error { return play(ctx, s, w, false) }

func play(ctx context.Context, s Story, w World, patient bool) error {
	p := &player{world: w, offers: map[string]trade.Offer{}, bills: map[string]bill{}, tries: map[[2]int]int{}, patient: patient}
	for i, l := range s.Lines {
		if patient && l.Words[0] == "expect" && slices.ContainsFunc(s.Lines[i:], func(l Line) bool { return l.Words[0] != "expect" }) {
			p.refused = nil
			continue
		}
		if err := p.line(ctx, l, i+1 < len(s.Lines) && isRefusal(s.Lines[i+1])); err != nil {
			return fmt.Errorf("%s: line %d: %s: %w", s.Name, l.Number, l.Text, err)
		}
		if err := w.Check(); err != nil {
			return fmt.Errorf("%s: line %d: %s: then broken: %w", s.Name, l.Number, l.Text, err)
		}
	}
	return nil
}

func isRefusal(l Line) bool {
	return l.Words[0] == "expect" && len(l.Words) > 1 && l.Words[1] == "refused"
}

// line does one line. A refusal is an error unless the next line expects it.
func (p *player) line(ctx context.Context, l Line, mayRefuse bool) error {
	v := verbs[l.Words[0]]
	p.at = l.Number
	if n := len(l.Words) - 1; n < v.least {
		return fmt.Errorf("wants %s", v.usage)
	}
	err := v.do(p, ctx, l.Words[1:])
	for try := 0; err != nil && v.asks && p.patient && try < 6; try++ {
		if err := p.world.Pass(10 * time.Second); err != nil { // who fell is up again by then
			return err
		}
		err = v.do(p, ctx, l.Words[1:])
	}
	if v.asks {
		p.refused = nil
		if err != nil && mayRefuse {
			p.refused, err = err, nil
		}
	}
	return err
}
