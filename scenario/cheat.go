package scenario

import (
	"fmt"
	"slices"

	"photon/adapters/sim"
	"photon/contracts"
	"photon/node/channel"
)

// deceive lets somebody do by hand what no honest node does in a channel.
func (w *simulated) deceive(verb string, args []string) error {
	who, with := args[0], args[1]
	n, err := w.person(who)
	if err != nil {
		return err
	}
	if verb == "remember" {
		all, err := n.disk.Channels()
		if err != nil {
			return err
		}
		for _, c := range all {
			if c.Partner() == sim.Keys(with).Account() {
				w.past[who+" "+with] = c
			}
		}
		return nil
	}
	c, is := w.past[who+" "+with]
	if !is {
		return fmt.Errorf("%s remembers nothing of %s", who, with)
	}
	if err := w.Kill(who); err != nil {
		return err
	}
	n.cheats = true
	on := w.chains[c.Chain].(*sim.Contracts)
	at, registry := on.Channels()
	if verb == "cheat" {
		return w.call(who, on, at.At, contracts.CloseCall(c.Name, c.Them.Proof, c.Them.Signature))
	}
	demands, err := n.disk.Demands()
	if err != nil {
		return err
	}
	var take contracts.Bits
	for i, l := range c.Them.Locks {
		for _, d := range demands {
			if d.Invoice.Hash != l.Hash || d.Number == 0 {
				continue
			}
			if err := w.call(who, on, registry, contracts.RegisterCall(sim.Keys(who).InvoiceSecret(d.Number))); err != nil {
				return err
			}
			take = take.Or(contracts.BitsOf(i))
		}
	}
	claim := contracts.Claim{Transferred: c.Them.Proof.Transferred, Locks: c.Them.Proof.Locks}
	return w.call(who, on, at.At, contracts.UnlockCall(c.Name, !c.First, claim, c.Them.Locks, take, contracts.Signature{}))
}

// cheated reports whether anybody has.
func (w *simulated) cheated() bool {
	return slices.ContainsFunc(w.sorted(), func(n *node) bool { return n.cheats })
}

// call makes a call of somebody whose node does not run, and mines it.
func (w *simulated) call(who string, on *sim.Contracts, to contracts.Address, data []byte) error {
	life := sim.NewLife(w.ctx, who, nil)
	defer life.Stop()
	a := on.Account(life)
	txs, err := a.PrepareCall(w.ctx, channel.Order{ID: contracts.Hash{byte(len(w.points)), byte(len(data))}, To: to, Data: data})
	if err != nil {
		return err
	}
	for _, tx := range txs {
		if err := a.SendCall(w.ctx, tx); err != nil {
			return err
		}
	}
	on.Mine()
	return w.settle()
}
