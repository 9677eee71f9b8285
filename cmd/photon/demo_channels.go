package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
	"photon/scenario/stage"
	"photon/web"
	"photon/web/api"
)

// The kinds of story about channels.
const (
	kindChannel  = "channel"  // two neighbours pay each other, and close together
	kindMediated = "mediated" // a payment over two mediators, who earn
	kindForced   = "forced"   // one closes alone, waits, and has his money
)

// A channelReport is what a story of channels adds to its report.
type channelReport struct {
	Channels []contracts.Hash `json:"channels"`
	Paid     contracts.Amount `json:"paid"` // what arrived
	Fee      contracts.Amount `json:"fee"`  // what mediators earned
	Pays     float64          `json:"pay_seconds"`
}

// neighbours: Alice opens a channel with Bob and pays him, he pays some of it back,
// she takes some out, and they close it together. On the chain each has in the end
// what was agreed, to the unit, but for the gas.
func (d *demo) neighbours(ctx context.Context, asset contracts.Asset) report {
	t := d.about(asset, kindChannel, d.alice, d.bob)
	ctx, cancel := context.WithTimeout(ctx, storyWithin)
	defer cancel()
	return t.end(t.channel(ctx, asset))
}

// about begins a story of one asset.
func (d *demo) about(asset contracts.Asset, kind string, one, two *stage.Person) *telling {
	t := d.begin(pair{asset, asset}, kind, one, two)
	t.report.Pair = short(asset)
	return t
}

func (t *telling) channel(ctx context.Context, asset contracts.Asset) error {
	if err := t.balances(ctx, &t.report.BalanceBefore); err != nil {
		return err
	}
	put, lunch, back, out := units("100"), units("30"), units("5"), units("20")
	t.show("Alice opens a channel")
	id, err := t.taker.OpenChannel(ctx, t.maker, contracts.Sum{Asset: asset, Amount: put}, 90)
	if err != nil {
		return err
	}
	accounts, err := accountsOf(ctx, t.taker, t.maker)
	if err != nil {
		return err
	}
	t.show("they pay each other")
	started := time.Now()
	if _, err := t.taker.Pays(ctx, api.Pay{To: accounts[1], Asset: &asset, Amount: &lunch, Direct: true}); err != nil {
		return err
	}
	t.report.Channel = &channelReport{Channels: []contracts.Hash{id}, Paid: lunch, Pays: time.Since(started).Seconds()}
	if _, err := t.maker.Pays(ctx, api.Pay{To: accounts[0], Asset: &asset, Amount: &back, Direct: true}); err != nil {
		return err
	}
	t.show("Alice takes some out")
	if _, err := t.taker.Client.WithdrawChannel(ctx, web.NewKey(), id, api.Withdrawal{Amount: out}); err != nil {
		return err
	}
	left := put.Minus(lunch).Plus(back).Minus(out)
	for _, p := range []*stage.Person{t.taker, t.maker} {
		if _, err := p.SeesChannel(ctx, id, func(c api.Channel) bool {
			return c.Wish == nil && c.Accord == nil && c.Ours.Plus(c.Theirs) == put.Minus(out)
		}); err != nil {
			return err
		}
	}
	t.show("they close it together")
	if _, err := t.maker.Client.CloseChannel(ctx, web.NewKey(), id, api.Close{}); err != nil {
		return err
	}
	for i, p := range []*stage.Person{t.taker, t.maker} {
		want := []contracts.Amount{left, lunch.Minus(back)}[i]
		if _, err := p.SeesChannel(ctx, id, func(c api.Channel) bool { return c.Status == channel.Settled && c.Ours == want }); err != nil {
			return err
		}
	}
	if err := t.gained(ctx, asset, map[*stage.Person]contracts.Amount{t.maker: lunch.Minus(back)}, t.taker, lunch.Minus(back)); err != nil {
		return err
	}
	t.report.Status, t.report.Cooperative = "completed", true
	return nil
}

