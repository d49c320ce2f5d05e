package main

import (
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
)

// judge reads benchstat's table and returns a line for each figure that is worse than the reference's
// by more than bound per cent, and how many figures both have. Times and allocations are judged; a
// difference that benchstat takes for chance, "~", is none.
func judge(table string, bound float64) (worse []string, compared int, err error) {
	unit := ""
	for line := range strings.Lines(table) {
		cells, err := csv.NewReader(strings.NewReader(line)).Read()
		if err != nil || len(cells) < 3 { // blank, or about the machine
			continue
		}
		if cells[0] == "" {
			unit = ""
			if len(cells) == 7 && cells[5] == "vs base" && cells[1] == cells[3] {
				unit = cells[1]
			}
			continue
		}
		if unit != "sec/op" && unit != "allocs/op" || cells[0] == "geomean" || len(cells) != 7 || cells[1] == "" || cells[3] == "" {
			continue
		}
		was, err := strconv.ParseFloat(cells[1], 64)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: found %q in benchstat's table, expected a number: %w", cells[0], cells[1], err)
		}
		is, err := strconv.ParseFloat(cells[3], 64)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: found %q in benchstat's table, expected a number: %w", cells[0], cells[3], err)
		}
		compared++
		if cells[5] != "~" && is > was*(1+bound/100) {
			worse = append(worse, fmt.Sprintf("%s: %s %s, was %s (%s)", cells[0], unit, cells[3], cells[1], cells[6]))
		}
	}
	return worse, compared, nil
}
