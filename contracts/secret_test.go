package contracts_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"photon/contracts"
)

// loud is a secret that is easy to find in whatever is printed.
var loud = contracts.Secret([]byte("THIS SECRET MUST NEVER BE SHOWN!"))

// shows reports whether text holds the secret in any way that it could be written.
func shows(text string) bool {
	numbers := strings.Trim(fmt.Sprint(loud[:8]), "[]") // 84 72 73 83 …
	listed := fmt.Sprintf("%#v", loud[:8])
	listed = strings.TrimSuffix(strings.TrimPrefix(listed, "[]byte{"), "}")
	low := strings.ToLower(text)
	for _, form := range []string{
		string(loud[:8]), hex.EncodeToString(loud[:8]), base64.StdEncoding.EncodeToString(loud[:9]), numbers, listed,
		strings.ReplaceAll(numbers, " ", ", "), strings.ReplaceAll(numbers, " ", ","), fmt.Sprintf("% x", loud[:8]),
	} {
		if strings.Contains(low, strings.ToLower(form)) {
			return true
		}
	}
	return false
}

// Whatever prints a secret, alone or inside another thing, prints its hash.
func TestSecretIsNeverPrinted(t *testing.T) {
	type holder struct {
		Secret  contracts.Secret
		Pointer *contracts.Secret
	}
	values := map[string]any{
		"secret": loud, "pointer": &loud, "list": []contracts.Secret{loud}, "array": [1]contracts.Secret{loud},
		"map": map[string]contracts.Secret{"a": loud}, "struct": holder{loud, &loud}, "pointer to struct": &holder{loud, &loud},
		"any": []any{loud, &loud}, "error": fmt.Errorf("wrapped: %w: %v", errors.New("failed"), loud),
	}
	for name, v := range values {
		for _, verb := range "vdsxXqtTbcoOUeEfFgG" { // not p: fmt asks nobody there, and vet refuses it
			for _, flags := range []string{"", "+", "#", " ", "-", "0", "40", ".64", "#+ "} {
				if text := fmt.Sprintf("%"+flags+string(verb), v); shows(text) {
					t.Errorf("%s by %%%s%c: %s", name, flags, verb, text)
				}
			}
		}
		if text := fmt.Sprint(v) + fmt.Sprintln(v); shows(text) {
			t.Errorf("%s: %s", name, text)
		}
	}
	if want := "secret of " + loud.Hash().String(); fmt.Sprint(loud) != want || fmt.Sprintf("%x", loud) != want {
		t.Errorf("%v, %x", loud, loud)
	}
	if !shows(loud.Reveal()) || !shows(string(loud[:])) || !shows(fmt.Sprint(loud[:])) || !shows(fmt.Sprintf("%#v", loud[:])) {
		t.Error("this test cannot see a secret")
	}
}

func TestSecretIsNeverLogged(t *testing.T) {
	for _, options := range []*slog.HandlerOptions{nil, {AddSource: true}} {
		var out bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, options), slog.NewJSONHandler(&out, options)} {
			slog.New(h).With("with", loud).Info("seen", "secret", loud, slog.Group("group", "secret", loud), slog.Any("any", loud))
			slog.New(h).Error("failed", "err", fmt.Errorf("redeem: %v", loud))
		}
		if shows(out.String()) || !strings.Contains(out.String(), "secret of "+loud.Hash().String()) {
			t.Error(out.String())
		}
	}
}

// A secret's own encoding is for those who may know it, and comes back.
func TestSecretComesBack(t *testing.T) {
	raw, err := json.Marshal(loud)
	if err != nil || string(raw) != `"`+loud.Reveal()+`"` {
		t.Fatalf("%s, %v", raw, err)
	}
	var back contracts.Secret
	if err := json.Unmarshal(raw, &back); err != nil || back != loud {
		t.Errorf("%v", err)
	}
	text := loud.Reveal()
	for _, bad := range []string{"", text[:62], text + "00", "0x" + text, text[:63] + "g", " " + text, text[:63]} {
		if s, err := contracts.ParseSecret(bad); !errors.Is(err, contracts.ErrHash) || s != (contracts.Secret{}) || shows(err.Error()) {
			t.Errorf("%d digits: %v", len(bad), err)
		}
	}
}

func TestParseHash(t *testing.T) {
	text := loud.Hash().String()
	for _, good := range []string{text, "0x" + text, strings.ToUpper(text)} {
		if h, err := contracts.ParseHash(good); err != nil || h != loud.Hash() || h.String() != text {
			t.Errorf("%s: %s, %v", good, h, err)
		}
	}
	for _, bad := range []string{"", "0x", text[:62], text[:63], text + "00", "0x0x" + text, "0X" + text, text[:63] + "g", strings.Repeat("0", 5000)} {
		if h, err := contracts.ParseHash(bad); !errors.Is(err, contracts.ErrHash) || !h.IsZero() || len(err.Error()) > 500 {
			t.Errorf("%.70q: %s, %v", bad, h, err)
		}
	}
}

// A hash of SHA-256 as FIPS 180-4 tests it, and those whose secret anybody knows.
func TestHashes(t *testing.T) {
	const zeros = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"
	if got := (contracts.Secret{}).Hash().String(); got != zeros {
		t.Errorf("of zeros: %s", got)
	}
	one := contracts.Hash{31: 1}
	for h, want := range map[contracts.Hash]bool{{}: true, contracts.Secret{}.Hash(): true, one: false, loud.Hash(): false} {
		if h.Degenerate() != want {
			t.Errorf("%s degenerate: %v", h, !want)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(loud.Hash().String())
	f.Add("0x" + loud.Hash().String())
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if h, err := contracts.ParseHash(s); err == nil && !strings.EqualFold(h.String(), strings.TrimPrefix(s, "0x")) {
			t.Fatalf("%q reads as %s", s, h)
		}
	})
}
