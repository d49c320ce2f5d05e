package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench-compare:", err)
		stop()
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	ref, dir, benchstat, bench, time string
	bound, alpha                     float64
	count                            int
}

func run(ctx context.Context, args []string) error {
	var o options
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.StringVar(&o.ref, "ref", "HEAD", "git `revision` to compare with")
	f.StringVar(&o.dir, "dir", "build/bench", "`folder` for the worktree and the results")
	f.StringVar(&o.benchstat, "benchstat", "build/bin/benchstat", "the `program`")
	f.StringVar(&o.bench, "bench", "Work", "`pattern` of the benchmarks, as for go test -bench")
	f.StringVar(&o.time, "time", "30ms", "`duration` of each benchmark in each run")
	f.Float64Var(&o.bound, "bound", 10, "fail above so many `per cent`")
	f.Float64Var(&o.alpha, "alpha", 0.01, "what is more likely than this to be chance does not count")
	f.IntVar(&o.count, "count", 10, "runs of each")
	if err := f.Parse(args); err != nil {
		return err
	}
	results, err := measure(ctx, o)
	if err != nil {
		return err
	}
	report, err := stat(ctx, o, "text", results)
	if err != nil {
		return err
	}
	fmt.Print(report)
	table, err := stat(ctx, o, "csv", results)
	if err != nil {
		return err
	}
	slower, compared, err := judge(table, o.bound)
	if err != nil {
		return err
	}
	if compared == 0 {
		return fmt.Errorf("found no benchmark that %s and this tree both have: is %s older than BenchmarkWork?", o.ref, o.ref)
	}
	if len(slower) > 0 {
		return fmt.Errorf("worse than %s by more than %v %%:\n  %s", o.ref, o.bound, strings.Join(slower, "\n  "))
	}
	fmt.Printf("%d figures compared: none is worse than that of %s by more than %v %%\n", compared, o.ref, o.bound)
	return nil
}

// side is one of the two that are compared.
type side struct {
	name    string // of the column
	tree    string // the folder of the checkout
	program string // its benchmarks
	results string // what they printed
}

// measure builds both sides and lets them take turns. It returns the files of their results.
func measure(ctx context.Context, o options) (_ [2]side, err error) {
	var sides [2]side
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return sides, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return sides, err
	}
	here, err := os.Getwd()
	if err != nil {
		return sides, err
	}
	there := filepath.Join(dir, "ref")
	leave, err := checkOut(ctx, o.ref, there)
	if err != nil {
		return sides, err
	}
	defer leave()
	sides[0] = side{"ref", there, filepath.Join(dir, "ref.test"), filepath.Join(dir, "ref.txt")}
	sides[1] = side{"tree", here, filepath.Join(dir, "tree.test"), filepath.Join(dir, "tree.txt")}
	for _, s := range sides {
		if err := s.build(ctx); err != nil {
			return sides, err
		}
	}
	for i := range o.count {
		for k := range sides {
			if err := sides[(i+k)%2].bench(ctx, o); err != nil {
				return sides, err
			}
		}
		fmt.Fprintf(os.Stderr, "run %d of %d of each is done\n", i+1, o.count)
	}
	return sides, nil
}
