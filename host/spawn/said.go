package spawn

import (
	"strings"
	"sync"
)

// Head keeps the first Limit bytes written to it: a dying Go process says why at once, and then much more.
type Head struct {
	Limit int
	kept  []byte
}

func (h *Head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), h.Limit-len(h.kept))]...)
	return len(p), nil
}

// String returns the text without white space around it.
func (h *Head) String() string { return strings.TrimSpace(string(h.kept)) }

// Tail keeps the last Limit bytes written to it. It may be read while it is written.
type Tail struct {
	Limit int
	mu    sync.Mutex // guards kept
	kept  []byte
}

func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p[max(0, len(p)-t.Limit):]...)
	if over := len(t.kept) - t.Limit; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// String returns the text without white space around it.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.kept))
}
