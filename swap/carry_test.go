package swap

import (
	"slices"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// redeeming is a trade of First who has decided to reveal.
func redeeming(number uint64) trade.Trade {
	t := first(number, true)
	t.Status = trade.Redeeming
	return t
}

// One that miners no longer take must not keep the better paid one behind it
// from being sent again.
func TestAllThatIsStoredIsSentAgain(t *testing.T) {
	a := redeeming(1)
	run(t, func(k *kit) {
		a = redeeming(1)
		k.disk.put(a, stored(a, trade.Theirs, trade.Redeem, 1, false), stored(a, trade.Theirs, trade.Redeem, 2, false))
		k.ltc.refuse = func(tx trade.Tx) error {
			if tx.TxID[1] == 1 {
				return trade.ErrShort
			}
			return nil
		}
	}, func(k *kit) {
		k.after(10 * time.Second)
		if got := k.ltc.did(trade.Redeem); !slices.Contains(got, contracts.Hash{0xaa, 2}) {
			t.Errorf("sent %v", got)
		}
	})
}

// What was sent is sent again with each new block of its chain, because that may
// have undone it, but not every second; and now and then without one.
func TestSentAgainWithANewHead(t *testing.T) {
	var a trade.Trade
	run(t, func(k *kit) {
		a = redeeming(1)
		k.disk.put(a, stored(a, trade.Theirs, trade.Redeem, 1, false))
	}, func(k *kit) {
		k.after(20 * time.Second)
		for _, row := range []struct {
			what  string
			time  time.Duration
			mine  *ledger
			every time.Duration
			least int
			most  int
		}{
			{"no head", 300 * time.Second, k.ltc, time.Hour, 9, 11},
			{"heads of the other chain", 300 * time.Second, k.btc, 10 * time.Second, 9, 11},
			{"heads of its chain", 300 * time.Second, k.ltc, 10 * time.Second, 29, 31},
			{"a head each second", 60 * time.Second, k.ltc, time.Second, 15, 21},
		} {
			before := k.ltc.count("tried")
			for waited := time.Duration(0); waited < row.time; waited += min(row.every, row.time) {
				k.after(min(row.every, row.time))
				if row.every < row.time {
					row.mine.mine()
				}
			}
			if n := k.ltc.count("tried") - before; n < row.least || n > row.most {
				t.Errorf("%s: sent %d times in %s", row.what, n, row.time)
			}
		}
	})
}

// What does not get in any more is made again: the lock lies elsewhere since a
// reorganisation, or its fee is no longer enough to be relayed.
func TestWhatIsStaleIsMadeAgain(t *testing.T) {
	for _, why := range []error{trade.ErrSpent, trade.ErrShort} {
		var a trade.Trade
		run(t, func(k *kit) {
			a = redeeming(1)
			k.disk.put(a, stored(a, trade.Theirs, trade.Redeem, 1, false))
			k.ltc.refuse = func(tx trade.Tx) error {
				if tx.TxID[2] != 7 {
					return why
				}
				return nil
			}
		}, func(k *kit) {
			k.see(a, trade.Theirs, trade.Fate{Lock: spot(7, 101)})
			k.after(10 * time.Second)
			got := k.ltc.did(trade.Redeem)
			if len(got) == 0 || got[len(got)-1][2] != 7 {
				t.Errorf("%v: sent %v, none spends lock 7", why, got)
			}
		})
	}
}

// What is spent already by what we see waiting is not made again and again.
func TestWhatIsSpentIsNotMadeAgain(t *testing.T) {
	var a trade.Trade
	run(t, func(k *kit) {
		a = redeeming(1)
		a.Theirs.Fate.End = &trade.End{Kind: trade.BySecret, TxID: contracts.Hash{9}}
		secret := secrets{}.Secret(1)
		a.Secret = &secret
		k.disk.put(a, stored(a, trade.Theirs, trade.Redeem, 1, false))
		k.ltc.refuse = func(trade.Tx) error { return trade.ErrSpent }
	}, func(k *kit) {
		k.after(time.Minute)
		if k.ltc.count("made") > 0 {
			t.Errorf("made %d", k.ltc.count("made"))
		}
	})
}

// First was stopped between storing the redeeming and showing the secret, and
// comes back after so long. As long as he can redeem in time he does; when Second
// may refund, the secret stays in.
func TestSecretStaysInWhenItIsTooLate(t *testing.T) {
	rows := []struct {
		name          string
		away          time.Duration
		theirs        *trade.End
		shown         bool // to Bob, by message
		alone, missed bool
	}{
		{"at once", 0, nil, true, true, false},
		{"before he would redeem alone", 1255 * time.Second, nil, true, true, false},
		{"after", 1265 * time.Second, nil, false, true, false},
		{"before the partner can refund", 1790 * time.Second, nil, false, true, false},
		{"after", 1802 * time.Second, nil, false, false, true},
		{"the partner refunds", 1270 * time.Second, &trade.End{Kind: trade.ByTime, TxID: contracts.Hash{9}}, false, false, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var a trade.Trade
			run(t, func(k *kit) {
				a = redeeming(1)
				a.Theirs.Fate.End = row.theirs
				k.disk.put(a, stored(a, trade.Theirs, trade.Redeem, 1, true))
				time.Sleep(row.away)
			}, func(k *kit) {
				k.after(3 * time.Second)
				if got := k.bob.cosigns() > 0; got != row.shown {
					t.Errorf("shown to Bob: %t", got)
				}
				if got := len(k.ltc.did(trade.Redeem)) > 0; got != row.alone {
					t.Errorf("redeemed alone: %t", got)
				}
				if got := k.now(a.ID).Missed; got != row.missed {
					t.Errorf("missed: %t", got)
				}
			})
		})
	}
}

