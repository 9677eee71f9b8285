package web

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"photon/contracts"
	"photon/swap/trade"
)

func keyed(key string) map[string]string { return map[string]string{"Idempotency-Key": key} }

func sendCall(key, body string) call {
	return call{method: "POST", path: "/v1/wallet/send", body: body, header: keyed(key)}
}

func TestSameKeySameAnswer(t *testing.T) {
	s, d, _ := newTest(t)
	first := sendCall(key, goodSend).do(t, s)
	expect(t, first, 202, "")
	spelt := strings.ReplaceAll(goodSend, `,`, ` , `)
	second := sendCall(key, spelt).do(t, s)
	if second.Code != first.Code || second.Body.String() != first.Body.String() {
		t.Errorf("first %s, then %s", first.Body, second.Body)
	}
	if n := d.sent[SendID(key)]; n != 1 {
		t.Errorf("sent %d times", n)
	}
	expect(t, sendCall(key, strings.Replace(goodSend, "1000", "1001", 1)).do(t, s), 409, "key_reused")
	quote := contracts.Hash{7}
	take := call{method: "POST", path: "/v1/swaps", body: `{"quote":"` + quote.String() + `"}`, header: keyed(key)}
	expect(t, take.do(t, s), 409, "key_reused")
	expect(t, sendCall(key+"-other", goodSend).do(t, s), 202, "")
	if len(d.sent) != 2 || d.taken != 0 {
		t.Errorf("sent %v, taken %d", d.sent, d.taken)
	}
}

func TestTakenOnce(t *testing.T) {
	s, d, _ := newTest(t)
	quote := contracts.Hash{7}
	d.quotes[quote] = trade.Quote{ID: quote}
	take := call{method: "POST", path: "/v1/swaps", body: `{"quote":"` + quote.String() + `"}`, header: keyed(key)}
	first, second := take.do(t, s), take.do(t, s)
	expect(t, first, 202, "")
	if first.Body.String() != second.Body.String() || d.taken != 1 {
		t.Errorf("taken %d times: %s, then %s", d.taken, first.Body, second.Body)
	}
	if at := second.Header().Get("Location"); at != "/v1/swaps/"+decoded(t, first)["id"].(string) {
		t.Errorf("location %q", at)
	}
}

// A refused request did nothing, so its key is free again.
func TestRefusedKeyIsFree(t *testing.T) {
	s, d, _ := newTest(t)
	d.fail = trade.ErrShort
	expect(t, sendCall(key, goodSend).do(t, s), 409, "not_enough")
	d.fail = nil
	expect(t, sendCall(key, goodSend).do(t, s), 202, "")
	if d.sent[SendID(key)] != 1 {
		t.Errorf("sent %v", d.sent)
	}
}

// Ten at once with one key: one effect, one answer.
func TestKeyAtOnce(t *testing.T) {
	s, d, _ := newTest(t)
	d.hold = make(chan struct{})
	answers := make([]*httptest.ResponseRecorder, 10)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = sendCall(key, goodSend).do(t, s) })
	}
	<-d.begun
	expect(t, sendCall(key, strings.Replace(goodSend, "1000", "1001", 1)).do(t, s), 409, "key_reused")
	close(d.hold)
	all.Wait()
	for _, w := range answers {
		expect(t, w, 202, "")
		if w.Body.String() != answers[0].Body.String() {
			t.Errorf("%s and %s", w.Body, answers[0].Body)
		}
	}
	if d.sent[SendID(key)] != 1 {
		t.Errorf("sent %v", d.sent)
	}
}

// A caller that hangs up stops nothing that moves money, and finds it done.
func TestHungUp(t *testing.T) {
	s, d, _ := newTest(t)
	d.hold = make(chan struct{})
	ctx, hangUp := context.WithCancel(t.Context())
	r := httptest.NewRequest("POST", "http://127.0.0.1/v1/wallet/send", strings.NewReader(goodSend)).WithContext(ctx)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	r.Header.Set("Authorization", "Bearer "+testToken)
	over := make(chan struct{})
	go func() { s.engine().ServeHTTP(httptest.NewRecorder(), r); close(over) }()
	<-d.begun
	hangUp()
	close(d.hold)
	<-over
	expect(t, sendCall(key, goodSend).do(t, s), 202, "")
	if d.sent[SendID(key)] != 1 {
		t.Errorf("sent %v", d.sent)
	}
}

func TestOnceIsBounded(t *testing.T) {
	o := newOnce(2)
	runs := 0
	do := func(key string) error {
		_, err := o.do(t.Context(), key, contracts.Hash{1}, func() (any, error) { runs++; return runs, nil })
		return err
	}
	for _, key := range []string{"a", "b", "c", "b", "c"} {
		if err := do(key); err != nil {
			t.Fatal(err)
		}
	}
	if runs != 3 || len(o.seen) != 2 || len(o.order) != 2 {
		t.Errorf("%d runs, %d seen, %d in order", runs, len(o.seen), len(o.order))
	}
	if err := do("a"); err != nil || runs != 4 {
		t.Errorf("forgotten key: %v, %d runs", err, runs)
	}
}

// What is under way is never forgotten: when there is no room for more, more is
// refused.
func TestOnceIsFull(t *testing.T) {
	o := newOnce(1)
	hold, begun, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		o.do(context.Background(), "a", contracts.Hash{1}, func() (any, error) { close(begun); <-hold; return 1, nil })
		close(over)
	}()
	<-begun
	_, err := o.do(t.Context(), "b", contracts.Hash{1}, func() (any, error) { return 2, nil })
	if !errors.Is(err, errBusy) {
		t.Errorf("error %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.do(gone, "a", contracts.Hash{1}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who is gone waits: %v", err)
	}
	close(hold)
	<-over
	if v, err := o.do(t.Context(), "b", contracts.Hash{1}, func() (any, error) { return 2, nil }); v != 2 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

func TestPanicFreesTheKey(t *testing.T) {
	o := newOnce(2)
	func() {
		defer func() { _ = recover() }()
		o.do(t.Context(), "a", contracts.Hash{1}, func() (any, error) { panic("a bug") })
	}()
	if v, err := o.do(t.Context(), "a", contracts.Hash{1}, func() (any, error) { return 1, nil }); v != 1 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

// The id of a send is part of the API: it must never change.
func TestSendID(t *testing.T) {
	const want = "a5e5d3aaf765c202a8b487b611dd31c7614495c0bb7c3caa2e9b29aeb3e2efe0"
	if got := SendID("key-number-1").String(); got != want {
		t.Errorf("%s", got)
	}
}
