package swap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// past is a trade of Bob's on our offer that began ago and ended so; nobody can
// have business with it any more.
func past(number uint64, ago time.Duration, s trade.Status, owed trade.Fault) trade.Trade {
	t := second(number, true)
	back := uint64(ago / time.Second)
	t.Start, t.Ours.Terms.Expiry, t.Theirs.Terms.Expiry = t.Start-back, t.Ours.Terms.Expiry-back, t.Theirs.Terms.Expiry-back
	t.Status, t.Owed = s, owed
	t.Ours.Fate.End = &trade.End{Kind: trade.ByTime, Height: 105}
	return t
}

// month is for how long faults count.
const month = trade.Memory * time.Second

// refusal is the reason for which a take of ours is refused, "" when it is not.
func (k *kit) refusal(o trade.Offer, number uint64) string {
	k.t.Helper()
	raw, err := k.Receive(k.t.Context(), "bob", trade.Encode(takeOf(o, number)))
	if err != nil {
		k.t.Error(err)
	}
	if len(raw) == 0 {
		return ""
	}
	m, err := trade.Decode(raw)
	no, is := m.(trade.Refuse)
	if err != nil || !is {
		k.t.Errorf("answered %T, %v", m, err)
	}
	return no.Reason
}

// Bob never redeemed thrice. He is told what we remember, also after a restart,
// which reads it from the trades; what is under way with him goes on; and when the
// first of it is a month old, he is as welcome as before.
func TestPartnerIsRefusedForAMonth(t *testing.T) {
	ours, his := offerOf("alice"), offerOf("bob")
	var open trade.Trade
	run(t, func(k *kit) {
		ours, his = offerOf("alice"), offerOf("bob")
		open = second(9, false)
		k.disk.put(open)
		k.disk.put(past(1, month-10*time.Minute, trade.Refunded, trade.NeverRedeemed))
		for n := range uint64(2) {
			k.disk.put(past(2+n, month-time.Hour/2, trade.Refunded, trade.NeverRedeemed))
		}
		k.disk.put(past(4, month-time.Hour/2, trade.Cancelled, ""))
		if err := errors.Join(k.disk.SaveOffer(k.t.Context(), ours), k.disk.SaveOffer(k.t.Context(), his)); err != nil {
			t.Fatal(err)
		}
	}, func(first *kit) {
		<-first.Ready()
		reads := first.disk.reads
		want := "3 of the last 4 swaps were never redeemed; again on " + time.Now().Add(10*time.Minute).UTC().Format("2006-01-02 15:04 MST")
		for n := range uint64(100) {
			if no := first.refusal(ours, 100+n); !strings.HasSuffix(no, want) {
				t.Fatalf("refused with %q, want %q", no, want)
			}
		}
		if first.disk.reads != reads || len(first.trades) != 1 || first.ltc.count("watched") != 1 {
			t.Errorf("a refusal costs %d reads of all trades; %d trades, %d watched", first.disk.reads-reads, len(first.trades), first.ltc.count("watched"))
		}
		if _, err := first.Quote(first.t.Context(), his.Digest(), contracts.Units(500_000), false); !errors.Is(err, trade.ErrStanding) || len(first.quotes) != 0 {
			t.Errorf("quoted: %v, %d quotes", err, len(first.quotes))
		}
		k := first.again(nil)
		defer k.end()
		<-k.Ready()
		if no := k.refusal(ours, 100); !strings.HasSuffix(no, want) {
			t.Errorf("after a restart: %q", no)
		}
		if no := k.refusal(ours, 9); no != "" {
			t.Errorf("asked again for what is agreed: %q", no)
		}
		if _, err := k.Receive(k.t.Context(), "bob", trade.Encode(trade.Abandon{ID: open.ID})); err != nil || k.now(open.ID).Status != trade.Cancelled {
			t.Errorf("what is under way is %s: %v", k.now(open.ID).Status, err)
		}
		q, err := k.Quote(k.t.Context(), his.Digest(), contracts.Units(500_000), true)
		if err != nil || q.Maker.Until == 0 || !slices.Equal(q.Maker.Faults, []trade.Count{{Fault: trade.NeverRedeemed, Times: 3}}) {
			t.Errorf("despite it: %+v, %v", q.Maker, err)
		}
		if _, err := k.Take(k.t.Context(), q.ID); err != nil {
			t.Errorf("taken despite it: %v", err)
		}
		k.after(10*time.Minute - 5*time.Second)
		if no := k.refusal(takeable(k), 101); no == "" {
			t.Error("taken some seconds early")
		}
		k.after(5 * time.Second)
		if no := k.refusal(takeable(k), 102); no != "" {
			t.Errorf("after a month: %q", no)
		}
	})
}

