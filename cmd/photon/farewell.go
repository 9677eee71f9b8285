package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// farewell warns whoever stopped a node while swaps are under way: how many, and
// by when it must run again. What is stored is what counts, but for swaps that no
// node of this program can help: stranded, or of another protocol.
func farewell(kept interface {
	Trades(ctx context.Context, all bool) ([]trade.Trade, error)
}, now time.Time, say io.Writer, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	open, err := kept.Trades(ctx, false)
	if err != nil {
		return fmt.Errorf("look for swaps under way: %w", err)
	}
	open = slices.DeleteFunc(open, func(t trade.Trade) bool { return t.Status == trade.Stranded || t.Known() != nil })
	atStake, backBy, first := 0, uint64(0), contracts.Hash{}
	for _, t := range open {
		if may, by := t.MayStop(); !may {
			if atStake++; by > 0 && (backBy == 0 || by < backBy) {
				backBy, first = by, t.ID
			}
		}
	}
	if len(open) == 0 {
		return nil
	}
	log.Warn("stopped with swaps under way", "open", len(open), "at_stake", atStake, "back_by", backBy, "trade", first)
	_, err = fmt.Fprintln(say, "photon:", lastWords(len(open), atStake, backBy, first, uint64(now.Unix())))
	return err
}

// lastWords are for a person. Times are Unix seconds.
func lastWords(open, atStake int, backBy uint64, first contracts.Hash, now uint64) string {
	said := fmt.Sprintf("swaps under way: %d; they are kept, and go on when the node runs again.", open)
	switch {
	case atStake == 0:
		return said + " Nothing of yours is locked in them."
	case backBy == 0:
		return said + " What you take back waits for it."
	case backBy <= now:
		return said + fmt.Sprintf(" Start it again at once: swap %s does not wait.", first)
	}
	return said + fmt.Sprintf(" It must be back well before %s, or swap %s can lose what is locked.", when(backBy), first)
}
