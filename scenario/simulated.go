package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"photon/adapters/sim"
	"photon/contracts"
	paying "photon/node"
	"photon/node/channel"
	"photon/swap"
	"photon/swap/trade"
)

// What fills which port.
var (
	_ swap.Ledger    = (*sim.Purse)(nil)
	_ swap.Cosigner  = (*sim.Purse)(nil)
	_ swap.Ledger    = (*sim.Account)(nil)
	_ swap.Store     = (*sim.Store)(nil)
	_ swap.Offers    = (*sim.Store)(nil)
	_ swap.Peer      = (*sim.Line)(nil)
	_ swap.Secrets   = sim.Keys("")
	_ swap.Journal   = (*sim.Journal)(nil)
	_ paying.Ledger  = (*sim.Account)(nil)
	_ paying.Store   = (*sim.Vault)(nil)
	_ paying.Peer    = (*sim.Courier)(nil)
	_ paying.Routes  = (*sim.Guide)(nil)
	_ paying.Secrets = sim.Keys("")
)

// A chain is what the simulated world does with one.
type chain interface {
	Mine()
	Favour()
	Reorg(depth int, drop bool)
	Idle(idle bool)
	Height() uint64
	Endpoint(node string) *sim.Endpoint
	Fate(w trade.Watch) trade.Fate
	Balance(k sim.Keys, a contracts.Asset) contracts.Amount
}

// A pace is how fast the world goes.
type pace struct {
	profile       trade.Profile
	every         map[contracts.Chain]time.Duration // a block
	confirmations map[contracts.Chain]uint64
}

// dev is a swap of an hour, safe and fast are as on main networks.
var paces = map[string]pace{
	"dev": {trade.Dev(1800),
		map[contracts.Chain]time.Duration{contracts.BTC: 30 * time.Second, contracts.LTC: 15 * time.Second, contracts.ETH: 12 * time.Second, contracts.SMT: 6 * time.Second},
		map[contracts.Chain]uint64{contracts.BTC: 2, contracts.LTC: 2, contracts.ETH: 3, contracts.SMT: 3}},
	"safe": {trade.Safe, mainBlocks, mainConfirmations},
	"fast": {trade.Fast, mainBlocks, mainConfirmations},
}

var (
	mainBlocks        = map[contracts.Chain]time.Duration{contracts.BTC: 10 * time.Minute, contracts.LTC: 150 * time.Second, contracts.ETH: 12 * time.Second, contracts.SMT: 14 * time.Second}
	mainConfirmations = map[contracts.Chain]uint64{contracts.BTC: 3, contracts.LTC: 6, contracts.ETH: 12, contracts.SMT: 17}
)

// What miners ask at first: smallest units for 1,000 vB, and wei for a gas.
const (
	outputsRate = 5_000
	gasPrice    = 20_000_000_000
)

// simulated is the world in memory. It lives in a bubble of testing/synctest.
type simulated struct {
	ctx     context.Context
	pace    pace
	pays    bool // everybody has a payment node, too
	atlas   *sim.Atlas
	past    map[string]channel.Channel // what cheats remember: "bob alice"
	chains  map[contracts.Chain]chain
	next    map[contracts.Chain]time.Time // when the next block comes
	tokens  map[string]contracts.Asset
	board   *sim.Board
	host    *host // nil: nobody serves a board of offers
	nodes   map[string]*node
	puppets map[string]*puppet
	audit   *auditor
	log     *journal

	mu     sync.Mutex
	points []string                             // all that has happened, in order
	judge  func(n int, p sim.Point) sim.Verdict // nil: all passes
	armed  []armed
}

// armed is a stop that a story has asked for.
type armed struct {
	node, deed string
	verdict    sim.Verdict
}

// A node is one person's: what outlives a run of it, and the run.
type node struct {
	name   string
	disk   *sim.Disk
	began  map[contracts.Asset]contracts.Amount
	up     atomic.Bool // is meant to run; the hook ends it from any goroutine
	loses  bool
	cheats bool
	life   *sim.Life
	desk   *swap.Desk
	payer  *paying.Node // nil where nobody has one
	done   chan error
}

