package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"photon/adapters/sim"
	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/swap/trade"
)

// How a story ends in the simulated world: troubles cease, everybody comes to rest, and
// what must be true then is held.

// rest ends all troubles and lets time pass until nobody has anything left to do.
func (w *simulated) rest(most time.Duration) error {
	w.heal()
	for end := time.Now().Add(most); ; {
		open := ""
		for _, n := range w.sorted() {
			all, err := n.disk.Trades()
			if err != nil {
				return err
			}
			for _, t := range all {
				if !t.Status.AtRest() && (t.Status != trade.Stranded || !n.loses) {
					open = fmt.Sprintf("a swap of %s is still %s: %s", n.name, t.Status, t.Reason)
				}
			}
		}
		if open == "" {
			var err error
			if open, err = w.quiet(); err != nil {
				return err
			}
		}
		if open == "" {
			break
		}
		if !time.Now().Before(end) {
			return errors.New(open)
		}
		if err := w.Pass(time.Minute); err != nil {
			return err
		}
		if err := w.Check(); err != nil {
			return err
		}
	}
	return errors.Join(w.mirrors(), w.secrets())
}

// secrets must not be in any log.
func (w *simulated) secrets() error {
	text := w.log.String()
	for _, n := range w.sorted() {
		all, err := n.disk.Trades()
		if err != nil {
			return err
		}
		for _, t := range all {
			if strings.Contains(text, sim.Keys(n.name).Secret(t.Number).Reveal()) {
				return fmt.Errorf("a secret of %s is in a log", n.name)
			}
		}
	}
	return w.audit.balances()
}

// heal ends every trouble.
func (w *simulated) heal() {
	w.board.Heal()
	for name, c := range w.chains {
		if _, is := w.next[name]; !is {
			w.next[name] = time.Now().Add(w.pace.every[name])
		}
		c.Idle(false)
		charge(c, 1)
		for _, n := range w.nodes {
			c.Endpoint(n.name).Heal()
		}
	}
	w.mu.Lock()
	w.armed = nil
	w.mu.Unlock()
	for _, n := range w.nodes {
		n.disk.Fill(false)
		n.up.Store(true)
	}
}

// close ends all runs.
func (w *simulated) close() error {
	var errs []error
	for _, n := range w.sorted() {
		if n.life != nil {
			errs = append(errs, w.end(n))
		}
	}
	return errors.Join(errs...)
}

// quiet is what is still under way in channels; empty when nothing is.
func (w *simulated) quiet() (string, error) {
	for _, n := range w.sorted() {
		if w.pays && n.life == nil {
			return fmt.Sprintf("the node of %s is away", n.name), nil
		}
		payments, err := n.disk.Payments()
		if err != nil {
			return "", err
		}
		for _, p := range payments {
			if p.Ours && p.Status == ledger.Pending {
				return fmt.Sprintf("a payment of %s is still pending", n.name), nil
			}
		}
		transfers, err := n.disk.Transfers()
		if err != nil {
			return "", err
		}
		if i := slices.IndexFunc(transfers, func(t ledger.Transfer) bool { return !t.AtRest() }); i >= 0 {
			return fmt.Sprintf("a transfer of %s is still pending", n.name), nil
		}
		channels, err := n.disk.Channels()
		if err != nil {
			return "", err
		}
		for _, c := range channels {
			if c.Status == channel.Closed || c.Status == channel.Open && (len(c.Us.Flight)+len(c.Us.Queue)+len(c.Us.Locks)+len(c.Them.Locks) > 0 || c.Wish != nil || c.Accord != nil) {
				return fmt.Sprintf("channel %s of %s is not at rest", c.Key, n.name), nil
			}
		}
	}
	return "", nil
}

// mirrors holds the two sides of every channel against each other: at rest they see
// the same, and all the money is there.
func (w *simulated) mirrors() error {
	sides := map[contracts.Hash]channel.Channel{}
	var errs []error
	for _, n := range w.sorted() {
		all, err := n.disk.Channels()
		if err != nil {
			return err
		}
		for _, y := range all {
			if y.Frozen != "" {
				errs = append(errs, fmt.Errorf("channel %s of %s is frozen: %s", y.Key, n.name, y.Frozen))
			}
			x, is := sides[y.Key]
			if !is {
				sides[y.Key] = y
				continue
			}
			if x.Status != y.Status || x.Epoch != y.Epoch || x.Us.Deposit != y.Them.Deposit || x.Them.Deposit != y.Us.Deposit {
				errs = append(errs, fmt.Errorf("channel %s: %s sees another on the chain than %s", y.Key, n.name, y.Partner()))
			}
			if x.Status == channel.Open && (x.Us.Proof != y.Them.Proof || y.Us.Proof != x.Them.Proof) {
				errs = append(errs, fmt.Errorf("channel %s: both sides have not said the same", y.Key))
			}
			if x.Status == channel.Open && x.Balance().Plus(y.Balance()) != x.Us.Deposit.Plus(x.Them.Deposit) {
				errs = append(errs, fmt.Errorf("channel %s: %s and %s are not all there is", y.Key, x.Balance(), y.Balance()))
			}
		}
	}
	return errors.Join(errs...)
}
