package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"photon/adapters/store"
	"photon/web"
)

// folder looks at the data folder.
func (d *doctor) folder() {
	const check = "data folder"
	info, err := os.Stat(d.cfg.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.find(check, isWarn, d.cfg.Data+" does not exist yet", "photon keys new --data "+d.cfg.Data)
		return
	case err != nil:
		d.find(check, isBad, err.Error(), "choose another folder with --data")
		return
	case !info.IsDir():
		d.find(check, isBad, d.cfg.Data+" is not a folder", "choose another with --data")
		return
	}
	mode := info.Mode().Perm()
	chmod := "chmod 700 " + d.cfg.Data
	switch {
	case runtime.GOOS != "windows" && mode&0o022 != 0:
		d.find(check, isBad, fmt.Sprintf("others can put files into %s: mode %03o", d.cfg.Data, mode), chmod)
	case runtime.GOOS != "windows" && mode&0o077 != 0:
		d.find(check, isWarn, fmt.Sprintf("others can look into %s: mode %03o", d.cfg.Data, mode), chmod)
	default:
		d.find(check, isOK, fmt.Sprintf("%s, mode %03o", d.cfg.Data, mode), "")
	}
}

// files looks at what lies in the data folder beside the store.
func (d *doctor) files() {
	in := func(name string) string { return filepath.Join(d.cfg.Data, name) }
	if !exists(in(keyFile)) {
		d.find("key file", isBad, "there is no "+in(keyFile), "make it: photon keys new, or from your words: photon keys restore")
	} else {
		d.secretFile("key file", in(keyFile), isBad)
	}
	if !exists(d.cfg.Password) {
		d.find("password file", isWarn, "there is no "+d.cfg.Password+": the node asks for the password at its start, and as a service it cannot",
			"put the password into it, mode 0600, or start the node from a terminal")
	} else {
		d.secretFile("password file", d.cfg.Password, isBad)
	}
	if exists(in(tokenFile)) {
		d.secretFile("API token", in(tokenFile), isBad)
	}
	d.journal(in(journalFile))
}

// exists reports whether there is anything at path; what cannot be looked at is
// taken to be there, and reading it says why.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// secretFile checks that a file can be read by us and by nobody else; exposed is
// how bad it is when others can.
func (d *doctor) secretFile(check, path string, exposed health) bool {
	file, err := os.Open(path)
	if err != nil {
		d.find(check, isBad, err.Error(), "give the file to whoever runs the node, mode 0600")
		return false
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		d.find(check, isBad, err.Error(), "")
	case !info.Mode().IsRegular():
		d.find(check, isBad, path+" is not a file", "move it away")
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		d.find(check, exposed, fmt.Sprintf("others can read %s: mode %03o", path, info.Mode().Perm()), "chmod 600 "+path)
	default:
		d.find(check, isOK, path+" is for us alone", "")
		return true
	}
	return false
}

// journal counts the journal's records; whose they are, only the keys can tell.
func (d *doctor) journal(path string) {
	const check = "journal"
	if !exists(path) {
		d.find(check, isOK, "none yet: the first start makes it", "")
		return
	}
	if !d.secretFile(check, path, isBad) {
		return
	}
	text, err := os.ReadFile(path)
	last := &d.findings[len(d.findings)-1]
	if err != nil {
		*last = finding{check, isBad, err.Error(), "check the disk; with a copy of the journal, photon swap rescue finds swaps again"}
		return
	}
	last.Text = fmt.Sprintf("%d records, %d kB; a copy elsewhere saves open swaps from a lost disk", len(bytes.Fields(text)), (len(text)+999)/1000)
}

// store looks into the store, or asks the node that has it.
func (d *doctor) store(ctx context.Context) {
	const check = "store"
	_, isFile := strings.CutPrefix(d.cfg.Database, "sqlite:")
	seen, err := store.Look(ctx, d.cfg.Database)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && seen.Schema == 0:
		d.find(check, isOK, "none yet: the first start makes it", "")
		return
	case errors.Is(err, store.ErrLocked):
		d.running = true
		d.find(check, isOK, err.Error(), "")
		d.node(ctx)
		return
	case errors.Is(err, store.ErrNewer):
		d.find(check, isBad, err.Error(), "run the newer program; an older one does not touch the store")
		return
	case err != nil:
		if !isFile {
			err = clean(err, d.cfg.Database)
		}
		d.find(check, isBad, err.Error(), "mend what is said, or move the store away: the journal knows what is at stake")
		return
	}
	schema := fmt.Sprintf("schema %d", seen.Schema)
	if seen.Schema < seen.Knows {
		schema += fmt.Sprintf(", which the next start brings to %d", seen.Knows)
	}
	d.find(check, isOK, fmt.Sprintf("%s; %d swaps are open, and no node runs on it", schema, seen.Open), "")
	if seen.Open > 0 {
		d.find("node", isWarn, fmt.Sprintf("no node runs, and %d swaps are open: time locks do not wait", seen.Open), "start it: photon node")
	}
}

// node asks the node that runs on this data folder how it is.
func (d *doctor) node(ctx context.Context) {
	const check = "node"
	ctx, cancel := context.WithTimeout(ctx, doctorWaits)
	defer cancel()
	c, err := (&asker{data: d.cfg.Data}).client()
	if err != nil {
		d.find(check, isWarn, "a process has the store and tells no address of its API: "+err.Error(), "wait until it has started, or end it")
		return
	}
	info, err := c.Info(ctx)
	if err != nil {
		d.find(check, isWarn, "a process has the store and its API does not answer: "+err.Error(), "wait until it has started, or look into its log")
		return
	}
	var problem *web.Problem
	switch err := c.Ready(ctx); {
	case errors.As(err, &problem):
		d.find(check, isWarn, "runs and is not ready: "+problem.Error(), "look at the chains below")
	case err != nil:
		d.find(check, isWarn, "runs and is not ready: "+err.Error(), "look into its log")
	default:
		d.find(check, isOK, fmt.Sprintf("runs and is ready: version %s, mode %s, %d chains", info.Version, info.Mode, len(info.Heads)), "")
	}
}

// doctorWaits is how long one chain node, or our own, may take to answer.
const doctorWaits = 10 * time.Second

// Free space below which a store that grows must be looked at, in bytes.
const (
	spaceLow  = 1 << 30
	spaceNone = 100 << 20
)

// space looks at the disk of the data folder.
func (d *doctor) space() {
	const check = "disk"
	free, err := freeSpace(nearest(d.cfg.Data))
	if err != nil {
		d.find(check, isWarn, "free space is not known: "+err.Error(), "")
		return
	}
	d.find(check, spaceHealth(free), fmt.Sprintf("%d MB free", free>>20), map[bool]string{true: "make room: a node stops when its store cannot be written"}[free < spaceLow])
}

func spaceHealth(free uint64) health {
	switch {
	case free < spaceNone:
		return isBad
	case free < spaceLow:
		return isWarn
	}
	return isOK
}

// nearest is path, or the folder above it that exists.
func nearest(path string) string {
	for !exists(path) && filepath.Dir(path) != path {
		path = filepath.Dir(path)
	}
	return path
}
