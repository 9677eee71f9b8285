package web

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"photon/contracts"
	"photon/swap/trade"
	"photon/web/api"
)

// What may be stopped and left, status by status, as either role.
func TestClosingAndLeaving(t *testing.T) {
	for _, row := range []struct {
		role   trade.Role
		status trade.Status
		safe   bool
		back   bool
		leave  api.SwapLeave
	}{
		{trade.First, trade.Proposed, true, false, "cancel"},
		{trade.Second, trade.Agreed, true, false, "cancel"},
		{trade.First, trade.Locking, false, true, "refund"},
		{trade.Second, trade.Locking, false, true, "refund"},
		{trade.First, trade.Redeeming, false, true, "none"},
		{trade.Second, trade.Redeeming, false, true, "none"},
		{trade.First, trade.Refunding, false, false, "refund"},
		{trade.Second, trade.Refunding, false, true, "refund"},
		{trade.First, trade.Completed, true, false, "none"},
		{trade.First, trade.Refunded, true, false, "none"},
		{trade.Second, trade.Cancelled, true, false, "none"},
		{trade.First, trade.Stranded, false, true, "none"},
	} {
		t.Run(string(row.role)+" "+string(row.status), func(t *testing.T) {
			tr := exampleTrade(1)
			tr.Role, tr.Status = row.role, row.status
			view := viewSwap(tr)
			want := api.Closing{Safe: row.safe}
			if row.back {
				want.BackBy = tr.Theirs.Terms.Expiry
			}
			if view.Closing != want || view.Leave != row.leave {
				t.Errorf("closing %+v leave %s, want %+v %s", view.Closing, view.Leave, want, row.leave)
			}
		})
	}
}

func refundCall(id contracts.Hash, key string) call {
	return call{method: "POST", path: "/v1/swaps/" + id.String() + "/refund", header: keyed(key)}
}

// Each row is one change to a swap that is locked. What cannot be taken back is
// refused with a code of its own, is not offered, and is as it was.
func TestRefundIsRefused(t *testing.T) {
	end := func(k trade.Kind) *trade.End { return &trade.End{Kind: k, TxID: contracts.Hash{9}, Height: 99} }
	for _, row := range []struct {
		name   string
		change func(*trade.Trade)
		status int
		code   string
		params map[string]any
	}{
		{"good", func(*trade.Trade) {}, 202, "", nil},
		{"too early", func(t *trade.Trade) { t.Left = true }, 409, "not_yet", map[string]any{"opens_at": "1700007200"}},
		{"already refunded", func(t *trade.Trade) { t.Status, t.Ours.Fate.End = trade.Refunded, end(trade.ByTime) }, 409, "refunded", nil},
		{"refunded together", func(t *trade.Trade) { t.Status, t.Ours.Fate.End = trade.Refunding, end(trade.ByBoth) }, 409, "refunded", nil},
		{"redeemed by the partner", func(t *trade.Trade) { t.Status, t.Ours.Fate.End = trade.Completed, end(trade.BySecret) }, 409, "spent", nil},
		{"never sent", func(t *trade.Trade) {
			t.Status, t.Reason, t.Ours.Fate = trade.Cancelled, "could not lock", trade.Fate{}
		}, 409, "no_lock", nil},
		{"the secret is out", func(t *trade.Trade) { t.Status = trade.Redeeming }, 409, "revealed", nil},
		{"needs a person", func(t *trade.Trade) { t.Status, t.Reason = trade.Stranded, "lost the race" }, 409, "status", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, d, _ := newTest(t)
			tr := exampleTrade(1)
			row.change(&tr)
			d.trades[tr.ID] = tr
			if offered := viewSwap(tr).Leave != api.SwapLeaveNone; offered != (row.status == 202) {
				t.Errorf("offered: %t", offered)
			}
			w := refundCall(tr.ID, key).do(t, s)
			expect(t, w, row.status, row.code)
			if row.status == 202 {
				return
			}
			if row.params == nil {
				row.params = map[string]any{}
			}
			row.params["id"] = tr.ID.String()
			if got := decoded(t, w)["params"]; !reflect.DeepEqual(got, any(row.params)) {
				t.Errorf("params %v, want %v", got, row.params)
			}
			if !reflect.DeepEqual(d.trades[tr.ID], tr) || d.left > 0 {
				t.Error("the swap was changed")
			}
		})
	}
}

