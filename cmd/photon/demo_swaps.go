package main

import (
	"context"
	"fmt"
	"time"

	"photon/contracts"
	"photon/scenario/stage"
	"photon/swap/trade"
	"photon/web/api"
)

// A report is one swap as the demo prints it. Amounts are in smallest units.
type report struct {
	Pair          string                                 `json:"pair"`
	Kind          string                                 `json:"kind"`
	Status        string                                 `json:"status"` // completed, refunded, failed
	Cooperative   bool                                   `json:"cooperative"`
	Seconds       float64                                `json:"seconds"`
	LockTxID      map[contracts.Chain]contracts.Hash     `json:"lock_txid"`
	RedeemTxID    map[contracts.Chain]contracts.Hash     `json:"redeem_txid"`
	RefundTxID    map[contracts.Chain]contracts.Hash     `json:"refund_txid,omitempty"`
	Fees          map[string]map[string]contracts.Amount `json:"fees"` // by person and coin
	BalanceBefore map[string]map[string]contracts.Amount `json:"balance_before"`
	BalanceAfter  map[string]map[string]contracts.Amount `json:"balance_after"`
	Channel       *channelReport                         `json:"channel,omitempty"` // of stories about channels
	Error         string                                 `json:"error,omitempty"`
}

// good reports whether the story ended as it must.
func (r report) good() bool {
	if r.Kind == kindRefund {
		return r.Status == "refunded"
	}
	return r.Status == "completed"
}

// What one swap moves, in whole coins.
var stakes = map[contracts.Chain]string{contracts.BTC: "0.01", contracts.LTC: "0.5", contracts.ETH: "0.25", contracts.SMT: "40"}

// stake is what one swap moves of an asset.
func stake(a contracts.Asset) contracts.Amount {
	amount, err := contracts.ParseDecimal(stakes[a.Chain], a.Chain.Decimals())
	if err != nil {
		panic(err) // the table above is a constant
	}
	return amount
}

// A telling is a story while it is told.
type telling struct {
	*demo
	report  report
	pair    pair
	taker   *stage.Person // pays and locks first
	maker   *stage.Person
	id      contracts.Hash
	started time.Time
}

func (d *demo) begin(p pair, kind string, taker, maker *stage.Person) *telling {
	return &telling{demo: d, pair: p, taker: taker, maker: maker, started: time.Now(), report: report{
		Pair: p.String(), Kind: kind, Status: "failed", LockTxID: map[contracts.Chain]contracts.Hash{}, RedeemTxID: map[contracts.Chain]contracts.Hash{},
		RefundTxID: map[contracts.Chain]contracts.Hash{}, Fees: map[string]map[string]contracts.Amount{},
	}}
}

// end closes the report.
func (t *telling) end(err error) report {
	t.report.Seconds = seconds(time.Since(t.started))
	if err != nil {
		t.report.Status, t.report.Error = "failed", err.Error()
	}
	return t.report
}

// storyWithin is how long one swap may take; a refund waits for its time besides.
const storyWithin = 4 * time.Minute

// swapStory is one swap between Alice, who pays, and Bob. In a crash story Bob is
// killed between his lock and his redeem, and comes back.
func (d *demo) swapStory(ctx context.Context, p pair, kind string) report {
	t := d.begin(p, kind, d.alice, d.bob)
	ctx, cancel := context.WithTimeout(ctx, storyWithin)
	defer cancel()
	return t.end(t.swap(ctx))
}

func (t *telling) swap(ctx context.Context) error {
	if err := t.take(ctx); err != nil {
		return err
	}
	if t.report.Kind == kindCrash {
		if err := t.crash(ctx); err != nil {
			return err
		}
	}
	taken, err := t.follow(ctx, t.taker, trade.Completed)
	if err != nil {
		return err
	}
	made, err := t.follow(ctx, t.maker, trade.Completed)
	if err != nil {
		return err
	}
	t.note(taken, made)
	if err := t.settle(ctx, true); err != nil {
		return err
	}
	t.report.Status = "completed"
	return nil
}

// refundStory: Dave locks first, Carol is stopped and never answers, Dave's node
// takes his coin back when the time lock opens.
func (d *demo) refundStory(ctx context.Context) report {
	t := d.begin(pair{contracts.Native(contracts.ETH), contracts.Native(contracts.BTC)}, kindRefund, d.dave, d.carol)
	ctx, cancel := context.WithTimeout(ctx, 2*storyWithin)
	defer cancel()
	return t.end(t.refund(ctx))
}

func (t *telling) refund(ctx context.Context) error {
	if err := t.take(ctx); err != nil {
		return err
	}
	// Stopped as soon as the first lock is ordered: too early for it to be
	// confirmed, so Carol never locks.
	if _, err := t.until(ctx, t.taker, func(s api.Swap) bool { return s.Status == trade.Locking }); err != nil {
		return err
	}
	t.maker.Kill()
	taken, err := t.follow(ctx, t.taker, trade.Refunded)
	if err != nil {
		return err
	}
	t.note(taken)
	if end := taken.Pay.End; end != nil {
		t.report.RefundTxID[taken.Pay.Asset.Chain] = end.Txid
	}
	if err := t.settle(ctx, false); err != nil {
		return err
	}
	t.report.Status = "refunded"
	return nil
}

