package contracts_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"photon/contracts"
)

// The code on the chain is the code that the node expects there, for that chain,
// place, registry and punish time, and for no other.
func TestChannelsRuntime(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		if code := h.state.GetCode(h.registry); !bytes.Equal(code, contracts.SecretRegistryRuntime()) {
			t.Error("the registry's code is not SecretRegistryRuntime")
		}
		code := h.state.GetCode(h.lock)
		if !bytes.Equal(code, contracts.ChannelsRuntime(h.c, h.registry, punishBlocks)) {
			t.Error("the code is not ChannelsRuntime")
		}
		type asked struct {
			code     []byte
			c        contracts.Channels
			registry contracts.Address
		}
		for _, row := range []struct {
			name   string
			change func(*asked)
			want   error
		}{
			{"good", func(*asked) {}, nil},
			{"another chain", func(a *asked) { a.c.ChainID++ }, contracts.ErrAnswer},
			{"another place", func(a *asked) { a.c.At = h.registry }, contracts.ErrAnswer},
			{"another registry", func(a *asked) { a.registry = h.lock }, contracts.ErrAnswer},
			{"one byte less", func(a *asked) { a.code = a.code[1:] }, contracts.ErrAnswer},
			{"one byte changed", func(a *asked) { a.code[99] ^= 1 }, contracts.ErrAnswer},
			{"nothing", func(a *asked) { a.code = nil }, contracts.ErrAnswer},
			{"the registry", func(a *asked) { a.code = h.state.GetCode(h.registry) }, contracts.ErrAnswer},
		} {
			a := asked{slices.Clone(code), h.c, h.registry}
			row.change(&a)
			n, err := contracts.ReadChannelsRuntime(a.code, a.c, a.registry)
			if !errors.Is(err, row.want) || (row.want == nil) != (err == nil) || (err == nil) != (n == punishBlocks) {
				t.Errorf("%s: %d, %v", row.name, n, err)
			}
		}
	})
}

// FuzzReadChannelsRuntime takes no code but the one.
func FuzzReadChannelsRuntime(f *testing.F) {
	c := contracts.Channels{ChainID: 4, At: bob}
	good := contracts.ChannelsRuntime(c, alice, 50)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(contracts.ChannelsRuntime(c, alice, 1<<64-1))
	f.Add(contracts.ChannelsRuntime(c, bob, 50))
	f.Fuzz(func(t *testing.T, code []byte) {
		n, err := contracts.ReadChannelsRuntime(code, c, alice)
		if err == nil != bytes.Equal(code, contracts.ChannelsRuntime(c, alice, n)) || err != nil && !errors.Is(err, contracts.ErrAnswer) {
			t.Fatalf("%d, %v", n, err)
		}
	})
}

// What the registry wrote is read, and nothing else.
func TestReadRegisteredLog(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		logs := h.must(h.send(carol, h.registry, noCoins, contracts.RegisterCall(secret(1), secret(2)))).logs
		if len(logs) != 2 {
			t.Fatalf("%d logs", len(logs))
		}
		for i, l := range logs {
			var topics []contracts.Hash
			for _, topic := range l.Topics {
				topics = append(topics, contracts.Hash(topic))
			}
			if s, err := contracts.ReadRegisteredLog(topics, l.Data); err != nil || s != secret(byte(i+1)) || topics[0] != contracts.RegisteredTopic() {
				t.Errorf("%s, %v", s.Hash(), err)
			}
		}
	})
}

// FuzzReadRegisteredLog reads topics of 32 bytes each from one string.
func FuzzReadRegisteredLog(f *testing.F) {
	s, topic := contracts.Secret{1}, contracts.RegisteredTopic()
	hash := s.Hash()
	f.Add(append(topic[:], hash[:]...), s[:])
	f.Add(topic[:], s[:])
	f.Add(append(hash[:], hash[:]...), s[:])
	f.Add(append(slices.Clone(topic[:]), topic[:]...), s[:])
	f.Add(append(slices.Clone(topic[:]), hash[:]...), s[:31])
	f.Fuzz(func(t *testing.T, raw, data []byte) {
		var topics []contracts.Hash
		for ; len(raw) >= 32; raw = raw[32:] {
			topics = append(topics, contracts.Hash(raw[:32]))
		}
		s, err := contracts.ReadRegisteredLog(topics, data)
		if err != nil {
			if !errors.Is(err, contracts.ErrAnswer) || s != (contracts.Secret{}) {
				t.Fatalf("%v", err)
			}
			return
		}
		if !slices.Equal(topics, []contracts.Hash{topic, s.Hash()}) || !bytes.Equal(data, s[:]) {
			t.Fatalf("%v and %x", topics, data)
		}
	})
}

// Every log that the filter of topics lets through is read.
func TestChannelTopics(t *testing.T) {
	topics := contracts.ChannelTopics()
	if len(topics) != len(eventNames) {
		t.Fatalf("%d topics, want %d", len(topics), len(eventNames))
	}
	for kind := range eventNames {
		of, _ := written(t, artifact(t, "Channels"), contracts.ChannelEvent{Kind: kind, First: bob})
		if !slices.Contains(topics, of[0]) || of[2] != contracts.PartyTopic(bob) {
			t.Errorf("%s is not let through", kind)
		}
	}
}

// A call that takes tokens of its sender says how many; any other says nothing.
func TestReadSpend(t *testing.T) {
	token, amount := contracts.Address{1, 2}, units(77)
	name, none := contracts.NameChannel(token, alice, bob, 9), contracts.Signature{}
	open, _ := contracts.OpenCall(token, bob, 100, amount)
	signed, _ := contracts.OpenSignedCall(contracts.Opening{Token: token, By: bob, Partner: alice, Window: 100}, none, amount)
	deposit, _ := contracts.DepositCall(name, true, amount)
	coins, _ := contracts.OpenCall(nobody, bob, 100, amount)
	for _, row := range []struct {
		name string
		call []byte
		ok   bool
	}{
		{"open", open, true},
		{"open signed", signed, true},
		{"deposit", deposit, true},
		{"deposit by permit", contracts.DepositPermitCall(name, true, amount, 5, none), true},
		{"open with coins", coins, false},
		{"a word less", open[:len(open)-32], false},
		{"another selector", append([]byte{0}, open[1:]...), false},
		{"settle", contracts.SettleCall(name, contracts.Claim{}, contracts.Claim{}), false},
		{"nothing", nil, false},
	} {
		gotToken, got, ok := contracts.ReadSpend(row.call)
		if ok != row.ok || ok && (gotToken != token || got != amount) {
			t.Errorf("%s: %s of %s, %t", row.name, got, gotToken, ok)
		}
	}
}
