package main

import (
	"fmt"
	"net"
	"strings"
)

// api looks at where the API listens.
func (d *doctor) api() {
	const check = "API"
	host, _, err := net.SplitHostPort(d.cfg.Listen)
	if err != nil {
		return // config says so
	}
	if !d.running && !d.free(check, "tcp", d.cfg.Listen, "end what listens there, or choose another with --listen") {
		return
	}
	if ip := net.ParseIP(host); host == "localhost" || (ip != nil && ip.IsLoopback()) {
		d.find(check, isOK, d.cfg.Listen+", for this machine only", "")
		return
	}
	d.find(check, isWarn, d.cfg.Listen+" can be reached from other machines: whoever learns the token moves your money", "listen on 127.0.0.1, and let a proxy with TLS stand before it")
}

// free reports whether we could listen at an address, and says so if not.
func (d *doctor) free(check, network, address, do string) bool {
	l, err := net.Listen(network, address)
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		d.find(check, isBad, err.Error(), do)
		return false
	}
	return true
}

// peers looks at where other nodes reach this one.
func (d *doctor) peers() {
	const check = "peers"
	listen := d.cfg.PeerListen
	if len(listen) == 0 {
		if d.cfg.Realm == "dev" {
			d.find(check, isOK, "on loopback, at a free port, as on every dev chain", "")
			return
		}
		listen = []string{"/ip4/0.0.0.0/tcp/8646"}
	}
	for _, address := range listen {
		host, known := tcpAddress(address)
		switch {
		case !known:
			d.find(check, isOK, address+" is taken as it is", "")
		case d.running || d.free(check, "tcp", host, "end what listens there, or choose another peer_listen"):
			d.find(check, isOK, fmt.Sprintf("%s; let others through to it if there is a firewall", address), "")
		}
	}
}

// tcpAddress reads a multiaddr of IP and TCP, the kind whose port can be tried.
func tcpAddress(multiaddr string) (string, bool) {
	parts := strings.Split(multiaddr, "/")
	if len(parts) != 5 || parts[0] != "" || (parts[1] != "ip4" && parts[1] != "ip6") || parts[3] != "tcp" {
		return "", false
	}
	return net.JoinHostPort(parts[2], parts[4]), true
}
