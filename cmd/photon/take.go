package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"photon/contracts"
	"photon/web"
	"photon/web/api"
)

func (a *asker) takeCommand() *cobra.Command {
	var get string
	var most []string
	var watch, despite bool
	var v vigil
	cmd := &cobra.Command{
		Use: "take OFFER", Short: "takes an offer, after a quote and your word",
		Example: "  photon swap take 5f… --get 0.1btc --max-fee 0.0001btc --max-fee 0.01eth --watch\n  photon swap take photon-offer:eyJ…",
		Args:    exactly(1, "an offer's id, or its text"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			limits, err := readLimits(most)
			if err := errors.Join(err, v.check()); err != nil {
				return err
			}
			id, err := a.named(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			want, err := a.wanted(cmd, c, id, get)
			if err != nil {
				return err
			}
			q, err := ask(cmd.Context(), a, func(ctx context.Context) (api.Quote, error) { return c.Quote(ctx, id, want, despite) })
			if err != nil {
				return err
			}
			if err := checkFees(q, limits); err != nil {
				return err
			}
			if !a.yes || !a.json {
				fmt.Fprint(cmd.ErrOrStderr(), quoteText(q))
			}
			if err := a.confirm(cmd, "Swap?"); err != nil {
				return err
			}
			s, err := once(cmd.Context(), a, "photon swap list", func(ctx context.Context, key string) (api.Swap, error) { return c.Take(ctx, key, q.Id) })
			if err != nil {
				return err
			}
			if watch {
				return a.watch(cmd, c, s.Id, v)
			}
			return a.print(cmd, s, func(w io.Writer) { printSwap(w, s) })
		}),
	}
	cmd.Flags().StringVar(&get, "get", "", "how much of what the offer gives, or all (default: asked, where there is a choice)")
	cmd.Flags().StringArrayVar(&most, "max-fee", nil, "the most network fee in one coin; once for each coin")
	cmd.Flags().BoolVar(&despite, "despite", false, "even of a maker who has let you down too often")
	cmd.Flags().BoolVar(&watch, "watch", false, "follow the swap to its end")
	v.flags(cmd.Flags())
	return cmd
}

// named is the offer with an id, or the one that a text is: the node takes that in
// first.
func (a *asker) named(ctx context.Context, c *web.Client, said string) (contracts.Hash, error) {
	if !web.IsOfferText(said) {
		return readID(said)
	}
	if _, err := web.ParseOffer(said); err != nil {
		return contracts.Hash{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	o, err := ask(ctx, a, func(ctx context.Context) (api.Offer, error) { return c.Import(ctx, said) })
	return o.Id, err
}

// wanted is how much of an offer is taken: what was said, or what a person
// answers where the offer leaves a choice.
func (a *asker) wanted(cmd *cobra.Command, c *web.Client, id contracts.Hash, get string) (contracts.Amount, error) {
	offers, err := ask(cmd.Context(), a, c.Offers)
	if err != nil {
		return contracts.Amount{}, err
	}
	i := slices.IndexFunc(offers, func(o api.Offer) bool { return o.Id == id })
	if i < 0 {
		return contracts.Amount{}, fmt.Errorf("%w: no offer %s is known, or it has expired", errRefused, id)
	}
	o := offers[i]
	if get == "" && o.Min != o.Max {
		between := fmt.Sprintf("this offer gives %s to %s", sum(o.Give, o.Min), sum(o.Give, o.Max))
		if a.yes {
			return contracts.Amount{}, fmt.Errorf("%w: %s: say how much with --get, or --get all", errUsage, between)
		}
		if get, err = a.say(cmd, fmt.Sprintf("How much? T%s; all for %s.\nGet (an amount, or all):", between[1:], sum(o.Want, wholeCost(o)))); err != nil {
			return contracts.Amount{}, err
		}
		if get == "" {
			return contracts.Amount{}, errNothing
		}
	}
	if get == "" || get == "all" {
		return o.Max, nil
	}
	s, err := readSum(get)
	if err != nil {
		return contracts.Amount{}, err
	}
	if s.Asset != o.Give {
		return contracts.Amount{}, fmt.Errorf("%w: --get is of %s, the offer gives %s", errUsage, s.Asset, o.Give)
	}
	if s.Amount.Less(o.Min) || o.Max.Less(s.Amount) {
		return contracts.Amount{}, fmt.Errorf("%w: the offer gives %s to %s, not %s", errRefused, sum(o.Give, o.Min), sum(o.Give, o.Max), s)
	}
	return s.Amount, nil
}

// wholeCost is about what all of an offer costs; the quote says it to the unit.
func wholeCost(o api.Offer) contracts.Amount {
	cost, ok := o.Max.Times(o.WantOf, o.GiveOf)
	if !ok {
		return contracts.Amount{}
	}
	return cost
}

// quoteText is what a person agrees to.
func quoteText(q api.Quote) string {
	pay, get := contracts.Native(q.Pay.Chain), contracts.Native(q.Get.Chain)
	return fmt.Sprintf("You pay      %s\nYou get      %s\nThe other    %s\n"+
		"Network fees about %s to lock, %s to redeem (%s to refund, if it comes to that)\n"+
		"If the other stops, you can take your coin back from %s on.\n"+
		"Your node must run until you have redeemed: by %s at the latest.\n",
		sum(q.Pay, q.PayAmount), sum(q.Get, q.GetAmount), standingText(q.Maker), sum(pay, q.LockFee), sum(get, q.RedeemFee), sum(pay, q.RefundFee),
		when(q.RefundFrom), when(q.RedeemBy))
}

// readLimits reads the most that may be paid in each coin.
func readLimits(texts []string) ([]contracts.Sum, error) {
	var limits []contracts.Sum
	for _, text := range texts {
		s, err := contracts.ParseSum(text)
		if err != nil {
			return nil, fmt.Errorf("%w: --max-fee: %w", errUsage, err)
		}
		if !s.Asset.IsNative() {
			return nil, fmt.Errorf("%w: --max-fee: fees are paid in coins, not in %s", errUsage, s.Asset)
		}
		limits = append(limits, s)
	}
	return limits, nil
}

// checkFees refuses a quote whose fees, should all go well, or should it come to
// a refund, are above what was said.
func checkFees(q api.Quote, limits []contracts.Sum) error {
	for _, most := range limits {
		var well, back contracts.Amount
		chain := most.Asset.Chain
		if chain != q.Pay.Chain && chain != q.Get.Chain {
			return fmt.Errorf("%w: --max-fee %s: this swap pays no fee in %s", errUsage, most, chain)
		}
		if chain == q.Pay.Chain {
			well, back = q.LockFee, q.LockFee.Plus(q.RefundFee)
		}
		if chain == q.Get.Chain {
			well = well.Plus(q.RedeemFee)
		}
		if worst := slices.MaxFunc([]contracts.Amount{well, back}, contracts.Amount.Cmp); most.Amount.Less(worst) {
			return fmt.Errorf("%w: network fees of up to %s are above --max-fee %s", errRefused, sum(most.Asset, worst), most)
		}
	}
	return nil
}
