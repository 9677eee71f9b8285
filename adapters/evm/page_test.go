package evm

import (
	"context"
	"errors"
	"slices"
	"testing"

	"photon/contracts"
)

// liesOf is a second endpoint of the same blocks, with these notes in each.
func liesOf(tb testing.TB, p *paper, receipts bool, turn func([]entry) []entry) *paper {
	q := newPaper(tb)
	q.blocks = slices.Clone(p.blocks)
	for i := range q.blocks {
		q.blocks[i].notes = turn(slices.Clone(q.blocks[i].notes))
	}
	if receipts {
		q.receipts = p
	}
	return q
}

// lies are what a second endpoint shows in place of the logs.
var lies = []struct {
	name     string
	receipts bool // it has the true ones in its receipts
	turn     func([]entry) []entry
	want     error // when there is no third
}{
	{"good", false, nothing, nil},
	{"none can be searched yet", true, none, nil},
	{"none are there", false, none, ErrDisagree},
	{"one is invented", true, more, ErrDisagree},
	{"all are others", true, others, ErrDisagree},
}

func nothing(notes []entry) []entry { return notes }

func none([]entry) []entry { return nil }

func more(notes []entry) []entry {
	if len(notes) == 4 {
		e := notes[3]
		e.Index, e.TxID = 9, contracts.Hash{9}
		notes = append(notes, e)
	}
	return notes
}

func others(notes []entry) []entry {
	for i := range notes {
		notes[i].Data = slices.Clone(notes[i].Data)
		if notes[i].Address == testRegistry {
			notes[i].Address = testContract
		} else if len(notes[i].Data) == 96 {
			notes[i].Data[95] ^= 1
		}
	}
	return notes
}

// Two endpoints show other logs of the same blocks. What is left out and stands in a
// receipt counts; what only one has counts for nothing, and neither is anything told
// that comes after it.
func TestEndpointsDisagree(t *testing.T) {
	for _, row := range lies {
		for _, first := range []bool{true, false} {
			p := busy(t, 20)
			q := liesOf(t, p, row.receipts, row.turn)
			urls := []string{p.url, q.url}
			if first {
				slices.Reverse(urls)
			}
			l, d := newListener(t, 0, urls...)
			err := l.settle(t)
			if !errors.Is(err, row.want) || (row.want == nil) != (err == nil) {
				t.Errorf("%s: %v, want %v", row.name, err, row.want)
			}
			if row.want == nil && !slices.Equal(d.all(), p.confirmed(0, paperDepth)) || row.want != nil && len(d.all()) > 0 {
				t.Errorf("%s: told %q", row.name, d.all())
			}
		}
	}
}

// While nobody can be asked, nothing is said to be rewritten.
func TestDownIsNoRewriting(t *testing.T) {
	p := busy(t, 20)
	l, _ := newListener(t, 0, p.url)
	if err := l.settle(t); err != nil {
		t.Fatal(err)
	}
	p.down = 1
	if err := l.rewritten(context.Background(), l.through.Parent); !errors.Is(err, ErrDown) || l.ended != nil {
		t.Errorf("%v, ended by %v", err, l.ended)
	}
	if err := l.rewritten(context.Background(), l.through.Parent); !errors.Is(err, ErrDisagree) || l.ended != nil {
		t.Errorf("%v, ended by %v", err, l.ended)
	}
}

// Of three endpoints, two that show the same are enough.
func TestTwoOfThree(t *testing.T) {
	for _, row := range lies {
		for place := range 3 {
			p := busy(t, 20)
			urls := slices.Insert([]string{p.url, liesOf(t, p, true, nothing).url}, place, liesOf(t, p, row.receipts, row.turn).url)
			l, d := newListener(t, 0, urls...)
			for range 40 {
				_, _ = l.step(context.Background()) // the liar is met now and then
			}
			if want := p.confirmed(0, paperDepth); l.ended != nil || !slices.Equal(d.all(), want) {
				t.Errorf("%s, place %d: ended by %v, told %d of %d", row.name, place, l.ended, len(d.all()), len(want))
			}
		}
	}
}

// Our endpoint goes over to another chain, and another stays: that is a quarrel of
// endpoints and no rewriting. Once only the other answers, it goes on.
func TestQuarrelIsNoRewriting(t *testing.T) {
	p := busy(t, 20)
	q := newPaper(t)
	q.blocks = slices.Clone(p.blocks)
	l, d := newListener(t, 0, p.url, q.url)
	if err := l.settle(t); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.born, p.blocks = 5000, p.blocks[:10:10]
	for range 14 {
		p.mine()
	}
	p.mu.Unlock()
	var err error
	for range 10 {
		if _, err = l.step(context.Background()); errors.Is(err, ErrDisagree) {
			break
		}
	}
	if !errors.Is(err, ErrDisagree) || l.ended != nil {
		t.Fatalf("%v, ended by %v", err, l.ended)
	}
	q.mu.Lock()
	q.born = 9000
	q.note(deposited(1, us, above))
	for range 3 {
		q.mine()
	}
	q.mu.Unlock()
	p.mu.Lock()
	p.blocks = p.blocks[:1]
	p.mu.Unlock()
	for range 20 {
		_, _ = l.step(context.Background()) // the other chain is met now and then
	}
	if l.ended != nil || !slices.Equal(d.all(), q.confirmed(0, paperDepth)) {
		t.Errorf("ended by %v, told %q", l.ended, d.all())
	}
}
