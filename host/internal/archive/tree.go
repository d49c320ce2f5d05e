package archive

import "strings"

// node is what a path becomes on disk.
type node struct {
	path     string
	dir      bool
	declared bool // by an entry of its own, not only by a path that goes through it
}

// judgeTree reports entries that would meet on disk: the same path twice, two spellings of one
// name, a file where others need a folder. Folders that only paths name take part, and count.
func judgeTree(records []record, l Limits, f *faults) {
	nodes := make(map[string]node, len(records))
	for i := range records {
		r := &records[i]
		if r.nameLen > l.PathBytes || nameReason(r.name, l.Depth) != "" {
			continue // reported; it has no place in the tree
		}
		path := r.path()
		folded := fold(path)
		if !placeParents(nodes, r.name, path, folded, f) {
			continue
		}
		place(nodes, r.name, folded, node{path: path, dir: r.isDir(), declared: true}, f)
		if len(nodes) > l.Entries {
			f.add("too many files and folders: limit %d", l.Entries)
			return
		}
	}
}

// placeParents walks both spellings in step. Their lengths differ, their components do not: no
// other rune folds to a slash.
func placeParents(nodes map[string]node, name, path, folded string, f *faults) bool {
	for i, j := 0, 0; ; i, j = i+1, j+1 {
		di, dj := strings.IndexByte(path[i:], '/'), strings.IndexByte(folded[j:], '/')
		if di < 0 {
			return true
		}
		i, j = i+di, j+dj
		if !place(nodes, name, folded[:j], node{path: path[:i], dir: true}, f) {
			return false
		}
	}
}

// place puts n under its folded path. name is the entry to blame.
func place(nodes map[string]node, name, folded string, n node, f *faults) bool {
	old, taken := nodes[folded]
	switch {
	case !taken:
		nodes[folded] = n
		return true
	case old.path != n.path:
		f.entry(name, "%s and %s differ in case only", quote(n.path), quote(old.path))
	case old.dir != n.dir:
		f.entry(name, "%s is a file and a folder", quote(n.path))
	case n.declared && old.declared:
		f.entry(name, "twice in the archive")
	default:
		old.declared = old.declared || n.declared
		nodes[folded] = old
		return true
	}
	return false
}

// folders returns the paths of all folders that entries need, parents before children.
func folders(entries []Entry) []string {
	seen := map[string]bool{}
	var list []string
	add := func(path string) {
		if !seen[path] {
			seen[path] = true
			list = append(list, path)
		}
	}
	for _, e := range entries {
		for i := range len(e.Name) {
			if e.Name[i] == '/' {
				add(e.Name[:i])
			}
		}
		if e.Dir {
			add(e.Name)
		}
	}
	return list
}
