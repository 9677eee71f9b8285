package web

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"photon/contracts"
	"photon/swap/trade"
	"photon/web/api"
)

// A Query is which page of swaps is asked for. The zero Query is the first page
// of all.
type Query struct {
	State  string // "open" is all that are not at rest; otherwise one status
	Pair   string // what we pay and what we get, such as "BTC-ETH"
	Limit  int    // the most swaps of the page; 0 is 50
	Cursor string // the Next of the page before
}

func queryOf(p api.ListSwapsParams) Query {
	var q Query
	if p.State != nil {
		q.State = *p.State
	}
	if p.Pair != nil {
		q.Pair = *p.Pair
	}
	if p.Limit != nil {
		q.Limit = int(*p.Limit)
	}
	if p.Cursor != nil {
		q.Cursor = *p.Cursor
	}
	return q
}

// params leaves out what is not asked.
func (q Query) params() *api.ListSwapsParams {
	var p api.ListSwapsParams
	if q.State != "" {
		p.State = &q.State
	}
	if q.Pair != "" {
		p.Pair = &q.Pair
	}
	if q.Limit != 0 {
		limit := int32(min(q.Limit, math.MaxInt32))
		p.Limit = &limit
	}
	if q.Cursor != "" {
		p.Cursor = &q.Cursor
	}
	return &p
}

// address is where the page is.
func (q Query) address() string {
	v := make(url.Values)
	for name, value := range map[string]string{"state": q.State, "pair": q.Pair, "cursor": q.Cursor} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return (&url.URL{Path: "/v1/swaps", RawQuery: v.Encode()}).String()
}

// A filter is a query as it is carried out.
type filter struct {
	state string // "open", one status, or "" for all
	pay   *contracts.Asset
	get   *contracts.Asset
	after *place
	limit int
}

// A place is where a page ended: at this swap.
type place struct {
	number uint64
	id     contracts.Hash
}

// filter reads what the query says. Errors: contracts.ErrChain,
// contracts.ErrAddress, errInvalid.
func (q Query) filter() (filter, error) {
	f := filter{state: q.State, limit: q.Limit}
	if f.limit == 0 {
		f.limit = 50
	}
	if q.Pair != "" {
		pay, get, _ := strings.Cut(q.Pair, "-")
		for _, side := range []struct {
			text string
			into **contracts.Asset
		}{{pay, &f.pay}, {get, &f.get}} {
			asset, err := contracts.ParseAsset(side.text)
			if err != nil {
				return filter{}, tell(err, "field", "pair")
			}
			*side.into = &asset
		}
	}
	if q.Cursor != "" {
		after, err := parsePlace(q.Cursor)
		if err != nil {
			return filter{}, err
		}
		f.after = &after
	}
	return f, nil
}

// page picks what is asked for, newest first, and the cursor of the next page or "".
func (f filter) page(trades []trade.Trade) (page []trade.Trade, next string) {
	for _, t := range trades {
		if f.wants(t) {
			page = append(page, t)
		}
	}
	slices.SortFunc(page, func(a, b trade.Trade) int { return placeOf(a).cmp(placeOf(b)) })
	if len(page) > f.limit {
		page = page[:f.limit]
		next = placeOf(page[f.limit-1]).String()
	}
	return page, next
}

func (f filter) wants(t trade.Trade) bool {
	switch f.state {
	case "":
	case "open":
		if t.Status.AtRest() {
			return false
		}
	default:
		if string(t.Status) != f.state {
			return false
		}
	}
	return (f.pay == nil || *f.pay == t.Ours.Terms.Asset) &&
		(f.get == nil || *f.get == t.Theirs.Terms.Asset) &&
		(f.after == nil || f.after.cmp(placeOf(t)) < 0)
}

func placeOf(t trade.Trade) place { return place{t.Number, t.ID} }

// cmp orders places as people see them: the newest first.
func (p place) cmp(o place) int {
	return cmp.Or(cmp.Compare(o.number, p.number), bytes.Compare(p.id[:], o.id[:]))
}

// String is the place as a cursor: its number and id in URL-safe base64.
func (p place) String() string {
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, p.number), p.id[:]...))
}

// parsePlace reads a cursor. Errors: errInvalid.
func parsePlace(cursor string) (place, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) != 8+len(contracts.Hash{}) {
		return place{}, tell(fmt.Errorf("%w: not a cursor of ours", errInvalid), "in", "query", "field", "cursor")
	}
	return place{binary.BigEndian.Uint64(raw), contracts.Hash(raw[8:])}, nil
}
