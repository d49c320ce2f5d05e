package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// guests are the modules that are written in the text format, in the folder guests.
type guests struct {
	work, wapc, extism []byte
}

// buildGuests builds them into dir. It must run in this module's folder.
func buildGuests(ctx context.Context, dir string) (g guests, err error) {
	if _, err := os.Stat("guests/work.wat"); err != nil {
		return g, fmt.Errorf("%w: run this in bench/peers", err)
	}
	for name, to := range map[string]*[]byte{"work": &g.work, "wapc": &g.wapc, "extism": &g.extism} {
		in, err := filepath.Abs("guests/" + name + ".wat")
		if err != nil {
			return g, err
		}
		out := filepath.Join(dir, name+".wasm")
		if err := goTool(ctx, nil, "-C", "../..", "run", "./wasm/internal/wat/assemble", in, out); err != nil {
			return g, err
		}
		if *to, err = os.ReadFile(out); err != nil {
			return g, err
		}
	}
	return g, nil
}

// buildKnqyf builds the guest of knqyf263/go-plugin into dir and returns its path.
func buildKnqyf(ctx context.Context, dir string) (string, error) {
	out := filepath.Join(dir, "knqyf.wasm")
	env := append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	err := goTool(ctx, env, "build", "-buildmode=c-shared", "-trimpath", "-ldflags", "-s -w", "-o", out, "./guests/knqyf")
	if err != nil {
		err = fmt.Errorf("%w: %w", errLacks, err)
	}
	return out, err
}

func goTool(ctx context.Context, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = env
	said, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: guests are built with the go command", err)
	}
	if err != nil {
		return fmt.Errorf("go %v: %w\n%s", args, err, said)
	}
	return nil
}