// A journal is everybody's log in memory.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// newSimulated makes a world with these chains and nobody in it. It ends with
// ctx.
func newSimulated(ctx context.Context, named []contracts.Chain) (*simulated, error) {
	w := &simulated{ctx: ctx, pace: paces["dev"], chains: map[contracts.Chain]chain{}, next: map[contracts.Chain]time.Time{},
		tokens: map[string]contracts.Asset{}, board: sim.NewBoard(), atlas: sim.NewAtlas(), past: map[string]channel.Channel{}, nodes: map[string]*node{}, puppets: map[string]*puppet{}, log: &journal{}}
	w.audit = newAuditor(w)
	for _, c := range named {
		if err := w.grow(c); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// grow makes a chain.
func (w *simulated) grow(c contracts.Chain) error {
	every := w.pace.every[c]
	w.next[c] = time.Now().Add(every)
	if !c.EVM() {
		w.chains[c] = sim.NewOutputs(c, every, outputsRate)
		return nil
	}
	e, err := sim.NewContracts(c, every, gasPrice, sim.PunishBlocks)
	if err != nil {
		return err
	}
	w.chains[c] = e
	at, err := e.Token("usd", 6)
	w.tokens[string(c)+":usd"] = contracts.Asset{Chain: c, Token: at}
	return err
}

// now is Unix seconds.
func now() uint64 { return uint64(time.Now().Unix()) }

// sorted are all nodes by name.
func (w *simulated) sorted() (all []*node) {
	for _, n := range w.nodes {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	return all
}

// People are the names of all nodes.
func (w *simulated) People() (names []string) {
	for _, n := range w.sorted() {
		names = append(names, n.name)
	}
	return names
}

// settle waits until nobody has anything to do before more time passes, and takes
// up those who fell.
func (w *simulated) settle() error {
	synctest.Wait()
	for _, n := range w.sorted() {
		if n.life == nil || n.life.Alive() == nil {
			continue
		}
		if err := w.end(n); err != nil {
			return err
		}
	}
	return nil
}

// end takes note of a run that is over.
func (w *simulated) end(n *node) error {
	n.life.Stop()
	err := <-n.done
	n.life, n.desk, n.payer = nil, nil, nil
	for _, cause := range []error{sim.ErrStopped, sim.ErrLost, sim.ErrDown} {
		if errors.Is(err, cause) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("node of %s fell: %w", n.name, err)
	}
	return nil
}

// person makes somebody when he is first named.
func (w *simulated) person(name string) (*node, error) {
	if n := w.nodes[name]; n != nil {
		return n, nil
	}
	n := &node{name: name, disk: sim.NewDisk(), began: map[contracts.Asset]contracts.Amount{}}
	n.up.Store(true)
	if err := w.endow(name); err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.nodes[name] = n
	w.mu.Unlock()
	for c, on := range w.chains {
		assets := []contracts.Asset{contracts.Native(c)}
		if c.EVM() {
			assets = append(assets, w.tokens[string(c)+":usd"])
		}
		for _, a := range assets {
			n.began[a] = on.Balance(sim.Keys(name), a)
		}
	}
	return n, w.run(n)
}

// endow gives a person what he begins with.
func (w *simulated) endow(name string) error {
	for _, c := range contracts.Chains {
		switch on := w.chains[c].(type) {
		case *sim.Outputs:
			on.Give(sim.Keys(name), contracts.Units(100_000_000), 10)
		case *sim.Contracts:
			whole, err := contracts.ParseDecimal("1000", c.Decimals())
			if err != nil {
				return err
			}
			if err := on.Give(sim.Keys(name), contracts.Native(c), whole); err != nil {
				return err
			}
			if err := on.Give(sim.Keys(name), w.tokens[string(c)+":usd"], contracts.Units(1_000_000)); err != nil {
				return err
			}
		}
	}
	return nil
}

// run starts a node.
func (w *simulated) run(n *node) error {
	life := sim.NewLife(w.ctx, n.name, w.hook)
	cfg := swap.Config{
		Ledgers: map[contracts.Chain]swap.Ledger{}, Contracts: map[contracts.Chain]contracts.Address{}, Confirmations: w.pace.confirmations,
		Store: n.disk.Store(life), Offers: n.disk.Store(life), Journal: n.disk.Journal(life), Secrets: sim.Keys(n.name), Verify: sim.Verify, Profile: w.pace.profile, Realm: "dev", AtOnce: swap.DefaultAtOnce,
		Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{ReplaceAttr: clockTime})).With("node", n.name),
	}
	accounts := map[contracts.Chain]*sim.Account{}
	for c, on := range w.chains {
		switch on := on.(type) {
		case *sim.Outputs:
			cfg.Ledgers[c] = on.Purse(life)
		case *sim.Contracts:
			accounts[c] = on.Account(life)
			cfg.Ledgers[c], cfg.Contracts[c] = accounts[c], on.HashLock()
		}
	}
	if err := w.host.follow(&cfg); err != nil {
		return err
	}
	line := w.board.Line(life, nil)
	cfg.Peer = line
	n.life, n.desk, n.done = life, swap.New(cfg), make(chan error, 1)
	line.Answer(n.desk.Receive)
	runs := []func(context.Context) error{n.desk.Run}
	if w.pays {
		n.payer = w.payer(n, life, accounts, cfg.Log)
		runs = append(runs, n.payer.Run)
	}
	done := n.done
	go func() {
		g, ctx := errgroup.WithContext(life.Context())
		for _, run := range runs {
			g.Go(func() error { return run(ctx) })
		}
		err := g.Wait()
		life.Stop()
		done <- err
	}()
	synctest.Wait()
	return nil
}

// clockTime prints times as seconds.
func clockTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.String(a.Key, a.Value.Time().Format("15:04:05"))
	}
	return a
}

