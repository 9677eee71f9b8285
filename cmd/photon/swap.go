package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"photon/web"
	"photon/web/api"
)

func swapCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "swap", Short: "Offers, quotes and swaps"}
	var a asker
	a.flags(cmd)
	cmd.AddCommand(a.offerCommand(), a.offersCommand(), a.takeCommand(), a.listCommand(), a.partnersCommand(), a.showCommand(), a.watchCommand(), a.refundCommand(), a.rescueCommand())
	return cmd
}

func (a *asker) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "lists swaps, newest first", Args: exactly(0, "no arguments"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			swaps, err := allSwaps(cmd.Context(), a, c)
			if err != nil {
				return err
			}
			return printAll(a, cmd, swaps, func(w io.Writer) {
				fmt.Fprintln(w, "SWAP\tPAY\tGET\tSTATUS\tNEXT\tWHEN")
				for _, s := range swaps {
					actor, until := "", ""
					if s.Next != nil {
						actor, until = string(s.Next.Actor)+" "+words(string(s.Next.Step)), window(s.Next.OpensAt, s.Next.DeadlineAt)
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Id, sum(s.Pay.Asset, s.Pay.Amount), sum(s.Get.Asset, s.Get.Amount), s.Status, actor, until)
				}
			})
		}),
	}
	return cmd
}

// allSwaps reads every page of swaps, newest first.
func allSwaps(ctx context.Context, a *asker, c *web.Client) (swaps []api.Swap, err error) {
	for q := (web.Query{}); ; {
		page, err := ask(ctx, a, func(ctx context.Context) (api.Swaps, error) { return c.Swaps(ctx, q) })
		if err != nil {
			return nil, err
		}
		swaps = append(swaps, page.Swaps...)
		if page.Next == "" {
			return swaps, nil
		}
		q.Cursor = page.Next
	}
}

// swapOf asks for the swap that the first argument names.
func swapOf(ctx context.Context, a *asker, c *web.Client, args []string) (api.Swap, error) {
	id, err := readID(args[0])
	if err != nil {
		return api.Swap{}, err
	}
	return ask(ctx, a, func(ctx context.Context) (api.Swap, error) { return c.Swap(ctx, id) })
}

func (a *asker) showCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show SWAP", Short: "shows a swap: both legs, steps, deadlines, fees", Args: exactly(1, "a swap's id"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			s, err := swapOf(cmd.Context(), a, c, args)
			if err != nil {
				return err
			}
			return a.print(cmd, s, func(w io.Writer) { printSwap(w, s) })
		}),
	}
}

func (a *asker) refundCommand() *cobra.Command {
	return &cobra.Command{
		Use: "refund SWAP", Short: "goes no further with a swap: cancels it, or takes the coin back as soon as that is possible", Args: exactly(1, "a swap's id"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			s, err := swapOf(cmd.Context(), a, c, args)
			if err != nil {
				return err
			}
			if s.Leave != api.SwapLeaveNone { // otherwise the node says why not
				question := "Cancel this swap? Nothing of yours is locked."
				if s.Leave == api.SwapLeaveRefund {
					question = fmt.Sprintf("Go no further, and take %s back? That is possible %s.", sum(s.Pay.Asset, s.Pay.Amount), window(s.Pay.Expiry, 0))
				}
				if err := a.confirm(cmd, question); err != nil {
					return err
				}
			}
			left, err := once(cmd.Context(), a, "photon swap show "+s.Id.String(), func(ctx context.Context, key string) (api.Swap, error) { return c.Leave(ctx, key, s.Id) })
			if problem := (*web.Problem)(nil); errors.As(err, &problem) && problem.Code == "not_yet" {
				return fmt.Errorf("%w\n%s is yours again %s; until then nothing can be done, and then the node does it", err, sum(s.Pay.Asset, s.Pay.Amount), window(s.Pay.Expiry, 0))
			}
			if err != nil {
				return err
			}
			return a.print(cmd, left, func(w io.Writer) { printSwap(w, left) })
		}),
	}
}
