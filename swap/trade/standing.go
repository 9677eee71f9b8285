package trade

import (
	"cmp"
	"slices"

	"photon/contracts"
)

// Memory is for how many seconds a fault counts, from the start of its trade.
const Memory = 30 * 24 * 3600

// Tolerance is how much weight of faults is borne with: three coins bound until
// their time. Each trade completed within Memory makes up for one more.
const Tolerance = 9

// A Standing is how a partner stands with us: what he did in trades with us, as
// only we know it. He can shed it with a new identity; a stranger is therefore
// let bind little.
type Standing struct {
	Partner   string  `json:"partner"`
	Open      uint64  `json:"open"`      // trades under way that he began on our offers
	Completed uint64  `json:"completed"` // trades, ever
	Lately    uint64  `json:"lately"`    // trades that came to rest, of those begun within Memory
	Faults    []Count `json:"faults"`    // in these, worst first
	Until     uint64  `json:"refused_until,omitempty"`
}

// A Count is how often a fault was.
type Count struct {
	Fault Fault  `json:"fault"`
	Times uint64 `json:"times"`
}

// A Record is what we remember of one partner. It is all in his trades: whoever
// notes the same ones, in any order, has the same record.
type Record struct {
	open      map[contracts.Hash]bool
	completed uint64
	days      map[uint64]day // by the day of a trade's start
	faults    map[contracts.Hash]blame
}

// A day counts trades that began on it and are at rest.
type day struct{ swaps, completed uint64 }

const dayLong = 24 * 3600

// A blame is a fault in a trade that began at start.
type blame struct {
	fault Fault
	start uint64
}

// NewRecord is of somebody whom we do not know.
func NewRecord() *Record {
	return &Record{open: map[contracts.Hash]bool{}, days: map[uint64]day{}, faults: map[contracts.Hash]blame{}}
}

// Note takes in a trade as it is from now on; old is as it was noted before, or
// zero. What a trade at rest is blamed for may change: a chain may show more.
func (r *Record) Note(old, t Trade) {
	delete(r.open, t.ID)
	if t.Role == Second && !t.Status.AtRest() && t.Status != Stranded {
		r.open[t.ID] = true
	}
	if t.Status.AtRest() && !old.Status.AtRest() {
		d := r.days[t.Start/dayLong]
		d.swaps++
		if t.Status == Completed {
			d.completed++
			r.completed++
		}
		r.days[t.Start/dayLong] = d
	}
	delete(r.faults, t.ID)
	if f := t.Fault(); f != "" {
		r.faults[t.ID] = blame{f, t.Start}
	}
}

// Standing is how he stands at now, in Unix seconds. What counts no more is
// forgotten.
func (r *Record) Standing(now uint64) Standing {
	for id, b := range r.faults {
		if now >= b.start+Memory {
			delete(r.faults, id)
		}
	}
	s := Standing{Open: uint64(len(r.open)), Completed: r.completed, Faults: []Count{}}
	for at, d := range r.days {
		if now >= dayOver(at) {
			delete(r.days, at)
			continue
		}
		s.Lately += d.swaps
	}
	for _, f := range Faults {
		times := uint64(0)
		for _, b := range r.faults {
			if b.fault == f {
				times++
			}
		}
		if times > 0 {
			s.Faults = append(s.Faults, Count{f, times})
		}
	}
	s.Until = r.until(now)
	return s
}

// until is the Unix second from which he is borne with again; 0 when he is now.
// Faults are forgotten one by one, and so are trades that made up for them.
func (r *Record) until(now uint64) uint64 {
	blames, weight := make([]blame, 0, len(r.faults)), uint64(0)
	for _, b := range r.faults {
		blames, weight = append(blames, b), weight+b.fault.Weight()
	}
	if weight < r.borne(now) {
		return 0
	}
	slices.SortFunc(blames, func(a, b blame) int { return cmp.Compare(a.start, b.start) })
	for _, b := range blames {
		weight -= b.fault.Weight()
		if over := b.start + Memory; weight < r.borne(over) {
			return over
		}
	}
	return 0 // not reached: without faults everybody is borne with
}

// borne is the weight of faults at which a partner is refused.
func (r *Record) borne(now uint64) uint64 {
	most := uint64(Tolerance)
	for at, d := range r.days {
		if now < dayOver(at) {
			most += d.completed
		}
	}
	return most
}

// dayOver is the Unix second from which no trade of a day counts.
func dayOver(at uint64) uint64 { return (at+1)*dayLong + Memory }
