package channel

import (
	"fmt"

	"photon/contracts"
)

// check is the invariant that is broken, for a person; empty when all hold. What is
// as it was before need not be hashed again.
func (c Channel) check(before Channel) string {
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
	case !rooted(c.Us.Locks, c.Us.Proof, before):
		return "our locks are not those of our proof"
	case !rooted(c.Them.Locks, c.Them.Proof, before):
		return "the partner's locks are not those of his proof"
	case c.Us.Used < c.Us.Answered || c.Us.Answered < c.Us.Proof.Nonce || c.Them.Heard < c.Them.Proof.Nonce:
		return fmt.Sprintf("nonces: %d signed, %d answered, %d stands; %d heard, %d stands", c.Us.Used, c.Us.Answered, c.Us.Proof.Nonce, c.Them.Heard, c.Them.Proof.Nonce)
	}
	after := c.Us.Proof.Nonce
	for _, f := range c.Us.Flight {
		if f.After != after || f.Proof.Nonce <= after || !rooted(f.Locks, f.Proof, before) {
			return fmt.Sprintf("update %d builds on %d, not on %d", f.Proof.Nonce, f.After, after)
		}
		after = f.Proof.Nonce
	}
	if l, is := unknown(c.Us.Locks, c.Us.Notes); is {
		return fmt.Sprintf("nothing is known of our lock %s", l.ID())
	}
	if l, is := unknown(c.Them.Locks, c.Them.Notes); is {
		return fmt.Sprintf("nothing is known of the partner's lock %s", l.ID())
	}
	return ""
}

// unknown is a lock on which there is no note.
func unknown(locks []contracts.Lock, notes []Note) (l contracts.Lock, is bool) {
	at := -1
	for _, l := range locks {
		if at = noteOn(notes, l, at+1); at < 0 {
			return l, true
		}
	}
	return l, false
}

// rooted reports whether a proof is of a list of locks: it was found to be, when the
// channel had the very same list under the same root before.
func rooted(locks []contracts.Lock, of contracts.BalanceProof, before Channel) bool {
	if identical(locks, before.Us.Locks) && of.Locks == before.Us.Proof.Locks || identical(locks, before.Them.Locks) && of.Locks == before.Them.Proof.Locks {
		return true
	}
	for _, f := range before.Us.Flight {
		if identical(locks, f.Locks) && of.Locks == f.Proof.Locks {
			return true
		}
	}
	return contracts.LocksRoot(locks) == of.Locks
}

// identical reports whether two lists are one in memory. Lists are never written to.
func identical(a, b []contracts.Lock) bool {
	return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0]
}
