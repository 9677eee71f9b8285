package swap

import (
	"fmt"

	"photon/contracts"
	"photon/swap/trade"
)

// An alarm is one thing that a person should look at while there is time. Each is
// raised once, and again only after it was over.
type alarm struct {
	trade contracts.Hash
	what  string
}

// watchOver raises the alarms of t at now, in Unix seconds. Nothing is decided
// here: the desk goes on as it would.
func (d *Desk) watchOver(t trade.Trade, now uint64) {
	d.raise(t, "undone", t.Status.AtRest() && len(t.Wants()) > 0, "a deep reorganisation has taken back what was final: it is done again")
	for _, s := range []trade.Side{trade.Ours, trade.Theirs} {
		chain := t.Leg(s).Terms.Asset.Chain
		silent := now - min(now, d.spoke[chain])
		d.raise(t, "silence of "+string(chain), !t.Status.AtRest() && t.Ours.Fate.Lock != nil && silent > quiet(t),
			fmt.Sprintf("%s has shown no new block for %d s: look at its node", chain, silent))
	}
	late := map[trade.Purpose]uint64{}
	for _, w := range t.Wants() {
		if now > alarmAt(t, w) {
			late[w.Purpose] = w.Deadline
		}
	}
	by, is := late[trade.Redeem]
	d.raise(t, "redeem", is, fmt.Sprintf("the redeem is not mined, and must be by %d", by))
	_, is = late[trade.Refund]
	d.raise(t, "refund", is, fmt.Sprintf("the refund is not mined, and can be since %d", t.Ours.Terms.Expiry))
	d.raise(t, "stranded", t.Status == trade.Stranded, t.Reason)
}

// quiet is for how many seconds a chain may show no block: a fifth of the shorter
// leg's life, which on main networks is two hours.
func quiet(t trade.Trade) uint64 {
	return (min(t.Ours.Terms.Expiry, t.Theirs.Terms.Expiry) - t.Start) / 5
}

// alarmAt is the Unix second from which a person should know that w is not done:
// of a redeem, when three tenths of the time for it are left; of a refund, a
// quarter of our leg's life after it opened: its deadline may move on.
func alarmAt(t trade.Trade, w trade.Want) uint64 {
	if w.Purpose == trade.Redeem {
		return w.Deadline - (w.Deadline-t.Start)*3/10
	}
	opened := t.Ours.Terms.Expiry
	if t.Status == trade.Redeeming { // it was wanted once First had missed his time
		opened = t.Theirs.Terms.Expiry
	}
	return min(w.Deadline, opened+(t.Ours.Terms.Expiry-t.Start)/4)
}

// raise tells of an alarm that was not on, and forgets one that is over.
func (d *Desk) raise(t trade.Trade, what string, on bool, text string) {
	a := alarm{t.ID, what}
	if !on {
		delete(d.alarms, a)
		return
	}
	if d.alarms[a] {
		return
	}
	d.alarms[a] = true
	d.Log.Error("alarm", "trade", t.ID, "status", t.Status, "what", what, "text", text)
	d.Notify(trade.Notice{Kind: "alarm", Trade: &t, Text: text})
}
