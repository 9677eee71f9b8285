package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"

	"photon/contracts"
	"photon/node/ledger"
)

// positionRow is how far we know a chain.
type positionRow struct {
	Chain   string `gorm:"primaryKey"`
	Through int64  // block: all events up to it are in the channels
}

func (positionRow) TableName() string { return "positions" }

var insertPositions = statement{"positions (chain, through)", 2, "(chain) DO UPDATE SET through = excluded.through", 16}

// ledgerRows are the rows of one change.
type ledgerRows struct {
	channels  []channelRow
	payments  []paymentRow
	transfers []transferRow
	demands   []demandRow
	said      []saidRow
	through   map[contracts.Chain]uint64
	rest      []contracts.Hash
}

// SaveLedger stores c whole or not at all. A channel of version 1 must be new; every
// other must be stored with the version before. What is stored already of payments,
// transfers and demands is overwritten. Errors: ledger.ErrConflict, ErrBroken.
func (s *Store) SaveLedger(ctx context.Context, c ledger.Change) error {
	rows, err := rowsOf(c)
	if err != nil {
		return err
	}
	return s.change(ctx, rows.save)
}

func rowsOf(c ledger.Change) (ledgerRows, error) {
	channels, err1 := channelRows(c.Channels)
	payments, err2 := paymentRows(c.Payments)
	transfers, err3 := transferRows(c.Transfers)
	demands, err4 := demandRows(c.Demands)
	said, err5 := saidRows(c.Said)
	return ledgerRows{channels, payments, transfers, demands, said, c.Through, c.Rest}, cmp.Or(err1, err2, err3, err4, err5)
}

// keys are the keys of all channels that the rows name, each once.
func (r ledgerRows) keys() []contracts.Hash {
	named := map[contracts.Hash]bool{}
	for _, c := range r.channels {
		named[c.key] = true
	}
	for _, p := range r.payments {
		if p.Nonce > 0 {
			named[p.key] = true
		}
	}
	for _, t := range r.transfers {
		named[t.key] = true
	}
	for _, s := range r.said {
		named[s.key] = true
	}
	return slices.Collect(maps.Keys(named))
}

// save stores the rows in one transaction. Errors: ledger.ErrConflict.
func (r ledgerRows) save(tx *gorm.DB) error {
	shelf, err := shelfOf(tx, r.keys())
	if err != nil {
		return err
	}
	before := maps.Clone(shelf)
	if err := shelf.save(tx, r.channels); err != nil {
		return err
	}
	if err := shelf.say(tx, r.said); err != nil {
		return err
	}
	if err := shelf.forget(tx, before, r.channels); err != nil {
		return err
	}
	if err := shelf.pay(tx, r.payments); err != nil {
		return err
	}
	if err := shelf.pass(tx, r.transfers); err != nil {
		return err
	}
	if err := demand(tx, r.demands); err != nil {
		return err
	}
	if err := rest(tx, r.rest); err != nil {
		return err
	}
	return move(tx, r.through)
}

// move stores the positions of chains.
func move(tx *gorm.DB, through map[contracts.Chain]uint64) error {
	var values []any
	for _, c := range slices.Sorted(maps.Keys(through)) {
		values = append(values, string(c), int64(through[c]))
	}
	if _, err := insertPositions.run(tx, values); err != nil {
		return fmt.Errorf("store positions of chains: %w", err)
	}
	return nil
}

// LoadLedger returns all that is not at rest, each kind oldest first, as it is at one
// moment: nothing is written meanwhile.
func (s *Store) LoadLedger(ctx context.Context) (l ledger.Loaded, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.Channels, err = s.Channels(ctx, false); err != nil {
		return l, err
	}
	var rows []pageRow
	err = s.payments(ctx).Where("ours = ? AND number IN ("+underWay+")", true).Order("number").Find(&rows).Error
	if err != nil {
		return l, fmt.Errorf("load payments: %w", err)
	}
	if l.Payments, err = readPayments(rows); err != nil {
		return l, err
	}
	if l.Transfers, err = unrested[ledger.Transfer](ctx, s, "transfers", "status = ?", ledger.Pending); err != nil {
		return l, err
	}
	if l.Demands, err = unrested[ledger.Demand](ctx, s, "demands", "at_rest = ?", false); err != nil {
		return l, err
	}
	var at []positionRow
	if err := s.read.WithContext(ctx).Find(&at).Error; err != nil {
		return l, fmt.Errorf("load positions of chains: %w", err)
	}
	l.Through = make(map[contracts.Chain]uint64, len(at))
	for _, p := range at {
		l.Through[contracts.Chain(p.Chain)] = uint64(p.Through)
	}
	return l, nil
}

// unrested reads the states of a table's rows where something holds, oldest first.
func unrested[T any](ctx context.Context, s *Store, table, where string, value any) ([]T, error) {
	var states []string
	if err := s.read.WithContext(ctx).Table(table).Where(where, value).Order("number").Pluck("state", &states).Error; err != nil {
		return nil, fmt.Errorf("load %s: %w", table, err)
	}
	return decode[T]("row of "+table, states)
}
