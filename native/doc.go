// Package native will be the host.Runtime for Go plugins (.so files) that
// implement eKuiper's contract/v2 API.
//
// It will import host, the standard plugin package and that contract; no other
// package imports those two. Nothing is in it yet: a bundle that asks for it is
// refused by name.
package native