// takeable is an offer of ours that has not expired.
func takeable(k *kit) trade.Offer {
	o := offerOf("alice")
	if err := k.disk.SaveOffer(k.t.Context(), o); err != nil {
		k.t.Fatal(err)
	}
	return o
}

// A quote that was given before the last fault is not taken after it.
func TestQuoteIsNoPromiseToAPartnerWhoFails(t *testing.T) {
	run(t, func(k *kit) {
		for n := range uint64(2) {
			k.disk.put(past(1+n, time.Hour*9, trade.Refunded, trade.NeverRedeemed))
		}
	}, func(k *kit) {
		his := offerOf("bob")
		if err := k.disk.SaveOffer(k.t.Context(), his); err != nil {
			t.Fatal(err)
		}
		q, err := k.Quote(k.t.Context(), his.Digest(), contracts.Units(500_000), false)
		if err != nil {
			t.Fatal(err)
		}
		last := past(3, time.Hour*9, trade.Refunded, trade.NeverLocked)
		last.Theirs.Fate.Lock = nil
		err = k.do(k.t.Context(), func() (trade.Change, error) { return trade.Change{Trades: []trade.Trade{last}}, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.Take(k.t.Context(), q.ID)
		if want := "2 of the last 3 swaps were never redeemed, 1 never locked"; !errors.Is(err, trade.ErrStanding) || !strings.Contains(err.Error(), want) {
			t.Errorf("taken: %v, want %q", err, want)
		}
		all, err := k.Partners(k.t.Context())
		if err != nil || len(all) != 1 || all[0].Partner != "bob" || all[0].Until == 0 || len(k.trades) != 1 {
			t.Errorf("partners %+v, %v; %d trades", all, err, len(k.trades))
		}
	})
}

// A stranger may bind a few of our promises at once, however many he asks for at
// once; who has completed swaps may bind more; and a hundred where we allow it.
func TestPartnerBindsFewAtOnce(t *testing.T) {
	for _, row := range []struct{ atOnce, completed, ask, want uint64 }{
		{DefaultAtOnce, 0, 3, 3}, {DefaultAtOnce, 0, 4, 4}, {DefaultAtOnce, 0, 9, 4}, {DefaultAtOnce, 1, 9, 8}, {100, 0, 101, 100},
	} {
		t.Run(fmt.Sprint(row), func(t *testing.T) {
			run(t, func(k *kit) {
				k.AtOnce, k.ltc.balance = row.atOnce, contracts.Units(1_000_000_000)
				for n := range row.completed {
					k.disk.put(past(1+n, time.Hour*9, trade.Completed, ""))
				}
			}, func(k *kit) {
				<-k.Ready()
				o := takeable(k)
				var wait sync.WaitGroup
				var mu sync.Mutex
				var refused []string
				for n := range row.ask {
					wait.Go(func() {
						if no := k.refusal(o, 100+n); no != "" {
							mu.Lock()
							refused = append(refused, no)
							mu.Unlock()
						}
					})
				}
				wait.Wait()
				kept, err := k.Trades(k.t.Context(), false)
				if got := row.ask - uint64(len(refused)); err != nil || got != row.want || uint64(len(kept)) != got {
					t.Errorf("%d taken, %d kept, want %d: %v", got, len(kept), row.want, err)
				}
				for _, no := range refused {
					if !strings.Contains(no, trade.ErrMany.Error()) {
						t.Errorf("refused with %q", no)
					}
				}
			})
		})
	}
}

// Only who has taken in our answer can be blamed for what he makes of it.
func TestAnswerReaches(t *testing.T) {
	var deaf bool
	for _, deaf = range []bool{true, false} {
		run(t, func(k *kit) {
			k.bob.answer = func(trade.Message) ([]byte, error) {
				if deaf {
					return nil, errors.New("he does not answer")
				}
				return nil, nil
			}
		}, func(k *kit) {
			<-k.Ready()
			if no := k.refusal(takeable(k), 7); no != "" {
				t.Fatal(no)
			}
			k.after(8 * time.Minute)
			k.ltc.mine()
			k.btc.mine()
			k.after(2 * time.Second)
			now := k.now(takeOf(offerOf("alice"), 7).First.Hash)
			if now.Status != trade.Cancelled || now.Reached == deaf || (now.Fault() == trade.NeverBegun) == deaf {
				t.Errorf("deaf %v: %s, reached %v, blamed for %q", deaf, now.Status, now.Reached, now.Fault())
			}
		})
	}
}
