package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"photon/contracts"
	"photon/swap/trade"
)

const testToken = "a-token-of-a-test"

var errInside = errors.New("dial tcp: postgres://user:hunter2@db: no route")

// A desk is all ports in memory.
type desk struct {
	mu     sync.Mutex
	offers map[contracts.Hash]trade.Offer
	quotes map[contracts.Hash]trade.Quote
	trades map[contracts.Hash]trade.Trade
	txs    map[contracts.Hash][]trade.Tx
	sent   map[contracts.Hash]int // sends, by id
	taken  int                    // takes
	made   int                    // offers made
	left   int                    // leaves

	standing trade.Standing // of everybody
	fail     error          // of every port from now on
	hold     chan struct{}  // when set, Take and Send wait until it is closed
	begun    chan struct{}  // gets one as Take or Send begins to wait
	panics   bool
	posted   []trade.Posted
	mode     string
	heads    map[contracts.Chain]trade.Head
}

func newDesk() *desk {
	return &desk{
		offers: map[contracts.Hash]trade.Offer{}, quotes: map[contracts.Hash]trade.Quote{},
		trades: map[contracts.Hash]trade.Trade{}, txs: map[contracts.Hash][]trade.Tx{}, sent: map[contracts.Hash]int{},
		standing: trade.Standing{Partner: "them", Completed: 2, Lately: 3, Faults: []trade.Count{{Fault: trade.NeverLocked, Times: 1}}},
		mode:     "normal", begun: make(chan struct{}, 100),
		heads: map[contracts.Chain]trade.Head{contracts.BTC: {Height: 100, Time: 1_700_000_000}, contracts.ETH: {Height: 200, Time: 1_700_000_000}},
	}
}

func (d *desk) Offer(_ context.Context, w trade.Draft) (trade.Offer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.panics {
		panic("a bug")
	}
	if d.fail != nil {
		return trade.Offer{}, d.fail
	}
	o := trade.Offer{
		Maker: "us", Realm: "dev", Give: w.Give, Want: w.Want, Min: w.Min, Max: w.Max, GiveOf: w.GiveOf, WantOf: w.WantOf,
		Expires: w.Expires, FirstTime: 7200, SecondTime: 3600, GiveConfirmations: 1, WantConfirmations: 1, Form: contracts.P2TR,
		Signature: []byte{1, 2, 3},
	}
	if w.Form != "" {
		o.Form = w.Form
	}
	if o.Give.Chain.EVM() {
		o.GiveContract = contracts.Address{0xcc}
	}
	if o.Want.Chain.EVM() {
		o.WantContract = contracts.Address{0xcc}
	}
	if err := o.Check(); err != nil {
		return trade.Offer{}, err
	}
	d.offers[o.Digest()] = o
	d.made++
	return o, nil
}

func (d *desk) Offers(context.Context) ([]trade.Offer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.offers)), d.fail
}

func (d *desk) Posted(context.Context) ([]trade.Posted, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.posted, d.fail
}

func (d *desk) Withdraw(_ context.Context, id contracts.Hash) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.offers[id]; !ok {
		return fmt.Errorf("offer %s: %w", id, trade.ErrUnknown)
	}
	delete(d.offers, id)
	return d.fail
}

func (d *desk) Import(_ context.Context, o trade.Offer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if string(o.Signature) == "forged" {
		return fmt.Errorf("%w: signature", trade.ErrOffer)
	}
	if err := o.Check(); err != nil {
		return err
	}
	d.offers[o.Digest()] = o
	return d.fail
}

func (d *desk) Fetch(_ context.Context, peer string) ([]trade.Offer, error) {
	switch peer {
	case "garbler":
		return nil, fmt.Errorf("%w: kind %q", trade.ErrMessage, "hunter2")
	case "slow":
		return nil, fmt.Errorf("ask %s: %w", peer, context.DeadlineExceeded)
	case "nobody":
		return nil, errInside
	}
	return []trade.Offer{{Maker: peer, Realm: "dev", Give: contracts.Native(contracts.ETH), Want: contracts.Native(contracts.BTC), Form: contracts.P2TR}}, nil
}

