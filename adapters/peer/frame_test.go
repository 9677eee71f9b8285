package peer

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func goodGreeting() greeting {
	return greeting{realm: "dev", account: [20]byte{1, 2}, signature: [65]byte{3, 4}}
}

func TestGreetingIsStrict(t *testing.T) {
	const head, realm = 2, 3
	for _, row := range []struct {
		name   string
		change func([]byte) []byte
		want   error
	}{
		{"good", func(b []byte) []byte { return b }, nil},
		{"nothing", func([]byte) []byte { return nil }, ErrFrame},
		{"only a version", func(b []byte) []byte { return b[:1] }, ErrFrame},
		{"version 0", func(b []byte) []byte { b[0] = 0; return b }, ErrVersion},
		{"next version, shorter", func(b []byte) []byte { return []byte{version + 1} }, ErrVersion},
		{"next version, longer", func(b []byte) []byte { b[0]++; return append(b, 1, 2, 3) }, ErrVersion},
		{"one byte less", func(b []byte) []byte { return b[:len(b)-1] }, ErrFrame},
		{"one byte more", func(b []byte) []byte { return append(b, 0) }, ErrFrame},
		{"realm's length wrong", func(b []byte) []byte { b[1]++; return b }, ErrFrame},
		{"realm's length beyond", func(b []byte) []byte { b[1] = 255; return b }, ErrFrame},
		{"no realm", func(b []byte) []byte { return append([]byte{version, 0}, b[head+realm:]...) }, ErrFrame},
		{"realm in capitals", func(b []byte) []byte { b[head] = 'D'; return b }, ErrFrame},
		{"realm not text", func(b []byte) []byte { b[head] = 0xff; return b }, ErrFrame},
		{"longest realm", func(b []byte) []byte {
			return append(append([]byte{version, maxRealm}, repeat("a", maxRealm)...), b[head+realm:]...)
		}, nil},
		{"realm too long", func(b []byte) []byte {
			return append(append([]byte{version, maxRealm + 1}, repeat("a", maxRealm+1)...), b[head+realm:]...)
		}, ErrFrame},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := decodeGreeting(row.change(goodGreeting().encode()[2:]))
			if row.want == nil && err != nil {
				t.Fatal(err)
			}
			if row.want != nil {
				wantError(t, err, row.want)
			}
		})
	}
}

func TestRequestIsStrict(t *testing.T) {
	good := request{kind: ask, id: requestID{1}, body: []byte("body")}
	for _, row := range []struct {
		name   string
		change func([]byte) []byte
		want   error
	}{
		{"good", func(b []byte) []byte { return b }, nil},
		{"no body", func(b []byte) []byte { return b[:requestHead] }, nil},
		{"half an id", func(b []byte) []byte { return b[:requestHead-1] }, ErrFrame},
		{"unknown kind", func(b []byte) []byte { b[0] = byte(ask) + 1; return b }, ErrFrame},
		{"hello", func(b []byte) []byte { return append([]byte{byte(hello)}, make([]byte, requestHead-1)...) }, nil},
		{"hello with an id", func(b []byte) []byte { b[0] = byte(hello); return b[:requestHead] }, ErrFrame},
		{"hello with a body", func([]byte) []byte { return append([]byte{byte(hello)}, make([]byte, requestHead)...) }, ErrFrame},
		{"a greeting", func([]byte) []byte { return goodGreeting().encode()[2:] }, ErrFrame},
		{"longest body", func(b []byte) []byte { return append(b[:requestHead], make([]byte, MaxBody)...) }, nil},
		{"body too long", func(b []byte) []byte { return append(b[:requestHead], make([]byte, MaxBody+1)...) }, ErrFrame},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := decodeRequest(row.change(good.encode(nil)[2:]))
			if row.want == nil && err != nil {
				t.Fatal(err)
			}
			if row.want != nil {
				wantError(t, err, row.want)
			}
		})
	}
}

func TestAnswerIsStrict(t *testing.T) {
	for _, row := range []struct {
		name    string
		payload []byte
		want    error
	}{
		{"good", []byte{byte(done), 'a'}, nil},
		{"no body", []byte{byte(done)}, nil},
		{"nothing", nil, ErrFrame},
		{"longest body", make([]byte, answerHead+MaxBody), nil},
		{"body too long", make([]byte, answerHead+MaxBody+1), ErrFrame},
		{"last status", []byte{byte(statusEnd) - 1}, nil},
		{"unknown status", []byte{byte(statusEnd)}, ErrFrame},
		{"longest reason", append([]byte{byte(refused)}, make([]byte, maxReason)...), nil},
		{"reason too long", append([]byte{byte(refused)}, make([]byte, maxReason+1)...), ErrFrame},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := decodeAnswer(row.payload, MaxBody)
			if row.want == nil && err != nil {
				t.Fatal(err)
			}
			if row.want != nil {
				wantError(t, err, row.want)
			}
		})
	}
}

// A frame that says it is too long is refused by its length alone: nothing
// behind the length is read.
func TestLongFrameIsNotRead(t *testing.T) {
	for _, most := range []int{0, maxGreeting, requestHead + MaxBody} {
		over := appendFrame(nil, make([]byte, most+1))
		r := bytes.NewReader(over)
		_, err := readFrame(r, most)
		wantError(t, err, ErrFrame)
		if r.Len() != most+1 {
			t.Errorf("%d bytes left of %d", r.Len(), most+1)
		}
		just, err := readFrame(bytes.NewReader(appendFrame(nil, make([]byte, most))), most)
		if err != nil || len(just) != most {
			t.Errorf("%d bytes, %v; want %d", len(just), err, most)
		}
	}
}

