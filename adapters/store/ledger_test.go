package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

func TestLedgerComesBackWhole(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		same(t, "nothing", loaded(t, s), ledger.Loaded{Channels: []channel.Channel{}, Payments: []ledger.Payment{}, Transfers: []ledger.Transfer{}, Demands: []ledger.Demand{}, Through: map[contracts.Chain]uint64{}, Fees: []ledger.Fee{}, Heads: map[contracts.Chain]channel.Head{}})
		a, b := busy(1, 160), busy(2, 0)
		queued, mediated := direct(3, a, 0), got(4)
		queued.Status, mediated.Status, mediated.Ours = ledger.Pending, ledger.Pending, true
		flown := direct(2, a, 2)
		dated := []ledger.Dated{{Chain: contracts.ETH, Hash: hash(1), Block: 5}, {Chain: contracts.SMT, Hash: hash(1), Block: 6}}
		must(t, s.SaveLedger(t.Context(), ledger.Change{
			Channels: []channel.Channel{a, b}, Payments: []ledger.Payment{direct(1, a, 1), flown, queued, mediated, got(5)},
			Transfers: []ledger.Transfer{passed(1, a), passed(1, b)}, Demands: []ledger.Demand{invoice(1), invoice(2)},
			Said: []ledger.Said{record(a, 1), record(a, 2)}, Through: map[contracts.Chain]uint64{contracts.SMT: 7, contracts.ETH: 8},
			Fees: asks(5), Heads: heads(9), Dated: dated,
		}))
		flown.Status = ledger.Pending
		want := ledger.Loaded{
			Channels: []channel.Channel{a, b}, Payments: []ledger.Payment{flown, queued, mediated},
			Transfers: []ledger.Transfer{passed(1, a), passed(1, b)}, Demands: []ledger.Demand{invoice(1), invoice(2)},
			Through: map[contracts.Chain]uint64{contracts.SMT: 7, contracts.ETH: 8}, Fees: asks(5), Heads: heads(9), Dated: dated,
		}
		same(t, "at once", loaded(t, s), want)
		must(t, s.Close())
		s = open(t, url)
		same(t, "opened again", loaded(t, s), want)
		if p, ok, err := s.Payment(t.Context(), hash(5), false); err != nil || !ok {
			t.Errorf("%t, %v", ok, err)
		} else {
			same(t, "payment", p, got(5))
		}
		said, err := s.Said(t.Context(), a.Key, 0)
		must(t, err)
		same(t, "said", said, []channel.Record{record(a, 1).Record, record(a, 2).Record})

		// All comes to rest but a channel.
		b.Version, b.Status = 2, channel.Settled
		pass, ask := passed(1, b), invoice(1)
		ask.Links = nil
		pass.Status, ask.Status, mediated.Status, queued.Status = ledger.Failed, ledger.Settling, ledger.Done, ledger.Failed
		a = after(a, 2)
		must(t, s.SaveLedger(t.Context(), ledger.Change{
			Channels: []channel.Channel{a, b}, Payments: []ledger.Payment{queued, mediated}, Transfers: []ledger.Transfer{pass},
			Demands: []ledger.Demand{ask}, Through: map[contracts.Chain]uint64{contracts.SMT: 9}, Fees: asks(6), Heads: heads(10),
		}))
		same(t, "later", loaded(t, s), ledger.Loaded{
			Channels: []channel.Channel{a}, Payments: []ledger.Payment{}, Transfers: []ledger.Transfer{passed(1, a)},
			Demands: []ledger.Demand{invoice(2)}, Through: map[contracts.Chain]uint64{contracts.SMT: 9, contracts.ETH: 8},
			Fees: asks(6), Heads: heads(10), Dated: dated,
		})
		channels, err := s.Channels(t.Context(), true)
		must(t, err)
		same(t, "all channels", channels, []channel.Channel{a, b})
	})
}

// Each row is one attempt to save over a channel that is stored with version 2, with
// something of every kind beside it.
// asks is what a node asks in two channels, and heads where a chain was.
func asks(ppm uint32) []ledger.Fee {
	return []ledger.Fee{{Channel: hash(2), Schedule: message.Schedule{Cap: true}}, {Channel: hash(1), Schedule: message.Schedule{Proportional: ppm}}} // by key
}

func heads(height uint64) map[contracts.Chain]channel.Head {
	return map[contracts.Chain]channel.Head{contracts.ETH: {Height: height, Time: 5}}
}

