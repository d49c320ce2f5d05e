package report_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/bench/internal/report"
)

// written is what Write made of rows.
type written struct {
	rows        []report.Row
	table, plot string
}

func write(t *testing.T, rows []report.Row, notes ...string) written {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	if err := report.Write(dir, "a <title> & more", rows, notes...); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	w := written{table: string(read("table.md")), plot: string(read("plot.svg"))}
	if err := json.Unmarshal(read("summary.json"), &w.rows); err != nil {
		t.Fatal(err)
	}
	return w
}

// A promise is judged by its bound, and one that is broken is shown in all three files.
func TestPromises(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		name string
		row  report.Row
		want *bool
	}{
		{"none", report.Row{Ratio: 9}, nil},
		{"ratio below", report.Row{Ratio: 1.1, Bound: 1.2}, &yes},
		{"ratio at", report.Row{Ratio: 1.2, Bound: 1.2}, &yes},
		{"ratio above", report.Row{Ratio: 1.21, Bound: 1.2}, &no},
		{"ratio missing", report.Row{Bound: 1.2}, &no},
		{"at least, above", report.Row{Ratio: 12, Bound: 10, AtLeast: true}, &yes},
		{"at least, at", report.Row{Ratio: 10, Bound: 10, AtLeast: true}, &yes},
		{"at least, below", report.Row{Ratio: 9.9, Bound: 10, AtLeast: true}, &no},
		{"at least, missing", report.Row{Bound: 10, AtLeast: true}, &no},
		{"ns below", report.Row{MedianNS: 2, Ratio: 50, Bound: 3, Of: report.OfNS}, &yes},
		{"ns above", report.Row{MedianNS: 4, Ratio: 1, Bound: 3, Of: report.OfNS}, &no},
		{"value below", report.Row{Value: 100, Unit: "bytes", MedianNS: 500, Bound: 128, Of: report.OfValue}, &yes},
		{"value above", report.Row{Value: 130, Unit: "bytes", MedianNS: 5, Bound: 128, Of: report.OfValue}, &no},
		{"allocates", report.Row{Ratio: 1, Bound: 1.2, NoAllocs: true, Allocs: 1}, &no},
		{"allocates rarely", report.Row{Ratio: 1, Bound: 1.2, NoAllocs: true, Allocs: 0.1}, &no},
		{"others allocate", report.Row{Ratio: 1, Bound: 1.2, NoAllocs: true, Allocs: 0.0004}, &yes},
		{"allocates, nothing else promised", report.Row{NoAllocs: true, Allocs: 2}, &no},
		{"no allocations, nothing else promised", report.Row{NoAllocs: true}, &yes},
		{"slow without allocations", report.Row{Ratio: 2, Bound: 1.2, NoAllocs: true}, &no},
		{"the caller's word: broken", report.Row{Ratio: 1, Bound: 2, Kept: &no}, &no},
		{"the caller's word: kept", report.Row{Ratio: 61, Bound: 60, Kept: &yes}, &yes},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.row.Work, c.row.Subject = "work", "subject"
			w := write(t, []report.Row{c.row})
			got := w.rows[0].Kept
			if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
				t.Fatalf("found %v, expected %v", show(got), show(c.want))
			}
			broken := c.want != nil && !*c.want
			if strings.Contains(w.table, "**BROKEN**") != broken {
				t.Errorf("broken is %v, and the table says\n%s", broken, w.table)
			}
			heads := map[bool]string{true: "0 promises kept, 1 broken", false: " 0 broken"}[broken]
			if !strings.Contains(w.table, heads) || !strings.Contains(w.plot, heads) {
				t.Errorf("the heads do not say %q", heads)
			}
			drawn := strings.Contains(w.plot, `class="broken"`) && strings.Contains(w.plot, " BROKEN</text>")
			// What was not measured has no bar, and the table alone tells.
			hasBar := c.row.Ratio > 0 || c.row.MedianNS > 0 || c.row.Value > 0
			if drawn != (broken && hasBar) {
				t.Errorf("broken is %v, and the plot says\n%s", broken, w.plot)
			}
		})
	}
}

