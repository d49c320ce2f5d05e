package wasm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// cache keeps compiled code on disk: a folder for each module, named by the
// digest of its bytes, with a file of checksums. What is in it is executed, and
// wazero checks only part of it, so a folder that is not exactly what was
// written is thrown away unseen. Folders that no plugin uses any more are
// removed.
type cache struct {
	dir     string
	started time.Time

	mu     sync.Mutex // guards places
	places map[string]*place
}

// place is the folder of one module.
type place struct {
	cache  *cache
	digest string
	using  chan struct{} // one compilation at a time

	// Guarded by cache.mu.
	users int
	idle  time.Time // since when there are no users
}

// newCache makes the folder, for its owner only.
func newCache(dir string) (*cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}
	return &cache{dir: dir, started: time.Now(), places: map[string]*place{}}, nil
}

// take counts a user of the place of a module; giveBack must follow.
func (c *cache) take(code []byte) *place {
	sum := sha256.Sum256(code)
	digest := hex.EncodeToString(sum[:])
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.places[digest]
	if p == nil {
		p = &place{cache: c, digest: digest, using: make(chan struct{}, 1)}
		c.places[digest] = p
	}
	p.users++
	c.evict()
	return p
}

// spare is how many folders without users are kept until the next prune: a
// series of updates must not fill the disk.
const spare = 4

// evict requires c.mu. Only a load calls it, so that a host that stops, and
// gives all places back, keeps them for its next start.
func (c *cache) evict() {
	var idle []*place
	for _, p := range c.places {
		if p.users == 0 {
			idle = append(idle, p)
		}
	}
	slices.SortFunc(idle, func(a, b *place) int { return a.idle.Compare(b.idle) })
	for _, p := range idle[:max(0, len(idle)-spare)] {
		delete(c.places, p.digest)
		_ = os.RemoveAll(filepath.Join(c.dir, p.digest))
	}
}

func (c *cache) giveBack(digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.places[digest]; p != nil {
		p.users--
		p.idle = time.Now()
	}
}

// use lets compile read and write the folder, and says whether there is something
// in it. A folder that is damaged is empty then; one that compile left with an error
// is removed.
func (p *place) use(ctx context.Context, compile func(dir string, kept bool) error) error {
	select {
	case p.using <- struct{}{}:
		defer func() { <-p.using }()
	case <-ctx.Done():
		return ctx.Err()
	}
	dir := filepath.Join(p.cache.dir, p.digest)
	before, err := checksums(dir)
	if kept, _ := os.ReadFile(filepath.Join(dir, sumsName)); err != nil || string(kept) != before {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		before = ""
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	err = compile(dir, before != "")
	if err == nil {
		var after string
		if after, err = checksums(dir); err == nil && after != before {
			err = writeSums(dir, after)
		}
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return nil
}

// sumsName is the file of checksums in a place.
const sumsName = "checksums"

// checksums lists the files of a folder with their lengths and checksums.
func checksums(dir string) (string, error) {
	text := ""
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == dir {
			return nil
		}
		if err != nil || d.IsDir() || d.Name() == sumsName {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
		n, err := io.Copy(h, f)
		rel, _ := filepath.Rel(dir, path)
		text += fmt.Sprintf("%s %d %08x\n", rel, n, h.Sum32())
		return err
	})
	return text, err
}

func writeSums(dir, text string) error {
	tmp := filepath.Join(dir, sumsName+".tmp")
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, sumsName))
}

// strangerAge is how long folders that this process never used are kept: the
// plugins of a host are all loaded by then.
const strangerAge = 10 * time.Minute

// prune removes the folders that nobody has used for a while.
func (c *cache) prune(idle time.Duration) error {
	list, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		c.mu.Lock()
		p := c.places[e.Name()]
		stale := p == nil && time.Since(c.started) > strangerAge ||
			p != nil && p.users == 0 && time.Since(p.idle) > idle
		if stale {
			delete(c.places, e.Name())
			err = errors.Join(err, os.RemoveAll(filepath.Join(c.dir, e.Name())))
		}
		c.mu.Unlock()
	}
	return err
}
