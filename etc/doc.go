// Package etc carries the shipped configuration, kuiper.yaml, which documents
// every key with its default.
//
// It imports the standard library only, holds no state, and has nothing to
// open or close.
package etc

import _ "embed"

//go:embed kuiper.yaml
var kuiper string

// Kuiper returns a copy of the shipped kuiper.yaml.
func Kuiper() []byte { return []byte(kuiper) }
