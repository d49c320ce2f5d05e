//go:build !wasip1

package vanth_test

import (
	"errors"
	"fmt"

	vanth "github.com/vanth-io/vanth/sdk/go"
)

func init() {
	vanth.Func1("hello", func(name string) string { return "hello, " + name })
}

func Example() {
	fmt.Println(vanth.Call("hello", "world"))
	// Output: hello, world <nil>
}

func ExampleTry2() {
	vanth.Try2("divide", func(a, b float64) (float64, error) {
		if b == 0 {
			return 0, errors.New("division by zero")
		}
		return a / b, nil
	})
	fmt.Println(vanth.Call("divide", 1, 4))
	fmt.Println(vanth.Call("divide", 1, 0))
	fmt.Println(vanth.Call("divide", 1, "four"))
	// Output:
	// 0.25 <nil>
	// <nil> division by zero
	// <nil> argument 2: found string, expected f64
}

func ExampleFunc() {
	vanth.Func("longest", func(args vanth.Args) (any, error) {
		longest := ""
		for i := range args.Len() {
			s, err := args.String(i)
			if err != nil {
				return nil, err
			}
			if len(s) > len(longest) {
				longest = s
			}
		}
		return longest, nil
	})
	fmt.Println(vanth.Call("longest", "a", "abc", "ab"))
	// Output: abc <nil>
}

func ExampleSimulate() {
	host := &vanth.Sim{Rule: "rule1"}
	defer vanth.Simulate(host)()

	fmt.Println(vanth.Rule(), vanth.Put("seen", 3))
	fmt.Println(vanth.Get("seen"))
	vanth.Warnf("%d seen", 3)
	fmt.Println(host.Lines())
	// Output:
	// rule1 <nil>
	// 3 true <nil>
	// [2: 3 seen]
}

func ExampleError() {
	vanth.Try0("busy", func() (string, error) {
		return "", &vanth.Error{Msg: "the database is away", Class: vanth.IO}
	})
	_, err := vanth.Call("busy")
	var e *vanth.Error
	fmt.Println(errors.As(err, &e), e.Class, e.Msg)
	// Output: true io the database is away
}
