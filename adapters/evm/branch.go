package evm

// branchLength is how many headers are kept. A fork that is deeper makes us
// read everything again.
const branchLength = 512

// A branch is the newest blocks of the chain that we follow, without a gap, each
// the parent of the next.
type branch struct{ blocks []header }

// tip is the newest block.
func (b branch) tip() (header, bool) {
	if len(b.blocks) == 0 {
		return header{}, false
	}
	return b.blocks[len(b.blocks)-1], true
}

// at is the block at a height, if it is kept.
func (b branch) at(height uint64) (header, bool) {
	if len(b.blocks) == 0 || height < b.blocks[0].Number {
		return header{}, false
	}
	i := height - b.blocks[0].Number
	if i >= uint64(len(b.blocks)) {
		return header{}, false
	}
	return b.blocks[i], true
}

// holds reports whether h is one of the kept blocks.
func (b branch) holds(h header) bool {
	own, ok := b.at(h.Number)
	return ok && own.Hash == h.Hash
}

// below reports whether h is older than all kept blocks.
func (b branch) below(h header) bool { return len(b.blocks) > 0 && h.Number < b.blocks[0].Number }

// join returns the branch that ends with up, which is ascending and linked, on
// top of the kept parent of its first block, and the height of that parent. It
// returns false when the parent is not kept.
func (b branch) join(up []header) (joined branch, fork uint64, ok bool) {
	if len(up) == 0 || up[0].Number == 0 {
		return b, 0, false
	}
	fork = up[0].Number - 1
	parent, kept := b.at(fork)
	if !kept || parent.Hash != up[0].Parent {
		return b, 0, false
	}
	keep := b.blocks[:fork-b.blocks[0].Number+1]
	all := append(append(make([]header, 0, len(keep)+len(up)), keep...), up...)
	if over := len(all) - branchLength; over > 0 {
		all = all[over:]
	}
	return branch{all}, fork, true
}
