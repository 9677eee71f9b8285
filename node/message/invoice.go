package message

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/btcsuite/btcd/address/v2/bech32"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"photon/contracts"
)

// ErrInvoice is why an invoice is refused.
var ErrInvoice = errors.New("not an invoice that can be paid")

// An Invoice asks for a payment. Its signature makes it, with the secret of Hash, a
// receipt.
type Invoice struct {
	Asset     contracts.Asset     `json:"asset"`
	Payee     contracts.Address   `json:"payee"`
	Amount    contracts.Amount    `json:"amount"`
	Hash      contracts.Hash      `json:"hash"`      // SHA-256 of the secret; the invoice's id
	Expiry    uint64              `json:"expiry"`    // Unix second from which it is not paid any more
	Text      string              `json:"text"`      // at most MaxText bytes of UTF-8
	Signature contracts.Signature `json:"signature"` // of the payee, over Digest
}

// Digest is what the payee signs, by EIP-712. Its domain is of its own and names no
// contract, so that no invoice is a word for one, and no such word an invoice.
func (i Invoice) Digest() contracts.Hash {
	domain := crypto.Keccak256(
		keccak("EIP712Domain(string name,string version)"), keccak("Photon Invoice"), keccak("1"))
	amount, expiry := i.Amount.Uint256().Bytes32(), contracts.Units(i.Expiry).Uint256().Bytes32()
	said := crypto.Keccak256(
		keccak("Invoice(string chain,address token,address payee,uint256 amount,bytes32 hash,uint256 expiry,string text)"),
		keccak(string(i.Asset.Chain)), common.LeftPadBytes(i.Asset.Token[:], 32), common.LeftPadBytes(i.Payee[:], 32),
		amount[:], i.Hash[:], expiry[:], keccak(i.Text))
	return contracts.Hash(crypto.Keccak256Hash([]byte("\x19\x01"), domain, said))
}

func keccak(s string) []byte { return crypto.Keccak256([]byte(s)) }

// Check refuses what is not to be paid at now, in Unix seconds, or was not signed by
// its payee. Errors: ErrInvoice.
func (i Invoice) Check(now uint64) error {
	switch {
	case !i.Asset.Chain.EVM():
		return fmt.Errorf("%w: %q has no channels", ErrInvoice, i.Asset.Chain)
	case i.Amount.IsZero():
		return fmt.Errorf("%w: it asks for nothing", ErrInvoice)
	case i.Hash.Degenerate():
		return fmt.Errorf("%w: anybody can know the secret of %s", ErrInvoice, i.Hash)
	case len(i.Text) > MaxText || !utf8.ValidString(i.Text):
		return fmt.Errorf("%w: a text of %d bytes, at most %d of UTF-8", ErrInvoice, len(i.Text), MaxText)
	case now >= i.Expiry:
		return fmt.Errorf("%w: expired at %d, now %d", ErrInvoice, i.Expiry, now)
	}
	switch by, err := i.Signature.Signer(i.Digest()); {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrInvoice, err)
	case by != i.Payee:
		return fmt.Errorf("%w: signed by %s for %s", ErrInvoice, by, i.Payee)
	}
	return nil
}

// As a text, an invoice is Bech32m under this name: letters and digits that a QR
// code holds well in upper case. Its checksum finds any three wrong letters, as long
// as there are no more than 1,023.
//
// Source: BIP-173, BIP-350.
const (
	invoiceName    = "photon"
	invoiceVersion = 1
	maxInvoice     = 1000 // letters
)

// String is the text that people copy, some 270 letters and 8 for every 5 bytes of
// Text. An invoice that Check refuses may have none that ParseInvoice reads.
func (i Invoice) String() string {
	c := coder{writes: true, out: rlp.NewEncoderBuffer(nil)}
	defer c.out.Flush() // gives the buffer back; there is nothing that it is written to
	c.out.Write([]byte{invoiceVersion})
	c.invoice(&i)
	fives, err := bech32.ConvertBits(c.out.ToBytes(), 8, 5, true)
	if err != nil {
		panic(err) // 8 and 5 are sizes that it knows
	}
	s, err := bech32.EncodeM(invoiceName, fives)
	if err != nil {
		panic(err) // each is below 32
	}
	return s
}

// ParseInvoice reads what String prints, all in lower or all in upper case, with
// space around it, and nothing that is written otherwise. Who signed it, and what it
// asks for, is for Check. Errors: ErrInvoice.
func ParseInvoice(s string) (Invoice, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxInvoice {
		return Invoice{}, fmt.Errorf("%w: %d letters, at most %d", ErrInvoice, len(s), maxInvoice)
	}
	name, fives, form, err := bech32.DecodeNoLimitWithVersion(s)
	if sum := (bech32.ErrInvalidChecksum{}); errors.As(err, &sum) { // its text says how to make a wrong one look right
		return Invoice{}, fmt.Errorf("%w: a letter is wrong, missing or too much", ErrInvoice)
	}
	if err != nil {
		return Invoice{}, fmt.Errorf("%w: %w", ErrInvoice, err)
	}
	if name != invoiceName || form != bech32.VersionM {
		return Invoice{}, fmt.Errorf("%w: it is no Bech32m that begins with %s1", ErrInvoice, invoiceName)
	}
	b, err := bech32.ConvertBits(fives, 5, 8, false)
	if err != nil {
		return Invoice{}, fmt.Errorf("%w: %w", ErrInvoice, err)
	}
	if len(b) == 0 || b[0] != invoiceVersion {
		return Invoice{}, fmt.Errorf("%w: of another version than %d", ErrInvoice, invoiceVersion)
	}
	c := coder{in: b[1:]}
	var i Invoice
	c.invoice(&i)
	if c.err == nil && len(c.in) != 0 {
		c.refuse("%d bytes after it", len(c.in))
	}
	if c.err != nil {
		return Invoice{}, fmt.Errorf("%w: %w", ErrInvoice, c.err)
	}
	return i, nil
}

func (c *coder) invoice(i *Invoice) {
	c.list(&i.Asset.Chain, &i.Asset.Token, &i.Payee, &i.Amount, &i.Hash, &i.Expiry, &i.Text, &i.Signature)
}

// chain returns the chain that is written so; "" is none.
func chain(b []byte) contracts.Chain {
	for _, n := range contracts.Chains {
		if string(b) == string(n) {
			return n
		}
	}
	return ""
}
