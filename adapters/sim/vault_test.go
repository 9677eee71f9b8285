package sim

import (
	"errors"
	"reflect"
	"testing"
	"testing/synctest"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

// goodChange is one of everything, with a value in every part that is easily lost.
func goodChange(t *testing.T) ledger.Change {
	t.Helper()
	signature, err := Keys("bob").SignDigest(contracts.Hash{1})
	if err != nil {
		t.Fatal(err)
	}
	lock := contracts.Lock{Amount: contracts.Units(7), Expiry: 99, Hash: goodSecret.Hash()}
	promise := message.Change{Promise: &message.Promise{Lock: lock, Route: []contracts.Address{{1}}}}
	c := channel.Channel{
		Key: contracts.Hash{1}, Contract: contracts.Channels{ChainID: 1, At: contracts.Address{2}}, Chain: contracts.ETH,
		Name: contracts.NameChannel(contracts.Address{3}, contracts.Address{4}, contracts.Address{5}, 6), First: true, Window: 90,
		Rules: channel.Rules{Reveal: 30, Punish: 30, Grace: 5}, Status: channel.Closed, Epoch: 2, Version: 1,
		Us: channel.Ours{Deposit: contracts.Units(100), Queue: []message.Change{promise}, Locks: []contracts.Lock{lock},
			Flight: []channel.Flown{{After: 1, Changes: []message.Change{promise}, Locks: []contracts.Lock{lock}}},
			Notes:  []channel.Note{{Lock: lock, ID: lock.ID(), Secret: &goodSecret, Disposal: &signature}}},
		Them: channel.Theirs{Party: contracts.Address{5}, Signature: signature},
		Law:  &channel.Law{End: 9, Ours: contracts.Claim{Unlocked: contracts.Units(7), Taken: contracts.BitsOf(0, 200)}},
	}
	invoice := message.Invoice{Hash: goodSecret.Hash(), Amount: contracts.Units(7), Asset: contracts.Native(contracts.ETH), Signature: signature}
	return ledger.Change{
		Channels:  []channel.Channel{c},
		Payments:  []ledger.Payment{{ID: contracts.Hash{2}, Ours: true, Asset: invoice.Asset, Status: ledger.Pending, Invoice: &invoice, Secret: &goodSecret}},
		Transfers: []ledger.Transfer{{ID: contracts.Hash{3}, In: ledger.Link{Channel: contracts.Hash{1}, Lock: lock}, Status: ledger.Pending}},
		Demands:   []ledger.Demand{{Invoice: invoice, Number: 4, Status: ledger.Held, Links: []ledger.Link{{Channel: contracts.Hash{1}, Lock: lock}}}},
		Said:      []ledger.Said{{Channel: contracts.Hash{1}, Epoch: 2, Record: channel.Record{Nonce: 1, Changes: []message.Change{promise}}}},
		Through:   map[contracts.Chain]uint64{contracts.ETH: 11, contracts.SMT: 12},
		Heads:     map[contracts.Chain]channel.Head{contracts.ETH: {Height: 23, Time: 5}},
		Dated:     []ledger.Dated{{Chain: contracts.ETH, Hash: goodSecret.Hash(), Block: 4}},
		Fees:      []ledger.Fee{{Channel: contracts.Hash{1}, Schedule: message.Schedule{Proportional: 5, Cap: true}}},
	}
}

// onDisk runs a test with a disk and a vault on it.
func onDisk(t *testing.T, test func(t *testing.T, d *Disk, v *Vault)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := NewDisk()
		test(t, d, d.Vault(NewLife(t.Context(), "alice", nil)))
	})
}

