package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"photon/adapters/sim"
	"photon/contracts"
)

// Upset does what a story's verb says.
func (w *simulated) Upset(verb string, args []string) error {
	switch verb {
	case "with":
		p, is := paces[args[0]]
		if !is || len(w.nodes) > 0 {
			return fmt.Errorf("%w: pace %s, or too late for it", ErrNotHere, args[0])
		}
		w.pace = p
		for c := range w.chains {
			if err := w.grow(c); err != nil {
				return err
			}
		}
		return nil
	case "cut", "join":
		names := append(args, "")
		do := map[string]func(x, y string){"cut": w.board.Cut, "join": w.board.Join}[verb]
		do(names[0], names[1])
		return w.settle()
	case "board":
		return w.serve(args[0])
	case "wipe":
		n, err := w.person(args[0])
		if err != nil {
			return err
		}
		n.disk.Wipe()
		return nil
	case "full", "empty":
		n, err := w.person(args[0])
		if err != nil {
			return err
		}
		n.disk.Fill(verb == "full")
		return nil
	case "loses":
		n, err := w.person(args[0])
		if err != nil {
			return err
		}
		n.loses = true
		return nil
	case "crash":
		return w.arm(args)
	case "noise":
		return w.noise(args)
	}
	if puppetVerbs[verb] != nil {
		return w.act(verb, args)
	}
	if payerVerbs[verb] != nil {
		return w.deceive(verb, args)
	}
	return w.upsetChain(verb, args)
}

// serve opens or closes the board. Who is there already does not know of one.
func (w *simulated) serve(how string) error {
	switch {
	case how == "close" && w.host != nil:
		w.host.close()
	case how == "open" && (w.host != nil || len(w.nodes) == 0):
		if w.host == nil {
			w.host = &host{}
		}
		return w.host.open()
	default:
		return fmt.Errorf("board: wants open, before anybody is there, or close")
	}
	return nil
}

// arm stops a node at its next deed of a kind.
func (w *simulated) arm(args []string) error {
	verdicts := map[string]sim.Verdict{"before": sim.StopBefore, "after": sim.StopAfter, "lost": sim.LoseAnswer}
	if len(args) != 3 || verdicts[args[1]] == sim.Pass {
		return fmt.Errorf("wants a person, before, after or lost, and a deed")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = append(w.armed, armed{args[0], args[2], verdicts[args[1]]})
	return nil
}

func (w *simulated) noise(args []string) (err error) {
	n := sim.Noise{Double: slices.Contains(args, "double"), Lose: slices.Contains(args, "lose")}
	if n.Seed, err = strconv.ParseUint(args[0], 10, 64); err != nil {
		return err
	}
	if text := options(args)["delay"]; text != "" {
		if n.Delay, err = time.ParseDuration(text); err != nil {
			return err
		}
	}
	w.board.Disturb(n)
	return nil
}

// upsetChain does what a verb says to a chain, or to one person's way to it.
func (w *simulated) upsetChain(verb string, args []string) error {
	of := map[string]int{"reorg": 0, "fees": 0, "idle": 0, "busy": 0, "favour": 0, "halt": 0, "resume": 0, "down": 1, "up": 1, "stale": 1, "lie": 1, "lose": 1}
	at, known := of[verb]
	if !known || len(args) <= at {
		return fmt.Errorf("%w: %s", ErrNotHere, verb)
	}
	c, err := contracts.ParseChain(args[at])
	if err != nil {
		return err
	}
	on := w.chains[c]
	if on == nil {
		return fmt.Errorf("%w: %s", ErrNotHere, c)
	}
	switch verb {
	case "reorg":
		depth, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		on.Reorg(depth, slices.Contains(args, "drop"))
	case "fees":
		times, err := strconv.ParseUint(strings.TrimPrefix(args[1], "x"), 10, 32)
		if err != nil {
			return err
		}
		charge(on, times)
	case "idle", "busy":
		on.Idle(verb == "idle")
	case "favour":
		on.Favour()
	case "halt":
		delete(w.next, c)
	case "resume":
		w.next[c] = time.Now().Add(w.pace.every[c])
	case "down":
		on.Endpoint(args[0]).Fail()
	case "up":
		on.Endpoint(args[0]).Heal()
	case "stale":
		on.Endpoint(args[0]).Freeze(on.Height())
	case "lie":
		on.Endpoint(args[0]).Lie()
	case "lose":
		on.Endpoint(args[0]).Lose()
	}
	return w.settle()
}

// charge makes miners ask for so many times what they asked at first.
func charge(on chain, times uint64) {
	switch on := on.(type) {
	case *sim.Outputs:
		on.Ask(outputsRate * int64(times))
	case *sim.Contracts:
		on.Ask(gasPrice * times)
	}
}
