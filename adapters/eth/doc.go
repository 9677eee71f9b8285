// Package eth is what is particular to Ethereum: fees by EIP-1559, and twelve
// confirmations unless a trade asks for others. Everything else is in
// adapters/evm.
//
// Start reading at [New].
package eth
