// Package contracts is the law under everything: what the chains accept, and
// the words in which all rooms speak of it.
//
//	Amount  Chain  Asset  Address  Hash  Secret    the vocabulary
//	Terms ──▶ Script   the leg as a Bitcoin or Litecoin output (P2TR, P2WSH)
//	      └─▶ Swap     the leg as a call of HashLock.sol (ETH, SMT)
//
//	ChannelName  Lock  BalanceProof  Claim         what a channel is made of
//	Channels ──▶ Word ──▶ Signature                what its parties sign
//	         └─▶ calls and events of Channels.sol and SecretRegistry.sol
//
// The one rule: everything here is a value and computes only. No clock, no
// network, no randomness.
//
// Start reading at [Terms]; then [Script] and [Swap], its two forms. For channels
// start at [ChannelName], then [Word].
package contracts
