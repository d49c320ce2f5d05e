// Package bench measures the same work on its floor, which is mostly raw wazero, and on every lane of
// ours, side by side in one process. It wires everything and is imported by nobody. It has tests only:
//
//	make bench                    the report: build/bench/table.md, plot.svg and summary.json
//	make bench WORK=echo          of some works
//	make bench-compare REF=v0.1.0 this tree beside another one, judged by benchstat
//	go test ./bench               fails where a promise is missed by half, or something allocates
//	go test -bench Work/add ./bench -cpuprofile cpu.out
//
// A work has subjects that do the same and check each result; the first is the floor (work_test.go).
// All else that is measured is a study. The promises P1 to P12 stand beside the subjects that must
// keep them. What is compared with other products is in bench/peers, a module of its own.
//
// internal/report measures by turns and writes the report, internal/compare is bench-compare.
package bench