func TestSaveLedgerComparesVersions(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		first := busy(1, 1)
		must(t, s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{first}, Said: []ledger.Said{record(first, 1)}}))
		must(t, s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{after(first, 2)}}))
		version := func(n uint64) channel.Channel { c := first; c.Version = n; return c }
		fresh := func(n uint64) channel.Channel { c := busy(2, 0); c.Version = n; return c }
		good := func() ledger.Change {
			return ledger.Change{
				Channels: []channel.Channel{version(3), fresh(1)}, Payments: []ledger.Payment{direct(1, busy(2, 0), 9)}, Transfers: []ledger.Transfer{passed(1, first)},
				Demands: []ledger.Demand{invoice(1)}, Said: []ledger.Said{record(first, 2)}, Through: map[contracts.Chain]uint64{contracts.SMT: 5},
			}
		}
		for _, row := range []struct {
			name   string
			change func(c *ledger.Change)
			want   error
		}{
			{"new again", func(c *ledger.Change) { c.Channels[0] = version(1) }, ledger.ErrConflict},
			{"the same version", func(c *ledger.Change) { c.Channels[0] = version(2) }, ledger.ErrConflict},
			{"a version left out", func(c *ledger.Change) { c.Channels[0] = version(4) }, ledger.ErrConflict},
			{"no version", func(c *ledger.Change) { c.Channels[0] = version(0) }, ledger.ErrConflict},
			{"not stored, not new", func(c *ledger.Change) { c.Channels[1] = fresh(2) }, ledger.ErrConflict},
			{"not stored, without version", func(c *ledger.Change) { c.Channels[1] = fresh(0) }, ledger.ErrConflict},
			{"a bad one after a good one", func(c *ledger.Change) { c.Channels = append(c.Channels, version(5)) }, ledger.ErrConflict},
			{"a payment of no channel", func(c *ledger.Change) { c.Payments[0].Channel = hash(9) }, ledger.ErrConflict},
			{"a transfer of no channel", func(c *ledger.Change) { c.Transfers[0].In.Channel = hash(9) }, ledger.ErrConflict},
			{"a record of no channel", func(c *ledger.Change) { c.Said[0].Channel = hash(9) }, ledger.ErrConflict},
			{"a record again", func(c *ledger.Change) { c.Said[0].Nonce = 1 }, ledger.ErrConflict},
			{"good, in two steps", func(c *ledger.Change) { c.Channels = append(c.Channels, version(4), after(fresh(1), 1)) }, nil},
		} {
			before := loaded(t, s)
			c := good()
			row.change(&c)
			if err := s.SaveLedger(t.Context(), c); !errors.Is(err, row.want) {
				t.Errorf("%s: %v, want %v", row.name, err, row.want)
			}
			if row.want == nil {
				continue
			}
			same(t, row.name+": stored", loaded(t, s), before)
			same(t, row.name+": payments", all(t, 9, func(f ledger.Filter) ([]ledger.Payment, int64, error) { return s.Payments(t.Context(), f) }, ledger.Filter{}), []ledger.Payment(nil))
			if said, err := s.Said(t.Context(), first.Key, 0); err != nil || len(said) != 1 {
				t.Errorf("%s: said %v, %v", row.name, said, err)
			}
		}
		stored := loaded(t, s)
		if len(stored.Channels) != 2 || stored.Channels[0].Version != 4 || stored.Channels[1].Version != 2 {
			t.Errorf("stored: %s", printed(stored.Channels))
		}
		err := s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{version(7)}})
		if want := fmt.Sprintf("stored by another: channel %s after version 6: stored is version 4", first.Key); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	})
}

// What was said in an epoch goes with it, and all with the channel.
func TestWhatWasSaidIsForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		a, b := busy(1, 0), busy(2, 0)
		says := func(c channel.Channel, epoch uint64, want ...uint64) {
			t.Helper()
			said, err := s.Said(t.Context(), c.Key, epoch)
			must(t, err)
			nonces := []uint64{}
			for _, r := range said {
				nonces = append(nonces, r.Nonce)
			}
			if !slices.Equal(nonces, want) {
				t.Errorf("epoch %d: said %v, want %v", epoch, nonces, want)
			}
		}
		must(t, s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{a, b}, Said: []ledger.Said{record(a, 2), record(a, 1), record(b, 1)}}))
		says(a, 0, 1, 2)
		old := record(a, 3)
		a = after(a, 3)
		a.Epoch = 1
		must(t, s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{a}, Said: []ledger.Said{old, record(a, 1)}}))
		says(a, 0)
		says(a, 1, 1)
		says(b, 0, 1)
		must(t, s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{after(a, 4)}, Said: []ledger.Said{record(a, 4)}}))
		says(a, 1, 1, 4)
		a = after(after(a, 4), 5)
		a.Status = channel.Settled
		must(t, s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{a}, Said: []ledger.Said{record(a, 5)}}))
		says(a, 1)
		says(b, 0, 1)
		says(busy(3, 0), 0) // which is not there
	})
}

