package main

import (
	"os"
	"runtime"

	"github.com/vanth-io/vanth/wasm"
)

// compileCommand is what the host runs this binary as to compile a WebAssembly
// module, with the folder for the code. Like the others of main it is no command
// for people.
const compileCommand = "wasm-compile"

// compileChild does what compileCommand is for, if this process was started with
// it, and ends the process.
func compileChild() {
	if len(os.Args) == 3 && os.Args[1] == compileCommand {
		os.Exit(wasm.Compile(os.Args[2], os.Stdin, os.Stderr))
	}
}

// ownFile is the file of this program: on Linux the one that runs, also after it
// was replaced.
func ownFile() string {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe"
	}
	exe, _ := os.Executable()
	return exe
}
