package main

import (
	"fmt"

	"github.com/vanth-io/vanth/bench/internal/report"
)

// The subjects that peers are held against: the first of them that did the work.
const (
	pinnedName = "Vanth, pinned"
	handleName = "Vanth, handle"
)

// rows are the figures over the floor, and below a name of its own those of peers that
// P13 speaks of over Vanth.
func (w *work) rows(figures []report.Figure, list []opener) []report.Row {
	rows := report.Rows(w.name, figures)
	base := find(figures, pinnedName, handleName)
	if base == nil {
		return rows
	}
	for _, o := range list {
		bound, f := w.promised[o.peer], find(figures, o.name)
		if bound == 0 || f == nil {
			continue
		}
		rows = append(rows, report.Row{
			Work: w.name + ", times Vanth", Subject: f.Name, Floor: base.Name,
			MedianNS: f.MedianNS, FloorNS: base.MedianNS, Ratio: f.Ratio / base.Ratio, Allocs: f.Allocs,
			Promise: fmt.Sprintf("P13: at least %gx", bound), Bound: bound, AtLeast: true,
		})
	}
	return rows
}

// find returns the figure of the first name that has one; nil if none has.
func find(figures []report.Figure, names ...string) *report.Figure {
	for _, name := range names {
		for i := range figures {
			if figures[i].Name == name {
				return &figures[i]
			}
		}
	}
	return nil
}

// notes say below the table what it cannot.
func notes(skipped []string) []string {
	n := []string{
		"The floor has no limits, no isolation of faults and no updates; a map has no meaning to it, so its codec there is Vanth's.",
		"Children of hashicorp/go-plugin, of the lock-step host and of Vanth's portable runtime are processes written in Go; " +
			"the guest of knqyf263/go-plugin is standard Go; goja runs JavaScript; the other guests are the same WebAssembly. " +
			"A row is a typed message for knqyf263/go-plugin and gRPC, a struct for net/rpc, and a map[string]any for the others.",
	}
	for _, s := range skipped {
		n = append(n, "Not measured: "+s)
	}
	return n
}
