package evm

import (
	"encoding/json"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"photon/contracts"
	"photon/node/channel"
)

var (
	testChannels = contracts.Channels{ChainID: 1, At: common.HexToAddress("0xc0de2")}
	testRegistry = common.HexToAddress("0xc0de3")
)

// paperCode is the code at an address of the paper chain.
func paperCode(raw json.RawMessage) []byte {
	var at common.Address
	if err := json.Unmarshal(raw, &at); err != nil {
		panic(err)
	}
	switch at {
	case testChannels.At:
		return contracts.ChannelsRuntime(testChannels, testRegistry, 50)
	case testRegistry:
		return contracts.SecretRegistryRuntime()
	}
	return contracts.HashLockRuntime(1)
}

// passes reports whether a log passes the most first places of a filter of topics.
func passes(e entry, filter [][]common.Hash, most int) bool {
	for i, any := range filter[:min(len(filter), most)] {
		if len(any) > 0 && (i >= len(e.Topics) || !slices.Contains(any, hash(e.Topics[i]))) {
			return false
		}
	}
	return true
}

func noteJSON(e entry) any {
	return map[string]any{
		"address": e.Address, "topics": contractHashes(e.Topics), "data": hexutil.Bytes(e.Data), "blockNumber": hexutil.Uint64(e.Height),
		"blockHash": e.Block, "transactionHash": hash(e.TxID), "logIndex": hexutil.Uint64(e.Index),
	}
}

// noted is the receipt of the transaction that wrote a note; nil when there is none.
func (p *paper) noted(id json.RawMessage) any {
	of := p.blocks
	if p.receipts != nil {
		of = p.receipts.blocks
	}
	for _, b := range of {
		for _, e := range b.notes {
			if want, err := json.Marshal(hash(e.TxID)); err == nil && string(want) == string(id) {
				return map[string]any{
					"transactionHash": hash(e.TxID), "from": testContract, "status": "0x1", "gasUsed": "0x1",
					"blockNumber": hexutil.Uint64(e.Height), "blockHash": e.Block, "logs": []any{noteJSON(e)},
				}
			}
		}
	}
	return nil
}

// note mines a block with these logs of our contracts.
func (p *paper) note(notes ...entry) {
	p.mine()
	b := &p.blocks[len(p.blocks)-1]
	for i, e := range notes {
		e.Height, e.Block, e.Index = uint64(len(p.blocks)-1), b.hash, uint64(i)
		e.TxID = contracts.Hash(crypto.Keccak256Hash(b.hash[:], []byte{byte(i), byte(i >> 8)}))
		b.notes = append(b.notes, e)
	}
}

// listened is who the listeners of these tests are; it is lower than other and
// higher than none.
var (
	listenKey, _ = crypto.ToECDSA(crypto.Keccak256([]byte("listener")))
	us           = crypto.PubkeyToAddress(listenKey.PublicKey)
	below, above = contracts.Address{1}, contracts.Address{0xff, 0xff}
)

// deposited is the log of a deposit of number n between us and another, as the
// first or the second, or between two others.
func deposited(n uint64, first, second contracts.Address) entry {
	id := contracts.NameChannel(contracts.Address{}, first, second, n).ID()
	var topic contracts.Hash
	for _, t := range contracts.ChannelTopics() { // the one that reads as a deposit
		if e, err := contracts.ReadChannelLog([]contracts.Hash{t, id, {}, {}}, make([]byte, 96)); err == nil && e.Kind == contracts.ChannelDeposited {
			topic = t
		}
	}
	return entry{
		Address: testChannels.At, Topics: []contracts.Hash{topic, id, contracts.PartyTopic(first), contracts.PartyTopic(second)},
		Data: append(make([]byte, 64), common.BigToHash(new(big.Int).SetUint64(n)).Bytes()...),
	}
}

func registered(n byte) entry {
	s := contracts.Secret{n, 9}
	return entry{Address: testRegistry, Topics: []contracts.Hash{contracts.RegisteredTopic(), s.Hash()}, Data: s[:]}
}

// owed is a log of Channels that is about us, in its third topic, and no channel's.
func owed() entry {
	return entry{
		Address: testChannels.At, Data: make([]byte, 32),
		Topics: []contracts.Hash{contracts.Hash(crypto.Keccak256([]byte("Owed(address,address,uint256)"))), {}, contracts.PartyTopic(us)},
	}
}

// confirmed is what a reader of the whole chain delivers of blocks after from, with
// this depth.
func (p *paper) confirmed(from, depth uint64) (lines []string) {
	d := heard{}
	for n := from + 1; n+depth <= uint64(len(p.blocks)); n++ {
		var news channel.News
		for _, e := range p.blocks[n].notes {
			if what, err := contracts.ReadChannelLog(e.Topics, e.Data); err == nil && (what.First == us || what.Second == us) {
				news.Events = append(news.Events, channel.Happened{ChannelEvent: what, Block: n})
			} else if secret, err := contracts.ReadRegisteredLog(e.Topics, e.Data); err == nil {
				news.Secrets = append(news.Secrets, channel.Registered{Secret: secret, Block: n})
			}
		}
		d.news = append(d.news, news)
	}
	return d.all()
}

// busy is a chain of n blocks after the first with events of ours and of others.
func busy(tb testing.TB, n int) *paper {
	p := newPaper(tb)
	for i := range n {
		switch k := uint64(i); i % 4 {
		case 0:
			p.note(deposited(k, us, above), registered(byte(i)), deposited(k, below, above), deposited(k+500, below, us))
		case 1:
			p.note(owed(), registered(byte(i)), registered(byte(i+100)))
		default:
			p.note()
		}
	}
	return p
}

// grow adds blocks with events by chance.
func (p *paper) grow(rt *rapid.T, n int) {
	for range n {
		var notes []entry
		for range rapid.IntRange(0, 3).Draw(rt, "notes") {
			k := uint64(len(p.blocks))
			notes = append(notes, rapid.SampledFrom([]entry{
				deposited(k, us, above), deposited(k, below, us), deposited(k, below, above), registered(byte(k)), owed(),
			}).Draw(rt, "note"))
		}
		p.note(notes...)
	}
}

// shallow makes the chain longer, from its tip or from a little below, so that what
// may have been told stays: the tip that the listener last saw may be two lower.
func (p *paper) shallow(rt *rapid.T) {
	keep := max(1, len(p.blocks)-rapid.IntRange(0, paperDepth-1).Draw(rt, "fork"))
	least := len(p.blocks) - keep
	p.blocks = p.blocks[:keep:keep]
	p.grow(rt, least+rapid.SampledFrom([]int{0, 1, 2, 15}).Draw(rt, "more"))
}
