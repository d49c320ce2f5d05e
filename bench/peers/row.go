package main

import "fmt"

// Record is the row of 8 fields for those who send a struct. It is exported for
// net/rpc.
type Record struct {
	ID          int64
	Name        string
	Temperature float64
	Humidity    float64
	OK          bool
	Site        string
	Count       int64
	Unit        string
}

func newRecord() Record {
	return Record{Name: "sensor-17", Temperature: 21.5, Humidity: 0.4, OK: true, Site: "north", Count: 100000, Unit: "C"}
}

// check compares what came back: its id, or all of it.
func (r Record) check(got Record, all bool) error {
	if got.ID != r.ID || all && got != r {
		return fmt.Errorf("row: found %+v, expected %+v", got, r)
	}
	return nil
}

// newRow is the row for those who send a map.
func newRow() map[string]any {
	r := newRecord()
	return map[string]any{
		"id": r.ID, "name": r.Name, "temperature": r.Temperature, "humidity": r.Humidity,
		"ok": r.OK, "site": r.Site, "count": r.Count, "unit": r.Unit,
	}
}

// rowOf makes the work of a function that takes a map and returns one.
func rowOf(exchange func(m map[string]any) (any, error)) func(id int64, all bool) error {
	sent := newRow()
	return func(id int64, all bool) error {
		sent["id"] = id
		v, err := exchange(sent)
		if err != nil {
			return err
		}
		got, ok := v.(map[string]any)
		if !ok || len(got) != len(sent) || whole(got["id"]) != id {
			return fmt.Errorf("row: found %v, expected %v", v, sent)
		}
		if !all {
			return nil
		}
		for k, want := range sent {
			if n, ok := want.(int64); ok && whole(got[k]) == n || got[k] == want {
				continue
			}
			return fmt.Errorf("row: found %v for %s, expected %v", got[k], k, want)
		}
		return nil
	}
}

// whole reads an integer of those who make floats of them; -1 of anything else.
func whole(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	default:
		return -1
	}
}

// number is whole with an error.
func number(v any, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	n := whole(v)
	if n < 0 {
		return 0, fmt.Errorf("found %v (%T), expected a number", v, v)
	}
	return n, nil
}
