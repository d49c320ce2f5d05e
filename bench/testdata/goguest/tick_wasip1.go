package main

import (
	"io"
	"time"

	"github.com/vanth-io/vanth/sdk/go"
)

// ticks is a source that has nothing: to open it is to start an instance.
type ticks struct{}

func (ticks) Poll(time.Time, *vanth.Out) (time.Duration, error) { return 0, io.EOF }

func init() {
	vanth.SourceFunc("tick"+suffix, func(vanth.Config) (ticks, error) { return ticks{}, nil })
}
