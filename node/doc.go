// Package node is a payment node: it keeps its channels, pays through them, passes
// on payments of others for a fee, and defends what it has on the chain.
//
//	      pay, open, close          messages            news of the chains
//	user ────────────────▶ ┌──────────────────────┐ ◀──────────────────────
//	                       │ decide   (ledger)    │
//	                       │ store    one Change  │  one goroutine, one loop
//	                       │ commit               │
//	                       └──────┬───────────────┘
//	                    act: lines (messages), carry (transactions)
//
// The one rule: nothing is said that is not stored. The loop takes in all that
// waits, lets the ledger decide, and stores it together; then it speaks. What waits for
// an answer of a partner, or of a chain, is kept nowhere else: it follows from the
// channels again after a restart.
//
// Start reading at [Node.Run]. The chapters: line.go (messages, to each partner),
// carry.go (what channels want of a chain), order.go (what our user orders of it),
// user.go (what people ask).
package node
