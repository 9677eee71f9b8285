package peer

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"photon/contracts"
	"photon/swap/trade"
)

// Why something is refused or not done. Each is wrapped with what it was.
var (
	ErrUnreachable = errors.New("peer not reached")             // no address, nobody there, or no time left
	ErrRefused     = errors.New("peer refuses")                 // the other's handler answered with an error
	ErrBusy        = errors.New("peer is busy")                 // over one of its limits until no time was left
	ErrRealm       = errors.New("peer is of another realm")     //
	ErrVersion     = errors.New("peer speaks another protocol") //
	ErrBinding     = errors.New("account did not sign for this peer")
	ErrFrame       = errors.New("not a message of peers")
	ErrSize        = errors.New("body too large")
	ErrIdentity    = errors.New("not an identity")
	ErrSignature   = errors.New("wrong signature")
	ErrAddress     = errors.New("not an address of a peer")
	ErrClosed      = errors.New("node is closed")
)

// protocolID and lineID name streams of ours: of one request, and of a [Lines].
// The version is in the greeting, so that other versions can be told from other
// programs.
const (
	protocolID = "/photon/peer"
	lineID     = "/photon/node"
)

// maxAnswering is how many requests the handler has at a time, of all peers
// together.
const maxAnswering = 256

// A Book keeps addresses over a restart. Get returns nothing, and no error, for
// a key that was never Put.
type Book interface {
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, value []byte) error
}

// A Handler answers a request of a node that has greeted. Its error is told to
// the asker. It is called once for a request, by many goroutines at a time; ctx
// ends after [Config].AnswerWithin, or when the node closes.
type Handler func(ctx context.Context, from string, body []byte) ([]byte, error)

// A Config is all that a node can be told. Zero values stand for the defaults.
type Config struct {
	Identity []byte            // 32 bytes of a secp256k1 private key; required
	Account  *ecdsa.PrivateKey // of the account on EVM chains that the node speaks for; required
	Realm    string            // which networks: "main", "test", "dev"; required
	Log      *slog.Logger      // required

	Listen   []string // multiaddrs; default /ip4/127.0.0.1/tcp/0
	Announce []string // multiaddrs that others are told in place of those we listen on; default those
	MDNS     bool     // look for nodes of our realm on the local network, and be found
	Book     Book     // default memory

	Patience     time.Duration // for a request to arrive whole, or a greeting to come back; default 10 s
	AskWithin    time.Duration // for an Ask whose ctx has no deadline; default 60 s
	AnswerWithin time.Duration // for the handler; default 30 s
	Rate         float64       // requests a second that a peer may make; default 50
	Burst        int           // requests that a peer may make at once; default 100
	TrustedRate  float64       // the same, on a line of an account that we trust; default 5000
	TrustedBurst int           // the same; default 10,000
	Concurrent   int           // requests of one peer that are answered, or asked, at a time; default 16
	Remember     time.Duration // for the answer to a request; default 10 min
	RememberEach int           // answers remembered for one peer; default 256
	RememberAll  int           // bytes of answers remembered for all peers; default 64 MiB
}

// withDefaults fills in what was left zero, and reports everything that is wrong.
func (c Config) withDefaults() (Config, error) {
	if len(c.Listen) == 0 {
		c.Listen = []string{"/ip4/127.0.0.1/tcp/0"}
	}
	setDefault(&c.Patience, 10*time.Second)
	setDefault(&c.AskWithin, 60*time.Second)
	setDefault(&c.AnswerWithin, 30*time.Second)
	setDefault(&c.Rate, 50)
	setDefault(&c.Burst, 100)
	setDefault(&c.TrustedRate, 5000)
	setDefault(&c.TrustedBurst, 10_000)
	setDefault(&c.Concurrent, 16)
	setDefault(&c.Remember, 10*time.Minute)
	setDefault(&c.RememberEach, 256)
	setDefault(&c.RememberAll, 64<<20)
	if c.Book == nil {
		c.Book = &memoryBook{pages: map[string][]byte{}}
	}
	wrong := []error{checkRealm(c.Realm)}
	if c.Account == nil {
		wrong = append(wrong, errors.New("no account"))
	}
	if c.Log == nil {
		wrong = append(wrong, errors.New("no logger"))
	}
	if c.Patience < 0 || c.AskWithin < 0 || c.AnswerWithin < 0 || c.Remember < 0 {
		wrong = append(wrong, errors.New("a time below zero"))
	}
	if c.Rate < 0 || c.Burst < 0 || c.TrustedRate < 0 || c.TrustedBurst < 0 || c.Concurrent < 0 || c.RememberEach < 0 || c.RememberAll < 0 {
		wrong = append(wrong, errors.New("a limit below zero"))
	}
	return c, errors.Join(wrong...)
}

