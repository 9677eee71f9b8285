package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"photon/adapters/peer"
	"photon/adapters/store"
	"photon/contracts"
	"photon/swap"
	"photon/swap/trade"
	"photon/web"
)

// benchWithin is the most that the desk may take until it has sent what a block
// called for: far more than is good, so that a slow one is measured.
const benchWithin = time.Minute

// A benchRun is a node that runs on a filled data folder.
type benchRun struct {
	*benchNode
	desk   *swap.Desk
	chains map[contracts.Chain]*standIn
	notes  *sendings
	ended  chan error   // of the desk
	stop   func() error // after ctx has ended

	ready  time.Duration
	blocks map[contracts.Chain][]time.Duration
	answer []time.Duration // from the last confirmation to our next transaction
	rss    float64         // most that was seen, in MB
}

// measure starts the node, mines, and stops it.
func (b *benchNode) measure(ctx context.Context, n int) (_ []figure, err error) {
	debug.FreeOSMemory() // what filling took is not the node's
	r := &benchRun{benchNode: b, notes: newSendings(), ended: make(chan error, 1), chains: map[contracts.Chain]*standIn{}, blocks: map[contracts.Chain][]time.Duration{}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	if err := r.start(ctx); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	defer func() {
		cancel()
		err = errors.Join(err, r.stop())
	}()
	select {
	case <-r.desk.Ready():
		r.ready = time.Since(began)
	case err := <-r.ended:
		r.ended <- nil // for stop
		return nil, fmt.Errorf("ended before it was ready: %w", err)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.weigh()
	if err := r.ticked(ctx); err != nil {
		return nil, err
	}
	if err := r.mineAll(ctx, n); err != nil {
		return nil, err
	}
	return r.figures(n), nil
}

// start is what a node does at its start: keys, store, journal, desk.
func (r *benchRun) start(ctx context.Context) error {
	ring, err := unlock(filepath.Join(r.folder, keyFile), benchPassword)
	if err != nil {
		return err
	}
	r.weigh()
	kept, err := store.Open(ctx, "sqlite:"+filepath.Join(r.folder, "photon.db"))
	if err != nil {
		return err
	}
	journal, err := ring.OpenJournal(filepath.Join(r.folder, journalFile))
	if err != nil {
		return errors.Join(err, kept.Close())
	}
	ledgers := map[contracts.Chain]swap.Ledger{}
	for _, c := range contracts.Chains {
		r.chains[c] = newStandIn(c, ring, r.notes, r.fates[c])
		ledgers[c] = r.chains[c]
	}
	feed := web.NewFeed(4096)
	r.desk = swap.New(swap.Config{
		Ledgers: ledgers, Contracts: map[contracts.Chain]contracts.Address{contracts.ETH: benchContract(contracts.ETH), contracts.SMT: benchContract(contracts.SMT)},
		Confirmations: confirmationsAsked(), Peer: silentPeer{}, Store: kept, Offers: kept, Journal: journal,
		Secrets: ring, Verify: peer.Verify, Profile: trade.Safe, Realm: "main", AtOnce: swap.DefaultAtOnce, Notify: feed.Publish, Log: slog.New(slog.DiscardHandler),
	})
	go func() { r.ended <- r.desk.Run(ctx) }()
	r.stop = func() error { return errors.Join(<-r.ended, journal.Close(), kept.Close()) }
	return nil
}

// ticked waits until the desk has told its trades the time, without which they
// give nothing away.
func (r *benchRun) ticked(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, benchWithin)
	defer cancel()
	var id contracts.Hash
	for _, ids := range r.moving {
		id = ids[0]
	}
	for {
		t, _, err := r.desk.Trade(ctx, id)
		if err != nil {
			return fmt.Errorf("wait for the time: %w", err)
		}
		if t.Now > 0 {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for the time: %w", ctx.Err())
		}
	}
}

// mineAll mines until every moving swap has its partner's lock deep enough: each
// block of a chain brings some of these locks, and shows others that wait.
func (r *benchRun) mineAll(ctx context.Context, n int) error {
	asked := confirmationsAsked()
	due := map[contracts.Chain][][]contracts.Hash{}
	rounds := 0
	for _, c := range contracts.Chains {
		due[c] = slices.Collect(slices.Chunk(r.moving[c], moved))
		rounds = max(rounds, len(due[c])+int(asked[c]))
	}
	for round := range rounds {
		for _, c := range contracts.Chains {
			s := r.chains[c]
			var sightings []trade.Sighting
			if round < len(due[c]) {
				sightings = theirLocks(due[c][round], s.height.Load()+1)
			}
			waiting := min(len(r.idle[c]), max(1, n/1000))
			sightings = append(sightings, theirLocks(r.idle[c][:waiting], 0)...)
			r.idle[c] = r.idle[c][waiting:]
			if err := r.mine(ctx, s, sightings, due[c], round+1-int(asked[c])); err != nil {
				return fmt.Errorf("block %d of %s: %w", round, c, err)
			}
		}
	}
	if sent := r.notes.count(); sent != hastened {
		return fmt.Errorf("%d swaps sent something, %d were to", sent, hastened)
	}
	return nil
}

// mine mines a block. Group number deep of due has all its confirmations by it.
func (r *benchRun) mine(ctx context.Context, s *standIn, sightings []trade.Sighting, due [][]contracts.Hash, deep int) error {
	ctx, cancel := context.WithTimeout(ctx, benchWithin)
	defer cancel()
	began, took, err := s.mine(ctx, sightings)
	if err != nil {
		return err
	}
	r.blocks[s.chain] = append(r.blocks[s.chain], took)
	r.weigh()
	if deep < 0 || deep >= len(due) {
		return nil
	}
	times, err := r.notes.wait(ctx, due[deep])
	for _, at := range times {
		r.answer = append(r.answer, at.Sub(began))
	}
	return err
}

// theirLocks are the partners' locks, mined at height, or waiting at 0.
func theirLocks(ids []contracts.Hash, height uint64) []trade.Sighting {
	sightings := make([]trade.Sighting, len(ids))
	for i, id := range ids {
		sightings[i] = trade.Sighting{ID: id, Side: trade.Theirs, Fate: trade.Fate{Lock: benchSpot(id, trade.Theirs, benchAmount(), height)}}
	}
	return sightings
}

func (r *benchRun) figures(n int) []figure {
	open := fmt.Sprintf("%d swaps open", n)
	figures := []figure{
		{Name: "restart to ready", Value: r.ready.Seconds(), Unit: "s", Limit: 10, Note: open + "; unlocking the keys included"},
	}
	for _, c := range contracts.Chains {
		figures = append(figures,
			figure{Name: fmt.Sprintf("block of %s handled, half of them", c), Value: millis(percentile(r.blocks[c], 50)), Unit: "ms", Note: fmt.Sprintf("%d blocks", len(r.blocks[c]))},
			figure{Name: fmt.Sprintf("block of %s handled, longest", c), Value: millis(percentile(r.blocks[c], 100)), Unit: "ms", Limit: 1000})
	}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return append(figures,
		figure{Name: "confirmed to our next transaction, half of them", Value: millis(percentile(r.answer, 50)), Unit: "ms", Note: fmt.Sprintf("%d swaps, %d by one block", len(r.answer), moved)},
		figure{Name: "confirmed to our next transaction, 99 %", Value: millis(percentile(r.answer, 99)), Unit: "ms", Limit: 1000},
		figure{Name: "memory of the process, most", Value: r.rss, Unit: "MB", Limit: 500, Note: open + "; to unlock the keys takes 256 MB more for a second"},
		figure{Name: "memory that is in use", Value: float64(memory.HeapAlloc) / 1e6, Unit: "MB", Limit: 500},
		figure{Name: "a swap stored, alone", Value: millis(r.save), Unit: "ms", Note: "durable: " + durability},
	)
}

// durability is how the store and the journal were set while all this was
// measured.
const durability = payDurability + "; the journal is synced at each append"

// weigh notes the memory of the process, if this is more than before.
func (r *benchRun) weigh() { r.rss = max(r.rss, residentMB()) }

// residentMB is the memory of this process that is in the machine's, in MB; where
// the system does not say, what the Go runtime has from it.
func residentMB() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 1 {
		if pages, err := strconv.ParseFloat(fields[1], 64); err == nil {
			return pages * float64(os.Getpagesize()) / 1e6
		}
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return float64(memory.Sys-memory.HeapReleased) / 1e6
}

// percentile is the duration that p of 100 do not exceed.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
