// Package knqyf is what github.com/knqyf263/go-plugin generates from work.proto:
// the host's side and the guest's.
package knqyf

//go:generate sh ../generate.sh
