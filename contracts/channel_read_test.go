package contracts_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"photon/contracts"
)

// eventNames are the events of channels by kind.
var eventNames = map[contracts.ChannelKind]string{
	contracts.ChannelOpened: "Opened", contracts.ChannelDeposited: "Deposited", contracts.ChannelWithdrawn: "Withdrawn",
	contracts.ChannelClosed: "Closed", contracts.ChannelUpdated: "Updated", contracts.ChannelUnlocked: "Unlocked",
	contracts.ChannelPunished: "Punished", contracts.ChannelSettled: "Settled",
}

// written is the log of an event, as the contract's ABI has it.
func written(t testing.TB, c compiled, e contracts.ChannelEvent) (topics []contracts.Hash, data []byte) {
	t.Helper()
	number := func(n uint64) *big.Int { return new(big.Int).SetUint64(n) }
	bits := contracts.Amount(e.Taken)
	args := map[contracts.ChannelKind][]any{
		contracts.ChannelOpened:    {e.Token, number(e.Window)},
		contracts.ChannelDeposited: {number(e.Epoch), e.ByFirst, e.Total.Uint256().ToBig()},
		contracts.ChannelWithdrawn: {number(e.Epoch), e.FirstAmount.Uint256().ToBig(), e.SecondAmount.Uint256().ToBig()},
		contracts.ChannelClosed:    {number(e.Epoch), e.ByFirst, e.Proof.Nonce, e.Proof.Transferred.Uint256().ToBig(), [32]byte(e.Proof.Locks)},
		contracts.ChannelUpdated:   {number(e.Epoch), e.ByFirst, e.Proof.Nonce, e.Proof.Transferred.Uint256().ToBig(), [32]byte(e.Proof.Locks)},
		contracts.ChannelUnlocked:  {number(e.Epoch), e.ByFirst, e.Unlocked.Uint256().ToBig(), bits.Uint256().ToBig()},
		contracts.ChannelPunished:  {number(e.Epoch), e.ByFirst},
		contracts.ChannelSettled:   {number(e.Epoch), e.FirstAmount.Uint256().ToBig(), e.SecondAmount.Uint256().ToBig()},
	}[e.Kind]
	event := c.ABI.Events[eventNames[e.Kind]]
	data, err := event.Inputs.NonIndexed().Pack(args...)
	if err != nil {
		t.Fatal(err)
	}
	party := func(a contracts.Address) (h contracts.Hash) { copy(h[12:], a[:]); return h }
	return []contracts.Hash{contracts.Hash(event.ID), e.ID, party(e.First), party(e.Second)}, data
}

// FuzzReadChannelLog reads topics of 32 bytes each from one string. What is read is
// what was written, and nothing else is taken for it.
func FuzzReadChannelLog(f *testing.F) {
	c := artifact(f, "Channels")
	for kind := range eventNames {
		topics, data := written(f, c, contracts.ChannelEvent{Kind: kind, First: bob, Second: alice, ByFirst: kind == contracts.ChannelClosed})
		var raw []byte
		for _, topic := range topics {
			raw = append(raw, topic[:]...)
		}
		f.Add(raw, data)
		f.Add(raw[:96], data)
		f.Add(raw, append(data, 0))
		data[0] = 1 // beyond an address or an epoch
		f.Add(raw, slices.Clone(data))
	}
	f.Fuzz(func(t *testing.T, raw, data []byte) {
		var topics []contracts.Hash
		for ; len(raw) >= 32; raw = raw[32:] {
			topics = append(topics, contracts.Hash(raw[:32]))
		}
		e, err := contracts.ReadChannelLog(topics, data)
		if err != nil {
			if !errors.Is(err, contracts.ErrAnswer) || e != (contracts.ChannelEvent{}) {
				t.Fatalf("%+v, %v", e, err)
			}
			return
		}
		again, body := written(t, c, e)
		if !slices.Equal(again, topics) || !bytes.Equal(body, data) {
			t.Fatalf("%+v of %v and %x", e, topics, data)
		}
	})
}

