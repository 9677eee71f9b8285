package main

import (
	"context"
	"errors"
	"time"

	"photon/contracts"
	"photon/node"
	"photon/node/channel"
)

var _ node.Ledger = (*payChain)(nil)

// payContract is where the channels of the bench are: on no chain.
var payContract = contracts.Channels{ChainID: 1337, At: contracts.Address{7}}

// payAsset is what they hold.
var payAsset = contracts.Native(contracts.SMT)

// payBlock is the block in which they were opened, and payWindow how many blocks
// they take to close.
const (
	payBlock  = 1000
	payWindow = 600
)

// A payChain takes the place of the chain, which is not what is measured. It tells
// that channels were opened and funded, then a head a second, and what the bench
// has happen. No transaction is ever called for.
type payChain struct {
	history []channel.Happened
	blocks  chan payBlockNews
}

// A payBlockNews is a block that the bench has mined; done is told how long the node
// took for it.
type payBlockNews struct {
	events []channel.Happened
	done   chan<- time.Duration
}

func newPayChain(history []channel.Happened) *payChain {
	return &payChain{history, make(chan payBlockNews)}
}

// opened are the events of a channel between two that each put deposit into.
func opened(a, b contracts.Address, deposit contracts.Amount) []channel.Happened {
	name := contracts.NameChannel(payAsset.Token, a, b, payBlock)
	of := contracts.ChannelEvent{Kind: contracts.ChannelOpened, ID: name.ID(), First: name.First, Second: name.Second, Window: payWindow}
	return []channel.Happened{{ChannelEvent: of, Block: payBlock}, deposited(name, true, deposit, payBlock), deposited(name, false, deposit, payBlock)}
}

func deposited(name contracts.ChannelName, byFirst bool, total contracts.Amount, block uint64) channel.Happened {
	return channel.Happened{Block: block, ChannelEvent: contracts.ChannelEvent{
		Kind: contracts.ChannelDeposited, ID: name.ID(), First: name.First, Second: name.Second, ByFirst: byFirst, Total: total,
	}}
}

func (c *payChain) Channels() (contracts.Channels, contracts.Address) {
	return payContract, contracts.Address{8}
}

func (c *payChain) Tip(context.Context) (channel.Head, error) { return head(payBlock), nil }

func head(height uint64) channel.Head {
	return channel.Head{Height: height, Time: uint64(time.Now().Unix())}
}

// FollowChannels tells the history after from, then a head a second.
func (c *payChain) FollowChannels(ctx context.Context, from uint64, deliver func(context.Context, channel.News) error) error {
	height := max(payBlock, from)
	news := channel.News{Head: head(height), Through: height}
	if from < payBlock {
		news.Events = c.history
	}
	if err := deliver(ctx, news); err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var mined payBlockNews
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case mined = <-c.blocks:
		}
		height++
		for i := range mined.events {
			mined.events[i].Block = height
		}
		began := time.Now()
		if err := deliver(ctx, channel.News{Head: head(height), Through: height, Events: mined.events}); err != nil {
			return err
		}
		if mined.done != nil {
			mined.done <- time.Since(began)
		}
	}
}

// mine has events happen in the next block and returns how long the node took.
func (c *payChain) mine(ctx context.Context, events []channel.Happened) (time.Duration, error) {
	done := make(chan time.Duration, 1)
	select {
	case c.blocks <- payBlockNews{events, done}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case took := <-done:
		return took, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// errNoCalls answers a call, which nothing in the bench should lead to.
var errNoCalls = errors.New("the bench's chain takes no transactions")

func (c *payChain) PrepareCall(context.Context, channel.Order) ([]channel.Tx, error) {
	return nil, errNoCalls
}

func (c *payChain) SendCall(context.Context, channel.Tx) error { return errNoCalls }

func (c *payChain) CallBuried(context.Context, channel.Tx) (uint64, bool, error) {
	return 0, false, errNoCalls
}

func (c *payChain) HastenCall(context.Context, channel.Order, channel.Tx) (channel.Tx, bool, error) {
	return channel.Tx{}, false, errNoCalls
}

func (c *payChain) ResumeCalls(context.Context, []channel.Tx) error { return nil }
