package child

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
)

// maxLine is where a line is cut into pieces, which are lines then.
const maxLine = 8 << 10

// LogOptions of a Log. Zero values mean the defaults.
type LogOptions struct {
	Ring    int          // bytes kept in memory; default 64 KiB, at least two lines of 8 KiB
	FileMax int64        // bytes of one file; default 1 MiB
	Files   int          // how many there are: path, path.1, ...; default 2
	Log     *slog.Logger // for the one warning about a file that cannot be written; default: discarded
}

func (o LogOptions) filled() LogOptions {
	if o.Ring == 0 {
		o.Ring = 64 << 10
	}
	o.Ring = max(o.Ring, 2*(maxLine+1))
	if o.FileMax == 0 {
		o.FileMax = 1 << 20
	}
	if o.Files == 0 {
		o.Files = 2
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Log keeps the last that a plugin printed, whole lines of it, in memory, and a
// copy in files that replace each other. It is safe for concurrent use. Write
// waits for nobody: who reads too slowly, a follower or the disk, loses lines and
// is told how many.
type Log struct {
	file *logFile // nil without

	mu      sync.Mutex // guards what follows
	ring    []byte     // from head on, size bytes, which begin with a line
	head    int
	size    int
	line    int    // bytes of the last line, which is not finished
	dropped uint64 // lines that were in the ring and are not any more
	count   uint64 // all finished lines
	closed  bool
	changed chan struct{} // closed when there is more to read; nil when nobody waits
}

// OpenLog returns an empty log. A path of "" keeps no files; an existing file is
// continued.
func OpenLog(path string, o LogOptions) (*Log, error) {
	o = o.filled()
	l := &Log{ring: make([]byte, o.Ring)}
	if path == "" {
		return l, nil
	}
	f, err := openLogFile(path, o)
	if err != nil {
		return nil, err
	}
	l.file = f
	return l, nil
}

// Write takes what was printed. It never fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return len(p), nil
	}
	for rest := p; len(rest) > 0; {
		n := bytes.IndexByte(rest, '\n') + 1
		if n == 0 {
			n = len(rest)
		}
		if room := maxLine - l.line; n > room && (n > room+1 || rest[n-1] != '\n') {
			l.put(rest[:room])
			l.put([]byte{'\n'})
			rest = rest[room:]
			continue
		}
		l.put(rest[:n])
		rest = rest[n:]
	}
	l.wake()
	return len(p), nil
}

// EndLine finishes a line that was begun.
func (l *Log) EndLine() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line > 0 && !l.closed {
		l.put([]byte{'\n'})
		l.wake()
	}
}

// put appends a piece of one line.
func (l *Log) put(p []byte) {
	if len(p) == 0 {
		return
	}
	for len(l.ring)-l.size < len(p) {
		l.drop()
	}
	at := (l.head + l.size) % len(l.ring)
	n := copy(l.ring[at:], p)
	copy(l.ring, p[n:])
	l.size += len(p)
	l.line += len(p)
	if p[len(p)-1] == '\n' {
		l.line = 0
		l.count++
	}
	if l.file != nil {
		l.file.add(p)
	}
}

// drop forgets the first line. There is one, since the ring has room for two.
func (l *Log) drop() {
	first, second := l.spans()
	n := bytes.IndexByte(first, '\n') + 1
	if n == 0 {
		n = len(first) + bytes.IndexByte(second, '\n') + 1
	}
	l.head = (l.head + n) % len(l.ring)
	l.size -= n
	l.dropped++
}

// spans returns what is in the ring, in its two parts.
func (l *Log) spans() (first, second []byte) {
	end := l.head + l.size
	if end <= len(l.ring) {
		return l.ring[l.head:end], nil
	}
	return l.ring[l.head:], l.ring[:end-len(l.ring)]
}

// text returns what is in the ring between two offsets.
func (l *Log) text(from, to int) string {
	first, second := l.spans()
	n := len(first)
	return string(first[min(from, n):min(to, n)]) + string(second[max(from-n, 0):max(to-n, 0)])
}

// lastLines returns the offset at which the last n finished lines begin.
func (l *Log) lastLines(n uint64) int {
	if n >= l.count-l.dropped {
		return 0
	}
	first, second := l.spans()
	at := l.size - l.line // after a line's end
	for ; n > 0; n-- {
		at-- // the line's own end
		if i := bytes.LastIndexByte(second[:max(at-len(first), 0)], '\n'); i >= 0 {
			at = len(first) + i + 1
			continue
		}
		at = bytes.LastIndexByte(first[:min(at, len(first))], '\n') + 1
	}
	return at
}

func (l *Log) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Tail returns the last lines, fewer if there are fewer, at the end the one that
// is not finished.
func (l *Log) Tail(lines int) []string {
	if lines <= 0 {
		return nil
	}
	l.mu.Lock()
	if l.line > 0 {
		lines--
	}
	text := l.text(l.lastLines(uint64(lines)), l.size)
	l.mu.Unlock()
	return split(text)
}

// Last returns the end of what was printed, whole lines of it, unless the last
// one is longer than that.
func (l *Log) Last(maxBytes int) string {
	l.mu.Lock()
	text := strings.TrimSpace(l.text(0, l.size))
	l.mu.Unlock()
	if len(text) <= maxBytes {
		return text
	}
	cut := text[len(text)-max(maxBytes, 0):]
	if text[len(text)-len(cut)-1] == '\n' {
		return cut
	}
	if _, whole, ok := strings.Cut(cut, "\n"); ok {
		return whole
	}
	return strings.ToValidUTF8(cut, "")
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range all {
		all[i] = strings.TrimSuffix(line, "\r")
	}
	return all
}

// Follow returns the last lines and then each further one when it is finished,
// until ctx ends or the log is closed. In place of lines that came too fast there
// is one that says so.
func (l *Log) Follow(ctx context.Context, lines int) iter.Seq[string] {
	return func(yield func(string) bool) {
		l.mu.Lock()
		next := max(l.dropped, l.count-min(l.count, uint64(max(lines, 0))))
		l.mu.Unlock()
		for {
			batch, lost, changed := l.since(next)
			if lost > 0 && !yield(lostLines(lost)) {
				return
			}
			for _, line := range batch {
				if ctx.Err() != nil || !yield(line) {
					return
				}
			}
			if next += lost + uint64(len(batch)); len(batch) > 0 {
				continue
			}
			if changed == nil {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

func lostLines(n uint64) string { return fmt.Sprintf("... %d lines lost ...", n) }

// since returns the finished lines from number next on, how many of them are gone,
// and, if there are none, what is closed when there are; nil of a log that is
// closed.
func (l *Log) since(next uint64) (batch []string, lost uint64, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if next < l.dropped {
		lost = l.dropped - next
		next = l.dropped
	}
	if next < l.count {
		return split(l.text(l.lastLines(l.count-next), l.size-l.line)), lost, nil
	}
	if l.closed {
		return nil, lost, nil
	}
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return nil, lost, l.changed
}

// Close ends the followers and closes the file, after what was to be written. What
// is in memory stays.
func (l *Log) Close() {
	l.EndLine()
	l.mu.Lock()
	l.closed = true
	l.wake()
	l.mu.Unlock()
	if l.file != nil {
		l.file.close()
	}
}
