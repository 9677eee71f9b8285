package ledger

import (
	"testing"

	"photon/contracts"
	"photon/node/channel"
)

// What the core takes of one direct payment, in updates of a hundred, without
// signatures and without storage: payer and payee together.
func BenchmarkDirect(b *testing.B) {
	w := newWorld(b, 2)
	w.open(0, 1, units(1<<60), units(0))
	payer, payee := w.people[0], w.people[1]
	c := w.between(0, 1)
	n := uint64(0)
	for b.Loop() {
		var all Change
		for range 100 {
			n++
			change, err := payer.l.Apply(Pay{ID: contracts.Hash{1, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, Asset: smt, To: payee.self(), Amount: units(1)})
			if err != nil {
				b.Fatal(err)
			}
			payer.l.Commit(change)
			all.Add(change)
		}
		w.must(payer, Flush{})
		for len(w.queue) > 0 {
			w.deliver(0)
		}
	}
	if after, _ := payer.l.Channel(c.Key); after.Us.Proof.Transferred != units(n) {
		b.Fatalf("%s of %d arrived", after.Us.Proof.Transferred, n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/payment")
}

// A block with events of a thousand of ten thousand channels.
func BenchmarkBlock(b *testing.B) {
	w := newWorld(b, 1)
	p := w.people[0]
	name := func(i int) contracts.ChannelName {
		return contracts.NameChannel(smt.Token, p.self(), contracts.Address{1, byte(i >> 8), byte(i)}, 1001)
	}
	var events []channel.Happened
	for i := range 10_000 {
		n := name(i)
		events = append(events, channel.Happened{Block: 1001, ChannelEvent: contracts.ChannelEvent{
			Kind: contracts.ChannelOpened, ID: n.ID(), First: n.First, Second: n.Second, Window: window}})
	}
	w.height++
	w.must(p, w.news(contracts.SMT, events...))
	total := uint64(0)
	for b.Loop() {
		w.height++
		total++
		events = events[:0]
		for i := range 1000 {
			n := name(i)
			events = append(events, channel.Happened{Block: w.height, ChannelEvent: contracts.ChannelEvent{
				Kind: contracts.ChannelDeposited, ID: n.ID(), First: n.First, Second: n.Second, ByFirst: true, Total: units(total)}})
		}
		c, err := p.l.Apply(w.news(contracts.SMT, events...))
		if err != nil || len(c.Channels) != 1000 {
			b.Fatalf("%v: %d channels", err, len(c.Channels))
		}
		p.l.Commit(c)
	}
}

// Ten thousand channels with nothing to say cost a flush nothing, and one that has
// something is all that is asked.
func TestFlushAsksOnlyWhoSpeaks(t *testing.T) {
	w := newWorld(t, 2)
	key := w.open(0, 1, units(1000), units(0))
	p := w.people[0]
	c, _ := p.l.Channel(key)
	var many []channel.Channel
	for i := range 10_000 {
		idle := c
		idle.Key = contracts.Hash{2, byte(i >> 8), byte(i)}
		many = append(many, idle)
	}
	p.l.Commit(Change{Channels: many})
	if n := testing.AllocsPerRun(10, func() {
		if change, err := p.l.Apply(Flush{}); err != nil || !change.Empty() {
			t.Fatalf("%v, %d channels", err, len(change.Channels))
		}
	}); n > 2 {
		t.Errorf("a flush of idle channels makes %v allocations", n)
	}
	w.must(p, Pay{ID: contracts.Hash{1}, Asset: smt, To: w.people[1].self(), Amount: units(1)})
	change, err := p.l.Apply(Flush{})
	if err != nil || len(change.Channels) != 1 || change.Channels[0].Partner() != w.people[1].self() {
		t.Errorf("%v: %d channels, want the one that pays", err, len(change.Channels))
	}
}