// The machine slept while the redeeming was made.
func TestSecretStaysInAfterASlowNode(t *testing.T) {
	var a trade.Trade
	run(t, func(k *kit) {
		a = redeeming(1)
		k.disk.put(a)
		k.ltc.slow = 2000 * time.Second
	}, func(k *kit) {
		k.after(2010 * time.Second)
		if k.bob.cosigns() > 0 || len(k.ltc.did(trade.Redeem)) > 0 || !k.now(a.ID).Missed {
			t.Errorf("shown %d times, sent %d, missed %t", k.bob.cosigns(), len(k.ltc.did(trade.Redeem)), k.now(a.ID).Missed)
		}
	})
}

// A trade that was taken up from the journal may have shown its secret before.
// Until Second can refund, First takes what he can.
func TestRescuedRedeemsAlone(t *testing.T) {
	var a trade.Trade
	run(t, func(k *kit) {
		a = redeeming(1)
		a.Rescued = true
		k.disk.put(a)
		time.Sleep(1400 * time.Second)
	}, func(k *kit) {
		k.after(5 * time.Second)
		if k.bob.cosigns() > 0 || len(k.ltc.did(trade.Redeem)) == 0 {
			t.Errorf("shown %d times, sent %d", k.bob.cosigns(), len(k.ltc.did(trade.Redeem)))
		}
	})
}

// Second was stopped between storing its lock and sending it. Long after, First
// may take his own back and this one too.
func TestLateLockIsNotSent(t *testing.T) {
	for _, row := range []struct {
		away time.Duration
		sent bool
	}{{400 * time.Second, true}, {1070 * time.Second, true}, {1085 * time.Second, false}, {3500 * time.Second, false}, {9000 * time.Second, false}} {
		var b trade.Trade
		run(t, func(k *kit) {
			b = second(1, false)
			b.Status, b.Theirs.Fate.Lock = trade.Locking, spot(2, 100)
			k.disk.put(b, stored(b, trade.Ours, trade.Lock, 1, false))
			time.Sleep(row.away)
		}, func(k *kit) {
			k.after(5 * time.Second)
			if got := len(k.ltc.did(trade.Lock)) > 0; got != row.sent {
				t.Errorf("after %s: sent %t", row.away, got)
			}
		})
	}
}

// The node was slow, or the machine slept, while the lock was made or stored. One
// that is not made in time is not kept; one that was stored in time and cannot
// serve any more is not sent.
func TestLockAfterASleep(t *testing.T) {
	for _, row := range []struct {
		name        string
		make, store time.Duration
		kept, sent  bool
	}{
		{"made in time", 440 * time.Second, 0, true, true},
		{"made late", 460 * time.Second, 0, false, false},
		{"stored slowly", 0, 1070 * time.Second, true, true},
		{"stored late", 0, 1090 * time.Second, true, false},
	} {
		var a trade.Trade
		run(t, func(k *kit) {
			a = first(1, false)
			k.disk.put(a)
			k.btc.slow, k.disk.slow = row.make, row.store
		}, func(k *kit) {
			k.after(1200 * time.Second)
			txs, err := k.disk.Txs(t.Context(), a.ID)
			if kept := len(txs) > 0; err != nil || kept != row.kept || (k.btc.count("sent") > 0) != row.sent {
				t.Errorf("%s: kept %t, sent %d times, %v", row.name, kept, k.btc.count("sent"), err)
			}
			if got := k.now(a.ID).Status; (got == trade.Cancelled) == row.kept {
				t.Errorf("%s: %s", row.name, got)
			}
		})
	}
}

