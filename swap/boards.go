package swap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// The times of boards.
const (
	boardEvery  = 30 * time.Second // a board is read, and asked what it has of ours
	boardWithin = 10 * time.Second // one answer of it may take
	postEvery   = 20 * time.Minute // an offer that is up is posted again: boards let go of what nobody renews
)

// What of a board counts.
const (
	maxPosts  = 50  // offers of ours on one board: those that stand longest
	maxPosted = 200 // offers of one pair that are taken from one board
)

// pokeBoards has every board told soon of what has changed with our offers.
func (d *Desk) pokeBoards() {
	for _, poke := range d.boards {
		select {
		case poke <- struct{}{}:
		default:
		}
	}
}

// followBoard keeps our offers on a board and reads what others have there, until
// ctx ends. A board that is down is tried again, ever more seldom; nothing else
// waits for it.
func (d *Desk) followBoard(ctx context.Context, b Board, poke <-chan struct{}) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	var retry backoff
	var next time.Time
	posts := map[contracts.Hash]posting{}
	for {
		if now := time.Now(); retry.due(now) && !now.Before(next) {
			err := errors.Join(d.post(ctx, b, posts), d.readBoard(ctx, b))
			if errors.Is(err, errEnded) || ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil && retry.tries == 0 {
				d.Log.Warn("will retry", "board", b.Name(), "err", err)
			} else if err == nil && retry.tries > 0 {
				d.Log.Info("board is back", "board", b.Name())
			}
			retry.note(err, now)
			next = now.Add(boardEvery)
			if err != nil {
				next = time.Time{} // then retry says when
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poke:
			next = time.Time{}
		case <-tick.C:
		}
	}
}

// A posting is what became of one of our offers on a board.
type posting struct {
	again   time.Time // when it is to be posted anew
	refused bool
}

// post compares what a board shows of us with what we offer: what it lacks is put
// up, what it has too much is withdrawn. So a board that forgot, and an offer that
// was withdrawn while either was down, come right by themselves.
func (d *Desk) post(ctx context.Context, b Board, posts map[contracts.Hash]posting) error {
	own, err := d.own(ctx)
	if err != nil {
		return err
	}
	shown, err := bounded(ctx, func(ctx context.Context) ([]trade.Offer, error) { return b.Of(ctx, d.Realm, d.Peer.Self()) })
	if err != nil {
		return fmt.Errorf("ask for our offers: %w", err)
	}
	up := map[contracts.Hash]bool{}
	for _, o := range shown {
		id := o.Digest()
		if up[id] = true; slices.ContainsFunc(own, func(o trade.Offer) bool { return o.Digest() == id }) {
			continue
		}
		if err := d.takeDown(ctx, b, o); err != nil {
			return err
		}
	}
	slices.SortStableFunc(own, func(x, y trade.Offer) int { return cmp.Compare(y.Expires, x.Expires) })
	standing := map[contracts.Hash]bool{}
	for _, o := range own[:min(len(own), maxPosts)] {
		id, now := o.Digest(), time.Now()
		if standing[id] = true; now.Before(posts[id].again) && (up[id] || posts[id].refused) {
			continue
		}
		_, err := bounded(ctx, func(ctx context.Context) (any, error) { return nil, b.Post(ctx, o) })
		if err != nil && !errors.Is(err, trade.ErrOffer) {
			return fmt.Errorf("post an offer: %w", err)
		}
		if err != nil {
			d.Log.Warn("board refuses an offer", "board", b.Name(), "offer", id, "err", err)
		}
		posts[id] = posting{now.Add(postEvery), err != nil}
	}
	maps.DeleteFunc(posts, func(id contracts.Hash, _ posting) bool { return !standing[id] })
	return nil
}

// own are the offers that we stand by: none when no new swaps are taken.
func (d *Desk) own(ctx context.Context) ([]trade.Offer, error) {
	if d.RefundOnly {
		return nil, nil
	}
	all, err := d.Offers(ctx)
	return slices.DeleteFunc(all, func(o trade.Offer) bool { return o.Maker != d.Peer.Self() }), err
}

