package report

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// The plot's measures, in pixels.
const (
	plotWidth  = 1120
	labelWidth = 470
	textWidth  = 160
	barsWidth  = plotWidth - labelWidth - textWidth
	lineHeight = 20
	headHeight = 70
	axisHeight = 34
)

// plotStyle colours the plot for a light page and for a dark one. Broken is told
// by the dashed outline and the word too, not by the colour alone.
const plotStyle = `<style>
text{font:12px system-ui,sans-serif;fill:#1f2328}.soft{fill:#656d76}.title{font-size:16px;font-weight:600}
.page{fill:#fff}.none{fill:#8c959f}.kept{fill:#1a7f37}.broken{fill:#cf222e;stroke:#1f2328;stroke-dasharray:3 2}
.grid{stroke:#d0d7de}.tick{stroke:#1f2328;stroke-width:3}.arrow{fill:#656d76}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.soft{fill:#9198a1}.page{fill:#0d1117}.none{fill:#656c76}.kept{fill:#3fb950}
.broken{fill:#f85149;stroke:#e6edf3}.grid{stroke:#3d444d}.tick{stroke:#e6edf3}.arrow{fill:#9198a1}}
</style>`

// bar is one bar of the plot: how long, where its tick is (0 for none), and what is written to the right.
type bar struct {
	label, text, class string
	length, tick       float64
}

// panel is a set of bars with an axis of their own, which is logarithmic and starts at 1 or below.
type panel struct {
	caption string
	bars    []bar
}

// plot draws the ratios with what was promised of them, and below them the promises of absolute
// figures as shares of their bounds.
func plot(title string, m Machine, rows []Row) []byte {
	ratios := panel{caption: "time over that of the floor (1 = the floor itself); the tick is the promise, an arrow goes on beyond the axis"}
	shares := panel{caption: "measured over promised, of promises that are not ratios; the tick is the promise"}
	for _, r := range rows {
		b := bar{label: r.Work + ": " + r.Subject, class: "none"}
		if r.Kept != nil {
			b.class = "kept"
			if !*r.Kept {
				b.class = "broken"
			}
		}
		switch {
		case r.Bound > 0 && r.Of != OfRatio && r.held() > 0:
			b.length, b.tick, b.text = r.held()/r.Bound, 1, own(r)
			if r.Unit == "" {
				b.text += " ns"
			}
			shares.bars = append(shares.bars, b.said())
		case r.Ratio > 0:
			b.length, b.tick, b.text = r.Ratio, r.Bound, times(r.Ratio)
			if r.Of != OfRatio {
				b.tick = 0
			}
			ratios.bars = append(ratios.bars, b.said())
		}
	}
	var out strings.Builder
	y := headHeight
	for _, p := range []panel{ratios, shares} {
		if len(p.bars) > 0 {
			y = p.draw(&out, y)
		}
	}
	kept, broken := count(rows)
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">
<title>%s</title>%s
<rect class="page" width="%d" height="%d"/>
<text class="title" x="12" y="26">%s: %d promises kept, %d broken</text>
<text class="soft" x="12" y="46">%s</text>
`, plotWidth, y, plotWidth, y, escape(title), plotStyle, plotWidth, y, escape(title), kept, broken, escape(m.String()))
	return []byte(head + out.String() + "</svg>\n")
}

// said writes the word beside a bar whose promise is broken.
func (b bar) said() bar {
	if b.class == "broken" {
		b.text += " BROKEN"
	}
	return b
}

// far is how much less than promised a bar may be before it is cut.
const far = 30

// span is what the axis shows: all that promises are about, and of other bars as much as does not
// squeeze those.
func (p panel) span() (low, high float64) {
	low, high = 0.5, 20
	for _, b := range p.bars {
		if b.tick > 0 {
			low, high = min(low, max(b.length, b.tick/far), b.tick), max(high, b.length, b.tick)
		}
	}
	return low / 1.15, high * 1.15 // so that what lies at an end is seen
}

// draw draws the panel from y downward and returns where it ends.
func (p panel) draw(out *strings.Builder, y int) int {
	low, high := p.span()
	at := func(v float64) float64 {
		return labelWidth + barsWidth*math.Log(min(max(v, low), high)/low)/math.Log(high/low)
	}
	bottom := y + axisHeight + len(p.bars)*lineHeight
	fmt.Fprintf(out, "<text class=\"soft\" x=\"12\" y=\"%d\">%s</text>\n", y+12, escape(p.caption))
	for _, v := range gridLines(low, high) {
		fmt.Fprintf(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", at(v), at(v), y+axisHeight-6, bottom)
		fmt.Fprintf(out, "<text class=\"soft\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">%s</text>\n", at(v), y+axisHeight-8, figure(v))
	}
	for i, b := range p.bars {
		top := y + axisHeight + i*lineHeight
		from, to := min(at(1), at(b.length)), max(at(1), at(b.length))
		fmt.Fprintf(out, "<text text-anchor=\"end\" x=\"%d\" y=\"%d\">%s</text>", labelWidth-8, top+14, escape(b.label))
		fmt.Fprintf(out, "<rect class=%q x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>", b.class, from, top+4, max(to-from, 2), lineHeight-8)
		if b.tick > 0 {
			fmt.Fprintf(out, "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", at(b.tick), at(b.tick), top+1, top+lineHeight-1)
		}
		// An arrow over the end of a bar that goes on beyond the axis.
		mid := top + lineHeight/2
		switch end := at(b.length); {
		case b.length > high:
			fmt.Fprintf(out, "<path class=\"arrow\" d=\"M%.1f %d l-7 -7 v14 z\"/>", end+4, mid)
		case b.length < low:
			fmt.Fprintf(out, "<path class=\"arrow\" d=\"M%.1f %d l7 -7 v14 z\"/>", end-4, mid)
		}
		fmt.Fprintf(out, "<text x=\"%d\" y=\"%d\">%s</text>\n", plotWidth-textWidth+8, top+14, escape(b.text))
	}
	return bottom + 24
}

// gridLines are the round values between two: 1, 2 and 5 of each decade, or the decades alone where
// those would be too many.
func gridLines(low, high float64) []float64 {
	steps := []float64{1, 2, 5}
	if high/low > 1e4 {
		steps = steps[:1]
	}
	var lines []float64
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for _, s := range steps {
			if v := s * math.Pow(10, e); v >= low && v <= high {
				lines = append(lines, v)
			}
		}
	}
	return lines
}

// escape makes a text safe within XML.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
