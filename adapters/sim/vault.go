package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
)

// books are the ledger of a node on its disk.
type books struct {
	channels  table[contracts.Hash]
	versions  map[contracts.Hash]uint64 // of channels
	payments  table[paymentKey]
	transfers table[transferKey]
	demands   table[contracts.Hash]
	said      table[saidKey]
	calls     table[callKey]
	rest      map[contracts.Hash]bool // orders that need nothing more
	through   map[contracts.Chain]uint64
	heads     map[contracts.Chain]channel.Head
	fees      table[contracts.Hash]
	dated     []ledger.Dated
}

type (
	paymentKey struct {
		id   contracts.Hash
		ours bool
	}
	transferKey struct{ id, channel contracts.Hash }
	saidKey     struct {
		channel      contracts.Hash
		epoch, nonce uint64
	}
	callKey struct{ order, id contracts.Hash }
)

func newBooks() books {
	return books{versions: map[contracts.Hash]uint64{}, rest: map[contracts.Hash]bool{}, through: map[contracts.Chain]uint64{}, heads: map[contracts.Chain]channel.Head{}}
}

// A table is rows as bytes, in the order in which they came first: what is not
// encoded is not kept.
type table[K comparable] struct {
	keys []K
	rows map[K][]byte
}

func (t *table[K]) put(k K, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %T: %w", v, err)
	}
	if t.rows == nil {
		t.rows = map[K][]byte{}
	}
	if _, has := t.rows[k]; !has {
		t.keys = append(t.keys, k)
	}
	t.rows[k] = raw
	return nil
}

func (t table[K]) clone() table[K] { return table[K]{slices.Clone(t.keys), maps.Clone(t.rows)} }

// rowsOf are the rows of a table whose keys are wanted.
func rowsOf[V any, K comparable](t table[K], wanted func(K) bool) (all []V, err error) {
	for _, k := range t.keys {
		if wanted != nil && !wanted(k) {
			continue
		}
		var v V
		if err := json.Unmarshal(t.rows[k], &v); err != nil {
			return nil, fmt.Errorf("stored %T: %w", v, err)
		}
		all = append(all, v)
	}
	return all, nil
}

// read reads a table of a disk.
func read[V any, K comparable](d *Disk, of func(*books) table[K]) ([]V, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return rowsOf[V](of(&d.books), nil)
}

// What a disk holds, for those who tell the story, each in the order in which they
// came first.

// Channels are all channels, settled ones too.
func (d *Disk) Channels() ([]channel.Channel, error) {
	return read[channel.Channel](d, func(b *books) table[contracts.Hash] { return b.channels })
}

// Payments are all that were made and got.
func (d *Disk) Payments() ([]ledger.Payment, error) {
	return read[ledger.Payment](d, func(b *books) table[paymentKey] { return b.payments })
}

// Transfers are all payments of others.
func (d *Disk) Transfers() ([]ledger.Transfer, error) {
	return read[ledger.Transfer](d, func(b *books) table[transferKey] { return b.transfers })
}

// Demands are all invoices.
func (d *Disk) Demands() ([]ledger.Demand, error) {
	return read[ledger.Demand](d, func(b *books) table[contracts.Hash] { return b.demands })
}

// Calls are all transactions for channels.
func (d *Disk) Calls() ([]channel.Tx, error) {
	return read[channel.Tx](d, func(b *books) table[callKey] { return b.calls })
}

// A Vault is a payment node's hold on its disk.
type Vault struct {
	disk *Disk
	life *Life
}

// Vault opens the disk for one life.
func (d *Disk) Vault(l *Life) *Vault { return &Vault{d, l} }

// SaveLedger stores c whole or not at all. Errors: ledger.ErrConflict, ErrDown when
// the disk is full.
func (v *Vault) SaveLedger(_ context.Context, c ledger.Change) error {
	return v.life.pass(Point{What: "save", Of: gist(c), Ledger: c}, func() error { return v.disk.book(c) })
}

// gist is what a change is about, for a reader.
func gist(c ledger.Change) string {
	switch {
	case len(c.Payments) > 0:
		return "payment " + string(c.Payments[0].Status)
	case len(c.Transfers) > 0:
		return "transfer " + string(c.Transfers[0].Status)
	case len(c.Demands) > 0:
		return "demand " + string(c.Demands[0].Status)
	case len(c.Channels) > 0:
		return "channel " + string(c.Channels[0].Status)
	}
	return "position"
}

// book writes c into books of its own, which then take the place of those before.
func (d *Disk) book(c ledger.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return fmt.Errorf("%w: disk is full", ErrDown)
	}
	b := books{d.books.channels.clone(), maps.Clone(d.books.versions), d.books.payments.clone(), d.books.transfers.clone(),
		d.books.demands.clone(), d.books.said.clone(), d.books.calls, maps.Clone(d.books.rest), maps.Clone(d.books.through), maps.Clone(d.books.heads), d.books.fees.clone(), slices.Clone(d.books.dated)}
	if err := b.write(c); err != nil {
		return err
	}
	d.books = b
	return nil
}