// A direct payment is done once its update stands, and nobody writes it again.
func TestPaymentsAreDoneWithTheirUpdate(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		c := busy(1, 0)
		refused := direct(4, c, 2)
		must(t, s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{c}, Payments: []ledger.Payment{direct(1, c, 1), direct(2, c, 2), direct(3, c, 3), refused}}))
		is := func(when string, want ...ledger.Status) {
			t.Helper()
			var got, open []ledger.Status
			under := 0
			for n := range uint64(4) {
				p, ok, err := s.Payment(t.Context(), hash(n+1), true)
				if err != nil || !ok {
					t.Fatalf("%s: %t, %v", when, ok, err)
				}
				if got = append(got, p.Status); p.Status == ledger.Pending {
					under++
				}
			}
			for _, p := range loaded(t, s).Payments {
				open = append(open, p.Status)
			}
			if !slices.Equal(got, want) || len(open) != under {
				t.Errorf("%s: %v, loaded %v, want %v", when, got, open, want)
			}
		}
		const done, pending, failed = ledger.Done, ledger.Pending, ledger.Failed
		is("update 1 stands", done, pending, pending, pending)
		refused.Status = ledger.Failed
		c = after(c, 2)
		must(t, s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{c}, Payments: []ledger.Payment{refused}}))
		is("update 2 stands, but for one payment", done, done, pending, failed)
		c = after(c, 0)
		c.Epoch = 1
		must(t, s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{c}}))
		is("another epoch", done, done, done, failed)
	})
}

// A payment that is written again, also twice in one change, stays where it was.
func TestPaymentsAreWrittenAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		ours := got(1)
		ours.Ours, ours.Status = true, ledger.Pending
		must(t, s.SaveLedger(t.Context(), ledger.Change{Payments: []ledger.Payment{ours, got(1), got(2)}}))
		twice := ours
		twice.Reason, ours.Status, ours.Reason = "first", ledger.Failed, "no route"
		must(t, s.SaveLedger(t.Context(), ledger.Change{Payments: []ledger.Payment{twice, got(3), ours}}))
		page, next, err := s.Payments(t.Context(), ledger.Filter{})
		must(t, err)
		same(t, "payments", page, []ledger.Payment{got(3), got(2), got(1), ours})
		if next != 0 {
			t.Errorf("more after the last: %d", next)
		}
		if _, ok, err := s.Payment(t.Context(), hash(2), true); ok || err != nil {
			t.Errorf("a payment of ours that is not there: %t, %v", ok, err)
		}
	})
}

