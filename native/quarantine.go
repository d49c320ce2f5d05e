package native

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// What is remembered of files, by digest, in folders of StateDir.
const (
	passedName     = "passed"
	quarantineName = "quarantine"
)

// recall tells what a probe of this file came to: it passed with what was looked
// for, or why it is in quarantine.
func (r *Runtime) recall(digest string, task []byte) (passed bool, reason string) {
	if r.opts.StateDir == "" {
		return false, ""
	}
	memo := r.memo(digest, task)
	if b, err := os.ReadFile(r.remembered(quarantineName, memo)); err == nil {
		return false, string(b)
	}
	_, err := os.Stat(r.remembered(passedName, memo))
	return err == nil, ""
}

// remember keeps it. What cannot be kept is found out again.
func (r *Runtime) remember(folder, memo, text string) {
	if r.opts.StateDir == "" {
		return
	}
	file := r.remembered(folder, memo)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err == nil {
		_ = os.WriteFile(file, []byte(text), 0o600)
	}
}

func (r *Runtime) remembered(folder, memo string) string {
	return filepath.Join(r.opts.StateDir, folder, memo)
}

// maxPassed bounds what is kept of files that passed.
const maxPassed = 1000

// prune forgets all that passed when it is too much: most of it was replaced long
// ago, and what is still there is tried again.
func prune(stateDir string) {
	dir := filepath.Join(stateDir, passedName)
	if list, err := os.ReadDir(dir); err == nil && len(list) > maxPassed {
		_ = os.RemoveAll(dir)
	}
}

// inQuarantine says what to do about a file that is. It may have been the machine
// that was too slow, and then the same file deserves another try.
func (r *Runtime) inQuarantine(memo string) string {
	return fmt.Sprintf("in quarantine until it is replaced by another (remove %s to try the same file again)",
		r.remembered(quarantineName, memo))
}

// memo names a file's digest in this very host, since another build of it may come
// to another result, and what was looked for: the same file may be installed again
// under other names, and the constructor of one function is not held against a
// list without it.
func (r *Runtime) memo(digest string, task []byte) string {
	sum := sha256.Sum256(task)
	looked := "-" + hex.EncodeToString(sum[:8])
	self, err := r.self()
	if err != nil || self.Build == nil {
		return digest + looked
	}
	return digest + "-" + self.Build.GoVersion + "-" + self.Build.Main.Version + fmt.Sprintf("-%d", self.Size) + looked
}
