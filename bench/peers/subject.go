package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// subject is one way to run a plugin. A nil function is a work that it does not do.
type subject struct {
	name string
	add  func(a, b int64) (int64, error)
	fib  func(n int64) (int64, error)
	// row sends a row whose id is the given one there and back, and checks the id
	// of what came back, or all of it.
	row func(id int64, all bool) error
	// echo makes an echoer of a payload of so many bytes. Those that are made with
	// own are used at once by a goroutine each.
	echo func(size int, own bool) (*echoer, error)

	closers []func() error
}

// opener starts a subject. An error that wraps errLacks says that the machine
// lacks something that the subject needs.
type opener struct {
	name string
	peer peer // whom P13 takes it for
	open func(ctx context.Context, s *subject, b *bench) error
}

// errLacks is the error of a subject that cannot run on this machine.
var errLacks = errors.New("this machine lacks what it needs")

// bench is what all subjects share.
type bench struct {
	dir    string // for files, removed at the end
	self   string // this program, which is the child process of some subjects too
	guests guests
}

// openers are the subjects in the order of the report. The first is the floor.
func openers(v versions) []opener {
	wapc, knqyf := "waPC-go"+v["github.com/wapc/wapc-go"], "knqyf263/go-plugin"+v["github.com/knqyf263/go-plugin"]
	extism, hashicorp := "Extism go-sdk"+v["github.com/extism/go-sdk"], "hashicorp/go-plugin"+v["github.com/hashicorp/go-plugin"]
	return []opener{
		{floorName, nobody, openRaw},
		{pinnedName, nobody, openPinned},
		{handleName, nobody, openHandle},
		{"Vanth, Exec", nobody, openExec},
		{"Vanth, portable, fast lane", nobody, openLane},
		{"Vanth, portable, eKuiper's wire", nobody, openWire},
		{wapc, peerWaPC, openWaPC},
		{wapc + ", MessagePack", nobody, openWaPCMsgp},
		{knqyf, peerKnqyf, openKnqyf},
		{extism, peerExtism, openExtism},
		{"goja" + v["github.com/dop251/goja"], nobody, openGoja},
		{hashicorp + ", gRPC", peerGoPlugin, openGRPC},
		{hashicorp + ", net/rpc", peerGoPlugin, openNetRPC},
		{"lock-step REP host, eKuiper's frames", peerEKuiper, openLockstep},
	}
}

// onClose has f called when the subject is closed; the last one first.
func (s *subject) onClose(f func() error) { s.closers = append(s.closers, f) }

func (s *subject) close() error {
	var err error
	for i := len(s.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, s.closers[i]())
	}
	s.closers = nil
	if err != nil {
		err = fmt.Errorf("%s: close: %w", s.name, err)
	}
	return err
}

// openAll starts the subjects. skipped says which could not run here, and why. All
// calls are made with a context that never ends: one that can costs some subjects more
// than others, by the depth of the context's values as well.
func openAll(b *bench, list []opener) (subjects []*subject, skipped []string, err error) {
	ctx := context.Background()
	for _, o := range list {
		s := &subject{name: o.name}
		err := o.open(ctx, s, b)
		if err == nil {
			subjects = append(subjects, s)
			continue
		}
		err = errors.Join(err, s.close())
		if !errors.Is(err, errLacks) {
			return nil, nil, errors.Join(fmt.Errorf("%s: %w", o.name, err), closeAll(subjects))
		}
		skipped = append(skipped, fmt.Sprintf("%s: %v", o.name, err))
	}
	return subjects, skipped, nil
}

// closeAll ends the subjects in the reverse order of their start.
func closeAll(subjects []*subject) error {
	var err error
	for i := len(subjects) - 1; i >= 0; i-- {
		err = errors.Join(err, subjects[i].close())
	}
	return err
}

// versions are a blank and the version of each module that go.mod names.
type versions map[string]string

func readVersions() (versions, error) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		return nil, fmt.Errorf("%w: run this in bench/peers", err)
	}
	v := versions{}
	for line := range strings.Lines(string(mod)) {
		words := strings.Fields(line)
		if len(words) < 2 || !strings.HasPrefix(words[1], "v") {
			continue
		}
		v[words[0]] = " " + words[1]
		// Of a module without releases the day is enough.
		if day, ok := strings.CutPrefix(words[1], "v0.0.0-"); ok && len(day) > 8 {
			v[words[0]] = " of " + day[:8]
		}
	}
	return v, nil
}
