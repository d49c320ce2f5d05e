package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

// TestStalledUploadHoldsNoName: an archive that does not come keeps nobody else
// from installing under its name.
func TestStalledUploadHoldsNoName(t *testing.T) {
	b := open(t)
	r, w := io.Pipe()
	done := make(chan error)
	go func() {
		_, err := b.Install(context.Background(), host.Request{ID: id("kit"), Archive: r})
		done <- err
	}()
	w.Write([]byte("PK"))
	b.install("kit", "v1", "version")
	w.CloseWithError(errors.New("gone away"))
	if err := <-done; err == nil || !strings.Contains(err.Error(), "gone away") {
		t.Error(err)
	}
	b.want("version", "v1")
	if f := b.files(); len(f) != 2 {
		t.Errorf("files %v", f)
	}
}

// TestOddDropIns: whatever stands in the drop-in folder, the host starts, and
// what is good runs.
func TestOddDropIns(t *testing.T) {
	b := open(t)
	b.stop()
	folder := filepath.Join(b.home, "plugins", "wasm")
	elsewhere := filepath.Join(t.TempDir(), "linked")
	manifest := func(dir, name string) error {
		return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name+".wasm"), nil, 0o644),
			os.WriteFile(filepath.Join(dir, name+".json"), []byte(`{"version":"v1","functions":["`+map[string]string{"good": "echo", "linked": "version"}[name]+`"]}`), 0o644))
	}
	if err := errors.Join(
		manifest(filepath.Join(folder, "good"), "good"),
		manifest(elsewhere, "linked"),
		os.Symlink(elsewhere, filepath.Join(folder, "linked")),
		os.Symlink("/nowhere", filepath.Join(folder, "dangling")),
		os.WriteFile(filepath.Join(folder, "file"), nil, 0o644),
		os.Mkdir(filepath.Join(folder, "pipe"), 0o755),
		syscall.Mkfifo(filepath.Join(folder, "pipe", "pipe.json"), 0o644),
		os.Mkdir(filepath.Join(folder, "out"), 0o755),
		os.Symlink("/etc/passwd", filepath.Join(folder, "out", "out.json")),
		os.Mkdir(filepath.Join(folder, "names"), 0o755),
		os.WriteFile(filepath.Join(folder, "names", "names.json"), []byte(`{"functions":["../../etc","<b>"]}`), 0o644),
	); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.want("echo", "x", "x")
	b.want("version", "v1")
	got := map[string]bool{}
	for _, p := range b.List(host.ClassWASM) {
		got[p.ID.Name] = p.Err == nil
	}
	want := map[string]bool{"good": true, "linked": true, "pipe": false, "out": false, "names": false}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	if p, _ := b.Get(id("pipe")); !strings.Contains(fmt.Sprint(p.Err), "not a regular file") {
		t.Error(p.Err)
	}
	if f := b.Functions(); len(f) != 2 {
		t.Errorf("functions %v", f)
	}
	if err := b.Remove(context.Background(), id("linked")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(elsewhere, "linked.json")); err != nil {
		t.Errorf("removing a linked drop-in removed what the link leads to: %v", err)
	}
}

// TestDropInDoesNotComeBack: a plugin installed over a drop-in does not leave it
// to come back.
func TestDropInDoesNotComeBack(t *testing.T) {
	b := open(t)
	b.install("kit", "v1", "version")
	dir := filepath.Join(b.home, "plugins", "wasm", "kit")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "kit.json"), []byte(`{"functions":["version"]}`), 0o644)); err != nil {
		t.Fatal(err)
	}
	b.restart()
	b.want("version", "v1")
	if err := b.Remove(context.Background(), id("kit")); err != nil {
		t.Fatal(err)
	}
	b.restart()
	b.wantErr("version", host.ErrNotFound)
}

// TestCountersAreNotInherited by another plugin that takes a freed name over.
func TestCountersAreNotInherited(t *testing.T) {
	b := open(t)
	b.install("kit", "v1", "echo", "version")
	for range 5 {
		b.want("version", "v1")
	}
	if _, err := b.Replace(context.Background(), b.request("kit", "v2", "echo")); err != nil {
		t.Fatal(err)
	}
	b.install("other", "v3", "version")
	if d, err := b.FunctionNamed("version"); err != nil || d.Usage != (host.Usage{}) {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestCloseBesideOperations: Close waits for those under way and the rest are
// refused.
func TestCloseBesideOperations(t *testing.T) {
	for range 50 {
		b := open(t)
		b.install("kit", "v1", "version")
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				var err error
				if i%2 == 0 {
					err = b.Remove(context.Background(), id("kit"))
				} else {
					_, err = b.Replace(context.Background(), b.request("kit", "v2", "version"))
				}
				if err != nil && !errors.Is(err, host.ErrClosed) && !errors.Is(err, host.ErrNotFound) && !errors.Is(err, host.ErrInUse) {
					t.Error(err)
				}
			})
		}
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

// TestStateCountsItsEntries: many small keys are bounded as few large values.
func TestStateCountsItsEntries(t *testing.T) {
	st, err := host.NewState(&hosttest.MemStore{}, id("kit"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; err == nil && n < 1<<20; n++ {
		err = st.Put("", fmt.Sprint(n), nil)
	}
	if !errors.Is(err, host.ErrInvalid) || n > host.MaxStateBytes/100 {
		t.Errorf("%d empty values: %v", n, err)
	}
	for i := range n {
		st.Delete("", fmt.Sprint(i))
	}
	if err := st.Put("", "x", bytes.Repeat([]byte("x"), host.MaxStateValue)); err != nil {
		t.Error(err)
	}
	if err := st.Put(strings.Repeat("s", host.MaxStateScope+1), "x", nil); !errors.Is(err, host.ErrInvalid) {
		t.Error(err)
	}
}

// TestFetchIsGivenUpAtClose: a download that hangs ends with the host.
func TestFetchIsGivenUpAtClose(t *testing.T) {
	b := open(t)
	r, w := io.Pipe()
	defer w.Close()
	done := make(chan error)
	go func() {
		_, err := b.Install(context.Background(), host.Request{ID: id("kit"), Archive: r})
		done <- err
	}()
	w.Write([]byte("PK"))
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
	w.CloseWithError(io.ErrUnexpectedEOF) // a read that hangs is its owner's to end
	select {
	case err := <-done:
		if err == nil {
			t.Error("installed after all")
		}
	case <-time.After(5 * time.Second):
		t.Error("goes on")
	}
}
