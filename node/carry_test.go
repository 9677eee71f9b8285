package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
)

var at = contracts.Channels{ChainID: 1, At: contracts.Address{7}}

// A desk is a node on a chain of which the test says everything. It has no partner.
type desk struct {
	Ledger
	Peer
	Store
	mu       sync.Mutex
	kept     []channel.Tx
	rested   []contracts.Hash
	sent     []contracts.Hash
	prepared []channel.Order
	makes    func(channel.Order) ([]channel.Tx, error)
	buried   map[contracts.Hash]uint64 // how deep
	failed   bool                      // what is buried has failed
	faster   func(channel.Tx) (channel.Tx, bool)
	events   []channel.Happened
}

func (d *desk) Channels() (contracts.Channels, contracts.Address) { return at, contracts.Address{8} }

func (d *desk) FollowChannels(ctx context.Context, _ uint64, deliver func(context.Context, channel.News) error) error {
	now := uint64(time.Now().Unix())
	if err := deliver(ctx, channel.News{Head: channel.Head{Height: 100, Time: now}, Through: 98, Events: d.events}); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (d *desk) PrepareCall(_ context.Context, o channel.Order) ([]channel.Tx, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.prepared = append(d.prepared, o)
	return d.makes(o)
}

func (d *desk) SendCall(_ context.Context, t channel.Tx) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent = append(d.sent, t.ID)
	return nil
}

func (d *desk) CallBuried(_ context.Context, t channel.Tx) (uint64, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.buried[t.ID], d.buried[t.ID] > 0 && !d.failed, nil
}

func (d *desk) HastenCall(_ context.Context, _ channel.Order, t channel.Tx) (channel.Tx, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	faster, ok := d.faster(t)
	return faster, ok, nil
}

func (d *desk) ResumeCalls(context.Context, []channel.Tx) error { return nil }

func (d *desk) Met() <-chan contracts.Address { return nil }
func (d *desk) Trust(contracts.Address, bool) {}

func (d *desk) Tell(context.Context, contracts.Address, []byte) error {
	return errors.New("nobody is there")
}

func (d *desk) LoadLedger(context.Context) (ledger.Loaded, error) { return ledger.Loaded{}, nil }

func (d *desk) SaveLedger(_ context.Context, c ledger.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rested = append(d.rested, c.Rest...)
	return nil
}

func (d *desk) SaveCallTxs(_ context.Context, txs ...channel.Tx) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range txs {
		if !slices.ContainsFunc(d.kept, func(k channel.Tx) bool { return k.Order == t.Order && k.ID == t.ID }) {
			d.kept = append(d.kept, t)
		}
	}
	return nil
}

func (d *desk) CallTxs(context.Context) ([]channel.Tx, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(d.kept), func(t channel.Tx) bool { return slices.Contains(d.rested, t.Order) }), nil
}

func (d *desk) OrderTxs(_ context.Context, order contracts.Hash) ([]channel.Tx, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(d.kept), func(t channel.Tx) bool { return t.Order != order }), nil
}

// mine buries a transaction so deep.
func (d *desk) mine(tx contracts.Hash, depth uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.buried[tx] = depth
}

// state is how often something was prepared, and which orders are at rest.
func (d *desk) state() (tries int, rested []contracts.Hash) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.prepared), slices.Clone(d.rested)
}

// sends counts how often a transaction was sent.
func (d *desk) sends(tx contracts.Hash) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sent {
		if s == tx {
			n++
		}
	}
	return n
}

// atDesk runs do beside a node of d, in fake time.
func atDesk(t *testing.T, d *desk, do func(context.Context, *Node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{
			Ledger: ledger.Config{
				Self: contracts.Address{1}, Limits: ledger.Limits{Open: 10},
				Chains: map[contracts.Chain]ledger.Terms{contracts.SMT: {Contract: at, StaleAfter: 3600, Rules: channel.Rules{Reveal: 30}}},
			},
			Chains: map[contracts.Chain]Ledger{contracts.SMT: d}, Peer: d, Store: d, Log: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- n.Run(ctx) }()
		<-n.Ready()
		do(ctx, n)
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}

// made is a transaction of an order.
func made(order contracts.Hash, name string, step int) channel.Tx {
	return channel.Tx{Order: order, Chain: contracts.SMT, ID: sha256.Sum256([]byte(name)), Step: step}
}

// calling is the transaction that does what is ordered.
func calling(o channel.Order, name string) channel.Tx {
	t := made(o.ID, name, 0)
	to := common.Address(o.To)
	raw, err := types.NewTx(&types.LegacyTx{To: &to, Data: o.Data, Value: o.Value.Uint256().ToBig(), Gas: o.Gas}).MarshalBinary()
	if err != nil {
		panic(err)
	}
	t.Raw = raw
	return t
}

// What had to be mined before an order is no sign that the order is done.
func TestOrderIsNotWhatIsInItsWay(t *testing.T) {
	id, other := contracts.Hash{5}, contracts.Hash{6}
	call := made(id, "call", 0) // as calling names it
	for name, way := range map[string]channel.Tx{
		"an approval, raised":     made(id, "approval", 1),
		"a filled nonce":          made(id, "nothing", 2),
		"another order's, raised": made(other, "other", 0),
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{
				buried: map[contracts.Hash]uint64{},
				makes:  func(o channel.Order) ([]channel.Tx, error) { return []channel.Tx{calling(o, "call")}, nil },
			}
			d.faster = func(channel.Tx) (channel.Tx, bool) { return way, !slices.Contains(d.sent, way.ID) }
			atDesk(t, d, func(ctx context.Context, n *Node) {
				if _, err := n.Open(ctx, id, contracts.Native(contracts.SMT), contracts.Address{2}, 600, contracts.Units(9)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				d.mine(way.ID, 10)
				time.Sleep(time.Minute)
				before := d.sends(call.ID)
				time.Sleep(time.Minute)
				_, rested := d.state()
				if after := d.sends(call.ID); after == before || slices.Contains(rested, id) {
					t.Errorf("the call was sent %d times, then %d; at rest are %v", before, after, rested)
				}
				d.mine(call.ID, 10)
				time.Sleep(time.Minute)
				if _, rested := d.state(); !slices.Contains(rested, id) {
					t.Error("it is done, and not at rest")
				}
			})
		})
	}
}