func TestVaultKeepsAll(t *testing.T) {
	onDisk(t, func(t *testing.T, d *Disk, v *Vault) {
		want := goodChange(t)
		if err := v.SaveLedger(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		again := d.Vault(NewLife(t.Context(), "alice", nil)) // after a restart
		got, err := again.LoadLedger(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if loaded := (ledger.Loaded{Channels: want.Channels, Payments: want.Payments, Transfers: want.Transfers, Demands: want.Demands, Through: want.Through, Heads: want.Heads, Fees: want.Fees, Dated: want.Dated}); !reflect.DeepEqual(got, loaded) {
			t.Errorf("loaded %+v, want %+v", got, loaded)
		}
		said, err := again.Said(t.Context(), contracts.Hash{1}, 2)
		if err != nil || !reflect.DeepEqual(said, []channel.Record{want.Said[0].Record}) {
			t.Errorf("said %+v: %v", said, err)
		}
		if said, err := again.Said(t.Context(), contracts.Hash{1}, 1); len(said) > 0 || err != nil {
			t.Errorf("said in another epoch: %+v: %v", said, err)
		}
		d.Wipe()
		if got, err := again.LoadLedger(t.Context()); err != nil || len(got.Channels)+len(got.Payments)+len(got.Through) > 0 {
			t.Errorf("loaded %+v after the disk was wiped: %v", got, err)
		}
	})
}

// What is at rest is kept, and not loaded.
func TestVaultLoadsWhatIsNotAtRest(t *testing.T) {
	onDisk(t, func(t *testing.T, d *Disk, v *Vault) {
		c := goodChange(t)
		c.Channels[0].Status, c.Payments[0].Status, c.Transfers[0].Status, c.Demands[0].Status = channel.Settled, ledger.Done, ledger.Failed, ledger.Settling
		c.Demands[0].Links = nil
		c.Payments = append(c.Payments, ledger.Payment{ID: contracts.Hash{2}, Asset: c.Payments[0].Asset, Status: ledger.Pending}) // another's, with the same id
		if err := v.SaveLedger(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if l, err := v.LoadLedger(t.Context()); err != nil || len(l.Channels)+len(l.Payments)+len(l.Transfers)+len(l.Demands) > 0 {
			t.Errorf("loaded %+v: %v", l, err)
		}
		channels, e1 := d.Channels()
		payments, e2 := d.Payments()
		transfers, e3 := d.Transfers()
		demands, e4 := d.Demands()
		if err := errors.Join(e1, e2, e3, e4); err != nil || len(channels) != 1 || len(payments) != 2 || len(transfers) != 1 || len(demands) != 1 {
			t.Errorf("kept %d, %d, %d, %d: %v", len(channels), len(payments), len(transfers), len(demands), err)
		}
	})
}

// Each row is one change to a good save; what is refused leaves nothing.
func TestVaultRefuses(t *testing.T) {
	for _, r := range []struct {
		name   string
		change func(d *Disk, v *Vault, c *ledger.Change)
		want   error
	}{
		{"good", func(*Disk, *Vault, *ledger.Change) {}, nil},
		{"the same version again", func(_ *Disk, _ *Vault, c *ledger.Change) { c.Channels = append(c.Channels, c.Channels[0]) }, ledger.ErrConflict},
		{"a version left out", func(_ *Disk, _ *Vault, c *ledger.Change) { c.Channels[0].Version = 2 }, ledger.ErrConflict},
		{"two versions at once", func(_ *Disk, _ *Vault, c *ledger.Change) {
			c.Channels = append(c.Channels, c.Channels[0])
			c.Channels[1].Version = 2
		}, nil},
		{"disk is full", func(d *Disk, _ *Vault, _ *ledger.Change) { d.Fill(true) }, ErrDown},
		{"node is stopped", func(_ *Disk, v *Vault, _ *ledger.Change) { v.life.Stop() }, ErrStopped},
	} {
		t.Run(r.name, func(t *testing.T) {
			onDisk(t, func(t *testing.T, d *Disk, v *Vault) {
				c := goodChange(t)
				r.change(d, v, &c)
				if err := v.SaveLedger(t.Context(), c); !errors.Is(err, r.want) || (err == nil) != (r.want == nil) {
					t.Errorf("%v, want %v", err, r.want)
				}
				if all, err := d.Payments(); err != nil || (len(all) > 0) != (r.want == nil) {
					t.Errorf("stored %+v: %v", all, err)
				}
			})
		})
	}
}

// A save passes the hook: it happens or not, whatever the node is told.
func TestVaultPassesTheHook(t *testing.T) {
	for _, r := range []struct {
		name    string
		verdict Verdict
		stored  bool
		err     error
	}{{"stopped before", StopBefore, false, ErrStopped}, {"stopped after", StopAfter, true, ErrStopped}, {"answer lost", LoseAnswer, true, ErrLost}} {
		t.Run(r.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, at := NewDisk(), ""
				v := d.Vault(NewLife(t.Context(), "alice", func(p Point) Verdict { at = p.String(); return r.verdict }))
				if err := v.SaveLedger(t.Context(), goodChange(t)); !errors.Is(err, r.err) {
					t.Errorf("%v, want %v", err, r.err)
				}
				if all, err := d.Channels(); err != nil || (len(all) > 0) != r.stored || at != "alice save payment pending" {
					t.Errorf("%s: stored %d: %v", at, len(all), err)
				}
			})
		})
	}
}

// Transactions are kept as they are until their order is at rest.
func TestVaultKeepsCalls(t *testing.T) {
	onBench(t, func(b *bench) {
		d := NewDisk()
		v := d.Vault(b.alice.life)
		txs, err := b.alice.PrepareCall(b.Context(), b.opening())
		if err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(v.SaveCallTxs(b.Context(), txs...), v.SaveCallTxs(b.Context(), txs...)); err != nil {
			b.Fatal(err)
		}
		if got, err := v.CallTxs(b.Context()); err != nil || !reflect.DeepEqual(got, txs) {
			b.Errorf("kept %+v, want %+v: %v", got, txs, err)
		}
		if err := v.SaveLedger(b.Context(), ledger.Change{Rest: []contracts.Hash{txs[0].Order}}); err != nil {
			b.Fatal(err)
		}
		got, err := v.CallTxs(b.Context())
		all, failed := d.Calls()
		if errors.Join(err, failed) != nil || len(got) > 0 || len(all) != len(txs) {
			b.Errorf("%d left and %d kept once the order is at rest: %v", len(got), len(all), errors.Join(err, failed))
		}
		if got, err := v.OrderTxs(b.Context(), txs[0].Order); err != nil || !reflect.DeepEqual(got, txs) {
			b.Errorf("of the order %+v, want %+v: %v", got, txs, err)
		}
		if got, err := v.OrderTxs(b.Context(), contracts.Hash{99}); err != nil || len(got) > 0 {
			b.Errorf("of another %+v: %v", got, err)
		}
	})
}
