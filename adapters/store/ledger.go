package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
)

// positionRow is how far we know a chain.
type positionRow struct {
	Chain   string `gorm:"primaryKey"`
	Through int64  // block: all events up to it are in the channels; below zero when it was never told
	Head    string // JSON of channel.Head; empty when it was never told
}

func (positionRow) TableName() string { return "positions" }

var insertPositions = statement{"positions (chain, through, head)", 3,
	`(chain) DO UPDATE SET through = CASE WHEN excluded.through >= 0 THEN excluded.through ELSE positions.through END,
		head = CASE WHEN excluded.head <> '' THEN excluded.head ELSE positions.head END`, 16}

// ledgerRows are the rows of one change.
type ledgerRows struct {
	channels  []channelRow
	payments  []paymentRow
	transfers []transferRow
	demands   []demandRow
	said      []saidRow
	fees      []feeRow
	positions []positionRow
	dated     []datedRow
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
	channels, err1 := channelRows(c)
	payments, err2 := paymentRows(c.Payments)
	transfers, err3 := transferRows(c.Transfers)
	demands, err4 := demandRows(c.Demands)
	said, err5 := saidRows(c.Said)
	fees, err6 := feeRows(c.Fees)
	positions, err7 := positionRows(c)
	return ledgerRows{channels, payments, transfers, demands, said, fees, positions, datedRows(c.Dated), c.Rest}, cmp.Or(err1, err2, err3, err4, err5, err6, err7)
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
	if err := ask(tx, r.fees); err != nil {
		return err
	}
	if err := date(tx, r.dated); err != nil {
		return err
	}
	return move(tx, r.positions)
}

// datedRow is a secret that a chain has dated.
type datedRow struct {
	Chain string `gorm:"primaryKey"`
	Hash  []byte `gorm:"primaryKey"`
	Block int64
}

func (datedRow) TableName() string { return "dated" }

var insertDated = statement{"dated (chain, hash, block)", 3, "(chain, hash) DO NOTHING", 32}

func datedRows(all []ledger.Dated) []datedRow {
	rows := make([]datedRow, len(all))
	for i, s := range all {
		rows[i] = datedRow{string(s.Chain), raw(s.Hash), int64(s.Block)}
	}
	return rows
}

// date stores dated secrets.
func date(tx *gorm.DB, rows []datedRow) error {
	var values []any
	for _, r := range rows {
		values = append(values, r.Chain, r.Hash, r.Block)
	}
	if _, err := insertDated.run(tx, values); err != nil {
		return fmt.Errorf("store dated secrets: %w", err)
	}
	return nil
}

// positionRows are where chains are that have moved. What is not told of one stays
// as it is stored.
func positionRows(c ledger.Change) (rows []positionRow, err error) {
	moved := map[contracts.Chain]bool{}
	for chain := range c.Through {
		moved[chain] = true
	}
	for chain := range c.Heads {
		moved[chain] = true
	}
	for _, chain := range slices.Sorted(maps.Keys(moved)) {
		r := positionRow{Chain: string(chain), Through: -1}
		if through, told := c.Through[chain]; told {
			r.Through = int64(through)
		}
		if h, told := c.Heads[chain]; told {
			head, err := json.Marshal(h)
			if err != nil {
				return nil, fmt.Errorf("encode the head of %s: %w", chain, err)
			}
			r.Head = string(head)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// move stores the positions of chains.
func move(tx *gorm.DB, rows []positionRow) error {
	var values []any
	for _, r := range rows {
		values = append(values, r.Chain, r.Through, r.Head)
	}
	if _, err := insertPositions.run(tx, values); err != nil {
		return fmt.Errorf("store positions of chains: %w", err)
	}
	return nil
}

// feeRow is what we ask in a channel.
type feeRow struct {
	Channel []byte `gorm:"primaryKey"` // key
	State   string // JSON of ledger.Fee
}

func (feeRow) TableName() string { return "fees" }

var insertFees = statement{"fees (channel, state)", 2, "(channel) DO UPDATE SET state = excluded.state", 32}

func feeRows(all []ledger.Fee) ([]feeRow, error) {
	rows := make([]feeRow, len(all))
	for i, f := range all {
		state, err := json.Marshal(f)
		if err != nil {
			return nil, fmt.Errorf("encode the fee of channel %s: %w", f.Channel, err)
		}
		rows[i] = feeRow{raw(f.Channel), string(state)}
	}
	return rows, nil
}

// ask stores fees.
func ask(tx *gorm.DB, rows []feeRow) error {
	var values []any
	for _, r := range lastOf(rows, func(r feeRow) string { return string(r.Channel) }) {
		values = append(values, r.Channel, r.State)
	}
	if _, err := insertFees.run(tx, values); err != nil {
		return fmt.Errorf("store fees: %w", err)
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
	if l.Transfers, err = statesOf[ledger.Transfer](ctx, s, "transfers", "status = ?", ledger.Pending); err != nil {
		return l, err
	}
	if l.Demands, err = statesOf[ledger.Demand](ctx, s, "demands", "at_rest = ?", false); err != nil {
		return l, err
	}
	var at []positionRow
	if err := s.read.WithContext(ctx).Find(&at).Error; err != nil {
		return l, fmt.Errorf("load positions of chains: %w", err)
	}
	l.Through, l.Heads = make(map[contracts.Chain]uint64, len(at)), make(map[contracts.Chain]channel.Head, len(at))
	for _, p := range at {
		if p.Through >= 0 {
			l.Through[contracts.Chain(p.Chain)] = uint64(p.Through)
		}
		if p.Head == "" {
			continue
		}
		var h channel.Head
		if err := json.Unmarshal([]byte(p.Head), &h); err != nil {
			return l, fmt.Errorf("stored head of %s: %w", p.Chain, err)
		}
		l.Heads[contracts.Chain(p.Chain)] = h
	}
	var dated []datedRow
	if err := s.read.WithContext(ctx).Order("chain, hash").Find(&dated).Error; err != nil {
		return l, fmt.Errorf("load dated secrets: %w", err)
	}
	for _, r := range dated {
		l.Dated = append(l.Dated, ledger.Dated{Chain: contracts.Chain(r.Chain), Hash: contracts.Hash(r.Hash), Block: uint64(r.Block)})
	}
	var fees []string
	if err := s.read.WithContext(ctx).Model(&feeRow{}).Order("channel").Pluck("state", &fees).Error; err != nil {
		return l, fmt.Errorf("load fees: %w", err)
	}
	l.Fees, err = decode[ledger.Fee]("fee", fees)
	return l, err
}

// statesOf reads the states of a table's rows where something holds, oldest first.
func statesOf[T any](ctx context.Context, s *Store, table, where string, value any) ([]T, error) {
	var states []string
	if err := s.read.WithContext(ctx).Table(table).Where(where, value).Order("number").Pluck("state", &states).Error; err != nil {
		return nil, fmt.Errorf("load %s: %w", table, err)
	}
	return decode[T]("row of "+table, states)
}
