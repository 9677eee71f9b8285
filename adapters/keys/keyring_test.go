package keys

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/btcutil/v2/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/ethereum/go-ethereum/crypto"
	libp2p "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/tyler-smith/go-bip39"
	"pgregory.net/rapid"

	"photon/contracts"
)

// about is the mnemonic of the published vectors of BIP-84.
const about = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"

func ring(t testing.TB, mnemonic string) *Keyring {
	t.Helper()
	k, err := Restore(mnemonic)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// child walks a path of public steps and returns the compressed public key.
func child(t *testing.T, k *hdkeychain.ExtendedKey, path ...uint32) []byte {
	t.Helper()
	d := deriver{}
	key := d.private(k, path...)
	if d.err != nil {
		t.Fatal(d.err)
	}
	return key.PubKey().SerializeCompressed()
}

// Source: BIP-84, "Test vectors".
func TestWalletIsBIP84(t *testing.T) {
	account := ring(t, about).Wallet(contracts.BTC)
	zprv, err := account.CloneWithVersion([]byte{0x04, 0xb2, 0x43, 0x0c})
	if err != nil {
		t.Fatal(err)
	}
	const want = "zprvAdG4iTXWBoARxkkzNpNh8r6Qag3irQB8PzEMkAFeTRXxHpbF9z4QgEvBRmfvqWvGp42t42nvgGpNgYSJA9iefm1yYNZKEm7z6qUWCroSQnE"
	if got := zprv.String(); got != want {
		t.Errorf("account %s, want %s", got, want)
	}
	for _, v := range []struct {
		change, index uint32
		public, addr  string
	}{
		{0, 0, "0330d54fd0dd420a6e5f8d3624f5f3482cae350f79d5f0753bf5beef9c2d91af3c", "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"},
		{0, 1, "03e775fd51f0dfb8cd865d9ff1cca2a158cf651fe997fdc9fee9c1d3b5e995ea77", "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"},
		{1, 0, "03025324888e429ab8e3dbaf1f7802648b9cd01e9b418485c5fa4c1b9b5700e1a6", "bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el"},
	} {
		public := child(t, account, v.change, v.index)
		if got := hex.EncodeToString(public); got != v.public {
			t.Errorf("key %d/%d is %s, want %s", v.change, v.index, got, v.public)
		}
		if got := segwit(t, public, "bc"); got != v.addr {
			t.Errorf("address %d/%d is %s, want %s", v.change, v.index, got, v.addr)
		}
	}
}

func segwit(t *testing.T, public []byte, prefix string) string {
	t.Helper()
	net := chaincfg.MainNetParams
	net.Bech32HRPSegwit = prefix
	a, err := address.NewAddressWitnessPubKeyHash(address.Hash160(public), &net)
	if err != nil {
		t.Fatal(err)
	}
	return a.EncodeAddress()
}

// The first Litecoin address of the mnemonic of BIP-84, as wallets in use show
// it: m/84'/2'/0'/0/0.
func TestWalletOfLitecoin(t *testing.T) {
	public := child(t, ring(t, about).Wallet(contracts.LTC), 0, 0)
	if got, want := segwit(t, public, "ltc"), "ltc1qjmxnz78nmc8nq77wuxh25n2es7rzm5c2rkk4wh"; got != want {
		t.Errorf("address %s, want %s", got, want)
	}
}

// The first accounts of two mnemonics that every Ethereum wallet knows.
func TestAccountIsBIP44(t *testing.T) {
	for mnemonic, want := range map[string]string{
		about: "0x9858EfFD232B4033E47d90003D41EC34EcaEda94",
		"test test test test test test test test test test test junk": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
	} {
		k := ring(t, mnemonic)
		for _, c := range []contracts.Chain{contracts.ETH, contracts.SMT} {
			key := k.Account(c)
			if got := crypto.PubkeyToAddress(key.PublicKey).Hex(); got != want {
				t.Errorf("%s: account %s, want %s", c, got, want)
			}
			if _, err := crypto.Sign(make([]byte, 32), key); err != nil {
				t.Errorf("%s: sign: %v", c, err)
			}
		}
	}
}

// The account that a word names is the one whose signature it takes; the same
// digest has the same signature.
func TestSignDigest(t *testing.T) {
	k := ring(t, about)
	for _, digest := range []contracts.Hash{{}, {1}, {0xff, 0xff}} {
		s, err := k.SignDigest(digest)
		if err != nil {
			t.Fatal(err)
		}
		again, err := k.SignDigest(digest)
		if err != nil || again != s {
			t.Errorf("%s then %s: %v", s, again, err)
		}
		if by, err := s.Signer(digest); err != nil || by != crypto.PubkeyToAddress(k.Account(contracts.SMT).PublicKey) {
			t.Errorf("signed by %s: %v", by, err)
		}
	}
}

// What must never change, because keys of trades that are under way hang on it.
// The values are our own, of the mnemonic of BIP-84.
func TestOurPathsStay(t *testing.T) {
	k := ring(t, about)
	got := fmt.Sprintln(hex.EncodeToString(k.identity.PubKey().SerializeCompressed()))
	for _, n := range []uint64{0, 1, 1_764_000_000_000, 1<<64 - 1} {
		got += fmt.Sprintln(n, k.Secret(n).Hash())
		got += fmt.Sprintln(n, "invoice", k.InvoiceSecret(n).Hash())
		for _, c := range contracts.Chains {
			got += fmt.Sprintln(n, c, hex.EncodeToString(k.SwapKey(c, n).PubKey().SerializeCompressed()))
		}
	}
	want, err := os.ReadFile("testdata/paths.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("paths changed; now:\n%s", got)
	}
}

// TestSwapKeyPath walks the path that SwapKey's comment states, with the library
// alone.
func TestSwapKeyPath(t *testing.T) {
	master, err := hdkeychain.NewMaster(bip39.NewSeed(about, ""), &chaincfg.MainNetParams)
	if err != nil {
		t.Fatal(err)
	}
	const h = hdkeychain.HardenedKeyStart
	want := child(t, master, h+1885892468, h+2, h+20180430, h+2, h+3, h+4)
	got := ring(t, about).SwapKey(contracts.SMT, 2<<62|3<<31|4).PubKey().SerializeCompressed()
	if !bytes.Equal(got, want) {
		t.Errorf("key %x, want %x", got, want)
	}
}

func TestKeysAreNeverShared(t *testing.T) {
	k, other := ring(t, about), ring(t, "test test test test test test test test test test test junk")
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint64()
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		// Near misses are likelier than chance would have them.
		if rapid.Bool().Draw(t, "near") {
			b = a ^ 1<<rapid.IntRange(0, 63).Draw(t, "bit")
		}
		seen := map[string]string{}
		add := func(what string, key []byte) {
			if had, ok := seen[string(key)]; ok && had != what {
				t.Fatalf("%s and %s share a key", had, what)
			}
			seen[string(key)] = what
		}
		add("identity", k.Identity())
		for _, n := range []uint64{a, b} {
			s, o := k.Secret(n), other.Secret(n)
			add(fmt.Sprint("secret ", n), s[:])
			add(fmt.Sprint("secret of another ", n), o[:])
			for _, c := range contracts.Chains {
				add(fmt.Sprint(c, n), k.SwapKey(c, n).Serialize())
				add(fmt.Sprint("another's ", c, n), other.SwapKey(c, n).Serialize())
			}
		}
	})
}

