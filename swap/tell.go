package swap

import (
	"context"
	"fmt"
	"sync"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// tellWithin is how long a node may take to take in a message.
const tellWithin = 10 * time.Second

// tellAll carries out the outbox: the messages of each partner in their order,
// partners beside each other, again and again until each is taken in.
func (d *Desk) tellAll(ctx context.Context) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	var mu sync.Mutex
	busy := map[string]bool{}
	retry := map[string]*backoff{}
	var group sync.WaitGroup
	defer group.Wait()
	for {
		pending, err := d.Store.Pending(ctx)
		if err != nil {
			return fmt.Errorf("load outbox: %w", err)
		}
		byPartner, err := d.sort(ctx, pending)
		if err != nil {
			return err
		}
		mu.Lock()
		for partner, letters := range byPartner {
			if retry[partner] == nil {
				retry[partner] = &backoff{}
			}
			if busy[partner] || !retry[partner].due(time.Now()) {
				continue
			}
			busy[partner] = true
			group.Go(func() {
				err := d.tellPartner(ctx, partner, letters)
				mu.Lock()
				defer mu.Unlock()
				delete(busy, partner)
				retry[partner].note(err, time.Now())
			})
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
	effect int64
	trade  contracts.Hash
	body   trade.Message
}

// sort groups what waits by whom it is for. What is left to say after a trade's
// last time has passed is of no use to anybody, and is dropped.
func (d *Desk) sort(ctx context.Context, pending []trade.Pending) (map[string][]letter, error) {
	letters := map[string][]letter{}
	err := d.do(ctx, func() (c trade.Change, err error) {
		now := unix(time.Now())
		for _, p := range pending {
			t, known := d.trades[p.Trade]
			tell, is := p.Effect.(trade.Tell)
			if !known || !is || now > max(t.Ours.Terms.Expiry, t.Theirs.Terms.Expiry) {
				c.Done = append(c.Done, p.ID)
				continue
			}
			letters[t.Partner] = append(letters[t.Partner], letter{p.ID, p.Trade, tell.Message})
		}
		return c, nil
	}, nil)
	return letters, err
}

// tellPartner sends letters in their order and stops at the first that is not
// taken in.
func (d *Desk) tellPartner(ctx context.Context, partner string, letters []letter) error {
	for _, l := range letters {
		err := d.tellOne(ctx, partner, l)
		if err != nil {
			if ctx.Err() == nil {
				d.Log.Warn("will retry", "trade", l.trade, "partner", partner, "message", fmt.Sprintf("%T", l.body), "err", err)
			}
			return err
		}
		err = d.do(ctx, func() (trade.Change, error) { return trade.Change{Done: []int64{l.effect}}, nil }, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// tellOne sends one letter. A Refuse may come back at once.
func (d *Desk) tellOne(ctx context.Context, partner string, l letter) error {
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	raw, err := d.Peer.Ask(ctx, partner, trade.Encode(l.body))
	if err != nil || len(raw) == 0 {
		return err
	}
	m, err := trade.Decode(raw)
	if err != nil {
		return err
	}
	if no, is := m.(trade.Refuse); is && no.ID == l.trade {
		return d.heard(ctx, partner, l.trade, trade.Declined{Reason: no.Reason})
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
