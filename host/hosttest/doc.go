// Package hosttest checks implementations of the host's ports and offers fakes
// of them.
//
// [TestRuntime] and [TestStore] hold a check for each numbered sentence of the
// doc comments of host.Runtime, host.Module, host.Function and host.Store; an
// implementation's own test is a few lines that call them. The fakes pass the
// same suites, and broken variants of the fakes must fail them.
//
// It imports host and the standard library, and is imported by tests only.
package hosttest
