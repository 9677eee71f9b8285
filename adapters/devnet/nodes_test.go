package devnet

import (
	"os/exec"
	"testing"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/chaincfg/v2"
	ltcparams "github.com/ltcsuite/ltcd/chaincfg"
	"github.com/ltcsuite/ltcd/ltcutil"
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
