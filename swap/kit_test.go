package swap

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// profile is of an hour: the second leg lasts 1800 s, so LockBy is 450 s after
// the start, RevealBy 1080 s, AloneBy 1260 s; the first leg lasts 3600 s.
var profile = trade.Dev(1800)

// A kit is a desk of Alice, the partner of Bob, with every port in memory. It
// gives LTC for BTC as maker, and BTC for LTC as taker. It lives in a bubble.
type kit struct {
	t *testing.T
	*Desk
	btc, ltc *ledger
	disk     *disk
	bob      *line
	notices  *notices
	done     chan error
	stop     context.CancelFunc
}

// run gives a test a kit that has been prepared, and runs its desk.
func run(t *testing.T, prepare func(*kit), test func(*kit)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, newDisk())
		if prepare != nil {
			prepare(k)
		}
		k.start()
		test(k)
		k.end()
	})
}

func newKit(t *testing.T, d *disk) *kit {
	k := &kit{t: t, btc: newLedger(contracts.BTC), ltc: newLedger(contracts.LTC), disk: d, bob: &line{}, notices: &notices{}}
	k.Desk = New(Config{
		Ledgers:       map[contracts.Chain]Ledger{contracts.BTC: k.btc, contracts.LTC: k.ltc},
		Contracts:     map[contracts.Chain]contracts.Address{},
		Confirmations: map[contracts.Chain]uint64{contracts.BTC: 2, contracts.LTC: 2},
		Peer:          k.bob, Store: d, Offers: d, Journal: d, Secrets: secrets{},
		Verify:  func(string, contracts.Hash, []byte) error { return nil },
		Profile: profile, Realm: "dev", AtOnce: DefaultAtOnce, Notify: k.notices.take, Log: slog.New(slog.DiscardHandler),
	})
	return k
}

func (k *kit) start() {
	ctx, cancel := context.WithCancel(k.t.Context())
	k.stop, k.done = cancel, make(chan error, 1)
	go func() { k.done <- k.Run(ctx) }()
	k.btc.mine()
	k.ltc.mine()
	synctest.Wait()
}

func (k *kit) end() {
	k.t.Helper()
	if k.stop == nil {
		return
	}
	k.stop()
	k.stop = nil
	if err := <-k.done; err != nil {
		k.t.Errorf("run: %v", err)
	}
}

// again is the kit after a kill and a start: only its disk is left of it.
func (k *kit) again(prepare func(*kit)) *kit {
	k.end()
	n := newKit(k.t, k.disk)
	if prepare != nil {
		prepare(n)
	}
	n.start()
	return n
}

// after lets time pass.
func (k *kit) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// see shows the desk a leg's fate in a new block.
func (k *kit) see(t trade.Trade, s trade.Side, f trade.Fate) {
	l := k.Ledgers[t.Leg(s).Terms.Asset.Chain].(*ledger)
	l.mine(trade.Sighting{ID: t.ID, Side: s, Fate: f})
	synctest.Wait()
}

// now is the trade as the desk has it, or as it is stored.
func (k *kit) now(id contracts.Hash) trade.Trade {
	k.t.Helper()
	t, _, err := k.Trade(k.t.Context(), id)
	if err != nil {
		k.t.Fatal(err)
	}
	return t
}

// party is a key by name.
func party(name string) contracts.Party {
	digest := sha256.Sum256([]byte(name))
	_, public := btcec.PrivKeyFromBytes(digest[:])
	return public.SerializeCompressed()
}

// offerOf is of this maker, who gives LTC for as much BTC.
func offerOf(maker string) trade.Offer {
	return trade.Offer{
		Maker: maker, Realm: "dev", Give: contracts.Native(contracts.LTC), Want: contracts.Native(contracts.BTC),
		Min: contracts.Units(100_000), Max: contracts.Units(1_000_000), GiveOf: contracts.Units(1), WantOf: contracts.Units(1),
		Expires: unix(time.Now().Add(time.Hour)), FirstTime: profile.First, SecondTime: profile.Second,
		WantConfirmations: 2, GiveConfirmations: 2, Form: contracts.P2TR,
	}
}

