package hosttest

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/vanth-io/vanth/host"
)

// documentKey names a document.
type documentKey struct{ kind, name string }

// Documents yields the documents of a kind in the order of their names.
func (m *MemStore) Documents(kind string) iter.Seq2[host.Document, error] {
	return func(yield func(host.Document, error) bool) {
		if err := m.fail("Documents"); err != nil {
			yield(host.Document{Kind: kind}, err)
			return
		}
		m.mu.Lock()
		var list []host.Document
		var errs []error
		for _, name := range slices.Sorted(maps.Keys(m.documents[kind])) {
			d, err := host.Document{Kind: kind, Name: name, Body: bytes.Clone(m.documents[kind][name])}, error(nil)
			if m.damaged[documentKey{kind, name}] {
				d.Body, err = nil, fmt.Errorf("%s %s: %w", kind, name, host.ErrDamaged)
			}
			list, errs = append(list, d), append(errs, err)
		}
		m.mu.Unlock()
		for i := range list {
			if !yield(list[i], errs[i]) {
				return
			}
		}
	}
}

// PutDocument replaces the document of its kind and name.
func (m *MemStore) PutDocument(d host.Document) error {
	if err := m.fail("PutDocument"); err != nil {
		return err
	}
	if d.Kind == "" || d.Name == "" {
		return host.Errorf(host.ErrInvalid, "document %q of kind %q: both need a name", d.Name, d.Kind)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.documents == nil {
		m.documents = map[string]map[string][]byte{}
	}
	if m.documents[d.Kind] == nil {
		m.documents[d.Kind] = map[string][]byte{}
	}
	m.documents[d.Kind][d.Name] = append([]byte{}, d.Body...)
	delete(m.damaged, documentKey{d.Kind, d.Name})
	return nil
}

// DeleteDocument removes a document.
func (m *MemStore) DeleteDocument(kind, name string) error {
	if err := m.fail("DeleteDocument"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.documents[kind], name)
	delete(m.damaged, documentKey{kind, name})
	return nil
}

// DamageDocument makes a document unreadable until it is put or deleted.
func (m *MemStore) DamageDocument(kind, name string) error {
	return m.damage(documentKey{kind, name})
}
