package contracts

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestParseSum(t *testing.T) {
	token := Asset{ETH, Address{19: 7}}
	for _, row := range []struct {
		text  string
		asset Asset
		units uint64
		err   error
	}{
		{"0.5btc", Native(BTC), 50_000_000, nil},
		{"0.00000001BTC", Native(BTC), 1, nil},
		{"0.000000001btc", Asset{}, 0, ErrDecimals},
		{"7sat", Native(BTC), 7, nil},
		{"0.5sat", Asset{}, 0, ErrDecimals},
		{"2ltc", Native(LTC), 200_000_000, nil},
		{"9litoshi", Native(LTC), 9, nil},
		{"1000wei", Native(ETH), 1000, nil},
		{"3gwei", Native(ETH), 3_000_000_000, nil},
		{"1smt", Native(SMT), 1_000_000_000_000_000_000, nil},
		{"250" + token.String(), token, 250, nil},
		{"0.5" + token.String(), Asset{}, 0, ErrDecimals},
		{"0btc", Native(BTC), 0, nil},
		{"0.5", Asset{}, 0, ErrAmount},
		{"btc", Asset{}, 0, ErrAmount},
		{"-1btc", Asset{}, 0, ErrAmount},
		{"1.2.3btc", Asset{}, 0, ErrAmount},
		{"1doge", Asset{}, 0, ErrChain},
		{"1BTC:0x0000000000000000000000000000000000000007", Asset{}, 0, ErrAddress},
	} {
		s, err := ParseSum(row.text)
		if !errors.Is(err, row.err) || (row.err == nil && (s.Asset != row.asset || s.Amount != Units(row.units))) {
			t.Errorf("%q: %v, %v; want %d of %v, %v", row.text, s, err, row.units, row.asset, row.err)
		}
	}
}

func TestSumIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Sum{Native(rapid.SampledFrom(Chains).Draw(t, "chain")), Units(rapid.Uint64().Draw(t, "units"))}
		if s.Asset.Chain.EVM() && rapid.Bool().Draw(t, "token") {
			s.Asset.Token = Address{1, 2, 3}
		}
		back, err := ParseSum(s.String())
		if err != nil || back != s {
			t.Fatalf("%s reads back as %v, %v", s, back, err)
		}
	})
}

func FuzzParseSum(f *testing.F) {
	for _, text := range []string{"0.5btc", "1000wei", "250ETH:0x0000000000000000000000000000000000000007", "btc", "1e9btc", "１btc"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSum(text)
		if err != nil {
			return
		}
		if back, err := ParseSum(s.String()); err != nil || back != s {
			t.Fatalf("%q is %s, which reads back as %v, %v", text, s, back, err)
		}
	})
}

func FuzzParseChain(f *testing.F) {
	for _, text := range []string{"BTC", "btc", "smt", "", "BTCX"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := ParseChain(text); err == nil && (len(c) != 3 || c.Decimals() < 8) {
			t.Fatalf("%q is %q", text, c)
		}
	})
}

func FuzzParseSecret(f *testing.F) {
	f.Add(Secret{1, 2, 3}.Reveal())
	f.Add("00")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSecret(text)
		if err != nil {
			return
		}
		if back, err := ParseSecret(s.Reveal()); err != nil || back != s {
			t.Fatalf("secret of %s reads back otherwise: %v", s.Hash(), err)
		}
	})
}

// FuzzAnswers gives every reader of a contract's answer the same bytes: none may
// panic, and none may take an answer of a length that it does not have.
func FuzzAnswers(f *testing.F) {
	f.Add(make([]byte, 32))
	f.Add(make([]byte, 64))
	f.Add([]byte{0x08, 0xc3, 0x79, 0xa0})
	f.Fuzz(func(t *testing.T, answer []byte) {
		if _, err := ReadState(answer); err == nil && len(answer) != 32 {
			t.Fatalf("a state of %d bytes", len(answer))
		}
		if _, err := ReadTokens(answer); err == nil && len(answer) != 32 {
			t.Fatalf("tokens of %d bytes", len(answer))
		}
		if _, err := ReadSince(answer); err == nil && len(answer) != 32 {
			t.Fatalf("a block of %d bytes", len(answer))
		}
		if n, err := ReadDecimals(answer); err == nil && (n < 0 || n > 255) {
			t.Fatalf("%d decimals", n)
		}
		if name, ok := ReadRevert(answer); ok && name == "" {
			t.Fatal("a revert without a name")
		}
	})
}
