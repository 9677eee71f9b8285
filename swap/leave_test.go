package swap

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// A refund that cannot be, or not yet, is refused with its reason, under way or
// long over, and changes nothing. Each row is one change to a swap in which Alice,
// as First, and Bob have locked.
func TestRefundIsRefused(t *testing.T) {
	by := func(k trade.Kind, height uint64) *trade.End {
		return &trade.End{Kind: k, TxID: contracts.Hash{9}, Height: height}
	}
	for _, row := range []struct {
		name string
		of   func(*trade.Trade)
		err  error
		says string
	}{
		{"too early", func(t *trade.Trade) { t.Status, t.Left, t.Theirs.Fate = trade.Locking, true, trade.Fate{} }, trade.ErrNotYet, "comes by itself from"},
		{"already refunded", func(t *trade.Trade) { t.Status, t.Ours.Fate.End = trade.Refunded, by(trade.ByTime, 105) }, trade.ErrRefunded, "block 105"},
		{"already redeemed", func(t *trade.Trade) { t.Status, t.Ours.Fate.End = trade.Completed, by(trade.ByBoth, 105) }, trade.ErrSpent, "the partner redeemed our lock"},
		{"never sent", func(t *trade.Trade) {
			t.Status, t.Reason, t.Ours.Fate = trade.Cancelled, "could not lock", trade.Fate{}
		}, trade.ErrNoLock, "could not lock"},
		{"secret out", func(t *trade.Trade) { t.Status = trade.Redeeming }, trade.ErrRevealed, "the swap is redeeming"},
		{"needs a person", func(t *trade.Trade) { t.Status, t.Reason = trade.Stranded, "lost the race" }, trade.ErrStatus, "lost the race"},
	} {
		for _, over := range []time.Duration{0, 3 * time.Hour} { // the desk has it in mind, or only in its store
			if over > 0 && (row.name == "too early" || row.name == "secret out" || row.name == "needs a person") {
				continue
			}
			t.Run(row.name+" "+over.String(), func(t *testing.T) {
				var a trade.Trade
				run(t, func(k *kit) {
					a = first(1, true)
					row.of(&a)
					k.disk.put(a)
					time.Sleep(over)
				}, func(k *kit) {
					before, heard := k.now(a.ID), len(k.bob.heard)
					err := k.Leave(k.t.Context(), a.ID)
					if !errors.Is(err, row.err) || !strings.Contains(err.Error(), row.says) {
						t.Errorf("%v, want %v with %q", err, row.err, row.says)
					}
					if now := k.now(a.ID); !reflect.DeepEqual(now, before) || len(k.bob.heard) != heard {
						t.Errorf("changed\n%+v to\n%+v, told %d", before, now, len(k.bob.heard)-heard)
					}
				})
			})
		}
	}
	run(t, nil, func(k *kit) {
		if err := k.Leave(k.t.Context(), contracts.Hash{9}); !errors.Is(err, trade.ErrUnknown) {
			t.Errorf("no swap: %v", err)
		}
	})
}
