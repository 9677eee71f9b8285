package web

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/holiman/uint256"

	"photon/contracts"
	"photon/swap/trade"
)

// The bounds of a board.
const (
	shelfSlots = 10_000 // in all
	shelfEach  = 50     // of one maker
	shelfStay  = 3600   // seconds that an offer stays unless it is posted again
)

// errFull is why an offer finds no place.
var errFull = errors.New("no place is left")

// A shelf is the offers of a board: who stands where, and who goes when. It knows
// no clock; now is Unix seconds.
type shelf struct {
	slots  map[contracts.Hash]*slot
	makers map[string]int // slots of each maker
	most   int            // slots in all
	each   int            // slots of one maker
}

// A slot is one offer. It stays until a time; when its maker took it down, it
// stays as a slot that is empty, so that nobody else can put it up again.
type slot struct {
	id    contracts.Hash
	offer trade.Offer
	until uint64 // Unix seconds; the last in which it stands
	down  bool
}

func newShelf() *shelf {
	return &shelf{slots: map[contracts.Hash]*slot{}, makers: map[string]int{}, most: shelfSlots, each: shelfEach}
}

// put gives an offer a slot, or lets it keep its slot longer. When its maker has
// too many, the one of his goes that would go first; when there are too many in
// all, the one that would go first of those who have the most slots: whoever
// floods a board pushes out himself. Errors: trade.ErrOffer, errFull.
func (s *shelf) put(o trade.Offer, now uint64) error {
	s.sweep(now)
	id, until := o.Digest(), min(o.Expires, now+shelfStay)
	if p := s.slots[id]; p != nil {
		if p.down {
			return fmt.Errorf("%w: its maker took it down", trade.ErrOffer)
		}
		p.offer, p.until = o, until
		return nil
	}
	s.slots[id] = &slot{id: id, offer: o, until: until}
	s.makers[o.Maker]++
	crowd := 0
	if s.makers[o.Maker] > s.each {
		crowd = s.makers[o.Maker]
		s.drop(s.first(func(p *slot) bool { return p.offer.Maker == o.Maker }))
	} else if len(s.slots) > s.most {
		for _, n := range s.makers {
			crowd = max(crowd, n)
		}
		s.drop(s.first(func(p *slot) bool { return s.makers[p.offer.Maker] == crowd }))
	}
	if s.slots[id] == nil {
		return fmt.Errorf("%w: %d offers stand longer, %d of them of the maker who has the most", errFull, len(s.slots), crowd)
	}
	return nil
}

// first is the slot that goes first of those that may: ties go by id.
func (s *shelf) first(may func(*slot) bool) (first *slot) {
	for _, p := range s.slots {
		if may(p) && (first == nil || cmp.Or(cmp.Compare(p.until, first.until), bytes.Compare(p.id[:], first.id[:])) < 0) {
			first = p
		}
	}
	return first
}

func (s *shelf) drop(p *slot) {
	delete(s.slots, p.id)
	if s.makers[p.offer.Maker]--; s.makers[p.offer.Maker] == 0 {
		delete(s.makers, p.offer.Maker)
	}
}

// sweep lets go of all whose time is over.
func (s *shelf) sweep(now uint64) {
	for _, p := range s.slots {
		if now > p.until {
			s.drop(p)
		}
	}
}

// find returns the offer in a slot, also when it is down. Errors:
// trade.ErrUnknown.
func (s *shelf) find(id contracts.Hash, now uint64) (trade.Offer, error) {
	p := s.slots[id]
	if p == nil || now > p.until {
		return trade.Offer{}, fmt.Errorf("offer %s: %w", id, trade.ErrUnknown)
	}
	return p.offer, nil
}

// takeDown empties a slot. One that is gone is no error.
func (s *shelf) takeDown(id contracts.Hash) {
	if p := s.slots[id]; p != nil {
		p.down = true
	}
}

// A look is which page of a shelf is wanted.
type look struct {
	give, want   *contracts.Asset
	realm, maker string // "" is any
	after        *mark  // the page begins behind it
	limit        int
}

// page returns the offers that are looked for, the best rate first and then by id,
// and where the next page begins, "" on the last.
func (s *shelf) page(l look, now uint64) (page []trade.Offer, next string) {
	var found []*slot
	for _, p := range s.slots {
		if !p.down && now <= p.until && l.sees(p) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *slot) int { return markOf(a).cmp(markOf(b)) })
	if len(found) > l.limit {
		found = found[:l.limit]
		next = markOf(found[l.limit-1]).String()
	}
	for _, p := range found {
		page = append(page, p.offer)
	}
	return page, next
}

func (l look) sees(p *slot) bool {
	return (l.give == nil || *l.give == p.offer.Give) && (l.want == nil || *l.want == p.offer.Want) &&
		(l.realm == "" || l.realm == p.offer.Realm) && (l.maker == "" || l.maker == p.offer.Maker) &&
		(l.after == nil || l.after.cmp(markOf(p)) < 0)
}

// A mark is where an offer stands in the order of all.
type mark struct {
	rate trade.Rate
	id   contracts.Hash
}

func markOf(p *slot) mark { return mark{p.offer.Rate(), p.id} }

func (m mark) cmp(o mark) int { return cmp.Or(m.rate.Cmp(o.rate), bytes.Compare(m.id[:], o.id[:])) }

// String is the mark as a cursor: both numbers of the rate and the id, 32 bytes
// each, in URL-safe base64.
func (m mark) String() string {
	give, want := m.rate.Give.Uint256().Bytes32(), m.rate.Want.Uint256().Bytes32()
	return base64.RawURLEncoding.EncodeToString(slices.Concat(give[:], want[:], m.id[:]))
}

// parseMark reads a cursor. Errors: errInvalid.
func parseMark(cursor string) (mark, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err == nil && len(raw) == 96 {
		m := mark{id: contracts.Hash(raw[64:])}
		m.rate.Give = contracts.AmountOf(new(uint256.Int).SetBytes(raw[:32]))
		m.rate.Want = contracts.AmountOf(new(uint256.Int).SetBytes(raw[32:64]))
		if !m.rate.Give.IsZero() && !m.rate.Want.IsZero() {
			return m, nil
		}
	}
	return mark{}, tell(fmt.Errorf("%w: not a cursor of a board", errInvalid), "in", "query", "field", "after")
}

// maxCallers is how many callers an allowance tells apart.
const maxCallers = 10_000

// An allowance is how often a caller may ask in a minute. Callers beyond those that
// it can tell apart share one.
type allowance struct {
	most  int
	began uint64 // Unix seconds
	used  map[netip.Prefix]int
}

// take uses up one, or says how many seconds to wait for the next.
func (a *allowance) take(caller netip.Prefix, now uint64) (wait uint64) {
	if now >= a.began+60 || now < a.began {
		a.began, a.used = now, map[netip.Prefix]int{}
	}
	if _, known := a.used[caller]; !known && len(a.used) >= maxCallers {
		caller = netip.Prefix{}
	}
	if a.used[caller] >= a.most {
		return a.began + 60 - now
	}
	a.used[caller]++
	return 0
}
