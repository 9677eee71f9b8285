package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/multiformats/go-multiaddr"

	"photon/contracts"
)

// How many addresses of one node are remembered.
const (
	maxGiven = 4
	maxHeard = 8
)

// maxAddress is the most letters that an address may have.
const maxAddress = 512

// multiaddrs reads addresses. Errors: ErrAddress.
func multiaddrs(all []string) ([]multiaddr.Multiaddr, error) {
	var out []multiaddr.Multiaddr
	for _, s := range all {
		if len(s) > maxAddress {
			return nil, fmt.Errorf("%w: %d letters", ErrAddress, len(s))
		}
		a, err := multiaddr.NewMultiaddr(s)
		if err != nil {
			return nil, fmt.Errorf("%w: %.100q: %w", ErrAddress, s, err)
		}
		out = append(out, a)
	}
	return out, nil
}

// parseAddress reads an address that ends with an identity, and returns both.
// Errors: ErrAddress, ErrIdentity.
func parseAddress(s string) (peer.ID, multiaddr.Multiaddr, error) {
	all, err := multiaddrs([]string{s})
	if err != nil {
		return "", nil, err
	}
	info, err := peer.AddrInfoFromP2pAddr(all[0])
	if err != nil || len(info.Addrs) != 1 {
		return "", nil, fmt.Errorf("%w: %.100q does not lead to /p2p/ and an identity", ErrAddress, s)
	}
	if _, _, err := parseIdentity(info.ID.String()); err != nil {
		return "", nil, err
	}
	return info.ID, info.Addrs[0], nil
}

// Connect greets the node at a multiaddr that ends with /p2p/ and its identity,
// which it returns, and remembers the address once it has greeted. Errors:
// ErrAddress, ErrIdentity, and those of Ask.
func (n *Node) Connect(ctx context.Context, addr string) (string, error) {
	id, at, err := parseAddress(addr)
	if err != nil {
		return "", err
	}
	leave, err := n.enter()
	if err != nil {
		return "", err
	}
	defer leave()
	ctx, cancel := n.untilClosed(ctx)
	defer cancel()
	p := n.partners.use(id)
	defer n.partners.release(p)
	if id != n.host.ID() {
		// A connection that we have may be dead without our knowing: what is
		// tried after it must know the address too.
		n.partners.tell(p, at)
		if err := n.dial(ctx, p); err != nil {
			return "", fmt.Errorf("%s: %w", addr, err)
		}
	}
	if _, err := n.exchange(ctx, id, request{kind: hello}); err != nil {
		return "", err
	}
	if err := n.remember(ctx, p, at.String()); err != nil {
		return "", err
	}
	return id.String(), n.lines.keep(ctx, id)
}

// Learn notes where a node has said that it can be reached, best first, without
// its identity. It is asked for nothing yet: whoever answers there must prove who
// he is. Errors: ErrIdentity, ErrAddress.
func (n *Node) Learn(ctx context.Context, identity string, at []string) error {
	id, _, err := parseIdentity(identity)
	if err != nil {
		return err
	}
	if id == n.host.ID() {
		return nil
	}
	if _, err := multiaddrs(at); err != nil {
		return err
	}
	for _, a := range slices.Backward(at[:min(len(at), maxGiven)]) {
		if err := n.book.note(ctx, id, a, nil, true); err != nil {
			return err
		}
	}
	return nil
}

// A page is what a book says of one node.
type page struct {
	Given []string `json:"given,omitempty"` // to Connect, newest first
	Heard []string `json:"heard,omitempty"` // from the node itself
}

// A book writes pages into a store, one at a time.
type book struct {
	mu    sync.Mutex
	store Book
}

func pageKey(id peer.ID) string { return "peer/" + id.String() }

func (b *book) read(ctx context.Context, id peer.ID) (page, error) {
	raw, err := b.store.Get(ctx, pageKey(id))
	if err != nil {
		return page{}, fmt.Errorf("read addresses of %s: %w", id, err)
	}
	return decodePage(raw)
}

// decodePage reads a page, strictly. Nothing is an empty page. Errors:
// ErrAddress.
func decodePage(raw []byte) (p page, err error) {
	if len(raw) == 0 {
		return page{}, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return page{}, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return page{}, fmt.Errorf("%w: bytes behind the page's end", ErrAddress)
	}
	if len(p.Given) > maxGiven || len(p.Heard) > maxHeard {
		return page{}, fmt.Errorf("%w: %d and %d addresses", ErrAddress, len(p.Given), len(p.Heard))
	}
	if _, err := multiaddrs(slices.Concat(p.Given, p.Heard)); err != nil {
		return page{}, err
	}
	return p, nil
}