// Each row is one filter over 400 payments.
func TestPages(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		c := busy(1, 0)
		change := ledger.Change{Channels: []channel.Channel{c}}
		for n := range uint64(400) {
			p := direct(n, c, n%4) // 0 is queued, 1 stands, 2 and 3 are on their way
			switch {
			case n%4 == 0:
				p.Status = ledger.Pending
			case n%5 == 0:
				p.Status = ledger.Failed
			case n%3 == 0:
				p = got(n)
			}
			change.Payments = append(change.Payments, p)
			change.Transfers = append(change.Transfers, passed(n, c))
			change.Demands = append(change.Demands, invoice(n))
			if n%3 == 0 {
				change.Transfers[n].Status, change.Demands[n].Status = ledger.Done, ledger.Lapsed
			}
		}
		must(t, s.SaveLedger(t.Context(), change))
		yes, no := true, false
		for _, f := range []ledger.Filter{
			{}, {Ours: &yes}, {Ours: &no}, {Status: "pending"}, {Status: "done"}, {Status: "failed"}, {Status: "unheard of"},
			{Asset: c.Asset()}, {Asset: got(1).Asset}, {Asset: contracts.Native(contracts.ETH)},
			{Asset: c.Asset(), Ours: &no}, {Asset: c.Asset(), Ours: &yes, Status: "done"}, {Ours: &no, Status: "pending"}, {Asset: c.Asset(), Status: "pending"},
		} {
			var want []ledger.Payment
			for _, p := range slices.Backward(change.Payments) {
				p.Status = p.In(c.Epoch, c.Us.Proof.Nonce)
				if (f.Asset == contracts.Asset{} || f.Asset == p.Asset) && (f.Ours == nil || *f.Ours == p.Ours) && (f.Status == "" || f.Status == string(p.Status)) {
					want = append(want, p)
				}
			}
			for _, limit := range []int{37, 1000} {
				same(t, printed(f), all(t, limit, func(f ledger.Filter) ([]ledger.Payment, int64, error) { return s.Payments(t.Context(), f) }, f), want)
			}
		}
		for _, status := range []string{"", "done", "pending", "expired", "open"} {
			f := ledger.Filter{Status: status}
			var transfers []ledger.Transfer
			var demands []ledger.Demand
			for i, x := range slices.Backward(change.Transfers) {
				if status == "" || status == string(x.Status) {
					transfers = append(transfers, x)
				}
				if d := change.Demands[i]; status == "" || status == string(d.Status) {
					demands = append(demands, d)
				}
			}
			same(t, "transfers "+status, all(t, 7, func(f ledger.Filter) ([]ledger.Transfer, int64, error) { return s.Transfers(t.Context(), f) }, f), transfers)
			same(t, "invoices "+status, all(t, 7, func(f ledger.Filter) ([]ledger.Demand, int64, error) { return s.Demands(t.Context(), f) }, f), demands)
		}
		other, _, err := s.Demands(t.Context(), ledger.Filter{Asset: contracts.Native(contracts.ETH)})
		same(t, "invoices of another asset", other, []ledger.Demand{})
		must(t, err)
		if d, ok, err := s.Demand(t.Context(), hash(7)); err != nil || !ok || d.Number != 7 {
			t.Errorf("invoice 7: %+v, %t, %v", d, ok, err)
		}
		if _, ok, err := s.Demand(t.Context(), hash(400)); err != nil || ok {
			t.Errorf("an invoice that is not there: %t, %v", ok, err)
		}
		for limit, fits := range map[int]bool{-1: false, 1: true, ledger.MaxPage: true, ledger.MaxPage + 1: false} {
			if page, _, err := s.Payments(t.Context(), ledger.Filter{Limit: limit}); (err == nil) != fits || len(page) > max(limit, 0) {
				t.Errorf("a page of %d has %d: %v", limit, len(page), err)
			}
		}
	})
}

func TestCallTransactions(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		left := func(want ...channel.Tx) {
			t.Helper()
			txs, err := s.CallTxs(t.Context())
			must(t, err)
			same(t, "transactions", txs, append([]channel.Tx{}, want...))
		}
		left()
		must(t, s.SaveCallTxs(t.Context()))
		must(t, s.SaveCallTxs(t.Context(), called(1, 9), called(1, 8)))
		must(t, s.SaveCallTxs(t.Context(), called(2, 9), called(1, 8)))
		left(called(1, 9), called(1, 8), called(2, 9))
		other := called(1, 9)
		other.Raw = []byte{1}
		if err := s.SaveCallTxs(t.Context(), called(3, 1), other); !errors.Is(err, ErrDiffers) {
			t.Errorf("with other bytes: %v", err)
		}
		left(called(1, 9), called(1, 8), called(2, 9))
		must(t, s.SaveLedger(t.Context(), ledger.Change{Rest: []contracts.Hash{hash(1), hash(4)}}))
		left(called(2, 9))
		must(t, s.SaveCallTxs(t.Context(), called(1, 8)))
		left(called(2, 9))
		for order, want := range map[uint64][]channel.Tx{1: {called(1, 9), called(1, 8)}, 2: {called(2, 9)}, 3: {}} {
			txs, err := s.OrderTxs(t.Context(), hash(order))
			must(t, err)
			same(t, "transactions of one order", txs, want)
		}
	})
}

