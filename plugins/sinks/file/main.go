// File is a sample of a native sink: it appends rows to a file as lines of JSON. See readme.md.
package main

import "github.com/lf-edge/ekuiper/contract/v2/api"

// File is the symbol that the host looks up: a constructor. The host calls it once for each use.
func File() api.Sink { return &sink{} }

func main() {}