func (b *books) write(c ledger.Change) error {
	for _, ch := range c.Channels {
		if has, before := b.versions[ch.Key], c.Before(ch); has != before {
			return fmt.Errorf("%w: channel %s after version %d: stored is version %d", ledger.ErrConflict, ch.Key, before, has)
		}
		b.versions[ch.Key] = ch.Version
		if err := b.channels.put(ch.Key, ch); err != nil {
			return err
		}
	}
	for _, p := range c.Payments {
		if err := b.payments.put(paymentKey{p.ID, p.Ours}, p); err != nil {
			return err
		}
	}
	for _, t := range c.Transfers {
		if err := b.transfers.put(transferKey{t.ID, t.In.Channel}, t); err != nil {
			return err
		}
	}
	for _, d := range c.Demands {
		if err := b.demands.put(d.Invoice.Hash, d); err != nil {
			return err
		}
	}
	for _, s := range c.Said {
		if err := b.said.put(saidKey{s.Channel, s.Epoch, s.Nonce}, s.Record); err != nil {
			return err
		}
	}
	for _, f := range c.Fees {
		if err := b.fees.put(f.Channel, f); err != nil {
			return err
		}
	}
	b.dated = append(b.dated, c.Dated...)
	maps.Copy(b.through, c.Through)
	maps.Copy(b.heads, c.Heads)
	for _, order := range c.Rest {
		b.rest[order] = true
	}
	return nil
}

// LoadLedger returns all that is not at rest, oldest first.
func (v *Vault) LoadLedger(context.Context) (l ledger.Loaded, err error) {
	if err := v.life.Alive(); err != nil {
		return l, err
	}
	v.disk.mu.Lock()
	defer v.disk.mu.Unlock()
	b := &v.disk.books
	if l.Channels, err = rowsOf[channel.Channel](b.channels, nil); err != nil {
		return l, err
	}
	if l.Payments, err = rowsOf[ledger.Payment](b.payments, func(k paymentKey) bool { return k.ours }); err != nil {
		return l, err
	}
	if l.Transfers, err = rowsOf[ledger.Transfer](b.transfers, nil); err != nil {
		return l, err
	}
	if l.Demands, err = rowsOf[ledger.Demand](b.demands, nil); err != nil {
		return l, err
	}
	l.Channels = slices.DeleteFunc(l.Channels, func(c channel.Channel) bool { return c.Status == channel.Settled })
	l.Payments = slices.DeleteFunc(l.Payments, func(p ledger.Payment) bool { return p.Status != ledger.Pending })
	l.Transfers = slices.DeleteFunc(l.Transfers, ledger.Transfer.AtRest)
	l.Demands = slices.DeleteFunc(l.Demands, ledger.Demand.AtRest)
	if l.Fees, err = rowsOf[ledger.Fee](b.fees, nil); err != nil {
		return l, err
	}
	l.Dated = slices.Clone(b.dated)
	l.Through, l.Heads = maps.Clone(b.through), maps.Clone(b.heads)
	return l, nil
}

// Said returns what was recorded of a channel's epoch, oldest first.
func (v *Vault) Said(_ context.Context, key contracts.Hash, epoch uint64) ([]channel.Record, error) {
	if err := v.life.Alive(); err != nil {
		return nil, err
	}
	v.disk.mu.Lock()
	defer v.disk.mu.Unlock()
	return rowsOf[channel.Record](v.disk.books.said, func(k saidKey) bool { return k.channel == key && k.epoch == epoch })
}

// Payment returns one that we made, or that was made to us.
func (v *Vault) Payment(_ context.Context, id contracts.Hash, ours bool) (ledger.Payment, bool, error) {
	all, err := v.disk.Payments()
	if err != nil {
		return ledger.Payment{}, false, err
	}
	for _, p := range all {
		if p.ID == id && p.Ours == ours {
			return p, true, nil
		}
	}
	return ledger.Payment{}, false, nil
}

// SaveCallTxs stores transactions before they are broadcast, all or none. Errors:
// ErrDown when the disk is full.
func (v *Vault) SaveCallTxs(_ context.Context, txs ...channel.Tx) error {
	of := "nothing"
	if len(txs) > 0 {
		last, err := readCall(txs[len(txs)-1])
		if err != nil {
			return err
		}
		of = fmt.Sprintf("%s %s", txs[0].Chain, contracts.MethodOf(last.Data()))
	}
	return v.life.pass(Point{What: "keep", Of: of, Calls: txs}, func() error {
		v.disk.mu.Lock()
		defer v.disk.mu.Unlock()
		if v.disk.full {
			return fmt.Errorf("%w: disk is full", ErrDown)
		}
		calls := v.disk.books.calls.clone()
		for _, tx := range txs {
			if err := calls.put(callKey{tx.Order, tx.ID}, tx); err != nil {
				return err
			}
		}
		v.disk.books.calls = calls
		return nil
	})
}

// CallTxs returns the transactions of orders that are not at rest, oldest first.
func (v *Vault) CallTxs(context.Context) ([]channel.Tx, error) {
	if err := v.life.Alive(); err != nil {
		return nil, err
	}
	v.disk.mu.Lock()
	defer v.disk.mu.Unlock()
	return rowsOf[channel.Tx](v.disk.books.calls, func(k callKey) bool { return !v.disk.books.rest[k.order] })
}

// OrderTxs returns the transactions of one order, at rest or not, oldest first.
func (v *Vault) OrderTxs(_ context.Context, order contracts.Hash) ([]channel.Tx, error) {
	if err := v.life.Alive(); err != nil {
		return nil, err
	}
	v.disk.mu.Lock()
	defer v.disk.mu.Unlock()
	return rowsOf[channel.Tx](v.disk.books.calls, func(k callKey) bool { return k.order == order })
}
