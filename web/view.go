package web

import (
	"slices"

	"photon/contracts"
	"photon/swap/trade"
	"photon/web/api"
)

// viewOffers is offers as callers see them.
func viewOffers(offers []trade.Offer, self string) api.Offers {
	view := api.Offers{Offers: make([]api.Offer, len(offers))}
	for i, o := range offers {
		view.Offers[i] = viewOffer(o, self)
	}
	return view
}

// viewOffer is an offer as the node of self sees it; a board is nobody.
func viewOffer(o trade.Offer, self string) api.Offer {
	return api.Offer{
		Id: o.Digest(), Maker: o.Maker, Ours: o.Maker == self, Realm: o.Realm,
		Give: o.Give, Want: o.Want, Min: o.Min, Max: o.Max, GiveOf: o.GiveOf, WantOf: o.WantOf, Expires: o.Expires,
		FirstTime: o.FirstTime, SecondTime: o.SecondTime,
		GiveConfirmations: o.GiveConfirmations, WantConfirmations: o.WantConfirmations,
		GiveContract: viewContract(o.GiveContract), WantContract: viewContract(o.WantContract),
		Form: string(o.Form), At: o.At, Text: OfferText(o),
	}
}

// viewContract is an address with its checksum, or "" where there is none.
func viewContract(a contracts.Address) string {
	if a == (contracts.Address{}) {
		return ""
	}
	return a.Hex()
}

func viewQuote(q trade.Quote) api.Quote {
	return api.Quote{
		Id: q.ID, Offer: q.Offer, Pay: q.Pay, PayAmount: q.PayAmount, Get: q.Get, GetAmount: q.GetAmount,
		LockFee: q.LockFee, RefundFee: q.RefundFee, RedeemFee: q.RedeemFee,
		RefundFrom: q.RefundFrom, RedeemBy: q.RedeemBy, Expires: q.Expires, Maker: q.Maker,
	}
}

// viewSwap is a trade as callers see it: neither its secret nor the number that
// its keys are derived from.
func viewSwap(t trade.Trade) api.Swap {
	steps := t.Steps()
	return api.Swap{
		Id: t.ID, Role: t.Role, Status: t.Status, Partner: t.Partner, Offer: t.Offer, Start: t.Start,
		Pay: viewLeg(t.Ours), Get: viewLeg(t.Theirs), Steps: append([]trade.Step{}, steps...), Next: viewNext(steps),
		Closing: viewClosing(t), Leave: viewLeave(t), Fees: viewFees(t),
		Abandoned: t.Abandoned, Reason: t.Reason, Frozen: t.Frozen,
	}
}

func viewLeg(l trade.Leg) api.Leg {
	view := api.Leg{
		Asset: l.Terms.Asset, Amount: l.Terms.Amount, Form: l.Terms.Form, Contract: viewContract(l.Terms.Contract),
		Redeemer: viewParty(l.Terms.Redeemer), Refunder: viewParty(l.Terms.Refunder), Expiry: l.Terms.Expiry,
		Required: l.Confirmations,
	}
	if lock := l.Fate.Lock; lock != nil {
		view.Lock = &api.Lock{Txid: lock.TxID, Index: lock.Index, Amount: lock.Amount, Height: lock.Height, Fee: lock.Fee}
		if lock.Height > 0 && l.Head.Height >= lock.Height {
			view.Confirmations = l.Head.Height - lock.Height + 1
		}
	}
	if end := l.Fate.End; end != nil {
		view.End = &api.End{Kind: end.Kind, Txid: end.TxID, Height: end.Height, Fee: end.Fee}
	}
	return view
}

// viewParty is an address with its checksum on ETH and SMT, a key in hex on the
// others, and "" while it is unknown.
func viewParty(p contracts.Party) string {
	if len(p) == len(contracts.Address{}) {
		return contracts.Address(p).Hex()
	}
	return p.String()
}

// viewNext is the step that is under way, or the first that is waited for.
func viewNext(steps []trade.Step) *api.Next {
	for _, state := range []string{"doing", "waiting"} {
		i := slices.IndexFunc(steps, func(s trade.Step) bool { return s.State == state })
		if i >= 0 {
			s := steps[i]
			return &api.Next{
				Actor: api.NextActor(s.Actor), Step: api.NextStep(s.Name), OpensAt: s.OpensAt, DeadlineAt: s.DeadlineAt,
			}
		}
	}
	return nil
}

// viewClosing says whether the node may be stopped.
func viewClosing(t trade.Trade) api.Closing {
	safe, backBy := t.MayStop()
	return api.Closing{Safe: safe, BackBy: backBy}
}

// viewLeave is what leaving would do now.
func viewLeave(t trade.Trade) api.SwapLeave {
	switch {
	case t.MayLeave() != nil:
		return api.SwapLeaveNone
	case t.Status == trade.Proposed || t.Status == trade.Agreed:
		return api.SwapLeaveCancel
	}
	return api.SwapLeaveRefund
}

// viewFees adds up the network fees that we paid, by chain, ours first. They are
// the chains' word.
func viewFees(t trade.Trade) []api.Fee {
	fees := []api.Fee{}
	paid := func(chain contracts.Chain, fee contracts.Amount) {
		if fee.IsZero() {
			return
		}
		if i := slices.IndexFunc(fees, func(f api.Fee) bool { return f.Chain == chain }); i >= 0 {
			fees[i].Amount = fees[i].Amount.Plus(fee)
			return
		}
		fees = append(fees, api.Fee{Chain: chain, Amount: fee})
	}
	ours, theirs := t.Ours, t.Theirs
	if ours.Fate.Lock != nil {
		paid(ours.Terms.Asset.Chain, ours.Fate.Lock.Fee)
	}
	if t.TookBack() {
		paid(ours.Terms.Asset.Chain, ours.Fate.End.Fee)
	}
	if end := theirs.Fate.End; end != nil {
		if end.Kind == trade.BySecret || (end.Kind == trade.ByBoth && !t.GaveRefund) {
			paid(theirs.Terms.Asset.Chain, end.Fee)
		}
	}
	return fees
}

// viewTxs is transactions without their bytes: those of a redeem hold the secret.
func viewTxs(txs []trade.Tx) []api.Transaction {
	view := make([]api.Transaction, len(txs))
	for i, tx := range txs {
		view[i] = api.Transaction{Side: tx.Side, Purpose: tx.Purpose, Txid: tx.TxID, Fee: tx.Fee, Held: tx.Held, Made: tx.Made}
	}
	return view
}
