package ledger

import (
	"encoding/binary"

	"photon/contracts"
	"photon/node/channel"
)

// What a store must know of a ledger, and what is read of one that is stored.

// PaymentID makes an id for a direct payment of millis, a Unix time in milliseconds,
// and noise that is never the same. Ids that begin with the time lie side by side in
// an index, where each of random ones costs a page.
func PaymentID(millis uint64, noise [24]byte) (id contracts.Hash) {
	binary.BigEndian.PutUint64(id[:8], millis)
	copy(id[8:], noise[:])
	return id
}

// Flown reports whether p went out in an update, whose fate is p's: it is not
// written again when the update stands.
func (p Payment) Flown() bool { return p.Ours && p.Nonce > 0 && p.Status != Failed }

// In is the status of p when its channel is in epoch and, of our updates there, that
// with the nonce stands is the last that holds. What went out in an epoch that is
// over holds: no withdrawal is made over an update that is on its way.
func (p Payment) In(epoch, stands uint64) Status {
	switch {
	case !p.Flown():
		return p.Status
	case p.Epoch != epoch || p.Nonce <= stands:
		return Done
	default:
		return Pending
	}
}

// AtRest reports whether nothing more will happen to t.
func (t Transfer) AtRest() bool { return t.Status != Pending }

// AtRest reports whether nothing more is decided about d, nor still to be paid.
func (d Demand) AtRest() bool { return d.Status != Asked && d.Status != Held && len(d.Links) == 0 }

// Before is the version of a channel that must be stored for c to be a change of it;
// where From does not say, it is the one before its own.
func (c Change) Before(v channel.Channel) uint64 {
	if n, is := c.From[v.Key]; is {
		return n
	}
	return v.Version - 1
}

// A Filter chooses a page of payments, transfers or demands, newest first.
type Filter struct {
	After  int64           // what the page before said comes next; 0 is the beginning
	Limit  int             // most on the page, from 1 to MaxPage; 0 is MaxPage
	Asset  contracts.Asset // of payments and demands; zero is every
	Status string          // a Status, of demands a DemandStatus; empty is every
	Ours   *bool           // of payments: only ours, or only theirs; nil is both
}

// MaxPage is how much a page may hold.
const MaxPage = 1000
