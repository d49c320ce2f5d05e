package bench

import (
	"os"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/bench/internal/report"
)

// study is what cannot be measured by turns of equal work: memory, waits, starts
// of whole hosts.
type study struct {
	name string
	rows func(t testing.TB) []report.Row
}

// studies are all of them.
func studies() []study {
	var list []study
	for _, some := range [][]study{meterStudies(), neighbourStudies(), bootStudies(), memoryStudies()} {
		list = append(list, some...)
	}
	return list
}

// wanted reports whether VANTH_WORK picks the name; it picks all when it is not
// set.
func wanted(name string) bool { return strings.Contains(name, os.Getenv("VANTH_WORK")) }