func (d *desk) Quote(_ context.Context, offer contracts.Hash, get contracts.Amount, despite bool) (trade.Quote, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, ok := d.offers[offer]
	if !ok {
		return trade.Quote{}, fmt.Errorf("offer %s: %w", offer, trade.ErrUnknown)
	}
	cost, err := o.Cost(get)
	if err != nil {
		return trade.Quote{}, err
	}
	if d.standing.Until != 0 && !despite {
		return trade.Quote{}, fmt.Errorf("%w: 3 of the last 4 swaps were never locked", trade.ErrStanding)
	}
	q := trade.Quote{
		ID: contracts.Hash{7, byte(len(d.quotes))}, Offer: offer, Pay: o.Want, PayAmount: cost, Get: o.Give, GetAmount: get,
		LockFee: contracts.Units(153), RefundFee: contracts.Units(126), RedeemFee: contracts.Units(99),
		RefundFrom: 1_700_007_200, RedeemBy: 1_700_003_600, Expires: 1_700_000_060, Maker: d.standing,
	}
	d.quotes[q.ID] = q
	return q, d.fail
}

func (d *desk) wait() {
	d.mu.Lock()
	hold := d.hold
	d.mu.Unlock()
	if hold != nil {
		d.begun <- struct{}{}
		<-hold
	}
}

func (d *desk) Take(_ context.Context, quote contracts.Hash) (trade.Trade, error) {
	d.wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return trade.Trade{}, d.fail
	}
	q, ok := d.quotes[quote]
	if !ok {
		return trade.Trade{}, fmt.Errorf("quote %s: %w", quote, trade.ErrUnknown)
	}
	d.taken++
	t := exampleTrade(uint64(1000 + d.taken))
	t.Offer, t.Status = q.Offer, trade.Proposed
	d.trades[t.ID] = t
	return t, nil
}

func (d *desk) Trades(_ context.Context, all bool) ([]trade.Trade, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []trade.Trade
	for _, t := range d.trades {
		if all || !t.Status.AtRest() {
			found = append(found, t)
		}
	}
	return found, d.fail
}

func (d *desk) Partners(context.Context) ([]trade.Standing, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return []trade.Standing{d.standing}, d.fail
}

func (d *desk) Trade(_ context.Context, id contracts.Hash) (trade.Trade, []trade.Tx, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.trades[id]; !ok {
		return trade.Trade{}, nil, fmt.Errorf("trade %s: %w", id, trade.ErrUnknown)
	}
	return d.trades[id], d.txs[id], d.fail
}

func (d *desk) Leave(_ context.Context, id contracts.Hash) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, ok := d.trades[id]
	if !ok {
		return fmt.Errorf("trade %s: %w", id, trade.ErrUnknown)
	}
	if err := t.MayLeave(); err != nil {
		return err
	}
	d.left++
	if t.Left = true; t.Status == trade.Proposed {
		t.Status, t.Reason = trade.Cancelled, "cancelled"
	}
	d.trades[id] = t
	return nil
}

func (d *desk) Send(_ context.Context, id contracts.Hash, _ contracts.Asset, _ string, amount, maxFee contracts.Amount) (trade.Tx, error) {
	d.wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return trade.Tx{}, d.fail
	}
	if amount.IsZero() {
		return trade.Tx{}, fmt.Errorf("%w: nothing to send", contracts.ErrAmount)
	}
	if amount.Cmp(contracts.Units(1_000_000)) > 0 {
		return trade.Tx{}, fmt.Errorf("%w: %s of 1000000", trade.ErrShort, amount)
	}
	d.sent[id]++
	return trade.Tx{ID: id, Purpose: trade.Send, TxID: contracts.Hash{9}, Raw: []byte("raw"), Fee: maxFee}, nil
}

func (d *desk) Ready(context.Context) error { d.mu.Lock(); defer d.mu.Unlock(); return d.fail }

func (d *desk) Heads(context.Context) (map[contracts.Chain]trade.Head, error) { return d.heads, nil }

func (d *desk) Mode() string { return d.mode }

func (d *desk) Self() string { return "us" }

func (d *desk) Addresses() []string { return []string{"/ip4/127.0.0.1/tcp/4001"} }

