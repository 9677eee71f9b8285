package trade

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"photon/contracts"
)

// A world is two parties and the two chains between them, a minute at a time. One
// party may be hostile: then it does whatever its keys allow.
type world struct {
	*rapid.T
	offer  Offer
	minute int
	calm   bool      // faults have stopped
	luck   uint64    // of this minute; 0: nothing special happens
	legs   [2]*chain // that First locks, that Second locks
	people [2]*person
	reveal bool // the secret is known to others than First
	log    []string
}

// The world's measures, in minutes: an honest transaction is mined at most
// patience after it was sent, blocks are at most two apart, and reorganisations
// take back at most two.
const (
	patience = 5
	policy   = 3 // confirmations
	longest  = 20
)

var modelProfile = Profile{
	"model", 165 * 60, 100 * 60, longest * 60,
	map[contracts.Chain]uint64{contracts.BTC: 300, contracts.LTC: 300},
	map[contracts.Chain]uint64{contracts.BTC: 1200, contracts.LTC: 1200}, 600,
}

// A chain holds the one leg that matters.
type chain struct {
	height   uint64
	lag      uint64 // seconds that its time is behind
	expiry   uint64
	last     int // minute of the last block
	reorg    int // minute of the last reorganisation
	lock     *deed
	ends     []*deed
	lockings int // how often the lock was made
}

// A deed is a transaction that waits or is mined.
type deed struct {
	by     Role
	kind   Kind   // "" of a lock
	height uint64 // 0: waits
	sent   int
	secret bool // hidden from other nodes until it is mined
}

// A person runs a trade as the shell does: at is what is stored.
type person struct {
	role    Role
	honest  bool
	at      Trade
	journal Trade
	back    int // minute at which he is back
	wasAway bool
	stored  map[Purpose]bool // transactions made
	inbox   []Event
}

func (w *world) chance(n uint64) bool {
	if w.luck == 0 || w.calm {
		return false
	}
	w.luck = w.luck*6364136223846793005 + 1442695040888963407
	return (w.luck>>33)%n == 0
}

func (w *world) now() uint64 { return start + uint64(w.minute)*60 }

func (w *world) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%3d  ", w.minute)+fmt.Sprintf(format, args...))
}

func (w *world) fail(format string, args ...any) {
	for _, l := range w.log {
		w.Log(l)
	}
	w.Fatalf(format, args...)
}

func (c *chain) time(now uint64) uint64 { return now - c.lag }

// end is the mined spend of the lock, or nil.
func (c *chain) end() *deed {
	for _, e := range c.ends {
		if e.height > 0 {
			return e
		}
	}
	return nil
}

// of is a leg by the one who locks it.
func (w *world) of(locker Role) *chain {
	if locker == First {
		return w.legs[0]
	}
	return w.legs[1]
}

func other(r Role) Role {
	if r == First {
		return Second
	}
	return First
}

// fate is what the node of one of the two says of a leg.
func (w *world) fate(c *chain, to Role) *Fate {
	var f Fate
	if c.lock == nil || (c.lock.height == 0 && c.lock.secret && c.lock.by != to) {
		return &f
	}
	f.Lock = &Spot{TxID: contracts.Hash{1, byte(c.lockings)}, Amount: contracts.Units(1), Height: c.lock.height}
	shown := c.end()
	for i := 0; shown == nil && i < len(c.ends); i++ {
		if e := c.ends[i]; !e.secret || e.by == to {
			shown = e
		}
	}
	if shown != nil {
		f.End = &End{Kind: shown.kind, TxID: contracts.Hash{2, byte(len(shown.by)), shown.kind[0]}, Height: shown.height}
		if shown.kind == BySecret {
			secret := goodSecret
			f.End.Secret = &secret
		}
	}
	return &f
}

// grow mines a block. What hostile hands sent is mined when that is worst.
func (w *world) grow(c *chain) {
	c.height++
	c.last = w.minute
	due := func(d *deed) bool {
		return d.height == 0 && ((w.people[index(d.by)].honest && w.minute >= d.sent+patience) || w.chance(3))
	}
	if c.lock == nil {
		return
	}
	if c.lock.height == 0 {
		if due(c.lock) {
			c.lock.height = c.height
		}
		return
	}
	for _, hostile := range []bool{true, false} {
		for _, e := range c.ends {
			valid := e.kind != ByTime || c.time(w.now()) > c.expiry
			if c.end() == nil && valid && w.people[index(e.by)].honest != hostile && due(e) {
				e.height = c.height
				w.note("%s ends %s's lock by %s in block %d", e.by, c.lock.by, e.kind, c.height)
			}
		}
	}
}

func index(r Role) int {
	if r == First {
		return 0
	}
	return 1
}

