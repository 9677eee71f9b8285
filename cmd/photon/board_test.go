package main

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"photon/contracts"
	"photon/web"
)

// Each row is one thing that a board is not told.
func TestBoardCommandRefuses(t *testing.T) {
	for _, row := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"nobody may post", []string{"--rate", "0"}, 2, "lets nobody post"},
		{"nowhere to listen", []string{"--listen", "here"}, 2, "is not HOST:PORT"},
		{"an argument", []string{"x"}, 2, "no arguments"},
		{"where somebody else does", []string{"--listen", strings.TrimPrefix(httpServer(t), "http://")}, 1, "listen: "},
	} {
		e := photon(t.Context(), "", append([]string{"board"}, row.args...)...)
		if e.code != row.code || !strings.Contains(e.err, row.says) {
			t.Errorf("%s: exit %d, %s", row.name, e.code, e.err)
		}
	}
}

// A board serves over a real line until it is told to stop.
func TestBoardServes(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- runBoard(ctx, listener, 60, io.Discard) }()
	c, err := web.NewBoardClient("http://"+listener.Addr().String(), nil)
	must(t, err)
	offers, err := c.Offers(ctx, "dev", contracts.Native(contracts.BTC), contracts.Native(contracts.ETH))
	if err != nil || len(offers) != 0 {
		t.Errorf("%v, %v", offers, err)
	}
	if err := c.Post(ctx, btcForEth("0.1btc")); err == nil {
		t.Error("an offer that nobody signed is up")
	}
	stop()
	must(t, <-ended)
}
