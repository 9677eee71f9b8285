package keys

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcutil/v2/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/tyler-smith/go-bip39"
)

// Source: the vectors to which BIP-39 refers; their passphrase is TREZOR.
func TestMnemonicIsBIP39(t *testing.T) {
	for _, v := range []struct{ entropy, mnemonic, seed, root string }{
		{
			"00000000000000000000000000000000", about,
			"c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04",
			"xprv9s21ZrQH143K3h3fDYiay8mocZ3afhfULfb5GX8kCBdno77K4HiA15Tg23wpbeF1pLfs1c5SPmYHrEpTuuRhxMwvKDwqdKiGJS9XFKzUsAF",
		},
		{
			"7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f", "legal winner thank year wave sausage worth useful legal winner thank yellow",
			"2e8905819b8723fe2c1d161860e5ee1830318dbf49a83bd451cfb8440c28bd6fa457fe1296106559a3c80937a1c1069be3a3a5bd381ee6260e8d9739fce1f607",
			"",
		},
		{
			"ffffffffffffffffffffffffffffffff", "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
			"ac27495480225222079d7be181583751e86f571027b0497b5b5d11218e0a8a13332572917f0f8e5a589620c6f15b11c61dee327651a14c34e18231052e48c069",
			"",
		},
		{
			"0000000000000000000000000000000000000000000000000000000000000000",
			strings.Repeat("abandon ", 23) + "art",
			"bda85446c68413707090a52022edd26a1c9462295029f2e60cd7c4f2bbd3097170af7a4d73245cafa9c3cca8d561a7c3de6f5d4a10be8ed2a5e608d68f92fcc8",
			"",
		},
	} {
		tidied, err := tidy("  " + strings.ToUpper(v.mnemonic) + "\n")
		if err != nil || tidied != v.mnemonic {
			t.Fatalf("%s: %q, %v", v.entropy, tidied, err)
		}
		entropy, err := bip39.EntropyFromMnemonic(tidied)
		if got := hex.EncodeToString(entropy); err != nil || got != v.entropy {
			t.Errorf("entropy %s, %v, want %s", got, err, v.entropy)
		}
		seed := bip39.NewSeed(tidied, "TREZOR")
		if got := hex.EncodeToString(seed); got != v.seed {
			t.Errorf("seed %s, want %s", got, v.seed)
		}
		master, err := hdkeychain.NewMaster(seed, &chaincfg.MainNetParams)
		if err != nil {
			t.Fatal(err)
		}
		if got := master.String(); v.root != "" && got != v.root {
			t.Errorf("root %s, want %s", got, v.root)
		}
	}
}

func TestNewIsGoodAndNew(t *testing.T) {
	seen := map[string]bool{}
	for range 10 {
		m, err := New()
		if err != nil {
			t.Fatal(err)
		}
		if n := len(strings.Fields(m)); n != 24 || seen[m] {
			t.Errorf("%d words, seen before: %t", n, seen[m])
		}
		seen[m] = true
		ring(t, m)
	}
}

func TestMnemonicsThatAreRefused(t *testing.T) {
	words := func() []string { return strings.Fields(about) }
	for _, row := range []struct {
		name   string
		change func(w []string) string
		want   error
		says   string
	}{
		{"good", func(w []string) string { return strings.Join(w, " ") }, nil, ""},
		{"spaced and shouted", func(w []string) string { return "\t" + strings.ToUpper(strings.Join(w, " \r\n")) }, nil, ""},
		{"empty", func([]string) string { return "" }, ErrWords, "0, want 12"},
		{"eleven words", func(w []string) string { return strings.Join(w[:11], " ") }, ErrWords, "11, want"},
		{"nine words", func(w []string) string { return strings.Join(w[:9], " ") }, ErrWords, "9, want"},
		{"thirteen words", func(w []string) string { return strings.Join(w, " ") + " about" }, ErrWords, "13, want"},
		{"twenty-seven words", func([]string) string { return strings.Repeat("abandon ", 27) }, ErrWords, "27, want"},
		{"far too long", func([]string) string { return strings.Repeat("abandon ", 1000) }, ErrWords, "8000 bytes"},
		{"first word wrong", func(w []string) string { w[0] = "hunter2"; return strings.Join(w, " ") }, ErrWord, "word 1 of 12"},
		{"last word wrong", func(w []string) string { w[11] = "abouts"; return strings.Join(w, " ") }, ErrWord, "word 12 of 12"},
		{"letters of another script", func(w []string) string { w[4] = "аbandon"; return strings.Join(w, " ") }, ErrWord, "word 5 of 12"},
		{"last word of another", func(w []string) string { w[11] = "above"; return strings.Join(w, " ") }, ErrChecksum, "belong together"},
		{"two changed places", func(w []string) string { w[0], w[11] = w[11], w[0]; return strings.Join(w, " ") }, ErrChecksum, ""},
	} {
		_, err := Restore(row.change(words()))
		if !errors.Is(err, row.want) || (err != nil && !strings.Contains(err.Error(), row.says)) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "abandon")) {
			t.Errorf("%s: the error repeats a word", row.name)
		}
	}
}

func FuzzMnemonic(f *testing.F) {
	f.Add(about)
	f.Add("zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong")
	f.Add(strings.Repeat("abandon ", 23) + "art")
	f.Add("abandon\u3000about\x00")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := tidy(text)
		if err != nil {
			if !errors.Is(err, ErrWords) && !errors.Is(err, ErrWord) && !errors.Is(err, ErrChecksum) {
				t.Errorf("unnamed error %v", err)
			}
			return
		}
		again, err := tidy(m)
		if err != nil || again != m || !bip39.IsMnemonicValid(m) {
			t.Errorf("%q, tidied again %q, %v", m, again, err)
		}
	})
}
