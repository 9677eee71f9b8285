//go:build linux

package devnet

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"photon/contracts"
)

// gone reports whether a process has ended; a zombie has.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "Z")
}

// chains of a test that wants all four nodes.
func allFour(t *testing.T) Config {
	if _, err := exec.LookPath("litecoind"); err != nil {
		t.Log("litecoind is not installed (apt-get install litecoind): ltcd in its place")
	}
	return Config{Chains: contracts.Chains}
}

// All four start together; each listens on 127.0.0.1 only; none outlives Close,
// not even one that is paused.
func TestAllTogether(t *testing.T) {
	cfg := allFour(t)
	n := start(t, cfg)
	var pids []int
	for _, c := range cfg.Chains {
		pid, err := n.PID(c)
		must(t, err)
		pids = append(pids, pid)
		open := listening(t, pid)
		if len(open) == 0 {
			t.Errorf("%s listens nowhere: the test sees nothing", c)
		}
		for _, a := range open {
			if !strings.HasPrefix(a, "0100007F:") {
				t.Errorf("%s listens on %s", c, a)
			}
		}
		must(t, n.StartMining(c, 1e7))
	}
	must(t, n.Pause(contracts.BTC))
	must(t, n.Close())
	must(t, n.Close())
	for i, pid := range pids {
		if !gone(pid) {
			t.Errorf("%s still runs", cfg.Chains[i])
		}
	}
	for _, url := range []string{n.BTC.URL, n.LTC.URL, n.ETH.HTTP, n.SMT.HTTP} {
		if _, err := newEndpoint(url, "", "").post(t.Context(), []byte("{}")); err == nil {
			t.Errorf("%s still answers", url)
		}
	}
}

// listening returns the local addresses, in the kernel's hex, at which a process
// waits for TCP or takes UDP.
func listening(t *testing.T, pid int) (addresses []string) {
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	must(t, err)
	own := map[string]bool{}
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && strings.HasPrefix(to, "socket:[") {
			own[strings.Trim(to, "socket:[]")] = true
		}
	}
	for _, kind := range []string{"tcp", "tcp6", "udp", "udp6"} {
		table, err := os.ReadFile("/proc/net/" + kind)
		if err != nil {
			continue // a machine without IPv6
		}
		for _, line := range strings.Split(string(table), "\n")[1:] {
			f := strings.Fields(line)
			if len(f) < 10 || !own[f[9]] || kind[:3] == "tcp" && f[3] != "0A" {
				continue
			}
			addresses = append(addresses, f[1])
		}
	}
	return addresses
}

// TestMain is also the process that TestParentDies kills: with this variable set
// it starts a node, says which, and waits.
func TestMain(m *testing.M) {
	dir := os.Getenv("DEVNET_ORPHAN")
	if dir == "" {
		os.Exit(m.Run())
	}
	n, err := Start(context.Background(), Config{Dir: dir, Chains: []contracts.Chain{contracts.BTC}})
	if err == nil {
		var pid int
		pid, err = n.PID(contracts.BTC)
		fmt.Printf("orphan %d\n", pid)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	select {}
}

// A node dies with the process that started it, whatever kills that.
func TestParentDies(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), "DEVNET_ORPHAN="+t.TempDir())
	parent.SysProcAttr = dieWithParent()
	out, err := parent.StdoutPipe()
	must(t, err)
	must(t, parent.Start())
	defer parent.Wait()
	defer parent.Process.Kill()
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		if word, ok := strings.CutPrefix(lines.Text(), "orphan "); ok {
			pid, err = strconv.Atoi(word)
			must(t, err)
		}
	}
	if pid == 0 || gone(pid) {
		t.Fatalf("no node in the other process (pid %d)", pid)
	}
	must(t, parent.Process.Signal(syscall.SIGKILL))
	until(t, "the node is gone", func() bool { return gone(pid) })
}
