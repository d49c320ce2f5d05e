package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/builtin"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/host/rule"
	"github.com/vanth-io/vanth/portable"
	"github.com/vanth-io/vanth/wasm"
)

// ruleWorks carry rows from a memory source into a sink that does nothing, through
// a function of two numbers: row by row, written singly and 100 at once, and in
// payloads of 100, as what JSON is read from has them. The floors are rules without
// the function.
func ruleWorks() []work {
	const none, add = "SELECT a, b FROM s WHERE a >= 0", "SELECT %s(a, b) AS c FROM s"
	works := []work{
		{name: "a rule's row", subjects: func(t testing.TB) []subject {
			return []subject{
				ruleSubject(t, "no function, messages of 100 rows", none, hundred(), 100, inGuest),
				ruleSubject(t, "add(a, b), messages of 100 rows", add, hundred(), 100, inGuest),
				ruleSubject(t, "add(a, b), messages of one row", add, aRow(), 1, inGuest),
			}
		}},
		{name: "a rule's row of a payload of 100", subjects: func(t testing.TB) []subject {
			return []subject{
				ruleSubject(t, "no function", none, payload(t), 100, inGuest),
				ruleSubject(t, "add(a, b)", add, payload(t), 100, inGuest),
				ruleSubject(t, "add(a, b) of portable Go", add, payload(t), 100, inProcess),
			}
		}},
	}
	for i := range works {
		works[i].rounds, works[i].round = 20, 20*time.Millisecond
	}
	return works
}

func aRow() map[string]any { return map[string]any{"a": int64(40), "b": int64(2)} }

func hundred() any {
	list := make([]map[string]any, 100)
	for i := range list {
		list[i] = aRow()
	}
	return list
}

func payload(t testing.TB) any {
	t.Helper()
	b, err := json.Marshal(hundred())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// adder brings a function of two numbers.
type adder func(t testing.TB) (rt host.Runtime, install func(*host.Host) (name string))

func inGuest(t testing.TB) (host.Runtime, func(*host.Host) string) {
	t.Helper()
	rt, err := wasm.New(context.Background(), wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rt, func(h *host.Host) string {
		install(t, h, host.ClassWASM, "guest", guestFiles(host.ResetReuse))
		return "add"
	}
}

// inProcess has a pure one, as most functions of two numbers are.
func inProcess(t testing.TB) (host.Runtime, func(*host.Host) string) {
	t.Helper()
	suffix := strconv.Itoa(os.Getpid())
	program := buildGoGuest(t, false, suffix)
	return portable.New(portable.Options{SharedTmp: true}), func(h *host.Host) string {
		name := "bench" + suffix // the plugin takes the program's name for its own
		install(t, h, host.ClassPortables, name, files{name: program, name + ".json": fmt.Appendf(nil,
			`{"version":"1","language":"go","executable":%q,"functions":["add%[2]s"],
			"symbols":{"add%[2]s":{"args":["f64","f64"],"returns":"f64","pure":true}}}`, name, suffix)})
		return "add" + suffix
	}
}

// ruleSubject is a rule of a host of its own. One of n is a message of so many rows.
func ruleSubject(t testing.TB, name, sql string, message any, rows int, from adder) subject {
	t.Helper()
	ctx := context.Background()
	rt, add := from(t)
	t.Cleanup(func() { rt.Close(ctx) })
	own := builtin.New(builtin.Options{Home: t.TempDir()})
	t.Cleanup(func() { own.Close(ctx) })
	h, err := host.Open(ctx, host.Options{Home: t.TempDir(), Store: &hosttest.MemStore{}, Runtimes: []host.Runtime{rt}, Builtin: own})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(ctx) })
	sql = strings.ReplaceAll(sql, "%s", add(h))
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
	return subject{name: name, per: rows, run: ruleLoop(rules, sink, message, rows)}
}

// ruleLoop sends n messages of so many rows, and waits until the rule's sink has all.
func ruleLoop(rules *rule.Rules, sink host.Sink, message any, rows int) func(n int) error {
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
			case now-before == int64(n*rows):
				return nil
			case now-before > int64(n*rows) || time.Now().After(late):
				return fmt.Errorf("found %d rows in the sink, expected %d", now-before, n*rows)
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
