package archive

import (
	"archive/zip"
	"errors"
	"fmt"
	"strings"
)

// ErrRefused matches every error about the archive itself. Other errors are faults of the disk or
// the end of the context.
var ErrRefused = errors.New("archive refused")

const (
	maxReported   = 20
	maxNameQuoted = 120
)

// malformed says that the file as a whole is not a zip archive that can be read in one way only.
// The text begins as eKuiper's, which is that of archive/zip.
func malformed(format string, args ...any) error {
	return &refusal{err: fmt.Errorf("%w: %s", zip.ErrFormat, fmt.Sprintf(format, args...))}
}

// refusal matches ErrRefused and what it wraps, in the words of the latter.
type refusal struct{ err error }

func (r *refusal) Error() string        { return r.err.Error() }
func (r *refusal) Is(target error) bool { return target == ErrRefused }
func (r *refusal) Unwrap() error        { return r.err }

// faults collects what is wrong with single entries and with the archive's totals.
type faults struct {
	first []string
	count int
}

func (f *faults) add(format string, args ...any) {
	f.count++
	if len(f.first) < maxReported {
		f.first = append(f.first, fmt.Sprintf(format, args...))
	}
}

func (f *faults) entry(name, format string, args ...any) {
	f.add("%s: %s", quote(name), fmt.Sprintf(format, args...))
}

// err is nil without faults.
func (f *faults) err() error {
	if f.count == 0 {
		return nil
	}
	text := strings.Join(f.first, "; ")
	if more := f.count - len(f.first); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return fmt.Errorf("%w: %s", ErrRefused, text)
}

// quote makes any name harmless in a log and short enough for an answer.
func quote(name string) string {
	if len(name) > maxNameQuoted {
		return fmt.Sprintf("%q...", name[:maxNameQuoted])
	}
	return fmt.Sprintf("%q", name)
}
