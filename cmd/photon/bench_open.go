package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"photon/adapters/keys"
	"photon/adapters/store"
	"photon/contracts"
	"photon/swap/trade"
)

// hastened is how many swaps are moved on while the others are open; moved is how
// many of them by one block.
const (
	hastened = 200
	moved    = 10
)

// A benchNode is the data folder of a node with many open swaps, and what its
// chains will say of them.
type benchNode struct {
	folder string
	now    uint64
	fates  map[contracts.Chain]map[legKey]trade.Fate
	idle   map[contracts.Chain][]contracts.Hash // our locks lie deep; the partner's, on this chain, are awaited
	moving map[contracts.Chain][]contracts.Hash // as idle, or the partner locks first: they move on once his lock is deep
	number uint64
	save   time.Duration // of one trade, alone
}

// benchPassword protects a key file that is removed at the end.
const benchPassword = "bench"

// fillNode makes a data folder with n open swaps, and those that will move on:
// half of them in each role, over all pairs. What is stored is what a node stores
// that came to the same point by itself.
func fillNode(ctx context.Context, folder string, n int) (*benchNode, error) {
	mnemonic, err := keys.New()
	if err != nil {
		return nil, err
	}
	ring, err := keys.Create(filepath.Join(folder, keyFile), mnemonic, benchPassword)
	if err != nil {
		return nil, err
	}
	kept, err := store.Open(ctx, "sqlite:"+filepath.Join(folder, "photon.db"))
	if err != nil {
		return nil, err
	}
	journal, err := ring.OpenJournal(filepath.Join(folder, journalFile))
	if err != nil {
		return nil, errors.Join(err, kept.Close())
	}
	now := time.Now()
	b := &benchNode{
		folder: folder, now: uint64(now.Unix()), number: uint64(now.UnixMilli()) - uint64(n) - hastened,
		fates: map[contracts.Chain]map[legKey]trade.Fate{}, idle: map[contracts.Chain][]contracts.Hash{}, moving: map[contracts.Chain][]contracts.Hash{},
	}
	for _, c := range contracts.Chains {
		b.fates[c] = map[legKey]trade.Fate{}
	}
	err = b.fill(ctx, ring, kept, journal, n)
	return b, errors.Join(err, journal.Close(), kept.Close())
}

// fill stores all swaps, some hundreds at a time.
func (b *benchNode) fill(ctx context.Context, ring *keys.Keyring, kept *store.Store, journal *keys.Journal, n int) error {
	const some = 500
	for from := 0; from < n+hastened; from += some {
		var lives [][]trade.Trade
		for i := from; i < min(from+some, n+hastened); i++ {
			life, err := b.live(ring, i, i >= n)
			if err != nil {
				return fmt.Errorf("swap %d: %w", i, err)
			}
			lives = append(lives, life)
		}
		if err := storeLives(ctx, kept, journal, lives); err != nil {
			return err
		}
	}
	life, err := b.live(ring, n+hastened, false)
	if err != nil {
		return err
	}
	began := time.Now()
	err = storeLives(ctx, kept, journal, [][]trade.Trade{life[:1]})
	b.save = time.Since(began)
	if err != nil {
		return err
	}
	return storeLives(ctx, kept, journal, [][]trade.Trade{life[1:]})
}

// storeLives stores every version of trades in their order, as the desk does:
// the journal first, each with its transactions.
func storeLives(ctx context.Context, kept *store.Store, journal *keys.Journal, lives [][]trade.Trade) error {
	for more, version := true, 0; more; version++ {
		var change trade.Change
		var records [][]byte
		more = false
		for _, life := range lives {
			if version >= len(life) {
				continue
			}
			t := life[version]
			more = true
			change.Trades = append(change.Trades, t)
			if t.Status == trade.Proposed || (version > 0 && life[version-1].Status == t.Status) {
				continue
			}
			record, err := json.Marshal(t)
			if err != nil {
				return err
			}
			records = append(records, record)
		}
		if err := journal.Append(records...); err != nil {
			return err
		}
		if err := kept.Save(ctx, change); err != nil {
			return err
		}
	}
	var txs []trade.Tx
	for _, life := range lives {
		t := life[len(life)-1]
		if t.Ours.Fate.Lock == nil {
			continue
		}
		c := t.Ours.Terms.Asset.Chain
		txs = append(txs, benchTx(t.ID, c, trade.Ours, trade.Lock))
		if !c.EVM() {
			refund := benchTx(t.ID, c, trade.Ours, trade.Refund)
			refund.Held = true
			txs = append(txs, refund)
		}
	}
	return kept.SaveTxs(ctx, txs...)
}