// fork takes blocks back. A hostile locker may use that to take his lock away.
func (w *world) fork(c *chain) {
	depth := uint64(1)
	if w.chance(2) {
		depth = policy - 1
	}
	c.reorg = w.minute
	from := c.height - depth
	for _, e := range c.ends {
		if e.height > from {
			e.height = 0
		}
	}
	if l := c.lock; l != nil && l.height > from {
		l.height = 0
		if !w.people[index(l.by)].honest && w.chance(2) {
			c.lock, c.ends = nil, nil
		}
	}
	w.note("reorganisation to %d", from)
	for c.height = from; c.height < from+depth+1; {
		w.grow(c)
	}
}

func (w *world) chains() {
	for _, c := range w.legs {
		if w.chance(12) && w.minute > c.reorg+15 {
			w.fork(c)
		} else if w.minute >= c.last+2 || w.chance(2) {
			w.grow(c)
		}
		if l := c.lock; l != nil && l.height == 0 && !w.people[index(l.by)].honest && w.chance(10) {
			c.lock, c.ends = nil, nil // double spent before it was mined
		}
	}
}

// newWorld begins a trade between two, of whom one may be hostile.
func newWorld(r *rapid.T, hostile Role) *world {
	o := goodOffer()
	o.FirstTime, o.SecondTime = 80*60+modelProfile.Need(contracts.BTC, contracts.LTC), 80*60
	o.WantConfirmations, o.GiveConfirmations = policy, policy
	if err := modelProfile.Check(o); err != nil {
		r.Fatal(err)
	}
	a, effects, err := Propose(o, contracts.Units(5_000_000), 7, goodSecret.Hash(), alice, start, modelProfile)
	if err != nil {
		r.Fatal(err)
	}
	b, _, err := Consider(o, effects[0].(Tell).Message.(Take), "alice", 8, bob, start, modelProfile)
	if err != nil {
		r.Fatal(err)
	}
	w := &world{T: r, offer: o}
	for i, t := range []Trade{a, b} {
		w.people[i] = &person{role: t.Role, honest: t.Role != hostile, at: t, stored: map[Purpose]bool{}}
		w.legs[i] = &chain{height: 100, lag: rapid.Uint64Range(0, 300).Draw(r, "lag"), expiry: t.Ours.Terms.Expiry}
	}
	w.people[1].journal = b
	return w
}

// play lets time pass, with faults and then without.
func (w *world) play() {
	accept := rapid.IntRange(0, 30).Draw(w.T, "minute of the answer")
	luck := rapid.SliceOfN(rapid.Uint64(), 400, 400).Draw(w.T, "luck")
	for w.minute = 1; w.minute < 600; w.minute++ {
		if w.calm = w.minute >= len(luck); !w.calm {
			w.luck = luck[w.minute]
		}
		if w.minute == accept {
			w.people[0].inbox = append(w.people[0].inbox, Accepted{bob.Theirs, bob.Ours})
		}
		w.chains()
		for _, p := range w.people {
			if p.honest {
				w.live(p)
			} else {
				w.harm(p)
			}
		}
	}
}

// judge looks at what an honest person ends with.
func (w *world) judge(p *person) {
	mine, theirs := w.of(p.role).end(), w.of(other(p.role)).end()
	paid := mine != nil && mine.by != p.role
	got := theirs != nil && theirs.by == p.role
	back := mine != nil && mine.by == p.role
	if !p.at.Status.AtRest() {
		w.fail("%s never comes to rest: %s, wants %v, %s", p.role, p.at.Status, p.at.Wants(), p.at.Reason)
	}
	if paid && !got {
		w.fail("%s paid and got nothing", p.role)
	}
	partner := w.people[index(other(p.role))]
	if back && got && (p.role == First || partner.honest) {
		w.fail("%s has both", p.role)
	}
	locked := w.of(p.role).lock != nil
	switch s := p.at.Status; {
	case s == Completed && !got, s == Refunded && locked && !back, s == Cancelled && (got || locked):
		w.fail("%s is %s: got %v, took back %v, locked %v", p.role, s, got, back, locked)
	}
}

func TestNobodyHonestLoses(t *testing.T) {
	for _, hostile := range []Role{"", First, Second} {
		t.Run("hostile:"+string(hostile), func(t *testing.T) {
			ends := map[Status]int{}
			rapid.Check(t, func(r *rapid.T) {
				w := newWorld(r, hostile)
				w.play()
				for _, p := range w.people {
					if p.honest {
						w.judge(p)
						ends[p.at.Status]++
					}
				}
			})
			for _, s := range []Status{Completed, Refunded} {
				if ends[s] == 0 {
					t.Errorf("no trade was ever %s: %v", s, ends)
				}
			}
			t.Log(ends)
		})
	}
}
