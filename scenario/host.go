package scenario

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"

	"photon/adapters/sim"
	"photon/contracts"
	"photon/swap"
	"photon/web"
)

// A host serves the one board of a simulated world: the true one, over no line.
type host struct {
	board atomic.Pointer[http.Handler] // nil while it is away
}

// boardAddress is where the board of a simulated world is.
const boardAddress = "http://board.example"

// open starts a board with nothing on it; close ends it.
func (h *host) open() error {
	board, err := web.NewBoard(web.BoardConfig{Verify: sim.Verify, Posts: 60, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		h.board.Store(&board)
	}
	return err
}

func (h *host) close() { h.board.Store(nil) }

// RoundTrip carries a request to the board.
func (h *host) RoundTrip(r *http.Request) (*http.Response, error) {
	board := h.board.Load()
	if board == nil {
		return nil, errors.New("nobody listens there")
	}
	asked := r.Clone(r.Context())
	asked.RemoteAddr, asked.Host = "192.0.2.1:1", r.URL.Host
	if asked.Body == nil {
		asked.Body = http.NoBody
	}
	a := &answered{header: http.Header{}, status: http.StatusOK}
	(*board).ServeHTTP(a, asked)
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Header: a.header, Body: io.NopCloser(&a.body), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(a.body.Len()),
	}, nil
}

// An answered is what the board wrote.
type answered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answered) Header() http.Header         { return a.header }
func (a *answered) WriteHeader(status int)      { a.status = status }
func (a *answered) Write(b []byte) (int, error) { return a.body.Write(b) }

// follow has a desk follow the board, if the world has one.
func (h *host) follow(cfg *swap.Config) error {
	if h == nil {
		return nil
	}
	client, err := web.NewBoardClient(boardAddress, h)
	if err != nil {
		return err
	}
	cfg.Boards = []swap.Board{client}
	for _, c := range contracts.Chains {
		if cfg.Ledgers[c] != nil {
			cfg.Assets = append(cfg.Assets, contracts.Native(c))
		}
	}
	return nil
}
