package message

import (
	"fmt"

	"github.com/ethereum/go-ethereum/rlp"
)

// version is the first byte of every packet.
const version = 1

// What a message and a change are called in a packet. A number is never used for
// something else.
const (
	kindUpdate uint64 = iota + 1
	kindAnswer
	kindReveal
	kindDispose
	kindSync
	kindState
	kindWithdraw
	kindEnd
	kindDecline
)

const (
	kindPay uint64 = iota + 1
	kindPromise
	kindUnlock
	kindDrop
)

// Encode returns the one encoding of a packet: a byte for the version, then each
// message in RLP, as the list of its kind and of the list of its fields. Who makes
// messages keeps to the limits; beyond them, Decode refuses the packet. Encode
// panics when a change has not exactly one field set.
//
// Source of RLP: Ethereum's yellow paper, appendix B.
func Encode(ms []Message) []byte {
	c := coder{writes: true, out: rlp.NewEncoderBuffer(nil)}
	defer c.out.Flush() // gives the buffer back; there is nothing that it is written to
	c.out.Write([]byte{version})
	for _, m := range ms {
		c.message(m)
	}
	return c.out.ToBytes()
}

// Decode reads what Encode writes, and nothing that is written otherwise or is
// beyond the limits. What is signed in a message is not checked, nor whether its
// figures fit. Errors: ErrEncoding.
func Decode(b []byte) ([]Message, error) {
	if len(b) == 0 || len(b) > MaxPacket {
		return nil, fmt.Errorf("%w: a packet of %d bytes", ErrEncoding, len(b))
	}
	if b[0] != version {
		return nil, fmt.Errorf("%w: version %d, ours is %d", ErrEncoding, b[0], version)
	}
	c := coder{in: b[1:]}
	var ms []Message
	for range c.count(MaxMessages) {
		m := c.message(nil)
		if c.err != nil {
			return nil, fmt.Errorf("message %d: %w", len(ms), c.err)
		}
		ms = append(ms, m)
	}
	return ms, c.err
}

// message walks a message. When it is read, m is nil and the answer is what is read.
func (c *coder) message(m Message) Message {
	var kind uint64
	if c.writes {
		kind = kindOf(m)
	}
	end := c.open()
	c.number(&kind)
	switch kind {
	case kindUpdate:
		m = through(c, m, (*coder).update)
	case kindAnswer:
		m = through(c, m, (*coder).answer)
	case kindReveal:
		m = through(c, m, func(c *coder, m *Reveal) { c.list(&m.Channel, &m.Secret) })
	case kindDispose:
		m = through(c, m, func(c *coder, m *Dispose) { c.list(&m.Channel, &m.Epoch, &m.Lock, &m.Reason, &m.Signature) })
	case kindSync:
		m = through(c, m, func(c *coder, m *Sync) { c.list(&m.Channel, &m.Epoch, &m.Sent, &m.Answer, &m.Echo) })
	case kindState:
		m = through(c, m, func(c *coder, m *State) { c.list(&m.Channel, &m.Epoch, &m.Mine, &m.Yours, &m.Sent, &m.Heard) })
	case kindWithdraw:
		m = through(c, m, func(c *coder, m *Withdraw) { c.list(&m.Channel, &m.Epoch, &m.Withdrawal, &m.Agreed, &m.Signature) })
	case kindEnd:
		m = through(c, m, func(c *coder, m *End) { c.list(&m.Channel, &m.Epoch, &m.Ending, &m.Agreed, &m.Signature) })
	case kindDecline:
		m = through(c, m, func(c *coder, m *Decline) { c.list(&m.Channel, &m.Epoch, &m.Until, &m.Reason) })
	default:
		c.refuse("kind %d", kind)
	}
	c.close(end)
	return m
}

func kindOf(m Message) uint64 {
	switch m.(type) {
	case Update:
		return kindUpdate
	case Answer:
		return kindAnswer
	case Reveal:
		return kindReveal
	case Dispose:
		return kindDispose
	case Sync:
		return kindSync
	case State:
		return kindState
	case Withdraw:
		return kindWithdraw
	case End:
		return kindEnd
	case Decline:
		return kindDecline
	}
	panic(fmt.Sprintf("message: a %T has no encoding", m))
}

