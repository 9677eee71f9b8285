// Package evm is what ETH and SMT share: it tells the fate of legs that
// HashLock holds, and makes the transactions that lock, redeem and refund them; it
// tells what is confirmed of the channels that we are a party of, and makes their
// calls. Both use one account, and so one lane of nonces.
//
//	endpoints ──heads, logs──▶ branch ──▶ book ──fates──▶ Follow's deliver
//	    ▲            │        (headers)  (watches)
//	    │            └───────▶ branch ──▶ pages ──events──▶ FollowChannels' deliver
//	    │                                (confirmed)
//	    └──signed bytes── Send ◀── the caller's store ◀── Prepare, Hasten
//	                    SendCall                          PrepareCall, HastenCall
//	                                                      (lane: nonces)
//
// The one rule: an endpoint is believed only in what can be checked. A log
// counts when it is our contract's, in a block of the branch that we hold, and
// of a key that a watch computes from its own terms. One that is left out shows in
// what the contract says of the leg (audit.go); of channels, in what a second
// endpoint shows (page.go). What stands at a height is read
// again when the branch forks. Nothing is broadcast that Prepare, Hasten or
// Deploy did not hand to the caller first; Deploy alone sends at once.
//
// What differs between the chains is a [Policy]; adapters/eth and adapters/smt
// hold theirs. The questions are asked in the form that both understand: calls
// carry their bytes as data and as input, logs are asked for by ranges of
// heights, never by the hash of a block, no question names the tags pending,
// safe or finalized, and a block is known by its header only.
//
// Start reading at [Chain]; then follow.go and listen.go (what the chain says of
// swaps and of channels), spend.go, send.go, hasten.go and calls.go (what we say to
// it). code.go proves the contracts, endpoints.go asks, answers.go reads.
package evm
