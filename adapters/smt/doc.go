// Package smt is what is particular to Spectrum: legacy transactions, at least 18
// gwei per gas, and seventeen confirmations unless a trade asks for others.
// Everything else, also the form of the questions that Spectrum understands, is
// in adapters/evm.
//
// Start reading at [New].
package smt
