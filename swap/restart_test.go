package swap

import (
	"context"
	"errors"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// After the disk was lost the journal is taken up once. What happens then is not
// undone by the next start.
func TestRescueIsOnce(t *testing.T) {
	var a trade.Trade
	run(t, func(k *kit) {
		a = first(1, true)
		a.Version, a.Theirs.Fate.Lock, a.Rescued = 9, nil, true
		if err := k.journal([]trade.Trade{a}); err != nil {
			t.Fatal(err)
		}
	}, func(k *kit) {
		k.see(a, trade.Ours, a.Ours.Fate)
		if err := k.heard(k.t.Context(), "bob", a.ID, trade.RefundAsked{}); err != nil {
			t.Fatal(err)
		}
		before := k.now(a.ID)
		k = k.again(nil)
		if now := k.now(a.ID); !now.GaveRefund || now.Version != before.Version {
			t.Errorf("version %d, gave a refund: %t, after the restart; %d and true before", now.Version, now.GaveRefund, before.Version)
		}
		k.end()
	})
}

// A cancelled trade's partner may have locked, and ask for his refund or wait to
// be told, long after we were started anew.
func TestRestartKeepsWhatThePartnerMayAsk(t *testing.T) {
	var b trade.Trade
	run(t, func(k *kit) {
		b = second(1, false)
		k.disk.put(b)
		k.bob.answer = func(trade.Message) ([]byte, error) { return nil, trade.ErrUnknown }
	}, func(k *kit) {
		if err := k.Leave(k.t.Context(), b.ID); err != nil {
			t.Fatal(err)
		}
		k = k.again(nil)
		k.after(2 * time.Second)
		if len(k.bob.heard) != 1 || k.bob.heard[0] != (trade.Abandon{ID: b.ID}) {
			t.Errorf("told Bob %v", k.bob.heard)
		}
		k.see(b, trade.Theirs, trade.Fate{Lock: spot(2, 105)})
		q := trade.CosignRequest{ID: b.ID, Chain: b.Theirs.Terms.Asset.Chain, Purpose: trade.Refund}
		if _, err := k.Receive(k.t.Context(), "bob", trade.Encode(q)); err != nil {
			t.Errorf("refund: %v", err)
		}
		k.after(4000 * time.Second)
		if len(k.trades) > 0 || k.btc.count("watched") > 0 {
			t.Errorf("%d trades, %d watches are kept after all is over", len(k.trades), k.btc.count("watched"))
		}
		k.end()
	})
}

// A torn disk gives no transaction, and told says why.
type torn struct {
	*disk
	told func() error
}

func (d torn) Txs(context.Context, contracts.Hash) ([]trade.Tx, error) { return nil, d.told() }

// A node that is told to stop while it still loads ends well; one whose store fails
// then does not, though it is told to stop as well.
func TestStoppedWhileLoading(t *testing.T) {
	broken := errors.New("disk failed")
	for _, row := range []struct {
		name string
		told func(context.Context) error
		want error
	}{
		{"stopped", context.Context.Err, nil},
		{"failed", func(context.Context) error { return broken }, broken},
	} {
		ctx, stop := context.WithCancel(t.Context())
		k := newKit(t, newDisk())
		k.Store = torn{k.disk, func() error { stop(); return row.told(ctx) }}
		if err := k.Run(ctx); !errors.Is(err, row.want) || (err != nil) != (row.want != nil) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

// A node that is stopped before the maker has answered comes back. What a store
// gives back for parties that are not known is empty, not nil.
func TestRestartBeforeTheAnswer(t *testing.T) {
	run(t, func(k *kit) {
		waiting := first(7, false)
		waiting.Status = trade.Proposed
		waiting.Ours.Terms.Redeemer, waiting.Theirs.Terms.Refunder = contracts.Party{}, contracts.Party{}
		k.disk.put(waiting)
	}, func(k *kit) {
		k.after(2 * time.Second)
		if n := k.btc.count("watched") + k.ltc.count("watched"); n > 0 {
			t.Errorf("%d legs without parties are watched", n)
		}
	})
}