// Whatever the status: a lock that is spent is not offered to be taken back, no
// refund is waited for but the one that spent it, and asking for one is refused.
func TestSpentLockIsNotRefundable(t *testing.T) {
	statuses := map[trade.Role][]trade.Status{
		trade.First:  {trade.Locking, trade.Redeeming, trade.Refunding, trade.Completed, trade.Refunded, trade.Stranded},
		trade.Second: {trade.Locking, trade.Redeeming, trade.Refunding, trade.Completed, trade.Refunded, trade.Stranded},
	}
	for role, all := range statuses {
		for _, status := range all {
			for _, kind := range []trade.Kind{trade.BySecret, trade.ByTime, trade.ByBoth} {
				for _, height := range []uint64{0, 95, 100} {
					name := fmt.Sprintf("%s %s, spent by %s in block %d", role, status, kind, height)
					s, d, _ := newTest(t)
					tr := exampleTrade(1)
					tr.Role, tr.Status = role, status
					tr.Ours.Fate.End = &trade.End{Kind: kind, TxID: contracts.Hash{9}, Height: height}
					d.trades[tr.ID] = tr
					var view api.Swap
					if err := json.Unmarshal(call{method: "GET", path: "/v1/swaps/" + tr.ID.String()}.do(t, s).Body.Bytes(), &view); err != nil {
						t.Fatal(err)
					}
					if view.Pay.End == nil || view.Leave != api.SwapLeaveNone {
						t.Errorf("%s: end %v, leave %s", name, view.Pay.End, view.Leave)
					}
					for _, step := range view.Steps {
						if open := step.State == "doing" || step.State == "waiting"; step.Name == "refund" && open && step.TxID == nil {
							t.Errorf("%s: a refund is still to come: %+v", name, step)
						}
					}
					if w := refundCall(tr.ID, key).do(t, s); w.Code != 409 || d.left > 0 {
						t.Errorf("%s: refund: %d %s", name, w.Code, w.Body)
					}
				}
			}
		}
	}
}

// Every post that acts takes a key; the others say why they need none.
func TestPostsThatActTakeAKey(t *testing.T) {
	s, _, _ := newTest(t)
	for _, route := range s.routes {
		if route.Method != "POST" {
			continue
		}
		param := route.Operation.Parameters.GetByInAndName(openapi3.ParameterInHeader, "Idempotency-Key")
		free := strings.HasPrefix(route.Operation.Description, "May be repeated: ")
		if (param == nil) != free || (param != nil && !param.Required) {
			t.Errorf("%s: takes a key: %t, may be repeated: %t", route.Operation.OperationID, param != nil, free)
		}
	}
}

// An offer is made, and a swap left, once a key.
func TestOfferedAndLeftOnce(t *testing.T) {
	s, d, _ := newTest(t)
	offer := call{method: "POST", path: "/v1/offers", body: goodDraft, header: keyed(key)}
	first, second := offer.do(t, s), offer.do(t, s)
	expect(t, first, 201, "")
	if first.Body.String() != second.Body.String() || d.made != 1 {
		t.Errorf("offered %d times: %s, then %s", d.made, first.Body, second.Body)
	}
	a, b := exampleTrade(1), exampleTrade(2)
	d.trades[a.ID], d.trades[b.ID] = a, b
	expect(t, refundCall(a.ID, key).do(t, s), 409, "key_reused")
	first, second = refundCall(a.ID, key+"-2").do(t, s), refundCall(a.ID, key+"-2").do(t, s)
	expect(t, first, 202, "")
	if first.Body.String() != second.Body.String() || d.left != 1 {
		t.Errorf("left %d times: %s, then %s", d.left, first.Body, second.Body)
	}
	expect(t, refundCall(b.ID, key+"-2").do(t, s), 409, "key_reused")
	expect(t, refundCall(a.ID, key+"-3").do(t, s), 409, "not_yet")
}
