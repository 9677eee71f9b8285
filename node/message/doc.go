// Package message is what two nodes say to each other off chain, and the fee
// arithmetic in which a payment's amounts are agreed.
//
//	[]Message ── Encode ──▶ packet ── Decode ──▶ []Message
//	[Update]    of Changes, each answered by an [Answer]; the rest is about locks,
//	            breaks, withdrawing and ending
//	[Invoice]   asks for a payment: a signed text, which people copy
//	[Offer]     of an exchange of two assets between two partners
//
//	             Backward ◀── what must come in, for this to go out (path finder)
//	in ──▶ [Hop] ──▶ out
//	             Forward  ──▶ what goes out, of this that came in   (mediator)
//
//	[Schedule]  what a node asks in one channel: flat + ppm + imbalance [Curve]
//	[Quote]     Backward over all hops of a route; [WithMargin], [CheckFee]
//	            are what the initiator makes of it
//
// The two rules: what is said has one encoding, whose reader takes nothing else and
// believes no length that it is told. And mediator and path finder call the same
// arithmetic, it is exact (integers and fractions, rounded once, half to even), and
// no floating point is in it.
//
// Start reading at [Message] and at [Hop]. message.go: what is said; encode.go: its
// encoding, message by message; coder.go: what that is made of; invoice.go: invoices and
// their text; offer.go: exchanges. fee.go: schedules, and amounts without a curve;
// crossing.go: the first amount that is right under a curve; exact.go: the numbers in
// which that is decided; curve.go, imbalance.go: curves, and the default one; route.go:
// whole routes and what the initiator adds.
package message
