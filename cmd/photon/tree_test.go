package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"photon/adapters/keys"
	"photon/web"
)

func TestExitCodes(t *testing.T) {
	for _, row := range []struct {
		err  error
		code int
	}{
		{errors.New("anything"), 1},
		{errNothing, 1},
		{context.Canceled, 1},
		{fmt.Errorf("%w: x", errUsage), 2},
		{keys.ErrChecksum, 2},
		{errRefused, 3},
		{fs.ErrExist, 3},
		{keys.ErrPassphrase, 3},
		{&web.Problem{Status: http.StatusBadRequest}, 3},
		{&web.Problem{Status: http.StatusConflict}, 3},
		{&web.Problem{Status: 499}, 3},
		{&web.Problem{Status: http.StatusInternalServerError}, 1},
		{&web.Problem{Status: http.StatusServiceUnavailable}, 1},
		{&web.Problem{Status: http.StatusGatewayTimeout}, 4},
		{context.DeadlineExceeded, 4},
		{web.ErrUnreachable, 5},
		{errors.Join(web.ErrUnreachable, &web.Problem{Status: http.StatusNotFound}), 5},
	} {
		if got := exitCode(row.err); got != row.code {
			t.Errorf("%v: exit %d, want %d", row.err, got, row.code)
		}
	}
}

// Without a verb every group prints its help, and that is no failure.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"swap"}, {"wallet"}, {"keys"}, {"config"}, {"completion"}, {"help"}, {"help", "swap", "take"}, {"swap", "take", "--help"}} {
		e := photon(t.Context(), "", args...)
		if e.code != 0 || e.err != "" || !strings.Contains(e.out, "Usage:\n  photon") {
			t.Errorf("photon %s: exit %d, %q, %q", strings.Join(args, " "), e.code, e.err, e.out)
		}
	}
}

// Every command says in one line what it is for, and every verb refuses what is
// too much.
func TestEveryCommand(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: %q", cmd.CommandPath(), cmd.Short)
		}
		if !cmd.HasSubCommands() {
			too := strings.Fields(strings.Repeat("more ", 9))
			if cmd.Args == nil || exitCode(cmd.ValidateArgs(too)) != exitUsage {
				t.Errorf("%s takes anything", cmd.CommandPath())
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	root := rootCommand()
	strict(root)
	walk(root)
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if e := photon(t.Context(), "", "completion", shell); e.code != 0 || !strings.Contains(e.out, "photon") || len(e.out) < 1000 {
			t.Errorf("%s: exit %d, %d bytes, %s", shell, e.code, len(e.out), e.err)
		}
	}
	for _, row := range []struct {
		typed []string
		want  []string
	}{
		{[]string{"swap", "l"}, []string{"list"}},
		{[]string{"swap", "re"}, []string{"refund", "rescue"}},
		{[]string{"wallet", "address", ""}, []string{"btc", "eth", "ltc", "smt"}},
		{[]string{"swap", "take", "--max"}, []string{"--max-fee"}},
		{[]string{"c"}, []string{"channel", "completion", "config"}},
		{[]string{"channel", "c"}, []string{"close"}},
		{[]string{"invoice", "r"}, []string{"release"}},
	} {
		e := photon(t.Context(), "", append([]string{"__complete"}, row.typed...)...)
		var got []string
		for _, line := range lines(e.out) {
			if word, _, _ := strings.Cut(line, "\t"); !strings.HasPrefix(word, ":") {
				got = append(got, word)
			}
		}
		slices.Sort(got)
		if e.code != 0 || !slices.Equal(got, row.want) {
			t.Errorf("%q: %q, want %q", row.typed, got, row.want)
		}
	}
}

func TestVersion(t *testing.T) {
	e := photon(t.Context(), "", "version")
	if e.code != 0 || !strings.HasPrefix(e.out, "photon "+version()+" go1.") || len(lines(e.out)) != 1 {
		t.Errorf("%+v", e)
	}
	e = photon(t.Context(), "", "version", "--json")
	var v struct{ Version, Go, OS, Arch string }
	must(t, json.Unmarshal([]byte(e.out), &v))
	if v.Version != version() || v.Go == "" || v.OS == "" || v.Arch == "" {
		t.Errorf("%s", e.out)
	}
}
