package swap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// tellWithin is how long a node may take to take in a message.
const tellWithin = 10 * time.Second

// tellAll carries out the outbox: the messages of each trade in their order,
// trades beside each other, again and again until each is taken in. One that a
// partner never takes in holds up no other trade.
func (d *Desk) tellAll(ctx context.Context) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	var mu sync.Mutex
	busy := map[contracts.Hash]bool{}
	retry := map[contracts.Hash]*backoff{}
	var group sync.WaitGroup
	defer group.Wait()
	for {
		pending, err := d.Store.Pending(ctx)
		if err != nil {
			return fmt.Errorf("load outbox: %w", err)
		}
		byTrade, err := d.sort(ctx, pending)
		if err != nil {
			return err
		}
		mu.Lock()
		for id, letters := range byTrade {
			if retry[id] == nil {
				retry[id] = &backoff{}
			}
			if busy[id] || !retry[id].due(time.Now()) {
				continue
			}
			busy[id] = true
			group.Go(func() {
				err := d.tellPartner(ctx, letters)
				mu.Lock()
				defer mu.Unlock()
				delete(busy, id)
				retry[id].note(err, time.Now())
			})
		}
		for id := range retry {
			if len(byTrade[id]) == 0 && !busy[id] {
				delete(retry, id)
			}
		}
		mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.told:
		case <-tick.C:
		}
	}
}

// A letter is a message that waits to be taken in.
type letter struct {
	effect  int64
	trade   contracts.Hash
	partner string
	body    trade.Message
}

// sort groups what waits by trade. What is left to say after a trade's
// last time has passed is of no use to anybody, and is dropped.
func (d *Desk) sort(ctx context.Context, pending []trade.Pending) (map[contracts.Hash][]letter, error) {
	letters := map[contracts.Hash][]letter{}
	err := d.do(ctx, func() (c trade.Change, err error) {
		now := unix(time.Now())
		for _, p := range pending {
			t, known := d.trades[p.Trade]
			if d.alien[p.Trade] != nil {
				continue // it waits for the program that wrote it
			}
			tell, is := p.Effect.(trade.Tell)
			if !known || !is || now > max(t.Ours.Terms.Expiry, t.Theirs.Terms.Expiry) {
				c.Done = append(c.Done, p.ID)
				continue
			}
			letters[p.Trade] = append(letters[p.Trade], letter{p.ID, p.Trade, t.Partner, tell.Message})
		}
		return c, nil
	}, nil)
	return letters, err
}

// tellPartner sends letters in their order and stops at the first that is not
// taken in.
func (d *Desk) tellPartner(ctx context.Context, letters []letter) error {
	for _, l := range letters {
		err := d.tellOne(ctx, l)
		if err != nil {
			if ctx.Err() == nil {
				d.Log.Warn("will retry", "trade", l.trade, "partner", l.partner, "message", fmt.Sprintf("%T", l.body), "err", err)
			}
			return err
		}
		if err := d.do(ctx, func() (trade.Change, error) { return d.reached(l) }, nil); err != nil {
			return err
		}
	}
	return nil
}

// tellOne sends one letter. A Refuse may come back at once.
func (d *Desk) tellOne(ctx context.Context, l letter) error {
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	raw, err := d.Peer.Ask(ctx, l.partner, trade.Encode(l.body))
	if err != nil || len(raw) == 0 {
		return err
	}
	m, err := trade.Decode(raw)
	if err != nil {
		return err
	}
	if no, is := m.(trade.Refuse); is && no.ID == l.trade {
		err := d.heard(ctx, l.partner, l.trade, trade.Declined{Reason: no.Reason})
		if errors.Is(err, trade.ErrStatus) {
			return nil // it was said too late to matter: we need not ask again
		}
		return err
	}
	return fmt.Errorf("%w: %T in answer to %T", trade.ErrMessage, m, l.body)
}

// A backoff spaces tries: a second, then ever longer up to half a minute.
type backoff struct {
	tries int
	next  time.Time
}

func (b *backoff) due(now time.Time) bool { return !now.Before(b.next) }

func (b *backoff) note(err error, now time.Time) {
	if err == nil {
		*b = backoff{}
		return
	}
	b.tries++
	b.next = now.Add(min(time.Second<<min(b.tries, 5), 30*time.Second))
}
