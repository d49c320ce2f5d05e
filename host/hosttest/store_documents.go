package hosttest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/vanth-io/vanth/host"
)

// documents lists those of a kind; damaged ones by name alone.
func documents(s host.Store, kind string) (list []host.Document, errs []error) {
	for d, err := range s.Documents(kind) {
		list = append(list, d)
		if err != nil {
			errs = append(errs, err)
		}
	}
	return list, errs
}

func wantDocuments(s host.Store, kind string, want ...host.Document) error {
	got, errs := documents(s, kind)
	if len(errs) > 0 || len(got) != len(want) || (len(want) > 0 && !reflect.DeepEqual(got, want)) {
		return fmt.Errorf("documents of kind %s: found %q %v, expected %q", kind, got, errs, want)
	}
	return nil
}

func checkDocuments(b *storeBench) error {
	a, c, other := host.Document{Kind: "rule", Name: "a", Body: []byte("1")}, host.Document{Kind: "rule", Name: "c \x00", Body: []byte{}}, host.Document{Kind: "stream", Name: "b", Body: []byte("2")}
	if err := do(b.PutDocument(c), b.PutDocument(other), b.PutDocument(a)); err != nil {
		return err
	}
	b.reopen()
	return do(wantDocuments(b, "rule", a, c), wantDocuments(b, "stream", other), wantDocuments(b, "none"))
}

func checkDocumentChanges(b *storeBench) error {
	a, other := host.Document{Kind: "rule", Name: "a", Body: []byte("first")}, host.Document{Kind: "rule", Name: "b", Body: []byte("2")}
	body := []byte("second")
	err := do(b.PutDocument(a), b.PutDocument(other), b.PutDocument(host.Document{Kind: "rule", Name: "a", Body: body}))
	body[0] = 'X' // the caller keeps its buffer
	a.Body = []byte("second")
	err = do(err, wantDocuments(b, "rule", a, other), b.DeleteDocument("rule", "a"), b.DeleteDocument("rule", "a"),
		b.DeleteDocument("none", "a"), wantDocuments(b, "rule", other))
	if err != nil {
		return err
	}
	if err := b.PutDocument(host.Document{Kind: "rule"}); !errors.Is(err, host.ErrInvalid) {
		return fmt.Errorf("a document without a name: %w", err)
	}
	for _, err := range b.Documents("rule") { // the loop may call the store
		if err = errors.Join(err, b.DeleteDocument("rule", "b")); err != nil {
			return err
		}
	}
	return wantDocuments(b, "rule")
}

func checkDamagedDocument(b *storeBench) error {
	d, ok := b.Store.(Damager)
	if !ok {
		return errCannotDamage
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := b.PutDocument(host.Document{Kind: "rule", Name: name, Body: []byte(name)}); err != nil {
			return err
		}
	}
	if err := d.DamageDocument("rule", "b"); err != nil {
		return err
	}
	list, errs := documents(b, "rule")
	if len(list) != 3 || len(errs) != 1 || !errors.Is(errs[0], host.ErrDamaged) || !strings.Contains(errs[0].Error(), "rule b") {
		return fmt.Errorf("found %q, errors %v", list, errs)
	}
	return do(b.DeleteDocument("rule", "b"), wantDocuments(b, "rule", host.Document{Kind: "rule", Name: "a", Body: []byte("a")}, host.Document{Kind: "rule", Name: "c", Body: []byte("c")}))
}