// What hastens a redeem may be another trade's lock that waits with a nonce before
// it. It is sent however late it is for the redeem's own trade to lock.
func TestAnothersLockMayHastenALateRedeem(t *testing.T) {
	for _, row := range []struct {
		name string
		at   time.Duration // after the start of the redeem's trade
	}{
		{"the last second to lock", 1080 * time.Second},
		{"one later", 1081 * time.Second},
	} {
		other := contracts.Hash{0xaa}
		run(t, func(k *kit) {
			b := second(1, true)
			secret := secrets{}.Secret(1)
			b.Status, b.Secret = trade.Redeeming, &secret
			k.disk.put(b, stored(b, trade.Theirs, trade.Redeem, 1, false))
			k.btc.hasten = func(tx trade.Tx) (trade.Tx, error) {
				return trade.Tx{ID: contracts.Hash{7}, Chain: tx.Chain, Side: trade.Ours, Purpose: trade.Lock, TxID: other, Raw: other[:], Made: unix(time.Now())}, nil
			}
			time.Sleep(row.at)
		}, func(k *kit) {
			k.after(time.Minute)
			if !slices.Contains(k.btc.did(trade.Lock), other) {
				t.Errorf("%s: the lock before the redeem was not sent", row.name)
			}
		})
	}
}

// Who leaves before his lock is made is free at once; after it, he waits.
func TestLeftBeforeTheLockIsMade(t *testing.T) {
	for _, made := range []bool{false, true} {
		var a trade.Trade
		run(t, func(k *kit) {
			a = first(1, false)
			a.Left = true
			var txs []trade.Tx
			if made {
				txs = append(txs, stored(a, trade.Ours, trade.Lock, 1, false))
			}
			k.disk.put(a, txs...)
		}, func(k *kit) {
			k.after(5 * time.Second)
			if got := k.now(a.ID).Status; (got == trade.Cancelled) == made {
				t.Errorf("lock made: %t, status %s", made, got)
			}
			if k.btc.count("tried") > 0 {
				t.Error("sent a lock that is no longer wanted")
			}
		})
	}
}

// A reorganisation deeper than anybody counted with takes back what was final. It
// is done again as long as anybody looks, and a person is told.
func TestWhatWasFinalIsDoneAgain(t *testing.T) {
	for _, row := range []struct {
		status trade.Status
		side   trade.Side
		did    trade.Purpose
	}{{trade.Completed, trade.Theirs, trade.Redeem}, {trade.Refunded, trade.Ours, trade.Refund}} {
		var a trade.Trade
		run(t, func(k *kit) {
			a = first(1, true)
			a.Status = row.status
			a.Leg(row.side).Fate.End = &trade.End{Kind: trade.ByBoth, TxID: contracts.Hash{9}, Height: 105}
			k.disk.put(a, stored(a, row.side, row.did, 1, false))
		}, func(k *kit) {
			l := k.Ledgers[a.Leg(row.side).Terms.Asset.Chain].(*ledger)
			k.after(5 * time.Second)
			if len(l.tried) > 0 || len(k.notices.alarms()) > 0 {
				t.Errorf("%s: sent %v, alarms %q", row.status, l.tried, k.notices.alarms())
			}
			k.see(a, row.side, trade.Fate{Lock: a.Leg(row.side).Fate.Lock})
			k.after(2 * time.Second)
			if len(l.did(row.did)) != 1 || len(k.notices.alarms()) != 1 {
				t.Errorf("%s: sent %v, alarms %q", row.status, l.sent, k.notices.alarms())
			}
			if got := k.now(a.ID).Status; got != row.status {
				t.Errorf("%s has moved to %s", row.status, got)
			}
		})
	}
}

// A lock is sent again after its last moment, because a reorganisation may have
// dropped it; but no more is paid for it.
func TestNoFeeIsRaisedForALateLock(t *testing.T) {
	for _, late := range []bool{false, true} {
		var a trade.Trade
		hastened := 0
		run(t, func(k *kit) {
			a = first(1, false)
			k.disk.put(a, stored(a, trade.Ours, trade.Lock, 1, false))
			k.btc.hasten = func(trade.Tx) (trade.Tx, error) { hastened++; return trade.Tx{}, trade.ErrNotYet }
			if late {
				time.Sleep(455 * time.Second)
			}
		}, func(k *kit) {
			k.after(15 * time.Second)
			k.btc.mine()
			k.after(15 * time.Second)
			if k.btc.count("sent") == 0 || (hastened == 0) != late {
				t.Errorf("late: %t, sent %d times, hastened %d times", late, k.btc.count("sent"), hastened)
			}
		})
	}
}
