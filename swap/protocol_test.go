package swap

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// Two swaps are open when the program is exchanged: one begun by rules that it does
// not know, and one that it does. It leaves the first alone, says so, and goes on
// with the second.
func TestSwapOfAnotherProtocol(t *testing.T) {
	var alien, ours trade.Trade
	var stored string
	run(t, func(k *kit) {
		alien, ours = second(1, true), second(2, false)
		k.disk.put(ours)
		k.disk.put(alien)
		stored = strings.Replace(string(k.disk.trades[alien.ID]), `"protocol":1`, `"protocol":2,"status":{"new":1}`, 1)
		k.disk.trades[alien.ID] = []byte(stored)
		k.disk.pending = append(k.disk.pending, trade.Pending{ID: 99, Trade: alien.ID, Effect: trade.Tell{Message: trade.Abandon{ID: alien.ID}}})
		old := alien
		old.Status = trade.Locking
		raw, err := json.Marshal(old)
		if err != nil {
			t.Fatal(err)
		}
		k.disk.journal = [][]byte{raw, []byte(stored), []byte(strings.Replace(stored, alien.ID.String(), contracts.Hash{7}.String(), 1))}
	}, func(k *kit) {
		k.after(2 * time.Second)
		alarms := k.notices.alarms()
		if len(alarms) != 2 || !strings.Contains(alarms[0], alien.ID.String()) || !strings.Contains(alarms[0], "version 2, ours is 1") || !strings.Contains(alarms[1], contracts.Hash{7}.String()) {
			t.Errorf("alarms %q", alarms)
		}
		all, err := k.Trades(k.t.Context(), true)
		if err != nil || len(all) != 1 || all[0].ID != ours.ID {
			t.Errorf("%d trades, %v", len(all), err)
		}
		for _, id := range []contracts.Hash{alien.ID, {7}} {
			if _, _, err := k.Trade(k.t.Context(), id); !errors.Is(err, trade.ErrProtocol) {
				t.Errorf("shown: %v", err)
			}
			if err := k.Leave(k.t.Context(), id); !errors.Is(err, trade.ErrProtocol) {
				t.Errorf("left: %v", err)
			}
			q := trade.CosignRequest{ID: id, Chain: contracts.BTC, Purpose: trade.Refund}
			if _, err := k.Receive(k.t.Context(), "bob", trade.Encode(q)); !errors.Is(err, trade.ErrUnknown) {
				t.Errorf("cosigned: %v", err)
			}
		}
		if with, err := k.Partners(k.t.Context()); err != nil || len(with) != 1 || with[0].Partner != ours.Partner {
			t.Errorf("partners %+v, %v", with, err)
		}
		k.see(alien, trade.Theirs, alien.Theirs.Fate)
		if err := k.Leave(k.t.Context(), ours.ID); err != nil {
			t.Errorf("the other: %v", err)
		}
		k.after(4000 * time.Second)
		if got := string(k.disk.trades[alien.ID]); got != stored || len(k.disk.pending) != 1 || len(k.bob.heard) != 1 {
			t.Errorf("stored %s, %d effects wait, told Bob %v", got, len(k.disk.pending), k.bob.heard)
		}
		if k.ltc.count("made") > 0 || k.btc.count("watched") > 0 {
			t.Errorf("made %d transactions, watches %d legs", k.ltc.count("made"), k.btc.count("watched"))
		}
	})
}
