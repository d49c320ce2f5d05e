package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// table is the report as Markdown.
func table(title string, m Machine, rows []Row, notes []string) []byte {
	var b strings.Builder
	kept, broken := count(rows)
	fmt.Fprintf(&b, "# %s\n\n%s\n\n%d promises kept, %d broken. Medians of interleaved rounds in one process; only ratios count.\n\n",
		title, m, kept, broken)
	b.WriteString("| work | subject | ns | floor | floor ns | ratio | allocs | promise | kept |\n")
	b.WriteString("| --- | --- | ---: | --- | ---: | ---: | ---: | --- | --- |\n")
	last := ""
	for _, r := range rows {
		work := r.Work
		if work == last {
			work = ""
		}
		last = r.Work
		cells := []string{
			work, r.Subject, own(r), r.Floor, figure(r.FloorNS), times(r.Ratio), allocs(r.Allocs), r.Promise, verdict(r),
		}
		for i, c := range cells {
			cells[i] = strings.NewReplacer("|", "\\|", "\n", " ").Replace(c)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	for _, n := range notes {
		b.WriteString("\n" + n + "\n")
	}
	return []byte(b.String())
}

// count tells how many promises were kept and how many broken.
func count(rows []Row) (kept, broken int) {
	for _, r := range rows {
		switch {
		case r.Kept == nil:
		case *r.Kept:
			kept++
		default:
			broken++
		}
	}
	return kept, broken
}

// verdict is the word for what came of a promise.
func verdict(r Row) string {
	switch {
	case r.Kept == nil:
		return ""
	case *r.Kept:
		return "yes"
	default:
		return "**BROKEN**"
	}
}

// own is what was measured of the subject itself.
func own(r Row) string {
	if r.Unit != "" {
		return figure(r.Value) + " " + r.Unit
	}
	return figure(r.MedianNS)
}

// figure prints three digits of a number, and all those before the point.
func figure(v float64) string {
	switch {
	case v == 0:
		return ""
	case math.Abs(v) >= 100:
		s := strconv.FormatFloat(v, 'f', 0, 64)
		for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}

func times(v float64) string {
	switch {
	case v == 0:
		return ""
	case v < 0.1:
		return strconv.FormatFloat(v, 'g', 2, 64) + "x"
	case v >= 1000:
		return figure(v) + "x"
	default:
		return strconv.FormatFloat(v, 'f', 2, 64) + "x"
	}
}

// allocs hides what others in the process allocated meanwhile.
func allocs(v float64) string {
	if v < noAllocs {
		return "0"
	}
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}