// hook passes every point, counts it, and judges it.
func (w *simulated) hook(p sim.Point) sim.Verdict {
	w.mu.Lock()
	n, v := w.nodes[p.Node], sim.Pass
	if w.judge != nil {
		v = w.judge(len(w.points), p)
	}
	w.points = append(w.points, p.String())
	for i, a := range w.armed {
		if a.node == p.Node && strings.HasPrefix(p.What+" "+p.Of, a.deed) {
			v, w.armed = a.verdict, slices.Delete(w.armed, i, i+1)
			if n != nil && v != sim.LoseAnswer {
				n.up.Store(false) // until the story starts it
			}
			break
		}
	}
	w.mu.Unlock()
	if v != sim.StopBefore && n != nil { // who follows no rules breaks none
		w.audit.before(n, p)
	}
	return v
}

// Person returns who sits at a node that runs.
func (w *simulated) Person(name string) (Person, error) {
	n, err := w.person(name)
	if err != nil {
		return nil, err
	}
	if n.desk == nil {
		return nil, fmt.Errorf("%s: %w", name, sim.ErrStopped)
	}
	return bound{n.desk, n.life}, nil
}

// Trades are what a node has stored.
func (w *simulated) Trades(name string) ([]trade.Trade, error) {
	n, err := w.person(name)
	if err != nil {
		return nil, err
	}
	return n.disk.Trades()
}

// Balance is what a person had and has.
func (w *simulated) Balance(name string, a contracts.Asset) (began, has contracts.Amount, err error) {
	n, err := w.person(name)
	if err != nil {
		return began, has, err
	}
	if w.chains[a.Chain] == nil {
		return began, has, fmt.Errorf("%w: %s", ErrNotHere, a.Chain)
	}
	return n.began[a], w.chains[a.Chain].Balance(sim.Keys(name), a), nil
}

// Token is a token by its name.
func (w *simulated) Token(c contracts.Chain, name string) (contracts.Asset, error) {
	a, is := w.tokens[string(c)+":"+name]
	if !is {
		return a, fmt.Errorf("%w: token %s on %s", ErrNotHere, name, c)
	}
	return a, nil
}