// takeDown withdraws from a board what is signed by us and stands no longer. What
// is not signed by us is the board's lie, and nothing to sign for.
func (d *Desk) takeDown(ctx context.Context, b Board, o trade.Offer) error {
	if o.Maker != d.Peer.Self() || o.Vet(unix(time.Now()), d.Verify) != nil {
		return nil
	}
	id := o.Digest()
	signature, err := d.Secrets.Sign(trade.Withdrawal(id))
	if err != nil {
		return fmt.Errorf("sign a withdrawal: %w", err)
	}
	_, err = bounded(ctx, func(ctx context.Context) (any, error) { return nil, b.Withdraw(ctx, id, signature) })
	if err != nil {
		return fmt.Errorf("withdraw an offer: %w", err)
	}
	return nil
}

// readBoard takes over what a board shows of every pair of our assets. Each offer is
// checked anew, as if a stranger had handed it over, which he has.
func (d *Desk) readBoard(ctx context.Context, b Board) error {
	known := map[contracts.Hash]bool{}
	shelves, err := d.shelves(ctx)
	if err != nil {
		return err
	}
	for _, o := range shelves[b.Name()] {
		known[o.Digest()] = true
	}
	var kept []trade.Offer
	for _, give := range d.Assets {
		for _, want := range d.Assets {
			if give == want || (give.Chain == want.Chain && !give.Chain.EVM()) {
				continue
			}
			offers, err := bounded(ctx, func(ctx context.Context) ([]trade.Offer, error) { return b.Offers(ctx, d.Realm, give, want) })
			if err != nil {
				return fmt.Errorf("read %s for %s: %w", give, want, err)
			}
			for _, o := range offers[:min(len(offers), maxPosted)] {
				if o.Give == give && o.Want == want && o.Maker != d.Peer.Self() && d.keeps(b, o, known) {
					kept = append(kept, o)
				}
			}
		}
	}
	return d.do(ctx, func() (c trade.Change, err error) { d.posted[b.Name()] = kept; return c, nil }, nil)
}

// keeps reports whether an offer of a board is good. One that was known before has
// been checked, and its id is the hash of all that it says; only that it has not
// run out is looked at again, when it is shown.
func (d *Desk) keeps(b Board, o trade.Offer, known map[contracts.Hash]bool) bool {
	if known[o.Digest()] {
		return true
	}
	if err := d.vet(o); err != nil {
		d.Log.Debug("left out an offer", "board", b.Name(), "err", err)
		return false
	}
	return true
}

// Posted returns the offers that boards show us and that we know in no other way:
// each once, in the order of the boards, those that have not run out.
func (d *Desk) Posted(ctx context.Context) (all []trade.Posted, err error) {
	kept, err := d.Offers(ctx)
	if err != nil {
		return nil, err
	}
	seen, now := map[contracts.Hash]bool{}, unix(time.Now())
	for _, o := range kept {
		seen[o.Digest()] = true
	}
	shelves, err := d.shelves(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range d.Boards {
		for _, o := range shelves[b.Name()] {
			if id := o.Digest(); !seen[id] && now <= o.Expires {
				seen[id], all = true, append(all, trade.Posted{Offer: o, Board: b.Name()})
			}
		}
	}
	return all, nil
}

// shelves are what each board showed last. The loop only hands them out: strangers
// say how many offers there are, and trades wait for the loop.
func (d *Desk) shelves(ctx context.Context) (posted map[string][]trade.Offer, err error) {
	err = d.do(ctx, func() (c trade.Change, err error) { posted = maps.Clone(d.posted); return c, nil }, nil)
	return posted, err
}

// offerAnywhere finds an offer that is kept, or that a board shows. Errors:
// trade.ErrUnknown.
func (d *Desk) offerAnywhere(ctx context.Context, id contracts.Hash) (trade.Offer, error) {
	o, err := d.offer(ctx, id)
	if !errors.Is(err, trade.ErrUnknown) || len(d.Boards) == 0 {
		return o, err
	}
	all, failed := d.Posted(ctx)
	if failed != nil {
		return trade.Offer{}, failed
	}
	for _, p := range all {
		if p.Offer.Digest() == id {
			return p.Offer, nil
		}
	}
	return trade.Offer{}, err
}

// bounded asks a board, not longer than boardWithin.
func bounded[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, boardWithin)
	defer cancel()
	return ask(ctx)
}
