package web

import (
	"context"
	"fmt"
	"testing"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

var (
	us      = contracts.Address{0x01}
	them    = contracts.Address{0x02}
	charlie = contracts.Address{0x03}
	coin    = contracts.Native(contracts.SMT)
)

// A till is the payment node and its archive: a true ledger that does nothing, and
// what was asked of it.
type till struct {
	ledger   *ledger.Ledger
	channels []channel.Channel // stored; those that are not settled are in the ledger
	payments map[contracts.Hash]ledger.Payment
	demands  map[contracts.Hash]ledger.Demand
	next     int64 // what every page says comes after it

	orders map[contracts.Hash]int // opens and deposits, by id
	wishes []channel.Wish
	within uint64
	window uint64
	paid   []ledger.Pay
	filter ledger.Filter
	fail   error
}

// anchored is a channel with Charlie, where we have 70 of 100 and 8 of our 70 are
// promised, at block 1000 of SMT.
func anchored(name byte) channel.Channel {
	c := channel.Channel{
		Key: contracts.Hash{0xc0, name}, Contract: contracts.Channels{ChainID: 4, At: contracts.Address{0xcc}}, Chain: contracts.SMT,
		Name: contracts.ChannelName{First: us, Second: charlie, Opened: 900}, First: true, Window: 600,
		Rules: channel.Rules{Reveal: 30, Punish: 100, Grace: 10}, Status: channel.Open, Version: 1,
	}
	c.Us.Deposit, c.Them.Party = contracts.Units(100), charlie
	lock := contracts.Lock{Amount: contracts.Units(8), Expiry: 1200, Hash: contracts.Hash{9}}
	c.Us.Proof = contracts.BalanceProof{Nonce: 2, Transferred: contracts.Units(30)}
	c.Us.Used, c.Us.Answered = 2, 2
	c.Us.Locks = []contracts.Lock{lock}
	c.Us.Notes = []channel.Note{{Lock: lock, ID: lock.ID()}}
	return c
}

func newTill() *till {
	t := &till{
		payments: map[contracts.Hash]ledger.Payment{}, demands: map[contracts.Hash]ledger.Demand{}, orders: map[contracts.Hash]int{},
		ledger: ledger.New(ledger.Config{Self: us, Chains: map[contracts.Chain]ledger.Terms{contracts.SMT: {
			StaleAfter: 300, DirectFor: 3600, Fee: &message.Schedule{Proportional: 100},
		}}}),
	}
	t.keep(anchored(1))
	return t
}

// keep puts a channel where it would be.
func (t *till) keep(c channel.Channel) {
	t.channels = append(t.channels, c)
	if c.Status != channel.Settled {
		t.ledger.Load(ledger.Loaded{
			Channels: []channel.Channel{c}, Heads: map[contracts.Chain]channel.Head{contracts.SMT: {Height: 1000, Time: 1_700_000_000}},
			Through: map[contracts.Chain]uint64{contracts.SMT: 1000},
		})
	}
}

func (t *till) Look(_ context.Context, f func(*ledger.Ledger)) error { f(t.ledger); return t.fail }

func (t *till) order(id contracts.Hash) ([]channel.Tx, error) {
	t.orders[id]++
	return []channel.Tx{{Order: id, Chain: contracts.SMT, ID: contracts.Hash{7}, Raw: []byte("raw")}}, t.fail
}

func (t *till) Open(_ context.Context, id contracts.Hash, asset contracts.Asset, partner contracts.Address, window uint64, amount contracts.Amount) ([]channel.Tx, error) {
	switch t.window = window; {
	case asset.Chain != contracts.SMT:
		return nil, fmt.Errorf("%w: %s has no channels here", contracts.ErrChain, asset.Chain)
	case partner == us:
		return nil, fmt.Errorf("%w: %s", channel.ErrPartner, partner)
	case window < 90:
		return nil, fmt.Errorf("%w: %d", channel.ErrWindow, window)
	case contracts.Units(1000).Less(amount):
		return nil, fmt.Errorf("%w: %s", channel.ErrShort, amount)
	case asset.Token != contracts.Address{}:
		return nil, errInside
	}
	return t.order(id)
}

func (t *till) Deposit(_ context.Context, id, key contracts.Hash, amount contracts.Amount) ([]channel.Tx, error) {
	if _, known := t.ledger.Channel(key); !known {
		return nil, fmt.Errorf("%w: %s", ledger.ErrChannel, key)
	}
	if amount.IsZero() {
		return nil, fmt.Errorf("channel %s: %w", key, channel.ErrAmount)
	}
	return t.order(id)
}

func (t *till) wish(key contracts.Hash, within uint64, w channel.Wish) error {
	w.Until = 1000 + within
	change, err := t.ledger.Apply(ledger.Want{Channel: key, Wish: w})
	if err != nil {
		return err
	}
	t.ledger.Commit(change)
	t.wishes, t.within = append(t.wishes, w), within
	return nil
}

func (t *till) Withdraw(_ context.Context, id, key contracts.Hash, amount contracts.Amount, within uint64) error {
	return t.wish(key, within, channel.Wish{ID: id, Kind: channel.Withdrawing, Take: amount})
}

func (t *till) Close(_ context.Context, id, key contracts.Hash, within uint64, alone bool) error {
	return t.wish(key, within, channel.Wish{ID: id, Kind: channel.Ending, Alone: alone})
}

func (t *till) SetFee(_ context.Context, f ledger.Fee) error {
	change, err := t.ledger.Apply(ledger.SetFee{Fee: f})
	if err == nil {
		t.ledger.Commit(change)
	}
	return err
}

func (t *till) Pay(_ context.Context, p ledger.Pay) error {
	if t.fail != nil {
		return t.fail
	}
	if p.Invoice != nil {
		if err := p.Invoice.Check(1_700_000_000); err != nil {
			return err
		}
	}
	t.paid = append(t.paid, p)
	t.payments[p.ID] = ledger.Payment{
		ID: p.ID, Ours: true, Asset: p.Asset, Partner: p.To, Amount: p.Amount, MaxFee: p.MaxFee, Invoice: p.Invoice, Text: p.Text,
		Status: ledger.Pending, Made: 1_700_000_000,
	}
	return nil
}

func (t *till) Invoice(_ context.Context, asset contracts.Asset, amount contracts.Amount, text string, expiry uint64, hold bool, hash contracts.Hash) (message.Invoice, error) {
	i := message.Invoice{Asset: asset, Payee: us, Amount: amount, Hash: hash, Expiry: expiry, Text: text}
	if hash.IsZero() {
		i.Hash = exampleSecret.Hash()
	}
	if amount.IsZero() {
		return i, fmt.Errorf("%w: it asks for nothing", message.ErrInvoice)
	}
	t.demands[i.Hash] = ledger.Demand{Invoice: i, Number: 12, Hold: hold, Status: ledger.Asked, Secret: &exampleSecret, Made: 1_700_000_000}
	return i, nil
}

func (t *till) Release(_ context.Context, s contracts.Secret) error { return t.settle(s.Hash()) }

func (t *till) ReleaseOwn(_ context.Context, hash contracts.Hash) error { return t.settle(hash) }

func (t *till) settle(hash contracts.Hash) error { return t.become(hash, ledger.Settling) }

func (t *till) Cancel(_ context.Context, hash contracts.Hash) error {
	return t.become(hash, ledger.Withdrawn)
}

func (t *till) become(hash contracts.Hash, s ledger.DemandStatus) error {
	d := t.demands[hash]
	if d.Status != ledger.Asked && d.Status != s {
		return fmt.Errorf("%w: %s is %s", message.ErrInvoice, hash, d.Status)
	}
	d.Status = s
	t.demands[hash] = d
	return nil
}

func (t *till) Channels(_ context.Context, all bool) (found []channel.Channel, err error) {
	for _, c := range t.channels {
		if all || c.Status != channel.Settled {
			found = append(found, c)
		}
	}
	return found, nil
}

func (t *till) Payment(_ context.Context, id contracts.Hash, ours bool) (ledger.Payment, bool, error) {
	p, known := t.payments[id]
	return p, known && p.Ours == ours, nil
}

func (t *till) Payments(_ context.Context, f ledger.Filter) (all []ledger.Payment, next int64, err error) {
	t.filter = f
	for _, p := range t.payments {
		all = append(all, p)
	}
	return all, t.next, nil
}

func (t *till) Demand(_ context.Context, hash contracts.Hash) (ledger.Demand, bool, error) {
	d, known := t.demands[hash]
	return d, known, nil
}

func (t *till) Demands(_ context.Context, f ledger.Filter) (all []ledger.Demand, next int64, err error) {
	t.filter = f
	for _, d := range t.demands {
		all = append(all, d)
	}
	return all, t.next, nil
}

// tillOf is the payment node of a server that newTest has made.
func tillOf(t testing.TB, s *server) *till {
	t.Helper()
	return s.Payer.(*till)
}
