package host

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Native plugins bring configuration files, which operators edit, to etc/:
//
//	<name>.yaml   etc/<class>/<name>.yaml, unless it is there (sources)
//	<name>.json   etc/<class>/<name>.json
//	etc/...       etc/<class>/<name>/...
//
// and programs those of their symbols:
//
//	sources/..., sinks/..., functions/...     etc/ and the same path
//
// They stand outside the bundle, so neither a rename nor the store's
// transaction covers them. A journal does: it is written, with copies of what
// will be overwritten, before the first file is touched, and is removed after
// the commit. One that is found at the start is undone, unless its operation
// was committed; one of a removal that was committed is finished.
//
// Everything goes through an os.Root on etc/: operators put links there, and a
// plugin is not to write, or to have removed, what stands elsewhere.

// journal is an operation on configuration files.
type journal struct {
	ID     ID           `json:"id"`
	Bundle string       `json:"bundle"`          // generation that the operation brings
	Remove bool         `json:"remove,omitzero"` // it brings none, and Files go after the commit
	Files  []configFile `json:"files"`
}

// configFile is a file of a bundle on its way to etc/.
type configFile struct {
	From string `json:"from"`          // below the bundle
	To   string `json:"to"`            // below etc/
	Was  bool   `json:"was,omitempty"` // the journal's folder has what was there before, by number
	// Mode is what its mode was.
	Mode fs.FileMode `json:"mode,omitempty"`
}

const (
	journalName   = "journal.json"
	journalPrefix = "config-"
)

// configFiles lists what a bundle brings to etc/.
func (p paths) configFiles(dir string, id ID, m Manifest) (list []configFile) {
	if m.IsProgram() {
		for _, folder := range programFolders() {
			for _, f := range filesBelow(filepath.Join(dir, folder)) {
				list = append(list, configFile{From: filepath.Join(folder, f), To: filepath.Join(folder, f)})
			}
		}
		return list
	}
	if m.Language != LanguageNative {
		return nil
	}
	class := string(id.Class)
	yaml, about := id.Name+".yaml", id.Name+".json"
	if id.Class == ClassSources && exists(dir, yaml) && !exists(filepath.Join(p.etc, class), yaml) {
		list = append(list, configFile{From: yaml, To: filepath.Join(class, yaml)})
	}
	if exists(dir, about) {
		list = append(list, configFile{From: about, To: filepath.Join(class, about)})
	}
	for _, f := range filesBelow(filepath.Join(dir, "etc")) {
		list = append(list, configFile{From: filepath.Join("etc", f), To: filepath.Join(class, id.Name, f)})
	}
	return list
}

// config brings the bundle's configuration files to etc/.
func (in *installation) config(context.Context) error {
	files := in.h.paths.configFiles(in.plugin.Dir, in.req.ID, in.plugin.Manifest)
	for _, f := range files {
		in.record.Files = append(in.record.Files, f.To)
	}
	if in.old != nil {
		// What an earlier version brought and this one finds in place is still
		// the plugin's.
		for _, f := range in.old.record.Files {
			if exists(in.h.paths.etc, f) && !slices.Contains(in.record.Files, f) {
				in.record.Files = append(in.record.Files, f)
			}
		}
	}
	if len(files) == 0 {
		return nil
	}
	dir, err := os.MkdirTemp(in.h.paths.tmp, journalPrefix+"*")
	if err != nil {
		return err
	}
	j := journal{ID: in.req.ID, Bundle: in.record.Bundle, Files: files}
	if err := in.h.backUp(dir, &j); err != nil {
		return errors.Join(err, os.RemoveAll(dir)) // nothing was touched
	}
	in.journal = dir
	in.undo = append(in.undo, func() {
		if err := in.h.undoConfig(dir, j); err != nil {
			in.h.opts.Log.Error("configuration files are not as they were; it is tried again at the next start", "plugin", in.req.ID.String(), "err", err)
		}
	})
	root, err := in.h.paths.openEtc()
	if err != nil {
		return err
	}
	defer root.Close()
	for _, f := range j.Files {
		if err := writeConfig(root, filepath.Join(in.plugin.Dir, f.From), f.To, f.mode()); err != nil {
			return err
		}
	}
	return nil
}

// openEtc opens etc/, which is made when it is missing.
func (p paths) openEtc() (*os.Root, error) {
	if err := os.MkdirAll(p.etc, 0o755); err != nil {
		return nil, err
	}
	return os.OpenRoot(p.etc)
}

// backUp copies what will be overwritten, and writes the journal.
func (h *Host) backUp(dir string, j *journal) error {
	root, err := h.paths.openEtc()
	if err != nil {
		return err
	}
	defer root.Close()
	for i := range j.Files {
		f := &j.Files[i]
		if link, there := linkOn(root, f.To); there {
			return invalid("the bundle brings the file etc/%s, where etc/%s is a link: put a folder in its place, or a file", f.To, link)
		}
		info, err := root.Lstat(f.To)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case !info.Mode().IsRegular():
			return invalid("the bundle brings the file etc/%s, where a %s is", f.To, info.Mode().Type())
		}
		b, err := root.ReadFile(f.To)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), b, 0o600); err != nil {
			return err
		}
		f.Was, f.Mode = true, info.Mode().Perm()
	}
	return writeJournal(dir, *j)
}