// A secret that opens several locks is registered once, for what all of them are
// worth: one of nothing, which somebody puts before it, must not keep it from us.
func TestOneOrderForAllLocks(t *testing.T) {
	order := func(deadline, stake uint64) channel.Order {
		return channel.Order{ID: contracts.Hash{1}, Deadline: deadline, Stake: contracts.Units(stake)}
	}
	for _, row := range []struct {
		name       string
		x, y, want channel.Order
	}{
		{"two locks", order(50, 1), order(60, 1000), order(50, 1001)},
		{"the later one first", order(60, 1000), order(50, 1), order(50, 1001)},
		{"one in tokens", order(50, 1), order(60, 0), order(50, 0)},
		{"tokens first", order(50, 0), order(60, 1), order(50, 0)},
	} {
		t.Run(row.name, func(t *testing.T) {
			other := channel.Order{ID: contracts.Hash{2}}
			got := join(join(join(nil, row.x), other), row.y)
			if want := []channel.Order{row.want, other}; !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// An order that was done in a run before is not made again when its id comes again,
// and nothing else is done under it; one that was on its way is carried on as before.
func TestOrdersAfterARestart(t *testing.T) {
	smt := contracts.Native(contracts.SMT)
	id, partner := contracts.Hash{5}, contracts.Address{2}
	open := func(ctx context.Context, n *Node, amount uint64) ([]channel.Tx, error) {
		return n.Open(ctx, id, smt, partner, 600, contracts.Units(amount))
	}
	for name, depth := range map[string]uint64{"done": 10, "waiting": 0} {
		t.Run(name, func(t *testing.T) {
			d := &desk{buried: map[contracts.Hash]uint64{}}
			d.faster = func(channel.Tx) (channel.Tx, bool) { return channel.Tx{}, false }
			d.makes = func(o channel.Order) ([]channel.Tx, error) { return []channel.Tx{calling(o, "first")}, nil }
			var first []channel.Tx
			atDesk(t, d, func(ctx context.Context, n *Node) {
				var err error
				if first, err = open(ctx, n, 9); err != nil {
					t.Fatal(err)
				}
				d.mine(first[0].ID, depth)
				time.Sleep(time.Minute)
			})
			hastened := 0
			d.faster = func(channel.Tx) (channel.Tx, bool) { hastened++; return channel.Tx{}, false }
			d.makes = func(o channel.Order) ([]channel.Tx, error) {
				if depth == 0 {
					return first, nil
				}
				return []channel.Tx{calling(o, "second")}, nil
			}
			atDesk(t, d, func(ctx context.Context, n *Node) {
				if again, err := open(ctx, n, 9); err != nil || !reflect.DeepEqual(again, first) {
					t.Errorf("again: %+v, %v, want %+v", again, err, first)
				}
				if _, err := open(ctx, n, 8); !errors.Is(err, ledger.ErrReused) {
					t.Errorf("another under the same id: %v", err)
				}
				time.Sleep(time.Minute)
				if all, _ := d.OrderTxs(ctx, id); all[len(all)-1].ID != first[0].ID {
					t.Errorf("made again as %s", all[len(all)-1].ID)
				}
				if looked := hastened > 0; looked != (depth == 0) {
					t.Errorf("was hastened: %t", looked)
				}
			})
		})
	}
}

// An order is cared for until its block is confirmed: another may take its place.
func TestOrderIsNotDoneBeforeItIsConfirmed(t *testing.T) {
	id := contracts.Hash{5}
	d := &desk{buried: map[contracts.Hash]uint64{}}
	d.faster = func(channel.Tx) (channel.Tx, bool) { return channel.Tx{}, false }
	d.makes = func(o channel.Order) ([]channel.Tx, error) { return []channel.Tx{calling(o, "call")}, nil }
	atDesk(t, d, func(ctx context.Context, n *Node) {
		txs, err := n.Open(ctx, id, contracts.Native(contracts.SMT), contracts.Address{2}, 600, contracts.Units(9))
		if err != nil {
			t.Fatal(err)
		}
		tx := txs[0].ID
		d.mine(tx, 2) // all is told up to two blocks below the newest
		time.Sleep(time.Minute)
		d.mine(tx, 0)
		before := d.sends(tx)
		time.Sleep(time.Minute)
		if _, rested := d.state(); d.sends(tx) == before || slices.Contains(rested, id) {
			t.Errorf("it was sent %d times before its block was replaced, %d in all; at rest are %v", before, d.sends(tx), rested)
		}
		d.mine(tx, 3)
		time.Sleep(time.Minute)
		if _, rested := d.state(); !slices.Contains(rested, id) {
			t.Error("it is confirmed, and not at rest")
		}
	})
}

// An order whose transaction has failed is made anew while that can be hoped for, and
// then given up.
func TestFailedOrderIsGivenUp(t *testing.T) {
	id := contracts.Hash{5}
	d := &desk{buried: map[contracts.Hash]uint64{}, failed: true}
	d.faster = func(channel.Tx) (channel.Tx, bool) { return channel.Tx{}, false }
	d.makes = func(o channel.Order) ([]channel.Tx, error) {
		if len(d.kept) > 0 && d.failed {
			return nil, errors.New("refused")
		}
		return []channel.Tx{calling(o, "call")}, nil
	}
	atDesk(t, d, func(ctx context.Context, n *Node) {
		txs, err := n.Open(ctx, id, contracts.Native(contracts.SMT), contracts.Address{2}, 600, contracts.Units(9))
		if err != nil {
			t.Fatal(err)
		}
		d.mine(txs[0].ID, 5)
		time.Sleep(time.Minute)
		if tries, rested := d.state(); tries < 3 || slices.Contains(rested, id) {
			t.Errorf("it was tried %d times in a minute; at rest are %v", tries, rested)
		}
		time.Sleep(time.Hour)
		before, _ := d.state()
		time.Sleep(time.Hour)
		if tries, rested := d.state(); tries > before || !slices.Contains(rested, id) {
			t.Errorf("it was tried %d times, then %d; at rest are %v", before, tries, rested)
		}
	})
}

// An order whose transaction is stored needs nothing prepared: with a chain that
// cannot be asked for hours it is not given up.
func TestStoredOrderIsNotGivenUp(t *testing.T) {
	id := contracts.Hash{5}
	d := &desk{buried: map[contracts.Hash]uint64{}}
	d.faster = func(channel.Tx) (channel.Tx, bool) { return channel.Tx{}, false }
	d.makes = func(o channel.Order) ([]channel.Tx, error) {
		if len(d.kept) > 0 {
			return nil, errors.New("down")
		}
		return []channel.Tx{calling(o, "call")}, nil
	}
	atDesk(t, d, func(ctx context.Context, n *Node) {
		txs, err := n.Open(ctx, id, contracts.Native(contracts.SMT), contracts.Address{2}, 600, contracts.Units(9))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		before := d.sends(txs[0].ID)
		time.Sleep(time.Minute)
		_, rested := d.state()
		if after := d.sends(txs[0].ID); after == before || slices.Contains(rested, id) {
			t.Errorf("sent %d times, then %d; at rest are %v", before, after, rested)
		}
	})
}

// The account that should pay for a settlement is empty: the node goes on, asks again
// and again, but not ever faster, and settles once there is money.
func TestEmptyAccount(t *testing.T) {
	name := contracts.NameChannel(contracts.Address{}, contracts.Address{1}, contracts.Address{2}, 10)
	happened := func(kind contracts.ChannelKind, block uint64) channel.Happened {
		return channel.Happened{ChannelEvent: contracts.ChannelEvent{
			Kind: kind, ID: name.ID(), First: name.First, Second: name.Second, Window: 50, ByFirst: true,
		}, Block: block}
	}
	d := &desk{buried: map[contracts.Hash]uint64{}, events: []channel.Happened{happened(contracts.ChannelOpened, 10), happened(contracts.ChannelClosed, 20)}}
	d.faster = func(channel.Tx) (channel.Tx, bool) { return channel.Tx{}, false }
	rich := false
	d.makes = func(o channel.Order) ([]channel.Tx, error) {
		if !rich {
			return nil, channel.ErrShort
		}
		return []channel.Tx{calling(o, "settle")}, nil
	}
	atDesk(t, d, func(_ context.Context, n *Node) {
		time.Sleep(time.Hour)
		d.mu.Lock()
		rich = true
		tries, method := len(d.prepared), contracts.MethodOf(d.prepared[0].Data)
		d.mu.Unlock()
		if tries < 30 || tries > 120 || method != "settle" {
			t.Errorf("%s was tried %d times in an hour", method, tries)
		}
		time.Sleep(2 * time.Minute)
		if d.sends(made(contracts.Hash{}, "settle", 0).ID) == 0 {
			t.Error("there is money, and nothing was sent")
		}
	})
}