// take lets the maker offer and the taker find, quote and take it.
func (t *telling) take(ctx context.Context) error {
	t.show("offers and quotes")
	if err := t.balances(ctx, &t.report.BalanceBefore); err != nil {
		return err
	}
	var err error
	t.id, err = stage.Take(ctx, t.taker, t.maker,
		contracts.Sum{Asset: t.pair.pay, Amount: stake(t.pair.pay)}, contracts.Sum{Asset: t.pair.get, Amount: stake(t.pair.get)})
	return err
}

// crash kills the maker once his lock is on its way, lets the taker redeem
// alone, and starts the maker again.
func (t *telling) crash(ctx context.Context) error {
	if _, err := t.until(ctx, t.maker, func(s api.Swap) bool { return s.Pay.Lock != nil }); err != nil {
		return err
	}
	t.maker.Kill()
	t.show("Bob is killed")
	if _, err := t.until(ctx, t.taker, func(s api.Swap) bool { return s.Get.End != nil && s.Get.End.Height > 0 }); err != nil {
		return err
	}
	t.show("Bob comes back")
	return t.maker.Start(ctx)
}

// follow shows a person's side of the swap until it is at rest, which must be in
// the status wanted.
func (t *telling) follow(ctx context.Context, p *stage.Person, wanted trade.Status) (api.Swap, error) {
	s, err := t.until(ctx, p, func(s api.Swap) bool { return s.Status.AtRest() || s.Status == trade.Stranded })
	if err != nil {
		return s, err
	}
	if s.Status != wanted {
		return s, fmt.Errorf("%s's side is %s: %s%s", p.Name, s.Status, s.Reason, s.Frozen)
	}
	return s, nil
}

// until shows a person's side of the swap until it is as wanted.
func (t *telling) until(ctx context.Context, p *stage.Person, wanted func(api.Swap) bool) (api.Swap, error) {
	return p.Until(ctx, t.id, wanted, func(s api.Swap) { t.show(p.Name + ": " + state(s)) })
}

// state is a swap in a few words for the table.
func state(s api.Swap) string {
	if s.Next == nil {
		return string(s.Status)
	}
	for _, step := range s.Steps {
		if step.Name == string(s.Next.Step) && step.Required > 0 {
			return fmt.Sprintf("%s, %s %d/%d", s.Status, words(step.Name), step.Confirmations, step.Required)
		}
	}
	return string(s.Status)
}

func (t *telling) show(step string) {
	t.board.row(t.report.Pair+" "+t.report.Kind, step, time.Since(t.started))
}

// note takes transactions and fees from each side's own view.
func (t *telling) note(sides ...api.Swap) {
	people := []*stage.Person{t.taker, t.maker}
	for i, s := range sides {
		for _, leg := range []api.Leg{s.Pay, s.Get} {
			if leg.Lock != nil {
				t.report.LockTxID[leg.Asset.Chain] = leg.Lock.Txid
			}
		}
		if end := s.Get.End; end != nil {
			t.report.RedeemTxID[s.Get.Asset.Chain] = end.Txid
			t.report.Cooperative = t.report.Cooperative || end.Kind == trade.ByBoth
		}
		fees := map[string]contracts.Amount{}
		for _, f := range s.Fees {
			fees[string(f.Chain)] = fees[string(f.Chain)].Plus(f.Amount)
		}
		t.report.Fees[people[i].Name] = fees
	}
}

// balances asks what the two have of everything that the swap touches. What is on
// its way to them counts.
func (t *telling) balances(ctx context.Context, into *map[string]map[string]contracts.Amount) error {
	all := map[string]map[string]contracts.Amount{}
	for _, p := range []*stage.Person{t.taker, t.maker} {
		if !p.Running() {
			continue // killed for the story
		}
		balances, err := p.Client.Balances(ctx)
		if err != nil {
			return fmt.Errorf("%s's balances: %w", p.Name, err)
		}
		has := map[string]contracts.Amount{}
		for _, b := range balances {
			if b.Asset.Chain != t.pair.pay.Chain && b.Asset.Chain != t.pair.get.Chain {
				continue
			}
			if b.Confirmed == nil || b.Pending == nil {
				return fmt.Errorf("%s: %s does not answer", p.Name, b.Asset)
			}
			has[short(b.Asset)] = b.Confirmed.Plus(*b.Pending)
		}
		all[p.Name] = has
	}
	*into = all
	return nil
}

// settle waits until the balances add up to the unit: what was paid, what was
// got, and the fees, and nothing else.
func (t *telling) settle(ctx context.Context, swapped bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if err := t.balances(ctx, &t.report.BalanceAfter); err != nil {
			return err
		}
		wrong := t.wrong(swapped)
		if wrong == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("balances do not add up: %s", wrong)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// wrong names the first balance that is not what it must be.
func (t *telling) wrong(swapped bool) string {
	for name, after := range t.report.BalanceAfter {
		for asset, has := range after {
			want := t.report.BalanceBefore[name][asset]
			pays, gets := t.pair.pay, t.pair.get
			if name == t.maker.Name {
				pays, gets = gets, pays
			}
			if swapped && short(gets) == asset {
				want = want.Plus(stake(gets))
			}
			less := t.report.Fees[name][asset]
			if swapped && short(pays) == asset {
				less = less.Plus(stake(pays))
			}
			if want.Less(less) {
				return fmt.Sprintf("%s had %s %s and paid %s", name, want, asset, less)
			}
			if want = want.Minus(less); want != has {
				return fmt.Sprintf("%s has %s %s, want %s", name, has, asset, want)
			}
		}
	}
	return ""
}
