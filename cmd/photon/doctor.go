package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// errSick is why doctor fails.
var errSick = errors.New("not everything is in order")

func doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "says whether a node can run here, and what to do about it", Args: exactly(0, "no arguments"),
		Long: "Reads the settings as photon node does, and looks at the files, the store, the chain nodes and the ports.\n" +
			"It needs no password, changes nothing, and shows no secret. A node may be running meanwhile.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, faulty := readConfig(cmd.Flags())
			d := doctor{cfg: cfg, now: time.Now}
			d.config(configFile(cmd.Flags()), faulty)
			d.examine(cmd.Context())
			if err := printFindings(cmd.OutOrStdout(), d.findings, asJSON); err != nil {
				return err
			}
			if bad := d.count(isBad); bad > 0 {
				return fmt.Errorf("%w: %d bad", errSick, bad)
			}
			return nil
		},
	}
	configFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one object a line")
	return cmd
}

// A health is how bad a finding is.
type health string

// The healths.
const (
	isOK   health = "ok"
	isWarn health = "warn" // a node runs, and something is not as it should be
	isBad  health = "bad"  // a node cannot run, or not on this chain
)

// A finding is one row of what doctor says.
type finding struct {
	Check string `json:"check"`
	State health `json:"state"`
	Text  string `json:"text"`
	Do    string `json:"do,omitempty"` // what a person can do about it
}

// A doctor looks at one node's settings and surroundings.
type doctor struct {
	cfg      config
	now      func() time.Time
	running  bool // a node has the store
	findings []finding
}

func (d *doctor) find(check string, state health, text, do string) {
	d.findings = append(d.findings, finding{check, state, text, do})
}

func (d *doctor) count(state health) (n int) {
	for _, f := range d.findings {
		if f.State == state {
			n++
		}
	}
	return n
}

// examine looks at everything, whatever it finds.
func (d *doctor) examine(ctx context.Context) {
	if d.cfg.Data != "" {
		d.folder()
		d.files()
		d.store(ctx)
		d.space()
	}
	d.chains(ctx)
	d.api()
	d.peers()
}

// config says what is wrong with the settings, one row a fault.
func (d *doctor) config(file string, faulty error) {
	if file != "" {
		d.secretFile("config file", file, isWarn)
	}
	if faulty == nil {
		d.find("config", isOK, "read: realm "+d.cfg.Realm+", profile "+d.cfg.Profile, "")
		return
	}
	for _, fault := range strings.Split(strings.TrimPrefix(faulty.Error(), errUsage.Error()+": config: "), "\n") {
		d.find("config", isBad, strings.TrimSpace(fault), "mend the setting in the file, the environment or the flag; photon config show prints them all")
	}
}

// printFindings writes findings as a list that a person reads, or as JSON.
func printFindings(w io.Writer, findings []finding, asJSON bool) error {
	encode := json.NewEncoder(w)
	width := 0
	for _, f := range findings {
		width = max(width, len(f.Check))
	}
	for _, f := range findings {
		var err error
		if asJSON {
			err = encode.Encode(f)
		} else {
			_, err = fmt.Fprintf(w, "%-4s  %-*s  %s\n", f.State, width, f.Check, f.Text)
		}
		if err == nil && !asJSON && f.Do != "" {
			_, err = fmt.Fprintf(w, "%-4s  %-*s  ▸ %s\n", "", width, "", f.Do)
		}
		if err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}