// live takes swap number i through its life, and returns every version of it
// that is to be stored. As First, and as Second when it is not moving, we have
// locked; what is missing is the partner's next step.
func (b *benchNode) live(ring *keys.Keyring, i int, moving bool) ([]trade.Trade, error) {
	t, first, err := b.begin(ring, i)
	if err != nil {
		return nil, err
	}
	life := []trade.Trade{t}
	then := []trade.Event{trade.Ticked{Now: b.now}}
	switch {
	case t.Role == trade.First:
		then = append(then, first, b.deep(t, trade.Ours))
	case !moving:
		then = append(then, b.deep(t, trade.Theirs), b.deep(t, trade.Ours))
	}
	for _, e := range then {
		next, _, err := t.Apply(e)
		if err != nil {
			return nil, err
		}
		if next.Version > t.Version {
			life = append(life, next)
		}
		t = next
	}
	for _, side := range []trade.Side{trade.Ours, trade.Theirs} {
		b.fates[t.Leg(side).Terms.Asset.Chain][legKey{t.ID, side}] = t.Leg(side).Fate
	}
	c := t.Theirs.Terms.Asset.Chain
	switch {
	case moving:
		b.moving[c] = append(b.moving[c], t.ID)
	case t.Role == trade.First:
		b.idle[c] = append(b.idle[c], t.ID)
	}
	return life, nil
}

// deep says that the lock on one side was mined long ago.
func (b *benchNode) deep(t trade.Trade, s trade.Side) trade.Event {
	terms := t.Leg(s).Terms
	return trade.Sighted{
		Side: s, Head: trade.Head{Height: benchHeight, Time: b.now}, Fate: &trade.Fate{Lock: benchSpot(t.ID, s, terms.Amount, benchHeight-50)},
	}
}

func benchSpot(id contracts.Hash, s trade.Side, a contracts.Amount, height uint64) *trade.Spot {
	return &trade.Spot{TxID: benchTx(id, "", s, trade.Lock).TxID, Amount: a, Height: height, Fee: contracts.Units(1)}
}

// begin makes a trade that was just agreed on; as First, accepted is the maker's
// word that is still to come.
func (b *benchNode) begin(ring *keys.Keyring, i int) (t trade.Trade, accepted trade.Event, err error) {
	give, want := benchPair(i / 2)
	number := b.number + uint64(i)
	o := benchOffer(give, want, b.now)
	me := trade.Parties{OursFrom: benchHeight - 60, TheirsFrom: benchHeight - 60}
	if i%2 == 0 {
		me.Ours, me.Theirs = benchParty(ring, want, number), benchParty(ring, give, number)
		t, _, err = trade.Propose(o, benchAmount(), number, ring.Secret(number).Hash(), me, b.now, trade.Safe)
		return t, trade.Accepted{Redeemer: partnerParty(want), Refunder: partnerParty(give)}, err
	}
	him := trade.Parties{Ours: partnerParty(want), Theirs: partnerParty(give)}
	secret := contracts.Secret(sha256.Sum256(fmt.Append(nil, "partner's secret", number)))
	_, effects, err := trade.Propose(o, benchAmount(), number, secret.Hash(), him, b.now, trade.Safe)
	if err != nil {
		return t, nil, err
	}
	take := effects[0].(trade.Tell).Message.(trade.Take)
	me.Ours, me.Theirs = benchParty(ring, give, number), benchParty(ring, want, number)
	t, _, err = trade.Consider(o, take, "partner", number, me, b.now, trade.Safe)
	return t, nil, err
}

// benchPair is one of the twelve ordered pairs of chains.
func benchPair(i int) (give, want contracts.Chain) {
	n := len(contracts.Chains)
	at := i % (n * (n - 1))
	return contracts.Chains[at%n], contracts.Chains[(at%n+1+at/n)%n]
}

func benchAmount() contracts.Amount { return contracts.Units(1_000_000) }

func benchOffer(give, want contracts.Chain, now uint64) trade.Offer {
	asked := confirmationsAsked()
	return trade.Offer{
		Maker: "maker", Realm: "main", Give: contracts.Native(give), Want: contracts.Native(want), Min: benchAmount(), Max: benchAmount(),
		GiveOf: contracts.Units(1), WantOf: contracts.Units(1), Expires: now + 3600,
		FirstTime: trade.Safe.First, SecondTime: trade.Safe.Second, WantConfirmations: asked[want], GiveConfirmations: asked[give],
		GiveContract: benchContract(give), WantContract: benchContract(want), Form: contracts.P2TR,
	}
}

// confirmationsAsked are the defaults of a node.
func confirmationsAsked() map[contracts.Chain]uint64 {
	return map[contracts.Chain]uint64{contracts.BTC: 3, contracts.LTC: 6, contracts.ETH: 12, contracts.SMT: 17}
}

func benchContract(c contracts.Chain) (a contracts.Address) {
	if c.EVM() {
		a = contracts.Address{1}
	}
	return a
}

// benchParty is who we are in a trade.
func benchParty(ring *keys.Keyring, c contracts.Chain, number uint64) contracts.Party {
	if c.EVM() {
		return gasAccount("us").Bytes()
	}
	return ring.SwapKey(c, number).PubKey().SerializeCompressed()
}

func partnerParty(c contracts.Chain) contracts.Party {
	if c.EVM() {
		return gasAccount("partner").Bytes()
	}
	return benchKey("partner").PubKey().SerializeCompressed()
}

// openFigures measures a node with n open swaps.
func openFigures(ctx context.Context, folder string, n int) (figures []figure, err error) {
	folder, err = os.MkdirTemp(folder, "photon-bench-")
	if err != nil {
		return nil, fmt.Errorf("folder for the node: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	b, err := fillNode(ctx, folder, n)
	if err != nil {
		return nil, fmt.Errorf("fill a node: %w", err)
	}
	return b.measure(ctx, n)
}