// linkOn returns the first link on the way to a file, or the file itself when it
// is one. Links are refused also where they stay below etc/: they could lead to
// the keys of tokens, and a link that was overwritten cannot be put back.
func linkOn(root *os.Root, file string) (link string, there bool) {
	for i, c := range file + "/" {
		if c != filepath.Separator {
			continue
		}
		if info, err := root.Lstat(file[:i]); err != nil {
			return "", false // nothing is there, nor below
		} else if info.Mode().Type() == fs.ModeSymlink {
			return file[:i], true
		}
	}
	return "", false
}

// mode is that of the file that was there before; secrets stay so.
func (f configFile) mode() fs.FileMode {
	if f.Was {
		return f.Mode
	}
	return 0o644
}

func writeJournal(dir string, j journal) error {
	b, err := json.Marshal(j)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, journalName+".tmp"), b, 0o600); err != nil {
		return err
	}
	if err := syncTree(dir); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, journalName+".tmp"), filepath.Join(dir, journalName)); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

// dropJournal ends the operation after the commit.
func (in *installation) dropJournal() {
	if in.journal != "" {
		_ = os.RemoveAll(in.journal)
	}
}

// undoConfig puts back what was there before, and ends the operation.
func (h *Host) undoConfig(dir string, j journal) error {
	root, err := h.paths.openEtc()
	if err != nil {
		return err
	}
	defer root.Close()
	var errs []error
	for i, f := range j.Files {
		if f.Was {
			errs = append(errs, writeConfig(root, filepath.Join(dir, fmt.Sprint(i)), f.To, f.mode()))
		} else if err := root.Remove(f.To); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	h.removeEmpty(j.ID)
	if err := errors.Join(errs...); err != nil {
		return err // the copies are the only ones there are
	}
	return os.RemoveAll(dir)
}

// settleConfig undoes the operations that a kill interrupted before they were
// committed.
func (h *Host) settleConfig(found []*candidate) {
	dirs, _ := filepath.Glob(filepath.Join(h.paths.tmp, journalPrefix+"*"))
	for _, dir := range dirs {
		b, err := os.ReadFile(filepath.Join(dir, journalName))
		var j journal
		if err != nil || json.Unmarshal(b, &j) != nil {
			continue // it had not begun; the sweep removes the folder
		}
		stands := slices.ContainsFunc(found, func(c *candidate) bool {
			return c.record.ID == j.ID && (j.Remove || c.record.Bundle == j.Bundle)
		})
		switch {
		case stands: // a removal was not committed, or an installation was
			_ = os.RemoveAll(dir)
			continue
		case j.Remove:
			h.removeConfig(j)
			_ = os.RemoveAll(dir)
			continue
		}
		if err := h.undoConfig(dir, j); err != nil {
			h.opts.Log.Error("configuration files of an installation that was cut off remain", "plugin", j.ID.String(), "err", err)
		}
	}
}

// planRemoval writes the journal of a removal; its folder is "" when the plugin
// brought no files.
func (h *Host) planRemoval(rec Record) (dir string, j journal, err error) {
	if len(rec.Files) == 0 {
		return "", j, nil
	}
	j = journal{ID: rec.ID, Remove: true}
	for _, f := range rec.Files {
		j.Files = append(j.Files, configFile{To: f})
	}
	if dir, err = os.MkdirTemp(h.paths.tmp, journalPrefix+"*"); err != nil {
		return "", j, err
	}
	return dir, j, writeJournal(dir, j)
}

// removeConfig removes the files that a plugin brought, and only those.
func (h *Host) removeConfig(j journal) {
	root, err := os.OpenRoot(h.paths.etc)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			h.opts.Log.Warn("configuration files remain", "plugin", j.ID.String(), "err", err)
		}
		return
	}
	defer root.Close()
	for _, f := range j.Files {
		if link, there := linkOn(root, filepath.Dir(f.To)); there {
			h.opts.Log.Warn("a configuration file remains, since a link leads to it", "plugin", j.ID.String(), "file", f.To, "link", link)
		} else if err := root.Remove(f.To); err != nil && !errors.Is(err, fs.ErrNotExist) {
			h.opts.Log.Warn("a configuration file remains", "plugin", j.ID.String(), "file", f.To, "err", err)
		}
	}
	h.removeEmpty(j.ID)
}

// removeEmpty removes the folders of a plugin's configuration that are empty,
// the deepest first.
func (h *Host) removeEmpty(id ID) {
	root, err := os.OpenRoot(h.paths.etc)
	if err != nil {
		return
	}
	defer root.Close()
	own := filepath.Join(string(id.Class), id.Name)
	if _, there := linkOn(root, own); there {
		return
	}
	var folders []string
	_ = fs.WalkDir(root.FS(), own, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			folders = append(folders, path)
		}
		return err
	})
	for _, f := range slices.Backward(folders) {
		_ = root.Remove(f) // fails, rightly, where something is in it
	}
}

// writeConfig makes a file below root a copy of from, in one step, durable.
func writeConfig(root *os.Root, from, to string, mode fs.FileMode) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	dir := filepath.Dir(to)
	if err := root.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temp := filepath.Join(dir, ".new-"+rand.Text())
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = root.Rename(temp, to)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	folder, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
