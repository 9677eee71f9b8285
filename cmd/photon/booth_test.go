package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"photon/adapters/btc"
	"photon/adapters/ltc"
	"photon/adapters/utxo"
	"photon/contracts"
	"photon/swap/trade"
	"photon/web"
)

const boothToken = "a-token-of-a-test"

// A booth is a node's true API over a desk in memory, and the data folder by
// which commands find it.
type booth struct {
	data   string // the folder, which PHOTON_DATA names
	server *httptest.Server

	mu      sync.Mutex
	offers  []trade.Offer
	posted  []trade.Posted
	draft   trade.Draft // the last offer that was made, as it was asked for
	quotes  map[contracts.Hash]trade.Quote
	life    map[contracts.Hash][]trade.Trade // what a swap is, look by look; the last stays
	fail    error                            // of every port
	hang    chan struct{}                    // when set, every port waits until it is closed
	drop    int                              // answers to posts that the line will not carry
	keys    []string                         // Idempotency-Keys that came
	taken   int
	sent    map[contracts.Hash]int
	looked  func() // called when a swap was looked at
	refuses bool   // the server answers nobody

	partners []trade.Standing
	till     *till
}

// TestMain sets the one time zone in which sessions are told, or is photon in place
// of testing.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	if os.Getenv(asPhoton) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// openBooth serves a booth until the test ends.
func openBooth(t *testing.T) *booth {
	t.Helper()
	b := &booth{data: t.TempDir(), quotes: map[contracts.Hash]trade.Quote{}, life: map[contracts.Hash][]trade.Trade{}, sent: map[contracts.Hash]int{}, till: newTill()}
	feed := web.NewFeed(8)
	t.Cleanup(feed.Close)
	handler, err := web.New(web.Config{
		Maker: b, Taker: b, Book: b, Status: b, Peers: b, Feed: feed, Channels: b.till, Payer: b.till, Archive: b.till, Version: "1", Realm: "main", Features: []string{"swap"},
		Wallets: map[contracts.Chain]web.Wallet{
			contracts.BTC: boothWallet{b, contracts.BTC}, contracts.LTC: boothWallet{b, contracts.LTC}, contracts.ETH: boothWallet{b, contracts.ETH},
		},
		Tokens: []contracts.Asset{someToken}, Token: boothToken, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	b.server = httptest.NewServer(b.unreliable(handler))
	t.Cleanup(b.server.Close)
	b.write(t, addressFile, b.server.URL)
	b.write(t, tokenFile, boothToken)
	t.Setenv("PHOTON_DATA", b.data)
	return b
}

// unreliable loses the answers that b.drop counts, after what was asked is done.
func (b *booth) unreliable(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		b.mu.Lock()
		lost := key != "" && b.drop > 0
		if lost {
			b.drop--
		}
		if key != "" {
			b.keys = append(b.keys, key)
		}
		b.mu.Unlock()
		if lost {
			inner.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		inner.ServeHTTP(w, r)
	})
}

func (b *booth) write(t *testing.T, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(b.data, name), []byte(text+"\n"), 0o600))
}

// port is how every port begins.
func (b *booth) port(ctx context.Context) error {
	b.mu.Lock()
	hang, fail := b.hang, b.fail
	b.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fail
}

func (b *booth) Offer(ctx context.Context, d trade.Draft) (trade.Offer, error) {
	if err := b.port(ctx); err != nil {
		return trade.Offer{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.draft = d
	o := someOffer(d)
	if err := o.Check(); err != nil {
		return trade.Offer{}, err
	}
	o.Maker = "us"
	b.offers = append(b.offers, o)
	return o, nil
}

func (b *booth) Offers(ctx context.Context) ([]trade.Offer, error) {
	b.mu.Lock()
	all := slices.Clone(b.offers)
	b.mu.Unlock()
	return all, b.port(ctx)
}

func (b *booth) Posted(ctx context.Context) ([]trade.Posted, error) {
	b.mu.Lock()
	all := slices.Clone(b.posted)
	b.mu.Unlock()
	return all, b.port(ctx)
}

func (b *booth) Withdraw(ctx context.Context, id contracts.Hash) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(b.offers), func(o trade.Offer) bool { return o.Digest() == id })
	if len(left) == len(b.offers) {
		return fmt.Errorf("offer %s: %w", id, trade.ErrUnknown)
	}
	b.offers = left
	return nil
}

