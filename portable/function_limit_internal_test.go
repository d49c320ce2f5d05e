package portable

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestLimited: it ends as a context of context.WithTimeout does, whether or not
// anybody waited for it before.
func TestLimited(t *testing.T) {
	why := errors.New("why")
	for name, wait := range map[string]bool{"nobody waits": false, "somebody waits": true} {
		t.Run(name, func(t *testing.T) {
			begin := func(parent context.Context, limit time.Duration) *limited {
				l := &limited{Context: parent, limit: limit}
				_, _ = l.Deadline()
				if wait {
					_ = l.Done()
				}
				t.Cleanup(func() { l.release() })
				return l
			}
			ended := func(l *limited, err, cause error) {
				t.Helper()
				if l.Err() != err || context.Cause(l) != cause {
					t.Errorf("found %v because of %v, want %v because of %v", l.Err(), context.Cause(l), err, cause)
				}
				if err != nil {
					<-l.Done()
				}
			}
			parent, cancel := context.WithCancelCause(t.Context())
			l := begin(parent, time.Hour)
			if end, ok := l.Deadline(); !ok || time.Until(end) < 59*time.Minute {
				t.Error(end, ok)
			}
			ended(l, nil, nil)
			told := make(chan struct{})
			child, stop := context.WithCancel(l)
			defer stop()
			context.AfterFunc(child, func() { close(told) })
			cancel(why)
			<-told
			ended(l, context.Canceled, why)
			ended(begin(parent, time.Hour), context.Canceled, why)

			l = begin(t.Context(), 250*time.Millisecond)
			ended(l, nil, nil)
			time.Sleep(260 * time.Millisecond)
			ended(l, context.DeadlineExceeded, context.DeadlineExceeded)
			ended(begin(t.Context(), -time.Second), context.DeadlineExceeded, context.DeadlineExceeded)
		})
	}
}
