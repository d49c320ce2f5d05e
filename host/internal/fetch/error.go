package fetch

import (
	"errors"
	"fmt"
)

// ErrRefused matches every error that says no on behalf of a rule or a setting: the URL, the
// address, the redirect, the file, the size or the digest. Other errors are faults of the
// network, the peer or the disk.
var ErrRefused = errors.New("refused")

// refusal matches ErrRefused without carrying its word: the texts are eKuiper's and clients compare them.
type refusal struct{ text string }

func (r *refusal) Error() string        { return r.text }
func (r *refusal) Is(target error) bool { return target == ErrRefused }

func refuse(format string, args ...any) error {
	return &refusal{text: fmt.Sprintf(format, args...)}
}
