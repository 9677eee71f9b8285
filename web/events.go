package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"photon/web/api"
)

// StreamEvents gives the feed to one reader, from where he left off.
func (s *server) StreamEvents(ctx context.Context, r api.StreamEventsRequestObject) (api.StreamEventsResponseObject, error) {
	select {
	case s.readers <- struct{}{}:
	default:
		return nil, fmt.Errorf("%w: %d readers of events", errBusy, cap(s.readers))
	}
	after := ""
	if r.Params.LastEventID != nil {
		after = *r.Params.LastEventID
	}
	return stream{s, ctx, after}, nil
}

// A stream is /v1/events for one reader.
type stream struct {
	*server
	ctx   context.Context // ends with the connection
	after string
}

// VisitStreamEventsResponse writes events until the reader is gone or too slow,
// or the feed is closed. It gives back the reader's place.
func (s stream) VisitStreamEventsResponse(w http.ResponseWriter) error {
	s.figures.readers.Inc()
	defer func() { <-s.readers; s.figures.readers.Dec() }()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy must not hold events back
	w.WriteHeader(http.StatusOK)

	place, resumed := s.Feed.start(s.after)
	// The id alone is no event, but lets a reader resume who has seen none yet.
	hello := fmt.Sprintf("id: %s\n\n", s.Feed.eventID(place))
	if !resumed {
		hello = fmt.Sprintf("id: %s\nevent: reset\ndata: {}\n\n", s.Feed.eventID(place))
	}
	if err := s.write(w, []byte(hello)); err != nil {
		return err
	}
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	for {
		b := s.Feed.at(place)
		if b.lost {
			s.figures.dropped.Inc()
			return nil
		}
		if len(b.notices) > 0 {
			if err := s.write(w, s.render(b)); err != nil {
				return err
			}
			place += uint64(len(b.notices))
			continue
		}
		if b.closed {
			return nil
		}
		select {
		case <-b.more:
		case <-beat.C:
			if err := s.write(w, []byte(": still here\n\n")); err != nil {
				return err
			}
		case <-s.ctx.Done():
			return nil
		}
	}
}

// write sends raw to the reader, or gives him up after a while.
func (s stream) write(w http.ResponseWriter, raw []byte) error {
	control := http.NewResponseController(w)
	if outer, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		control = http.NewResponseController(outer.Unwrap()) // Gin's own Flush keeps its error to itself
	}
	if err := control.SetWriteDeadline(time.Now().Add(s.writeWait)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("write events: %w", err)
	}
	_, err := w.Write(raw)
	if err == nil {
		err = control.Flush()
	}
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.figures.dropped.Inc()
		}
		return fmt.Errorf("write events: %w", err)
	}
	return nil
}

// render writes notices as events.
func (s stream) render(b batch) []byte {
	var out bytes.Buffer
	for i, n := range b.notices {
		raw, err := json.Marshal(viewNotice(n))
		if err != nil {
			panic(fmt.Sprintf("web: encode event: %v", err)) // every field has an encoding
		}
		fmt.Fprintf(&out, "id: %s\nevent: notice\ndata: %s\n\n", s.Feed.eventID(b.first+uint64(i)+1), raw)
	}
	return out.Bytes()
}

// viewNotice is a notice as callers see it.
func viewNotice(told notice) api.Event {
	if p := told.payment; p != nil {
		return api.Event{Kind: string(p.Kind), Id: &p.ID, Text: p.Text}
	}
	n := told.trade
	e := api.Event{Kind: n.Kind, Chain: n.Chain, Head: n.Head, Text: n.Text}
	if n.Trade != nil {
		swap := viewSwap(*n.Trade)
		e.Swap = &swap
	}
	return e
}
