//go:build unix

package vanth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/vanth-io/vanth/sdk/go/api"
)

func nil2(f func(string, any) (any, error)) func(string, any) any {
	return func(a string, b any) any {
		v, err := f(a, b)
		if err != nil {
			return err
		}
		return v
	}
}

// servedForTest is the plugin with symbols of every kind.
func servedForTest() {
	Func1("echo", func(v any) any { return v })
	Func1("sleep", func(ms int64) int64 { time.Sleep(time.Duration(ms) * time.Millisecond); return ms })
	Func2("remember", nil2(func(key string, v any) (any, error) {
		old, _, err := Get(key)
		if err != nil {
			return nil, err
		}
		return old, Put(key, v)
	}))
	Func1("tally", func(key string) int64 { return Count(key, 1) })
	Func("where", func(Args) (any, error) {
		Infof("asked")
		return []any{Rule(), Op(), Plugin(), Symbol(), Instance()}, nil
	})
	Serve(
		Name("tested"), Aggregate("count"),
		Function("made", func() api.Function { return testFunction{} }),
		Function("group", func() api.Function { return testFunction{aggregate: true} }),
		Source("numbers", func() api.Source { return new(testSource) }),
		Sink("lines", func() api.Sink { return new(testSink) }),
	)
}

type testFunction struct{ aggregate bool }

func (f testFunction) IsAggregate() bool { return f.aggregate }

func (f testFunction) Validate(args []interface{}) error {
	if len(args) > 3 {
		return errors.New("have too many")
	}
	return nil
}

func (f testFunction) Exec(args []interface{}, ctx api.FunctionContext) (interface{}, bool) {
	if len(args) == 0 {
		return "nothing", true
	}
	switch args[0] {
	case "types":
		types := ""
		for _, a := range args[1:] {
			types += fmt.Sprintf("%T ", a)
		}
		return types + fmt.Sprint(args[1:]), true
	case "error":
		return errors.New("an error's text"), false
	case "text":
		return "a text", false
	case "none":
		return nil, false
	case "panic":
		panic("at the disco")
	case "struct":
		return struct{ A, B int }{1, 2}, true
	case "where":
		return []interface{}{ctx.GetRuleId(), ctx.GetOpId(), ctx.GetInstanceId(), ctx.GetFuncId()}, true
	case "state":
		old, err := ctx.GetState("k")
		if err == nil {
			err = ctx.PutState("k", args[1])
		}
		if err == nil {
			err = ctx.IncrCounter("n", 1)
		}
		n, _ := ctx.GetCounter("n")
		if err != nil {
			return err, false
		}
		return []interface{}{old, n}, true
	case "later": // asks while other calls run
		go func() {
			for i := range 20 {
				if err := ctx.PutState("later", i); err != nil {
					ctx.GetLogger().Error(err)
				}
			}
			_ = ctx.IncrCounter("laters", 1)
		}()
		return "soon", true
	case "wait":
		select {
		case <-ctx.Done():
			return ctx.Err(), false
		case <-time.After(20 * time.Second):
			return "waited", true
		}
	}
	return args[0], true
}

// testSource counts. Its DATASOURCE is what goes wrong and when.
type testSource struct {
	how  string
	step float64
}

func (s *testSource) Configure(datasource string, props map[string]interface{}) error {
	s.how, s.step = datasource, 1
	if step, ok := props["step"].(float64); ok {
		s.step = step
	}
	if datasource == "refuse" {
		return errors.New("has no such topic")
	}
	return nil
}

type timed struct {
	*api.DefaultSourceTuple
	at time.Time
}

func (t timed) Timestamp() time.Time { return t.at }

func (s *testSource) Open(ctx api.StreamContext, consumer chan<- api.SourceTuple, errCh chan<- error) {
	for n := 0.0; ; n += s.step {
		switch {
		case s.how == "fails" && n == 2*s.step:
			errCh <- api.Failure(errors.New("passes"))
		case s.how == "ends" && n == 3*s.step:
			errCh <- io.EOF
			return
		case s.how == "breaks" && n == 3*s.step:
			errCh <- errors.New("broken")
			return
		case s.how == "panics" && n == 3*s.step:
			panic("source")
		}
		var t api.SourceTuple = api.NewDefaultSourceTuple(map[string]interface{}{"n": n}, map[string]interface{}{"rule": ctx.GetRuleId()})
		if s.how == "timed" {
			t = timed{api.NewDefaultSourceTuple(map[string]interface{}{"n": n}, nil), time.Unix(5, 0)}
		}
		select {
		case consumer <- t:
		case <-ctx.Done():
			return
		}
	}
}

func (s *testSource) Close(ctx api.StreamContext) error {
	ctx.GetLogger().Info("source closed")
	if s.how == "badclose" {
		return errors.New("does not close")
	}
	return nil
}

// testSink writes what it is given to a file.
type testSink struct{ f *os.File }

func (s *testSink) Configure(props map[string]interface{}) error {
	path, ok := props["path"].(string)
	if !ok {
		return errors.New("has no path")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	s.f = f
	return err
}

func (s *testSink) Open(ctx api.StreamContext) error { return nil }

func (s *testSink) Collect(ctx api.StreamContext, data interface{}) error {
	b := data.([]byte)
	if strings.Contains(string(b), "refuse") {
		return errors.New("refused")
	}
	if strings.Contains(string(b), "panic") {
		panic("sink")
	}
	_, err := s.f.Write(append(b, '\n'))
	return err
}

func (s *testSink) Close(ctx api.StreamContext) error {
	_, _ = s.f.WriteString("closed\n")
	return s.f.Close()
}

var _ context.Context = api.StreamContext(nil)
