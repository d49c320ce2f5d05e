package query_test

import (
	"context"
	"fmt"

	"github.com/vanth-io/vanth/host/rule/internal/query"
)

func Example() {
	s, err := query.ParseSelect(`SELECT name, temperature * 1.8 + 32 AS f FROM room WHERE f > 80 AND name LIKE "k%"`)
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := s.Compile(env{}) // resolves and validates the functions
	if err != nil {
		fmt.Println(err)
		return
	}
	at := plan.Bind("rule1", "2_project", 0, 1) // one for each goroutine
	for _, r := range []map[string]any{
		{"name": "kitchen", "temperature": 30.0},
		{"name": "kitchen", "temperature": 20.0},
		{"name": "kitchen"},
	} {
		out, keep, err := at.Eval(context.Background(), &query.Row{Stream: s.From, Fields: r})
		fmt.Println(out, keep, err)
	}
	_, err = query.ParseSelect(`SELECT * FROM room GROUP BY name`)
	fmt.Println(err)
	// Output:
	// map[f:86 name:kitchen] true <nil>
	// map[] false <nil>
	// map[] false <nil>
	// found GROUP BY at 20, which is not supported: a rule sees one row at a time; let a function of a plugin keep state over the rows
}