// A save that fails in the middle leaves nothing: here the last statement does.
func TestHalfASaveIsNone(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		c := busy(1, 0)
		must(t, s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{c}}))
		before := loaded(t, s)
		must(t, s.write.Exec("ALTER TABLE positions RENAME TO elsewhere").Error)
		err := s.SaveLedger(t.Context(), ledger.Change{
			Channels: []channel.Channel{after(c, 2), busy(2, 0)}, Payments: []ledger.Payment{direct(1, c, 2), got(2)}, Said: []ledger.Said{record(c, 2)},
			Transfers: []ledger.Transfer{passed(1, c)}, Demands: []ledger.Demand{invoice(1)}, Through: map[contracts.Chain]uint64{contracts.SMT: 5},
		})
		if err == nil || !strings.Contains(err.Error(), "positions") {
			t.Fatal(err)
		}
		must(t, s.write.Exec("ALTER TABLE elsewhere RENAME TO positions").Error)
		if err := s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{after(c, 2)}}); !errors.Is(err, ErrBroken) {
			t.Errorf("after a failure that leaves doubt: %v", err)
		}
		must(t, s.Close())
		s = open(t, url)
		same(t, "stored", loaded(t, s), before)
		payments, _, err := s.Payments(context.Background(), ledger.Filter{})
		must(t, err)
		same(t, "payments", payments, []ledger.Payment{})
	})
}

// What cannot be read is an error that says what it is, never left out.
func TestSpoiledLedgerIsAnError(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		c := busy(1, 0)
		must(t, s.SaveLedger(t.Context(), ledger.Change{Channels: []channel.Channel{c}, Said: []ledger.Said{record(c, 1)}, Payments: []ledger.Payment{got(1)}}))
		load := func() error { _, err := s.LoadLedger(t.Context()); return err }
		for _, row := range []struct {
			spoil string
			load  func() error
			says  string
		}{
			{"UPDATE said SET body = '{'", func() error { _, err := s.Said(t.Context(), c.Key, 0); return err }, "stored record 1 of channel " + c.Key.String()},
			{"UPDATE payments SET state = ''", func() error { _, _, err := s.Payments(t.Context(), ledger.Filter{}); return err }, "stored payment 1 of 1"},
			{"UPDATE payments SET state = '1'", func() error { _, _, err := s.Payment(t.Context(), hash(1), false); return err }, "stored payment 1 of 1"},
			{"INSERT INTO demands (id, asset, status, at_rest, state) VALUES ('x', '', 'open', FALSE, '[]')", func() error { _, _, err := s.Demands(t.Context(), ledger.Filter{}); return err }, "stored invoice 1 of 1"},
			{"UPDATE demands SET asset = ''", load, "stored row of demands 1 of 1"},
			{"INSERT INTO transfers (id, channel, status, state) VALUES ('x', 1, 'pending', '{')", load, "stored row of transfers 1 of 1"},
			{"UPDATE payments SET ours = TRUE, status = 'pending'", load, "stored payment 1 of 1"},
			{"UPDATE channels SET state = '{'", load, "stored channel 1 of 1"},
			{"INSERT INTO call_txs (call, txid, at_rest, state) VALUES ('x', 'y', FALSE, '1')", func() error { _, err := s.CallTxs(t.Context()); return err }, "stored row of call_txs 1 of 1"},
		} {
			must(t, s.write.Exec(row.spoil).Error)
			if err := row.load(); err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%s: %v", row.spoil, err)
			}
		}
	})
}

// However many payments there are, a page and those under way are found by indexes.
func TestPaymentsAreFoundByIndexes(t *testing.T) {
	s := open(t, file(t))
	for _, row := range []struct {
		where string
		by    []string
	}{
		{"id = x'00' AND ours = TRUE", []string{"sqlite_autoindex_payments_1"}},
		{"ours = TRUE ORDER BY number DESC", []string{"payments_by_side"}},
		{"asset = 'SMT' AND number < 7 ORDER BY number DESC", []string{"payments_by_asset"}},
		{"status <> 'done' AND status = 'failed' ORDER BY number DESC", []string{"payments_by_status"}},
		{"number IN (" + underWay + ")", []string{"payments_by_status", "payments_by_update"}},
	} {
		var steps []struct{ Detail string }
		must(t, s.read.Raw("EXPLAIN QUERY PLAN SELECT state FROM payments WHERE "+row.where).Scan(&steps).Error)
		plan := printed(steps)
		for _, index := range row.by {
			if !strings.Contains(plan, index) {
				t.Errorf("%s: %s is not used: %s", row.where, index, plan)
			}
		}
		if strings.Contains(plan, "SCAN p") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s: goes through all payments: %s", row.where, plan)
		}
	}
}