// Start runs a node that was stopped.
func (w *simulated) Start(name string) error {
	n, err := w.person(name)
	if err != nil {
		return err
	}
	n.up.Store(true)
	if n.life != nil {
		return nil
	}
	return w.run(n)
}

// Stop ends a node's run. Nothing in a node tells an orderly end from another.
func (w *simulated) Stop(name string) error { return w.Kill(name) }

// Kill ends a node's run.
func (w *simulated) Kill(name string) error {
	n, err := w.person(name)
	if err != nil {
		return err
	}
	n.up.Store(false)
	if n.life == nil {
		return nil
	}
	return w.end(n)
}

// reviveAfter is how long a node that fell lies.
const reviveAfter = 5 * time.Second

// Pass lets time go on: each block comes when it is due, and who fell is up again
// a little later.
func (w *simulated) Pass(d time.Duration) error {
	for end := time.Now().Add(d); ; {
		if err := w.settle(); err != nil {
			return err
		}
		wake, due := end, contracts.Chain("")
		for _, c := range contracts.Chains {
			if at, is := w.next[c]; is && at.Before(wake) {
				wake, due = at, c
			}
		}
		for _, n := range w.sorted() {
			if n.up.Load() && n.life == nil {
				time.Sleep(reviveAfter)
				if err := w.run(n); err != nil {
					return err
				}
			}
		}
		time.Sleep(time.Until(wake))
		if due == "" {
			return w.settle()
		}
		w.chains[due].Mine()
		w.next[due] = wake.Add(w.pace.every[due])
	}
}

// Mine makes blocks at once, a second apart.
func (w *simulated) Mine(c contracts.Chain, blocks int) error {
	on := w.chains[c]
	if on == nil {
		return fmt.Errorf("%w: %s", ErrNotHere, c)
	}
	for range blocks {
		if err := w.settle(); err != nil {
			return err
		}
		time.Sleep(time.Second)
		on.Mine()
	}
	return w.settle()
}

// Check returns what is broken.
func (w *simulated) Check() error {
	return errors.Join(w.audit.err(), w.audit.owners())
}

// bound is a desk whose every call ends when its node does.
type bound struct {
	desk *swap.Desk
	life *sim.Life
}

// bind runs one call for as long as the node lives.
func bind[T any](b bound, ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := b.life.Bind(ctx)
	defer cancel()
	v, err := call(ctx)
	if fell := b.life.Alive(); err != nil && fell != nil {
		err = fmt.Errorf("%w: %w", fell, err)
	}
	return v, err
}

func (b bound) Offer(ctx context.Context, d trade.Draft) (trade.Offer, error) {
	return bind(b, ctx, func(ctx context.Context) (trade.Offer, error) { return b.desk.Offer(ctx, d) })
}

func (b bound) Withdraw(ctx context.Context, id contracts.Hash) error {
	_, err := bind(b, ctx, func(ctx context.Context) (any, error) { return nil, b.desk.Withdraw(ctx, id) })
	return err
}

func (b bound) Fetch(ctx context.Context, peer string) ([]trade.Offer, error) {
	return bind(b, ctx, func(ctx context.Context) ([]trade.Offer, error) { return b.desk.Fetch(ctx, peer) })
}

func (b bound) Quote(ctx context.Context, id contracts.Hash, get contracts.Amount, despite bool) (trade.Quote, error) {
	return bind(b, ctx, func(ctx context.Context) (trade.Quote, error) { return b.desk.Quote(ctx, id, get, despite) })
}

func (b bound) Take(ctx context.Context, id contracts.Hash) (trade.Trade, error) {
	return bind(b, ctx, func(ctx context.Context) (trade.Trade, error) { return b.desk.Take(ctx, id) })
}

func (b bound) Leave(ctx context.Context, id contracts.Hash) error {
	_, err := bind(b, ctx, func(ctx context.Context) (any, error) { return nil, b.desk.Leave(ctx, id) })
	return err
}
