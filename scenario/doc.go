// Package scenario tells stories about Photon and holds it to them. A story is a
// text of verbs, one a line:
//
//	# A1. Alice takes Bob's offer and never locks.
//	offer  bob give=10eth want=0.5btc
//	take   alice bob
//	until  2h bob status=cancelled
//	expect bob eth=0
//
// The one rule: a story knows no world. [Play] gives its verbs to a [World], and
// whatever the world is, the story reads and ends the same.
//
//	story ──▶ Play ──▶ World ┬─ simulated: desks on adapters/sim, under fake time
//	                         └─ real: processes and chain nodes
//
// The simulated world is played plain, with a node stopped at each thing it does,
// with messages doubled, delayed and lost, and by stories that a seed writes.
// After every story [auditor] holds what must always be true of a swap.
//
// Start reading at [Play]. The chapters: verbs.go and payer.go (what a story can say,
// of swaps and of channels), expect.go (what it can ask), simulated.go and
// simulated_pay.go (the world in memory), rest.go (how a story ends there), faults.go
// (what befalls it), host.go (the board of that world), real.go (the world of processes), audit.go (the invariants),
// puppet.go and cheat.go (who follows no rules), random.go (stories by seed).
package scenario
