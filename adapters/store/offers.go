package store

import (
	"context"
	"encoding/json"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"photon/contracts"
	"photon/swap/trade"
)

// offerRow is an offer, ours or another's.
type offerRow struct {
	ID    string `gorm:"primaryKey"` // digest of the offer
	State string // JSON of trade.Offer
}

func (offerRow) TableName() string { return "offers" }

// SaveOffer stores o under its digest. One that is stored already is no error.
// Errors: ErrBroken.
func (s *Store) SaveOffer(ctx context.Context, o trade.Offer) error {
	state, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode offer: %w", err)
	}
	row := offerRow{o.Digest().String(), string(state)}
	return s.change(ctx, func(tx *gorm.DB) error {
		if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error; err != nil {
			return fmt.Errorf("store offer %s: %w", row.ID, err)
		}
		return nil
	})
}

// Offers returns every offer, by id.
func (s *Store) Offers(ctx context.Context) ([]trade.Offer, error) {
	var states []string
	if err := s.read.WithContext(ctx).Model(&offerRow{}).Order("id").Pluck("state", &states).Error; err != nil {
		return nil, fmt.Errorf("load offers: %w", err)
	}
	return decode[trade.Offer]("offer", states)
}

// DropOffer forgets an offer. One that is not stored is no error.
// Errors: ErrBroken.
func (s *Store) DropOffer(ctx context.Context, id contracts.Hash) error {
	return s.change(ctx, func(tx *gorm.DB) error {
		if err := tx.Delete(&offerRow{}, "id = ?", id.String()).Error; err != nil {
			return fmt.Errorf("forget offer %s: %w", id, err)
		}
		return nil
	})
}
