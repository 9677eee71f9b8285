package trade

import "photon/contracts"

// A Step is one line of a trade's life as a person reads it. The page, the CLI
// and the API show it as it is and compute nothing about safety themselves.
type Step struct {
	Name          string           `json:"name"`   // "agreed", "first_lock", "second_lock", "your_receipt", "their_receipt", "refund"
	Actor         string           `json:"actor"`  // "you", "them", "both"
	State         string           `json:"status"` // "done", "doing", "waiting", "skipped"
	Chain         contracts.Chain  `json:"chain,omitempty"`
	TxID          *contracts.Hash  `json:"txid,omitempty"`
	Confirmations uint64           `json:"confirmations"`
	Required      uint64           `json:"required"`
	OpensAt       uint64           `json:"opens_at,omitempty"`    // Unix seconds
	DeadlineAt    uint64           `json:"deadline_at,omitempty"` // Unix seconds
	Fee           contracts.Amount `json:"fee"`                   // network fee paid, of the chain's coin
}

// A Draft is what a maker says of an offer; the desk adds the rest and signs.
type Draft struct {
	Give, Want        contracts.Asset
	Min, Max          contracts.Amount // of Give
	GiveOf, WantOf    contracts.Amount // rate: GiveOf of Give cost WantOf of Want
	Expires           uint64           // Unix seconds
	GiveConfirmations uint64           // 0: the chain's default
	WantConfirmations uint64           // 0: the chain's default
	Form              contracts.Form   // "": P2TR
}

// A Quote is what taking an offer costs, before anything is locked.
type Quote struct {
	ID         contracts.Hash   `json:"id"`
	Offer      contracts.Hash   `json:"offer"`
	Pay        contracts.Asset  `json:"pay"`
	PayAmount  contracts.Amount `json:"payAmount"` // the taker locks this
	Get        contracts.Asset  `json:"get"`
	GetAmount  contracts.Amount `json:"getAmount"` // the taker redeems this, less RedeemFee where they are one coin
	LockFee    contracts.Amount `json:"lockFee"`   // estimates, in the coin of Pay's chain
	RefundFee  contracts.Amount `json:"refundFee"`
	RedeemFee  contracts.Amount `json:"redeemFee"`  // in the coin of Get's chain
	RefundFrom uint64           `json:"refundFrom"` // Unix seconds from which the taker can take Pay back
	RedeemBy   uint64           `json:"redeemBy"`   // Unix seconds
	Expires    uint64           `json:"expires"`    // Unix seconds; taking it later is refused
	Maker      Standing         `json:"maker"`      // how who made the offer stands with us
}

// A Notice is something that a person may want to see as it happens.
type Notice struct {
	Kind  string          `json:"kind"` // "trade", "head", "offer", "alarm"
	Trade *Trade          `json:"trade,omitempty"`
	Chain contracts.Chain `json:"chain,omitempty"`
	Head  *Head           `json:"head,omitempty"`
	Text  string          `json:"text,omitempty"`
}