func show(b *bool) string {
	switch {
	case b == nil:
		return "no promise"
	case *b:
		return "kept"
	default:
		return "broken"
	}
}

// The plot is XML whatever the names are, and all bars and ticks lie within it.
func TestPlot(t *testing.T) {
	w := write(t, []report.Row{
		{Work: `<&"'>`, Subject: "a\x00\x1b|b", Floor: "f", Ratio: 0.004, MedianNS: 1},
		{Work: "w", Subject: "huge", Floor: "f", Ratio: 84000, Bound: 1.2},
		{Work: "w", Subject: "far tick", Floor: "f", Ratio: 1, Bound: 1e6},
		{Work: "w", Subject: "beyond", Floor: "f", Ratio: 1e9},
		{Work: "w", Subject: "bytes", Value: 100, Unit: "bytes", Bound: 1, Of: report.OfValue},
	}, "a note")
	d := xml.NewDecoder(strings.NewReader(w.plot))
	d.Strict = true
	bars := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, w.plot)
		}
		if e, ok := token.(xml.StartElement); ok {
			at := attributes(t, e)
			if e.Name.Local == "rect" && at["class"] != 0 {
				bars++
			}
			if at["x"] < 0 || at["x"]+at["width"] > 1120 || at["x2"] > 1120 || at["x1"] < 0 {
				t.Errorf("found %v outside the plot", e)
			}
		}
	}
	if bars != 5 {
		t.Errorf("found %d bars, expected 5", bars)
	}
	for _, part := range []string{"prefers-color-scheme:dark", ">1,000,000<", `<path class="arrow"`} {
		if !strings.Contains(w.plot, part) {
			t.Errorf("the plot has no %q", part)
		}
	}
	if !strings.Contains(w.table, `a`+"\x00\x1b"+`\|b`) || !strings.Contains(w.table, "\na note\n") {
		t.Errorf("the table is\n%s", w.table)
	}
}

// attributes reads those that are numbers, and marks the classes of bars.
func attributes(t *testing.T, e xml.StartElement) map[string]float64 {
	t.Helper()
	at := map[string]float64{}
	for _, a := range e.Attr {
		var f float64
		if json.Unmarshal([]byte(a.Value), &f) == nil {
			at[a.Name.Local] = f
		}
		if a.Name.Local == "class" && (a.Value == "kept" || a.Value == "broken" || a.Value == "none") {
			at["class"] = 1
		}
	}
	return at
}

// The table names the machine and the time, and prints figures as people read them.
func TestTable(t *testing.T) {
	m := report.ThisMachine()
	if m.CPU == "" || m.Cores < 1 || m.Go == "" || m.Commit == "" || m.Date == "" {
		t.Errorf("found %+v", m)
	}
	w := write(t, []report.Row{
		{Work: "w", Subject: "s", Floor: "f", MedianNS: 1234567.8, FloorNS: 12.3456, Ratio: 100000.1, Allocs: 2.5},
		{Work: "w", Subject: "same", MedianNS: 0.5, Value: 131072, Unit: "bytes"},
	})
	for _, want := range []string{
		"| w | s | 1,234,568 | f | 12.3 | 100,000x | 2.5 |  |  |",
		"|  | same | 131,072 bytes |  |  |  | 0 |  |  |",
		m.CPU, m.Go, m.Commit,
	} {
		if !strings.Contains(w.table, want) {
			t.Errorf("%q is not in\n%s", want, w.table)
		}
	}
	if !strings.Contains(w.plot, "a &lt;title&gt; &amp; more") {
		t.Error("the plot has no title")
	}
}

// Rows that nobody could read, and figures that are none, are errors.
func TestWriteRefuses(t *testing.T) {
	for name, row := range map[string]report.Row{
		"no work":      {Subject: "s"},
		"no subject":   {Work: "w"},
		"bound":        {Work: "w", Subject: "s", Bound: -1},
		"not a number": {Work: "w", Subject: "s", Ratio: math.NaN()},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		if err := report.Write(dir, "t", []report.Row{row}); err == nil {
			t.Errorf("%s: found no error", name)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: something was written", name)
		}
	}
}