// through walks the fields of a message of type T.
func through[T Message](c *coder, m Message, fields func(*coder, *T)) Message {
	t, _ := m.(T) // when it is read, there is none yet
	fields(c, &t)
	return t
}

func (c *coder) update(m *Update) {
	c.list(&m.Channel, &m.Epoch, &m.After, &m.Changes, &m.Proof, &m.Signature)
}

func (c *coder) answer(m *Answer) {
	c.list(&m.Channel, &m.Epoch, &m.Nonce, &m.Stands, (*verdict)(&m.Reason), &m.Culprit, &m.Signature)
}

func (c *coder) change(s *Change) {
	var kind uint64
	if c.writes {
		kind = s.kind()
	}
	end := c.open()
	c.number(&kind)
	switch kind {
	case kindPay:
		p := fresh(c, &s.Pay)
		c.list(&p.ID, &p.Amount, &p.Invoice, &p.Text)
	case kindPromise:
		p := fresh(c, &s.Promise)
		c.list(&p.Lock, &p.Route)
	case kindUnlock:
		u := fresh(c, &s.Unlock)
		c.list(&u.Lock, &u.Secret)
	case kindDrop:
		c.list(&fresh(c, &s.Drop).Lock)
	default:
		c.refuse("kind %d", kind)
	}
	c.close(end)
}

// kind panics when not exactly one field is set.
func (s Change) kind() (kind uint64) {
	for i, set := range [...]bool{s.Pay != nil, s.Promise != nil, s.Unlock != nil, s.Drop != nil} {
		switch {
		case set && kind != 0:
			panic("message: a change with two fields set")
		case set:
			kind = kindPay + uint64(i)
		}
	}
	if kind == 0 {
		panic("message: a change with no field set")
	}
	return kind
}

// fresh is what p points to, made when it is read.
func fresh[T any](c *coder, p **T) *T {
	if !c.writes {
		*p = new(T)
	}
	return *p
}

// The most bytes that parts of a message take. Lists and texts begin with their
// length, of up to three bytes.
const (
	sizeHead      = 4
	sizeNumber    = 1 + 8
	sizeAmount    = 1 + 32
	sizeHash      = 1 + 32
	sizeAddress   = 1 + 20
	sizeSignature = 2 + 65
	sizeLock      = sizeHead + sizeAmount + sizeNumber + sizeHash
	sizeProof     = sizeHead + sizeNumber + sizeAmount + sizeHash
	sizeKind      = sizeHead + 1 + sizeHead // of message or change, and the head of its fields
	sizeSmall     = 512                     // above what a message without a list takes
)

// Size returns bytes that are enough for a message in a packet: a packet has a byte
// for its version beside them.
func Size(m Message) int {
	switch m := m.(type) {
	case Update:
		n := sizeKind + sizeHash + 2*sizeNumber + sizeHead + sizeProof + sizeSignature
		for _, s := range m.Changes {
			n += s.Size()
		}
		return n
	case State:
		return sizeKind + sizeHash + 3*sizeNumber + 2*(2*sizeHead+sizeProof+sizeSignature) +
			(len(m.Mine.Locks)+len(m.Yours.Locks))*sizeLock
	default:
		return sizeSmall
	}
}

// Size returns bytes that are enough for a change in its update.
func (s Change) Size() int {
	switch {
	case s.Pay != nil:
		return sizeKind + sizeHash + sizeAmount + sizeHash + sizeHead + len(s.Pay.Text)
	case s.Promise != nil:
		return sizeKind + sizeLock + sizeHead + len(s.Promise.Route)*sizeAddress
	default:
		return sizeKind + sizeHash + sizeHash // lock and secret
	}
}

// reason returns the reason that is written so; "" is none.
func reason(b []byte) Reason {
	for _, r := range reasons {
		if string(b) == string(r) {
			return r
		}
	}
	return ""
}
