package wasm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/vanth-io/vanth/host"
)

// jail compiles modules in child processes, the same binary, which have limits of
// time and memory: the gate only estimates what a module costs the compiler, and
// the compiler looks neither at its context nor at how much it takes. What a child
// leaves in a folder is loaded from there.
//
// Every module that is not in the cache goes through it, also the smallest: a child
// costs 5 ms, once for each module, and an estimate that is far too low is what it is
// there for.
type jail struct {
	command     []string
	time        time.Duration // of the processor, for one module
	memory      int           // MiB, for one module
	seats       chan struct{} // children at once
	life        context.Context
	end         context.CancelFunc // kills the children; nothing is compiled any more
	interpreter func() bool        // whether the engine is the interpreter
}

// newJail returns nil when there is no command to start children with.
func newJail(o *Options, interpreter func() bool) *jail {
	if len(o.Compiler) == 0 {
		return nil
	}
	j := &jail{
		command: o.Compiler, time: o.CompileTime, memory: o.CompileMiB,
		seats:       make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		interpreter: interpreter,
	}
	j.life, j.end = context.WithCancel(context.Background())
	return j
}

// compile has a child compile a module into the folder dir, and returns ErrInvalid when
// the module is at fault or the child came to its end. It waits for other children,
// and for its own, until ctx ends or the jail does.
func (j *jail) compile(ctx context.Context, dir string, t task, p *prepared) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(j.life, func() {
		cancel(host.Errorf(host.ErrClosed, "the wasm runtime is closed"))
	})()
	select {
	case j.seats <- struct{}{}:
		defer func() { <-j.seats }()
	case <-ctx.Done():
	}
	var err error
	if ctx.Err() == nil {
		t.Bytes, t.Time, t.Interpreted = len(p.code), j.time, j.interpreter()
		if p.husked {
			t.Husk = len(p.shown)
		}
		t.MiB, t.bound = j.memory, "wasm.compileMiB): allow more, or split its largest functions"
		if own := interpretedMiB(len(p.code)); t.Interpreted && own < t.MiB {
			t.MiB, t.bound = own, fmt.Sprintf("what the interpreter may keep for %d bytes)", len(p.code))
		}
		err = j.run(ctx, dir, t, p)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: given up before it was compiled: %w", t.file, context.Cause(ctx))
	}
	return err
}

// interpretedMiB bounds what the interpreter keeps of a module of so many bytes for as
// long as it is loaded, in MiB: 32, and 128 bytes for each byte. Real modules take
// about 25, dense code 100; but declarations of locals take 2 GiB for 5 KiB.
func interpretedMiB(size int) int { return 32 + size>>13 }

// errMissing says that a module is not in the cache.
var errMissing = errors.New("not in the cache")

// sealed is a context in which wazero's compiler gives code that it finds in its
// cache and compiles none: with more workers than one it looks, before each
// function, whether the context has ended. CompileModule returns errMissing then.
func sealed(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(experimental.WithCompilationWorkers(context.WithoutCancel(ctx), 2))
	cancel(errMissing)
	return ctx
}

// interprets reports whether an engine is the interpreter, which has no cache and
// no eye for its context, by a module of one empty function.
func interprets(config wazero.RuntimeConfig) bool {
	const module = "\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" + "\x0a\x04\x01\x02\x00\x0b"
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, config)
	_, err := r.CompileModule(sealed(ctx), []byte(module))
	return errors.Join(err, r.Close(ctx)) == nil
}