// first is Alice's trade as First on Bob's offer, accepted; its legs are locked
// in block 100 of their chains when both says so.
func first(number uint64, both bool) trade.Trade {
	me := trade.Parties{Ours: party("alice btc"), Theirs: party("alice ltc"), Confirmations: 2}
	t, _, err := trade.Propose(offerOf("bob"), contracts.Units(500_000), number, secrets{}.Secret(number).Hash(), me, unix(time.Now()), profile)
	if err == nil {
		t, _, err = t.Apply(trade.Accepted{Redeemer: party("bob btc"), Refunder: party("bob ltc")})
	}
	if err != nil {
		panic(err)
	}
	if both {
		t.Ours.Fate.Lock, t.Theirs.Fate.Lock = spot(1, 100), spot(2, 100)
	}
	t.Version = 1
	return t
}

// second is Alice's trade as Second on her own offer.
func second(number uint64, both bool) trade.Trade {
	me := trade.Parties{Ours: party("alice ltc"), Theirs: party("alice btc"), Confirmations: 2}
	t, _, err := trade.Consider(offerOf("alice"), takeOf(offerOf("alice"), number), "bob", number, me, unix(time.Now()), profile)
	if err != nil {
		panic(err)
	}
	if both {
		t.Ours.Fate.Lock, t.Theirs.Fate.Lock = spot(1, 100), spot(2, 100)
	}
	t.Version = 1
	return t
}

// takeOf is Bob's wish to take an offer; his secret has this number.
func takeOf(o trade.Offer, number uint64) trade.Take {
	him := trade.Parties{Ours: party("bob btc"), Theirs: party("bob ltc")}
	_, effects, err := trade.Propose(o, contracts.Units(500_000), number, secrets{}.Secret(number).Hash(), him, unix(time.Now()), profile)
	if err != nil {
		panic(err)
	}
	return effects[0].(trade.Tell).Message.(trade.Take)
}

func spot(n byte, height uint64) *trade.Spot {
	return &trade.Spot{TxID: contracts.Hash{n}, Amount: contracts.Units(500_000), Height: height}
}

// stored are transactions of t that an earlier run has stored.
func stored(t trade.Trade, s trade.Side, p trade.Purpose, n byte, held bool) trade.Tx {
	return trade.Tx{ID: t.ID, Chain: t.Leg(s).Terms.Asset.Chain, Side: s, Purpose: p, TxID: contracts.Hash{0xaa, n}, Raw: []byte{n}, Held: held,
		Made: unix(time.Now())}
}

// secrets are Alice's, by number.
type secrets struct{}

func (secrets) Secret(number uint64) contracts.Secret {
	return sha256.Sum256([]byte{byte(number), byte(number >> 8), byte(number >> 16), byte(number >> 24), byte(number >> 32), byte(number >> 40)})
}
func (secrets) Sign(contracts.Hash) ([]byte, error) { return []byte("signed"), nil }

// A ledger is one chain in memory, which does as its fields say.
type ledger struct {
	chain contracts.Chain
	news  chan trade.News

	mu       sync.Mutex
	height   uint64
	late     uint64 // how many seconds the chain's time is behind the clock
	watches  map[contracts.Hash]int
	sent     []trade.Tx                       // what was taken, in order
	tried    []trade.Tx                       // what Send was asked for
	refuse   func(trade.Tx) error             // what Send answers; nil takes all
	prepares []trade.Order                    // what was made
	hasten   func(trade.Tx) (trade.Tx, error) // nil: all is well paid
	slow     time.Duration                    // that Prepare takes
	buried   uint64                           // depth of everything
	balance  contracts.Amount
	released []trade.Tx
	cosigned []trade.CosignRequest
}

func newLedger(c contracts.Chain) *ledger {
	return &ledger{chain: c, news: make(chan trade.News, 64), height: 110, watches: map[contracts.Hash]int{}, balance: contracts.Units(1_000_000)}
}

// mine adds a block in which the desk sees this.
func (l *ledger) mine(seen ...trade.Sighting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.height++
	l.news <- trade.News{Chain: l.chain, Head: l.head(), Sightings: seen}
}

func (l *ledger) head() trade.Head {
	return trade.Head{Height: l.height, Hash: contracts.Hash{byte(l.height)}, Time: unix(time.Now()) - l.late}
}

func (l *ledger) Party(_ context.Context, number uint64) (contracts.Party, error) {
	return party("alice " + string(l.chain)), nil
}

func (l *ledger) Head(context.Context) (trade.Head, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head(), nil
}

