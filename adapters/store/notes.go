package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// noteRow is what an adapter must still know after a restart.
type noteRow struct {
	Name string `gorm:"primaryKey"`
	Body []byte
}

func (noteRow) TableName() string { return "notes" }

// Get returns the note under key, and nil when there is none. An empty note is
// not nil.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	var rows []noteRow
	if err := s.read.WithContext(ctx).Where("name = ?", key).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("load note %q: %w", key, err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return append([]byte{}, rows[0].Body...), nil // never nil, whatever the database makes of no bytes
}

// Put stores value under key, in place of what was there. Errors: ErrBroken.
func (s *Store) Put(ctx context.Context, key string, value []byte) error {
	row := noteRow{key, append([]byte{}, value...)} // never nil, which would be no value
	return s.change(ctx, func(tx *gorm.DB) error {
		if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error; err != nil {
			return fmt.Errorf("store note %q: %w", key, err)
		}
		return nil
	})
}
