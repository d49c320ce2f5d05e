package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// command runs a program in a folder and returns what it wrote to its output.
func command(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %v: %w\n%s%s", program, args, err, &out, &errs)
	}
	return out.Bytes(), nil
}

// checkOut makes a worktree of a revision. leave removes it.
func checkOut(ctx context.Context, ref, dir string) (leave func(), err error) {
	leave = func() { // also after an interrupt
		_, _ = command(context.WithoutCancel(ctx), "", "git", "worktree", "remove", "--force", dir)
	}
	leave() // what a killed run has left
	_, err = command(ctx, "", "git", "worktree", "add", "--force", "--detach", dir, ref)
	return leave, err
}

// build compiles the side's benchmarks.
func (s side) build(ctx context.Context) error {
	if err := os.Remove(s.results); err != nil && !os.IsNotExist(err) {
		return err
	}
	_, err := command(ctx, s.tree, "go", "test", "-c", "-o", s.program, "./bench")
	return err
}

// bench runs each benchmark once and appends what it says to the results.
func (s side) bench(ctx context.Context, o options) error {
	out, err := command(ctx, filepath.Join(s.tree, "bench"), s.program,
		"-test.run", "^$", "-test.bench", o.bench, "-test.benchtime", o.time, "-test.timeout", "30m")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.results, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(out)
	return err
}

// stat has benchstat compare the results.
func stat(ctx context.Context, o options, format string, sides [2]side) (string, error) {
	program, err := filepath.Abs(o.benchstat)
	if err != nil {
		return "", err
	}
	out, err := command(ctx, "", program, "-format", format, "-alpha", fmt.Sprint(o.alpha),
		sides[0].name+"="+sides[0].results, sides[1].name+"="+sides[1].results)
	return string(out), err
}
