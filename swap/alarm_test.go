package swap

import (
	"strings"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// keepMining shows blocks of these chains for a while, one every ten seconds.
func (k *kit) keepMining(d time.Duration, chains ...*ledger) {
	for range d / (10 * time.Second) {
		for _, l := range chains {
			l.mine()
		}
		k.after(10 * time.Second)
	}
}

// A node that is down while coins are out is told of early, once, and again when
// it falls silent anew.
func TestAlarmOfASilentChain(t *testing.T) {
	var b trade.Trade
	run(t, func(k *kit) {
		b = second(1, true)
		b.Status = trade.Locking
		k.disk.put(b)
	}, func(k *kit) {
		k.keepMining(350*time.Second, k.btc)
		if got := k.notices.alarms(); len(got) > 0 {
			t.Errorf("too early: %q", got)
		}
		k.keepMining(100*time.Second, k.btc)
		if got := k.notices.alarms(); len(got) != 1 || !strings.HasPrefix(got[0], "LTC") {
			t.Errorf("after 450 s: %q", got)
		}
		k.keepMining(100*time.Second, k.btc, k.ltc)
		k.keepMining(400*time.Second, k.btc)
		if got := k.notices.alarms(); len(got) != 2 {
			t.Errorf("when it is silent again: %q", got)
		}
	})
}

// A redeem that does not get in is told of while there is time to see to it.
func TestAlarmOfARedeem(t *testing.T) {
	var a trade.Trade
	run(t, func(k *kit) {
		a = redeeming(1)
		k.disk.put(a, stored(a, trade.Theirs, trade.Redeem, 1, false))
	}, func(k *kit) {
		k.keepMining(1250*time.Second, k.btc, k.ltc)
		if got := k.notices.alarms(); len(got) > 0 {
			t.Errorf("too early: %q", got)
		}
		k.keepMining(20*time.Second, k.btc, k.ltc)
		if got := k.notices.alarms(); len(got) != 1 || !strings.Contains(got[0], "redeem") {
			t.Errorf("after 1270 s of 1800: %q", got)
		}
		k.see(a, trade.Theirs, trade.Fate{Lock: a.Theirs.Fate.Lock, End: &trade.End{Kind: trade.ByBoth, TxID: contracts.Hash{1}, Height: k.ltc.height + 1}})
		k.keepMining(20*time.Second, k.btc, k.ltc)
		if now := k.now(a.ID); now.Status != trade.Completed || len(k.alarms) != 0 {
			t.Errorf("%s, alarms on: %v", now.Status, k.alarms)
		}
	})
}

// A refund that is not mined is told of a quarter of the leg's life after it
// opened, though it is never in a hurry.
func TestAlarmOfARefund(t *testing.T) {
	var a trade.Trade
	run(t, func(k *kit) {
		a = first(1, true)
		a.Status = trade.Refunding
		k.disk.put(a, stored(a, trade.Ours, trade.Refund, 1, false))
	}, func(k *kit) {
		k.keepMining(4490*time.Second, k.btc, k.ltc)
		if got := k.notices.alarms(); len(got) > 0 {
			t.Errorf("too early: %q", got)
		}
		k.keepMining(20*time.Second, k.btc, k.ltc)
		if got := k.notices.alarms(); len(got) != 1 || !strings.Contains(got[0], "refund") {
			t.Errorf("after 4510 s: %q", got)
		}
	})
}

// A stranded trade needs a person, after every start.
func TestAlarmOfAStrandedTrade(t *testing.T) {
	var a trade.Trade
	run(t, func(k *kit) {
		a = redeeming(1)
		a.Status, a.Reason = trade.Stranded, "lost the race"
		k.disk.put(a)
	}, func(k *kit) {
		k.after(5 * time.Second)
		if got := k.notices.alarms(); len(got) != 1 || got[0] != "lost the race" {
			t.Errorf("%q", got)
		}
	})
}
