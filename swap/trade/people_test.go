package trade

import (
	"reflect"

	"photon/contracts"
)

// give is Apply with all that must hold of it.
func (w *world) give(p *person, e Event) error {
	before := p.at
	now, effects, err := before.Apply(e)
	if err != nil {
		if !reflect.DeepEqual(before, now) || len(effects) > 0 {
			w.fail("%s: refused %T changed the trade", p.role, e)
		}
		return err
	}
	if now.Status != before.Status {
		w.note("%s: %s after %T: %s", p.role, now.Status, e, now.Reason)
		p.moved(w, before, now)
	}
	if now.Frozen != "" {
		w.fail("%s frozen: %s", p.role, now.Frozen)
	}
	if actor, by := now.Next(); (actor == "" || by == 0) != now.Status.AtRest() {
		w.fail("%s %s: next is %q until %d", p.role, now.Status, actor, by)
	}
	if now.Status != before.Status || now.GaveRefund != before.GaveRefund || now.Missed != before.Missed {
		p.journal = restarted(w, now)
	}
	p.at = now
	for _, effect := range effects {
		if _, leaves := effect.(Tell).Message.(Abandon); leaves && !w.chance(3) {
			to := w.people[index(other(p.role))]
			to.inbox = append(to.inbox, LeftByPartner{})
		}
	}
	return nil
}

// moved checks a change of status.
func (p *person) moved(w *world, before, now Trade) {
	if before.Status.AtRest() {
		w.fail("%s left rest: %s to %s", p.role, before.Status, now.Status)
	}
	legal := false
	for _, to := range moves[p.role][before.Status] {
		legal = legal || to == now.Status
	}
	if !legal {
		w.fail("%s moved from %s to %s", p.role, before.Status, now.Status)
	}
	if p.role == First && now.Status == Redeeming && !now.revealed() {
		// By the time that he has heard of: what is shown later, the shell looks at again.
		if !now.Ours.secure() || !now.Theirs.secure() || now.clock() > now.RevealBy() || now.GaveRefund {
			w.fail("revealed wrongly: %+v", now)
		}
	}
}

// live is a minute of an honest person: he hears the time, the chains and his
// mail, in an order that nobody promises, then does what he wants.
func (w *world) live(p *person) {
	if w.minute < p.back {
		return
	}
	if !p.wasAway && w.chance(60) {
		p.wasAway, p.back = true, w.minute+int(w.luck>>40%longest)+1
		w.note("%s is away until %d", p.role, p.back)
		return
	}
	if w.chance(25) {
		p.at = restarted(w, p.at)
	}
	if p.journal.ID != (contracts.Hash{}) && w.chance(150) {
		version := p.at.Version
		p.at, p.stored = restarted(w, p.journal), map[Purpose]bool{}
		p.at.Version, p.at.Rescued = version+1, true
		w.note("%s loses his disk", p.role)
	}
	events := []Event{Ticked{w.now()}}
	for _, side := range []Side{Ours, Theirs} {
		c := w.of(p.role)
		if side == Theirs {
			c = w.of(other(p.role))
		}
		if p.at.Status != Proposed {
			events = append(events, Sighted{side, Head{Height: c.height, Time: c.time(w.now())}, w.fate(c, p.role)})
		}
	}
	if w.chance(2) {
		events = []Event{events[len(events)-1], events[0], events[len(events)/2]}
	}
	mail := p.inbox
	p.inbox = nil
	for _, e := range append(events, mail...) {
		w.give(p, e)
	}
	if w.chance(300) {
		w.give(p, Left{})
	}
	for _, want := range p.at.Wants() {
		w.carry(p, want)
	}
	if p.at.GaveUpLock() && !p.stored[Lock] {
		w.give(p, LockFailed{"given up"})
	}
}

