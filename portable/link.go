package portable

import (
	"context"
	"errors"

	"github.com/vanth-io/vanth/host"
)

// link is how the host and one process talk. It ends with the process. Errors
// of the process's end wrap errGone, and errNotSent when nothing reached it.
type link interface {
	// lane is its word in the status.
	lane() string
	// function starts a function of the manifest. The error is a *refusal when
	// the plugin said no.
	function(ctx context.Context, name string) error
	aggregate(ctx context.Context, name string) (bool, error)
	validate(ctx context.Context, name string, args []any) error
	exec(ctx context.Context, f *function, b *buffers, c *host.Call, args []any) (any, error)
	// attach starts a source or a sink, and detach stops it.
	attach(ctx context.Context, n *node) (attachment, error)
	// bye asks the process to end; it may not know how.
	bye()
	// close frees what the host holds. The process has ended, or will be killed.
	close()
}

// attachment is a source or a sink as it runs in one process.
type attachment interface {
	detach(ctx context.Context) error
	// drop frees what the host holds of it: its process is gone.
	drop()
}

// sinkAttachment takes payloads. Whether they will be acknowledged is constant.
type sinkAttachment interface {
	attachment
	// write gives the process one payload. It may block until ctx ends.
	write(ctx context.Context, p *parcel) error
	acknowledges() bool
}

// sourceAttachment is told how many more messages there is room for.
type sourceAttachment interface {
	attachment
	credit(n int)
}

var (
	errGone    = errors.New("the process ended")
	errNotSent = errors.New("the process was not reached")
)

// refusal is what a plugin said when it was asked to start something.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }
