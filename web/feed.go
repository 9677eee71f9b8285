package web

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"photon/node/ledger"
	"photon/swap/trade"
)

// A Feed is what happened lately, for whoever reads /v1/events. It keeps the
// newest notices in a ring. Readers take from the ring at their own pace; one
// that falls behind its end is lost. So Publish waits for nobody, and the memory
// it takes does not grow with readers.
type Feed struct {
	run string // names this run: places of another mean nothing here

	mu     sync.Mutex
	ring   []notice
	next   uint64        // number of the next notice; the first is 0
	more   chan struct{} // closed when there is more
	closed bool
}

// NewFeed returns a feed that keeps size notices, at least one.
func NewFeed(size int) *Feed {
	return &Feed{
		run:  strconv.FormatInt(time.Now().UnixNano(), 36),
		ring: make([]notice, max(size, 1)), more: make(chan struct{}),
	}
}

// A notice is of the desk, or of the payment node.
type notice struct {
	trade   trade.Notice
	payment *ledger.Notice
}

// Publish tells every reader. The notice is copied; what its trade and head point
// to is copied one level deep, so that the caller may go on with his own.
func (f *Feed) Publish(n trade.Notice) {
	if n.Trade != nil {
		t := *n.Trade
		n.Trade = &t
	}
	if n.Head != nil {
		h := *n.Head
		n.Head = &h
	}
	f.put(notice{trade: n})
}

// PublishPayment tells every reader what the payment node tells.
func (f *Feed) PublishPayment(n ledger.Notice) { f.put(notice{payment: &n}) }

func (f *Feed) put(n notice) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.ring[f.next%uint64(len(f.ring))] = n
	f.next++
	close(f.more)
	f.more = make(chan struct{})
}

// Close ends every stream. What is published later is dropped.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		close(f.more)
	}
}

// A batch is what a reader finds at its place.
type batch struct {
	first   uint64 // number of notices[0]
	notices []notice
	more    <-chan struct{} // closed when there is more
	lost    bool            // notices from the place on have left the ring
	closed  bool
}

// at returns what there is from the notice numbered place on.
func (f *Feed) at(place uint64) batch {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := batch{first: place, more: f.more, closed: f.closed}
	if place > f.next || f.next-place > uint64(len(f.ring)) {
		b.lost = true
		return b
	}
	for i := place; i < f.next; i++ {
		b.notices = append(b.notices, f.ring[i%uint64(len(f.ring))])
	}
	return b
}

// end is the number of the next notice.
func (f *Feed) end() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next
}

// start is the place from which a reader goes on who last saw the event with
// the id after, and whether that worked. Without an id it is the end; with one
// that is too old, of another run or no id at all, it is the end too, and the
// reader must ask for everything anew.
func (f *Feed) start(after string) (place uint64, resumed bool) {
	if after == "" {
		return f.end(), true
	}
	run, place, err := parseEventID(after)
	if err == nil && run == f.run && !f.at(place).lost {
		return place, true
	}
	return f.end(), false
}

// eventID names the place behind a notice: the run, and the number of the next.
func (f *Feed) eventID(next uint64) string { return f.run + "-" + strconv.FormatUint(next, 10) }

// parseEventID reads an eventID. Errors: errInvalid.
func parseEventID(id string) (run string, next uint64, err error) {
	run, number, ok := strings.Cut(id, "-")
	next, err = strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || run == "" || strconv.FormatUint(next, 10) != number {
		return "", 0, fmt.Errorf("%w: not an event of ours", errInvalid)
	}
	return run, next, nil
}