func (b *booth) Import(_ context.Context, o trade.Offer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offers = append(b.offers, o)
	return o.Check()
}

func (b *booth) Fetch(ctx context.Context, peer string) ([]trade.Offer, error) {
	if peer != "them" {
		return nil, fmt.Errorf("no peer %s", peer)
	}
	return b.Offers(ctx)
}

func (b *booth) Quote(ctx context.Context, id contracts.Hash, get contracts.Amount, despite bool) (trade.Quote, error) {
	if err := b.port(ctx); err != nil {
		return trade.Quote{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	known := slices.Clone(b.offers)
	for _, p := range b.posted {
		known = append(known, p.Offer)
	}
	i := slices.IndexFunc(known, func(o trade.Offer) bool { return o.Digest() == id })
	if i < 0 {
		return trade.Quote{}, fmt.Errorf("offer %s: %w", id, trade.ErrUnknown)
	}
	o := known[i]
	for _, s := range b.partners {
		if s.Partner == o.Maker && s.Until != 0 && !despite {
			return trade.Quote{}, fmt.Errorf("%w: 3 of the last 4 swaps were never locked; again on 2023-12-10 22:13 UTC", trade.ErrStanding)
		}
	}
	cost, err := o.Cost(get)
	if err != nil {
		return trade.Quote{}, err
	}
	q := trade.Quote{
		ID: contracts.Hash{7, byte(len(b.quotes))}, Offer: id, Pay: o.Want, PayAmount: cost, Get: o.Give, GetAmount: get,
		LockFee: contracts.Units(1_000_000_000_000_000), RefundFee: contracts.Units(500_000_000_000_000), RedeemFee: contracts.Units(990),
		RefundFrom: begin + 86_400, RedeemBy: begin + 21_600, Expires: begin + 60, Maker: trade.Standing{Partner: o.Maker, Faults: []trade.Count{}},
	}
	for _, s := range b.partners {
		if s.Partner == o.Maker {
			q.Maker = s
		}
	}
	b.quotes[q.ID] = q
	return q, nil
}

func (b *booth) Take(ctx context.Context, quote contracts.Hash) (trade.Trade, error) {
	if err := b.port(ctx); err != nil {
		return trade.Trade{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	q, ok := b.quotes[quote]
	if !ok {
		return trade.Trade{}, fmt.Errorf("quote %s: %w", quote, trade.ErrUnknown)
	}
	b.taken++
	t := someTrade(trade.Proposed, 0)
	t.Offer = q.Offer
	b.life[t.ID] = append([]trade.Trade{t}, b.life[t.ID]...)
	return t, nil
}

func (b *booth) Trades(ctx context.Context, all bool) ([]trade.Trade, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []trade.Trade
	for _, looks := range b.life {
		if all || !looks[0].Status.AtRest() {
			found = append(found, looks[0])
		}
	}
	return found, b.fail
}

func (b *booth) Trade(ctx context.Context, id contracts.Hash) (trade.Trade, []trade.Tx, error) {
	if err := b.port(ctx); err != nil {
		return trade.Trade{}, nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	looks := b.life[id]
	if len(looks) == 0 {
		return trade.Trade{}, nil, fmt.Errorf("trade %s: %w", id, trade.ErrUnknown)
	}
	if len(looks) > 1 {
		b.life[id] = looks[1:]
	}
	if b.looked != nil {
		b.looked()
	}
	return looks[0], nil, nil
}

func (b *booth) Partners(context.Context) ([]trade.Standing, error) { return b.partners, b.fail }

func (b *booth) Leave(ctx context.Context, id contracts.Hash) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	looks := b.life[id]
	if len(looks) == 0 {
		return fmt.Errorf("trade %s: %w", id, trade.ErrUnknown)
	}
	t, _, err := looks[0].Apply(trade.Left{})
	if err == nil {
		b.life[id] = []trade.Trade{t}
	}
	return err
}

func (b *booth) Send(ctx context.Context, id contracts.Hash, asset contracts.Asset, _ string, amount, most contracts.Amount) (trade.Tx, error) {
	if err := b.port(ctx); err != nil {
		return trade.Tx{}, err
	}
	if contracts.Units(500_000_000).Less(amount) {
		return trade.Tx{}, fmt.Errorf("%w: %s of %s", trade.ErrShort, amount, asset)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent[id]++
	return trade.Tx{ID: id, TxID: contracts.Hash{9}, Fee: most}, nil
}

func (b *booth) Ready(ctx context.Context) error { return b.port(ctx) }

func (b *booth) Heads(context.Context) (map[contracts.Chain]trade.Head, error) { return nil, nil }

func (b *booth) Mode() string { return "normal" }

func (b *booth) Self() string { return "us" }

func (b *booth) Addresses() []string { return nil }

func (b *booth) Connect(_ context.Context, address string) (string, error) { return "them", nil }

func (b *booth) Account(context.Context, string) (contracts.Address, error) { return charlie, nil }

// A boothWallet reads addresses as the true ones of the main networks do.
type boothWallet struct {
	*booth
	chain contracts.Chain
}

func (w boothWallet) Balance(ctx context.Context, a contracts.Asset) (contracts.Amount, contracts.Amount, error) {
	if w.chain == contracts.LTC {
		return contracts.Amount{}, contracts.Amount{}, fmt.Errorf("%s: %w", w.chain, utxo.ErrDown)
	}
	return contracts.Units(150_000_000), contracts.Units(25_000), w.port(ctx)
}

func (w boothWallet) Address(ctx context.Context) (string, error) {
	return map[contracts.Chain]string{contracts.BTC: btcAddress, contracts.LTC: ltcAddress, contracts.ETH: ethAddress}[w.chain], w.port(ctx)
}

func (w boothWallet) CheckAddress(text string) error {
	var coin utxo.Coin
	var err error
	switch w.chain {
	case contracts.ETH:
		_, err = contracts.ParseAddress(text)
		return err
	case contracts.BTC:
		coin, err = btc.Coin("main")
	case contracts.LTC:
		coin, err = ltc.Coin("main")
	}
	if err == nil {
		_, err = coin.Script(text)
	}
	return err
}

// Addresses of the main networks.
const (
	btcAddress  = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
	ltcAddress  = "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9"
	ethAddress  = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
	mwebAddress = "ltcmweb1qq0hpu4qj8mkkmsc88alejgjl582pl0xkgd37yvk6qqdq7w5jgh5acqmm3ysghvjrklzfrkt702j5tvspppe20anggcs2thxn998f06ha859s2ng7"
)

var someToken = contracts.Asset{Chain: contracts.ETH, Token: contracts.Address{0xdd}}

// begin is when every swap of a test began, in Unix seconds.
const begin = 1_700_000_000

// someOffer is of another node: up to 0.5btc for 12eth, unless d says otherwise.
func someOffer(d trade.Draft) trade.Offer {
	o := trade.Offer{
		Maker: "them", Realm: "main", Give: d.Give, Want: d.Want, Min: d.Min, Max: d.Max, GiveOf: d.GiveOf, WantOf: d.WantOf,
		Expires: begin + 86_400, FirstTime: 86_400, SecondTime: 36_000, GiveConfirmations: 3, WantConfirmations: 12, Form: contracts.P2TR, Signature: []byte{1, 2, 3},
	}
	if d.Form != "" {
		o.Form = d.Form
	}
	if o.Give.Chain.EVM() {
		o.GiveContract = contracts.Address{0xcc}
	}
	if o.Want.Chain.EVM() {
		o.WantContract = contracts.Address{0xcc}
	}
	return o
}

// btcForEth is an offer of 0.1btc to 0.5btc for 12eth the half bitcoin.
func btcForEth(least string) trade.Offer {
	low, err := contracts.ParseSum(least)
	if err != nil {
		panic(err)
	}
	return someOffer(trade.Draft{
		Give: contracts.Native(contracts.BTC), Want: contracts.Native(contracts.ETH), Min: low.Amount, Max: contracts.Units(50_000_000),
		GiveOf: contracts.Units(50_000_000), WantOf: coins(12),
	})
}

// coins is n whole coins of ETH.
func coins(n uint64) contracts.Amount {
	a, ok := contracts.Units(n).Times(contracts.Units(1_000_000_000_000_000_000), contracts.Units(1))
	if !ok {
		panic("more than there is")
	}
	return a
}

// someTrade is a swap of 0.015btc for 0.36eth as its taker has it, with depth
// blocks on the locks that its status implies.
func someTrade(status trade.Status, depth uint64) trade.Trade {
	t := trade.Trade{ID: contracts.Hash{1, 2, 3}, Number: 7, Role: trade.First, Partner: "them", Offer: contracts.Hash{2}, Status: status, Start: begin, Now: begin + 60}
	t.Ours = trade.Leg{
		Terms: contracts.Terms{
			Asset: contracts.Native(contracts.BTC), Amount: contracts.Units(1_500_000), Hash: t.ID,
			Redeemer: append([]byte{2}, make([]byte, 32)...), Refunder: append([]byte{3}, make([]byte, 32)...),
			Expiry: begin + 86_400, Form: contracts.P2TR,
		},
		Confirmations: 3, From: 90, Head: trade.Head{Height: 100, Time: begin},
	}
	t.Theirs = trade.Leg{
		Terms: contracts.Terms{
			Asset: contracts.Native(contracts.ETH), Amount: contracts.Units(360_000_000_000_000_000), Hash: t.ID,
			Redeemer: append([]byte{0xaa}, make([]byte, 19)...), Refunder: append([]byte{0xbb}, make([]byte, 19)...),
			Expiry: begin + 36_000, Form: contracts.Contract, Contract: contracts.Address{0xcc},
		},
		Confirmations: 12, From: 190, Head: trade.Head{Height: 200, Time: begin},
	}
	if depth > 0 {
		t.Ours.Fate.Lock = &trade.Spot{TxID: contracts.Hash{3}, Amount: contracts.Units(1_500_000), Height: 101 - depth, Fee: contracts.Units(306)}
	}
	return t
}

// theyLocked adds the partner's lock, depth blocks deep.
func theyLocked(t trade.Trade, depth uint64) trade.Trade {
	t.Theirs.Fate.Lock = &trade.Spot{TxID: contracts.Hash{4}, Amount: t.Theirs.Terms.Amount, Height: 201 - depth, Fee: contracts.Units(9)}
	return t
}

// ended ends a leg, depth blocks ago.
func ended(l *trade.Leg, kind trade.Kind, depth uint64) {
	l.Fate.End = &trade.End{Kind: kind, TxID: contracts.Hash{5, byte(len(l.Terms.Asset.Chain))}, Height: l.Head.Height + 1 - depth, Fee: contracts.Units(198)}
}

// An ending is how a command ended.
type ending struct {
	out, err string
	code     int
}

// photon runs a command as a person would, with what they type.
func photon(ctx context.Context, typed string, args ...string) ending {
	var out, err strings.Builder
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(strings.NewReader(typed))
	root.SetOut(&out)
	root.SetErr(&err)
	code := run(ctx, root)
	return ending{out.String(), err.String(), code}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