// gained waits until the chain says that some have so much more, and one so much
// less, than before. Of a coin, gas may have taken a little.
func (t *telling) gained(ctx context.Context, asset contracts.Asset, more map[*stage.Person]contracts.Amount, payer *stage.Person, less contracts.Amount) error {
	gas := contracts.Amount{}
	if asset.IsNative() {
		gas = units("0.1")
	}
	name, wrong := short(asset), ""
	for ctx.Err() == nil {
		if err := t.balances(ctx, &t.report.BalanceAfter); err != nil {
			return err
		}
		wrong = ""
		for p, gain := range more {
			want := t.report.BalanceBefore[p.Name][name].Plus(gain)
			if has := t.report.BalanceAfter[p.Name][name]; want.Less(has) || has.Plus(gas).Less(want) {
				wrong = fmt.Sprintf("%s has %s %s, want %s", p.Name, has, name, want)
			}
		}
		want := t.report.BalanceBefore[payer.Name][name].Minus(less)
		if has := t.report.BalanceAfter[payer.Name][name]; want.Less(has) || has.Plus(gas).Less(want) {
			wrong = fmt.Sprintf("%s has %s %s, want %s", payer.Name, has, name, want)
		}
		if wrong == "" {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("balances do not add up: %s: %w", wrong, ctx.Err())
}

// units is a sum of SMT, ETH or the demo's token, which all have 18 decimals.
func units(whole string) contracts.Amount {
	a, err := contracts.ParseDecimal(whole, 18)
	if err != nil {
		panic(err) // the amounts above are constants
	}
	return a
}

func accountsOf(ctx context.Context, people ...*stage.Person) (all []string, err error) {
	for _, p := range people {
		account, err := p.Account(ctx)
		if err != nil {
			return nil, fmt.Errorf("account of %s: %w", p.Name, err)
		}
		all = append(all, account)
	}
	return all, nil
}

// mediated: a line of channels from Alice over Bob and Carol to Dave. Dave asks for
// 10 SMT, Alice sends what the mediators ask besides, and has his secret as receipt.
// It returns the last channel, which is Carol's and Dave's.
func (d *demo) mediated(ctx context.Context) (report, contracts.Hash) {
	asset := contracts.Native(contracts.SMT)
	t := d.about(asset, kindMediated, d.alice, d.bob)
	ctx, cancel := context.WithTimeout(ctx, storyWithin)
	defer cancel()
	last, err := t.overTwo(ctx, asset)
	return t.end(err), last
}

func (t *telling) overTwo(ctx context.Context, asset contracts.Asset) (last contracts.Hash, err error) {
	line := []*stage.Person{t.alice, t.bob, t.carol, t.dave}
	amount, fee := units("10"), units("0.5")
	var ids []contracts.Hash
	for i := range line[1:] {
		t.show(fmt.Sprintf("%s opens a channel with %s", line[i].Name, line[i+1].Name))
		id, err := line[i].OpenChannel(ctx, line[i+1], contracts.Sum{Asset: asset, Amount: units("50")}, 90)
		if err != nil {
			return last, err
		}
		ids = append(ids, id)
	}
	// Each mediator asks half a coin for what leaves him, and nothing for what comes.
	for i, p := range line[1:3] {
		for j, asks := range []contracts.Amount{{}, fee} {
			if _, err := p.Client.SetFee(ctx, ids[i+j], message.Schedule{Flat: asks}); err != nil {
				return last, fmt.Errorf("fee of %s: %w", p.Name, err)
			}
		}
	}
	bill, err := t.dave.Client.Bill(ctx, web.NewKey(), api.Bill{Asset: asset, Amount: amount, Expires: uint64(time.Now().Add(time.Hour).Unix())})
	if err != nil {
		return last, fmt.Errorf("invoice of Dave: %w", err)
	}
	route, err := accountsOf(ctx, line[1:3]...)
	if err != nil {
		return last, err
	}
	t.show("Alice pays Dave over both")
	started := time.Now()
	paid, err := t.alice.Pays(ctx, api.Pay{Invoice: bill.Text, Route: route, MaxFee: fee.Plus(fee)})
	if err != nil {
		return last, err
	}
	took := time.Since(started)
	if r := paid.Receipt; r == nil || contracts.Secret(r.Secret).Hash() != bill.Id {
		return last, fmt.Errorf("alice has no receipt: %+v", r)
	}
	for i, id := range ids {
		passed := amount.Plus(fee).Plus(fee)
		for range i {
			passed = passed.Minus(fee)
		}
		if _, err := line[i+1].SeesChannel(ctx, id, func(c api.Channel) bool { return c.Ours == passed && c.LockedIn.IsZero() }); err != nil {
			return last, err
		}
	}
	t.report.Channel = &channelReport{Channels: ids, Paid: amount, Fee: paid.Fee, Pays: took.Seconds()}
	t.report.Status, t.report.Cooperative = "completed", true
	return ids[2], nil
}

// forced: Dave closes his channel with Carol without asking her; when the window is
// over the contract pays both.
func (d *demo) forced(ctx context.Context, id contracts.Hash) report {
	asset := contracts.Native(contracts.SMT)
	t := d.about(asset, kindForced, d.dave, d.carol)
	ctx, cancel := context.WithTimeout(ctx, 2*storyWithin)
	defer cancel()
	return t.end(t.force(ctx, id))
}

func (t *telling) force(ctx context.Context, id contracts.Hash) error {
	if id.IsZero() {
		return errors.New("there is no channel to close")
	}
	before, err := t.dave.Client.Channel(ctx, id)
	if err != nil {
		return err
	}
	t.show("Dave closes alone")
	if _, err := t.dave.Client.CloseChannel(ctx, web.NewKey(), id, api.Close{Alone: true}); err != nil {
		return err
	}
	if _, err := t.dave.SeesChannel(ctx, id, func(c api.Channel) bool { return c.Status != channel.Open }); err != nil {
		return err
	}
	t.show("the window passes")
	after, err := t.dave.SeesChannel(ctx, id, func(c api.Channel) bool { return c.Status == channel.Settled })
	if err != nil {
		return err
	}
	if after.Ours != before.Ours {
		return fmt.Errorf("dave was paid %s of %s", after.Ours, before.Ours)
	}
	t.report.Channel = &channelReport{Channels: []contracts.Hash{id}, Paid: after.Ours}
	t.report.Status = "completed"
	return nil
}
