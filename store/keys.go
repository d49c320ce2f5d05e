package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/vanth-io/vanth/host"
	"go.etcd.io/bbolt"
)

// idKey encodes an ID; ok is false for one that cannot name a plugin and so is
// never in the store.
func idKey(id host.ID) (key []byte, ok bool) {
	if host.CheckName(string(id.Class)) != nil || host.CheckName(id.Name) != nil {
		return nil, false
	}
	key = make([]byte, 0, len(id.Class)+1+len(id.Name))
	key = append(key, id.Class...)
	key = append(key, 0)
	return append(key, id.Name...), true
}

// mustKey is idKey for writes.
func mustKey(id host.ID) ([]byte, error) {
	key, ok := idKey(id)
	if !ok {
		return nil, fmt.Errorf("plugin %q: %w id", id.String(), host.ErrInvalid)
	}
	return key, nil
}

// keyID decodes what it can of a key, which may be damaged.
func keyID(key []byte) host.ID {
	class, name, _ := bytes.Cut(key, []byte{0})
	return host.ID{Class: host.Class(class), Name: string(name)}
}

// stateBucket is the bucket path that goes into the checksums of a plugin's
// state.
func stateBucket(id []byte) string { return bucketState + "/" + string(id) }

func stateKey(k host.StateKey) ([]byte, error) {
	key := make([]byte, 0, 1+binary.MaxVarintLen64+len(k.Scope)+len(k.Key))
	if k.Counter {
		key = append(key, 'c')
	} else {
		key = append(key, 'v')
	}
	key = binary.AppendUvarint(key, uint64(len(k.Scope)))
	key = append(append(key, k.Scope...), k.Key...)
	if len(key) > bbolt.MaxKeySize {
		return nil, fmt.Errorf("state key of %d bytes, at most %d with its scope: %w", len(key), bbolt.MaxKeySize, host.ErrInvalid)
	}
	return key, nil
}

// keyState decodes what it can of a key, which may be damaged.
func keyState(key []byte) host.StateKey {
	if len(key) == 0 {
		return host.StateKey{}
	}
	k := host.StateKey{Counter: key[0] == 'c'}
	n, used := binary.Uvarint(key[1:])
	rest := key[1+max(used, 0):]
	if used <= 0 || n > uint64(len(rest)) {
		k.Key = string(rest)
		return k
	}
	k.Scope, k.Key = string(rest[:n]), string(rest[n:])
	return k
}