func (l *ledger) Watch(_ context.Context, legs ...trade.Watch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range legs {
		if err := w.Terms.Check(); err != nil {
			return err
		}
		l.watches[w.ID]++
	}
	return nil
}

func (l *ledger) Forget(legs ...trade.Watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range legs {
		delete(l.watches, w.ID)
	}
}

func (l *ledger) Follow(ctx context.Context, deliver func(context.Context, trade.News) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case n := <-l.news:
			if err := deliver(ctx, n); err != nil {
				return err
			}
		}
	}
}

func (l *ledger) Agree(context.Context, trade.Watch, trade.Fate) error { return nil }

// Prepare makes a transaction whose id tells what it spends.
func (l *ledger) Prepare(_ context.Context, o trade.Order) ([]trade.Tx, error) {
	time.Sleep(l.slow)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prepares = append(l.prepares, o)
	id := contracts.Hash{0xbb, byte(len(l.prepares))}
	if o.Spot != nil {
		id[2] = o.Spot.TxID[0]
	}
	return []trade.Tx{{ID: o.ID, Chain: l.chain, Side: o.Side, Purpose: o.Purpose, TxID: id, Raw: id[:], Made: unix(time.Now())}}, nil
}

func (l *ledger) Send(_ context.Context, tx trade.Tx) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tried = append(l.tried, tx)
	if l.refuse != nil {
		if err := l.refuse(tx); err != nil {
			return err
		}
	}
	l.sent = append(l.sent, tx)
	return nil
}

func (l *ledger) Buried(context.Context, trade.Tx) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buried, nil
}

func (l *ledger) Hasten(_ context.Context, _ trade.Order, tx trade.Tx) (trade.Tx, error) {
	if l.hasten == nil {
		return trade.Tx{}, trade.ErrNotYet
	}
	return l.hasten(tx)
}

func (l *ledger) Resume(context.Context, []trade.Tx) error { return nil }

func (l *ledger) Release(tx trade.Tx) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released = append(l.released, tx)
}

func (l *ledger) Balance(context.Context, contracts.Asset) (confirmed, pending contracts.Amount, err error) {
	return l.balance, contracts.Amount{}, nil
}

func (l *ledger) Fees(context.Context, contracts.Asset) (lock, redeem, refund contracts.Amount, err error) {
	return contracts.Units(1000), contracts.Units(1000), contracts.Units(1000), nil
}

func (l *ledger) CheckAddress(string) error { return nil }

// count is how much of something the ledger has seen.
func (l *ledger) count(of string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return map[string]int{"tried": len(l.tried), "made": len(l.prepares), "sent": len(l.sent), "watched": len(l.watches)}[of]
}

// did are the purposes and first bytes of all that was sent.
func (l *ledger) did(p trade.Purpose) (ids []contracts.Hash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, tx := range l.sent {
		if tx.Purpose == p && !slices.Contains(ids, tx.TxID) {
			ids = append(ids, tx.TxID)
		}
	}
	return ids
}

// A session shows the secret and is never answered.
type session struct{ o trade.Order }

func (s session) Request() trade.CosignRequest {
	return trade.CosignRequest{ID: s.o.ID, Chain: s.o.Terms.Asset.Chain, Purpose: s.o.Purpose, Secret: "shown"}
}
func (s session) Finish(trade.CosignAnswer) (trade.Tx, error) {
	return trade.Tx{}, errors.New("no half")
}

func (l *ledger) Propose(_ context.Context, o trade.Order) (trade.CosignSession, error) {
	return session{o}, nil
}

func (l *ledger) Cosign(_ context.Context, _ trade.Order, q trade.CosignRequest) (trade.CosignAnswer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cosigned = append(l.cosigned, q)
	return trade.CosignAnswer{}, nil
}

// A line is the way to Bob, who takes in all unless answer says otherwise.
type line struct {
	mu      sync.Mutex
	heard   []trade.Message
	learned []string // whom it was told of, and where he is
	answer  func(trade.Message) ([]byte, error)
}

func (l *line) Self() string { return "alice" }

func (l *line) Reach() []string { return []string{"/ip4/192.0.2.1/tcp/8646"} }

func (l *line) Learn(_ context.Context, identity string, at []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.learned = append(l.learned, identity+" at "+strings.Join(at, " "))
	return nil
}

