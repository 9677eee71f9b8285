package utxo

import (
	"cmp"
	"slices"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// A place is where a transaction lies.
type place struct {
	height int64 // block; 0 while it waits
	pos    int   // in its block, or in the order in which it was seen waiting
}

// before orders by who counts first: mined before waiting, then as they lie.
func (p place) before(q place) int {
	if (p.height == 0) != (q.height == 0) {
		return cmp.Compare(q.height, 0)*2 - 1
	}
	return cmp.Or(cmp.Compare(p.height, q.height), cmp.Compare(p.pos, q.pos))
}

// An index finds watched legs in transactions: one look-up an output and one an
// input, however many are watched.
type index struct {
	coin    Coin
	legs    map[legKey]*leg
	targets map[string]*target                // by output script
	locks   map[wire.OutPoint]*lock           // outputs that pay a target
	dirty   map[*leg]struct{}                 // whose fates may be other than last said
	ripe    map[*target]struct{}              // have a lock from the extension block, which ages
	value   func(wire.OutPoint) (int64, bool) // of an output known elsewhere, for fees
	paid    map[chainhash.Hash]int64          // fees of our own transactions
}

type legKey struct {
	id   contracts.Hash
	side trade.Side
}

// A leg is one watch.
type leg struct {
	watch  trade.Watch
	target *target
	ready  bool        // the blocks from watch.From on were looked through
	said   *trade.Fate // nil: nothing yet
}

// A target is an output script that one or more legs have.
type target struct {
	script contracts.Script
	hash   contracts.Hash
	legs   []*leg
	locks  []*lock // every output that pays it, whatever the amount
}

// A lock is an output that pays a target.
type lock struct {
	target *target
	out    wire.OutPoint
	value  int64
	place  place
	hogEx  bool
	fee    int64 // 0: unknown
	ends   []end // at most one mined
}

// An end is a transaction that spends a lock.
type end struct {
	id     chainhash.Hash
	kind   trade.Kind
	secret *contracts.Secret
	place  place
	fee    int64 // 0: unknown
}

func newIndex(coin Coin, value func(wire.OutPoint) (int64, bool)) *index {
	return &index{coin: coin, legs: map[legKey]*leg{}, targets: map[string]*target{}, locks: map[wire.OutPoint]*lock{},
		dirty: map[*leg]struct{}{}, ripe: map[*target]struct{}{}, value: value,
		paid: map[chainhash.Hash]int64{}}
}

// add watches w, whose script is given; nil when it is watched already.
func (x *index) add(w trade.Watch, script contracts.Script) *leg {
	key := legKey{w.ID, w.Side}
	if x.legs[key] != nil {
		return nil
	}
	t := x.targets[string(script.Output())]
	if t == nil {
		t = &target{script: script, hash: w.Terms.Hash}
		x.targets[string(script.Output())] = t
	}
	l := &leg{watch: w, target: t}
	t.legs = append(t.legs, l)
	x.legs[key] = l
	return l
}

// remove ends the watch of w.
func (x *index) remove(w trade.Watch) {
	key := legKey{w.ID, w.Side}
	l := x.legs[key]
	if l == nil {
		return
	}
	delete(x.legs, key)
	delete(x.dirty, l)
	t := l.target
	t.legs = slices.DeleteFunc(t.legs, func(o *leg) bool { return o == l })
	if len(t.legs) > 0 {
		return
	}
	for _, k := range t.locks {
		delete(x.locks, k.out)
	}
	delete(x.ripe, t)
	delete(x.targets, string(t.script.Output()))
}

func (x *index) touch(t *target) {
	for _, l := range t.legs {
		x.dirty[l] = struct{}{}
	}
}

// see takes note of a transaction and reports whether it concerns a watch. It may
// be seen again.
func (x *index) see(tx *wire.MsgTx, id chainhash.Hash, at place) (concerns bool) {
	for i := range tx.TxIn {
		if k := x.locks[tx.TxIn[i].PreviousOutPoint]; k != nil {
			x.spend(k, tx, id, at)
			concerns = true
		}
	}
	for i, out := range tx.TxOut {
		if t := x.targets[string(out.PkScript)]; t != nil {
			x.pay(t, tx, wire.OutPoint{Hash: id, Index: uint32(i)}, at)
			concerns = true
		}
	}
	return concerns
}

func (x *index) pay(t *target, tx *wire.MsgTx, out wire.OutPoint, at place) {
	x.touch(t)
	if k := x.locks[out]; k != nil {
		if at.height != 0 || k.place.height == 0 {
			k.place = at
		}
		return
	}
	k := &lock{target: t, out: out, value: tx.TxOut[out.Index].Value, place: at, fee: x.fee(tx, out.Hash)}
	if k.hogEx = x.coin.HogEx && isHogEx(tx); k.hogEx {
		x.ripe[t] = struct{}{}
	}
	t.locks = append(t.locks, k)
	x.locks[out] = k
}

// spend takes note of a spend of k. Its id says nothing of its witness, and a node
// may give a waiting one without: what a block holds counts.
func (x *index) spend(k *lock, tx *wire.MsgTx, id chainhash.Hash, at place) {
	x.touch(k.target)
	e := x.ending(k, tx, id, at)
	for i := range k.ends {
		if k.ends[i].id == id {
			if at.height != 0 || k.ends[i].place.height == 0 {
				e.fee = max(e.fee, k.ends[i].fee) // what it spends may be forgotten by now
				k.ends[i] = e
			}
			return
		}
	}
	k.ends = append(k.ends, e)
}

// ending is how tx spends k.
func (x *index) ending(k *lock, tx *wire.MsgTx, id chainhash.Hash, at place) end {
	e := end{id: id, kind: trade.ByBoth, place: at, fee: x.fee(tx, id)}
	branch, known := k.target.script.EndOf(tx, k.out)
	secret, shown := contracts.FindSecret(tx, k.target.hash)
	switch {
	case known && branch == contracts.ByTime:
		e.kind = trade.ByTime
	case known && branch == contracts.BySecret, !known && shown:
		e.kind = trade.BySecret
	}
	if shown {
		e.secret = &secret
	}
	return e
}

// fee is what tx pays to the miner, when it is ours or everything that it spends
// is known; 0 otherwise.
func (x *index) fee(tx *wire.MsgTx, id chainhash.Hash) int64 {
	if paid, ours := x.paid[id]; ours {
		return paid
	}
	var sum int64
	for _, in := range tx.TxIn {
		if k := x.locks[in.PreviousOutPoint]; k != nil {
			sum += k.value
		} else if v, ok := x.value(in.PreviousOutPoint); ok {
			sum += v
		} else {
			return 0
		}
	}
	for _, out := range tx.TxOut {
		sum -= out.Value
	}
	return max(sum, 0)
}

// drop forgets a waiting transaction that waits no more and was not mined.
func (x *index) drop(tx *wire.MsgTx, id chainhash.Hash) {
	for i := range tx.TxIn {
		if k := x.locks[tx.TxIn[i].PreviousOutPoint]; k != nil {
			k.ends = slices.DeleteFunc(k.ends, func(e end) bool { return e.id == id && e.place.height == 0 })
			x.touch(k.target)
		}
	}
	for i := range tx.TxOut {
		if k := x.locks[wire.OutPoint{Hash: id, Index: uint32(i)}]; k != nil && k.place.height == 0 {
			x.lose(k)
		}
	}
}

func (x *index) lose(k *lock) {
	delete(x.locks, k.out)
	k.target.locks = slices.DeleteFunc(k.target.locks, func(o *lock) bool { return o == k })
	x.touch(k.target)
}

// undo forgets what was seen in blocks from height on.
func (x *index) undo(height int64) {
	for _, t := range x.targets {
		for _, k := range slices.Clone(t.locks) {
			if n := len(k.ends); n > 0 {
				k.ends = slices.DeleteFunc(k.ends, func(e end) bool { return e.place.height >= height })
				if len(k.ends) != n {
					x.touch(t)
				}
			}
			if k.place.height >= height {
				x.lose(k)
			}
		}
	}
}

// age looks again at what becomes of age with a new block.
func (x *index) age() {
	for t := range x.ripe {
		x.touch(t)
	}
}

// fate is all that was seen of a leg's lock, with the chain at height tip.
func (x *index) fate(l *leg, tip int64) trade.Fate {
	k := x.counts(l, tip)
	if k == nil {
		return trade.Fate{}
	}
	f := trade.Fate{Lock: k.spot()}
	if e := k.end(); e != nil {
		f.End = &trade.End{Kind: e.kind, TxID: display(e.id), Height: uint64(e.place.height), Secret: e.secret, Fee: contracts.Units(uint64(e.fee))}
	}
	return f
}

// counts is the lock that counts: the first mined of those that match, or the
// first waiting. All others are strays.
func (x *index) counts(l *leg, tip int64) (best *lock) {
	for _, k := range l.target.locks {
		switch {
		case !matches(l.watch.Terms, k.value):
		case k.hogEx && (k.place.height == 0 || tip-k.place.height+1 < hogExDepth):
		case best == nil || k.place.before(best.place) < 0:
			best = k
		}
	}
	return best
}

// matches reports whether value is at least and at most twice what t asks.
func matches(t contracts.Terms, value int64) bool {
	v := contracts.Units(uint64(max(value, 0)))
	return !v.Less(t.Amount) && !t.Amount.Plus(t.Amount).Less(v)
}

// end is the spend that counts: the mined one, else a waiting one, that with the
// secret before others, because a secret that was shown is shown.
func (k *lock) end() (best *end) {
	rank := func(e *end) int {
		switch {
		case e.place.height != 0:
			return 2
		case e.secret != nil:
			return 1
		}
		return 0
	}
	for i := range k.ends {
		if e := &k.ends[i]; best == nil || rank(e) > rank(best) {
			best = e
		}
	}
	return best
}

func (k *lock) spot() *trade.Spot {
	return &trade.Spot{TxID: display(k.out.Hash), Index: k.out.Index, Amount: contracts.Units(uint64(k.value)),
		Height: uint64(k.place.height), Fee: contracts.Units(uint64(k.fee))}
}

// news returns the fates that are other than last said, and marks them as said.
func (x *index) news(tip int64) (s []trade.Sighting) {
	for l := range x.dirty {
		if !l.ready {
			continue // stays dirty until its blocks were looked through
		}
		delete(x.dirty, l)
		f := x.fate(l, tip)
		if l.said != nil && same(*l.said, f) {
			continue
		}
		l.said = &f
		s = append(s, trade.Sighting{ID: l.watch.ID, Side: l.watch.Side, Fate: f})
	}
	slices.SortFunc(s, func(a, b trade.Sighting) int {
		return cmp.Or(slices.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.Side, b.Side))
	})
	return s
}

// same compares what f and g hold.
func same(f, g trade.Fate) bool {
	return equal(f.Lock, g.Lock, func(a, b trade.Spot) bool { return a == b }) &&
		equal(f.End, g.End, func(a, b trade.End) bool {
			secrets := equal(a.Secret, b.Secret, func(s, t contracts.Secret) bool { return s == t })
			a.Secret, b.Secret = nil, nil
			return secrets && a == b
		})
}

func equal[T any](a, b *T, same func(a, b T) bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return same(*a, *b)
}

// display turns a hash of the wire into the order that people see.
func display(h chainhash.Hash) (d contracts.Hash) {
	for i := range h {
		d[len(h)-1-i] = h[i]
	}
	return d
}

// onWire is the reverse of display.
func onWire(d contracts.Hash) chainhash.Hash { return chainhash.Hash(display(chainhash.Hash(d))) }
