package contracts_test

import (
	"testing"

	"pgregory.net/rapid"

	"photon/contracts"
)

// settlements are the cases by which Raiden's contract is tested, with what each
// party had in after its withdrawals, had sent, and of its locks was unlocked in the
// end; what their contract gives the first, and what ours does.
//
// The two differ where one has sent more than he had, so that the words are not the
// newest or not true (SET-003, 006, 007, 010, 018, 019, 025, 031). Theirs divides
// before the locks are paid, keeps of them what is left, and divides that later; ours
// knows at once which locks were paid, and divides once. In SET-030 theirs has cut
// one unit off a sum beyond a word. SET-027, of one who has withdrawn more than he
// put in, cannot be here.
var settlements = []struct {
	id                  string
	firstHas, secondHas uint64
	firstSent           string
	firstUnlocked       uint64
	secondSent          string
	secondUnlocked      uint64
	theirs, ours        uint64 // of the first
}{
	{"SET-001", 30, 30, "20020", 3, "20030", 4, 41, 41},
	{"SET-003", 30, 30, "10000", 3, "20030", 4, 58, 60},
	{"SET-004", 30, 30, "20020", 0, "20030", 4, 44, 44},
	{"SET-006", 30, 30, "10000", 0, "20030", 4, 58, 60},
	{"SET-007", 30, 30, "10000", 0, "20030", 4, 58, 60},
	{"SET-009", 30, 30, "20020", 3, "20030", 4, 41, 41},
	{"SET-010", 30, 30, "10020", 17, "20030", 4, 58, 60},
	{"SET-012", 30, 30, "20020", 3, "20020", 4, 31, 31},
	{"SET-013", 30, 30, "20020", 3, "20030", 0, 37, 37},
	{"SET-015", 30, 30, "20020", 3, "20022", 0, 29, 29},
	{"SET-016", 30, 30, "20020", 3, "20024", 0, 31, 31},
	{"SET-018", 30, 30, "20020", 3, "20030", 4, 40, 41},
	{"SET-019", 30, 30, "20020", 3, "19990", 40, 39, 37},
	{"SET-021", 30, 30, "0", 0, "0", 0, 30, 30},
	{"SET-022", 30, 30, "20", 4, "30", 4, 40, 40},
	{"SET-024", 0, 20, "20", 4, "30", 2, 8, 8},
	{"SET-025", 30, 30, "20020", 30000000, "20030", 10000000, 60, 0},
	{"SET-028", 0, 0, "20", 0, "30", 0, 0, 0},
	{"SET-030", 30, 30, "115792089237316195423570985008687907853269984665640564039457584007913129639920", 3, "115792089237316195423570985008687907853269984665640564039457584007913129639930", 5, 41, 42},
	{"SET-031", 30, 30, "0", 4, "115792089237316195423570985008687907853269984665640564039457584007913129639930", 0, 54, 60},
	{"SET-033", 30, 30, "20020", 200000, "115792089237316195423570985008687907853269984665640564039457584007913129639930", 0, 60, 60},
	{"SET-034", 30, 30, "20", 200, "115792089237316195423570985008687907853269984665640564039457584007913129639930", 0, 60, 60},
}

// The contract divides as Divide does, and both as it is right.
func TestSettlements(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		h.registered(secret(1), secret(2))
		differ := 0
		for _, row := range settlements {
			h.n = h.opened(bob, alice, row.firstHas)
			if row.secondHas > 0 {
				h.deposited(h.n, alice, row.secondHas)
			}
			a, locks := settled(t, row.firstSent, 1, row.firstUnlocked)
			b, more := settled(t, row.secondSent, 2, row.secondUnlocked)
			h.closed(alice, a)
			h.updated(b)
			first, second := claim(a), claim(b)
			if len(locks) > 0 {
				first = h.unlocked(bob, first, locks...)
			}
			if len(more) > 0 {
				second = h.unlocked(alice, second, more...)
			}
			e := h.events(h.settled(first, second))[0]
			gets, rest := contracts.Divide(units(row.firstHas), units(row.secondHas), first, second)
			if e.FirstAmount != units(row.ours) || e.FirstAmount != gets || e.SecondAmount != rest {
				t.Errorf("%s: the contract gives %s and %s, Divide %s and %s; want %d", row.id, e.FirstAmount, e.SecondAmount, gets, rest, row.ours)
			}
			if row.theirs != row.ours {
				differ++
			}
		}
		if differ != 9 {
			t.Errorf("%d differ, and the comment explains nine", differ)
		}
	})
}

// settled is the word of one who has sent so much and promised what was unlocked.
func settled(t *testing.T, sent string, n byte, unlocked uint64) (contracts.BalanceProof, []contracts.Lock) {
	t.Helper()
	a, err := contracts.ParseAmount(sent)
	if err != nil {
		t.Fatal(err)
	}
	var locks []contracts.Lock
	if unlocked > 0 {
		locks = append(locks, promise(n, unlocked, 1<<60))
	}
	return contracts.BalanceProof{Nonce: 1, Transferred: a, Locks: contracts.LocksRoot(locks)}, locks
}

// Whatever is claimed, all is divided, and neither is favoured: with the parties
// exchanged, the parts are.
func TestDivideIsFair(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		deposit := rapid.Uint64()
		sum := func(name string) contracts.Amount {
			a := units(rapid.Uint64().Draw(r, name))
			if rapid.Bool().Draw(r, name+" near the end") {
				return endless.Minus(a)
			}
			return a
		}
		a, b := units(deposit.Draw(r, "first")), units(deposit.Draw(r, "second"))
		first := contracts.Claim{Transferred: sum("first sent"), Unlocked: sum("first unlocked")}
		second := contracts.Claim{Transferred: sum("second sent"), Unlocked: sum("second unlocked")}
		x, y := contracts.Divide(a, b, first, second)
		v, u := contracts.Divide(b, a, second, first)
		if x.Plus(y) != a.Plus(b) || x != u || y != v {
			r.Fatalf("%s and %s, exchanged %s and %s, of %s and %s", x, y, u, v, a, b)
		}
	})
}
