// Package report measures subjects beside a floor and says what came of the promises.
//
// A [Subject] is one way to do a piece of work, a floor the least that this work can cost. [Measure]
// lets them take turns in one process, many short rounds, so that whatever else the machine does hits
// all of them alike; a ratio is made within each round, and the median of the rounds' ratios counts.
// [Write] judges the rows against what was promised and writes summary.json, table.md and plot.svg. A
// promise that is broken is shown as broken in all three.
//
// It imports the standard library only, holds no state and starts nothing that outlives a call.
package report
