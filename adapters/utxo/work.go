package utxo

import (
	"errors"
	"fmt"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
	"github.com/holiman/uint256"
)

// errWork is why a block that could have been made by anyone is refused.
var errWork = errors.New("block without the work that the chain asks for")

// proven checks that work was spent on h, as much as h itself says and at least
// the least of the network. The first block needs none. Errors: ErrDown, with
// errWork.
func (c Coin) proven(h wire.BlockHeader) error {
	id := h.BlockHash()
	if id == c.Genesis {
		return nil
	}
	least, _ := limit(c.Easiest)
	asked, ok := limit(h.Bits)
	if !ok || asked.Gt(&least) {
		return fmt.Errorf("%w: %w: block %s asks for %08x, %s for %08x at least", ErrDown, errWork, id, h.Bits, c.Network, c.Easiest)
	}
	work := id
	if c.Work != nil {
		work = c.Work(h)
	}
	if got := number(work); got.Gt(&asked) {
		return fmt.Errorf("%w: %w: block %s has %s for %08x", ErrDown, errWork, id, work, h.Bits)
	}
	return nil
}

// maxEasing is by how much the work may be made less at once.
//
// Source: Bitcoin Core, pow.cpp, CalculateNextWorkRequired.
const maxEasing = 4

// eased checks that the block after last, at the height given, does not ask for
// less work than the rules let it: otherwise blocks of little work could be made
// up behind any block. Errors: ErrDown, with errWork.
func (c Coin) eased(last mined, h wire.BlockHeader, height int64) error {
	if c.Retarget == 0 || last.Bits == 0 || h.Bits == last.Bits {
		return nil
	}
	before, _ := limit(last.Bits)
	asked, _ := limit(h.Bits)
	before.Mul(&before, uint256.NewInt(maxEasing)) // at most 2^242: see Coin.check
	if height%c.Retarget != 0 || asked.Gt(&before) {
		return fmt.Errorf("%w: %w: block %d %s asks for %08x after %08x", ErrDown, errWork, height, h.BlockHash(), h.Bits, last.Bits)
	}
	return nil
}

// limit is the number that bits stand for: the hash of a block must not be above
// it. ok is false when they stand for none above zero, or for one of more than
// 256 bits.
//
// Source: Bitcoin Core, arith_uint256::SetCompact.
func limit(bits uint32) (t uint256.Int, ok bool) {
	size, word := uint(bits>>24), bits&0x7fffff
	if bits&0x800000 != 0 || size > 32 {
		return t, false
	}
	t.SetUint64(uint64(word))
	if size <= 3 {
		t.Rsh(&t, 8*(3-size))
	} else {
		t.Lsh(&t, 8*(size-3))
	}
	return t, !t.IsZero()
}

// number is a hash as work is compared.
func number(h chainhash.Hash) (n uint256.Int) {
	d := display(h)
	n.SetBytes(d[:])
	return n
}
