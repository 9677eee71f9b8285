package contracts_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"photon/contracts"
)

func topic(text string) contracts.Hash { return contracts.Hash(crypto.Keccak256Hash([]byte(text))) }

// Topics are the hashes of the events as the contract's readers write them.
func TestTopics(t *testing.T) {
	want := []contracts.Hash{topic("Locked(bytes32,bytes32)"), topic("Redeemed(bytes32,bytes32)"), topic("Refunded(bytes32)")}
	if got := contracts.HashLockTopics(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Each row is one change to a good log.
func TestReadHashLockLog(t *testing.T) {
	topics, key, hash := contracts.HashLockTopics(), contracts.Hash{1}, contracts.Hash{2}
	s := secret(1)
	rows := []struct {
		name   string
		topics []contracts.Hash
		data   []byte
		want   contracts.HashLockKind // "" when refused
	}{
		{"locked", []contracts.Hash{topics[0], key, hash}, nil, contracts.LegLocked},
		{"redeemed", []contracts.Hash{topics[1], key}, s[:], contracts.LegRedeemed},
		{"refunded", []contracts.Hash{topics[2], key}, nil, contracts.LegRefunded},
		{"no topics", nil, nil, ""},
		{"no key", []contracts.Hash{topics[2]}, nil, ""},
		{"another event", []contracts.Hash{topic("Transfer(address,address,uint256)"), key, hash}, nil, ""},
		{"locked without hash", []contracts.Hash{topics[0], key}, nil, ""},
		{"locked with data", []contracts.Hash{topics[0], key, hash}, make([]byte, 32), ""},
		{"redeemed without secret", []contracts.Hash{topics[1], key}, nil, ""},
		{"redeemed with 31 bytes", []contracts.Hash{topics[1], key}, s[:31], ""},
		{"redeemed with 33 bytes", []contracts.Hash{topics[1], key}, append(s[:], 0), ""},
		{"redeemed with a topic more", []contracts.Hash{topics[1], key, hash}, s[:], ""},
		{"refunded with data", []contracts.Hash{topics[2], key}, []byte{0}, ""},
	}
	for _, row := range rows {
		e, err := contracts.ReadHashLockLog(row.topics, row.data)
		if e.Kind != row.want || (row.want == "") != errors.Is(err, contracts.ErrAnswer) {
			t.Errorf("%s: %+v, %v", row.name, e, err)
		}
		if row.want != "" && (e.Key != key || (e.Hash == hash) != (row.want == contracts.LegLocked)) {
			t.Errorf("%s: %+v", row.name, e)
		}
		if (e.Secret != nil) != (row.want == contracts.LegRedeemed) || e.Secret != nil && *e.Secret != s {
			t.Errorf("%s: wrong secret", row.name)
		}
	}
}

// FuzzReadHashLockLog reads topics of 32 bytes each from one string. What is read
// is what was written, and nothing else is taken for it.
func FuzzReadHashLockLog(f *testing.F) {
	for _, first := range contracts.HashLockTopics() {
		for topics := range 4 {
			f.Add(append(first[:], make([]byte, 32*topics)...), make([]byte, 32))
			f.Add(append(first[:], make([]byte, 32*topics)...), []byte{})
		}
	}
	f.Fuzz(func(t *testing.T, raw, data []byte) {
		var topics []contracts.Hash
		for ; len(raw) >= 32; raw = raw[32:] {
			topics = append(topics, contracts.Hash(raw[:32]))
		}
		e, err := contracts.ReadHashLockLog(topics, data)
		if err != nil {
			if !errors.Is(err, contracts.ErrAnswer) || e != (contracts.HashLockEvent{}) {
				t.Fatalf("%+v, %v", e, err)
			}
			return
		}
		known := contracts.HashLockTopics()
		var again []contracts.Hash
		var body []byte
		switch e.Kind {
		case contracts.LegLocked:
			again = []contracts.Hash{known[0], e.Key, e.Hash}
		case contracts.LegRedeemed:
			again, body = []contracts.Hash{known[1], e.Key}, e.Secret[:]
		case contracts.LegRefunded:
			again = []contracts.Hash{known[2], e.Key}
		}
		if !slices.Equal(again, topics) || !bytes.Equal(body, data) {
			t.Fatalf("%+v of %v and %x", e, topics, data)
		}
	})
}

// What a chain node returns is read only when the contract can have said it: not
// the empty answer of an account without code, and not a revert that is passed off
// as a success.
func TestReadAnswers(t *testing.T) {
	word := func(digits string) []byte {
		b, err := hex.DecodeString(strings.Repeat("0", 64-len(digits)) + digits)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	revert := append([]byte{0x08, 0xc3, 0x79, 0xa0}, make([]byte, 96)...)
	rows := []struct {
		name                  string
		answer                []byte
		state, tokens, digits bool
	}{
		{"zero", word("0"), true, true, true},
		{"77", word("4d"), true, true, true},
		{"78", word("4e"), true, true, false},
		{"2^64-1", word("ffffffffffffffff"), true, true, false},
		{"2^64", word("10000000000000000"), false, true, false},
		{"2^256-1", word(strings.Repeat("f", 64)), false, true, false},
		{"empty", nil, false, false, false},
		{"31 bytes", make([]byte, 31), false, false, false},
		{"33 bytes", make([]byte, 33), false, false, false},
		{"two words", make([]byte, 64), false, false, false},
		{"a revert's text", revert, false, false, false},
		{"a revert's selector", revert[:4], false, false, false},
	}
	for _, row := range rows {
		_, state := contracts.ReadState(row.answer)
		_, tokens := contracts.ReadTokens(row.answer)
		_, digits := contracts.ReadDecimals(row.answer)
		for what, got := range map[string]struct {
			err  error
			want bool
		}{"ReadState": {state, row.state}, "ReadTokens": {tokens, row.tokens}, "ReadDecimals": {digits, row.digits}} {
			if (got.err == nil) != got.want || got.err != nil && !errors.Is(got.err, contracts.ErrAnswer) {
				t.Errorf("%s: %s: %v", row.name, what, got.err)
			}
		}
	}
	if st, err := contracts.ReadState(word("0")); err != nil || st.Locked {
		t.Errorf("zero: %+v, %v", st, err)
	}
	if st, err := contracts.ReadState(word("7")); err != nil || !st.Locked || st.Block != 7 {
		t.Errorf("seven: %+v, %v", st, err)
	}
}

func TestReadRevert(t *testing.T) {
	for _, name := range []string{"BadHash", "NotLocked", "TooLate", "PaymentFailed"} {
		if got, ok := contracts.ReadRevert(crypto.Keccak256([]byte(name + "()"))[:4]); !ok || got != name {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	for _, data := range [][]byte{nil, {1}, {1, 2, 3, 4}, append(crypto.Keccak256([]byte("BadHash()"))[:4], 0)} {
		if got, ok := contracts.ReadRevert(data); ok {
			t.Errorf("%x: %q", data, got)
		}
	}
}

func TestMethodOf(t *testing.T) {
	for want, data := range map[string][]byte{
		"closeTogether": contracts.CloseTogetherCall(contracts.ChannelName{}, contracts.Ending{}, contracts.Signature{}, contracts.Signature{}),
		"registerBatch": contracts.RegisterCall(contracts.Secret{1}, contracts.Secret{2}),
		"approve":       contracts.ApproveCall(contracts.Address{}, contracts.Units(1)),
		"":              {1, 2, 3, 4},
	} {
		if got := contracts.MethodOf(data); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := contracts.MethodOf([]byte{1}); got != "" {
		t.Errorf("%q of a byte", got)
	}
}

// The ERC20 of the demo does what its name says, and answers as the readers read.
func TestTokenOfTheDemo(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		token := g.deploy(contracts.TestTokenDeploy("Photon Test", "PHT", 6, contracts.Units(1_000)))
		g.must(g.send(carol, token, noCoins, contracts.MintCall(bob, contracts.Units(5))))
		g.must(g.send(miner, token, noCoins, contracts.TransferCall(bob, contracts.Units(7))))
		if r := g.send(bob, token, noCoins, contracts.TransferCall(carol, contracts.Units(13))); r.err == nil {
			t.Error("bob paid more than he has")
		}
		if got := g.tokens(token, bob); got != contracts.Units(12) {
			t.Errorf("bob has %s", got)
		}
		if n, err := contracts.ReadDecimals(g.call(token, contracts.DecimalsCall())); err != nil || n != 6 {
			t.Errorf("decimals %d, %v", n, err)
		}
	})
}