// carry does what the shell does for a want.
func (w *world) carry(p *person, want Want) {
	c := w.of(p.role)
	if want.Side == Theirs {
		c = w.of(other(p.role))
	}
	made := p.stored[want.Purpose]
	switch {
	case want.Purpose == Lock:
		if p.at.GaveRefund || p.at.Rescued || p.at.Left {
			w.fail("%s wants a lock", p.role)
		}
		if made {
			return
		}
		if w.now() > p.at.LockBy() {
			w.give(p, LockFailed{"late"})
			return
		}
		p.stored[Lock] = true
		if c.lockings++; c.lockings > 1 {
			w.fail("%s locks twice", p.role)
		}
		w.note("%s locks", p.role)
		c.lock = &deed{by: p.role, sent: w.minute}
	case want.Purpose == Redeem && !made:
		w.redeem(p, c, want)
	case want.Purpose == Refund && want.Only:
		if w.signed(p, c, Refund) && w.give(p, RefundSigned{}) == nil {
			c.ends = append(c.ends, &deed{by: p.role, kind: ByBoth, sent: w.minute})
		}
	case want.Purpose == Refund && !made && !want.Only && c.time(w.now()) > c.expiry:
		p.stored[Refund] = true
		c.ends = append(c.ends, &deed{by: p.role, kind: ByTime, sent: w.minute})
	}
}

func (w *world) redeem(p *person, c *chain, want Want) {
	if p.role == First && p.at.Secret == nil {
		last := p.at.AloneBy()
		if p.at.Rescued { // it may be out
			last = p.at.Theirs.Terms.Expiry
		}
		if w.now() > last {
			_ = w.give(p, Missed{}) // which is taken once his chain says so, too
			return
		}
		if w.now() <= p.at.AloneBy() && p.at.StillCounts() != nil && !(p.at.Rescued && p.at.Ours.Fate.End != nil) {
			return
		}
		for _, l := range w.legs {
			if deep := l.lock != nil && l.lock.height > 0 && l.height >= l.lock.height+policy-1; !deep && !p.at.Rescued {
				w.fail("First shows the secret to a lock that does not count")
			}
		}
	}
	if p.role == First {
		w.reveal = true
	} else if p.at.Secret == nil {
		w.fail("Second redeems without the secret")
	}
	kind := BySecret
	if want.Together && w.chance(2) && w.signed(p, c, Redeem) {
		kind = ByBoth
	}
	p.stored[Redeem] = true
	w.note("%s redeems by %s", p.role, kind)
	c.ends = append(c.ends, &deed{by: p.role, kind: kind, sent: w.minute})
}

// signed asks the partner of p for his half of a spend of c.
func (w *world) signed(p *person, c *chain, purpose Purpose) bool {
	partner := w.people[index(other(p.role))]
	if !partner.honest {
		return w.chance(2)
	}
	if w.minute < partner.back || c.lock == nil {
		return false
	}
	var e Event
	switch {
	case purpose == Refund:
		e = RefundAsked{}
	case p.role == First:
		e = Shown{goodSecret}
	}
	if e != nil && w.give(partner, e) != nil {
		return false
	}
	side := Theirs
	if c == w.of(partner.role) {
		side = Ours
	}
	f := partner.at.Leg(side).Fate
	return partner.at.MayCosign(purpose) == nil && f.Lock != nil && f.End == nil
}

// harm is a minute of a hostile person. What he cannot know he does not use.
func (w *world) harm(p *person) {
	ours, theirs := w.of(p.role), w.of(other(p.role))
	victim := w.people[index(other(p.role))]
	add := func(c *chain, k Kind) {
		if c.lock != nil && len(c.ends) < 8 {
			c.ends = append(c.ends, &deed{by: p.role, kind: k, sent: w.minute, secret: w.chance(2)})
		}
	}
	if ours.lock == nil && w.chance(6) {
		ours.lockings++
		ours.lock = &deed{by: p.role, sent: w.minute, secret: w.chance(2)}
	}
	knows := p.role == First || w.reveal
	if knows && w.chance(20) {
		add(theirs, BySecret)
		w.note("%s (hostile) redeems", p.role)
	}
	if w.chance(20) {
		add(ours, ByTime)
	}
	if w.chance(30) && w.signed(p, ours, Refund) {
		add(ours, ByBoth)
		w.note("%s (hostile) gets a refund signed", p.role)
	}
	// Whoever signs a redeem asks to see the secret in the request, see MayCosign.
	if knows && w.chance(30) && w.signed(p, theirs, Redeem) {
		add(theirs, ByBoth)
		w.note("%s (hostile) gets a redeem signed", p.role)
	}
	words := []Event{LeftByPartner{}, Declined{"no"}, Accepted{bob.Theirs, bob.Ours}, Accepted{bob.Ours, bob.Theirs}}
	if p.role == First {
		words = append(words, Shown{goodSecret}, Shown{contracts.Secret{1}})
	}
	if w.chance(25) {
		victim.inbox = append(victim.inbox, words[w.luck>>40%uint64(len(words))])
	}
}
