package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
)

// properties are those of the yaml, checked.
type properties struct {
	seed        int64          // at least 1
	pattern     map[string]any // int64, float64, string, bool or nil; int64 + seed does not overflow
	deduplicate int
}

// parse reads the properties that are ours and leaves the others, such as the interval, to the host. Values come from
// YAML or JSON, so that a whole number may be an int or a float64: the way over JSON makes them one.
func parse(configs map[string]any) (properties, error) {
	text, err := json.Marshal(configs)
	if err != nil {
		return properties{}, fmt.Errorf("sources/random: properties: %w", err)
	}
	read := struct {
		Seed        int64          `json:"seed"`
		Pattern     map[string]any `json:"pattern"`
		Deduplicate int            `json:"deduplicate"`
	}{Seed: 1}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&read); err != nil {
		return properties{}, fmt.Errorf("sources/random: properties: %w", err)
	}
	if read.Seed < 1 {
		return properties{}, fmt.Errorf("sources/random: seed: found %d, expected at least 1", read.Seed)
	}
	if len(read.Pattern) == 0 {
		return properties{}, fmt.Errorf("sources/random: pattern: empty, expected at least one field")
	}
	for name, v := range read.Pattern {
		if read.Pattern[name], err = value(v, read.Seed); err != nil {
			return properties{}, fmt.Errorf("sources/random: pattern: %s: %w", name, err)
		}
	}
	return properties{read.Seed, read.Pattern, read.Deduplicate}, nil
}

// value turns a number into an int64 if it is whole and else into a float64. Maps and lists are
// refused: all tuples would share them.
func value(v any, seed int64) (any, error) {
	switch v := v.(type) {
	case map[string]any, []any:
		return nil, fmt.Errorf("found a map or a list, expected a number, a string, a boolean or null")
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return v.Float64()
		}
		if n > math.MaxInt64-seed {
			return nil, fmt.Errorf("%d and seed %d are too large together", n, seed)
		}
		return n, nil
	}
	return v, nil
}
