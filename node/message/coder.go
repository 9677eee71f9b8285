package message

import (
	"fmt"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"

	"photon/contracts"
)

// A coder walks fields in their order, and writes them or reads them into what it
// is given. Both are the same walk, so that they cannot come apart.
type coder struct {
	writes bool
	out    rlp.EncoderBuffer // when it writes
	in     []byte            // when it reads: what is left of the list that is open
	err    error             // the first that was met in reading: from then on nothing is left
}

// A verdict is a reason that may be none: that of an answer.
type verdict Reason

// refuse ends the reading.
func (c *coder) refuse(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", ErrEncoding, fmt.Sprintf(format, args...))
	}
	c.in = nil
}

// A mark is a list that is open.
type mark struct {
	at   int    // when it is written
	rest []byte // when it is read: what comes after it
}

func (c *coder) open() mark {
	if c.writes {
		return mark{at: c.out.List()}
	}
	content, rest, err := rlp.SplitList(c.in)
	if err != nil {
		c.refuse("%v", err)
		return mark{}
	}
	c.in = content
	return mark{rest: rest}
}

func (c *coder) close(m mark) {
	if c.writes {
		c.out.ListEnd(m.at)
		return
	}
	if len(c.in) != 0 {
		c.refuse("%d bytes more than are known of a list", len(c.in))
	}
	if c.err == nil {
		c.in = m.rest
	}
}

// list walks fields as one list.
func (c *coder) list(fields ...any) {
	end := c.open()
	for _, f := range fields {
		c.field(f)
	}
	c.close(end)
}

// field walks what f points to.
func (c *coder) field(f any) {
	switch f := f.(type) {
	case *contracts.Hash:
		c.fixed(f[:])
	case *contracts.Secret:
		c.fixed(f[:])
	case *contracts.Address:
		c.fixed(f[:])
	case *contracts.Signature:
		c.fixed(f[:])
	case *uint64:
		c.number(f)
	case *bool:
		c.flag(f)
	case *contracts.Amount:
		c.amount(f)
	case *string:
		c.text(f)
	case *Reason:
		name(c, f, reason)
	case *verdict:
		if c.writes && *f == "" || !c.writes && c.none() {
			c.text((*string)(f))
			return
		}
		name(c, (*Reason)(f), reason)
	case *contracts.Chain:
		name(c, f, chain)
	case *contracts.Lock:
		c.list(&f.Amount, &f.Expiry, &f.Hash)
	case *contracts.BalanceProof:
		c.list(&f.Nonce, &f.Transferred, &f.Locks)
	case *contracts.Withdrawal:
		c.list(&f.Until, &f.FirstBalance, &f.SecondBalance, &f.FirstTakes, &f.SecondTakes)
	case *contracts.Ending:
		c.list(&f.Until, &f.FirstBalance, &f.SecondBalance)
	case *Said:
		c.list(&f.Proof, &f.Locks, &f.Signature)
	case *Answer:
		c.answer(f)
	case *[]Change:
		each(c, f, MaxChanges, (*coder).change)
	case *[]contracts.Lock:
		each(c, f, MaxLocks, func(c *coder, l *contracts.Lock) { c.field(l) })
	case *[]contracts.Address:
		each(c, f, MaxRoute, func(c *coder, a *contracts.Address) { c.fixed(a[:]) })
	default:
		panic(fmt.Sprintf("message: a %T has no encoding", f))
	}
}

// each walks a list of likes, at most so many. An empty one is read as nil.
func each[T any](c *coder, all *[]T, most int, one func(*coder, *T)) {
	end := c.open()
	if !c.writes {
		if n := c.count(most); n > 0 {
			*all = make([]T, n)
		}
	}
	for i := range *all {
		one(c, &(*all)[i])
		if c.err != nil {
			c.err = fmt.Errorf("item %d: %w", i, c.err)
			break
		}
	}
	c.close(end)
}

// count is how many things are left to read, each of which is there: no number that
// the other side states is believed.
func (c *coder) count(most int) int {
	n, err := rlp.CountValues(c.in)
	if err != nil {
		c.refuse("%v", err)
		return 0
	}
	if n > most {
		c.refuse("%d in a list, at most %d", n, most)
		return 0
	}
	return n
}

// bytes reads a string of bytes, which is part of the packet.
func (c *coder) bytes() []byte {
	b, rest, err := rlp.SplitString(c.in)
	if err != nil {
		c.refuse("%v", err)
		return nil
	}
	c.in = rest
	return b
}

// none says whether an empty string is next.
func (c *coder) none() bool { return len(c.in) > 0 && c.in[0] == 0x80 }

// fixed walks as many bytes as b has.
func (c *coder) fixed(b []byte) {
	if c.writes {
		c.out.WriteBytes(b)
		return
	}
	if got := c.bytes(); len(got) == len(b) {
		copy(b, got)
	} else {
		c.refuse("%d bytes, want %d", len(got), len(b))
	}
}

func (c *coder) number(n *uint64) {
	if c.writes {
		c.out.WriteUint64(*n)
		return
	}
	got, rest, err := rlp.SplitUint64(c.in)
	if err != nil {
		c.refuse("%v", err)
		return
	}
	*n, c.in = got, rest
}

func (c *coder) flag(b *bool) {
	if c.writes {
		c.out.WriteBool(*b)
		return
	}
	var n uint64
	if c.number(&n); n > 1 {
		c.refuse("%d for yes or no", n)
	}
	*b = n == 1
}

func (c *coder) amount(a *contracts.Amount) {
	if c.writes {
		c.out.WriteUint256(a.Uint256())
		return
	}
	got := c.bytes()
	if len(got) > 32 || (len(got) > 0 && got[0] == 0) {
		c.refuse("an amount of %d bytes, or with a zero before it", len(got))
		return
	}
	var n uint256.Int
	*a = contracts.AmountOf(n.SetBytes(got))
}

func (c *coder) text(s *string) {
	if c.writes {
		c.out.WriteString(*s)
		return
	}
	got := c.bytes()
	if len(got) > MaxText || !utf8.Valid(got) {
		c.refuse("a text of %d bytes, at most %d of UTF-8", len(got), MaxText)
		return
	}
	*s = string(got)
}

// name walks a word of a closed list, in which read finds it.
func name[T ~string](c *coder, s *T, read func([]byte) T) {
	if c.writes {
		c.out.WriteString(string(*s))
		return
	}
	got := c.bytes()
	if *s = read(got); *s == "" {
		c.refuse("an unknown word of %d bytes", len(got))
	}
}
