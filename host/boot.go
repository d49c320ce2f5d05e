package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// boot brings back what is installed. Steps: sweep what a killed process left;
// read the records; find the drop-ins; load all, some at a time; publish in
// the order of IDs, so that a clash of names ends the same way every time.
func (h *Host) boot(ctx context.Context) error {
	if err := h.paths.mkdirs(); err != nil {
		return err
	}
	found, lists, complete := h.recorded()
	h.settleConfig(found)
	if err := h.sweep(found, complete); err != nil {
		return err
	}
	found = append(found, h.droppedIn(found, lists)...)

	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, f := range found {
		if ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			h.revive(ctx, f)
		})
	}
	wg.Wait()
	for _, f := range found {
		if f.entry == nil && f.plugin.Err == nil {
			f.plugin.Err = context.Cause(ctx)
		}
		h.admit(ctx, f)
	}
	return nil
}

// gone begins the names of drop-in folders that are being removed.
const gone = ".gone-"

// candidate is a plugin found at start.
type candidate struct {
	plugin Plugin
	record Record
	state  *State
	entry  *entry
}

// recorded lists the plugins of the store, and the function lists that were
// registered for drop-ins. complete is false when a record is damaged so badly
// that nobody can tell whose it was.
func (h *Host) recorded() (found []*candidate, lists map[ID]Record, complete bool) {
	complete, lists = true, map[ID]Record{}
	for rec, err := range h.opts.Store.Plugins() {
		if err != nil {
			h.opts.Log.Error("a record of the store is damaged", "plugin", rec.ID.String(), "err", err)
		}
		if rec.ID.Class.dropIn() == "" || CheckName(rec.ID.Name) != nil {
			complete = false
			continue
		}
		if err == nil && rec.Bundle == "" {
			lists[rec.ID] = rec
			continue
		}
		p := Plugin{ID: rec.ID, Source: rec.Source, SHA256: rec.SHA256, Err: err}
		if err == nil {
			p.Dir = filepath.Join(h.paths.plugin(rec.ID), rec.Bundle)
		}
		found = append(found, &candidate{plugin: p, record: rec})
	}
	return found, lists, complete
}

// droppedIn lists the bundles in the drop-in folders that no record names.
func (h *Host) droppedIn(known []*candidate, lists map[ID]Record) (found []*candidate) {
	for _, c := range classes() {
		folder := filepath.Join(h.paths.dropIn, c.dropIn())
		list, err := os.ReadDir(folder)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			h.opts.Log.Error("drop-in folder cannot be read", "err", err)
		}
		known := func(id ID) bool {
			return slices.ContainsFunc(known, func(k *candidate) bool { return k.plugin.ID == id })
		}
		var files []string
		for _, e := range list {
			id := ID{c, e.Name()}
			dir := filepath.Join(folder, e.Name())
			info, err := os.Stat(dir) // a link to a folder is a folder
			so, isSo := parseSo(e.Name())
			switch {
			case strings.HasPrefix(e.Name(), gone):
				_ = os.RemoveAll(dir)
			case strings.HasPrefix(e.Name(), "."):
			case err == nil && !info.IsDir() && isSo && c.kind() != 0:
				if id.Name = so.plugin; known(id) {
					h.opts.Log.Warn("drop-in file is ignored: a plugin of that name was installed", "file", dir)
					continue
				}
				files = append(files, e.Name())
			case err != nil || !info.IsDir():
				h.opts.Log.Warn("not a drop-in", "path", dir, "err", err)
			case known(id):
				h.opts.Log.Warn("drop-in folder is ignored: a plugin of that name was installed", "dir", dir)
			default:
				p := Plugin{ID: id, Dir: dir, DropIn: true, Err: CheckName(e.Name())}
				found = append(found, &candidate{plugin: p})
			}
		}
		// A folder and files of one name are one plugin: the folder's.
		files = slices.DeleteFunc(files, func(f string) bool {
			so, _ := parseSo(f)
			twice := slices.ContainsFunc(found, func(k *candidate) bool { return k.plugin.ID == ID{c, so.plugin} })
			if twice {
				h.opts.Log.Warn("drop-in file is ignored: there is a folder of that name", "file", filepath.Join(folder, f))
			}
			return twice
		})
		found = append(found, soCandidates(c, folder, files, lists)...)
	}
	return found
}

