package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/vanth-io/vanth/host"
)

// fakeRules are streams and rules that nothing flows through. Names make errors:
// a stream called used is read, a rule whose SQL reads none lacks its stream, one
// that is called stuck is under change, and nothing of closing is begun.
type fakeRules struct {
	mu      sync.Mutex
	streams map[string]string
	rules   map[string]string
}

func newFakeRules() *fakeRules {
	return &fakeRules{streams: map[string]string{}, rules: map[string]string{}}
}

func missing(format string, a ...any) error { return host.Errorf(host.ErrNotFound, format, a...) }

func (f *fakeRules) check(name string) error {
	switch name {
	case "closing":
		return host.Errorf(host.ErrClosed, "%s: the host is closing", name)
	case "stuck":
		return host.Errorf(host.ErrInUse, "rule %s: another change of it is under way", name)
	}
	return nil
}

// named finds NAME in CREATE STREAM NAME.
func (f *fakeRules) named(sql string) (string, error) {
	words := strings.Fields(sql)
	if len(words) < 3 || words[0] != "CREATE" {
		return "", host.Errorf(host.ErrInvalid, "found %q, expected CREATE STREAM", sql)
	}
	return words[2], f.check(words[2])
}

func (f *fakeRules) CreateStream(sql string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name, err := f.named(sql)
	if err == nil && f.streams[name] != "" {
		err = host.Errorf(host.ErrExists, "Create stream fails: %s already exists", name)
	}
	if err != nil {
		return "", err
	}
	f.streams[name] = strings.Clone(sql)
	return name, nil
}

func (f *fakeRules) ReplaceStream(name, sql string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, err := f.named(sql)
	if err == nil && found != name {
		err = host.Errorf(host.ErrInvalid, "Replace %s fails: the sql statement must update the %s source.", name, name)
	}
	if err == nil {
		f.streams[name] = sql
	}
	return err
}

func (f *fakeRules) DropStream(name string, force bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.streams[name] == "":
		return missing("stream %s is not found", name)
	case name == "used" && !force:
		return host.Errorf(host.ErrInUse, "stream %s has been referenced by other rules", name)
	case name == "disk":
		return fmt.Errorf("disk on fire")
	}
	delete(f.streams, name)
	return nil
}

func (f *fakeRules) Streams() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.streams))
}

func (f *fakeRules) StreamJSON(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.streams[name] == "" {
		return nil, missing("Describe stream fails, %s is not found.", name)
	}
	return fmt.Appendf(nil, `{"Name":%q,"StreamFields":[],"Options":{"format":"json"}}`, name), nil
}

type fakeRule struct {
	ID, SQL string
	Graph   json.RawMessage
}

func (f *fakeRules) parse(text []byte) (r fakeRule, err error) {
	if err := json.Unmarshal(text, &r); err != nil {
		return r, host.Errorf(host.ErrInvalid, "invalid rule json: %v", err)
	}
	if r.ID == "" {
		return r, host.Errorf(host.ErrInvalid, "invalid rule json: Missing rule id.")
	}
	if strings.Contains(r.SQL+string(r.Graph), "nowhere") {
		return r, missing("fail to get stream nowhere, please check if stream is created")
	}
	if strings.Contains(r.SQL, "broken") {
		return r, host.Errorf(host.ErrUnavailable, "function broken: plugin wasm/kit does not run")
	}
	return r, f.check(r.ID)
}

func (f *fakeRules) Create(text []byte) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.parse(text)
	if err == nil && f.rules[r.ID] != "" {
		err = host.Errorf(host.ErrExists, "rule %s already exists", r.ID)
	}
	if err == nil {
		f.rules[r.ID] = string(text)
	}
	return r.ID, err
}

func (f *fakeRules) Update(id string, text []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.parse(text)
	if err == nil {
		f.rules[id] = string(text)
	}
	return err
}

func (f *fakeRules) Delete(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rules[id] == "" {
		return missing("rule %s not found", id)
	}
	delete(f.rules, id)
	return nil
}

func (f *fakeRules) change(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check(id); err != nil {
		return err
	}
	if f.rules[id] == "" {
		return missing("Rule %s is not found in registry, please check if it is created", id)
	}
	return nil
}

func (f *fakeRules) Start(id string) error { return f.change(id) }

// Stop says itself what was to be done.
func (f *fakeRules) Stop(id string) error {
	if err := f.change(id); err != nil {
		return fmt.Errorf("stop rule error: %w", err)
	}
	return nil
}
func (f *fakeRules) Restart(id string) error { return f.change(id) }

func (f *fakeRules) know(id, after, answer string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check(id); err != nil {
		return nil, err
	}
	if f.rules[id] == "" {
		return nil, missing("Rule %s is not found%s", id, after)
	}
	if answer == "" {
		answer = f.rules[id]
	}
	return []byte(answer), nil
}

func (f *fakeRules) Text(id string) ([]byte, error) { return f.know(id, ".", "") }

func (f *fakeRules) ListJSON() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []string{}
	for _, id := range slices.Sorted(maps.Keys(f.rules)) {
		list = append(list, fmt.Sprintf(`{"id":%q,"name":%q,"status":"running","tags":null,"trace":false,"version":""}`, id, id))
	}
	return []byte("[" + strings.Join(list, ",") + "]")
}

const fakeStatus = `{"status":"running","message":"<","lastStartTimestamp":1,"lastStopTimestamp":0,"nextStartTimestamp":0,"source_demo_0_records_in_total":3}`

func (f *fakeRules) StatusJSON(id string) ([]byte, error) { return f.know(id, "", fakeStatus) }

func (f *fakeRules) StatusesJSON() []byte {
	return []byte(`{"r1":{"status":"running","last_exception":"","exceptions_total":0}}`)
}

const fakeTopo = `{"sources":["source_demo"],"edges":{"source_demo":["op_2_project"],"op_2_project":["sink_log_0"]}}`

func (f *fakeRules) TopoJSON(id string) ([]byte, error) { return f.know(id, "", fakeTopo) }

func (f *fakeRules) Explain(id string) (string, error) {
	b, err := f.know(id, ".", "0 source_demo\n")
	return string(b), err
}

func (f *fakeRules) Validate(text []byte) ([]string, error) {
	r, err := f.parse(text)
	if err != nil || r.SQL == "" {
		return nil, err
	}
	return []string{"demo", `"q"`}, nil
}
