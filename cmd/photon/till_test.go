package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

// Who is in channels of a test.
var (
	account = contracts.Address{0x01}
	charlie = contracts.Address{0x03}
)

// A till is the payment node of a booth: one channel with Charlie, in which we have
// 70smt of 100, at block 1000 of SMT.
type till struct {
	ledger   *ledger.Ledger
	payments []ledger.Payment
	demands  []ledger.Demand
	orders   int
	paid     []ledger.Pay
	outcome  ledger.Status // of a payment when it is looked at again
	reason   message.Reason
}

func smts(n uint64) contracts.Amount { return coins(n) }

// aChannel is that of every till.
func aChannel() channel.Channel {
	c := channel.Channel{
		Key: contracts.Hash{0xc0, 1}, Contract: contracts.Channels{ChainID: 4, At: contracts.Address{0xcc}}, Chain: contracts.SMT,
		Name: contracts.ChannelName{First: account, Second: charlie, Opened: 900}, First: true, Window: 600,
		Rules: channel.Rules{Reveal: 30, Punish: 100, Grace: 10}, Status: channel.Open, Version: 1,
	}
	c.Us.Deposit, c.Them.Party = smts(100), charlie
	c.Us.Proof = contracts.BalanceProof{Nonce: 2, Transferred: smts(30)}
	c.Us.Used, c.Us.Answered = 2, 2
	return c
}

func newTill() *till {
	t := &till{ledger: ledger.New(ledger.Config{Self: account, Chains: map[contracts.Chain]ledger.Terms{contracts.SMT: {StaleAfter: 300, DirectFor: 3600}}})}
	t.ledger.Load(ledger.Loaded{
		Channels: []channel.Channel{aChannel()}, Heads: map[contracts.Chain]channel.Head{contracts.SMT: {Height: 1000, Time: begin}},
		Through: map[contracts.Chain]uint64{contracts.SMT: 1000},
	})
	if err := t.apply(ledger.Met{Partner: charlie}); err != nil {
		panic(err) // a partner of ours is always met
	}
	return t
}

func (t *till) apply(e ledger.Event) error {
	change, err := t.ledger.Apply(e)
	if err == nil {
		t.ledger.Commit(change)
	}
	return err
}

func (t *till) Look(_ context.Context, f func(*ledger.Ledger)) error { f(t.ledger); return nil }

func (t *till) Open(_ context.Context, id contracts.Hash, asset contracts.Asset, partner contracts.Address, window uint64, _ contracts.Amount) ([]channel.Tx, error) {
	switch {
	case asset.Chain != contracts.SMT:
		return nil, fmt.Errorf("%w: %s has no channels here", contracts.ErrChain, asset.Chain)
	case window < 90:
		return nil, fmt.Errorf("%w: %d blocks, from 90 to 100800", channel.ErrWindow, window)
	}
	return t.order(id)
}

func (t *till) order(id contracts.Hash) ([]channel.Tx, error) {
	t.orders++
	return []channel.Tx{{Order: id, ID: contracts.Hash{7}}}, nil
}

func (t *till) Deposit(_ context.Context, id, _ contracts.Hash, _ contracts.Amount) ([]channel.Tx, error) {
	return t.order(id)
}

func (t *till) Withdraw(_ context.Context, id, key contracts.Hash, amount contracts.Amount, within uint64) error {
	return t.apply(ledger.Want{Channel: key, Wish: channel.Wish{ID: id, Kind: channel.Withdrawing, Take: amount, Until: 1000 + within}})
}

func (t *till) Close(_ context.Context, id, key contracts.Hash, within uint64, alone bool) error {
	return t.apply(ledger.Want{Channel: key, Wish: channel.Wish{ID: id, Kind: channel.Ending, Alone: alone, Until: 1000 + within}})
}

func (t *till) SetFee(_ context.Context, f ledger.Fee) error { return t.apply(ledger.SetFee{Fee: f}) }

func (t *till) Pay(_ context.Context, p ledger.Pay) error {
	if p.Invoice == nil && smts(70).Less(p.Amount) {
		return fmt.Errorf("%w: %s", channel.ErrShort, p.Amount)
	}
	t.paid = append(t.paid, p)
	t.payments = append([]ledger.Payment{{
		ID: contracts.Hash{4, byte(len(t.payments))}, Ours: true, Asset: p.Asset, Partner: p.To, Amount: p.Amount, Text: p.Text,
		Invoice: p.Invoice, Status: ledger.Pending, Made: begin,
	}}, t.payments...)
	return nil
}

func (t *till) Invoice(_ context.Context, asset contracts.Asset, amount contracts.Amount, text string, _ uint64, hold bool, _ contracts.Hash) (message.Invoice, error) {
	i := message.Invoice{Asset: asset, Payee: account, Amount: amount, Hash: contracts.Hash{5, byte(len(t.demands))}, Expiry: begin + 3600, Text: text}
	t.demands = append([]ledger.Demand{{Invoice: i, Number: 1, Hold: hold, Status: ledger.Asked, Made: begin}}, t.demands...)
	return i, nil
}

func (t *till) Release(context.Context, contracts.Secret) error { return nil }

func (t *till) ReleaseOwn(_ context.Context, hash contracts.Hash) error {
	return t.become(hash, ledger.Settling)
}

func (t *till) Cancel(_ context.Context, hash contracts.Hash) error {
	return t.become(hash, ledger.Withdrawn)
}

func (t *till) become(hash contracts.Hash, s ledger.DemandStatus) error {
	for i, d := range t.demands {
		if d.Invoice.Hash == hash && (d.Status == ledger.Asked || d.Status == s) {
			t.demands[i].Status = s
			return nil
		}
	}
	return fmt.Errorf("%w: %s", message.ErrInvoice, hash)
}

