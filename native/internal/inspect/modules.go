package inspect

import (
	"cmp"
	"maps"
	"path"
	"runtime/debug"
	"slices"
)

// comparison is the outcome for the packages that are in both.
type comparison struct {
	known  bool     // both sides have fingerprints, of the same machine
	both   []string // in both, sorted
	differ []string // those whose fingerprints differ
}

// clashes compares the fingerprints.
func clashes(f *File, h *Host) comparison {
	c := comparison{known: len(f.Packages) > 0 && len(h.Packages) > 0 && f.Machine == h.Machine}
	if !c.known {
		return c
	}
	for _, p := range slices.Sorted(maps.Keys(f.Packages)) {
		if _, ok := h.Packages[p]; !ok || p == f.PluginPath {
			continue
		}
		c.both = append(c.both, p)
		if f.Packages[p] != h.Packages[p] {
			c.differ = append(c.differ, p)
		}
	}
	return c
}

// earlier names the packages that came into the process with another plugin,
// and returns the comparison without them.
func (d *differences) earlier(c comparison) comparison {
	by := make(map[string][]string)
	c.differ = slices.DeleteFunc(slices.Clone(c.differ), func(p string) bool {
		from, ok := d.h.from[p]
		if ok {
			by[from] = append(by[from], p)
		}
		return ok
	})
	for _, from := range slices.Sorted(maps.Keys(by)) {
		d.add("package %s is not the one that plugin %s brought into this process: build both with the same modules and flags, "+
			"or restart the host without that plugin", several(by[from]), show(from))
	}
	return c
}

// modules names every module that is in both at another version or with other
// sources, the contract first, and returns the comparison without its packages.
func (d *differences) modules(c comparison) comparison {
	ours, theirs := moduleMap(d.h.Build), moduleMap(d.f.Build)
	shared := slices.SortedFunc(maps.Keys(theirs), func(a, b string) int {
		if (a == Contract) != (b == Contract) {
			return map[bool]int{true: -1, false: 1}[a == Contract]
		}
		return cmp.Compare(a, b)
	})
	named := make(map[string]bool)
	for _, m := range shared {
		if ours[m] == nil {
			continue
		}
		owned := func(p string) bool { return owner(p, theirs) == m }
		if c.known && !slices.ContainsFunc(c.both, owned) {
			continue // no package of it is in both
		}
		suspect := !c.known || slices.ContainsFunc(c.differ, owned)
		named[m] = d.module(theirs[m], ours[m], suspect)
	}
	c.differ = slices.DeleteFunc(slices.Clone(c.differ), func(p string) bool { return named[owner(p, theirs)] })
	return c
}

// module compares a module that is in both and reports whether it named it.
// Sources count only when the fingerprints raise suspicion, or are not known: a
// replaced module may well be the same. Another version is another fingerprint
// always, since file names in export data hold it.
func (d *differences) module(a, b *debug.Module, suspect bool) bool {
	x, y := effective(a), effective(b)
	replaced := a.Replace != nil || b.Replace != nil
	switch {
	case a.Version != b.Version && (suspect || !replaced):
	case suspect && (x.Path != y.Path || x.Version != y.Version):
	case suspect && x.Sum != "" && y.Sum != "" && x.Sum != y.Sum:
	default:
		return false
	}
	todo := "go get " + b.Path + "@" + show(b.Version) + " and rebuild"
	switch {
	case b.Replace != nil:
		todo = "rebuild with the same sources"
	case a.Replace != nil:
		todo = "drop the replacement, " + todo
	case a.Version == b.Version:
		todo = "its sum differs, go mod verify and rebuild"
	}
	d.add("built with %s %s, this host has %s: %s", show(a.Path), version(a), version(b), todo)
	return true
}

// version writes a module's version and what replaced it.
func version(m *debug.Module) string {
	if r := m.Replace; r != nil {
		return show(m.Version) + " replaced by " + show(r.Path) + " " + show(r.Version)
	}
	return show(m.Version)
}

func effective(m *debug.Module) *debug.Module {
	if m.Replace != nil {
		return m.Replace
	}
	return m
}

// moduleMap holds the main module and what it depends on by path.
func moduleMap(b *debug.BuildInfo) map[string]*debug.Module {
	list := make(map[string]*debug.Module)
	if b == nil {
		return list
	}
	for _, m := range b.Deps {
		list[m.Path] = m
	}
	if b.Main.Path != "" {
		list[b.Main.Path] = &b.Main
	}
	return list
}

// owner is the path of the module that a package is in; empty for the standard
// library.
func owner(pkg string, modules map[string]*debug.Module) string {
	for p := pkg; p != "." && p != "/"; p = path.Dir(p) {
		if modules[p] != nil {
			return p
		}
	}
	return ""
}
