package web

import (
	_ "embed" // the document
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"photon/contracts"
)

//go:embed openapi.yaml
var document []byte

// A Config is all that the API of a node is made of. Every port is required.
type Config struct {
	Maker   Maker
	Taker   Taker
	Book    Book
	Wallets map[contracts.Chain]Wallet // of the chains that the node has
	Status  Status
	Peers   Peers
	Feed    *Feed

	Channels Channels
	Payer    Payer
	Archive  Archive

	Tokens   []contracts.Asset // whose balances are shown beside the coins
	Version  string            // of the program
	Realm    string            // which networks: "main", "test", "dev"
	Features []string          // of "swap", "channels", "pfs", "delegate", "admin"

	Token   string               // what callers show; at least 16 characters
	Hosts   []string             // names, without port, under which the API may be asked beside loopback's
	Metrics *prometheus.Registry // what /metrics shows; ours are added to it
	Log     *slog.Logger
}

// validate reports everything that is wrong with the config, not only the first.
func (c Config) validate() error {
	var errs []error
	for name, missing := range map[string]bool{
		"Maker": c.Maker == nil, "Taker": c.Taker == nil, "Book": c.Book == nil, "Status": c.Status == nil,
		"Channels": c.Channels == nil, "Payer": c.Payer == nil, "Archive": c.Archive == nil, "Peers": c.Peers == nil, "Feed": c.Feed == nil, "Metrics": c.Metrics == nil, "Log": c.Log == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("web: config without %s", name))
		}
	}
	if len(c.Token) < 16 || strings.ContainsAny(c.Token, " \r\n\t") {
		errs = append(errs, errors.New("web: the token must be 16 characters or more, and none of them blank"))
	}
	for chain, w := range c.Wallets {
		if w == nil {
			errs = append(errs, fmt.Errorf("web: no wallet of %s", chain))
		}
	}
	return errors.Join(errs...)
}

// A server answers requests. Its handlers stand in the files named for what they
// serve.
type server struct {
	Config
	once     *once
	figures  figures
	routes   routes
	notReady tally  // how often in a row /readyz said no
	board    *board // nil on a node, which serves none

	heartbeat time.Duration // between comments in /v1/events
	writeWait time.Duration // that one write to an event reader may take
	patience  time.Duration // that a port may take for one request
	readers   chan struct{} // one place a reader of /v1/events
}

// New returns the API of a node as one handler. It starts nothing and listens
// nowhere. It is to be served with a ReadHeaderTimeout and a ReadTimeout; a
// WriteTimeout does not hurt, /v1/events extends its own. Before the server is
// shut down, [Feed.Close] ends the streams.
func New(c Config) (http.Handler, error) {
	s, err := newServer(c)
	if err != nil {
		return nil, err
	}
	return s.engine(), nil
}

func newServer(c Config) (*server, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	routes, err := readRoutes(document, func(tag string) bool { return tag != boardTag })
	if err != nil {
		return nil, err
	}
	figures, err := newFigures(c.Metrics)
	if err != nil {
		return nil, err
	}
	return &server{
		Config: c, once: newOnce(1024), figures: figures, routes: routes,
		heartbeat: 15 * time.Second, writeWait: 10 * time.Second, patience: 30 * time.Second,
		readers: make(chan struct{}, 256),
	}, nil
}
