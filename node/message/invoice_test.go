package message

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/address/v2/bech32"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/skip2/go-qrcode"
	"pgregory.net/rapid"

	"photon/contracts"
)

const noon = 1_700_000_000

func keyOf(t testing.TB, name string) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signedBy(t testing.TB, name string, digest contracts.Hash) contracts.Signature {
	t.Helper()
	b, err := crypto.Sign(digest[:], keyOf(t, name))
	if err != nil {
		t.Fatal(err)
	}
	s, err := contracts.ParseSignature(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// goodInvoice is Bob's, for 36 units of a token, until a second past noon.
func goodInvoice(t testing.TB) Invoice {
	t.Helper()
	i := Invoice{
		Asset:  contracts.Asset{Chain: contracts.SMT, Token: contracts.Address{5}},
		Payee:  crypto.PubkeyToAddress(keyOf(t, "bob").PublicKey),
		Amount: contracts.Units(36),
		Hash:   sha256.Sum256([]byte("bob's secret")),
		Expiry: noon + 1,
		Text:   "two coffees",
	}
	i.Signature = signedBy(t, "bob", i.Digest())
	return i
}

// Each row is one change to a good invoice, before Bob signs it or after.
func TestInvoiceCheck(t *testing.T) {
	zero := contracts.Secret{}
	for _, row := range []struct {
		name   string
		before func(*Invoice)
		after  func(*Invoice)
		want   string // in the error; "" is good
	}{
		{"good", nil, nil, ""},
		{"for a coin", func(i *Invoice) { i.Asset.Token = contracts.Address{} }, nil, ""},
		{"on ETH", func(i *Invoice) { i.Asset.Chain = contracts.ETH }, nil, ""},
		{"on BTC", func(i *Invoice) { i.Asset = contracts.Native(contracts.BTC) }, nil, `"BTC" has no channels`},
		{"on no chain", func(i *Invoice) { i.Asset.Chain = "" }, nil, `"" has no channels`},
		{"for nothing", func(i *Invoice) { i.Amount = contracts.Amount{} }, nil, "asks for nothing"},
		{"for one unit", func(i *Invoice) { i.Amount = contracts.Units(1) }, nil, ""},
		{"for the most", func(i *Invoice) { i.Amount = power2(256, 1) }, nil, ""},
		{"no hash", func(i *Invoice) { i.Hash = contracts.Hash{} }, nil, "anybody can know the secret"},
		{"hash of the zero secret", func(i *Invoice) { i.Hash = zero.Hash() }, nil, "anybody can know the secret"},
		{"no text", func(i *Invoice) { i.Text = "" }, nil, ""},
		{"longest text", func(i *Invoice) { i.Text = strings.Repeat("é", MaxText/2) }, nil, ""},
		{"text too long", func(i *Invoice) { i.Text = strings.Repeat("a", MaxText+1) }, nil, "text of 257 bytes"},
		{"text that is no UTF-8", func(i *Invoice) { i.Text = "\xff" }, nil, "of UTF-8"},
		{"expired", func(i *Invoice) { i.Expiry = noon }, nil, "expired at 1700000000, now 1700000000"},

		{"another chain", nil, func(i *Invoice) { i.Asset.Chain = contracts.ETH }, "signed by"},
		{"another token", nil, func(i *Invoice) { i.Asset.Token[0]++ }, "signed by"},
		{"another payee", nil, func(i *Invoice) { i.Payee[0]++ }, "signed by"},
		{"another amount", nil, func(i *Invoice) { i.Amount = contracts.Units(35) }, "signed by"},
		{"another hash", nil, func(i *Invoice) { i.Hash[0]++ }, "signed by"},
		{"another expiry", nil, func(i *Invoice) { i.Expiry++ }, "signed by"},
		{"another text", nil, func(i *Invoice) { i.Text += "!" }, "signed by"},
		{"signed by alice", nil, func(i *Invoice) { i.Signature = signedBy(t, "alice", i.Digest()) }, "signed by"},
		{"not signed", nil, func(i *Invoice) { i.Signature = contracts.Signature{} }, "not a signature"},
		{"v of 0 or 1", nil, func(i *Invoice) { i.Signature[64] -= 27 }, "signature"},
		{"signed for a contract", nil, func(i *Invoice) {
			c := contracts.Channels{ChainID: 20180430, At: i.Asset.Token}
			i.Signature = signedBy(t, "bob", c.Digest(contracts.DisposeWord(i.Hash, 0, contracts.Lock{Amount: i.Amount, Hash: i.Hash})))
		}, "signed by"},
	} {
		i := goodInvoice(t)
		if row.before != nil {
			row.before(&i)
			i.Signature = signedBy(t, "bob", i.Digest())
		}
		if row.after != nil {
			row.after(&i)
		}
		err := i.Check(noon)
		if row.want == "" && err != nil || row.want != "" && (!errors.Is(err, ErrInvoice) || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: %v, want %s", row.name, err, row.want)
		}
		if back, err := ParseInvoice(i.String()); row.want == "" && (err != nil || back != i) {
			t.Errorf("%s: came back as %+v, %v", row.name, back, err)
		}
	}
}

// The digest is what wallets make of the same typed data.
func TestInvoiceDigest(t *testing.T) {
	i := goodInvoice(t)
	digest, _, err := apitypes.TypedDataAndHash(apitypes.TypedData{
		PrimaryType: "Invoice",
		Types: apitypes.Types{
			"EIP712Domain": {{Name: "name", Type: "string"}, {Name: "version", Type: "string"}},
			"Invoice": {
				{Name: "chain", Type: "string"}, {Name: "token", Type: "address"}, {Name: "payee", Type: "address"},
				{Name: "amount", Type: "uint256"}, {Name: "hash", Type: "bytes32"}, {Name: "expiry", Type: "uint256"},
				{Name: "text", Type: "string"},
			},
		},
		Domain: apitypes.TypedDataDomain{Name: "Photon Invoice", Version: "1"},
		Message: apitypes.TypedDataMessage{
			"chain": "SMT", "token": i.Asset.Token.Hex(), "payee": i.Payee.Hex(), "amount": "36",
			"hash": i.Hash[:], "expiry": (*math.HexOrDecimal256)(big.NewInt(noon + 1)), "text": "two coffees",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := i.Digest(); contracts.Hash(digest) != got {
		t.Errorf("%s, want %x", got, digest)
	}
}

// bech writes bytes as an invoice's text is written.
func bech(t testing.TB, write func(string, []byte) (string, error), name string, b []byte) string {
	t.Helper()
	fives, err := bech32.ConvertBits(b, 8, 5, true)
	if err != nil {
		t.Fatal(err)
	}
	s, err := write(name, fives)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Each row is one change to a good text.
func TestParseInvoice(t *testing.T) {
	want := goodInvoice(t)
	good := want.String()
	zero := zeros(32)
	fields := func(change func(tree)) []byte {
		f := tree{"SMT", want.Asset.Token[:], want.Payee[:], uint64(36), want.Hash[:], uint64(noon + 1), "two coffees", want.Signature[:]}
		change(f)
		return packet(t, f)
	}
	form := func(change func(tree)) string { return bech(t, bech32.EncodeM, invoiceName, fields(change)) }
	for _, row := range []struct {
		name string
		text string
		want string // in the error; "" is good
	}{
		{"good", good, ""},
		{"the same from its parts", form(func(tree) {}), ""},
		{"upper case", strings.ToUpper(good), ""},
		{"space around it", "\n\t " + good + " \r\n", ""},
		{"one letter in upper case", strings.Replace(good, "photon1q", "photon1Q", 1), "not all lowercase"},
		{"space within", good[:20] + " " + good[20:], "invalid character"},
		{"empty", "", "length 0"},
		{"its name alone", "photon1", "length 7"},
		{"a checksum of nothing", bech(t, bech32.EncodeM, invoiceName, nil), "of another version"},
		{"of another name", bech(t, bech32.EncodeM, "foton", fields(func(tree) {})), "begins with photon1"},
		{"the older checksum", bech(t, bech32.Encode, invoiceName, fields(func(tree) {})), "no Bech32m"},
		{"another version", bech(t, bech32.EncodeM, invoiceName, append([]byte{2}, fields(func(tree) {})[1:]...)), "of another version"},
		{"a letter missing", good[:50] + good[51:], "a letter is wrong"},
		{"the last missing", good[:len(good)-1], "a letter is wrong"},
		{"a letter too much", good[:50] + "q" + good[50:], "a letter is wrong"},
		{"a byte after it", bech(t, bech32.EncodeM, invoiceName, append(fields(func(tree) {}), 0)), "1 bytes after it"},
		{"a chain that is none", form(func(f tree) { f[0] = "DOGE" }), "unknown word"},
		{"a chain in lower case", form(func(f tree) { f[0] = "smt" }), "unknown word"},
		{"token of 21 bytes", form(func(f tree) { f[1] = zero[:21] }), "21 bytes, want 20"},
		{"hash of 31 bytes", form(func(f tree) { f[4] = zero[:31] }), "31 bytes, want 32"},
		{"text too long", form(func(f tree) { f[6] = strings.Repeat("a", MaxText+1) }), "text of 257 bytes"},
		{"signature of 64 bytes", form(func(f tree) { f[7] = want.Signature[:64] }), "64 bytes, want 65"},
		{"1000 letters", strings.Repeat("q", maxInvoice), "separator"},
		{"1001 letters", strings.Repeat("q", maxInvoice+1), "1001 letters"},
	} {
		got, err := ParseInvoice(row.text)
		if row.want == "" && (err != nil || got != want) {
			t.Errorf("%s: %+v, %v", row.name, got, err)
		}
		if row.want != "" && (got != Invoice{} || !errors.Is(err, ErrInvoice) || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: %+v, %v, want %s", row.name, got, err, row.want)
		}
	}
}

// The bits that fill up the last letter are zero, or the text would not be the only
// one.
func TestInvoicePadding(t *testing.T) {
	i := goodInvoice(t)
	_, fives, _, err := bech32.DecodeNoLimitWithVersion(i.String())
	if err != nil || len(fives)*5%8 == 0 {
		t.Fatalf("%d letters have no bit to spare, %v", len(fives), err)
	}
	fives[len(fives)-1] |= 1
	s, err := bech32.EncodeM(invoiceName, fives)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseInvoice(s); !errors.Is(err, ErrInvoice) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Any one letter that is wrong is found, and any two that have changed places; of
// three, those that are drawn.
func TestInvoiceTypos(t *testing.T) {
	const letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	good := goodInvoice(t).String()
	refused := func(t rapid.TB, b []byte) {
		if got, err := ParseInvoice(string(b)); string(b) != good && !errors.Is(err, ErrInvoice) {
			t.Errorf("%s is read as %+v, %v", b, got, err)
		}
	}
	for at := range good {
		for _, l := range []byte(letters) {
			b := []byte(good)
			b[at] = l
			refused(t, b)
		}
		if at > 0 {
			b := []byte(good)
			b[at-1], b[at] = b[at], b[at-1]
			refused(t, b)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		b := []byte(good)
		for range 3 {
			b[rapid.IntRange(len("photon1"), len(b)-1).Draw(r, "place")] = rapid.SampledFrom([]byte(letters)).Draw(r, "letter")
		}
		refused(r, b)
	})
}

// The largest invoice can be read, and fits a QR code.
func TestLargestInvoice(t *testing.T) {
	i := goodInvoice(t)
	i.Amount, i.Expiry, i.Text = power2(256, 1), ^uint64(0), strings.Repeat("a", MaxText)
	i.Signature = signedBy(t, "bob", i.Digest())
	s := i.String()
	if got, err := ParseInvoice(s); err != nil || got != i {
		t.Errorf("%d letters: %+v, %v", len(s), got, err)
	}
	q, err := qrcode.New(strings.ToUpper(s), qrcode.Medium)
	if err != nil || q.VersionNumber > 21 {
		t.Errorf("%d letters: a code of version %d, %v", len(s), q.VersionNumber, err)
	}
}

func FuzzParseInvoice(f *testing.F) {
	i := goodInvoice(f)
	f.Add(i.String(), uint64(noon))
	f.Add(" "+strings.ToUpper(i.String()), uint64(noon+1))
	f.Add(Invoice{Asset: contracts.Native(contracts.BTC)}.String(), uint64(0))
	f.Add("photon1", uint64(0))
	f.Fuzz(func(t *testing.T, s string, now uint64) {
		got, err := ParseInvoice(s)
		if err != nil {
			if !errors.Is(err, ErrInvoice) || got != (Invoice{}) {
				t.Fatalf("%+v, %v", got, err)
			}
			return
		}
		if again := got.String(); again != strings.ToLower(strings.TrimSpace(s)) {
			t.Fatalf("%s is written %s", s, again)
		}
		if err := got.Check(now); err != nil && !errors.Is(err, ErrInvoice) {
			t.Fatal(err)
		}
	})
}

// FuzzInvoiceFields writes what the checksum would keep a fuzzer from.
func FuzzInvoiceFields(f *testing.F) {
	i := goodInvoice(f)
	_, fives, _, err := bech32.DecodeNoLimitWithVersion(i.String())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fives)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, fives []byte) {
		s, err := bech32.EncodeM(invoiceName, fives)
		if err != nil {
			return // not five bits each
		}
		if got, err := ParseInvoice(s); err == nil && got.String() != s {
			t.Fatalf("%s is written %s", s, got)
		}
	})
}
