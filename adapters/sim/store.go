package sim

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"photon/contracts"
	"photon/swap/trade"
)

// A Disk is what a node's store holds. It outlives the node.
type Disk struct {
	mu      sync.Mutex
	full    bool
	trades  map[contracts.Hash]row
	outbox  []letter
	serial  int64
	txs     []trade.Tx
	offers  map[contracts.Hash]trade.Offer
	journal [][]byte
	books   books
}

// A row is a trade as bytes: what is not encoded is not kept.
type row struct {
	version uint64
	raw     []byte
}

type letter struct {
	id    int64
	trade contracts.Hash
	kind  string
	body  []byte
}

// NewDisk returns an empty disk.
func NewDisk() *Disk {
	return &Disk{trades: map[contracts.Hash]row{}, offers: map[contracts.Hash]trade.Offer{}, books: newBooks()}
}

// Fill makes every write fail, until it is called with false.
func (d *Disk) Fill(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

// Trades are all that is stored, by number.
func (d *Disk) Trades() ([]trade.Trade, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []trade.Trade
	for _, r := range d.trades {
		var t trade.Trade
		if err := json.Unmarshal(r.raw, &t); err != nil {
			return nil, fmt.Errorf("stored trade: %w", err)
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b trade.Trade) int { return cmp.Compare(a.Number, b.Number) })
	return all, nil
}

// Txs are all transactions that are stored, oldest first.
func (d *Disk) Txs() []trade.Tx {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.txs)
}

// A Store is a node's hold on its disk.
type Store struct {
	disk *Disk
	life *Life
}

// Store opens the disk for one life.
func (d *Disk) Store(l *Life) *Store { return &Store{d, l} }

// Save stores c whole or not at all. Errors: trade.ErrConflict, ErrDown when the
// disk is full.
func (s *Store) Save(_ context.Context, c trade.Change) error {
	of := fmt.Sprintf("%d effects done", len(c.Done))
	if len(c.Trades) > 0 {
		of = string(c.Trades[0].Status)
	}
	return s.life.pass(Point{What: "save", Of: of, Diff: c}, func() error { return s.disk.save(c) })
}

func (d *Disk) save(c trade.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return fmt.Errorf("%w: disk is full", ErrDown)
	}
	rows := map[contracts.Hash]row{}
	for _, t := range c.Trades {
		has := d.trades[t.ID].version
		if r, again := rows[t.ID]; again {
			has = r.version
		}
		if t.Version != has+1 {
			return fmt.Errorf("%w: trade %s version %d: stored is version %d", trade.ErrConflict, t.ID, t.Version, has)
		}
		raw, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("encode trade %s: %w", t.ID, err)
		}
		rows[t.ID] = row{t.Version, raw}
	}
	var letters []letter
	for _, p := range c.Effects {
		kind, body, err := trade.EncodeEffect(p.Effect)
		if err != nil {
			return fmt.Errorf("encode effect of trade %s: %w", p.Trade, err)
		}
		letters = append(letters, letter{trade: p.Trade, kind: kind, body: body})
	}
	for id, r := range rows {
		d.trades[id] = r
	}
	for _, l := range letters {
		d.serial++
		l.id = d.serial
		d.outbox = append(d.outbox, l)
	}
	d.outbox = slices.DeleteFunc(d.outbox, func(l letter) bool { return slices.Contains(c.Done, l.id) })
	return nil
}

// Trades returns all trades that are not at rest, or all, by number.
func (s *Store) Trades(_ context.Context, all bool) ([]trade.Trade, error) {
	if err := s.life.Alive(); err != nil {
		return nil, err
	}
	stored, err := s.disk.Trades()
	if !all {
		stored = slices.DeleteFunc(stored, func(t trade.Trade) bool { return t.Status.AtRest() })
	}
	return stored, err
}

