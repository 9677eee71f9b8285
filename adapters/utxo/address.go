package utxo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/btcsuite/btcd/address/v2/base58"
	"github.com/btcsuite/btcd/address/v2/bech32"
	"github.com/btcsuite/btcd/txscript/v2"

	"photon/contracts"
)

// maxAddress is the most characters of an address (BIP-173).
const maxAddress = 90

// Script returns the output script of an address of this coin and network.
// Errors: contracts.ErrAddress, with the reason.
func (c Coin) Script(address string) ([]byte, error) {
	no := func(format string, args ...any) ([]byte, error) {
		return nil, fmt.Errorf("%w: %s %s: %.100q: %s", contracts.ErrAddress, c.Chain, c.Network, address, fmt.Sprintf(format, args...))
	}
	lower := strings.ToLower(address)
	if c.MWEB != "" && strings.HasPrefix(lower, c.MWEB+"1") || strings.HasPrefix(lower, "ltcmweb1") || strings.HasPrefix(lower, "tmweb1") {
		return no("an MWEB address; its payments are hidden from the chain, so no swap can pay there: give one that begins with %q", c.HRP+"1")
	}
	if len(address) > maxAddress {
		return no("too long")
	}
	if strings.HasPrefix(lower, c.HRP+"1") {
		script, err := segwitScript(address)
		if err != nil {
			return no("%v", err)
		}
		return script, nil
	}
	payload, version, err := base58.CheckDecode(address)
	switch {
	case errors.Is(err, base58.ErrChecksum):
		return no("wrong checksum: a letter is mistyped")
	case err != nil:
		return no("of another chain or network, or none: its addresses begin with %q", c.HRP+"1")
	case len(payload) != 20:
		return no("holds %d bytes", len(payload))
	case version == c.PubKeyHash:
		return build(txscript.NewScriptBuilder().AddOp(txscript.OP_DUP).AddOp(txscript.OP_HASH160).AddData(payload).
			AddOp(txscript.OP_EQUALVERIFY).AddOp(txscript.OP_CHECKSIG))
	case version == c.ScriptHash:
		return build(txscript.NewScriptBuilder().AddOp(txscript.OP_HASH160).AddData(payload).AddOp(txscript.OP_EQUAL))
	case version == c.OldScriptHash && version != 0:
		return no("the old form, which Bitcoin uses too; give the new form of the same address")
	}
	return no("of another chain or network (version %#x)", version)
}

// segwitScript reads a BIP-173 or BIP-350 address whose prefix was looked at.
func segwitScript(address string) ([]byte, error) {
	_, data, encoding, err := bech32.DecodeGeneric(address)
	if err != nil {
		return nil, fmt.Errorf("mistyped: %v", err)
	}
	if len(data) == 0 || data[0] > 1 {
		return nil, errors.New("a witness version that nobody can spend yet")
	}
	version := data[0]
	program, err := bech32.ConvertBits(data[1:], 5, 8, false)
	switch {
	case err != nil:
		return nil, fmt.Errorf("mistyped: %v", err)
	case version == 0 && encoding != bech32.Version0, version == 1 && encoding != bech32.VersionM:
		return nil, errors.New("the checksum of another witness version")
	case version == 0 && len(program) != 20 && len(program) != 32, version == 1 && len(program) != 32:
		return nil, fmt.Errorf("a program of %d bytes", len(program))
	case version == 0:
		return build(txscript.NewScriptBuilder().AddOp(txscript.OP_0).AddData(program))
	}
	return build(txscript.NewScriptBuilder().AddOp(txscript.OP_1).AddData(program))
}

// keyAddress is the P2WPKH address of a key's hash.
func (c Coin) keyAddress(hash []byte) string {
	five, err := bech32.ConvertBits(hash, 8, 5, true)
	if err != nil {
		panic(fmt.Sprintf("utxo: %v", err)) // eight bits always fit
	}
	s, err := bech32.Encode(c.HRP, append([]byte{0}, five...))
	if err != nil {
		panic(fmt.Sprintf("utxo: %v", err)) // the prefix is ours
	}
	return s
}

// keyScript is the P2WPKH output script of a key's hash.
func keyScript(hash []byte) []byte {
	script, err := build(txscript.NewScriptBuilder().AddOp(txscript.OP_0).AddData(hash))
	if err != nil {
		panic(fmt.Sprintf("utxo: %v", err)) // 22 bytes
	}
	return script
}

func build(b *txscript.ScriptBuilder) ([]byte, error) { return b.Script() }
