package eth

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"photon/adapters/evm"
	"photon/contracts"
)

// answers is an endpoint that says what a row wants.
func answers(base, tip string, tipErr error) evm.Ask {
	return func(_ context.Context, method string, _ ...any) (json.RawMessage, error) {
		if method == "eth_maxPriorityFeePerGas" {
			return json.RawMessage(tip), tipErr
		}
		block := fmt.Sprintf(`{"number":"0x1","timestamp":"0x1","hash":"0x%064x","parentHash":"0x%064x"`, 1, 2)
		if base != "" {
			block += `,"baseFeePerGas":` + base
		}
		return json.RawMessage(block + `}`), nil
	}
}

// Each row is one change to a good answer: a base fee of 10 gwei, a tip of 2.
func TestPrice(t *testing.T) {
	down := fmt.Errorf("%w: all of them", evm.ErrDown)
	refused := fmt.Errorf("%w: no such method", evm.ErrRefused)
	for _, row := range []struct {
		name, base, tip string
		tipErr          error
		cap, wantTip    int64 // wei; 0 is refused
		want            error
	}{
		{"good", `"0x2540be400"`, `"0x77359400"`, nil, 22e9, 2e9, nil},
		{"no base fee in it", `"0x0"`, `"0x77359400"`, nil, 2e9, 2e9, nil},
		{"no base fee", ``, `"0x77359400"`, nil, 0, 0, ErrFee},
		{"highest base fee", `"0x48c27395000"`, `"0x77359400"`, nil, 10_002e9, 2e9, nil},
		{"one wei above", `"0x48c27395001"`, `"0x77359400"`, nil, 0, 0, ErrFee},
		{"no tip", `"0x2540be400"`, `"0x0"`, nil, 20_010_000_000, 10_000_000, nil},
		{"absurd tip", `"0x2540be400"`, `"0xffffffffffffffffff"`, nil, 220e9, 200e9, nil},
		{"tip unknown to the node", `"0x2540be400"`, ``, refused, 20_010_000_000, 10_000_000, nil},
		{"tip of text", `"0x2540be400"`, `"some"`, nil, 0, 0, evm.ErrAnswer},
		{"down", `"0x2540be400"`, ``, down, 0, 0, evm.ErrDown},
	} {
		p, err := Price(context.Background(), answers(row.base, row.tip, row.tipErr))
		if !errors.Is(err, row.want) || (row.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
			continue
		}
		if err == nil && (p.Cap.Cmp(big.NewInt(row.cap)) != 0 || p.Tip.Cmp(big.NewInt(row.wantTip)) != 0) {
			t.Errorf("%s: cap %s, tip %s", row.name, p.Cap, p.Tip)
		}
	}
}

func key(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestNew(t *testing.T) {
	if _, err := New(evm.Config{}); !errors.Is(err, evm.ErrConfig) {
		t.Errorf("empty config: %v", err)
	}
	c, err := New(evm.Config{ChainID: 1, Endpoints: []string{"http://127.0.0.1:1/key"}, Key: key(t), Chain: contracts.SMT})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Depth() != 12 {
		t.Errorf("depth %d", c.Depth())
	}
	if _, _, err := c.Balance(context.Background(), contracts.Native(contracts.SMT)); !errors.Is(err, evm.ErrLeg) {
		t.Errorf("balance of another chain: %v", err)
	}
}