// channelWords are a state as the contract answers it.
func channelWords(s contracts.ChannelState) (answer []byte) {
	byFirst := units(0)
	if s.ClosedByFirst {
		byFirst = units(1)
	}
	for _, a := range []contracts.Amount{units(s.Window), units(s.End), units(s.Epoch), byFirst, units(s.Nonce), s.FirstDeposit, s.SecondDeposit} {
		w := a.Uint256().Bytes32()
		answer = append(answer, w[:]...)
	}
	return append(append(answer, s.FirstClaim[:]...), s.SecondClaim[:]...)
}

// FuzzReadChannel reads what was written, and nothing else.
func FuzzReadChannel(f *testing.F) {
	good := channelWords(contracts.ChannelState{Window: 100, End: 5, Epoch: 1, ClosedByFirst: true, Nonce: 1<<64 - 1, FirstDeposit: units(7), FirstClaim: contracts.Hash{1}})
	f.Add(good)
	f.Add(good[1:])
	for i := range 7 {
		bad := slices.Clone(good)
		bad[32*i] = 1
		f.Add(bad)
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		s, err := contracts.ReadChannel(answer)
		if err != nil {
			if !errors.Is(err, contracts.ErrAnswer) || s != (contracts.ChannelState{}) {
				t.Fatalf("%+v, %v", s, err)
			}
			return
		}
		if again := channelWords(s); !bytes.Equal(again, answer) {
			t.Fatalf("%x, was %x", again, answer)
		}
	})
}

// FuzzParseSignature takes one form besides that of v 0 and 1, and what it takes it
// takes again. Who has signed is never nobody.
func FuzzParseSignature(f *testing.F) {
	digest := contracts.Hash(crypto.Keccak256([]byte("said")))
	good := sign(1, digest)
	f.Add(good)
	f.Add(good[:64])
	f.Add(append(slices.Clone(good), 0))
	f.Add(make([]byte, 65))
	for _, v := range []byte{2, 26, 27, 28, 29, 255} {
		f.Add(append(slices.Clone(good[:64]), v))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := contracts.ParseSignature(raw)
		if err != nil {
			if !errors.Is(err, contracts.ErrSignature) || s != (contracts.Signature{}) {
				t.Fatalf("%x, %v", s, err)
			}
			return
		}
		again, err := contracts.ParseSignature(s[:])
		if err != nil || again != s || !bytes.Equal(s[:64], raw[:64]) || s[64] != 27 && s[64] != 28 {
			t.Fatalf("%x, then %x, %v", s, again, err)
		}
		switch who, err := s.Signer(digest); {
		case err != nil && !errors.Is(err, contracts.ErrSignature), err == nil && who == nobody:
			t.Fatalf("%s, %v", who, err)
		case bytes.Equal(raw, good) && who != alice:
			t.Fatalf("signed by %s", who)
		}
	})
}

