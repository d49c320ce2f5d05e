package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// logLines is how many lines wait for a reader of the log that is slow.
const logLines = 4096

// logWriter writes lines from a goroutine of its own, so that nobody who logs
// waits for whoever reads the log: a full pipe must not stop the host from
// answering, nor from stopping. Lines that find no room are dropped and counted.
type logWriter struct {
	out   io.Writer
	lines chan []byte
	done  chan struct{}

	mu      sync.Mutex // guards what follows
	dropped int
	closed  bool
}

func newLogWriter(out io.Writer) *logWriter {
	w := &logWriter{out: out, lines: make(chan []byte, logLines), done: make(chan struct{})}
	go w.run()
	return w
}

func (w *logWriter) run() {
	defer close(w.done)
	for line := range w.lines {
		_, _ = w.out.Write(line)
		w.mu.Lock()
		n := w.dropped
		w.dropped = 0
		w.mu.Unlock()
		if n > 0 {
			fmt.Fprintf(w.out, "level=WARN msg=\"lines of the log were dropped: nobody read them\" lines=%d\n", n)
		}
	}
}

// Write takes one line. It never waits and never fails.
func (w *logWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return len(line), nil
	}
	select {
	case w.lines <- bytes.Clone(line):
	default:
		w.dropped++
	}
	return len(line), nil
}

// close writes what waits, for a moment.
func (w *logWriter) close(patience time.Duration) {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.lines)
	}
	w.mu.Unlock()
	select {
	case <-w.done:
	case <-time.After(patience):
	}
}
