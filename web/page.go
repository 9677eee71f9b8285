package web

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"photon/contracts"
	"photon/swap/trade"
	"photon/web/api"
)

// A query is which swaps are asked for: newest first, behind a place.
type query struct {
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

// readQuery reads the parameters of a list. Errors: contracts.ErrChain,
// contracts.ErrAddress, errInvalid.
func readQuery(p api.ListSwapsParams) (query, error) {
	q := query{state: string(p.State), limit: int(p.Limit)}
	if q.limit == 0 {
		q.limit = 50
	}
	if p.Pair != "" {
		pay, get, _ := strings.Cut(p.Pair, "-")
		for _, side := range []struct {
			text string
			into **contracts.Asset
		}{{pay, &q.pay}, {get, &q.get}} {
			asset, err := contracts.ParseAsset(side.text)
			if err != nil {
				return query{}, tell(err, "field", "pair")
			}
			*side.into = &asset
		}
	}
	if p.Cursor != "" {
		after, err := parsePlace(p.Cursor)
		if err != nil {
			return query{}, err
		}
		q.after = &after
	}
	return q, nil
}

// page picks what q asks for, and the cursor of the next page or "".
func (q query) page(trades []trade.Trade) (page []trade.Trade, next string) {
	for _, t := range trades {
		if q.wants(t) {
			page = append(page, t)
		}
	}
	slices.SortFunc(page, func(a, b trade.Trade) int { return placeOf(a).cmp(placeOf(b)) })
	if len(page) > q.limit {
		page = page[:q.limit]
		next = placeOf(page[q.limit-1]).String()
	}
	return page, next
}

func (q query) wants(t trade.Trade) bool {
	switch q.state {
	case "":
	case "open":
		if t.Status.AtRest() {
			return false
		}
	default:
		if string(t.Status) != q.state {
			return false
		}
	}
	return (q.pay == nil || *q.pay == t.Ours.Terms.Asset) &&
		(q.get == nil || *q.get == t.Theirs.Terms.Asset) &&
		(q.after == nil || q.after.cmp(placeOf(t)) < 0)
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
