package channel

import (
	"photon/contracts"
	"photon/node/message"
	"slices"
)

// What the other side of a trial does, beside what its machine does.

// forge is a message of the other side's own making, well signed.
func (x *trial) forge() {
	c := x.sides[0].c
	switch x.draw(6) {
	case 0: // the other proposes, agrees and declines as he likes
		if a := c.Accord; a != nil && a.Ours {
			_ = x.do(0, Heard{Message: message.Decline{Channel: c.Key, Epoch: c.Epoch, Until: a.until(), Reason: message.Busy}})
		}
		if x.draw(2) == 0 {
			x.agree()
		}
	case 1:
		x.agree()
	case 2:
		if n := len(c.Us.Notes); n > 0 {
			x.utter(message.Dispose{Channel: c.Key, Epoch: c.Epoch, Lock: c.Us.Notes[x.draw(n)].Lock, Reason: message.NoRoute})
		}
	case 3:
		if n := len(c.Us.Notes); n > 0 {
			_ = x.do(0, Heard{Message: message.Reveal{Channel: c.Key, Secret: x.secretOf(c.Us.Notes[x.draw(n)].Lock.Hash)}})
		}
	default:
		x.forgeUpdate()
	}
}

// agree signs what the honest side proposes.
func (x *trial) agree() {
	c := x.sides[0].c
	switch a := c.Accord; {
	case a == nil || !a.Ours:
	case a.Withdrawal != nil:
		x.utter(message.Withdraw{Channel: c.Key, Epoch: c.Epoch, Withdrawal: *a.Withdrawal, Agreed: true})
	default:
		x.utter(message.End{Channel: c.Key, Epoch: c.Epoch, Ending: *a.Ending, Agreed: true})
	}
}

func (x *trial) utter(m message.Message) {
	m = x.sign(1, m)
	x.heard = append(x.heard, m)
	_ = x.do(0, Heard{Message: m})
}

// forgeUpdate fits what the honest side knows: a payment, a lock, also one that was
// there before, or the end of one.
func (x *trial) forgeUpdate() {
	c := x.sides[0].c
	sent, locks := c.Them.Proof.Transferred, append([]contracts.Lock(nil), c.Them.Locks...)
	var changes []message.Change
	for range 1 + x.draw(3) {
		switch k := x.draw(4); {
		case k == 0 && len(locks) > 0:
			l := locks[x.draw(len(locks))]
			at := slices.Index(locks, l)
			locks = append(locks[:at:at], locks[at+1:]...)
			sent = sent.Plus(l.Amount)
			changes = append(changes, message.Change{Unlock: &message.Unlock{Lock: l.ID(), Secret: x.secretOf(l.Hash)}})
		case k == 1 && len(locks) > 0:
			l := locks[x.draw(len(locks))]
			at := slices.Index(locks, l)
			locks = append(locks[:at:at], locks[at+1:]...)
			changes = append(changes, message.Change{Drop: &message.Drop{Lock: l.ID()}})
		case k == 2:
			n := x.next
			if x.next > 0 && x.draw(2) == 0 {
				n = 1 + x.draw(x.next)
			} else {
				x.next++
				n = x.next
			}
			l := lock(n, 10, 1090-uint64(n%2)*20)
			if given := len(x.given); given > 0 && x.draw(2) == 0 {
				l = x.given[x.draw(given)].Lock
			}
			locks = append(locks, l)
			changes = append(changes, message.Change{Promise: &message.Promise{Lock: l}})
		default:
			x.next++
			p := message.Pay{ID: id(x.next), Amount: contracts.Units(uint64(1 + x.draw(50)))}
			sent = sent.Plus(p.Amount)
			changes = append(changes, message.Change{Pay: &p})
		}
	}
	x.utter(message.Update{
		Channel: c.Key, Epoch: c.Epoch, After: c.Them.Proof.Nonce, Changes: changes,
		Proof: contracts.BalanceProof{Nonce: c.Them.Heard + 1, Transferred: sent, Locks: contracts.LocksRoot(locks)},
	})
}

// bring is a call of the other side's.
func (x *trial) bring() {
	c, self := x.sides[1].c, x.sides[1].self()
	send := func(data []byte) string { return x.court.send(self, &x.court.at, contracts.Amount{}, data) }
	switch x.draw(7) {
	case 6:
		x.punish(send)
	case 0:
		if n := len(x.said); n > 0 {
			s := x.said[x.draw(n)]
			if x.draw(4) == 0 && send(contracts.CloseCall(c.Name, s.proof, s.signature)) == "" ||
				send(contracts.UpdateCall(c.Name, s.proof, s.signature, contracts.Signature{})) == "" {
				x.held, x.claim = s.locks, contracts.Claim{Transferred: s.proof.Transferred, Locks: s.proof.Locks}
			}
		}
	case 1:
		if n := len(x.accords); n > 0 {
			a := x.accords[x.draw(n)]
			x.bringAccord(a, send)
		}
	case 2, 3: // he knows all secrets, and registers one of a lock that was promised
		notes := append(append([]Note(nil), x.sides[0].c.Us.Notes...), x.sides[0].c.Them.Notes...)
		if len(notes) > 0 {
			n := notes[x.draw(len(notes))]
			x.court.send(self, &x.court.registry, contracts.Amount{}, contracts.RegisterCall(x.secretOf(n.Lock.Hash)))
		}
	case 4:
		x.unlock(send)
	case 5:
		if x.sides[0].c.Law != nil {
			for _, k := range c.Wants(x.at(1)) {
				if k.Kind == CallSettle || k.Kind == CallUpdate {
					send(k.Data(contracts.Signature{}))
				}
			}
		}
	}
}

func (x *trial) bringAccord(a signedAccord, send func([]byte) string) {
	c := x.sides[1].c
	if a.withdrawal != nil {
		own := x.over(1, contracts.WithdrawWord(c.Name.ID(), a.epoch, *a.withdrawal))
		first, second := c.inOrder(own, a.signature)
		send(contracts.WithdrawCall(c.Name, *a.withdrawal, first, second))
		return
	}
	own := x.over(1, contracts.CloseTogetherWord(c.Name.ID(), a.epoch, *a.ending))
	first, second := c.inOrder(own, a.signature)
	send(contracts.CloseTogetherCall(c.Name, *a.ending, first, second))
}

// unlock takes of the honest side's claim what it can.
func (x *trial) unlock(send func([]byte) string) {
	var all []int
	for i := range x.held {
		all = append(all, i)
	}
	if len(all) == 0 {
		return
	}
	if send(contracts.UnlockCall(x.sides[1].c.Name, !x.sides[1].c.First, x.claim, x.held, contracts.BitsOf(all...), contracts.Signature{})) != "" {
		return
	}
	e := x.court.events[len(x.court.events)-1].(Happened)
	x.claim.Unlocked, x.claim.Taken = e.Unlocked, e.Taken
}

// punish shows what the honest side has unlocked though it had signed it away.
func (x *trial) punish(send func([]byte) string) {
	c := x.sides[0].c
	if c.Law == nil {
		return
	}
	for i, l := range c.Them.Locks {
		for _, d := range x.given {
			if d.Lock == l && d.Epoch == c.Epoch && c.Law.Theirs.Taken.Has(i) {
				send(contracts.PunishCall(c.Name, !c.First, c.Law.Theirs, c.Them.Locks, i, d.Signature))
			}
		}
	}
}
