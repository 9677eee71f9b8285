// Package sim is the world in memory: chains, a network, disks and keys, for
// stories that are told in no time and end the same way each time.
//
//	              Disk ── Store, Vault  ┐
//	             Board ── Line, Courier │
//	             Atlas ── Guide         ├── one Life of a node
//	Outputs, Contracts ── Purse, Account┘
//
// What stands left is shared or outlives a node; what stands right is a node's own
// hold on it, for one run: it fills a port of the swap desk or of the payment node,
// and ends with its [Life]. The chains are real where it counts: scripts run in btcd's
// script engine under the rules of what nodes relay, and the bytecode of HashLock and
// Channels runs in go-ethereum's EVM. Only networks, clocks, miners and the one who
// knows all ways are made up.
//
// The one rule: whatever a node does to the world outside itself (save, keep, send,
// ask, tell) passes [Life.pass], so that a story can stop the node before it, after it,
// or let it happen and lose the answer.
//
// Time is the caller's: run it under testing/synctest. Start reading at [Life],
// then [Outputs] and [Contracts]; lookout.go is what both kinds of chains tell of
// swaps, channels.go and calls.go are what a payment node hears and sends.
package sim
