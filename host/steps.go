package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/vanth-io/vanth/host/internal/fetch"
)

// installation is one run through the steps. Each step that leaves something
// behind pushes what undoes it.
type installation struct {
	h    *Host
	req  Request
	old  *entry // what is published under the ID now; nil for none
	undo []func()

	pkg      *os.File // the archive
	digest   string
	contents contents
	stage    string // unpacked, not yet in place
	journal  string // of configuration files; "" for none
	plugin   Plugin
	record   Record
	entry    *entry
	// carried: entry runs the module of old.
	carried bool
}

// stepFunc is a step and what it is called in errors.
type stepFunc struct {
	step Step
	do   func(context.Context) error
}

// steps are those after fetch, which runs before the name is reserved.
func (in *installation) steps() []stepFunc {
	return []stepFunc{
		{StepUnpack, in.unpack},
		{StepManifest, in.manifest},
		{StepPlace, in.place},
		{StepConfig, in.config},
		{StepScript, in.script},
		{StepLoad, in.load},
		{StepStore, in.store},
	}
}

// rollback undoes what was done, the last first.
func (in *installation) rollback() {
	for _, undo := range slices.Backward(in.undo) {
		undo()
	}
}

// fetch brings the archive into a temporary file and takes its digest.
func (in *installation) fetch(ctx context.Context) error {
	f, err := os.CreateTemp(in.h.paths.tmp, "package-*.zip")
	if err != nil {
		return err
	}
	in.undo = append(in.undo, func() { in.dropPackage() })
	in.pkg = f
	p := in.h.opts.Install
	var got fetch.Result
	if in.req.Archive != nil {
		got, err = fetch.Copy(ctx, p.MaxPackage, in.req.Archive, in.req.SHA256, f)
	} else {
		got, err = fetch.File(ctx, p.fetching(), in.req.URL, in.req.SHA256, f)
	}
	in.digest = got.SHA256
	return err
}

func (in *installation) dropPackage() {
	in.pkg.Close()
	os.Remove(in.pkg.Name())
}

// unpack walks the archive, then extracts it into a staging folder.
func (in *installation) unpack(ctx context.Context) error {
	stage, err := os.MkdirTemp(in.h.paths.tmp, "stage-*")
	if err != nil {
		return err
	}
	in.stage = stage
	in.undo = append(in.undo, func() { os.RemoveAll(stage) })
	if in.contents, err = unpack(ctx, in.pkg, stage, in.req.ID, in.h.opts.Install.MaxUnpacked); err != nil {
		return err
	}
	in.dropPackage()
	return nil
}

// manifest reads what the archive says of itself and reserves its names.
func (in *installation) manifest(context.Context) error {
	id, yaml := in.req.ID, filepath.Join(in.h.paths.etc, string(in.req.ID.Class))
	if err := in.h.paths.checkContents(in.contents, id, exists(yaml, id.Name+".yaml")); err != nil {
		return err
	}
	m, err := describe(in.stage, id, in.req.Functions)
	if err != nil {
		return err
	}
	if err := checkEtc(in.stage, m); err != nil {
		return err
	}
	if err := m.makeExecutable(in.stage); err != nil {
		return err
	}
	runs, err := hasScript(in.stage)
	switch {
	case err != nil:
		return err
	case runs && !in.h.opts.Install.Scripts:
		return Errorf(ErrUnsupported, "install.sh is refused: set basic.installScript: allow to run the scripts that plugins bring")
	case len(in.req.ShellParas) > 0 && !exists(in.stage, scriptName):
		return invalid("have shell parameters : %v but no install.sh file", in.req.ShellParas)
	}
	fresh, err := in.h.reg.claim(in.req.ID, m.List())
	if err != nil {
		return err
	}
	in.undo = append(in.undo, func() { in.h.reg.unclaim(fresh) })
	in.plugin = Plugin{ID: in.req.ID, Manifest: m, Source: in.req.URL, SHA256: in.digest}
	in.record = Record{
		ID: in.req.ID, Source: in.req.URL, SHA256: in.digest, ShellParas: in.req.ShellParas,
		Installed: time.Now().UTC().Truncate(time.Second),
	}
	if m.Listed {
		in.record.Functions = m.Functions
	}
	return nil
}

// place moves the bundle to where it stays. Nothing names the folder before the
// store does, so a kill leaves something for the next start to sweep.
func (in *installation) place(context.Context) error {
	parent := in.h.paths.plugin(in.req.ID)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	in.undo = append(in.undo, func() { os.Remove(parent) }) // unless another generation is in it
	generation, err := nextGeneration(parent)
	if err != nil {
		return err
	}
	dir := filepath.Join(parent, generation)
	if err := os.Rename(in.stage, dir); err != nil {
		return err
	}
	in.undo = append(in.undo, func() {
		if err := in.h.discard(dir); err != nil {
			in.h.opts.Log.Warn("files remain until the next start", "plugin", in.req.ID.String(), "err", err)
		}
	})
	in.plugin.Dir, in.record.Bundle = dir, generation
	for _, d := range []string{parent, filepath.Dir(parent), filepath.Dir(filepath.Dir(parent))} {
		if err := syncDir(d); err != nil {
			return err
		}
	}
	return nil
}

// nextGeneration returns a folder name above those in parent.
func nextGeneration(parent string) (string, error) {
	list, err := os.ReadDir(parent)
	if err != nil {
		return "", err
	}
	last := 0
	for _, e := range list {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			last = max(last, n)
		}
	}
	return strconv.Itoa(last + 1), nil
}

// script runs install.sh where the bundle stays, since scripts write paths
// into what they make.
func (in *installation) script(ctx context.Context) error {
	runs, err := hasScript(in.plugin.Dir)
	if err != nil || !runs {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, in.h.opts.Install.ScriptTimeout)
	defer cancel()
	if err := runScript(ctx, in.plugin.Dir, in.req.ShellParas); err != nil {
		return err
	}
	return syncTree(in.plugin.Dir)
}

// load starts the module beside the old one.
func (in *installation) load(ctx context.Context) error {
	var st *State
	if in.old != nil && in.old.state != nil {
		st = in.old.state
	} else {
		var err error
		if st, err = NewState(in.h.opts.Store, in.req.ID); err != nil {
			return fmt.Errorf("%w: delete the plugin to start without it", err)
		}
	}
	e, err := in.h.load(ctx, in.plugin, in.record, st)
	if errors.Is(err, ErrRestart) {
		in.entry = in.old.postpone(in.plugin, in.record, err)
		in.entry.state = st
		in.carried = in.entry.module != nil
		return nil
	}
	if err != nil {
		return err
	}
	in.entry = e
	in.undo = append(in.undo, func() { in.h.abandon(ctx, e.module) })
	return nil
}

// store commits: from here on the new version is the one that is installed.
func (in *installation) store(context.Context) error {
	return in.h.opts.Store.PutPlugin(in.record)
}

// removeOld removes the files of the version that was replaced.
func (in *installation) removeOld() {
	old := []string{in.old.plugin.Dir}
	if in.old.plugin.DropIn {
		// .so files lie in a folder together: its Dir is not its own.
		old = in.h.paths.dropped(in.req.ID)
	}
	for _, path := range old {
		if path == "" || path == in.plugin.Dir {
			continue
		}
		if err := in.h.discard(path); err != nil {
			in.h.opts.Log.Warn("files of the old version remain", "plugin", in.req.ID.String(), "path", path, "err", err)
		}
	}
}
