package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"photon/adapters/peer"
	"photon/contracts"
	"photon/swap"
	"photon/web"
)

var _ swap.Board = (*web.BoardClient)(nil)

func boardCommand() *cobra.Command {
	var listen string
	var rate int
	cmd := &cobra.Command{
		Use: "board", Short: "serves a board, where makers show offers to everybody; it needs no keys and keeps nothing",
		Example: "  photon board --listen 0.0.0.0:8647", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rate < 1 {
				return fmt.Errorf("%w: --rate %d lets nobody post", errUsage, rate)
			}
			if _, _, err := net.SplitHostPort(listen); err != nil {
				return fmt.Errorf("%w: --listen %.60q is not HOST:PORT", errUsage, listen)
			}
			listener, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("listen: %w", err)
			}
			return runBoard(cmd.Context(), listener, rate, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8647", "address to serve at; loopback unless told otherwise")
	cmd.Flags().IntVar(&rate, "rate", 60, "offers that one address may post in a minute (behind a proxy all come from one)")
	return cmd
}

// runBoard serves a board until ctx ends.
func runBoard(ctx context.Context, listener net.Listener, rate int, out io.Writer) error {
	log := slog.New(slog.NewTextHandler(out, nil))
	handler, err := web.NewBoard(web.BoardConfig{Verify: peer.Verify, Posts: rate, Log: log})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	log.Info("started", "board", "http://"+listener.Addr().String())
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	return serveUntil(ctx, server, listener, func() {})
}

// serveUntil serves until ctx ends, and then calls last, which ends the answers
// that would never end.
func serveUntil(ctx context.Context, server *http.Server, listener net.Listener, last func()) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		last()
		bound, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := server.Shutdown(bound)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close() // whoever holds a request open holds up nothing more
		}
		return err
	})
	return g.Wait()
}

// boardClients are the boards of a config. readConfig has checked them before.
func (c config) boardClients() (all []swap.Board, err error) {
	for _, base := range c.Boards {
		b, err := web.NewBoardClient(base, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// assets are the coins of the chains that there are, and the tokens named.
func (c config) assets() (all []contracts.Asset) {
	for _, chain := range contracts.Chains {
		if len(c.rpc(chain)) > 0 {
			all = append(all, contracts.Native(chain))
		}
	}
	for _, token := range c.tokens() {
		if len(c.rpc(token.Chain)) > 0 {
			all = append(all, token)
		}
	}
	return all
}
