package web

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"

	"photon/contracts"
)

// A once lets a thing that a caller names by a key happen once, and gives the
// same answer to whoever asks again. It remembers in memory only; what must hold
// beyond that is held by the ports, see [Taker] and [Book].
type once struct {
	size int // keys remembered

	mu    sync.Mutex
	seen  map[string]*deed
	order []string // keys of kept deeds, oldest first
}

// A deed is one request under a key.
type deed struct {
	request contracts.Hash
	over    chan struct{} // closed when it ended
	kept    bool          // it was done; answer is what it gave
	answer  any
}

func newOnce(size int) *once { return &once{size: size, seen: make(map[string]*deed)} }

// do runs f, or gives what it gave when it was run under this key. A second
// caller waits for the first. A refused request did nothing and is forgotten.
// Errors: errKeyReused when the key stands for another request, errBusy when
// there is no room, those of f.
func (o *once) do(ctx context.Context, key string, request contracts.Hash, f func() (any, error)) (any, error) {
	for {
		d, first, err := o.claim(key, request)
		if err != nil {
			return nil, err
		}
		if first {
			return o.run(key, d, f)
		}
		select {
		case <-d.over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if d.kept {
			return d.answer, nil
		}
	}
}

// claim finds the deed under a key, or begins it.
func (o *once) claim(key string, request contracts.Hash) (d *deed, first bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if d, ok := o.seen[key]; ok {
		if d.request != request {
			return nil, false, errKeyReused
		}
		return d, false, nil
	}
	if len(o.seen) >= o.size {
		if len(o.order) == 0 {
			return nil, false, fmt.Errorf("%w: %d requests that act", errBusy, o.size)
		}
		delete(o.seen, o.order[0])
		o.order = o.order[1:]
	}
	d = &deed{request: request, over: make(chan struct{})}
	o.seen[key] = d
	return d, true, nil
}

// run does the deed and wakes those who wait, even when f panics.
func (o *once) run(key string, d *deed, f func() (any, error)) (any, error) {
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if d.kept {
			o.order = append(o.order, key)
		} else {
			delete(o.seen, key)
		}
		close(d.over)
	}()
	answer, err := f()
	if err != nil {
		return nil, err
	}
	d.answer, d.kept = answer, true
	return answer, nil
}

// requestHash tells one request from another: by operation and by body as it
// was understood, not as it was spelt.
func requestHash(operation string, body any) (contracts.Hash, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return contracts.Hash{}, fmt.Errorf("encode %s: %w", operation, err)
	}
	return sha256.Sum256(append([]byte(operation+"\n"), raw...)), nil
}

// SendID is the id of the payment that is sent under an Idempotency-Key. It
// depends on the key only, so that the same key sends once even when the node
// was started anew between.
func SendID(key string) contracts.Hash { return sha256.Sum256([]byte("photon send\n" + key)) }