// addresses are all under which id may be reached.
func (b *book) addresses(ctx context.Context, id peer.ID) ([]multiaddr.Multiaddr, error) {
	p, err := b.read(ctx, id)
	if err != nil {
		return nil, err
	}
	return multiaddrs(slices.Concat(p.Heard, p.Given))
}

// note writes a node's addresses, unless nothing changed. given, when it is not
// empty, comes first of those. A node that is not in the book and not wanted
// there is left out: strangers cannot fill it.
func (b *book) note(ctx context.Context, id peer.ID, given string, heard []string, wanted bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, err := b.read(ctx, id)
	if err != nil && !errors.Is(err, ErrAddress) { // a spoilt page is written anew
		return err
	}
	if !wanted && len(old.Given)+len(old.Heard) == 0 {
		return nil
	}
	p := page{Given: slices.Clone(old.Given), Heard: old.Heard}
	if given != "" {
		p.Given = slices.DeleteFunc(p.Given, func(s string) bool { return s == given })
		p.Given = slices.Insert(p.Given, 0, given)
		p.Given = p.Given[:min(len(p.Given), maxGiven)]
	}
	if len(heard) > 0 {
		slices.Sort(heard)
		p.Heard = heard[:min(len(heard), maxHeard)]
	}
	if slices.Equal(p.Given, old.Given) && slices.Equal(p.Heard, old.Heard) {
		return nil
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write addresses of %s: %w", id, err)
	}
	if err := b.store.Put(ctx, pageKey(id), raw); err != nil {
		return fmt.Errorf("write addresses of %s: %w", id, err)
	}
	return nil
}

func accountKey(a contracts.Address) string { return "account/" + a.Hex() }

// nodeOf is the node of an account, "" when it is not in the book. Errors:
// ErrIdentity.
func (b *book) nodeOf(ctx context.Context, a contracts.Address) (peer.ID, error) {
	raw, err := b.store.Get(ctx, accountKey(a))
	if err != nil {
		return "", fmt.Errorf("read the node of %s: %w", a, err)
	}
	if len(raw) == 0 {
		return "", nil
	}
	id, _, err := parseIdentity(string(raw))
	return id, err
}

// noteNode writes which node is an account's, and where that is.
func (b *book) noteNode(ctx context.Context, a contracts.Address, id peer.ID, heard []string) error {
	if err := b.store.Put(ctx, accountKey(a), []byte(id.String())); err != nil {
		return fmt.Errorf("write the node of %s: %w", a, err)
	}
	return b.note(ctx, id, "", heard, true)
}

// remember notes where p is. Later changes come to followAddresses.
func (n *Node) remember(ctx context.Context, p *partner, given string) error {
	heard := n.heard(p.id)
	err := n.book.note(ctx, p.id, given, heard, true)
	if err == nil && len(heard) > 0 {
		n.partners.setNoted(p)
	}
	return err
}

// heard is where id says that it listens.
func (n *Node) heard(id peer.ID) []string {
	var all []string
	for _, a := range n.host.Peerstore().Addrs(id) {
		if s := a.String(); len(s) <= maxAddress {
			all = append(all, s)
		}
	}
	return all
}

// followAddresses keeps the book true: a partner that comes back from another
// address is found there from now on, and an account at another node.
func (n *Node) followAddresses() error {
	sub, err := n.host.EventBus().Subscribe(new(event.EvtPeerIdentificationCompleted), eventbus.BufSize(64))
	if err != nil {
		return fmt.Errorf("follow addresses: %w", err)
	}
	leave, err := n.enter()
	if err != nil {
		return errors.Join(err, sub.Close())
	}
	go func() {
		defer leave()
		defer sub.Close()
		for {
			select {
			case <-n.ctx.Done():
				return
			case e, open := <-sub.Out():
				if !open {
					return
				}
				id := e.(event.EvtPeerIdentificationCompleted).Peer
				if err := n.book.note(n.ctx, id, "", n.heard(id), n.lines.wants(id)); err != nil {
					n.log.Warn("addresses not kept", "partner", id, "err", err)
				}
			case <-n.lines.unkept.wake:
				n.lines.keepAll()
			}
		}
	}()
	return nil
}

// A memoryBook forgets everything when the process ends.
type memoryBook struct {
	mu    sync.Mutex
	pages map[string][]byte
}

func (m *memoryBook) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pages[key], nil
}

func (m *memoryBook) Put(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pages[key] = value
	return nil
}
