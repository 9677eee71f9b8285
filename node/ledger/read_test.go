package ledger

import (
	"bytes"
	"testing"

	"photon/contracts"
)

// Each row is one change to a direct payment of ours that went out in update 5 of
// epoch 2, where update 5 stands.
func TestStatusOfAPayment(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(p *Payment, epoch, stands *uint64)
		want   Status
	}{
		{"good", func(p *Payment, epoch, stands *uint64) {}, Done},
		{"one after it stands", func(p *Payment, epoch, stands *uint64) { *stands = 6 }, Done},
		{"the one before stands", func(p *Payment, epoch, stands *uint64) { *stands = 4 }, Pending},
		{"of the epoch before", func(p *Payment, epoch, stands *uint64) { *epoch, *stands = 3, 0 }, Done},
		{"still called pending", func(p *Payment, epoch, stands *uint64) { p.Status = Pending }, Done},
		{"still called pending, on its way", func(p *Payment, epoch, stands *uint64) { p.Status, *stands = Pending, 4 }, Pending},
		{"queued", func(p *Payment, epoch, stands *uint64) { p.Status, p.Nonce = Pending, 0 }, Pending},
		{"refused", func(p *Payment, epoch, stands *uint64) { p.Status = Failed }, Failed},
		{"refused, and of an older epoch", func(p *Payment, epoch, stands *uint64) { p.Status, *epoch = Failed, 3 }, Failed},
		{"theirs", func(p *Payment, epoch, stands *uint64) { p.Ours, *stands = false, 4 }, Done},
		{"mediated", func(p *Payment, epoch, stands *uint64) { *p = Payment{Ours: true, Status: Pending} }, Pending},
		{"mediated and done", func(p *Payment, epoch, stands *uint64) { *p = Payment{Ours: true, Status: Done} }, Done},
	} {
		p, epoch, stands := Payment{Ours: true, Channel: contracts.Hash{1}, Epoch: 2, Nonce: 5, Status: Done}, uint64(2), uint64(5)
		row.change(&p, &epoch, &stands)
		if got := p.In(epoch, stands); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

// Ids are in the order of time, whatever the noise, and all of the noise is in them.
func TestPaymentIDsAreInOrder(t *testing.T) {
	low, high := [24]byte{}, [24]byte{0: 0xff, 23: 0xff}
	var last contracts.Hash
	for _, millis := range []uint64{0, 1, 255, 256, 1_800_000_000_000, 1<<64 - 1} {
		a, b := PaymentID(millis, low), PaymentID(millis, high)
		if bytes.Compare(a[:], b[:]) >= 0 || (millis > 0 && bytes.Compare(last[:], a[:]) >= 0) || b[31] != 0xff {
			t.Errorf("%s, then %s and %s", last, a, b)
		}
		last = b
	}
}

// What is at rest is not loaded again.
func TestRest(t *testing.T) {
	for status, want := range map[Status]bool{Pending: false, Done: true, Failed: true} {
		if got := (Transfer{Status: status}).AtRest(); got != want {
			t.Errorf("transfer %s: %t", status, got)
		}
	}
	for status, want := range map[DemandStatus]bool{Asked: false, Held: false, Settling: true, Withdrawn: true, Lapsed: true} {
		if got := (Demand{Status: status}).AtRest(); got != want {
			t.Errorf("invoice %s: %t", status, got)
		}
		if (Demand{Status: status, Links: make([]Link, 1)}).AtRest() {
			t.Errorf("invoice %s, with a lock that is not paid: at rest", status)
		}
	}
}
