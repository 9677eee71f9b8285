package trade

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"photon/contracts"
)

// Both roles write down by which rules they trade.
func TestTradesHaveAProtocol(t *testing.T) {
	for _, trade := range []Trade{proposed(), agreed()} {
		if trade.Protocol != Protocol || trade.Known() != nil {
			t.Errorf("%s: protocol %d, %v", trade.Role, trade.Protocol, trade.Known())
		}
		if back := restarted(t, trade); back.Protocol != Protocol {
			t.Errorf("%s: stored and read, protocol %d", trade.Role, back.Protocol)
		}
	}
}

// Each row is one change to a stored trade.
func TestStoredTradeOfAnotherProtocol(t *testing.T) {
	raw, err := json.Marshal(in(First, Locking))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, old, new string
		known          bool
	}{
		{"good", `"protocol":1`, `"protocol":1`, true},
		{"from before it was written down", `"protocol":1,`, ``, true},
		{"the next", `"protocol":1`, `"protocol":2`, false},
		{"below none", `"protocol":1`, `"protocol":-1`, false},
		{"the next, with fields that we cannot read", `"protocol":1`, `"protocol":2,"status":["on","its","way"],"ours":"elsewhere"`, false},
	} {
		stored := strings.Replace(string(raw), row.old, row.new, 1)
		trade := Trade{Status: Completed} // what was there before
		if err := json.Unmarshal([]byte(stored), &trade); err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if err := trade.Known(); errors.Is(err, ErrProtocol) == row.known {
			t.Errorf("%s: %v", row.name, err)
		}
		if only := (Trade{ID: trade.ID, Protocol: trade.Protocol, Number: 7}); trade.ID != goodSecret.Hash() || row.known == reflect.DeepEqual(trade, only) {
			t.Errorf("%s: read %+v", row.name, trade)
		}
	}
	for _, bad := range []string{``, `[]`, `{"id":"12"}`, `{"protocol":"1"}`, `{"protocol":1,"ours":"elsewhere"}`} {
		if err := json.Unmarshal([]byte(bad), &Trade{}); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func FuzzStoredTrade(f *testing.F) {
	for _, trade := range []Trade{proposed(), in(Second, Redeeming), {ID: contracts.Hash{1}, Protocol: 2}} {
		if raw, err := json.Marshal(trade); err == nil {
			f.Add(raw)
		}
	}
	f.Add([]byte(`{"protocol":2,"ours":7}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var trade Trade
		if err := json.Unmarshal(raw, &trade); err == nil && trade.Known() != nil && trade.Status != "" {
			t.Errorf("of an unknown protocol it read %+v", trade)
		}
	})
}