// A stream may bring its bytes one at a time, and may end anywhere.
func TestRequestCutAnywhere(t *testing.T) {
	want := request{kind: ask, id: requestID{9}, body: []byte("body")}
	whole := want.encode(nil)
	got, err := hearRequest(iotest.OneByteReader(bytes.NewReader(whole)))
	if err != nil || got.id != want.id || !bytes.Equal(got.body, want.body) {
		t.Fatalf("read %v, %v", got, err)
	}
	for n := range whole {
		if _, err := hearRequest(bytes.NewReader(whole[:n])); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	_, err = hearRequest(bytes.NewReader(append(whole, 0)))
	wantError(t, err, ErrFrame)
}

func TestFailureFitsItsFrame(t *testing.T) {
	for _, text := range []string{"", "short", repeat("a", maxReason), repeat("a", maxReason+1), repeat("ü", maxReason), "x" + repeat("ü", maxReason), repeat("\xff", 600)} {
		a := failure(refused, errors.New(text))
		back, err := decodeAnswer(a.encode(nil)[2:], MaxBody)
		if err != nil {
			t.Fatalf("%.20q: %v", text, err)
		}
		if !strings.HasPrefix(plain(text), string(back.body)) {
			t.Errorf("%.20q came as %.20q", text, back.body)
		}
	}
}

// What is read is what would be written, and nothing else is read.
func FuzzGreeting(f *testing.F) {
	f.Add(goodGreeting().encode()[2:])
	f.Add([]byte{version, 0})
	f.Add([]byte{version + 1, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := decodeGreeting(b)
		switch {
		case err == nil && !bytes.Equal(g.encode()[2:], b):
			t.Errorf("%x is read as %x", b, g.encode()[2:])
		case err != nil && !errors.Is(err, ErrFrame) && !errors.Is(err, ErrVersion):
			t.Errorf("error %v has no name", err)
		case err == nil && len(b) > maxGreeting:
			t.Errorf("%d bytes were read", len(b))
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add(request{kind: ask, id: requestID{1}, body: []byte("x")}.encode(nil))
	f.Add(request{kind: hello}.encode(nil))
	f.Add([]byte{255, 255})
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := hearRequest(bytes.NewReader(b))
		if err == nil && !bytes.Equal(q.encode(nil), b) {
			t.Errorf("%x is read as %x", b, q.encode(nil))
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(answer{done, []byte("x")}.encode(nil)[2:])
	f.Add(failure(refused, errors.New("no")).encode(nil)[2:])
	f.Add([]byte{byte(busy), 0xff, 0x1b})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeAnswer(b, MaxBody)
		if err != nil {
			wantError(t, err, ErrFrame)
			return
		}
		if !bytes.Equal(a.encode(nil)[2:], b) {
			t.Errorf("%x is read as %x", b, a.encode(nil)[2:])
		}
		if err := a.error(); err != nil && strings.ContainsAny(err.Error(), "\x1b\n\r\x00") {
			t.Errorf("error %q can steer a terminal", err)
		}
	})
}

func FuzzAddress(f *testing.F) {
	f.Add("/ip4/127.0.0.1/tcp/4001/p2p/16Uiu2HAm7nM69GSZyHxzmu3znpigb9GLtpWYD6xa69PxNbtETa7Z")
	f.Add("/dns4/alice/udp/1/quic-v1/p2p/16Uiu2HAm7nM69GSZyHxzmu3znpigb9GLtpWYD6xa69PxNbtETa7Z")
	f.Add("/p2p/16Uiu2HAm7nM69GSZyHxzmu3znpigb9GLtpWYD6xa69PxNbtETa7Z/p2p-circuit")
	f.Add("//")
	f.Fuzz(func(t *testing.T, s string) {
		id, at, err := parseAddress(s)
		if err != nil {
			if !errors.Is(err, ErrAddress) && !errors.Is(err, ErrIdentity) {
				t.Errorf("error %v has no name", err)
			}
			return
		}
		again, where, err := parseAddress(at.String() + "/p2p/" + id.String())
		if err != nil || again != id || !where.Equal(at) {
			t.Errorf("%q is read as %s at %s, then %s at %s, %v", s, id, at, again, where, err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	self, err := Identity(keyOf(0))
	if err != nil {
		f.Fatal(err)
	}
	signature, err := Sign(keyOf(0), [32]byte{1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(self, signature)
	f.Add(self, []byte{0x30})
	f.Add("16Uiu2", []byte{})
	f.Fuzz(func(t *testing.T, identity string, signature []byte) {
		if err := Verify(identity, [32]byte{2}, signature); !errors.Is(err, ErrIdentity) && !errors.Is(err, ErrSignature) {
			t.Errorf("%q, %x: %v", identity, signature, err)
		}
	})
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"given":["/ip4/127.0.0.1/tcp/1"],"heard":["/ip4/127.0.0.1/tcp/2"]}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"heard":["x"]}`))
	f.Add([]byte(`{"given":[]} {}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := decodePage(raw)
		if err != nil {
			wantError(t, err, ErrAddress)
			return
		}
		if len(p.Given) > maxGiven || len(p.Heard) > maxHeard {
			t.Errorf("page of %d and %d addresses", len(p.Given), len(p.Heard))
		}
	})
}
