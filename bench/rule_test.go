package bench

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/builtin"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/host/rule"
	"github.com/vanth-io/vanth/wasm"
)

// ruleWorks carry rows from a memory source into a sink that does nothing, through
// a guest's function of two numbers: one by one, and in messages of 100. The floor
// is a rule without the function.
func ruleWorks() []work {
	return []work{{name: "a rule's row", rounds: 20, round: 20 * time.Millisecond, subjects: func(t testing.TB) []subject {
		return []subject{
			ruleSubject(t, "no function, messages of 100 rows", "SELECT a, b FROM s WHERE a >= 0", 100),
			ruleSubject(t, "add(a, b), messages of 100 rows", "SELECT add(a, b) AS c FROM s", 100),
			ruleSubject(t, "add(a, b), messages of one row", "SELECT add(a, b) AS c FROM s", 1),
		}
	}}}
}

// ruleSubject is a rule of a host of its own. One of n is a message of so many rows.
func ruleSubject(t testing.TB, name, sql string, batch int) subject {
	t.Helper()
	ctx := context.Background()
	guests, err := wasm.New(ctx, wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { guests.Close(ctx) })
	own := builtin.New(builtin.Options{Home: t.TempDir()})
	t.Cleanup(func() { own.Close(ctx) })
	h, err := host.Open(ctx, host.Options{Home: t.TempDir(), Store: &hosttest.MemStore{}, Runtimes: []host.Runtime{guests}, Builtin: own})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(ctx) })
	install(t, h, host.ClassWASM, "guest", guestFiles(host.ResetReuse))
	rules, err := rule.Open(ctx, rule.Options{Host: h, Store: rule.NewMemory(nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rules.Close(ctx) })
	if _, err := rules.CreateStream(`CREATE STREAM s () WITH (TYPE="memory", DATASOURCE="t")`); err != nil {
		t.Fatal(err)
	}
	if _, err := rules.Create([]byte(`{"id":"r","sql":"` + sql + `","actions":[{"nop":{}}]}`)); err != nil {
		t.Fatal(err)
	}
	sink, err := own.Sink("memory", nil, host.Props{"topic": "t"})
	if err == nil {
		err = sink.Open(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close(ctx) })
	for ready := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if s, _ := rules.Status("r"); s.State == rule.Running {
			break
		} else if time.Now().After(ready) {
			t.Fatalf("found the rule %v, expected it to run", s.State)
		}
	}
	return subject{name: name, per: batch, run: ruleLoop(rules, sink, batch)}
}

// ruleLoop sends n messages and waits until the rule's sink has every row.
func ruleLoop(rules *rule.Rules, sink host.Sink, batch int) func(n int) error {
	row := map[string]any{"a": int64(40), "b": int64(2)}
	var message any = row
	if batch > 1 {
		list := make([]map[string]any, batch)
		for i := range list {
			list[i] = row
		}
		message = list
	}
	return func(n int) error {
		before, err := arrived(rules)
		if err != nil {
			return err
		}
		for range n {
			if err := sink.Write(context.Background(), host.Message{Value: message}); err != nil {
				return err
			}
		}
		for late := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Microsecond) {
			now, err := arrived(rules)
			switch {
			case err != nil:
				return err
			case now-before == int64(n*batch):
				return nil
			case now-before > int64(n*batch) || time.Now().After(late):
				return fmt.Errorf("found %d rows in the sink, expected %d", now-before, n*batch)
			}
		}
	}
}

// arrived is how many rows the rule's sink has taken.
func arrived(rules *rule.Rules) (int64, error) {
	s, err := rules.Status("r")
	if err != nil {
		return 0, err
	}
	for _, n := range s.Nodes {
		if n.Faults > 0 {
			return 0, fmt.Errorf("%s: %v", n.Key(), n.Fault)
		}
		if n.Kind == "sink" {
			return n.Emitted, nil
		}
	}
	return 0, errors.New("found a rule without a sink")
}
