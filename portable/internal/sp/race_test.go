//go:build race

package sp

const raceEnabled = true
