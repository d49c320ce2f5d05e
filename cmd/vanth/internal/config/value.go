package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/vanth-io/vanth/host"
)

// shape judges a text; expected is what an error says of it.
type shape struct {
	expected string
	fits     func(string) bool
}

var (
	hostName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$`)
	numeric  = regexp.MustCompile(`^[0-9.]+$`)
)

func anyShape() shape { return shape{"a text", func(string) bool { return true }} }

func addressShape() shape {
	return shape{"an IP address or a host name", func(s string) bool {
		if _, err := netip.ParseAddr(s); err == nil || s == "" {
			return true
		}
		// What looks like an IPv4 address must be one.
		return hostName.MatchString(s) && !numeric.MatchString(s)
	}}
}

// namesShape is that of a name in Host, which has no port here.
func namesShape() shape {
	return shape{"IP addresses or host names without a port", func(s string) bool { return s != "" && addressShape().fits(s) }}
}

// minisignShape is the line of a minisign.pub that is not its comment: the
// algorithm, eight bytes that name the key, and the key.
func minisignShape() shape {
	return shape{"public keys of minisign, such as RWQf6LRCGA9i53ml...", func(s string) bool {
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		return err == nil && len(b) == 2+8+32 && string(b[:2]) == "Ed"
	}}
}

func grantShape() shape {
	known := []string{"state", "clock", "random", "http"}
	return shape{"some of " + strings.Join(known, ", "), func(s string) bool { return slices.Contains(known, s) }}
}

func patternShape() shape {
	return shape{"HOST or HOST:PORT, where HOST may be *.DOMAIN or *, and PORT may be *", func(s string) bool {
		return s != "" && !strings.ContainsAny(s, " /")
	}}
}

func pluginShape() shape {
	return shape{"names of plugins", func(s string) bool { return host.CheckName(s) == nil }}
}

func variableShape() shape {
	return shape{"names of environment variables, PREFIX* or *", func(s string) bool {
		return s != "" && !strings.ContainsAny(s, "= \t") && !strings.Contains(strings.TrimSuffix(s, "*"), "*")
	}}
}

func wrong(n *yaml.Node, expected string, a ...any) error {
	return fmt.Errorf("found %s, expected %s", found(n), fmt.Sprintf(expected, a...))
}

// found describes a value in the words of who wrote it.
func found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return fmt.Sprintf("a list of %d", len(n.Content))
	case yaml.MappingNode:
		return "a section"
	}
	v := n.Value
	if len(v) > 64 {
		v = v[:64] + "..."
	}
	if n.ShortTag() == "!!str" {
		return fmt.Sprintf("text %q", v)
	}
	return v
}

func text(name string, of func() shape, field func(*Config) *string) key {
	return key{name: name, set: func(c *Config, n *yaml.Node) error {
		if s := of(); n.Kind != yaml.ScalarNode || !s.fits(n.Value) {
			return wrong(n, "%s", s.expected)
		}
		*field(c) = n.Value
		return nil
	}}
}

func choice(name string, of []string, field func(*Config) *string) key {
	return key{name: name, set: func(c *Config, n *yaml.Node) error {
		v := strings.ToLower(n.Value)
		if n.Kind != yaml.ScalarNode || !slices.Contains(of, v) {
			return wrong(n, "one of %s", strings.Join(of, ", "))
		}
		*field(c) = v
		return nil
	}}
}

func boolean(name string, field func(*Config) *bool) key {
	return key{name: name, set: func(c *Config, n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
			return wrong(n, "true or false")
		}
		return n.Decode(field(c))
	}}
}

func integer[T int | int64](name string, low, high T, field func(*Config) *T) key {
	return key{name: name, set: func(c *Config, n *yaml.Node) error {
		var v int64
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || n.Decode(&v) != nil || v < int64(low) || v > int64(high) {
			return wrong(n, "a whole number from %d to %d", low, high)
		}
		*field(c) = T(v)
		return nil
	}}
}

// duration reads Go's form, and eKuiper's plain number of milliseconds.
func duration(name string, low, high time.Duration, field func(*Config) *time.Duration) key {
	return key{name: name, set: func(c *Config, n *yaml.Node) error {
		d, err := parseDuration(n)
		if err != nil || d < low || d > high {
			return wrong(n, "a duration of at least %s, such as 500ms, 10s, 5m, or a number of milliseconds", low)
		}
		*field(c) = d
		return nil
	}}
}

func parseDuration(n *yaml.Node) (time.Duration, error) {
	if n.Kind != yaml.ScalarNode {
		return 0, errors.New("not a scalar")
	}
	if n.ShortTag() != "!!int" {
		return time.ParseDuration(n.Value)
	}
	var ms int64
	if err := n.Decode(&ms); err != nil {
		return 0, err
	}
	const most = int64(1<<63-1) / int64(time.Millisecond)
	if ms > most || ms < -most {
		return 0, errors.New("out of range")
	}
	return time.Duration(ms) * time.Millisecond, nil
}

func words(name string, of func() shape, field func(*Config) *[]string) key {
	return key{name: name, list: true, set: func(c *Config, n *yaml.Node) error {
		s := of()
		if n.Kind != yaml.SequenceNode {
			return wrong(n, "a list: %s", s.expected)
		}
		list := make([]string, 0, len(n.Content))
		for _, e := range n.Content {
			e = resolve(e)
			if e.Kind != yaml.ScalarNode || !s.fits(e.Value) {
				return fmt.Errorf("found %s in the list, expected %s", found(e), s.expected)
			}
			if slices.Contains(list, e.Value) {
				return fmt.Errorf("found %q twice in the list", e.Value)
			}
			list = append(list, e.Value)
		}
		*field(c) = list
		return nil
	}}
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
