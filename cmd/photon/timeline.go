package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"photon/contracts"
	"photon/swap/trade"
	"photon/web/api"
)

// printSwap shows a swap as a timeline.
func printSwap(w io.Writer, s api.Swap) {
	fmt.Fprintf(w, "swap\t%s\n\t%s → %s\t%s\n", s.Id, sum(s.Pay.Asset, s.Pay.Amount), sum(s.Get.Asset, s.Get.Amount), s.Status)
	for _, step := range s.Steps {
		if step.State == "skipped" {
			continue
		}
		line := fmt.Sprintf("  %s\t%s\t%s\t", mark(step.State), step.Actor, words(step.Name))
		if step.Required > 0 {
			line += fmt.Sprintf("%d/%d", step.Confirmations, step.Required)
		}
		if step.TxID != nil {
			line += "\t" + step.TxID.String()
		} else if step.State != "done" {
			line += "\t" + window(step.OpensAt, step.DeadlineAt)
		}
		fmt.Fprintln(w, strings.TrimRight(line, "\t"))
	}
	for _, f := range s.Fees {
		fmt.Fprintf(w, "fee\t%s\n", sum(contracts.Native(f.Chain), f.Amount))
	}
	if s.Status == trade.Locking && s.Pay.Lock != nil && s.Pay.End == nil {
		fmt.Fprintf(w, "if it stops\t%s is yours again %s\n", sum(s.Pay.Asset, s.Pay.Amount), window(s.Pay.Expiry, 0))
	}
	if !s.Status.AtRest() {
		fmt.Fprintf(w, "stop the node?\t%s\n", mayStop(s.Closing))
	}
	if s.Reason != "" {
		fmt.Fprintf(w, "because\t%s\n", s.Reason)
	}
	if s.Frozen != "" {
		fmt.Fprintf(w, "FROZEN\t%s\n", s.Frozen)
	}
}

// mayStop says whether the node may be stopped.
func mayStop(c api.Closing) string {
	switch {
	case c.Safe:
		return "yes"
	case c.BackBy > 0:
		return "no, or be back well before " + when(c.BackBy)
	}
	return "no"
}

// progress is where a swap is, in one line.
func progress(s api.Swap) string {
	line := fmt.Sprintf("%s → %s  %s", sum(s.Pay.Asset, s.Pay.Amount), sum(s.Get.Asset, s.Get.Amount), s.Status)
	if s.Next != nil {
		line += fmt.Sprintf("  %s: %s", s.Next.Actor, words(string(s.Next.Step)))
		for _, step := range s.Steps {
			if step.Name == string(s.Next.Step) && step.Required > 0 {
				line += fmt.Sprintf(" %d/%d", step.Confirmations, step.Required)
			}
		}
		if in := window(s.Next.OpensAt, s.Next.DeadlineAt); in != "" {
			line += "  " + in
		}
	}
	if s.Reason != "" {
		line += "  because " + s.Reason
	}
	if s.Frozen != "" {
		line += "  FROZEN: " + s.Frozen
	}
	return line
}

// words is a step's name as people say it.
func words(step string) string { return strings.ReplaceAll(step, "_", " ") }

func mark(state string) string {
	switch state {
	case "done":
		return "✓"
	case "doing":
		return "▶"
	}
	return "·"
}

// window is from when, or until when, something can be done; "" when nobody set
// a time. Both are Unix seconds.
func window(opens, deadline uint64) string {
	switch {
	case deadline > opens:
		return "until " + when(deadline)
	case opens > 0:
		return "from " + when(opens)
	}
	return ""
}

// when is a time of day, with the date unless it is near.
func when(unix uint64) string {
	t := time.Unix(int64(unix), 0)
	if time.Until(t) < 12*time.Hour && time.Since(t) < 12*time.Hour {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}
