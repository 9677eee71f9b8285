package peer

import (
	"bytes"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// inside says that we run in a network of our own.
const inside = "PHOTON_TEST_LAN"

// Nodes of one realm find each other on a local network; one of another realm
// is not found, nor one that did not ask for it. The network is a namespace with
// only a loopback device, so that nobody outside hears of it.
func TestNodesFindEachOther(t *testing.T) {
	if os.Getenv(inside) == "" {
		inNamespace(t)
		return
	}
	for _, step := range [][]string{{"link", "set", "lo", "up"}, {"link", "set", "lo", "multicast", "on"}, {"route", "add", "224.0.0.0/4", "dev", "lo"}} {
		if out, err := exec.Command("ip", step...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", step, err, out)
		}
	}
	lan := func(c *Config) { c.MDNS = true }
	other := newNode(t, 2, lan, func(c *Config) { c.Realm = "main" })
	quiet := newNode(t, 3)
	a, b := newNode(t, 0, lan), newNode(t, 1, lan)
	until(t, "they find each other", func() bool { return len(a.Connected()) > 0 && len(b.Connected()) > 0 })
	mustAsk(t, a, b.Self(), "x")
	listen(b)
	mustTell(t, a, accountOf(b), "known by its account, with nobody to tell")
	if got := a.Connected(); len(got) != 1 || got[0] != b.Self() {
		t.Errorf("connected %v, want only %s", got, b.Self())
	}
	for _, n := range []*Node{other, quiet} {
		if peers := n.host.Network().Peers(); len(peers) > 0 {
			t.Errorf("%s has connections to %v", n.Self(), peers)
		}
	}
	if p, err := a.book.read(t.Context(), b.host.ID()); err != nil || len(p.Heard) == 0 {
		t.Errorf("what was asked is not in the book: %v, %v", p, err)
	}
	if p, err := b.book.read(t.Context(), a.host.ID()); err != nil || len(p.Heard) > 0 {
		t.Errorf("what was only found is in the book: %v, %v", p, err)
	}
}

// inNamespace runs this test again in a network of its own.
func inNamespace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the program ip")
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNodesFindEachOther$", "-test.v")
	again.Env = append(os.Environ(), inside+"=1")
	again.WaitDelay = time.Second
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNET | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	var out bytes.Buffer
	again.Stdout, again.Stderr = &out, &out
	if err := again.Start(); err != nil {
		t.Skipf("needs network namespaces, which this machine does not give: %v", err)
	}
	if err := again.Wait(); err != nil {
		t.Errorf("in its own network: %v\n%s", err, out.String())
	}
}
