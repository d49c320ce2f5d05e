package main

import (
	"encoding/json"
	"fmt"
)

// history knows the last tuples that were sent.
type history struct {
	length int // in tuples; negative: all
	known  map[string]bool
	order  []string // a ring of length keys, the next one to go at oldest; empty if length is negative
	oldest int
}

func newHistory(length int) *history {
	return &history{length: length, known: map[string]bool{}}
}

// add reports whether the tuple is not among the last ones, and if so makes it the last.
func (h *history) add(tuple map[string]any) (bool, error) {
	text, err := json.Marshal(tuple) // sorts the fields
	if err != nil {
		return false, fmt.Errorf("sources/random: %w", err)
	}
	key := string(text)
	if h.known[key] {
		return false, nil
	}
	h.known[key] = true
	switch {
	case h.length < 0:
	case len(h.order) < h.length:
		h.order = append(h.order, key)
	default:
		delete(h.known, h.order[h.oldest])
		h.order[h.oldest] = key
		h.oldest = (h.oldest + 1) % h.length
	}
	return true, nil
}
