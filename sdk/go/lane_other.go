//go:build !unix && !wasip1

package vanth

import (
	"context"
	"errors"
)

func serveLane(context.Context, *plugin, string, string) error {
	return errors.New("VANTH_LANE: not on this platform")
}

func isGone(error) bool { return false }
