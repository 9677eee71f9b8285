package peer

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
)

// lanGreetings is how many nodes that were found are greeted at a time; those
// above are left until they are found again.
const lanGreetings = 4

// A finder greets nodes that are found on the local network.
type finder struct {
	node *Node
	free chan struct{} // holds a token for each greeting under way
}

// lookAround makes us found on the local network, under a name that only nodes
// of our realm look for, and greets those it finds.
func (n *Node) lookAround() error {
	f := finder{n, make(chan struct{}, lanGreetings)}
	lan := mdns.NewMdnsService(n.host, "_photon-"+n.cfg.Realm+"._udp", f)
	if err := lan.Start(); err != nil {
		return fmt.Errorf("look around the local network: %w", err)
	}
	n.lan = lan
	return nil
}

// HandlePeerFound is called by libp2p, with what anybody on the network says.
func (f finder) HandlePeerFound(found peer.AddrInfo) {
	if found.ID == f.node.host.ID() {
		return
	}
	if _, known := f.node.partners.greeting(found.ID); known && f.node.connected(found.ID) {
		return
	}
	if _, _, err := parseIdentity(found.ID.String()); err != nil {
		return
	}
	leave, err := f.node.enter()
	if err != nil {
		return
	}
	select {
	case f.free <- struct{}{}:
	default:
		leave()
		return
	}
	go func() {
		defer leave()
		defer func() { <-f.free }()
		f.greet(found)
	}()
}

func (f finder) greet(found peer.AddrInfo) {
	n := f.node
	ctx, cancel := context.WithTimeout(n.ctx, n.cfg.Patience)
	defer cancel()
	n.host.Peerstore().AddAddrs(found.ID, found.Addrs[:min(len(found.Addrs), maxHeard)], peerstore.TempAddrTTL)
	p := n.partners.use(found.ID)
	defer n.partners.release(p)
	if _, err := n.untilAnswered(ctx, p, request{kind: hello}); err != nil {
		n.log.Debug("found but not greeted", "partner", found.ID, "err", err)
		return
	}
	n.log.Info("found", "partner", found.ID)
}
