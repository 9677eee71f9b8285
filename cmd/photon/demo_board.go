package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"photon/scenario/stage"
)

// A board shows a demo as it goes: on a terminal a table that is drawn anew, in
// a file one line for each thing that happens, as JSON one object a swap.
type board struct {
	mu    sync.Mutex
	out   io.Writer
	json  bool
	live  bool
	rows  []boardRow
	drawn int // lines of the table on the terminal now
}

type boardRow struct {
	name, step string
	elapsed    time.Duration
}

func newBoard(out *os.File, json bool) *board {
	return &board{out: out, json: json, live: !json && term.IsTerminal(int(out.Fd()))}
}

// say tells what is being done. With JSON it goes where people look.
func (b *board) say(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	to := b.out
	if b.json {
		to = os.Stderr
	}
	b.wipe()
	fmt.Fprintf(to, format+"\n", args...)
	b.draw()
}

// row notes where a story is.
func (b *board) row(name, step string, elapsed time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.rows {
		if b.rows[i].name != name {
			continue
		}
		changed := b.rows[i].step != step
		b.rows[i].step, b.rows[i].elapsed = step, elapsed
		b.changed(b.rows[i], changed)
		return
	}
	b.rows = append(b.rows, boardRow{name, step, elapsed})
	b.changed(b.rows[len(b.rows)-1], true)
}

func (b *board) changed(r boardRow, news bool) {
	if b.live {
		b.wipe()
		b.draw()
		return
	}
	if news {
		to := b.out
		if b.json {
			to = os.Stderr
		}
		fmt.Fprintf(to, "%-22s %6.1fs  %s\n", r.name, r.elapsed.Seconds(), r.step)
	}
}

// done takes a story off the table and prints its end.
func (b *board) done(r report) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wipe()
	name := r.Pair + " " + r.Kind
	for i := range b.rows {
		if b.rows[i].name == name {
			b.rows = append(b.rows[:i], b.rows[i+1:]...)
			break
		}
	}
	if b.json {
		if err := encode(b.out, r); err != nil {
			fmt.Fprintln(os.Stderr, "photon:", err)
		}
		return
	}
	fmt.Fprintf(b.out, "%s %-22s %6.1fs  %s %s\n", tick(r.good()), name, r.Seconds, r.Status, r.Error)
	b.draw()
}

func tick(good bool) string {
	if good {
		return "✓"
	}
	return "✗"
}

// wipe takes the table off the terminal.
func (b *board) wipe() {
	if b.live && b.drawn > 0 {
		fmt.Fprintf(b.out, "\x1b[%dA\x1b[J", b.drawn)
		b.drawn = 0
	}
}

func (b *board) draw() {
	if !b.live {
		return
	}
	for _, r := range b.rows {
		fmt.Fprintf(b.out, "▶ %-22s %6.1fs  %s\n", r.name, r.elapsed.Seconds(), r.step)
	}
	b.drawn = len(b.rows)
}

// summary prints every swap's transactions, fees and seconds, and the sum.
func (b *board) summary(s summary, reports []report) error {
	if b.json {
		return encode(b.out, struct {
			Summary summary `json:"summary"`
		}{s})
	}
	w := tabwriter.NewWriter(b.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "\nSWAP\tKIND\tSTATUS\tSECONDS\tTOGETHER\tLOCKS\tREDEEMS\tFEES")
	for _, r := range reports {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t%v\t", r.Pair, r.Kind, r.Status, r.Seconds, r.Cooperative)
		for c, id := range r.LockTxID {
			fmt.Fprintf(w, "%s %.8s ", c, id)
		}
		fmt.Fprint(w, "\t")
		for c, id := range r.RedeemTxID {
			fmt.Fprintf(w, "%s %.8s ", c, id)
		}
		fmt.Fprint(w, "\t")
		for name, fees := range r.Fees {
			for coin, fee := range fees {
				fmt.Fprintf(w, "%s %s%s ", name, fee, coin)
			}
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "\n%d completed, %d refunded, %d failed, in %.0f s (%.0f s of them to start)\n", s.Completed, s.Refunded, s.Failed, s.Seconds, s.Ready)
	return w.Flush()
}

// next says what a person can try while the demo keeps running.
func (b *board) next(alice, bob *stage.Person) {
	fmt.Fprintf(b.out, `
Everything keeps running until you press Ctrl-C. Try, in another terminal:

  bin/photon wallet balance --data %[1]s
  bin/photon swap offer 1eth 40smt --data %[2]s
  bin/photon swap offers --from %[3]s --data %[1]s
  bin/photon swap take OFFER --watch --data %[1]s
  bin/photon swap list --data %[1]s
`, alice.Data, bob.Data, bob.Address)
}
