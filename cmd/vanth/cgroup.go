package main

import (
	"bufio"
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// groupLimit returns the least limit of memory, in bytes, among the control groups
// that this process is in, which are nested, and the file that says so; 0 where there
// is none. root is the root of the file system. Groups of both versions count, since
// a machine may have both.
func groupLimit(root fs.FS) (least int64, where string) {
	groups, err := memoryGroups(root)
	if err != nil {
		return 0, "" // no Linux, or /proc is not mounted
	}
	for _, m := range memoryMounts(root) {
		group, ok := groups[m.version]
		if !ok {
			continue
		}
		// The mount may show a part of the tree only: in a container that part is
		// usually its own group, whatever the path before it.
		below, ok := strings.CutPrefix(group, strings.TrimSuffix(m.part, "/"))
		if !ok || below != "" && below[0] != '/' {
			below = ""
		}
		for dir := path.Clean("/" + below); ; dir = path.Dir(dir) {
			for _, name := range m.version.files() {
				file := path.Join(m.point, dir, name)
				if n := readLimit(root, file); n > 0 && (least == 0 || n < least) {
					least, where = n, file
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return least, where
}

// groupVersion is that of control groups: 1 or 2.
type groupVersion int

// files names those of a group that hold a limit of memory. Beyond memory.high the
// kernel slows a process down until it hardly runs, so that is a limit too.
func (v groupVersion) files() []string {
	if v == 1 {
		return []string{"memory.limit_in_bytes"}
	}
	return []string{"memory.max", "memory.high"}
}

// memoryGroups reads which groups of each version account for this process's memory.
// A line is "4:memory:/a/b"; that of version 2 is "0::/a/b".
func memoryGroups(root fs.FS) (map[groupVersion]string, error) {
	groups := map[groupVersion]string{}
	err := eachLine(root, "proc/self/cgroup", func(line string) {
		id, rest, _ := strings.Cut(line, ":")
		controllers, group, _ := strings.Cut(rest, ":")
		switch {
		case id == "0" && controllers == "":
			groups[2] = group
		case inList(controllers, "memory"):
			groups[1] = group
		}
	})
	return groups, err
}

// groupMount is where a tree of groups is mounted.
type groupMount struct {
	version groupVersion
	part    string // of the tree, that is mounted
	point   string
}

// memoryMounts reads where groups that account for memory are mounted. A line is
// "35 31 0:32 /part /mount/point rw shared:1 - cgroup cgroup rw,memory"; there may be
// any number of fields before the dash.
func memoryMounts(root fs.FS) (list []groupMount) {
	_ = eachLine(root, "proc/self/mountinfo", func(line string) {
		before, after, _ := strings.Cut(line, " - ")
		f, kind := strings.Fields(before), strings.Fields(after)
		if len(f) < 5 || len(kind) < 3 {
			return
		}
		m := groupMount{part: unescaped(f[3]), point: unescaped(f[4])}
		switch {
		case kind[0] == "cgroup2":
			m.version = 2
		case kind[0] == "cgroup" && inList(kind[2], "memory"):
			m.version = 1
		default:
			return
		}
		list = append(list, m)
	})
	return list
}

// unescaped undoes what mountinfo does to paths with spaces.
func unescaped(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// inList reports whether a word is in a comma list.
func inList(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// readLimit reads a file that has a number of bytes, or says that there is no limit:
// version 2 writes max, version 1 a number that no machine has.
func readLimit(root fs.FS, file string) int64 {
	b, err := fs.ReadFile(root, strings.TrimPrefix(file, "/"))
	if err != nil {
		return 0 // the topmost group has no such file
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	const none = 1 << 60
	if errors.Is(err, strconv.ErrSyntax) || n >= none {
		return 0
	}
	return max(1, int64(n)) // a limit of 0 bytes is one
}

// eachLine calls line with every line of a file.
func eachLine(root fs.FS, name string, line func(string)) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	s := bufio.NewScanner(f)
	for s.Scan() {
		line(s.Text())
	}
	return s.Err()
}
