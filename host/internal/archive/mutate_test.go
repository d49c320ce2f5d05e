package archive

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// seeds are good archives of every shape, and small.
func seeds() [][]byte {
	z64 := rawZip{entries: []rawEntry{stored("a", "x"), deflated("d/b", strings.Repeat("y", 99)), folder("e/")}, zip64: func(*end64Record) {}}
	streamed := archiveOf(deflated("d/a", "content").streamed(descriptorSignature, 4), stored("b", "x").streamed("", 8))
	prefixed := rawZip{prefix: []byte("prefix"), entries: []rawEntry{stored("a", "x")}}
	return [][]byte{plugin(), z64.bytes(), streamed, prefixed.bytes()}
}

func TestTruncatedIsRefused(t *testing.T) {
	for i, whole := range seeds() {
		dir := memoryDir(t)
		for n := range whole {
			box, err := newSandbox(filepath.Join(dir, fmt.Sprint(n)))
			if err != nil {
				t.Fatal(err)
			}
			if ours(whole[:n], box.stage) == nil {
				t.Errorf("seed %d: accepted when cut to %d of %d bytes", i, n, len(whole))
			}
			if c := box.complaint(); c != "" {
				t.Errorf("seed %d cut to %d: %s", i, n, c)
			}
		}
	}
}

func TestMutantsStayInside(t *testing.T) {
	const rounds = 4000
	rng := rand.New(rand.NewPCG(1, 2))
	dir, seeds := memoryDir(t), seeds()
	accepted := 0
	for i := range rounds {
		mutant := bytes.Clone(seeds[i%len(seeds)])
		for range 1 + rng.IntN(4) {
			mutant[rng.IntN(len(mutant))] ^= byte(1 + rng.IntN(255))
		}
		ok, complaint := tryMutant(filepath.Join(dir, fmt.Sprint(i)), mutant)
		if complaint != "" {
			t.Fatalf("round %d: %s\n%q", i, complaint, mutant)
		}
		if ok {
			accepted++
		}
	}
	// Time stamps, comments and versions may be anything: some mutants are good archives.
	if accepted == 0 || accepted == rounds {
		t.Errorf("%d of %d accepted", accepted, rounds)
	}
	t.Logf("%d of %d accepted", accepted, rounds)
}

// tryMutant extracts into a sandbox at dir. What is accepted must be what archive/zip reads, too.
func tryMutant(dir string, mutant []byte) (accepted bool, complaint string) {
	box, err := newSandbox(dir)
	if err != nil {
		return false, err.Error()
	}
	defer os.RemoveAll(dir)
	if err = ours(mutant, box.stage); err != nil && strings.HasPrefix(err.Error(), "not a refusal") {
		return false, err.Error()
	}
	if c := box.complaint(); c != "" || err != nil {
		return false, c
	}
	return true, differs(mutant, box.stage)
}

func differs(archive []byte, stage string) string {
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return "archive/zip: " + err.Error()
	}
	for _, f := range r.File {
		path := filepath.Join(stage, f.Name)
		if strings.HasSuffix(f.Name, "/") {
			if info, err := os.Stat(path); err != nil || !info.IsDir() {
				return "no folder " + f.Name
			}
			continue
		}
		src, err := f.Open()
		if err != nil {
			return "archive/zip: " + err.Error()
		}
		want, err := io.ReadAll(src)
		src.Close()
		if err != nil {
			return "archive/zip: " + err.Error()
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			return "differs from archive/zip: " + f.Name
		}
	}
	return ""
}

func addSeeds(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	for _, fam := range corpus() {
		for _, s := range append(fam.bad, fam.good...) {
			if len(s.zip) < 2<<10 {
				f.Add(s.zip)
			}
		}
	}
}

func FuzzList(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		l := testLimits()
		entries, err := List(bytes.NewReader(b), int64(len(b)), l)
		if err != nil {
			return
		}
		total := int64(0)
		for _, e := range entries {
			total += e.Size
			if !filepath.IsLocal(e.Name) || len(e.Name) > l.PathBytes || e.Size > l.EntryBytes {
				t.Errorf("%+v", e)
			}
		}
		if len(entries) > l.Entries || total > l.TotalBytes {
			t.Error(len(entries), total)
		}
	})
}

func FuzzExtract(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, complaint := tryMutant(memoryDir(t), b); complaint != "" {
			t.Error(complaint)
		}
	})
}
