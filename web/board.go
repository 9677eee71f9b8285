package web

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"photon/contracts"
	"photon/swap/trade"
	"photon/web/api"
)

// Why a board refuses. Each is wrapped with the figures that decided it.
var (
	errSigner = errors.New("not signed by the offer's maker")
	errRate   = errors.New("too many from this address")
)

// A BoardConfig is all that a board is made of.
type BoardConfig struct {
	Verify trade.Verify // required
	Posts  int          // offers and withdrawals that one address may send in a minute; it may read ten times as often
	Log    *slog.Logger // required
}

// A board is offers of many makers in memory, and who may still ask.
type board struct {
	verify trade.Verify

	mu    sync.Mutex
	shelf *shelf
	reads allowance
	posts allowance
}

// NewBoard returns a board as one handler. It knows no accounts, holds no keys and
// forgets everything when the process ends. It starts nothing and listens nowhere;
// it is to be served with a limit on every time.
func NewBoard(c BoardConfig) (http.Handler, error) {
	s, err := newBoard(c)
	if err != nil {
		return nil, err
	}
	return s.engine(), nil
}

func newBoard(c BoardConfig) (*server, error) {
	if c.Verify == nil || c.Log == nil || c.Posts <= 0 {
		return nil, errors.New("web: a board needs Verify, Log and Posts")
	}
	routes, err := readRoutes(document, func(tag string) bool { return tag == boardTag })
	if err != nil {
		return nil, err
	}
	figures, err := newFigures(prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	return &server{
		Config: Config{Log: c.Log}, figures: figures, routes: routes, patience: 10 * time.Second,
		board: &board{verify: c.Verify, shelf: newShelf(), reads: allowance{most: 10 * c.Posts}, posts: allowance{most: c.Posts}},
	}, nil
}

// boardTag is the tag of what a board serves.
const boardTag = "board"

// spare refuses a caller that asks too often. Errors: errRate.
func (b *board) spare(r *http.Request) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := &b.reads
	if r.Method != http.MethodGet {
		a = &b.posts
	}
	if wait := a.take(callerOf(r.RemoteAddr), unixNow()); wait > 0 {
		return tell(fmt.Errorf("%w: %d in a minute, wait %d s", errRate, a.most, wait), "seconds", strconv.FormatUint(wait, 10))
	}
	return nil
}

// callerOf is the address of a connection: of IPv6 the part that one household
// has.
func callerOf(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{} // all of whom we know nothing are one
	}
	ip, bits := at.Addr().Unmap().WithZone(""), 32
	if ip.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(ip, bits).Masked()
}

func unixNow() uint64 { return uint64(time.Now().Unix()) }

// realms are the networks of which a board shows offers.
var realms = []string{"main", "test", "dev"}

// PostOffer puts a signed offer up.
func (s *server) PostOffer(_ context.Context, r api.PostOfferRequestObject) (api.PostOfferResponseObject, error) {
	o, err := ParseOffer(r.Body.Text)
	if err != nil {
		return nil, tell(err, "field", "text")
	}
	if !slices.Contains(realms, o.Realm) {
		return nil, fmt.Errorf("%w: of realm %.20q", trade.ErrOffer, o.Realm)
	}
	now := unixNow()
	if err := o.Vet(now, s.board.verify); err != nil {
		return nil, err
	}
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	if err := s.board.shelf.put(o, now); err != nil {
		return nil, err
	}
	return api.PostOffer201JSONResponse(viewOffer(o, "")), nil
}

// TakeDown takes an offer down for its maker.
func (s *server) TakeDown(_ context.Context, r api.TakeDownRequestObject) (api.TakeDownResponseObject, error) {
	signature, err := base64.RawURLEncoding.Strict().DecodeString(r.Params.PhotonSignature)
	if err != nil {
		return nil, tell(fmt.Errorf("%w: the signature is not base64", errInvalid), "in", "header", "field", "Photon-Signature")
	}
	b, now := s.board, unixNow()
	b.mu.Lock()
	o, err := b.shelf.find(r.Id, now)
	b.mu.Unlock()
	if err != nil {
		return nil, tell(err, "id", r.Id.String())
	}
	if err := b.verify(o.Maker, trade.Withdrawal(r.Id), signature); err != nil {
		return nil, fmt.Errorf("%w: %w", errSigner, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shelf.takeDown(r.Id)
	return api.TakeDown204Response{}, nil
}

// fresh is how long a page may be kept without asking.
const fresh = "public, max-age=5"

// ListBoard gives one page of offers.
func (s *server) ListBoard(_ context.Context, r api.ListBoardRequestObject) (api.ListBoardResponseObject, error) {
	l, err := lookOf(r.Params)
	if err != nil {
		return nil, err
	}
	s.board.mu.Lock()
	found, next := s.board.shelf.page(l, unixNow())
	s.board.mu.Unlock()
	page := api.BoardPage{Offers: viewOffers(found, "").Offers, Next: next}
	raw, err := json.Marshal(page)
	if err != nil {
		return nil, fmt.Errorf("encode page: %w", err)
	}
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(raw))
	if has(said(r.Params.IfNoneMatch), tag) {
		return api.ListBoard304Response{Headers: api.ListBoard304ResponseHeaders{CacheControl: fresh, ETag: tag}}, nil
	}
	return api.ListBoard200JSONResponse{Body: page, Headers: api.ListBoard200ResponseHeaders{CacheControl: fresh, ETag: tag}}, nil
}

// lookOf reads a query. Errors: errInvalid, contracts.ErrChain,
// contracts.ErrAddress.
func lookOf(p api.ListBoardParams) (look, error) {
	l := look{realm: said(p.Realm), maker: said(p.Maker), limit: 50}
	for _, leg := range []struct {
		name string
		said *string
		into **contracts.Asset
	}{{"give", p.Give, &l.give}, {"want", p.Want, &l.want}} {
		if leg.said == nil {
			continue
		}
		a, err := contracts.ParseAsset(*leg.said)
		if err != nil {
			return l, tell(err, "in", "query", "field", leg.name)
		}
		*leg.into = &a
	}
	if p.Limit != nil {
		l.limit = int(*p.Limit)
	}
	if p.After != nil {
		m, err := parseMark(*p.After)
		if err != nil {
			return l, err
		}
		l.after = &m
	}
	return l, nil
}

// said is what a caller said, or nothing.
func said[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// has reports whether an If-None-Match names tag. Source: RFC 9110, 13.1.2.
func has(names, tag string) bool {
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.TrimSpace(name); name == "*" || strings.TrimPrefix(name, "W/") == tag {
			return true
		}
	}
	return false
}
