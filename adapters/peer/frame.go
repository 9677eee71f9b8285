package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"photon/contracts"
)

// MaxBody is the most bytes that a request's or an answer's body may have.
const MaxBody = 16 << 10

// The bytes of a stream, each way: two frames and nothing behind them. A frame
// is its length in two bytes, big endian, and a payload:
//
//	greeting  version 1 · realm's length 1 · realm · account 20 · signature 65
//	request   kind 1 · id 16 · body
//	answer    status 1 · body
const (
	version     = 1   // of the protocol; another is refused
	maxRealm    = 32  // bytes
	maxReason   = 512 // bytes of an error's text that cross the line
	maxGreeting = 256 // bytes; above what version 1 needs, so that others can still say what they are
	requestHead = 1 + 16
	answerHead  = 1
)

// A greeting says who a node is. It has no need to name the node: the line does.
type greeting struct {
	realm     string
	account   contracts.Address
	signature [65]byte // of account, over bindingDigest
}

// A requestID is random; it is the same in every copy of a request.
type requestID [16]byte

// A kind is what a request wants. None is a version's byte, so that no greeting
// is read as a request.
type kind byte

const (
	hello kind = 'h' // only the greeting
	ask   kind = 'a'
)

type request struct {
	kind kind
	id   requestID // zero in hello
	body []byte    // empty in hello
}

// A status is how a request was answered.
type status byte

const (
	done       status = iota
	refused           // by the handler; the body is its error
	busy              // not looked at, over a limit: to be tried again
	wrongRealm        // not looked at, here and below; the body says why
	wrongVersion
	wrongAccount
	wrongFrame
	statusEnd // no status
)

// faults are the statuses as errors.
var faults = map[status]error{
	refused: ErrRefused, busy: ErrBusy,
	wrongRealm: ErrRealm, wrongVersion: ErrVersion, wrongAccount: ErrBinding, wrongFrame: ErrFrame,
}

// fault is the status that tells the other of an error, statusEnd when there is
// none: the line broke, or it was too slow.
func fault(why error) (s status) {
	for s = busy; s < statusEnd && !errors.Is(why, faults[s]); s++ {
	}
	return s
}

type answer struct {
	status status
	body   []byte
}

// appendFrame adds a frame to b. Payloads of this package fit its two bytes.
func appendFrame(b []byte, parts ...[]byte) []byte {
	at := len(b)
	b = append(b, 0, 0)
	for _, p := range parts {
		b = append(b, p...)
	}
	binary.BigEndian.PutUint16(b[at:], uint16(len(b)-at-2))
	return b
}

// readFrame reads one frame of at most most bytes; a longer one is refused
// before room is made for it. Errors: ErrFrame, the line's.
func readFrame(r io.Reader, most int) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("read a frame: %w", err)
	}
	n := int(binary.BigEndian.Uint16(head[:]))
	if n > most {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrFrame, n, most)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("read a frame of %d bytes: %w", n, err)
	}
	return b, nil
}

// readEnd refuses bytes behind the last frame. Errors: ErrFrame, the line's.
func readEnd(r io.Reader) error {
	var one [1]byte
	switch n, err := io.ReadFull(r, one[:]); {
	case n > 0:
		return fmt.Errorf("%w: bytes behind its end", ErrFrame)
	case errors.Is(err, io.EOF):
		return nil
	default:
		return fmt.Errorf("read the end: %w", err)
	}
}

func (g greeting) encode() []byte {
	return appendFrame(nil, []byte{version, byte(len(g.realm))}, []byte(g.realm), g.account[:], g.signature[:])
}

// decodeGreeting reads the payload of a greeting. Errors: ErrVersion, ErrFrame.
func decodeGreeting(b []byte) (g greeting, err error) {
	if len(b) > 0 && b[0] != version {
		return g, fmt.Errorf("%w: %d, ours is %d", ErrVersion, b[0], version)
	}
	if len(b) < 2 {
		return g, fmt.Errorf("%w: greeting of %d bytes", ErrFrame, len(b))
	}
	n, rest := int(b[1]), b[2:]
	if len(rest) != n+len(g.account)+len(g.signature) {
		return g, fmt.Errorf("%w: greeting of %d bytes with a realm of %d", ErrFrame, len(b), n)
	}
	g.realm = string(rest[:n])
	if err := checkRealm(g.realm); err != nil {
		return greeting{}, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	copy(g.account[:], rest[n:])
	copy(g.signature[:], rest[n+len(g.account):])
	return g, nil
}

// checkRealm refuses what is no name of a realm: 1 to 32 lower-case letters and
// digits.
func checkRealm(s string) error {
	if s == "" || len(s) > maxRealm || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return fmt.Errorf("realm %.40q is not 1 to %d lower-case letters and digits", s, maxRealm)
	}
	return nil
}

func (q request) encode(before []byte) []byte {
	return appendFrame(before, []byte{byte(q.kind)}, q.id[:], q.body)
}

// decodeRequest reads the payload of a request. Errors: ErrFrame.
func decodeRequest(b []byte) (q request, err error) {
	if len(b) < requestHead || len(b) > requestHead+MaxBody {
		return q, fmt.Errorf("%w: request of %d bytes", ErrFrame, len(b))
	}
	q = request{kind(b[0]), requestID(b[1:requestHead]), b[requestHead:]}
	switch {
	case q.kind != hello && q.kind != ask:
		return request{}, fmt.Errorf("%w: request of kind %d", ErrFrame, q.kind)
	case q.kind == hello && (q.id != requestID{} || len(q.body) > 0):
		return request{}, fmt.Errorf("%w: hello with %d bytes of body", ErrFrame, len(q.body))
	}
	return q, nil
}

func (a answer) encode(before []byte) []byte {
	return appendFrame(before, []byte{byte(a.status)}, a.body)
}

// decodeAnswer reads the payload of an answer with a body of at most most bytes.
// Errors: ErrFrame.
func decodeAnswer(b []byte, most int) (answer, error) {
	if len(b) < answerHead || len(b) > answerHead+most {
		return answer{}, fmt.Errorf("%w: answer of %d bytes", ErrFrame, len(b))
	}
	a := answer{status(b[0]), b[answerHead:]}
	if a.status >= statusEnd || (a.status != done && len(a.body) > maxReason) {
		return answer{}, fmt.Errorf("%w: answer of status %d with %d bytes", ErrFrame, a.status, len(a.body))
	}
	return a, nil
}

// failure is the answer that carries an error's text, cut to what may cross the
// line.
func failure(s status, err error) answer {
	text := []byte(plain(err.Error()))
	if len(text) > maxReason {
		text = text[:maxReason]
		for !utf8.Valid(text) {
			text = text[:len(text)-1]
		}
	}
	return answer{s, text}
}

// error is why the other did not do what was asked, nil when it did. Its text is
// the other's words, printable and bounded.
func (a answer) error() error {
	if a.status == done {
		return nil
	}
	if len(a.body) == 0 {
		return faults[a.status]
	}
	return fmt.Errorf("%w: %s", faults[a.status], plain(string(a.body)))
}

// plain replaces all that is no letter, mark, number, sign or blank.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
}
