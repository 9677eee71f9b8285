//go:build unix

package store

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

// used is the time that this process has had a processor for.
func used(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What a node under load stores about 100 times a second: 100 direct payments and
// two channels, durable.
func BenchmarkSaveLedger(b *testing.B) {
	for _, before := range []uint64{0, 1_000_000} {
		for _, ids := range []string{"random", "ordered"} {
			for dialect, url := range map[string]func(testing.TB) string{"sqlite": file, "postgres": database} {
				b.Run(fmt.Sprintf("%s/after %d/%s ids", dialect, before, ids), func(b *testing.B) {
					s := open(b, url(b))
					channels := []channel.Channel{busy(1, 0), busy(2, 2)}
					must(b, s.SaveLedger(b.Context(), ledger.Change{Channels: channels}))
					n := uint64(0)
					change := func(payments uint64) (c ledger.Change) {
						for i := range channels {
							channels[i].Version++
							channels[i].Us.Proof.Nonce++
						}
						for range payments {
							n++
							p := direct(n, channels[n%2], channels[n%2].Us.Proof.Nonce+1)
							if ids == "ordered" {
								p.ID = ledger.PaymentID(n/10, [24]byte(p.ID[:])) // 10,000 a second
							}
							c.Payments = append(c.Payments, p)
						}
						c.Channels = channels
						return c
					}
					for n < before {
						must(b, s.SaveLedger(b.Context(), change(20_000)))
					}
					saves, start, spent := 0, time.Now(), used(b)
					for b.Loop() {
						must(b, s.SaveLedger(b.Context(), change(100)))
						saves++
					}
					b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(saves)/100, "ns/payment")
					b.ReportMetric(float64(saves)/time.Since(start).Seconds(), "saves/s")
					b.ReportMetric(float64((used(b)-spent).Nanoseconds())/float64(saves)/100, "cpu-ns/payment")
				})
			}
		}
	}
}

// A node with 10,000 channels must be ready in under 10 s.
func BenchmarkLoadLedger(b *testing.B) {
	for dialect, url := range map[string]func(testing.TB) string{"sqlite": file, "postgres": database} {
		b.Run(dialect+"/10000 channels", func(b *testing.B) {
			s := open(b, url(b))
			var c ledger.Change
			for n := range uint64(10_000) {
				c.Channels = append(c.Channels, busy(n, 4))
				c.Payments = append(c.Payments, direct(n, c.Channels[n], 1+n%2)) // each second one is on its way
			}
			must(b, s.SaveLedger(b.Context(), c))
			for b.Loop() {
				l, err := s.LoadLedger(b.Context())
				must(b, err)
				if len(l.Channels) != 10_000 || len(l.Payments) != 5_000 {
					b.Fatalf("%d channels, %d payments", len(l.Channels), len(l.Payments))
				}
			}
		})
	}
}

// What it costs to write a channel's state once more.
func BenchmarkEncodeChannel(b *testing.B) {
	for _, locks := range []int{0, 10, 160} {
		b.Run(fmt.Sprintf("%d locks", locks), func(b *testing.B) {
			c := busy(1, locks)
			for b.Loop() {
				state, err := json.Marshal(c)
				must(b, err)
				b.ReportMetric(float64(len(state)), "bytes")
			}
		})
	}
	b.Run("800 payments on their way", func(b *testing.B) {
		c := busy(1, 0)
		for n := range uint64(8) {
			f := channel.Flown{After: n + 1, Proof: contracts.BalanceProof{Nonce: n + 2}}
			for i := range uint64(100) {
				f.Changes = append(f.Changes, message.Change{Pay: &message.Pay{ID: hash(i), Amount: contracts.Units(1 << 40)}})
			}
			c.Us.Flight = append(c.Us.Flight, f)
		}
		for b.Loop() {
			state, err := json.Marshal(c)
			must(b, err)
			b.ReportMetric(float64(len(state)), "bytes")
		}
	})
	b.Run("payment", func(b *testing.B) {
		p := direct(1, busy(1, 0), 1)
		for b.Loop() {
			state, err := json.Marshal(p)
			must(b, err)
			b.ReportMetric(float64(len(state)), "bytes")
		}
	})
}
