package main

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestLogWriterKeepsOrder(t *testing.T) {
	var out bytes.Buffer
	w := newLogWriter(&out)
	log := slog.New(slog.NewTextHandler(w, nil))
	for i := range 100 {
		log.Info("line", "n", i)
	}
	w.close(time.Minute)
	if n := strings.Count(out.String(), "\n"); n != 100 || !strings.Contains(out.String(), "n=99") {
		t.Errorf("%d lines", n)
	}
	log.Info("after close is fine")
}

// TestLogWriterNeverWaits: nobody reads the other end of the pipe.
func TestLogWriterNeverWaits(t *testing.T) {
	r, pipe := io.Pipe()
	w := newLogWriter(pipe)
	began := time.Now()
	for range 3 * logLines {
		_, _ = w.Write([]byte("line\n"))
	}
	w.close(10 * time.Millisecond)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	// Whoever reads late is told what is missing.
	var late strings.Builder
	go func() { <-w.done; pipe.Close() }()
	if _, err := io.Copy(&late, r); err != nil {
		t.Error(err)
	}
	if !strings.Contains(late.String(), "lines=") {
		t.Errorf("%.200s", late.String())
	}
}