// soCandidates makes a candidate for each plugin among .so files that lie in a
// folder together. Their names are all that is known of them.
func soCandidates(c Class, folder string, files []string, lists map[ID]Record) (found []*candidate) {
	seen := map[string]bool{}
	for _, f := range files {
		so, _ := parseSo(f)
		if seen[so.plugin] {
			continue
		}
		seen[so.plugin] = true
		best, _ := newest(so.plugin, files)
		id := ID{c, so.plugin}
		p := Plugin{ID: id, Dir: folder, DropIn: true, Err: CheckName(so.plugin)}
		p.Manifest, _ = nativeManifest(best, c.kind(), lists[id].Functions)
		found = append(found, &candidate{plugin: p, record: lists[id]})
	}
	return found
}

// sweep removes temporary files, and bundles that no record names.
func (h *Host) sweep(found []*candidate, complete bool) error {
	list, err := os.ReadDir(h.paths.tmp)
	if err != nil {
		return err
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), journalPrefix) && exists(filepath.Join(h.paths.tmp, e.Name()), journalName) {
			continue // it could not be settled, and has the only copies
		}
		if err := os.RemoveAll(filepath.Join(h.paths.tmp, e.Name())); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	if !complete {
		h.opts.Log.Warn("bundles are not swept: a record of the store is damaged and may name any of them")
		return nil
	}
	keep := map[string]*candidate{}
	for _, f := range found {
		keep[h.paths.plugin(f.record.ID)] = f
	}
	parents, err := filepath.Glob(filepath.Join(h.paths.bundles, "*", "*"))
	if err != nil {
		return err
	}
	for _, parent := range parents {
		f := keep[parent]
		if f == nil {
			err = errors.Join(err, os.RemoveAll(parent))
			continue
		}
		if f.plugin.Err != nil {
			continue // damaged: any generation may be the one
		}
		list, e := os.ReadDir(parent)
		err = errors.Join(err, e)
		for _, g := range list {
			if g.Name() != f.record.Bundle {
				err = errors.Join(err, os.RemoveAll(filepath.Join(parent, g.Name())))
			}
		}
	}
	if err != nil {
		h.opts.Log.Warn("leftovers remain until the next start", "err", err)
	}
	return nil
}

// revive loads one plugin; what went wrong is kept in its Err.
func (h *Host) revive(ctx context.Context, c *candidate) {
	var err error
	if c.state, err = NewState(h.opts.Store, c.plugin.ID); err != nil {
		c.plugin.Err = errors.Join(c.plugin.Err, err)
	}
	if c.plugin.Dir != "" && c.plugin.Manifest.Executable == "" {
		m, err := describe(c.plugin.Dir, c.plugin.ID, c.record.Functions)
		c.plugin.Manifest = m
		c.plugin.Err = errors.Join(c.plugin.Err, err)
	}
	if c.plugin.Err != nil {
		return
	}
	c.entry, c.plugin.Err = h.load(ctx, c.plugin, c.record, c.state)
}

// admit publishes a plugin, or lists it with the reason why it does not run.
func (h *Host) admit(ctx context.Context, c *candidate) {
	id := c.plugin.ID
	if c.entry != nil {
		if _, err := h.reg.claim(id, c.plugin.Manifest.List()); err != nil {
			h.abandon(ctx, c.entry.module)
			c.entry, c.plugin.Err = nil, err
		}
	}
	if c.entry == nil {
		h.opts.Log.Error("plugin does not run", "plugin", id.String(), "err", c.plugin.Err)
		names := c.record.Functions
		listed := len(names) > 0 || c.plugin.Manifest.Listed
		if len(names) == 0 {
			names = c.plugin.Manifest.Functions
		}
		if len(names) == 0 && id.Class == ClassFunctions {
			names = []string{id.Name} // what a .so file without a list is taken for
		}
		if slices.ContainsFunc(names, func(n string) bool { return CheckName(n) != nil }) {
			names = nil
		}
		c.plugin.Manifest.Functions, c.plugin.Manifest.Listed = names, listed && len(names) > 0
		// Its names stay reserved, unless another plugin has them.
		symbols := make([]Symbol, len(names))
		for i, n := range names {
			symbols[i] = Symbol{KindFunction, n}
		}
		if _, err := h.reg.claim(id, symbols); err != nil {
			names = nil
		}
		c.entry = brokenEntry(c.plugin, c.record, c.state, names)
	}
	h.reg.publish(c.entry)
}
