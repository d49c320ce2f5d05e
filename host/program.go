package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The languages of plugins that are programs. A portable bundle may also be of
// language wasm, and is none then.
const (
	LanguageGo         = "go"
	LanguagePython     = "python"
	LanguageExecutable = "executable" // anything that can be executed
	languageWASM       = "wasm"
)

// IsProgram tells whether a manifest is that of a program.
func (m *Manifest) IsProgram() bool {
	return m.Executable != "" && slices.Contains([]string{LanguageGo, LanguagePython, LanguageExecutable}, m.Language)
}

// checkProgram judges what a manifest says of its program, before its symbols
// are looked at. The sentences are eKuiper's.
func (m *Manifest) checkProgram() error {
	switch {
	case m.Language == "":
		return invalid("invalid plugin, missing language")
	case m.Language == languageWASM:
		return nil
	case m.Executable == "":
		return invalid("invalid plugin, missing executable")
	case !filepath.IsLocal(m.Executable):
		return invalid("invalid plugin, executable %q: expected a path within the plugin's folder", m.Executable)
	}
	return nil
}

// checkLanguage is the end of checkProgram, which eKuiper has after the symbols.
func (m *Manifest) checkLanguage() error {
	switch {
	case m.Language != languageWASM && !m.IsProgram():
		return invalid("invalid plugin, language '%s' is not supported: expected %s, %s, %s or %s", m.Language,
			LanguageGo, LanguagePython, LanguageExecutable, languageWASM)
	case m.VirtualEnvType == "" && m.Env == "":
		return nil
	case m.VirtualEnvType != "conda" && m.VirtualEnvType != "venv":
		return invalid("invalid plugin, virtualEnvType '%s' is not supported: expected conda or venv", m.VirtualEnvType)
	case m.Env == "":
		return invalid("invalid plugin, missing env: the name of the conda environment, or the folder of the venv")
	case m.Language != LanguagePython:
		return invalid("invalid plugin, virtualEnvType is for plugins of language %s", LanguagePython)
	}
	return nil
}

// programFolders hold what a portable plugin brings for its symbols: they go to
// etc/ under the same names.
func programFolders() []string { return []string{"sources", "sinks", "functions"} }

// checkFiles reports what a bundle of a program lacks.
func (m *Manifest) checkFiles(dir string) error {
	if !m.IsProgram() {
		return nil
	}
	need := []string{m.Executable}
	for _, s := range m.Sources {
		need = append(need, filepath.Join("sources", s+".yaml"))
	}
	for _, f := range need {
		if !exists(dir, f) {
			return invalid("missing %s: found %s", f, strings.Join(filesBelow(dir), ", "))
		}
	}
	return nil
}

// makeExecutable sets the bit that zips made on some systems lack.
func (m *Manifest) makeExecutable(dir string) error {
	if !m.IsProgram() || m.Language == LanguagePython {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	info, err := root.Stat(m.Executable)
	if err != nil || info.Mode()&0o111 != 0 {
		return err
	}
	return root.Chmod(m.Executable, info.Mode().Perm()|0o555)
}

// ReadBundle reads what an unpacked bundle says of itself, as installing it would.
// Nothing of it runs. The error is ErrInvalid.
func ReadBundle(dir string, id ID) (Manifest, error) { return describe(dir, id, nil) }

// Status says how a plugin is. One that nobody watches is running or has an error.
// The error is ErrNotFound.
func (h *Host) Status(id ID) (Status, error) {
	e := h.reg.snapshot().plugins[id]
	if e == nil {
		return Status{}, Errorf(ErrNotFound, "%s: not found", id)
	}
	if m, ok := e.module.(Supervised); ok {
		return m.Status(), nil
	}
	st := Status{RefCount: map[string]int{}, State: StateRunning}
	if e.plugin.Err != nil {
		st.State, st.Message = StateError, e.plugin.Err.Error()
	}
	for _, s := range e.plugin.Manifest.List() {
		st.Symbols = append(st.Symbols, SymbolStatus{Symbol: s, Err: e.plugin.Err})
	}
	return st, nil
}

// Restart ends what runs of a plugin and starts it anew. One that could not be
// loaded is loaded again. The error is ErrNotFound, ErrUnsupported for a native
// plugin, or why it does not start.
func (h *Host) Restart(ctx context.Context, id ID) error {
	old, err := h.reg.begin(id)
	if err != nil {
		return err
	}
	defer h.reg.finish(id)
	if old == nil {
		return Errorf(ErrNotFound, "%s: not found", id)
	}
	if m, ok := old.module.(Supervised); ok {
		return m.Restart(ctx)
	}
	if old.module != nil || id.Class != ClassWASM && !old.plugin.Manifest.IsProgram() {
		return Errorf(ErrUnsupported, "%s: it does not run in a process of its own", id)
	}
	p := old.plugin
	p.Err = nil
	st := old.state
	if st == nil {
		if st, err = NewState(h.opts.Store, id); err != nil {
			return err
		}
	}
	fresh, err := h.reg.claim(id, p.Manifest.List())
	if err != nil {
		return err
	}
	e, err := h.load(ctx, p, old.record, st)
	if err != nil {
		h.reg.unclaim(fresh)
		return err
	}
	h.reg.publish(e)
	return nil
}

// Output returns what a plugin's processes printed. The error is ErrNotFound, or
// ErrUnsupported for a plugin without processes.
func (h *Host) Output(id ID) (Output, error) {
	e := h.reg.snapshot().plugins[id]
	if e == nil {
		return nil, Errorf(ErrNotFound, "%s: not found", id)
	}
	if m, ok := e.module.(Printing); ok {
		return m.Output(), nil
	}
	if err := e.plugin.Err; err != nil && !errors.Is(err, ErrRestart) {
		return nil, Errorf(ErrUnavailable, "%s: no process runs: %v", id, err)
	}
	return nil, Errorf(ErrUnsupported, "%s: it does not run in a process of its own", id)
}
