package store

import (
	"fmt"
	"iter"

	"github.com/vanth-io/vanth/host"
	"go.etcd.io/bbolt"
)

// document is one result of Documents.
type document struct {
	host.Document
	err error
}

func documentPath(kind string) string { return bucketDocuments + "/" + kind }

// Documents yields the documents of a kind in the order of their names. It reads
// them all before it yields the first, so the loop may call the store. One that
// vanished is not noticed: unlike plugins they have no tally.
func (s *Store) Documents(kind string) iter.Seq2[host.Document, error] {
	return func(yield func(host.Document, error) bool) {
		var list []document
		err := s.view(func(tx *bbolt.Tx) error {
			t, err := openTree(tx)
			if err != nil || kind == "" {
				return err
			}
			b := t.documents.Bucket([]byte(kind))
			if b == nil {
				return nil
			}
			return b.ForEach(func(name, value []byte) error {
				d := document{Document: host.Document{Kind: kind, Name: string(name)}}
				if body, _, ok := unwrap(documentPath(kind), name, value); ok {
					d.Body = append([]byte{}, body...)
				} else {
					d.err = s.named(fmt.Errorf("%s %s: %w", kind, name, host.ErrDamaged))
				}
				list = append(list, d)
				return nil
			})
		})
		if err != nil {
			yield(host.Document{Kind: kind}, err)
			return
		}
		for _, d := range list {
			if !yield(d.Document, d.err) {
				return
			}
		}
	}
}

// PutDocument stores a document in place of the one of its kind and name. One
// without either is host.ErrInvalid.
func (s *Store) PutDocument(d host.Document) error {
	if d.Kind == "" || d.Name == "" || len(d.Name) > bbolt.MaxKeySize {
		return s.named(host.Errorf(host.ErrInvalid, "document %q of kind %q: both need a name, of at most %d bytes", d.Name, d.Kind, bbolt.MaxKeySize))
	}
	return s.update(func(tx *bbolt.Tx) error {
		t, err := openTree(tx)
		if err != nil {
			return err
		}
		b, err := t.documents.CreateBucketIfNotExists([]byte(d.Kind))
		if err != nil {
			return err
		}
		value, _ := wrap(documentPath(d.Kind), []byte(d.Name), d.Body)
		return b.Put([]byte(d.Name), value)
	})
}

// DeleteDocument removes a document, also a damaged one.
func (s *Store) DeleteDocument(kind, name string) error {
	if kind == "" || name == "" {
		return s.usable()
	}
	return s.update(func(tx *bbolt.Tx) error {
		t, err := openTree(tx)
		if err != nil {
			return err
		}
		b := t.documents.Bucket([]byte(kind))
		if b == nil {
			return nil
		}
		return b.Delete([]byte(name))
	})
}
