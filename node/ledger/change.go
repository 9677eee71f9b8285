package ledger

import (
	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
)

// A Change is what one or more events have changed: it is stored whole, then
// committed, then acted on.
type Change struct {
	Channels  []channel.Channel
	From      map[contracts.Hash]uint64 // version that each of Channels had before, which is what the store must have; 0 is new
	Payments  []Payment                 // by their id and whose they are
	Transfers []Transfer
	Demands   []Demand // by their invoice's hash
	Fees      []Fee
	Said      []Said                           // appended to the logs of channels
	Through   map[contracts.Chain]uint64       // position of each chain that has moved
	Heads     map[contracts.Chain]channel.Head // newest block of each chain that has moved
	Dated     []Dated                          // secrets that chains have dated
	Rest      []contracts.Hash                 // orders that need nothing more, done or not
	Effects   []Effect

	// What is not stored: it is told anew after a restart.
	now    uint64                            // Unix second
	reach  map[contracts.Address]bool        // who came, and who went
	blank  map[contracts.Chain]uint64        // newest block of a chain when this run first heard of it
	offers map[contracts.Hash]*message.Offer // that we are bound to, and nil, to which no more

	at struct{ channels, payments, transfers, demands, fees places }
}

// A Dated is the hash of a secret that everybody can read on a chain, since a block
// that stays true for ever: a lock under it can be claimed at once.
type Dated struct {
	Chain contracts.Chain
	Hash  contracts.Hash
	Block uint64
}

// A Said is a record of a channel's log.
type Said struct {
	Channel contracts.Hash
	Epoch   uint64
	channel.Record
}

// Loaded is what a store has kept: all that is not at rest.
type Loaded struct {
	Channels  []channel.Channel // all that are not settled, in the order of their opening
	Payments  []Payment         // ours that are pending, or have a part that is; direct ones that have flown follow from their channels, but are better told
	Transfers []Transfer        // that are pending
	Demands   []Demand          // whose invoice has not expired, or that hold locks
	Fees      []Fee
	Through   map[contracts.Chain]uint64
	Dated     []Dated                          // all there ever were
	Heads     map[contracts.Chain]channel.Head // without them, nothing is paid before a chain was heard
}

// places says where in a list a thing is.
type places map[contracts.Hash]int

// put sets what key names, where it is or at the end.
func put[V any](list *[]V, at *places, key contracts.Hash, v V) {
	if i, is := (*at)[key]; is {
		(*list)[i] = v
		return
	}
	if *at == nil {
		*at = places{}
	}
	(*at)[key] = len(*list)
	*list = append(*list, v)
}

// find is what put has put.
func find[V any](list []V, at places, key contracts.Hash) (v V, is bool) {
	i, is := at[key]
	if is {
		v = list[i]
	}
	return v, is
}

// set keeps v under key in a map that may be nil.
func set[K comparable, V any](m *map[K]V, key K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[key] = v
}

func (c *Change) putChannel(v channel.Channel) { put(&c.Channels, &c.at.channels, v.Key, v) }
func (c *Change) putPayment(v Payment)         { put(&c.Payments, &c.at.payments, v.key(), v) }
func (c *Change) putTransfer(v Transfer)       { put(&c.Transfers, &c.at.transfers, v.ID, v) }
func (c *Change) putDemand(v Demand)           { put(&c.Demands, &c.at.demands, v.Invoice.Hash, v) }
func (c *Change) putFee(v Fee)                 { put(&c.Fees, &c.at.fees, v.Channel, v) }

// Add takes in d, which came after c: the newest value of each thing, and what is to
// be done in order.
func (c *Change) Add(d Change) {
	for _, v := range d.Channels {
		if _, is := c.From[v.Key]; !is {
			set(&c.From, v.Key, d.From[v.Key])
		}
		c.putChannel(v)
	}
	for _, v := range d.Payments {
		c.putPayment(v)
	}
	for _, v := range d.Transfers {
		c.putTransfer(v)
	}
	for _, v := range d.Demands {
		c.putDemand(v)
	}
	for _, v := range d.Fees {
		c.putFee(v)
	}
	for chain, v := range d.Through {
		set(&c.Through, chain, v)
	}
	for chain, v := range d.Heads {
		set(&c.Heads, chain, v)
	}
	for chain, v := range d.blank {
		set(&c.blank, chain, v)
	}
	for party, v := range d.reach {
		set(&c.reach, party, v)
	}
	for hash, v := range d.offers {
		set(&c.offers, hash, v)
	}
	c.now = max(c.now, d.now)
	c.Said = append(c.Said, d.Said...)
	c.Dated = append(c.Dated, d.Dated...)
	c.Rest = append(c.Rest, d.Rest...)
	c.Effects = append(c.Effects, d.Effects...)
}

// Empty reports whether there is nothing to store and nothing to do; what was heard
// of the time is still to be committed.
func (c Change) Empty() bool {
	return len(c.Channels)+len(c.Payments)+len(c.Transfers)+len(c.Demands)+len(c.Fees)+len(c.Said)+len(c.Dated)+len(c.Through)+len(c.Heads)+len(c.Rest)+len(c.Effects) == 0
}

// A book keeps things by key, and tells them in the order in which they came.
type book[V any] struct {
	rows  map[contracts.Hash]row[V]
	order []turn
	next  int
}

type row[V any] struct {
	v    V
	turn int
}

type turn struct {
	key contracts.Hash
	n   int
}

func (b *book[V]) get(key contracts.Hash) (V, bool) {
	r, is := b.rows[key]
	return r.v, is
}

func (b *book[V]) put(key contracts.Hash, v V) {
	r, is := b.rows[key]
	if r.v = v; !is {
		r.turn = b.next
		b.order = append(b.order, turn{key, b.next})
		b.next++
	}
	set(&b.rows, key, r)
	if len(b.order) > 2*len(b.rows)+64 {
		kept := b.order[:0]
		for _, t := range b.order {
			if r, is := b.rows[t.key]; is && r.turn == t.n {
				kept = append(kept, t)
			}
		}
		b.order = kept
	}
}

func (b *book[V]) drop(key contracts.Hash) { delete(b.rows, key) }

// all are the rows in order.
func (b *book[V]) all(yield func(contracts.Hash, V) bool) {
	for _, t := range b.order {
		if r, is := b.rows[t.key]; is && r.turn == t.n && !yield(t.key, r.v) {
			return
		}
	}
}
