package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/vanth-io/vanth/bench/internal/report"
)

func main() {
	if role(os.Args) {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// options say how long to measure and what.
type options struct {
	out    string        // folder of the report; empty for none
	rounds int           // of each work
	round  time.Duration // of each subject in a round
	only   string        // measure works whose names contain it
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.StringVar(&o.out, "out", "", "write summary.json, table.md and plot.svg into this `folder`")
	flags.IntVar(&o.rounds, "rounds", 21, "`number` of rounds of each work")
	flags.DurationVar(&o.round, "round", 120*time.Millisecond, "`time` of each subject in a round")
	flags.StringVar(&o.only, "work", "", "only works whose names contain this `text`")
	quick := flags.Bool("quick", false, "run everything for a moment to check the results, and write no report")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *quick {
		o.rounds, o.round, o.out = 1, time.Millisecond, ""
	}
	b, err := newBench(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	return o.measure(ctx, b)
}

// newBench builds what the subjects share.
func newBench(ctx context.Context) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "vanth-peers-*")
	if err != nil {
		return nil, err
	}
	g, err := buildGuests(ctx, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &bench{dir: dir, self: self, guests: g}, nil
}

// measure opens all subjects, does the works and writes the report.
func (o *options) measure(ctx context.Context, b *bench) (err error) {
	v, err := readVersions()
	if err != nil {
		return err
	}
	list := openers(v)
	subjects, skipped, err := openAll(b, list)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll(subjects)) }()
	for _, s := range skipped {
		fmt.Printf("SKIPPED %s\n", s)
	}
	var rows []report.Row
	for _, w := range works() {
		if !strings.Contains(w.name, o.only) {
			continue
		}
		ready, err := w.subjects(subjects)
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		figures, err := report.Measure(ready, o.rounds, o.round)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		rows = append(rows, w.rows(figures, list)...)
		printFigures(w.name, figures)
	}
	if o.out == "" {
		return nil
	}
	return report.Write(o.out, "Vanth and its peers", rows, notes(skipped)...)
}

// printFigures tells how it goes.
func printFigures(work string, figures []report.Figure) {
	fmt.Println(work)
	for _, f := range figures {
		fmt.Printf("  %-46s %12.1f ns %10.1fx %8.1f allocs\n", f.Name, f.MedianNS, f.Ratio, f.Allocs)
	}
}