// Pending returns effects that are not done, oldest first.
func (s *Store) Pending(context.Context) ([]trade.Pending, error) {
	if err := s.life.Alive(); err != nil {
		return nil, err
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	var pending []trade.Pending
	for _, l := range s.disk.outbox {
		e, err := trade.DecodeEffect(l.kind, l.body)
		if err != nil {
			return nil, fmt.Errorf("effect %d: %w", l.id, err)
		}
		pending = append(pending, trade.Pending{ID: l.id, Trade: l.trade, Effect: e})
	}
	return pending, nil
}

// SaveTxs stores transactions, all or none. One that is stored already stays as
// it is, but that it is no longer held once it comes without.
func (s *Store) SaveTxs(_ context.Context, txs ...trade.Tx) error {
	var all []string
	for _, tx := range txs {
		all = append(all, fmt.Sprintf("%s %s%s", tx.Chain, tx.Purpose, map[bool]string{true: " held"}[tx.Held]))
	}
	of := strings.Join(all, ", ")
	return s.life.pass(Point{What: "keep", Of: of, Txs: txs}, func() error { return s.disk.keep(txs) })
}

func (d *Disk) keep(txs []trade.Tx) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return fmt.Errorf("%w: disk is full", ErrDown)
	}
	all := slices.Clone(d.txs)
	for _, tx := range txs {
		i := slices.IndexFunc(all, func(old trade.Tx) bool { return old.ID == tx.ID && old.TxID == tx.TxID })
		switch {
		case i < 0:
			tx.Raw = bytes.Clone(tx.Raw)
			all = append(all, tx)
		case !bytes.Equal(all[i].Raw, tx.Raw):
			return fmt.Errorf("%w: transaction %s with other bytes", trade.ErrConflict, tx.TxID)
		case !tx.Held:
			all[i].Held = false
		}
	}
	d.txs = all
	return nil
}

// Txs returns the transactions of a trade, oldest first; when id is zero, of
// every trade that is not at rest, and all sends.
func (s *Store) Txs(_ context.Context, id contracts.Hash) ([]trade.Tx, error) {
	if err := s.life.Alive(); err != nil {
		return nil, err
	}
	rest := map[contracts.Hash]bool{}
	stored, err := s.disk.Trades()
	if err != nil {
		return nil, err
	}
	for _, t := range stored {
		rest[t.ID] = t.Status.AtRest()
	}
	return slices.DeleteFunc(s.disk.Txs(), func(tx trade.Tx) bool {
		return (!id.IsZero() && tx.ID != id) || (id.IsZero() && rest[tx.ID])
	}), nil
}

// SaveOffer keeps an offer.
func (s *Store) SaveOffer(_ context.Context, o trade.Offer) error {
	return s.life.pass(Point{What: "offer", Of: o.Digest().String()[:8]}, func() error {
		s.disk.mu.Lock()
		defer s.disk.mu.Unlock()
		if s.disk.full {
			return fmt.Errorf("%w: disk is full", ErrDown)
		}
		s.disk.offers[o.Digest()] = o
		return nil
	})
}

// Offers returns every offer, by its id.
func (s *Store) Offers(context.Context) ([]trade.Offer, error) {
	if err := s.life.Alive(); err != nil {
		return nil, err
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	var all []trade.Offer
	for _, o := range s.disk.offers {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b trade.Offer) int { x, y := a.Digest(), b.Digest(); return bytes.Compare(x[:], y[:]) })
	return all, nil
}

// DropOffer forgets an offer.
func (s *Store) DropOffer(_ context.Context, id contracts.Hash) error {
	if err := s.life.Alive(); err != nil {
		return err
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	delete(s.disk.offers, id)
	return nil
}

// A Journal is a node's hold on the log beside its keys. It outlives the disk's
// tables: Wipe leaves it.
type Journal struct {
	disk *Disk
	life *Life
}

// Journal opens the log for one life.
func (d *Disk) Journal(l *Life) *Journal { return &Journal{d, l} }

// Append stores records, all or none.
func (j *Journal) Append(records ...[]byte) error {
	return j.life.pass(Point{What: "journal", Of: fmt.Sprintf("%d records", len(records))}, func() error {
		j.disk.mu.Lock()
		defer j.disk.mu.Unlock()
		if j.disk.full {
			return fmt.Errorf("%w: disk is full", ErrDown)
		}
		for _, r := range records {
			j.disk.journal = append(j.disk.journal, bytes.Clone(r))
		}
		return nil
	})
}

// Records returns every record, oldest first.
func (j *Journal) Records() ([][]byte, error) {
	if err := j.life.Alive(); err != nil {
		return nil, err
	}
	j.disk.mu.Lock()
	defer j.disk.mu.Unlock()
	return slices.Clone(j.disk.journal), nil
}

// Wipe loses all but the journal, as a lost database does.
func (d *Disk) Wipe() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trades, d.outbox, d.txs, d.offers = map[contracts.Hash]row{}, nil, nil, map[contracts.Hash]trade.Offer{}
	d.books = newBooks()
}
