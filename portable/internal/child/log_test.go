package child_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/portable/internal/child"
)

const longest = 8 << 10 // bytes of a line

func open(t testing.TB, path string, o child.LogOptions) *child.Log {
	t.Helper()
	l, err := child.OpenLog(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func TestLogTail(t *testing.T) {
	l := open(t, "", child.LogOptions{})
	if l.Tail(5) != nil || l.Last(5) != "" {
		t.Error("an empty log has lines")
	}
	for _, p := range []string{"o", "ne\ntwo\r\n", "", "\nthr", "ee"} {
		if n, err := l.Write([]byte(p)); n != len(p) || err != nil {
			t.Error(n, err)
		}
	}
	all := []string{"one", "two", "", "three"}
	for n, want := range map[int][]string{-1: nil, 0: nil, 1: all[3:], 2: all[2:], 4: all, 100: all} {
		if got := l.Tail(n); !slices.Equal(got, want) {
			t.Errorf("%d: %q, not %q", n, got, want)
		}
	}
	for n, want := range map[int]string{-1: "", 0: "", 2: "ee", 5: "three", 6: "\nthree", 7: "\nthree", 100: "one\ntwo\r\n\nthree"} {
		if got := l.Last(n); got != want {
			t.Errorf("%d: %q, not %q", n, got, want)
		}
	}
	l.EndLine()
	l.EndLine()
	l.Write([]byte("four"))
	if got := l.Tail(2); !slices.Equal(got, []string{"three", "four"}) {
		t.Errorf("%q", got)
	}
	l.Close()
	l.Write([]byte("late"))
	if got := l.Tail(1); got[0] != "four" {
		t.Errorf("%q", got)
	}
	l.Close()
}

// pieces is what a log makes of a text.
func pieces(text string) (lines []string) {
	for line := range strings.Lines(text) {
		body, ended := strings.CutSuffix(line, "\n")
		for len(body) > longest {
			lines = append(lines, body[:longest])
			body = body[longest:]
		}
		if body != "" || ended {
			lines = append(lines, body)
		}
	}
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
	}
	return lines
}

// account says what is wrong with what a reader got of the lines that were
// written: each is there, in its order, or counted as lost.
func account(got, written []string) error {
	at := 0
	for _, line := range got {
		var lost int
		if n, err := fmt.Sscanf(line, "... %d lines lost ...", &lost); n == 1 && err == nil {
			at += lost
			continue
		}
		if at >= len(written) || written[at] != line {
			return fmt.Errorf("line %d is %.40q", at, line)
		}
		at++
	}
	if at != len(written) {
		return fmt.Errorf("%d of %d lines are accounted for", at, len(written))
	}
	return nil
}

func TestAccountNotices(t *testing.T) {
	written := []string{"a", "b", "c", "d"}
	for want, got := range map[bool][][]string{
		true:  {{"a", "b", "c", "d"}, {"... 4 lines lost ..."}, {"a", "... 2 lines lost ...", "d"}},
		false: {{"a", "b", "d"}, {"a", "b", "c"}, {"b", "a", "c", "d"}, {"a", "... 1 lines lost ...", "d"}, {"a", "b", "c", "d", "e"}, nil},
	} {
		for _, g := range got {
			if err := account(g, written); (err == nil) != want {
				t.Errorf("%q: %v", g, err)
			}
		}
	}
}

// Whatever is written, in whatever portions: a log has the end of it, bounded.
func FuzzLog(f *testing.F) {
	f.Add([]byte("one\ntwo\r\nthree"), uint16(3), uint8(1))
	f.Add(bytes.Repeat([]byte("x"), 2*longest+1), uint16(100), uint8(1))
	f.Add(bytes.Repeat([]byte("x"), longest), uint16(longest), uint8(2))
	f.Add([]byte(strings.Repeat("x", longest)+"\n\n"+strings.Repeat("y", longest+1)+"\n"), uint16(longest), uint8(3))
	f.Add([]byte("a line of some length\n"), uint16(7), uint8(255))
	f.Fuzz(func(t *testing.T, b []byte, portion uint16, times uint8) {
		text := bytes.Repeat(b, int(times)+1)
		if len(text) > 1<<16 {
			return
		}
		const ring = 2 * (longest + 1)
		l := open(t, "", child.LogOptions{Ring: ring})
		for p := range slices.Chunk(text, int(portion)+1) {
			l.Write(p)
		}
		all := pieces(string(text))
		got := l.Tail(len(all) + 1)
		if len(got) > len(all) || !slices.Equal(got, all[len(all)-len(got):]) {
			t.Fatalf("%d lines are not the end of %d", len(got), len(all))
		}
		size := 0
		for _, line := range got {
			size += len(line) + 1
		}
		if size > ring+1 || len(got) < len(all) && size < ring-longest-len(got)-1 {
			t.Fatalf("%d of %d lines, %d bytes", len(got), len(all), size)
		}
		if len(got) > 1 && !slices.Equal(l.Tail(len(got)-1), got[1:]) {
			t.Fatal("a shorter tail is another one")
		}
		l.Close()
		if err := account(slices.Collect(l.Follow(context.Background(), 1<<30)), l.Tail(1<<30)); err != nil {
			t.Fatal(err)
		}
		if last := l.Last(100); len(last) > 100 {
			t.Fatalf("%d bytes", len(last))
		}
	})
}

func TestLogFollow(t *testing.T) {
	l := open(t, "", child.LogOptions{})
	fmt.Fprint(l, "one\ntwo\nthr")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	for line := range l.Follow(ctx, 1) {
		got = append(got, line)
		switch line {
		case "two":
			fmt.Fprint(l, "ee\nfour\nfi")
		case "four":
			time.AfterFunc(10*time.Millisecond, l.EndLine)
		case "fi":
			time.AfterFunc(10*time.Millisecond, cancel)
		}
	}
	if want := []string{"two", "three", "four", "fi"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	for line := range l.Follow(t.Context(), 2) { // may be left
		if line != "four" {
			t.Errorf("%q", line)
		}
		break
	}
	time.AfterFunc(10*time.Millisecond, func() { fmt.Fprint(l, "six"); l.Close() })
	if got := slices.Collect(l.Follow(t.Context(), 0)); !slices.Equal(got, []string{"six"}) {
		t.Errorf("%q", got)
	}
}

// Followers, fast and slow, account for all lines; a writer does not wait for them.
func TestLogFollowers(t *testing.T) {
	l := open(t, "", child.LogOptions{})
	var all sync.WaitGroup
	got := make([][]string, 3)
	ready := make(chan struct{}, len(got))
	for i := range got {
		all.Go(func() {
			for line := range l.Follow(t.Context(), 10) {
				got[i] = append(got[i], line)
				if len(got[i]) == 1 {
					ready <- struct{}{}
				}
				if i == 2 && len(got[i])%2000 == 0 {
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	written := []string{"begin"}
	fmt.Fprintln(l, "begin")
	for range got {
		<-ready
	}
	for i := range 50_000 {
		written = append(written, strconv.Itoa(i))
		fmt.Fprintf(l, "%d\n", i)
	}
	l.Close()
	all.Wait()
	for i := range got {
		if err := account(got[i], written); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if len(got[2]) > 49_000 {
		t.Error("the slow one has lost nothing")
	}
}

// readFiles returns the lines of a log's files, oldest first, and how many there are.
func readFiles(t *testing.T, path string, maxSize int64) (lines []string, files int) {
	t.Helper()
	var text []byte
	for i := 20; i >= 0; i-- {
		name := path
		if i > 0 {
			name = fmt.Sprintf("%s.%d", path, i)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		if files++; int64(len(b)) > maxSize || len(b) > 0 && b[len(b)-1] != '\n' {
			t.Errorf("%s has %d bytes", name, len(b))
		}
		text = append(text, b...)
	}
	return pieces(string(text)), files
}

func TestLogFiles(t *testing.T) {
	for _, files := range []int{1, 2, 3} {
		t.Run(strconv.Itoa(files), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			var written []string
			for range 3 { // files are continued
				l := open(t, path, child.LogOptions{FileMax: 10_000, Files: files})
				for range 400 {
					line := fmt.Sprintf("this is line %d", len(written))
					written = append(written, line)
					fmt.Fprintln(l, line)
				}
				l.Close()
			}
			got, n := readFiles(t, path, 10_000)
			if n != files || len(got) == 0 || !slices.Equal(got, written[len(written)-len(got):]) {
				t.Errorf("%d files, %d lines, which are not the end of what was written", n, len(got))
			}
			if want := 10_000 / 20 * (files - 1); len(got) < want {
				t.Errorf("%d lines, less than %d", len(got), want)
			}
		})
	}
}

// A line that is longer than a file is in one nevertheless, and what the disk does
// not take in time is counted.
func TestLogFileLimits(t *testing.T) {
	dir := t.TempDir()
	l := open(t, filepath.Join(dir, "small"), child.LogOptions{FileMax: 100, Files: 20})
	written := []string{strings.Repeat("a", 99), strings.Repeat("b", 100), "c", strings.Repeat("d", 300), "e"}
	for _, line := range written {
		fmt.Fprintln(l, line)
	}
	l.Close()
	if got, _ := readFiles(t, filepath.Join(dir, "small"), 301); !slices.Equal(got, written) {
		t.Errorf("%.200q", got)
	}
	l = open(t, filepath.Join(dir, "flood"), child.LogOptions{FileMax: 64 << 20})
	written = nil
	for i := range 300_000 {
		written = append(written, fmt.Sprintf("a line of a flood that is written faster than it is to be kept %d", i))
		fmt.Fprintln(l, written[i])
	}
	l.Close()
	got, _ := readFiles(t, filepath.Join(dir, "flood"), 64<<20)
	if err := account(got, written); err != nil {
		t.Error(err)
	}
	if len(got) == len(written) {
		t.Error("nothing was lost")
	}
}

// records counts what is logged.
type records struct {
	slog.Handler
	mu   sync.Mutex
	text []string
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }

func (r *records) Handle(_ context.Context, rec slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, rec.Message)
	return nil
}

func TestLogFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	var r records
	l := open(t, "/dev/full", child.LogOptions{Log: slog.New(&r)})
	for i := range 10 {
		fmt.Fprintln(l, i)
		time.Sleep(time.Millisecond)
	}
	if got := l.Tail(100); len(got) != 10 {
		t.Errorf("%q", got)
	}
	l.Close()
	if len(r.text) != 1 {
		t.Errorf("%q", r.text)
	}
	if _, err := child.OpenLog(filepath.Join(t.TempDir(), "no", "log"), child.LogOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestLogAllocations(t *testing.T) {
	l := open(t, "", child.LogOptions{})
	line := []byte(strings.Repeat("0123456789\n", 100) + "part")
	if n := testing.AllocsPerRun(1000, func() { l.Write(line) }); n > 0 {
		t.Errorf("%v allocations a write", n)
	}
}

func BenchmarkLogWrite(b *testing.B) {
	line := []byte(strings.Repeat(strings.Repeat("x", 79)+"\n", 400))
	b.SetBytes(int64(len(line)))
	for _, path := range []string{"", filepath.Join(b.TempDir(), "log")} {
		b.Run("file="+strconv.FormatBool(path != ""), func(b *testing.B) {
			l := open(b, path, child.LogOptions{})
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				l.Write(line)
			}
		})
	}
}
