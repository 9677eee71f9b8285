package contracts_test

import (
	"testing"

	"photon/contracts"
)

// A channel of alice and bob lives and ends as both agree, and what was signed in
// Go is what the contract takes.
func TestChannelLife(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		registry := g.deploy(contracts.SecretRegistryDeploy())
		at := g.deploy(contracts.ChannelsDeploy(g.chainID, registry, 50))
		token := g.token("1000")
		g.must(g.send(alice, token, noCoins, contracts.ApproveCall(at, endless)))
		data, value := contracts.OpenCall(token, bob, 100, ether("100"))
		r := g.must(g.send(alice, at, value, data))
		t.Logf("open %d", r.gas)
	})
}
