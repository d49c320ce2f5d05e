//go:build !wasip1

package vanth_test

import (
	"fmt"
	"io"
	"time"

	vanth "github.com/vanth-io/vanth/sdk/go"
)

// countdown is a source that emits what is left, once a second.
type countdown struct{ left int64 }

func (c *countdown) Poll(_ time.Time, out *vanth.Out) (time.Duration, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	if out.Emit(map[string]any{"left": c.left}) {
		c.left--
		out.Mark(c.left)
	}
	return time.Second, nil
}

func (c *countdown) Rewind(offset any) error {
	c.left = offset.(int64)
	return nil
}

func ExampleSourceFunc() {
	vanth.SourceFunc("countdown", func(c vanth.Config) (*countdown, error) {
		from, err := c.Int("from", 10)
		return &countdown{from}, err
	})

	// What a test does:
	s, err := vanth.OpenSource("countdown", vanth.Config{Props: map[string]any{"from": 2}})
	fmt.Println(err)
	for range 3 {
		p := s.Poll()
		fmt.Println(p.Rows(), p.Offset, p.Next, p.End)
	}
	// Output:
	// <nil>
	// [map[left:2]] 1 1s false
	// [map[left:1]] 0 1s false
	// [] <nil> 0s true
}

// sum is a sink that holds a total until it is flushed.
type sum struct{ total float64 }

func (s *sum) Collect(row map[string]any) error {
	v, ok := row["v"].(float64)
	if !ok {
		return &vanth.Error{Msg: "expected a number v", Class: vanth.Usage}
	}
	s.total += v
	return nil
}

func (s *sum) Flush() error { return vanth.Put("total", s.total) }

func ExampleSinkFunc() {
	vanth.SinkFunc("sum", func(vanth.Config) (*sum, error) { return &sum{}, nil })

	defer vanth.Simulate(&vanth.Sim{})()
	s, _ := vanth.OpenSink("sum", vanth.Config{})
	fmt.Println(s.Write(map[string]any{"v": 1.5}), s.Write(map[string]any{"v": 2.5}), s.Write(map[string]any{}))
	fmt.Println(s.Close())
	fmt.Println(vanth.Get("total"))
	// Output:
	// <nil> <nil> expected a number v
	// <nil>
	// 4 true <nil>
}

func ExampleHTTP() {
	defer vanth.Simulate(&vanth.Sim{HTTP: func(r vanth.Request) (*vanth.Response, error) {
		return &vanth.Response{Status: 200, Body: []byte(r.Method + " " + r.URL)}, nil
	}})()
	answer, err := vanth.HTTP(vanth.Request{URL: "https://api.example.org/v1"})
	fmt.Println(answer.Status, string(answer.Body), err)
	// Output: 200 GET https://api.example.org/v1 <nil>
}
