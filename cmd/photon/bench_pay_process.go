package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"photon/contracts"
)

// A payProcess is a node process of the bench from without.
type payProcess struct {
	cfg   payNodeConfig
	cmd   *exec.Cmd
	in    io.WriteCloser
	at    string        // multiaddr
	ready time.Duration // from its start

	mu      sync.Mutex // guards what follows
	orders  *json.Encoder
	number  int
	waiting map[int]chan outcome
	done    []contracts.Hash // that it has told of
	gone    chan struct{}    // closed once it says nothing more
}

// payProgram runs a node process: this very program.
func payProgram(ctx context.Context) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return exec.CommandContext(ctx, self, "bench", "pay-node"), nil
}

// startPayNode starts a node process and waits until it is ready.
func startPayNode(ctx context.Context, cfg payNodeConfig) (*payProcess, error) {
	cmd, err := payProgram(ctx)
	if err != nil {
		return nil, err
	}
	cfg.Folder = filepath.Clean(cfg.Folder)
	p := &payProcess{cfg: cfg, cmd: cmd, waiting: map[int]chan outcome{}, gone: make(chan struct{})}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a node: %w", err)
	}
	p.orders = json.NewEncoder(p.in)
	hears := json.NewDecoder(out)
	var first outcome
	if err := errors.Join(p.orders.Encode(cfg), hears.Decode(&first)); err != nil {
		return nil, errors.Join(fmt.Errorf("start node %s: %w", cfg.Name, err), p.in.Close(), cmd.Wait())
	}
	p.ready, p.at = time.Since(began), first.At
	go p.hear(hears)
	return p, nil
}

// hear takes what the process says, until it ends.
func (p *payProcess) hear(from *json.Decoder) {
	defer close(p.gone)
	for {
		var o outcome
		if from.Decode(&o) != nil {
			return // it has ended, or was killed in mid-word
		}
		p.mu.Lock()
		if o.Number == 0 {
			p.done = append(p.done, o.Done...)
		} else {
			p.waiting[o.Number] <- o
			delete(p.waiting, o.Number)
		}
		p.mu.Unlock()
	}
}

// errKilled answers an order when the process has ended.
var errKilled = errors.New("the node process has ended")

// ask gives an order and waits for its outcome. Errors: errKilled, what the process says.
func (p *payProcess) ask(ctx context.Context, o order) (outcome, error) {
	answer := make(chan outcome, 1)
	p.mu.Lock()
	p.number++
	o.Number = p.number
	p.waiting[o.Number] = answer
	err := p.orders.Encode(o)
	p.mu.Unlock()
	if err != nil {
		return outcome{}, fmt.Errorf("%w: %w", errKilled, err)
	}
	select {
	case result := <-answer:
		if result.Error != "" {
			return result, fmt.Errorf("node %s, %s: %s", p.cfg.Name, o.Do, result.Error)
		}
		return result, nil
	case <-p.gone:
		return outcome{}, fmt.Errorf("node %s, %s: %w", p.cfg.Name, o.Do, errKilled)
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
}

func (p *payProcess) counts(ctx context.Context) (payCounts, error) {
	o, err := p.ask(ctx, order{Do: "count"})
	return o.Counts, err
}

// stop ends the process as a user would.
func (p *payProcess) stop() error {
	err := p.in.Close()
	<-p.gone
	return errors.Join(err, p.cmd.Wait())
}

// kill ends the process as a power cut would, but for the disk.
func (p *payProcess) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill node %s: %w", p.cfg.Name, err)
	}
	<-p.gone
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// again starts a process that was killed, at the same address.
func (p *payProcess) again(ctx context.Context) (*payProcess, error) {
	cfg := p.cfg
	cfg.Listen, _, _ = cutPeer(p.at)
	return startPayNode(ctx, cfg)
}