// A signature's text is one, and none other is read; of zeros it is that of none.
func TestSignatureText(t *testing.T) {
	digest := contracts.Hash(crypto.Keccak256([]byte("said")))
	s, err := contracts.ParseSignature(sign(1, digest))
	if err != nil {
		t.Fatal(err)
	}
	good, zeros := hex.EncodeToString(s[:]), strings.Repeat("0", 130)
	high := strings.Repeat("f", 64)
	for _, row := range []struct {
		name, text string
		want       error
	}{
		{"good", good, nil},
		{"none", zeros, nil},
		{"nothing", "", contracts.ErrSignature},
		{"a digit less", good[:129], contracts.ErrSignature},
		{"a byte less", good[:128], contracts.ErrSignature},
		{"a byte more", good + "00", contracts.ErrSignature},
		{"upper case", strings.ToUpper(good), contracts.ErrSignature},
		{"one digit upper", strings.Replace(good, "b", "B", 1), contracts.ErrSignature},
		{"marked", "0x" + good, contracts.ErrSignature},
		{"marked in its place", "0x" + good[2:], contracts.ErrSignature},
		{"not a digit", good[:129] + "g", contracts.ErrSignature},
		{"v of 0 or 1", good[:128] + fmt.Sprintf("%02x", s[64]-27), contracts.ErrSignature},
		{"v of 29", good[:128] + "1d", contracts.ErrSignature},
		{"s in the upper half", good[:64] + high + good[128:], contracts.ErrSignature},
		{"r of zero", zeros[:64] + good[64:], contracts.ErrSignature},
		{"only v", zeros[:128] + "1b", contracts.ErrSignature},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := contracts.Signature{1}
			err := got.UnmarshalText([]byte(row.text))
			if !errors.Is(err, row.want) || err != nil && got != (contracts.Signature{1}) {
				t.Fatalf("%x, %v", got, err)
			}
			if again, _ := got.MarshalText(); err == nil && string(again) != row.text {
				t.Errorf("%s", again)
			}
		})
	}
}

// FuzzSignatureText reads what was written, and nothing else.
func FuzzSignatureText(f *testing.F) {
	good := hex.EncodeToString(sign(1, contracts.Hash(crypto.Keccak256([]byte("said")))))
	for _, v := range []string{"00", "1b", "1c", "1B", "1d"} {
		f.Add([]byte(good[:128] + v))
	}
	f.Add(bytes.Repeat([]byte("0"), 130))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s contracts.Signature
		if err := s.UnmarshalText(text); err != nil {
			if !errors.Is(err, contracts.ErrSignature) || s != (contracts.Signature{}) {
				t.Fatalf("%x, %v", s, err)
			}
			return
		}
		if again, _ := s.MarshalText(); !bytes.Equal(again, text) {
			t.Fatalf("%q reads as %s", text, again)
		}
		if parsed, err := contracts.ParseSignature(s[:]); s != (contracts.Signature{}) && (err != nil || parsed != s) {
			t.Fatalf("%x, %v", s, err)
		}
	})
}

// Places are written as the number that has them as its bits.
func TestBitsText(t *testing.T) {
	for _, row := range []struct {
		text string
		want contracts.Bits
		err  error
	}{
		{"0", contracts.Bits{}, nil},
		{"1", contracts.BitsOf(0), nil},
		{"5", contracts.BitsOf(0, 2), nil},
		{most, all, nil},
		{above, contracts.Bits{}, contracts.ErrAmount},
		{"", contracts.Bits{}, contracts.ErrAmount},
		{"05", contracts.Bits{}, contracts.ErrAmount},
		{"-1", contracts.Bits{}, contracts.ErrAmount},
		{"+1", contracts.Bits{}, contracts.ErrAmount},
		{"0x5", contracts.Bits{}, contracts.ErrAmount},
		{" 5", contracts.Bits{}, contracts.ErrAmount},
		{"1e1", contracts.Bits{}, contracts.ErrAmount},
	} {
		var b contracts.Bits
		if err := b.UnmarshalText([]byte(row.text)); !errors.Is(err, row.err) || b != row.want {
			t.Errorf("%q: %v, %v", row.text, b, err)
		}
		if again, _ := row.want.MarshalText(); row.err == nil && string(again) != row.text {
			t.Errorf("%s, want %s", again, row.text)
		}
	}
}

// FuzzBitsText reads what was written, and nothing else.
func FuzzBitsText(f *testing.F) {
	for _, s := range []string{"0", "1", "01", "-1", most, above, "1e3", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var b contracts.Bits
		if err := b.UnmarshalText(text); err != nil {
			if !errors.Is(err, contracts.ErrAmount) || b != (contracts.Bits{}) {
				t.Fatalf("%v, %v", b, err)
			}
			return
		}
		if again, _ := b.MarshalText(); !bytes.Equal(again, text) {
			t.Fatalf("%q reads as %s", text, again)
		}
	})
}
