package smt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"photon/adapters/evm"
)

// Each row is one price that an endpoint names; both sides of both bounds.
func TestPrice(t *testing.T) {
	down := fmt.Errorf("%w: all of them", evm.ErrDown)
	for _, row := range []struct {
		name, said string
		err        error
		price      int64 // wei; 0 is refused
		want       error
	}{
		{"good", `"0x4a817c800"`, nil, 20e9, nil},
		{"nothing", `"0x0"`, nil, 18e9, nil},
		{"one wei below the floor", `"0x430e233ff"`, nil, 18e9, nil},
		{"one wei above it", `"0x430e23401"`, nil, 18_000_000_001, nil},
		{"the ceiling", `"0x9184e72a000"`, nil, 10_000e9, nil},
		{"above it", `"0x9184e72a001"`, nil, 10_000e9, nil},
		{"text", `"cheap"`, nil, 0, evm.ErrAnswer},
		{"null", `null`, nil, 0, evm.ErrAnswer},
		{"down", ``, down, 0, evm.ErrDown},
	} {
		p, err := Price(context.Background(), func(context.Context, string, ...any) (json.RawMessage, error) {
			return json.RawMessage(row.said), row.err
		})
		if !errors.Is(err, row.want) || (row.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
			continue
		}
		if err == nil && (p.Tip != nil || p.Cap.Cmp(big.NewInt(row.price)) != 0) {
			t.Errorf("%s: cap %s, tip %v", row.name, p.Cap, p.Tip)
		}
	}
}

func TestNew(t *testing.T) {
	if _, err := New(evm.Config{}); !errors.Is(err, evm.ErrConfig) {
		t.Errorf("empty config: %v", err)
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(evm.Config{ChainID: 20180430, Endpoints: []string{"ws://127.0.0.1:1"}, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Depth() != 17 {
		t.Errorf("depth %d", c.Depth())
	}
}