func setDefault[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

// A Node sends messages to other nodes and answers theirs. It fills the peer
// port of the rooms that speak to others.
type Node struct {
	cfg      Config
	log      *slog.Logger
	host     host.Host
	greeting greeting
	partners *partners
	book     *book
	lines    *Lines
	lan      mdns.Service // nil unless asked for

	answering chan struct{} // holds a token for each request that the handler has

	ctx     context.Context // ends when the node closes
	cancel  context.CancelFunc
	mu      sync.Mutex // guards the rest
	closed  bool
	work    sync.WaitGroup // Add only under mu while not closed
	handler Handler
}

// New makes a node and begins to listen. Until Handle is called, requests are
// answered busy. Errors: ErrIdentity, ErrAddress.
func New(cfg Config) (*Node, error) {
	cfg, err := cfg.withDefaults()
	key, keyErr := identityKey(cfg.Identity)
	listen, listenErr := multiaddrs(cfg.Listen)
	announce, announceErr := multiaddrs(cfg.Announce)
	if err := errors.Join(err, keyErr, listenErr, announceErr); err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	h, err := newHost(key, announce)
	if err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, log: cfg.Log, host: h, partners: newPartners(cfg), book: &book{store: cfg.Book}, answering: make(chan struct{}, maxAnswering)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.lines = newLines(n)
	n.greeting, err = bind(cfg.Account, h.ID())
	if err == nil {
		n.greeting.realm = cfg.Realm
		err = n.start(listen)
	}
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// LogLibrary has libp2p log to h what it has to say; otherwise it writes errors
// to stderr. It holds for the whole process and is called before the first New.
func LogLibrary(h slog.Handler) { gologshim.SetDefaultHandler(h) }

// newHost makes a libp2p host that listens nowhere yet: TCP with Noise, QUIC,
// and no service for strangers.
func newHost(key crypto.PrivKey, announce []multiaddr.Multiaddr) (host.Host, error) {
	limits, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(hostLimits().Build(rcmgr.DefaultLimits.AutoScale())))
	if err != nil {
		return nil, fmt.Errorf("limits of the host: %w", err)
	}
	conns, err := connmgr.NewConnManager(128, 192)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connection manager: %w", err), limits.Close())
	}
	options := []libp2p.Option{
		libp2p.Identity(key), libp2p.NoListenAddrs,
		libp2p.Transport(tcp.NewTCPTransport), libp2p.Transport(quic.NewTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.ResourceManager(limits), libp2p.ConnectionManager(conns),
		libp2p.DisableRelay(), libp2p.Ping(false), libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(), libp2p.ForceReachabilityPrivate(),
		libp2p.UserAgent("photon"), libp2p.WithDialTimeout(15 * time.Second),
	}
	if len(announce) > 0 {
		options = append(options, libp2p.AddrsFactory(func([]multiaddr.Multiaddr) []multiaddr.Multiaddr { return announce }))
	}
	h, err := libp2p.New(options...)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	return h, nil
}

// hostLimits bounds what strangers can make the host hold. What is zero in it is
// libp2p's own default for a machine of this size.
func hostLimits() rcmgr.PartialLimitConfig {
	return rcmgr.PartialLimitConfig{
		System: rcmgr.ResourceLimits{
			Conns: 512, ConnsInbound: 256, ConnsOutbound: 256,
			Streams: 4096, StreamsInbound: 2048, StreamsOutbound: 2048, Memory: 128 << 20,
		},
		PeerDefault: rcmgr.ResourceLimits{
			Conns: 8, ConnsInbound: 4, ConnsOutbound: 4,
			Streams: 256, StreamsInbound: 128, StreamsOutbound: 128, Memory: 16 << 20,
		},
	}
}

// start lets the world in: each address must be had, not only one.
func (n *Node) start(listen []multiaddr.Multiaddr) error {
	n.host.SetStreamHandler(protocolID, n.serve)
	n.host.SetStreamHandler(lineID, n.lines.serve)
	if err := n.lines.start(); err != nil {
		return err
	}
	if err := n.followAddresses(); err != nil {
		return err
	}
	for _, a := range listen {
		if err := n.host.Network().Listen(a); err != nil {
			return fmt.Errorf("%w: listen on %s: %w", ErrAddress, a, err)
		}
	}
	if n.cfg.MDNS {
		return n.lookAround()
	}
	return nil
}

// Self is our identity.
func (n *Node) Self() string { return n.host.ID().String() }

// Addresses are where others can reach us, each with our identity at its end.
func (n *Node) Addresses() []string {
	var all []string
	for _, a := range n.host.Addrs() {
		all = append(all, fmt.Sprintf("%s/p2p/%s", a, n.host.ID()))
	}
	return all
}

// Reach is where others elsewhere can reach us, without our identity: public
// addresses first, then those of private networks; loopback only if we listen
// nowhere else. Long ones are left out.
func (n *Node) Reach() []string {
	var public, private, loopback []string
	for _, a := range n.host.Addrs() {
		s := a.String()
		switch {
		case len(s) > trade.MaxAtLetter:
		case manet.IsIPLoopback(a):
			loopback = append(loopback, s)
		case manet.IsPrivateAddr(a):
			private = append(private, s)
		default:
			public = append(public, s)
		}
	}
	all := append(public, private...)
	if len(all) == 0 {
		all = loopback
	}
	return all[:min(len(all), trade.MaxAt)]
}

// Handle sets who answers requests.
func (n *Node) Handle(h Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handler = h
}

// Lines carries what accounts say to each other.
func (n *Node) Lines() *Lines { return n.lines }

// Account returns the account that a node speaks for, as that account has
// signed. It asks the node when it has not greeted since we started. Errors:
// ErrIdentity, ErrUnreachable, ErrRealm, ErrVersion, ErrBinding, ErrBusy.
func (n *Node) Account(ctx context.Context, of string) (contracts.Address, error) {
	id, _, err := parseIdentity(of)
	if err != nil {
		return contracts.Address{}, err
	}
	if id == n.host.ID() {
		return n.greeting.account, nil
	}
	if g, ok := n.partners.greeting(id); ok {
		return g.account, nil
	}
	if _, err := n.exchange(ctx, id, request{kind: hello}); err != nil {
		return contracts.Address{}, err
	}
	g, ok := n.partners.greeting(id)
	if !ok {
		return contracts.Address{}, fmt.Errorf("%w: %s was forgotten at once", ErrBusy, of)
	}
	return g.account, nil
}

// Connected returns the nodes that have greeted and have a connection with us.
func (n *Node) Connected() []string {
	var all []string
	for _, id := range n.host.Network().Peers() {
		if _, ok := n.partners.greeting(id); ok {
			all = append(all, id.String())
		}
	}
	return all
}

// enter counts a piece of work that Close waits for. Errors: ErrClosed.
func (n *Node) enter() (leave func(), err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, ErrClosed
	}
	n.work.Add(1)
	return n.work.Done, nil
}

// Close ends all connections and waits until nothing of the node runs. Whoever
// waits in Ask gets ErrClosed.
func (n *Node) Close() error {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.cancel()
	var err error
	if n.lan != nil {
		err = n.lan.Close()
	}
	err = errors.Join(err, n.host.Close())
	n.work.Wait()
	if err != nil {
		return fmt.Errorf("close the host: %w", err)
	}
	return nil
}

// forgetFailures makes libp2p dial addresses that failed just now. We keep our
// own time.
func (n *Node) forgetFailures(id peer.ID) {
	if s, ok := n.host.Network().(*swarm.Swarm); ok {
		s.Backoff().Clear(id)
	}
}

// connected reports whether there is a connection to id.
func (n *Node) connected(id peer.ID) bool {
	return n.host.Network().Connectedness(id) == network.Connected
}
