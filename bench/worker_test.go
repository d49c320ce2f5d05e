package bench

import (
	"os"

	"github.com/vanth-io/vanth/native"
)

// workerWord makes this binary a worker process of the native works.
const workerWord = "bench-native-worker"

// isWorker tells whether this process was started as a worker, and runs it.
func isWorker() (code int, ok bool) {
	if len(os.Args) != 3 || os.Args[1] != workerWord {
		return 0, false
	}
	return native.Worker(os.Args[2], os.NewFile(3, "host"), os.Stdin, os.Stderr), true
}
