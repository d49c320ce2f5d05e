package rule

import (
	"iter"
	"slices"
	"sort"
	"sync"

	"github.com/vanth-io/vanth/host"
)

// Memory is a Store that ends with the process. It begins with the streams of
// another.
type Memory struct {
	mu   sync.Mutex // guards what follows
	list []host.Document
}

// NewMemory returns a Memory; from may be nil.
func NewMemory(from Store) *Memory {
	m := &Memory{}
	if from != nil {
		for d, err := range from.Documents(kindStream) {
			if err == nil {
				m.list = append(m.list, d)
			}
		}
	}
	return m
}

// Documents implements Store.
func (m *Memory) Documents(kind string) iter.Seq2[host.Document, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []host.Document
	for _, d := range m.list {
		if d.Kind == kind {
			list = append(list, d)
		}
	}
	// Not slices.SortFunc, which is made anew for each type: 20 KB of the binary.
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return func(yield func(host.Document, error) bool) {
		for _, d := range list {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// PutDocument implements Store.
func (m *Memory) PutDocument(d host.Document) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(d.Kind, d.Name)
	d.Body = slices.Clone(d.Body)
	m.list = append(m.list, d)
	return nil
}

// DeleteDocument implements Store.
func (m *Memory) DeleteDocument(kind, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(kind, name)
	return nil
}

func (m *Memory) remove(kind, name string) {
	m.list = slices.DeleteFunc(m.list, func(d host.Document) bool { return d.Kind == kind && d.Name == name })
}
