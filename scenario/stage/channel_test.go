package stage_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"photon/contracts"
	"photon/node/channel"
	"photon/scenario/stage"
	"photon/web"
	"photon/web/api"
)

// channels is the life of a channel between Alice and Bob in one asset, as people
// have it: opened, paid through both ways, filled up by Bob, whose node is killed and
// comes back, drawn on, closed together. What comes back on the chain is exact, but for the gas where the asset is
// the coin that pays it.
func (p *play) channels(t *testing.T, asset contracts.Asset) {
	unit := func(text string) contracts.Amount { return sum(t, text+asset.String()).Amount }
	t.Cleanup(func() { p.logs(t) })
	before := map[*stage.Person]contracts.Amount{p.alice: p.has(t, p.alice, asset), p.bob: p.has(t, p.bob, asset)}
	bob, alice := p.account(t, p.bob), p.account(t, p.alice)
	if _, err := p.alice.Photon(p.ctx, "", "channel", "open", p.bob.Address, "100"+asset.String(), "--window", "90", "--yes", "--data", p.alice.Data); err != nil {
		t.Fatal(err)
	}
	opened := func(who *stage.Person, partner string) api.Channel {
		return p.channel(t, who, asset, partner, func(v api.Channel) bool { return v.There && v.Ours.Cmp(v.Theirs) != 0 })
	}
	id := opened(p.alice, bob).Id
	if out, err := p.alice.Photon(p.ctx, "", "channel", "list", "--data", p.alice.Data); err != nil || !strings.Contains(out, id.String()) {
		t.Errorf("photon channel list: %v: %s", err, out)
	}
	opened(p.bob, alice)

	p.pay(t, p.alice, api.Pay{To: bob, Asset: &asset, Amount: ref(unit("30")), Text: "for lunch"})
	p.sees(t, p.bob, id, func(v api.Channel) bool { return v.Ours == unit("30") && v.Sendable == unit("30") })
	p.pay(t, p.bob, api.Pay{To: alice, Asset: &asset, Amount: ref(unit("5"))})
	p.sees(t, p.alice, id, func(v api.Channel) bool { return v.Ours == unit("75") && v.Theirs == unit("25") })

	if _, err := p.bob.Client.Deposit(p.ctx, web.NewKey(), id, unit("40")); err != nil {
		t.Fatal(err)
	}
	p.sees(t, p.alice, id, func(v api.Channel) bool { return v.Theirs == unit("65") && v.Receivable == unit("65") })
	p.sees(t, p.bob, id, func(v api.Channel) bool { return v.Ours == unit("65") && v.Receivable == unit("75") })

	p.bob.Kill()
	if err := p.bob.Start(p.ctx); err != nil {
		t.Fatal(err)
	}
	bill, err := p.alice.Client.Bill(p.ctx, web.NewKey(), api.Bill{Asset: asset, Amount: unit("7"), Expires: uint64(time.Now().Add(time.Hour).Unix()), Text: "a book"})
	if err != nil {
		t.Fatal(err)
	}
	paid := p.pay(t, p.bob, api.Pay{Invoice: bill.Text})
	if r := paid.Receipt; r == nil || contracts.Secret(r.Secret).Hash() != bill.Id || r.Invoice != bill.Text {
		t.Errorf("receipt %+v", r)
	}
	p.sees(t, p.alice, id, func(v api.Channel) bool { return v.Ours == unit("82") && v.LockedIn.IsZero() })

	if _, err := p.alice.Client.WithdrawChannel(p.ctx, web.NewKey(), id, api.Withdrawal{Amount: unit("12")}); err != nil {
		t.Fatal(err)
	}
	taken := func(ours, theirs string) func(api.Channel) bool {
		return func(v api.Channel) bool {
			return v.Wish == nil && v.Accord == nil && v.Ours == unit(ours) && v.Theirs == unit(theirs)
		}
	}
	p.sees(t, p.alice, id, taken("70", "58"))
	p.sees(t, p.bob, id, taken("58", "70"))

	if _, err := p.bob.Client.CloseChannel(p.ctx, web.NewKey(), id, api.Close{}); err != nil {
		t.Fatal(err)
	}
	for _, who := range []*stage.Person{p.alice, p.bob} {
		p.sees(t, who, id, func(v api.Channel) bool { return v.Status == channel.Settled })
	}
	gas := contracts.Amount{}
	if asset.IsNative() {
		gas = unit("0.1")
	}
	p.gets(t, p.alice, asset, before[p.alice].Minus(unit("18")), gas) // she paid 30, got 5 and 7
	p.gets(t, p.bob, asset, before[p.bob].Plus(unit("18")), gas)
}

// logs shows the ends of both logs when something went wrong.
func (p *play) logs(t *testing.T) {
	for _, who := range []*stage.Person{p.alice, p.bob} {
		if raw, err := os.ReadFile(filepath.Join(who.Data, "log")); t.Failed() && err == nil {
			t.Logf("%s's log ends: %s", who.Name, raw[max(0, len(raw)-4000):])
		}
	}
}

func ref[T any](v T) *T { return &v }

// has is what somebody can spend of an asset.
func (p *play) has(t *testing.T, who *stage.Person, asset contracts.Asset) contracts.Amount {
	t.Helper()
	all, err := who.Client.Balances(p.ctx)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(b api.Balance) bool { return b.Asset == asset })
	if i < 0 || all[i].Confirmed == nil {
		t.Fatalf("%s has no balance of %s: %+v", who.Name, asset, all)
	}
	return *all[i].Confirmed
}

// patience is how long a step of a channel may take, on chains of a block a second.
const patience = 2 * time.Minute

// soon polls until done.
func (p *play) soon(t *testing.T, what func() any, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s; at the end: %+v", patience, what())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// gets waits until somebody can spend exactly so much, less at most gas.
func (p *play) gets(t *testing.T, who *stage.Person, asset contracts.Asset, want, gas contracts.Amount) {
	t.Helper()
	p.soon(t, func() any { return p.has(t, who, asset) }, func() bool {
		has := p.has(t, who, asset)
		return !want.Less(has) && !has.Less(want.Minus(gas))
	})
}

// account is that of somebody's node.
func (p *play) account(t *testing.T, who *stage.Person) string {
	t.Helper()
	account, err := who.Account(p.ctx)
	if err != nil {
		t.Fatal(err)
	}
	return account
}

// channel waits for a channel of an asset with a partner.
func (p *play) channel(t *testing.T, who *stage.Person, asset contracts.Asset, partner string, good func(api.Channel) bool) (found api.Channel) {
	t.Helper()
	var all []api.Channel
	p.soon(t, func() any { return all }, func() bool {
		var err error
		if all, err = who.Client.Channels(p.ctx, "", partner); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(v api.Channel) bool { return v.Asset == asset && good(v) })
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

// sees waits until somebody's side of a channel is as it should be.
func (p *play) sees(t *testing.T, who *stage.Person, id contracts.Hash, good func(api.Channel) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := who.SeesChannel(ctx, id, good); err != nil {
		t.Fatal(err)
	}
}

// pay pays and waits until that is done.
func (p *play) pay(t *testing.T, who *stage.Person, what api.Pay) api.Payment {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	made, err := who.Pays(ctx, what)
	if err != nil {
		t.Fatal(err)
	}
	return made
}
