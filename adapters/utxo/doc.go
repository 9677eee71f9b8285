// Package utxo is what Bitcoin and Litecoin share as places where legs lie:
// outputs watched, locks funded and spent, the wallet that pays for them.
//
//	nodes ──▶ pool ──▶ Follow ──▶ index   fates of watched legs   ──▶ News
//	 (rpc.go)           │         wallet  coins, addresses
//	                    └ every block and every waiting transaction, once
//	Order ──▶ Prepare / Hasten / Propose ──▶ signed Tx ──▶ Send ──▶ all nodes
//
// The one rule: a node is believed only in what was checked. A block must hash
// to what was asked for, with the work that the chain asks for (work.go), hold what
// its header commits to, witnesses included, and stand on the block before; what a
// later branch of the chain does not hold is forgotten. What one node leaves out,
// another is asked for.
//
// What differs between the two coins is a [Coin]; packages btc and ltc make it.
// What differs between programs (btcd, Bitcoin Core, ltcd, Litecoin Core) is
// hidden behind [Node].
//
// Who pays for locks and is paid by them is a [purse]: our own wallet, or that of
// a node (nodewallet.go). The keys of locks are ours in either case.
//
// Start reading at [Chain], then [Chain.Follow] (follow.go), index.go and
// wallet.go, which hold what was seen, and [Chain.Prepare] (spend.go).
package utxo