func (t *till) Channels(context.Context, bool) ([]channel.Channel, error) {
	return t.ledger.Channels(), nil
}

// Payment is the newest, whatever its id: a till makes ids of its own.
func (t *till) Payment(_ context.Context, id contracts.Hash, ours bool) (ledger.Payment, bool, error) {
	for i, p := range t.payments {
		if i == 0 && len(t.paid) > 0 && t.paid[len(t.paid)-1].ID == id || p.ID == id {
			if t.payments[i].Status == ledger.Pending && t.outcome != "" {
				defer func() { t.payments[i].Status, t.payments[i].Reason = t.outcome, t.reason }() // at the next look
			}
			return p, ours, nil
		}
	}
	return ledger.Payment{}, false, nil
}

func (t *till) Payments(context.Context, ledger.Filter) ([]ledger.Payment, int64, error) {
	return t.payments, 0, nil
}

func (t *till) Demand(_ context.Context, hash contracts.Hash) (ledger.Demand, bool, error) {
	for _, d := range t.demands {
		if d.Invoice.Hash == hash {
			return d, true, nil
		}
	}
	return ledger.Demand{}, false, nil
}

func (t *till) Demands(context.Context, ledger.Filter) ([]ledger.Demand, int64, error) {
	return t.demands, 0, nil
}

func TestChannelSession(t *testing.T) {
	s := newSession(t)
	id := aChannel().Key.String()
	s.run("", "channel", "list")
	s.run("", "channel", "list", "--json")
	s.run("", "channel", "list", "--state", "settled")
	s.run("", "channel", "show", id)
	s.run("n\n", "channel", "open", charlie.Hex(), "100smt")
	s.run("y\n", "channel", "open", "/ip4/127.0.0.1/tcp/4001/p2p/them", "100smt", "--window", "1200")
	e := photon(t.Context(), "", "channel", "open", charlie.Hex(), "0smt", "--yes", "--json")
	if e.code != 0 || e.err != "" {
		t.Errorf("open --json: exit %d, %s", e.code, e.err)
	}
	checkLines(t, e.out) // its id is of a random key
	s.run("", "channel", "open", charlie.Hex(), "1smt", "--yes", "--window", "89")
	s.run("", "channel", "open", charlie.Hex(), "1btc", "--yes")
	s.run("y\n", "channel", "deposit", id, "5smt")
	s.run("", "channel", "fee", id)
	s.run("", "channel", "fee", id, "--flat", "0.01smt", "--ppm", "500", "--cap")
	s.run("", "channel", "fee", id, "--json")
	s.run("y\n", "channel", "withdraw", id, "5smt")
	s.run("", "channel", "withdraw", id, "5smt", "--yes")
	s.run("", "channel", "show", id)
	s.compare("channel")
	if made := s.b.till.orders; made != 3 {
		t.Errorf("%d orders, want 3", made)
	}
}

func TestCloseSession(t *testing.T) {
	s := newSession(t)
	id := aChannel().Key.String()
	s.run("n\n", "channel", "close", id)
	s.run("y\n", "channel", "close", id, "--within", "50")
	s.run("y\n", "channel", "close", id, "--alone")
	s.run("", "channel", "list")
	s.compare("close")
}

func TestPaySession(t *testing.T) {
	s := newSession(t)
	i := message.Invoice{Asset: contracts.Native(contracts.SMT), Payee: charlie, Amount: smts(7), Hash: contracts.Hash{5}, Expiry: begin + 3600, Text: "a book"}
	s.run("", "payments")
	s.run("n\n", "pay", charlie.Hex(), "5smt")
	s.run("y\n", "pay", charlie.Hex(), "5smt", "--text", "lunch")
	s.run("", "pay", charlie.Hex(), "71smt", "--yes")
	s.run("y\n", "pay", i.String(), "--max-fee", "0.01smt", "--route", charlie.Hex())
	s.b.till.outcome = ledger.Done
	s.run("", "pay", i.String(), "--yes", "--watch", "--every", "1ms")
	s.b.till.outcome, s.b.till.reason = ledger.Failed, message.Short
	s.run("", "pay", charlie.Hex(), "5smt", "--yes", "--watch", "--every", "1ms")
	s.run("", "payments")
	s.run("", "payments", "--json")
	s.run("", "payments", contracts.Hash{4, 1}.String())
	if p := s.b.till.paid[1]; p.Invoice == nil || len(p.Routes) != 1 || p.Routes[0].Sent != p.Amount.Plus(p.MaxFee) {
		t.Errorf("asked for %+v", p)
	}
	s.compare("pay")
}

func TestInvoiceSession(t *testing.T) {
	s := newSession(t)
	s.run("", "invoice", "list")
	s.run("", "invoice", "5smt", "--text", "lunch")
	s.run("", "invoice", "5smt", "--hold", "--json")
	s.run("", "invoice", "list")
	s.run("", "invoice", "show", contracts.Hash{5, 0}.String())
	s.run("y\n", "invoice", "release", contracts.Hash{5, 1}.String())
	s.run("y\n", "invoice", "cancel", contracts.Hash{5, 0}.String())
	s.run("y\n", "invoice", "cancel", contracts.Hash{5, 1}.String())
	s.run("", "invoice", "show", contracts.Hash{6}.String())
	if e := photon(t.Context(), "", "invoice", "5smt", "--qr"); e.code != 0 || !strings.Contains(e.out, "█") {
		t.Errorf("no code is drawn: %+v", e)
	}
	s.compare("invoice")
}
