package evm

import (
	"context"
	"errors"
	"testing"

	"photon/contracts"
)

// Channels and its registry are given both or not at all, and proved by their code.
func TestChannelsAreProved(t *testing.T) {
	p := newPaper(t)
	good := Config{
		Chain: contracts.ETH, ChainID: 1, Endpoints: []string{p.url}, Channels: testChannels.At, Registry: testRegistry, Key: listenKey,
		Policy: Policy{Price: func(context.Context, Ask) (Price, error) { return Price{}, errors.New("no price here") }},
	}
	for _, row := range []struct {
		name   string
		change func(*Config)
		want   error
	}{
		{"good", func(*Config) {}, nil},
		{"no registry", func(c *Config) { c.Registry = contracts.Address{} }, ErrConfig},
		{"no channels", func(c *Config) { c.Channels = contracts.Address{} }, ErrConfig},
		{"neither", func(c *Config) { c.Channels, c.Registry = contracts.Address{}, contracts.Address{} }, nil},
		{"another contract for Channels", func(c *Config) { c.Channels = testContract }, ErrCode},
		{"another contract for the registry", func(c *Config) { c.Registry = testContract }, ErrCode},
		{"both mixed up", func(c *Config) { c.Channels, c.Registry = c.Registry, c.Channels }, ErrCode},
	} {
		cfg := good
		row.change(&cfg)
		c, err := New(cfg)
		if err == nil {
			err = c.Check(context.Background())
		}
		if !errors.Is(err, row.want) || (row.want == nil) != (err == nil) {
			t.Errorf("%s: %v", row.name, err)
		}
		if row.name != "good" {
			continue
		}
		if n, err := c.PunishBlocks(context.Background()); n != 50 || err != nil {
			t.Errorf("punish time %d, %v", n, err)
		}
		if at, registry := c.Channels(); at != testChannels || registry != testRegistry {
			t.Errorf("channels at %+v, %s", at, registry)
		}
	}
}
