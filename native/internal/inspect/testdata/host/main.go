// Command host is the smallest host: it opens each plugin named and says what
// became of it.
package main

import (
	"fmt"
	"os"
	"plugin"
	_ "regexp" // plugins that use it depend on the host's having it

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

func main() {
	for _, path := range os.Args[1:] {
		fmt.Println(open(path))
	}
}

func open(path string) string {
	p, err := plugin.Open(path)
	if err != nil {
		return "refused: " + err.Error()
	}
	s, err := p.Lookup("Echo")
	if err != nil {
		return "refused: " + err.Error()
	}
	f, ok := s.(api.Function)
	if !ok {
		return fmt.Sprintf("refused: %T", s)
	}
	v, ok := f.Exec(nil, []any{"hello"})
	return fmt.Sprintf("opened: %v %v", v, ok)
}
