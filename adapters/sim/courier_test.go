package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"photon/contracts"
	"photon/node/message"
)

// A crowd is people on one board; each notes what is told him, and whom he meets.
type crowd struct {
	*testing.T
	board *Board

	mu   sync.Mutex
	said map[string][]string
	met  map[string][]string
}

// inCrowd runs a test in a crowd of its own, under fake time.
func inCrowd(t *testing.T, test func(*crowd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(&crowd{T: t, board: NewBoard(), said: map[string][]string{}, met: map[string][]string{}})
	})
}

// comes has a person connect for a life.
func (c *crowd) comes(name string, hook Hook) *Courier {
	life := NewLife(c.Context(), name, hook)
	courier := c.board.Courier(life, func(_ context.Context, from contracts.Address, body []byte) ([]byte, error) {
		c.mu.Lock()
		c.said[name] = append(c.said[name], c.who(from)+" "+string(body))
		c.mu.Unlock()
		if string(body) == "nonsense" {
			return nil, errNonsense
		}
		return []byte("re: " + string(body)), nil
	})
	go func() {
		for {
			select {
			case who := <-courier.Met():
				c.mu.Lock()
				c.met[name] = append(c.met[name], c.who(who))
				c.mu.Unlock()
			case <-life.Context().Done():
				return
			}
		}
	}()
	synctest.Wait()
	return courier
}

var errNonsense = errors.New("nonsense")

// told is all that was told to a person.
func (c *crowd) told(name string) []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.said[name])
}

func (c *crowd) who(account contracts.Address) string {
	for _, name := range []string{"alice", "bob", "carol"} {
		if Keys(name).Account() == account {
			return name
		}
	}
	return account.Hex()
}

// meets holds whom a person has met since it was asked last.
func (c *crowd) meets(name string, want ...string) {
	c.Helper()
	synctest.Wait()
	if !slices.Equal(c.met[name], want) {
		c.Errorf("%s met %v, want %v", name, c.met[name], want)
	}
	delete(c.met, name)
}

func TestCourierMeets(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		alice := c.comes("alice", nil)
		c.meets("alice")
		bob := c.comes("bob", nil)
		c.meets("alice", "bob")
		c.meets("bob", "alice")
		c.board.Cut("alice", "bob")
		c.meets("alice")
		c.board.Join("alice", "bob")
		c.meets("alice", "bob")
		c.meets("bob", "alice")
		c.board.Join("alice", "bob")
		c.meets("alice")
		bob.life.Stop()
		c.comes("bob", nil)
		c.meets("alice", "bob")
		c.board.Cut("", "alice")
		c.comes("carol", nil)
		c.meets("alice")
		c.meets("carol", "bob")
		c.board.Heal()
		if synctest.Wait(); len(c.met["alice"]) != 2 {
			c.Errorf("alice met %v once all was well", c.met["alice"])
		}
		if alice.account != Keys("alice").Account() {
			c.Errorf("alice is %s", alice.account)
		}
	})
}

// What is told comes once that is possible, in order, and who told it knows.
func TestCourierTellsInOrder(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		alice := c.comes("alice", nil)
		c.board.Disturb(Noise{Seed: 5, Delay: 10 * time.Second})
		ctx, giveUp := context.WithCancel(c.Context())
		errs := make([]error, 5)
		for i := range errs {
			mine := c.Context()
			if i == 1 {
				mine = ctx
			}
			go func() { errs[i] = alice.Tell(mine, Keys("bob").Account(), fmt.Append(nil, i)) }()
			synctest.Wait()
		}
		giveUp()
		time.Sleep(time.Hour) // nobody is there
		c.comes("bob", nil)
		time.Sleep(2 * time.Minute)
		if want := []string{"alice 0", "alice 2", "alice 3", "alice 4"}; !slices.Equal(c.told("bob"), want) {
			c.Errorf("bob was told %v, want %v", c.told("bob"), want)
		}
		for i, err := range errs {
			if errors.Is(err, context.Canceled) != (i == 1) || (err == nil) != (i != 1) {
				c.Errorf("%d: %v", i, err)
			}
		}
	})
}

// Through all noise each message comes at least once, and its teller stops telling.
func TestCourierThroughNoise(t *testing.T) {
	for seed := range uint64(20) {
		inCrowd(t, func(c *crowd) {
			alice := c.comes("alice", nil)
			c.comes("bob", nil)
			c.board.Disturb(Noise{Seed: seed, Double: true, Delay: time.Second, Lose: true})
			for i := range 10 {
				if err := alice.Tell(c.Context(), Keys("bob").Account(), fmt.Append(nil, i)); err != nil {
					c.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
			if first := slices.Compact(slices.Sorted(slices.Values(c.told("bob")))); len(first) != 10 {
				c.Errorf("seed %d: bob was told %v", seed, c.told("bob"))
			}
		})
	}
}

func TestCourierAsks(t *testing.T) {
	inCrowd(t, func(c *crowd) {
		alice := c.comes("alice", nil)
		c.comes("bob", nil)
		bob := Keys("bob").Account()
		if a, err := alice.Ask(c.Context(), bob, []byte("how much")); string(a) != "re: how much" || err != nil {
			c.Errorf("%q: %v", a, err)
		}
		if err := alice.Tell(c.Context(), bob, []byte("nonsense")); !errors.Is(err, errNonsense) {
			c.Errorf("told nonsense: %v", err)
		}
		short, cancel := context.WithTimeout(c.Context(), time.Minute)
		defer cancel()
		if _, err := alice.Ask(short, Keys("nobody").Account(), nil); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrDown) {
			c.Errorf("asked nobody: %v", err)
		}
	})
}

// Each row is what becomes of a tell, and what comes of it.
func TestCourierPassesTheHook(t *testing.T) {
	for _, r := range []struct {
		name    string
		verdict Verdict
		told    int
		err     error
	}{
		{"pass", Pass, 1, nil},
		{"stopped before", StopBefore, 0, ErrStopped},
		{"stopped after", StopAfter, 1, ErrStopped},
		{"answer lost", LoseAnswer, 2, nil}, // and told again
	} {
		t.Run(r.name, func(t *testing.T) {
			inCrowd(t, func(c *crowd) {
				var points []string
				alice := c.comes("alice", func(p Point) Verdict {
					points = append(points, p.String())
					if len(points) == 1 {
						return r.verdict
					}
					return Pass
				})
				c.comes("bob", nil)
				body := message.Encode([]message.Message{message.Answer{Nonce: 1}, message.Update{Changes: []message.Change{
					{Promise: &message.Promise{}}, {Unlock: &message.Unlock{}}, {Promise: &message.Promise{}}}}})
				err := alice.Tell(c.Context(), Keys("bob").Account(), body)
				if !errors.Is(err, r.err) || (err == nil) != (r.err == nil) {
					c.Errorf("%v, want %v", err, r.err)
				}
				if len(c.told("bob")) != r.told {
					c.Errorf("bob was told %v", c.told("bob"))
				}
				if points[0] != "alice tell answer, promise, unlock" {
					c.Errorf("points %q", points)
				}
			})
		})
	}
}