func TestSignatureIsOneThatLibp2pVerifies(t *testing.T) {
	k := ring(t, about)
	private, err := libp2p.UnmarshalSecp256k1PrivateKey(k.Identity())
	if err != nil {
		t.Fatal(err)
	}
	digest := contracts.Hash{1, 2, 3}
	signature, err := k.Sign(digest)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := private.GetPublic().Verify(digest[:], signature); !ok || err != nil {
		t.Errorf("verified %t, %v", ok, err)
	}
	digest[31] = 1
	if ok, _ := private.GetPublic().Verify(digest[:], signature); ok {
		t.Error("a signature of another digest was verified")
	}
}

func TestNothingPrintsKeys(t *testing.T) {
	k := ring(t, about)
	var text strings.Builder
	log := slog.New(slog.NewJSONHandler(&text, nil))
	log.Info("x", "pointer", k, "value", *k)
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "pointer", k, "value", *k, "inside", struct{ K *Keyring }{k})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&text, verb+verb+verb, k, *k, struct{ K *Keyring }{k})
	}
	raw, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	text.Write(raw)
	forms := func(key []byte) []string {
		return []string{string(key), hex.EncodeToString(key), strings.ToUpper(hex.EncodeToString(key)), fmt.Sprint(key)}
	}
	for _, key := range [][]byte{k.Identity(), k.secrets, k.log.key, crypto.FromECDSA(k.account)} {
		for _, form := range forms(key) {
			if strings.Contains(text.String(), form) {
				t.Fatalf("a key was printed")
			}
		}
	}
	if strings.Contains(text.String(), "xprv") {
		t.Error("an extended key was printed")
	}
	if want := "keyring of 03ed6689fe6f"; strings.Count(text.String(), want) != 29 {
		t.Errorf("%d times %q in %s", strings.Count(text.String(), want), want, text.String())
	}
	if got := fmt.Sprint(Keyring{}); got != "empty keyring" {
		t.Errorf("the empty keyring prints as %q", got)
	}
}

func TestWrongChainsPanic(t *testing.T) {
	k := ring(t, about)
	for name, f := range map[string]func(){
		"wallet on ETH":        func() { k.Wallet(contracts.ETH) },
		"wallet on nothing":    func() { k.Wallet("") },
		"account on BTC":       func() { k.Account(contracts.BTC) },
		"swap key on nothing":  func() { k.SwapKey("", 1) },
		"swap key on a token":  func() { k.SwapKey("SMT:0x", 1) },
		"account on lowercase": func() { k.Account("eth") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// TestManyAtOnce is for the race detector.
func TestManyAtOnce(t *testing.T) {
	k := ring(t, about)
	want := k.SwapKey(contracts.BTC, 7).Serialize()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			k.Wallet(contracts.LTC)
			k.Secret(7)
			if got := k.SwapKey(contracts.BTC, 7).Serialize(); !bytes.Equal(got, want) {
				t.Error("another key")
			}
		})
	}
	all.Wait()
}

func BenchmarkSwapKey(b *testing.B) {
	k := ring(b, about)
	for n := uint64(0); b.Loop(); n++ {
		k.SwapKey(contracts.BTC, n)
	}
}
