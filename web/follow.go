package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"photon/web/api"
)

// maxLine is the longest line of an event stream that the client reads, in bytes.
const maxLine = 1 << 20

// A Happening is one event as the client reads it. When Reset is set, events may
// have been missed: ask for everything anew.
type Happening struct {
	ID    string // give it to Events to go on behind it
	Reset bool
	api.Event
}

// Events reads what happens from now on, or behind the event with the id after,
// until ctx ends or the loop is left. A line that breaks is taken up again, once
// a second, behind the last event; the node that is away is told as an error
// that wraps [ErrUnreachable], once, and the loop may go on. A refusal, a
// [*Problem], is told and ends it.
func (c *Client) Events(ctx context.Context, after string) iter.Seq2[Happening, error] {
	return func(yield func(Happening, error) bool) {
		away := false
		for {
			left, err := c.follow(ctx, &after, func(h Happening) bool { away = false; return yield(h, nil) })
			if left || ctx.Err() != nil {
				return
			}
			if refused := (*Problem)(nil); errors.As(err, &refused) && refused.Code != "busy" {
				yield(Happening{}, err)
				return
			}
			if err != nil && !away {
				away = true
				if !yield(Happening{}, err) {
					return
				}
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return
			}
		}
	}
}

// follow reads one stream to its end. after is kept at the last event, so that
// the next stream begins behind it. left is whether show wanted no more.
func (c *Client) follow(ctx context.Context, after *string, show func(Happening) bool) (left bool, err error) {
	var params api.StreamEventsParams
	if *after != "" {
		params.LastEventID = after
	}
	body, err := opened(c.api.StreamEvents(ctx, &params, func(_ context.Context, r *http.Request) error {
		r.Header.Set("Accept", "text/event-stream")
		return nil
	}))
	if err != nil {
		return false, err
	}
	defer body.Close()
	events := newEventReader(body)
	for {
		h, event, err := events.next()
		if events.id != "" {
			*after = events.id
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, unreachable(err)
		}
		if event && !show(h) {
			return true, nil
		}
	}
}

// An eventReader reads the lines of an event stream.
//
// Source: HTML standard, "Server-sent events".
type eventReader struct {
	lines *bufio.Scanner
	id    string // of the last event, "" before it
}

func newEventReader(r io.Reader) *eventReader {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	return &eventReader{lines: lines}
}

// next reads up to the next empty line. event is false when only the id moved.
// Errors: io.EOF at the end; what is half there at the end is dropped.
func (e *eventReader) next() (h Happening, event bool, err error) {
	name, data := "", ""
	for e.lines.Scan() {
		line := e.lines.Text()
		if line == "" {
			if data == "" {
				return Happening{ID: e.id}, false, nil
			}
			return e.read(name, data)
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			e.id = value
		case "event":
			name = value
		case "data":
			if data != "" {
				data += "\n"
			}
			data += value
		}
	}
	if err := e.lines.Err(); err != nil {
		return Happening{}, false, fmt.Errorf("read events: %w", err)
	}
	return Happening{}, false, io.EOF
}

func (e *eventReader) read(name, data string) (h Happening, event bool, err error) {
	h.ID = e.id
	switch name {
	case "reset":
		h.Reset = true
		return h, true, nil
	case "notice":
		if err := json.Unmarshal([]byte(data), &h.Event); err != nil {
			return Happening{}, false, fmt.Errorf("read events: %w", err)
		}
		return h, true, nil
	}
	return h, false, nil // of a newer node; skipped
}
