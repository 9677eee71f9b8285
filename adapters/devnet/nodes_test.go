package devnet

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"
	ltcparams "github.com/ltcsuite/ltcd/chaincfg"
	"github.com/ltcsuite/ltcd/ltcutil"

	"photon/contracts"
)

// needLitecoind skips a test where Litecoin Core is not installed.
func needLitecoind(t *testing.T) {
	if _, err := exec.LookPath("litecoind"); err != nil {
		t.Skip("litecoind is not installed (apt-get install litecoind): its tests did not run")
	}
}

// btcAddress is one on btcd's simnet that nobody has used.
func btcAddress(t *testing.T) string {
	a, err := address.NewAddressWitnessPubKeyHash(make([]byte, 20), &chaincfg.SimNetParams)
	must(t, err)
	return a.EncodeAddress()
}

// ltcAddress is one on ltcd's simnet that nobody has used.
func ltcAddress(t *testing.T) string {
	a, err := ltcutil.NewAddressWitnessPubKeyHash(make([]byte, 20), &ltcparams.SimNetParams)
	must(t, err)
	return a.EncodeAddress()
}

// An info is what a UTXO node says of its chain; btcd and Litecoin Core spell the
// soft forks differently.
type info struct {
	MedianTime int64
	Btcd       map[string]struct{ Status string } `json:"bip9_softforks"`
	Core       map[string]struct{ Active bool }   `json:"softforks"`
}

func (v view) info(t *testing.T) (i info) {
	must(t, v.endpoint().call(t.Context(), &i, "getblockchaininfo"))
	return i
}

func (v view) hasForks(t *testing.T) {
	forks, i := []string{"csv", "segwit", "taproot"}, v.info(t)
	if v.c == contracts.LTC && v.LTC.Core {
		forks = append(forks, "bip65", "mweb")
	}
	for _, f := range forks {
		if i.Btcd[f].Status != "active" && !i.Core[f].Active {
			t.Errorf("%s is not active: %+v", f, i)
		}
	}
}

// A transaction before its time is refused by the mempool too, to the second.
func (v view) holdsLocked(t *testing.T) {
	at := time.Now().Add(10 * time.Minute)
	raw := v.locked(t, uint32(at.Unix()))
	send := func() error { return v.endpoint().call(t.Context(), nil, "sendrawtransaction", raw) }
	for name, to := range map[string]time.Time{"now": time.Now(), "a second early": at.Add(-time.Second)} {
		must(t, v.SetTime(t.Context(), v.c, to))
		if err := send(); !errors.Is(err, ErrRPC) || !strings.Contains(err.Error(), "final") {
			t.Fatalf("%s: %v, want that it is not final", name, err)
		}
	}
	must(t, v.SetTime(t.Context(), v.c, at))
	must(t, send())
}

// locked signs a payment that is not final before unix second at.
func (v view) locked(t *testing.T, at uint32) (raw string) {
	if s, ok := v.nodes[v.c].node.(*simnet); ok {
		tx := wire.NewMsgTx(2)
		tx.LockTime = at
		tx.AddTxOut(wire.NewTxOut(1e8, s.script))
		spent, _, _, err := s.choose(tx, v.at(t))
		must(t, err)
		tx.TxIn[0].Sequence = wire.MaxTxInSequenceNum - 1
		must(t, s.sign(tx, spent))
		var b bytes.Buffer
		must(t, tx.Serialize(&b))
		s.coins = s.coins[1:] // that one is spent now
		return hex.EncodeToString(b.Bytes())
	}
	var funded, signed struct{ Hex string }
	must(t, v.endpoint().call(t.Context(), &raw, "createrawtransaction", []any{}, map[string]any{v.address(t): 1}, at))
	must(t, v.endpoint().call(t.Context(), &funded, "fundrawtransaction", raw))
	must(t, v.endpoint().call(t.Context(), &signed, "signrawtransactionwithwallet", funded.Hex))
	return signed.Hex
}
