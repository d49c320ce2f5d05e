package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// hostProcess is a running `vanth serve`.
type hostProcess struct {
	url   string
	cmd   *exec.Cmd
	ended chan struct{} // closed when it ended and its output was read
}

// start starts the host and waits until it serves.
func start(vanth, home string) (*hostProcess, error) {
	began := time.Now()
	h := &hostProcess{cmd: exec.Command(vanth, "serve", "--home", home, "--listen", "127.0.0.1:0"), ended: make(chan struct{})}
	h.cmd.Env = append(os.Environ(), "KUIPER__PORTABLE__PYTHONBIN=python3",
		"KUIPER__WASM__GRANTS=[state, clock, random, http]", "KUIPER__WASM__HTTP=[hooks.example.org]")
	stderr, err := h.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	address := make(chan string, 1)
	said := ""
	go func() {
		defer close(h.ended)
		said = lastLines(bufio.NewReader(stderr), address)
		_ = h.cmd.Wait()
	}()
	select {
	case h.url = <-address:
	case <-h.ended:
		return nil, fmt.Errorf("the host did not start:\n%s", said)
	case <-time.After(time.Minute):
		h.kill()
		return nil, errors.New("the host did not start within a minute")
	}
	fmt.Printf("   serving on %s after %v\n", h.url, time.Since(began).Round(time.Millisecond))
	return h, nil
}

// kill ends the host as a power cut would.
func (h *hostProcess) kill() {
	_ = h.cmd.Process.Kill()
	<-h.ended
}

// stop asks the host to end, and insists after a while. Twice is fine.
func (h *hostProcess) stop() {
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-h.ended:
	case <-time.After(10 * time.Second):
		h.kill()
	}
}
