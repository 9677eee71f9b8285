package channel

import "photon/contracts"

// A Call is what we want of the contract: it follows from the state, and is wanted
// until the chain has told that it is done.
type Call struct {
	Kind     CallKind
	ID       contracts.Hash   // the same call has the same, and another another
	Channel  contracts.Hash   // key
	Word     *contracts.Word  // what we must sign for it; nil is nothing
	Deadline uint64           // block by which it must be mined; 0 is none
	At       uint64           // block from which it can be mined; 0 is at once
	Amount   contracts.Amount // what is at stake, of the channel's asset
	data     func(contracts.Signature) []byte
}

// A CallKind is what a call does.
type CallKind string

// The kinds.
const (
	CallWithdraw CallKind = "withdraw"
	CallEnd      CallKind = "close together"
	CallClose    CallKind = "close"
	CallUpdate   CallKind = "update"
	CallRegister CallKind = "register" // at the SecretRegistry
	CallUnlock   CallKind = "unlock"
	CallPunish   CallKind = "punish"
	CallSettle   CallKind = "settle"
)

// Data is the call as the contract takes it, with our signature under Word.
func (c Call) Data(own contracts.Signature) []byte { return c.data(own) }
