package main

import (
	"context"
	"errors"
	"fmt"
)

// many measures a node with many channels, of which a block tells something.
func (b *payBench) many(ctx context.Context) (_ []figure, err error) {
	channels, told := 10_000, 1000
	if b.quick {
		channels, told = 300, 30
	}
	cfg := b.config("many", "payer")
	cfg.Idle = channels
	first, err := startPayNode(ctx, cfg) // it hears of all its channels, and stores them
	if err != nil {
		return nil, err
	}
	if err := first.stop(); err != nil {
		return nil, err
	}
	p, err := startPayNode(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	block, err := p.ask(ctx, order{Do: "mine", Count: told})
	if err != nil {
		return nil, err
	}
	open := fmt.Sprintf("%d channels, each with another partner", channels)
	return []figure{
		{Name: "first start to ready, all channels new", Value: first.ready.Seconds(), Unit: "s", Note: open},
		{Name: "restart to ready with many channels", Value: p.ready.Seconds(), Unit: "s", Limit: 10, Note: open},
		{Name: "block with events of many channels handled", Value: millis(block.Took[0]), Unit: "ms", Limit: 2000, Note: fmt.Sprintf("%d of them", told)},
		{Name: "memory with many channels", Value: block.Counts.Memory, Unit: "MB", Limit: 500, Note: open},
	}, nil
}
