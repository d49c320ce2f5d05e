// Package config reads the configuration of Vanth: defaults, then
// etc/kuiper.yaml below the home, then the environment, then flags, each
// outweighing the one before.
//
// Keys are eKuiper's where their meaning is, and are matched whatever their
// case. A key that is not known is a [Warning], since eKuiper's files must
// load; a wrong value is an error that says where it stands, what was found and
// what was expected. All wrong values are reported at once.
//
// It may import etc (the shipped file), host (names) and the YAML parser. It
// opens nothing that stays open.
package config
