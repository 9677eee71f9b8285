package scenario

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"photon/contracts"
)

// expect holds what a line says is so:
//
//	expect alice status=locking reason="no answer"   of her newest swap; alice#1 is her first
//	expect alice btc=-0.5 eth=10                     what she has more than at the start, but for fees
//	expect alice swaps=2 lock=none next=them         counts, her lock, who has the next move
//	expect alice fault=never_locked                  what her partner did wrong; none
//	expect alice/bob has=70smt locks=0 channel=open  their channel, as she sees it
//	expect alice total=30smt                         what she has in all her channels
//	expect alice bill=done                           her payment of that invoice
//	expect refused "expired"                         what the line before was told
//	expect both completed                            everybody's newest swap
func (p *player) expect(ctx context.Context, args []string) error {
	return p.hold(ctx, args, p.patient)
}

// hold holds what a line says; with roughly, only how it ended.
func (p *player) hold(ctx context.Context, args []string, roughly bool) error {
	switch args[0] {
	case "refused":
		if p.refused == nil {
			return fmt.Errorf("it was not refused")
		}
		if text := strings.Join(args[1:], " "); !strings.Contains(p.refused.Error(), text) {
			return fmt.Errorf("refused otherwise: %w", p.refused)
		}
		return nil
	case "both":
		for _, name := range p.world.People() {
			if err := p.fact(ctx, name, "status", args[1]); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}
	for _, a := range args[1:] {
		name, want, is := strings.Cut(a, "=")
		if !is {
			return fmt.Errorf("%q says nothing", a)
		}
		_, money := contracts.ParseChain(strings.Split(name, ":")[0])
		if between := strings.Contains(args[0], "/") && (name == "has" || name == "channel"); roughly && name != "status" && money != nil && !between {
			continue // by which way it ended hangs on who fell when
		}
		if err := p.fact(ctx, args[0], name, want); err != nil {
			return err
		}
	}
	return nil
}

// fact holds one thing that is expected of a person.
func (p *player) fact(ctx context.Context, who, name, want string) error {
	if strings.Contains(who, "/") {
		return p.between(ctx, who, name, want)
	}
	if name == "total" {
		return p.total(who, want)
	}
	if b, is := p.bills[name]; is {
		return p.billed(ctx, who, b, want)
	}
	person, _, _ := strings.Cut(who, "#")
	if name == "swaps" {
		all, err := p.world.Trades(person)
		if err == nil && strconv.Itoa(len(all)) != want {
			err = fmt.Errorf("swaps=%d", len(all))
		}
		return err
	}
	if c, err := contracts.ParseChain(strings.Split(name, ":")[0]); err == nil {
		return p.gain(person, c, name, want)
	}
	t, err := p.trade(who)
	if err != nil {
		return err
	}
	has := ""
	switch name {
	case "status":
		has = string(t.Status)
	case "reason":
		if strings.Contains(t.Reason, want) {
			return nil
		}
		has = t.Reason
	case "frozen":
		has = t.Frozen
	case "fault":
		has = "none"
		if f := t.Fault(); f != "" {
			has = string(f)
		}
	case "next":
		has, _ = t.Next()
	case "lock":
		has = "none"
		if t.Ours.Fate.Lock != nil {
			has = "made"
		}
	case "end":
		has = "none"
		if t.Ours.Fate.End != nil {
			has = string(t.Ours.Fate.End.Kind)
		}
	case "theirs":
		has = "none"
		if t.Theirs.Fate.Lock != nil {
			has = "made"
		}
	case "got":
		has = "none"
		if t.Theirs.Fate.End != nil {
			has = string(t.Theirs.Fate.End.Kind)
		}
	case "secret":
		has = "hidden"
		if t.Secret != nil {
			has = "known"
		}
	default:
		return fmt.Errorf("nothing is called %q", name)
	}
	if has != want {
		if name == "status" && t.Reason != "" {
			has += ", " + t.Reason
		}
		return fmt.Errorf("%s=%s", name, has)
	}
	return nil
}

// feeShare is how much of a coin fees may take in a story.
var feeShare = map[contracts.Chain]contracts.Amount{
	contracts.BTC: contracts.Units(100_000), contracts.LTC: contracts.Units(200_000),
	contracts.ETH: contracts.Units(100_000_000_000_000_000), contracts.SMT: contracts.Units(100_000_000_000_000_000),
}

// gain holds what a person has more or less than at the start. Of a coin, fees
// may have taken a little.
func (p *player) gain(who string, c contracts.Chain, name, want string) error {
	asset := contracts.Native(c)
	decimals := c.Decimals()
	if _, token, is := strings.Cut(name, ":"); is {
		var err error
		if asset, err = p.world.Token(c, token); err != nil {
			return err
		}
		decimals = 0
	}
	begun, has, err := p.world.Balance(who, asset)
	if err != nil {
		return err
	}
	less := strings.HasPrefix(want, "-")
	change, err := contracts.ParseDecimal(strings.TrimLeft(want, "+-"), decimals)
	if err != nil {
		return err
	}
	most := begun.Plus(change)
	if less {
		if begun.Less(change) {
			return fmt.Errorf("%s had %s only", who, begun)
		}
		most = begun.Minus(change)
	}
	fees := contracts.Amount{}
	if asset.IsNative() {
		fees = feeShare[c]
	}
	if most.Less(has) || has.Plus(fees).Less(most) {
		return fmt.Errorf("%s has %s, began with %s", name, has.Decimal(decimals), begun.Decimal(decimals))
	}
	return nil
}
