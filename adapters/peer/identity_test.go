package peer

import (
	"strings"
	"testing"

	ethcrypto "github.com/ethereum/go-ethereum/crypto"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"photon/contracts"
)

func idOf(t testing.TB, key crypto.PrivKey) peer.ID {
	t.Helper()
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// toCID spells an identity in the other way that libp2p would read.
func toCID(t testing.TB, identity string) string {
	t.Helper()
	id, err := peer.Decode(identity)
	if err != nil {
		t.Fatal(err)
	}
	cid := peer.ToCid(id).String()
	if again, err := peer.Decode(cid); err != nil || again != id {
		t.Fatalf("%s is read as %s, %v", cid, again, err)
	}
	return cid
}

func TestSignAndVerify(t *testing.T) {
	digest := contracts.Hash{1, 2, 3}
	signature, err := Sign(keyOf(0), digest)
	if err != nil {
		t.Fatal(err)
	}
	self, err := Identity(keyOf(0))
	if err != nil {
		t.Fatal(err)
	}
	other, err := Identity(keyOf(1))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(self, "16Uiu2HA") {
		t.Errorf("identity %s is of no secp256k1 key", self)
	}
	type given struct {
		identity  string
		digest    contracts.Hash
		signature []byte
	}
	for _, row := range []struct {
		name   string
		change func(*given)
		want   error
	}{
		{"good", func(*given) {}, nil},
		{"other digest", func(g *given) { g.digest[31] = 1 }, ErrSignature},
		{"other node", func(g *given) { g.identity = other }, ErrSignature},
		{"no signature", func(g *given) { g.signature = nil }, ErrSignature},
		{"one bit", func(g *given) { g.signature[len(g.signature)-1] ^= 1 }, ErrSignature},
		{"one byte more", func(g *given) { g.signature = append(g.signature, 0) }, ErrSignature},
		{"one byte less", func(g *given) { g.signature = g.signature[:len(g.signature)-1] }, ErrSignature},
		{"no identity", func(g *given) { g.identity = "" }, ErrIdentity},
		{"other spelling", func(g *given) { g.identity = toCID(t, self) }, ErrIdentity},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := given{self, digest, append([]byte(nil), signature...)}
			row.change(&g)
			err := Verify(g.identity, g.digest, g.signature)
			if row.want == nil && err != nil {
				t.Fatal(err)
			}
			if row.want != nil {
				wantError(t, err, row.want)
			}
		})
	}
	if _, err := Sign(make([]byte, 32), digest); err == nil {
		t.Error("zero is no key")
	}
}

func TestBinding(t *testing.T) {
	id, account := idOf(t, mustKey(t, 0)), config(t, 0).Account
	good, err := bind(account, id)
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := bind(account, idOf(t, mustKey(t, 1)))
	if err != nil {
		t.Fatal(err)
	}
	bare, err := ethcrypto.Sign(ethcrypto.Keccak256([]byte("photon identity"+id.String())), account)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		change func(*greeting)
		bad    bool
	}{
		{"good", func(*greeting) {}, false},
		{"another account", func(g *greeting) { g.account[0]++ }, true},
		{"zero account", func(g *greeting) { g.account = contracts.Address{} }, true},
		{"signed for another node", func(g *greeting) { *g = stolen }, true},
		{"signed without the prefix", func(g *greeting) { g.signature = [65]byte(bare) }, true},
		{"one bit", func(g *greeting) { g.signature[40] ^= 1 }, true},
		{"recovery id 27", func(g *greeting) { g.signature[64] += 27 }, true},
		{"no signature", func(g *greeting) { g.signature = [65]byte{} }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := good
			row.change(&g)
			err := checkBinding(id, g)
			if row.bad {
				wantError(t, err, ErrBinding)
			} else if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func mustKey(t testing.TB, i int) crypto.PrivKey {
	t.Helper()
	key, err := identityKey(keyOf(i))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