func (l *line) Ask(_ context.Context, _ string, body []byte) ([]byte, error) {
	m, err := trade.Decode(body)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answer != nil {
		if raw, err := l.answer(m); raw != nil || err != nil {
			return raw, err
		}
	}
	l.heard = append(l.heard, m)
	return nil, nil
}

// cosigns counts how often the secret was shown to Bob.
func (l *line) cosigns() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.heard {
		if q, is := m.(trade.CosignRequest); is && q.Purpose == trade.Redeem {
			n++
		}
	}
	return n
}

// A disk is store, offers and journal in memory, as bytes.
type disk struct {
	mu      sync.Mutex
	trades  map[contracts.Hash][]byte
	version map[contracts.Hash]uint64
	pending []trade.Pending
	serial  int64
	txs     []trade.Tx
	offers  []trade.Offer
	journal [][]byte
	reads   int           // of all trades
	fails   error         // answer of SaveTxs
	slow    time.Duration // that SaveTxs takes
}

func newDisk() *disk {
	return &disk{trades: map[contracts.Hash][]byte{}, version: map[contracts.Hash]uint64{}}
}

// put stores what an earlier run left.
func (d *disk) put(t trade.Trade, txs ...trade.Tx) {
	if err := errors.Join(d.Save(context.Background(), trade.Change{Trades: []trade.Trade{t}}), d.SaveTxs(context.Background(), txs...)); err != nil {
		panic(err)
	}
}

func (d *disk) Save(_ context.Context, c trade.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range c.Trades {
		if d.version[t.ID]+1 != t.Version {
			return trade.ErrConflict
		}
		raw, err := json.Marshal(t)
		if err != nil {
			return err
		}
		d.trades[t.ID], d.version[t.ID] = raw, t.Version
	}
	for _, p := range c.Effects {
		d.serial++
		p.ID = d.serial
		d.pending = append(d.pending, p)
	}
	d.pending = slices.DeleteFunc(d.pending, func(p trade.Pending) bool { return slices.Contains(c.Done, p.ID) })
	return nil
}

func (d *disk) Trades(_ context.Context, all bool) (ts []trade.Trade, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads++
	for _, raw := range d.trades {
		var t trade.Trade
		if err := json.Unmarshal(raw, &t); err != nil {
			return nil, err
		}
		if all || !t.Status.AtRest() {
			ts = append(ts, t)
		}
	}
	slices.SortFunc(ts, func(a, b trade.Trade) int { return cmp.Compare(a.Number, b.Number) })
	return ts, nil
}

func (d *disk) Pending(context.Context) ([]trade.Pending, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.pending), nil
}

func (d *disk) SaveTxs(ctx context.Context, txs ...trade.Tx) error {
	time.Sleep(d.slow)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := errors.Join(d.fails, ctx.Err()); err != nil {
		return err
	}
	for _, tx := range txs {
		i := slices.IndexFunc(d.txs, func(old trade.Tx) bool { return old.ID == tx.ID && old.TxID == tx.TxID })
		switch {
		case i < 0:
			d.txs = append(d.txs, tx)
		case !bytes.Equal(d.txs[i].Raw, tx.Raw):
			return trade.ErrConflict
		case !tx.Held:
			d.txs[i].Held = false
		}
	}
	return nil
}

func (d *disk) Txs(_ context.Context, id contracts.Hash) (txs []trade.Tx, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, tx := range d.txs {
		if id.IsZero() || tx.ID == id {
			txs = append(txs, tx)
		}
	}
	return txs, nil
}

func (d *disk) SaveOffer(_ context.Context, o trade.Offer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offers = append(d.offers, o)
	return nil
}

func (d *disk) Offers(context.Context) ([]trade.Offer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.offers), nil
}

func (d *disk) DropOffer(_ context.Context, id contracts.Hash) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offers = slices.DeleteFunc(d.offers, func(o trade.Offer) bool { return o.Digest() == id })
	return nil
}

func (d *disk) Append(records ...[]byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.journal = append(d.journal, records...)
	return nil
}

func (d *disk) Records() ([][]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.journal), nil
}

// notices are what a person was told.
type notices struct {
	mu  sync.Mutex
	all []trade.Notice
}

func (n *notices) take(x trade.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, x)
}

// alarms are the texts of the alarms so far.
func (n *notices) alarms() (texts []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, x := range n.all {
		if x.Kind == "alarm" {
			texts = append(texts, x.Text)
		}
	}
	return texts
}