func (d *desk) Connect(_ context.Context, address string) (string, error) {
	if !strings.HasPrefix(address, "/ip4/127.0.0.1/") {
		return "", errInside
	}
	return "them", nil
}

func (d *desk) Account(_ context.Context, identity string) (contracts.Address, error) {
	if identity == "us" {
		return us, nil
	}
	return them, nil
}

// A purse is a wallet in memory.
type purse struct {
	chain contracts.Chain
	fail  error
}

func (p purse) Balance(_ context.Context, a contracts.Asset) (contracts.Amount, contracts.Amount, error) {
	return contracts.Units(500), contracts.Units(0), p.fail
}

func (p purse) Address(context.Context) (string, error) { return "addr-of-" + string(p.chain), p.fail }

func (p purse) CheckAddress(a string) error {
	if !strings.HasPrefix(a, "addr-of-"+string(p.chain)) {
		return fmt.Errorf("%w: %.60q", contracts.ErrAddress, a)
	}
	return nil
}

// exampleSecret is in every example trade and must be in no answer.
var exampleSecret = contracts.Secret{0xde, 0xad, 0xbe, 0xef, 0xde, 0xad, 0xbe, 0xef}

// exampleTrade is a swap of BTC for ETH that First has locked; its ours is mined
// three deep.
func exampleTrade(number uint64) trade.Trade {
	id := contracts.Hash{1, byte(number >> 8), byte(number)}
	t := trade.Trade{
		ID: id, Number: number, Role: trade.First, Partner: "them", Offer: contracts.Hash{2}, Status: trade.Locking,
		Start: 1_700_000_000, Now: 1_700_000_500, Secret: &exampleSecret,
	}
	t.Ours = trade.Leg{
		Terms: contracts.Terms{
			Asset: contracts.Native(contracts.BTC), Amount: contracts.Units(1_500_000), Hash: id,
			Redeemer: contracts.Party(append([]byte{2}, make([]byte, 32)...)), Refunder: contracts.Party(append([]byte{3}, make([]byte, 32)...)),
			Expiry: 1_700_007_200, Form: contracts.P2TR,
		},
		Confirmations: 6, From: 90, Head: trade.Head{Height: 100, Time: 1_700_000_400},
		Fate: trade.Fate{Lock: &trade.Spot{TxID: contracts.Hash{3}, Amount: contracts.Units(1_500_000), Height: 98, Fee: contracts.Units(153)}},
	}
	t.Theirs = trade.Leg{
		Terms: contracts.Terms{
			Asset: contracts.Native(contracts.ETH), Amount: contracts.Units(25_000_000), Hash: id,
			Redeemer: contracts.Party(append([]byte{0xaa}, make([]byte, 19)...)), Refunder: contracts.Party(append([]byte{0xbb}, make([]byte, 19)...)),
			Expiry: 1_700_003_600, Form: contracts.Contract, Contract: contracts.Address{0xcc},
		},
		Confirmations: 12, From: 190, Head: trade.Head{Height: 200, Time: 1_700_000_400},
	}
	return t
}

// newTest is a server over a desk with what the log got.
func newTest(t testing.TB, change ...func(*Config)) (*server, *desk, *strings.Builder) {
	t.Helper()
	d, till, log := newDesk(), newTill(), &strings.Builder{}
	c := Config{
		Maker: d, Taker: d, Book: d, Status: d, Peers: d, Feed: NewFeed(8),
		Channels: till, Payer: till, Archive: till,
		Wallets: map[contracts.Chain]Wallet{contracts.BTC: purse{chain: contracts.BTC}, contracts.ETH: purse{chain: contracts.ETH}},
		Tokens:  []contracts.Asset{{Chain: contracts.ETH, Token: contracts.Address{0xdd}}},
		Version: "0.1", Realm: "dev", Features: []string{"swap"}, Token: testToken, Hosts: []string{"photon.example"},
		Metrics: prometheus.NewRegistry(), Log: slog.New(slog.NewTextHandler(&locked{to: log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&c)
	}
	s, err := newServer(c)
	if err != nil {
		t.Fatal(err)
	}
	return s, d, log
}

// locked lets several goroutines write one log.
type locked struct {
	mu sync.Mutex
	to *strings.Builder
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}
