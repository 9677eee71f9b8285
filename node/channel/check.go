package channel

import (
	"fmt"

	"photon/contracts"
)

// check is the invariant that is broken, for a person; empty when all hold.
func (c Channel) check() string {
	if c.Status == Settled {
		return ""
	}
	mine := c.Us.Deposit.Plus(c.Them.Proof.Transferred)
	theirs := c.Them.Deposit.Plus(c.Us.Proof.Transferred)
	switch {
	case mine.Less(c.bound()):
		return fmt.Sprintf("we have said and locked %s of %s", c.bound(), mine)
	case theirs.Less(c.Them.Proof.Transferred.Plus(sum(c.Them.Locks))):
		return fmt.Sprintf("the partner has said %s and locked %s of %s", c.Them.Proof.Transferred, sum(c.Them.Locks), theirs)
	case contracts.LocksRoot(c.Us.Locks) != c.Us.Proof.Locks:
		return "our locks are not those of our proof"
	case contracts.LocksRoot(c.Them.Locks) != c.Them.Proof.Locks:
		return "the partner's locks are not those of his proof"
	case c.Us.Used < c.Us.Answered || c.Us.Answered < c.Us.Proof.Nonce || c.Them.Heard < c.Them.Proof.Nonce:
		return fmt.Sprintf("nonces: %d signed, %d answered, %d stands; %d heard, %d stands", c.Us.Used, c.Us.Answered, c.Us.Proof.Nonce, c.Them.Heard, c.Them.Proof.Nonce)
	}
	after := c.Us.Proof.Nonce
	for _, f := range c.Us.Flight {
		if f.After != after || f.Proof.Nonce <= after || contracts.LocksRoot(f.Locks) != f.Proof.Locks {
			return fmt.Sprintf("update %d builds on %d, not on %d", f.Proof.Nonce, f.After, after)
		}
		after = f.Proof.Nonce
	}
	for _, l := range c.Us.Locks {
		if note(c.Us.Notes, l.ID()) < 0 {
			return fmt.Sprintf("nothing is known of our lock %s", l.ID())
		}
	}
	for _, l := range c.Them.Locks {
		if note(c.Them.Notes, l.ID()) < 0 {
			return fmt.Sprintf("nothing is known of the partner's lock %s", l.ID())
		}
	}
	return ""
}
