package evm

import (
	"bytes"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"photon/contracts"
	"photon/swap/trade"
)

// A book is the legs that are watched, found by the key of their lock with one
// look-up for each log.
type book struct {
	legs map[leg]*watched
	keys map[contracts.Hash][]*watched // legs of one key: both sides of a trade with ourselves
}

// A leg names a watch.
type leg struct {
	ID   contracts.Hash
	Side trade.Side
}

// A watched is one leg and what the branch says of it.
type watched struct {
	watch   trade.Watch
	swap    contracts.Swap
	key     contracts.Hash
	fate    trade.Fate // mined; with fees where they are ours and known
	scanned bool       // every block from watch.From to the tip was read
	said    trade.Fate // delivered last
	told    bool       // anything was delivered

	lockPriced, endPriced bool // the fee was looked for

	audited   common.Hash // tip at which it was last what the contract says
	auditedAt uint64      // and its height; 0: never
	odd       int         // times in a row that it was not, and nobody showed why

	sent map[trade.Purpose]sent // by us, and possibly not mined
}

// A sent is a transaction of ours that we broadcast.
type sent struct {
	txid   contracts.Hash
	nonce  uint64
	fee    contracts.Amount
	secret *contracts.Secret // of a redeem
}

// An event is one log of HashLock in its place.
type event struct {
	contracts.HashLockEvent
	TxID   contracts.Hash
	Height uint64
}

func newBook() book {
	return book{map[leg]*watched{}, map[contracts.Hash][]*watched{}}
}

// add watches w unless it is watched already. A leg with other terms takes the
// place of the one before.
func (b book) add(w trade.Watch, s contracts.Swap) {
	l, key := leg{w.ID, w.Side}, s.Key()
	if old, ok := b.legs[l]; ok {
		if old.key == key {
			return
		}
		b.drop(l)
	}
	n := &watched{watch: w, swap: s, key: key, sent: map[trade.Purpose]sent{}}
	b.legs[l] = n
	b.keys[key] = append(b.keys[key], n)
}

func (b book) drop(l leg) {
	old, ok := b.legs[l]
	if !ok {
		return
	}
	delete(b.legs, l)
	var rest []*watched
	for _, n := range b.keys[old.key] {
		if n != old {
			rest = append(rest, n)
		}
	}
	if len(rest) == 0 {
		delete(b.keys, old.key)
		return
	}
	b.keys[old.key] = rest
}

// undo takes back what stood above a height.
func (b book) undo(height uint64) {
	for _, n := range b.legs {
		if !n.scanned {
			continue
		}
		if l := n.fate.Lock; l != nil && l.Height > height {
			n.fate.Lock, n.lockPriced = nil, false
		}
		if e := n.fate.End; e != nil && e.Height > height {
			n.fate.End, n.endPriced = nil, false
		}
	}
}

// apply adds new events, in the order of the chain, to the legs that are up to
// date.
func (b book) apply(events []event) {
	for _, e := range events {
		for _, n := range b.keys[e.Key] {
			if n.scanned {
				n.apply(e)
			}
		}
	}
}

// stale makes every leg be read again from its start.
func (b book) stale() {
	for _, n := range b.legs {
		n.scanned = false
	}
}

// unscanned returns the legs that are not up to date, and the lowest height at
// which one of them can be locked.
func (b book) unscanned() (fresh []*watched, from uint64) {
	for _, n := range b.legs {
		if n.scanned {
			continue
		}
		if len(fresh) == 0 || n.watch.From < from {
			from = n.watch.From
		}
		fresh = append(fresh, n)
	}
	return fresh, from
}

// apply takes one event into the leg's fate. The first lock stands: the contract
// forgets a leg that ended, so its refunder can lock the same again under a
// secret that is out, and that is no new lock.
func (n *watched) apply(e event) {
	switch e.Kind {
	case contracts.LegLocked:
		if n.fate.Lock == nil && n.fate.End == nil {
			n.fate.Lock = &trade.Spot{TxID: e.TxID, Amount: n.watch.Terms.Amount, Height: e.Height}
		}
	case contracts.LegRedeemed:
		if n.fate.End == nil && e.Secret.Hash() == n.watch.Terms.Hash {
			n.fate.End = &trade.End{Kind: trade.BySecret, TxID: e.TxID, Height: e.Height, Secret: e.Secret}
		}
	case contracts.LegRefunded:
		if n.fate.End == nil {
			n.fate.End = &trade.End{Kind: trade.ByTime, TxID: e.TxID, Height: e.Height}
		}
	}
}

// shown is the fate with our own transactions that wait to be mined.
func (n *watched) shown() trade.Fate {
	f := n.fate
	if s, ok := n.sent[trade.Lock]; ok && f.Lock == nil && f.End == nil {
		f.Lock = &trade.Spot{TxID: s.txid, Amount: n.watch.Terms.Amount, Fee: s.fee}
	}
	if f.Lock == nil || f.Lock.Height == 0 || f.End != nil {
		return f
	}
	if s, ok := n.sent[trade.Redeem]; ok {
		f.End = &trade.End{Kind: trade.BySecret, TxID: s.txid, Secret: s.secret, Fee: s.fee}
	} else if s, ok := n.sent[trade.Refund]; ok {
		f.End = &trade.End{Kind: trade.ByTime, TxID: s.txid, Fee: s.fee}
	}
	return f
}

// waits reports whether a transaction of ours is shown because it is not mined.
func (n *watched) waits() bool {
	f := n.shown()
	return (f.Lock != nil && f.Lock.Height == 0) || (f.End != nil && f.End.Height == 0)
}

// sightings are the fates that are other than last said, in the order of their
// trades.
func (b book) sightings() []trade.Sighting {
	var all []trade.Sighting
	for l, n := range b.legs {
		if !n.scanned {
			continue
		}
		f := n.shown()
		if n.told && same(f, n.said) {
			continue
		}
		all = append(all, trade.Sighting{ID: l.ID, Side: l.Side, Fate: clone(f)})
	}
	slices.SortFunc(all, func(x, y trade.Sighting) int {
		if order := bytes.Compare(x.ID[:], y.ID[:]); order != 0 {
			return order
		}
		return strings.Compare(string(x.Side), string(y.Side))
	})
	return all
}

// say notes what was delivered.
func (b book) say(all []trade.Sighting) {
	for _, s := range all {
		if n, ok := b.legs[leg{s.ID, s.Side}]; ok {
			n.said, n.told = clone(s.Fate), true
		}
	}
}

func same(a, b trade.Fate) bool {
	if (a.Lock == nil) != (b.Lock == nil) || (a.End == nil) != (b.End == nil) {
		return false
	}
	if a.Lock != nil && *a.Lock != *b.Lock {
		return false
	}
	if a.End == nil {
		return true
	}
	x, y := *a.End, *b.End
	if (x.Secret == nil) != (y.Secret == nil) || (x.Secret != nil && *x.Secret != *y.Secret) {
		return false
	}
	x.Secret, y.Secret = nil, nil
	return x == y
}

// clone copies f, so that what was delivered does not change under its reader.
func clone(f trade.Fate) trade.Fate {
	if f.Lock != nil {
		l := *f.Lock
		f.Lock = &l
	}
	if f.End != nil {
		e := *f.End
		f.End = &e
	}
	return f
}
