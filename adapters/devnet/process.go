package devnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	readyWithin = 60 * time.Second // from start to the first answer
	stopWithin  = 5 * time.Second  // from SIGTERM to SIGKILL
	pollEvery   = 20 * time.Millisecond
	attempts    = 3 // a free port may be taken between look and use
)

// A process is one program with its arguments, which can run, die and run again.
type process struct {
	path string
	args []string
	log  string // file that its output is added to

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
}

// launch starts a program on fresh ports and waits until it is ready. It tries
// again on others when the program ends before that.
func launch(ctx context.Context, ports int, plan func(ports []int) (*process, node)) (*process, node, error) {
	var fault error
	for range attempts {
		free, err := freePorts(ports)
		if err != nil {
			return nil, nil, err
		}
		p, n := plan(free)
		if err := p.start(); err != nil {
			return nil, nil, err
		}
		if fault = p.await(ctx, n.ready); fault == nil {
			return p, n, nil
		}
		if err := p.stop(); err != nil {
			return nil, nil, errors.Join(fault, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, nil, fault
}

// freePorts returns loopback ports that nobody listens on now.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("look for a free port: %w", err)
		}
		defer l.Close() // all stay taken until all are chosen
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// start runs the program. One operating-system thread stays with it until it
// ends: on Linux a child that dies with its parent in truth dies with the thread
// that made it.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alive() {
		return fmt.Errorf("%w: %s runs already, process %d", ErrNode, p.path, p.cmd.Process.Pid)
	}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNode, err)
	}
	cmd := exec.Command(p.path, p.args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = dieWithParent()
	ended, started := make(chan struct{}), make(chan error)
	go func() {
		runtime.LockOSThread()
		defer out.Close()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended stands in cmd.ProcessState
		close(ended)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("%w: %w", ErrNode, err)
	}
	p.cmd, p.ended = cmd, ended
	return nil
}

// alive needs mu.
func (p *process) alive() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// over is closed when the program, as last started, has ended.
func (p *process) over() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.alive() {
		return 0
	}
	return p.cmd.Process.Pid
}

// await polls until ready returns nil. Errors: ErrNode when the program ends
// before, or time is up.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	turn, over := time.NewTicker(pollEvery), p.over()
	defer turn.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-over:
			return fmt.Errorf("%w: %s ended: %s: %s", ErrNode, p.path, p.cmd.ProcessState, p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%w: %s does not answer: %w: %w", ErrNode, p.path, ctx.Err(), err)
		case <-turn.C:
		}
	}
}

// lastWords is the end of the log.
func (p *process) lastWords() string {
	all, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(all[max(0, len(all)-500):]))
}

// signal sends s to the program if it runs. Errors: ErrNode when it does not.
func (p *process) signal(s os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.alive() {
		return fmt.Errorf("%w: %s", ErrNode, p.path)
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("%w: signal %v: %w", ErrNode, s, err)
	}
	return nil
}

// pause returns when no thread of the program runs any more.
func (p *process) pause() error {
	if err := p.signal(hang); err != nil {
		return err
	}
	for pid := p.pid(); pid != 0 && !hung(pid); pid = p.pid() {
		time.Sleep(time.Millisecond)
	}
	return nil
}

func (p *process) resume() error { return p.signal(goOn) }

// kill returns when the program is gone.
func (p *process) kill() error {
	over := p.over()
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-over
	return nil
}

// stop ends the program, paused or not. One that has ended is no error.
func (p *process) stop() error {
	if p.pid() == 0 {
		return nil
	}
	over := p.over()
	if errors.Join(p.signal(syscall.SIGTERM), p.signal(goOn)) != nil {
		return p.end() // it has just ended, or cannot be asked
	}
	patience := time.NewTimer(stopWithin)
	defer patience.Stop()
	select {
	case <-over:
		return nil
	case <-patience.C:
	}
	return p.end()
}

// end kills the program; one that has ended is no error.
func (p *process) end() error {
	if err := p.kill(); err != nil && p.pid() != 0 {
		return err
	}
	return nil
}