// Steps tells t as a list: what is done, what is under way, what comes, by whom
// and until when.
func (t Trade) Steps() []Step {
	steps := []Step{t.agreedStep()}
	first, second := t.Ours, t.Theirs
	firstActor, secondActor := "you", "them"
	if t.Role == Second {
		first, second = second, first
		firstActor, secondActor = secondActor, firstActor
	}
	steps = append(steps,
		lockStep("first_lock", firstActor, first, t.LockBy()),
		lockStep("second_lock", secondActor, second, t.LockBy()))
	if ours := &steps[1]; t.Status == Redeeming {
		if t.Role == Second {
			ours = &steps[2]
		}
		if ours.State == "waiting" {
			ours.State = "skipped" // the secret is out: we lock no more
		}
	}
	receiptBy, theirBy := t.Theirs.Terms.Expiry, t.Ours.Terms.Expiry
	if t.Role == First {
		receiptBy = t.RevealBy()
	}
	receipt := endStep("your_receipt", "you", t.Theirs, receiptBy, BySecret, ByBoth)
	their := endStep("their_receipt", "them", t.Ours, theirBy, BySecret, ByBoth)
	refund := endStep("refund", "you", t.Ours, 0, ByTime, ByBoth)
	refund.OpensAt = t.Ours.Terms.Expiry
	if t.refunds() {
		receipt.State = "skipped"
		if t.Ours.Fate.End != nil && !t.TookBack() {
			refund.State = "skipped" // the partner has it: there is nothing to take back
		} else {
			their.State = "skipped"
		}
		for i := range steps { // what is not locked by now need not be
			if steps[i].State == "waiting" {
				steps[i].State = "skipped"
			}
		}
	} else {
		refund.State = "skipped"
	}
	if t.Role == Second && t.Status == Redeeming && (t.Ours.Fate.Lock == nil || t.Ours.deep(ByTime)) {
		their.State = "skipped" // told the secret, we find it not redeemed
	}
	if t.Role == First {
		steps = append(steps, receipt, their, refund)
	} else {
		steps = append(steps, their, receipt, refund)
	}
	return t.current(steps)
}

// refunds reports whether the trade is on the way back.
func (t Trade) refunds() bool {
	return t.Status == Refunding || t.Status == Refunded || (t.Status == Locking && t.givenUp()) ||
		(t.Status == Redeeming && t.unrevealed())
}

func (t Trade) agreedStep() Step {
	s := Step{Name: "agreed", Actor: "both", State: "done", DeadlineAt: t.LockBy()}
	switch {
	case t.Status == Proposed:
		s.State = "waiting"
	case t.Status == Cancelled:
		s.State = "skipped"
	}
	return s
}

func lockStep(name, actor string, l Leg, deadline uint64) Step {
	s := Step{Name: name, Actor: actor, State: "waiting", Chain: l.Terms.Asset.Chain, Required: l.Confirmations, DeadlineAt: deadline, OpensAt: 0}
	if lock := l.Fate.Lock; lock != nil {
		s.TxID, s.Fee, s.Confirmations = &lock.TxID, lock.Fee, min(l.locked(), l.Confirmations)
		if l.locked() >= l.Confirmations || l.Fate.End != nil {
			s.State, s.Confirmations = "done", l.Confirmations
		}
	}
	return s
}

func endStep(name, actor string, l Leg, deadline uint64, kinds ...Kind) Step {
	s := Step{Name: name, Actor: actor, State: "waiting", Chain: l.Terms.Asset.Chain, Required: l.Confirmations, DeadlineAt: deadline}
	if end := l.Fate.End; end != nil && (end.Kind == kinds[0] || end.Kind == kinds[1]) {
		s.TxID, s.Fee, s.Confirmations = &end.TxID, end.Fee, min(l.ended(), l.Confirmations)
		if l.deep(kinds...) {
			s.State = "done"
		}
	}
	return s
}

// current marks the first step that is not over as the one under way, unless
// nothing more will happen.
func (t Trade) current(steps []Step) []Step {
	for i := range steps {
		if steps[i].State != "waiting" {
			continue
		}
		if t.Status.AtRest() {
			// At rest the chains are no longer watched: what is open is over.
			steps[i].State = "skipped"
			continue
		}
		steps[i].State = "doing"
		return steps
	}
	// All is done and the trade has still to take note of it.
	for i := len(steps) - 1; i >= 0 && !t.Status.AtRest(); i-- {
		if steps[i].State == "done" {
			steps[i].State = "doing"
			break
		}
	}
	return steps
}

// Next is who has the next move and until when, in Unix seconds; "" and 0 at
// rest.
func (t Trade) Next() (actor string, deadline uint64) {
	for _, s := range t.Steps() {
		if s.State == "doing" {
			return s.Actor, max(s.DeadlineAt, s.OpensAt)
		}
	}
	return "", 0
}
