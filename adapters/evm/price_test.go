package evm

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"pgregory.net/rapid"

	"photon/contracts"
	"photon/swap/trade"
)

func priceAt(most, tip int64) Price {
	if tip < 0 {
		return Price{Cap: big.NewInt(most)}
	}
	return Price{big.NewInt(most), big.NewInt(tip)}
}

func TestEighths(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, row := range []struct {
		left int64
		want int64
	}{{7201, 8}, {7200, 10}, {3601, 10}, {3600, 12}, {1201, 12}, {1200, 16}, {301, 16}, {300, 24}, {1, 24}, {0, 32}, {-5, 32}} {
		if got := eighths(uint64(now.Unix()+row.left), now); got != row.want {
			t.Errorf("%d s left: %d, want %d", row.left, got, row.want)
		}
	}
	if eighths(0, now) != 8 {
		t.Error("no deadline is in a hurry")
	}
}

// A fee never offers more than what is at stake, unless the usual price does.
func TestUnder(t *testing.T) {
	for _, row := range []struct {
		name             string
		offer            Price
		stake, gas       uint64
		floor            Price
		wantCap, wantTip int64
	}{
		{"enough at stake", priceAt(30, 3), 3000, 100, priceAt(10, 1), 30, 3},
		{"one wei less", priceAt(30, 3), 2999, 100, priceAt(10, 1), 29, 3},
		{"tip above the cap", priceAt(30, 30), 2000, 100, priceAt(10, 1), 20, 20},
		{"less than the usual price", priceAt(30, 3), 500, 100, priceAt(10, 1), 10, 3},
		{"legacy", priceAt(30, -1), 2000, 100, priceAt(10, -1), 20, -1},
	} {
		p := row.offer.under(contracts.Units(row.stake), row.gas, row.floor)
		if p.Cap.Int64() != row.wantCap || (p.Tip == nil) != (row.wantTip < 0) || (p.Tip != nil && p.Tip.Int64() != row.wantTip) {
			t.Errorf("%s: %v/%v, want %d/%d", row.name, p.Cap, p.Tip, row.wantCap, row.wantTip)
		}
	}
}

// Whatever is held and given back: no two hold one nonce, none is below the
// chain's count, and the lowest free one is taken.
func TestLane(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := lane{held: map[uint64]*slot{}}
		count := rapid.Uint64Range(0, 5).Draw(rt, "count")
		var live []signed
		for i := range rapid.IntRange(1, 30).Draw(rt, "steps") {
			if len(live) > 0 && rapid.Bool().Draw(rt, "release") {
				n := rapid.IntRange(0, len(live)-1).Draw(rt, "which")
				l.release(live[n])
				live = append(live[:n], live[n+1:]...)
				continue
			}
			onTop := rapid.Bool().Draw(rt, "top")
			nonce := l.free(count, onTop)
			for _, s := range live {
				if s.tx.Nonce() == nonce {
					rt.Fatalf("nonce %d given out twice", nonce)
				}
				if onTop && s.tx.Nonce() > nonce {
					rt.Fatalf("nonce %d is below %d", nonce, s.tx.Nonce())
				}
			}
			if nonce < count || (!onTop && nonce > count+uint64(len(live))) {
				rt.Fatalf("nonce %d with %d held from %d", nonce, len(live), count)
			}
			tx := types.NewTx(&types.LegacyTx{Nonce: nonce, GasPrice: big.NewInt(int64(i)), Gas: 1, Value: big.NewInt(1)})
			s := signed{Tx: trade.Tx{TxID: contracts.Hash(tx.Hash())}, tx: tx}
			l.hold(s)
			l.hold(s) // twice is once
			live = append(live, s)
		}
		if got := len(l.waiting(0)); got != len(live) {
			rt.Fatalf("%d wait, want %d", got, len(live))
		}
	})
}
