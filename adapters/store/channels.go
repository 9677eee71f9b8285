package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
)

// channelRow is a channel. State is all of it; the other columns repeat what we
// search by.
type channelRow struct {
	Number  int64  `gorm:"primaryKey"` // given by the database: counts them as they came
	ID      []byte // key of the channel
	Version int64  // counts changes
	Epoch   int64
	Stands  int64  // nonce of the last of our updates that holds
	AtRest  bool   // settled
	State   string // JSON of channel.Channel

	key    contracts.Hash
	before int64 // version that must be stored
}

func (channelRow) TableName() string { return "channels" }

func (r channelRow) of() contracts.Hash { return r.key }

// saidRow is what we have said in one update.
type saidRow struct {
	Channel int64  `gorm:"primaryKey"` // number of the channel
	Epoch   int64  `gorm:"primaryKey"`
	Nonce   int64  `gorm:"primaryKey"`
	Body    string // JSON of channel.Record

	key contracts.Hash
}

func (saidRow) TableName() string { return "said" }

var (
	insertChannels = statement{
		"channels (id, version, epoch, stands, at_rest, state)", 6,
		`(id) DO UPDATE SET version = excluded.version, epoch = excluded.epoch, stands = excluded.stands,
			at_rest = excluded.at_rest, state = excluded.state`, 16,
	}
	insertSaid = statement{"said (channel, epoch, nonce, body)", 4, "DO NOTHING", 32}
)

func channelRows(change ledger.Change) ([]channelRow, error) {
	rows := make([]channelRow, len(change.Channels))
	for i, c := range change.Channels {
		state, err := encoded(c)
		if err != nil {
			return nil, fmt.Errorf("encode channel %s: %w", c.Key, err)
		}
		rows[i] = channelRow{
			ID: raw(c.Key), Version: int64(c.Version), Epoch: int64(c.Epoch), Stands: int64(c.Us.Proof.Nonce),
			AtRest: c.Status == channel.Settled, State: state, key: c.Key, before: int64(change.Before(c)),
		}
	}
	return rows, nil
}

func saidRows(all []ledger.Said) ([]saidRow, error) {
	rows := make([]saidRow, len(all))
	for i, s := range all {
		body, err := encoded(s.Record)
		if err != nil {
			return nil, fmt.Errorf("encode what was said in channel %s: %w", s.Channel, err)
		}
		rows[i] = saidRow{Epoch: int64(s.Epoch), Nonce: int64(s.Nonce), Body: body, key: s.Channel}
	}
	return rows, nil
}

// A shelf is where the channels of a change are stored, by key.
type shelf map[contracts.Hash]channelRow

// shelfOf looks up the channels with these keys; one that is not stored is not in
// it. It reads no states.
func shelfOf(tx *gorm.DB, keys []contracts.Hash) (shelf, error) {
	found := shelf{}
	for part := range slices.Chunk(keys, batch) {
		ids := make([]any, len(part))
		for i, k := range part {
			ids[i] = raw(k)
		}
		err := query(tx, "SELECT number, id, version, epoch FROM channels WHERE id IN ", ids, func(scan func(...any) error) error {
			var r channelRow
			err := scan(&r.Number, &r.ID, &r.Version, &r.Epoch)
			if err == nil {
				found[contracts.Hash(r.ID)] = r
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look for channels: %w", err)
		}
	}
	return found, nil
}

// stray refuses something of a channel that is not on the shelf. Errors:
// ledger.ErrConflict.
func stray(what string, key contracts.Hash) error {
	return fmt.Errorf("%w: %s is of channel %s: none is stored", ledger.ErrConflict, what, key)
}

// save stores channels, each if the version before is stored, and puts new ones on
// the shelf. Nothing comes between the look and the write: nobody else writes.
// Errors: ledger.ErrConflict.
func (s shelf) save(tx *gorm.DB, rows []channelRow) error {
	versions := make(map[contracts.Hash]int64, len(rows))
	for _, r := range rows {
		has, ok := versions[r.key]
		if !ok {
			has = s[r.key].Version
		}
		if r.before != has {
			return fmt.Errorf("%w: channel %s after version %d: stored is version %d", ledger.ErrConflict, r.key, r.before, has)
		}
		versions[r.key] = r.Version
	}
	var fresh []contracts.Hash
	var values []any
	for _, r := range lastOf(rows, channelRow.of) {
		if _, ok := s[r.key]; !ok {
			fresh = append(fresh, r.key)
		}
		values = append(values, r.ID, r.Version, r.Epoch, r.Stands, r.AtRest, r.State)
	}
	if _, err := insertChannels.run(tx, values); err != nil {
		return fmt.Errorf("store channels: %w", err)
	}
	added, err := shelfOf(tx, fresh)
	for k, c := range added {
		s[k] = c
	}
	return err
}

// say appends to the logs of channels. Errors: ledger.ErrConflict when a record is
// there already.
func (s shelf) say(tx *gorm.DB, rows []saidRow) error {
	values := make([]any, 0, 4*len(rows))
	for _, r := range rows {
		c, ok := s[r.key]
		if !ok {
			return stray("a record", r.key)
		}
		values = append(values, c.Number, r.Epoch, r.Nonce, r.Body)
	}
	written, err := insertSaid.run(tx, values)
	if err != nil {
		return fmt.Errorf("store what was said: %w", err)
	}
	if written != int64(len(rows)) {
		return fmt.Errorf("%w: %d of %d records of what was said are stored already", ledger.ErrConflict, int64(len(rows))-written, len(rows))
	}
	return nil
}

// forget deletes what was said in epochs that are over, of those channels that a
// change has brought to another epoch or to their end.
func (s shelf) forget(tx *gorm.DB, before shelf, rows []channelRow) error {
	for _, r := range lastOf(rows, channelRow.of) {
		if r.Epoch == before[r.key].Epoch && !r.AtRest {
			continue
		}
		over := r.Epoch
		if r.AtRest {
			over++
		}
		if err := tx.Delete(&saidRow{}, "channel = ? AND epoch < ?", s[r.key].Number, over).Error; err != nil {
			return fmt.Errorf("forget what was said in channel %s: %w", r.key, err)
		}
	}
	return nil
}

// Channels returns all channels that are not settled, or all, oldest first.
func (s *Store) Channels(ctx context.Context, all bool) ([]channel.Channel, error) {
	q := s.read.WithContext(ctx).Model(&channelRow{}).Order("number")
	if !all {
		q = q.Where("at_rest = ?", false)
	}
	var states []string
	if err := q.Pluck("state", &states).Error; err != nil {
		return nil, fmt.Errorf("load channels: %w", err)
	}
	return decode[channel.Channel]("channel", states)
}

// Said returns what was recorded of a channel's epoch, oldest first. Of an epoch
// that is over, and of a settled channel, nothing is left.
func (s *Store) Said(ctx context.Context, key contracts.Hash, epoch uint64) ([]channel.Record, error) {
	var rows []saidRow
	err := s.read.WithContext(ctx).Order("nonce").
		Where("channel = (SELECT number FROM channels WHERE id = ?) AND epoch = ?", raw(key), int64(epoch)).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("load what was said in channel %s: %w", key, err)
	}
	records := make([]channel.Record, len(rows))
	for i, r := range rows {
		if err := json.Unmarshal([]byte(r.Body), &records[i]); err != nil {
			return nil, fmt.Errorf("stored record %d of channel %s: %w", r.Nonce, key, err)
		}
	}
	return records, nil
}
