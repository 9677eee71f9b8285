package channel

import (
	"encoding/binary"
	"slices"

	"github.com/ethereum/go-ethereum/crypto"

	"photon/contracts"
)

// A Call is what we want of the contract: it follows from the state, and is wanted
// until the chain has told that it is done.
type Call struct {
	Kind     CallKind
	ID       contracts.Hash  // the same call has the same, and another another
	Channel  contracts.Hash  // key
	Word     *contracts.Word // what we must sign for it; nil is nothing
	Deadline uint64          // block by which it must be mined; 0 is none
	At       uint64          // block from which it can be mined; 0 is at once
	Asset    contracts.Asset
	Amount   contracts.Amount // what is at stake, of Asset
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

// Wants is what we want of the chain now, most urgent first. What can only be mined
// from a later block on is among it.
func (c Channel) Wants(now Now) []Call {
	if c.Status == Settled {
		return nil
	}
	calls := c.registrations(now)
	if c.Status == Closed {
		return append(calls, c.defence(now)...)
	}
	id := c.Name.ID()
	switch a := c.Accord; {
	case c.Wish != nil && c.Wish.Alone:
		calls = append(calls, c.call(CallClose, 0, 0, c.Balance(), nil, c.Them.Proof.Nonce, func(contracts.Signature) []byte {
			return contracts.CloseCall(c.Name, c.Them.Proof, c.Them.Signature)
		}))
	case a == nil || a.Theirs == nil || now.Height > a.until():
	case a.Withdrawal != nil:
		word := contracts.WithdrawWord(id, c.Epoch, *a.Withdrawal)
		calls = append(calls, c.call(CallWithdraw, a.until(), 0, c.Balance(), &word, a.until(), func(own contracts.Signature) []byte {
			first, second := c.inOrder(own, *a.Theirs)
			return contracts.WithdrawCall(c.Name, *a.Withdrawal, first, second)
		}))
	default:
		word := contracts.CloseTogetherWord(id, c.Epoch, *a.Ending)
		calls = append(calls, c.call(CallEnd, a.until(), 0, c.Balance(), &word, a.until(), func(own contracts.Signature) []byte {
			first, second := c.inOrder(own, *a.Theirs)
			return contracts.CloseTogetherCall(c.Name, *a.Ending, first, second)
		}))
	}
	return calls
}

// registrations are secrets of what we should be paid that must be dated before it
// is too late: because the partner does not pay, or the window ends.
func (c Channel) registrations(now Now) (calls []Call) {
	for _, n := range c.Them.Notes {
		if n.Secret == nil || n.Dated != 0 || n.Disposed != "" || !slices.Contains(c.Them.Locks, n.Lock) {
			continue
		}
		latest := n.Lock.Expiry
		if c.Law != nil {
			latest = min(latest, c.Law.End)
		}
		if now.Height > latest || c.Law == nil && now.Height+c.Rules.Reveal < latest {
			continue
		}
		secret := *n.Secret
		k := c.call(CallRegister, latest, 0, n.Lock.Amount, nil, 0, func(contracts.Signature) []byte {
			return contracts.RegisterCall(secret)
		})
		k.ID = contracts.Hash(crypto.Keccak256Hash([]byte(CallRegister), n.Lock.Hash[:])) // one for all channels
		calls = append(calls, k)
	}
	return calls
}

// defence is what a closed channel wants.
func (c Channel) defence(now Now) (calls []Call) {
	l := c.Law
	current := l.ByUs || l.Nonce >= c.Them.Proof.Nonce
	if now.Height <= l.End && !current {
		calls = append(calls, c.call(CallUpdate, l.End, 0, c.Balance(), nil, c.Them.Proof.Nonce, func(contracts.Signature) []byte {
			return contracts.UpdateCall(c.Name, c.Them.Proof, c.Them.Signature, contracts.Signature{})
		}))
	}
	if take, worth, ok := c.takeable(now); ok && current && now.Height <= l.End {
		data := contracts.UnlockCall(c.Name, !c.First, l.Theirs, c.Them.Locks, take, contracts.Signature{})
		k := c.call(CallUnlock, l.End, 0, worth, nil, 0, func(contracts.Signature) []byte { return data })
		k.ID = contracts.Hash(crypto.Keccak256Hash(k.ID[:], data)) // more secrets may come: then it is another
		calls = append(calls, k)
	}
	for i, lock := range l.Locks {
		j := note(c.Us.Notes, lock.ID())
		if j < 0 || c.Us.Notes[j].Disposal == nil || !l.Ours.Taken.Has(i) {
			continue
		}
		from := uint64(0)
		if l.ByUs {
			from = l.End + 1 // until then the partner may bring another list
		}
		proof := *c.Us.Notes[j].Disposal
		return append(calls, c.call(CallPunish, l.End+c.Rules.Punish, from, c.Us.Deposit.Plus(c.Them.Deposit), nil, uint64(i), func(contracts.Signature) []byte {
			return contracts.PunishCall(c.Name, c.First, l.Ours, l.Locks, i, proof)
		}))
	}
	soonest := l.End + c.Rules.Punish + 1
	if !l.ByUs {
		soonest += c.Rules.Reveal // who has closed settles; both at once would pay for one call that fails
	}
	return append(calls, c.call(CallSettle, 0, soonest, c.Balance(), nil, 0, func(contracts.Signature) []byte {
		if c.First {
			return contracts.SettleCall(c.Name, l.Ours, l.Theirs)
		}
		return contracts.SettleCall(c.Name, l.Theirs, l.Ours)
	}))
}

// takeable are the locks of the partner's claim that we can be paid now. While
// secrets of others may still come, we wait, as far as the window allows: one call
// for all.
func (c Channel) takeable(now Now) (take contracts.Bits, worth contracts.Amount, ok bool) {
	l := c.Law
	if len(c.Them.Locks) == 0 || l.Theirs.Locks != c.Them.Proof.Locks {
		return take, worth, false
	}
	for i, lock := range c.Them.Locks {
		n := c.Them.Notes[note(c.Them.Notes, lock.ID())]
		switch {
		case n.Disposed != "" || l.Theirs.Taken.Has(i):
		case n.Dated != 0 && n.Dated <= lock.Expiry:
			take, worth, ok = take.Or(contracts.BitsOf(i)), worth.Plus(lock.Amount), true
		case now.Through <= min(lock.Expiry, l.End) && now.Height+c.Rules.Reveal < l.End:
			return contracts.Bits{}, contracts.Amount{}, false
		}
	}
	return take, worth, ok
}

// inOrder puts both signatures in the contract's order.
func (c Channel) inOrder(own, theirs contracts.Signature) (first, second contracts.Signature) {
	if c.First {
		return own, theirs
	}
	return theirs, own
}

// call describes a call; what makes two of one kind different goes into its id.
func (c Channel) call(kind CallKind, deadline, at uint64, worth contracts.Amount, word *contracts.Word, differs uint64, data func(contracts.Signature) []byte) Call {
	id := crypto.Keccak256Hash([]byte(kind), c.Key[:], binary.BigEndian.AppendUint64(nil, c.Epoch), binary.BigEndian.AppendUint64(nil, differs))
	return Call{Kind: kind, ID: contracts.Hash(id), Channel: c.Key, Word: word, Deadline: deadline, At: at, Asset: c.Asset(), Amount: worth, data: data}
}
